"""A chain asked of a gateway now, by a connection that only looks: options take turns on the market data lines."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date, time
from math import isnan
from pathlib import Path

from rulebot.capture.captured import values_of
from rulebot.capture.chain import OF_LEVELS, OF_OPTIONS, CapturedChain, Values, option_order, spot_of
from rulebot.capture.recorded import NAMES
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.preview_environment import world_to_look_at
from rulebot.model.contract import Contract, Option, Right, Underlying, product
from rulebot.model.errors import BrokerError, MisuseError
from rulebot.model.facts import EventCalendar, Listing
from rulebot.model.market import Extra
from rulebot.model.session import at_exchange_time, exchange_date, session_on
from rulebot.model.values import dataclass
from rulebot.preview.choose_structure import CLOSED_PATIENCE, PATIENCE
from rulebot.preview.read_only_session import FEW_LINES, ReadOnlySession, into_the_day
from rulebot.preview.running_engine import is_held
from rulebot.process.reconnect_backoff import first_batch
from rulebot.process.settings import read_settings

CLIENT_ID = 76
"""Which client captures: neither the one that an engine trades as, nor that of another command."""
COMPANIONS = ("SPX", "SPY", "VIX")
"""Levels that are captured beside the underlying's own, where the broker has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions:
    """What is to be captured, and where.

    expiries: () is the nearest one; trading_class: "" is that of same-day options. within: how far strikes lie from the
    spot at most, as a fraction of it. clock: when, in a simulated market of our own. flags: settings that were given
    with the command.
    """

    symbol: str
    trading_class: str = ""
    expiries: tuple[date, ...] = ()
    within: float = 0.03
    clock: time | None = None
    settings: Path | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    live: bool = False
    sim: bool = False
    data: Path

    @property
    def is_embedded(self) -> bool:
        """True when the market is one of our own, made for this."""
        return self.sim and self.flags.get("host") is None


async def request_chain(asked: CaptureOptions) -> CapturedChain:
    """Return the chain that a gateway shows now. Raises: BrokerError, MisuseError, SpecError, StoreError."""
    settings = read_settings(asked.settings, Path(), asked.data, flags=dict(asked.flags))
    stores = () if asked.sim else (settings.store, settings.live_store)
    lines = FEW_LINES if any(is_held(each) for each in stores) else settings.lines
    looked_at = world_to_look_at(settings, CLIENT_ID, sim=asked.sim, live=asked.live, is_embedded=asked.is_embedded)
    async with looked_at as world:
        first = await first_batch(world.ib.link, "capture")
        visit = ReadOnlySession(world, LoadedBots({}, (), None, ()), EventCalendar(), first, lines)
        try:
            if asked.is_embedded:
                await _until(visit, asked.clock)
            return await _captured(visit, asked)
        finally:
            visit.close()


async def _until(visit: ReadOnlySession, clock: time | None) -> None:
    if clock is None:
        await into_the_day(visit)
        return
    until = at_exchange_time(visit.session.date, clock)
    while visit.at < until:
        before = visit.at
        await visit.pass_time(until)
        if visit.at == before:
            raise MisuseError(f"the simulated day does not reach {clock:%H:%M:%S}", "its session is 09:29 to 16:06")


async def _captured(visit: ReadOnlySession, asked: CaptureOptions) -> CapturedChain:
    began = visit.at
    if session_on(today := exchange_date(began)) is None:
        raise BrokerError(f"the exchange is closed on {today}: no chain is of that day", "ask on a trading day")
    listings = await _listings(visit, asked)
    seen: dict[Contract, Values] = {}
    under = Underlying(asked.symbol)
    levels = list(dict.fromkeys((under, *map(Underlying, COMPANIONS))))
    await _stream(visit, levels, asked.symbol, seen)
    spot = spot_of(seen.get(under, {}))
    if spot is None:
        trouble = visit.feed.troubles.get(under)
        raise BrokerError(f"no price of {asked.symbol} came" + (f": {trouble}" if trouble else ""))
    options = _near(listings, asked.expiries, spot, asked.within)
    room = visit.line_limit - 1
    for first in range(0, len(options), room):
        await _stream(visit, [*options[first : first + room], under], asked.symbol, seen)
    quoted = {each: seen[each] for each in options if each in seen}
    if not quoted:
        raise BrokerError(f"none of {len(options)} options of {asked.symbol} had a quote", _why(visit, options))
    visit.feed.watch(())
    return CapturedChain(
        at=visit.at,
        seconds=(visit.at - began).total_seconds(),
        source=_source(visit, asked),
        symbol=asked.symbol,
        levels={each.symbol: seen[each] for each in levels if each in seen},
        listings=tuple(listings),
        options=quoted,
        account=visit.state.facts.account,
    )


def _source(visit: ReadOnlySession, asked: CaptureOptions) -> str:
    return "simulated" if visit.link.is_simulated else "live" if asked.live else "paper"


async def _listings(visit: ReadOnlySession, asked: CaptureOptions) -> list[Listing]:
    """Return the class with the strikes of the expiries that are wanted. Raises: BrokerError, MisuseError."""
    name = asked.trading_class or product(asked.symbol).same_day_class
    listing = await visit.feed.listing(asked.symbol, name)
    today = visit.session.date
    coming = [each for each in listing.expiries if each >= today]
    for expiry in asked.expiries or tuple(coming[:1]):
        if expiry not in listing.expiries:
            near = ", ".join(map(str, coming[:5]))
            raise MisuseError(f"{name} has no expiry {expiry}", f"the next ones are {near}")
        listing = await visit.feed.strikes(listing, expiry)
    return [listing]


def _near(listings: Sequence[Listing], expiries: Sequence[date], spot: float, within: float) -> list[Option]:
    """Return the options whose strikes lie near the spot, in the order of a file."""
    options = [
        Option(listing.symbol, listing.trading_class, expiry, strike, right)
        for listing in listings
        for expiry, strikes in listing.strikes.items()
        if not expiries or expiry in expiries
        for strike in strikes
        if abs(float(strike) - spot) <= within * spot
        for right in Right
    ]
    return sorted(options, key=option_order)


async def _stream(
    visit: ReadOnlySession, contracts: Sequence[Contract], symbol: str, seen: dict[Contract, Values]
) -> None:
    """Stream these, with what is counted of the symbol, until each has its price, and keep what came last."""
    visit.feed.watch(contracts, frozenset({(symbol, Extra.COUNTS), (symbol, Extra.OPTION_VOLUME)}))
    for _ in range(PATIENCE if visit.is_in_hours else CLOSED_PATIENCE):
        await visit.pass_time()
        if all(_is_complete(visit, each) for each in contracts):
            break
    board = visit.feed.board
    for each in contracts:
        row = board.rows.get(each)
        if row is None or row in board.frozen:
            continue
        names = OF_OPTIONS if isinstance(each, Option) else OF_LEVELS
        if values := values_of([getattr(board, name)[row] for name in NAMES], NAMES, names):
            seen[each] = values


def _is_complete(visit: ReadOnlySession, contract: Contract) -> bool:
    board = visit.feed.board
    row = board.rows.get(contract)
    if row is None:
        return False
    if isinstance(contract, Option):
        return not isnan(board.quote_at[row]) and not isnan(board.model_at[row])
    return not isnan(board.last_at[row])


def _why(visit: ReadOnlySession, contracts: Sequence[Contract]) -> str | None:
    return next((visit.feed.troubles[each] for each in contracts if each in visit.feed.troubles), None)
