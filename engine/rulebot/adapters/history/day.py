"""A past session as columns, and where such sessions come from. Whatever the layout of a file, it ends as this.

Only `backtest/` walks through a session, instant by instant; a source reads, checks and tells what it found, and
never fills a hole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import date
from decimal import Decimal
from enum import Enum
from math import isnan
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.model.contract import Contract, Option
from rulebot.model.event import HoursReport, OpeningMoveReport
from rulebot.model.facts import Bars, Listing
from rulebot.model.values import dataclass

Columns = NDArray[np.float64]
Places = NDArray[np.intp]
"""Where options stand along the second axis of columns."""
Day = date
"""A date, where a value has a field of that name."""
OF_UNDERLYING = ("iv", "model_at", "call_volume", "put_volume", "open", "high", "low")
"""What a broker tells of an underlying beside its level; the board's columns of these names say what each is."""
ToldBars = tuple[tuple[float, Bars], ...]
"""Each time bars were told, in order: at which instant (epoch seconds), and all that are known by then."""
Halts = tuple[tuple[float, frozenset[Contract]], ...]
"""Each time it changed, in order: at which instant (epoch seconds), and in which contracts trading is halted since."""
BY_OPTION = ("bid", "ask", "bid_size", "ask_size", "volume", "open_interest", "iv", "delta", "gamma", "theta", "vega")
"""What columns of options a session can have."""
SLACK = 1e-4
"""The part of it by which open or close may lie outside of low to high: files round."""
FAR_OUTSIDE = 0.02
"""A level that lies farther outside of a daily bar than this part of it is of another session, scale or underlying."""


def is_unknown(column: Columns) -> bool:
    """Say whether a column is one nan stretched over its whole shape: its source has not a single number of it."""
    return bool(column.size) and not any(column.strides) and isnan(column.item(0))


