"""What the broker reports, reduced: orders, executions, commissions, positions.

An order is final only when the broker has given a final status and every execution it owes has been counted; a done
order never blocks a fill. Executions are counted once by execId without its last part; a correction replaces. Only legs
move positions: the summary execution of a combo is passed over.
"""

from engine.fill.apply import add_commission, add_fill, book, leg_of, unbook
from engine.fill.book import UNSEEN, Booked, of_others, owes_none
from engine.model.contract import Option
from engine.model.event import BrokerStatus, CommissionReport, ExecutionReport, OrderMessage, OrderReport
from engine.model.money import ZERO
from engine.model.order import TERMS_KEPT, Order, OrderLeg, OrderStatus, OrderType, Purpose, Terms
from engine.model.position import Position
from engine.model.values import replace
from engine.record.codec import encode
from engine.record.record import EXECUTION, Json, Kind
from engine.turn.caution import EXIT_NOT_BY_US, note_bust, take_setback_back
from engine.turn.daily import LIQUIDATES
from engine.turn.doubting import doubt_anew, fill_told, take_orders_back
from engine.turn.ended import broker_words, closed, count_realized, order_ended, position_filled
from engine.turn.judging import wake
from engine.turn.leaving import CLOSING, UNWIND, is_unwound, leave
from engine.turn.message_codes import (
    CANCELLED,
    FILLED_BEFORE,
    INFORMATION,
    NO_SUCH_ORDER,
    NOT_CANCELLED,
    NOT_FOUND,
    NOT_VALID,
    REFUSALS,
)
from engine.turn.mismatch import check_count, check_net_price, check_price, check_terms, is_second
from engine.turn.past_us import corrected_past_us, replace_estimates
from engine.turn.resting import RESTING, cancel, cancel_entries, has_run_out, is_too_early, take_back
from engine.turn.reviving import adopted, told_to_work
from engine.turn.rivals import is_of_ours, note, note_completed
from engine.turn.turned_away import answered
from engine.turn.work import Work

_FINAL = {
    BrokerStatus.FILLED: OrderStatus.FILLED,
    BrokerStatus.CANCELLED: OrderStatus.CANCELLED,
    BrokerStatus.API_CANCELLED: OrderStatus.CANCELLED,
    BrokerStatus.INACTIVE: OrderStatus.REFUSED,
}
_UNANSWERED = (OrderStatus.SENDING, OrderStatus.UNKNOWN, OrderStatus.CANCELLING)
_ALIVE = (BrokerStatus.PRE_SUBMITTED, BrokerStatus.SUBMITTED)
NOT_CHANGED = "its quantity could not be changed"


def find_order(work: Work, event: OrderReport | ExecutionReport) -> Order | None:
    """Return our order by its ref, else by its permanent id, else by its id: other clients use the same numbers."""
    if event.ref and (order := work.orders.get(event.ref)) is not None:
        return order
    if event.perm_id:
        for order in work.orders.values():
            if order.perm_id == event.perm_id:
                return order
    if event.ref or (found := work.orders.get(work.by_id.get(event.order_id, ""))) is None:
        return None
    is_another = event.client_id != found.client_id or (event.perm_id and found.perm_id)
    return None if is_another else found


def on_order(work: Work, event: OrderReport) -> None:
    """Reduce one openOrder or orderStatus."""
    order = find_order(work, event)
    if order is None:
        note_completed(work, event.ref)
        return
    if is_second(work, order, event):
        return
    is_first = not order.perm_id
    changed = order
    if event.perm_id and event.perm_id != order.perm_id:
        changed = replace(changed, perm_id=event.perm_id)
    if event.order_id and event.order_id != order.order_id and event.client_id == work.state.client_id:
        changed = replace(changed, order_id=event.order_id)
    if event.filled is not None and int(event.filled) > changed.reported:
        changed = replace(changed, reported=int(event.filled))
    if event.average_price is not None and event.filled:
        changed = replace(changed, average_price=event.average_price)
    changed = _with_status(changed, event.status)
    if changed != order:
        order = work.put_order(changed)
        wake(work, order.bot, 0.0)
    if not order.status.is_live and event.status in _ALIVE:
        told_to_work(work, order)
        return
    order = _as_told(work, order, event)
    check_terms(work, order, event, is_first=is_first)
    order = _refused_instead(work, work.orders[order.ref])
    if not _waits_for_words(order):
        conclude(work, order)


