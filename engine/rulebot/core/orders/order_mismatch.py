"""Order mismatch: the broker works other terms, a duplicate order, more contracts or a worse price than was sent.

A person is alarmed and the bot enters nothing more today. An entry with other terms is cancelled, because its worst
case was checked as it was sent. An exit stays unless it would close too much; then it is cancelled and sent again once,
and after that a person must act. A position always holds what has filled (docs/faults.md rows 11, 50 and 51).
"""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from rulebot.core.emit.orders import cancel, cancel_entries, cancel_order
from rulebot.core.gate.exit_retry import pause_exits
from rulebot.core.gate.halts import stop_for_today
from rulebot.core.queries.close_plan import CLOSING
from rulebot.core.queries.orders import RESTING
from rulebot.core.queries.protection import NEVER_AGAIN
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.changes import put_duplicate, put_position
from rulebot.core.state.lists import governing, live_orders_of, orders_of, positions_of
from rulebot.core.state.state import DuplicateOrder
from rulebot.core.state.turn import alarm, alarm_key, key_of
from rulebot.decide.entry_window import cap
from rulebot.model.cause import LATE_FILLS, Cause, Halt, Name, Text
from rulebot.model.event import BrokerStatus, ExecutionReport, OrderReport
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import Cancel, Order, OrderStatus, OrderType, Purpose
from rulebot.model.position import HoldReason, Position, count_trades
from rulebot.model.values import replace
from rulebot.order.price import net_price

AGAIN_AFTER = timedelta(minutes=1)
"""Pause before the next exit is sent after one with too many contracts was cancelled."""

_PRESETS = "look at the broker's presets"


def halt_on_mismatch(work: StateBuilder, position: Position, text: Text, key: Name = "") -> None:
    """Alarm, stop entries of the bot for today and cancel its working entries.

    key: of the alarm; "" derives it from the text.
    """
    alarm(
        work,
        position.bot,
        f"{text}. {position.bot} enters nothing more today: a person must look",
        position.id,
        key=key,
    )
    stop_for_today(work, position, Halt.MISMATCH, text)
    cancel_entries(work, position.bot, Cause.HALTED, text)


# ---------------------------------------------------------------- orders


def check_order_terms(work: StateBuilder, order: Order, event: OrderReport, *, is_first: bool) -> None:
    """Compare what the broker says an order is with what was sent. `is_first`: it says so for the first time."""
    if event.quantity is None or event.status is not BrokerStatus.WORKING or not order.status.is_live:
        return
    found = _differences(order, event)
    if not found:
        return
    reported = f"the broker has {order.ref} as {', '.join(found)}"
    is_of_presets = is_first or _is_of_presets(work, order, reported)
    why = _PRESETS if is_of_presets else "another client changed it"
    text = f"{reported} ({why})"
    key = _key_of_presets(order, reported) if is_of_presets else ""
    position = work.positions.by_id[order.position]
    if order.can_increase_risk:
        halt_on_mismatch(work, position, f"{text}: rulebot cancels it", key)
        cancel(work, work.orders.by_ref[order.ref], Cause.OTHER_TERMS)
    elif _closes_more(order, event):
        alarm(work, order.bot, f"{text}: it would close too much; rulebot cancels it", position.id, key=key)
        if order.purpose in RESTING:  # the next one would be no better: the engine watches its price
            put_position(work, replace(position, resting_orders_withdrawn=True, resting_orders_replaced=NEVER_AGAIN))
            cancel_order(work, work.positions.by_id[position.id], Cause.PARTNER_CLOSES_MORE)
        else:
            _take_back_once(work, position, order)
    else:
        alarm(work, order.bot, f"{text}: it keeps working", position.id, key=key)


def _take_back_once(work: StateBuilder, position: Position, order: Order) -> None:
    """Cancel an exit that would close too much. The next one is sent once; after a second such mismatch none.

    If it fills before the cancel, the excess is an unwanted position.
    """
    taken_back = [each.ref for each in orders_of(work, position.id) if each.cause is Cause.CLOSES_MORE]
    if order.ref in taken_back:
        return
    cancel(work, order, Cause.CLOSES_MORE)
    if taken_back:
        text = "the broker has made more of a closing order than was sent, for the second time"
        pause_exits(work, position, HoldReason.ORDER_ENLARGED, text)
    else:
        put_position(work, replace(position, retry_at=work.at + AGAIN_AFTER))


