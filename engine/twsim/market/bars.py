"""Historical bars: how levels and quotes are gathered into open, high, low and close."""

from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rulebot.model.session import Session
from twsim.market.chance import stable_fraction
from twsim.market.path import usually_done_by
from twsim.seams import Bar

Floats = NDArray[np.float64]

DAY_SECONDS = 86400
WHOLE_DAY = 10 * DAY_SECONDS
"""The size of a bar that has all of a session, whatever its hours."""

Gather = Callable[[int, int], tuple[float, float, float, float] | None]
"""Open, high, low and close of the seconds [first, last]; None when nothing was seen."""


@lru_cache(maxsize=64)
def bar_edges(session: Session, bar_seconds: int) -> tuple[int, ...]:
    """Return the seconds since the open at which bars start, and the session's last second.

    Bars are aligned to the clock, so the first bar of an hour is 09:30 to 10:00.
    """
    length = session.minutes * 60
    opened = int(session.open.timestamp())
    first = -opened % bar_seconds
    starts = range(first, length, bar_seconds)
    return tuple(sorted({0, *starts, length}))


@lru_cache(maxsize=64)
def _traded_by(session: Session, volume: int) -> Floats:
    """Return the share of a session's volume that was traded by each second: a minute has more or less than usual."""
    usual = usually_done_by(session.minutes)
    by_minute = usual[::60]
    drawn = [0.7 + 0.6 * stable_fraction(session.date, start, volume) for start in range(0, usual.size - 1, 60)]
    traded = np.concatenate(([0.0], np.cumsum(np.diff(by_minute) * drawn)))
    found: Floats = np.interp(usual, by_minute, traded / traded[-1])
    return found


def intraday(
    session: Session,
    bar_seconds: int,
    until: int,
    gather: Gather,
    volume: int,
    since: int = 0,
) -> list[Bar]:
    """Return the bars of a session from second `since` up to `until`; `gather(first, last)` makes their prices.

    Bars of any size have the same volume between them, all of them that of the session.
    """
    edges = bar_edges(session, bar_seconds)
    traded_by = _traded_by(session, volume) if volume else usually_done_by(session.minutes)
    found = []
    for start, end in pairwise(edges[bisect_left(edges, since) :]):
        if start > until:
            break
        last = min(end if end == edges[-1] else end - 1, until)
        prices = gather(start, last)
        if prices is None:
            continue
        traded = int(volume * traded_by[min(end, until)]) - int(volume * traded_by[start])
        opened, high, low, close = prices
        average = round((opened + high + low + close) / 4.0, 4)
        at = session.open + timedelta(seconds=start)
        found.append(Bar(at, opened, high, low, close, traded, average, traded // 180 + (traded > 0)))
    return found


def of_levels(levels: Floats) -> Gather:
    """Gather traded levels, one a second."""

    def gather(first: int, last: int) -> tuple[float, float, float, float] | None:
        part = levels[first : last + 1]
        return float(part[0]), float(part.max()), float(part.min()), float(part[-1])

    return gather


def of_sides(what: str, at: NDArray[np.int64], bid: Floats, ask: Floats) -> Gather:
    """Gather quotes taken at the seconds `at`.

    BID_ASK: open and close are the average bid and ask, low and high the lowest bid and highest ask. A missing bid
    counts as 0 in a midpoint.
    """
    low_side = np.where(np.isnan(bid), 0.0, bid)
    series = {"BID": low_side, "ASK": ask}.get(what, np.round((low_side + ask) / 2.0, 4))

    def gather(first: int, last: int) -> tuple[float, float, float, float] | None:
        rows = slice(int(np.searchsorted(at, first)), int(np.searchsorted(at, last, side="right")))
        part = series[rows]
        if not part.size:
            return None
        if what == "BID_ASK":
            sides = low_side[rows], ask[rows]
            return (
                round(float(sides[0].mean()), 4),
                float(sides[1].max()),
                float(sides[0].min()),
                round(float(sides[1].mean()), 4),
            )
        return float(part[0]), float(part.max()), float(part.min()), float(part[-1])

    return gather


def daily_values(days: list[date], values: Floats) -> list[Bar]:
    """Return daily bars of a single figure, such as a volatility; days without one are left out."""
    rows = zip(days, values.tolist(), strict=True)
    return [Bar(day, value, value, value, value, 0, value, 0) for day, value in rows if value == value]


def starts_within(bars: list[Bar], first: datetime, last: datetime, first_day: date, last_day: date) -> list[Bar]:
    """Keep the bars that start in [first, last]; daily bars compare by exchange date."""
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    return [
        each
        for each in bars
        if (first <= each.at <= last if isinstance(each.at, datetime) else first_day <= each.at <= last_day)
    ]
