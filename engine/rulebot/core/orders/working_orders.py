"""Orders that work, followed until they are done: when their next try is due, their end, and silence."""

from datetime import datetime, timedelta

from rulebot.core.emit.orders import cancel, request_cancel
from rulebot.core.facts import ClosingTryDue, EntryTryDue
from rulebot.core.orders.order_updates import finalize_order
from rulebot.core.queries.close_plan import (
    CLOSING,
)
from rulebot.core.queries.openings import is_past_exits
from rulebot.core.queries.orders import GRACE, RESTING, has_reason, is_not_found
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_order
from rulebot.core.state.lists import governing
from rulebot.core.state.turn import alarm
from rulebot.model.cause import Cause
from rulebot.model.order import Order, OrderStatus, Purpose, TimeInForce
from rulebot.model.values import replace

NOT_FOUND_PATIENCE = timedelta(minutes=1)
"""How long after "not found" an order that the broker has acknowledged is to be cancelled again."""
RESTING_PATIENCE = timedelta(seconds=0.3)
"""The same for one that rests: it is sent again within a second."""
REASON_PATIENCE = timedelta(seconds=1)
"""How long a refused order waits for the message that says why; it may come after the status."""
PAST_CLOSE = timedelta(seconds=5)
"""How long after the close a DAY order may wait for its final report.

Options on indices and some funds trade a quarter of an hour longer, and the broker works such orders until then.
"""
SILENCE = timedelta(seconds=10)
"""How long an order may stay without an answer before it is UNKNOWN."""


def advance_order(work: StateBuilder, order: Order) -> None:
    """Take the step that is due for a live order, if one is."""
    if order.reported_final_status is not None:
        _await_reason(work, order)
        return
    if order.purpose is Purpose.ENTRY and order.status is not OrderStatus.CANCELLING and _is_past_exits(work, order):
        cancel(work, order, Cause.PAST_EXITS)
        return
    if _outlives_its_session(work, order):
        _end_with_its_session(work, order)
        return
    if _is_unanswered(work, order):
        return
    if order.attempt_until is None or work.at < order.attempt_until:
        return
    if order.status is OrderStatus.CANCELLING:
        _cancel_again(work, order)
    elif order.status is OrderStatus.WORKING and order.purpose is Purpose.ENTRY:
        work.follow_up(EntryTryDue(order.ref))
    elif order.status is OrderStatus.WORKING and order.purpose in CLOSING:
        work.follow_up(ClosingTryDue(order.ref))


def _await_reason(work: StateBuilder, order: Order) -> None:
    """Finish an order whose final status has come, once the message that says why may have come too."""
    patience = RESTING_PATIENCE if order.purpose in RESTING else REASON_PATIENCE
    left = (order.changed_at + patience - work.at).total_seconds()
    if left > 0:
        wake(work, order.bot, left)
        return
    if order.reported_final_status is not OrderStatus.REJECTED or has_reason(order):
        finalize_order(work, order)
        return
    said = order.said
    why = "without a reason: rulebot cancels it"
    text = f"is inactive; rulebot cancels it. The broker says: {said}" if said else f"is inactive, {why}"
    alarm(work, order.bot, f"{order.ref} {text}", order.position)
    known = replace(order, reported_final_status=None, received=order.last_message)
    cancel(work, known, Cause.INACTIVE, received=order.last_message is not None)


def _is_unanswered(work: StateBuilder, order: Order) -> bool:
    """Mark an unacknowledged order as UNKNOWN, and cancel it after its grace period; say whether either was due."""
    if order.status is OrderStatus.SENDING and order.sent_at is not None and work.at - order.sent_at >= SILENCE:
        _uncertainty(work, order)
        return True
    is_due = order.status is OrderStatus.UNKNOWN and work.at - (_unknown_since(order) or work.at) >= GRACE
    if is_due and order.last_message is None:
        cancel(work, order, Cause.NOBODY_ANSWERS)
    elif is_due:
        cancel(work, replace(order, received=order.last_message), Cause.BROKER_SAID, received=True)
    return is_due


def _is_past_exits(work: StateBuilder, order: Order) -> bool:
    """Say whether an unfilled entry works past the time at which exits close everything."""
    position = work.positions.by_id[order.position]
    return position.is_flat and is_past_exits(work, governing(work, position), order.prepared_at)


def _outlives_its_session(work: StateBuilder, order: Order) -> bool:
    """Say whether a DAY order works after the close: it has no further try, and no exit watches its fills."""
    is_of_the_day = order.status is OrderStatus.WORKING and order.time_in_force is TimeInForce.DAY
    return is_of_the_day and work.at >= work.schedule.session.close


def _end_with_its_session(work: StateBuilder, order: Order) -> None:
    """Take an order of the day back once the broker has had time to say that it is over."""
    left = (work.schedule.session.close + PAST_CLOSE - work.at).total_seconds()
    if left > 0:
        wake(work, order.bot, left)
    else:
        cancel(work, order, Cause.WINDOW_OVER if order.purpose is Purpose.ENTRY else Cause.SESSION_OVER)


def _uncertainty(work: StateBuilder, order: Order) -> None:
    """An order was not acknowledged: what became of it is UNKNOWN, also after words that are no refusal."""
    is_reported = order.last_message is not None
    text = f"{order.ref} is neither accepted nor rejected. The broker says: {order.said}"
    alarm(work, order.bot, text if is_reported else f"no answer about order {order.ref}", order.position)
    known = order if is_reported else order.for_cause(Cause.NO_ANSWER)
    put_order(work, replace(known, status=OrderStatus.UNKNOWN))


def _cancel_again(work: StateBuilder, order: Order) -> None:
    """Repeat a cancel; seldom when the broker has the order and does not find it."""
    said = order.last_message
    if is_not_found(order):
        if order.perm_id and order.ref not in work.inquiries.missing_from_open_orders:
            text = f"the broker has {order.ref} and does not find it to cancel it: a person must cancel it there"
            alarm(work, order.bot, text, order.position)
            request_cancel(work, order, NOT_FOUND_PATIENCE)
            return
    elif said is not None and order.perm_id:
        alarm(work, order.bot, f"{order.ref} was not cancelled, the broker says: {said.words}", order.position)
    else:
        alarm(work, order.bot, f"no answer to the cancel of {order.ref}", order.position)
    request_cancel(work, order)


def _unknown_since(order: Order) -> datetime | None:
    """Return since when a word of the broker is waited for; one that was acknowledged was missing from a list then."""
    return order.changed_at if order.perm_id else order.sent_at
