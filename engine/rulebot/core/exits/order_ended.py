"""What follows when an order ends or a position's holdings change: the moves of its lifecycle."""

from datetime import datetime, timedelta

from rulebot.core.books.position_closed import count_closed, count_realized, on_position_closed
from rulebot.core.emit.orders import cancel, cancel_order
from rulebot.core.exits.bracket_orders import place_resting, record_lost_order
from rulebot.core.exits.closing_orders import close_position, nothing_to_roll_into, sell_shares, work_close
from rulebot.core.exits.protective_stops import note_gone
from rulebot.core.exits.reversed_longs import bought_back
from rulebot.core.exits.rolling import RollCandidate, is_kept_out
from rulebot.core.facts import (
    EntryFilledLate,
    EntryOrderEnded,
    LegsAlone,
    OrderEnded,
    PartClosed,
    PartEnded,
    PositionFilled,
)
from rulebot.core.gate.exit_retry import FIRST_RETRY, count_failed_close, retry_after
from rulebot.core.gate.halts import stop_for_today
from rulebot.core.queries.close_plan import (
    CLOSING,
    UNWIND,
    closes_by_leg,
    exit_has_dealt,
    exit_ladder,
    is_reopened,
    is_unwound,
    leg_names_to_close,
    part_is_over,
    planned_exit,
    rolled_legs,
    rolling_exit,
)
from rulebot.core.queries.openings import why_over
from rulebot.core.queries.orders import (
    RESTING,
    has_expired,
    is_between_sessions,
    is_buy_back,
    is_ended_by_broker,
    is_off_grid,
    is_rejected,
    is_trading,
    lost_on_end,
    named,
    option_has_expired,
    partner_has_filled,
    was_lost_twice,
)
from rulebot.core.queries.protection import PROTECT, sent_again_text
from rulebot.core.queries.schedule import is_same_week
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_day, put_position
from rulebot.core.state.lists import governing, live_orders_of, may_move, orders_of
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import when_dealt
from rulebot.model.cause import Cause, Halt
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import HoldReason, Position
from rulebot.model.session import exchange_date
from rulebot.model.values import replace
from rulebot.record.record import Kind

REPORTED_LOST = 2
"""Closing orders lost in a row before a person is alarmed, once; the engine keeps sending."""


def position_filled(work: StateBuilder, fact: PositionFilled) -> None:
    """Note what a fill changes at once: the day's count, and a position that was thought closed."""
    position, order = work.positions.by_id[fact.position], work.orders.by_ref[fact.ref]
    is_opening, is_first = order.opens(position.id), position.opened_at is None
    if is_opening:
        position = _opened(work, position, order, fact.executed_at)
        if is_first and position.opened_at is not None:
            count_opened(work, order, position.opened_at)
    if position.state == "entering":
        move_position(work, position, "partly_filled")
        if not order.status.is_live:
            _take_back_further_tries(work, position)
    elif is_opening and may_move(work, position, "late_fill"):
        reason = "" if position.state == "closed" else position.exit_reason
        position = move_position(work, replace(position, closed_at=None, exit_reason=reason), "late_fill")
        count_realized(work, position.bot)
        work.follow_up(EntryFilledLate(position.id, order.ref))
        if position.state == "open" and not order.is_combo and not is_unwound(position):
            close_position(work, position, UNWIND, f"{order.ref} had ended and has filled late, without its partners")
        elif position.exit_reason == UNWIND and is_unwound(position):
            _after_closing(work, position)  # its partners have now been reported
    elif order.purpose in RESTING and position.state == "open":
        move_position(work, replace(position, exit_reason=order.reason), "rest_partly_filled")
    elif order.purpose in CLOSING and position.state == "exiting":
        move_position(work, position, "partly_filled")
    if not is_opening:
        _note_parted(work, order)
        (_take_back_too_much if order.status.is_live else _closed_after_all)(
            work, work.positions.by_id[position.id], order
        )


def _note_parted(work: StateBuilder, order: Order) -> None:
    """Keep with a position the legs that an exit has closed to the end apart from the others: they miss no partner."""
    position = work.positions.by_id[order.position]
    planned = planned_exit(governing(work, position), order.reason)
    if planned is None or not planned.legs:
        return
    legs = [leg for leg in position.legs if leg.name in planned.legs]
    is_closed = all(leg.held == 0 or (leg.held < 0 and leg.opened) for leg in legs)
    if len(legs) < len(position.legs) and is_closed:
        names = (*position.separately_closed_legs, *(leg.name for leg in legs))
        if (parted := tuple(dict.fromkeys(names))) != position.separately_closed_legs:
            put_position(work, replace(position, separately_closed_legs=parted))


