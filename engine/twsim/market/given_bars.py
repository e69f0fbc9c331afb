"""Historical bars of a given day: those that are given, and within the session those made of what was quoted."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np

from rulebot.model.session import Session, exchange_date
from twsim.instrument import Instrument, SecType
from twsim.market.bars import DAY_SECONDS, bar_edges, starts_within
from twsim.market.given import Floats, Ints, ReplayedColumn, ReplayedDay
from twsim.seams import Bar

IMPLIED = "OPTION_IMPLIED_VOLATILITY"
_SIDES = ("BID", "ASK", "MIDPOINT", "BID_ASK")
_MINUTE = 60


class ReplayedBars:
    """What is known of the past at any instant of a given day. `rows` is where each contract's entries stand."""

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
        """Return the bars that start in [first, last], none of what comes after `now`; 86400 seconds means daily."""
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
        """Say whether a price of a row stood at an instant: it was given before, and not taken back since."""
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
        """Return what stood at these seconds of the session."""
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
        """Return the first minute by contract where only the straddle's price is known of it: half for each option.

        The underlying's own bar is there for a day of which the first minute is not given: it stands at the open.
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
        """Return where an underlying stood at the end of the first minute, or failing that at the open."""
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
