"""The worlds the engine can run in: which link, feed, broker and journal are plugged together.

No other file asks which world it is in.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from rulebot.adapters.ib.broker import IbConnection, ib_world
from rulebot.adapters.ib.connection_errors import nothing_listens
from rulebot.adapters.ib.handshake import read_greeting
from rulebot.adapters.ib.link import IbLink
from rulebot.adapters.ib.settings import WHOLE, IbSettings, Share
from rulebot.backtest.fill_model import FillModel
from rulebot.core.program import CompiledBot
from rulebot.model.errors import MisuseError
from rulebot.model.session import exchange_date, session_from
from rulebot.model.values import dataclass
from rulebot.ports import Broker, Feed, Link
from rulebot.process.connection_state import patiently
from rulebot.process.settings import Settings, read_settings
from rulebot.shadow.broker import ObservingBroker, ObservingLink
from rulebot.store.place import Place
from twsim import (
    ASSETS,
    OPTION_CLASSES,
    GatewaySettings,
    Market,
    ReplayedDay,
    ReplayedMarket,
    RunningGateway,
    check_start,
    market_of,
    start_gateway,
)

DEFAULT_DATE = date(2026, 10, 21)
DEFAULT_SEED = 7
PROBE_SECONDS = 2.0
GENEROUS = 120.0
"""Real seconds a simulated gateway may take to answer on a slow machine before we give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimSettings:
    """The embedded simulated gateway. `speed` None is as fast as it goes; `given` is a market instead of the model."""

    first_day: date = DEFAULT_DATE
    days: int = 1
    seed: int = DEFAULT_SEED
    speed: float | None = None
    market: str | None = None
    data_seconds: int = 5
    cash: Decimal = Decimal(1_000_000)
    positions: Path | None = None
    shares: tuple[tuple[str, int], ...] = ()
    ledger: Path | None = None
    given: ReplayedDay | None = None
    sends_orders: bool = True
    share: Share = WHOLE


@dataclass(frozen=True, slots=True)
class Observer:
    """Replacements for the ports of an engine that sends nothing (`shadow/`)."""

    link: ObservingLink
    feed: Feed
    broker: ObservingBroker


@dataclass(frozen=True, slots=True)
class World:
    """A world before its connect, its gateway if it has one, and replacements for its ports if any.

    relayed: link and feed of an engine that has a shadow (`shadow_connection.py`). The engine's three ports are `link`,
    `feed` and `broker`; `ib` is for checks of the connection.
    """

    ib: IbConnection
    gateway: RunningGateway | None
    observer: Observer | None = None
    relayed: tuple[Link, Feed] | None = None

    @property
    def link(self) -> Link:
        """The engine's Link."""
        if self.observer is not None:
            return self.observer.link
        return self.ib.link if self.relayed is None else self.relayed[0]

    @property
    def feed(self) -> Feed:
        """The engine's Feed."""
        if self.observer is not None:
            return self.observer.feed
        return self.ib.feed if self.relayed is None else self.relayed[1]

    @property
    def broker(self) -> Broker:
        """The engine's Broker: the only way by which an order can leave."""
        return self.ib.broker if self.observer is None else self.observer.broker


def simulated(settings: SimSettings, client_id: int) -> AbstractAsyncContextManager[World]:
    """Return a world of our own: a gateway in the loop that enters it, in lockstep.

    What it is to play is read at once, so that a file that is wrong is refused before anything is made of the run.
    Raises: MisuseError; and where it is entered BrokerError.
    """
    wanted = GatewaySettings(
        first_day=settings.first_day,
        days=settings.days,
        port=0,
        seed=settings.seed,
        speed=settings.speed,
        data_seconds=settings.data_seconds,
        cash=settings.cash,
        market_file=settings.market,
        positions_file=settings.positions,
        shares=settings.shares,
        store_file=settings.ledger,
        holders=1,
    )
    try:
        market = market_of(wanted) if settings.given is None else ReplayedMarket(settings.given)
        check_start(wanted, market)
    except ValueError as error:
        raise _misused(error) from error
    # more lines than a user has come with booster packs
    wanted = replace(wanted, max_lines=max(wanted.max_lines, settings.share.lines))
    return _standing(wanted, market, client_id, settings)


def _misused(error: ValueError) -> MisuseError:
    return MisuseError(f"the simulated market cannot be set up: {error}")


@asynccontextmanager
async def _standing(
    wanted: GatewaySettings, market: Market, client_id: int, settings: SimSettings
) -> AsyncIterator[World]:
    try:
        gateway = await start_gateway(wanted, market=market)
    except ValueError as error:
        raise _misused(error) from error
    client = replace(
        patient(gateway.port, client_id),
        sends_orders=settings.sends_orders,
        max_lines=settings.share.lines,
        messages_per_second=settings.share.messages,
        max_requests=settings.share.requests,
    )
    ib = ib_world(client)
    try:
        yield World(ib, gateway)
    finally:
        await ib.link.close()
        await gateway.stop()


def patient(port: int, client_id: int) -> IbSettings:
    """Return settings of a client in lockstep that gives a gateway in its own process time."""
    return IbSettings(
        port=port,
        client_id=client_id,
        lockstep=True,
        connect_seconds=GENEROUS,
        request_seconds=GENEROUS,
        history_seconds=GENEROUS,
    )


PAPER_PORTS = (4002, 7497)
"""Default ports of IB Gateway and TWS for API clients of a paper login."""
LIVE_PORTS = (4001, 7496)
"""The same of a login with real money."""


