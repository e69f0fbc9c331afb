"""What follows when an order ends or a position's holdings change: the moves of its lifecycle."""

from datetime import timedelta
from math import ceil

from engine.model.money import ZERO
from engine.model.order import Order, OrderStatus, Purpose
from engine.model.position import Position
from engine.model.values import replace
from engine.record.record import Kind
from engine.turn.caution import FIRST_RETRY, note_setback, retry_after
from engine.turn.choosing import still_holds
from engine.turn.judging import wake
from engine.turn.leaving import (
    CLOSING,
    UNWIND,
    at_work,
    exit_ladder,
    is_trading,
    is_unwound,
    leave,
    legs_to_close,
    nothing_to_roll_into,
    pursue,
    rolling_exit,
)
from engine.turn.opening import next_stage, send_opening
from engine.turn.program import CompiledBot
from engine.turn.protecting import PROTECT, note_gone
from engine.turn.refusing import kept_out
from engine.turn.resting import NEXT_TRY, REARM_LIMIT, RESTING, cancel, has_expired, place_resting, take_back
from engine.turn.rolling import Found
from engine.turn.runaway import stop_runaway
from engine.turn.state import Trading
from engine.turn.turned_away import is_lost_again, is_turned_away, lost_on_end, taken_back_for
from engine.turn.work import Work

TOLD_LOST = 2
"""Closing orders that get lost on end until a person is told: once, for they are sent on and on."""
NOT_BY_US = "cancelled at the broker, and not by us"
OTHER_SIDE = "both sides of the same"
"""The words of the broker's refusal when an order of the other side works in the contract (requirement A4)."""


def position_filled(work: Work, position: Position, order: Order) -> None:
    """Note what a fill changes at once: the day's count, and a position that was thought closed."""
    is_opening = order.opens(position.id)
    if is_opening and position.opened_at is None:
        position = work.put_position(replace(position, opened_at=work.at))
        if position.bot in work.bots and not order.into:
            day = work.bots[position.bot].day
            work.put_day(replace(day, opened=day.opened + 1))
    if position.state == "entering":
        work.move(position, "partly_filled")
        if not order.status.is_live:
            _take_back_further_tries(work, position)
    elif is_opening and work.may(position, "late_fill"):
        reason = "" if position.state == "closed" else position.exit_reason
        position = work.move(replace(position, closed_at=None, exit_reason=reason), "late_fill")
        count_realized(work, position.bot)
        if position.state == "open" and not order.is_combo and not is_unwound(position):
            leave(work, position, UNWIND, f"{order.ref} was over and has filled after all, without its partners")
        elif position.state == "exiting" and position.exit_reason == UNWIND and is_unwound(position):
            _after_closing(work, position)  # the partners are told now
    elif order.purpose in RESTING and position.state == "open":
        work.move(replace(position, exit_reason=order.reason), "rest_partly_filled")
    elif order.purpose in CLOSING and position.state == "exiting":
        work.move(position, "partly_filled")
    if not is_opening:
        (_take_back_too_much if order.status.is_live else _closed_after_all)(work, work.positions[position.id], order)


def _take_back_further_tries(work: Work, position: Position) -> None:
    """An order that was over has filled after all: a later try would open the same once more, or part of it."""
    held = {leg.name: leg.held for leg in position.legs}
    for other in work.live_orders(position.id):
        begun = max(ceil(held[leg.name] / leg.ratio) for leg in other.legs)
        if other.purpose is Purpose.ENTRY and begun + other.remaining > position.quantity:
            cancel(work, other, "an earlier try has filled after all")


def _take_back_too_much(work: Work, position: Position, order: Order) -> None:
    """An order that was given up and came to life has closed something: beside it too much may be at work now.

    What is of the order's own group the broker takes back.
    """
    held = {leg.name: leg.held for leg in position.legs}
    for other in work.live_orders(position.id):
        is_alike = other.ref == order.ref or (order.oca_group and other.oca_group == order.oca_group)
        if other.opens(position.id) or is_alike:
            continue
        if any(other.remaining * leg.ratio > held[leg.name] for leg in other.legs_of(position.id)):
            cancel(work, other, f"{order.ref} has closed a part of it")


