"""Executions and commissions: each moves a position exactly once.

An execution counts once, whatever its revision; a correction replaces it. Only legs move positions; the summary
execution of a combo is skipped.
"""

from decimal import Decimal

from rulebot.core.books.position_closed import (
    count_closed,
    count_realized,
    ended_otherwise,
    left_before_expiry,
    on_position_closed,
    record_fill,
)
from rulebot.core.books.settlements import make_room
from rulebot.core.emit.orders import cancel, cancel_entries, cancel_order
from rulebot.core.facts import (
    CloseWanted,
    ExternalFill,
    ExternalFillCorrected,
    FillBooked,
    HoldingsChanged,
    PositionFilled,
    ProtectionDue,
    RestingDue,
)
from rulebot.core.gate.exit_retry import on_busted_fill
from rulebot.core.gate.halts import LIQUIDATES
from rulebot.core.orders.order_mismatch import check_count, check_entry_caps, check_owner, check_price
from rulebot.core.orders.order_updates import finalize_order, find_order
from rulebot.core.orders.other_engines import is_of_ours, note
from rulebot.core.queries.close_plan import CLOSING, UNWIND, is_balanced, is_unwound, legs_to_close, partners
from rulebot.core.queries.orders import _is_too_large, is_buy_back
from rulebot.core.rules.rule_evaluation import wake
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import move_position, put_base, put_booked, put_day, put_order, put_position
from rulebot.core.state.lists import governing, live_orders_of, orders_of
from rulebot.core.state.turn import alarm
from rulebot.fill.ledger import (
    BookedExecution,
    add_commission,
    add_fill,
    book,
    has_no_pending,
    leg_of,
    of_others,
    taken_back,
    unbook,
    when_dealt,
)
from rulebot.model.cause import Cause, Halt
from rulebot.model.contract import Option
from rulebot.model.event import CommissionReport, ExecutionReport
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import Order, OrderLeg, Purpose, unseen_base
from rulebot.model.position import Position
from rulebot.model.values import replace
from rulebot.record.codec import encode
from rulebot.record.record import EXECUTION, Json, Kind


def on_execution(work: StateBuilder, event: ExecutionReport) -> None:
    """Count one fill, once; a correction replaces what it corrects."""
    if event.is_combo:
        return
    order = find_order(work, event)
    if order is None or event.option is None:
        _external(work, event)
        return
    base, revision = event.exec_id
    known = work.positions.executions.get(base)
    if known is not None:
        if known.exec_id.revision >= revision:
            return
        _alarm_of_correction(work, known, event)
        _unbook(work, order, known)
        order = work.orders.by_ref[order.ref]
        if event.quantity < abs(known.quantity):
            order = put_order(
                work, replace(order, broker_filled=order.filled)
            )  # what was called filled is not, any more
            if not known.is_entry:
                on_busted_fill(work, order)
                order = work.orders.by_ref[order.ref]
    else:
        order = _replace_guess(work, order, event)
        check_price(work, order, event.price)
    _book(work, order, event, base, known)


def count_fill(work: StateBuilder, order: Order, event: ExecutionReport) -> None:
    """Count a fill that was not counted before."""
    _replace_guess_of_partner(work, order, event)
    _book(work, work.orders.by_ref[order.ref], event, event.exec_id.execution, None)


def _alarm_of_correction(work: StateBuilder, known: BookedExecution, event: ExecutionReport) -> None:
    """Alarm of what the exchange makes of a fill that was booked."""
    assert event.option is not None
    count = abs(known.quantity)
    before = abs(known.cash / count / event.option.multiplier) if count else ZERO
    if count == event.quantity and before == event.price:
        return
    words = f"{known.leg} {'bought' if event.is_buy else 'sold'}"
    text = f"the exchange busted a fill of {known.position}: {count} {words} at {before:f}"
    if event.quantity:
        now = f"{event.quantity:f} {words} at {event.price:f}"
        text = f"the exchange has corrected a fill of {known.position}: {now}, not {count} at {before:f}"
    work.record(Kind.ALARM, work.positions.by_id[known.position].bot, known.position, text=text)


def _replace_guess(work: StateBuilder, order: Order, event: ExecutionReport) -> Order:
    """Remove the estimate booked for this leg when its fills were missed, as far as the fills are reported now."""
    leg = next((leg for leg in order.legs if leg.option == event.option), None)
    guess = None if leg is None else work.positions.executions.get(unseen_base(order.ref, leg.key))
    if leg is None or guess is None or not guess.quantity:
        _replace_guess_of_partner(work, order, event)
    else:
        _take_guess_out(work, order, leg, guess, event, int(event.quantity))
    return work.orders.by_ref[order.ref]


