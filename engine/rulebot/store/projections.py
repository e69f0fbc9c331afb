"""Projections: the tables people read, as a function of the journal.

Each row depends only on the journal's records of its own key (an order, a position, a bot's day) up to now. So it does
not matter in how many pieces the journal came: `rebuild` is the same call with all of it.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Insert,
    Table,
    Update,
    bindparam,
    case,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DatabaseError

from rulebot.model.order import Order, OrderStatus
from rulebot.model.position import Position
from rulebot.record.codec import decode, utc_time
from rulebot.record.record import Kind, Record
from rulebot.store.dialect import dialect_of, members
from rulebot.store.failures import error_text, failures
from rulebot.store.place import Place
from rulebot.store.registry import is_of_another, record_our_lease
from rulebot.store.rows import (
    ClosingFills,
    TradeContext,
    dollars_of_a_point,
    execution,
    fill_row,
    money,
    order_row,
    trade_row,
)
from rulebot.store.schema import (
    NAMES,
    PROJECTIONS,
    bot_day_rows,
    fill_rows,
    journal,
    of_position,
    order_rows,
    snapshot_rows,
    trade_rows,
    views,
)

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_BESIDE = tuple(kind.value for kind in (Kind.SELECTION, Kind.SETTLEMENT, Kind.DECISION))
_GREEKS = ("delta", "gamma", "theta", "vega", "iv")

_NOT_SHOWN = frozenset({"resting_orders_withdrawn", "resting_orders_replaced", "retry_at", "attempts"})
_OF_TRADES = frozenset({Kind.POSITION, Kind.ORDER, Kind.SETTLEMENT, Kind.SELECTION, Kind.DECISION})

Numbered = Sequence[tuple[int, Record]]


class Projector:
    """Keeps the projections in step with a journal; what it remembers only spares work that would change nothing."""

    def __init__(self) -> None:
        self._positions: dict[str, dict[str, Any]] = {}

    def forget(self) -> None:
        """Forget what was projected: the transaction was rolled back."""
        self._positions.clear()

    def project(self, connection: Connection, records: Numbered) -> None:
        """Bring the projections up to date with records that the journal has just taken (with their numbers)."""
        by_kind: dict[Kind, list[tuple[int, Record]]] = {}
        for numbered in records:
            by_kind.setdefault(numbered[1].kind, []).append(numbered)
        if Kind.MARK in by_kind:
            _snapshots(connection, by_kind[Kind.MARK])
        if by_kind.keys() & {Kind.FILL, Kind.COMMISSION}:
            _fills(connection, by_kind.get(Kind.FILL, ()), by_kind.get(Kind.COMMISSION, ()))
        if by_kind.keys() & {Kind.ORDER, Kind.FILL}:
            _orders(connection, by_kind.get(Kind.ORDER, ()), by_kind.get(Kind.FILL, ()))
        if by_kind.keys() & _OF_TRADES:
            touched = _touched(by_kind)
            _trades(connection, self._changed(by_kind.get(Kind.POSITION, ()), touched), touched)
        if Kind.BOT_DAY in by_kind:
            _bot_days(connection, by_kind[Kind.BOT_DAY])

    def _changed(self, positions: Numbered, touched: set[str]) -> list[Record]:
        """Return the records of positions that differ from the last one in what a row of `trades` shows."""
        found = []
        for _, record in positions:
            data: Any = record.data
            shown = {name: value for name, value in data.items() if name not in _NOT_SHOWN}
            if self._positions.get(data["id"]) != shown or data["id"] in touched:
                self._positions[data["id"]] = shown
                found.append(record)
            if shown.get("state") == "closed":  # few records follow
                del self._positions[data["id"]]
        return found


def _upsert(connection: Connection, table: Table, rows: Sequence[dict[str, object]]) -> None:
    """Insert rows, or overwrite the columns they have where the primary key is known."""
    if rows:
        connection.execute(_upsert_statement(table, tuple(rows[0]), dialect_of(connection).is_server), rows)


@cache
def _upsert_statement(table: Table, names: tuple[str, ...], is_server: bool) -> Insert:
    keys = [column.name for column in table.primary_key]
    statement = _insert_of_server(table) if is_server else sqlite.insert(table)
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _insert_of_server(table: Table) -> "postgresql.Insert":
    from sqlalchemy.dialects import postgresql  # a tenth of what a store imports, which most have no use for

    return postgresql.insert(table)


def _snapshots(connection: Connection, marks: Numbered) -> None:
    connection.execute(insert(snapshot_rows), [_snapshot(seq, record) for seq, record in marks])


def _snapshot(seq: int, record: Record) -> dict[str, object]:
    data: Any = record.data
    return {
        "seq": seq,
        "at": record.at,
        "bot": record.bot,
        "position": record.position,
        "bid": _to_close(data.get("ask")),
        "ask": _to_close(data.get("bid")),
        "mid": _to_close(data.get("mid")),
        **{name: money(data.get(name)) for name in ("spot", "profit")},
        **{name: data.get(name) for name in _GREEKS},
    }


def are_snapshots(connection: Connection, marks: Numbered) -> bool:
    """Say whether the rows of these marks are what they would be made now."""
    numbers = [seq for seq, _ in marks]
    found = connection.execute(select(snapshot_rows).where(snapshot_rows.c.seq.in_(numbers)))
    rows = {row["seq"]: dict(row) for row in found.mappings()}
    return all(rows.get(seq) == _snapshot(seq, record) for seq, record in marks)


def _to_close(worth: Any) -> Decimal | None:
    """Return what closing costs per share, from what the structure is worth as held (its bid becomes the ask)."""
    found = money(worth)
    return None if found is None else -found or Decimal(0)


def _fills(connection: Connection, fills: Numbered, commissions: Numbered) -> None:
    last = {str(row["execution"]): row for row in (fill_row(record) for _, record in fills)}
    _upsert(connection, fill_rows, list(last.values()))
    for _, record in commissions:
        is_it = fill_rows.c.execution == execution(str(record.data["exec_id"]))
        connection.execute(update(fill_rows).where(is_it).values(commission=money(record.data["amount"])))


def _orders(connection: Connection, orders: Numbered, fills: Numbered) -> None:
    last = {str(record.data["ref"]): record for _, record in orders}
    rows = [order_row(decode(Order, dict(record.data))) for record in last.values()]
    _upsert(connection, order_rows, rows)
    filled = [str(record.data.get("ref") or "") for _, record in fills]
    for ref in sorted({*last, *filled}):
        connection.execute(_FILL_OF_ORDER, {"of": ref})
    for position in sorted({str(row["position"]) for row in rows}):
        connection.execute(_PARENT_OF_ORDERS, {"of": position})


def _fill_of_order() -> Update:
    """Return the update that gives an order its fill time, and the contract's id if its single leg had none yet."""
    of_order = fill_rows.c.ref == order_rows.c.ref
    filled_at = select(func.max(fill_rows.c.executed_at)).where(of_order).scalar_subquery()
    con_id = select(func.max(fill_rows.c.con_id)).where(of_order).scalar_subquery()
    single = members(order_rows.c.legs) == 1
    known = case((single, func.coalesce(order_rows.c.con_id, con_id)), else_=None)
    return update(order_rows).where(order_rows.c.ref == bindparam("of")).values(fill_time=filled_at, con_id=known)


