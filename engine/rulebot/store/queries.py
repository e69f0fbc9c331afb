"""What the commands and pages ask a store: plain rows of the views, and records by bot and day. Read-only."""

import json
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Connection, Select, Text, func, literal, select, text, type_coerce, union
from sqlalchemy import Row as SqlRow

from rulebot.model.order import FIRST_REVISION, UNSEEN
from rulebot.model.position import Position
from rulebot.model.session import at_exchange_time, exchange_date, session_on
from rulebot.model.values import dataclass
from rulebot.record.codec import decode, utc_text, utc_time
from rulebot.record.explain import OF_LINKS, TimeSpan, outages
from rulebot.record.record import COMPUTER_AHEAD, CORRECTED, DATA_TROUBLE, ORDER_NUMBER_FLOOR, Kind, Record
from rulebot.store.dialect import place_in
from rulebot.store.failures import error_text, failures
from rulebot.store.finance import KINDS as BOOKED
from rulebot.store.finance import Deals, deals_of, positions_of
from rulebot.store.place import Place
from rulebot.store.recall import COLUMNS, StartupRecords, certain, of_kinds, read_rows, readable, recall
from rulebot.store.registry import is_in_use, read_store
from rulebot.store.rows import dollars_of_a_point
from rulebot.store.schema import (
    OF_ONE,
    ChainBreak,
    bot_day_rows,
    fill_rows,
    journal,
    lease,
    of_position,
    order_rows,
    trade_rows,
    verify,
)

# --- Orders, fills, alarms and profit of a store counted for other programs

FETCHED = 500
"""Orders that are asked for at once by their numbers; when more are new, all are read."""


class OrderTally(NamedTuple):
    """One order's present state.

    seconds: from its first record to its last execution, None unless it is filled. slippage: dollars by which its fills
    were worse than the mid when the order was first priced, None without a fill or a mid.
    """

    bot: str
    purpose: str
    state: str
    attempt: int
    seconds: float | None
    slippage: Decimal | None


Known = MutableMapping[int, tuple[object, OrderTally]]
"""Orders that were read before, by number, each with a mark of its version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What a store holds, counted. fills, alarms, net: by bot, "" for those of no bot; losses: lost connections.

    net: dollars that closed trades made after commissions.
    """

    orders: tuple[OrderTally, ...]
    fills: Mapping[str, int]
    alarms: Mapping[str, int]
    losses: int
    net: Mapping[str, Decimal]


def tally(connection: Connection, known: Known) -> Tally:
    """Return everything counted, of one instant; of the orders that are `known` only what has changed is read."""
    links = select(journal.c.data).where(journal.c.kind == Kind.LINK.value)
    alarms = select(journal.c.bot, func.count()).where(journal.c.kind == Kind.ALARM.value).group_by(journal.c.bot)
    fills = select(fill_rows.c.bot, func.count()).group_by(fill_rows.c.bot)
    net = connection.execute(text("SELECT strategy_id, net_pnl FROM strategy_summary"))
    return Tally(
        orders=_orders(connection, known),
        fills={str(bot): int(count) for bot, count in connection.execute(fills)},
        alarms={str(bot): int(count) for bot, count in connection.execute(alarms)},
        losses=sum(not json.loads(data).get("up") for data in connection.execute(links).scalars()),
        net={str(bot): Decimal(str(amount)) for bot, amount in net},
    )


def _orders(connection: Connection, known: Known) -> tuple[OrderTally, ...]:
    """Bring `known` up to date, and return the orders by number."""
    columns = order_rows.c
    seen = (type_coerce(columns[name], Text()) for name in ("state", "changed_at", "fill_price", "fill_time"))
    marks = {row[0]: tuple(row[1:]) for row in connection.execute(select(columns.number, *seen))}
    for number in known.keys() - marks.keys():
        del known[number]
    changed = [number for number, mark in marks.items() if number not in known or known[number][0] != mark]
    query = select(order_rows)
    if len(changed) <= FETCHED:
        query = query.where(columns.number.in_(changed))
    for row in connection.execute(query) if changed else ():
        known[row.number] = (marks[row.number], _read(row))
    return tuple(known[number][1] for number in sorted(known))


