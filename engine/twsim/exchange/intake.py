"""Tickets come in: new orders, brackets, modifications and what-ifs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from twsim.exchange.broker_state import BrokerState, WorkingOrder
from twsim.exchange.margin import margin_answer, margin_problem
from twsim.exchange.matching import algo_problem
from twsim.exchange.nbbo import Leg, Nbbo, combo_tick_rule, on_grid, order_touch, tick_rule, weighted
from twsim.exchange.settlement import LATER, end_refused, hours_of
from twsim.nouns import Instrument, SecType
from twsim.seams import OrderCondition, Report, Status, Ticket, WhatIfAnswer
from twsim.sessions import (
    EXCHANGE_ZONE,
    FULL_CLOSE,
    CalendarError,
    at_exchange_time,
    exchange_date,
    session_after,
    session_from,
)

# --- Conditions of an order

PRICE, TIME, VOLUME, CHANGE = 1, 3, 6, 7
_OF_CONTRACTS = (PRICE, VOLUME, CHANGE)


def unwatched_condition(desk: BrokerState, ticket: Ticket) -> str:
    """Return why a condition of an order cannot be watched, "" when all can."""
    for each in ticket.conditions:
        if each.kind not in (TIME, *_OF_CONTRACTS):
            return f"Condition type {each.kind} is not supported by the simulated broker"
        is_known = each.value is not None and desk.market.catalogue.by_id(each.con_id) is not None
        if each.kind in _OF_CONTRACTS and not is_known:
            return f"Invalid condition on contract {each.con_id}"
        if each.kind == TIME and each.at is None:
            return "Invalid time condition"
    return ""


def conditions_met(desk: BrokerState, order: WorkingOrder) -> bool:
    reported = order.ticket.conditions
    if not reported:
        return not order.ticket.cancelled_by_conditions
    if not order.conditions_met:
        quotes = desk.quotes([each.con_id for each in reported if each.kind == PRICE])
        order.conditions_met = any(all(_is_met(desk, each, quotes) for each in group) for group in _groups(reported))
    return order.conditions_met


def _groups(reported: tuple[OrderCondition, ...]) -> Iterator[list[OrderCondition]]:
    """Yield the conditions that hold together, one group for each "or"."""
    group: list[OrderCondition] = []
    for each in reported:
        group.append(each)
        if each.is_or:
            yield group
            group = []
    if group:
        yield group


def _is_met(desk: BrokerState, condition: OrderCondition, quotes: dict[int, Nbbo]) -> bool:
    if condition.kind == TIME:
        assert condition.at is not None
        return desk.now >= condition.at if condition.is_more else desk.now <= condition.at
    found = _watched(desk, condition, quotes)
    if found is None or condition.value is None:
        return False
    return found >= condition.value if condition.is_more else found <= condition.value


def _watched(desk: BrokerState, condition: OrderCondition, quotes: dict[int, Nbbo]) -> Decimal | None:
    """Return what a condition watches: a price, contracts or shares traded today, or percent since the last close."""
    if condition.kind == PRICE:
        touch = quotes[condition.con_id]
        return touch.mid if touch.last is None else touch.last
    reported = desk.market.stats(condition.con_id)
    if condition.kind == VOLUME:
        return Decimal(reported.volume)
    if reported.last is None or not reported.previous_close:
        return None
    return Decimal(str(round((reported.last / reported.previous_close - 1.0) * 100.0, 6)))


# --- Why the broker refuses a ticket

ORDER_TYPES = ("LMT", "MKT", "STP", "STP LMT")
TIMES_IN_FORCE = ("", "DAY", "GTC", "GTD", "IOC")
OTHER_SIDE = "Cannot have open orders on both sides of the same US Option contract in the same account"


class Problem(NamedTuple):
    """An error code of the API and its text."""

    code: int
    text: str


def rejected(reason: str) -> Problem:
    """Return the broker's plain refusal."""
    return Problem(201, f"Order rejected - reason:{reason}")


def invalid(cause: str) -> Problem:
    """Return the refusal of a request that makes no sense."""
    return Problem(321, f"Error validating request.-'bN' : cause - {cause}")


# ------------------------------------------------------------- contract


