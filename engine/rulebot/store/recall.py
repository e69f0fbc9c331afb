"""What a start needs of a journal, without reading all of it: live entities, and the last weeks.

The projections list live positions and orders; only their records are read. The fold of these equals the fold of the
whole journal (`recovery/resume.py`), which a test checks.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Text,
    bindparam,
    func,
    literal,
    or_,
    select,
    union,
)

from rulebot.model.errors import StoreError
from rulebot.model.facts import LATE_CASH
from rulebot.model.order import FILLS_KEPT, OrderStatus
from rulebot.model.session import at_exchange_time, exchange_date, session_before, session_from
from rulebot.model.values import dataclass
from rulebot.record.codec import NEWER, utc_text, utc_time
from rulebot.record.record import (
    ACCOUNT_SEEN,
    BASE,
    BY_HAND,
    CLOSING,
    EXECUTION,
    GRID,
    HOURS,
    NEAREST,
    OPENING_MOVE,
    TICKS,
    Kind,
    Record,
)
from rulebot.store.dialect import UtcText, dialect_of, place_in
from rulebot.store.failures import RESTORE
from rulebot.store.schema import (
    FIRST_HASH,
    LAST,
    NOT_WRITTEN,
    OF_ONE,
    is_link,
    journal,
    order_rows,
    snapshot_rows,
    trade_rows,
)

LINES_KEPT = timedelta(days=10)
SET_BACK = timedelta(days=2)
"""How far the clock may have been set back between what a record says and its own time. A run refuses a broker whose
clock is more than a day off."""
_AT_ONCE = 500
COLUMNS = (journal.c.at, journal.c.kind, journal.c.bot, journal.c.position, journal.c.data)
_OF_ORDERS = (Kind.ORDER, Kind.FILL, Kind.COMMISSION)
_OF_POSITIONS = (Kind.POSITION, *_OF_ORDERS)
_KIND = {kind.value: kind for kind in Kind}
_JSON = msgspec.json.Decoder()
_instant = lru_cache(maxsize=16)(utc_time)  # many records in a row have one time
_LIVE = tuple(status.value for status in OrderStatus if status.is_live)


@dataclass(frozen=True, slots=True)
class StartupRecords:
    """Records in order, and the highest number and order id of all orders there ever were, 0 without one."""

    records: tuple[Record, ...]
    number: int
    order_id: int


def recall(connection: Connection, at: datetime) -> StartupRecords:
    """Return what a start at `at` continues from. Raises: StoreError for a record that is not what was written."""
    session = session_from(exchange_date(at))
    midnight = at_exchange_time(session.date, time())
    begins = at_exchange_time(session_before(session.date).date + timedelta(days=1), time())
    times = {
        "midnight": midnight,
        "today": utc_text(midnight),
        "of_days_off": utc_text(begins),
        "of_changes": utc_text(begins - SET_BACK),
        "of_lines": utc_text(midnight - LINES_KEPT),
        "of_fills": utc_text(midnight - FILLS_KEPT - SET_BACK),
        "of_cash": utc_text(at - LATE_CASH),
    }
    with connection.begin():
        records = _sound(connection, connection.execute(_needed(), times).all())
        highest = connection.execute(select(func.max(order_rows.c.number), func.max(order_rows.c.order_id))).one()
    return StartupRecords(records, highest[0] or 0, highest[1] or 0)


@cache
def _needed() -> Select[Any]:
    """Return the query for what a start needs, composed once for a process, since that takes as long as running it.

    Its parameters: midnight of the session's day, as a time and as a text (`today`); the first of the days off before
    it (`of_days_off`); since when changed positions belong to it (`of_changes`); since when lines and fills count; and
    since when cash is recent.
    """
    midnight, today = bindparam("midnight", type_=UtcText()), bindparam("today", type_=Text())
    stands = _standing(bindparam("of_changes", type_=Text()))
    is_of_grid = or_(*(place_in(journal.c.data, literal(f'"what":"{what}"')) > 0 for what in GRID))
    is_of_others = place_in(journal.c.data, literal(f'"{EXECUTION}":{{')) > 0
    facts = (OPENING_MOVE, HOURS, NEAREST, CLOSING)
    is_fact = or_(*(place_in(journal.c.data, literal(f'"what":"{what}"')) > 0 for what in facts))
    is_base = place_in(journal.c.data, literal(f'"what":"{BASE}"')) > 0
    is_of_ticks = place_in(journal.c.data, literal(f'"what":"{TICKS}"')) > 0
    is_seen = place_in(journal.c.data, literal(f'"what":"{ACCOUNT_SEEN}"')) > 0
    is_known = place_in(journal.c.data, literal('"is_linked":true')) > 0
    has_cash, of_cash = place_in(journal.c.data, literal('"cash":"')) > 0, bindparam("of_cash", type_=Text())
    of_lines = journal.c.at >= bindparam("of_lines")
    parts = [
        of_kinds((Kind.OPERATOR,)),
        of_kinds((Kind.WEBHOOK, Kind.SETTLEMENT), journal.c.at >= today),
        of_kinds((Kind.FACTS,), journal.c.at >= today, is_fact),
        of_kinds((Kind.FACTS,), journal.c.at >= bindparam("of_days_off"), is_base),
        of_kinds((Kind.FACTS,), of_lines, is_of_ticks),
        of_kinds((Kind.DECISION,), journal.c.at >= today, is_of_grid),
        _last(Kind.RUN_STARTED),
        _last(Kind.RUN_ENDED, is_known),
        _last(Kind.LINK),
        _last_by_time(Kind.ACCOUNT, has_cash, journal.c.at <= of_cash),
        of_kinds((Kind.ACCOUNT,), journal.c.bot == "", has_cash, journal.c.at > of_cash),
        _texts_of(stands),
        of_kinds((Kind.BOT_DAY,), of_lines),
        _last(Kind.FACTS, of_lines, is_seen),
        _of_positions(stands),
        of_kinds((Kind.FILL, Kind.COMMISSION), journal.c.at >= bindparam("of_fills")),
        of_kinds((Kind.ALARM,), journal.c.at >= bindparam("of_fills"), is_of_others),
        of_kinds((Kind.ALARM,), journal.c.at >= bindparam("of_days_off")),
        _entered_by_hand(stands),
        _last_marks(stands),
        _last_marks(stands, snapshot_rows.c.at < midnight),
    ]
    return _numbered(union(*parts))


def recall_lines(connection: Connection, kinds: Iterable[Kind]) -> tuple[Record, ...]:
    """Return what JSON Lines may still lack: the last run, the last days, and these or live orders, whole.

    The ends of all days and runs are included, since a line of an old order may belong to one of those.
    """
    with connection.begin():
        last = connection.execute(select(journal.c.at).order_by(journal.c.seq.desc()).limit(1)).scalar()
        if last is None:
            return ()
        started = select(func.max(journal.c.at)).where(journal.c.kind == Kind.RUN_STARTED.value)
        since = min(_ago(last, LINES_KEPT), connection.execute(started).scalar() or last)
        recent = of_kinds(tuple(kinds), journal.c.at >= since)
        ends = of_kinds((Kind.SESSION, Kind.RUN_ENDED))
        traded = journal.c.seq.in_(of_kinds(_OF_ORDERS, OF_ONE, journal.c.at >= since))
        touched = select(journal.c.position).where(traded)
        parts = (recent, ends, _of_positions(_standing(None)), _of_positions(touched))
        rows = connection.execute(_numbered(union(*parts)))
        return tuple(certain(*row[1:]) for row in rows)


def _ago(at: str, span: timedelta) -> str:
    return utc_text(datetime.fromisoformat(at) - span)


def _standing(begins: BindParameter[str] | None) -> Select[tuple[str]]:
    """Return the positions that are not closed, those changed since `begins`, and those of working orders.

    A position closed since has changed: `exit_time` may be before its end, where a wing expired later.
    """
    is_open: ColumnElement[bool] = trade_rows.c.state != "closed"
    if begins is not None:
        changed = select(journal.c.position).where(
            OF_ONE, journal.c.kind == Kind.POSITION.value, journal.c.at >= begins
        )
        is_open = or_(is_open, trade_rows.c.exit_time.is_(None), trade_rows.c.position.in_(changed))
    working = select(order_rows.c.position).where(order_rows.c.state.in_(_LIVE))
    return select(union(select(trade_rows.c.position).where(is_open), working).subquery().c.position)


def of_kinds(kinds: Iterable[Kind], *conditions: ColumnElement[bool]) -> Select[tuple[int]]:
    """Return the numbers of all records of some kinds; read by them, they come in order without being sorted."""
    return select(journal.c.seq).where(journal.c.kind.in_(sorted(kind.value for kind in kinds)), *conditions)


def _last(kind: Kind, *conditions: ColumnElement[bool]) -> Select[tuple[int]]:
    return select(func.max(journal.c.seq)).where(journal.c.kind == kind.value, *conditions)


def _last_by_time(kind: Kind, *conditions: ColumnElement[bool]) -> Select[tuple[int]]:
    """Return the last record of a kind without a bot, searched from the end: an index has such ones by time."""
    found = select(journal.c.seq).where(journal.c.kind == kind.value, journal.c.bot == "", *conditions)
    return select(found.order_by(journal.c.at.desc(), journal.c.seq.desc()).limit(1).subquery().c.seq)


def _of_positions(stands: Select[tuple[str]]) -> Select[tuple[int]]:
    return of_kinds(_OF_POSITIONS, OF_ONE, journal.c.position.in_(stands))


def _entered_by_hand(stands: Select[tuple[str]]) -> Select[tuple[int]]:
    is_by_hand = place_in(journal.c.data, literal(f'"{BY_HAND}":true')) > 0
    return of_kinds((Kind.DECISION,), OF_ONE, journal.c.position.in_(stands), is_by_hand)


def _texts_of(stands: Select[tuple[str]]) -> Select[tuple[int]]:
    """Return the last start or reload that brought the text of each position."""
    governing = select(trade_rows.c.digest).where(trade_rows.c.position.in_(stands)).distinct().subquery()
    has_it = place_in(journal.c.data, literal('"digest":"').concat(governing.c.digest).concat('"')) > 0
    bringing = journal.c.kind.in_((Kind.RUN_STARTED.value, Kind.RELOAD.value))
    last = select(func.max(journal.c.seq).label("seq")).select_from(governing.join(journal, bringing & has_it))
    return select(last.group_by(governing.c.digest).subquery().c.seq)


def _last_marks(stands: Select[tuple[str]], *conditions: ColumnElement[bool]) -> Select[tuple[int]]:
    last = select(func.max(snapshot_rows.c.seq).label("seq"))
    reported = (snapshot_rows.c.position.in_(stands), snapshot_rows.c.profit.is_not(None), *conditions)
    return select(last.where(*reported).group_by(snapshot_rows.c.position).subquery().c.seq)


def _numbered(numbers: CompoundSelect[int]) -> Select[Any]:
    """Return the query for the number and columns of these records, in order."""
    found = numbers.subquery()
    query = select(journal.c.seq, *COLUMNS).where(journal.c.seq.in_(select(found.c.seq)))
    return query.order_by(journal.c.seq)


def _sound(connection: Connection, rows: Sequence[Any]) -> tuple[Record, ...]:
    """Return the numbered records, each held to its hash; the last ones of a file were, when it was opened."""
    highest = connection.scalar(select(func.max(journal.c.seq))) or 0
    bound = highest if dialect_of(connection).is_server else highest - LAST
    older = [row for row in rows if row[0] <= bound]
    hashes = _hashes(connection, sorted({each for row in older for each in (row[0] - 1, row[0])}))
    for seq, *texts in older:
        if not is_link(hashes.get(seq - 1, FIRST_HASH), tuple(texts), hashes[seq]):
            raise StoreError(f"the journal breaks at number {seq}: {NOT_WRITTEN}", RESTORE)
    return tuple(certain(*row[1:]) for row in rows)


def _hashes(connection: Connection, numbers: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for begin in range(0, len(numbers), _AT_ONCE):
        some = journal.c.seq.in_(numbers[begin : begin + _AT_ONCE])
        found |= {row[0]: row[1] for row in connection.execute(select(journal.c.seq, journal.c.hash).where(some))}
    return found


def read_rows(connection: Connection, query: Select[Any]) -> Iterator[Record]:
    """Yield the records of a query for `COLUMNS`, in order. Raises: StoreError when one cannot be read."""
    for row in connection.execute(query.order_by(journal.c.seq)).all():
        found = readable(*row)
        yield found if isinstance(found, Record) else certain(*row)


def certain(*columns: str) -> Record:
    """Return the record of `COLUMNS`. Raises: StoreError when it cannot be read."""
    if columns[1] not in _KIND:
        raise StoreError(f"a record of {columns[0]} has a kind that this rulebot does not know, {columns[1]!r}", NEWER)
    found = readable(*columns)
    if isinstance(found, str):
        raise StoreError(f"a record of {columns[0]} is damaged: {found}", RESTORE)
    return found


def readable(at: str, kind: str, bot: str, position: str, data: str) -> Record | str:
    """Return the record of `COLUMNS`, or why it cannot be read."""
    try:
        found = _value(data)
        if isinstance(found, dict):
            return Record(_instant(at), _KIND.get(kind) or Kind(kind), bot, position, found)
    except (TypeError, ValueError) as error:
        return f"it cannot be read: {error}"
    return "it cannot be read: its data is no object"


def _value(text: str) -> Any:
    """Return the value of a JSON text. The standard decoder has what the quick one refuses. Raises: ValueError."""
    try:
        return _JSON.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        return json.loads(text)