async def listening_port(host: str, ports: tuple[int, ...] = PAPER_PORTS) -> int:
    """Return the first of these ports at which something listens. Raises: BrokerError when nothing does."""
    for port in ports:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), PROBE_SECONDS)
        except (OSError, TimeoutError):
            continue
        writer.close()
        return port
    raise nothing_listens(f"{host}:{' or '.join(str(port) for port in ports)}")


async def found_port(host: str, ports: tuple[int, ...], waiting: Callable[[str], None] | None) -> int:
    """Return the same; with a callback for the waiting, wait for it. Raises: BrokerError without one."""
    if waiting is None:
        return await listening_port(host, ports)
    return await patiently(lambda: listening_port(host, ports), host, waiting)


@asynccontextmanager
async def attached(
    host: str,
    port: int | None,
    client_id: int,
    account: str,
    *,
    lockstep: bool,
    among: str = "",
    live: bool = False,
    sends_orders: bool = True,
    share: Share = WHOLE,
    waiting: Callable[[str], None] | None = None,
) -> AsyncIterator[World]:
    """Yield a world behind an external gateway: IB's, or `rulebot gateway` with `lockstep`.

    among: which account to take where several exist and none is required. It must be a paper account, with `live` a
    live one; also where no orders are sent. `port` None takes the first usual port that listens; a service waits until
    one does, and reports that to `waiting`.
    """
    ports = LIVE_PORTS if live else PAPER_PORTS
    if port is None:
        port = await found_port(host, ports if sends_orders else PAPER_PORTS + LIVE_PORTS, waiting)
    settings = IbSettings(
        host=host,
        port=port,
        client_id=client_id,
        account=account,
        among=among,
        paper=not live if sends_orders else None,
        sends_orders=sends_orders,
        lockstep=lockstep,
        max_lines=share.lines,
        messages_per_second=share.messages,
        max_requests=share.requests,
        request_seconds=share.answer_seconds,
        history_seconds=2 * share.answer_seconds,
    )
    ib = ib_world(settings)
    try:
        yield World(ib, None)
    finally:
        await ib.link.close()


# --- Where a command that only looks connects to


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedWorld:
    """The world in which a command looks, and sends nothing.

    flags: settings that were given with the command; their `host` and `port` name a gateway. sim: a simulated one, of
    its own when the flags name none. live: of the account with real money. data: the folder of what rulebot keeps.
    """

    settings: Path | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    live: bool = False
    sim: bool = False
    data: Path

    @property
    def is_embedded(self) -> bool:
        """True when the market is one of our own, made for this."""
        return self.sim and self.flags.get("host") is None

    def read_settings(self, folder: Path) -> Settings:
        """Return the settings of a run in this folder, with the flags. Raises: MisuseError, SpecError."""
        return read_settings(self.settings, folder, self.data, flags=dict(self.flags))

    def neighbours(self, settings: Settings) -> tuple[Place, ...]:
        """Return the stores whose engines share the market data lines of this machine's user."""
        return () if self.sim else (settings.store, settings.live_store)

    def kind(self, link: IbLink) -> str:
        """Return what world it is: simulated, live or paper."""
        return "simulated" if link.is_simulated else "live" if self.live else "paper"

    @asynccontextmanager
    async def opened(self, settings: Settings, client_id: int) -> AsyncIterator[World]:
        """Yield the world, for a separate client. Raises: BrokerError, MisuseError.

        A gateway that reports itself as simulated is read by its own time in any case. Of several accounts behind a
        login it takes the one of the settings; a single one it takes, except for a paper account that must be the one
        of the settings.
        """
        if self.is_embedded:
            async with simulated(SimSettings(), client_id) as world:
                yield world
            return
        port = settings.live_port if self.live else settings.port
        if port is None:
            port = await listening_port(settings.host, LIVE_PORTS if self.live else PAPER_PORTS)
        looked_at = attached(
            settings.host,
            port,
            client_id,
            "" if self.sim or self.live else settings.account,
            lockstep=self.sim or (await read_greeting(settings.host, port)).is_simulated,
            among=settings.account,
            live=self.live,
            share=settings.share,
        )
        async with looked_at as world:
            yield world


# --- The world of an observing engine

ACCOUNT = "OBSERVED"


def observer(link: Link, feed: Feed, fills: FillModel, at: datetime) -> Observer:
    """Return the ports of an observing engine around a link, at the board of a feed."""
    broker = ObservingBroker(feed.board, ACCOUNT, fills, session_from(exchange_date(at)), now=at)
    return Observer(ObservingLink(link, broker), feed, broker)


@asynccontextmanager
async def observing(world: AbstractAsyncContextManager[World], fills: FillModel) -> AsyncIterator[World]:
    """Yield a world in which nothing is sent; the connection itself refuses to."""
    async with world as found:
        yield replace(found, observer=observer(found.ib.link, found.ib.feed, fills, found.ib.link.now))


# --- Which symbols a simulated market has


def check_sim_symbols(bots: Iterable[CompiledBot]) -> None:
    """Raises: MisuseError for a bot that reads a symbol, or trades options, which the simulated market has not."""
    optioned = {each.symbol for each in OPTION_CLASSES.values()}
    for bot in bots:
        needs = bot.plan.needs
        unknown = sorted({each for each in needs.symbols if each not in ASSETS})
        lacking = sorted({symbol for symbol, *_ in needs.chains if symbol in ASSETS and symbol not in optioned})
        if unknown or lacking:
            what = f"no {', '.join(unknown)}" if unknown else f"no options on {', '.join(lacking)}"
            raise MisuseError(
                f"the simulated market has {what}, which {bot.plan.name} reads",
                f"it has options on {', '.join(sorted(optioned))}; 'rulebot backtest' takes data of others",
            )
