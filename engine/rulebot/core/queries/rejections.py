"""Orders that the broker will not have, though no refusal says so: inactive, or answered with words that end nothing.

Such an order may be held all the same, so it is taken back and counts until the broker says that it is over. By then
his last word is the answer to our cancel; why we wanted the order back stands behind it.
"""

from collections.abc import Sequence
from itertools import takewhile

from rulebot.core.queries.message_codes import INFORMATION, NOT_CANCELLED, OF_OUR_SIDE
from rulebot.model.cause import Cause, MessageMeaning
from rulebot.model.order import Order, OrderStatus


def is_told_over(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it was over before, and not by a fill."""
    return order.answer is not None and order.answer.means(MessageMeaning.OVER)


def is_told_filled(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it had filled before."""
    return order.answer is not None and order.answer.means(MessageMeaning.FILLED)


def is_ended_by_broker(order: Order) -> bool:
    """Say whether the broker cancelled an order, filled in part or not, and gave a reason that is no person's.

    What somebody cancels in TWS comes with the same code and no reason, or one that names the trader.
    """
    return order.status is OrderStatus.CANCELLED and order.is_ended_for_broker


def is_rejected(order: Order) -> bool:
    """Say whether an order that is over, and filled nothing, was one that the broker would not have."""
    if order.status not in (OrderStatus.CANCELLED, OrderStatus.ABANDONED) or order.has_fills:
        return False
    if code := _code_before(order):  # of one that was changed the message may be of the change
        return code not in INFORMATION | NOT_CANCELLED and not order.former
    return order.cause is Cause.INACTIVE


def _code_before(order: Order) -> int:
    """Return the code of the broker's message before any cancel of ours, 0 where our own cause came after it."""
    is_his = order.heard is not None and order.cause in (None, Cause.BROKER_SAID)
    return order.heard.code if is_his and order.heard is not None else 0


def is_rejected_unchanged(order: Order) -> bool:
    """Say whether the broker, or the exchange, would not have what was ordered, and filled nothing of it."""
    is_refused = order.status is OrderStatus.REFUSED or is_rejected(order) or is_ended_by_broker(order)
    return is_refused and not order.has_fills and _code_before(order) not in OF_OUR_SIDE


def is_of_other_side(order: Order) -> bool:
    """Say whether the broker refused an order since orders of the other side work in its contract."""
    told = (each for each in (order.heard, order.answer) if each is not None)
    return any(each.means(MessageMeaning.OTHER_SIDE) for each in told)


def was_lost_twice(order: Order, orders: Sequence[Order]) -> bool:
    """Say whether the broker has had neither this order nor the one before it for the same, of a position's `orders`.

    One alone was lost on its way; of a broker who has none of them no answer is to be hoped for.
    """
    return lost_on_end(order, orders) > 1


def lost_on_end(order: Order, orders: Sequence[Order]) -> int:
    """Return how many orders for the same, up to the last one, the broker has never had, of a position's `orders`."""
    alike = (each for each in reversed(orders) if (each.reason, each.legs) == (order.reason, order.legs))
    return sum(1 for _ in takewhile(lambda each: each.status is OrderStatus.ABANDONED, alike))
