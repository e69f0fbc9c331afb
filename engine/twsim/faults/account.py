"""Acts of others in the account: they trade, cancel and change our orders; the broker liquidates and assigns."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial, wraps
from heapq import heappop, heappush

from twsim.exchange.exchange import SimExchange
from twsim.exchange.nbbo import seeded_fraction
from twsim.faults.plan import Event, Fault
from twsim.gateway.accounts import READY, is_amount, report_ready, report_values
from twsim.gateway.hub import ServerState
from twsim.nouns import SecType
from twsim.seams import Commissioned, Executed, OrderView, PositionView, Report, Ticket

# --- What faults put off


class FaultScheduler:
    """A queue of actions, by time and then in order of insertion."""

    def __init__(self, hub: ServerState) -> None:
        self._hub = hub
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._fail: Callable[[BaseException], None] | None = None

    def attach(self, fail: Callable[[BaseException], None]) -> None:
        """Learn how an error of our own ends the run."""
        self._fail = fail

    def later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do something after this many virtual seconds."""
        self._sequence += 1
        heappush(self._due, (self._hub.now + int(seconds), self._sequence, run))

    def really_later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do something after this many seconds of the computer's clock."""
        asyncio.get_running_loop().call_later(seconds, self._guarded, run)

    def run_due(self) -> None:
        """Do what is due at this instant."""
        while self._due and self._due[0][0] <= self._hub.now:
            heappop(self._due)[2]()

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as problem:  # noqa: BLE001 - any error of our own ends the run, loudly
            if self._fail is not None:
                self._fail(problem)


# --- What others do in the account

STRANGER = 77
"""The client id of another program in the account."""
FIRST_STRANGE_ID = 1000
Send = Callable[[Fault, list[Report]], None]


def reported_to_all(hub: ServerState, reports: list[Report]) -> list[Report]:
    """Return the reports of liquidations and corrections, for every connected client."""
    reported: list[Report] = []
    for report in reports:
        if isinstance(report, Executed):
            reported += [Executed(replace(report.execution, client_id=each)) for each in hub.sessions]
        elif isinstance(report, Commissioned):
            reported += [replace(report, client_id=each) for each in hub.sessions]
        else:
            reported.append(report)
    return reported


Act = Callable[["ExternalActionFaults", SimExchange, Fault], list[Report]]


def _by_others(act: Act) -> Callable[["ExternalActionFaults", Fault, Event], None]:
    """Return the hook of an external act in the account, some seconds from now."""

    @wraps(act)
    def begin(self: "ExternalActionFaults", fault: Fault, event: Event) -> None:
        self.begin(fault, partial(act, self))

    return begin