def _closed_after_all(work: Work, position: Position, order: Order) -> None:
    """An order that was over has closed something after all: what works for the same legs would close too much.

    Of a protective stop what is left is closed, as if it had been hit while it was known to rest.
    """
    if position.is_flat and position.state == "open":  # so it ends by this order, not by what is taken back beside it
        position = work.put_position(replace(position, exit_reason=order.reason))
    live, names = work.live_orders(position.id), {leg.name for leg in order.legs}
    for other in live:
        if position.is_flat or names & {leg.name for leg in other.legs}:
            cancel(work, other, "an earlier order has filled after all")
    if position.is_flat and not live and position.state in ("open", "exiting"):
        closed(work, replace(position, exit_reason=position.exit_reason or order.reason), "closed_out")
    elif _leaves_a_rest(work, position, order):
        what = f"the protective stop of {order.legs[0].option} was over and has filled after all"
        leave(work, position, PROTECT, what)


def order_ended(work: Work, order: Order, *, asked: bool = False) -> None:
    """Take the step that the end of an order leads to. `asked`: we wanted it to be cancelled."""
    position = work.positions[order.position]
    if order.purpose is Purpose.ENTRY:
        _entry_ended(work, position, order, asked=asked)
    elif order.into:
        _roll_ended(work, position, order, asked=asked)
    elif order.purpose in CLOSING:
        _closing_ended(work, position, order, asked=asked)
    elif order.purpose is Purpose.PROTECT:
        _protection_ended(work, position, order, asked=asked)
    else:
        _resting_ended(work, position, order, asked=asked)


# ---------------------------------------------------------------- entry


def _entry_ended(work: Work, position: Position, order: Order, *, asked: bool) -> None:
    if position.state == "exiting":
        _after_closing(work, position)
        return
    if position.state != "entering" or work.has_live_entry(position.id):
        return  # of two that work at once, since one came back to life, the last one ends it
    if order.status is OrderStatus.ABANDONED:
        stop_for_today(work, position, f"{order.ref} was never acknowledged and may still come to life")
    elif order.status is not OrderStatus.FILLED and _tries_again(work, position, order):
        return
    bot = work.governing(position)
    if bot.plan.order.leg_by_leg and next_stage(work, bot, position) is not None:
        next_opening(work, work.put_position(replace(position, attempts=1, retry_at=work.at)))
        return
    refused = order.status in (OrderStatus.REFUSED, OrderStatus.DENIED)
    _entry_over(work, position, _why_over(order, asked=asked), refused=refused)


def broker_words(order: Order) -> str:
    """Return the broker's message on an order, with its code; "" when the last words on it are our own."""
    return order.message if order.message.partition(" ")[0].isdigit() else ""


def _why_over(order: Order, *, asked: bool) -> str:
    """Return why an entry is over; `asked`: we wanted it back."""
    words = broker_words(order)
    if order.status is OrderStatus.CANCELLED and not asked and words == order.message:
        return f"{NOT_BY_US}: {words}" if words else NOT_BY_US
    is_refused = order.status in (OrderStatus.REFUSED, OrderStatus.DENIED)
    return order.message or ("refused" if is_refused else "not filled")


def next_opening(work: Work, position: Position) -> None:
    """Send the opening order that is due, or end the entry when nothing more may be opened."""
    if not work.state.is_linked:
        return
    bot = work.governing(position)
    if position.bot in work.bots and not work.bots[position.bot].day.halted:
        stop_runaway(work, position.bot)
    if reason := _no_more(work, bot, position):
        _entry_over(work, position, reason, refused=False)
    else:
        send_opening(work, bot, position, position.attempts)