def _replace_guess_of_partner(work: StateBuilder, order: Order, event: ExecutionReport) -> None:
    """Take out what was booked as a fill of the other order of a pair, as far as more would be closed than was held."""
    if not order.oca_group:
        return
    leg = next((leg for leg in order.legs if leg.option == event.option), None)
    if leg is None:
        return
    position = work.positions.by_id[order.position]
    too_many = int(event.quantity) - max(leg_of(position, leg.name).held, 0)
    for other in orders_of(work, order.position):
        guess = work.positions.executions.get(unseen_base(other.ref, leg.key))
        if other.ref == order.ref or other.oca_group != order.oca_group or guess is None:
            continue
        if guess.quantity and too_many > 0:
            _take_guess_out(work, other, leg, guess, event, too_many)
            other = work.orders.by_ref[other.ref]
            put_order(work, replace(other, broker_filled=other.filled))
            if (
                work.positions.pnl_at_open.get(position.id) == position.net
            ):  # the guess has closed it, and was not made today
                reported = event.price * event.quantity * leg.option.multiplier * (-1 if event.is_buy else 1)
                put_base(work, position.id, work.positions.by_id[position.id].net + reported)
            ended_otherwise(work, work.positions.by_id[position.id], order.reason)


def _take_guess_out(
    work: StateBuilder, order: Order, leg: OrderLeg, guess: BookedExecution, event: ExecutionReport, reported: int
) -> None:
    """Keep of an estimate for one leg of an order only what exceeds this many contracts."""
    _unbook(work, order, guess)
    option, exec_id = event.option or leg.option, guess.exec_id.next
    count = max(guess.quantity - reported, 0)
    each = guess.cash / guess.quantity
    price = each / option.multiplier * (-1 if event.is_buy else 1) if count else event.price
    rest = replace(guess, exec_id=exec_id, quantity=count, cash=each * count)
    put_booked(work, unseen_base(order.ref, leg.key), rest)
    at = next(at for at, own in enumerate(order.legs) if own.key == leg.key)
    put_order(work, add_fill(work.orders.by_ref[order.ref], at, count))
    put_position(work, book(work.positions.by_id[guess.position], rest, option))
    record = replace(event, exec_id=exec_id, quantity=Decimal(count), price=price)
    record_fill(work, record, rest, option, order.ref, order.purpose.value)
    if not count:
        text = f"the fill of {leg.name} by {order.ref} is reported late, at {event.price:f}: it replaces the estimate"
        work.record(Kind.ALARM, order.bot, guess.position, text=text)
    if guess.commission:  # a person had entered it; the fill's own commission follows in its own report
        outstanding = (guess.commission * count / guess.quantity).quantize(CENT) if count else ZERO
        on_commission(work, CommissionReport(event.at, exec_id, outstanding))


def _external(work: StateBuilder, event: ExecutionReport) -> None:
    base, revision = event.exec_id
    known = work.positions.executions.get(base)
    if known is not None:
        if known.foreign is not None or known.by_others:
            note(work, event.ref, f"{_dealt(event)} today")
        if revision > known.exec_id.revision:
            _corrected(work, base, known, event)
        return
    put_booked(work, base, of_others(event))
    text = f"external: {_dealt(event)} at {event.price}"
    if event.is_liquidation:
        text = f"the broker liquidates: {_dealt(event)} at {event.price}; entries of all bots stop for today"
        for name in list(work.bots.by_name):
            put_day(work, work.bots.by_name[name].day.halted_for(Halt.LIQUIDATION, LIQUIDATES))
        cancel_entries(work, "", Cause.LIQUIDATION)
    _alarm_of_external(work, event, text)
    note(work, event.ref, f"{_dealt(event)} today")
    work.follow_up(ExternalFill())


def _alarm_of_external(work: StateBuilder, event: ExecutionReport, text: str, position: str = "") -> None:
    """Alarm of an external execution with all its data, so that a restart can read it.

    position: ours, if it is of one.
    """
    data: dict[str, Json] = {"contract": str(event.option or event.symbol), EXECUTION: encode(event)}
    work.record(Kind.ALARM, "", position, text=text, **data)


