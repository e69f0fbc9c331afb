"""The simulated broker behind the `Exchange` seam.

Orders arrive at the barrier and do not change the market. An order or a change meets the market at the next instant of
the clock, and all orders meet each market move, in order of perm id. Random numbers are keyed by (seed, perm id,
instant), so a run is the same whatever else is requested between instants.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path

from twsim.exchange.broker_state import (
    Account,
    BrokerState,
    ExchangeSettings,
    Holding,
    Key,
    OrderBook,
    WorkingOrder,
    con_ids,
)
from twsim.exchange.execution import execute, fill_leg_by_leg, parts_of
from twsim.exchange.external_trades import (
    apply_fill_faults,
    correct,
    external_assignment,
    external_trade,
    fill_beyond,
    fill_cancelled,
)
from twsim.exchange.intake import accept_ticket, answer_what_if, conditions_met, release_children
from twsim.exchange.ledger import Ledger
from twsim.exchange.margin import (
    account_values,
    all_views,
    begin_day,
    begin_with,
    position_view,
    position_views,
    present,
)
from twsim.exchange.matching import QuoteInstant, match, stop_reached
from twsim.exchange.nbbo import Nbbo, order_touch, seeded_fraction
from twsim.exchange.settlement import OcaRound, end_cancelled, is_midnight, next_time, settle_due
from twsim.nouns import ZERO, Instrument, dataclass, unread
from twsim.seams import (
    Catalogue,
    Commissioned,
    ContractSearch,
    Execution,
    Market,
    OrderChanged,
    OrderError,
    OrderView,
    PositionView,
    Report,
    Status,
    Ticket,
)
from twsim.sessions import session_from, trades_on

# --- What an account holds before the first day

MOST = Decimal(10**9)
"""What no number of the file may pass, up or down: JSON also knows Infinity and NaN."""


class PositionsError(ValueError):
    """A start file that cannot be used; the text names the file, the row and what to write."""


@dataclass(frozen=True, slots=True)
class StartPosition:
    """One position at the start. Units: `average_cost` is unsigned dollars per contract, multiplier included."""

    con_id: int
    quantity: Decimal
    average_cost: Decimal


@dataclass(frozen=True, slots=True)
class OpeningPositions:
    """Positions and resting orders at the start."""

    positions: tuple[StartPosition, ...] = ()
    orders: tuple[Ticket, ...] = ()


def load_positions(path: Path | str, catalogue: Catalogue) -> OpeningPositions:
    """Return the start positions and orders of a file. Raises: PositionsError."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise PositionsError(f"{path}: cannot be read: {unread(error)}") from error
    except ValueError as error:
        raise PositionsError(f"{path}: is no JSON: {error}") from error
    except RecursionError as error:
        raise PositionsError(f"{path}: is nested too deep") from error
    if isinstance(document, list):
        document = {"positions": document}
    if not isinstance(document, dict):
        raise PositionsError(f"{path}: must be a list of positions or an object with 'positions' and 'orders'")
    positions = _rows(document, "positions", f"{path}")
    orders = _rows(document, "orders", f"{path}")
    return OpeningPositions(
        tuple(_position(row, catalogue, f"{path}: position {n}") for n, row in enumerate(positions, 1)),
        tuple(_ticket(row, catalogue, f"{path}: order {n}") for n, row in enumerate(orders, 1)),
    )


def _rows(document: Mapping[str, object], name: str, where: str) -> list[Mapping[str, object]]:
    rows = document.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise PositionsError(f"{where}: '{name}' must be a list of objects")
    return rows


def _number(row: Mapping[str, object], name: str, where: str) -> Decimal:
    if (value := _optional(row, name, where)) is None:
        raise PositionsError(f"{where}: '{name}' is missing")
    return value


def _optional(row: Mapping[str, object], name: str, where: str) -> Decimal | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation as error:
        raise PositionsError(f"{where}: '{name}' must be a number, is {value!r}") from error
    if not found.is_finite() or abs(found) > MOST:
        raise PositionsError(f"{where}: '{name}' must be a number from -{MOST:,} to {MOST:,}, is {value!r}")
    return found