def resolve_legs(desk: BrokerState, ticket: Ticket) -> tuple[Leg, ...] | Problem:
    """Return what the ticket trades, or why it cannot be traded."""
    if ticket.sec_type != "BAG":
        found = desk.market.catalogue.by_id(ticket.con_id)
        if found is None:
            return Problem(200, "No security definition has been found for the request")
        return contract_problem(desk, found) or weighted([(found, 1, 1)])
    return _resolve_combo(desk, ticket)


def contract_problem(desk: BrokerState, instrument: Instrument) -> Problem | None:
    """Return why a contract cannot be traded now."""
    if instrument.sec_type is SecType.INDEX:
        return rejected("This contract is not available for trading")
    last = instrument.last_trade_date
    if last is not None and hours_of(last).close <= desk.now:
        return rejected("The contract has expired")
    return None


def _resolve_combo(desk: BrokerState, ticket: Ticket) -> tuple[Leg, ...] | Problem:
    if len(ticket.legs) < 2 or len({leg.con_id for leg in ticket.legs}) < len(ticket.legs):
        return invalid("Combo legs must be two or more different contracts")
    parts = []
    for leg in ticket.legs:
        found = desk.market.catalogue.by_id(leg.con_id)
        if found is None or leg.ratio <= 0 or leg.action not in ("BUY", "SELL"):
            return invalid(f"Invalid combo leg {leg.con_id}")
        if (problem := contract_problem(desk, found)) is not None:
            return problem
        parts.append((found, 1 if leg.action == "BUY" else -1, leg.ratio))
    legs = weighted(parts)
    return _combo_problem(ticket, legs) or legs


def _combo_problem(ticket: Ticket, legs: Sequence[Leg]) -> Problem | None:
    if len({leg.instrument.symbol for leg in legs}) > 1 and not ticket.non_guaranteed:
        return rejected("Combination of different underlyings must be non-guaranteed")
    if is_riskless(legs):
        return rejected("Riskless combination orders are not allowed")
    return None


def is_riskless(legs: Sequence[Leg]) -> bool:
    """Say whether the combo is worth the same at expiry wherever its underlying ends (a box)."""
    if len({(leg.instrument.symbol, leg.instrument.settle_date) for leg in legs}) > 1:
        return False
    if not all(leg.instrument.is_option for leg in legs):
        return False
    strikes = sorted(leg.instrument.strike for leg in legs)
    levels = [0.0, *strikes, strikes[-1] * 2]
    return len({round(sum(_worth(leg, level) for leg in legs), 6) for level in levels}) == 1


def _worth(leg: Leg, level: float) -> float:
    move = level - leg.instrument.strike
    return leg.sign * leg.ratio * max(0.0, move if leg.instrument.right == "C" else -move)


# ------------------------------------------------------------- ticket