def _corrected(work: StateBuilder, base: str, known: BookedExecution, event: ExecutionReport) -> None:
    """Book a correction of an execution whose order is no longer in memory."""
    if known.foreign is not None:
        put_booked(work, base, replace(known, exec_id=event.exec_id, quantity=int(event.quantity), foreign=event))
        how = f"taken it back: {_dealt(known.foreign)}"
        if event.quantity:
            how = f"corrected it: {_dealt(event)} at {event.price}"
        _alarm_of_external(work, event, f"external, and the exchange has {how}")
    elif known.position not in work.positions.by_id:
        _corrected_too_late(work, base, known, event)
    elif not is_of_ours(work, event.ref):
        work.follow_up(ExternalFillCorrected(base, event))
    elif event.quantity > known.quantity:
        _corrected_too_late(work, base, known, event)
    else:
        _corrected_roll(work, base, known, event)


def _corrected_roll(work: StateBuilder, base: str, known: BookedExecution, event: ExecutionReport) -> None:
    """Book what the exchange corrects of a fill of a position that is at hand, by a roll that is not any more: what it
    closed was over on an earlier day.
    """
    leg = leg_of(work.positions.by_id[known.position], known.leg)
    count = int(event.quantity)
    cash = event.price * count * leg.option.multiplier * (-1 if event.is_buy else 1)
    is_paid = known.is_paid or has_no_pending(event.exec_id, count)
    gone = taken_back(known, count)
    booked = replace(known, exec_id=event.exec_id, quantity=count, cash=cash, is_paid=is_paid, taken_back=gone)
    put_booked(work, base, booked)
    position = put_position(work, book(unbook(work.positions.by_id[known.position], known), booked, leg.option))
    record_fill(work, event, booked, event.option or leg.option, event.ref, Purpose.ROLL.value)
    work.follow_up(HoldingsChanged())
    wake(work, position.bot, 0.0)
    count_closed(work, position.id)
    if count != known.quantity:
        _after_correction(work, position)


def _corrected_too_late(work: StateBuilder, base: str, known: BookedExecution, event: ExecutionReport) -> None:
    """Alarm that the exchange corrected an order or position of an earlier day."""
    put_booked(work, base, replace(known, exec_id=event.exec_id))
    text = f"the exchange busted an older fill of {known.position}, {event.option or event.symbol}"
    if event.quantity:
        text = f"the exchange has corrected an older fill of {known.position}, it {_dealt(event)} at {event.price}"
    help = "our books stay as they are. Compare them with the account's statement: a person must look"
    _alarm_of_external(work, event, f"{text}: {help}", known.position)


def _dealt(event: ExecutionReport) -> str:
    """Describe an external trade in words."""
    return f"{'bought' if event.is_buy else 'sold'} {event.quantity} {event.option or event.symbol}"


def _leg_index(order: Order, option: Option) -> int:
    return next((index for index, leg in enumerate(order.legs) if leg.option == option), -1)


def _book(
    work: StateBuilder, order: Order, event: ExecutionReport, base: str, corrected: BookedExecution | None
) -> None:
    assert event.option is not None
    index = _leg_index(order, event.option)
    if index < 0:
        alarm(work, order.bot, f"a fill of {event.option} under {order.ref}, which has no such leg", order.position)
        return
    count = int(event.quantity)
    sign = -1 if event.is_buy else 1
    cash = event.price * count * event.option.multiplier * sign
    leg = order.legs[index]
    holder = order.position_of(leg)
    is_entry = order.opens(holder)
    counted = -count if is_buy_back(order) else count
    is_instead = not is_entry and counted >= 0 and make_room(work, order, holder, leg.name, count, event.executed_at)
    commission = corrected.commission if corrected else ZERO
    is_paid = has_no_pending(event.exec_id, count) or (corrected is not None and corrected.is_paid)
    dealt_at = corrected.dealt_at if corrected else when_dealt(work.at, event.executed_at, order.sent_at)
    booked = BookedExecution(
        event.exec_id,
        holder,
        leg.name,
        is_entry,
        counted,
        cash,
        commission,
        is_paid,
        dealt_at=dealt_at,
        ref=order.ref,
        taken_back=taken_back(corrected, count),
    )
    put_booked(work, base, booked)
    order = put_order(work, add_fill(order, index, count))
    put_position(work, book(work.positions.by_id[holder], booked, event.option))
    record_fill(work, event, booked, event.option, order.ref, order.purpose.value)
    if is_instead:
        left_before_expiry(work, work.positions.by_id[holder])
    bought = -sign * count if corrected is None else None
    work.follow_up(FillBooked(holder, leg.name, leg.option, bought, event.executed_at))
    position = work.positions.by_id[holder]
    wake(work, order.bot, 0.0)
    is_same = corrected is not None and corrected.quantity == counted
    if not is_same:
        check_count(work, order, position)
        work.follow_up(PositionFilled(holder, order.ref, event.executed_at))
        if position.opened_at is None and work.positions.by_id[holder].opened_at is not None:
            check_entry_caps(work, work.orders.by_ref[order.ref], work.positions.by_id[holder])
        check_owner(work, work.orders.by_ref[order.ref], event)
    count_closed(work, holder)
    finalize_order(work, work.orders.by_ref[order.ref])
    if corrected is not None and not is_same:
        _after_correction(work, work.positions.by_id[holder])
        fit_orders_to_position(work, work.positions.by_id[holder])


