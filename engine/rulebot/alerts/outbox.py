"""The outbox: alerts, their recipients and deliveries, in a file beside the store.

An alert is written before it is sent, and a delivery is marked before and after. After a crash between the two marks it
is sent again and says so: each is sent at least once.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from rulebot.alerts.find import Alert, Grade
from rulebot.model.errors import StoreError, in_words
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.record.codec import json_text, utc_text, utc_time
from rulebot.store.place import give_to_owner, make_folder, make_private

SAME_WITHIN = timedelta(minutes=30)
"""An alert with the same words about the same position is counted with an unacknowledged one of this age."""
MOST_OPEN = 100
"""Unacknowledged grave alerts shown at most beside the newest."""
LONGEST_WAIT = timedelta(minutes=10)
"""How long a delivery that was refused waits at most until it is tried again."""
_TABLES = """
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS alerts (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, at TEXT NOT NULL, grade TEXT NOT NULL, bot TEXT NOT NULL,
  text TEXT NOT NULL, found_at TEXT NOT NULL, rounds INTEGER NOT NULL DEFAULT 1,
  same_as INTEGER REFERENCES alerts(id), acknowledged_at TEXT, data TEXT NOT NULL DEFAULT '{}',
  round_at TEXT
);
CREATE INDEX IF NOT EXISTS alerts_open ON alerts(grade) WHERE acknowledged_at IS NULL;
CREATE TABLE IF NOT EXISTS deliveries (
  alert INTEGER NOT NULL REFERENCES alerts(id), person TEXT NOT NULL, round INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'told', 'given_up')), is_again INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, due_at TEXT NOT NULL, told_at TEXT, error TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (alert, person, round)
);
CREATE INDEX IF NOT EXISTS deliveries_due ON deliveries(person, due_at) WHERE state = 'waiting';
"""
_ALERT = "a.id, a.key, a.at, a.grade, a.bot, a.text, a.rounds, a.acknowledged_at, a.data"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert of the outbox. rounds: how often it was, or will have been, sent; count: it and similar ones."""

    id: int
    alert: Alert
    rounds: int
    count: int
    is_acknowledged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One alert for one person.

    is_again: an earlier try was interrupted, and may have arrived; round: counts from 1.
    """

    kept: StoredAlert
    person: str
    round: int
    attempts: int
    is_again: bool


class Outbox:
    """One file, used by one thread. Raises: StoreError from every method when the file cannot be used."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with _said(path):
            make_folder(path.parent)
            if not path.exists():
                make_private(path)
                give_to_owner(path)
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.executescript(_TABLES)
        with self._transaction():  # a file of an earlier version lacks the data for programs, and when a round began
            found = {row[0] for row in self._connection.execute("SELECT name FROM pragma_table_info('alerts')")}
            for column, kind in (("data", "TEXT NOT NULL DEFAULT '{}'"), ("round_at", "TEXT")):
                if column not in found:
                    self._connection.execute(f"ALTER TABLE alerts ADD COLUMN {column} {kind}")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def head(self) -> int | None:
        """The number of the last record that was looked at; None while nothing was."""
        found = self.mark("head")
        return None if found is None else int(found)

    def mark(self, name: str) -> str | None:
        """Return how far something was read, None while it never was."""
        with _said(self.path):
            found = self._connection.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_mark(self, name: str, value: str) -> None:
        """Keep how far something was read, durably."""
        with self._transaction():
            self._connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def add(self, alerts: Iterable[Alert], head: int, people: Sequence[tuple[str, Grade]], at: datetime) -> None:
        """Keep new alerts, with a delivery for each person who wants their grade, and how far we looked.

        people: names with their grades; without people there are no deliveries.
        """
        with self._transaction():
            for alert in alerts:
                self._add(alert, [name for name, grade in people if grade is alert.grade], at)
            self._connection.execute("INSERT OR REPLACE INTO marks VALUES ('head', ?)", (str(head),))

    def _add(self, alert: Alert, people: Sequence[str], at: datetime) -> None:
        same = None
        if alert.grade in (Grade.GRAVE, Grade.WARNING):  # two trades in the same words are two trades
            same = self._connection.execute(
                "SELECT id FROM alerts WHERE acknowledged_at IS NULL AND same_as IS NULL AND grade = ? AND bot = ?"
                " AND text = ? AND data = ? AND at > ? AND key <> ?"
                " AND (? OR EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = alerts.id))",
                (
                    alert.grade.value,
                    alert.bot,
                    alert.text,
                    json_text(alert.data),
                    utc_text(alert.at - SAME_WITHIN),
                    alert.key,
                    not people,  # a recipient without the earlier one
                ),
            ).fetchone()
        made = self._connection.execute(
            "INSERT OR IGNORE INTO alerts(key, at, grade, bot, text, found_at, same_as, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                alert.key,
                utc_text(alert.at),
                alert.grade.value,
                alert.bot,
                alert.text,
                utc_text(at),
                same and same[0],
                json_text(alert.data),
            ),
        )
        if made.rowcount and same is None:
            self._require(made.lastrowid, people, 1, at)

    def _require(self, alert: int | None, people: Iterable[str], round: int, at: datetime) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO deliveries(alert, person, round, state, due_at) VALUES (?, ?, ?, 'waiting', ?)",
            [(alert, person, round, utc_text(at)) for person in people],
        )

    def recover(self) -> int:
        """Requeue deliveries that were being sent when their sender died. Returns how many."""
        with self._transaction():
            return self._connection.execute(
                "UPDATE deliveries SET state = 'waiting', is_again = 1 WHERE state = 'sending'"
            ).rowcount

    def due(self, person: str, now: datetime) -> list[Delivery]:
        """Return the deliveries that are due, the oldest first, including those held by a clock that was set back."""
        with _said(self.path):
            rows = self._connection.execute(
                f"SELECT {_ALERT}, (SELECT count(*) FROM alerts s WHERE s.same_as = a.id) + 1,"
                " d.person, d.round, d.attempts, d.is_again FROM deliveries d JOIN alerts a ON a.id = d.alert"
                " WHERE d.state = 'waiting' AND d.person = ? AND (d.due_at <= ? OR d.due_at > ?) ORDER BY a.at, a.id",
                (person, utc_text(now), utc_text(now + LONGEST_WAIT)),
            ).fetchall()
        return [
            Delivery(kept=_kept(row[:10]), person=row[10], round=row[11], attempts=row[12], is_again=bool(row[13]))
            for row in rows
        ]

    def sending(self, deliveries: Iterable[Delivery]) -> None:
        """Mark deliveries as being sent, durably: from now on they may have arrived."""
        self._mark("UPDATE deliveries SET state = 'sending', attempts = attempts + 1 WHERE {which}", deliveries)

    def reported(self, deliveries: Iterable[Delivery], at: datetime) -> None:
        """Mark deliveries as sent."""
        self._mark(
            "UPDATE deliveries SET state = 'told', told_at = ?, error = '' WHERE {which}", deliveries, utc_text(at)
        )

    def failed(self, deliveries: Iterable[Delivery], error: str, due_at: datetime | None) -> None:
        """Mark deliveries as refused, to be tried again at `due_at`; None gives up."""
        state = "given_up" if due_at is None else "waiting"
        self._mark(
            "UPDATE deliveries SET state = ?, error = ?, due_at = coalesce(?, due_at) WHERE {which}",
            deliveries,
            state,
            error,
            None if due_at is None else utc_text(due_at),
        )

    def _mark(self, statement: str, deliveries: Iterable[Delivery], *values: str | None) -> None:
        with self._transaction():
            self._connection.executemany(
                statement.format(which="alert = ? AND person = ? AND round = ?"),
                [(*values, each.kept.id, each.person, each.round) for each in deliveries],
            )

    def unheard(self, before: datetime, rounds: int, now: datetime) -> list[StoredAlert]:
        """Return unacknowledged grave alerts that were last sent before `before`.

        One that could not be sent counts from when it was due. One sent after `now` is from before a clock was set
        back.
        """
        with _said(self.path):
            rows = self._connection.execute(
                f"SELECT {_ALERT}, (SELECT count(*) FROM alerts s WHERE s.same_as = a.id) + 1 FROM alerts a"
                " WHERE a.grade = 'grave' AND a.acknowledged_at IS NULL AND a.same_as IS NULL AND a.rounds < ?"
                " AND (coalesce(a.round_at, a.found_at) <= ? OR coalesce(a.round_at, a.found_at) > ?)"
                " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id) AND NOT EXISTS"
                " (SELECT 1 FROM deliveries d WHERE d.alert = a.id AND d.state = 'told'"
                " AND d.told_at > ? AND d.told_at <= ?)",
                (rounds, *2 * (utc_text(before), utc_text(now))),
            ).fetchall()
        return [_kept(row) for row in rows]

    def escalate(self, kept: StoredAlert, people: Iterable[str], at: datetime) -> None:
        """Queue an alert again for people without a pending delivery of it; without people there is no round."""
        with self._transaction():
            still = self._connection.execute(
                "SELECT person FROM deliveries WHERE alert = ? AND state IN ('waiting', 'sending')", (kept.id,)
            )
            waiting = {row[0] for row in still}
            outstanding = [person for person in people if person not in waiting]
            if not outstanding:
                return
            self._connection.execute(
                "UPDATE alerts SET rounds = ?, round_at = ? WHERE id = ?", (kept.rounds + 1, utc_text(at), kept.id)
            )
            self._require(kept.id, outstanding, kept.rounds + 1, at)

    def acknowledge(self, id: int | None, at: datetime, until: int | None = None) -> int:
        """Mark an alert as seen by a person, and those like it; None marks all, with `until` those up to that one.

        Returns how many of those that people read were not before, each of them and those like it as one.
        """
        which = "acknowledged_at IS NULL" + ("" if id is None else " AND (id = :id OR same_as = :id)")
        which += "" if until is None else " AND coalesce(same_as, id) <= :until"
        reported = {"at": utc_text(at), "id": id, "until": until}
        with self._transaction():
            (done,) = self._connection.execute(
                f"SELECT count(DISTINCT coalesce(same_as, id)) FROM alerts WHERE {which} AND grade <> 'decision'",
                reported,
            ).fetchone()
            self._connection.execute(f"UPDATE alerts SET acknowledged_at = :at WHERE {which}", reported)
            self._connection.execute(
                "UPDATE deliveries SET state = 'given_up', error = 'acknowledged' WHERE state = 'waiting' AND round > 1"
                " AND alert IN (SELECT id FROM alerts WHERE acknowledged_at IS NOT NULL)"
            )
        return int(done)

    def newest(self, count: int) -> list[tuple[StoredAlert, tuple[str, ...]]]:
        """Return the newest alerts except decisions, with their deliveries: `phone sent`, `mail waits: refused`.

        It includes unacknowledged grave ones, however old.
        """
        with _said(self.path):
            rows = self._connection.execute(
                f"SELECT {_ALERT}, (SELECT count(*) FROM alerts s WHERE s.same_as = a.id) + 1 FROM alerts a"
                " WHERE a.id IN (SELECT id FROM alerts WHERE same_as IS NULL AND grade <> 'decision'"
                " ORDER BY at DESC, id DESC LIMIT ?) OR a.id IN (SELECT id FROM alerts o WHERE same_as IS NULL"
                " AND grade = 'grave' AND acknowledged_at IS NULL"
                " AND EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = o.id) ORDER BY at DESC, id DESC LIMIT ?)"
                " ORDER BY a.at DESC, a.id DESC",
                (count, MOST_OPEN),
            ).fetchall()
            found = []
            for row in rows:
                states = self._connection.execute(
                    "SELECT person, state, error FROM deliveries WHERE alert = ? ORDER BY person, round", (row[0],)
                ).fetchall()
                found.append((_kept(row), tuple(_fate(*each) for each in states)))
        return found

    def unreported_decisions(self) -> list[str]:
        """Return the undelivered decisions by person; they are not among the newest: `desk: 3 decisions not sent`."""
        with _said(self.path):
            rows = self._connection.execute(
                "SELECT d.person, d.state, count(*), max(d.error) FROM deliveries d JOIN alerts a ON a.id = d.alert"
                " WHERE a.grade = 'decision' AND d.state IN ('waiting', 'given_up')"
                " AND (d.state = 'waiting' OR a.acknowledged_at IS NULL) GROUP BY 1, 2 ORDER BY 1, 2 DESC"
            ).fetchall()
        words = {"waiting": "to be sent", "given_up": "not sent"}
        return [
            f"{person}: {counted(count, 'decision')} {words[state]}" + (f": {error}" if error else "")
            for person, state, count, error in rows
        ]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _said(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _kept(row: Sequence[object]) -> StoredAlert:
    number, key, at, grade, bot, text, rounds, acknowledged, data, count = row
    reported = json.loads(str(data))
    alert = Alert(key=str(key), at=utc_time(str(at)), grade=Grade(grade), bot=str(bot), text=str(text), data=reported)
    return StoredAlert(
        id=int(str(number)),
        alert=alert,
        rounds=int(str(rounds)),
        count=int(str(count)),
        is_acknowledged=acknowledged is not None,
    )


def _fate(person: str, state: str, error: str) -> str:
    words = {"waiting": "waits", "sending": "is being notified", "told": "notified", "given_up": "not notified"}[state]
    return f"{person} {words}" + (f": {error}" if error else "")


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"the outbox of alerts {path} cannot be used: {in_words(error)}") from error
