"""A position that is over, or a part of it: when it was left, what the bot has made today, and how `again` takes it."""

from datetime import datetime

from rulebot.core.queries.close_plan import planned_exit
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_base, put_day, put_position, set_bot
from rulebot.core.state.lists import governing, orders_of
from rulebot.fill.exit_level import ended_by, realized_since, terms_of
from rulebot.fill.ledger import REPORTED_LATE, BookedExecution, beyond_report
from rulebot.model.contract import Option
from rulebot.model.event import ExecutionReport
from rulebot.model.money import ZERO
from rulebot.model.order import Purpose
from rulebot.model.position import Position, end_of
from rulebot.model.session import exchange_date
from rulebot.model.values import replace
from rulebot.record.record import Kind


def on_position_closed(work: StateBuilder, position: Position, trigger: str) -> None:
    """The position holds nothing more: its books are closed and the day's count is kept."""
    left_at = _left_at(work, position, trigger)
    position = _left(work, move_position(work, _with_terms(work, position), trigger), left_at)
    values = [str(position.net), str(position.commissions)]
    work.record(Kind.DECISION, position.bot, position.id, what="closed", reason=end_of(position), values=[*values])
    if position.bot in work.bots.by_name:
        state = work.bots.by_name[position.bot]
        bot = governing(work, position)
        if not _is_rolled(work, position) and _counts_for_again(work, position) and _is_last(work, position):
            put_day(work, state.day.note(bot.symbol, last_end=ended_by(bot.plan, position), last_end_at=left_at))
        count_realized(work, position.bot)
        set_bot(work, position.bot, replace(work.bots.by_name[position.bot], status_text="", since=work.at))
        wake(work, position.bot, 0.0)


def ended_otherwise(work: StateBuilder, position: Position, reason: str) -> None:
    """Record that another exit closed a position than was assumed; also for `again` where that depends on it."""
    position = put_position(work, _with_terms(work, replace(position, exit_reason=reason)))
    if position.state != "closed" or position.bot not in work.bots.by_name:
        return
    bot, day = governing(work, position), work.bots.by_name[position.bot].day
    own = day.of_member(bot.symbol)
    if own.last_end and own.last_end_at == position.closed_at:
        put_day(work, day.note(bot.symbol, last_end=ended_by(bot.plan, position)))


def _with_terms(work: StateBuilder, position: Position) -> Position:
    """Return a position with the terms of the exit that closed it: a resting order has no other start."""
    if position.bot not in work.bots.by_name or (
        position.terms is not None and position.terms.exit == position.exit_reason
    ):
        return position
    planned = planned_exit(governing(work, position), position.exit_reason)
    return replace(position, terms=None if planned is None else terms_of(_as_opened(position), planned))


def _as_opened(position: Position) -> Position:
    legs = tuple(
        replace(leg, closed=0, settled=0, exit_cash=ZERO, shares_profit=ZERO, unpriced=0) for leg in position.legs
    )
    return replace(position, legs=legs)


def left_before_expiry(work: StateBuilder, position: Position) -> None:
    """Record the close time of a position whose late fills replace its expiry, once none of it has expired."""
    if position.state == "closed" and not any(leg.settled for leg in position.legs):
        _left(work, position, _left_at(work, position, "closed_out"))


def _left(work: StateBuilder, position: Position, at: datetime) -> Position:
    position = put_position(work, replace(position, closed_at=at))
    if exchange_date(at) < work.schedule.session.date:
        put_base(work, position.id, position.net)  # it was not made today
    return position


def _left_at(work: StateBuilder, position: Position, trigger: str) -> datetime:
    """Return when the last of a position traded; now, if reported at once or after its last leg settled."""
    if trigger == "settled" and any(leg.settled for leg in position.legs):
        return work.at
    dealt = (
        booked.dealt_at
        for booked in work.positions.executions.values()
        if booked.position == position.id and booked.quantity and not booked.is_entry and booked.dealt_at is not None
    )
    last = max(dealt, default=work.at)
    return last if work.at - last >= REPORTED_LATE else work.at


def _is_rolled(work: StateBuilder, position: Position) -> bool:
    """Say whether a position continues in another one: its last roll, or an open part."""
    rolls = (order for order in orders_of(work, position.id) if order.opens_position and order.position == position.id)
    filled = [order for order in rolls if order.has_fills]
    return any(order.reason == position.exit_reason or _goes_on(work, order.opens_position) for order in filled)


def _goes_on(work: StateBuilder, name: str) -> bool:
    position = work.positions.by_id.get(name)
    return position is not None and (position.state != "closed" or _is_rolled(work, position))


def _is_last(work: StateBuilder, position: Position) -> bool:
    """Say whether no other position of its bot closed after this one; reports may arrive in any order."""
    symbol = governing(work, position).symbol
    others = (each for each in work.positions.by_id.values() if each.bot == position.bot and each.state == "closed")
    alike = (each for each in others if each.opened_at is not None and governing(work, each).symbol == symbol)
    return all(each.closed_at <= position.closed_at for each in alike if each.closed_at and position.closed_at)


def _counts_for_again(work: StateBuilder, position: Position) -> bool:
    """Say whether `again` asks how a position ended: not when another window has sent an entry since its own."""
    session, day = work.schedule.session, work.bots.by_name[position.bot].day
    if not day.of_member(governing(work, position).symbol).tried:
        return True
    windows = work.program.bots[position.bot].windows(session) if position.bot in work.program.bots else ()
    if position.session != session.date or day.window >= len(windows):
        return position.session == session.date
    start, _ = windows[day.window]
    earlier = [end for begin, end in windows if begin < min(end, start)]  # on a half day they follow the clock
    sent = [order.prepared_at for order in orders_of(work, position.id) if order.purpose is Purpose.ENTRY]
    entered = min(sent, default=position.opened_at)
    return entered is None or entered >= max(earlier, default=entered)


def count_closed(work: StateBuilder, name: str) -> None:
    """Recompute a bot's realised profit, once per close of a position by an order or by expiry.

    Not while the position is closed leg by leg.
    """
    position = work.positions.by_id[name]
    if position.state == "closed" or (position.state == "open" and not position.is_flat):
        count_realized(work, position.bot)


def count_realized(work: StateBuilder, bot: str) -> None:
    """Record the bot's realised profit of today from closed positions and parts; recomputed, since it may change."""
    if bot not in work.bots.by_name:
        return
    day = work.bots.by_name[bot].day
    own = (found for found in work.positions.by_id.values() if found.bot == bot)
    executions = work.positions.executions.values()
    made = sum(
        (realized_since(each, executions, work.positions.pnl_at_open.get(each.id, ZERO), day.date) for each in own),
        ZERO,
    )
    if made != day.realized:
        put_day(work, replace(day, realized=made))


# --- A fill on record


def record_fill(
    work: StateBuilder, event: ExecutionReport, booked: BookedExecution, option: Option, ref: str, purpose: str
) -> None:
    """Record a fill with its position; what a roll opens is recorded as the entry of the new position."""
    work.record(
        Kind.FILL,
        work.positions.by_id[booked.position].bot,
        booked.position,
        exec_id=str(event.exec_id),
        ref=ref,
        leg=booked.leg,
        con_id=option.con_id,
        contract=str(option),
        is_buy=event.is_buy,
        quantity=int(event.quantity),
        price=str(event.price),
        executed_at=None if event.executed_at is None else event.executed_at.isoformat(),
        purpose=Purpose.ENTRY.value if booked.is_entry else purpose,
        **beyond_report(booked, option, work.at, event.executed_at),
    )
