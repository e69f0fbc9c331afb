"""Which options were listed on a day: monthly ones of SPX that settle at the open, weekly ones as they were introduced.

Source: Cboe product histories. SPX: third Fridays, settled at the opening prints, last traded the day before. SPXW
settled at the close: Fridays from December 2010, Wednesdays from 2016-02-23, Mondays from 2016-08-15, Tuesdays from
2022-04-18, Thursdays from 2022-05-11; here Fridays five weeks ahead, others ten days. Third Fridays that settle at the
close, as many months ahead as those that settle at the open, from 2011-10-04: as SPXPM until 2017-05-01, here under
the name that they have since. A day on which the exchange is closed gives way to the session before it (a Monday to
the one after).

XSP is a tenth of SPX: options on it that settle at the close are listed from 2013-11-05, on third Fridays, and on the
days of SPXW, Tuesdays and Thursdays from 2022-09-21 (SEC release in 87 FR 57745); when the other weekly ones began
could not be read.

SPY is a fund on the index: monthly options from 2005-01-10, Fridays with those of SPX, Mondays from 2018-02-16 (press
release of Cboe); Wednesdays from 2016-08-30, Tuesdays and Thursdays from 2022-11-14, of which no source could be read.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache
from math import ceil, exp, floor
from typing import NamedTuple

from rulebot.model.contract import product
from rulebot.model.session import is_session, session_after, session_before
from rulebot.model.values import dataclass

SYMBOL = "SPX"
"""The index that daily bars are of, and the class of its monthly options."""
_MONDAY, _WEDNESDAY, _FRIDAY = 0, 2, 4
_WEEKLIES = (
    (_FRIDAY, date(2010, 12, 1)),
    (_WEDNESDAY, date(2016, 2, 23)),
    (_MONDAY, date(2016, 8, 15)),
    (1, date(2022, 4, 18)),
    (3, date(2022, 5, 11)),
)
_OF_SPY = (
    _WEEKLIES[0],
    (_WEDNESDAY, date(2016, 8, 30)),
    (_MONDAY, date(2018, 2, 16)),
    (1, date(2022, 11, 14)),
    (3, date(2022, 11, 14)),
)


class ListingSpan(NamedTuple):
    """How far around the levels that the market has had strikes stay listed, in logarithms."""

    down: float
    up: float


_STAY = ListingSpan(0.30, 0.14)
_STAY_LONG = ListingSpan(0.35, 0.35)
"""Of options that are held to be assigned, whatever has come of the market."""


@dataclass(frozen=True, slots=True)
class Modelled:
    """An underlying whose options are modelled. unit: points between its nearest strikes.

    part: one of its points is so much of one of SPX; None of a fund, which has daily bars of its own. closing: since
    when third Fridays that settle at the close are listed beside those that settle at the open.
    """

    symbol: str
    part: float | None
    unit: float
    since: date
    weeklies: tuple[tuple[int, date], ...]
    stays: ListingSpan = _STAY
    closing: date | None = None


MODELLED = {
    each.symbol: each
    for each in (
        Modelled(SYMBOL, 1.0, 5.0, date.min, _WEEKLIES, closing=date(2011, 10, 4)),
        Modelled("XSP", 0.1, 1.0, date(2013, 11, 5), (*_WEEKLIES[:3], (1, date(2022, 9, 21)), (3, date(2022, 9, 21)))),
        Modelled("SPY", None, 1.0, date(2005, 1, 10), _OF_SPY, _STAY_LONG),
    )
}


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
def expiries(day: date, shortest: int, longest: int, symbol: str = SYMBOL) -> tuple[Expiry, ...]:
    """Return the expiries of an underlying that trade on a day with that many days to their last one."""
    of = MODELLED[symbol]
    if day < of.since:
        return ()
    found = dict.fromkeys([*_monthlies(day, symbol), *_weeklies(day, longest, of)])
    return tuple(each for each in found if shortest <= (each.last - day).days <= longest)


def _monthlies(day: date, symbol: str) -> Iterator[Expiry]:
    facts, since = product(symbol), MODELLED[symbol].closing
    for ahead in range(_MONTHS_LISTED):
        year, month = divmod(day.year * 12 + day.month - 1 + ahead, 12)
        try:
            settles = third_friday(year, month + 1)
        except ValueError:
            return
        last = session_before(settles).date if facts.opening_class else settles
        if last >= day:
            yield Expiry(facts.classes[0], last, settles)
        if since is not None and day >= since and settles >= day:
            yield Expiry(facts.same_day_class, settles, settles)


_MONTHS_LISTED = 12


def _weeklies(day: date, longest: int, of: Modelled) -> Iterator[Expiry]:
    seen, trading_class = set(), product(of.symbol).same_day_class
    for ahead in range(-_MOVES, min(longest, _WEEKS_LISTED * 7) + _MOVES + 1):
        named = day + timedelta(days=ahead)
        if ahead > _OTHERS_LISTED and named.weekday() != _FRIDAY:
            continue
        if not any(named.weekday() == weekday and day >= since for weekday, since in of.weeklies):
            continue
        try:
            last = _moved(named)
        except ValueError:  # beyond the calendar
            continue
        if last >= day and last not in seen:
            seen.add(last)
            yield Expiry(trading_class, last, last)


_MOVES = 4
"""Days at most by which an expiry gives way."""
_WEEKS_LISTED = 5
_OTHERS_LISTED = 10


def _moved(named: date) -> date:
    if is_session(named):
        return named
    return session_after(named).date if named.weekday() == _MONDAY else session_before(named).date


def strikes(
    level: float,
    deviation: float,
    unit: float = 5.0,
    stays: ListingSpan = _STAY,
    seen: tuple[float, float] | None = None,
) -> list[float]:
    """Return the strikes listed around a level: a unit apart near it, five units far away.

    They reach seven deviations down and five up, and at least as far as strikes stay. seen: the lowest and the highest
    level since the expiry is listed, around which they were listed too: no strike goes while somebody may hold it.
    """
    low, high = (level, level) if seen is None else (min(level, seen[0]), max(level, seen[1]))
    near_low, near_high = low * exp(-stays.down), high * exp(stays.up)
    lowest = min(near_low, level * exp(-min(7.0 * deviation, 1.0)))
    highest = max(near_high, level * exp(min(5.0 * deviation, 0.5)))
    far = 5.0 * unit
    fine = range(ceil(near_low / unit), floor(near_high / unit) + 1)
    coarse = range(ceil(lowest / far), floor(highest / far) + 1)
    below = [far * step for step in coarse if 5 * step < fine.start]
    above = [far * step for step in coarse if 5 * step >= fine.stop]
    return [*below, *(unit * step for step in fine), *above]


def days_listed(expiry: Expiry) -> int:
    """Return how many days before its last one an expiry is listed, or some more."""
    named = expiry.settles
    return 366 if named == third_friday(named.year, named.month) else _WEEKS_LISTED * 7 + _MOVES