def ticket_problem(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Return what is wrong with the ticket itself."""
    ticket = order.ticket
    if ticket.account and ticket.account != desk.account_id:
        return invalid(f"Invalid account code '{ticket.account}'")
    if ticket.action not in ("BUY", "SELL"):
        return invalid(f"Invalid side '{ticket.action}'")
    if ticket.order_type not in ORDER_TYPES:
        return Problem(387, f"Unsupported order type for this exchange and security type: {ticket.order_type}")
    if ticket.tif not in TIMES_IN_FORCE:
        return rejected(f"Invalid time in force '{ticket.tif}'")
    return (
        _time_problem(desk, ticket)
        or _condition_problem(desk, ticket)
        or _quantity_problem(desk, ticket)
        or _price_problem(order)
        or _algo_problem(desk, ticket)
    )


def _time_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    if ticket.tif != "GTD":
        return None
    if ticket.good_till is None:
        return invalid("Missing good till date")
    return rejected("The good till date has passed") if ticket.good_till <= desk.now else None


def _condition_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    return invalid(reason) if (reason := unwatched_condition(desk, ticket)) else None


def _quantity_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    quantity = ticket.quantity
    if quantity < 1 or quantity % 1:
        return Problem(388, f"Order size {quantity} is smaller than the minimum required size of 1.")
    if ticket.sec_type != "STK" and quantity > desk.settings.max_quantity:
        return rejected(f"Order size exceeds the Size Limit of {desk.settings.max_quantity}")
    return None


def _price_problem(order: WorkingOrder) -> Problem | None:
    ticket = order.ticket
    needed = []
    if ticket.order_type in ("LMT", "STP LMT"):
        needed.append(("limit", ticket.limit_price))
    if order.is_stop:
        needed.append(("stop", ticket.aux_price))
    for name, price in needed:
        if price is None:
            return invalid(f"Missing {name} price")
        if not order.is_combo and price <= 0:
            return rejected(f"The {name} price must be above 0")
        if not on_grid(price, order.ticks):
            return Problem(110, "The price does not conform to the minimum price variation for this contract.")
    return None


def _algo_problem(desk: BrokerState, ticket: Ticket) -> Problem | None:
    if not ticket.algo:
        return None
    if (found := algo_problem(ticket.algo, ticket.algo_params)) is not None:
        return Problem(*found)
    if ticket.order_type not in ("LMT", "MKT") or ticket.tif not in ("", "DAY"):
        return rejected("Adaptive works with LMT and MKT orders of the day only")
    if ticket.sec_type == "BAG" and not desk.settings.adaptive_combos:
        return rejected("Algorithm is not supported for combinations")
    return None


# ------------------------------------------------------------- book and market


def entry_problem(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Return why an order may not go to work now."""
    if (problem := _precaution(desk, order)) is not None:
        return problem
    reason = (
        _group_problem(desk, order)
        or _other_side_problem(desk, order)
        or _count_problem(desk, order)
        or (None if order.waits_for_parent else margin_problem(desk, order))
    )
    return rejected(reason) if reason else None


def _precaution(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Refuse a limit far beyond the market: an order precaution, code 109."""
    band, limit = desk.settings.price_band, order.ticket.limit_price
    if band is None or limit is None or order.is_stop or order.parent or not desk.market.is_open:
        return None
    touch = order_touch(order.legs, desk.quotes(leg.instrument.con_id for leg in order.legs))
    far = touch.far(order.side)
    if far is None or order.side * (limit - far) <= band * abs(far) + Decimal(1):
        return None
    return Problem(109, f"Price is out of the range defined by the Order Default settings: {limit} against {far}")


def _group_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    if order.ticket.oca_group in desk.filled_groups:
        return "OCA group is already filled"
    return None


def _root(order: WorkingOrder) -> WorkingOrder:
    return order.parent or order


def _other_side_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    if not desk.settings.refuse_other_side:
        return None
    mine = _sided(desk, order)
    for other in desk.book.live.values():
        if other.transmitted and _root(other) is not _root(order) and mine & {(c, -s) for c, s in _sided(desk, other)}:
            return OTHER_SIDE
    return None


def _sided(desk: BrokerState, order: WorkingOrder) -> set[tuple[int, int]]:
    """Return the option contracts an order trades with the side it takes in each."""
    if order.is_combo and not desk.settings.compare_combo_legs:
        return set()
    return {(leg.instrument.con_id, order.side * leg.sign) for leg in order.legs if leg.instrument.is_option}


def _count_problem(desk: BrokerState, order: WorkingOrder) -> str | None:
    mine = _contract(order)
    same = sum(
        1
        for other in desk.book.live.values()
        if other is not order and other.transmitted and other.side == order.side and _contract(other) == mine
    )
    most = desk.settings.orders_per_side
    return f"Maximum of {most} working orders per contract, side and account" if same >= most else None


def _contract(order: WorkingOrder) -> tuple[tuple[int, int, int], ...]:
    return tuple(sorted((leg.instrument.con_id, leg.sign, leg.ratio) for leg in order.legs))


# --- Tickets come in

DUPLICATE = Problem(103, "Duplicate order id")
ALREADY_FILLED = Problem(104, "Cannot modify a filled order")
NOT_SAME = Problem(105, "Order being modified does not match original order")
OCA_REVISION = Problem(10326, "OCA group revision is not allowed")
IGNORED = (
    "Order Event Warning:Attribute '{}' is ignored based on the order type and destination. "
    "PlaceOrder is now being processed."
)
_LATE_SYMBOLS = frozenset({"SPX", "XSP", "VIX", "RUT", "NDX", "SPY", "QQQ", "IWM"})
"""Options that trade for `LATER` after the close, except on their expiry day. This market has no quotes then.

Source: Cboe, US Options Hours, and its specifications; Nasdaq, NDX.
"""
OUTSIDE = "Outside Regular Trading Hours"
NOT_ACTED_ON = {
    "allOrNone": "All or None",
    "minQty": "Minimum Quantity",
    "cashQty": "Cash Quantity",
    "discretionaryAmt": "Discretionary Amount",
    "hedgeType": "Hedge",
    "adjustedOrderType": "Adjusted Order",
    "scalePriceIncrement": "Scale",
    "duration": "Duration",
    "activeStartTime": "Active Start Time",
    "activeStopTime": "Active Stop Time",
}
"""Fields that would change when or how much an order trades, and that this broker only keeps: their names in 2109."""
_UNSET = ("", "None", "0", "2147483647")
_HUGE = 1e307


def accept_ticket(desk: BrokerState, ticket: Ticket, *, is_late: bool = False) -> list[Report]:
    """Take a new order or the change of a living one. `is_late`: its id was above all others when it was read."""
    key = ticket.client_id, ticket.order_id
    known = desk.book.orders.get(key)
    if known is not None and not known.is_final:
        return _modify(desk, known, ticket)
    if known is not None and known.status is Status.FILLED:
        return [desk.error(key, *ALREADY_FILLED)]
    if not is_late and desk.book.is_used(key):
        return [desk.error(key, *DUPLICATE)]
    desk.book.use_id(key)
    return _take_new(desk, ticket)


def answer_what_if(desk: BrokerState, ticket: Ticket) -> list[Report]:
    """Answer a margin question: an answer, or the error the order would get."""
    key = ticket.client_id, ticket.order_id
    desk.book.asked.add(key)
    order = _order_of(desk, ticket)
    if isinstance(order, Problem):
        return [desk.error(key, *order)]
    if (problem := ticket_problem(desk, order)) is not None:
        return [desk.error(key, *problem)]
    return [WhatIfAnswer(ticket, margin_answer(desk, order))]


def _order_of(desk: BrokerState, ticket: Ticket) -> WorkingOrder | Problem:
    legs = resolve_legs(desk, ticket)
    if isinstance(legs, Problem):
        return legs
    instruments = [leg.instrument for leg in legs]
    ticks = combo_tick_rule(instruments) if ticket.sec_type == "BAG" else tick_rule(instruments[0])
    expires = _expires(desk, ticket, legs)
    return WorkingOrder(ticket, 0, legs, ticks, since=desk.now, expires=expires)


def _expires(desk: BrokerState, ticket: Ticket, legs: tuple[Leg, ...]) -> datetime | None:
    """Return when the order expires: with its session or with the first of its contracts."""
    ends = [hours_of(day).close for leg in legs if (day := leg.instrument.last_trade_date) is not None]
    if ticket.tif == "GTD":
        ends += [ticket.good_till] if ticket.good_till is not None else []
    elif ticket.tif != "GTC":
        later = LATER if all(_trades_later(leg.instrument) for leg in legs) else timedelta(0)
        ends.append(_close_after(max(desk.now, ticket.good_after or desk.now)) + later)
    return min(ends, default=None)


def _trades_later(instrument: Instrument) -> bool:
    return instrument.is_option and instrument.symbol in _LATE_SYMBOLS


def _close_after(at: datetime) -> datetime:
    """Return the first close after an instant; past the calendar's last year days count as full ones."""
    try:
        first = session_from(exchange_date(at))
        return first.close if at < first.close else session_after(first.date).close
    except CalendarError:
        return at_exchange_time(exchange_date(at), FULL_CLOSE)


def _take_new(desk: BrokerState, ticket: Ticket) -> list[Report]:
    key = ticket.client_id, ticket.order_id
    order = _order_of(desk, ticket)
    if isinstance(order, Problem):
        return [desk.error(key, *order)]
    problem = ticket_problem(desk, order) or _join_parent(desk, order)
    if problem is not None:
        return [desk.error(key, *problem)]
    order.perm_id = desk.book.next_perm()
    order.transmitted = False
    desk.book.add(order)
    return _release_family(desk, order) if ticket.transmit else []


def _join_parent(desk: BrokerState, order: WorkingOrder) -> Problem | None:
    """Tie a child to its parent; children of one parent form a group that shrinks together."""
    ticket = order.ticket
    if not ticket.parent_id:
        return None
    parent = desk.book.orders.get((ticket.client_id, ticket.parent_id))
    if parent is None:
        return Problem(135, f"Can't find order with id = {ticket.parent_id}")
    if parent.status in (Status.CANCELLED, Status.INACTIVE) and not parent.filled:
        return rejected("Parent order is not active")
    order.parent = parent
    if not ticket.oca_group:
        order.ticket = replace(ticket, oca_group=str(parent.perm_id), oca_type=3)
    return None


def _release_family(desk: BrokerState, order: WorkingOrder) -> list[Report]:
    """Send a transmitted order and every member of its family that was held back, parent first."""
    root = order.parent or order
    held = [one for one in (root, *desk.book.children(root)) if not one.transmitted and not one.is_final]
    reports: list[Report] = []
    for one in held:
        if not one.is_final:
            reports += _send(desk, one)
    return reports


def _send(desk: BrokerState, order: WorkingOrder) -> list[Report]:
    """Give an order to the broker: refused, or acknowledged as PreSubmitted until it meets the market."""
    order.transmitted = True
    problem = entry_problem(desk, order)
    if problem is not None:
        return end_refused(desk, order, *problem)
    return [*desk.status(order), *_warnings(desk, order)]


def release_children(desk: BrokerState, parent: WorkingOrder) -> list[Report]:
    """Report the children of an order that has just had its first fill: they wait for it no longer."""
    return [report for child in desk.book.children(parent) if child.transmitted for report in desk.status(child)]


def _warnings(desk: BrokerState, order: WorkingOrder) -> list[Report]:
    reports: list[Report] = []
    ignored = [name for field, name in NOT_ACTED_ON.items() if _is_set(order.ticket.echo.get(field, ""))]
    names = [OUTSIDE, *ignored] if order.ticket.outside_rth else ignored
    reports += [desk.error(order.key, 2109, IGNORED.format(name)) for name in names]
    if not desk.market.is_open and not order.waits_for_parent:
        reports.append(desk.error(order.key, 399, _held_text(desk, order)))
    return reports


def _is_set(field: str) -> bool:
    """Say whether a field of the wire was given a value; numbers are unset at 0 and from 1e307 on."""
    if field in _UNSET:
        return False
    try:
        number = float(field)
    except ValueError:
        return True
    return number != 0 and abs(number) < _HUGE


def _held_text(desk: BrokerState, order: WorkingOrder) -> str:
    session = session_from(exchange_date(desk.now))
    if desk.now >= session.open:
        session = session_after(session.date)
    opens = session.open.astimezone(EXCHANGE_ZONE)
    ticket = order.ticket
    return (
        f"Order Message:\n{ticket.action} {ticket.quantity} {ticket.symbol}\nWarning: Your order will not be placed at "
        f"the exchange until {opens:%Y-%m-%d %H:%M:%S} US/Eastern."
    )


# ------------------------------------------------------------- changes


def _modify(desk: BrokerState, order: WorkingOrder, ticket: Ticket) -> list[Report]:
    """Change price, quantity or time in force of a living order; a refused change leaves it as it is."""
    problem = _change_problem(desk, order, ticket)
    if problem is not None:
        return [desk.error(order.key, *problem)]
    kept, ends = order.ticket, order.expires
    order.ticket = replace(ticket, oca_group=kept.oca_group, oca_type=kept.oca_type, parent_id=kept.parent_id)
    order.expires = _expires(desk, order.ticket, order.legs)
    if not order.transmitted:
        return _release_family(desk, order) if ticket.transmit else []
    if (reason := margin_problem(desk, order)) is not None and not order.waits_for_parent:
        order.ticket, order.expires = kept, ends
        return [desk.error(order.key, *rejected(reason))]
    order.stop_hits = 0
    return desk.status(order)


def _change_problem(desk: BrokerState, order: WorkingOrder, ticket: Ticket) -> Problem | None:
    old = order.ticket
    if _identity(old) != _identity(ticket):
        return NOT_SAME
    if ticket.oca_group and ticket.oca_group != old.oca_group:
        return OCA_REVISION
    if ticket.quantity <= order.filled:
        return rejected(f"Order quantity {ticket.quantity} must be above the filled {order.filled}")
    return ticket_problem(desk, replace_ticket(order, ticket))


def _identity(ticket: Ticket) -> tuple[object, ...]:
    contract = ticket.legs if ticket.sec_type == "BAG" else ticket.con_id
    return contract, ticket.sec_type, ticket.action, ticket.order_type, ticket.algo


def replace_ticket(order: WorkingOrder, ticket: Ticket) -> WorkingOrder:
    """Return a copy of an order with another ticket, for checks."""
    return WorkingOrder(ticket, order.perm_id, order.legs, order.ticks, order.since, order.expires)
