"""Outgoing orders: their terms, their next price, and cancels of one order or of all entries."""

from datetime import timedelta
from decimal import Decimal

from rulebot.core.queries.orders import GRACE, resting_orders
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import count_early, order_ref, put_order, put_position, take_numbers
from rulebot.core.state.lists import all_live_orders
from rulebot.model.cause import Cause, Name, Text
from rulebot.model.order import Cancel, Order, OrderStatus, Purpose, Replace
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.order.price import Ticket, priority, wire_price
from rulebot.spec.spec import Order as Ladder

CANCEL_PATIENCE = timedelta(seconds=10)


def cancel(
    work: StateBuilder, order: Order, cause: Cause, about: Name = "", detail: Text = "", *, received: bool = False
) -> Order:
    """Request the cancel of an order, once; fills may still arrive first. An ended order needs no request.

    about, detail: of the cause, as an order keeps them. received: the broker's message about it is part of the cause.
    """
    if not order.status.is_live or order.status is OrderStatus.CANCELLING:
        return order
    recalled = order.for_cause(cause, about, detail, received=received)
    order = put_order(work, replace(recalled, status=OrderStatus.CANCELLING))
    return order if order.reported_final_status is OrderStatus.CANCELLED else request_cancel(work, order)


def request_cancel(work: StateBuilder, order: Order, patience: timedelta = CANCEL_PATIENCE) -> Order:
    """Send the cancel of an order, for the first time or again, and note whether its answer will say anything."""
    order = put_order(work, replace(order, attempt_until=work.at + patience))
    if _may_be_on_its_way(work, order):
        count_early(work, order.ref, 1)
    work.commands.append(Cancel(order))
    return order


def is_too_early(work: StateBuilder, order: Order) -> bool:
    """Say whether a "not found" answers a cancel that was sent while its order was in transit; count it off.

    The broker answers in order. A second "not found" within the grace period answers nothing later either. For an order
    that never reached the gateway the answer is correct at once.
    """
    if order.ref in work.inquiries.undelivered:
        return False
    if work.inquiries.unanswered_cancels.get(order.ref):
        count_early(work, order.ref, -1)
        return True
    return _may_be_on_its_way(work, order)


def _may_be_on_its_way(work: StateBuilder, order: Order) -> bool:
    if order.perm_id or order.ref in work.inquiries.undelivered:
        return False
    return order.sent_at is not None and work.at - order.sent_at < GRACE


def cancel_entries(work: StateBuilder, bot: str, cause: Cause, detail: Text = "") -> None:
    """Cancel every opening order of a bot ("": of all bots)."""
    for order in all_live_orders(work):
        if order.status.is_live and order.can_increase_risk and bot in ("", order.bot):
            cancel(work, order, cause, detail=detail)


def cancel_order(work: StateBuilder, position: Position, cause: Cause, detail: Text = "") -> bool:
    """Cancel the position's resting orders; return True once none is live."""
    live = resting_orders(work, position.id)
    for order in live:
        cancel(work, order, cause, detail=detail)
    return not live


# --- The next price of an order that works


def is_new_order(ladder: Ladder, order: Order) -> bool:
    """Say whether the next try cannot be a change of this order: a pause comes first, or another priority."""
    return ladder.pause > 0 or priority(ladder, order.attempt + 1) != order.adaptive


def offer(work: StateBuilder, order: Order, ladder: Ladder, net: Decimal) -> None:
    """Change the limit of an order to what this net per structure asks; the change counts as a try."""
    price = wire_price(net, order.side)
    changed = count_try(work, order.with_terms(order.quantity, price), ladder)
    if price != order.limit_price:
        work.commands.append(Replace(changed))


def count_try(work: StateBuilder, order: Order, ladder: Ladder) -> Order:
    """Begin the next try of an order that works on; one at market has no price that could change."""
    attempt = order.attempt + 1
    changed = replace(order, attempt=attempt, attempt_until=work.at + timedelta(seconds=ladder.wait))
    put_order(work, changed)
    put_position(work, replace(work.positions.by_id[order.position], attempts=attempt))
    return changed


# --- The terms of an order that is about to be sent


def ticket(work: StateBuilder, position: Position, purpose: Purpose, reason: str) -> Ticket:
    """Return the name of a new order."""
    number, order_id = take_numbers(work)
    return Ticket(
        order_ref(work, number), number, order_id, position.bot, position.id, purpose, reason, position.digest, work.at
    )
