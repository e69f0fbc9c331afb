"""Historical bars of a given day: those that are given, and within the session those made of what was quoted."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import isnan

import numpy as np

from twsim.market.bars import DAY_SECONDS, bar_edges, starts_within
from twsim.market.replayed import Floats, Ints, ReplayedColumn, ReplayedDay, ReplayedListings
from twsim.nouns import Instrument, SecType, Settle
from twsim.seams import Bar, Catalogue, DayStats, OptionTotals, TickValues
from twsim.sessions import Session, exchange_date, session_from

IMPLIED = "OPTION_IMPLIED_VOLATILITY"
_SIDES = ("BID", "ASK", "MIDPOINT", "BID_ASK")
_MINUTE = 60


class ReplayedBars:
    """The known past at any instant of a given day. `rows` are the places of each contract's entries."""

    def __init__(self, day: ReplayedDay, session: Session) -> None:
        self._day = day
        self._session = session
        order = np.argsort(day.rows, kind="stable")
        edges = np.searchsorted(day.rows[order], np.arange(len(day.contracts) + 1))
        self._entries = [order[first:end] for first, end in pairwise(edges.tolist())]
        self._row_of = {each.con_id: row for row, each in enumerate(day.contracts)}
        self._opened = self._openings()

    def bars(
        self, found: Instrument, what: str, seconds: int, first: datetime, last: datetime, now: datetime
    ) -> list[Bar]:
        """Return the bars that start in [first, last], none later than `now`; 86400 seconds means daily."""
        first_day, last_day = exchange_date(first), exchange_date(last)
        if seconds >= DAY_SECONDS:
            every = self._daily(found, what, now)
        else:
            every = self._within(found, what, seconds, first, now)
        return starts_within(every, first, last, first_day, last_day)

    def level(self, row: int, at: datetime) -> float | None:
        """Return the last price of a row that was known at an instant."""
        series = self._known(row, ReplayedColumn.LAST, at)
        return float(series[-1]) if series.size else None

    def stands(self, row: int, at: datetime) -> bool:
        """Say whether a price of a row was valid at an instant: given before, and not withdrawn since."""
        entries = self._entries[row]
        count = int(np.searchsorted(self._day.at[entries], at.timestamp(), side="right"))
        return count > 0 and not np.isnan(self._day.values[entries[count - 1], ReplayedColumn.LAST])

    def _known(self, row: int, column: ReplayedColumn, at: datetime) -> Floats:
        entries = self._entries[row]
        count = int(np.searchsorted(self._day.at[entries], at.timestamp(), side="right"))
        series: Floats = self._day.values[entries[:count], column]
        return series[~np.isnan(series)]

    # ------------------------------------------------------------ days

    def _daily(self, found: Instrument, what: str, now: datetime) -> list[Bar]:
        closed: Sequence[Bar] = ()
        if not found.is_option and what in ("TRADES", IMPLIED):
            closed = (self._day.daily if what == "TRADES" else self._day.implied).get(found.symbol, ())
        today = self._made(found, what, _whole_day(self._session), now)
        return [*closed, *(each._replace(at=self._session.date) for each in today)]

    # ------------------------------------------------------------ within the session

    def _within(self, found: Instrument, what: str, seconds: int, first: datetime, now: datetime) -> list[Bar]:
        """Return the finished bars that are given, and make those from `first` on that are not."""
        given: Sequence[Bar] = ()
        if what == "TRADES" and not found.is_option:
            given = self._day.intraday.get((found.symbol, seconds), ())
        known = {each.at: each for each in given if _ends(each, seconds) <= now}
        since = (first - self._session.open).total_seconds()
        edges = [each for each in bar_edges(self._session, seconds) if each >= since]
        made = {each.at: each for each in self._made(found, what, edges, now)}
        both = {**made, **known}
        opened = self._opened.get(found.con_id)
        if opened is not None and seconds == _MINUTE and now >= self._session.open + timedelta(seconds=_MINUTE):
            if what == "MIDPOINT":
                both[opened.at] = opened
            elif what == "TRADES" and not found.is_option:
                both.setdefault(opened.at, opened)
        return [both[at] for at in sorted(both, key=_instant)]

    def _made(self, found: Instrument, what: str, edges: list[int], now: datetime) -> list[Bar]:
        """Return the bars between these seconds since the open, as far as something was quoted in them."""
        row = self._row_of.get(found.con_id)
        until = int((min(now, self._session.close) - self._session.open).total_seconds())
        if row is None or not self._entries[row].size or not edges or until < edges[0] or not _is_shown(found, what):
            return []
        seconds = np.arange(max(edges[0] - 1, 0), until + 1)
        low, high, price = self._series(row, what, seconds)
        volume = self._by_second(row, ReplayedColumn.VOLUME, seconds)
        bars = []
        for start, end in pairwise(edges):
            if start > until:
                break
            last = min(end if end == edges[-1] else end - 1, until)
            part = slice(start - seconds[0], last - seconds[0] + 1)
            if (bar := _bar(low[part], high[part], price[part], what)) is None:
                continue
            traded = _increase(volume, part) if what == "TRADES" else 0
            bars.append(bar._replace(at=self._session.open + timedelta(seconds=start), volume=traded))
        return bars

    def _by_second(self, row: int, column: ReplayedColumn, seconds: Ints) -> Floats:
        """Return the values at these seconds of the session."""
        entries = self._entries[row]
        places = np.searchsorted(self._day.at[entries], seconds + self._session.open.timestamp(), side="right") - 1
        known = np.concatenate((self._day.values[entries, column], [np.nan]))  # the place before all is -1
        return known[places]

    def _series(self, row: int, what: str, seconds: Ints) -> tuple[Floats, Floats, Floats]:
        """Return what lows, highs, and opens and closes are taken from, by second."""
        if what not in _SIDES:
            price = self._by_second(row, ReplayedColumn.IV if what == IMPLIED else ReplayedColumn.LAST, seconds)
            return price, price, price
        bid, ask = self._by_second(row, ReplayedColumn.BID, seconds), self._by_second(row, ReplayedColumn.ASK, seconds)
        bid = np.where(np.isnan(bid) & ~np.isnan(ask), 0.0, bid)
        if what == "BID_ASK":
            return bid, ask, bid
        price = {"BID": bid, "ASK": ask}.get(what, np.round((bid + ask) / 2.0, 4))
        return price, price, price

    def _openings(self) -> dict[int, Bar]:
        """Return the first minute by contract where only the straddle's price is known: half for each option.

        The underlying's own bar is there for a day without a first minute: at the open.
        """
        found: dict[int, Bar] = {}
        for opening in self._day.openings:
            under = next((each for each in self._day.contracts if _is_under(each, opening.symbol)), None)
            spot = None if under is None else self._opening_level(under)
            options = [
                each
                for each in self._day.contracts
                if (each.symbol, each.trading_class, each.last_trade_date)
                == (opening.symbol, opening.trading_class, opening.expiry)
            ]
            if under is None or spot is None or not options:
                continue
            strike = min((each.strike for each in options), key=lambda known: (abs(known - spot), known))
            call = round(opening.price / 2.0, 2)
            halves = {"C": call, "P": round(opening.price - call, 2)}
            found[under.con_id] = self._first_minute(spot)
            found |= {each.con_id: self._first_minute(halves[each.right]) for each in options if each.strike == strike}
        return found

    def _first_minute(self, price: float) -> Bar:
        return Bar(self._session.open, price, price, price, price, 0, price, 0)

    def _opening_level(self, under: Instrument) -> float | None:
        """Return an underlying's price at the end of the first minute, or failing that at the open."""
        bars = self._day.intraday.get((under.symbol, _MINUTE), ())
        if (given := next((each.close for each in bars if each.at == self._session.open), None)) is not None:
            return given
        row = self._row_of[under.con_id]
        first_minute = self.level(row, self._session.open + timedelta(seconds=_MINUTE - 1))
        if first_minute is not None:
            return first_minute
        opened = self._known(row, ReplayedColumn.OPEN, self._session.close)
        return float(opened[0]) if opened.size else None


