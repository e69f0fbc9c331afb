"""One session: its tape, its surface, its desk, and what they say of an option over the day."""

from bisect import bisect_left
from datetime import date, datetime

import numpy as np
from numpy.typing import NDArray

from twsim.market import listings as listing
from twsim.market.bars import (
    DAY_SECONDS,
    WHOLE_DAY,
    Gather,
    History,
    bar_edges,
    daily_values,
    intraday,
    of_levels,
    of_sides,
    starts_within,
    thirty_day_volatility,
)
from twsim.market.path import SessionLevels, fractions, seeded, usually_done_by
from twsim.market.quote_engine import Layout, QuoteEngine, Quotes, share_sides
from twsim.market.scenario import Scenario
from twsim.market.surface import Expiry, ExpiryTerms, Surface, expiry_of
from twsim.market.universe import ASSETS
from twsim.nouns import Instrument, SecType
from twsim.seams import Bar
from twsim.sessions import Session, exchange_date

Floats = NDArray[np.float64]

_BUSIEST = {"SPX": 150_000.0, "SPY": 150_000.0, "QQQ": 150_000.0, "XSP": 12_000.0, "NDX": 4_000.0, "RUT": 6_000.0}
"""Volume of the busiest option of an underlying in a session, where its shares do not show it."""
_ROUND = {"SPX": 25.0, "NDX": 100.0, "RUT": 25.0}


