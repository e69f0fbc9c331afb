"""Sessions of SPX that nobody has chains of: daily bars and volatility indices in, a modelled chain out.

Everything about options here is computed; reports say so (`is_modelled`). Levels within a day are a random path between
the day's open, high, low and close.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np

from engine.adapters.history.daily import Daily
from engine.adapters.history.day import Columns, DailyBar, Finding, HistoryDay
from engine.adapters.history.finding import refusal, refused, told
from engine.adapters.history.missing import missing_sessions
from engine.adapters.history.modelled.listing import Expiry, expiries, strikes
from engine.adapters.history.modelled.path import level_path, vix_path
from engine.adapters.history.modelled.quotes import Quotes, at_the_money, quotes
from engine.adapters.history.modelled.rates import Rates
from engine.adapters.history.modelled.term import NODES, Term, term_of
from engine.adapters.history.rows import strike_of
from engine.model.black import YEAR_SECONDS, years_until
from engine.model.contract import Option, Right, listed, product
from engine.model.errors import StoreError
from engine.model.session import CalendarError, Session, session_after, session_on, sessions_after
from engine.model.values import dataclass

SYMBOL = "SPX"
DIVIDENDS = 0.018
"""Continuous yield of the index, about what it was from 1999 to 2026."""
_DONE = (0.0, 1 / 13, 5 / 13, 9 / 13, 1.0)
_LEFT = (0.60, 0.49, 0.27, 0.143, 0.0)
"""The part of a day's variance that is left when that part of its session is over; the rest passes before the open.