def _whole(row: Mapping[str, object], name: str, where: str, default: int | None = None) -> int:
    """Return a whole number; without a default it must be there."""
    found = _number(row, name, where) if default is None else _optional(row, name, where)
    if found is None:
        return int(default or 0)
    if found % 1:
        raise PositionsError(f"{where}: '{name}' must be a whole number, is {row[name]!r}")
    return int(found)


def _contract(row: Mapping[str, object], catalogue: Catalogue, where: str) -> Instrument:
    symbol = str(row.get("symbol", ""))
    if not symbol:
        raise PositionsError(f"{where}: 'symbol' is missing")
    if "expiry" not in row:
        if (stock := catalogue.underlying(symbol)) is None:
            raise PositionsError(f"{where}: no underlying '{symbol}' is listed")
        return stock
    asked = ContractSearch(
        symbol=symbol,
        sec_type="OPT",
        last_trade=str(row["expiry"]).replace("-", ""),
        strike=float(_number(row, "strike", where)),
        right=str(row.get("right", ""))[:1].upper(),
        trading_class=str(row.get("trading_class", "")),
    )
    matches = catalogue.search(asked)
    if len(matches) != 1:
        found = "is not listed" if not matches else "is not one contract: give 'trading_class'"
        raise PositionsError(f"{where}: {symbol} {row['expiry']} {row.get('strike')} {row.get('right')} {found}")
    return matches[0]


def _position(row: Mapping[str, object], catalogue: Catalogue, where: str) -> StartPosition:
    quantity = _number(row, "quantity", where)
    if not quantity or quantity % 1:
        raise PositionsError(f"{where}: 'quantity' must be a whole number and not 0, is {quantity}")
    cost = _number(row, "average_cost", where)
    if cost < 0:
        raise PositionsError(f"{where}: 'average_cost' must not be negative, is {cost}")
    return StartPosition(_contract(row, catalogue, where).con_id, quantity, cost)


def _ticket(row: Mapping[str, object], catalogue: Catalogue, where: str) -> Ticket:
    contract = _contract(row, catalogue, where)
    action = str(row.get("action", ""))
    if action not in ("BUY", "SELL"):
        raise PositionsError(f"{where}: 'action' must be BUY or SELL, is {action!r}")
    return Ticket(
        client_id=_whole(row, "client_id", where, default=0),
        order_id=_whole(row, "order_id", where),
        con_id=contract.con_id,
        symbol=contract.symbol,
        sec_type=contract.sec_type.value,
        action=action,
        quantity=_number(row, "quantity", where),
        order_type=str(row.get("order_type", "LMT")),
        limit_price=_optional(row, "limit_price", where),
        aux_price=_optional(row, "aux_price", where),
        tif=str(row.get("tif", "GTC")),
        oca_group=str(row.get("oca_group", "")),
        oca_type=_whole(row, "oca_type", where, default=1) or 1,
        account="",
        order_ref=str(row.get("order_ref", "")),
    )


# --- The simulated broker behind the `Exchange` seam

FIRST_PERM_ID = 600_000_000
PERM_IDS_PER_SEED = 100_000
VALUED_EVERY = timedelta(minutes=1)
"""How often positions are valued unasked; in the last minute of a session at every move of the market."""