def _no_more(work: Work, bot: CompiledBot, position: Position) -> str:
    """Return why no further order of this entry may be sent, "" when one may."""
    if next_stage(work, bot, position) is None:
        return "nothing is left to be opened"
    if not bot.plan.order.leg_by_leg and not is_unwound(position):
        return "an earlier try has filled after all, without all its legs"
    if not is_trading(work):
        return "the session is over"
    if work.state.standing.trading is not Trading.ACTIVE or work.state.is_stopping:
        return "only reducing"
    if {"", position.bot} & work.state.standing.paused:
        return "paused by the operator"
    if (state := work.bots.get(position.bot)) is not None and state.day.halted:
        return f"halted: {state.day.halted}"
    if reason := kept_out(work):
        return reason
    if position.is_flat and not still_holds(work, bot, position):
        return "its conditions no longer hold"
    return ""


def stop_for_today(work: Work, position: Position, reason: str) -> None:
    """Let the position's bot enter nothing more today."""
    if position.bot in work.bots:
        work.put_day(replace(work.bots[position.bot].day, halted=reason))


def _entry_over(work: Work, position: Position, reason: str, *, refused: bool) -> None:
    """No order of the entry works any more: what has filled decides what the position is."""
    position = work.put_position(replace(position, retry_at=None))
    if all(not leg.opened for leg in position.legs):
        _entry_empty(work, position, reason, refused=refused)
    elif not is_unwound(position):
        _unwind(work, position)
    else:
        full = position.structures >= position.quantity
        position = work.move(position, "filled" if full else "ended_partly")
        _end_of_entry(work, position, "filled")
        place_resting(work, position, at_once=True)


def _tries_again(work: Work, position: Position, order: Order) -> bool:
    """Say whether a further try follows as a new order (another priority, or after a pause)."""
    ladder = work.governing(position).plan.order
    if taken_back_for(order.message) != NEXT_TRY or order.attempt >= ladder.tries:
        return False
    due = work.at + timedelta(seconds=ladder.pause)
    work.put_position(replace(position, retry_at=due, attempts=order.attempt + 1))
    wake(work, position.bot, ladder.pause)
    return True


def _entry_empty(work: Work, position: Position, reason: str, *, refused: bool) -> None:
    work.record(Kind.DECISION, position.bot, position.id, what="unfilled", reason=reason, values=[])
    position = replace(position, exit_reason="refused" if refused else "unfilled")
    work.move(position, "refused" if refused else "ended_empty")
    if OTHER_SIDE in reason and position.bot in work.bots:
        _try_another_strike(work, position)
        return
    if refused:
        work.alarm(position.bot, f"the broker refused the entry: {reason}", position.id)
    _end_of_entry(work, position, "unfilled")


def _try_another_strike(work: Work, position: Position) -> None:
    """Orders that are not ours work on the other side of this contract: nothing was sold, the next strike is tried."""
    state = work.bots[position.bot]
    blocked = state.blocked | {leg.option for leg in position.legs}
    day = state.day.count(work.governing(position).symbol, -1)
    work.set_bot(position.bot, replace(state, blocked=blocked))
    work.put_day(day)
    text = f"{position.legs[0].option} has orders of the other side that are not ours: another strike is tried"
    work.record(Kind.DECISION, position.bot, position.id, what="shift", reason=text, values=[])
    wake(work, position.bot, 0.0)


def _end_of_entry(work: Work, position: Position, how: str) -> None:
    if position.bot not in work.bots:
        return
    state = work.bots[position.bot]
    work.put_day(state.day.note(work.governing(position).symbol, last_end=how, last_end_at=work.at))
    waits = "its exits" if how == "filled" else "not filled"
    work.set_bot(position.bot, replace(work.bots[position.bot], waits=waits, since=work.at))
    wake(work, position.bot, 0.0)