def _is_of_presets(work: StateBuilder, order: Order, reported: str) -> bool:
    """Say whether the presets were named as the cause of this before: the broker says it again, no person did it."""
    state = work.bots.by_name.get(order.bot)
    return state is not None and alarm_key(order.position, _key_of_presets(order, reported)) in state.alarmed


def _key_of_presets(order: Order, reported: Text) -> Name:
    return f"presets {order.ref} {key_of(reported)}"


def _differences(order: Order, event: OrderReport) -> list[str]:
    """Describe how the broker's order differs. Terms from before a change may still be reported."""
    known = (*order.previous_terms, order.terms)
    found = []
    if event.side is not None and event.side is not order.wire_side:
        found.append(f"{event.side.value} instead of {order.wire_side.value}")
    if event.kind and event.kind != order.kind.value:
        found.append(f"{event.kind} instead of {order.kind.value}")
    if event.time_in_force and event.time_in_force != order.time_in_force.value:
        found.append(f"{event.time_in_force} instead of {order.time_in_force.value}")
    if event.quantity not in [each.quantity for each in known]:
        found.append(f"{event.quantity} instead of {order.quantity}")
    price = event.stop_price if order.kind is OrderType.STOP else event.limit_price
    if price is not None and price not in [each.price for each in known]:
        found.append(f"{price} instead of {order.terms.price}")
    return found


def _closes_more(order: Order, event: OrderReport) -> bool:
    """Say whether an exit as the broker has it would go beyond what was meant to be closed."""
    is_more = event.quantity is not None and event.quantity > order.largest
    return is_more or (event.side is not None and event.side is not order.wire_side)


# ---------------------------------------------------------------- fills


def check_count(work: StateBuilder, order: Order, position: Position) -> None:
    """Say when more was opened than was asked for, or more closed than was held."""
    most = order.largest
    if position.is_closed_too_far:
        left = _unclosed(order, position)
        rest = f", and no exit closes the rest, {left}" if left else ""
        halt_on_mismatch(work, position, f"more was closed of {position.id} than was held{rest}")
    elif any(count > most * leg.ratio for count, leg in zip(order.counts, order.legs, strict=True)):
        halt_on_mismatch(work, position, f"{order.ref} has filled more than its {order.quantity}")
    elif order.opens(position.id) and any(leg.opened > position.quantity * leg.ratio for leg in position.legs):
        halt_on_mismatch(
            work, position, f"more was opened of {position.id} than the {position.quantity} that were asked for"
        )


def check_entry_caps(work: StateBuilder, order: Order, position: Position) -> None:
    """Halt when an ended or cancelled entry has filled and with it the bot holds more trades than its caps allow."""
    was_over = not order.status.is_live and order.status is not OrderStatus.FILLED
    is_late = was_over or order.cause in LATE_FILLS
    if order.purpose is not Purpose.ENTRY or not is_late or position.bot not in work.bots.by_name:
        return
    day = work.bots.by_name[position.bot].day
    others = (each for each in positions_of(work, position.bot) if each.id != position.id and not each.is_flat)
    before = replace(day, opened=day.opened - 1)
    if reason := cap(governing(work, position).plan.entry, before, count_trades(others)):
        halt_on_mismatch(
            work, position, f"{order.ref} has filled though it was over, or was to be: {reason} without it"
        )


def _unclosed(order: Order, position: Position) -> str:
    """Return the holdings in legs that an order does not close: nothing more is sent for them."""
    others = (leg for leg in position.legs if leg.held > 0 and leg.name not in {each.name for each in order.legs})
    return ", ".join(f"{leg.signed_held:+d} {leg.option}" for leg in others)


def check_price(work: StateBuilder, order: Order, price: Decimal) -> None:
    """Say when an order of one leg has traded at a worse price than its limit."""
    if order.is_combo or (limit := order.worst_limit) is None:
        return
    if (price - limit) * order.side.sign > 0:
        text = f"{order.ref} has filled at {price}, worse than its limit of {limit}"
        halt_on_mismatch(work, work.positions.by_id[order.position], text)


