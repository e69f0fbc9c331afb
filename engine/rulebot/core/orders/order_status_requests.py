"""Order status requests: asks the broker for positions, executions and open orders; the answers count.

A list may be wrong, also the first one of a connection, and an order that works unseen is worse than one that is
missed. So a listed order is adopted, whatever its state in our books. An order that one list lacks is UNKNOWN and the
list is requested again. An order that two lists in a row lack is cancelled, and it has ended when the next list lacks
it too (docs/faults.md rows 24 to 26, 38 and 44).

Requests continue for the rest of the day after all orders have ended: a late fill or a correction is pushed only once.
"""

from rulebot.core.emit.orders import cancel, request_cancel
from rulebot.core.facts import OrderEnded
from rulebot.core.gate.halts import stop_for_today
from rulebot.core.orders.missed_fills import book_missed_fills
from rulebot.core.orders.order_mismatch import duplicate_ended
from rulebot.core.orders.order_updates import finalize_after_duplicate
from rulebot.core.orders.other_engines import record_foreign_refs
from rulebot.core.orders.revived_orders import adopt_order, cancel_revived
from rulebot.core.queries.account import expected_holdings, has_unreported_fills
from rulebot.core.queries.orders import has_run_out, is_reported_filled, is_reported_over, option_has_expired
from rulebot.core.queries.schedule import ask_at
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import ask_broker, put_order
from rulebot.core.state.lists import all_live_orders
from rulebot.core.state.turn import alarm
from rulebot.model.cause import Cause, Halt
from rulebot.model.event import OrdersListed
from rulebot.model.money import ZERO
from rulebot.model.order import Order, OrderStatus, TimeInForce
from rulebot.model.session import exchange_date
from rulebot.model.values import replace

# --- What the broker has not said it is asked for


def send_status_requests(work: StateBuilder) -> None:
    """Ask when it is time."""
    due = ask_at(work)
    if due is not None and work.at >= due:
        ask_broker(work)


def orders_listed(work: StateBuilder, event: OrdersListed) -> None:
    """Compare our orders with the broker's complete list.

    What works and was over in our books comes first: what is over now lets nothing be sent that would be one too many.
    """
    asked_at = work.inquiries.asked_at
    ours = [order for order in all_live_orders(work) if order.sent_at and asked_at and order.sent_at < asked_at]
    missing = [order for order in ours if order.ref not in event.order_refs]
    again = {order.ref for order in missing if order.ref in work.inquiries.missing_from_open_orders}
    book_missed_fills(work, frozenset(order.ref for order in all_live_orders(work)) - again, {}, today=True)
    for ref in sorted(event.order_refs & work.orders.by_ref.keys()):
        found(work, work.orders.by_ref[ref], ask_again=False)
    for order in missing:
        if work.orders.by_ref[order.ref].status.is_live:
            missed = _missed_again if order.ref in again else _missed_once
            missed(work, work.orders.by_ref[order.ref])
    absent = frozenset(order.ref for order in missing if work.orders.by_ref[order.ref].status.is_live)
    work.inquiries = replace(work.inquiries, missing_from_open_orders=absent, revived_refs=frozenset())
    for ref in duplicate_ended(work, event.order_refs, first_list=False):
        finalize_after_duplicate(work, ref)
    record_foreign_refs(work, event.order_refs)


def listed_at_first(work: StateBuilder, at_broker: frozenset[str]) -> None:
    """Compare our orders with the list of a new connection. It alone ends no order that may still work.

    Orders with missing executions wait for the following lists.
    """
    missing = []
    for ref in list(work.orders.by_ref):
        order = work.orders.by_ref[ref]  # the end of one may have changed another
        if ref in at_broker:
            found(work, order)
        elif order.status.is_live and not has_unreported_fills(work, order):
            missing.append(ref)
            _missing_at_first(work, order)
    absent = frozenset(ref for ref in missing if work.orders.by_ref[ref].status.is_live)
    work.inquiries = replace(
        work.inquiries, missing_from_open_orders=absent, asked_at=work.at, revived_refs=frozenset()
    )
    for ref in duplicate_ended(work, at_broker, first_list=True):
        finalize_after_duplicate(work, ref)
    record_foreign_refs(work, at_broker)


def _missing_at_first(work: StateBuilder, order: Order) -> None:
    if _must_be_over(work, order):
        not_found(work, order)
    elif order.status is OrderStatus.CANCELLING:
        request_cancel(work, order)  # it may have been lost, and a list may be wrong
    elif order.ref in work.inquiries.undelivered:
        cancel(work, order, Cause.NEVER_ARRIVED)
    elif order.status is OrderStatus.SENDING and order.reported_final_status is None:
        put_order(work, replace(order.for_cause(Cause.UNLISTED), status=OrderStatus.UNKNOWN))
    else:
        _missed_once(work, order)