def _read(row: SqlRow[Any]) -> OrderTally:
    is_filled = row.state == "filled" and row.fill_time is not None
    seconds = max(0.0, (row.fill_time - row.prepared_at).total_seconds()) if is_filled else None
    slippage = None
    if row.fill_price is not None and row.mid is not None and row.filled:
        worse = row.fill_price - row.mid if row.action == "BUY" else row.mid - row.fill_price
        slippage = worse * row.filled * dollars_of_a_point(row.legs)
    return OrderTally(row.bot, row.purpose, row.state, row.attempt, seconds, slippage)


# --- What the commands and pages ask a store

Row = Mapping[str, Any]
OBSERVE = "observe"
"""The mode, in the settings of its start, of a run that sends nothing."""
STORY_KINDS = frozenset((Kind.VERDICT, Kind.DECISION, Kind.SELECTION, Kind.NEAREST, Kind.BOT_DAY, Kind.RELOAD))
_OF_A_RUN = frozenset((Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.OPERATOR, Kind.SESSION, Kind.RELOAD))
_VIEW_ORDER = {
    "trades": "id", "orders": "id", "fills": "executed_at, exec_id", "position_snapshots": "id",
    "open_positions": "strategy_id, id", "pending_orders": "id", "strategy_summary": "strategy_id",
    "account_summary": "1", "daily_summary": "date", "bot_days": "date, strategy_id", "risk_metrics": "1",
    "underlying_risk": "symbol", "system_state": "1",
}  # fmt: skip


class RestoredStore(NamedTuple):
    """The record by which a store was put back last, by its number, and above what all is named since; 0, 0 if none."""

    number: int = 0
    above: int = 0


class ListedRun(NamedTuple):
    """A view: names of columns, and rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The last run of a store: its first record, operators' requests since, and whether an engine is alive now.

    earlier: requests in force from before it began. reloads: the result of each requested reload, in order. session:
    its last one, None before its first. is_waiting: an engine without a run yet has the store, since no gateway accepts
    it.
    """

    started: Record | None
    ended: Record | None
    requests: tuple[Record, ...]
    earlier: tuple[Record, ...] = ()
    reloads: tuple[Record, ...] = ()
    session: date | None
    is_alive: bool
    is_waiting: bool = False

    @property
    def specs(self) -> Mapping[str, Any]:
        """The specs it runs, or ran at last, by name: digest, path, text."""
        reported = [record for record in (self.started, *self.reloads) if record is not None and "specs" in record.data]
        found: Any = reported[-1].data["specs"] if reported else None
        return found or {}

    @property
    def limits(self) -> Any:
        """The limits over all bots as they are now, None without any."""
        applied = [record for record in self.reloads if "specs" in record.data]
        if applied:
            return applied[-1].data.get("limits")
        return None if self.started is None else self.started.data.get("limits")

    @property
    def reload(self) -> Record | None:
        """The reload that was refused or still waits, None when none was, or the last one was taken up."""
        last = self.reloads[-1] if self.reloads else None
        return None if last is None or last.data["what"] in ("applied", "nothing") else last

    @property
    def removing(self) -> frozenset[str]:
        """The bots that a reload removes which waits to be taken up, or waited when the run ended."""
        if self.reload is None or self.reload.data["what"] == "refused":
            return frozenset()
        asked: Any = next((record for record in reversed(self.reloads) if record.data["what"] == "asked"), None)
        changes = () if asked is None else asked.data["changes"]
        return frozenset(each["bot"] for each in changes if each["change"] == "removed")

    @property
    def mark(self) -> str:
        """The mark of a run which sends nothing, "" for any other."""
        settings: Any = None if self.started is None else self.started.data.get("settings")
        reported = settings or {}
        if reported.get("mode") != OBSERVE:
            return ""
        shadow = f", a shadow of {reported['shadow_of']}" if reported.get("shadow_of") else ""
        return f"observed{shadow}: nothing was sent, and orders filled by a model ({reported.get('fills')})"

    @property
    def is_simulated(self) -> bool:
        """Whether its market was made up."""
        return self.started is not None and bool(self.started.data.get("simulated"))

    @property
    def pretended(self) -> str:
        """Why nothing of a run was traded in an account, "" where it was."""
        data: Any = {} if self.started is None else self.started.data
        if self.mark or not data.get("simulated"):
            return self.mark
        is_backtest = (data.get("settings") or {}).get("mode") == "backtest"
        return "a backtest: its orders were filled by a model" if is_backtest else "a simulated market"

    @property
    def ended_with(self) -> str:
        """The past or made-up market that ended with the run, so that no run continues from its store, or ""."""
        settings: Any = {} if self.started is None else self.started.data.get("settings") or {}
        if settings.get("mode") == "backtest":
            return "a backtest"
        return "a simulated market" if settings.get("sim") and not settings.get("gateway") else ""

    def state(self, bot: str = "", *, holds: bool = False) -> str:
        """Return stopped, starting, running or stopping, of one bot or of the engine.

        holds: the bot has open positions. An engine that does not run it closes them as their texts say.
        """
        if self.is_waiting:
            return "starting"
        if self.started is None or self.ended is not None or not self.is_alive:
            return "stopped"
        if bot and bot not in self.specs:
            return "stopping" if holds else "stopped"
        if any(record.data.get("request") == "stop" for record in self.requests if record.bot in ("", bot)):
            return "stopping"
        return "running" if self.session is not None else "starting"