def has_reason(order: Order) -> bool:
    """Say whether the broker has said why it refuses: Inactive, alone or beside a warning, may be an order it holds."""
    code = order.message.partition(" ")[0]
    return code.isdigit() and int(code) in REFUSALS


def _ended_by_itself(order: Order) -> bool:
    """Say whether the broker calls an order cancelled that we did not want back: a refusal may come so, too."""
    return order.status.is_live and order.ended is OrderStatus.CANCELLED and order.status is not OrderStatus.CANCELLING


def _waits_for_words(order: Order) -> bool:
    """Say whether the message that says why an order is over may still come: it may follow the status.

    Of one that has worked the status says enough, somebody or the exchange has cancelled it, but for an exit and a
    protective stop: no other is sent at once. Of one that was changed no message would say more (`_refused_instead`).
    """
    if order.ended is OrderStatus.REFUSED:
        return not has_reason(order)
    if order.status is OrderStatus.WORKING and (order.former or order.purpose not in (*CLOSING, Purpose.PROTECT)):
        return False
    return _ended_by_itself(order) and not broker_words(order)


def _refused_instead(work: Work, order: Order) -> Order:
    """Take an order as refused that the broker calls cancelled beside the code of a refusal.

    Of one that was changed the code may be of the change, and somebody has cancelled it.
    """
    if _ended_by_itself(order) and has_reason(order) and not order.former:
        return work.put_order(replace(order, ended=OrderStatus.REFUSED))
    return order


def _with_status(order: Order, status: BrokerStatus | None) -> Order:
    if status is None or not order.status.is_live:
        return order
    if status is BrokerStatus.INACTIVE and order.status is OrderStatus.CANCELLING:
        return order
    if status in _FINAL:
        return replace(order, ended=_FINAL[status])
    if status in _ALIVE and order.status in (OrderStatus.PREPARED, OrderStatus.SENDING, OrderStatus.UNKNOWN):
        return adopted(order)
    return order


def conclude(work: Work, order: Order) -> None:
    """Finish an order whose final status has come, once its executions are all counted."""
    if order.ended is None or not order.status.is_live:
        return
    owed = order.quantity if order.ended is OrderStatus.FILLED else order.reported
    if order.filled < owed:
        return
    asked = order.status is OrderStatus.CANCELLING
    order = work.put_order(replace(order, status=order.ended, attempt_until=None))
    wake(work, order.bot, 0.0)
    check_net_price(work, order)
    order_ended(work, order, asked=asked)


def on_message(work: Work, event: OrderMessage) -> None:
    """Take a broker's message on one of our order ids: refusals end what was never acknowledged, warnings do not."""
    order = work.orders.get(work.by_id.get(event.order_id, ""))
    if order is None:
        return
    work.record(Kind.MESSAGE, order.bot, order.position, code=event.code, text=event.text, ref=order.ref)
    if event.code in INFORMATION and not _tells_why(order, event):
        if event.code == CANCELLED and order.ended is OrderStatus.CANCELLED:
            conclude(work, order)
        return
    if event.code == CANCELLED and not has_run_out(work, order):
        work.alarm(order.bot, f"the broker has cancelled {order.ref}: {event.text}", order.position)
    is_unasked = (
        order.status is OrderStatus.CANCELLED and order.message == broker_words(order) and not has_reason(order)
    )
    words = f"{event.code} {event.text}"
    message = answered(order.message, words) if _answers_cancel(order, event.code) else words
    order = work.put_order(replace(order, message=message))
    if event.code in REFUSALS and order.status in _UNANSWERED and not order.perm_id:
        order = work.put_order(replace(order, ended=OrderStatus.REFUSED))
        conclude(work, order)
    elif event.code == NOT_FOUND and order.status is OrderStatus.CANCELLING and not order.perm_id:
        _not_there(work, order)
    elif event.code in NOT_CANCELLED and order.status is OrderStatus.CANCELLING:
        work.ask_broker()  # its lists decide
    elif order.ended is OrderStatus.REFUSED and has_reason(order):
        conclude(work, order)
    elif _ended_by_itself(order):
        conclude(work, _refused_instead(work, order))
    elif order.status is OrderStatus.WORKING and event.code not in NOT_CANCELLED | {CANCELLED}:
        _said_of_working(work, order, event)
    elif event.code in REFUSALS and is_unasked and not order.former:
        text = f"{order.ref} was not cancelled by somebody, the broker has refused it: {event.text}"
        work.alarm(order.bot, text, order.position)
        if order.purpose in CLOSING:
            take_setback_back(work, work.positions[order.position], EXIT_NOT_BY_US)