class SimExchange:
    """One account at one simulated broker."""

    def __init__(
        self,
        market: Market,
        *,
        seed: int,
        cash: Decimal = Decimal("1000000"),
        account: str | None = None,
        positions: Sequence[StartPosition] = (),
        orders: Sequence[Ticket] = (),
        settings: ExchangeSettings | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        settings = settings or ExchangeSettings()
        self._market = market
        self._desk = BrokerState(
            market=market,
            seed=seed,
            account_id=account or f"DU{seed % 10_000_000:07d}",
            settings=settings,
            account=Account(cash),
            book=OrderBook(FIRST_PERM_ID + seed % 10_000 * PERM_IDS_PER_SEED),
            ledger=ledger or Ledger(),
            now=market.now.astimezone(UTC),
        )
        self._seen = market.now
        self._next_time = next_time(market.now, settings.delivery_delay)
        self._value_at = market.now
        self._awaits_level = True
        self._arrived: set[Key] = set()
        self._start(cash, positions, orders)

    def _start(self, cash: Decimal, positions: Sequence[StartPosition], orders: Sequence[Ticket]) -> None:
        desk = self._desk
        desk.ledger.write("start", desk.now, account=desk.account_id, cash=cash, seed=desk.seed)
        for one in positions:
            held = desk.account.holdings.setdefault(one.con_id, Holding())
            held.quantity += one.quantity
            held.cost = held.cost + one.quantity * one.average_cost if held.quantity else ZERO
            desk.position(one.con_id)
        begin_with(desk)
        for ticket in orders:
            refused = [report for report in self.place(ticket) if isinstance(report, OrderError) and report.code != 399]
            if refused:
                raise PositionsError(f"start order {ticket.order_id} is refused: {refused[0].code} {refused[0].text}")

    @property
    def account(self) -> str:
        return self._desk.account_id

    @property
    def ledger(self) -> Ledger:
        """The broker's own record."""
        return self._desk.ledger

    def forget_order_ids(self) -> None:
        """Start every client's order ids afresh, as the user's 'reset API order id sequence' does."""
        self._desk.book.highest.clear()
        self._desk.book.asked.clear()
        for key in [key for key, order in self._desk.book.orders.items() if order.is_final]:
            del self._desk.book.orders[key]

    # --------------------------------------------------------- requests

    def what_if(self, ticket: Ticket) -> list[Report]:
        return answer_what_if(self._desk, ticket)

    def place(self, ticket: Ticket) -> list[Report]:
        """Take a new order or a modification; it meets the market at the next instant."""
        if ticket.what_if:
            return self.what_if(ticket)
        self._arrives(ticket)
        return accept_ticket(self._desk, ticket)

    def arrive(self, ticket: Ticket) -> list[Report]:
        """Take a new order that the gateway has read long ago; others with higher ids may have come since."""
        self._arrives(ticket)
        return accept_ticket(self._desk, ticket, is_late=True)

    def _arrives(self, ticket: Ticket) -> None:
        self._seen = self._market.now
        self._arrived.add((ticket.client_id, ticket.order_id))

    def meet_arrivals(self) -> list[Report]:
        """Match the orders that have just arrived, or were changed, with the present market."""
        orders = self._desk.book.orders
        arrived = [orders[key] for key in self._arrived if key in orders]
        self._arrived.clear()
        if not self._market.is_open:
            return []
        live = [order for order in arrived if order.transmitted and not order.is_final]
        return self._match_all(sorted(live, key=lambda each: each.perm_id))

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        key = client_id, order_id
        order = self._desk.book.orders.get(key)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            return [self._desk.error(key, 10147, text)]
        if order.is_final:
            text = f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status.value}."
            return [self._desk.error(key, 10148, text)]
        return [*self._pending_cancel(order), *end_cancelled(self._desk, order)]

    def _pending_cancel(self, order: WorkingOrder) -> list[Report]:
        desk = self._desk
        if (
            not order.transmitted
            or seeded_fraction(desk.seed, order.perm_id, "pending") >= desk.settings.pending_cancel
        ):
            return []
        return [OrderChanged(replace(order.view(), status=Status.PENDING_CANCEL), echo_open=False)]

    def cancel_all(self) -> list[Report]:
        """Cancel every living order of the account."""
        reports: list[Report] = []
        for order in list(self._desk.book.live.values()):
            if not order.is_final:
                reports += end_cancelled(self._desk, order)
        return reports

    # --------------------------------------------------------- mishaps

    def fill_cancelled(self, client_id: int, order_id: int) -> list[Report]:
        """Fill the rest of a cancelled order: the fill came first and is reported late."""
        return fill_cancelled(self._desk, (client_id, order_id))

    def hinder(
        self, client_id: int, order_id: int, *, met: Callable[[], None], slip: Decimal = ZERO, lone_leg: int = 0
    ) -> None:
        """Let an order, when it first trades, fill worse than it may, or (a combo) with one of its legs alone."""
        order = self._desk.book.orders.get((client_id, order_id))
        if order is not None and not order.is_final:
            order.met, order.slip, order.lone_leg = met, slip, lone_leg

    def fill_beyond(self, exec_id: str) -> list[Report]:
        """Repeat the fill of an execution although its order is filled."""
        return fill_beyond(self._desk, exec_id)

    def end(self, client_id: int, order_id: int, reason: str) -> list[Report]:
        """End an order that works, as the exchange or a person at the broker's window does."""
        order = self._desk.book.orders.get((client_id, order_id))
        return [] if order is None or order.is_final else end_cancelled(self._desk, order, reason)

    def trade(self, con_id: int, quantity: int, *, liquidation: bool = False) -> list[Report]:
        """Trade (signed) as a person at the broker's window does, or the broker itself."""
        return external_trade(self._desk, con_id, quantity, liquidation=liquidation)

    def assign(self, con_id: int) -> list[Report]:
        """Assign what is short of an option on shares, before it expires."""
        return external_assignment(self._desk, con_id)

    def correct(self, exec_id: str, price_by: Decimal, quantity_by: Decimal) -> list[Report]:
        """Correct an execution of today; a combo's own has nothing to correct."""
        return correct(self._desk, exec_id, price_by, quantity_by)

    # --------------------------------------------------------- time

    def advance(self, at: datetime) -> list[Report]:
        """Act on times of day that have come, then match working orders when the market has moved."""
        desk, now = self._desk, self._market.now
        quiet = (now == self._seen or not (desk.book.live or self._must_value(now))) and not self._arrived
        if at < self._next_time and not self._awaits_level and quiet and not self._ending(at):
            desk.now = at
            return []
        reports: list[Report] = []
        while self._next_time <= at:
            reports += self._time_of_day(self._next_time)
        desk.now = at
        reports += self._end_due(at)
        if self._awaits_level:
            reports += self._settle()
        if now != self._seen:
            self._seen = now
            self._arrived.clear()
            if self._market.is_open:
                reports += self._meet_market(now)
        elif self._arrived:
            reports += self.meet_arrivals()
        return reports

    def _meet_market(self, now: datetime) -> list[Report]:
        """Match, and value holdings: without quotes the last value counts, whoever asked before."""
        desk = self._desk
        live = [order for order in desk.book.live.values() if order.transmitted]
        reports = self._match_all(live)
        if reports or self._must_value(now):
            present(desk)
            ends = session_from(desk.today).close
            self._value_at = now + VALUED_EVERY if now + VALUED_EVERY < ends else now
        return reports

    def _must_value(self, now: datetime) -> bool:
        return now >= self._value_at and bool(self._desk.account.holdings)

    def _time_of_day(self, at: datetime) -> list[Report]:
        desk = self._desk
        desk.now = at
        self._next_time = next_time(at, desk.settings.delivery_delay)
        if is_midnight(at):
            self._start_day()
        reports = [*self._end_due(at), *self._settle()]
        if at == session_from(desk.today).close + desk.settings.delivery_delay:
            self._record_balance()
        return reports

    def _ending(self, at: datetime) -> list[WorkingOrder]:
        """Return the orders that end by themselves until an instant."""
        live = self._desk.book.live.values()
        return [order for order in live if order.expires is not None and order.expires <= at]

    def _end_due(self, at: datetime) -> list[Report]:
        reports: list[Report] = []
        for order in self._ending(at):
            if not order.is_final:
                reports += end_cancelled(self._desk, order, "Order has expired")
        return reports

    def _start_day(self) -> None:
        desk = self._desk
        desk.executions.clear()
        desk.commissions.clear()
        desk.filled_groups.clear()
        desk.book.finished.clear()
        desk.account.realized_today = Decimal(0)
        begin_day(desk)
        if trades_on(desk.today - timedelta(days=1)):
            desk.day_trades.end_day()

    def _settle(self) -> list[Report]:
        reports, self._awaits_level = settle_due(self._desk)
        return reports

    def _record_balance(self) -> None:
        desk = self._desk
        now = present(desk)
        desk.ledger.write(
            "balance",
            desk.now,
            day=desk.today,
            cash=now.cash,
            net_liquidation=now.net_liquidation,
            margin=now.needs.initial,
        )

    # --------------------------------------------------------- matching

    def _match_all(self, live: list[WorkingOrder]) -> list[Report]:
        """Let every one of these orders that may work meet the market, in their order."""
        if not live:
            return []
        desk, groups = self._desk, OcaRound(self._desk)
        symbols = {leg.instrument.symbol for order in live for leg in order.legs}
        halted = {symbol for symbol in symbols if self._market.halted(symbol)}
        working = [order for order in live if not self._waits(order, halted)]
        quotes = desk.quotes(con_ids(working))
        reports: list[Report] = []
        for order in working:
            if order.ticket.cancelled_by_conditions and not order.is_final and conditions_met(desk, order):
                reports += end_cancelled(desk, order, "The conditions of the order were met")
            if not order.is_final and not groups.holds(order):
                reports += self._match(order, quotes, groups)
        return reports + groups.end()

    def _waits(self, order: WorkingOrder, halted: set[str]) -> bool:
        """Say whether an order can trade nothing at this instant."""
        waits = (
            order.waits_for_parent
            or order.rests_at(self._desk.now)
            or not (order.ticket.cancelled_by_conditions or conditions_met(self._desk, order))
            or any(leg.instrument.symbol in halted for leg in order.legs)
        )
        if waits:
            order.tested_at = self._desk.now
        return waits

    def _match(self, order: WorkingOrder, quotes: dict[int, Nbbo], groups: OcaRound) -> list[Report]:
        desk = self._desk
        touch = order_touch(order.legs, quotes)
        reports: list[Report] = []
        if order.is_stop and not order.triggered:
            if not stop_reached(order, touch):
                return []
            order.triggered = True
        order.live_since = order.live_since or desk.now
        reports += self._fill(order, touch, quotes, groups)
        order.tested_at = desk.now
        if not reports and order.status is Status.PRE_SUBMITTED:
            order.status = Status.SUBMITTED
            reports += desk.status(order)
        if order.ticket.tif == "IOC" and not order.is_final:
            reports += end_cancelled(desk, order, "Immediate or cancel")
        return reports

    def _fill(self, order: WorkingOrder, touch: Nbbo, quotes: dict[int, Nbbo], groups: OcaRound) -> list[Report]:
        desk = self._desk
        moment = QuoteInstant(desk.seed, desk.now, desk.settings)
        if order.legs_in:
            batch = fill_leg_by_leg(order, quotes, moment)
            batches = [batch] if batch else []
        else:
            batches = [(fill, parts_of(order, fill, quotes)) for fill in match(order, touch, moment)]
        if order.met is not None and batches:
            return apply_fill_faults(desk, order, batches[0][0], quotes)
        reports: list[Report] = []
        for fill, parts in batches:
            first = not order.filled and fill.quantity
            reports += execute(desk, order, parts, fill, quotes)
            reports += release_children(desk, order) if first else []
            reports += groups.filled(order, fill.quantity) if fill.quantity else []
        return reports

    # --------------------------------------------------------- questions

    def open_orders(self) -> list[OrderView]:
        return [order.view() for order in self._desk.book.live.values() if order.transmitted]

    def completed_orders(self) -> list[OrderView]:
        """Return today's orders that were filled or cancelled, in the order they finished; not those refused."""
        finished = (order for order in self._desk.book.finished if order.status is not Status.INACTIVE)
        return [order.view() for order in finished if order.transmitted]

    def executions(self) -> list[Execution]:
        return list(self._desk.executions)

    def commission_of(self, exec_id: str) -> Commissioned | None:
        """Return the commission report of an execution, None for a combo's own."""
        return self._desk.commissions.get(exec_id)

    def positions(self) -> list[PositionView]:
        """Return the net positions that are not flat, by contract id."""
        return position_views(self._desk)

    def position(self, con_id: int) -> PositionView:
        """Return one net position, also a flat one: today's profit stays."""
        return position_view(self._desk, con_id)

    def daily_profit(self) -> Decimal:
        return sum((view.daily for view in all_views(self._desk) if view.daily is not None), ZERO)

    def account_values(self) -> dict[str, str]:
        """Return the account keys of the wire (NetLiquidation, BuyingPower, ...); dollars with two decimals."""
        return account_values(self._desk, [view.unrealized for view in self.positions()])
