"""A start whose account document is gone, where the last run on its store had one: a person is told."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.live import start
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

NOON = datetime(2026, 10, 21, 16, 0, tzinfo=UTC)
LIMITS: Json = {"max_open": 3}
SPECS: Json = {"spread": {"digest": "d"}}
STARTED, APPLIED = (Kind.RUN_STARTED, {"specs": SPECS}), (Kind.RELOAD, {"what": "applied", "specs": SPECS})
STORE = "s.db"
NOTHING = (Kind.RELOAD, {"what": "nothing"})


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqlJournal]:
    found = SqlJournal(open_store(tmp_path / STORE))
    yield found
    found.close()


def reported(
    journal: SqlJournal, folder: Path, account: object = None, bots: tuple[str, ...] = ("spread",)
) -> list[str]:
    options = SimpleNamespace(store=folder / STORE)
    run: Any = SimpleNamespace(desk=SimpleNamespace(account=account, bots=bots), options=options, first=NOON)
    start._alarm_of_missing_limits(run, journal)
    return [str(record.data["text"]) for record in journal.read((Kind.ALARM,))]


def write(journal: SqlJournal, what: tuple[Kind, dict[str, Json]], **data: Json) -> None:
    journal.append([Record(NOON, what[0], data={**what[1], **data})], durable=True)


def test_who_starts_without_limits_that_were_there_is_reported_once(journal: SqlJournal, tmp_path: Path) -> None:
    """Nothing said so: the daily loss, and how many may be open, were off from a service's next start on."""
    write(journal, STARTED, limits=LIMITS)
    write(journal, NOTHING)
    (text,) = reported(journal, tmp_path)
    assert text.startswith("the limits over all bots are off")
    write(journal, STARTED, limits=None)
    assert reported(journal, tmp_path) == [text]


def test_a_run_that_only_closed_is_passed_over(journal: SqlJournal, tmp_path: Path) -> None:
    """One of `rulebot kill --flatten` has no document: who started after it without limits was told nothing."""
    write(journal, STARTED, limits=LIMITS)
    write(journal, (Kind.RUN_STARTED, {"specs": {}}), limits=None)
    assert len(reported(journal, tmp_path)) == 1


def test_limits_that_a_reload_has_brought_count(journal: SqlJournal, tmp_path: Path) -> None:
    write(journal, STARTED, limits=None)
    assert reported(journal, tmp_path) == []
    write(journal, APPLIED, limits=LIMITS)
    assert len(reported(journal, tmp_path)) == 1


def test_no_alert_is_sent_where_there_are_limits_or_nothing_is_entered(journal: SqlJournal, tmp_path: Path) -> None:
    assert reported(journal, tmp_path) == []
    write(journal, STARTED, limits=LIMITS)
    assert reported(journal, tmp_path, account=object()) == reported(journal, tmp_path, bots=()) == []
