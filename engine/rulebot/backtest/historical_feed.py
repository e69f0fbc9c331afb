"""The feed of a backtest: the board of a past session, and slow facts as they were known on its morning.

Bars within sessions are the broker's, where a source has them, else made of the levels of its instants: each from those
in it and the one at its end.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice
from math import isnan

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.daily import can_split, split_at_open
from rulebot.adapters.history.session import Columns, DailyBar, HistoryDay, ReportedBars, Source, nan_median
from rulebot.backtest.historical_market import DayMarket
from rulebot.backtest.sampling import NO_DATA
from rulebot.measure.series import DAY, MOST_SESSIONS, Series
from rulebot.measures.bars import last_end
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.market import Board, Extras, middle
from rulebot.model.money import CENT
from rulebot.model.position import Position
from rulebot.model.session import (
    CalendarError,
    Hours,
    Session,
    count_in_a_row,
    session_after,
    session_before,
    session_from,
    session_on,
    sessions_before,
)
from rulebot.model.values import replace
from rulebot.record.record import Kind, Record

# --- The end of a session in the past

NEAR = 900.0
"""Seconds from the open or close within which a level may represent it, or one and a half distances of two instants."""
CLOSE_LOOKS_BACK = timedelta(days=10)
"""How far back a session with levels may lie by which daily bars are judged: a long weekend, and some without data."""


def settlement(
    option: Option, session: Session, day: HistoryDay, source: Source, far: dict[tuple[str, date], bool]
) -> float | None:
    """Return what an option settles at: the official level, else the open's first or the close's last level.

    None where neither the data of its settlement session nor its daily bar has it. A level of hours before the close is
    no close: data that ends at noon would invent winners. far: caches which bars are far from their sessions, since the
    check may read a day.
    """
    at_open = option.settles_at_open
    ends = session_after(option.expiry) if at_open else session_from(option.expiry)
    if ends.date == session.date:
        official = day.settled.get((option.symbol, option.trading_class))
        if official is not None and official == official:
            return official
        if (found := _nearest_level(option.symbol, session, day, at_open=at_open)) is not None:
            return found
    return _by_bar(option.symbol, ends.date, day, source, far, at_open=at_open)


def _by_bar(
    symbol: str, ends: date, day: HistoryDay, source: Source, far: dict[tuple[str, date], bool], *, at_open: bool
) -> float | None:
    """Return what the daily bar of a session says; None without one, or of one that is far from the levels."""
    bar = _bar(symbol, ends, source)
    level = None if bar is None else bar.settles_at(at_open=at_open)
    if bar is None or level is None:
        return None
    key = symbol, bar.date
    if key not in far:
        far[key] = _is_far(bar, symbol, day, source)
    return None if far[key] else level


def _bar(symbol: str, day: date, source: Source) -> DailyBar | None:
    bars = source.daily(symbol, day + timedelta(days=1), 1)
    return bars[-1] if bars and bars[-1].date == day else None


def _is_far(bar: DailyBar, symbol: str, day: HistoryDay, source: Source) -> bool:
    """Say whether daily bars are far from the levels of their sessions, by the last one until a bar that has levels."""
    for each in reversed(source.dates(bar.date - CLOSE_LOOKS_BACK, bar.date)):
        try:
            level = (day if each == day.date else source.day(each)).levels.get(symbol)
        except StoreError:  # a session that was refused
            continue
        if level is not None and (middle := nan_median(level)) == middle:
            of_it = bar if each == bar.date else _bar(symbol, each, source)
            return of_it is not None and of_it.is_far(middle)
    return False


def was_split(symbol: str, since: date, until: date, source: Source) -> bool:
    """Say whether shares were split after a day, until another: an option on them is another contract then."""
    return can_split(symbol) and source.was_split(symbol, since, until)


def _nearest_level(symbol: str, session: Session, day: HistoryDay, *, at_open: bool) -> float | None:
    """Return the first level after the open, or the last one up to the close; None where it is far from that."""
    level = day.levels.get(symbol)
    if level is None:
        return None
    seen = np.flatnonzero(_inside(day, session, from_open=at_open) & ~np.isnan(level))
    if not len(seen):
        return None
    place = int(seen[0 if at_open else -1])
    spacing = nan_median(np.diff(day.times)) if len(day.times) > 1 else 0.0
    away = abs(float(day.times[place]) - (session.open if at_open else session.close).timestamp())
    return float(level[place]) if away <= max(NEAR, 1.5 * spacing) else None


def empty_day(session: Session) -> HistoryDay:
    """Return a session without data."""
    nothing = np.empty((0, 0))
    return HistoryDay(date=session.date, times=np.empty(0), levels={}, bid=nothing, ask=nothing)


def no_data(at: datetime) -> Record:
    """Return the note that a session is run without data, for held positions."""
    return Record(at, Kind.FACTS, data={"symbol": "", "what": NO_DATA, "value": True})


@contextmanager
def reported_at(board: Board, option: Option, level: float, *, is_today: bool) -> Iterator[None]:
    """Show the settlement level on the board while the engine gets the expiry of an option."""
    row = board.add(Underlying(option.symbol))
    column = board.open if option.settles_at_open else board.last if is_today else board.previous_close
    before = column[row]
    column[row] = level
    try:
        yield
    finally:
        column[row] = before


def keep_marks(
    marks: dict[Contract, float],
    holdings: Mapping[Contract, int],
    session: Session,
    day: HistoryDay,
    source: Source,
    far: dict[tuple[str, date], bool],
) -> None:
    """Keep the session's last mid of held contracts; without quotes the earlier one stays, expired ones have none.

    Shares without a level are worth the close of their daily bar: those from an assignment on a day without data have
    no earlier price. far: as in `settlement`.
    """
    inside = _inside(day, session)
    places = day.places() if any(holdings.values()) else {}
    for contract, count in holdings.items():
        if not count:
            marks.pop(contract, None)
        elif isinstance(contract, Underlying):
            has_level = _mark(marks, contract, day.levels.get(contract.symbol), inside)
            close = None if has_level else _by_bar(contract.symbol, session.date, day, source, far, at_open=False)
            if close is not None:
                marks[contract] = close
        elif (place := places.get(contract)) is not None:
            columns, (place,) = day.holding(np.array([place]))
            bid, ask = columns["bid"][:, place], columns["ask"][:, place]
            _mark(marks, contract, (np.where(np.isnan(bid), 0.0, bid) + ask) / 2.0, inside)


def marks_now(marks: Mapping[Contract, float], holdings: Mapping[Contract, int], board: Board) -> dict[Contract, float]:
    """Return what each contract that is held is worth by the board: the middle of its quotes, a share its level.

    What has neither keeps its mark of the last session.
    """
    found = dict(marks)
    for contract, count in holdings.items():
        row = board.rows.get(contract, -1) if count else -1
        if row < 0:
            continue
        is_share = isinstance(contract, Underlying)
        price = board.last[row] if is_share else middle(board.bid[row], board.ask[row])
        if price == price:
            found[contract] = price
    return found


def made_by(position: Position, marks: Mapping[Contract, float]) -> Decimal | None:
    """Return the dollars a position has made since it began, what it holds at these prices; None without one of them.

    Commissions are off, as in the account; of legs of two positions that offset each other each has its price.
    """
    total = position.net
    for leg in position.legs:
        if not leg.held:
            continue
        price = marks.get(Underlying(leg.option.symbol) if leg.option.is_share else leg.option)
        if price is None:
            return None
        total += Decimal(f"{price:.4f}") * leg.signed_held * leg.option.multiplier
    return total.quantize(CENT)


def _mark(marks: dict[Contract, float], contract: Contract, column: Columns | None, inside: NDArray[np.bool_]) -> bool:
    """Keep the last number of a column, and say whether it has any."""
    if column is None or not len(seen := column[inside & ~np.isnan(column)]):
        return False
    marks[contract] = float(seen[-1])
    return True


def _inside(day: HistoryDay, session: Session, *, from_open: bool = False) -> NDArray[np.bool_]:
    """Return which instants lie before the end of the session, or in it."""
    found = day.times <= session.close.timestamp()
    return found & (day.times >= session.open.timestamp()) if from_open else found


# --- The feed of a backtest

KEPT = MOST_SESSIONS + 20
"""Sessions whose levels are remembered for bars that reach into earlier ones, the newest."""

LOOKS_BACK = 10
"""Sessions in which the last level of an underlying is looked for, to hold the first one of a later session against."""


class Levels:
    """The instants of one session, the level of each underlying at them, and the bars that have been made of these."""

    def __init__(self, day: HistoryDay, session: Session) -> None:
        self._times, self._levels, self._session = day.times, dict(day.levels), session
        self.date = session.date
        self._made: dict[Series, tuple[Bar, ...]] = {}
        self._ends: dict[str, tuple[float, float] | None] = {}

    def __contains__(self, symbol: str) -> bool:
        """Say whether the session has levels of an underlying."""
        return symbol in self._levels

    def ends(self, symbol: str) -> tuple[float, float] | None:
        """Return the first and the last level of an underlying within the session; None without any."""
        if symbol not in self._ends:
            opened, closed = self._session.open.timestamp(), self._session.close.timestamp()
            column = self._levels[symbol][(self._times >= opened) & (self._times <= closed)]
            seen = column[~np.isnan(column)]
            self._ends[symbol] = (float(seen[0]), float(seen[-1])) if len(seen) else None
        return self._ends[symbol]

    def bars(self, symbol: str, seconds: int) -> tuple[Bar, ...]:
        """Return the bars of the whole session; those without a level are not there."""
        if (found := self._made.get((symbol, seconds))) is None:
            found = self._made[symbol, seconds] = tuple(self._bars(symbol, seconds))
        return found

    def _bars(self, symbol: str, seconds: int) -> Iterator[Bar]:
        column = self._levels.get(symbol)
        if column is None:
            return
        opened, closed = self._session.open.timestamp(), self._session.close.timestamp()
        starts = np.arange(opened, closed - seconds + 1, seconds)
        firsts = np.searchsorted(self._times, starts).tolist()
        lasts = np.searchsorted(self._times, starts + seconds + 1e-6).tolist()
        for start, first, last in zip(starts.tolist(), firsts, lasts, strict=True):
            seen = column[first:last]
            seen = seen[~np.isnan(seen)]
            if len(seen):
                yield Bar(start, float(seen[0]), float(seen.max()), float(seen.min()), float(seen[-1]), 0.0, 0.0)


class HistoryFeed:
    """Market data of one session after the other (see `ports.Feed`); no answer is later than its session.

    shows_others: of a session whose options were streamed for other bots, all are on the board for every bot. missing:
    requests of a recorded session that were not recorded.
    """

    def __init__(self, source: Source, board: Board, *, shows_others: bool = False) -> None:
        self._source = source
        self.board = board
        self._shows_others = shows_others
        self._past: dict[date, Levels | None] = {}
        self.market: DayMarket | None = None
        self.lacks: dict[str, None] = {}
        self._levels: Levels
        self._others: frozenset[str] = frozenset()

    def begin(self, day: HistoryDay, session: Session) -> DayMarket:
        """Continue with another session."""
        self._levels = Levels(day, session)
        self.lacks.clear()
        self._keep(session.date, self._levels)
        self._others = frozenset(symbol for symbol in day.levels if self._is_of_others(symbol, session))
        previous = {}
        for symbol in day.levels:
            bars = self._finished(symbol, session, 1)
            if bars and bars[-1].date == session_before(session.date).date:
                previous[symbol] = float(bars[-1].close)
        self.market = DayMarket(day, session, self.board, previous)
        return self.market

    def _is_of_others(self, symbol: str, session: Session) -> bool:
        """Say whether daily bars of before a session are as of before a split that is made in it, or was before.

        Bars that a vendor has adjusted are so on each session of before it. A broker's are not: it splits them, too.
        """
        bars = self._source.daily(symbol, session.date, 1) if can_split(symbol) else ()
        ends = self._levels.ends(symbol) if bars else None
        if ends is None or not self._is_split(symbol, bars[-1].date, bars[-1].close, session.date, ends):
            return False
        text = f"{symbol} is at {ends[0]:g} and its daily bar of {bars[-1].date} closes at {bars[-1].close:g}"
        self.lacks[f"{text}, as after a split: what rules make of earlier daily bars is unknown"] = None
        return True

    def is_of_its_bars(self, symbol: str) -> bool:
        """Say whether this session's levels have the scale of its daily bars, where both exist."""
        if self.market is None:
            return True
        if symbol in self._others:
            return False
        ends, day = self._levels.ends(symbol) if symbol in self._levels else None, self._levels.date
        return ends is None or self._bar(symbol, day) is None or self._fits(symbol, day, ends)

    def _is_split(self, symbol: str, since: date, before: float, on: date, ends: tuple[float, float]) -> bool:
        """Say whether the last level of one session and the first of a later one differ as by a split.

        Not where daily bars that fit both show none: a fall may look like a split. ends: first and last of the later.
        """
        if split_at_open(before, ends[0]) is None:
            return False
        have_bars = self._fits(symbol, since, (before, before)) and self._fits(symbol, on, ends)
        return not have_bars or self._source.was_split(symbol, since, on)

    def _fits(self, symbol: str, day: date, ends: tuple[float, float]) -> bool:
        """Say whether there is a daily bar of a session that goes with its first level, a bare close with its last."""
        bar = self._bar(symbol, day)
        return bar is not None and not bar.is_far(ends[1] if bar.low == bar.high else ends[0])

    def _bar(self, symbol: str, day: date) -> DailyBar | None:
        bars = self._source.daily(symbol, day + timedelta(days=1), 1)
        return bars[-1] if bars and bars[-1].date == day else None

    def is_split(self, symbol: str) -> bool:
        """Say whether this session's share levels are after a split, compared with the last ones before it."""
        if symbol not in self._levels or not can_split(symbol):
            return False
        for earlier in islice(sessions_before(self._today().date), LOOKS_BACK):
            levels = self._levels_of(earlier)
            if levels is not None and symbol in levels and levels.ends(symbol) is not None:
                return self._is_split_between(symbol, levels, self._levels)
        return False

    def _is_split_between(self, symbol: str, earlier: Levels, later: Levels) -> bool:
        """Say whether levels of one session and those of a later one are apart as by a split."""
        before, after = earlier.ends(symbol), later.ends(symbol) if symbol in later else None
        if before is None or after is None or not can_split(symbol):
            return False
        return self._is_split(symbol, earlier.date, before[1], later.date, after)

    def _finished(self, symbol: str, session: Session, count: int) -> Sequence[DailyBar]:
        """Return daily bars of sessions before one, of the same shares."""
        return () if symbol in self._others else self._source.daily(symbol, session.date, count)

    def _keep(self, day: date, levels: Levels | None) -> None:
        self._past[day] = levels
        if len(self._past) > KEPT:
            del self._past[min(self._past)]

    def watch(self, contracts: Sequence[Contract], extras: Extras = frozenset()) -> None:
        """Stream exactly these, and all from `shows_others`, with all the source's data.

        An engine finds strikes by what was streamed for it and others then.
        """
        day = self._simulated.day
        others = day.options if self._shows_others and day.ran is not None else ()
        self._simulated.watch([*contracts, *others])

    # ------------------------------------------------------------ slow facts

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        """Return the expiries of a class as a broker reported them, else those of the session, if any."""
        if (reported := self._reported_listing(symbol, trading_class)) is not None:
            return Listing(symbol, trading_class, reported.expiries)
        self._lacks_listing(f"what is listed of {_called(symbol, trading_class)}")
        return Listing(symbol, trading_class, tuple(self._simulated.day.expiries(symbol, trading_class)))

    async def strikes(self, listing: Listing, expiry: date) -> Listing:
        """Return the listing with the strikes of an expiry, and the broker's price grid."""
        reported = self._reported_listing(listing.symbol, listing.trading_class)
        if reported is not None and expiry in reported.strikes:
            found = reported.strikes[expiry]
        else:
            found = tuple(self._simulated.day.strikes(listing.symbol, listing.trading_class, expiry))
            self._lacks_listing(
                f"which strikes are listed of {_called(listing.symbol, listing.trading_class)} {expiry}"
            )
        ticks = None if reported is None else reported.ticks
        return replace(listing, strikes={**listing.strikes, expiry: found}, ticks=ticks)

    def _reported_listing(self, symbol: str, trading_class: str) -> Listing | None:
        return (self._simulated.day.listings or {}).get((symbol, trading_class))

    def _lacks_listing(self, what: str) -> None:
        if self._simulated.day.listings is not None:
            self.lacks[f"{what} is not recorded: taken for it is what was streamed"] = None

    async def closes(self, symbol: str, sessions: int) -> tuple[float, ...]:
        """Return daily closes of the sessions before this one, back to the first gap."""
        bars = self._finished(symbol, self._today(), sessions)
        known = count_in_a_row([bar.date for bar in bars], self._today().date)
        return tuple(float(bar.close) for bar in bars[len(bars) - known :])

    async def implied(self, symbol: str, sessions: int) -> tuple[float, ...]:
        """Return volatilities of sessions before this one."""
        return tuple(map(float, self._source.implied(symbol, self._today().date, sessions)))

    async def hours(self, symbol: str, session: Session) -> Hours | None:
        """Return nothing: the broker's volatilities arrive at their recorded times."""
        return None

    async def opening_move(self, listing: Listing, expiry: date, session: Session) -> float | None:
        """Return nothing: the engine is there before the open, and measures it itself."""
        return None

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        """Return finished bars up to the present time."""
        place = self._simulated.place
        now = float(self._simulated.day.times[place]) if place >= 0 else session.open.timestamp()
        return self.bars_until(symbol, seconds, count, now)

    def bars_until(self, symbol: str, seconds: int, count: int, now: float) -> Bars:
        """Return the bars that have ended by `now` (epoch seconds), with this many of the sessions before."""
        session = self._today()
        if seconds == DAY:
            return Bars(now, tuple(self._days(symbol, session, count)))
        today, started = self._levels.bars(symbol, seconds), last_end(session, seconds, now) - seconds
        ended = today[: bisect_right(today, started, key=lambda bar: bar.at)]
        return Bars(now, (*self._before(session, symbol, seconds, count), *ended))

    # ------------------------------------------------------------ bars from a broker

    def is_reported(self, series: Series) -> bool:
        """Say whether a broker reported bars of this series in this session."""
        return series in self.reported()

    def reported_at(self) -> list[float]:
        """Return the instants at which bars, expected moves of the open and hours became known, epoch seconds."""
        facts = (each.at.timestamp() for each in self._simulated.day.facts())
        return [*(at for reported in self.reported().values() for at, _ in reported), *facts]

    def reported_by(self, series: Series, now: float) -> tuple[float, Bars] | None:
        """Return the last report of a series by `now` (epoch seconds), and its time; None before the first."""
        reported = self.reported()[series]
        count = bisect_right(reported, now, key=lambda each: each[0])
        return reported[count - 1] if count else None

    def reported(self) -> Mapping[Series, ReportedBars]:
        return self._simulated.day.bars or {}

    def _days(self, symbol: str, session: Session, count: int) -> list[Bar]:
        found = []
        for each in self._finished(symbol, session, count):
            opened = session_on(each.date)
            if opened is not None:
                first = 0.0 if isnan(each.open) else each.open  # a broker sends none: no price, and not the close
                first, high, low, last = (float(price) for price in (first, each.high, each.low, each.close))
                found.append(Bar(opened.open.timestamp(), first, high, low, last, 0.0, 0.0))
        return found

    def _before(self, session: Session, symbol: str, seconds: int, count: int) -> tuple[Bar, ...]:
        """Return this many bars of sessions before one, none from before a split, which are of other shares."""
        found: list[Bar] = []
        earlier, last = session, None
        later = self._levels
        while len(found) < count:
            try:
                earlier = session_before(earlier.date)
            except CalendarError:
                break
            last = last or earlier.date
            levels = self._levels_of(earlier)
            if levels is None or symbol not in levels:
                break
            if was_split(symbol, earlier.date, last, self._source):
                break
            if self._is_split_between(symbol, levels, later):
                break
            later = levels
            found = [*levels.bars(symbol, seconds), *found]
        return tuple(found[-count:]) if count else ()

    def _levels_of(self, session: Session) -> Levels | None:
        day = session.date
        if day not in self._past:
            try:
                has_it = day in self._source.dates(day, day)
                found = self._source.day(day) if has_it else None
            except StoreError:
                found = None
            levels = None if found is None else Levels(found, session)
            self._keep(day, levels)
            return levels
        return self._past[day]

    @property
    def _simulated(self) -> DayMarket:
        """The market of the present session."""
        assert self.market is not None
        return self.market

    def _today(self) -> Session:
        return self._simulated.session


