"""Exit retries: closing orders that fail repeatedly, and prices that look wrong.

An exit that is cancelled externally, or whose fills are busted, is sent again. After the third time in a session,
sending on would fight a person or trade for ever: no closing order is sent until `rulebot resume`, and protective stops
rest. After a reject, or a cancel by the broker, the waits grow but never end. Without quotes there is no limit price: a
ladder that ends at market goes to market after its tries, any other one waits.
"""

from datetime import timedelta
from decimal import Decimal

from rulebot.core.emit.orders import cancel
from rulebot.core.queries.orders import LEAVING, is_ended_by_broker, is_rejected
from rulebot.core.queries.protection import NEVER_AGAIN
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.rules.unknown_exits import known_again, note_unknown
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_order, put_position
from rulebot.core.state.lists import active_positions, live_orders_of, orders_of
from rulebot.core.state.turn import alarm, alarm_of_price
from rulebot.decide.limits import price_problem
from rulebot.model.cause import Cause
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import HoldReason, Position
from rulebot.model.session import Session
from rulebot.model.values import replace
from rulebot.order.price import NetQuote, Part, price_band
from rulebot.spec.spec import OnUnfilled
from rulebot.spec.spec import Order as Ladder

SETBACKS = 3
"""Failed closing orders of a position in one session before it is put on hold."""
BUSTED = "the exchange took a closing fill back"
FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=10), timedelta(minutes=5)
"""How long after the broker refused a closing order it is sent again: doubled from the first to the longest."""
EXIT_NOT_OURS = "a closing order was cancelled, and not by us"
"""The alarm of that."""
SETBACK_TEXTS = {HoldReason.EXIT_CANCELLED: EXIT_NOT_OURS, HoldReason.FILL_TAKEN_BACK: BUSTED}
"""Reasons of failed closing orders, with their words."""
NO_PRICE = "no price"
"""Under this name it is kept since when a position has had no price to close at."""


def is_stopped(position: Position) -> bool:
    """Say whether nothing is sent for a position until a person says so."""
    return position.failed_close_attempts >= SETBACKS


def is_backed_off(position: Position) -> bool:
    """Say whether it is for such setbacks alone that nothing is sent to close a position: what it holds is known."""
    return is_stopped(position) and position.hold in SETBACK_TEXTS


def count_failed_close(work: StateBuilder, position: Position, what: HoldReason) -> Position:
    """Count a failed closing order; too many put the position on hold."""
    position = put_position(work, replace(position, failed_close_attempts=position.failed_close_attempts + 1))
    text = f"{SETBACK_TEXTS[what]}, the {SETBACKS}rd time today"
    return pause_exits(work, position, what, text) if is_stopped(position) else position


def uncount_failed_close(work: StateBuilder, position: Position, what: HoldReason) -> None:
    """Uncount a failed closing order whose failure had another reason."""
    if not position.failed_close_attempts or position.state != "exiting":
        return
    is_of_it = position.hold is what
    if is_stopped(position) and not is_of_it:
        return
    if is_of_it:
        position = release(position)
    retry_at = max(position.retry_at or work.at, work.at + FIRST_RETRY)
    put_position(work, replace(position, failed_close_attempts=position.failed_close_attempts - 1, retry_at=retry_at))
    wake(work, position.bot, FIRST_RETRY.total_seconds())


def release(position: Position) -> Position:
    """Return the position without its hold."""
    return replace(position, hold=None, on_hold="")


def pause_exits(work: StateBuilder, position: Position, why: HoldReason, words: str) -> Position:
    """Put the closing of a position on hold: cancel its working orders except stops, until a person resumes."""
    text = f"{words}: nothing is sent for {position.id} until 'rulebot resume'"
    alarm(work, position.bot, f"{text}. A person must look", position.id)
    for order in live_orders_of(work, position.id):
        if order.purpose is not Purpose.PROTECT:
            cancel(work, order, Cause.POSITION_ON_HOLD)
    return put_position(
        work, replace(work.positions.by_id[position.id], hold=why, on_hold=text, failed_close_attempts=SETBACKS)
    )


