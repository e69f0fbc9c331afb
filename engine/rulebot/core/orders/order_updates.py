"""Order updates: applies the broker's order statuses and errors.

An order is final only after a final status and all its executions. An ended order never blocks a late fill
(`executions`).
"""

from datetime import timedelta

from rulebot.core.emit.orders import cancel, cancel_order, is_too_early
from rulebot.core.facts import OrderEnded
from rulebot.core.gate.exit_retry import uncount_failed_close
from rulebot.core.gate.margin import accept_unrequested_margin, take_refusal
from rulebot.core.orders.order_mismatch import awaits_duplicate_end, check_net_price, check_order_terms, is_duplicate
from rulebot.core.orders.other_engines import note_ended
from rulebot.core.orders.revived_orders import adopt_order, on_unexpected_working
from rulebot.core.orders.tick_sizes import on_off_tick_reject
from rulebot.core.queries.account import unreported_contracts
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.queries.orders import RESTING, has_reason, has_run_out, is_ended_by_broker, partner_has_filled
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import ask_broker, put_order, put_position
from rulebot.core.state.lists import live_orders_of
from rulebot.core.state.turn import alarm
from rulebot.model.cause import BrokerMessage, Cause, MessageMeaning
from rulebot.model.event import BrokerStatus, ExecutionReport, OrderMessage, OrderReport, OrderUnsent
from rulebot.model.order import TERMS_KEPT, Order, OrderStatus, OrderTerms, OrderType, Purpose, above
from rulebot.model.position import HoldReason
from rulebot.model.values import replace
from rulebot.record.record import Kind

_FINAL = {
    BrokerStatus.FILLED: OrderStatus.FILLED,
    BrokerStatus.CANCELLED: OrderStatus.CANCELLED,
    BrokerStatus.INACTIVE: OrderStatus.REJECTED,
}
_UNTAKEN = (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.UNKNOWN)
_UNANSWERED = (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.CANCELLING)
_UNDERSTOOD = (
    MessageMeaning.REFUSES,
    MessageMeaning.CANCEL_FAILED,
    MessageMeaning.INFORMS,
    MessageMeaning.FILLED_BEFORE,
)
_UNDERSTOOD = (
    MessageMeaning.REFUSES,
    MessageMeaning.CANCEL_FAILED,
    MessageMeaning.INFORMS,
    MessageMeaning.FILLED_BEFORE,
)
REPORTED_AT_THE_END = (*CLOSING, *RESTING)
"""Orders whose reason for a broker's cancel follows in another message: one alarm covers both."""
PARTNERS = timedelta(seconds=5)
"""How long after the end of a combo its leg executions may still arrive. Legs of one fill arrive together."""


def find_order(work: StateBuilder, event: OrderReport | ExecutionReport) -> Order | None:
    """Return our order by its ref, else by its permanent id, else by its id: other clients use the same numbers."""
    if event.ref and (order := work.orders.by_ref.get(event.ref)) is not None:
        return order
    if event.perm_id:
        for order in work.orders.by_ref.values():
            if order.perm_id == event.perm_id:
                return order
    if event.ref or (found := work.orders.by_ref.get(work.orders.ref_of_id.get(event.order_id, ""))) is None:
        return None
    is_another = event.client_id != found.client_id or (event.perm_id and found.perm_id)
    return None if is_another else found


def on_order(work: StateBuilder, event: OrderReport) -> None:
    """Apply an order status."""
    next_order_id = above(work.orders.next_order_id, event.order_id)
    if next_order_id != work.orders.next_order_id:
        work.orders = replace(work.orders, next_order_id=next_order_id)
    order = find_order(work, event)
    if order is None:
        note_ended(work, event)
        return
    if is_duplicate(work, order, event):
        finalize_after_duplicate(work, order.ref)
        return
    is_first = not order.perm_id
    numbered = order.with_con_id(event.con_id) if order.status.is_live else order
    changed = _with_status(_with_report(work, numbered, event), event.status)
    if changed != order or numbered is not order:  # options that differ by their number alone are equal
        order = put_order(work, changed)
        wake(work, order.bot, 0.0)
    if not order.status.is_live and event.status is BrokerStatus.WORKING:
        on_unexpected_working(work, order)
        return
    order = _as_reported(work, order, event)
    check_order_terms(work, order, event, is_first=is_first)
    order = _refused_instead(work, work.orders.by_ref[order.ref])
    if not _waits_for_words(work, order):
        finalize_order(work, order)