def _answers_cancel(order: Order, code: int) -> bool:
    """Say whether a code answers the cancel of an order, and does not say why the broker refuses the order itself."""
    if order.status is not OrderStatus.CANCELLING:
        return False
    return code not in REFUSALS or (code == NOT_VALID and bool(order.perm_id))


def _said_of_working(work: Work, order: Order, event: OrderMessage) -> None:
    """Take an error of an order that works on: a change of it was refused, if there was one, so it has its terms of
    before. Of what rests the quantity matters; it is placed anew.
    """
    if event.code in (FILLED_BEFORE, NO_SUCH_ORDER) or _is_in_question(order):
        work.ask_broker()
    if event.code == FILLED_BEFORE:
        return
    is_refused = bool(order.former) and event.code in REFUSALS
    text = f"the broker says of {order.ref}, which is at work: {event.code} {event.text}"
    told = f"the broker refused a change of {order.ref}: {event.text}" if is_refused else text
    work.alarm(order.bot, told, order.position)
    if not order.former or (before := order.former[-1]) == order.terms:  # so it is when it was said before
        return
    if order.purpose not in RESTING:
        former = (*order.former[:-1], order.terms, before)[-TERMS_KEPT:]
        work.put_order(replace(order.with_terms(before.quantity, before.price), former=former))
    elif is_refused:
        _place_anew(work, order, before)


def _place_anew(work: Work, order: Order, before: Terms) -> None:
    """Take a resting order back that the broker works in another quantity than is held."""
    if before.quantity != order.quantity and order.purpose is Purpose.PROTECT:
        cancel(work, order, NOT_CHANGED)
    elif before.quantity != order.quantity:
        take_back(work, work.positions[order.position], NOT_CHANGED)


def _is_in_question(order: Order) -> bool:
    """Say whether the broker has said of an order that was changed what no list of codes has: it may be a refusal."""
    code = order.message.partition(" ")[0]
    known = REFUSALS | NOT_CANCELLED | INFORMATION | {FILLED_BEFORE}
    return bool(order.former) and code.isdigit() and int(code) not in known


def _as_told(work: Work, order: Order, event: OrderReport) -> Order:
    """Take an order whose change is in question as the broker says that it works: with the change, or without."""
    if event.quantity is None or event.status not in _ALIVE or order.status is not OrderStatus.WORKING:
        return order
    if not _is_in_question(order):
        return order
    told = Terms(int(event.quantity), event.stop_price if order.kind is OrderType.STOP else event.limit_price)
    is_taken_back = order.former[-1] == order.terms
    other = order.former[-2] if is_taken_back and len(order.former) > 1 else order.former[-1]
    if told not in (order.terms, other):
        return order
    order = work.put_order(replace(order, message=""))
    if told == order.terms:
        return order
    if order.purpose in RESTING:
        _place_anew(work, order, told)
        return work.orders[order.ref]
    return work.put_order(order.with_terms(told.quantity, told.price))


