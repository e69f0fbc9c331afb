"""A chain asked of a gateway now, by a connection that only looks: options take turns on the market data lines."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isnan
from pathlib import Path

import numpy as np

from rulebot.capture.chain import (
    COUNTS,
    OF_LEVELS,
    OF_OPTIONS,
    CapturedChain,
    Values,
    classes,
    instruments,
    listed_options,
    option_order,
    read_chain,
    reported_tick_grids,
    spot_of,
)
from rulebot.capture.recorded import NAMES, Recorded, recorded_day, streamed
from rulebot.documents.load_bots import LoadedBots
from rulebot.live.environments import WantedWorld
from rulebot.model.contract import Contract, Option, Right, Underlying, product
from rulebot.model.errors import BrokerError, MisuseError, StoreError, as_store_error
from rulebot.model.facts import Account, EventCalendar, Listing
from rulebot.model.market import Extra
from rulebot.model.session import (
    EXCHANGE_ZONE,
    at_exchange_time,
    exchange_date,
    session_before,
    session_from,
    session_on,
)
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.preview.candidate import CLOSED_PATIENCE, PATIENCE
from rulebot.preview.connection import FEW_LINES, ReadOnlySession, into_the_day, is_held
from rulebot.process.connection_state import first_batch
from rulebot.replay.recordings import meant, recorded_beside
from rulebot.store.place import Place
from rulebot.store.registry import run_store
from twsim import Bar, Floats, Instrument, ReplayedColumn, ReplayedDay

# --- Captured chains

RECORDING = "recording"
_RIGHTS = {right.letter: right for right in Right}


def values_of(row: Sequence[float], names: Sequence[str], wanted: Sequence[str]) -> Values:
    """Return the values of a row that are not missing; `names` are its columns."""
    return {
        name: int(value) if name in COUNTS else value
        for name, value in zip(names, row, strict=True)
        if name in wanted and not isnan(value)
    }


# ---------------------------------------------------------------- from a recorded day


def chains_at(recorded: Recorded, at: datetime, symbols: Sequence[str] = ()) -> list[CapturedChain]:
    """Return the chain of each underlying with options streamed at an instant, or of these symbols.

    Raises: StoreError when there is none, naming the available symbols and times.
    """
    day = recorded.day
    levels: dict[str, Values] = {}
    options: dict[str, dict[Option, Values]] = {}
    for each, row in zip(day.contracts, _standing(day, at), strict=True):
        if not (values := _values(each, row)):
            continue
        if each.is_option:
            options.setdefault(each.symbol, {})[_option(each)] = values
        else:
            levels[each.symbol] = values
    wanted = symbols or sorted(options)
    if not options or any(each not in options for each in wanted):
        raise _nothing(day, at, [each for each in wanted if each not in options], sorted(options))
    account = next((each for reported, each in reversed(recorded.accounts) if reported <= at), Account())
    return [
        CapturedChain(
            at=at,
            seconds=0,
            source=RECORDING,
            symbol=symbol,
            levels=levels,
            listings=tuple(_captured_listings(day, symbol)),
            options=options[symbol],
            account=account,
        )
        for symbol in wanted
    ]


def _standing(day: ReplayedDay, at: datetime) -> Floats:
    """Return each contract's values at an instant. Shape: (contracts, columns)."""
    stood = np.full((len(day.contracts), len(ReplayedColumn)), np.nan)
    until = int(np.searchsorted(day.at, at.timestamp(), side="right"))
    stood[day.rows[:until]] = day.values[:until]
    return stood


def _values(found: Instrument, row: Floats) -> Values:
    return values_of(row.tolist(), NAMES, OF_OPTIONS if found.is_option else OF_LEVELS)


def _option(found: Instrument) -> Option:
    assert found.last_trade_date is not None
    strike = Decimal(f"{found.strike:g}")
    return Option(found.symbol, found.trading_class, found.last_trade_date, strike, _RIGHTS[found.right])


def _captured_listings(day: ReplayedDay, symbol: str) -> list[Listing]:
    found = []
    under = next(each for each in day.contracts if each.symbol == symbol and not each.is_option)
    for each in (row for row in day.classes if row.underlying_id == under.con_id):
        of_class = [one for one in day.contracts if (one.symbol, one.trading_class) == (symbol, each.trading_class)]
        options = [_option(one) for one in of_class if one.is_option]
        strikes = {
            expiry: tuple(sorted({one.strike for one in options if one.expiry == expiry}))
            for expiry in sorted({one.expiry for one in options})
        }
        found.append(Listing(symbol, each.trading_class, each.expiries, strikes))
    return found


def _nothing(day: ReplayedDay, at: datetime, lacking: Sequence[str], known: Sequence[str]) -> StoreError:
    first, last = (datetime.fromtimestamp(day.at[place], EXCHANGE_ZONE) for place in (0, -1))
    what = f"options of {', '.join(lacking)}" if lacking else "options"
    then = f"there were those of {', '.join(known)}; " if known else ""
    return StoreError(
        f"no {what} were streamed at {at.astimezone(EXCHANGE_ZONE):%H:%M:%S} of {day.day}",
        f"{then}the recording has {first:%H:%M:%S} to {last:%H:%M:%S}",
    )


# ---------------------------------------------------------------- as a market