def _with_report(work: StateBuilder, order: Order, event: OrderReport) -> Order:
    """Return the order with the broker's ids of it, and with what the report says is filled."""
    changed = order
    if event.perm_id and event.perm_id != order.perm_id:
        changed = replace(changed, perm_id=event.perm_id)
    if event.order_id and event.order_id != order.order_id and event.client_id == work.connection.client_id:
        changed = replace(changed, order_id=event.order_id)
    if (filled := _reported_filled(changed, event)) > changed.broker_filled:
        changed = replace(changed, broker_filled=filled)
    if event.average_price is not None and event.filled:
        changed = replace(changed, average_price=event.average_price)
    return changed


def _reported_filled(order: Order, event: OrderReport) -> int:
    """Return how many structures a report says are filled: one of a list of open orders gives the status alone."""
    if event.filled is not None:
        return int(event.filled)
    if event.status is not BrokerStatus.FILLED or not order.status.is_live:
        return 0
    return order.quantity if event.quantity is None else int(event.quantity)


def _ended_by_itself(order: Order) -> bool:
    """Say whether the broker cancelled an order without our request; a reject may look the same."""
    return (
        order.status.is_live
        and order.reported_final_status is OrderStatus.CANCELLED
        and order.status is not OrderStatus.CANCELLING
    )


def _waits_for_words(work: StateBuilder, order: Order) -> bool:
    """Say whether the message with the reason of an end may still follow the status.

    For an order that has worked, the status suffices: a person or the exchange cancelled it. Exits and resting orders
    wait for the reason, since no other order is sent at once, unless an OCA partner has filled.
    """
    if order.reported_final_status is OrderStatus.REJECTED:
        return not has_reason(order)
    if not _ended_by_itself(order) or order.last_message is not None:
        return False
    if order.status is OrderStatus.WORKING and order.purpose not in REPORTED_AT_THE_END:
        return False
    return not partner_has_filled(work, order)


def _refused_instead(work: StateBuilder, order: Order) -> Order:
    """Treat a cancel with a reject message as a reject.

    After a change of the order, the message may refer to the change; then it was cancelled externally.
    """
    if _ended_by_itself(order) and has_reason(order) and not order.previous_terms:
        return put_order(work, replace(order, reported_final_status=OrderStatus.REJECTED))
    return order


def _with_status(order: Order, status: BrokerStatus | None) -> Order:
    if status is None or not order.status.is_live:
        return order
    if status is BrokerStatus.INACTIVE and order.status is OrderStatus.CANCELLING:
        return order
    if status in _FINAL:
        return replace(order, reported_final_status=_FINAL[status])
    if status is BrokerStatus.WORKING and order.status in (
        OrderStatus.PREPARED,
        OrderStatus.SENDING,
        OrderStatus.UNKNOWN,
    ):
        return adopt_order(order)
    return order