class Rolls(NamedTuple):
    """What a position was rolled from, "" of nothing; what it was rolled into; and the orders that opened it so."""

    came_from: str
    went_into: tuple[str, ...]
    orders: tuple[str, ...]


class StoreReader:
    """A store, open for reading; use it with `with`. All answers see one instant. Raises: StoreError."""

    def __init__(self, path: Place) -> None:
        self.path = path
        self._store = read_store(path)
        self._connection = self._store.engine.connect()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the store; a failure of the database becomes a StoreError."""
        self._connection.close()
        self._store.close()
        if isinstance(error, failures()):
            raise error_text(error, self.path) from error

    def view(self, name: str, **equal: object) -> list[Row]:
        """Return the rows of a view of `schema.py`, those whose columns equal what is given, in a fixed order."""
        where = " AND ".join(f"{column} = :{column}" for column in equal)
        query = f"SELECT * FROM {name}{' WHERE ' + where if where else ''} ORDER BY {_VIEW_ORDER[name]}"
        with self._connection.begin():
            return [dict(row) for row in self._connection.execute(text(query), equal).mappings()]

    def trades(self, **equal: object) -> list[Row]:
        """Return rows of the view `trades`, each with its fills without a commission (`pending_commissions`)."""
        rows, outstanding = self.view("trades", **equal), self.outstanding()
        return [{**row, "pending_commissions": outstanding.get(row["position"], 0)} for row in rows]

    def entered(self, bot: str = "") -> dict[str, int]:
        """Return how many trades each bot has, or one of them."""
        where = " WHERE strategy_id = :bot" if bot else ""
        query = f"SELECT strategy_id, count(*) FROM trades{where} GROUP BY strategy_id"
        with self._connection.begin():
            return {str(name): int(count) for name, count in self._connection.execute(text(query), {"bot": bot})}

    def outstanding(self) -> dict[str, int]:
        """Return the number of fills without a commission report, by position, where there are some.

        A fill inferred from the account, or busted, will have none: a position counts the pending ones.
        """
        unreported = select(fill_rows.c.position).where(fill_rows.c.commission.is_(None))
        found = self._positions(journal.c.position.in_(unreported))
        return {each.id: each.commissions_pending for each in found if each.commissions_pending > 0}

    def run(self) -> Run:
        """Return the last run of this store."""
        with self._connection.begin():
            first = self._first(select(journal.c.seq).where(journal.c.kind == Kind.RUN_STARTED.value))
            since = 0 if first is None else first
            found = self._records(
                select(*COLUMNS).where(
                    journal.c.kind.in_(_values(_OF_A_RUN)),
                    journal.c.seq >= since,
                )
            )
            of_operators = journal.c.kind == Kind.OPERATOR.value
            earlier = self._records(select(*COLUMNS).where(of_operators, journal.c.seq < since))
            epoch = self._connection.execute(select(func.max(lease.c.epoch))).scalar()
        by_kind = {kind: [record for record in found if record.kind is kind] for kind in Kind}
        started = next(iter(by_kind[Kind.RUN_STARTED]), None)
        began = 0 if started is None else started.data.get("epoch")  # without one it is unknown
        is_alive = is_in_use(self.path)
        return Run(
            started=started,
            ended=next(iter(by_kind[Kind.RUN_ENDED]), None),
            requests=tuple(by_kind[Kind.OPERATOR]),
            earlier=tuple(earlier),
            reloads=tuple(record for record in by_kind[Kind.RELOAD] if not record.bot),
            session=max((date.fromisoformat(str(each.data["date"])) for each in by_kind[Kind.SESSION]), default=None),
            is_alive=is_alive,
            is_waiting=is_alive and epoch is not None and began is not None and epoch > int(str(began)),
        )

    def last_limits(self) -> Any:
        """Return the limits over all bots of the last run that ran any, None without: one that only closes has none."""
        kinds = _values((Kind.RUN_STARTED, Kind.RELOAD))
        seqs = (
            select(journal.c.seq).where(journal.c.kind.in_(kinds), journal.c.bot == "").order_by(journal.c.seq.desc())
        )
        with self._connection.begin():
            for seq in self._connection.execute(seqs).scalars().all():
                (record,) = self._records(select(*COLUMNS).where(journal.c.seq == seq))
                if record.data.get("specs"):
                    return record.data.get("limits")
        return None

    def bots(self) -> list[str]:
        """Return the names of all bots this store knows, sorted."""
        with self._connection.begin():
            known = union(select(bot_day_rows.c.bot), select(trade_rows.c.bot))
            names = set(self._connection.execute(known).scalars())
        return sorted(names | set(self.run().specs))

    def last_activity(self, bot: str, before: datetime | None = None) -> datetime | None:
        """Return the time of a bot's last record; what a person has corrected since is nothing that it did."""
        at = self._last_of(bot, before)
        while at is not None and self._is_correction(bot, at):
            at = self._last_of(bot, at)
        return at

    def _last_of(self, bot: str, before: datetime | None = None) -> datetime | None:
        query = select(func.max(journal.c.at)).where(journal.c.kind.in_(_values(Kind)), journal.c.bot == bot)
        if before is not None:
            query = query.where(journal.c.at < utc_text(before))
        with self._connection.begin():
            found = self._connection.execute(query).scalar()
        return None if found is None else utc_time(found)

    def last_day(self, bot: str = "", now: datetime | None = None) -> date | None:
        """Return the exchange date of a bot's last activity, or of the store's last record.

        The begin of its next day is recorded at night, and on days off: a bot's day counts once its session has opened.
        now: a clock's time, for an engine that runs on with nothing to record.
        """
        last = self.last_at()
        if not bot or last is None:
            return None if last is None else exchange_date(last)
        at = self.last_activity(bot)
        found, by = at, last if now is None or not self._goes_by_a_clock() else max(last, now)
        while found is not None and not _has_opened(exchange_date(found), by):
            found = self.last_activity(bot, at_exchange_time(exchange_date(found), datetime.min.time()))
        at = found or at
        return None if at is None else exchange_date(at)

    def _goes_by_a_clock(self) -> bool:
        """Say whether an engine runs on this store by the time of day, not by that of a simulated market."""
        run = self.run()
        return run.is_alive and run.started is not None and not run.started.data.get("simulated")

    def _is_correction(self, bot: str, at: datetime) -> bool:
        """Say whether what was recorded of a bot at an instant is a person's correction of a fill."""
        return any(each.data["what"] == CORRECTED for each in self.between(Kind.DECISION, at, at, bot))

    def day(
        self, bot: str, day: date, kinds: Collection[Kind] = STORY_KINDS, last: int | None = None
    ) -> Sequence[Record]:
        """Return a bot's records of one exchange date, in order; of many the `last` ones."""
        midnight = datetime.min.time()
        first, after = at_exchange_time(day, midnight), at_exchange_time(day + timedelta(days=1), midnight)
        numbers = select(journal.c.seq).where(
            journal.c.kind.in_(_values(kinds)),
            journal.c.bot == bot,
            journal.c.at >= utc_text(first),
            journal.c.at < utc_text(after),
        )
        if last is not None:
            numbers = numbers.order_by(journal.c.seq.desc()).limit(last)
        found = numbers.subquery()
        with self._connection.begin():
            return self._records(select(*COLUMNS).where(journal.c.seq.in_(select(found.c.seq))))

    def outages(self, day: date) -> tuple[TimeSpan, ...]:
        """Return when of a session no engine was connected, and why; () of a day without one.

        Raises: StoreError for a record that cannot be read.
        """
        session = next((one for one in self.records((Kind.SESSION,)) if one.data["date"] == str(day)), None)
        if session is None:
            return ()
        last = select(func.max(journal.c.seq)).scalar_subquery()
        before = select(journal.c.seq - 1).where(journal.c.kind == Kind.RUN_STARTED.value)
        query = select(*COLUMNS).where(
            journal.c.kind.in_(_values(OF_LINKS)) | journal.c.seq.in_(before) | (journal.c.seq == last)
        )
        with self._connection.begin():
            found = self._records(query)
        return outages(found, session, is_running=is_in_use(self.path))

    def data_troubles(self, day: date) -> tuple[tuple[datetime, str], ...]:
        """Return when of a day market data did not come, and why. Raises: StoreError."""
        midnight = datetime.min.time()
        first, after = at_exchange_time(day, midnight), at_exchange_time(day + timedelta(days=1), midnight)
        found = self.between(Kind.FACTS, first, after - timedelta(microseconds=1))
        return tuple((each.at, str(each.data["value"])) for each in found if each.data.get("what") == DATA_TROUBLE)

    def tables(self, views: Collection[str]) -> dict[str, ListedRun]:
        """Return some views whole, all of one instant: the names of their columns, and their rows."""
        with self._connection.begin():
            return self._tables(views)

    def deals(self, views: Collection[str] = ()) -> tuple[Deals, dict[str, ListedRun]]:
        """Return every execution and settlement, and some views of the same instant. Raises: StoreError."""
        last = select(func.max(journal.c.seq)).where(journal.c.kind == Kind.POSITION.value).group_by(journal.c.position)
        with self._connection.begin():
            positions = self._records(select(*COLUMNS).where(journal.c.seq.in_(last)))
            reported = self._records(select(*COLUMNS).where(journal.c.seq.in_(of_kinds(BOOKED))))
            return deals_of(reported, positions_of(positions)), self._tables(views)

    def records(self, kinds: Collection[Kind]) -> Sequence[Record]:
        """Return all records of some kinds, in order. Raises: StoreError for one that cannot be read."""
        with self._connection.begin():
            return self._records(select(*COLUMNS).where(journal.c.seq.in_(of_kinds(kinds))))

    def numbered_after(self, number: int, kinds: Collection[Kind]) -> list[tuple[int, Record]]:
        """Return the records of some kinds after a number, with their own. Raises: StoreError for an unreadable one."""
        query = select(journal.c.seq, *COLUMNS).where(journal.c.seq > number, journal.c.kind.in_(_values(kinds)))
        with self._connection.begin():
            return [(row[0], certain(*row[1:])) for row in self._connection.execute(query.order_by(journal.c.seq))]

    def between(self, kind: Kind, first: datetime, last: datetime, bot: str = "") -> Sequence[Record]:
        """Return the records of a kind, of one bot or of none, between two instants, both included."""
        within = (journal.c.bot == bot, journal.c.at >= utc_text(first), journal.c.at <= utc_text(last))
        with self._connection.begin():
            return self._records(select(*COLUMNS).where(journal.c.kind == kind.value, *within))

    def last_record(
        self, kind: Kind, position: str = "", until: int | None = None, field: str = ""
    ) -> tuple[int, Record] | None:
        """Return the last record of a kind with its number: of one position or of any, up to `until`, with a field."""
        where = [journal.c.kind == kind.value, *(of_position(position) if position else ())]
        where += [] if until is None else [journal.c.seq <= until]
        where += [place_in(journal.c.data, literal(f'"{field}":')) > 0] if field else []
        query = select(journal.c.seq, *COLUMNS).where(*where).order_by(journal.c.seq.desc()).limit(1)
        with self._connection.begin():
            row = self._connection.execute(query).first()
        return None if row is None else (row[0], certain(*row[1:]))

    def put_back(self) -> RestoredStore:
        """Return how the store was last restored from a backup: record numbers are reused from there on."""
        last = self.last_record(Kind.OPERATOR, field=ORDER_NUMBER_FLOOR)
        return RestoredStore() if last is None else RestoredStore(last[0], int(str(last[1].data[ORDER_NUMBER_FLOOR])))

    def on_hold(self) -> dict[str, str]:
        """Return by open position why nothing is sent for it, or only for a part of it."""
        still_open = select(trade_rows.c.position).where(trade_rows.c.status == "OPEN")
        found = self._positions(journal.c.position.in_(still_open))
        return {each.id: each.freeze_reason for each in found if each.freeze_reason}

    def closed_positions(self, bot: str = "") -> list[Position]:
        """Return the closed trades of a bot, "" of all, as they were recorded last, in order of their numbers."""
        is_closed = (trade_rows.c.status == "CLOSED", *((trade_rows.c.bot == bot,) if bot else ()))
        closed = select(trade_rows.c.position).where(*is_closed)
        return self._positions(journal.c.position.in_(closed))

    def absent(self) -> dict[str, dict[str, int]]:
        """Return by open position and leg how many contracts the account lacks of what the books hold."""
        still_open = select(trade_rows.c.position).where(trade_rows.c.status == "OPEN")
        found = self._positions(journal.c.position.in_(still_open))
        return {
            each.id: {one.leg: one.absent for one in each.account_missing if one.absent}
            for each in found
            if each.account_missing
        }

    def estimated(self, bot: str = "") -> list[str]:
        """Return the closed positions of a bot ("": of all) with a fill at an unknown price, in order.

        Such a fill keeps its first revision until it is reported, or a person corrects it.
        """
        is_guess = fill_rows.c.exec_id.startswith(UNSEEN), fill_rows.c.exec_id.endswith(FIRST_REVISION)
        guessed = select(fill_rows.c.position).where(*is_guess, fill_rows.c.quantity != "0")
        is_over = trade_rows.c.exit_time.is_not(None), trade_rows.c.position.in_(guessed)
        query = select(trade_rows.c.position).where(*is_over, *((trade_rows.c.bot == bot,) if bot else ()))
        with self._connection.begin():
            return [str(name) for name in self._connection.execute(query.order_by(trade_rows.c.id)).scalars()]

    def rolls(self, position: str) -> Rolls:
        last = self.last_record(Kind.POSITION, position)
        former = "" if last is None else str(last[1].data.get("rolled_from") or "")
        both = [name for name in (position, former) if name]
        of = (OF_ONE, journal.c.kind == Kind.ORDER.value, journal.c.position.in_(both))
        with self._connection.begin():
            orders = self._records(select(*COLUMNS).where(*of, journal.c.data.contains('"opens_position":"')))
        into = {str(each.data["ref"]): (each.position, str(each.data.get("opens_position") or "")) for each in orders}
        opened = tuple(ref for ref, found in into.items() if found == (former, position))
        return Rolls(former, tuple(dict.fromkeys(new for old, new in into.values() if new and old == position)), opened)

    def last_at(self, until: int | None = None) -> datetime | None:
        """Return the time of the last record, of those whose number is `until` at most."""
        last = select(journal.c.at).order_by(journal.c.seq.desc()).limit(1)
        with self._connection.begin():
            found = self._connection.execute(last if until is None else last.where(journal.c.seq <= until)).scalar()
        return None if found is None else utc_time(found)

    def head(self) -> tuple[int, str]:
        """Return number and hash of the last record; 0 and "" of an empty journal."""
        query = select(journal.c.seq, journal.c.hash).order_by(journal.c.seq.desc()).limit(1)
        with self._connection.begin():
            found = self._connection.execute(query).first()
        return (0, "") if found is None else (found.seq, found.hash)

    def is_beyond(self, number: int, without: Collection[Kind]) -> bool:
        """Say whether there are records after a number, but for those of some kinds."""
        query = select(journal.c.seq).where(journal.c.seq > number, journal.c.kind.not_in(_values(without)))
        with self._connection.begin():
            return self._connection.execute(query.limit(1)).first() is not None

    def numbered(self) -> list[tuple[int, Record | str]]:
        """Return all records with their numbers; in the place of one that cannot be read, why."""
        query = select(journal.c.seq, *COLUMNS).order_by(journal.c.seq)
        with self._connection.begin():
            return [(row[0], readable(*row[1:])) for row in self._connection.execute(query)]

    def recall(self, at: datetime) -> StartupRecords:
        """Return what a start at `at` would continue from."""
        return recall(self._connection, at)

    def tally(self, known: Known) -> Tally:
        """Return orders, fills, alarms and profit counted; `known` keeps what was read of orders for the next time."""
        with self._connection.begin():
            return tally(self._connection, known)

    def verify(self) -> ChainBreak | None:
        """Return the first break of the journal's hash chain, None when it is whole."""
        return verify(self._connection)

    def _tables(self, views: Collection[str]) -> dict[str, ListedRun]:
        found: dict[str, ListedRun] = {}
        for name in views:
            result = self._connection.execute(text(f"SELECT * FROM {name} ORDER BY {_VIEW_ORDER[name]}"))
            found[name] = ListedRun(tuple(result.keys()), [tuple(row) for row in result])
        return found

    def _positions(self, which: ColumnElement[bool]) -> list[Position]:
        """Return some positions as they were recorded last."""
        of_one = (OF_ONE, journal.c.kind == Kind.POSITION.value, which)
        last = select(func.max(journal.c.seq)).where(*of_one).group_by(journal.c.position)
        with self._connection.begin():
            found = self._records(select(*COLUMNS).where(journal.c.seq.in_(last)))
        return [decode(Position, dict(each.data)) for each in found]

    def _first(self, query: Select[Any]) -> int | None:
        found: int | None = self._connection.execute(query.order_by(journal.c.seq.desc()).limit(1)).scalar()
        return found

    def _records(self, query: Select[Any]) -> list[Record]:
        return list(read_rows(self._connection, query))


def _values(kinds: Collection[Kind] | type[Kind]) -> list[str]:
    return sorted(kind.value for kind in kinds)


def _has_opened(day: date, by: datetime) -> bool:
    """Say whether there is a session on a day, and it has begun by an instant."""
    session = session_on(day)
    return session is not None and by >= session.open


# --- The broker's time for those who look at a store


def broker_now(reader: StoreReader, now: datetime) -> datetime:
    """Return the broker's time at `now` of this computer's clock, by the last run's reported difference."""
    reported, began = reader.last_record(Kind.ALARM, field=COMPUTER_AHEAD), reader.last_record(Kind.RUN_STARTED)
    if reported is None or began is None or reported[0] < began[0]:
        return now
    return now - timedelta(seconds=float(str(reported[1].data[COMPUTER_AHEAD])))