def _tells_why(order: Order, event: OrderMessage) -> bool:
    """Say whether a message has the reason why the broker cancels an order that we did not want back."""
    is_over = order.status is OrderStatus.CANCELLED and not order.message  # ours says why we wanted it back
    is_unasked = is_over or (order.status.is_live and order.status is not OrderStatus.CANCELLING)
    return event.code == CANCELLED and is_unasked and bool(event.text.rpartition("reason:")[2].strip())


def is_not_found(order: Order) -> bool:
    """Say whether the broker's last word on an order was that it has none."""
    return order.message.startswith(f"{NOT_FOUND} ")


def _not_there(work: Work, order: Order) -> None:
    """Give an order up that the broker does not have, unless it was asked while the order may have been on its way."""
    if is_too_early(work, order):
        text = f"the broker has no {order.ref}, which may still be on its way: it is asked again"
        work.alarm(order.bot, text, order.position)
        return
    conclude(work, work.put_order(replace(order, ended=OrderStatus.ABANDONED)))


# ---------------------------------------------------------------- executions


def on_execution(work: Work, event: ExecutionReport) -> None:
    """Count one fill, once; a correction replaces what it corrects."""
    if event.is_combo:
        return
    order = find_order(work, event)
    if order is None or event.option is None:
        _external(work, event)
        return
    base, _, revision = event.exec_id.rpartition(".")
    known = work.booked.get(base)
    if known is not None:
        if known.exec_id.rpartition(".")[2] >= revision:
            return
        _unbook(work, order, known)
        order = work.orders[order.ref]
        if event.quantity < known.quantity:
            order = work.put_order(replace(order, reported=order.filled))  # what was called filled is not, any more
            if not known.is_entry:
                note_bust(work, order)
                order = work.orders[order.ref]
    else:
        order = _replace_guess(work, order, event)
        check_price(work, order, event.price)
    _book(work, order, event, base, known)


def count_fill(work: Work, order: Order, event: ExecutionReport) -> None:
    """Count a fill that was not counted before."""
    _book(work, order, event, event.exec_id.rpartition(".")[0], None)


def unseen_id(ref: str, leg: OrderLeg) -> str:
    """Return the execution id, without its revision, that is given to what a leg of an order filled unseen."""
    return f"{UNSEEN}{ref}:{leg.key}"


def revised(exec_id: str) -> str:
    """Return the id of an execution that replaces this one."""
    base, _, revision = exec_id.rpartition(".")
    return f"{base}.{int(revision) + 1:02d}"


def _replace_guess(work: Work, order: Order, event: ExecutionReport) -> Order:
    """Take out what was booked for this leg when nobody had heard its fills: now they are told."""
    leg = next((leg for leg in order.legs if leg.option == event.option), None)
    guess = None if leg is None else work.booked.get(unseen_id(order.ref, leg))
    if leg is None or guess is None or not guess.quantity:
        return order
    _unbook(work, order, guess)
    taken = replace(event, exec_id=revised(guess.exec_id), quantity=ZERO)
    unbooked = replace(guess, exec_id=taken.exec_id, quantity=0, cash=ZERO)
    work.put_booked(unseen_id(order.ref, leg), unbooked)
    _record_fill(work, taken, unbooked, event.option or leg.option, order.ref, order.purpose)
    if guess.commission:  # a person had put it in; that of the fill itself is told with it
        on_commission(work, CommissionReport(event.at, taken.exec_id, ZERO))
    return work.orders[order.ref]


def _external(work: Work, event: ExecutionReport) -> None:
    base, _, revision = event.exec_id.rpartition(".")
    known = work.booked.get(base)
    if known is not None:
        if known.foreign is not None or known.by_others:
            note(work, event.ref, f"{_dealt(event)} today")
        if revision > known.exec_id.rpartition(".")[2]:
            _corrected(work, base, known, event)
        return
    work.put_booked(base, of_others(event))
    text = f"not ours: {_dealt(event)} at {event.price}"
    if event.is_liquidation:
        text = f"the broker liquidates: {_dealt(event)} at {event.price}; no bot enters any more today"
        for name in list(work.bots):
            work.put_day(replace(work.bots[name].day, halted=LIQUIDATES))
        cancel_entries(work, "", "the broker liquidates")
    _tell_of_others(work, event, text)
    note(work, event.ref, f"{_dealt(event)} today")
    take_orders_back(work, work.state.doubts)
    replace_estimates(work)