_FILL_OF_ORDER = _fill_of_order()


def _parent_of_orders() -> Update:
    """Return the update that gives the closing orders of a position the order id of the entry that opened it."""
    entry = order_rows.alias("entry")
    of: BindParameter[str] = bindparam("of")
    entries = select(entry.c.order_id).where(entry.c.position == of, entry.c.purpose == "entry")
    best = entries.order_by(entry.c.filled.desc(), entry.c.number.desc()).limit(1).scalar_subquery()
    closing = update(order_rows).where(order_rows.c.position == of, order_rows.c.purpose != "entry")
    return closing.values(parent_order_id=best)


_PARENT_OF_ORDERS = _parent_of_orders()


def _touched(by_kind: dict[Kind, list[tuple[int, Record]]]) -> set[str]:
    """Return the positions whose row may change without a new value of the position itself."""
    filled = [record for _, record in by_kind.get(Kind.ORDER, ()) if any(_leg_fills(record))]
    beside = [record for kind in (Kind.SETTLEMENT, Kind.SELECTION) for _, record in by_kind.get(kind, ())]
    exits = [record for _, record in by_kind.get(Kind.DECISION, ()) if record.data.get("what") == "exit"]
    return {record.position or str(record.data.get("position") or "") for record in (*filled, *beside, *exits)} - {""}


