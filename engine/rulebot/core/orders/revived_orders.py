"""Revived orders: the broker works an order that was UNKNOWN (it continues) or had ended (it is cancelled)."""

from rulebot.core.emit.orders import cancel
from rulebot.core.orders.order_mismatch import halt_on_mismatch
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_order
from rulebot.core.state.lists import live_orders_of
from rulebot.core.state.turn import alarm
from rulebot.model.cause import Cause
from rulebot.model.order import Order, OrderStatus
from rulebot.model.values import replace


def adopt_order(order: Order) -> Order:
    """Return an order that the broker has; why it was UNKNOWN is no word on it any more."""
    known = order.for_cause(None) if order.status is OrderStatus.UNKNOWN else order
    return replace(known, status=OrderStatus.WORKING, reported_final_status=None)


def on_unexpected_working(work: StateBuilder, order: Order) -> None:
    """An order that is over is said to work. A report may be old: what was not given up is asked for first."""
    if order.status is OrderStatus.LOST:
        cancel_revived(work, order)
    else:
        work.inquiries = replace(work.inquiries, revived_refs=work.inquiries.revived_refs | {order.ref})


def cancel_revived(work: StateBuilder, order: Order) -> None:
    """Cancel an ended order that the broker works again.

    Orders sent in its place would open or close the same again, so they are cancelled too. Protective stops stay.
    """
    was = "given up" if order.status is OrderStatus.LOST else order.status.value
    text = f"{order.ref} was {was} and works again"
    if order.can_increase_risk:
        halt_on_mismatch(work, work.positions.by_id[order.position], text)
    else:
        alarm(work, order.bot, f"{text}: rulebot cancels it", order.position)
    for other in live_orders_of(work, order.position):
        if order.purpose in CLOSING and other.purpose in CLOSING:
            cancel(work, other, Cause.INSTEAD_OF_REVIVED, order.ref)
    cancel(work, put_order(work, replace(order, status=OrderStatus.WORKING, reported_final_status=None)), Cause.REVIVED)