class MarketSession:
    """Everything about one session that does not depend on what time it is."""

    def __init__(
        self, seed: int, session: Session, ordinal: int, previous: dict[str, float], scenario: Scenario
    ) -> None:
        self.seed = seed
        self.session = session
        self.ordinal = ordinal
        self.tape = SessionLevels(seed, session, ordinal, previous, scenario)
        self.surface = Surface(seed, self.tape, scenario.implied)
        self.desk = QuoteEngine(self.surface, scenario, session, ordinal)
        self._done = usually_done_by(session.minutes)
        self._volatilities: dict[str, Floats] = {}
        self._lasts: dict[int, dict[int, float]] = {}
        self._closes: dict[int, float] = {}
        self._closes_before: dict[int, float] = {}
        self._volumes: dict[int, int] = {}
        self._interests: dict[int, int] = {}

    @property
    def date(self) -> date:
        """The session's date."""
        return self.session.date

    def lives(self, contract: Instrument) -> bool:
        """Say whether a contract still trades today."""
        return contract.last_trade_date is None or contract.last_trade_date >= self.date

    def share_done(self, second: int) -> float:
        """Return the part of a day's business that is usually done by a second of it."""
        return float(self._done[second])

    def volatility(self, symbol: str) -> Floats:
        """Return the at-the-money volatility of the coming month at each second of the session, an annual fraction."""
        found = self._volatilities.get(symbol)
        if found is None:
            found = self._volatilities[symbol] = thirty_day_volatility(symbol, self.tape.vix_smooth)
        return found

    def layout(self, options: list[Instrument]) -> Layout:
        """Lay options out as rows."""
        return Layout(options, self.seed, self.date)

    def quotes_at(self, option: Instrument, seconds: list[int]) -> Quotes:
        """Return an option's quotes at seconds of the session, one row each."""
        layout = self.layout([option] * len(seconds))
        rows = [self.surface.terms(layout.expiries[0], second) for second in seconds]
        return self.desk.price(layout, rows, np.arange(len(seconds)))[1]

    def lasts_at(self, option: Instrument, seconds: list[int]) -> list[float]:
        """Return an option's last prices at seconds of the session; each is made once and kept."""
        known = self._lasts.setdefault(option.con_id, {})
        if asked := [second for second in seconds if second not in known]:
            known.update(zip(asked, self.quotes_at(option, asked).last.tolist(), strict=True))
        return [known[second] for second in seconds]

    def close(self, option: Instrument) -> float:
        """Return an option's mark at the close of this session."""
        return self._mark(self._closes, option, self.surface.terms(expiry_of(option), self.tape.seconds))

    def close_before(self, option: Instrument) -> float:
        """Return an option's mark at the close before this session, for a run that did not live that one."""
        return self._mark(self._closes_before, option, self.surface.closing_terms(expiry_of(option)))

    def _mark(self, known: dict[int, float], option: Instrument, terms: ExpiryTerms) -> float:
        if option.con_id not in known:
            layout = self.layout([option])
            priced, _, _ = self.desk.price(layout, [terms], layout.group)
            known[option.con_id] = round(float(priced.value[0]), 2)
        return known[option.con_id]

    def _popularity(self, expiry: Expiry, strikes: Floats, ids: NDArray[np.int64]) -> Floats:
        """Return a figure near 1 for the busiest options of an underlying: at the money, about to expire."""
        terms = self.surface.closing_terms(expiry)
        distance = np.abs(np.log(strikes / terms.forward)) / max(terms.deviation, 0.004)
        days = max((expiry.settles - self.date).days, 0)
        is_round = strikes % _ROUND.get(expiry.symbol, 5.0) == 0.0
        words = seeded(ids, self.seed, 0x10001)
        busy: Floats = (0.5 + fractions(words, 0)) * (0.8 + 0.8 * is_round) * np.exp(-1.1 * distance)
        return busy / (1.0 + days)

    def volumes(self, expiry: Expiry, strikes: Floats, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many contracts of each option of an expiry trade in the session."""
        return (_usual_volume(expiry.symbol) * self._popularity(expiry, strikes, ids)).astype(np.int64)

    def interests(self, expiry: Expiry, strikes: Floats, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the open interest of each option of an expiry; monthlies have more."""
        is_monthly = expiry.settles == listing.third_friday(expiry.settles.year, expiry.settles.month)
        usual = _usual_volume(expiry.symbol) * 0.4 * (4.0 if is_monthly else 1.0)
        return (usual * np.sqrt(self._popularity(expiry, strikes, ids))).astype(np.int64)

    def day_volume(self, option: Instrument) -> int:
        """Return how many contracts of an option trade in the session."""
        found = self._volumes.get(option.con_id)
        if found is None:
            found = self._volumes[option.con_id] = int(self.volumes(expiry_of(option), *_single(option))[0])
        return found

    def open_interest(self, option: Instrument) -> int:
        found = self._interests.get(option.con_id)
        if found is None:
            found = self._interests[option.con_id] = int(self.interests(expiry_of(option), *_single(option))[0])
        return found


def _usual_volume(symbol: str) -> float:
    """Return what the busiest option of an underlying trades in a session; roughly it goes with what its shares do."""
    return _BUSIEST.get(symbol) or max(ASSETS[symbol].shares / 1000.0, 1500.0)


def _single(option: Instrument) -> tuple[Floats, NDArray[np.int64]]:
    return np.array([option.strike]), np.array([option.con_id], dtype=np.int64)


# --- Historical bars of any contract

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


# --- Options that are asked for step by step

MOST_STEPS = 16
MOST_ROWS = 512
"""Rows from which on a call costs as much as its rows, so that a longer one saves nothing."""
_SCALES = np.array([1e2, 1e2, 1.0, 1.0, 1e2, 1e6, 1e6, 1e8, 1e6, 1e6, 1e4, 1e2]).reshape(-1, 1)


def option_board(floor: MarketSession, layout: Layout, rows: list[ExpiryTerms]) -> Floats:
    """Return the quotes of a layout, one row for each field of `Ticks`; `rows` is the state of its expiries."""
    priced, quoted, state = floor.desk.price(layout, rows, layout.group)
    found = np.array((*quoted, priced.volatility, *priced.greeks, priced.value, state[0]))
    board: Floats = np.rint(found * _SCALES) / _SCALES
    return board


class PrefetchedQuotes:
    """The quotes of one layout in one session, at any second of it."""

    def __init__(self, floor: MarketSession, layout: Layout) -> None:
        self._floor = floor
        self._layouts = {1: layout}
        self._most = max(1, min(MOST_STEPS, MOST_ROWS // len(layout.options)))
        self._known: dict[int, Floats] = {}
        self._last = self._step = 0

    def at(self, second: int) -> Floats:
        """Return the quotes at a second of the session, as `option_board` does."""
        step, self._last = second - self._last, second
        if second not in self._known:
            count = self._most if step == self._step > 0 else 1
            self._step = step
            left = (self._floor.tape.seconds - second) // step + 1 if count > 1 else 1
            self._known = self._priced([second + step * number for number in range(min(count, left))])
        return self._known[second]

    def _priced(self, seconds: list[int]) -> dict[int, Floats]:
        count = len(seconds)
        if count not in self._layouts:
            self._layouts[count] = self._layouts[1].repeated(count)
        layout, terms = self._layouts[count], self._floor.surface.terms
        board = option_board(self._floor, layout, [terms(each, at) for at in seconds for each in layout.expiries])
        width = len(self._layouts[1].options)
        return {at: board[:, number * width : (number + 1) * width] for number, at in enumerate(seconds)}
