"""Checks on orders: one at a time, each recorded before the world sees it, none where none may be."""

from collections.abc import Iterator

from rulebot.checks.journal.tape import Entry, Finding, JournalIndex
from rulebot.core.state import OperatorState, TradingMode
from rulebot.fill.book import BY_OTHERS
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.record.record import Kind
from rulebot.recovery.operator_state import after_record

_UNTOLD = (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.DENIED)
_LEAVING = (OrderStatus.PREPARED, OrderStatus.SENDING)


def one_live_entry(tape: JournalIndex) -> Iterator[Finding]:
    """1: A bot has at most one entry order that may still fill, UNKNOWN ones counted."""
    live: dict[str, dict[str, None]] = {}
    told: set[tuple[str, ...]] = set()
    for turn in tape.turns:
        entries = [entry for entry in turn if entry.order is not None and entry.order.purpose is Purpose.ENTRY]
        for entry in entries:
            _note_live(live, entry)
        for entry in entries:
            working = tuple(live[entry.record.bot])
            if len(working) > 1 and working not in told:
                told.add(working)
                yield entry.finding(f"{len(working)} entries of {entry.record.bot} are live: {', '.join(working)}")


def _note_live(live: dict[str, dict[str, None]], entry: Entry) -> None:
    assert entry.order is not None
    of_bot = live.setdefault(entry.record.bot, {})
    if entry.order.status.is_live:
        of_bot[entry.order.ref] = None
    else:
        of_bot.pop(entry.order.ref, None)


def one_identity(tape: JournalIndex) -> Iterator[Finding]:
    """2: A ref is one order for ever: its number, bot, position, purpose and legs; one permId, shared with none."""
    first: dict[str, Order] = {}
    by_number: dict[int, str] = {}
    by_perm: dict[int, str] = {}
    for entry in tape.of(Kind.ORDER):
        order = entry.order
        assert order is not None
        known = first.setdefault(order.ref, order)
        if _identity(order) != _identity(known):
            yield entry.finding(f"{order.ref} is another order than when it was first recorded")
        if by_number.setdefault(order.number, order.ref) != order.ref:
            yield entry.finding(f"{order.ref} and {by_number[order.number]} are both number {order.number}")
        if order.perm_id:
            yield from _perm(entry, order, by_perm)


def _identity(order: Order) -> tuple[object, ...]:
    contracts = [(leg.key, leg.option, leg.side, leg.ratio) for leg in order.legs]
    return order.number, order.bot, order.positions, order.purpose, order.side, contracts, order.digest


def _perm(entry: Entry, order: Order, by_perm: dict[int, str]) -> Iterator[Finding]:
    owner = by_perm.setdefault(order.perm_id, order.ref)
    if owner != order.ref:
        yield entry.finding(f"{order.ref} has permId {order.perm_id}, which is that of {owner}")
    others = [perm for perm, ref in by_perm.items() if ref == order.ref and perm != order.perm_id]
    if others:
        yield entry.finding(f"{order.ref} has permId {order.perm_id}, and had {others[0]} before")


def recorded_first(tape: JournalIndex) -> Iterator[Finding]:
    """3: An order is recorded before it is sent, so before the first word of the broker on it."""
    known: set[str] = set()
    for entry in tape.of(Kind.ORDER, Kind.FILL, Kind.MESSAGE):
        if entry.order is None:
            if entry.text("ref") not in known and entry.text("purpose") != BY_OTHERS:
                yield entry.finding(
                    f"a {entry.kind.value} on {entry.text('ref') or 'no order'}: no such order recorded"
                )
            continue
        order = entry.order
        is_first = order.ref not in known
        known.add(order.ref)
        if is_first and (order.status not in _UNTOLD or order.perm_id or order.has_fills or order.reported):
            yield entry.finding(f"{order.ref} is first recorded as {order.status.value}, after the broker spoke of it")


def final_is_final(tape: JournalIndex) -> Iterator[Finding]:
    """17, of orders: what has ended stays so, unless it works at the broker after all and is taken back."""
    last: dict[str, OrderStatus] = {}
    for entry in tape.of(Kind.ORDER):
        order = entry.order
        assert order is not None
        before = last.get(order.ref)
        last[order.ref] = order.status
        if before is None or before is order.status:
            continue
        was_given_up = before is OrderStatus.ABANDONED and order.status.is_live
        is_revived = was_given_up or order.status is OrderStatus.CANCELLING
        goes_back = order.status in _LEAVING and before not in _LEAVING
        if (not before.is_live and not is_revived) or goes_back:
            yield entry.finding(f"{order.ref} was {before.value} and is {order.status.value}")


def only_what_reduces(tape: JournalIndex) -> Iterator[Finding]:
    """10: Between kill or pause and resume no entry leaves, and after a kill none that works has another try."""
    standing = OperatorState()
    last: dict[str, Order] = {}
    for entry in tape.of(Kind.ORDER, Kind.OPERATOR):
        if entry.order is None:
            standing = after_record(standing, entry.record)
            continue
        order, before = entry.order, last.get(entry.order.ref)
        last[order.ref] = order
        if order.can_increase_risk and order_reaches_broker(before, order) and not standing.may_enter(order.bot):
            yield entry.finding(f"{order.ref} enters although the operator allows only what reduces")
        elif order.can_increase_risk and is_tried_again(before, order) and standing.trading is not TradingMode.ACTIVE:
            yield entry.finding(f"{order.ref} has try {order.attempt} after a kill")


def order_reaches_broker(before: Order | None, order: Order) -> bool:
    """Say whether an order is new with this record, or is sent with it."""
    return before is None or (before.sent_at is None and order.sent_at is not None)


def is_tried_again(before: Order | None, order: Order) -> bool:
    """Say whether an order that works has its next try with this record."""
    return before is not None and order.attempt > before.attempt and order.is_working


def only_with_a_link(tape: JournalIndex) -> Iterator[Finding]:
    """14: No entry leaves while the connection is down."""
    is_up = False
    sent: set[str] = set()
    for entry in tape.of(Kind.ORDER, Kind.LINK, Kind.RUN_STARTED):
        if entry.order is None:
            is_up = entry.kind is Kind.LINK and bool(entry.record.data.get("up"))
            continue
        order = entry.order
        if order.sent_at is None or order.ref in sent:
            continue
        sent.add(order.ref)
        if not is_up and order.can_increase_risk:
            yield entry.finding(f"{order.ref} enters while there is no connection")
