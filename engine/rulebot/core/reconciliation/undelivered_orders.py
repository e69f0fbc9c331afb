"""Undelivered orders: orders that never reached the gateway, and positions unprotected meanwhile."""

from datetime import datetime, timedelta

from rulebot.core.queries.close_plan import rolling_exit
from rulebot.core.queries.orders import GRACE
from rulebot.core.queries.protection import GUARDING, is_protected
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import active_positions, governing, live_orders_of
from rulebot.core.state.turn import alarm
from rulebot.model.event import Connected
from rulebot.model.order import Order, OrderStatus
from rulebot.model.position import Position
from rulebot.model.text import clock
from rulebot.spec.spec import OnUnknown

SAME_GATEWAY = timedelta(seconds=30)
"""An order that was sent this short a time ago was sent to the gateway of now: no TWS or Gateway is ended, started and
logged in again within it."""


def undelivered_orders(work: StateBuilder, event: Connected) -> frozenset[str]:
    """Return the refs of live orders, entries aside, that never reached the gateway and never will.

    All of this must hold: it was sent under our client id on an earlier connection (the gateway accepts a client id
    once at a time, error 326, so that connection has ended and its data is read or lost); the gateway's next valid id,
    asked for on this connection, is not above the order's id, so it has not been read (and once a higher id exists it
    will be refused, error 103); that id is above each id that the broker has acknowledged, so it is the count of this
    gateway; it was sent less than 30 seconds ago, so the gateway has not restarted since; the broker has sent no
    message about it, and its complete lists lack it.

    An entry always waits for its grace period: it is not missed, and two of them would be a new risk.
    """
    count = event.next_valid_id
    ours = [order for order in work.orders.by_ref.values() if order.client_id == event.client_id]
    acknowledged = max((order.order_id for order in ours if order.perm_id), default=0)
    if not 0 < acknowledged < count:
        return frozenset()
    listed = frozenset(event.order_refs)
    return frozenset(
        order.ref
        for order in ours
        if _is_unheard(order) and not order.can_increase_risk and order.order_id >= count
        if order.ref not in listed and _is_of_this_gateway(work, order)
    )


def _is_unheard(order: Order) -> bool:
    """Say whether an order was sent, has not ended, and no message about it ever arrived."""
    is_waiting = order.status in (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.CANCELLING)
    return is_waiting and not (order.perm_id or order.has_fills or order.reported_final_status)


def _is_of_this_gateway(work: StateBuilder, order: Order) -> bool:
    return order.sent_at is not None and timedelta(0) <= work.at - order.sent_at < SAME_GATEWAY


def alarm_of_unprotected(work: StateBuilder) -> None:
    """Raise the alarm where protection that may have arrived must be waited for: since when, and until when."""
    for position in active_positions(work):
        suspect = [order for order in live_orders_of(work, position.id) if _is_suspect_guard(work, order)]
        if suspect and position.state in ("open", "exiting") and not is_protected(work, position):
            _notify(work, position, suspect)


def _is_suspect_guard(work: StateBuilder, order: Order) -> bool:
    return order.purpose in GUARDING and _is_unheard(order) and order.ref not in work.inquiries.undelivered


def _notify(work: StateBuilder, position: Position, suspect: list[Order]) -> None:
    sent = [order.sent_at for order in suspect if order.sent_at is not None]
    since, until = min(sent), max(sent) + GRACE
    if until <= work.at:
        return
    refs = " and ".join(order.ref for order in suspect)
    text = (
        f"its short legs may be without protection since {clock(since)}: "
        f"whether {refs} reached the broker is not known before {clock(until)}; "
        f"then {_what_follows(work, position, until)}"
    )
    alarm(work, position.bot, text, position.id)


def _what_follows(work: StateBuilder, position: Position, until: datetime) -> str:
    """Return what becomes of a position whose order has not arrived by then."""
    bot = governing(work, position)
    limit, began = bot.plan.risk.max_time_without_stop, position.unprotected_since or work.at
    planned = rolling_exit(bot, position) if position.state == "exiting" else None
    holds = planned is not None and planned.roll is not None and planned.roll.otherwise is OnUnknown.HOLD
    if (position.state == "exiting" and not holds) or (limit is not None and until >= began + timedelta(seconds=limit)):
        return "it is closed"
    is_guarded = bot.plan.risk.protect is not None or any(each.kind.limits_loss for each in bot.resting)
    return "it stays open" if holds and not is_guarded else "protection is sent again"
