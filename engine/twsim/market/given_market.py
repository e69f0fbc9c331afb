"""A market that is given: the quotes of a recorded day, or of one chain, and nothing beside them."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from math import isnan

import numpy as np

from rulebot.model.session import session_from
from twsim.instrument import Settle
from twsim.market.given import Floats, Ints, ReplayedColumn, ReplayedDay
from twsim.market.given_bars import ReplayedBars
from twsim.market.given_contracts import ReplayedListings
from twsim.seams import Bar, Catalogue, DayStats, OptionTotals, TickValues

_MIDNIGHT = time(0)
_NO_STATS = DayStats(None, None, None, None, None, 0)


class ReplayedMarket:
    """A `Market` of the day that is given; it starts at that day's midnight. After the day nothing moves.

    A contract of which nothing is given at an instant has no quote. Raises: ValueError when the day is no session.
    """

    def __init__(self, day: ReplayedDay) -> None:
        self._session = session_from(day.day)
        if self._session.date != day.day:
            raise ValueError(f"the exchange was closed on {day.day}")
        self._day = day
        self._catalogue = ReplayedListings(day.contracts, day.classes)
        self._bars = ReplayedBars(day, self._session)
        self._row_of = {each.con_id: row for row, each in enumerate(day.contracts)}
        unknown = len(day.contracts)
        by_symbol = {each.symbol: row for row, each in enumerate(day.contracts) if not each.is_option}
        self._under = np.array([*(by_symbol.get(each.symbol, unknown) for each in day.contracts), unknown])
        self._is_option = np.array([*(each.is_option for each in day.contracts), False])
        self._state = np.full((unknown + 1, len(ReplayedColumn)), np.nan)
        self._done = 0
        self._halted: frozenset[str] = frozenset()
        self._asked: dict[tuple[int, ...], Ints] = {}
        self._now = self._session.at(_MIDNIGHT)

    @property
    def catalogue(self) -> Catalogue:
        """What is listed."""
        return self._catalogue

    @property
    def now(self) -> datetime:
        """The instant of the last `advance`, UTC."""
        return self._now

    @property
    def is_open(self) -> bool:
        """True in the regular session."""
        return self._session.is_on(self._now)

    @property
    def is_still(self) -> bool:
        """True when all that is given stands from the first instant on, as of a chain that was captured."""
        return not len(self._day.at) or float(self._day.at[-1]) <= self._session.at(_MIDNIGHT).timestamp()

    def advance(self, at: datetime) -> None:
        """Move every price to `at`. Raises: ValueError for an instant before the present one."""
        if at < self._now:
            raise ValueError(f"the market cannot go back from {self._now} to {at}")
        self._now = at.astimezone(UTC)
        now = at.timestamp()
        until = int(np.searchsorted(self._day.at, now, side="right"))
        if until > self._done:
            part = slice(self._done, until)
            self._state[self._day.rows[part]] = self._day.values[part]  # of several entries of a row the last counts
            self._done = until
        self._halted = next((symbols for since, symbols in reversed(self._day.halts) if since <= now), frozenset())

    # ------------------------------------------------------------ quotes

    def _rows(self, con_ids: Sequence[int]) -> Ints:
        key = tuple(con_ids)
        if (found := self._asked.get(key)) is None:
            unknown = len(self._day.contracts)
            found = np.array([self._row_of.get(each, unknown) for each in key], dtype=np.int64)
            if len(self._asked) > 512:
                self._asked.clear()
            self._asked[key] = found
        return found

    def ticks(self, con_ids: Sequence[int]) -> TickValues:
        """Return the present quotes, vectorised; all nan for a contract of which nothing is known."""
        rows = self._rows(con_ids)
        known = self._state[rows]
        is_option = self._is_option[rows]
        bid, ask = known[:, ReplayedColumn.BID], known[:, ReplayedColumn.ASK]
        of_options = np.where(is_option, known.T, np.nan)
        return TickValues(
            bid=bid,
            ask=ask,
            bid_size=_sizes(known[:, ReplayedColumn.BID_SIZE], bid),
            ask_size=_sizes(known[:, ReplayedColumn.ASK_SIZE], ask),
            last=known[:, ReplayedColumn.LAST],
            iv=of_options[ReplayedColumn.IV],
            delta=of_options[ReplayedColumn.DELTA],
            gamma=of_options[ReplayedColumn.GAMMA],
            vega=of_options[ReplayedColumn.VEGA],
            theta=of_options[ReplayedColumn.THETA],
            model=of_options[ReplayedColumn.MODEL],
            spot=self._levels(self._under[rows]),
        )

    def _levels(self, rows: Ints) -> Floats:
        """Return where underlyings stand: the last price, or the middle of the quote where none was traded."""
        known = self._state[rows]
        last = known[:, ReplayedColumn.LAST]
        return np.where(np.isnan(last), (known[:, ReplayedColumn.BID] + known[:, ReplayedColumn.ASK]) / 2.0, last)

    def halted(self, symbol: str) -> bool:
        """True while trading in this underlying is halted."""
        return symbol in self._halted

    # ------------------------------------------------------------ the session so far

    def _value(self, con_id: int, column: ReplayedColumn) -> float | None:
        row = self._row_of.get(con_id)
        value = float("nan") if row is None else float(self._state[row, column])
        return None if isnan(value) else value

    def stats(self, con_id: int) -> DayStats:
        """Return the session's statistics of an underlying or option."""
        found = self._catalogue.by_id(con_id)
        if found is None:
            return _NO_STATS
        columns = (
            ReplayedColumn.OPEN,
            ReplayedColumn.HIGH,
            ReplayedColumn.LOW,
            ReplayedColumn.LAST,
            ReplayedColumn.PREVIOUS_CLOSE,
        )
        opened, high, low, last, previous = (self._value(con_id, each) for each in columns)
        if previous is None and not found.is_option and (days := self._day.daily.get(found.symbol)):
            previous = days[-1].close
        return DayStats(opened, high, low, last, previous, self._count(con_id, ReplayedColumn.VOLUME))

    def _count(self, con_id: int, column: ReplayedColumn) -> int:
        return int(self._value(con_id, column) or 0)

    def volume(self, con_id: int) -> int:
        """Return how many contracts of an option were traded in the session so far; 0 for what is not one."""
        found = self._catalogue.by_id(con_id)
        return self._count(con_id, ReplayedColumn.VOLUME) if found is not None and found.is_option else 0

    def open_interest(self, con_id: int) -> int:
        """Return the open interest of an option; 0 where it is not known."""
        return self._count(con_id, ReplayedColumn.OPEN_INTEREST)

    def option_totals(self, underlying_id: int) -> OptionTotals:
        """Return what was traded of all options of an underlying; of open interest the sum is never given."""
        calls, puts = (
            self._count(underlying_id, each) for each in (ReplayedColumn.CALL_VOLUME, ReplayedColumn.PUT_VOLUME)
        )
        return OptionTotals(calls, puts, 0, 0)

    # ------------------------------------------------------------ bars, settlement, calendar

    def bars(
        self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime, regular_hours: bool
    ) -> list[Bar]:
        """Return bars that start in [first, last], none of the future; 86400 seconds means daily."""
        found = self._catalogue.by_id(con_id)
        last = min(last, self._now)
        if found is None or first > last:
            return []
        return self._bars.bars(found, what, bar_seconds, first, last, self._now)

    def settlement(self, con_id: int, day: date) -> float | None:
        """Return the settlement level for options that settle on `day`, once known: the open, or the last price.

        `con_id` is an option (AM-settled ones take that day's opening print) or an underlying (its close). It is never
        known of an underlying of which nothing was given at the close.
        """
        found = self._catalogue.by_id(con_id)
        under = None if found is None else self._catalogue.underlying(found.symbol)
        if found is None or under is None:
            return None
        is_am = found.settle is Settle.AM
        if day != self._session.date:
            bar = next((each for each in self._day.daily.get(found.symbol, ()) if each.at == day), None)
            return None if bar is None else bar.open if is_am else bar.close
        if self._now < (self._session.open if is_am else self._session.close):
            return None
        if is_am:
            return self._value(under.con_id, ReplayedColumn.OPEN)
        row = self._row_of[under.con_id]
        return self._bars.level(row, self._now) if self._bars.stands(row, self._session.close) else None

    def earnings(self, symbol: str) -> tuple[date, ...]:
        """Return none: dates of earnings are not given."""
        return ()


def _sizes(sizes: Floats, prices: Floats) -> Floats:
    return np.where(np.isnan(prices) | np.isnan(sizes), 0.0, sizes)