def _leg_fills(order: Record) -> list[Any]:
    found: Any = order.data.get("leg_filled") or []
    return list(found)


def _trades(connection: Connection, positions: Sequence[Record], touched: set[str]) -> None:
    """Write the rows of these positions, and rewrite those that are touched.

    A position without a row waits for its own first record; a rebuild finds its last one in the journal.
    """
    last: dict[str, Any] = {str(record.data["id"]): record.data for record in positions}
    numbers = _known_numbers(connection, touched | last.keys())
    for position in sorted((touched & numbers.keys()) - last.keys()):
        known = select(journal.c.data).where(*of_position(position), journal.c.kind == Kind.POSITION.value)
        found = connection.execute(known.order_by(journal.c.seq.desc()).limit(1)).scalar()
        if found is not None:
            last[position] = json.loads(found)
    numbers |= _new_numbers(connection, [position for position in last if position not in numbers])
    rows = []
    for id, data in last.items():
        value = decode(Position, dict(data))
        beside = _beside(connection, value)
        rows.append({"id": numbers[id], **trade_row(value, beside)})
    _upsert(connection, trade_rows, rows)


def _known_numbers(connection: Connection, positions: Collection[str]) -> dict[str, int]:
    """Return the number in `trades` of each position that has one."""
    if not positions:
        return {}
    known = select(trade_rows.c.position, trade_rows.c.id).where(trade_rows.c.position.in_(positions))
    return {row.position: row.id for row in connection.execute(known)}


def _new_numbers(connection: Connection, positions: Sequence[str]) -> dict[str, int]:
    """Return numbers in `trades` for positions that have none: counted in the order in which they first appear."""
    if not positions:
        return {}
    last = connection.execute(select(func.max(trade_rows.c.id))).scalar() or 0
    return {position: number for number, position in enumerate(positions, last + 1)}


def _beside(connection: Connection, position: Position) -> TradeContext:
    """Return the journal's further records of a position."""
    query = select(journal.c.kind, journal.c.at, journal.c.data).where(*of_position(position.id))
    found: dict[str, list[Any]] = {kind: [] for kind in _BESIDE}
    times: list[str] = []
    for kind, at, data in connection.execute(query.where(journal.c.kind.in_(_BESIDE)).order_by(journal.c.seq)):
        found[kind].append(json.loads(data))
        if kind == Kind.SETTLEMENT.value and not _is_dead_wing(position, found[kind][-1]):
            times.append(at)
    selections = found[Kind.SELECTION.value] or [_selection_before(connection, position)]
    return TradeContext(
        selection=selections[0],
        settlements=found[Kind.SETTLEMENT.value],
        exits=[one for one in found[Kind.DECISION.value] if one.get("what") == "exit"],
        closings=_closings(connection, position.id),
        valued_at=_valued_at(connection, position, times),
    )


def _is_dead_wing(position: Position, settlement: Mapping[str, Any]) -> bool:
    """Return whether a bought leg that hedges a sold one expired worthless; the sold one is at risk to its end."""
    signs = {leg.name: leg.sign for leg in position.legs}
    is_wing = signs.get(str(settlement["leg"]), 0) > 0 and -1 in signs.values()
    return is_wing and str(settlement["how"]) == "worthless"