def _unwind(work: Work, position: Position) -> None:
    """Legs stand without their partners: close those."""
    reason = "a leg was not filled: what has no partner is closed"
    work.record(Kind.DECISION, position.bot, position.id, what="unwind", reason=reason, values=[])
    position = replace(position, exit_reason=UNWIND, attempts=0, retry_at=None)
    position = work.move(position, "unwind")
    pursue(work, position)


# ---------------------------------------------------------------- exits


def _closing_ended(work: Work, position: Position, order: Order, *, asked: bool) -> None:
    if lost_on_end(order, work.orders_of(position.id)) == TOLD_LOST:
        lost = "closing orders do not get through: two were sent on end, and the broker has none; they are sent again"
        work.alarm(position.bot, f"{lost} until one does. A person must look", position.id)
    if order.status is OrderStatus.REFUSED or is_turned_away(order):
        text = f"the broker refused a closing order: {taken_back_for(order.message)}"
        work.alarm(position.bot, text, position.id)
        position = work.put_position(replace(position, retry_at=work.at + retry_after(work, position)))
    elif order.status is OrderStatus.CANCELLED and not asked:
        text = "a closing order was cancelled, and not by us: it is sent again"
        if work.at >= work.state.session.close:  # all orders of the day end there
            text = "a closing order was at work up to the close: it is sent again at the next open"
            if has_expired(work, position):
                text = "a closing order was at work up to the close: what it was to close has expired"
        words = broker_words(order)
        work.alarm(position.bot, f"{text} ({words})" if words else text, position.id)
        position = work.put_position(replace(position, retry_at=work.at + FIRST_RETRY))
        if is_trading(work):  # at the close all orders of the day are
            position = note_setback(work, position, "a closing order was cancelled, and not by us")
    elif order.status is OrderStatus.FILLED:
        position = work.put_position(replace(position, attempts=0))
    elif taken_back_for(order.message) == NEXT_TRY and order.reason == position.exit_reason:
        pause = exit_ladder(work.governing(position), order.reason).pause
        position = work.put_position(replace(position, retry_at=work.at + timedelta(seconds=pause)))
    _after_closing(work, position)


def _after_closing(work: Work, position: Position) -> None:
    if position.state != "exiting":
        return
    if position.is_flat:
        if work.live_orders(position.id):
            pursue(work, position)
        else:
            closed(work, position, "filled")
    elif not legs_to_close(position, work.governing(position)) and not at_work(work, position):
        was_unwinding = position.exit_reason == UNWIND
        acted = _acted(work, position)
        position = work.move(replace(position, exit_reason="", attempts=0, keep=0, acted=acted), "ended")
        if was_unwinding:
            _end_of_entry(work, position, "filled")
    else:
        pursue(work, position)


def _acted(work: Work, position: Position) -> tuple[str, ...]:
    """Return the exits that have closed their part: not those that another took over before anything was closed."""
    dealt = {order.reason for order in work.orders_of(position.id) if order.purpose in CLOSING and order.has_fills}
    return tuple(name for name in position.acted if name in dealt or name == position.exit_reason)


def closed(work: Work, position: Position, trigger: str) -> None:
    """The position holds nothing more: its books are closed and the day's count is kept."""
    position = work.move(position, trigger)
    values = [str(position.net), str(position.commissions)]
    work.record(Kind.DECISION, position.bot, position.id, what="closed", reason=position.exit_reason, values=[*values])
    if position.bot in work.bots:
        state = work.bots[position.bot]
        bot = work.governing(position)
        if not _is_rolled(work, position) and _counts_for_again(work, position):
            end = bot.plan.written_name(position.exit_reason)
            work.put_day(state.day.note(bot.symbol, last_end=end, last_end_at=work.at))
        count_realized(work, position.bot)
        work.set_bot(position.bot, replace(work.bots[position.bot], waits="", since=work.at))
        wake(work, position.bot, 0.0)