def check_net_price(work: StateBuilder, order: Order) -> None:
    """Say when the combos that opened, or closed, these legs have traded at a worse net price than their limits."""
    if not order.has_fills or not order.is_combo:
        return
    position = work.positions.by_id[order.position]
    price = _rolled_at(work, order, position) if order.opens_position else _dealt_by_all(work, order, position)
    if price is None:
        return
    dealt, worst = price
    if dealt < worst - _of_whole_cents(order, position):
        what = "rolled" if order.opens_position else "opened" if order.purpose is Purpose.ENTRY else "closed"
        text = f"{position.id} was {what} at a net price of {dealt:.2f}, worse than its limit of {worst}"
        halt_on_mismatch(work, position, text)


def _of_whole_cents(order: Order, position: Position) -> Decimal:
    """Return the possible error of a net price computed from leg prices in whole cents.

    One cent of a leg with ratio 3 is three cents of the whole, so without a leg of ratio 1 some prices have no exact
    sum.
    """
    names = {leg.name for leg in order.legs}
    return CENT / 2 * min((leg.price_multiplier for leg in position.legs if leg.name in names), default=1)


def _dealt_by_all(work: StateBuilder, order: Order, position: Position) -> tuple[Decimal, Decimal] | None:
    """Return the net price of an order's legs over all orders that traded them, and the worst of their limits."""
    is_entry = order.opens(position.id)
    names = {leg.name for leg in order.legs}
    alike = [each for each in _dealing(work, position, is_entry) if names & {leg.name for leg in each.legs}]
    limits = [
        each.worst_limit for each in alike if {leg.name for leg in each.legs} == names and not each.opens_position
    ]
    price = _dealt_at(position, names, is_entry)
    if price is None or len(limits) < len(alike) or None in limits:
        return None
    return price, min(net_price(limit, order.wire_side) for limit in limits if limit is not None)


def _rolled_at(work: StateBuilder, order: Order, position: Position) -> tuple[Decimal, Decimal] | None:
    """Return the net price of both sides of a roll, and its limit; None where other orders traded a side."""
    into, total = work.positions.by_id[order.opens_position], ZERO
    for each, is_entry in ((position, False), (into, True)):
        names = {leg.name for leg in order.legs_of(each.id)}
        price = _dealt_at(each, names, is_entry)
        dealing = [one for one in _dealing(work, each, is_entry) if names & {leg.name for leg in one.legs_of(each.id)}]
        if price is None or dealing != [order]:
            return None
        total += price
    return None if order.worst_limit is None else (total, net_price(order.worst_limit, order.wire_side))


def _dealing(work: StateBuilder, position: Position, is_entry: bool) -> list[Order]:
    """Return the orders that have filled for a position, of those that open it or of those that close it."""
    return [each for each in orders_of(work, position.id) if each.has_fills and each.opens(position.id) is is_entry]


def _dealt_at(position: Position, names: set[str], is_entry: bool) -> Decimal | None:
    """Return the net price per share of these legs; None where one has no fill or was settled."""
    total = ZERO
    for leg in position.legs:
        if leg.name not in names:
            continue
        count, cash = (leg.opened, leg.entry_cash) if is_entry else (leg.closed, leg.exit_cash)
        if not count or (leg.settled and not is_entry):
            return None
        total += cash * leg.price_multiplier / (count * leg.option.multiplier)
    return total


# --- Duplicate orders: second working orders under one of our references

PATIENCE = timedelta(minutes=1)
"""How long the cancel of a duplicate order is repeated before a person is alarmed."""
_OVER = (BrokerStatus.FILLED, BrokerStatus.CANCELLED, BrokerStatus.INACTIVE)


def cancelled_for_duplicate(orders: Iterable[Order]) -> dict[str, DuplicateOrder]:
    """Return the second orders that an engine before this one knew of, by the orders that wait for their end."""
    found = {}
    for order in orders:
        if order.status.is_live and order.cause is Cause.SECOND_UNDER_ID:
            found[order.ref] = DuplicateOrder(order.changed_at, order.changed_at)
        elif order.status.is_live and order.cause is Cause.SECOND_OF:
            found[order.about] = DuplicateOrder(order.changed_at, order.changed_at)
    return found


