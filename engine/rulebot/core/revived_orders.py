"""Orders that the broker has after all: one that was in doubt goes on, one that was over is taken back."""

from rulebot.core.bracket_orders import cancel
from rulebot.core.close_plan import CLOSING
from rulebot.core.order_mismatch import distrust
from rulebot.core.state_builder import Work
from rulebot.model.cause import Cause
from rulebot.model.order import Order, OrderStatus
from rulebot.model.values import replace


def adopted(order: Order) -> Order:
    """Return an order that the broker has; why it was UNKNOWN is no word on it any more."""
    known = order.for_cause(None) if order.status is OrderStatus.UNKNOWN else order
    return replace(known, status=OrderStatus.WORKING, ended=None)


def told_to_work(work: Work, order: Order) -> None:
    """An order that is over is said to work. A report may be old: what was not given up is asked for first."""
    if order.status is OrderStatus.ABANDONED:
        revive(work, order)
    else:
        work.risen |= {order.ref}


def revive(work: Work, order: Order) -> None:
    """An order that was over works at the broker after all: nobody waits for it any more, so it is taken back.

    What was sent instead of it would open or close the same once more, and goes too; what rests as protection stays.
    """
    was = "given up" if order.status is OrderStatus.ABANDONED else order.status.value
    text = f"{order.ref} was {was} and works after all"
    if order.may_open:
        distrust(work, work.positions[order.position], text)
    else:
        work.alarm(order.bot, f"{text}: it is taken back", order.position)
    for other in work.live_orders(order.position):
        if order.purpose in CLOSING and other.purpose in CLOSING:
            cancel(work, other, Cause.INSTEAD_OF_REVIVED, order.ref)
    cancel(work, work.put_order(replace(order, status=OrderStatus.WORKING, ended=None)), Cause.REVIVED)
