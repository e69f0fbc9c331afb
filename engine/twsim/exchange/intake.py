"""Tickets come in: new orders, brackets, modifications and what-ifs."""

from dataclasses import replace
from datetime import datetime, timedelta

from rulebot.model.session import (
    EXCHANGE_ZONE,
    FULL_CLOSE,
    CalendarError,
    at_exchange_time,
    exchange_date,
    session_after,
    session_from,
)
from twsim.exchange.agenda import LATER, hours_of
from twsim.exchange.book import WorkingOrder
from twsim.exchange.checks import Problem, entry_problem, rejected, resolve_legs, ticket_problem
from twsim.exchange.combo import Leg
from twsim.exchange.desk import BrokerState
from twsim.exchange.lifecycle import end_refused
from twsim.exchange.standing import margin_answer, margin_problem
from twsim.exchange.tick_rules import combo_tick_rule, tick_rule
from twsim.instrument import Instrument
from twsim.seams import Report, Status, Ticket, WhatIfAnswer

DUPLICATE = Problem(103, "Duplicate order id")
ALREADY_FILLED = Problem(104, "Cannot modify a filled order")
NOT_SAME = Problem(105, "Order being modified does not match original order")
OCA_REVISION = Problem(10326, "OCA group revision is not allowed")
IGNORED = (
    "Order Event Warning:Attribute '{}' is ignored based on the order type and destination. "
    "PlaceOrder is now being processed."
)
_LATE_SYMBOLS = frozenset({"SPX", "XSP", "VIX", "RUT", "NDX", "SPY", "QQQ", "IWM"})
"""Whose options trade for `LATER` after the close, but on the day they expire. Nobody quotes them then in this market.

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
    order = _order_of(desk, ticket, 0)
    if isinstance(order, Problem):
        return [desk.error(key, *order)]
    if (problem := ticket_problem(desk, order)) is not None:
        return [desk.error(key, *problem)]
    return [WhatIfAnswer(ticket, margin_answer(desk, order))]


def _order_of(desk: BrokerState, ticket: Ticket, perm_id: int) -> WorkingOrder | Problem:
    legs = resolve_legs(desk, ticket)
    if isinstance(legs, Problem):
        return legs
    instruments = [leg.instrument for leg in legs]
    ticks = combo_tick_rule(instruments) if ticket.sec_type == "BAG" else tick_rule(instruments[0])
    expires = _expires(desk, ticket, legs)
    return WorkingOrder(ticket, perm_id, legs, ticks, since=desk.now, expires=expires)


def _expires(desk: BrokerState, ticket: Ticket, legs: tuple[Leg, ...]) -> datetime | None:
    """Return when the order ends by itself: with its session or with the first of its contracts."""
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
    order = _order_of(desk, ticket, 0)
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
