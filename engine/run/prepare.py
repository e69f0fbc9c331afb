"""Before a session: the slow facts every bot needs, asked for once and handed to the engine as events."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from engine.compile.series import DAY, Series
from engine.evaluate.listings import expiry_on
from engine.evaluate.measure_options import SESSIONS
from engine.model.event import BarsReport, ClosesReport, Event, ImpliedReport, ListingReport, OpeningMoveReport
from engine.model.facts import Bar, Facts, Listing
from engine.model.session import Session
from engine.ports import Feed
from engine.turn.program import CompiledBot, Program

OPENING_MINUTE = timedelta(minutes=1)


NOTHING_KNOWN = Facts()


async def prepare(
    program: Program, feed: Feed, session: Session, at: datetime, known: Facts = NOTHING_KNOWN
) -> AsyncIterator[Event]:
    """Yield listings with the strikes of the expiries in question, daily closes, and the open's expected move if it is
    past, as far as they are not `known` yet. Raises: BrokerError naming what could not be had."""
    listings: dict[tuple[str, str], Listing] = dict(known.listings)
    for bot in program.bots.values():
        for symbol, trading_class, rule in bot.plan.needs.chains:
            key = (symbol, trading_class)
            listing = listings.get(key) or await feed.listing(symbol, trading_class)
            expiry = expiry_on(rule, listing.expiries, session.date)
            if expiry is not None and expiry not in listing.strikes:
                listing = await feed.strikes(listing, expiry)
            listings[key] = listing
    for key, listing in listings.items():
        if listing != known.listings.get(key):
            yield ListingReport(at, listing)
    for symbol, count in _daily(program).items():
        if len(known.closes.get(symbol, ())) < count:
            yield ClosesReport(at, symbol, await feed.closes(symbol, count))
    for (symbol, seconds), count in needed_bars(program.bots.values()).items():
        if seconds == DAY and len(_known_days(known, symbol)) < count:
            yield BarsReport(at, symbol, DAY, await feed.bars(symbol, DAY, count, session))
    for symbol in dict.fromkeys(symbol for bot in program.bots.values() for symbol in bot.plan.needs.implied):
        if symbol not in known.implied:
            yield ImpliedReport(at, symbol, await feed.implied(symbol, SESSIONS))
    if at < session.open + OPENING_MINUTE:
        return
    for text in [each for bot in program.bots.values() for each in bot.expiries()]:
        async for event in _opening_moves(text, feed, listings, session, at):
            if (event.symbol, event.expiry) not in known.opening_moves:
                yield event


def _daily(program: Program) -> dict[str, int]:
    """Return how many daily closes each symbol needs, over all bots."""
    counts: dict[str, int] = {}
    for bot in program.bots.values():
        for symbol, count in bot.plan.needs.daily.items():
            counts[symbol] = max(counts.get(symbol, 0), count)
    return counts


def _known_days(known: Facts, symbol: str) -> tuple[Bar, ...]:
    found = known.bars.get((symbol, DAY))
    return () if found is None else found.bars


def needed_bars(bots: Iterable[CompiledBot]) -> dict[Series, int]:
    """Return how many bars of what these bots need."""
    counts: dict[Series, int] = {}
    for bot in bots:
        for series, count in bot.plan.needs.bars.items():
            counts[series] = max(counts.get(series, 0), count)
    return counts


async def _opening_moves(
    bot: CompiledBot, feed: Feed, listings: dict[tuple[str, str], Listing], session: Session, at: datetime
) -> AsyncIterator[OpeningMoveReport]:
    for symbol in bot.plan.needs.opening_move:
        leg = next((leg for leg in bot.plan.legs if leg.symbol == symbol), None)
        listing = listings.get((symbol, leg.trading_class)) if leg is not None else None
        expiry = None if listing is None else expiry_on(bot.plan.expiry, listing.expiries, session.date)
        if listing is None or expiry is None:
            continue
        points = await feed.opening_move(listing, expiry, session)
        if points is not None:
            yield OpeningMoveReport(at, symbol, expiry, round(points, 4))
