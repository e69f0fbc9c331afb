"""Which SPX options were listed on a day: monthly ones that settle at the open, weekly ones as they were introduced.

Source: Cboe product histories. SPX: third Fridays, settled at the opening prints, last traded the day before. SPXW
settled at the close: Fridays from December 2010, Wednesdays from 2016-02-23, Mondays from 2016-08-15, Tuesdays from
2022-04-18, Thursdays from 2022-05-11; here Fridays five weeks ahead, others ten days. A day on which the exchange is
closed gives way to the session before it (a Monday to the one after).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from math import ceil, exp, floor

from engine.model.session import is_session, session_after, session_before
from engine.model.values import dataclass

SYMBOL = "SPX"
"""The underlying, and the class of its monthly options."""
_MONDAY, _WEDNESDAY, _FRIDAY = 0, 2, 4
_WEEKLIES = (
    (_FRIDAY, date(2010, 12, 1)),
    (_WEDNESDAY, date(2016, 2, 23)),
    (_MONDAY, date(2016, 8, 15)),
    (1, date(2022, 4, 18)),
    (3, date(2022, 5, 11)),
)


@dataclass(frozen=True, slots=True)
class Expiry:
    """One listed expiry. `last` is the last day it trades, `settles` the day in its name."""

    trading_class: str
    last: date
    settles: date


def third_friday(year: int, month: int) -> date:
    """Return the day monthly options settle: the third Friday, or the session before when that is closed."""
    first = date(year, month, 1)
    friday = first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)
    return friday if is_session(friday) else session_before(friday).date


@lru_cache(maxsize=512)
def expiries(day: date, shortest: int, longest: int) -> tuple[Expiry, ...]:
    """Return the expiries that trade on a day with that many days to their last one."""
    found = [*_monthlies(day), *_weeklies(day, longest)]
    return tuple(each for each in found if shortest <= (each.last - day).days <= longest)


def _monthlies(day: date) -> Iterator[Expiry]:
    for ahead in range(_MONTHS_LISTED):
        year, month = divmod(day.year * 12 + day.month - 1 + ahead, 12)
        try:
            settles = third_friday(year, month + 1)
        except ValueError:
            return
        last = session_before(settles).date
        if last >= day:
            yield Expiry(SYMBOL, last, settles)


_MONTHS_LISTED = 12


def _weeklies(day: date, longest: int) -> Iterator[Expiry]:
    seen = set()
    for ahead in range(-_MOVES, min(longest, _WEEKS_LISTED * 7) + _MOVES + 1):
        named = day + timedelta(days=ahead)
        if ahead > _OTHERS_LISTED and named.weekday() != _FRIDAY:
            continue
        if not any(named.weekday() == weekday and day >= since for weekday, since in _WEEKLIES):
            continue
        try:
            last = _moved(named)
        except ValueError:  # beyond the calendar
            continue
        if last >= day and last not in seen:
            seen.add(last)
            yield Expiry("SPXW", last, last)


_MOVES = 4
"""Days at most by which an expiry gives way."""
_WEEKS_LISTED = 5
_OTHERS_LISTED = 10


def _moved(named: date) -> date:
    if is_session(named):
        return named
    return session_after(named).date if named.weekday() == _MONDAY else session_before(named).date


def strikes(level: float, deviation: float, days: int) -> list[float]:
    """Return the strikes listed around a level: every 5 points near it, every 25 far away.

    They reach seven deviations down and five up, and at least as far as strikes stay when the market has moved away.
    """
    down = max(7.0 * deviation, _STAYS_DOWN if days > _SOON else _STAYS_SOON)
    up = max(5.0 * deviation, _STAYS_UP if days > _SOON else _STAYS_SOON)
    lowest, highest = level * exp(-min(down, 1.0)), level * exp(min(up, 0.5))
    near_low, near_high = max(lowest, level * exp(-_STAYS_DOWN)), min(highest, level * exp(_STAYS_UP))
    fine = range(ceil(near_low / 5.0), floor(near_high / 5.0) + 1)
    coarse = range(ceil(lowest / 25.0), floor(highest / 25.0) + 1)
    below = [25.0 * step for step in coarse if 25 * step < 5 * fine.start]
    above = [25.0 * step for step in coarse if 25 * step >= 5 * fine.stop]
    return [*below, *(5.0 * step for step in fine), *above]


_SOON = 7
_STAYS_DOWN, _STAYS_UP, _STAYS_SOON = 0.30, 0.14, 0.08
