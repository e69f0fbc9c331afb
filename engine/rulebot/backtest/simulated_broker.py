"""The simulated broker of backtests, spec tests and shadows: orders with a memory, fills leg by leg, holdings.

Every answer is an event for the engine. A `FillPolicy` decides price and quantity of fills.

An order may fill a second after it was sent, at the quotes valid then: those of the instant of the decision until the
next one arrives, as a snapshot says nothing later. So an order never fills at a quote older than the decision, nor at
one of a later instant.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import isnan, nan

from rulebot.core.state.state import State
from rulebot.model.cause import BrokerMessage, MessageMeaning
from rulebot.model.commission import broker_part, fill_commission, minimum_shortfall
from rulebot.model.contract import LOT, Contract, Option, Right, Underlying
from rulebot.model.event import (
    BrokerStatus,
    CommissionReport,
    Connected,
    Event,
    ExecutionReport,
    MarginReport,
    OrderMessage,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.facts import Account, Grids
from rulebot.model.loss_bound import delivers, shares_covering, shares_delivered, without_covered_calls
from rulebot.model.market import Board, middle
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import (
    AskMargin,
    Cancel,
    Command,
    ExecutionId,
    Order,
    OrderType,
    Purpose,
    Replace,
    RequestOpenOrders,
    Submit,
    TimeInForce,
)
from rulebot.model.payoff import Part, Way, by_expiry, intrinsic, worst_case
from rulebot.model.session import Session
from rulebot.order.price import NONE_REPORTED, NetQuote, at_market, net_quote, order_parts
from rulebot.order.price import Part as OrderPart

PACE = timedelta(seconds=1)
"""How long an order takes to the exchange and back."""
CLIENT = 1
FIRST_PERM_ID = 100_000
_EXACT = Decimal("0.0001")
_AVERAGE = Decimal("0.000001")
NO_MARGIN = BrokerMessage(321, "no margin is known for this order", frozenset((MessageMeaning.REFUSES,)))
"""The code of a question that the broker does not answer."""
SHORT_PART = Decimal("0.20")
"""Margin of an uncovered short option as a part of its strike. Source: FINRA Rule 4210(f)(2), roughly."""


def _of_what_is_sold(way: Way) -> Decimal:
    """Return the margin of options with an uncovered call: that of the sold calls, or of the puts if larger.

    Only one side of a strangle can be in the money. Source: Cboe Margin Manual, short straddles and combinations.
    """
    sold = dict.fromkeys(Right, ZERO)
    for option, count, _ in way:
        if count < 0 and not option.is_share:
            sold[option.right] += SHORT_PART * option.strike * -count * option.multiplier
    return max(sold.values())


def margin_of(way: Way) -> Decimal:
    """Return the dollars of margin of options on one underlying that no shares cover (`SimulatedBroker.margin`)."""
    total = ZERO
    for part in by_expiry(way):
        worst = worst_case(_dollars(part), ZERO)
        total += _of_what_is_sold(part) if worst is None else worst
    return total


def natural_fill(order: Order, parts: tuple[OrderPart, ...], quote: NetQuote) -> Decimal | None:
    """Return what a market order, or a stop that the mid has reached, fills at. None while it does not.

    It is natural, and of a combo no worse than it can ever be worth (`at_market`). For orders without a limit, at
    quotes that are whole.
    """
    assert quote.mid is not None
    assert quote.natural is not None
    natural = at_market(quote.natural, parts)
    if order.kind is OrderType.MARKET:
        return natural
    assert order.stop_price is not None
    away = (Decimal(f"{abs(quote.mid):.4f}") - order.stop_price) * order.side.sign
    return natural if away >= 0 else None


@dataclass
class WorkingOrder:
    """An order at the broker: its fills, from when on it may fill, and whether it rested before.

    is_resting: its terms were there at the instant before, so that the market comes to it. average: of its fills, per
    share, signed as it was sent; None where unknown.
    """

    order: Order
    ready_at: datetime
    filled: int = 0
    is_resting: bool = False
    average: Decimal | None = None

    def add(self, count: int, net: Decimal) -> None:
        """Take note of a fill. net: per share, + received."""
        is_known = self.average is not None or not self.filled
        value = (self.average or ZERO) * self.filled - net * self.order.side.sign * count
        self.filled += count
        self.average = (value / self.filled).quantize(_EXACT) if is_known else None


class FillPolicy(ABC):
    """At what orders fill and how much of them, and what a broker does otherwise than this one."""

    __slots__ = ()

    @abstractmethod
    def net(self, broker: "SimulatedBroker", found: WorkingOrder, at: datetime) -> Decimal | None:
        """Return the net price per share at which an order fills now, + received, None when it does not."""

    @abstractmethod
    def count(self, broker: "SimulatedBroker", found: WorkingOrder, at: datetime) -> int:
        """Return how many structures of it fill now."""

    def refusal(self, order: Order, at: datetime) -> OrderMessage | None:
        """Return why an order is refused, None when it is taken."""
        return None

    def margins(self, at: datetime) -> Sequence[Decimal | None] | None:
        """Return the dollars of margin that any order needs, of which the largest counts; None for its worst case.

        None among them: unknown.
        """
        return None

    def commissions(self, parts: Sequence[tuple[Option, int, Decimal]], before: Decimal) -> list[Decimal]:
        """Return the dollars of each execution of a fill: option, contracts (- sold) and price of its legs.

        before: the broker's own part of what the order has filled already.
        """
        return [each.quantize(CENT) for each in commissions_of(parts, before)]


@dataclass
class SimulatedBroker:
    """A broker with a memory: working orders, and the account's holdings besides its dollars of cash.

    costs: average dollars that one contract cost (received, where it is short), commissions included. paid: the
    broker's own commissions of orders so far, before an order's minimum. grids: the day's reported price grids. taken:
    how much of an option's asks (1) and of its bids (-1) has filled orders, with the time of that quote.
    """

    board: Board
    account: str
    fills: FillPolicy
    session: Session
    working: dict[str, WorkingOrder] = field(default_factory=dict, kw_only=True)
    holdings: dict[Contract, int] = field(default_factory=dict, kw_only=True)
    costs: dict[Contract, Decimal] = field(default_factory=dict, kw_only=True)
    executions: int = field(default=0, kw_only=True)
    cash: Decimal = field(default=ZERO, kw_only=True)
    paid: dict[str, Decimal] = field(default_factory=dict, kw_only=True)
    taken: dict[tuple[Option, int], tuple[float, int]] = field(default_factory=dict, kw_only=True)
    grids: Grids = field(default_factory=dict, kw_only=True)

    def begin(self, session: Session) -> None:
        """Continue with another session."""
        self.session, self.executions = session, 0

    # ------------------------------------------------------------ commands

    def take(self, command: Command, at: datetime) -> Iterator[Event]:
        """Yield what it answers to a command at once."""
        if isinstance(command, Submit):
            yield from self._submit(command.order, at)
        elif isinstance(command, Replace) and command.order.ref in self.working:
            self.working[command.order.ref] = replace(
                self.working[command.order.ref], order=command.order, ready_at=at + PACE, is_resting=False
            )
        elif isinstance(command, Cancel):
            yield from self.cancelled(command.order, at)
        elif isinstance(command, RequestOpenOrders):
            yield OrdersListed(at, frozenset(self.working))
        elif isinstance(command, AskMargin):
            yield from self._margin(command.order, at)

    def _submit(self, order: Order, at: datetime) -> Iterator[Event]:
        if (refused := self.fills.refusal(order, at)) is not None:
            yield refused
            return
        self.paid.pop(order.ref, None)
        self.working[order.ref] = WorkingOrder(order, at + PACE)
        yield self.report(order, BrokerStatus.WORKING, 0, at)

    def cancelled(self, order: Order, at: datetime) -> Iterator[Event]:
        """Yield that an order works no more, if it did."""
        found = self.working.pop(order.ref, None)
        if found is not None:
            yield self.report(found.order, BrokerStatus.CANCELLED, found.filled, at, found.average)

    def perm_id(self, order: Order) -> int:
        """Return its own number of an order: the one another broker has reported, where there is one."""
        return order.perm_id or FIRST_PERM_ID + order.number

    def report(
        self, order: Order, status: BrokerStatus, filled: int, at: datetime, average: Decimal | None = None
    ) -> OrderReport:
        """Return the status of an order."""
        return OrderReport(
            at=at,
            ref=order.ref,
            order_id=order.order_id,
            perm_id=self.perm_id(order),
            client_id=CLIENT,
            status=status,
            filled=Decimal(filled),
            average_price=average,
        )

    # ------------------------------------------------------------ margin

    def _margin(self, order: Order, at: datetime) -> Iterator[Event]:
        """Yield what the order would add: its worst case at expiry, or a part of the strike where that has no end."""
        if (given := self.fills.margins(at)) is not None:
            if None not in given:
                most = max(each for each in given if each is not None)
                yield MarginReport(at, order.order_id, self.margin() + most, most)
            return
        dealt_in = tuple((leg.option, order.side_of(leg).sign * leg.ratio * order.quantity, ZERO) for leg in order.legs)
        legs = without_covered_calls(dealt_in, {leg.option.symbol: self._free(leg.option.symbol) for leg in order.legs})
        net = ZERO if order.limit_price is None else -order.wire_side.sign * order.limit_price
        change = worst_case(_dollars(legs), net * LOT * order.quantity)
        if change is None:
            change = _of_what_is_sold(legs)
            if not change:
                yield OrderMessage(at, order.order_id, NO_MARGIN)
                return
        yield MarginReport(at, order.order_id, self.margin() + change, change)

    def margin(self) -> Decimal:
        """Return the worst case at expiry of what is held, by underlying and last day of what is sold.

        Without a bound it is a part of the strikes. Calls that the account's shares cover need none.
        """
        total = ZERO
        for symbol in sorted({each.symbol for each, count in self.holdings.items() if count}):
            own = without_covered_calls(self._options(symbol), {symbol: max(self._shares(symbol), 0)})
            total += margin_of(own)
        return total

    def _options(self, symbol: str) -> Way:
        """Return the options held on an underlying."""
        held = ((each, count) for each, count in self.holdings.items() if isinstance(each, Option))
        return tuple((option, count, ZERO) for option, count in held if count and option.symbol == symbol)

    def _shares(self, symbol: str) -> int:
        return self.holdings.get(Underlying(symbol), 0)

    def _free(self, symbol: str) -> int:
        """Return the shares held that no short call needs."""
        return max(self._shares(symbol) - shares_covering(self._options(symbol), symbol), 0)

    # ------------------------------------------------------------ fills

    def next_at(self, at: datetime) -> datetime | None:
        """Return when a working order may fill for the first time, None when none is in transit."""
        return min((each.ready_at for each in self.working.values() if each.ready_at > at), default=None)

    def fill(self, at: datetime) -> Iterator[Event]:
        """Yield the reports of all that fills at this instant."""
        if not self.is_open(at):
            return
        for ref in list(self.working):
            found = self.working.get(ref)
            if found is None or at < found.ready_at or self._is_halted(found.order):
                continue
            net = self.fills.net(self, found, at)
            if net is not None and (count := self.fills.count(self, found, at)) > 0:
                yield from self._filled(found, count, net, at)
            found.is_resting = True

    def quote_of(self, order: Order, at: datetime, reported: Grids = NONE_REPORTED) -> NetQuote:
        """Return the price of trading the legs of an order now. A resting combo sells wings without a bid for 0.

        reported: the broker's price grids.
        """
        return net_quote(
            order_parts(order.legs, order.side),
            self.board,
            at.timestamp(),
            closing=order.purpose is not Purpose.ENTRY,
            reported=reported,
            sells_dead=order.purpose is Purpose.TARGET and order.is_combo,
        )

    def _is_halted(self, order: Order) -> bool:
        """Say whether trading is halted in a leg of an order, or in what it is on: then nothing of it fills."""
        board = self.board
        if not board.halted:
            return False
        rows = ((board.rows.get(leg.option, -1), board.level_row(leg.option.symbol)) for leg in order.legs)
        return any(row in board.halted for both in rows for row in both)

    def is_open(self, at: datetime) -> bool:
        """Say whether the session is on."""
        return self.session.is_on(at)

    def take_sizes(self, found: WorkingOrder) -> int:
        """Return how many structures the quoted sizes let fill, and use them up; where the data has none, all."""
        order, most = found.order, found.order.quantity - found.filled
        for leg in order.legs:
            if (size := self._size(leg.option, order.side_of(leg).sign)) is not None:
                most = min(most, size // leg.ratio)
        for leg in order.legs if most > 0 else ():
            self._take_size(leg.option, order.side_of(leg).sign, most * leg.ratio)
        return max(most, 0)

    def _size(self, option: Option, sign: int) -> int | None:
        """Return how many contracts of an option's quoted size remain on the other side, None when unknown.

        Of a sold one without a bid it is the number offered.
        """
        row = self.board.rows[option]
        size = (self.board.ask_size if sign > 0 or isnan(self.board.bid[row]) else self.board.bid_size)[row]
        if size != size:
            return None
        at, taken = self.taken.get((option, sign), (0.0, 0))
        return int(size) - (taken if at == self.board.quote_at[row] else 0)

    def _take_size(self, option: Option, sign: int, count: int) -> None:
        stamp = self.board.quote_at[self.board.rows[option]]
        at, taken = self.taken.get((option, sign), (0.0, 0))
        self.taken[option, sign] = (stamp, count + (taken if at == stamp else 0))

    def _filled(self, found: WorkingOrder, count: int, net: Decimal, at: datetime) -> Iterator[Event]:
        order = found.order
        found.add(count, net)
        is_done = found.filled >= order.quantity
        if is_done:
            del self.working[order.ref]
        prices = self.leg_prices(order, net)
        signed = [count * leg.ratio * order.side_of(leg).sign for leg in order.legs]
        parts = [(leg.option, n, price) for leg, n, price in zip(order.legs, signed, prices, strict=True)]
        for place, ((option, number, price), commission) in enumerate(
            zip(parts, self.charge(order, parts), strict=True)
        ):
            self.executions += 1
            exec_id = self.execution_id(found, place)
            yield from self._execution(order, option, number, price, commission, exec_id, at)
        status = BrokerStatus.FILLED if is_done else BrokerStatus.WORKING
        yield self.report(order, status, found.filled, at, found.average)
        if order.oca_group:
            for other in [each for each in self.working.values() if each.order.oca_group == order.oca_group]:
                if other.order.ref != order.ref:
                    yield from self.cancelled(other.order, at)

    def charge(self, order: Order, parts: Sequence[tuple[Option, int, Decimal]]) -> list[Decimal]:
        """Return the commission of each execution of a fill, which counts for the next one of the order."""
        before = self.paid.get(order.ref, ZERO)
        self.paid[order.ref] = before + broker_part((option, count, float(price)) for option, count, price in parts)
        return self.fills.commissions(parts, before)

    def leg_prices(self, order: Order, net: Decimal) -> list[Decimal]:
        """Return a price for each leg: its mid, and the dearest one makes up what the net price differs."""
        prices = [self._mid(leg.option) for leg in order.legs]
        counts = [leg.price_multiplier if order.is_combo else leg.ratio for leg in order.legs]
        flows = [-order.side_of(leg).sign * count for leg, count in zip(order.legs, counts, strict=True)]
        return priced_by_leg(prices, flows, net)

    def _mid(self, option: Option) -> Decimal:
        row = self.board.rows[option]
        return order_mid(self.board.bid[row], self.board.ask[row])

    def _execution(
        self,
        order: Order,
        option: Option,
        count: int,
        price: Decimal,
        commission: Decimal,
        exec_id: ExecutionId,
        at: datetime,
    ) -> Iterator[Event]:
        """Yield one execution, and what it leads to. Units: contracts, - sold."""
        yield ExecutionReport(
            at=at,
            exec_id=exec_id,
            ref=order.ref,
            order_id=order.order_id,
            perm_id=self.perm_id(order),
            client_id=CLIENT,
            option=option,
            is_combo=False,
            is_buy=count > 0,
            quantity=Decimal(abs(count)),
            price=price,
            executed_at=at,
        )
        yield CommissionReport(at, exec_id, commission)
        held: Contract = Underlying(option.symbol) if option.is_share else option
        yield from self._moved(held, count, price * count * option.multiplier + commission, at)

    def execution_id(self, found: WorkingOrder, place: int) -> ExecutionId:
        """Return an id that no other session has: executions are numbered within one.

        place: of the leg in the order, which has been counted as filled.
        """
        return ExecutionId(f"{self.session.date:%Y%m%d}.{self.executions:06d}")

    def _moved(
        self, contract: Contract, count: int, paid: Decimal, at: datetime, *, premium: Decimal = ZERO
    ) -> Iterator[Event]:
        """Book contracts in or out for these dollars (- received), keep their cost, and report it.

        premium: an option's cost by which they move, which was paid then.
        """
        before, cost = self.holdings.get(contract, 0), self.costs.get(contract, ZERO)
        self.cash -= paid
        self.costs[contract] = average_cost(before, cost, count, paid + premium)
        yield from self.holds(contract, before + count, at)

    def holds(self, contract: Contract, count: int, at: datetime) -> Iterator[Event]:
        """Note the account's present holdings, and report them."""
        self.holdings[contract] = count
        yield PositionReport(at, contract, Decimal(count), self.costs.get(contract, ZERO))

    # ------------------------------------------------------------ the connection, and the end

    def link(self, at: datetime, next_order_id: int) -> Connected:
        """Return its messages when the engine connects."""
        held = tuple((contract, Decimal(count)) for contract, count in self.holdings.items() if count)
        return Connected(
            at=at,
            account=self.account,
            client_id=CLIENT,
            next_order_id=next_order_id,
            order_refs=tuple(self.working),
            positions=held,
            costs=tuple((contract, cost) for contract, cost in self.costs.items() if self.holdings.get(contract)),
            lockstep=True,
        )

    def expire(self, options: Iterable[Option], at: datetime) -> Iterator[Event]:
        """Yield that these are gone, and the shares that they move at the level that their underlying has now."""
        for option in options:
            row = self.board.rows.get(Underlying(option.symbol), -1)
            level = self.board.last[row] if row >= 0 else nan
            yield from self.ended(option, Decimal(f"{level:.4f}") if level == level else None, at)

    def ended(self, option: Option, level: Decimal | None, at: datetime) -> Iterator[Event]:
        """Yield that an option has ended at a level, and the shares that exercise and assignment have moved."""
        count = self.holdings.get(option, 0)
        if count and delivers(option) and level is not None and intrinsic(option, level) >= CENT:
            yield from self._delivered(option, count, at)
        self.costs.pop(option, None)
        yield from self.holds(option, 0, at)

    def _delivered(self, option: Option, count: int, at: datetime) -> Iterator[Event]:
        """Yield the shares that an option moves. What it has brought, or cost, is part of what they cost.

        Source: IBKR Reporting Reference, Trades, Realized P/L.
        """
        shares, premium = shares_delivered(option, count), self.costs.get(option, ZERO) * count
        yield from self._moved(Underlying(option.symbol), shares, option.strike * shares, at, premium=premium)

    # ------------------------------------------------------------ cash

    def settle(self, option: Option, level: Decimal, at: datetime) -> Iterator[Event]:
        """Yield that an option that has expired is gone at a level; what is settled in cash pays its worth there."""
        if not delivers(option):
            self.cash += intrinsic(option, level) * self.holdings.get(option, 0) * option.multiplier
        yield from self.ended(option, level, at)

    def end_of_day(self, at: datetime) -> Iterator[Event]:
        """Yield that orders for the day work no more."""
        for found in list(self.working.values()):
            if found.order.time_in_force is TimeInForce.DAY:
                yield from self.cancelled(found.order, at)

    def worth(self, marks: Mapping[Contract, float]) -> Decimal:
        """Return the dollars of the account at these prices; what has none counts nothing."""
        return (self.cash + sum((self._valued(each, marks) for each in self.holdings), ZERO)).quantize(CENT)

    def _valued(self, contract: Contract, marks: Mapping[Contract, float]) -> Decimal:
        count, price = self.holdings[contract], marks.get(contract)
        if not count or price is None:
            return ZERO
        multiplier = contract.multiplier if isinstance(contract, Option) else 1
        return Decimal(f"{price:.4f}") * count * multiplier

    def reported(self, marks: Mapping[Contract, float]) -> Account:
        """Return the account's values as a broker reports them.

        Options have no loan value: they add no buying power. Source: IBKR, Equity with Loan Value.
        """
        margin = self.margin()
        shares = sum((self._valued(each, marks) for each in self.holdings if isinstance(each, Underlying)), ZERO)
        free = max((self.cash + shares).quantize(CENT) - margin, ZERO)
        return Account(
            self.account,
            net_liquidation=self.worth(marks),
            cash=self.cash.quantize(CENT),
            buying_power=free,
            available_funds=free,
            maintenance_margin=margin,
        )