def _is_under(found: Instrument, symbol: str) -> bool:
    return found.symbol == symbol and not found.is_option


def _whole_day(session: Session) -> list[int]:
    return [0, session.minutes * 60]


def _is_shown(found: Instrument, what: str) -> bool:
    """Say whether there is such data: indices have no bid and ask, options no volatility of 30 days."""
    if what == IMPLIED:
        return not found.is_option
    return what == "TRADES" or (what in _SIDES and found.sec_type is not SecType.INDEX)


def _bar(low: Floats, high: Floats, price: Floats, what: str) -> Bar | None:
    """Return open, high, low and close of some seconds; None when nothing was known in them."""
    low, high, price = low[~np.isnan(low)], high[~np.isnan(high)], price[~np.isnan(price)]
    if not low.size or not high.size:
        return None
    ends = float(price[0]), float(price[-1])
    if what == "BID_ASK":
        ends = round(float(low.mean()), 4), round(float(high.mean()), 4)
    opened, close = ends
    top, bottom = float(high.max()), float(low.min())
    average = round((opened + top + bottom + close) / 4.0, 4)
    return Bar(datetime.min.replace(tzinfo=UTC), opened, top, bottom, close, 0, average, 0)


def _increase(volume: Floats, part: slice) -> int:
    """Return how much was traded in these seconds, by the day's count at their ends."""
    before = volume[part.start - 1] if part.start else 0.0
    after = volume[part][-1]
    return 0 if np.isnan(after) else max(int(after - (0.0 if np.isnan(before) else before)), 0)