def _opened(work: StateBuilder, position: Position, order: Order, executed_at: datetime | None) -> Position:
    """Set when a position was opened: the time of its first fill, or the execution time of a late report."""
    at = when_dealt(work.at, executed_at, order.sent_at)
    if position.opened_at is not None and position.opened_at <= at:
        return position
    return put_position(work, replace(position, opened_at=at))


def count_opened(work: StateBuilder, order: Order, at: datetime) -> None:
    """Count an entry against `per_day` and `per_week`. at: time of its first fill, even if reported late.

    It counts for the session of that time. What a roll opens does not count.
    """
    if order.opens_position or order.bot not in work.bots.by_name:
        return
    day, opened_on = work.bots.by_name[order.bot].day, exchange_date(at)
    if opened_on == day.date:
        put_day(work, replace(day, opened=day.opened + 1))
    elif is_same_week(opened_on, day.date):
        put_day(work, replace(day, week=day.week + 1))


def _take_back_further_tries(work: StateBuilder, position: Position) -> None:
    """Cancel later tries of an entry whose ended order has filled: they would open the same again."""
    missing = {leg.name: position.quantity * leg.ratio - leg.held for leg in position.legs}
    for other in live_orders_of(work, position.id):
        is_too_much = any(other.remaining * leg.ratio > missing[leg.name] for leg in other.legs)
        if other.purpose is Purpose.ENTRY and is_too_much:
            cancel(work, other, Cause.EARLIER_TRY_FILLED)


def _take_back_too_much(work: StateBuilder, position: Position, order: Order) -> None:
    """Cancel orders that would close too much after an order that was given up has filled.

    The broker cancels orders of the same OCA group itself.
    """
    held = {leg.name: leg.held for leg in position.legs}
    for other in live_orders_of(work, position.id):
        is_alike = other.ref == order.ref or (order.oca_group and other.oca_group == order.oca_group)
        if other.opens(position.id) or is_alike:
            continue
        if any(other.remaining * leg.ratio > held[leg.name] for leg in other.legs_of(position.id)):
            cancel(work, other, Cause.PART_CLOSED, order.ref)


def _closed_after_all(work: StateBuilder, position: Position, order: Order) -> None:
    """Handle an ended order that closed something after all: orders for the same legs would close too much.

    After a protective stop the rest of the position is closed, as when the stop is hit.
    """
    if position.is_flat and position.state == "open":  # so that this order, not a cancel beside it, ends the position
        position = put_position(work, replace(position, exit_reason=order.reason))
    live, names = live_orders_of(work, position.id), {leg.name for leg in order.legs}
    for other in live:
        if position.is_flat or names & {leg.name for leg in other.legs}:
            cancel(work, other, Cause.EARLIER_ORDER_FILLED)
    if position.is_flat and not live and position.state in ("open", "exiting"):
        on_position_closed(work, replace(position, exit_reason=_ended_by(work, position) or order.reason), "closed_out")
    elif position.state == "exiting" and position.exit_reason == UNWIND and is_unwound(position) and not live:
        _after_closing(work, position)  # every order is cancelled by now, and no leg lacks its partner
    elif _leaves_a_rest(work, position, order):
        what = f"the protective stop of {order.legs[0].option} had ended and has filled late"
        close_position(work, position, PROTECT, what)
    elif _leaves_one_alone(position, order):
        close_position(
            work, position, UNWIND, f"{order.ref} had ended and has filled late, and a leg lacks its partner"
        )


def order_ended(work: StateBuilder, fact: OrderEnded) -> None:
    """Take the step that the end of an order leads to."""
    order, asked = work.orders.by_ref[fact.ref], fact.asked
    position = work.positions.by_id[order.position]
    if order.purpose is Purpose.ENTRY and position.state == "exiting":
        _after_closing(work, position)
    elif order.purpose is Purpose.ENTRY:
        work.follow_up(EntryOrderEnded(order.ref, asked))
    elif order.opens_position:
        _roll_ended(work, position, order, asked=asked)
    elif order.purpose in CLOSING:
        _closing_ended(work, position, order, asked=asked)
    elif order.purpose is Purpose.PROTECT:
        _protection_ended(work, position, order, asked=asked)
    else:
        _resting_ended(work, position, order, asked=asked)


# ---------------------------------------------------------------- exits