def commissions_of(parts: Sequence[tuple[Option, int, Decimal]], before: Decimal = ZERO) -> list[Decimal]:
    """Return the dollars of each execution of one order: option, contracts (- sold) and price of its legs.

    before: the broker's own commissions of the order's earlier fills. A fill's shortfall to the order's minimum is
    charged with its first execution, and returned there when more of the order fills.
    """
    priced = [(option, count, float(price)) for option, count, price in parts]
    reported = [fill_commission(*part) for part in priced]
    reported[0] += minimum_shortfall(priced, before)
    return reported


def paid_so_far(state: State) -> dict[str, Decimal]:
    """Return the broker's own part of what working orders have cost, by ref, for a start (`SimulatedBroker.paid`)."""
    options = {(ref, leg.name): leg.option for ref in state.orders.live for leg in state.orders.by_ref[ref].legs}
    found: dict[str, Decimal] = {}
    for booked in state.positions.executions.values():
        option = options.get((booked.ref, booked.leg))
        if option is not None and booked.quantity:
            price = abs(booked.cash) / (booked.quantity * option.multiplier)
            found[booked.ref] = found.get(booked.ref, ZERO) + broker_part([(option, booked.quantity, float(price))])
    return found


def average_cost(held: int, cost: Decimal, count: int, paid: Decimal) -> Decimal:
    """Return the average cost after buying this many more (- sold) for these dollars (- received).

    Units: dollars for one, multiplier and commissions included; for a short one, received. A remainder keeps its cost.
    Source: TWS API, averageCost.
    """
    if held * count >= 0:
        return ((held * cost + paid) / (held + count)).quantize(_AVERAGE)
    if held * (held + count) > 0:
        return cost
    return (paid / count).quantize(_AVERAGE) if held + count else ZERO


def _dollars(way: Way) -> Iterator[Part]:
    """Yield what each holding pays in dollars for each point that it is in the money."""
    return ((option, count * option.multiplier) for option, count, _ in way)


def order_mid(bid: float, ask: float) -> Decimal:
    """Return the middle of a quote for prices of legs; without a bid half the ask."""
    return Decimal(str(middle(bid, ask))).quantize(_EXACT)


def priced_by_leg(mids: Sequence[Decimal], flows: Sequence[int], net: Decimal) -> list[Decimal]:
    """Return a price for each leg, its mid; the dearest one makes up what the net price differs.

    flows: what a point of each leg brings per share of the structure, negative of what is bought.
    """
    prices = list(mids)
    lacks = net - sum((flow * price for flow, price in zip(flows, prices, strict=True)), ZERO)
    dearest = max(range(len(prices)), key=lambda place: prices[place])
    prices[dearest] += lacks / flows[dearest]
    return prices


def expired(holdings: Mapping[Contract, int], until: date) -> list[Option]:
    """Return the options held that expire up to a day."""
    return [each for each, count in holdings.items() if count and isinstance(each, Option) and each.expiry <= until]
