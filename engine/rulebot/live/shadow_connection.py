"""One connection for two engines: the trading one, and its shadow, which gets the same data and sends nothing.

The trading engine comes first: it takes each instant before its shadow, its market data lines come first, and outside
lockstep it waits only a moment for the shadow. In lockstep it waits until the shadow is done, since time waits for
both.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from rulebot.adapters.ib.feed import WITHIN
from rulebot.backtest.fill_model import FillModel
from rulebot.live.environments import World, observer
from rulebot.model.contract import Contract
from rulebot.model.errors import InvariantError
from rulebot.model.event import DataTrouble
from rulebot.model.facts import Bars, Listing
from rulebot.model.market import Board, Extras
from rulebot.model.session import Hours, Session
from rulebot.ports import Batch, Feed
from rulebot.shadow.broker import LinkProxy

PATIENCE = 0.25
"""Real seconds that the engine which trades waits for its shadow at an instant, outside lockstep."""

LEFT_ALONE = 0.01
"""Real seconds between two looks of a shadow for what people ask, once nothing is handed on any more."""


@dataclass
class Relay:
    """What one engine passes to the other. `is_over`: the trading engine or the shadow has ended.

    shortage: the shadow's last report of contracts beyond the line limit, all its own.
    """

    world: World | None = None
    until: datetime | None = None
    batches: "asyncio.Queue[Batch]" = field(default_factory=asyncio.Queue)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    wanted: dict[bool, tuple[tuple[Contract, ...], Extras]] = field(default_factory=dict)
    at: datetime | None = None
    is_over: bool = False
    shortage: str = ""

    @asynccontextmanager
    async def trading(self, world: AbstractAsyncContextManager[World]) -> AsyncIterator[World]:
        """Yield the world of the engine that trades."""
        async with world as found:
            self.world = found
            feed = RelayedFeed(self, found.feed, is_shadow=False)
            try:
                yield replace(found, relayed=(TradingLink(found.link, self), feed))
            finally:
                self.end()  # before the connection goes, which is no loss then

    @asynccontextmanager
    async def shadowing(self, fills: FillModel) -> AsyncIterator[World]:
        """Yield the world of the shadow; the engine that trades is connected. Nothing is closed at its end."""
        if self.world is None:
            raise InvariantError("a shadow begins after its engine")
        feed = RelayedFeed(self, self.world.feed, is_shadow=True)
        now = self.world.ib.link.now
        yield World(self.world.ib, None, observer(ShadowLink(self.world.link, self), feed, fills, now))

    def end(self) -> None:
        """Wait for the other one no more."""
        self.is_over = True
        self.waits.set()
        if self.at is not None:
            self.batches.put_nowait(Batch(self.at, ()))

    def hand_on(self, batch: Batch) -> Batch:
        """Give the shadow a batch; return it."""
        self.at = batch.at
        if not self.is_over:
            self.waits.clear()
            self.batches.put_nowait(batch)
        return batch

    def with_shortage(self, batch: Batch) -> Batch:
        """Return a batch for the shadow, with later reports of contracts beyond the line limit."""
        reported = "" if self.world is None else self.world.ib.feed.shortage
        if reported == self.shortage:
            return batch
        self.shortage = reported
        return Batch(batch.at, (DataTrouble(batch.at, "", reported or WITHIN), *batch.events))

    def watch(self, feed: Feed, is_shadow: bool, contracts: Sequence[Contract], extras: Extras) -> None:
        """Stream the requests of both, the shadow's last."""
        self.wanted[is_shadow] = (tuple(contracts), extras)
        nothing: tuple[tuple[Contract, ...], Extras] = ((), frozenset())
        first, second = self.wanted.get(False, nothing), self.wanted.get(True, nothing)
        feed.watch((*first[0], *second[0]), first[1] | second[1])


@dataclass
class TradingLink(LinkProxy):
    """The Link port of the engine that trades."""

    relay: Relay

    async def connect(self) -> Batch:
        """Connect, and hand on what that brought. Raises: BrokerError."""
        return self.relay.hand_on(await self.inner.connect())

    async def next(self, until: datetime | None) -> Batch:
        """Return the next instant, which either of the two may be due at."""
        relay = self.relay
        if self.inner.is_lockstep:
            await relay.waits.wait()
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(relay.waits.wait(), PATIENCE)
        return relay.hand_on(await self.inner.next(until if relay.is_over else self._earlier(until)))

    def _earlier(self, until: datetime | None) -> datetime | None:
        """Return which of the two is due first; in lockstep None is the very next instant."""
        either = (until, self.relay.until)
        if self.inner.is_lockstep and None in either:
            return None
        return min((each for each in either if each is not None), default=None)


@dataclass
class ShadowLink(LinkProxy):
    """The Link port of the shadow: repeats the other engine's events."""

    relay: Relay

    @property
    def is_up(self) -> bool:
        """True while the other engine's socket is open, and after its end, which is no loss."""
        return self.relay.is_over or self.inner.is_up

    async def connect(self) -> Batch:
        """Return what the other engine received at its connection."""
        return await self._next()

    async def next(self, until: datetime | None) -> Batch:
        self.relay.until = until
        return self.relay.with_shortage(await self._next())

    async def _next(self) -> Batch:
        if self.relay.is_over and self.relay.batches.empty() and self.relay.at is not None:
            await asyncio.sleep(LEFT_ALONE)
            return Batch(self.relay.at, ())
        if self.relay.batches.empty():
            self.relay.waits.set()
        return await self.relay.batches.get()

    async def close(self) -> None:
        """Leave the connection to the other one."""


@dataclass
class RelayedFeed:
    """The Feed port of either: one board, and the lines of both."""

    relay: Relay
    inner: Feed
    is_shadow: bool = field(kw_only=True)

    @property
    def board(self) -> Board:
        return self.inner.board

    def watch(self, contracts: Sequence[Contract], extras: Extras = frozenset()) -> None:
        """Stream these in addition to the other engine's."""
        self.relay.watch(self.inner, self.is_shadow, contracts, extras)

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        return await self.inner.listing(symbol, trading_class)

    async def strikes(self, listing: Listing, expiry: date) -> Listing:
        return await self.inner.strikes(listing, expiry)

    async def closes(self, symbol: str, sessions: int) -> tuple[float, ...]:
        return await self.inner.closes(symbol, sessions)

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        return await self.inner.bars(symbol, seconds, count, session)

    async def implied(self, symbol: str, sessions: int) -> tuple[float, ...]:
        return await self.inner.implied(symbol, sessions)

    async def hours(self, symbol: str, session: Session) -> Hours | None:
        return await self.inner.hours(symbol, session)

    async def opening_move(self, listing: Listing, expiry: date, session: Session) -> float | None:
        return await self.inner.opening_move(listing, expiry, session)
