"""Contracts of a given market: what the terms of an option or an underlying are as a listed contract, and the lists."""

from collections.abc import Iterable, Mapping
from dataclasses import field
from datetime import date
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from twsim.market.listings import CLASS_BITS, option_id
from twsim.market.universe import LAST_NUMBER, OPTION_CLASSES, UNDERLYINGS, last_step
from twsim.nouns import Instrument, SecType, Settle, TickRule, dataclass
from twsim.seams import Bar, ContractSearch, OptionParams
from twsim.sessions import trading_day_after

FIRST_FREE_ID = (LAST_NUMBER + 1) << CLASS_BITS
"""Ids from here on are for contracts without a number in their source and the simulated exchange."""
_FIRST_YEAR, _LAST_YEAR = 2015, 2036
_AM_CLASSES = frozenset({"SPX", "NDX", "RUT", "VIX"})


def given_underlying(symbol: str, *, is_index: bool, con_id: int = 0) -> Instrument:
    """Return an underlying; `con_id` is its source's number for it, 0 where the source has none."""
    if (known := UNDERLYINGS.get(symbol)) is not None and con_id in (0, known.con_id):
        return known
    name = known.long_name if known is not None else symbol
    if is_index:
        return Instrument(con_id, symbol, SecType.INDEX, symbol, symbol, "CBOE", "", name)
    local = symbol.replace(".", " ")
    return Instrument(con_id, symbol, SecType.STOCK, local, local, "SMART", "", name)


def given_option(
    under: Instrument,
    *,
    trading_class: str,
    expiry: date,
    strike: float,
    right: str,
    con_id: int = 0,
    multiplier: int = 100,
    ticks: TickRule | None = None,
) -> Instrument:
    """Return an option by its last trading day; one without a number gets that of the simulated exchange."""
    is_am = under.sec_type is SecType.INDEX and trading_class in _AM_CLASSES
    settles = trading_day_after(expiry) if is_am else expiry
    settle = Settle.SHARES if under.sec_type is SecType.STOCK else Settle.AM if is_am else Settle.PM
    return Instrument(
        con_id=con_id or _number(trading_class, settles, right, strike),
        symbol=under.symbol,
        sec_type=SecType.OPTION,
        trading_class=trading_class,
        local_symbol=f"{trading_class:<6}{settles:%y%m%d}{right}{round(strike * 1000):08d}",
        exchange="SMART",
        primary_exchange="",
        long_name=under.long_name,
        multiplier=multiplier,
        last_trade_date=expiry,
        settle_date=settles,
        strike=strike,
        right=right,
        settle=settle,
        underlying_id=under.con_id,
        ticks=ticks,
    )


def _number(trading_class: str, settles: date, right: str, strike: float) -> int:
    """Return the number that the simulated exchange has for an option; 0 when it cannot have it."""
    known = OPTION_CLASSES.get(trading_class)
    if known is None or not _FIRST_YEAR <= settles.year <= _LAST_YEAR:
        return 0
    steps = strike / known.strike_unit
    return option_id(known, settles, right, strike) if steps == round(steps) and steps <= last_step(known) else 0


class ReplayedListings:
    """The catalogue of a given day: these contracts and no others."""

    def __init__(self, contracts: Iterable[Instrument], classes: Iterable[OptionParams]) -> None:
        self._classes = tuple(classes)
        self._by_id = {each.con_id: each for each in contracts}
        self._of_symbol: dict[str, list[Instrument]] = {}
        for each in sorted(self._by_id.values(), key=lambda found: found.con_id):
            self._of_symbol.setdefault(each.symbol, []).append(each)
        self._underlyings = {each.symbol: each for each in self._by_id.values() if not each.is_option}

    def by_id(self, con_id: int) -> Instrument | None:
        return self._by_id.get(con_id)

    def underlying(self, symbol: str) -> Instrument | None:
        return self._underlyings.get(symbol)

    def search(self, asked: ContractSearch) -> list[Instrument]:
        symbols = [asked.symbol] if asked.symbol else list(self._of_symbol)
        found = [each for name in symbols for each in self._of_symbol.get(name, ()) if asked.fits(each)]
        return sorted(found, key=lambda each: each.con_id)

    def option_params(self, underlying_id: int) -> list[OptionParams]:
        return [each for each in self._classes if each.underlying_id == underlying_id]

    def symbols(self) -> tuple[str, ...]:
        return tuple(self._underlyings)


def _ends(found: Instrument) -> str:
    return "" if found.last_trade_date is None else f"{found.last_trade_date:%Y%m%d}"


# --- What a market is that is given, value by value

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class ReplayedColumn(IntEnum):
    """What is known of a contract at an instant, in the order of the columns of `ReplayedDay.values`.

    IV of an underlying is what its options imply for 30 days; CALL_VOLUME and PUT_VOLUME are those of all its options.
    """

    BID = 0
    ASK = 1
    BID_SIZE = 2
    ASK_SIZE = 3
    LAST = 4
    IV = 5
    DELTA = 6
    GAMMA = 7
    VEGA = 8
    THETA = 9
    MODEL = 10
    OPEN = 11
    HIGH = 12
    LOW = 13
    PREVIOUS_CLOSE = 14
    VOLUME = 15
    OPEN_INTEREST = 16
    CALL_VOLUME = 17
    PUT_VOLUME = 18


@dataclass(frozen=True, slots=True)
class Opening:
    """What a straddle was worth at the end of the session's first minute, where that is all that is known of it.

    Units: `price` per share, call and put together.
    """

    symbol: str
    trading_class: str
    expiry: date
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedDay:
    """One session. Entry i says that from `at[i]` on contract `rows[i]` has `values[i]`, until its next entry.

    Shape: at (N,) epoch seconds, rising; rows (N,) places in `contracts`; values (N, columns), nan is missing.
    A contract without an entry is listed, and has no data.
    halts: from an instant on (epoch seconds) trading is halted in exactly these symbols.
    daily, implied: bars of finished sessions by symbol, oldest first; intraday: finished bars by symbol and seconds.
    """

    day: date
    contracts: tuple[Instrument, ...]
    at: Floats
    rows: Ints
    values: Floats
    classes: tuple[OptionParams, ...] = ()
    halts: tuple[tuple[float, frozenset[str]], ...] = ()
    daily: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    implied: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    intraday: Mapping[tuple[str, int], tuple[Bar, ...]] = field(default_factory=dict)
    openings: tuple[Opening, ...] = ()