def _valued_at(connection: Connection, position: Position, settled: Sequence[str]) -> datetime | None:
    """Return when contracts of a closed position last left, dead wings apart; None where nothing of it expired.

    settled: times of the settlements that count.
    """
    if position.state != "closed" or not any(leg.settled for leg in position.legs):
        return None
    query = select(journal.c.data).where(*of_position(position.id), journal.c.kind == Kind.FILL.value)
    reported = map(json.loads, connection.execute(query.order_by(journal.c.seq)).scalars())
    fills = {execution(str(each["exec_id"])): each for each in reported if each["purpose"] != "entry"}
    dealt = (each["executed_at"] for each in fills.values() if int(each["quantity"]) and each.get("executed_at"))
    return max(map(utc_time, (*dealt, *settled)), default=None)


def _selection_before(connection: Connection, position: Position) -> Any:
    """Return the bot's last leg selection before the position was first recorded."""
    first = select(func.min(journal.c.seq)).where(*of_position(position.id), journal.c.kind == Kind.POSITION.value)
    query = select(journal.c.data).where(
        journal.c.kind == Kind.SELECTION.value,
        journal.c.bot == position.bot,
        journal.c.position == "",
        journal.c.seq < first.scalar_subquery(),
    )
    found = connection.execute(query.order_by(journal.c.at.desc(), journal.c.seq.desc()).limit(1)).scalar()
    return {} if found is None else json.loads(found)


def _closings(connection: Connection, position: str) -> list[ClosingFills]:
    """Return the closing orders that have filled; each is expected to cost what the first try of its exit was.

    The next try is the order that follows an unfilled one of the same exit. The price of a roll includes what it opens,
    so it has no own expectation.
    """
    query = select(order_rows).where(order_rows.c.position == position, order_rows.c.purpose != "entry")
    found: list[ClosingFills] = []
    tried: tuple[object, ...] = ()
    price: Decimal | None = None
    for row in connection.execute(query.order_by(order_rows.c.number)):
        exit = (row.reason, *(leg["name"] for leg in json.loads(row.legs)))
        if exit != tried or price is None or row.purpose == "roll":
            price = None if row.purpose == "roll" else _expected(row)
        if row.filled:
            dollars = None if price is None else price * row.filled * dollars_of_a_point(row.legs)
            found.append(ClosingFills(purpose=row.purpose, expected=dollars))
        tried = () if row.state == OrderStatus.FILLED.value else exit
    return found


def _expected(row: Any) -> Decimal | None:
    """Return what an order was expected to cost per share, + paid."""
    resting = {"target": row.limit_price, "stop": row.stop_price, "protect": row.stop_price}
    wire: Decimal | None = resting.get(row.purpose, row.mid)
    if wire is None:
        return None
    return wire if row.action == "BUY" else -wire


def _bot_days(connection: Connection, days: Numbered) -> None:
    wanted = [column.name for column in bot_day_rows.columns]
    last: dict[tuple[str, str], dict[str, object]] = {}
    for _, record in days:
        data: Any = record.data
        row = {name: data[name] for name in wanted}
        typed = {"date": date.fromisoformat(data["date"]), "realized": money(data["realized"])}
        last[data["bot"], data["date"]] = row | typed
    _upsert(connection, bot_day_rows, list(last.values()))


# --- Rebuild the tables that people read

log = logging.getLogger("rulebot.store")

_AT_ONCE = 5000
_OF_ROWS = (
    Kind.ORDER, Kind.FILL, Kind.COMMISSION, Kind.POSITION, Kind.SETTLEMENT, Kind.SELECTION, Kind.DECISION, Kind.BOT_DAY,
)  # fmt: skip
"""What rows are made of, but for snapshots: those are copies of marks, and nine in ten records of a store."""
_LOOKED_AT = 1000
"""Number of last marks whose rows are compared: where they differ now, all snapshots are rebuilt."""
MOST_MARKS = 500_000
"""Number of marks from which a start rebuilds snapshots at most:

a minute of a slow machine; systemd waits for three.
"""