def is_duplicate(work: StateBuilder, order: Order, event: OrderReport) -> bool:
    """Say whether a report is of a duplicate order, whose end is not the end of ours.

    A working duplicate is cancelled, and ours with it where both have one order id.
    """
    if not _is_of_second(order, event):
        return False
    if event.status in _OVER:
        _ended(work, order, event)
    elif event.status is BrokerStatus.WORKING:
        _take_back(work, order, event)
    return True


def _ended(work: StateBuilder, order: Order, event: OrderReport) -> None:
    """Forget a duplicate order that has ended. If its executions are still missing, the lists resolve it."""
    is_filled = event.status is BrokerStatus.FILLED or bool(event.filled)
    if is_filled and order.filled < order.quantity:
        _note(work, order.ref)
    else:
        drop_duplicate(work, order.ref)


def _note(work: StateBuilder, ref: str) -> None:
    known = work.inquiries.duplicate_orders.get(ref)
    put_duplicate(work, ref, DuplicateOrder(work.at if known is None else known.since, work.at))


def _take_back(work: StateBuilder, order: Order, event: OrderReport) -> None:
    _note(work, order.ref)
    both = f"two orders work at the broker as {order.ref}, with permanent ids {order.perm_id} and {event.perm_id}"
    is_ours = bool(event.order_id) and event.client_id == work.connection.client_id
    is_one_id = is_ours and event.order_id == order.order_id and order.status.is_live
    if is_ours:
        text = "rulebot cancels both" if is_one_id else "rulebot cancels the second"
    else:
        text = "the second comes from another client: a person must cancel it"
    halt_on_mismatch(work, work.positions.by_id[order.position], f"{both}: {text}")
    if is_one_id:
        cancel(work, work.orders.by_ref[order.ref], Cause.SECOND_UNDER_ID)
    for other in live_orders_of(work, order.position):
        if order.purpose is not Purpose.ENTRY and other.purpose in CLOSING and other.ref != order.ref:
            cancel(work, other, Cause.SECOND_OF, order.ref)
    if is_ours:
        work.commands.append(Cancel(replace(order, order_id=event.order_id, perm_id=event.perm_id)))


def check_owner(work: StateBuilder, order: Order, event: ExecutionReport) -> None:
    """Cancel an order whose duplicate has filled: together they would trade too much."""
    if _is_of_second(order, event) and order.reported_final_status is None and order.filled:
        text = f"a second order at the broker has filled as {order.ref}: rulebot cancels its own"
        alarm(work, order.bot, text, order.position)
        cancel(work, order, Cause.SECOND_FILLED)


def _is_of_second(order: Order, event: OrderReport | ExecutionReport) -> bool:
    return bool(event.perm_id and order.perm_id) and event.perm_id != order.perm_id


def awaits_duplicate_end(work: StateBuilder, order: Order) -> bool:
    """Say whether an order that closes is not over yet, since a second one may still close the same."""
    is_done = order.reported_final_status is OrderStatus.FILLED or order.filled >= order.quantity
    if not work.inquiries.duplicate_orders or is_done or order.purpose is Purpose.ENTRY:
        return False
    closing = (
        each
        for each in map(work.orders.by_ref.get, work.inquiries.duplicate_orders)
        if each and each.purpose is not Purpose.ENTRY
    )
    return any(each.position == order.position for each in closing)


def drop_duplicate(work: StateBuilder, ref: str) -> None:
    """Note that no second order works under a reference any more."""
    if ref in work.inquiries.duplicate_orders:
        put_duplicate(work, ref, None)


def duplicate_ended(work: StateBuilder, listed: frozenset[str], *, first_list: bool) -> list[str]:
    """Forget duplicates that two complete lists of open orders lack; return their references.

    first_list: it came with a connection. A duplicate that is listed for a minute is reported to a person.
    """
    since = work.connection.down_at if first_list else work.inquiries.asked_at
    found = []
    for ref, duplicate in sorted(work.inquiries.duplicate_orders.items()):
        if ref not in listed or (since is not None and duplicate.reported_at < since):
            if duplicate.is_missed:
                drop_duplicate(work, ref)
                found.append(ref)
            else:
                put_duplicate(work, ref, duplicate._replace(is_missed=True))
        elif work.at - duplicate.since >= PATIENCE and (order := work.orders.by_ref.get(ref)) is not None:
            text = f"a second order works as {ref} and its cancel has no effect: cancel it at the broker"
            alarm(work, order.bot, text, order.position)
    return found