def _ends(bar: Bar, seconds: int) -> datetime:
    return _instant(bar.at) + timedelta(seconds=seconds)


def _instant(at: date | datetime) -> datetime:
    assert isinstance(at, datetime)
    return at


# --- A market that is given

_MIDNIGHT = time(0)
_NO_STATS = DayStats(None, None, None, None, None, 0)


class ReplayedMarket:
    """A `Market` of a given day; it starts at that day's midnight. After the day nothing moves.

    A contract without values at an instant has no quote. Raises: ValueError when the day is no session.
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
        return self._catalogue

    @property
    def now(self) -> datetime:
        return self._now

    @property
    def is_open(self) -> bool:
        return self._session.is_on(self._now)

    @property
    def is_still(self) -> bool:
        """True when all values are valid from the first instant on, as of a captured chain."""
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
        """Return the present quotes, vectorised; all nan for a contract without values."""
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
        """Return the underlyings' prices: the last price, or the middle of the quote without a trade."""
        known = self._state[rows]
        last = known[:, ReplayedColumn.LAST]
        return np.where(np.isnan(last), (known[:, ReplayedColumn.BID] + known[:, ReplayedColumn.ASK]) / 2.0, last)

    def halted(self, symbol: str) -> bool:
        return symbol in self._halted

    # ------------------------------------------------------------ the session so far

    def _value(self, con_id: int, column: ReplayedColumn) -> float | None:
        row = self._row_of.get(con_id)
        value = float("nan") if row is None else float(self._state[row, column])
        return None if isnan(value) else value

    def stats(self, con_id: int) -> DayStats:
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
        found = self._catalogue.by_id(con_id)
        return self._count(con_id, ReplayedColumn.VOLUME) if found is not None and found.is_option else 0

    def open_interest(self, con_id: int) -> int:
        return self._count(con_id, ReplayedColumn.OPEN_INTEREST)

    def option_totals(self, underlying_id: int) -> OptionTotals:
        """Return what was traded of all options of an underlying; of open interest the sum is never given."""
        calls, puts = (
            self._count(underlying_id, each) for each in (ReplayedColumn.CALL_VOLUME, ReplayedColumn.PUT_VOLUME)
        )
        return OptionTotals(calls, puts, 0, 0)

    # ------------------------------------------------------------ bars, settlement, calendar

    def bars(self, con_id: int, *, what: str, bar_seconds: int, first: datetime, last: datetime) -> list[Bar]:
        found = self._catalogue.by_id(con_id)
        last = min(last, self._now)
        if found is None or first > last:
            return []
        return self._bars.bars(found, what, bar_seconds, first, last, self._now)

    def settlement(self, con_id: int, day: date) -> float | None:
        """Return the settlement level for options that settle on `day`, once known: the open, or the last price.

        `con_id` is an option (AM-settled ones take that day's opening print) or an underlying (its close). It stays
        unknown for an underlying without values at the close.
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
