"""What follows when an order that opens is over: its next try or stage, or what the position is by what has filled."""

from collections.abc import Iterable
from datetime import timedelta

from rulebot.core.emit.orders import cancel
from rulebot.core.entry.entry_orders import PAST_EXITS, kept_back, next_stage, send_opening
from rulebot.core.entry.entry_rules import is_entering
from rulebot.core.entry.manual_entry import ask_on
from rulebot.core.entry.structure_selection import NO_LONGER, awaits_quotes, still_holds
from rulebot.core.facts import (
    CloseGoesOn,
    EntryCrosses,
    EntryFilledLate,
    EntryOrderEnded,
    PartEnded,
    RestingDue,
)
from rulebot.core.gate.covered_calls import no_cover
from rulebot.core.gate.entry_limits import halt_on_entry_rate
from rulebot.core.gate.halts import halts_at_a_try, stop_for_today
from rulebot.core.program import CompiledBot
from rulebot.core.queries.close_plan import UNWIND, is_unwound
from rulebot.core.queries.crossing import crossing_orders, opposing_exit
from rulebot.core.queries.day_pnl import bot_today
from rulebot.core.queries.entry_blocks import NOT_RUN, kept_out, only_reduces, waits_for_reload
from rulebot.core.queries.openings import comes_too_late, is_past_exits, why_over
from rulebot.core.queries.orders import is_of_other_side, is_off_grid, is_trading
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_day, put_position, set_bot
from rulebot.core.state.lists import all_live_orders, governing, has_live_entry, orders_of, positions_of
from rulebot.core.state.turn import alarm
from rulebot.decide.entry_window import ANOTHER_STRIKE, OVER, cap
from rulebot.decide.limits import day_problem
from rulebot.model.cause import Cause, Halt
from rulebot.model.contract import Option
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, count_trades
from rulebot.model.values import replace
from rulebot.record.record import Kind

CLOSED_BY_HAND = "closed by the operator"


def entry_order_ended(work: StateBuilder, fact: EntryOrderEnded) -> None:
    """Send the next try or stage of an entry after one of its orders ended; without one the entry ends."""
    order = work.orders.by_ref[fact.ref]
    position = work.positions.by_id[order.position]
    if position.state != "entering" or has_live_entry(work, position.id):
        return  # of two that work at once, since one came back to life, the last one ends it
    if order.status is OrderStatus.LOST:
        stop_for_today(work, position, Halt.UNACKNOWLEDGED, f"{order.ref} was never acknowledged and may still arrive")
    elif order.status is not OrderStatus.FILLED and _tries_again(work, position, order):
        return
    bot = governing(work, position)
    first_try = replace(position, attempts=1, retry_at=work.at)  # of a further try of the leg there is none
    if bot.plan.order.leg_by_leg and next_stage(work, bot, first_try) is not None:
        next_opening(work, put_position(work, first_try))
        return
    refused = order.status in (OrderStatus.REJECTED, OrderStatus.RISK_REJECTED)
    why = why_over(order, asked=fact.asked)
    _entry_over(work, position, why, refused=refused, is_other_side=is_of_other_side(order))


def next_opening(work: StateBuilder, position: Position) -> None:
    """Send the opening order that is due, or end the entry when nothing more may be opened."""
    if not work.connection.is_linked:
        return
    bot = governing(work, position)
    if position.bot in work.bots.by_name and not work.bots.by_name[position.bot].day.halt:
        halt_on_entry_rate(work, position.bot)
    if reason := _no_more(work, bot, position):
        if not (position.is_flat and awaits_quotes(work, position.bot)):
            _entry_over(work, position, reason, refused=False)
    elif reason := _is_opposed(work, bot, position):
        wake(work, position.bot, 1.0)
        _count_unsent(work, bot, position, reason)
    elif send_opening(work, bot, position, position.attempts) is None:
        position = work.positions.by_id[position.id]
        _count_unsent(work, bot, position, kept_back(work, bot, position))


def _is_opposed(work: StateBuilder, bot: CompiledBot, position: Position) -> str:
    """Return why the broker would refuse the next opening order; crossing resting orders are cancelled."""
    stage = next_stage(work, bot, position)
    legs = () if stage is None else stage[0]
    if leaving := opposing_exit(work, bot, legs):
        return f"against the exit of {leaving}"
    crossing = crossing_orders(work, bot, legs)
    if not crossing:
        return ""
    work.follow_up(EntryCrosses(crossing))
    return "against what rests in the same option"


