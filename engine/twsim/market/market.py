"""The market of the simulated world: one object that answers what everything is worth at one instant."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time

import numpy as np
from numpy.typing import NDArray

from twsim.market.bars import History
from twsim.market.listings import Listings, option_id
from twsim.market.path import earnings_around, starting_levels
from twsim.market.quote_engine import Layout, share_quote
from twsim.market.scenario import Outage, Scenario
from twsim.market.session import HistoryBars, MarketSession, PrefetchedQuotes, option_board
from twsim.market.surface import Expiry, ExpiryTerms
from twsim.market.universe import ASSETS, StrikeLadder
from twsim.nouns import Instrument, SecType, Settle
from twsim.seams import Bar, Catalogue, DayStats, OptionTotals, TickValues
from twsim.sessions import Session, session_after, session_from

Floats = NDArray[np.float64]

_PLANS_KEPT = 512
"""Those asked for last: a client that takes turns with its lines comes back to each of them."""
_MIDNIGHT = time(0)


class _Plan:
    """A set of contracts laid out for `ticks`: the source of each row of the answer.

    `ahead` has the quotes of its options, unless the scenario holds some back until their time.
    """

    def __init__(self, contracts: list[Instrument | None], floor: MarketSession, scenario: Scenario) -> None:
        self.size = len(contracts)
        rows = [(at, each) for at, each in enumerate(contracts) if each is not None and each.is_option]
        self.at = np.array([at for at, _ in rows], dtype=np.intp)
        self.options = floor.layout([each for _, each in rows]) if rows else None
        is_held_back = bool(scenario.stale or scenario.halts)
        self.ahead = None if self.options is None or is_held_back else PrefetchedQuotes(floor, self.options)
        self.underlyings = [(at, each) for at, each in enumerate(contracts) if each is not None and not each.is_option]


class SimMarket:
    """A market that depends on seed, date and scenario alone; `advance` says what time it is.

    `date` is the first session (the next one, if the exchange is closed that day). The market starts at its midnight.
    """

    def __init__(self, *, seed: int, date: date, scenario: Scenario | None = None) -> None:
        self._seed = seed
        self._scenario = scenario or Scenario()
        self._catalogue = Listings()
        self._plans: dict[tuple[int, ...], _Plan] = {}
        self._terms: dict[Expiry, ExpiryTerms] = {}
        self._frozen: dict[str, int] = {}
        self._quoted: list[tuple[tuple[int, ...], Floats]] = []
        self._shown: dict[int, Floats] = {}
        self._totals: dict[str, OptionTotals] = {}
        session = session_from(date)
        previous = starting_levels(seed, session.date, self._scenario)
        self._history = History(seed, session, previous)
        self._before: MarketSession | None = None
        self._start_day(session, 1, previous)
        self._now = session.at(_MIDNIGHT)

    def _start_day(self, session: Session, ordinal: int, previous: dict[str, float]) -> None:
        self._floor = MarketSession(self._seed, session, ordinal, previous, self._scenario)
        self._tape = self._floor.tape
        self._catalogue.open_day(session.date, previous)
        self._night = session_after(session.date).at(_MIDNIGHT)
        self._plans.clear()
        self._terms.clear()
        self._totals.clear()

    @property
    def catalogue(self) -> Catalogue:
        return self._catalogue

    @property
    def now(self) -> datetime:
        return self._now

    @property
    def is_open(self) -> bool:
        return self._tape.session.is_on(self._now)

    @property
    def is_still(self) -> bool:
        return False

    def advance(self, at: datetime) -> None:
        """Move every price to `at`; at midnight before the next session the night's move is made.

        Raises: ValueError for an instant before the present one.
        """
        if at < self._now:
            raise ValueError(f"the market cannot go back from {self._now} to {at}")
        while at >= self._night:
            self._history.close_day(self._tape)
            self._before = self._floor
            self._start_day(session_after(self._tape.session.date), self._floor.ordinal + 1, self._tape.closes())
        self._now = at.astimezone(UTC)
        self._terms.clear()
        self._frozen.clear()
        self._shown.clear()
        self._quoted.clear()

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
        if not outage.covers(symbol) or not outage.span.on(self._floor.ordinal):
            return None
        first, last = outage.span.seconds(self._tape.session)
        elapsed = (self._now - self._tape.session.open).total_seconds()
        return max(first, 0) if first <= elapsed < last else None

    def _terms_of(self, expiry: Expiry) -> ExpiryTerms:
        found = self._terms.get(expiry)
        if found is None:
            found = self._terms[expiry] = self._floor.surface.terms(expiry, self._second(expiry.symbol))
        return found

    def _plan(self, con_ids: tuple[int, ...]) -> _Plan:
        found = self._plans.pop(con_ids, None)
        if found is None:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.pop(next(iter(self._plans)))
            found = _Plan([self._live(each) for each in con_ids], self._floor, self._scenario)
        self._plans[con_ids] = found
        return found

    def _live(self, con_id: int) -> Instrument | None:
        found = self._catalogue.by_id(con_id)
        return found if found is not None and self._floor.lives(found) else None

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return the present quotes, vectorised; all nan for an unknown or expired contract.

        Pass the same tuple each time: its layout is cached. A contract is quoted once in an instant, whoever asks.
        """
        if con_ids and not (self._quoted or self._shown):
            return TickValues(*self._note(tuple(con_ids)))
        shown = self._by_contract()
        if missing := tuple([each for each in con_ids if each not in shown]):
            self._note(missing)
            shown = self._by_contract()
        return TickValues(*np.array([shown[each] for each in con_ids]).reshape(-1, 12).T)

    def _note(self, con_ids: tuple[int, ...]) -> Floats:
        board = self._quote(con_ids)
        self._quoted.append((con_ids, board))
        return board

    def _by_contract(self) -> dict[int, Floats]:
        """Return the quotes of this instant by contract; most are requested once."""
        while self._quoted:
            con_ids, board = self._quoted.pop()
            self._shown.update(zip(con_ids, board.T, strict=True))
        return self._shown

    def _quote(self, con_ids: tuple[int, ...]) -> Floats:
        """Return the quotes as one row for each field of `Ticks`."""
        plan = self._plan(con_ids)
        board = np.full((12, plan.size), np.nan)
        board[2:4] = 0.0
        if self._tape.session.open <= self._now:
            if plan.options is not None and self.is_open:
                self._quote_options(plan, plan.options, board)
            for at, each in plan.underlyings:
                self._quote_underlying(at, each, board)
        return board

    def _quote_options(self, plan: _Plan, layout: Layout, board: Floats) -> None:
        if plan.ahead is not None:
            board[:, plan.at] = plan.ahead.at(self._tape.second(self._now))
            return
        board[:, plan.at] = option_board(self._floor, layout, [self._terms_of(each) for each in layout.expiries])
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
            board[:4, at] = share_quote(each.con_id, second, level)

    def halted(self, symbol: str) -> bool:
        return any(self._outage_start(each, symbol) is not None for each in self._scenario.halts)

    # ------------------------------------------------------------ the session so far

    def stats(self, con_id: int) -> DayStats:
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
        volume = int(self._history.day_volume(found.symbol, self._tape.session.date) * self._floor.share_done(second))
        return DayStats(
            float(levels[0]), float(high[second]), float(low[second]), float(levels[second]), previous, volume
        )

    def _option_stats(self, found: Instrument) -> DayStats:
        if not self._floor.lives(found):
            return DayStats(None, None, None, None, None, 0)
        previous = self._floor.close_before(found) if self._before is None else self._before.close(found)
        if self._now < self._floor.session.open:
            return DayStats(None, None, None, None, previous, 0)
        second = min(self._second(found.symbol), self._tape.seconds - 1)
        levels = self._tape.levels(found.symbol)[: second + 1]
        moments = sorted({0, int(levels.argmax()), int(levels.argmin())} - {second})
        last = [*self._floor.lasts_at(found, moments), self._last(found, second)]
        shown = last[0], max(last), min(last), last[-1]
        return DayStats(*shown, previous, self.volume(found.con_id))

    def _last(self, found: Instrument, second: int) -> float:
        quoted = self._by_contract().get(found.con_id)
        return self._floor.lasts_at(found, [second])[0] if quoted is None or not self.is_open else float(quoted[4])

    def volume(self, con_id: int) -> int:
        found = self._catalogue.by_id(con_id)
        if found is None or not found.is_option or not self._floor.lives(found) or self._now < self._floor.session.open:
            return 0
        second = min(self._second(found.symbol), self._tape.seconds - 1)
        return int(self._floor.day_volume(found) * self._floor.share_done(second))

    def open_interest(self, con_id: int) -> int:
        found = self._catalogue.by_id(con_id)
        if found is None or not found.is_option or not self._floor.lives(found):
            return 0
        return self._floor.open_interest(found)

    def option_totals(self, underlying_id: int) -> OptionTotals:
        found = self._catalogue.by_id(underlying_id)
        if found is None or found.symbol not in ASSETS or found.is_option:
            return OptionTotals(0, 0, 0, 0)
        if found.symbol not in self._totals:
            self._totals[found.symbol] = self._sum_options(found.symbol)
        call_volume, put_volume, call_interest, put_interest = self._totals[found.symbol]
        is_before = self._now < self._floor.session.open
        done = 0.0 if is_before else self._floor.share_done(self._second(found.symbol))
        return OptionTotals(int(call_volume * done), int(put_volume * done), call_interest, put_interest)

    def _sum_options(self, symbol: str) -> OptionTotals:
        """Return the totals of the whole day."""
        volume, interest = {"C": 0, "P": 0}, {"C": 0, "P": 0}
        for option_class, settles in self._catalogue.listed(symbol):
            strikes = np.array(self._catalogue.strikes(option_class, settles))
            steps = np.rint(strikes / option_class.strike_unit).astype(np.int64)
            expiry = Expiry(symbol, settles, option_class.ladder is StrikeLadder.INDEX_AM)
            for right in "CP":
                ids = option_id(option_class, settles, right, 0.0) + steps
                volume[right] += int(self._floor.volumes(expiry, strikes, ids).sum())
                interest[right] += int(self._floor.interests(expiry, strikes, ids).sum())
        return OptionTotals(volume["C"], volume["P"], interest["C"], interest["P"])

    # ------------------------------------------------------------ bars, settlement, calendar

    def bars(self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime) -> list[Bar]:
        found = self._catalogue.by_id(con_id)
        last = min(last, self._now)
        if found is None or first > last:
            return []
        return HistoryBars(self._floor, self._history, self._now).bars(found, what, bar_seconds, first, last)

    def settlement(self, con_id: int, day: date) -> float | None:
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
