"""What the wire tests share: a simulated gateway in the same loop, a world connected to it, and orders."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from decimal import Decimal

from rulebot.adapters.ib.broker import IbConnection, ib_world
from rulebot.adapters.ib.settings import IbSettings
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.event import Event
from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from twsim import GatewaySettings, RunningGateway, read_faults, start_gateway

DAY = date(2025, 11, 24)
LIMIT_SECONDS = 90
SPX = Underlying("SPX")


def run(test: Coroutine[object, object, None]) -> None:
    """Run one test in a loop of its own, within a time limit."""
    asyncio.run(asyncio.wait_for(test, LIMIT_SECONDS))


@asynccontextmanager
async def gateway(faults: str = "", **changes: object) -> AsyncIterator[RunningGateway]:
    """A simulated gateway on a free port."""
    settings = GatewaySettings(**({"first_day": DAY} | changes))  # type: ignore[arg-type]
    running = await start_gateway(settings, faults=read_faults(f"faults: {faults}") if faults else None)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def connected(port: int, **changes: object) -> AsyncIterator[tuple[IbConnection, tuple[Event, ...]]]:
    """A connected world and the events of its first batch."""
    world = ib_world(IbSettings(**({"port": port, "lockstep": True, "round_interval": 0.01} | changes)))  # type: ignore[arg-type]
    batch = await world.link.connect()
    try:
        yield world, batch.events
    finally:
        await world.link.close()


@asynccontextmanager
async def telling_our_time(running: RunningGateway) -> AsyncIterator[None]:
    """Let a gateway whose time runs by itself tell this computer's, since nobody is let in by that of another day."""
    running.gateway.clock.ask = lambda session, _: session.send(49, 1, int(time.time()))  # type: ignore[method-assign]
    yield


async def play(world: IbConnection, instants: int) -> list[Event]:
    """Let so many instants pass and return what happened."""
    found: list[Event] = []
    for _ in range(instants):
        found.extend((await world.link.next(None)).events)
    return found


async def play_until(world: IbConnection, holds: Callable[[Event], bool], instants: int = 200) -> list[Event]:
    """Let instants pass until one brings an event for which `holds`."""
    found: list[Event] = []
    for _ in range(instants):
        found.extend((await world.link.next(None)).events)
        if any(holds(event) for event in found):
            return found
    raise AssertionError(f"it did not happen in {instants} instants: {found[-5:]}")


async def chain(world: IbConnection, expiry: date = DAY) -> tuple[Decimal, ...]:
    """Learn the SPXW chain of a day; return the strikes."""
    listing = await world.feed.listing("SPX", "SPXW")
    return (await world.feed.strikes(listing, expiry)).strikes[expiry]


def put(strike: Decimal | int, expiry: date = DAY) -> Option:
    return Option("SPX", "SPXW", expiry, Decimal(strike), Right.PUT)


async def near(world: IbConnection, below: int = 0) -> Decimal:
    """Return a listed strike about so many points below spot, once the market is open."""
    world.feed.watch([SPX])
    await play(world, 75)
    strikes = await chain(world)
    spot = world.feed.board.last[world.feed.board.rows[SPX]]
    return min(strikes, key=lambda strike: abs(float(strike) - spot + below))


def leg(option: Option, side: Side, ratio: int = 1) -> OrderLeg:
    return OrderLeg(f"{option.strike}", option, side, ratio)


def order(order_id: int, *legs: OrderLeg, **changes: object) -> Order:
    """An order to send; a limit of 1.00 for one structure unless told otherwise."""
    now = datetime(2025, 11, 24, 14, 30, tzinfo=UTC)
    values: dict[str, object] = {
        "ref": f"rb.t.{order_id}",
        "number": order_id,
        "bot": "t",
        "position": "p",
        "purpose": Purpose.ENTRY,
        "reason": "entry",
        "legs": legs,
        "side": legs[0].side,
        "quantity": 1,
        "kind": OrderType.LIMIT,
        "limit_price": Decimal("1.00"),
        "time_in_force": TimeInForce.DAY,
        "order_id": order_id,
        "prepared_at": now,
        "changed_at": now,
    }
    return Order(**(values | changes))  # type: ignore[arg-type]