def _count_unsent(work: StateBuilder, bot: CompiledBot, position: Position, reason: str) -> None:
    """Count a try of an entry's rest that was not sent, like one that did not fill; the last ends the entry.

    Otherwise a leg without its partner, or a part without resting exits, would stay that way.
    """
    since, ladder = position.retry_at, bot.plan.order
    if since is None or not position.has_fills or not reason:
        return
    left = (since - work.at).total_seconds() + ladder.wait
    if left > 0:
        wake(work, position.bot, left)
    elif position.attempts >= ladder.tries:
        _entry_over(work, position, f"its last try would be {reason}", refused=False)
    else:
        put_position(work, replace(position, attempts=position.attempts + 1, retry_at=work.at))


def _no_more(work: StateBuilder, bot: CompiledBot, position: Position) -> str:
    """Return why no further order of this entry may be sent, "" when one may."""
    if next_stage(work, bot, position) is None:
        return "nothing remains to be opened"
    if not bot.plan.order.leg_by_leg and not is_unwound(position):
        return "an earlier try has filled late, without all its legs"
    if not is_trading(work) or position.session != work.schedule.session.date:
        return "the session is over"
    if reason := only_reduces(work) or _stopped_by_others(work, position) or kept_out(work):
        return reason
    if made := day_problem(bot_today(work, position.bot), bot.plan.risk.day):
        return made.text
    if is_unwound(position) and comes_too_late(work, bot, position.retry_at):
        return OVER
    if reason := no_cover(work, bot, position):
        return reason
    return "" if not position.is_flat else _no_begin(work, bot, position)


def _no_begin(work: StateBuilder, bot: CompiledBot, position: Position) -> str:
    """Return why an unfilled entry may no longer start; "" when it may."""
    sent = (order.prepared_at for order in orders_of(work, position.id))
    if is_past_exits(work, bot, min(sent, default=work.at)):
        return PAST_EXITS
    return (
        waits_for_reload(work, position.bot)
        or _no_room(work, bot, position)
        or halts_at_a_try(work, position.bot)
        or ("" if still_holds(work, bot, position) else NO_LONGER)
    )


def _stopped_by_others(work: StateBuilder, position: Position) -> str:
    """Return why an operator, a halt or a hold lets nothing more of a position be opened, "" where none does."""
    if position.bot not in work.program.bots:
        return NOT_RUN
    if {"", position.bot} & work.requests.operator.paused:
        return "paused by the operator"
    if work.requests.operator.must_close(position.bot, position.id):
        return CLOSED_BY_HAND
    if position.freeze_reason:
        return position.freeze_reason
    state = work.bots.by_name.get(position.bot)
    return f"halted: {state.day.halted}" if state is not None and state.day.halt else ""


def _no_room(work: StateBuilder, bot: CompiledBot, position: Position) -> str:
    """Return which cap is reached without a position that is being entered, since an earlier entry has filled after
    all; "" if none is.
    """
    if position.bot not in work.bots.by_name:
        return ""
    others = (each for each in positions_of(work, position.bot) if each.id != position.id)
    return cap(bot.plan.entry, work.bots.by_name[position.bot].day, count_trades(others))


def cancel_other_entries(work: StateBuilder, fact: EntryFilledLate) -> None:
    """Cancel entries of a bot that exceed its limits after an ended order of an earlier entry filled."""
    bot = work.positions.by_id[fact.position].bot
    for other in all_live_orders(work):
        entered = work.positions.by_id[other.position]
        is_another = other.purpose is Purpose.ENTRY and other.bot == bot and entered.id != fact.position
        if is_another and entered.is_flat and (reason := _no_room(work, governing(work, entered), entered)):
            cancel(work, other, Cause.ENTRY_FILLED_LATE, fact.ref, reason)


def _entry_over(
    work: StateBuilder, position: Position, reason: str, *, refused: bool, is_other_side: bool = False
) -> None:
    """No order of the entry works any more: what has filled decides what the position is."""
    position = put_position(work, replace(position, retry_at=None))
    if not position.has_fills:
        _entry_empty(work, position, reason, refused=refused, is_other_side=is_other_side)
        return
    if refused:
        alarm(work, position.bot, f"the broker refused the rest of the entry: {reason}", position.id)
    if not is_unwound(position):
        unwind(work, position, reason)
    else:
        full = position.structures >= position.quantity
        position = move_position(work, position, "filled" if full else "ended_partly")
        end_of_entry(work, position, "filled")
        work.follow_up(RestingDue(position.id, at_once=True))


