"""The simulated broker of a backtest: fills by a model, sizes as quoted, commissions, cash, expiry.

An order may fill a second after it was sent, at the quotes that stand then: those of the instant at which it was
decided until the next one comes, which is what a snapshot says of the time after it. So an order never fills at a quote
that is older than the decision, nor at one of a later instant.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from math import isnan

from rulebot.backtest.fills import FillModel
from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder
from rulebot.core.state import State
from rulebot.model.commission import broker_part, fill_commission, minimum_shortfall
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.cover import delivers
from rulebot.model.event import Event
from rulebot.model.facts import Account, Grids
from rulebot.model.money import CENT, ZERO
from rulebot.model.order import Order, OrderType, TimeInForce
from rulebot.model.payoff import intrinsic
from rulebot.model.session import Session
from rulebot.order.draft import order_parts

ACCOUNT = "BACKTEST"


@dataclass
class BacktestBroker(SimulatedBroker):
    """The account of a backtest, in exact dollars, with the day's session and how orders fill.

    paid: the broker's own part of what orders have cost so far, before the least of an order. grids: price grids as the
    day's broker had told them by now. taken: how much of an option's asks (1) and of its bids (-1) has filled orders,
    with the time of the quote that it was of.
    """

    fills: FillModel
    session: Session
    paid: dict[str, Decimal] = field(default_factory=dict, kw_only=True)
    taken: dict[tuple[Option, int], tuple[float, int]] = field(default_factory=dict, kw_only=True)
    grids: Grids = field(default_factory=dict, kw_only=True)

    def begin(self, session: Session) -> None:
        """Go on with another session."""
        self.session, self.executions = session, 0

    def _submit(self, order: Order, at: datetime) -> Iterator[Event]:
        self.paid.pop(order.ref, None)
        yield from super()._submit(order, at)

    # ------------------------------------------------------------ fills

    def is_open(self, at: datetime) -> bool:
        """Say whether the session is on."""
        return self.session.is_on(at)

    def price(self, found: WorkingOrder, at: datetime) -> Decimal | None:
        """Return the net price that the model gives now."""
        order = found.order
        parts = order_parts(order.legs, order.side)
        quote = self.quote_of(order, at, self.grids)
        return self.fills.price(order, parts, quote, is_resting=found.is_resting)

    def count(self, found: WorkingOrder, at: datetime) -> int:
        """Return what the quoted sizes allow; where the data has none, all of it."""
        order = found.order
        most = order.quantity - found.filled
        if order.kind is OrderType.STOP:
            return most
        for leg in order.legs:
            if (size := self._size(leg.option, order.side_of(leg).sign)) is not None:
                most = min(most, size // leg.ratio)
        for leg in order.legs if most > 0 else ():
            self._take_size(leg.option, order.side_of(leg).sign, most * leg.ratio)
        return max(most, 0)

    def _size(self, option: Option, sign: int) -> int | None:
        """Return how many of an option are left of what is quoted on the other side, None when it is not told.

        Of what is sold without a bid it is as many as are offered.
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

    def commissions(self, found: WorkingOrder, parts: list[tuple[Option, int, Decimal]]) -> list[Decimal]:
        """Return the dollars of each execution, with what an order lacks of the least."""
        before = self.paid.get(found.order.ref, ZERO)
        told = commissions_of(parts, before)
        self.paid[found.order.ref] = before + broker_part(
            (option, count, float(price)) for option, count, price in parts
        )
        return [each.quantize(CENT) for each in told]

    def execution_id(self, number: int) -> str:
        """Return an id that no other session has: executions are numbered within one."""
        return f"{self.session.date.isoformat().replace('-', '')}.{number:06d}.01"

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

    def told(self, marks: Mapping[Contract, float]) -> Account:
        """Return the values of the account as the broker tells them.

        Options have no loan value: what they are worth buys nothing. Source: IBKR, Equity with Loan Value.
        """
        margin = self.margin()
        shares = sum((self._valued(each, marks) for each in self.holdings if isinstance(each, Underlying)), ZERO)
        free = max((self.cash + shares).quantize(CENT) - margin, ZERO)
        return Account(
            ACCOUNT,
            net_liquidation=self.worth(marks),
            cash=self.cash.quantize(CENT),
            buying_power=free,
            available_funds=free,
            maintenance_margin=margin,
        )


def commissions_of(parts: Sequence[tuple[Option, int, Decimal]], before: Decimal = ZERO) -> list[Decimal]:
    """Return the dollars of each execution of one order: option, contracts (- sold) and price of its legs.

    before: the broker's own part of what the order has filled already. What a fill lacks of the least of the order is
    told with its first execution, and given back there when more of the order fills.
    """
    priced = [(option, count, float(price)) for option, count, price in parts]
    told = [fill_commission(*part) for part in priced]
    told[0] += minimum_shortfall(priced, before)
    return told


def paid_so_far(state: State) -> dict[str, Decimal]:
    """Return the broker's own part of what working orders have cost, by ref, for a start (`BacktestBroker.paid`)."""
    options = {(ref, leg.name): leg.option for ref in state.live for leg in state.orders[ref].legs}
    found: dict[str, Decimal] = {}
    for booked in state.booked.values():
        option = options.get((booked.ref, booked.leg))
        if option is not None and booked.quantity:
            price = abs(booked.cash) / (booked.quantity * option.multiplier)
            found[booked.ref] = found.get(booked.ref, ZERO) + broker_part([(option, booked.quantity, float(price))])
    return found
