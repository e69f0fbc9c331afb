"""What is tried at a paper gateway: a connection, and an order that cannot fill, sent and taken back."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from rulebot.live.environments import World, attached
from rulebot.model.contract import Option, Right
from rulebot.model.event import AccountReport, BrokerStatus, Connected, Event, OrderMessage, OrderReport
from rulebot.model.facts import Account
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side
from rulebot.model.session import exchange_date
from rulebot.order.price import Ticket, draft

CLIENT_ID = 77
"""Neither the client that an engine trades as, nor that of a command."""
SECONDS = 20
"""How long each answer may take."""
FAR = Decimal("0.05")
SYMBOL = "SPY"
AHEAD = timedelta(days=30)
WORKS = frozenset((BrokerStatus.WORKING,))
OVER = frozenset((BrokerStatus.CANCELLED,))


class Connection(NamedTuple):
    """What a connection brought: a gateway that is not paper is refused before any of it."""

    world: World
    up: Connected
    events: tuple[Event, ...]


class Seen(NamedTuple):
    """What became of an order: statuses in their order, messages, and how much of it was filled at most."""

    order: Order
    statuses: tuple[BrokerStatus, ...]
    messages: tuple[str, ...]
    filled: Decimal


@asynccontextmanager
async def connection(host: str, port: int) -> AsyncIterator[Connection]:
    """Connect as a run on paper does. Raises: BrokerError when the account is none of paper."""
    async with attached(host, port, CLIENT_ID, "", lockstep=False) as world:
        batch = await world.ib.link.connect()
        up = next(event for event in batch.events if isinstance(event, Connected))
        yield Connection(world, up, batch.events)


async def account_of(found: Connection) -> Account:
    """Return the account as the gateway tells it."""

    def reported(events: list[Event]) -> bool:
        return any(isinstance(event, AccountReport) and event.account.net_liquidation for event in events)

    events = await until(found.world, reported, list(found.events))
    return next(event.account for event in reversed(events) if isinstance(event, AccountReport))


async def until(world: World, holds: Callable[[list[Event]], bool], events: list[Event]) -> list[Event]:
    """Return all events, these first, once something holds of them. Raises: TimeoutError."""
    async with asyncio.timeout(SECONDS):
        while not holds(events):
            events.extend((await world.ib.link.next(None)).events)
    return events


async def deep_put(found: Connection) -> Option:
    """Return the put of the highest strike about a month ahead: worth many dollars, whatever the market does."""
    feed = found.world.ib.feed
    listing = await feed.listing(SYMBOL, SYMBOL)
    wanted = exchange_date(found.up.at) + AHEAD
    expiry: date = min(listing.expiries, key=lambda each: (abs(each - wanted), each))
    strikes = (await feed.strikes(listing, expiry)).strikes[expiry]
    return Option(SYMBOL, SYMBOL, expiry, max(strikes), Right.PUT)


async def sent_and_cancelled(found: Connection) -> Seen:
    """Bid five cents for that put, take the bid back, and return what was said of it."""
    number = found.up.next_order_id
    legs = (OrderLeg("put", await deep_put(found), Side.BUY),)
    ticket = Ticket(f"paper:{number}", number, number, "paper", "far bid", Purpose.ENTRY, "far bid", "", found.up.at)
    order = draft(ticket, legs, 1, OrderType.LIMIT, net=-FAR)
    world, events = found.world, list[Event]()
    world.ib.broker.submit(order)
    try:
        await until(world, lambda reported: bool({*statuses_of(order, reported)} & (WORKS | OVER)), events)
    finally:
        world.ib.broker.cancel(order)
    await until(world, lambda reported: bool({*statuses_of(order, reported)} & OVER), events)
    mine = [each for each in events if isinstance(each, OrderReport) and each.order_id == order.order_id]
    messages = [each for each in events if isinstance(each, OrderMessage) and each.order_id == order.order_id]
    return Seen(
        order,
        statuses_of(order, events),
        tuple(f"{each.message.text} ({each.message.code})" for each in messages),
        max((each.filled or Decimal(0) for each in mine), default=Decimal(0)),
    )


def statuses_of(order: Order, events: list[Event]) -> tuple[BrokerStatus, ...]:
    """Return what statuses an order was told to have."""
    mine = [each for each in events if isinstance(each, OrderReport) and each.order_id == order.order_id]
    return tuple(each.status for each in mine if each.status is not None)
