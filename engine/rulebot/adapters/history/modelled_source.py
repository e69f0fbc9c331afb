"""Sessions of SPX, XSP or SPY that nobody has chains of: daily bars and volatility indices in, a modelled chain out.

Everything about options here is computed; reports say so (`is_modelled`). Levels within a day are a random path between
the day's open, high, low and close.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property, reduce
from itertools import accumulate
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

from rulebot.adapters.history.daily import Daily, DailySeries, WithDaily
from rulebot.adapters.history.lazy_chain import Chain, ChainedDay
from rulebot.adapters.history.modelled_surface import (
    MODELLED,
    NODES,
    RIGHTS,
    SYMBOL,
    ExpiryInputs,
    ModelledExpiry,
    Quotes,
    days_listed,
    expiries,
    settles_at,
    term_of,
    variance_left,
)
from rulebot.adapters.history.session import (
    Columns,
    DailyBar,
    Finding,
    HistoryDay,
    Places,
    finding_text,
    missing_sessions,
    parse_day,
    refusal,
    refused,
)
from rulebot.adapters.history.table import read_csv
from rulebot.model.contract import Option, product
from rulebot.model.errors import StoreError
from rulebot.model.session import CalendarError, Session, session_on
from rulebot.model.values import dataclass

# --- The options of one modelled session

BLOCK = 32
"""Strikes that are made together."""
QUOTED = Quotes._fields


class ModelledChain(Chain):
    """A modelled chain, and the columns of those of its options that were asked for.

    Shape: options by expiry, of each first the puts, then the calls, lowest strike first.
    """

    def __init__(self, instants: int, expiries: Iterable[ModelledExpiry]) -> None:
        self._expiries = tuple(expiries)
        self._by_name = {each.name: number for number, each in enumerate(self._expiries)}
        self._starts = (0, *accumulate(len(RIGHTS) * len(each.strikes) for each in self._expiries))
        self._made: dict[str, Columns] = dict.fromkeys(QUOTED, np.empty((instants, 0)))
        self._standing: dict[int, int] = {}
        self._found: dict[Option, int] = {}

    # ------------------------------------------------------------ which options there are

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Option]:
        for each in self._expiries:
            yield from each.options()

    def __getitem__(self, option: Option) -> int:
        found = self._found.get(option)
        if found is None:
            number = self._by_name[option.trading_class, option.expiry]
            within = self._expiries[number].place_of(option)
            if within is None:
                raise KeyError(option)
            found = self._found[option] = self._starts[number] + within
        return found

    def classes(self) -> frozenset[tuple[str, str]]:
        return frozenset((each.symbol, each.trading_class) for each in self._expiries if each.strikes)

    def expiries(self, symbol: str, trading_class: str) -> Sequence[date]:
        return sorted({each.last for each in self._expiries if each.is_of(symbol, trading_class)})

    def strikes(self, symbol: str, trading_class: str, expiry: date) -> Sequence[Decimal]:
        number = self._by_name.get((trading_class, expiry))
        if number is None or not self._expiries[number].is_of(symbol, trading_class):
            return ()
        return self._expiries[number].exact_strikes()

    # ------------------------------------------------------------ what they are quoted at

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns that hold the options at these places, and where each stands in them."""
        asked: list[int] = places.tolist()
        lacking = dict.fromkeys(self._block_of(place) for place in asked if place not in self._standing)
        if lacking:
            self._make(lacking)
        return self._made, np.array([self._standing[place] for place in asked], dtype=np.intp)

    def _block_of(self, place: int) -> tuple[int, int]:
        """Return the expiry of an option and the first strike of its block, by their numbers."""
        number = bisect_right(self._starts, place) - 1
        strike = (place - self._starts[number]) % len(self._expiries[number].strikes)
        return number, strike - strike % BLOCK

    def _make(self, blocks: Iterable[tuple[int, int]]) -> None:
        made: list[Quotes] = []
        for number, first in blocks:
            for place, quotes in self._block(number, first):
                made.append(quotes)
                for each in range(quotes.bid.shape[1]):
                    self._standing[place + each] = len(self._standing)
        self._made = {
            name: np.concatenate([column, *(getattr(quotes, name) for quotes in made)], axis=1)
            for name, column in self._made.items()
        }

    def _block(self, number: int, first: int) -> Iterator[tuple[int, Quotes]]:
        """Yield the quotes of the puts and of the calls of a block, with the place of the first option of each."""
        expiry = self._expiries[number]
        found = expiry.quotes(slice(first, first + BLOCK))
        for side, right in enumerate(RIGHTS):
            yield self._starts[number] + side * len(expiry.strikes) + first, found[right]

    def whole(self) -> Mapping[str, Columns]:
        """Return the columns of all options."""
        instants = len(self._made["bid"])
        found = {name: np.empty((instants, len(self))) for name in QUOTED}
        for number, expiry in enumerate(self._expiries):
            for first in range(0, len(expiry.strikes), BLOCK):
                for place, quotes in self._block(number, first):
                    for name, column in found.items():
                        column[:, place : place + quotes.bid.shape[1]] = getattr(quotes, name)
        return found


