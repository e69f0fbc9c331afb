"""Before a session: the slow facts every bot needs, asked for once and handed to the engine as events."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import TypeVar

from rulebot.core.books.settlements import ended_earlier
from rulebot.core.program import CompiledBot, Program
from rulebot.measure.listings import expiry_on
from rulebot.measure.series import DAY, Series
from rulebot.measures.options import SESSIONS
from rulebot.model.contract import Option
from rulebot.model.errors import UnavailableError
from rulebot.model.event import (
    BarsReport,
    ClosesReport,
    Event,
    HoursReport,
    ImpliedReport,
    ListingReport,
    OpeningMoveReport,
)
from rulebot.model.facts import Bar, Facts, Listing
from rulebot.model.position import Position
from rulebot.model.session import Session, session_from, sessions_after
from rulebot.ports import Feed

OPENING_MINUTE = timedelta(minutes=1)

T = TypeVar("T")
Lacking = Callable[[UnavailableError], None]
"""Callback for what the broker does not have."""

NOTHING_KNOWN = Facts()

Chain = tuple[str, str, date]
"""A symbol, a trading class of its options, and their expiry."""
Held = Iterable[tuple[CompiledBot, Position]]
"""Positions that are open, each with the text that governs it."""


async def prepare(
    program: Program,
    feed: Feed,
    session: Session,
    at: datetime,
    known: Facts = NOTHING_KNOWN,
    positions: Iterable[Position] = (),
    lacks: Lacking | None = None,
) -> AsyncIterator[Event]:
    """Yield listings with the strikes of the relevant expiries, daily closes, and the past open's expected move.

    What is in `known` is skipped. positions: the open ones; their exits read the held expiry and what their spec reads.
    missing: gets what the broker does not have, and the rest is loaded; None raises. Raises: BrokerError naming what is
    missing.
    """
    held = [(program.governing(position), position) for position in positions if not position.is_flat]
    texts = (*program.bots.values(), *(bot for bot, _ in held))
    listings = await _listings(texts, held, feed, session, known, lacks)
    async for event in _hours_and_listings(listings, feed, session, at, known, lacks):
        yield event
    async for event in _histories(texts, held, feed, session, at, known, lacks):
        yield event
    if at >= session.open + OPENING_MINUTE:
        async for event in _new_opening_moves(program.bots.values(), held, feed, listings, session, at, known, lacks):
            yield event


async def _hours_and_listings(
    listings: dict[tuple[str, str], Listing],
    feed: Feed,
    session: Session,
    at: datetime,
    known: Facts,
    lacks: Lacking | None,
) -> AsyncIterator[Event]:
    for symbol in dict.fromkeys(symbol for symbol, _ in listings):
        hours = await _had(feed.hours(symbol, session), lacks)
        if hours is not None and (hours.is_less(session_from(session.date)) or symbol in known.hours):
            yield HoursReport(at, symbol, hours)
    for key, listing in listings.items():
        if listing != known.listings.get(key):
            yield ListingReport(at, listing)


async def _histories(
    texts: Iterable[CompiledBot],
    held: Held,
    feed: Feed,
    session: Session,
    at: datetime,
    known: Facts,
    lacks: Lacking | None,
) -> AsyncIterator[Event]:
    """Yield closes, bars of days and volatilities that rules read and that are not known."""
    for symbol, count in _daily(texts).items():
        if len(known.closes.get(symbol, ())) < count:
            closes = await _had(feed.closes(symbol, count), lacks)
            if closes is not None:
                yield ClosesReport(at, symbol, closes)
    for (symbol, seconds), count in _with_settlements(needed_bars(texts), held, session).items():
        if seconds == DAY and len(_known_days(known, symbol)) < count:
            bars = await _had(feed.bars(symbol, DAY, count, session), lacks)
            if bars is not None:
                yield BarsReport(at, symbol, DAY, bars)
    for symbol in dict.fromkeys(symbol for bot in texts for symbol in bot.plan.needs.implied):
        if symbol not in known.implied:
            implied = await _had(feed.implied(symbol, SESSIONS), lacks)
            if implied is not None:
                yield ImpliedReport(at, symbol, implied)


async def _new_opening_moves(
    bots: Iterable[CompiledBot],
    held: Held,
    feed: Feed,
    listings: dict[tuple[str, str], Listing],
    session: Session,
    at: datetime,
    known: Facts,
    lacks: Lacking | None,
) -> AsyncIterator[Event]:
    """Yield the expected moves of the open that are not known: of what may be entered, then of what is held."""
    reported = set(known.opening_moves)
    for text in [each for bot in bots for each in bot.expiries()]:
        async for event in _opening_moves(text, feed, listings, session, at, lacks):
            if (event.symbol, event.expiry) not in known.opening_moves:
                reported.add((event.symbol, event.expiry))
                yield event
    for symbol, trading_class, expiry in _held_moves(held):
        read = listings.get((symbol, trading_class))
        if (symbol, expiry) in reported or read is None:
            continue
        reported.add((symbol, expiry))
        points = await _had(feed.opening_move(read, expiry, session), lacks)
        if points is not None:
            yield OpeningMoveReport(at, symbol, expiry, round(points, 4))


async def _had(asked: Awaitable[T], lacks: Lacking | None) -> T | None:
    """Return the answer; None where the broker does not have it and `missing` was called."""
    try:
        return await asked
    except UnavailableError as error:
        if lacks is None:
            raise
        lacks(error)
        return None


async def _listings(
    texts: Iterable[CompiledBot], held: Held, feed: Feed, session: Session, known: Facts, lacks: Lacking | None
) -> dict[tuple[str, str], Listing]:
    """Return the listings that texts and open positions read, with the strikes of their expiries."""
    listings: dict[tuple[str, str], Listing] = dict(known.listings)
    missing: set[tuple[str, str]] = set()

    async def listed(key: tuple[str, str]) -> Listing | None:
        found = listings.get(key)
        if found is None and key not in missing and (found := await _had(feed.listing(*key), lacks)) is None:
            missing.add(key)
        return found

    for symbol, trading_class, rule in (chain for bot in texts for chain in bot.plan.needs.chains):
        if (listing := await listed((symbol, trading_class))) is not None:
            expiry = expiry_on(rule, listing.expiries, session.date)
            if expiry is not None and expiry not in listing.strikes:
                listing = await feed.strikes(listing, expiry)
            listings[symbol, trading_class] = listing
    for symbol, trading_class, expiry in _held_chains(held):
        if (listing := await listed((symbol, trading_class))) is not None:
            if expiry in listing.expiries and expiry not in listing.strikes:
                listing = await feed.strikes(listing, expiry)
            listings[symbol, trading_class] = listing
    return listings


def _held_chains(held: Held) -> Iterator[Chain]:
    """Yield the chains that are held and that exits read at the money."""
    for bot, position in held:
        for option in _options(position):
            if option.symbol in bot.exit_chains | bot.exit_moves or bot.rolls:
                yield option.symbol, option.trading_class, option.expiry


def _held_moves(held: Held) -> Iterator[Chain]:
    """Yield the nearest held chain of each underlying whose expected move of the open exits read."""
    for bot, position in held:
        for symbol in sorted(bot.exit_moves):
            options = [option for option in _options(position) if option.symbol == symbol]
            for option in sorted(options, key=lambda each: each.expiry)[:1]:
                yield symbol, option.trading_class, option.expiry


def _options(position: Position) -> list[Option]:
    return [leg.option for leg in position.legs if leg.held and not leg.option.is_share]


def _daily(bots: Iterable[CompiledBot]) -> dict[str, int]:
    """Return how many daily closes each symbol needs, over all bots."""
    return _greatest(bot.plan.needs.daily for bot in bots)


def _greatest(counts: Iterable[Mapping[T, int]]) -> dict[T, int]:
    """Return the greatest count of each key."""
    found: dict[T, int] = {}
    for each in counts:
        for key, count in each.items():
            found[key] = max(found.get(key, 0), count)
    return found


def _known_days(known: Facts, symbol: str) -> tuple[Bar, ...]:
    found = known.bars.get((symbol, DAY))
    return () if found is None else found.bars


def needed_bars(bots: Iterable[CompiledBot]) -> dict[Series, int]:
    """Return how many bars of what these bots need."""
    return _greatest(bot.plan.needs.bars for bot in bots)


def read_today(bots: Iterable[CompiledBot]) -> frozenset[Series]:
    """Return the bars within sessions that these bots read of the present session too."""
    return frozenset(series for bot in bots for series in bot.plan.needs.today)


def _with_settlements(counts: dict[Series, int], held: Held, session: Session) -> dict[Series, int]:
    """Return how many bars are needed with the daily ones at which options settle whose level is streamed no more."""
    for _, position in held:
        for option in _options(position):
            if ended_earlier(option, session):
                series = (option.symbol, DAY)
                counts[series] = max(counts.get(series, 0), sessions_after(option.expiry, session.date) + 1)
    return counts


async def _opening_moves(
    bot: CompiledBot,
    feed: Feed,
    listings: dict[tuple[str, str], Listing],
    session: Session,
    at: datetime,
    lacks: Lacking | None,
) -> AsyncIterator[OpeningMoveReport]:
    for symbol in bot.plan.needs.opening_move:
        leg = bot.plan.nearest_expiry_leg(symbol)
        listing = listings.get((symbol, leg.trading_class)) if leg is not None else None
        expiry = None if listing is None else expiry_on(bot.plan.expiry, listing.expiries, session.date)
        if listing is None or expiry is None:
            continue
        points = await _had(feed.opening_move(listing, expiry, session), lacks)
        if points is not None:
            yield OpeningMoveReport(at, symbol, expiry, round(points, 4))