def finalize_order(work: StateBuilder, order: Order) -> None:
    """Finish an order whose final status has come, once its executions are all counted."""
    if order.reported_final_status is None or not order.status.is_live or awaits_duplicate_end(work, order):
        return
    filled = order.quantity if order.reported_final_status is OrderStatus.FILLED else order.broker_filled
    if order.filled < filled and any(unreported_contracts(work, order, filled).values()):
        return
    if _waits_for_partners(work, order):
        return
    asked = order.status is OrderStatus.CANCELLING
    order = put_order(work, replace(order, status=order.reported_final_status, attempt_until=None))
    wake(work, order.bot, 0.0)
    check_net_price(work, order)
    work.follow_up(OrderEnded(order.ref, asked))
    if order.purpose in REPORTED_AT_THE_END:
        said = order.last_message
        if said is not None and said.means(MessageMeaning.CANCELLED) and order.ref not in work.reported_ends:
            _alarm_of_cancelled(work, order, said.text)
    for other in live_orders_of(work, order.position):  # the cancel of one may have ended others already
        if other.status is OrderStatus.CANCELLING and other.reported_final_status is OrderStatus.CANCELLED:
            finalize_order(work, work.orders.by_ref[other.ref])  # the end of the one before may have ended it


def _waits_for_partners(work: StateBuilder, order: Order) -> bool:
    """Say whether leg executions of an ended combo may still arrive; the filled count of the combo may lag."""
    most = max(-(-count // leg.ratio) for count, leg in zip(order.counts, order.legs, strict=True))
    if not any(unreported_contracts(work, order, min(most, order.quantity)).values()):
        return False
    left = (order.changed_at + PARTNERS - work.at).total_seconds()
    if work.inquiries.asked_at is None or work.inquiries.asked_at < order.changed_at:
        ask_broker(work)
    wake(work, order.bot, max(left, 0.0))
    return left > 0


def finalize_after_duplicate(work: StateBuilder, ref: str) -> None:
    """Finish the orders of a position that were not over while a second one under this reference worked."""
    if (order := work.orders.by_ref.get(ref)) is None:
        return
    finalize_order(work, order)
    for other in live_orders_of(work, order.position):
        if other.status is OrderStatus.CANCELLING:
            finalize_order(work, work.orders.by_ref[other.ref])


def _alarm_of_cancelled(work: StateBuilder, order: Order, text: str) -> None:
    if not (has_run_out(work, order) or partner_has_filled(work, order)):
        alarm(work, order.bot, f"the broker has cancelled {order.ref}: {text}", order.position)


def on_message(work: StateBuilder, event: OrderMessage) -> None:
    """Take a broker's message on one of our order ids: refusals end what was never acknowledged, warnings do not."""
    if take_refusal(work, event):
        return
    order = work.orders.by_ref.get(work.orders.ref_of_id.get(event.order_id, ""))
    if order is None:
        return
    message = event.message
    work.record(Kind.MESSAGE, order.bot, order.position, code=message.code, text=message.text, ref=order.ref)
    on_off_tick_reject(work, order, message)
    if message.means(MessageMeaning.CANCEL_FAILED) and not order.status.is_live:
        return  # our cancel came too late: that says nothing of how the order has ended
    is_cancelled = message.means(MessageMeaning.CANCELLED)
    if message.means(MessageMeaning.INFORMS) and not _gives_reason(work, order, message):
        if is_cancelled and order.reported_final_status is OrderStatus.CANCELLED:
            finalize_order(work, order)
        return
    if is_cancelled and not (order.status.is_live and order.purpose in REPORTED_AT_THE_END):
        _alarm_of_cancelled(work, order, message.text)
    reported = replace(order, answer=message) if _answers_cancel(order, message) else order.hearing(message)
    reported = put_order(work, reported)
    if order.status.is_live:
        _said_of_live(work, reported, message)
    else:
        _said_of_cancelled(work, order, reported, message)


def _said_of_live(work: StateBuilder, order: Order, message: BrokerMessage) -> None:
    """Take what was said of an order that is not over, as far as the message or what came before it ends it."""
    is_working = order.status is OrderStatus.WORKING
    if message.means(MessageMeaning.REFUSES) and order.status in _UNANSWERED and not order.perm_id:
        finalize_order(work, put_order(work, replace(order, reported_final_status=OrderStatus.REJECTED)))
    elif message.means(MessageMeaning.CANCEL_FAILED) and order.status is OrderStatus.CANCELLING:
        _cancel_failed(work, order, message)
    elif order.reported_final_status is OrderStatus.REJECTED and has_reason(order):
        finalize_order(work, order)
    elif _ended_by_itself(order):
        finalize_order(work, _refused_instead(work, order))
    elif is_working and message.means(MessageMeaning.CANCELLED):
        ask_broker(work)  # no status says so yet
    elif is_working and not message.means(MessageMeaning.CANCEL_FAILED):
        _said_of_working(work, order, message)


def _cancel_failed(work: StateBuilder, order: Order, message: BrokerMessage) -> None:
    if message.means(MessageMeaning.NOT_FOUND) and not order.perm_id:
        _not_there(work, order)
    else:
        ask_broker(work)  # its lists decide


def _said_of_cancelled(work: StateBuilder, before: Order, order: Order, message: BrokerMessage) -> None:
    """Take why an order is over that the broker had called cancelled. before: the order without this message."""
    is_silent = before.is_silent or before.last_message is not None
    if order.status is not OrderStatus.CANCELLED or not is_silent or has_reason(before):
        return
    if message.means(MessageMeaning.REFUSES) and not order.previous_terms:
        text = f"{order.ref} was not cancelled by another client: the broker rejected it: {message.text}"
        alarm(work, order.bot, text, order.position)
        _not_cancelled_externally(work, order)
    elif not is_ended_by_broker(before) and is_ended_by_broker(order):
        _not_cancelled_externally(work, order)


def order_unsent(work: StateBuilder, event: OrderUnsent) -> None:
    """End a new order that rulebot could not send, alone; one whose change was not sent works as it was."""
    if accept_unrequested_margin(work, event):
        return
    order = work.orders.by_ref.get(work.orders.ref_of_id.get(event.order_id, ""))
    if order is None or not order.status.is_live:
        return
    what = f"a change of {order.ref}" if event.is_change else order.ref
    alarm(work, order.bot, f"rulebot could not send {what}: {event.text}", order.position)
    if event.is_change:
        _keep_former(work, order, is_refused=True)
    elif not order.perm_id:
        unsent = order.for_cause(Cause.NOT_SENT, detail=event.text)
        finalize_order(work, put_order(work, replace(unsent, reported_final_status=OrderStatus.REJECTED)))


def _not_cancelled_externally(work: StateBuilder, order: Order) -> None:
    """Count a closing order no more as cancelled by a person: the broker has said only now why it is over."""
    if order.purpose in CLOSING:
        uncount_failed_close(work, work.positions.by_id[order.position], HoldReason.EXIT_CANCELLED)


def _answers_cancel(order: Order, message: BrokerMessage) -> bool:
    """Say whether a message answers the cancel of an order, and not why the broker refuses the order itself."""
    if order.status is not OrderStatus.CANCELLING or order.is_silent:
        return False
    if message.means(MessageMeaning.REFUSES_REQUEST) and order.perm_id:
        return True
    return not message.means(MessageMeaning.REFUSES)


def _said_of_working(work: StateBuilder, order: Order, message: BrokerMessage) -> None:
    """Handle an error for an order that works on: a change was rejected, so its earlier terms apply.

    A resting order is placed again. So is a ladder order that accepts no change.
    """
    if message.means(MessageMeaning.FILLED_BEFORE, MessageMeaning.NO_SUCH_ORDER) or _is_in_question(order):
        ask_broker(work)
    if message.means(MessageMeaning.FILLED_BEFORE):
        return
    is_refused = bool(order.previous_terms) and message.means(MessageMeaning.REFUSES)
    text = f"the broker says of {order.ref}, which is working: {message.words}"
    reported = f"the broker refused a change of {order.ref}: {message.text}" if is_refused else text
    takes_none = bool(order.previous_terms) and message.means(MessageMeaning.TAKES_NO_CHANGE)
    is_retried = takes_none and order.purpose not in RESTING and not order.opens_position
    alarm(
        work,
        order.bot,
        f"{reported}: rulebot cancels it and sends a new order" if is_retried else reported,
        order.position,
    )
    _keep_former(work, order, is_refused=is_refused, is_retried=is_retried)


def _keep_former(work: StateBuilder, order: Order, *, is_refused: bool, is_retried: bool = False) -> None:
    """Restore the earlier terms of an order that works on; place it again if it rests and its change was rejected."""
    if (
        not order.previous_terms or (before := order.previous_terms[-1]) == order.terms
    ):  # so it is when it was said before
        return
    if order.purpose not in RESTING:
        former = (*order.previous_terms[:-1], order.terms, before)[-TERMS_KEPT:]
        order = put_order(work, replace(order.with_terms(before.quantity, before.price), previous_terms=former))
        if is_retried:
            _retry(work, order)
    elif is_refused:
        _place_again(work, order)


def _retry(work: StateBuilder, order: Order) -> None:
    """Cancel an order that accepts no change. The rejected try is sent as a new order."""
    attempt = order.attempt - 1
    put_position(work, replace(work.positions.by_id[order.position], attempts=attempt))
    cancel(work, replace(order, attempt=attempt), Cause.NEXT_TRY)


def _place_again(work: StateBuilder, order: Order) -> None:
    """Take a resting order back that the broker works in another quantity than is held, or at another price."""
    if order.purpose is Purpose.PROTECT:
        cancel(work, order, Cause.NOT_CHANGED)
    else:
        cancel_order(work, work.positions.by_id[order.position], Cause.NOT_CHANGED)


def _is_in_question(order: Order) -> bool:
    """Say whether the broker sent an unknown message for a changed order: it may be a reject."""
    return bool(order.previous_terms) and order.last_message is not None and not order.last_means(*_UNDERSTOOD)


def _as_reported(work: StateBuilder, order: Order, event: OrderReport) -> Order:
    """Take an order whose change is in question as the broker says that it works: with the change, or without."""
    if event.quantity is None or event.status is not BrokerStatus.WORKING or order.status is not OrderStatus.WORKING:
        return order
    if not _is_in_question(order):
        return order
    reported = OrderTerms(int(event.quantity), event.stop_price if order.kind is OrderType.STOP else event.limit_price)
    is_taken_back = order.previous_terms[-1] == order.terms
    other = order.previous_terms[-2] if is_taken_back and len(order.previous_terms) > 1 else order.previous_terms[-1]
    if reported not in (order.terms, other):
        return order
    order = put_order(work, order.for_cause(None))
    if reported == order.terms:
        return order
    if order.purpose in RESTING:
        _place_again(work, order)
        return work.orders.by_ref[order.ref]
    return put_order(work, order.with_terms(reported.quantity, reported.price))


def _gives_reason(work: StateBuilder, order: Order, message: BrokerMessage) -> bool:
    """Say whether a message gives the reason of a cancel that rulebot did not ask for.

    When an OCA partner has filled, the group ended the order, even if rulebot also asked for the cancel.
    """
    is_ours = not order.is_silent and not partner_has_filled(work, order)  # our words say why we wanted it back
    is_over = order.status is OrderStatus.CANCELLED and not is_ours
    is_unasked = is_over or (order.status.is_live and order.status is not OrderStatus.CANCELLING)
    return message.means(MessageMeaning.CANCELLED) and is_unasked and message.has_reason


def _not_there(work: StateBuilder, order: Order) -> None:
    """End an order that the broker does not have, unless the question was sent while the order was in transit."""
    if is_too_early(work, order):
        text = f"the broker has no {order.ref}, which may still be on its way: it is asked again"
        alarm(work, order.bot, text, order.position)
        return
    finalize_order(work, put_order(work, replace(order, reported_final_status=OrderStatus.LOST)))