# --- A path through a session that ends where its daily bar says

_TRIES = 64
_STRETCHED = 1.5
"""How far a bridge may be stretched; where none of the tries is good enough the best one is taken."""
_ELASTICITY = 5.0
"""The VIX falls by so many percent when the index rises by one within a day. Source: data of 1990 to 2026."""


def level_path(bar: DailyBar, minutes: int) -> Columns:
    """Return the level at the end of each minute; the last is the close."""
    chance = np.random.default_rng(bar.date.toordinal())
    opened, close = np.log(bar.open), np.log(bar.close)
    high, low = np.log(max(bar.high, bar.open, bar.close)), np.log(min(bar.low, bar.open, bar.close))
    top, bottom = max(opened, close), min(opened, close)
    scale = max(high - low, 1e-6) / (1.6 * np.sqrt(minutes))
    line = opened + (close - opened) * np.arange(1, minutes + 1) / minutes
    path, least = line, np.inf
    for _ in range(_TRIES):
        steps = np.cumsum(chance.normal(0.0, scale, minutes))
        tried = line + steps - steps[-1] * np.arange(1, minutes + 1) / minutes
        stretch = max(_stretch(high - top, tried.max() - top), _stretch(bottom - low, bottom - tried.min()))
        if stretch < least:
            path, least = tried, stretch
        if least <= _STRETCHED:
            break
    above, below = path > top, path < bottom
    if above.any():
        path = np.where(above, top + (path - top) * (high - top) / (path.max() - top), path)
    if below.any():
        path = np.where(below, bottom - (bottom - path) * (bottom - low) / (bottom - path.min()), path)
    found: Columns = np.exp(path)
    found[-1] = bar.close
    return found


def _stretch(wanted: float, has: float) -> float:
    """Return by how much a bridge that goes so far beyond open and close must be stretched."""
    if wanted <= 1e-12:
        return 0.0
    return wanted / has if has > 0.0 else np.inf


def vix_path(bar: DailyBar, level: Columns, opened: float) -> Columns:
    """Return the VIX at the end of each minute: from open to close, against the index, within the day's range."""
    part = np.arange(1, len(level) + 1) / len(level)
    line = bar.open + (bar.close - bar.open) * part
    straight = np.log(opened) + (np.log(level[-1]) - np.log(opened)) * part
    moved = line * np.exp(-_ELASTICITY * (np.log(level) - straight))
    low, high = min(bar.low, bar.open, bar.close), max(bar.high, bar.open, bar.close)
    found: Columns = np.clip(moved, low, high)
    found[-1] = bar.close
    return found


# --- Short interest rates by day from a file with a date and a column of percent

COLUMNS = ("rate", "gs3m", "dtb3", "tb3ms", "pcredit8")
"""What a column of rates is called: three-month bills, or the primary credit rate."""
USUAL = 0.02


class Rates:
    """Rates, each known from the day after its own."""

    def __init__(self, days: Sequence[date] = (), percent: Sequence[float] = ()) -> None:
        self._days, self._percent = list(days), list(percent)

    @property
    def is_known(self) -> bool:
        """True when there is a file."""
        return bool(self._days)

    def on(self, day: date) -> float:
        """Return the last rate of before a day, an annual fraction; the first one for days before all."""
        if not self._days:
            return USUAL
        return self._percent[max(bisect_left(self._days, day) - 1, 0)] / 100.0


def read_rates(path: Path) -> Rates:
    """Read a file of rates. Raises: StoreError when it has no column of them."""
    if not path.is_file():
        raise StoreError(f"the file of rates {path} does not exist")
    table = read_csv(path)
    name = next((each for each in COLUMNS if each in table.names), None)
    if name is None or "date" not in table.names:
        raise refusal(refused(table.file, 1, f"rates have `date` and one of {', '.join(COLUMNS)}, in percent"))
    codes, texts = table.texts("date")
    try:
        days = [_day(texts[code]) for code in codes.tolist()]
    except ValueError as error:
        raise refusal(refused(table.file, 0, f"a date is like 2019-05-24: {error}")) from error
    known = sorted(
        (day, value) for day, value in zip(days, table.numbers(name).tolist(), strict=True) if value == value
    )
    return Rates([day for day, _ in known], [value for _, value in known])