def _called(symbol: str, trading_class: str) -> str:
    return symbol if symbol == trading_class else f"{symbol} {trading_class}"


# --- Shares in the account at the start


def check_brought(source: Source, shares: Mapping[str, int], cash: Decimal, day: date) -> None:
    """See that an account can begin a day with its shares, before there is a store. Raises: StoreError, MisuseError."""
    if not shares:
        return
    feed = HistoryFeed(source, Board())
    with suppress(StoreError):  # a session that is refused is passed by
        feed.begin(source.day(day), session_from(day))
    for symbol, count in shares.items():
        cash -= count * share_cost(source, feed, symbol, count, day, cash)


def share_cost(source: Source, feed: HistoryFeed, symbol: str, count: int, day: date, cash: Decimal) -> Decimal:
    """Return the close before a day, at which an account buys shares. Raises: StoreError, MisuseError."""
    bars = source.daily(symbol, day, 1)
    if not bars:
        text = f"{source.name} has no close of {symbol} before {day}, at which its shares were bought"
        raise StoreError(text, f"daily bars of {symbol} show it; docs/history-data.md says where they are read from")
    if not feed.is_of_its_bars(symbol):
        if source.was_split(symbol, bars[-1].date, day):
            text = (
                f"{symbol} was split on {day}, by its daily bars: its close before, {bars[-1].close:g}, is not adjusted"
            )
            raise StoreError(text, "begin a session later")
        text = f"the daily bars of {symbol} in {source.name} have another scale than its levels on {day}"
        text += f": {bars[-1].close:g} is not what its shares cost before it"
        raise StoreError(text, f"give it daily bars of {symbol} that are not adjusted for later splits or dividends")
    price = Decimal(f"{bars[-1].close:.4f}")
    if price * count > cash:
        text = f"{count:,} shares of {symbol} cost ${price * count:,.2f}, and the account has ${cash:,.2f}"
        raise MisuseError(text, "give it more --cash")
    return price
