"""Orders that the broker will not have, though no refusal says so: inactive, or answered with words that end nothing.

Such an order may be held all the same, so it is taken back and counts until the broker says that it is over. By then
his last word is the answer to our cancel; why we wanted the order back stands behind it.
"""

from collections.abc import Sequence
from itertools import takewhile

from rulebot.model.cause import BrokerMessage, Cause, MessageMeaning
from rulebot.model.order import Order, OrderStatus


def is_told_over(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it was over before, and not by a fill."""
    return order.answer is not None and order.answer.means(MessageMeaning.OVER)


def is_told_filled(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it had filled before."""
    return order.answer is not None and order.answer.means(MessageMeaning.FILLED)


def is_ended_by_broker(order: Order) -> bool:
    """Say whether the broker cancelled an order, filled in part or not, and gave a reason that is no person's.

    What somebody cancels at the broker's own window comes without a reason, or with one that names the trader.
    """
    return order.status is OrderStatus.CANCELLED and order.is_ended_for_broker


def is_rejected(order: Order) -> bool:
    """Say whether an order that is over, and filled nothing, was one that the broker would not have."""
    if order.status not in (OrderStatus.CANCELLED, OrderStatus.LOST) or order.has_fills:
        return False
    if (told := _told_before(order)) is not None:  # of one that was changed the message may be of the change
        return not told.means(MessageMeaning.INFORMS, MessageMeaning.CANCEL_FAILED) and not order.previous_terms
    return order.cause is Cause.INACTIVE


def _told_before(order: Order) -> BrokerMessage | None:
    """Return the broker's message before any cancel of ours, None where our own cause came after it."""
    return order.heard if order.cause in (None, Cause.BROKER_SAID) else None


def is_rejected_unchanged(order: Order) -> bool:
    """Say whether the broker, or the exchange, would not have what was ordered, and filled nothing of it."""
    is_refused = order.status is OrderStatus.REJECTED or is_rejected(order) or is_ended_by_broker(order)
    told = _told_before(order)
    is_of_our_side = told is not None and told.means(MessageMeaning.OUR_SIDE)
    return is_refused and not order.has_fills and not is_of_our_side


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
    return sum(1 for _ in takewhile(lambda each: each.status is OrderStatus.LOST, alike))