def _must_be_over(work: StateBuilder, order: Order) -> bool:
    """Say whether an order that is not listed cannot work: nothing was sent, all has filled, or its day is over."""
    return order.status is OrderStatus.PREPARED or order.filled >= order.quantity or _is_of_earlier_day(work, order)


def _is_of_earlier_day(work: StateBuilder, order: Order) -> bool:
    is_of_a_day = order.time_in_force is TimeInForce.DAY and order.sent_at is not None
    return is_of_a_day and exchange_date(order.sent_at or work.at) < exchange_date(work.at)


def _missed_once(work: StateBuilder, order: Order) -> None:
    """Handle an order that one list lacks: nothing changes until the next list."""
    if order.is_working and order.filled < order.quantity:
        put_order(work, replace(order.for_cause(Cause.UNLISTED), status=OrderStatus.UNKNOWN))


def _missed_again(work: StateBuilder, order: Order) -> None:
    """Handle an order that two lists in a row lack: an acknowledged one is cancelled first."""
    is_asked = order.status is OrderStatus.CANCELLING
    is_left = order.filled < order.quantity and not has_run_out(work, order)
    if order.perm_id and order.reported_final_status is None and is_left and not is_asked:
        alarm(work, order.bot, f"the broker does not list {order.ref} any more: rulebot cancels it", order.position)
        cancel(work, order, Cause.UNLISTED_TWICE)
    elif order.status.is_live:
        not_found(work, order)


# ---------------------------------------------------------------- one order, when the broker's list is complete


def found(work: StateBuilder, order: Order, *, ask_again: bool = True) -> None:
    """Adopt an order that works at the broker. `ask_again`: an earlier cancel may have been lost.

    An order that has ended in our books comes back only if the broker also reported it working: lists may contain dead
    orders.
    """
    if order.status is OrderStatus.LOST or (order.ref in work.inquiries.revived_refs and not order.status.is_live):
        cancel_revived(work, order)
    elif order.status is OrderStatus.CANCELLING:
        if ask_again:
            request_cancel(work, order)
    elif order.status.is_live and order.status is not OrderStatus.WORKING and order.reported_final_status is None:
        put_order(work, adopt_order(order))
        wake(work, order.bot, 0.0)


def not_found(work: StateBuilder, order: Order) -> None:
    """Handle an order that the broker does not list: its final report may have been missed during an outage.

    An order that was never acknowledged may still be in transit: it stays UNKNOWN for its grace period, then a cancel
    is sent. The answer counts: no such order, ended, or filled. An order for an earlier day is not in transit.
    """
    asked = order.status is OrderStatus.CANCELLING
    if order.reported_final_status is not None:
        ended = order.reported_final_status
    elif order.status is OrderStatus.PREPARED:
        ended = OrderStatus.CANCELLED
    elif order.filled >= order.quantity:
        ended = OrderStatus.FILLED
    elif order.perm_id and is_reported_filled(order):  # by that word, unless the next answer has its executions
        put_order(work, replace(order, reported_final_status=OrderStatus.FILLED, broker_filled=order.quantity))
        return
    elif order.perm_id or is_reported_over(order) or _is_of_earlier_day(work, order):
        ended = OrderStatus.CANCELLED
    else:
        if order.status is OrderStatus.SENDING:
            put_order(work, replace(order.for_cause(Cause.UNLISTED), status=OrderStatus.UNKNOWN))
        return
    text = f"{order.ref} is no longer at the broker: {ended.value}"
    if order.filled < order.quantity and not has_run_out(work, order):
        alarm(work, order.bot, text, order.position)
    known = order if asked else order.for_cause(Cause.GONE, order.ref, ended.value)
    order = put_order(work, replace(known, status=ended, reported_final_status=ended, attempt_until=None))
    work.follow_up(OrderEnded(order.ref, asked))
    if order.can_increase_risk and ended is OrderStatus.CANCELLED:
        _suspect_missed_end(work, order)


def _suspect_missed_end(work: StateBuilder, order: Order) -> None:
    """What the account holds more than our books, on the side of an entry that ended unseen, may be that entry's."""
    ours = expected_holdings(work)
    for leg in order.legs:
        sign = order.side_of(leg).sign
        held, known = work.account.holdings.get(leg.option, ZERO), ours.get(leg.option, ZERO)
        if (held - known) * sign > 0 and not leg.option.is_share and not option_has_expired(work, leg.option):
            text = f"{order.ref} may have filled unseen: the account holds {held} {leg.option}, our books {known}"
            alarm(work, order.bot, f"{text}. No exit watches it: check the account", order.position)
            stop_for_today(work, work.positions.by_id[order.position], Halt.UNSEEN_FILL, text)
            return
