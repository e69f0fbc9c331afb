"""Second orders that work at the broker under one reference of ours, until they are gone.

A change that is sent while the broker's own connection fails may come there as a new order, with a permanent id of its
own, beside the one that was to be changed: both have our reference and our id, and a cancel of that id ends one of them
(users of nautilus_trader have met it, its issue 4564; faults.md row 11). So both are taken back. Until no list of open
orders has a second one any more, an order that closes is not over: beside what may still fill nothing else is sent.
"""

from datetime import timedelta

from engine.model.command import Cancel
from engine.model.event import BrokerStatus, ExecutionReport, OrderReport
from engine.model.order import Order, OrderStatus
from engine.model.values import replace
from engine.turn.mismatch import distrust
from engine.turn.resting import cancel
from engine.turn.state import Twin
from engine.turn.work import Work

PATIENCE = timedelta(minutes=1)
"""How long a second order is taken back again and again until a person is told to do it."""
_WORKS = (BrokerStatus.PRE_SUBMITTED, BrokerStatus.SUBMITTED)
_OVER = (BrokerStatus.FILLED, BrokerStatus.CANCELLED, BrokerStatus.API_CANCELLED, BrokerStatus.INACTIVE)


def is_second(work: Work, order: Order, event: OrderReport) -> bool:
    """Say whether a report is of a second order under our reference, whose end is not that of ours.

    One that works is taken back, and ours with it where both have one id.
    """
    if not _is_of_second(order, event):
        return False
    if event.status in _OVER:
        forget(work, order.ref)
    elif event.status in _WORKS:
        _take_back(work, order, event)
    return True


def _take_back(work: Work, order: Order, event: OrderReport) -> None:
    known = work.twins.get(order.ref)
    work.put_twin(order.ref, Twin(work.at if known is None else known.since, work.at))
    both = f"two orders work at the broker as {order.ref}, with permanent ids {order.perm_id} and {event.perm_id}"
    is_ours = bool(event.order_id) and event.client_id == work.state.client_id
    is_one_id = is_ours and event.order_id == order.order_id and order.status.is_live
    if is_ours:
        text = "both are taken back" if is_one_id else "the second is taken back"
    else:
        text = "the second is of another client: a person must cancel it"
    distrust(work, work.positions[order.position], f"{both}: {text}")
    if is_one_id:
        cancel(work, work.orders[order.ref], "a second order works under its id")
    if is_ours:
        work.commands.append(Cancel(replace(order, order_id=event.order_id, perm_id=event.perm_id)))


def check_owner(work: Work, order: Order, event: ExecutionReport) -> None:
    """Take an order back for which a second one under its reference has filled: beside that it would deal too much."""
    if order.filled and order.ended is None and _is_of_second(order, event):
        text = f"a second order at the broker has filled as {order.ref}: ours is taken back"
        work.alarm(order.bot, text, order.position)
        cancel(work, order, "a second order under its reference has filled")


def _is_of_second(order: Order, event: OrderReport | ExecutionReport) -> bool:
    return bool(event.perm_id and order.perm_id) and event.perm_id != order.perm_id


def waits_for_twin(work: Work, order: Order) -> bool:
    """Say whether an order that closes is not over yet, since a second one under its reference may still fill."""
    is_done = order.may_open or order.ended is OrderStatus.FILLED
    return not is_done and order.ref in work.twins


def forget(work: Work, ref: str) -> None:
    """Note that no second order works under a reference any more."""
    if ref in work.twins:
        work.put_twin(ref, None)


def gone(work: Work, listed: frozenset[str], *, first_list: bool) -> list[str]:
    """Forget the second orders that a complete list of open orders lacks; return under which references they were.

    first_list: it came with a connection. One that is listed for a minute is left to a person.
    """
    since = work.state.down_at if first_list else work.asked_at
    found = []
    for ref, twin in sorted(work.twins.items()):
        if ref not in listed or (since is not None and twin.told_at < since):
            forget(work, ref)
            found.append(ref)
        elif work.at - twin.since >= PATIENCE and (order := work.orders.get(ref)) is not None:
            text = f"a second order works as {ref} and is not taken back: a person must cancel it in TWS"
            work.alarm(order.bot, text, order.position)
    return found
