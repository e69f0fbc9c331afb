"""Orders of positions: which rest, which have expired, which the broker has let run out."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import takewhile

from rulebot.compile.plan import ExitPlan
from rulebot.core.queries.resting_order import rest_of
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import all_live_orders, live_orders_of, orders_of
from rulebot.model.cause import BrokerMessage, Cause, MessageMeaning
from rulebot.model.contract import Option
from rulebot.model.money import Rounding, TickRule
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import trades_no_more
from rulebot.order.price import option_ticks

RESTING = (Purpose.TARGET, Purpose.STOP, Purpose.PROTECT)
LEAVING = (Purpose.EXIT, Purpose.UNWIND)
"""Orders of an exit; single-leg ones cross resting orders on the other side."""
GRACE = timedelta(seconds=40)
"""How long an unacknowledged order may be in transit.

Only questions asked after that show whether the broker has it.
"""
REVERSED = "reversed"
"""The reason of an order that buys back what was closed twice."""


def resting_orders(work: StateBuilder, position: str) -> list[Order]:
    """Return the position's live orders at the broker."""
    return [order for order in live_orders_of(work, position) if order.purpose in RESTING]


def is_between_sessions(work: StateBuilder) -> bool:
    """Say whether the market is closed by the clock: an exit continues at the next open."""
    session = work.schedule.session
    return not session.is_on(work.at)


def is_against_exit(work: StateBuilder, position: Position, legs: Iterable[PositionLeg]) -> bool:
    """Say whether another exit works against what would rest on these legs: the broker would refuse it."""
    held = {leg.option: leg.sign for leg in legs if leg.held}
    leaving = (order for order in all_live_orders(work) if order.purpose in LEAVING and order.position != position.id)
    return any(
        held.get(leg.option) == order.side_of(leg).sign
        for order in leaving
        if len(held) > 1 or not order.is_combo
        for leg in order.legs
    )


def named(position: Position) -> str:
    """Return in words of what a position's resting orders are: its option, or its name where it has several legs."""
    return str(position.legs[0].option) if len(position.legs) == 1 else position.id


def has_level(work: StateBuilder, position: Position, planned: ExitPlan) -> bool:
    """Say whether an exit has a price at which it can rest."""
    return rest_of(position, planned, work.market.facts.ticks) is not None


def has_expired(work: StateBuilder, position: Position) -> bool:
    """Say whether what the position holds trades no more: the broker ends its orders, and settlement follows."""
    held = [leg.option for leg in position.legs if leg.held]
    return bool(held) and all(option_has_expired(work, option) for option in held)


def option_has_expired(work: StateBuilder, option: Option) -> bool:
    """Say whether an option trades no more."""
    return trades_no_more(option.expiry, work.schedule.session, work.at)


def partner_has_filled(work: StateBuilder, order: Order) -> bool:
    """Say whether another order of its group has filled: that the broker cancels this one then is no news."""
    others = (other for other in orders_of(work, order.position) if other.oca_group == order.oca_group != "")
    return any(other.has_fills for other in others if other.ref != order.ref)


def has_run_out(work: StateBuilder, order: Order) -> bool:
    """Say whether an order rests in what trades no more: that it ends then is no news."""
    return order.purpose in RESTING and all(option_has_expired(work, leg.option) for leg in order.legs)


def has_reason(order: Order) -> bool:
    """Say whether the broker gave a reason for a reject.

    Inactive alone, or with a warning, may be an order that it holds.
    """
    return order.last_means(MessageMeaning.REFUSES)


def is_not_found(order: Order) -> bool:
    """Say whether the broker's last word on an order was that it has none."""
    return order.last_means(MessageMeaning.NOT_FOUND)


def is_buy_back(order: Order) -> bool:
    """Say whether an order buys back what was closed twice: it makes closed contracts fewer."""
    return order.purpose is Purpose.UNWIND and order.reason == REVERSED


