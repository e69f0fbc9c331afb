"""How options and orders end, and what becomes of them.

Rules of this broker. AM-settled options settle at the opening level of their settlement day, from that day's
open on; PM-settled ones at the closing level, from the close on; options on shares five minutes after the close
(a real broker books them overnight, before the next day): in the money by 0.01 or more they are exercised or
assigned, and shares come or go at the strike. No commission is taken. Source: OCC Rule 805 (exercise by
exception, 0.01) and the Cboe SPX and SPXW specifications.
"""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

from twsim.exchange.broker_state import BrokerState, ExchangeSettings, WorkingOrder, contract_name
from twsim.exchange.ledger import DELIVERY
from twsim.exchange.nbbo import exact
from twsim.nouns import CENT, ZERO, Instrument, Settle
from twsim.seams import PositionChanged, Report, Status
from twsim.sessions import FULL_CLOSE, OPEN_TIME, at_exchange_time, exchange_date, is_tabled, session_from

# --- The broker's own times of day

LATER = timedelta(minutes=15)
"""How long after the close orders of the day live in options that trade so long."""


class BrokerHours(NamedTuple):
    """Open and close of a session, UTC."""

    open: datetime
    close: datetime


def hours_of(day: date) -> BrokerHours:
    """Return the hours of a listed date; past the calendar's last year they are those of a full day."""
    if not is_tabled(day):
        return BrokerHours(at_exchange_time(day, OPEN_TIME), at_exchange_time(day, FULL_CLOSE))
    session = session_from(day)
    return BrokerHours(session.open, session.close)


def next_time(after: datetime, delivery_delay: timedelta) -> datetime:
    """Return the next open, close, delivery, late close or midnight of the exchange strictly after an instant."""
    today = exchange_date(after)
    session = session_from(today)
    times = (
        session.open,
        session.close,
        session.close + delivery_delay,
        session.close + LATER,
        at_exchange_time(today + timedelta(days=1), time(0)),
    )
    return min(moment for moment in times if moment > after)


def is_midnight(at: datetime) -> bool:
    """Say whether a calendar date of the exchange begins here."""
    return at == at_exchange_time(exchange_date(at), time(0))


# --- What happens to options that end


def settlement_time(instrument: Instrument, settings: ExchangeSettings) -> datetime | None:
    """Return from when on an option is settled, None for what does not end."""
    day = instrument.settle_date or instrument.last_trade_date
    if day is None or not instrument.is_option:
        return None
    session = hours_of(day)
    if instrument.settle is Settle.AM:
        return session.open
    return session.close + settings.delivery_delay if instrument.settle is Settle.SHARES else session.close


def settle_due(desk: BrokerState) -> tuple[list[Report], bool]:
    """Settle every position that is due; also say whether one waits for a level that is not known yet."""
    reports: list[Report] = []
    waits = False
    for con_id in sorted(con_id for con_id, held in desk.account.holdings.items() if held.quantity):
        instrument = desk.instrument(con_id)
        due = settlement_time(instrument, desk.settings)
        if due is None or due > desk.now:
            continue
        level = _level(desk, instrument)
        if level is None:
            waits = True
            continue
        reports += _settle(desk, instrument, level)
    return reports, waits


def _level(desk: BrokerState, instrument: Instrument) -> Decimal | None:
    day = instrument.settle_date or instrument.last_trade_date
    if day is None:
        return None
    level = desk.market.settlement(instrument.con_id, day)
    return None if level is None else exact(level)


def _settle(desk: BrokerState, instrument: Instrument, level: Decimal) -> list[Report]:
    strike = Decimal(str(instrument.strike))
    intrinsic = level - strike if instrument.right == "C" else strike - level
    if intrinsic < CENT:
        return _end(desk, instrument, level, ZERO, "expired")
    if instrument.settle is Settle.SHARES:
        held = desk.account.quantity(instrument.con_id)
        return deliver(desk, instrument, level, "exercised" if held > 0 else "assigned")
    cash = desk.account.quantity(instrument.con_id) * instrument.multiplier * intrinsic
    return _end(desk, instrument, level, cash, "cash")


def deliver(desk: BrokerState, instrument: Instrument, price: Decimal, outcome: str) -> list[Report]:
    """End an option on shares and move these at the strike; its premium is part of what they cost.

    price, outcome: as the ledger has them.
    """
    held, strike = desk.account.quantity(instrument.con_id), Decimal(str(instrument.strike))
    shares = held * instrument.multiplier * (1 if instrument.right == "C" else -1)
    realized = desk.account.deliver(instrument.con_id, instrument.underlying_id, shares, shares * strike)
    _record(desk, instrument, -held, price, ZERO, outcome)
    desk.position(instrument.con_id)
    desk.cash(instrument.underlying_id, -shares * strike, DELIVERY)
    _record(desk, desk.instrument(instrument.underlying_id), shares, strike, realized, DELIVERY)
    desk.position(instrument.underlying_id)
    return [PositionChanged(instrument.con_id), PositionChanged(instrument.underlying_id)]


