"""The broker of a test: it fills, a second after an order came, whatever is priced at the mid or worse.

A limit may lie a tick on the better side of the mid, since a ladder rounds in our favour. What fills, fills at its
limit (a market or stop order at natural), whole, unless the test says that the broker rejects, fills a part or is away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.backtest.simulated_broker import SimulatedBroker, WorkingOrder, natural_fill
from rulebot.model.event import Event, MarginReport, OrderMessage
from rulebot.model.order import Order, OrderType, Purpose
from rulebot.model.session import Session
from rulebot.order.draft import net_price, order_parts
from rulebot.order.price import ticks_of
from rulebot.spec.trial import BrokerAction, BrokerEvent

REJECTED = 201


@dataclass
class TestBroker(SimulatedBroker):
    """The broker of one test, with what the test makes it do."""

    session: Session
    mishaps: tuple[BrokerEvent, ...]
    begins: datetime

    def does(self, kind: BrokerAction, at: datetime) -> tuple[BrokerEvent, ...]:
        """Return everything of a kind that it does at an instant."""
        spans = ((each, *self.span(each)) for each in self.mishaps if each.does is kind)
        return tuple(each for each, start, end in spans if start <= at < end)

    def span(self, mishap: BrokerEvent) -> tuple[datetime, datetime]:
        """Return from when to when it does so."""
        start = self.begins if mishap.at is None else mishap.at.on(self.session)
        end = self.session.close + timedelta(hours=1)
        return start, end if mishap.lasts is None else start + timedelta(seconds=mishap.lasts)

    def instants(self) -> Iterator[datetime]:
        """Yield when what it does begins and ends."""
        for mishap in self.mishaps:
            yield from self.span(mishap)

    def _submit(self, order: Order, at: datetime) -> Iterator[Event]:
        kind = "entry" if order.purpose is Purpose.ENTRY else "exit"
        if any(each.what in ("all", kind) for each in self.does(BrokerAction.REJECTS, at)):
            yield OrderMessage(at, order.order_id, REJECTED, "Order rejected - reason: the test says so")
            return
        yield from super()._submit(order, at)

    def _margin(self, order: Order, at: datetime) -> Iterator[Event]:
        """Yield the largest margin that the test gives, nothing where it is unknown; by default that of a backtest."""
        told = [each.margin for each in self.does(BrokerAction.MARGIN, at)]
        known = [each for each in told if each is not None]
        if not told:
            yield from super()._margin(order, at)
        elif len(known) == len(told):
            yield MarginReport(at, order.order_id, self.margin() + max(known), max(known))

    def is_open(self, at: datetime) -> bool:
        """Say whether the session of the test is on."""
        return self.session.is_on(at)

    def count(self, found: WorkingOrder, at: datetime) -> int:
        """Return the whole, or the part that the test lets fill."""
        part = min((each.part for each in self.does(BrokerAction.FILLS, at)), default=Decimal(1))
        return int(found.order.quantity * part) - found.filled

    def price(self, found: WorkingOrder, at: datetime) -> Decimal | None:
        """Return the net price at which it fills now, None when it does not."""
        order = found.order
        parts = order_parts(order.legs, order.side)
        quote = self.quote_of(order, at)
        if quote.mid is None or quote.natural is None:
            return None
        if order.kind in (OrderType.MARKET, OrderType.STOP):
            return natural_fill(order, parts, quote)
        assert order.limit_price is not None
        net = net_price(order.limit_price, order.side)
        tick = ticks_of(parts).tick(net)
        return net if float(net) < quote.mid + float(tick) else None