def on_busted_fill(work: StateBuilder, order: Order) -> None:
    """Count a closing order with busted fills: once, however many of its legs."""
    if order.cause is not Cause.BUSTED:
        put_order(work, order.for_cause(Cause.BUSTED))
        count_failed_close(work, work.positions.by_id[order.position], HoldReason.FILL_TAKEN_BACK)


def resume_position(work: StateBuilder, bot: str) -> None:
    """Send again for the positions of a bot ("": of all): a person says so."""
    for position in active_positions(work):
        if position.failed_close_attempts and bot in ("", position.bot):
            if is_stopped(position):
                position = release(position)
            put_position(work, replace(position, failed_close_attempts=0, retry_at=None))


def begin_session(work: StateBuilder, session: Session) -> None:
    """Reset the counts, except for positions on hold and bots whose day began before a restart.

    The ladder of an exit that was not complete by the close restarts: otherwise it would go to market at the open.
    """
    for position in active_positions(work):
        state = work.bots.by_name.get(position.bot)
        if state is not None and state.day.date == session.date:
            continue
        if position.failed_close_attempts and not is_stopped(position):
            position = put_position(work, replace(position, failed_close_attempts=0))
        if 0 < position.resting_orders_replaced < NEVER_AGAIN:
            position = put_position(work, replace(position, resting_orders_replaced=0))
        if position.rolls_without_candidate:
            position = put_position(work, replace(position, rolls_without_candidate=()))
        if position.state == "exiting" and position.attempts:
            put_position(work, replace(position, attempts=0))


def alarm_unclosed(work: StateBuilder, *, again: bool = False) -> None:
    """Alarm, on a new day and after a start, of positions whose closing is on hold.

    again: also if this session had the alarm.
    """
    for position in active_positions(work):
        if is_stopped(position) or position.is_closed_too_far:
            alarm(work, position.bot, f"{position.freeze_reason}. A person must look", position.id, again=again)


def retry_after(work: StateBuilder, position: Position) -> timedelta:
    """Return how long to wait after a refusal: by how many closing orders were refused on end, since one has filled."""
    count = 0
    for order in reversed(orders_of(work, position.id)):
        is_refused = order.status is OrderStatus.REJECTED or is_rejected(order) or is_ended_by_broker(order)
        if order.purpose not in LEAVING or not is_refused:
            break
        count += 1
        if order.has_fills:
            break
    if count == SETBACKS:
        text = f"the broker has refused {count} closing orders of {position.id} on end: a person must look"
        alarm(work, position.bot, text, position.id)
    return min(FIRST_RETRY * (1 << max(min(count, 9) - 1, 0)), LONGEST_RETRY)


def check_exit_price(
    work: StateBuilder, position: Position, parts: tuple[Part, ...], quote: NetQuote, net: Decimal | None
) -> None:
    """Alarm that an exit will trade at a price at which no entry would be sent; it is sent anyway.

    net: its limit, None for a market order, which is judged by the price that fills at once.
    """
    if quote.mid is None or quote.natural is None:
        if net is None:
            alarm_of_price(work, position.bot, f"{position.id} is closed at market without a sound quote", position.id)
        return
    price = Decimal(f"{quote.natural:.4f}") if net is None else net
    mid = Decimal(f"{quote.mid:.4f}")
    band = price_band(work.program.limits.price_band, parts, work.market.board)
    if price < mid and price_problem(price, mid, band):
        text = f"{position.id} is closed at a price further from the mid than price_band: look at its quotes"
        alarm(work, position.bot, text, position.id)


def has_waited_for_price(work: StateBuilder, position: Position, ladder: Ladder, attempt: int) -> bool:
    """Say whether a ladder that ends at market has been without a price for as long as its tries from `attempt` on."""
    if ladder.then is not OnUnfilled.MARKET or position.bot not in work.bots.by_name or not work.subscriptions.streamed:
        return False
    since = note_unknown(work, position, NO_PRICE)
    left = ladder.wait * (ladder.tries + 1 - attempt) - (work.at - since).total_seconds()
    if left > 0:
        wake(work, position.bot, left)
    return left <= 0


def price_is_there(work: StateBuilder, position: Position) -> None:
    """Forget since when a position has had no price to close at."""
    known_again(work, position, NO_PRICE)