_GRANTED = f"""
    SELECT 'GRANT ' || privilege_type || ' ON ' || table_name || ' TO '
        || CASE grantee WHEN 'PUBLIC' THEN grantee ELSE quote_ident(grantee) END
    FROM information_schema.table_privileges
    WHERE table_schema = current_schema() AND table_name IN {NAMES} AND grantee <> current_user"""
"""What lets others read the views of a server, as statements."""


def refresh(connection: Connection, place: Place) -> None:
    """Rebuild views and rows that other code has made or written last."""
    with connection.begin():
        if not is_of_another(connection):
            return
    has_views = _succeeds(connection, place, lambda: _views(connection))
    has_rows = _succeeds(connection, place, lambda: _rows(connection, _OF_ROWS))
    has_snapshots = _succeeds(connection, place, lambda: _refreshed_snapshots(connection))
    if has_views and has_rows and has_snapshots:
        _succeeds(connection, place, lambda: record_our_lease(connection))


def _succeeds(connection: Connection, place: Place, make: Callable[[], None]) -> bool:
    """Rebuild one of them in its own transaction; say whether that succeeded, and report a failure."""
    try:
        with connection.begin():
            make()
    except failures() as error:
        why = error_text(error, place).message
    except (LookupError, TypeError, ValueError) as error:
        why = str(error)
    else:
        return True
    log.warning("what people read of %s stays as another rulebot made it: %s", place, why)
    return False


def rebuild(connection: Connection) -> None:
    """Make all projections again from the journal alone, in one transaction."""
    with connection.begin():
        _rows(connection, (*_OF_ROWS, Kind.MARK))


def _refreshed_snapshots(connection: Connection) -> None:
    """Rebuild snapshots that were made otherwise. Raises: ValueError where they are too many for a start."""
    is_mark = journal.c.kind == Kind.MARK.value
    last = connection.execute(select(journal).where(is_mark).order_by(journal.c.seq.desc()).limit(_LOOKED_AT)).all()
    if are_snapshots(connection, _numbered(last)):
        return
    if (count := connection.scalar(select(func.count()).where(is_mark)) or 0) > MOST_MARKS:
        raise ValueError(f"its {count:,} snapshots are more than a start rebuilds")
    _rows(connection, (Kind.MARK,))


def _rows(connection: Connection, kinds: Collection[Kind]) -> None:
    """Rebuild the rows of these kinds of records, in batches that fit into memory."""
    of_marks, of_others = Kind.MARK in kinds, bool({*kinds} - {Kind.MARK})
    for table in PROJECTIONS:
        if of_marks if table is snapshot_rows else of_others:
            connection.execute(table.delete())
    projector, last = Projector(), 0
    named = [kind.value for kind in kinds]
    while True:
        query = select(journal).where(journal.c.seq > last, journal.c.kind.in_(named))
        found = connection.execute(query.order_by(journal.c.seq).limit(_AT_ONCE)).all()
        if not found:
            return
        projector.project(connection, _numbered(found))
        last = found[-1].seq


def _numbered(rows: Sequence[Any]) -> list[tuple[int, Record]]:
    return [
        (seq, Record(utc_time(at), Kind(kind), bot, position, json.loads(data)))
        for seq, at, kind, bot, position, data, _ in rows
    ]


def _views(connection: Connection) -> None:
    """Rebuild the views; on a server their read permissions are kept."""
    sql = dialect_of(connection)
    if sql.is_server:
        with suppress(DatabaseError), connection.begin_nested():
            for statement in views(sql):
                connection.exec_driver_sql(statement.replace("CREATE VIEW", "CREATE OR REPLACE VIEW", 1))
            return
    granted = connection.exec_driver_sql(_GRANTED).scalars().all() if sql.is_server else ()
    for name in reversed(NAMES):
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {name}")
    for statement in (*views(sql), *granted):
        connection.exec_driver_sql(statement)
