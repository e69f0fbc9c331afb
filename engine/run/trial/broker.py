"""The broker of a test: it fills, a second after an order came, whatever is priced at the mid or worse.

A limit may lie a tick on the better side of the mid, since a ladder rounds in our favour. What fills, fills at its
limit (a market or stop order at natural), whole, unless the test says that the broker rejects, fills a part or is away.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from engine.model.command import Cancel, Command, Inquire, Replace, Submit
from engine.model.commission import per_contract
from engine.model.contract import Contract, Option, Right, Underlying
from engine.model.cover import delivers
from engine.model.event import (
    BrokerStatus,
    CommissionReport,
    Event,
    ExecutionReport,
    LinkUp,
    OrderMessage,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from engine.model.market import Board
from engine.model.money import CENT, ZERO
from engine.model.order import Order, OrderType, Purpose, Side
from engine.model.payoff import intrinsic
from engine.model.session import Session
from engine.order.draft import net_price, parts_of
from engine.order.price import net_quote, ticks_of
from engine.run.trial.first_facts import ACCOUNT
from engine.spec.trial import Does, Mishap

PACE = timedelta(seconds=1)
"""How long an order takes to the exchange and back."""
CLIENT = 1
REJECTED = 201
_EXACT = Decimal("0.0001")


@dataclass
class Working:
    """An order at the broker: what has filled of it, and from when on it may fill."""

    order: Order
    ready_at: datetime
    filled: int = 0


@dataclass
class Broker:
    """A broker with a memory: working orders, and what the account holds. Every answer is an event for the engine."""

    board: Board
    session: Session
    mishaps: tuple[Mishap, ...]
    begins: datetime
    working: dict[str, Working] = field(default_factory=dict)
    holdings: dict[Contract, int] = field(default_factory=dict)
    costs: dict[Contract, Decimal] = field(default_factory=dict)
    executions: int = 0

    # ------------------------------------------------------------ what it does

    def does(self, kind: Does, at: datetime) -> Mishap | None:
        """Return what it does of a kind at an instant, None when nothing."""
        spans = ((each, *self.span(each)) for each in self.mishaps if each.does is kind)
        return next((each for each, start, end in spans if start <= at < end), None)

    def span(self, mishap: Mishap) -> tuple[datetime, datetime]:
        """Return from when to when it does so."""
        start = self.begins if mishap.at is None else mishap.at.on(self.session)
        end = self.session.close + timedelta(hours=1)
        return start, end if mishap.lasts is None else start + timedelta(seconds=mishap.lasts)

    def instants(self) -> Iterator[datetime]:
        """Yield when what it does begins and ends."""
        for mishap in self.mishaps:
            yield from self.span(mishap)

    # ------------------------------------------------------------ commands

    def take(self, command: Command, at: datetime) -> Iterator[Event]:
        """Yield what it answers to a command at once."""
        if isinstance(command, Submit):
            yield from self._submit(command.order, at)
        elif isinstance(command, Replace) and command.order.ref in self.working:
            self.working[command.order.ref] = replace(
                self.working[command.order.ref], order=command.order, ready_at=at + PACE
            )
        elif isinstance(command, Cancel):
            yield from self._cancel(command.order, at)
        elif isinstance(command, Inquire):
            yield OrdersListed(at, frozenset(self.working))

    def _submit(self, order: Order, at: datetime) -> Iterator[Event]:
        rejects = self.does(Does.REJECTS, at)
        kind = "entry" if order.purpose is Purpose.ENTRY else "exit"
        if rejects is not None and rejects.what in ("all", kind):
            yield OrderMessage(at, order.order_id, REJECTED, "Order rejected - reason: the test says so")
            return
        self.working[order.ref] = Working(order, at + PACE)
        yield self._report(order, BrokerStatus.SUBMITTED, 0, at)

    def _cancel(self, order: Order, at: datetime) -> Iterator[Event]:
        found = self.working.pop(order.ref, None)
        if found is not None:
            yield self._report(found.order, BrokerStatus.CANCELLED, found.filled, at)

    def _report(self, order: Order, status: BrokerStatus, filled: int, at: datetime) -> OrderReport:
        return OrderReport(
            at=at,
            ref=order.ref,
            order_id=order.order_id,
            perm_id=100_000 + order.number,
            client_id=CLIENT,
            status=status,
            filled=Decimal(filled),
        )

    # ------------------------------------------------------------ fills

    def next_at(self, at: datetime) -> datetime | None:
        """Return when an order that works may fill for the first time, None when none is on its way."""
        return min((each.ready_at for each in self.working.values() if each.ready_at > at), default=None)

    def fill(self, at: datetime) -> Iterator[Event]:
        """Yield the reports of all that fills at this instant."""
        if not self.session.open <= at < self.session.close:
            return
        for ref in list(self.working):
            found = self.working.get(ref)
            if found is None or at < found.ready_at:
                continue
            net = self._price(found.order, at)
            if net is not None and (count := self._count(found, at)) > 0:
                yield from self._filled(found, count, net, at)

    def _count(self, found: Working, at: datetime) -> int:
        fills = self.does(Does.FILLS, at)
        whole = found.order.quantity
        most = whole if fills is None else int(whole * fills.part)
        return most - found.filled

    def _price(self, order: Order, at: datetime) -> Decimal | None:
        """Return the net price at which it fills now, None when it does not."""
        parts = parts_of(order.legs, order.side)
        quote = net_quote(parts, self.board, at.timestamp(), closing=order.purpose is not Purpose.ENTRY)
        if quote.mid is None or quote.natural is None:
            return None
        natural = Decimal(f"{quote.natural:.4f}")
        if order.kind is OrderType.MARKET:
            return natural
        if order.kind is OrderType.STOP:
            assert order.stop_price is not None
            away = (Decimal(f"{abs(quote.mid):.4f}") - order.stop_price) * order.side.sign
            return natural if away >= 0 else None
        assert order.limit_price is not None
        net = net_price(order.limit_price, order.side)
        tick = ticks_of(parts).tick(net)
        return net if float(net) < quote.mid + float(tick) else None

    def _filled(self, found: Working, count: int, net: Decimal, at: datetime) -> Iterator[Event]:
        order = found.order
        found.filled += count
        is_done = found.filled >= order.quantity
        if is_done:
            del self.working[order.ref]
        for leg, price in zip(order.legs, self._leg_prices(order, net), strict=True):
            is_buy = order.side_of(leg) is Side.BUY
            yield from self._execution(order, leg.option, count * leg.ratio, price, is_buy, at)
        status = BrokerStatus.FILLED if is_done else BrokerStatus.SUBMITTED
        yield self._report(order, status, found.filled, at)
        if order.oca_group:
            for other in [each for each in self.working.values() if each.order.oca_group == order.oca_group]:
                if other.order.ref != order.ref:
                    yield from self._cancel(other.order, at)

    def _leg_prices(self, order: Order, net: Decimal) -> list[Decimal]:
        """Return a price for each leg: its mid, and the dearest one makes up what the net price differs."""
        prices = [self._mid(leg.option) for leg in order.legs]
        flows = [-order.side_of(leg).sign * (leg.weight if order.is_combo else leg.ratio) for leg in order.legs]
        lacks = net - sum((flow * price for flow, price in zip(flows, prices, strict=True)), ZERO)
        dearest = max(range(len(prices)), key=lambda place: prices[place])
        prices[dearest] += lacks / flows[dearest]
        return prices

    def _mid(self, option: Option) -> Decimal:
        row = self.board.rows[option]
        bid, ask = self.board.bid[row], self.board.ask[row]
        return Decimal(str(((bid if bid == bid else 0.0) + ask) / 2)).quantize(_EXACT)

    def _execution(
        self, order: Order, option: Option, count: int, price: Decimal, is_buy: bool, at: datetime
    ) -> Iterator[Event]:
        self.executions += 1
        exec_id = f"0001.{self.executions:06d}.01"
        yield ExecutionReport(
            at=at,
            exec_id=exec_id,
            ref=order.ref,
            order_id=order.order_id,
            perm_id=100_000 + order.number,
            client_id=CLIENT,
            option=option,
            is_combo=False,
            is_buy=is_buy,
            quantity=Decimal(count),
            price=price,
            executed_at=at,
        )
        yield CommissionReport(at, exec_id, per_contract(option, float(price)) * count)
        if option.is_share:
            held = Underlying(option.symbol)
            yield from self.holds(held, self.holdings.get(held, 0) + (count if is_buy else -count), at)
            return
        yield from self.holds(option, self.holdings.get(option, 0) + (count if is_buy else -count), at)

    def holds(self, contract: Contract, count: int, at: datetime) -> Iterator[Event]:
        """Take note of what the account holds now, and tell it."""
        self.holdings[contract] = count
        yield PositionReport(at, contract, Decimal(count), self.costs.get(contract, ZERO))

    # ------------------------------------------------------------ the connection, and the end

    def link(self, at: datetime, next_order_id: int) -> LinkUp:
        """Return what it tells of itself when the engine connects."""
        held = tuple((contract, Decimal(count)) for contract, count in self.holdings.items() if count)
        return LinkUp(
            at=at,
            account=ACCOUNT,
            client_id=CLIENT,
            next_order_id=next_order_id,
            order_refs=tuple(self.working),
            positions=held,
            costs=tuple(self.costs.items()),
            lockstep=True,
        )

    def expire(self, at: datetime) -> Iterator[Event]:
        """Yield that what has expired is gone, and the shares that exercise and assignment have moved."""
        for contract, count in list(self.holdings.items()):
            if isinstance(contract, Option) and contract.expiry <= self.session.date and count:
                yield from self._deliver(contract, count, at)
                yield from self.holds(contract, 0, at)

    def _deliver(self, option: Option, count: int, at: datetime) -> Iterator[Event]:
        underlying = Underlying(option.symbol)
        row = self.board.rows.get(underlying, -1)
        level = self.board.last[row] if row >= 0 else 0.0
        if delivers(option) and level == level and intrinsic(option, Decimal(f"{level:.4f}")) >= CENT:
            shares = count * option.multiplier * (1 if option.right is Right.CALL else -1)
            yield from self.holds(underlying, self.holdings.get(underlying, 0) + shares, at)
