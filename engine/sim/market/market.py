"""The market of the simulated world: one object that answers what everything is worth at one instant."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from engine.model.session import session_after, session_from
from engine.sim.instrument import Instrument
from engine.sim.market.catalogue import Listings
from engine.sim.market.path import DayTape, starting_levels
from engine.sim.market.quotes import Screen, columns, prices, quotes, screen
from engine.sim.market.scenario import Scenario
from engine.sim.market.surface import Expiry, Surface, Terms, expiry_of
from engine.sim.market.universe import ASSETS
from engine.sim.seams import Bar, Catalogue, DayStats, Ticks

Floats = NDArray[np.float64]

_PLANS_KEPT = 128
_SCALES = np.array([1e2, 1e2, 1.0, 1.0, 1e2, 1e6, 1e6, 1e8, 1e6, 1e6, 1e4, 1e2]).reshape(-1, 1)


class _Plan:
    """A set of contracts laid out for `ticks`: where the options go, in which expiry each is."""

    def __init__(self, contracts: list[Instrument | None], seed: int) -> None:
        self.size = len(contracts)
        rows = [(at, each) for at, each in enumerate(contracts) if each is not None and each.is_option]
        self.options = np.array([at for at, _ in rows], dtype=np.intp)
        self.instruments = [each for _, each in rows]
        self.underlyings = [(at, each) for at, each in enumerate(contracts) if each is not None and not each.is_option]
        groups = {key: number for number, key in enumerate(dict.fromkeys(expiry_of(each) for _, each in rows))}
        self.expiries = list(groups)
        self.group = np.array([groups[expiry_of(each)] for _, each in rows], dtype=np.intp)
        self.screen: Screen = screen(self.instruments, seed)


class SimMarket:
    """A market that depends on seed, date and scenario alone; `advance` says what time it is."""

    def __init__(self, *, seed: int, date: date, scenario: Scenario | None = None) -> None:
        self._seed = seed
        self._scenario = scenario or Scenario()
        self._catalogue = Listings()
        self._ordinal = 1
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._terms: dict[Expiry, Terms] = {}
        session = session_from(date)
        self._start_day(DayTape(seed, session, 1, starting_levels(seed, self._scenario), self._scenario))
        self._now = session.open - timedelta(minutes=30)

    def _start_day(self, tape: DayTape) -> None:
        self._tape = tape
        today = tape.session.date
        self._catalogue.open_day(today, tape.previous)
        earnings = {symbol: self.earnings(symbol) for symbol in ASSETS}
        self._surface = Surface(self._seed, tape, self._scenario.implied, earnings)
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
        """Move every price to `at`; past midnight of the next session's date the night's move is made."""
        if at < self._now:
            raise ValueError(f"the market cannot go back from {self._now} to {at}")
        while at >= (following := session_after(self._tape.session.date)).at(datetime.min.time()):
            self._ordinal += 1
            closes = self._tape.closes()
            self._start_day(DayTape(self._seed, following, self._ordinal, closes, self._scenario))
        self._now = at.astimezone(UTC)
        self._terms.clear()

    def _second(self, symbol: str) -> int:
        return self._tape.second(self._now)

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
        """Return the present quotes, vectorised; all nan for an unknown or expired contract."""
        plan = self._plan(con_ids if isinstance(con_ids, tuple) else tuple(con_ids))
        board = np.full((12, plan.size), np.nan)
        board[2:4] = 0.0
        if self._tape.session.open <= self._now:
            if plan.instruments and self.is_open:
                self._quote_options(plan, board)
            self._quote_underlyings(plan, board)
        return Ticks(*board)

    def _quote_options(self, plan: _Plan, board: Floats) -> None:
        state = columns([self._terms_of(each) for each in plan.expiries])[:, plan.group]
        priced = prices(plan.screen, state, None)
        quoted = quotes(plan.screen, state, priced)
        found = np.array((*quoted, priced.volatility, *priced.greeks, priced.value, state[0]))
        board[:, plan.options] = np.rint(found * _SCALES) / _SCALES

    def _quote_underlyings(self, plan: _Plan, board: Floats) -> None:
        for at, each in plan.underlyings:
            second = self._second(each.symbol)
            level = float(self._tape.levels(each.symbol)[second])
            board[4, at] = board[11, at] = level
            if each.symbol in ASSETS and each.symbol != "SPX" and self.is_open:
                wide = (second * 7 + each.con_id) % 3 == 0
                board[0, at] = level if not wide else round(level - 0.01, 2)
                board[1, at] = round(level + 0.01, 2)
                board[2, at] = 100.0 * (1 + (second * 31 + each.con_id) % 17)
                board[3, at] = 100.0 * (1 + (second * 17 + each.con_id) % 13)

    def stats(self, con_id: int) -> DayStats:
        """Return the session's statistics of an underlying or option."""
        found = self._catalogue.by_id(con_id)
        if found is None or found.is_option:
            return DayStats(None, None, None, None, None, 0)
        previous = self._tape.previous[found.symbol]
        if self._now < self._tape.session.open:
            return DayStats(None, None, None, None, previous, 0)
        second = self._second(found.symbol)
        levels = self._tape.levels(found.symbol)
        high, low = self._tape.extremes(found.symbol)
        return DayStats(float(levels[0]), float(high[second]), float(low[second]), float(levels[second]), previous, 0)

    def halted(self, symbol: str) -> bool:
        """True while the scenario halts trading in this underlying or market-wide."""
        return False

    def bars(
        self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime, regular_hours: bool
    ) -> list[Bar]:
        """Return bars that start in [first, last], none of the future; 86400 seconds means daily."""
        return []

    def settlement(self, con_id: int, day: date) -> float | None:
        """Return the official settlement level of an underlying for options that settle on `day`, once known."""
        return None

    def earnings(self, symbol: str) -> tuple[date, ...]:
        """Return the earnings dates of a stock around today."""
        return ()

    def open_interest(self, con_id: int) -> int:
        """Return the open interest of an option."""
        return 0
