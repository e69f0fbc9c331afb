"""The market of the simulated world: one object that answers what everything is worth at one instant."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from engine.model.session import Session, exchange_date, session_after, session_from
from engine.sim.instrument import Instrument, SecType, Settle
from engine.sim.market.bars import (
    DAY_SECONDS,
    bar_edges,
    daily_values,
    intraday,
    of_levels,
    of_sides,
    starts_within,
)
from engine.sim.market.catalogue import Listings
from engine.sim.market.chance import stable_fraction
from engine.sim.market.desk import Desk, Layout
from engine.sim.market.history import History, thirty_day_volatility
from engine.sim.market.path import DayTape, starting_levels, variance_shares
from engine.sim.market.quotes import Quotes
from engine.sim.market.reporting import earnings_around
from engine.sim.market.scenario import Outage, Scenario
from engine.sim.market.surface import Expiry, Surface, Terms, expiry_of
from engine.sim.market.universe import ASSETS
from engine.sim.seams import Bar, Catalogue, DayStats, Ticks

Floats = NDArray[np.float64]

_PLANS_KEPT = 128
_SCALES = np.array([1e2, 1e2, 1.0, 1.0, 1e2, 1e6, 1e6, 1e8, 1e6, 1e6, 1e4, 1e2]).reshape(-1, 1)
_SAMPLE_SECONDS = 15
_VOLATILITY_BARS = {"OPTION_IMPLIED_VOLATILITY", "HISTORICAL_VOLATILITY"}


class _Plan:
    """A set of contracts laid out for `ticks`: where each row of the answer comes from."""

    def __init__(self, contracts: list[Instrument | None], seed: int) -> None:
        self.size = len(contracts)
        rows = [(at, each) for at, each in enumerate(contracts) if each is not None and each.is_option]
        self.at = np.array([at for at, _ in rows], dtype=np.intp)
        self.options = Layout([each for _, each in rows], seed) if rows else None
        self.underlyings = [(at, each) for at, each in enumerate(contracts) if each is not None and not each.is_option]


class SimMarket:
    """A market that depends on seed, date and scenario alone; `advance` says what time it is.

    `date` is the first session (the next one, if the exchange is closed that day). The market starts half an hour
    before its open.
    """

    def __init__(self, *, seed: int, date: date, scenario: Scenario | None = None) -> None:
        self._seed = seed
        self._scenario = scenario or Scenario()
        self._catalogue = Listings()
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._terms: dict[Expiry, Terms] = {}
        self._frozen: dict[str, int] = {}
        session = session_from(date)
        previous = starting_levels(seed, session.date, self._scenario)
        self._history = History(seed, session, previous)
        self._start_day(session, 1, previous)
        self._now = session.open - timedelta(minutes=30)

    def _start_day(self, session: Session, ordinal: int, previous: dict[str, float]) -> None:
        self._ordinal = ordinal
        self._tape = DayTape(self._seed, session, ordinal, previous, self._scenario)
        self._catalogue.open_day(session.date, previous)
        self._surface = Surface(self._seed, self._tape, self._scenario.implied)
        self._desk = Desk(self._surface, self._scenario, session, ordinal)
        self._plans.clear()
        self._terms.clear()

    @property
    def catalogue(self) -> Catalogue:
        """What is listed today."""
        return self._catalogue

    @property
    def now(self) -> datetime:
        """The instant of the last `advance`, UTC."""
        return self._now

    @property
    def is_open(self) -> bool:
        """True in the regular session."""
        return self._tape.session.open <= self._now < self._tape.session.close

    def advance(self, at: datetime) -> None:
        """Move every price to `at`; at midnight before the next session the night's move is made.

        Raises: ValueError for an instant before the present one.
        """
        if at < self._now:
            raise ValueError(f"the market cannot go back from {self._now} to {at}")
        while at >= (following := session_after(self._tape.session.date)).at(datetime.min.time()):
            self._history.close_day(self._tape)
            self._start_day(following, self._ordinal + 1, self._tape.closes())
        self._now = at.astimezone(UTC)
        self._terms.clear()
        self._frozen.clear()

    # ------------------------------------------------------------ quotes

    def _second(self, symbol: str) -> int:
        """Return the second whose prices show: the present one, or the last before an outage."""
        found = self._frozen.get(symbol)
        if found is None:
            found = self._tape.second(self._now)
            for each in (*self._scenario.stale, *self._scenario.halts):
                if (began := self._outage_start(each, symbol)) is not None:
                    found = min(found, began)
            self._frozen[symbol] = found
        return found

    def _outage_start(self, outage: Outage, symbol: str) -> int | None:
        """Return the first second of an outage that is on now."""
        if not outage.covers(symbol) or not outage.span.on(self._ordinal):
            return None
        first, last = outage.span.seconds(self._tape.session)
        elapsed = (self._now - self._tape.session.open).total_seconds()
        return max(first, 0) if first <= elapsed < last else None

    def _terms_of(self, expiry: Expiry) -> Terms:
        found = self._terms.get(expiry)
        if found is None:
            found = self._terms[expiry] = self._surface.terms(expiry, self._second(expiry.symbol))
        return found

    def _plan(self, con_ids: tuple[int, ...]) -> _Plan:
        found = self._plans.get(con_ids)
        if found is None:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.pop(next(iter(self._plans)))
            found = self._plans[con_ids] = _Plan([self._live(each) for each in con_ids], self._seed)
        return found

    def _live(self, con_id: int) -> Instrument | None:
        found = self._catalogue.by_id(con_id)
        if found is None or found.last_trade_date is None or found.last_trade_date >= self._tape.session.date:
            return found
        return None

    def ticks(self, con_ids: Sequence[int]) -> Ticks:
        """Return the present quotes, vectorised; all nan for an unknown or expired contract.

        Pass the same tuple each time: its layout is kept.
        """
        plan = self._plan(con_ids if isinstance(con_ids, tuple) else tuple(con_ids))
        board = np.full((12, plan.size), np.nan)
        board[2:4] = 0.0
        if self._tape.session.open <= self._now:
            if plan.options is not None and self.is_open:
                self._quote_options(plan, plan.options, board)
            for at, each in plan.underlyings:
                self._quote_underlying(at, each, board)
        return Ticks(*board)

    def _quote_options(self, plan: _Plan, layout: Layout, board: Floats) -> None:
        rows = [self._terms_of(each) for each in layout.expiries]
        priced, quoted, state = self._desk.price(layout, rows, layout.group)
        found = np.array((*quoted, priced.volatility, *priced.greeks, priced.value, state[0]))
        board[:, plan.at] = np.rint(found * _SCALES) / _SCALES
        if self._scenario.halts:
            halted = [at for at, each in zip(plan.at, layout.options, strict=True) if self.halted(each.symbol)]
            board[:2, halted], board[2:4, halted] = np.nan, 0.0

    def _quote_underlying(self, at: int, each: Instrument, board: Floats) -> None:
        if any(self._outage_start(out, each.symbol) is not None for out in self._scenario.missing):
            return
        second = self._second(each.symbol)
        level = float(self._tape.levels(each.symbol)[second])
        board[4, at] = board[11, at] = level
        if each.sec_type is SecType.STOCK and self.is_open and not self.halted(each.symbol):
            board[0, at], board[1, at] = _sides(each.con_id, second, level)
            board[2, at] = 100.0 * (1 + (second * 31 + each.con_id) % 17)
            board[3, at] = 100.0 * (1 + (second * 17 + each.con_id) % 13)

    def halted(self, symbol: str) -> bool:
        """True while the scenario halts trading in this underlying or market-wide."""
        return any(self._outage_start(each, symbol) is not None for each in self._scenario.halts)

    # ------------------------------------------------------------ the session so far

    def stats(self, con_id: int) -> DayStats:
        """Return the session's statistics of an underlying or option."""
        found = self._catalogue.by_id(con_id)
        if found is None:
            return DayStats(None, None, None, None, None, 0)
        return self._option_stats(found) if found.is_option else self._underlying_stats(found)

    def _underlying_stats(self, found: Instrument) -> DayStats:
        previous = self._tape.previous[found.symbol]
        missing = any(self._outage_start(each, found.symbol) is not None for each in self._scenario.missing)
        if self._now < self._tape.session.open or missing:
            return DayStats(None, None, None, None, previous, 0)
        second = self._second(found.symbol)
        levels = self._tape.levels(found.symbol)
        high, low = self._tape.extremes(found.symbol)
        volume = int(self._history.day_volume(found.symbol, self._tape.session.date) * self._share_done(second))
        return DayStats(
            float(levels[0]), float(high[second]), float(low[second]), float(levels[second]), previous, volume
        )

    def _share_done(self, second: int) -> float:
        return float(variance_shares(self._tape.session.minutes)[:second].sum())

    def _option_stats(self, found: Instrument) -> DayStats:
        previous = self._previous_close(found)
        if self._now < self._tape.session.open or self._live(found.con_id) is None:
            return DayStats(None, None, None, None, previous, 0)
        second = self._second(found.symbol)
        levels = self._tape.levels(found.symbol)[: second + 1]
        at = sorted({0, int(levels.argmax()), int(levels.argmin()), second})
        last = self._quotes_at(found, [min(each, self._tape.seconds - 1) for each in at]).last
        return DayStats(
            float(last[0]),
            float(last.max()),
            float(last.min()),
            float(last[-1]),
            previous,
            int(self._day_volume(found) * self._share_done(second)),
        )

    def _previous_close(self, option: Instrument) -> float | None:
        """Return the mark at the last close; None for an option that did not live then."""
        if self._live(option.con_id) is None:
            return None
        layout = Layout([option], self._seed)
        terms = self._surface.closing_terms(expiry_of(option))
        priced, _, _ = self._desk.price(layout, [terms], layout.group)
        return round(float(priced.value[0]), 2)

    def _quotes_at(self, option: Instrument, seconds: list[int]) -> Quotes:
        layout = Layout([option] * len(seconds), self._seed)
        rows = [self._surface.terms(layout.expiries[0], second) for second in seconds]
        return self._desk.price(layout, rows, np.arange(len(seconds)))[1]

    def _popularity(self, option: Instrument) -> float:
        """Return a figure near 1 for the busiest options of an underlying: at the money, about to expire."""
        terms = self._surface.closing_terms(expiry_of(option))
        distance = abs(math.log(option.strike / terms.forward)) / max(terms.deviation, 0.004)
        assert option.settle_date is not None
        days = max((option.settle_date - self._tape.session.date).days, 0)
        round_number = 1.6 if option.strike % (25.0 if option.symbol == "SPX" else 5.0) == 0.0 else 0.8
        chance = 0.5 + stable_fraction(self._seed, option.con_id, "popularity")
        return round_number * chance * math.exp(-0.8 * distance) / (1.0 + 0.12 * days)

    def _day_volume(self, option: Instrument) -> int:
        usual = 14000.0 if option.symbol in ("SPX", "SPY", "QQQ") else 1500.0
        return int(usual * self._popularity(option))

    def open_interest(self, con_id: int) -> int:
        """Return the open interest of an option; 0 for what is not one."""
        found = self._catalogue.by_id(con_id)
        if found is None or not found.is_option or self._live(con_id) is None:
            return 0
        assert found.settle_date is not None
        monthly = 4.0 if 15 <= found.settle_date.day <= 21 and found.settle_date.weekday() == 4 else 1.0
        usual = 6000.0 if found.symbol in ("SPX", "SPY", "QQQ") else 1200.0
        return int(usual * monthly * math.sqrt(self._popularity(found)))

    # ------------------------------------------------------------ bars

    def bars(
        self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime, regular_hours: bool
    ) -> list[Bar]:
        """Return bars that start in [first, last], none of the future; 86400 seconds means daily.

        Only regular hours exist here. BID, ASK, MIDPOINT and BID_ASK of an index, and days before the run of an
        option, have none.
        """
        found = self._catalogue.by_id(con_id)
        last = min(last, self._now)
        if found is None or first > last:
            return []
        every = self._daily_bars(found, what) if bar_seconds >= DAY_SECONDS else []
        if bar_seconds < DAY_SECONDS:
            every = self._intraday_bars(found, what, bar_seconds, exchange_date(first))
        return starts_within(every, first, last, exchange_date(first), exchange_date(last))

    def _daily_bars(self, found: Instrument, what: str) -> list[Bar]:
        if found.is_option:
            today = self._option_bars(found, what, DAY_SECONDS)
            return [each._replace(at=self._tape.session.date) for each in today]
        if what in _VOLATILITY_BARS:
            return self._volatility_days(found.symbol, what)
        if found.sec_type is SecType.INDEX and what != "TRADES":
            return []
        bars = self._history.daily(found.symbol)
        today = self._underlying_bars(found, what, DAY_SECONDS)
        return bars + [each._replace(at=self._tape.session.date) for each in today]

    def _volatility_days(self, symbol: str, what: str) -> list[Bar]:
        if symbol not in ASSETS:
            return []
        is_implied = what == "OPTION_IMPLIED_VOLATILITY"
        values = self._history.implied(symbol) if is_implied else self._history.realised(symbol)
        bars = daily_values(self._history.days(), values)
        today = self._underlying_bars(ASSETS[symbol].instrument, what, DAY_SECONDS)
        return bars + [each._replace(at=self._tape.session.date) for each in today]

    def _intraday_bars(self, found: Instrument, what: str, bar_seconds: int, first_day: date) -> list[Bar]:
        if found.is_option:
            return self._option_bars(found, what, bar_seconds)
        past: list[Bar] = []
        if what not in _VOLATILITY_BARS and (found.sec_type is SecType.STOCK or what == "TRADES"):
            for day in self._history.days():
                if day >= first_day:
                    past += self._past_bars(found, what, bar_seconds, day)
        return past + self._underlying_bars(found, what, bar_seconds)

    def _past_bars(self, found: Instrument, what: str, bar_seconds: int, day: date) -> list[Bar]:
        session = self._history.session_of(day)
        assert session is not None
        levels = self._history.levels(found.symbol, day)
        volume = self._history.day_volume(found.symbol, day)
        return intraday(session, bar_seconds, levels.size - 1, self._gather(found, what, levels), volume)

    def _underlying_bars(self, found: Instrument, what: str, bar_seconds: int) -> list[Bar]:
        """Return today's bars so far."""
        if self._now < self._tape.session.open or (
            found.sec_type is SecType.INDEX and what in ("BID", "ASK", "MIDPOINT", "BID_ASK")
        ):
            return []
        until = self._tape.second(self._now)
        if what in _VOLATILITY_BARS:
            levels = self._volatility_levels(found.symbol, what)
        else:
            levels = self._tape.levels(found.symbol)
        volume = 0 if what != "TRADES" else self._history.day_volume(found.symbol, self._tape.session.date)
        length = self._session_long(bar_seconds)
        return intraday(self._tape.session, length, until, self._gather(found, what, levels), volume)

    def _volatility_levels(self, symbol: str, what: str) -> Floats:
        if symbol not in ASSETS:
            return np.zeros(0)
        if what == "OPTION_IMPLIED_VOLATILITY":
            return thirty_day_volatility(symbol, self._tape.vix_smooth)
        return np.full(self._tape.seconds + 1, self._history.realised(symbol)[-1])

    @staticmethod
    def _session_long(bar_seconds: int) -> int:
        return bar_seconds if bar_seconds < DAY_SECONDS else 10 * DAY_SECONDS

    def _gather(
        self, found: Instrument, what: str, levels: Floats
    ) -> Callable[[int, int], tuple[float, float, float, float] | None]:
        if what == "TRADES" or what in _VOLATILITY_BARS:
            return of_levels(levels)
        sides = [_sides(found.con_id, second, level) for second, level in enumerate(levels.tolist())]
        bid, ask = np.array(sides).T
        return of_sides(what, list(range(levels.size)), bid, ask)

    def _option_bars(self, option: Instrument, what: str, bar_seconds: int) -> list[Bar]:
        """Return today's bars so far, from the quotes shown at moments of each bar."""
        if self._now < self._tape.session.open or self._live(option.con_id) is None or what in _VOLATILITY_BARS:
            return []
        session = self._tape.session
        until = min(self._tape.second(self._now), self._tape.seconds - 1)
        length = self._session_long(bar_seconds)
        edges = bar_edges(session, length)
        step = min(bar_seconds, _SAMPLE_SECONDS if bar_seconds < 1800 else 4 * _SAMPLE_SECONDS)
        at = sorted({*(each for each in edges if each <= until), *range(0, until + 1, step)})
        shown = self._quotes_at(option, at)
        if what == "TRADES":
            gather = of_sides("ASK", at, shown.bid, shown.last)
            return intraday(session, length, until, gather, self._day_volume(option))
        return intraday(session, length, until, of_sides(what, at, shown.bid, shown.ask), 0)

    # ------------------------------------------------------------ settlement and calendar

    def settlement(self, con_id: int, day: date) -> float | None:
        """Return the official settlement level for options that settle on `day`, once known.

        `con_id` is an option (AM-settled ones take that day's opening print) or an underlying (its close).
        """
        found = self._catalogue.by_id(con_id)
        if found is None:
            return None
        is_am = found.settle is Settle.AM
        session = self._tape.session
        if day == session.date:
            known = self._now >= (session.open if is_am else session.close)
            levels = self._tape.levels(found.symbol)
            return float(levels[0] if is_am else levels[-1]) if known else None
        bar = next((each for each in reversed(self._history.daily(found.symbol)) if each.at == day), None)
        return None if bar is None else bar.open if is_am else bar.close

    def earnings(self, symbol: str) -> tuple[date, ...]:
        """Return the earnings dates of a stock around today: reports come after that day's close."""
        return earnings_around(symbol, self._tape.session.date)


def _sides(con_id: int, second: int, level: float) -> tuple[float, float]:
    """Return bid and ask of a share: one cent wide, two a third of the time."""
    is_wide = (second * 7 + con_id) % 3 == 0
    return round(level - 0.01, 2) if is_wide else level, round(level + 0.01, 2)