def _after_correction(work: StateBuilder, position: Position) -> None:
    """Close what a bust reopened, and a leg that lost its partner by it."""
    if position.state == "closed" and any(leg.held > 0 for leg in position.legs):
        reason = position.exit_reason or UNWIND
        position = move_position(work, replace(position, closed_at=None), "late_fill")
        if not legs_to_close(replace(position, exit_reason=reason), governing(work, position)):
            reason = UNWIND  # it was closed by parts, and not by that exit alone
        count_realized(work, position.bot)
        why = "the exchange took a closing fill back after the position was closed"
        work.follow_up(CloseWanted(position.id, reason, why))
        return
    if position.state == "exiting":
        for order in live_orders_of(work, position.id):
            names = tuple(leg.name for leg in order.legs_of(position.id))
            if order.opens_position and not is_balanced(partners(position, names)):
                cancel(work, order, Cause.LEGS_ALONE)
    if position.state != "open":
        return
    if not position.is_flat:
        if not is_unwound(position):
            why = "the exchange busted a fill, and a leg is open without its partner"
            work.follow_up(CloseWanted(position.id, UNWIND, why))
        return
    cancel_order(work, position, Cause.FILLS_BUSTED)
    alarm(work, position.bot, f"the exchange took the fills of {position.id} back", position.id)
    on_position_closed(work, replace(position, exit_reason=position.exit_reason or "busted"), "vanished")


def fit_orders_to_position(work: StateBuilder, position: Position) -> None:
    """Reduce working orders of a position to what it holds after a bust.

    Resting orders are made smaller, or cancelled when nothing remains for them. A closing order is cancelled; the next
    one closes what is held.
    """
    held = {leg.name for leg in position.legs if leg.held > 0}
    for order in live_orders_of(work, position.id):
        is_for_nothing = held.isdisjoint(leg.name for leg in order.legs)
        if (order.purpose in CLOSING or is_for_nothing) and _is_too_large(position, order):
            cancel(work, order, Cause.PART_BUSTED)
    is_closing = work.positions.by_id[position.id].state == "exiting"
    if not is_closing:
        work.follow_up(RestingDue(position.id))
    work.follow_up(ProtectionDue(position.id, while_closing=is_closing))


def _unbook(work: StateBuilder, order: Order, known: BookedExecution) -> None:
    """Take a corrected execution out again."""
    reported = (known.position, known.leg)
    index = next(i for i, leg in enumerate(order.legs) if (order.position_of(leg), leg.name) == reported)
    put_order(work, add_fill(order, index, -abs(known.quantity)))
    put_position(work, unbook(work.positions.by_id[known.position], known))


def on_commission(work: StateBuilder, event: CommissionReport) -> None:
    """Add (or correct) the commission of one execution."""
    base = event.exec_id.execution
    known = work.positions.executions.get(base)
    if known is None or (known.is_paid and known.commission == event.commission):
        return
    difference = event.commission - known.commission
    put_booked(work, base, replace(known, commission=event.commission, is_paid=True))
    position = work.positions.by_id.get(known.position)
    if position is None:
        return
    is_of_earlier = (
        position.is_flat and work.positions.pnl_at_open.get(position.id) == position.net
    )  # it has made nothing today
    position = put_position(work, add_commission(position, known.leg, difference, is_first=not known.is_paid))
    if is_of_earlier:
        put_base(work, position.id, position.net)
    work.record(
        Kind.COMMISSION,
        position.bot,
        position.id,
        exec_id=str(event.exec_id),
        leg=known.leg,
        amount=str(event.commission),
    )
    count_closed(work, position.id)