def _tell_of_others(work: Work, event: ExecutionReport, text: str, position: str = "") -> None:
    """Alarm of an execution with the whole of it: a start reads it back. position: of ours that it is of, if any."""
    data: dict[str, Json] = {"contract": str(event.option or event.symbol), EXECUTION: encode(event)}
    work.record(Kind.ALARM, "", position, text=text, **data)


def _corrected(work: Work, base: str, known: Booked, event: ExecutionReport) -> None:
    """Take what the exchange corrects of an execution that is of no order at hand."""
    if known.foreign is not None:
        work.put_booked(base, replace(known, exec_id=event.exec_id, quantity=int(event.quantity), foreign=event))
        how = f"taken it back: {_dealt(known.foreign)}"
        if event.quantity:
            how = f"corrected it: {_dealt(event)} at {event.price}"
        _tell_of_others(work, event, f"not ours, and the exchange has {how}")
    elif known.position not in work.positions:
        _corrected_too_late(work, base, known, event)
    elif not is_of_ours(work, event.ref):
        corrected_past_us(work, base, known, event)
    elif event.quantity > known.quantity:
        _corrected_too_late(work, base, known, event)
    else:
        _corrected_roll(work, base, known, event)


def _corrected_roll(work: Work, base: str, known: Booked, event: ExecutionReport) -> None:
    """Book what the exchange corrects of a fill of a position that is at hand, by a roll that is not any more: what it
    closed was over on an earlier day.
    """
    leg = leg_of(work.positions[known.position], known.leg)
    count = int(event.quantity)
    cash = event.price * count * leg.option.multiplier * (-1 if event.is_buy else 1)
    is_paid = known.is_paid or owes_none(event.exec_id, count)
    booked = replace(known, exec_id=event.exec_id, quantity=count, cash=cash, is_paid=is_paid)
    work.put_booked(base, booked)
    position = work.put_position(book(unbook(work.positions[known.position], known), booked, leg.option))
    _record_fill(work, event, booked, event.option or leg.option, event.ref, Purpose.ROLL)
    doubt_anew(work)
    wake(work, position.bot, 0.0)
    if position.state == "closed":
        count_realized(work, position.bot)
    if count != known.quantity:
        _after_correction(work, position)


def _corrected_too_late(work: Work, base: str, known: Booked, event: ExecutionReport) -> None:
    """Tell a person what the exchange corrects of an order, or a position, that is over since an earlier day."""
    work.put_booked(base, replace(known, exec_id=event.exec_id))
    text = f"the exchange has taken back an older fill of {known.position}, {event.option or event.symbol}"
    if event.quantity:
        text = f"the exchange has corrected an older fill of {known.position}, it {_dealt(event)} at {event.price}"
    help = "our books stay as they are. Compare them with the account's statement: a person must look"
    _tell_of_others(work, event, f"{text}: {help}", known.position)


def _dealt(event: ExecutionReport) -> str:
    """Return in words what others have dealt."""
    return f"{'bought' if event.is_buy else 'sold'} {event.quantity} {event.option or event.symbol}"


def _leg_index(order: Order, option: Option) -> int:
    return next((index for index, leg in enumerate(order.legs) if leg.option == option), -1)


