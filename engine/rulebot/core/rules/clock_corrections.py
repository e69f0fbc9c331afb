"""A clock that was set back while something waited for an instant: what is left of the wait counts, and not the clock.

The connection is given up where that is seen, and all is read again (`adapters/ib/timekeeping.py`). What began after
the present instant, by the clock of before, begins now; what was due so long after it is due so long from now. Else an
exit at work, one that is being confirmed or that was refused stood still until the clock had come so far again
(faults.md row 62).
"""

from datetime import timedelta

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.state import BotState, ConfirmationProgress
from rulebot.model.values import replace


def handle_clock_set_back(work: StateBuilder) -> None:
    """Let nothing wait longer than it was to before our clock was set back; where it was not, change nothing."""
    _orders_and_positions(work)
    for name, state in list(work.bots.by_name.items()):
        if (changed := _bot(work, state)) != state:
            work.set_bot(name, changed)


def _orders_and_positions(work: StateBuilder) -> None:
    for position in work.active_positions():
        changed_at = max((order.changed_at for order in work.orders_of(position.id)), default=work.at)
        if position.retry_at is not None and changed_at > work.at:
            position = work.put_position(replace(position, retry_at=position.retry_at - (changed_at - work.at)))
        if position.unprotected_since is not None and position.unprotected_since > work.at:
            work.put_position(replace(position, unprotected_since=work.at))
    for order in work.all_live_orders():
        back = order.changed_at - work.at
        if order.attempt_until is not None and back > timedelta(0):
            work.put_order(replace(order, attempt_until=order.attempt_until - back))


def _bot(work: StateBuilder, state: BotState) -> BotState:
    return replace(
        state,
        confirming={key: _confirming(work, found) for key, found in state.confirming.items()},
        unknown_since={key: min(since, work.at) for key, since in state.unknown_since.items()},
    )


def _confirming(work: StateBuilder, found: ConfirmationProgress) -> ConfirmationProgress:
    """Return a confirmation that goes on now, with what had passed of it, from when its rule was last known or read."""
    back = max(found.counted_at, found.lost_at) - work.now
    if back <= 0:
        return found
    return replace(
        found,
        since=found.since - back,
        counted_at=found.counted_at - back,
        lost_at=found.lost_at - back if found.lost_at else 0.0,
    )