def _closing_ended(work: StateBuilder, position: Position, order: Order, *, asked: bool) -> None:
    if lost_on_end(order, orders_of(work, position.id)) == REPORTED_LOST:
        lost = "closing orders do not get through: two were sent on end, and the broker has none; they are sent again"
        alarm(work, position.bot, f"{lost} until one does. A person must look", position.id)
    is_refused = order.status is OrderStatus.REJECTED or is_rejected(order)
    if is_refused and is_off_grid(work, order):  # the same try, at a price on the grid
        position = put_position(work, replace(position, retry_at=None, attempts=max(position.attempts - 1, 0)))
    elif is_refused:
        text = f"the broker refused a closing order: {order.why}"
        alarm(work, position.bot, text, position.id, reports=order.ref)
        position = put_position(work, replace(position, retry_at=work.at + retry_after(work, position)))
        position = _try_another_way(work, position, order)
    elif order.status is OrderStatus.CANCELLED and (_is_over_unclosed(work, position, order) or not asked):
        position = _closing_cancelled(work, position, order, asked=asked)
    elif order.status is OrderStatus.FILLED:
        position = put_position(work, replace(position, attempts=0))
    elif order.cause is Cause.NEXT_TRY and order.reason == position.exit_reason:
        pause = exit_ladder(governing(work, position), order.reason).pause
        position = put_position(work, replace(position, retry_at=work.at + timedelta(seconds=pause)))
    if is_buy_back(order):
        bought_back(work, work.positions.by_id[position.id])
    else:
        _after_closing(work, position)


def _closing_cancelled(work: StateBuilder, position: Position, order: Order, *, asked: bool) -> Position:
    """Alarm of a closing order that others cancelled or that ended at the close."""
    text = "a closing order was cancelled, and not by us: it is sent again"
    if is_by_broker := is_ended_by_broker(order):
        text = "the broker cancelled a closing order: it is sent again"
    if _has_ended_with_its_day(work, order):
        text = "a closing order was working at the close: it is sent again"
        if is_between_sessions(work):
            text = "a closing order was working at the close: it is sent again at the next open"
        if all(option_has_expired(work, leg.option) for leg in order.legs):
            text = "a closing order was working at the close: its contracts have expired"
    words = "" if asked else order.said
    alarm(work, position.bot, f"{text} ({words})" if words else text, position.id, reports=order.ref if words else "")
    wait = retry_after(work, position) if is_by_broker else FIRST_RETRY
    position = put_position(work, replace(position, retry_at=work.at + wait))
    if is_by_broker:
        return _try_another_way(work, position, order)
    if is_trading(work) and not asked:  # at the close all orders of the day are
        return count_failed_close(work, position, HoldReason.EXIT_CANCELLED)
    return position


def _is_over_unclosed(work: StateBuilder, position: Position, order: Order) -> bool:
    """Say whether the close ended an order during its cancel for the next try, which is then not sent."""
    is_closed = position.state != "exiting" or position.is_frozen or position.is_flat
    return not is_closed and _has_ended_with_its_day(work, order)


def _has_ended_with_its_day(work: StateBuilder, order: Order) -> bool:
    """Say whether a DAY order ended with the close, even if reported late."""
    session = work.schedule.session
    return work.at >= session.close or (order.sent_at is not None and exchange_date(order.sent_at) < session.date)


def _try_another_way(work: StateBuilder, position: Position, order: Order) -> Position:
    """Restart the ladder when a reject changes how the position is closed: leg by leg, or as one order."""
    is_separate = closes_by_leg(work, position)
    if is_separate is closes_by_leg(work, position, before=order):
        return position
    if is_separate:
        text = f"the broker has refused to close {position.id} as one twice on end"
        alarm(work, position.bot, f"{text}: its legs are closed one by one, the short ones first", position.id)
    return put_position(work, replace(position, attempts=0))


def _after_closing(work: StateBuilder, position: Position) -> None:
    if position.state != "exiting":
        return
    if position.is_flat:
        if live_orders_of(work, position.id):
            work_close(work, position)
        else:
            on_position_closed(work, replace(position, exit_reason=_ended_by(work, position)), "filled")
    elif part_is_over(work, position):
        part_closed(work, PartClosed(position.id))
    else:
        work_close(work, position)


def _ended_by(work: StateBuilder, position: Position) -> str:
    """Return what closed a position: the working exit if it closed anything, else the last resting order."""
    if exit_has_dealt(work, position):
        return position.exit_reason
    fills = (each for each in work.positions.executions.values() if each.position == position.id and not each.is_entry)
    refs = [each.ref for each in fills if each.quantity]
    last = work.orders.by_ref.get(refs[-1]) if refs else None
    return last.reason if last is not None and last.purpose in RESTING else position.exit_reason