def _is_rolled(work: Work, position: Position) -> bool:
    """Say whether a position goes on in another one."""
    rolls = (order for order in work.orders_of(position.id) if order.into and order.position == position.id)
    return any(order.has_fills for order in rolls)


def _counts_for_again(work: Work, position: Position) -> bool:
    """Say whether `again` asks how a position ended: not when another window has sent an entry since its own."""
    session, day = work.state.session, work.bots[position.bot].day
    if not day.of_member(work.governing(position).symbol).tried:
        return True
    windows = work.program.bots[position.bot].windows(session) if position.bot in work.program.bots else ()
    if position.session != session.date or not 0 < day.window <= len(windows):
        return position.session == session.date
    sent = [order.prepared_at for order in work.orders_of(position.id) if order.purpose is Purpose.ENTRY]
    entered = min(sent, default=position.opened_at)
    return entered is None or entered >= windows[day.window - 1][1]


def count_realized(work: Work, bot: str) -> None:
    """Keep what the bot's positions that were closed today have made; counted anew, since a closed one may change."""
    if bot not in work.bots:
        return
    closed_ones = (found for found in work.positions.values() if found.bot == bot and found.state == "closed")
    made = sum((found.net - work.bases.get(found.id, ZERO) for found in closed_ones), ZERO)
    day = work.bots[bot].day
    if made != day.realized:
        work.put_day(replace(day, realized=made))


# ---------------------------------------------------------------- rolls


def _roll_ended(work: Work, position: Position, order: Order, *, asked: bool) -> None:
    """An order that rolls is over: what it has opened is a position of its own, what it has not closed is held on."""
    _rolled_into(work, work.positions[order.into], order)
    position = work.positions[position.id]
    planned = rolling_exit(work.governing(position), position)
    is_at_work = planned is not None and planned.name == order.reason and position.state == "exiting"
    if order.status is OrderStatus.ABANDONED:
        stop_for_today(work, position, f"{order.ref} was never acknowledged and may still come to life")
    if order.status is OrderStatus.FILLED or not is_at_work or position.is_flat:
        _after_closing(work, work.put_position(replace(work.positions[position.id], attempts=0)))
        return
    if order.status is OrderStatus.REFUSED or (order.status is OrderStatus.CANCELLED and not asked):
        work.alarm(position.bot, f"{order.ref} to roll {position.id}: {_why_over(order, asked=asked)}", position.id)
    assert planned is not None
    found = Found(None, refused=_why_over(order, asked=asked))
    nothing_to_roll_into(work, work.positions[position.id], planned, found)
    place_resting(work, work.positions[position.id])


def _rolled_into(work: Work, position: Position, order: Order) -> None:
    """Let what was rolled into be open, unless nothing of it was opened; its own exit goes on where one acts."""
    if position.state == "exiting":
        _after_closing(work, position)
    if position.state != "entering":
        return
    if all(not leg.opened for leg in position.legs):
        reason = _why_over(order, asked=True)
        work.record(Kind.DECISION, position.bot, position.id, what="unfilled", reason=reason, values=[])
        refused = order.status in (OrderStatus.REFUSED, OrderStatus.DENIED)
        how = ("refused", "refused") if refused else ("unfilled", "ended_empty")
        work.move(replace(position, exit_reason=how[0]), how[1])
    elif not is_unwound(position):
        _unwind(work, position)
    else:
        full = position.structures >= position.quantity
        place_resting(work, work.move(position, "filled" if full else "ended_partly"), at_once=True)


# ---------------------------------------------------------------- resting orders


