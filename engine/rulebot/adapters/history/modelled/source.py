"""Sessions of SPX, XSP or SPY that nobody has chains of: daily bars and volatility indices in, a modelled chain out.

Everything about options here is computed; reports say so (`is_modelled`). Levels within a day are a random path between
the day's open, high, low and close.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cached_property, reduce
from math import isnan
from pathlib import Path

import numpy as np

from rulebot.adapters.history.daily import Daily, DailySeries
from rulebot.adapters.history.day import Columns, DailyBar, Finding, HistoryDay
from rulebot.adapters.history.finding import finding_text, refusal, refused
from rulebot.adapters.history.missing import missing_sessions
from rulebot.adapters.history.modelled.chain import ModelledChain
from rulebot.adapters.history.modelled.day import ModelledDay
from rulebot.adapters.history.modelled.expiry import ExpiryInputs, ModelledExpiry, settles_at, variance_left
from rulebot.adapters.history.modelled.listing import MODELLED, SYMBOL, days_listed, expiries
from rulebot.adapters.history.modelled.path import level_path, vix_path
from rulebot.adapters.history.modelled.rates import Rates
from rulebot.adapters.history.modelled.term import NODES, term_of
from rulebot.model.contract import product
from rulebot.model.errors import StoreError
from rulebot.model.session import CalendarError, Session, session_on
from rulebot.model.values import dataclass

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


class ModelSource:
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
            lines.append(finding_text(self.path.name, 0, f"{text}, and nobody exercises before the last day"))
        elif self._of.symbol != SYMBOL:
            text = (
                f"levels, volatilities and widths of {self._of.symbol} are those of {SYMBOL}, to scale: its own widths"
            )
            lines.append(finding_text(self.path.name, 0, f"{text} were measured by nobody here"))
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

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return finished sessions from the daily files."""
        return self.background.daily(symbol, before, count)

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return the closes of the VIX from the daily files."""
        return self.background.implied(symbol, before, count)

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say whether the daily bars tell a split after one day and up to another."""
        return self.background.was_split(symbol, since, until)


def replaced_open(bar: DailyBar, opening: float) -> DailyBar:
    """Return a bar that begins at a level, held within its range."""
    return DailyBar(bar.date, min(max(opening, bar.low), bar.high), bar.high, bar.low, bar.close)


def session_or_none(day: int) -> Session | None:
    """Return the session of an ordinal; None outside of the calendar too."""
    try:
        return session_on(date.fromordinal(day))
    except CalendarError:
        return None