def part_closed(work: StateBuilder, fact: PartClosed) -> None:
    """Continue a position whose exit has nothing more to close."""
    position = work.positions.by_id[fact.position]
    was_unwinding = position.exit_reason == UNWIND
    acted = _acted(work, position)
    position = replace(position, exit_reason="", attempts=0, retry_at=None, leave_open=0, partial_exits_done=acted)
    position = move_position(work, position, "ended")
    count_closed(work, position.id)
    work.follow_up(PartEnded(position.id, was_unwinding))
    position = work.positions.by_id[position.id]
    if not was_unwinding and is_reopened(position):
        close_position(work, position, UNWIND, "the exchange busted a fill, and a leg is open without its partner")
    elif not was_unwinding and any(leg.settled for leg in position.legs if not leg.option.is_share):
        sell_shares(work, position)


def _acted(work: StateBuilder, position: Position) -> tuple[str, ...]:
    """Return the exits that have closed their part: not those that another took over before anything was closed."""
    dealt = {order.reason for order in orders_of(work, position.id) if order.purpose in CLOSING and order.has_fills}
    return tuple(name for name in position.partial_exits_done if name in dealt or name == position.exit_reason)


# ---------------------------------------------------------------- rolls


def _roll_ended(work: StateBuilder, position: Position, order: Order, *, asked: bool) -> None:
    """Handle the end of a roll order: opened legs are a new position, unclosed legs stay held."""
    _rolled_into(work, work.positions.by_id[order.opens_position], order)
    position = work.positions.by_id[position.id]
    planned = rolling_exit(governing(work, position), position)
    is_at_work = planned is not None and planned.name == order.reason and position.state == "exiting"
    if order.status is OrderStatus.LOST:
        stop_for_today(work, position, Halt.UNACKNOWLEDGED, f"{order.ref} was never acknowledged and may still arrive")
    if order.status is OrderStatus.FILLED or not is_at_work or position.is_flat:
        if planned is not None and is_at_work and rolled_legs(position, planned):  # the rest has no bid
            position = replace(position, partial_exits_done=(*position.partial_exits_done, planned.name))
        _after_closing(work, put_position(work, replace(position, attempts=0)))
        return
    if order.status is OrderStatus.REJECTED or (order.status is OrderStatus.CANCELLED and not asked):
        is_over = _has_ended_with_its_day(work, order) and order.last_message is None
        why = "it was working at the close" if is_over else why_over(order, asked=asked)
        alarm(work, position.bot, f"{order.ref} to roll {position.id}: {why}", position.id, reports=order.ref)
    assert planned is not None
    why = why_over(order, asked=asked)
    is_put_off = order.cause is Cause.NO_BID_TO_ROLL or _has_ended_with_its_day(work, order)
    is_final = not (asked and is_kept_out(work, position))
    found = RollCandidate(None, refused=why, is_final=is_final, is_put_off=is_put_off)
    nothing_to_roll_into(work, work.positions.by_id[position.id], planned, found)
    place_resting(work, work.positions.by_id[position.id])


def _rolled_into(work: StateBuilder, position: Position, order: Order) -> None:
    """Open the position that a roll created, unless nothing of it filled. An exit that acts on it continues."""
    if position.state == "exiting":
        _after_closing(work, position)
    if position.state != "entering":
        return
    if not position.has_fills:
        reason = why_over(order, asked=True)
        work.record(Kind.DECISION, position.bot, position.id, what="unfilled", reason=reason, values=[])
        refused = order.status in (OrderStatus.REJECTED, OrderStatus.RISK_REJECTED)
        how = ("rejected", "rejected") if refused else ("unfilled", "ended_empty")
        move_position(work, replace(position, exit_reason=how[0]), how[1])
    elif not is_unwound(position):
        work.follow_up(LegsAlone(position.id, why_over(order, asked=True)))
    else:
        full = position.structures >= position.quantity
        place_resting(work, move_position(work, position, "filled" if full else "ended_partly"), at_once=True)


# ---------------------------------------------------------------- resting orders


