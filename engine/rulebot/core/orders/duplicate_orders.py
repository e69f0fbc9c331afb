"""Second orders that work at the broker under one reference of ours, until they are gone.

A change that is sent while the broker's own connection fails may come there as a new order, with a permanent id of its
own, beside the one that was to be changed: both have our reference and our id, and a cancel of that id ends one of them
(users of nautilus_trader have met it, its issue 4564; faults.md row 11). So both are taken back, with what was sent to
close the position meanwhile. Until the second one is told to be over, with all that it has filled, or two lists of open
orders on end lack it, no order that closes is over: beside what may still fill nothing else is sent.
"""

from collections.abc import Iterable
from datetime import timedelta

from rulebot.core.emit.cancel import cancel
from rulebot.core.orders.order_mismatch import halt_on_mismatch
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import DuplicateOrder
from rulebot.model.cause import Cause
from rulebot.model.event import BrokerStatus, ExecutionReport, OrderReport
from rulebot.model.order import Cancel, Order, OrderStatus, Purpose
from rulebot.model.values import replace

PATIENCE = timedelta(minutes=1)
"""How long a second order is taken back again and again until a person is told to do it."""
_WORKS = (BrokerStatus.PRE_SUBMITTED, BrokerStatus.SUBMITTED)
_OVER = (BrokerStatus.FILLED, BrokerStatus.CANCELLED, BrokerStatus.API_CANCELLED, BrokerStatus.INACTIVE)


def cancelled_for_duplicate(orders: Iterable[Order]) -> dict[str, DuplicateOrder]:
    """Return the second orders that an engine before this one knew of, by the orders that wait for their end."""
    found = {}
    for order in orders:
        if order.status.is_live and order.cause is Cause.SECOND_UNDER_ID:
            found[order.ref] = DuplicateOrder(order.changed_at, order.changed_at)
        elif order.status.is_live and order.cause is Cause.SECOND_OF:
            found[order.about] = DuplicateOrder(order.changed_at, order.changed_at)
    return found


def is_duplicate(work: StateBuilder, order: Order, event: OrderReport) -> bool:
    """Say whether a report is of a second order under our reference, whose end is not that of ours.

    One that works is taken back, and ours with it where both have one id.
    """
    if not _is_of_second(order, event):
        return False
    if event.status in _OVER:
        _ended(work, order, event)
    elif event.status in _WORKS:
        _take_back(work, order, event)
    return True


def _ended(work: StateBuilder, order: Order, event: OrderReport) -> None:
    """Forget a second order that is over; one whose executions are still to come is left to the lists."""
    is_filled = event.status is BrokerStatus.FILLED or bool(event.filled)
    if is_filled and order.filled < order.quantity:
        _note(work, order.ref)
    else:
        drop_duplicate(work, order.ref)


def _note(work: StateBuilder, ref: str) -> None:
    known = work.inquiries.twins.get(ref)
    work.put_twin(ref, DuplicateOrder(work.at if known is None else known.since, work.at))


def _take_back(work: StateBuilder, order: Order, event: OrderReport) -> None:
    _note(work, order.ref)
    both = f"two orders work at the broker as {order.ref}, with permanent ids {order.perm_id} and {event.perm_id}"
    is_ours = bool(event.order_id) and event.client_id == work.connection.client_id
    is_one_id = is_ours and event.order_id == order.order_id and order.status.is_live
    if is_ours:
        text = "both are taken back" if is_one_id else "the second is taken back"
    else:
        text = "the second is of another client: a person must cancel it"
    halt_on_mismatch(work, work.positions.by_id[order.position], f"{both}: {text}")
    if is_one_id:
        cancel(work, work.orders.by_ref[order.ref], Cause.SECOND_UNDER_ID)
    for other in work.live_orders(order.position):
        if order.purpose is not Purpose.ENTRY and other.purpose in CLOSING and other.ref != order.ref:
            cancel(work, other, Cause.SECOND_OF, order.ref)
    if is_ours:
        work.commands.append(Cancel(replace(order, order_id=event.order_id, perm_id=event.perm_id)))


def check_owner(work: StateBuilder, order: Order, event: ExecutionReport) -> None:
    """Take an order back for which a second one under its reference has filled: beside that it would deal too much."""
    if _is_of_second(order, event) and order.ended is None and order.filled:
        text = f"a second order at the broker has filled as {order.ref}: ours is taken back"
        work.alarm(order.bot, text, order.position)
        cancel(work, order, Cause.SECOND_FILLED)


def _is_of_second(order: Order, event: OrderReport | ExecutionReport) -> bool:
    return bool(event.perm_id and order.perm_id) and event.perm_id != order.perm_id


def awaits_duplicate_end(work: StateBuilder, order: Order) -> bool:
    """Say whether an order that closes is not over yet, since a second one may still close the same."""
    is_done = order.ended is OrderStatus.FILLED or order.filled >= order.quantity
    if not work.inquiries.twins or is_done or order.purpose is Purpose.ENTRY:
        return False
    closing = (
        each for each in map(work.orders.by_ref.get, work.inquiries.twins) if each and each.purpose is not Purpose.ENTRY
    )
    return any(each.position == order.position for each in closing)


def drop_duplicate(work: StateBuilder, ref: str) -> None:
    """Note that no second order works under a reference any more."""
    if ref in work.inquiries.twins:
        work.put_twin(ref, None)


def duplicate_ended(work: StateBuilder, listed: frozenset[str], *, first_list: bool) -> list[str]:
    """Forget the second orders that two complete lists of open orders lack; return under which references they were.

    first_list: it came with a connection. One that is listed for a minute is left to a person.
    """
    since = work.connection.down_at if first_list else work.inquiries.asked_at
    found = []
    for ref, twin in sorted(work.inquiries.twins.items()):
        if ref not in listed or (since is not None and twin.told_at < since):
            if twin.is_missed:
                drop_duplicate(work, ref)
                found.append(ref)
            else:
                work.put_twin(ref, twin._replace(is_missed=True))
        elif work.at - twin.since >= PATIENCE and (order := work.orders.by_ref.get(ref)) is not None:
            text = f"a second order works as {ref} and is not taken back: a person must cancel it in TWS"
            work.alarm(order.bot, text, order.position)
    return found
