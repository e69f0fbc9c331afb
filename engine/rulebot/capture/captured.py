"""Captured chains: from a recorded day at an instant, and as a market in which nothing moves."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isnan

import numpy as np

from rulebot.capture.chain import COUNTS, OF_LEVELS, OF_OPTIONS, CapturedChain, Values
from rulebot.capture.contracts import classes, instruments, listed_options, told_grids
from rulebot.capture.recorded import NAMES, Recorded
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.facts import Account, Listing
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_before, session_from
from twsim.instrument import Instrument
from twsim.market.given import Floats, ReplayedColumn, ReplayedDay
from twsim.seams import Bar

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
    """Return the chain of each underlying of which options were streamed at an instant, or of these symbols.

    Raises: StoreError when there is none, naming the symbols and the times that there are.
    """
    day = recorded.day
    stood = _standing(day, at)
    levels = {each.symbol: _values(each, stood[row]) for row, each in enumerate(day.contracts) if not each.is_option}
    levels = {symbol: values for symbol, values in levels.items() if values}
    options: dict[str, dict[Option, Values]] = {}
    for row, each in enumerate(day.contracts):
        if each.is_option and (values := _values(each, stood[row])):
            options.setdefault(each.symbol, {})[_option(each)] = values
    wanted = symbols or sorted(options)
    if not options or any(each not in options for each in wanted):
        raise _nothing(day, at, [each for each in wanted if each not in options], sorted(options))
    account = next((each for told, each in reversed(recorded.accounts) if told <= at), Account())
    return [
        CapturedChain(
            at=at,
            seconds=0,
            source=RECORDING,
            symbol=symbol,
            levels=levels,
            listings=tuple(_listings(day, symbol)),
            options=options[symbol],
            account=account,
        )
        for symbol in wanted
    ]


def _standing(day: ReplayedDay, at: datetime) -> Floats:
    """Return what stood of each contract at an instant. Shape: (contracts, columns)."""
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


def _listings(day: ReplayedDay, symbol: str) -> list[Listing]:
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
    """Return a day on which all that these chains say stands still; of two that say the same, the later counts.

    Raises: MisuseError when they are of several days.
    """
    days = sorted({exchange_date(chain.at) for chain in chains})
    if len(days) > 1:
        raise MisuseError(f"chains of one market are of one day, are of {', '.join(map(str, days))}")
    (day,) = days
    known: dict[Contract, Values] = {}
    for chain in sorted(chains, key=lambda each: each.at):
        known |= {Underlying(symbol): values for symbol, values in chain.levels.items()}
        known.update(chain.options.items())
    listings = [listing for chain in chains for listing in _whole(chain)]
    placed = instruments([*known, *listed_options(listings)], told_grids(listings))
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
    """Return the one daily bar that a chain tells of: the close of the session before."""
    closes = {
        contract.symbol: values["previous_close"]
        for contract, values in known.items()
        if isinstance(contract, Underlying) and "previous_close" in values
    }
    return {symbol: (Bar(day_before, each, each, each, each, 0, each, 0),) for symbol, each in closes.items()}