class Severity(Enum):
    """What a finding in the data does: the day is refused, a row is left out, or it is told and used."""

    REFUSED = "refused"
    LEFT_OUT = "left out"
    TOLD = "told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with the data, where it stands. `row` counts from 1 in the file, 0 is the whole of it."""

    file: str
    row: int
    severity: Severity
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class DailyBar:
    """A finished session of an underlying: points or dollars. `open` is nan where nobody says it."""

    date: date
    open: float
    high: float
    low: float
    close: float

    def settles_at(self, *, at_open: bool) -> float | None:
        """Return its open or close, None where that is none: not known, outside of its range, the open of a bare close.

        A file of closes has no opens, and its bars are all close.
        """
        value = self.open if at_open else self.close
        is_bare = at_open and self.low == self.high
        return None if is_bare or not self.low * (1.0 - SLACK) <= value <= self.high * (1.0 + SLACK) else value

    def outside(self, level: float) -> float:
        """Return by which part a level lies outside of its range, 0 within it; a bare close has some room around it."""
        room = FAR_OUTSIDE if self.low == self.high else 0.0
        return max(1.0 - level / (self.low * (1.0 - room)), level / (self.high * (1.0 + room)) - 1.0, 0.0)

    def is_far(self, level: float) -> bool:
        """Say whether it can be no bar of a session that stood at a level: of another scale, or of something else."""
        return self.outside(level) > FAR_OUTSIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDay:
    """One session of a market.

    Shape: `times` (T,) epoch seconds rising, of the instants at which something is known; `levels` and `quoted` columns
    (T,) for each underlying; bid, ask, iv, delta, gamma, vega, theta (T, C) in the order of `options`; volume and
    open_interest (T, C) or (C,). Units: those of the board (`model/market.py`). Missing is nan; None where the source
    has no such column: `backtest/` then computes iv from the mid, and greeks from iv.
    quoted_at: of which instant the quotes are that stand at each, nan where none do; None where each has its own. So it
    is of levels that come oftener than quotes.
    told: columns (T,) named in OF_UNDERLYING, by underlying, as the broker told them; None where nobody did: then the
    VIX stands for the 30-day volatility of SPX, XSP and SPY, VXN for that of NDX and QQQ, RVX for RUT's, and ranges are
    those of the levels.
    bars: what a broker told of bars within the session, by (symbol, seconds of one); None where none is asked.
    listings: what one told of what is listed, by (symbol, trading class); None likewise: `options` are all.
    moves: expected moves of the open as an engine measured them, or was told, each when it was known.
    halts: in which contracts trading was halted, as a broker told it. hours: of underlyings of which one said that they
    trade less on that day than the calendar has it, each when it was told, in order.
    settled: the official settlement level by (symbol, trading class) where it is known, which is after the close.
    ran: the bots that ran then, for whom alone options were streamed; None where all that were quoted are there.
    findings: what was wrong with this day's data.
    """

    date: date
    times: Columns
    levels: Mapping[str, Columns]
    options: tuple[Option, ...] = ()
    bid: Columns
    ask: Columns
    bid_size: Columns | None = None
    ask_size: Columns | None = None
    iv: Columns | None = None
    delta: Columns | None = None
    gamma: Columns | None = None
    vega: Columns | None = None
    theta: Columns | None = None
    volume: Columns | None = None
    open_interest: Columns | None = None
    quoted_at: Columns | None = None
    told: Mapping[str, Mapping[str, Columns]] | None = None
    bars: Mapping[tuple[str, int], ToldBars] | None = None
    listings: Mapping[tuple[str, str], Listing] | None = None
    moves: tuple[OpeningMoveReport, ...] = ()
    halts: Halts = ()
    hours: tuple[HoursReport, ...] = ()
    settled: Mapping[tuple[str, str], float] = field(default_factory=dict)
    ran: frozenset[str] | None = None
    findings: tuple[Finding, ...] = ()

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns, by name, that hold the options at these places, and where in them each of these stands.

        Where a source makes its columns it makes no more than is asked for here; read as a whole they are made whole.
        """
        return self.columns(), places

    def columns(self) -> Mapping[str, Columns]:
        """Return the columns of options that there are, by name."""
        return {name: column for name in BY_OPTION if (column := getattr(self, name)) is not None}

    def facts(self) -> Sequence[OpeningMoveReport | HoursReport]:
        """Return what became known at an instant of its own, in order."""
        found: list[OpeningMoveReport | HoursReport] = [*self.moves, *self.hours]
        return sorted(found, key=lambda each: each.at)

    def places(self) -> Mapping[Option, int]:
        """Return where each option stands in `options`."""
        return {option: place for place, option in enumerate(self.options)}

    def classes(self) -> frozenset[tuple[str, str]]:
        """Return the symbol and trading class of its options."""
        return frozenset((option.symbol, option.trading_class) for option in self.options)

    def expiries(self, symbol: str, trading_class: str) -> Sequence[Day]:
        """Return the expiries of a class, earliest first."""
        return sorted({each.expiry for each in self._of_class(symbol, trading_class)})

    def strikes(self, symbol: str, trading_class: str, expiry: Day) -> Sequence[Decimal]:
        """Return the strikes of an expiry of a class, lowest first."""
        return sorted({each.strike for each in self._of_class(symbol, trading_class) if each.expiry == expiry})

    def _of_class(self, symbol: str, trading_class: str) -> list[Option]:
        return [each for each in self.options if each.trading_class == trading_class and each.symbol == symbol]


class Source(Protocol):
    """Past sessions of a market, in order of time."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def is_modelled(self) -> bool:
        """True when option prices are computed and were never quoted."""

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it has from `first` to `last`, both included; what is missing is a finding of `gaps`."""

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return what is wrong with the range as a whole: sessions missing, files that cannot be read."""

    def day(self, day: date) -> HistoryDay:
        """Return one session. Raises: StoreError naming file and row when it has to be refused."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return at most so many finished sessions of an underlying before a day, oldest first."""

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return 30-day implied volatility at the close of sessions before a day, annual fractions, oldest first."""

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say whether shares were split after one session and up to another, by what is known after its close."""