def _day(text: str) -> date:
    return parse_day(text if "-" in text or "/" in text else f"{text[:4]}-{text[4:6]}-{text[6:8]}")


# --- A modelled session, as every source gives one


class ModelledDay(ChainedDay):
    """A session with a modelled chain, whose columns too are made whole when they are read."""

    __slots__ = ()
    _chain: ModelledChain
    made = ("options", *QUOTED)

    def make(self, name: str) -> Mapping[str, Any]:
        """Return its options, or all columns of them."""
        return super().make(name) if name == "options" else self._chain.whole()

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns that hold the options at these places, and where; what is not there yet is made."""
        return self._chain.holding(places)


# --- Sessions of SPX, XSP or SPY that nobody has chains of

FUND = "SPY"
"""A fund on the index, whose open is a trade."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the model makes: instants that many minutes apart, expiries of so many days, widths times a factor.

    symbol: the underlying that the options are on. volatility: of options, as a factor of what the model makes it.
    """

    step: int = 5
    shortest: int = 0
    longest: int = 60
    width: float = 1.0
    volatility: float = 1.0
    symbol: str = SYMBOL


class ModelSource(WithDaily):
    """Modelled sessions of SPX, with options on it, on its tenth, or on the fund SPY."""

    is_modelled = True

    def __init__(self, path: Path, daily: Daily, rates: Rates, options: ModelOptions) -> None:
        self.path, self.background, self.rates, self.options = path, daily, rates, options
        self._of = MODELLED[options.symbol]
        for symbol in self._needed:
            if symbol not in daily.series:
                files = " and ".join(f"{each.lower()}_*.csv" for each in self._needed)
                raise StoreError(
                    f"{path} has no daily bars of {symbol}",
                    f"the model needs {files} with date, open, high, low, close",
                )
        if options.symbol != SYMBOL and self._of.part is not None:
            whole = daily.series[SYMBOL]
            daily.add(options.symbol, DailySeries(whole.days, np.round(whole.bars * self._of.part, 2)), ())

    @property
    def _needed(self) -> tuple[str, ...]:
        """Return what there must be daily bars of."""
        return (SYMBOL, "VIX", FUND) if self._of.part is None else (SYMBOL, "VIX")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"a model of {self._of.symbol} from daily bars{self._whose} and the VIX"

    @property
    def _whose(self) -> str:
        if self._of.part is None:
            return f" of it, of {SYMBOL}"
        return "" if self._of.symbol == SYMBOL else f" of {SYMBOL}"

    @cached_property
    def _days(self) -> list[date]:
        """Sessions with a bar of all that is needed, and a VIX of the day before."""
        series = [self.background.series[symbol].days for symbol in self._needed]
        common = reduce(np.intersect1d, series)
        known = common[common > self.background.series["VIX"].days[0]].tolist()
        return [date.fromordinal(day) for day in known if session_or_none(day) is not None]

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it can make."""
        return [day for day in self._days if first <= day <= last]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return what is missing in the daily bars, and what is assumed."""
        lines = [finding_text(self.path.name, 0, "option prices are modelled, and so is the path of each day")]
        if self._of.part is None:
            text = f"volatilities of {self._of.symbol} are those of {SYMBOL}, its dividends are paid a little each day"
            lines.append(finding_text(self.path.name, 0, f"{text}, without early exercise"))
        elif self._of.symbol != SYMBOL:
            text = (
                f"levels, volatilities and widths of {self._of.symbol} are those of {SYMBOL}, to scale: its own widths"
            )
            lines.append(finding_text(self.path.name, 0, f"{text} were not measured here"))
        if first < self._of.since:
            text = f"no options on {self._of.symbol} are listed before {self._of.since}"
            lines.append(finding_text(self.path.name, 0, f"{text}, since when they settle at the close"))
        if not self.rates.is_known:
            lines.append(
                finding_text(
                    self.path.name, 0, f"there is no file of interest rates: {self.rates.on(first):.1%} is taken"
                )
            )
        days = self.dates(first, last)
        missing = missing_sessions(self.path.name, days, first, last)
        return (*lines, *missing, *self.background.findings_for(days))

    def day(self, day: date) -> HistoryDay:
        """Return one session, computed. Raises: StoreError when a bar is missing."""
        session = session_on(day)
        if session is None:
            raise refusal(refused(self.path.name, 0, f"there is no bar of {SYMBOL} on {day}"))
        index, vix = self._bar(SYMBOL, day), self._bar("VIX", day)
        opening = self._opening(index)
        index = replaced_open(index, opening)
        path = level_path(index, session.minutes)
        at = self._minutes(session.minutes)
        level, fear = path[at - 1], vix_path(vix, path, index.open)[at - 1]
        times: Columns = session.open.timestamp() + at.astype(np.float64) * 60.0
        term = term_of(self.background, day, fear)
        if term is None:
            raise refusal(refused(self.path.name, 0, f"there is no VIX before {day}"))
        levels = self._levels(day, index, level, at / session.minutes)
        own, part = self._of.symbol, self._of.part
        conditions = ExpiryInputs(
            session=session,
            of=self._of,
            opened=self._bar(own, day).open if part is None else index.open * part,
            times=times,
            level=levels[own] if part is None else level * part,
            left=variance_left(session, times),
            term=term,
            rate=self.rates.on(day),
            width=self.options.width,
            volatility=self.options.volatility,
        )
        return ModelledDay(
            self._chain(conditions),
            date=day,
            times=times,
            levels={SYMBOL: level, **{name: term.indices[name] * 100.0 for name in NODES}, **levels},
            settled=self._settled(self._bar(own, day).close, opening),
        )

    def _bar(self, symbol: str, day: date) -> DailyBar:
        """Return a daily bar that is needed. Raises: StoreError where it, or its open, is missing."""
        bar = self.background.series[symbol].on(day)
        if bar is None:
            raise refusal(refused(self.path.name, 0, f"there is no bar of {symbol} on {day}"))
        if isnan(bar.open):
            raise refusal(refused(self.path.name, 0, f"there is no open of {symbol} on {day}"))
        return bar

    def _settled(self, close: float, opening: float) -> Mapping[tuple[str, str], float]:
        symbol, facts = self._of.symbol, product(self._of.symbol)
        found = {(symbol, facts.same_day_class): close}
        return {**found, (symbol, facts.opening_class): opening} if facts.opening_class else found

    def _opening(self, index: DailyBar) -> float:
        """Return the index at the opening prints of its stocks: from the fund on it, whose open is a trade.

        In daily data the open of the index is its first value of the day, when most of its stocks have not traded yet;
        until about 2008 that is the close of the day before.
        """
        fund = self.background.series.get(FUND)
        bar = fund.on(index.date) if fund is not None else None
        opened = None if bar is None else bar.settles_at(at_open=True)
        return index.open if bar is None or opened is None else round(index.close * opened / bar.close, 2)

    def _minutes(self, length: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the minutes that are made: the first one, each step, and the last one."""
        found = {1, *range(self.options.step, length, self.options.step), length}
        return np.array(sorted(found), dtype=np.int64)

    def _levels(self, day: date, index: DailyBar, level: Columns, part: Columns) -> dict[str, Columns]:
        """Return levels of the tenth of the index, and of the fund on it. part: of the session that has passed."""
        found: dict[str, Columns] = {}
        own = self._of
        if own.symbol != SYMBOL and own.part is not None:
            found[own.symbol] = np.round(level * own.part, 2)
        fund = self.background.series.get(FUND)
        bar = fund.on(day) if fund is not None else None
        if bar is not None and not isnan(bar.open):
            opened, closed = bar.open / index.open, bar.close / index.close
            of_fund: Columns = level * (opened + (closed - opened) * part)
            found[FUND] = np.round(of_fund, 2) if own.symbol == FUND else of_fund
        return found

    def _chain(self, conditions: ExpiryInputs) -> ModelledChain:
        asked = self.options
        listed = expiries(conditions.session.date, asked.shortest, asked.longest, asked.symbol)
        ending = [(each, ends) for each in listed if (ends := settles_at(each)) is not None]
        series, day = self.background.series[asked.symbol], conditions.session.date
        made = [
            ModelledExpiry(each, ends, conditions, series.range_over(each.last - timedelta(days_listed(each)), day))
            for each, ends in ending
        ]
        return ModelledChain(len(conditions.times), made)


def replaced_open(bar: DailyBar, opening: float) -> DailyBar:
    """Return a bar that begins at a level, held within its range."""
    return DailyBar(bar.date, min(max(opening, bar.low), bar.high), bar.high, bar.low, bar.close)


def session_or_none(day: int) -> Session | None:
    """Return the session of an ordinal; None outside of the calendar too."""
    try:
        return session_on(date.fromordinal(day))
    except CalendarError:
        return None