Fitted to straddles of SPX options on their last day at 10:00, 12:00 and 14:00, November 2023 to June 2025.
"""
OVERNIGHT = 1.0 - _LEFT[0]
_COLUMNS = ("bid", "ask", "iv", "delta", "gamma", "vega", "theta")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """What the model makes: instants that many minutes apart, expiries of so many days, widths times a factor."""

    step: int = 5
    shortest: int = 0
    longest: int = 60
    width: float = 1.0


class ModelSource:
    """Modelled sessions of SPX."""

    is_modelled = True

    def __init__(self, path: Path, daily: Daily, rates: Rates, options: ModelOptions) -> None:
        self.path, self.background, self.rates, self.options = path, daily, rates, options
        for symbol in (SYMBOL, "VIX"):
            if symbol not in daily.series:
                raise StoreError(
                    f"{path} has no daily bars of {symbol}",
                    "the model needs spx_*.csv and vix_*.csv with date, open, high, low, close",
                )

    @property
    def name(self) -> str:
        """What a report calls it."""
        return "a model of SPX from daily bars and the VIX (no option was ever quoted like this)"

    @cached_property
    def _days(self) -> list[date]:
        """Sessions with a bar of the index, a VIX, and a VIX of the day before."""
        index, vix = self.background.series[SYMBOL], self.background.series["VIX"]
        both = np.intersect1d(index.days, vix.days)
        known = both[both > vix.days[0]].tolist()
        return [date.fromordinal(day) for day in known if session_or_none(day) is not None]

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it can make."""
        return [day for day in self._days if first <= day <= last]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return what is missing in the daily bars, and what is assumed."""
        lines = [told(self.path.name, 0, "option prices are modelled, and so is the path of each day")]
        if not self.rates.is_known:
            lines.append(
                told(self.path.name, 0, f"there is no file of interest rates: {self.rates.on(first):.1%} is taken")
            )
        return (
            *lines,
            *missing_sessions(self.path.name, self.dates(first, last), first, last),
            *self.background.findings,
        )

    def day(self, day: date) -> HistoryDay:
        """Return one session, computed. Raises: StoreError when a bar is missing."""
        session = session_on(day)
        index, vix = self.background.series[SYMBOL].on(day), self.background.series["VIX"].on(day)
        if session is None or index is None or vix is None:
            raise refusal(refused(self.path.name, 0, f"there is no bar of SPX and VIX on {day}"))
        opening = self._opening(index)
        index = replaced_open(index, opening)
        path = level_path(index, session.minutes)
        at = self._minutes(session.minutes)
        level, fear = path[at - 1], vix_path(vix, path, index.open)[at - 1]
        times: Columns = session.open.timestamp() + at.astype(np.float64) * 60.0
        term = term_of(self.background, day, fear)
        if term is None:
            raise refusal(refused(self.path.name, 0, f"there is no VIX before {day}"))
        options, columns = self._chain(session, index, times, level, term)
        return HistoryDay(
            date=day,
            times=times,
            levels=self._levels(day, index, level, term, at / session.minutes),
            options=options,
            settled={(SYMBOL, product(SYMBOL).same_day_class): index.close, (SYMBOL, SYMBOL): opening},
            bid=columns["bid"],
            ask=columns["ask"],
            iv=columns["iv"],
            delta=columns["delta"],
            gamma=columns["gamma"],
            vega=columns["vega"],
            theta=columns["theta"],
        )

    def _opening(self, index: DailyBar) -> float:
        """Return the index at the opening prints of its stocks: from the fund on it, whose open is a trade.

        In daily data the open of the index is its first value of the day, when most of its stocks have not traded yet;
        until about 2008 that is the close of the day before.
        """
        fund = self.background.series.get("SPY")
        bar = fund.on(index.date) if fund is not None else None
        return index.open if bar is None else round(index.close * bar.open / bar.close, 2)

    def _minutes(self, length: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the minutes that are made: the first one, each step, and the last one."""
        found = {1, *range(self.options.step, length, self.options.step), length}
        return np.array(sorted(found), dtype=np.int64)

    def _levels(self, day: date, index: DailyBar, level: Columns, term: Term, part: Columns) -> Mapping[str, Columns]:
        found = {SYMBOL: level, **{name: term.indices[name] * 100.0 for name in NODES}}
        fund = self.background.series.get("SPY")
        bar = fund.on(day) if fund is not None else None
        if bar is not None:
            opened, closed = bar.open / index.open, bar.close / index.close
            found["SPY"] = level * (opened + (closed - opened) * part)
        return found

    # ------------------------------------------------------------ options

    def _chain(
        self, session: Session, index: DailyBar, times: Columns, level: Columns, term: Term
    ) -> tuple[tuple[Option, ...], dict[str, Columns]]:
        options: list[Option] = []
        parts: list[Quotes] = []
        for expiry in expiries(session.date, self.options.shortest, self.options.longest):
            made = self._expiry(session, expiry, index.open, times, level, term)
            if made is not None:
                options += made[0]
                parts += made[1]
        empty = np.zeros((len(times), 0))
        columns = {
            name: np.concatenate([getattr(part, name) for part in parts], axis=1) if parts else empty
            for name in _COLUMNS
        }
        return tuple(options), columns

    def _expiry(
        self, session: Session, expiry: Expiry, opened: float, times: Columns, level: Columns, term: Term
    ) -> tuple[list[Option], list[Quotes]] | None:
        ends = _settles_at(expiry)
        if ends is None:
            return None
        years = self._variance_years(session, expiry, times)
        days = max((ends - times[0]) / 86400.0, 0.0)
        calendar = (ends - times) / (365.0 * 86400.0)
        total = term.total(max(days, 1.0)) / max(days, 1.0) * 365.0 * _passing(years, calendar)
        deviation = np.maximum(at_the_money(total, days), 1e-5)
        rate = self.rates.on(session.date)
        forward = level * np.exp((rate - DIVIDENDS) * calendar)
        strike = np.array(strikes(opened, float(deviation[0]), (expiry.last - session.date).days))
        traded = np.array([years_until(expiry.last, at) or 0.0 for at in times.tolist()])
        if expiry.trading_class == SYMBOL:
            traded = np.maximum(traded, 60.0 / YEAR_SECONDS)
        found = quotes(
            forward,
            strike,
            deviation,
            days=days,
            years=np.maximum(traded, 60.0 / YEAR_SECONDS),
            discount=float(np.exp(-rate * calendar[0])),
            width=self.options.width,
        )
        exact = [strike_of(each) for each in strike.tolist()]
        rights = (Right.PUT, Right.CALL)
        options = [
            listed(SYMBOL, expiry.trading_class, expiry.last, each, right is Right.CALL)
            for right in rights
            for each in exact
        ]
        return options, [found[right] for right in rights]

    def _variance_years(self, session: Session, expiry: Expiry, times: Columns) -> Columns:
        """Return the years of variance to the settlement: sessions and the nights before them, of 252 a year."""
        opened, closed = session.open.timestamp(), session.close.timestamp()
        left = np.interp((times - opened) / (closed - opened), _DONE, _LEFT)
        nights = sessions_after(session.date, expiry.last)
        whole = nights + (OVERNIGHT if expiry.trading_class == SYMBOL else 0.0)
        return (left + whole) / 252.0

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return finished sessions from the daily files."""
        return self.background.daily(symbol, before, count)

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return the closes of the VIX from the daily files."""
        return self.background.implied(symbol, before, count)


def _passing(traded: Columns, calendar: Columns) -> Columns:
    """Return the years over which variance is spread: sessions count when few are left, the calendar from 9 days on.

    The indices count the calendar; within the last days it matters that nothing happens at night and on Sundays.
    """
    days = calendar * 365.0
    weight = np.clip((_CALENDAR_FROM - days) / (_CALENDAR_FROM - 1.0), 0.0, 1.0)
    found: Columns = traded**weight * np.maximum(calendar, 1e-9) ** (1.0 - weight)
    return found


_CALENDAR_FROM = 9.0


def replaced_open(bar: DailyBar, opening: float) -> DailyBar:
    """Return a bar that begins at a level, held within its range."""
    return DailyBar(bar.date, min(max(opening, bar.low), bar.high), bar.high, bar.low, bar.close)


def session_or_none(day: int) -> Session | None:
    """Return the session of an ordinal; None outside of the calendar too."""
    try:
        return session_on(date.fromordinal(day))
    except CalendarError:
        return None


def _settles_at(expiry: Expiry) -> float | None:
    """Return the epoch second at which an expiry settles: the close of its last day, or the open after it."""
    session = session_on(expiry.last)
    if session is None:
        return None
    if expiry.trading_class != SYMBOL:
        return session.close.timestamp()
    return session_after(expiry.last).open.timestamp()
