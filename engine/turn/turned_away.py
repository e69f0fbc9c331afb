"""Orders that the broker will not have, though no refusal says so: inactive, or answered with words that end nothing.

Such an order may be held all the same, so it is taken back and counts until the broker says that it is over. By then
his last word is the answer to our cancel; why we wanted the order back stands behind it.
"""

from collections.abc import Sequence
from itertools import takewhile

from engine.model.order import WANTED_BACK_FOR, Order, OrderStatus
from engine.turn.message_codes import INFORMATION, IS_OVER, NOT_CANCELLED, OF_OUR_SIDE

INACTIVE = "it was inactive"
_BECAUSE = "reason:"
_BY_PEOPLE = ("trader", "user")
_OVER = ("cancelled", "apicancelled", "inactive")
"""States of the broker that are over without a fill: an order that it has begun to cancel is not."""


def answered(message: str, words: str) -> str:
    """Return the broker's answer to a cancel, and behind it why the order was taken back."""
    reason = taken_back_for(message)
    return f"{words}{WANTED_BACK_FOR}{reason})" if reason else words


def taken_back_for(message: str) -> str:
    """Return why an order was taken back, whatever the broker has answered to its cancel."""
    _, is_answer, reason = message.partition(WANTED_BACK_FOR)
    return reason.removesuffix(")") if is_answer else message


def last_words(message: str) -> str:
    """Return the last words on an order, without why it was taken back before them."""
    return message.partition(WANTED_BACK_FOR)[0]


def is_told_over(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it was over before, and not by a fill."""
    return _told_state(order) in _OVER


def is_told_filled(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it had filled before."""
    return _told_state(order) == "filled"


def _told_state(order: Order) -> str:
    """Return the state that the broker has named as it answered our cancel of an order, "" where it named none."""
    words, is_answer, _ = order.message.partition(WANTED_BACK_FOR)
    if not is_answer or not words.startswith(f"{IS_OVER} "):
        return ""
    return words.rpartition("state:")[2].strip(" .").casefold()


def broker_words(order: Order) -> str:
    """Return the broker's message on an order, with its code; "" when the last words on it are our own."""
    return order.message if order.message.partition(" ")[0].isdigit() else ""


def is_ended_by_broker(order: Order) -> bool:
    """Say whether the broker cancelled an order, filled in part or not, and gave a reason that is no person's.

    What somebody cancels in TWS comes with the same code and no reason, or one that names the trader.
    """
    _, is_told, reason = broker_words(order).partition(_BECAUSE)
    reason = last_words(reason).strip().casefold()
    is_own = bool(is_told and reason) and not any(word in reason for word in _BY_PEOPLE)
    return order.status is OrderStatus.CANCELLED and is_own


def is_turned_away(order: Order) -> bool:
    """Say whether an order that is over, and filled nothing, was one that the broker would not have."""
    if order.status not in (OrderStatus.CANCELLED, OrderStatus.ABANDONED) or order.has_fills:
        return False
    reason = taken_back_for(order.message)
    code = reason.partition(" ")[0]
    if code.isdigit():  # of one that was changed the words may be of the change
        return int(code) not in INFORMATION | NOT_CANCELLED and not order.former
    return reason.startswith(INACTIVE)


def is_refused_as_it_is(order: Order) -> bool:
    """Say whether the broker, or the exchange, would not have what was ordered, and filled nothing of it."""
    is_refused = order.status is OrderStatus.REFUSED or is_turned_away(order) or is_ended_by_broker(order)
    if order.has_fills or not is_refused:
        return False
    code = taken_back_for(order.message).partition(" ")[0]
    return not (code.isdigit() and int(code) in OF_OUR_SIDE)


def is_lost_again(order: Order, orders: Sequence[Order]) -> bool:
    """Say whether the broker has had neither this order nor the one before it for the same, of a position's `orders`.

    One alone was lost on its way; of a broker who has none of them no answer is to be hoped for.
    """
    return lost_on_end(order, orders) > 1


def lost_on_end(order: Order, orders: Sequence[Order]) -> int:
    """Return how many orders for the same, up to the last one, the broker has never had, of a position's `orders`."""
    alike = (each for each in reversed(orders) if (each.reason, each.legs) == (order.reason, order.legs))
    return sum(1 for _ in takewhile(lambda each: each.status is OrderStatus.ABANDONED, alike))