def _book(work: Work, order: Order, event: ExecutionReport, base: str, corrected: Booked | None) -> None:
    assert event.option is not None
    index = _leg_index(order, event.option)
    if index < 0:
        work.alarm(order.bot, f"a fill of {event.option} under {order.ref}, which has no such leg", order.position)
        return
    count = int(event.quantity)
    sign = -1 if event.is_buy else 1
    cash = event.price * count * event.option.multiplier * sign
    leg = order.legs[index]
    holder = order.position_of(leg)
    is_entry = order.opens(holder)
    commission = corrected.commission if corrected else ZERO
    is_paid = owes_none(event.exec_id, count) or (corrected is not None and corrected.is_paid)
    booked = Booked(event.exec_id, holder, leg.name, is_entry, count, cash, commission, is_paid)
    work.put_booked(base, booked)
    order = work.put_order(add_fill(order, index, count))
    work.put_position(book(work.positions[holder], booked, event.option))
    _record_fill(work, event, booked, event.option, order.ref, order.purpose)
    doubt_anew(work)
    fill_told(work, holder, leg.name)
    position = work.positions[holder]
    wake(work, order.bot, 0.0)
    is_same = corrected is not None and corrected.quantity == count
    if not is_same:
        check_count(work, order, position)
        position_filled(work, position, work.orders[order.ref])
    if position.state == "closed":
        count_realized(work, position.bot)
    conclude(work, work.orders[order.ref])
    if corrected is not None and not is_same:
        _after_correction(work, work.positions[holder])


def _record_fill(
    work: Work, event: ExecutionReport, booked: Booked, option: Option, ref: str, purpose: Purpose
) -> None:
    """Record a fill with the position it is of; what a roll opens is told as the entry of its new position."""
    work.record(
        Kind.FILL,
        work.positions[booked.position].bot,
        booked.position,
        exec_id=event.exec_id,
        ref=ref,
        leg=booked.leg,
        con_id=option.con_id,
        contract=str(option),
        is_buy=event.is_buy,
        quantity=int(event.quantity),
        price=str(event.price),
        executed_at=event.executed_at.isoformat(),
        purpose=(Purpose.ENTRY if booked.is_entry else purpose).value,
    )


def _after_correction(work: Work, position: Position) -> None:
    """A bust may leave nothing, a leg without its partner, or open again what was closed: that is closed once more."""
    if position.state == "closed" and any(leg.held > 0 for leg in position.legs):
        reason = position.exit_reason or UNWIND
        position = work.move(replace(position, closed_at=None), "late_fill")
        count_realized(work, position.bot)
        leave(work, position, reason, "the exchange took a closing fill back after the position was closed")
        return
    if position.state == "exiting" and not is_unwound(position):
        for order in work.live_orders(position.id):
            if order.into:
                cancel(work, order, "legs stand without their partners")
    if position.state != "open":
        return
    if not position.is_flat:
        if not is_unwound(position):
            leave(work, position, UNWIND, "the exchange took a fill back, and a leg stands without its partner")
        return
    take_back(work, position, "its fills were taken back")
    work.alarm(position.bot, f"the exchange took the fills of {position.id} back", position.id)
    closed(work, replace(position, exit_reason=position.exit_reason or "busted"), "vanished")


def _unbook(work: Work, order: Order, known: Booked) -> None:
    """Take a corrected execution out again."""
    told = (known.position, known.leg)
    index = next(i for i, leg in enumerate(order.legs) if (order.position_of(leg), leg.name) == told)
    work.put_order(add_fill(order, index, -known.quantity))
    work.put_position(unbook(work.positions[known.position], known))


def on_commission(work: Work, event: CommissionReport) -> None:
    """Add (or correct) the commission of one execution."""
    base = event.exec_id.rpartition(".")[0]
    known = work.booked.get(base)
    if known is None or (known.is_paid and known.commission == event.commission):
        return
    difference = event.commission - known.commission
    work.put_booked(base, replace(known, commission=event.commission, is_paid=True))
    position = work.positions.get(known.position)
    if position is None:
        return
    work.put_position(add_commission(position, known.leg, difference, is_first=not known.is_paid))
    work.record(
        Kind.COMMISSION,
        position.bot,
        position.id,
        exec_id=event.exec_id,
        leg=known.leg,
        amount=str(event.commission),
    )
    if position.state == "closed":
        count_realized(work, position.bot)