def still_day(chains: Sequence[CapturedChain]) -> ReplayedDay:
    """Return a day with constant values of these chains; of two for the same, the later counts.

    Raises: MisuseError when they are of several days.
    """
    days = sorted({exchange_date(chain.at) for chain in chains})
    if len(days) > 1:
        raise MisuseError(f"chains of one market must have the same day, these have {', '.join(map(str, days))}")
    (day,) = days
    known: dict[Contract, Values] = {}
    for chain in sorted(chains, key=lambda each: each.at):
        known |= {Underlying(symbol): values for symbol, values in chain.levels.items()}
        known.update(chain.options.items())
    listings = [listing for chain in chains for listing in _whole(chain)]
    placed = instruments([*known, *listed_options(listings)], reported_tick_grids(listings))
    quoted = [(row, contract) for row, contract in enumerate(placed) if contract in known]
    return ReplayedDay(
        day=day,
        contracts=tuple(placed.values()),
        at=np.full(len(quoted), session_from(day).at(time(0)).timestamp()),
        rows=np.array([row for row, _ in quoted], dtype=np.int64),
        values=np.array([[known[each].get(name, np.nan) for name in NAMES] for _, each in quoted]),
        classes=classes(listings, placed),
        daily=_closes(day_before=session_before(day).date, known=known),
    )


def _whole(chain: CapturedChain) -> list[Listing]:
    """Return the listings of a chain with each option that it has."""
    found = {listing.trading_class: listing for listing in chain.listings}
    for option in chain.options:
        found.setdefault(option.trading_class, Listing(chain.symbol, option.trading_class, ()))
    whole = []
    for name, listing in found.items():
        strikes = {expiry: set(row) for expiry, row in listing.strikes.items()}
        for option in chain.options:
            if option.trading_class == name:
                strikes.setdefault(option.expiry, set()).add(option.strike)
        expiries = tuple(sorted({*listing.expiries, *strikes}))
        whole.append(Listing(chain.symbol, name, expiries, {day: tuple(sorted(row)) for day, row in strikes.items()}))
    return whole


def _closes(day_before: date, known: Mapping[Contract, Values]) -> dict[str, tuple[Bar, ...]]:
    """Return a chain's one daily bar: the close of the session before."""
    closes = {
        contract.symbol: values["previous_close"]
        for contract, values in known.items()
        if isinstance(contract, Underlying) and "previous_close" in values
    }
    return {symbol: (Bar(day_before, each, each, each, each, 0, each, 0),) for symbol, each in closes.items()}


# --- A chain asked of a gateway now, by a connection that only looks

CLIENT_ID = 76
"""Client id of captures: not an engine's, nor another command's."""
COMPANIONS = ("SPX", "SPY", "VIX")
"""Levels that are captured besides the underlying's own, where the broker has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOptions(WantedWorld):
    """What is to be captured, and where.

    expiries: () is the nearest one; trading_class: "" is that of same-day options. within: how far strikes lie from the
    spot at most, as a fraction of it. clock: when, in a simulated market of our own.
    """

    symbol: str
    trading_class: str = ""
    expiries: tuple[date, ...] = ()
    within: float = 0.03
    clock: time | None = None


async def request_chain(asked: CaptureOptions) -> CapturedChain:
    """Return the chain that a gateway shows now. Raises: BrokerError, MisuseError, SpecError, StoreError."""
    settings = asked.read_settings(Path())
    lines = FEW_LINES if any(is_held(each) for each in asked.neighbours(settings)) else settings.lines
    async with asked.opened(settings, CLIENT_ID) as world:
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
        raise BrokerError(f"the exchange is closed on {today}: there is no chain of that day", "ask on a trading day")
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
        source=asked.kind(visit.link),
        symbol=asked.symbol,
        levels={each.symbol: seen[each] for each in levels if each in seen},
        listings=tuple(listings),
        options=quoted,
        account=visit.state.market.facts.account,
    )


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


# --- Which market is given to the simulated gateway

DATA_SECONDS = 5
"""Default seconds between moves of the simulated gateway's market."""


def files_of(recording: str, store: Place | None) -> list[Path]:
    """Return the files of a recording by name or day; a day's are those beside a store, by default the last run's.

    Raises: MisuseError, StoreError.
    """
    folder = Path() if recording.endswith(".tape") else recorded_beside(run_store(store))
    return meant(recording, folder)


def chain_of(file: Path) -> CapturedChain:
    """Return the captured chain of a file. Raises: SpecError when it is none, StoreError when it cannot be read."""
    with as_store_error(f"{file} cannot be read"):
        text = file.read_text(encoding="utf-8-sig")
    return read_chain(text, str(file))


@dataclass(frozen=True, slots=True)
class CapturedMarket:
    """A market that is given, and what it is in words. cash, account: those of its source, where it has them."""

    market: ReplayedDay
    about: str
    cash: Decimal | None = None
    account: str = ""


def recorded(recording: str, store: Place | None = None, data_seconds: int = DATA_SECONDS) -> CapturedMarket:
    """Return the market of a recording. Raises: MisuseError, StoreError."""
    day = recorded_day(files_of(recording, store), data_seconds)
    levels, options = streamed(day)
    known = f"{counted(levels, 'underlying')} and {counted(options, 'option')}"
    return CapturedMarket(day, f"what was recorded of {known} on {day.day}")


def captured(files: Sequence[Path]) -> CapturedMarket:
    """Return the market of captured chains with constant values, and their account.

    The account's value is all cash, since its holdings are not captured. Raises: SpecError, MisuseError, StoreError.
    """
    chains = [chain_of(file) for file in files]
    last = max(chains, key=lambda each: each.at)
    options = counted(sum(len(each.options) for each in chains), "option")
    words = f"{options} on {', '.join(each.symbol for each in chains)} as at {_clock(last.at)}; nothing moves"
    return CapturedMarket(still_day(chains), words, last.account.net_liquidation, last.account.id)


def _clock(at: datetime) -> str:
    return f"{at.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
