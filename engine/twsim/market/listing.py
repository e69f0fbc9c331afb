"""Which expiries and strikes are listed on a day: the exchange's listing rules, simplified.

An expiry is named by the day its options settle. Past the end of the calendar table every weekday counts as a session.
"""

import calendar
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from rulebot.model.session import half_days, trades_on, trading_day_before
from twsim.market.universe import StrikeLadder

_DAILY_REACH = {StrikeLadder.INDEX_PM: 35, StrikeLadder.ETF_DAILY: 14}
_FRIDAY_REACH = {StrikeLadder.INDEX_PM: 90, StrikeLadder.ETF_DAILY: 56, StrikeLadder.STOCK: 45}
_MONTH_END_REACH = {StrikeLadder.INDEX_PM: 365, StrikeLadder.ETF_DAILY: 60}
_QUARTER_END_REACH = {StrikeLadder.INDEX_PM: 550, StrikeLadder.ETF_DAILY: 540}
_MONTHLY_REACH = {
    StrikeLadder.INDEX_AM: 365,
    StrikeLadder.INDEX_PM: 190,
    StrikeLadder.ETF_DAILY: 330,
    StrikeLadder.STOCK: 270,
}
_HALF_YEAR_REACH = {StrikeLadder.INDEX_AM: 1100, StrikeLadder.ETF_DAILY: 915, StrikeLadder.STOCK: 800}


@lru_cache(maxsize=8192)
def on_or_before(day: date) -> date:
    """Return `day`, or the last session before it."""
    return day if trades_on(day) else trading_day_before(day)


@lru_cache(maxsize=8192)
def sessions_between(after: date, until: date) -> int:
    """Count the sessions after `after` up to and with `until`."""
    span = (until - after).days
    return sum(trades_on(after + timedelta(days=step)) for step in range(1, span + 1))


@lru_cache(maxsize=8192)
def half_days_between(after: date, until: date) -> int:
    """Count the half days after `after` up to and with `until`."""
    return len(half_days(after + timedelta(days=1), until))


def third_friday(year: int, month: int) -> date:
    """Return the day monthly options settle: the third Friday, or the session before a holiday on it."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    return on_or_before(friday)


def month_end(year: int, month: int) -> date:
    """Return the last session of a month."""
    return on_or_before(date(year, month, calendar.monthrange(year, month)[1]))


def _months(today: date, days: int) -> list[tuple[int, int]]:
    count = days // 28 + 2
    first = today.year * 12 + today.month - 1
    return [divmod(first + step, 12) for step in range(count)]


def _fridays(today: date, reach: int) -> set[date]:
    first = today + timedelta(days=(4 - today.weekday()) % 7)
    found = (first + timedelta(days=7 * week) for week in range(reach // 7 + 1))
    return {on_or_before(friday) for friday in found}


@lru_cache(maxsize=512)
def expiries(ladder: StrikeLadder, today: date) -> tuple[date, ...]:
    """Return the settlement days listed on `today`, in order; `today` is included until its close."""
    found: set[date] = set()
    daily = _DAILY_REACH.get(ladder, -1)
    found.update(day for step in range(daily + 1) if trades_on(day := today + timedelta(days=step)))
    if ladder in _FRIDAY_REACH:
        found |= _fridays(today, _FRIDAY_REACH[ladder])
    for year, month in _months(today, 1100):
        month += 1
        found |= _monthly(ladder, today, year, month)
    last_trade = {day: trading_day_before(day) if ladder is StrikeLadder.INDEX_AM else day for day in found}
    return tuple(sorted(day for day, last in last_trade.items() if last >= today))


def _monthly(ladder: StrikeLadder, today: date, year: int, month: int) -> set[date]:
    friday, end = third_friday(year, month), month_end(year, month)
    found = set()
    reach = (friday - today).days
    if reach <= _MONTHLY_REACH.get(ladder, -1) or (month in (1, 6, 12) and reach <= _HALF_YEAR_REACH.get(ladder, -1)):
        found.add(friday)
    reach = (end - today).days
    if reach <= _MONTH_END_REACH.get(ladder, -1) or (month % 3 == 0 and reach <= _QUARTER_END_REACH.get(ladder, -1)):
        found.add(end)
    return found


def _band(reference: float, low: float, high: float, step: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    first = np.ceil(reference * low / step)
    last = np.floor(reference * high / step)
    return np.arange(first, last + 1) * step


_INDEX_FAR = ((0.80, 1.15, 5.0), (0.20, 1.60, 20.0))
_INDEX_MIDDLE = ((0.90, 1.08, 1.0), (0.80, 1.15, 2.0), (0.50, 1.40, 5.0), *_INDEX_FAR)
_INDEX_NEAR = ((0.85, 1.10, 1.0), (0.75, 1.15, 2.0), *_INDEX_MIDDLE)
"""Parts of the level, and the units between strikes within them; a unit of SPX is 5 points."""
_ETF_FAR = ((0.92, 1.08, 1.0), (0.40, 1.50, 5.0))
_ETF_NEAR = ((0.80, 1.15, 1.0), *_ETF_FAR)


def stock_step(price: float) -> float:
    """Return the strike step near the money of a stock at this price."""
    for below, step in ((25.0, 0.5), (100.0, 1.0), (220.0, 2.5)):
        if price < below:
            return step
    return 5.0


@lru_cache(maxsize=4096)
def strikes(ladder: StrikeLadder, days: int, reference: float, unit: float = 5.0) -> tuple[float, ...]:
    """Return the strikes of an expiry `days` ahead for a price level near `reference`, in order.

    What is listed far ahead is listed nearer too, so no strike is ever taken away. unit: points between the strikes of
    an index that are nearest to one another.
    """
    bands: tuple[tuple[float, float, float], ...]
    if ladder in (StrikeLadder.INDEX_AM, StrikeLadder.INDEX_PM):
        found = _INDEX_NEAR if days <= 45 else _INDEX_MIDDLE if days <= 200 else _INDEX_FAR
        bands = tuple((low, high, units * unit) for low, high, units in found)
    elif ladder is StrikeLadder.ETF_DAILY:
        bands = _ETF_NEAR if days <= 200 else _ETF_FAR
    else:
        step = stock_step(reference)
        bands = (0.80, 1.25, step), (0.50, 1.60, step * 2)
    return tuple(np.unique(np.concatenate([_band(reference, *band) for band in bands])).tolist())


def days_class(days: int) -> int:
    """Return a stand-in for the days to expiry with which `strikes` gives the same ladder."""
    return 45 if days <= 45 else 200 if days <= 200 else 1000