class ExternalActionFaults:
    """Acts in the account `seconds` after a fault was triggered. `send` notes a fault that had an effect."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler, send: Send) -> None:
        self._hub = hub
        self._agenda = agenda
        self._send = send
        self._orders = 0

    def begin(self, fault: Fault, act: Callable[[SimExchange, Fault], list[Report]]) -> None:
        """Schedule an external act, some seconds from now."""
        self._agenda.later(fault.seconds(), lambda: self._act(fault, act))

    def _act(self, fault: Fault, act: Callable[[SimExchange, Fault], list[Report]]) -> None:
        exchange = self._hub.exchange
        assert isinstance(exchange, SimExchange)
        if reports := act(exchange, fault):
            self._send(fault, reports)

    # ------------------------------------------------------------ positions

    def _options(self) -> list[PositionView]:
        held = self._hub.exchange.positions()
        return [each for each in held if (found := self._hub.market.catalogue.by_id(each.con_id)) and found.is_option]

    @property
    def holds_options(self) -> bool:
        """True while the account holds options."""
        return any(each.quantity for each in self._options())

    def _one(self, fault: Fault) -> PositionView | None:
        held = self._options()
        return held[self._draw(fault, len(held))] if held else None

    def _draw(self, fault: Fault, count: int) -> int:
        return int(seeded_fraction(self._hub.settings.seed, fault.kind, fault.place, self._hub.now) * count)

    @_by_others
    def close_all(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        return [report for each in self._options() for report in exchange.trade(each.con_id, -int(each.quantity))]

    @_by_others
    def close_one(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        one = self._one(fault)
        return [] if one is None else exchange.trade(one.con_id, -1 if one.quantity > 0 else 1)

    @_by_others
    def halve(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Close half of each option position, rounded down."""
        halves = ((each.con_id, int(each.quantity / 2)) for each in self._options())
        return [report for con_id, half in halves if half for report in exchange.trade(con_id, -half)]

    @_by_others
    def close_leg(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Close all contracts of one option."""
        one = self._one(fault)
        return [] if one is None else exchange.trade(one.con_id, -int(one.quantity))

    @_by_others
    def add_one(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        one = self._one(fault)
        return [] if one is None else exchange.trade(one.con_id, 1 if one.quantity > 0 else -1)

    @_by_others
    def sell_shares(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Sell a part of all shares that are held, at least one."""
        found: list[Report] = []
        for each in exchange.positions():
            instrument = self._hub.market.catalogue.by_id(each.con_id)
            if instrument is not None and instrument.sec_type is SecType.STOCK and each.quantity > 0:
                found += exchange.trade(each.con_id, -max(int(float(each.quantity) * fault.seconds("part")), 1))
        return found

    @_by_others
    def liquidate(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Close a position in the broker's name, under no order of a client."""
        one = self._one(fault)
        return reported_to_all(
            self._hub, exchange.trade(one.con_id, -int(one.quantity), liquidation=True) if one else []
        )

    @_by_others
    def assign(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        for each in self._options():
            if reports := exchange.assign(each.con_id):
                return reports
        return []

    # ------------------------------------------------------------ orders

    def _working(self, fault: Fault) -> OrderView | None:
        orders = [each for each in self._hub.exchange.open_orders() if each.ticket.client_id != STRANGER]
        return orders[self._draw(fault, len(orders))] if orders else None

    @_by_others
    def cancel(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        view = self._working(fault)
        return [] if view is None else exchange.end(view.ticket.client_id, view.ticket.order_id, "Cancelled by Trader")

    @_by_others
    def cancel_all(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Cancel every order of the clients, as by TWS's own button."""
        tickets = [each.ticket for each in exchange.open_orders() if each.ticket.client_id != STRANGER]
        ended = (exchange.end(each.client_id, each.order_id, "Cancelled by Trader") for each in tickets)
        return [report for reports in ended for report in reports]

    @_by_others
    def change(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Change the limit (or the stop) of an order of a client."""
        view = self._working(fault)
        if view is None:
            return []
        by = Decimal(str(fault.seconds("price_by")))
        ticket = view.ticket
        if ticket.order_type == "LMT" and ticket.limit_price is not None:
            return exchange.place(replace(ticket, limit_price=ticket.limit_price + by))
        if ticket.order_type == "STP" and ticket.aux_price is not None:
            return exchange.place(replace(ticket, aux_price=ticket.aux_price + by))
        return []

    @_by_others
    def place(self, exchange: SimExchange, fault: Fault) -> list[Report]:
        """Let another program have an order in a contract that is streamed, far from the market."""
        lines = (line.instrument for session in self._hub.sessions.values() for line in session.wants.lines.values())
        found = sorted({each.con_id for each in lines if each is not None and each.is_option})
        if not found:
            return []
        self._orders += 1
        con_id = found[self._draw(fault, len(found))]
        instrument = self._hub.market.catalogue.by_id(con_id)
        assert instrument is not None
        return exchange.place(_strange(FIRST_STRANGE_ID + self._orders, con_id, instrument.symbol, exchange.account))


def _strange(order_id: int, con_id: int, symbol: str, account: str) -> Ticket:
    return Ticket(
        client_id=STRANGER,
        order_id=order_id,
        con_id=con_id,
        symbol=symbol,
        sec_type="OPT",
        action="BUY",
        quantity=Decimal(1),
        order_type="LMT",
        limit_price=Decimal("0.05"),
        aux_price=None,
        tif="DAY",
        oca_group="",
        oca_type=0,
        account=account,
        order_ref="somebody else's",
    )


# --- Faults of the account

NOTHING = "0.00"


class AccountFaults:
    """Knows until when the account is not ready. Until then its reported values are empty."""

    def __init__(self, hub: ServerState, agenda: FaultScheduler) -> None:
        self._hub = hub
        self._agenda = agenda
        self._until = 0

    def begin(self, fault: Fault, event: Event) -> None:
        """Make the account not ready, and report that to every subscribed client."""
        self._until = max(self._until, self._hub.now + int(fault.seconds()))
        report_values(self._hub, self._hub.brokers[0])
        self._agenda.later(fault.seconds(), self._end)

    def _end(self) -> None:
        """Report that it is ready; the values follow at a request, or within three minutes."""
        if self._until and self._until <= self._hub.now:
            self._until = 0
            report_ready(self._hub, self._hub.exchange)

    def calm(self) -> None:
        """Let it be ready."""
        self._until = min(self._until, self._hub.now)
        self._end()

    def reported(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the account values as clients get them."""
        if not self._until:
            return dict(values)
        found = {key: NOTHING if is_amount(key, value) else value for key, value in values.items()}
        return found | {READY: "false"}
