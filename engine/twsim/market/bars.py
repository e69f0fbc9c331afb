"""Closed days: about two years drawn backwards from the start of a run, then the run's own days.

Drawn days end at the levels at which the first session starts. The last month of SPX is scaled so that its realised
volatility has the usual relation to VIX (0.42 to 0.60 of it in calm times); VIX moves against SPX as it does within a
day; stocks follow by beta.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from twsim.market.path import SessionLevels, generator, spx_spy_ratio, stable_fraction, usually_done_by, vix_relative
from twsim.market.surface import at_the_money
from twsim.market.universe import ASSETS, FOLLOWERS, VOLATILITY_INDICES
from twsim.nouns import dataclass
from twsim.seams import Bar
from twsim.sessions import Session, session_before, sessions

Floats = NDArray[np.float64]

# --- Historical bars

DAY_SECONDS = 86400
WHOLE_DAY = 10 * DAY_SECONDS
"""The size of a bar of a whole session, whatever its hours."""

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
    """Return daily bars of a single figure, such as a volatility, without days that lack it."""
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


# --- Days that have closed

_SESSIONS = 520
_CALENDAR_DAYS = 760
_RECENT = 22
_TAPES_KEPT = 3
"""For days of the run; those of other days are drawn again when requested."""
_LEAST_RATIO, _MOST_RATIO = 0.42, 0.60
_VOLATILITY_WINDOW = 30


@dataclass(frozen=True, slots=True)
class ClosedDays:
    """Daily columns of one symbol, oldest first."""

    opens: Floats
    highs: Floats
    lows: Floats
    closes: Floats
    volumes: Floats


def _tilted(drawn: Floats, end: float, decay: float) -> Floats:
    """Bend a log path so that it ends at `end`, leaving its far past alone."""
    back = np.arange(drawn.size)[::-1]
    bent: Floats = drawn + (math.log(end) - drawn[-1]) * np.power(decay, back)
    return bent


def _ending_at(close: float, past: ClosedDays) -> ClosedDays:
    """Scale days so that the last of them ends at a close, which bars of a file may prescribe."""
    times = close / float(past.closes[-1])
    if times == 1.0:
        return past
    opens, highs, lows, closes = (_rounded(each * times) for each in (past.opens, past.highs, past.lows, past.closes))
    closes[-1] = close
    highs[-1], lows[-1] = max(highs[-1], close), min(lows[-1], close)
    return replace(past, opens=opens, highs=highs, lows=lows, closes=closes)


def _rounded(levels: Floats) -> Floats:
    found: Floats = np.round(levels, 2)
    return found


class History:
    """The closed days of a run."""

    def __init__(self, seed: int, start: Session, previous: dict[str, float]) -> None:
        self._seed = seed
        self._start = start
        self._previous = previous
        last = session_before(start.date).date
        first = max(date.fromordinal(last.toordinal() - _CALENDAR_DAYS), date(2010, 1, 4))
        self._sessions = list(sessions(first, last))[-_SESSIONS:]
        if len(self._sessions) <= _VOLATILITY_WINDOW:
            raise ValueError(f"its history begins with 2010, and {start.date} is too early for it")
        self._spx = self._spx_closes()
        self._drawn: dict[str, ClosedDays] = {}
        self._drawn_bars: dict[str, list[Bar]] = {}
        self._days: list[Session] = []
        self._own: dict[str, list[Bar]] = {symbol: [] for symbol in (*ASSETS, *VOLATILITY_INDICES)}
        self._volumes: dict[tuple[str, date], int] = {}
        self._drawn_again: dict[date, Callable[[], SessionLevels]] = {}
        self._tapes: dict[date, SessionLevels] = {}

    def close_day(self, tape: SessionLevels) -> None:
        """Add a finished day of the run."""
        day = tape.session.date
        self._days.append(tape.session)
        self._drawn_again[day] = tape.again
        self._keep(day, tape)
        for symbol, bars in self._own.items():
            gather, volume = of_levels(tape.levels(symbol)), self.day_volume(symbol, day)
            whole = intraday(tape.session, WHOLE_DAY, tape.seconds, gather, volume)
            bars += [each._replace(at=day) for each in whole]

    def _keep(self, day: date, tape: SessionLevels) -> None:
        self._tapes[day] = tape
        if len(self._tapes) > _TAPES_KEPT:
            self._tapes.pop(next(iter(self._tapes)))

    def _simulated(self, day: date) -> SessionLevels | None:
        """Return the tape of a day of the run, None for a day before it."""
        if day not in self._drawn_again:
            return None
        tape = self._tapes.pop(day, None) or self._drawn_again[day]()
        self._keep(day, tape)
        return tape

    def days(self) -> list[date]:
        """Return every closed session, oldest first."""
        return [each.date for each in (*self._sessions, *self._days)]

    def session_of(self, day: date) -> Session:
        """Return the session of a closed day."""
        return next(each for each in reversed((*self._sessions, *self._days)) if each.date == day)

    def daily(self, symbol: str) -> list[Bar]:
        """Return the daily bars of an underlying, oldest first."""
        if symbol not in self._drawn_bars:
            self._drawn_bars[symbol] = self._bars_of(self._past(symbol))
        return self._drawn_bars[symbol] + self._own[symbol]

    def _bars_of(self, past: ClosedDays) -> list[Bar]:
        drawn = zip(self._sessions, past.opens, past.highs, past.lows, past.closes, past.volumes, strict=True)
        return [
            Bar(
                each.date,
                float(opened),
                float(high),
                float(low),
                float(close),
                int(volume),
                round(float(high + low + close) / 3.0, 4),
                int(volume) // 180,
            )
            for each, opened, high, low, close, volume in drawn
        ]

    def closes(self, symbol: str) -> Floats:
        """Return the daily closes, oldest first."""
        own = np.array([bar.close for bar in self._own[symbol]], dtype=np.float64)
        return np.concatenate((self._past(symbol).closes, own))

    def implied(self, symbol: str) -> Floats:
        """Return the 30-day implied volatility at each close, an annual fraction."""
        return thirty_day_volatility(symbol, self.closes("VIX"))

    def realised(self, symbol: str) -> Floats:
        """Return the 30-session close-to-close volatility at each close; nan before there are as many."""
        returns = np.diff(np.log(self.closes(symbol)))
        found = np.full(returns.size + 1, np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(returns, _VOLATILITY_WINDOW)
        found[_VOLATILITY_WINDOW:] = np.std(windows, axis=1, ddof=1) * math.sqrt(252.0)
        return np.round(found, 6)

    def day_volume(self, symbol: str, day: date) -> int:
        """Return a day's total volume in shares; 0 for an index."""
        found = self._volumes.get((symbol, day))
        if found is None:
            is_simulated = day >= self._start.date
            found = self._drawn_volume(symbol, day) if is_simulated else self._past_volume(symbol, day)
            self._volumes[symbol, day] = found
        return found

    def _past_volume(self, symbol: str, day: date) -> int:
        row = next(row for row, each in enumerate(self._sessions) if each.date == day)
        return int(self._past(symbol).volumes[row])

    def _drawn_volume(self, symbol: str, day: date) -> int:
        shares = ASSETS[symbol].shares if symbol in ASSETS else 0
        return int(shares * (0.7 + 0.7 * stable_fraction(self._seed, symbol, day, "volume")))

    def _spx_closes(self) -> Floats:
        count = len(self._sessions)
        chance = generator(self._seed, self._start.date, "history SPX")
        draws, waves = chance.standard_normal((2, count))
        mood = np.convolve(waves, np.power(0.96, np.arange(120)))[:count] * 0.09
        returns = 0.0004 + 0.0066 * np.exp(mood - 0.05) * draws
        part = _LEAST_RATIO + (_MOST_RATIO - _LEAST_RATIO) * stable_fraction(self._seed, "realised")
        wanted = part * self._previous["VIX"] / 100.0 / math.sqrt(252.0)
        recent = returns[-_RECENT:]
        returns[-_RECENT:] = (recent - recent.mean()) * (wanted / float(np.std(recent, ddof=1))) + 0.0004
        path = np.cumsum(returns)
        return _rounded(np.exp(path - path[-1]) * self._previous["SPX"])

    def _past(self, symbol: str) -> ClosedDays:
        if symbol not in self._drawn:
            if symbol in FOLLOWERS:
                found = self._following(symbol)
            else:
                found = self._around(symbol, np.maximum(self._closes(symbol), 0.01))
            self._drawn[symbol] = _ending_at(self._previous[symbol], found)
        return self._drawn[symbol]

    def _following(self, symbol: str) -> ClosedDays:
        """Return the days of an underlying that is always a fixed multiple of another one."""
        leader, times = FOLLOWERS[symbol]
        past = self._past(leader)
        opens, highs, lows, closes = (
            _rounded(each * times) for each in (past.opens, past.highs, past.lows, past.closes)
        )
        volumes = [self._drawn_volume(symbol, each.date) for each in self._sessions]
        return ClosedDays(opens, highs, lows, closes, np.array(volumes, dtype=np.float64))

    def _closes(self, symbol: str) -> Floats:
        if symbol == "SPX":
            return self._spx
        if symbol == "SPY":
            return np.round(self._spx / spx_spy_ratio(self._seed), 2)
        if symbol == "VIX":
            return self._vix()
        if symbol in VOLATILITY_INDICES:
            return np.round(vix_relative(symbol, self._past("VIX").closes), 2)
        return self._stock(symbol)

    def _vix(self) -> Floats:
        draws = generator(self._seed, self._start.date, "history VIX").standard_normal(len(self._sessions))
        returns = np.diff(np.log(self._spx), prepend=math.log(self._spx[0]))
        shocks = 0.035 * draws - 5.0 * (returns - 0.0004)
        path = math.log(16.6) + np.convolve(shocks, np.power(0.94, np.arange(160)))[: shocks.size]
        end = self._previous["VIX"]
        floor: Floats = np.maximum(np.exp(_tilted(path, end, 0.97)), min(10.2, end))
        return np.round(floor, 2)

    def _stock(self, symbol: str) -> Floats:
        asset = ASSETS[symbol]
        draws = generator(self._seed, self._start.date, f"history {symbol}").standard_normal(len(self._sessions))
        market = np.diff(np.log(self._spx), prepend=math.log(self._spx[0]))
        path = np.cumsum(asset.beta * market + asset.own_vol / math.sqrt(252.0) * draws * 0.9)
        return _rounded(np.exp(path - path[-1]) * self._previous[symbol])

    def _around(self, symbol: str, closes: Floats) -> ClosedDays:
        """Draw open, high, low and volume to fit the closes."""
        chance = generator(self._seed, self._start.date, f"history days of {symbol}")
        night, up, down, busy = chance.standard_normal((4, closes.size))
        returns = np.diff(np.log(closes), prepend=math.log(closes[0]))
        size = max(float(np.std(returns)), 1e-4) * 0.6 + 0.4 * np.abs(returns)
        before = np.exp(np.log(closes) - returns)
        opens = np.round(before * np.exp(0.35 * size * night), 2)
        highs = np.round(np.maximum(opens, closes) * np.exp(0.35 * size * np.abs(up)), 2)
        lows = np.round(np.minimum(opens, closes) * np.exp(-0.35 * size * np.abs(down)), 2)
        shares = ASSETS[symbol].shares if symbol in ASSETS else 0
        return ClosedDays(opens, highs, lows, closes, np.rint(shares * np.exp(0.22 * busy)))

    def levels(self, symbol: str, day: date) -> Floats:
        """Return the level at each second of a closed day."""
        if (tape := self._simulated(day)) is not None:
            return tape.levels(symbol)
        if symbol in FOLLOWERS:
            leader, times = FOLLOWERS[symbol]
            if self._previous[symbol] == round(self._previous[leader] * times, 2):
                return _rounded(self.levels(leader, day) * times)
        moments = self._moments(symbol, day)
        held = np.repeat(moments[:-1], 10)
        return np.append(held, moments[-1])

    def _moments(self, symbol: str, day: date) -> Floats:
        """Return levels each 10 seconds of a drawn day that keep to its daily bar."""
        session = self.session_of(day)
        bar = next(each for each in reversed(self.daily(symbol)) if each.at == day)
        opened, high, low, close = bar.open, bar.high, bar.low, bar.close
        steps = session.minutes * 6
        draws = generator(self._seed, day, f"moments of {symbol}").standard_normal(steps)
        walk = np.concatenate(([0.0], np.cumsum(draws)))
        part = np.linspace(0.0, 1.0, steps + 1)
        walk = (walk - part * walk[-1]) * (high - low) / (1.6 * math.sqrt(steps))
        levels = np.clip(opened + part * (close - opened) + walk, low, high)
        inner = levels[1:-1]
        inner[int(np.argmax(inner))], inner[int(np.argmin(inner))] = high, low
        levels[0], levels[-1] = opened, close
        return _rounded(levels)


def thirty_day_volatility(symbol: str, vix: Floats) -> Floats:
    """Return the at-the-money volatility over the next 21 sessions, an annual fraction."""
    asset = ASSETS[symbol]
    if asset.has_earnings:
        level: Floats = asset.vol * np.power(vix / 16.0, 0.6)
    else:
        level = vix * (at_the_money(21.0, 16.0) / 16.0 * asset.vol / ASSETS["SPX"].vol)
    return np.round(level, 6)
