"""Historical bars of any contract: closed days from the history, the present one from its tape and quotes.

Bars of options are gathered from the quotes that were shown at moments of each bar, so a midpoint at a minute's start
is the one a subscriber saw. The moments are those of every fifteenth second, whatever the size, and for sizes below
that each bar's start. Options have no bars of days that closed.
"""

from bisect import bisect_left
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from rulebot.model.session import exchange_date
from twsim.instrument import Instrument, SecType
from twsim.market.bars import (
    DAY_SECONDS,
    WHOLE_DAY,
    Gather,
    bar_edges,
    daily_values,
    intraday,
    of_levels,
    of_sides,
    starts_within,
)
from twsim.market.floor import MarketSession
from twsim.market.history import History
from twsim.market.quotes import share_sides
from twsim.market.universe import ASSETS
from twsim.seams import Bar

Floats = NDArray[np.float64]

_SAMPLE_SECONDS = 15
_VOLATILITIES = ("OPTION_IMPLIED_VOLATILITY", "HISTORICAL_VOLATILITY")


class HistoryBars:
    """The bars that can be known at an instant of a session."""

    def __init__(self, floor: MarketSession, history: History, now: datetime) -> None:
        self._floor = floor
        self._tape = floor.tape
        self._history = history
        self._is_before_open = now < floor.session.open
        self._until = floor.tape.second(now)

    def bars(self, found: Instrument, what: str, bar_seconds: int, first: datetime, last: datetime) -> list[Bar]:
        """Return the bars that start in [first, last]; 86400 seconds means daily."""
        first_day, last_day = exchange_date(first), exchange_date(last)
        if not self._is_quoted(found, what):
            return []
        if bar_seconds >= DAY_SECONDS:
            today = [each._replace(at=self._floor.date) for each in self._today(found, what, WHOLE_DAY)]
            every = self._closed_days(found, what, first_day, last_day) + today
        else:
            every = self._closed_parts(found, what, bar_seconds, first_day, last_day)
            since = int((first - self._floor.session.open).total_seconds())
            every += self._today(found, what, bar_seconds, since)
        return starts_within(every, first, last, first_day, last_day)

    @staticmethod
    def _is_quoted(found: Instrument, what: str) -> bool:
        """Say whether there is such data: indices have no bid and ask, only optionable symbols a volatility."""
        if what in _VOLATILITIES:
            return found.symbol in ASSETS and not found.is_option
        return what == "TRADES" or found.sec_type is not SecType.INDEX

    def _closed_days(self, found: Instrument, what: str, first_day: date, last_day: date) -> list[Bar]:
        if found.is_option:
            return []
        if what == "TRADES":
            return self._history.daily(found.symbol)
        if what not in _VOLATILITIES:
            whole = self._closed_parts(found, what, WHOLE_DAY, first_day, last_day)
            return [each._replace(at=exchange_date(each.at)) for each in whole if isinstance(each.at, datetime)]
        is_implied = what == "OPTION_IMPLIED_VOLATILITY"
        values = (self._history.implied if is_implied else self._history.realised)(found.symbol)
        days = self._history.days()
        since = bisect_left(days, first_day)
        return daily_values(days[since:], values[since:])

    def _closed_parts(
        self, found: Instrument, what: str, bar_seconds: int, first_day: date, last_day: date
    ) -> list[Bar]:
        """Return the bars of a size, or of whole sessions, of the days that have closed."""
        bars: list[Bar] = []
        if found.is_option or what in _VOLATILITIES:
            return bars
        for day in self._history.days():
            if first_day <= day <= last_day:
                session = self._history.session_of(day)
                levels = self._history.levels(found.symbol, day)
                gather = _gather(found, what, levels)
                bars += intraday(session, bar_seconds, levels.size - 1, gather, self._shares(found, what, day))
        return bars

    def _shares(self, found: Instrument, what: str, day: date) -> int:
        return self._history.day_volume(found.symbol, day) if what == "TRADES" else 0

    def _today(self, found: Instrument, what: str, bar_seconds: int, since: int = 0) -> list[Bar]:
        if self._is_before_open:
            return []
        if found.is_option:
            return self._option_today(found, what, bar_seconds, since) if self._floor.lives(found) else []
        volume = self._shares(found, what, self._floor.date)
        gather = _gather(found, what, self._levels(found.symbol, what))
        return intraday(self._floor.session, bar_seconds, self._until, gather, volume, since)

    def _levels(self, symbol: str, what: str) -> Floats:
        if what == "OPTION_IMPLIED_VOLATILITY":
            return self._floor.volatility(symbol)
        if what == "HISTORICAL_VOLATILITY":
            return np.full(self._tape.seconds + 1, self._history.realised(symbol)[-1])
        return self._tape.levels(symbol)

    def _option_today(self, option: Instrument, what: str, bar_seconds: int, since: int) -> list[Bar]:
        session = self._floor.session
        until = min(self._until, self._tape.seconds - 1)
        edges = [each for each in bar_edges(session, bar_seconds) if since <= each <= until]
        if not edges:
            return []
        step = min(bar_seconds, _SAMPLE_SECONDS)
        at = sorted({*edges, *range(-(-edges[0] // step) * step, until + 1, step), until})
        shown, seconds = self._floor.quotes_at(option, at), np.array(at)
        if what == "TRADES":
            gather = of_sides("ASK", seconds, shown.bid, shown.last)
            return intraday(session, bar_seconds, until, gather, self._floor.day_volume(option), since)
        return intraday(session, bar_seconds, until, of_sides(what, seconds, shown.bid, shown.ask), 0, since)


def _gather(found: Instrument, what: str, levels: Floats) -> Gather:
    if what == "TRADES" or what in _VOLATILITIES:
        return of_levels(levels)
    seconds = np.arange(levels.size)
    bid, ask = share_sides(found.con_id, seconds, levels)
    return of_sides(what, seconds, bid, ask)