def _resting_ended(work: Work, position: Position, order: Order, *, asked: bool) -> None:
    if position.state == "exiting":
        _after_closing(work, position)
        return
    if position.state != "open":
        return
    if position.is_flat:
        if not take_back(work, position, "the position is closed"):
            return
        closed(work, replace(position, exit_reason=position.exit_reason or order.reason), "closed_out")
    elif order.status is OrderStatus.REFUSED or is_turned_away(order):
        _watched_instead(work, position, order, "refused")
    elif is_lost_again(order, work.orders_of(position.id)):
        _watched_instead(work, position, order, "sent twice, and the broker has none")
    elif position.suspended or has_expired(work, position):
        return
    elif asked or order.status is not OrderStatus.CANCELLED:
        place_resting(work, position)
    elif any(other.oca_group == order.oca_group and other.has_fills for other in work.orders_of(position.id)):
        _put_back_anew(work, position, "a part of its group has filled")
    else:
        _somebody_cancelled(work, position)


def _protection_ended(work: Work, position: Position, order: Order, *, asked: bool) -> None:
    """A protective stop that was hit has bought one short leg back: what is left of the position is closed."""
    if _leaves_a_rest(work, position, order):
        leave(work, position, PROTECT, f"the protective stop of {order.legs[0].option} was hit")
    elif position.state == "exiting":
        closing = {leg.name for leg, _ in legs_to_close(position, work.governing(position))}
        if not order.has_fills and order.legs[0].name not in closing:
            note_gone(work, position, order, asked=asked)
        _after_closing(work, work.positions[position.id])
    elif position.state == "open" and position.is_flat:
        if take_back(work, position, "the position is closed"):
            closed(work, replace(position, exit_reason=position.exit_reason or PROTECT), "closed_out")
    elif position.state == "open" and not order.has_fills:
        note_gone(work, position, order, asked=asked)


def _leaves_a_rest(work: Work, position: Position, order: Order) -> bool:
    """Say whether a protective stop has filled and left something that no exit at work closes.

    Where it has closed more than was held, nothing is sent any more.
    """
    if order.purpose is not Purpose.PROTECT or not order.has_fills or position.is_flat:
        return False
    if any(leg.held < 0 for leg in position.legs):
        return False
    return position.state == "open" or (position.state == "exiting" and not _is_closing(work, position, order))


def _is_closing(work: Work, position: Position, order: Order) -> bool:
    """Say whether the exit at work closes the leg of a protective stop, too, and nothing of it stays open."""
    plan = work.governing(position).plan
    planned = next((each for each in plan.exits if each.name == position.exit_reason), None)
    if planned is None:
        return True
    return planned.part is None and (not planned.legs or order.legs[0].name in planned.legs)


def _watched_instead(work: Work, position: Position, order: Order, how: str) -> None:
    """The broker will not hold this order, or has none: the engine watches its price, and tries again.

    Of one that was not refused at once nobody watches the price until it is known to be over: once more, then no more.
    """
    if position.suspended:
        return
    count = position.rearmed + (order.status is not OrderStatus.REFUSED)
    then = "the engine watches its price" if count <= REARM_LIMIT else "the engine watches its price from now on"
    text = f"a resting order was {how}, {then}: {taken_back_for(order.message)}"
    work.alarm(position.bot, text, position.id)
    take_back(work, position, f"its partner was {how}")
    retry_at = work.at + timedelta(minutes=1)
    work.put_position(replace(position, suspended=True, rearmed=count, retry_at=retry_at))


def _somebody_cancelled(work: Work, position: Position) -> None:
    """A resting order was cancelled, and not by us: once it is put back, then a person must look."""
    count = position.rearmed + 1
    position = work.put_position(replace(position, rearmed=count, suspended=count > REARM_LIMIT))
    text = f"a resting order of {position.legs[0].option} was cancelled at the broker"
    then = " again: the engine watches its price" if position.suspended else ": it is put back once"
    work.alarm(position.bot, text + then, position.id)
    _put_back_anew(work, position, "its partner was cancelled")


def _put_back_anew(work: Work, position: Position, reason: str) -> None:
    """Take the rest of a group back; once nothing of it works, a new one is placed for what is held."""
    if take_back(work, position, reason):
        place_resting(work, position)