def _resting_ended(work: StateBuilder, position: Position, order: Order, *, asked: bool) -> None:
    if position.state == "exiting":
        _after_closing(work, position)
        position = work.positions.by_id[position.id]
        if position.state != "exiting" or position.is_flat or not is_between_sessions(work):
            return
    if position.state not in ("open", "exiting"):
        return
    if position.is_flat:
        if not cancel_order(work, position, Cause.POSITION_CLOSED):
            return
        on_position_closed(work, replace(position, exit_reason=position.exit_reason or order.reason), "closed_out")
    elif order.status is OrderStatus.REJECTED or is_rejected(order):
        if is_off_grid(work, order) and not position.resting_orders_withdrawn:
            _restore_again(work, position, Cause.PARTNER_OFF_GRID)
        else:
            _watched_instead(work, position, order, "refused")
    elif was_lost_twice(order, orders_of(work, position.id)):
        _watched_instead(work, position, order, "sent twice, and the broker has none")
    elif position.resting_orders_withdrawn or has_expired(work, position):
        return
    elif asked or order.status is not OrderStatus.CANCELLED:
        place_resting(work, position)
    elif order.has_fills or partner_has_filled(work, order):
        _restore_again(work, position, Cause.GROUP_FILLED)
    else:
        _cancelled_externally(work, position, order)


def _protection_ended(work: StateBuilder, position: Position, order: Order, *, asked: bool) -> None:
    """Close the rest of a position after a protective stop bought back one short leg."""
    if _leaves_a_rest(work, position, order):
        close_position(work, position, PROTECT, f"the protective stop of {order.legs[0].option} was hit")
    elif position.state == "exiting":
        if not order.has_fills and order.legs[0].name not in leg_names_to_close(work, position):
            note_gone(work, position, order, asked=asked)
        _after_closing(work, work.positions.by_id[position.id])
    elif position.state == "open" and position.is_flat:
        if cancel_order(work, position, Cause.POSITION_CLOSED):
            on_position_closed(work, replace(position, exit_reason=position.exit_reason or PROTECT), "closed_out")
    elif position.state == "open" and not order.has_fills:
        note_gone(work, position, order, asked=asked)


def _leaves_a_rest(work: StateBuilder, position: Position, order: Order) -> bool:
    """Say whether a filled protective stop left something that no working exit closes.

    If it closed more than was held, nothing more is sent.
    """
    if order.purpose is not Purpose.PROTECT or not order.has_fills or position.is_flat:
        return False
    if any(leg.held < 0 for leg in position.legs):
        return False
    return position.state == "open" or (position.state == "exiting" and not _is_closing(work, position, order))


def _leaves_one_alone(position: Position, order: Order) -> bool:
    """Say whether a leg that was closed twice leaves other legs without their partner.

    For a combo the other legs' reports are still due.
    """
    if position.state != "open" or position.is_flat or position.is_frozen or order.is_combo:
        return False
    return order.purpose in CLOSING and not is_unwound(position)


def _is_closing(work: StateBuilder, position: Position, order: Order) -> bool:
    """Say whether the working exit also closes the leg of a protective stop, leaving nothing of it open."""
    planned = planned_exit(governing(work, position), position.exit_reason)
    if planned is None:
        return True
    return planned.part is None and (not planned.legs or order.legs[0].name in planned.legs)


def _watched_instead(work: StateBuilder, position: Position, order: Order, how: str) -> None:
    """The broker will not hold this order, or has none: the engine watches its price, and it is sent again."""
    if position.resting_orders_withdrawn:
        return
    position = record_lost_order(work, position, is_refused=True)
    then = _instead(position)
    alarm(
        work,
        position.bot,
        f"a resting order was {how}, {then}: {order.why}",
        position.id,
        again=True,
        reports=order.ref,
    )
    cancel_order(work, position, Cause.PARTNER_LOST, how)
    put_position(work, replace(position, resting_orders_withdrawn=True))


def _instead(position: Position) -> str:
    """Return in words who closes a position for which nothing rests: no exit waits for that."""
    return "the engine watches its price" if position.state == "open" else "its exit continues at the next open"


def _cancelled_externally(work: StateBuilder, position: Position, order: Order) -> None:
    """A resting order was cancelled, and not by us: it is sent again, and its partner rests on."""
    before, position = position.lost_at, record_lost_order(work, position)
    what = f"the resting {order.purpose.value} of {named(position)}"
    then = sent_again_text(position)
    text = f"{what} was cancelled at the broker: {then}"
    words = f"{text} ({order.said})" if order.said else text
    reports, is_new = order.ref if order.said else "", position.lost_at != before
    alarm(work, position.bot, words, position.id, again=is_new, reports=reports)
    place_resting(work, position)


def _restore_again(work: StateBuilder, position: Position, cause: Cause) -> None:
    """Take the rest of a group back; once nothing of it works, a new one is placed for what is held."""
    if cancel_order(work, position, cause):
        place_resting(work, position)