def _end(desk: BrokerState, instrument: Instrument, level: Decimal, cash: Decimal, outcome: str) -> list[Report]:
    held = desk.account.quantity(instrument.con_id)
    realized = desk.account.extinguish(instrument.con_id, cash)
    if cash:
        desk.cash(instrument.con_id, cash, "settlement")
    _record(desk, instrument, -held, level, realized, outcome)
    desk.position(instrument.con_id)
    return [PositionChanged(instrument.con_id)]


def _record(
    desk: BrokerState, instrument: Instrument, change: Decimal, price: Decimal, realized: Decimal | None, outcome: str
) -> None:
    desk.ledger.write(
        "settlement",
        desk.now,
        con_id=instrument.con_id,
        name=contract_name(instrument),
        quantity=change,
        price=price,
        realized=realized,
        outcome=outcome,
    )


# --- How an order ends

REJECTED = 201
CANCEL_TEXT = "Order Canceled - reason:"


def end_cancelled(desk: BrokerState, order: WorkingOrder, reason: str = "") -> list[Report]:
    """Cancel a living order: status, 202, then its children."""
    desk.book.finish(order, Status.CANCELLED, reason or "Cancelled by Trader", desk.now)
    reports = desk.status(order, echo=False) if order.transmitted else []
    reports.append(desk.error(order.key, 202, f"{CANCEL_TEXT}{reason}"))
    for child in desk.book.children(order):
        reports += _without_parent(desk, child)
    return reports


def _without_parent(desk: BrokerState, child: WorkingOrder) -> list[Report]:
    """Cancel the child of a parent that will not fill any more, or cut it to what did fill."""
    covered = Decimal(child.covered)
    if covered <= child.filled:
        return end_cancelled(desk, child, "parent order was cancelled")
    child.parent = None
    child.resize(covered)
    return desk.status(child)


def end_refused(desk: BrokerState, order: WorkingOrder, code: int, text: str) -> list[Report]:
    """Refuse an order that has a perm id: with a 201 its status goes to Inactive first; then its children end."""
    desk.book.finish(order, Status.INACTIVE, text, desk.now)
    reports = desk.status(order) if code == REJECTED else []
    reports.append(desk.error(order.key, code, text))
    for child in desk.book.children(order):
        reports += end_cancelled(desk, child, "parent order was rejected")
    return reports


# --- One-cancels-all groups

CANCEL_WITH_BLOCK, REDUCE_WITH_BLOCK, REDUCE = 1, 2, 3
WITH_BLOCK = frozenset((CANCEL_WITH_BLOCK, REDUCE_WITH_BLOCK))
OCA_REASON = "OCA group member was filled"


class OcaRound:
    """What the orders of groups may do at one instant of the market."""

    def __init__(self, desk: BrokerState) -> None:
        self._desk = desk
        self._routed: set[str] = set()
        self._reported_later: list[tuple[WorkingOrder, int]] = []

    def holds(self, order: WorkingOrder) -> bool:
        """Say whether another order of a group with block has traded at this instant."""
        return order.ticket.oca_type in WITH_BLOCK and order.ticket.oca_group in self._routed

    def filled(self, order: WorkingOrder, quantity: int) -> list[Report]:
        """Take a fill: with block the group is updated at once, without block at the end of the instant."""
        if order.ticket.oca_type in WITH_BLOCK:
            self._routed |= {order.ticket.oca_group} - {""}
            return on_oca_fill(self._desk, order, quantity)
        self._reported_later.append((order, quantity))
        return []

    def end(self) -> list[Report]:
        """Reduce the groups without block."""
        reported, self._reported_later = self._reported_later, []
        return [report for order, quantity in reported for report in on_oca_fill(self._desk, order, quantity)]


def on_oca_fill(desk: BrokerState, order: WorkingOrder, quantity: int) -> list[Report]:
    """Cancel or shrink the rest of the group of an order that has just filled `quantity`."""
    group = order.ticket.oca_group
    if not group:
        return []
    cancels = order.ticket.oca_type == CANCEL_WITH_BLOCK
    if cancels or not order.remaining:
        desk.filled_groups.add(group)
    left = order.remaining / (order.remaining + quantity)
    reports: list[Report] = []
    for other in desk.book.group(group):
        if other is not order and not other.is_final:
            reports += end_cancelled(desk, other, OCA_REASON) if cancels else _shrink(desk, other, left)
    return reports


def _shrink(desk: BrokerState, order: WorkingOrder, left: Decimal) -> list[Report]:
    """Keep the fraction `left` of what remains, in whole contracts rounded down; cancel at nothing."""
    kept = Decimal(int(order.remaining * left))
    if kept <= 0:
        return end_cancelled(desk, order, OCA_REASON)
    order.taken += order.remaining - kept
    order.resize(order.filled + kept)
    return desk.status(order)