def is_off_grid(work: StateBuilder, order: Order) -> bool:
    """Say whether the broker has refused an order for its price, and another one would be sent now."""
    option: Option = order.legs[0].option
    price = order.terms.price
    if order.is_combo or price is None or not _is_reported_off_grid(order):
        return False
    return not _lies_on(option_ticks(option, work.market.facts.ticks), price)


def _is_reported_off_grid(order: Order) -> bool:
    return order.received is not None and order.received.means(MessageMeaning.OFF_GRID)


def _lies_on(ticks: TickRule, price: Decimal) -> bool:
    return ticks.round(price, Rounding.NEAREST) == price


def works_too_large(work: StateBuilder, position: Position) -> bool:
    """Say whether an order that works for a position may close more than it holds."""
    return any(_is_too_large(position, order) for order in live_orders_of(work, position.id))


def _is_too_large(position: Position, order: Order) -> bool:
    if order.purpose is Purpose.ENTRY or order.position != position.id or is_buy_back(order):
        return False
    held = {leg.name: leg.held for leg in position.legs}
    left = zip(order.legs, order.unfilled, strict=True)
    return any(count > max(held[leg.name], 0) for leg, count in left if not leg.opens)


def is_trading(work: StateBuilder) -> bool:
    """Say whether the regular session is on and we are linked."""
    session = work.schedule.session
    return session.is_on(work.at) and work.connection.is_linked


# --- Orders that the broker will not have, though no refusal says so


def is_reported_over(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it was over before, and not by a fill."""
    return order.answer is not None and order.answer.means(MessageMeaning.OVER)


def is_reported_filled(order: Order) -> bool:
    """Say whether the broker has answered our cancel of an order that it had filled before."""
    return order.answer is not None and order.answer.means(MessageMeaning.FILLED)


def is_ended_by_broker(order: Order) -> bool:
    """Say whether the broker cancelled an order, partly filled or not, for a reason that is not a person's.

    A cancel in the broker's own window comes without a reason, or with one that names the trader.
    """
    return order.status is OrderStatus.CANCELLED and order.is_ended_for_broker


def is_rejected(order: Order) -> bool:
    """Say whether an order that is over, and filled nothing, was one that the broker would not have."""
    if order.status not in (OrderStatus.CANCELLED, OrderStatus.LOST) or order.has_fills:
        return False
    if (reported := _reported_before(order)) is not None:  # of one that was changed the message may be of the change
        return not reported.means(MessageMeaning.INFORMS, MessageMeaning.CANCEL_FAILED) and not order.previous_terms
    return order.cause is Cause.INACTIVE


def _reported_before(order: Order) -> BrokerMessage | None:
    """Return the broker's message from before our own cancel; None where our cause came later."""
    return order.received if order.cause in (None, Cause.BROKER_SAID) else None


def is_rejected_unchanged(order: Order) -> bool:
    """Say whether the broker, or the exchange, would not have what was ordered, and filled nothing of it."""
    is_refused = order.status is OrderStatus.REJECTED or is_rejected(order) or is_ended_by_broker(order)
    reported = _reported_before(order)
    is_of_our_side = reported is not None and reported.means(MessageMeaning.OUR_SIDE)
    return is_refused and not order.has_fills and not is_of_our_side


def is_of_other_side(order: Order) -> bool:
    """Say whether the broker refused an order since orders of the other side work in its contract."""
    reported = (each for each in (order.received, order.answer) if each is not None)
    return any(each.means(MessageMeaning.OTHER_SIDE) for each in reported)


def was_lost_twice(order: Order, orders: Sequence[Order]) -> bool:
    """Say whether the broker has neither this order nor the previous one for the same, of a position's `orders`.

    One alone was lost in transit; two suggest that the broker receives none.
    """
    return lost_on_end(order, orders) > 1


def lost_on_end(order: Order, orders: Sequence[Order]) -> int:
    """Return how many orders for the same, up to the last one, the broker has never had, of a position's `orders`."""
    alike = (each for each in reversed(orders) if (each.reason, each.legs) == (order.reason, order.legs))
    return sum(1 for _ in takewhile(lambda each: each.status is OrderStatus.LOST, alike))