def _tries_again(work: StateBuilder, position: Position, order: Order) -> bool:
    """Say whether another try follows as a new order: with another priority, after a pause, or on the tick grid."""
    ladder = governing(work, position).plan.order
    if order.status is OrderStatus.REJECTED and is_off_grid(work, order):
        attempt, pause = order.attempt, 0.0
    elif order.cause is Cause.NEXT_TRY and order.attempt < ladder.tries:
        attempt, pause = order.attempt + 1, ladder.pause
    else:
        return False
    put_position(work, replace(position, retry_at=work.at + timedelta(seconds=pause), attempts=attempt))
    wake(work, position.bot, pause)
    return True


def _entry_empty(work: StateBuilder, position: Position, reason: str, *, refused: bool, is_other_side: bool) -> None:
    work.record(Kind.DECISION, position.bot, position.id, what="unfilled", reason=reason, values=[])
    position = replace(position, exit_reason="rejected" if refused else "unfilled")
    move_position(work, position, "rejected" if refused else "ended_empty")
    if is_other_side and position.bot in work.bots.by_name:
        _try_another_strike(work, position)
        return
    if refused:
        alarm(work, position.bot, f"the broker refused the entry: {reason}", position.id)
    end_of_entry(work, position, "unfilled")


def blocked_today(bot: str, orders: Iterable[Order]) -> frozenset[Option]:
    """Return the contracts in which the broker has refused the bot's side, by today's orders, for a start."""
    refused = (order for order in orders if order.bot == bot and order.purpose is Purpose.ENTRY)
    return frozenset(leg.option for order in refused if is_of_other_side(order) for leg in order.legs)


def _try_another_strike(work: StateBuilder, position: Position) -> None:
    """Try the next strike: external orders work on the other side of this contract, so nothing was sold."""
    state = work.bots.by_name[position.bot]
    blocked = state.blocked | {leg.option for leg in position.legs}
    symbol = governing(work, position).symbol
    day = state.day.count(symbol, -1)
    if (own := day.of_member(symbol)).tried:  # it was one of `again`
        day = day.note(symbol, reentries=max(own.reentries - 1, 0), last_end=ANOTHER_STRIKE, last_end_at=work.at)
    set_bot(work, position.bot, replace(state, blocked=blocked))
    put_day(work, day)
    if state.manual_position == position.id:
        ask_on(work, position.bot)
    text = f"{position.legs[0].option} has external orders on the other side: another strike is tried"
    work.record(Kind.DECISION, position.bot, position.id, what="shift", reason=text, values=[])
    wake(work, position.bot, 0.0)


def end_of_entry(work: StateBuilder, position: Position, how: str) -> None:
    """Note with its bot how an entry has ended, "filled" or "unfilled", and judge the bot again at once."""
    if position.bot not in work.bots.by_name:
        return
    state = work.bots.by_name[position.bot]
    put_day(work, state.day.note(governing(work, position).symbol, last_end=how, last_end_at=work.at))
    waits = "its exits" if how == "filled" else "not filled"
    set_bot(work, position.bot, replace(work.bots.by_name[position.bot], status_text=waits, since=work.at))
    wake(work, position.bot, 0.0)


def part_ended(work: StateBuilder, fact: PartEnded) -> None:
    """Note that an entry has filled, once what had no partner of it is closed, or a part before the entry was over."""
    position = work.positions.by_id[fact.position]
    if fact.was_unwinding or _is_end_unreported(work, position):
        end_of_entry(work, position, "filled")


def _is_end_unreported(work: StateBuilder, position: Position) -> bool:
    """Say whether this is what a bot entered last, and how that has ended is not known to it."""
    if position.bot not in work.bots.by_name or is_entering(work, position.bot):
        return False
    entered = [each.id for each in work.positions.by_id.values() if each.bot == position.bot and not each.rolled_from]
    if entered[-1:] != [position.id]:
        return False
    day = work.bots.by_name[position.bot].day.of_member(governing(work, position).symbol)
    return day.tried > 0 and not day.last_end


def unwind(work: StateBuilder, position: Position, why: str) -> None:
    """Close legs that are open without their partners, for this reason."""
    reason = f"a leg was not filled ({why}): what has no partner is closed"
    work.record(Kind.DECISION, position.bot, position.id, what="unwind", reason=reason, values=[])
    position = replace(position, exit_reason=UNWIND, attempts=0, retry_at=None)
    position = move_position(work, position, "unwind")
    work.follow_up(CloseGoesOn(position.id))
