"""The market of one past session on the engine's board: what is watched, instant by instant, never anything later.

Between two instants of sparse data (a quote a minute, say) the last ones stay valid for a while, as with a quiet live
feed; with dense data (`is_dense`) a quiet row ages as live.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from math import nan
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history import session as finding
from rulebot.adapters.history.build_session import spacing_of, stands_for
from rulebot.adapters.history.daily import IMPLIED_BY, NO_BARS
from rulebot.adapters.history.session import (
    Columns,
    DailyBar,
    Finding,
    HistoryDay,
    Places,
    ReportedBars,
    Source,
    is_unknown,
)
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.implied_surface import GREEKS, surface_of
from rulebot.compile.plan import Needs
from rulebot.core.program import CompiledBot
from rulebot.measure.series import BARS_A_SESSION, DAY, Series, name_of
from rulebot.measures.bars import last_end
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.market import FEED_SILENCE, Board, usual_age
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import Session
from rulebot.model.text import clock, minute

K = TypeVar("K")
SHARE_SPREAD = 0.02
"""Dollars between bid and ask of a share; option sources have only its level."""
AHEAD = 16
"""Instants whose quotes are gathered at once at most; the board has those of one."""
_QUOTE = ("bid", "ask", "bid_size", "ask_size")
_REPORTED = (*_QUOTE, "volume", "open_interest")
_STAMPS = ("quote_at", "last_at", "model_at")
_OF_A_DAY = (*_REPORTED, "call_volume", "put_volume", "last", "open", "high", "low", *GREEKS, *_STAMPS)
_STAMPED = ("bid", "ask", "delta")
"""Columns that are always read: they show which rows have a quote, and greeks."""


class DayMarket:
    """One session's columns, and the present time in them: `place` is the last instant, -1 before the first.

    quoted: instants with their own quotes. spacing: usual seconds between two of these. previous: closes of the session
    before, by symbol.
    """

    def __init__(self, day: HistoryDay, session: Session, board: Board, previous: dict[str, float]) -> None:
        self.day = day
        self.session = session
        self.board = board
        self.previous = previous
        self.place = -1
        self.is_behind = False
        times = day.times
        self._quoted_at = times if day.quoted_at is None else day.quoted_at
        self.quoted = times if day.quoted_at is None else np.unique(day.quoted_at[~np.isnan(day.quoted_at)])
        self.spacing = spacing_of(self.quoted)
        self.is_dense = self.spacing <= FEED_SILENCE
        self.stands_for = stands_for(self.spacing)
        self._columns = day.places()
        self._names: tuple[str, ...] = ()
        self._times: list[float] = times.tolist()
        self._ranges = {symbol: ranges(times, level, session) for symbol, level in day.levels.items()}
        self._known = {symbol: known_places(level) for symbol, level in day.levels.items()}
        self._stand = {symbol: stands_for(spacing_of(times[~np.isnan(level)])) for symbol, level in day.levels.items()}
        is_counted = day.reported is None and _is_running(day.volume)
        self._counts = {symbol: self._traded(symbol) for symbol in day.levels} if is_counted else {}
        self._source: Mapping[str, Columns] | None = None
        self._whole: dict[str, Columns] = {}
        self._given, self._places = self._holding(np.empty(0, dtype=np.intp))
        is_modelled = any(name not in self._given for name in GREEKS)
        self._surface = surface_of(day, session) if is_modelled else None
        self.follow()

    @property
    def given(self) -> Mapping[str, Columns]:
        """What is known of options, by column, with what was computed for those that are watched."""
        return with_sizes({**self._given, **self._of_instants(self.day.columns())})

    def column(self, option: Option) -> int | None:
        """Return the place of an option's columns, None where the session does not have it."""
        return self._columns.get(option)

    def given_of(self, options: Sequence[Option]) -> Mapping[str, Columns]:
        """Return what is known of those of these options that the session has, by column, instants x options."""
        places = np.array([at for each in options if (at := self.column(each)) is not None], dtype=np.intp)
        computed = {} if self._surface is None else self._surface.columns
        given, found = self._holding(places)
        shown = {name: column[:, places] for name, column in computed.items()}
        return with_sizes(shown | {name: column[:, found] for name, column in given.items()})

    # ------------------------------------------------------------ what is watched

    def watch(self, contracts: Sequence[Contract]) -> None:
        """Stream exactly these from now on; what is new has no quote before the next `write` or `refresh`."""
        self.board.hold(contracts)
        self.follow()

    def follow(self) -> None:
        """Find the columns of what the board holds."""
        rows: list[int] = []
        places: list[int] = []
        self._levels: list[tuple[int, Underlying]] = []
        self._shares: list[tuple[int, Option]] = []
        for each, row in self.board.rows.items():
            if isinstance(each, Underlying):
                self._levels.append((row, each))
            elif (place := self._columns.get(each)) is not None:
                rows.append(row)
                places.append(place)
            elif each.is_share:
                self._shares.append((row, each))
        self._rows = np.array(rows, dtype=np.intp)
        self._given, self._places = self._holding(np.array(places, dtype=np.intp))
        if self._surface is not None:
            self._surface.make(places)
            self._given = {**self._surface.columns, **self._given}
        self._reported = {n: column for n, column in self._given.items() if n in _STAMPED or not is_unknown(column)}
        self._gathered, self._since, self._ahead = np.empty((0, 0, 0)), 0, 1

    def _holding(self, places: Places) -> tuple[dict[str, Columns], Places]:
        """Return columns that hold the options at these places, instants x options, and where each is in them."""
        columns, found = self.day.holding(places)
        if columns is not self._source:
            self._source, self._whole = columns, self._of_instants(columns)
        return self._whole, found

    def _of_instants(self, columns: Mapping[str, Columns]) -> dict[str, Columns]:
        """Return columns of the source, instants x options; of a volume for the whole day none: it is not known."""
        found = {}
        for name in (*_REPORTED, *GREEKS):
            if name in columns and (name != "volume" or _is_running(columns[name])):
                column = columns[name]
                shape = (len(self._times), column.shape[-1])
                found[name] = column if column.ndim == 2 else np.broadcast_to(column, shape)
        return found

    # ------------------------------------------------------------ time

    def write(self, place: int) -> tuple[int, ...]:
        """Go to an instant and write what is known then; return the rows that changed."""
        self.place, self.is_behind = place, False
        return self._write_all()

    def skip(self, place: int) -> None:
        """Go to an instant that is not read: the board follows with the next `write` or `refresh`."""
        self.place, self.is_behind = place, True

    def refresh(self) -> tuple[int, ...]:
        """Write the present values again, for rows that were just requested."""
        self.is_behind = False
        return self._write_all() if self.place >= 0 else ()

    def forget(self) -> None:
        """Begin the day: nothing of the session before is on the board but its closes."""
        board = self.board
        board.halted.clear()
        rows = list(board.rows.values())
        for name in _OF_A_DAY if rows else ():
            np.frombuffer(getattr(board, name))[rows] = nan
        for row, contract in self._levels:
            board.previous_close[row] = self.previous.get(contract.symbol, nan)

    def stands(self, now: float) -> bool:
        """Say whether the quotes of the last instant are still valid."""
        return self.place >= 0 and now - self._times[self.place] <= self.stands_for

    def breathe(self, now: float) -> None:
        """Keep the feed alive while the last quotes and levels are valid; dense data has its own times."""
        if self.is_dense or not self.stands(now):
            return
        board = self.board
        board.alive_at = now
        for row, contract in self._levels:
            known = self._last_known(contract.symbol)
            if known >= 0 and not self._has_grown_old(known):
                reported = self._times[known]
                board.last_at[row] = now if now - reported <= self._stand[contract.symbol] else reported
        for row, _ in self._shares:
            board.quote_at[row] = now

    # ------------------------------------------------------------ writing

    def _write_all(self) -> tuple[int, ...]:
        board, place = self.board, self.place
        at = self._times[place]
        board.alive_at = at
        if self.day.halts:
            board.halted = self._halted(at)
        reported = self.write_levels()
        for row, share in self._shares:
            level = self._level(share.symbol, place)
            board.bid[row], board.ask[row] = level - SHARE_SPREAD / 2, level + SHARE_SPREAD / 2
            board.bid_size[row] = board.ask_size[row] = nan
            board.quote_at[row] = at if level == level else nan
            reported.append(row)
        reported += self._write_options(place)
        return tuple(reported)

    def _halted(self, at: float) -> set[int]:
        """Return the rows in which trading is halted at an instant."""
        count = bisect_right(self.day.halts, at, key=lambda each: each[0])
        halted = self.day.halts[count - 1][1] if count else ()
        return {row for each in halted if (row := self.board.rows.get(each)) is not None}

    def write_levels(self) -> list[int]:
        """Write the last levels that are known at this instant; return the rows of those that it brings."""
        return [row for row, contract in self._levels if self._write_level(row, contract.symbol)]

    def _write_level(self, row: int, symbol: str) -> bool:
        board, place = self.board, self._last_known(symbol)
        board.previous_close[row] = self.previous.get(symbol, nan)
        if place < 0:
            return False
        aged = usual_age(board.contracts[row]) if self._has_grown_old(place) else 0.0
        board.last[row], board.last_at[row] = self._level(symbol, place), self._times[place] - aged
        _, opened, high, low = self._ranges[symbol]
        board.open[row], board.high[row], board.low[row] = opened[place], high[place], low[place]
        if symbol in self._counts:
            calls, puts = self._counts[symbol]
            board.call_volume[row], board.put_volume[row] = calls[place], puts[place]
        if self.day.reported is not None:
            for name, column in self.day.reported.get(symbol, {}).items():
                getattr(board, name)[row] = column[place]
        elif symbol in IMPLIED_BY and (shown := self._last_known(IMPLIED_BY[symbol])) >= 0:
            board.iv[row], board.model_at[row] = self._level(IMPLIED_BY[symbol], shown) / 100.0, self._times[shown]
        return place == self.place

    def _last_known(self, symbol: str) -> int:
        """Return the last instant by now that has a level, -1 without one."""
        return self._known[symbol][self.place] if symbol in self._known and self.place >= 0 else -1

    def _has_grown_old(self, place: int) -> bool:
        """Say whether a level last known at an instant was too old for rules at the present one.

        A broker's levels are repeated at each instant until they are; for other data that is unknown.
        """
        return self.day.reported is not None and place < self.place

    def _level(self, symbol: str, place: int) -> float:
        ranges = self._ranges.get(symbol)
        return nan if ranges is None else ranges[0][place]

    def _write_options(self, place: int) -> list[int]:
        rows, board = self._rows, self.board
        if not len(rows):
            return []
        if not 0 <= place - self._since < self._gathered.shape[1]:
            self._gathered, self._since = self._gather(place), place
        stamp, *now = self._gathered[:, place - self._since]
        for name, values in zip(self._names, now, strict=True):
            np.frombuffer(getattr(board, name))[rows] = values
        if self.is_dense and place and not self._restarts(place):
            reported = self._moved(place) | np.isnan(np.frombuffer(board.quote_at)[rows])
            rows, stamp = rows[reported], stamp[reported]
        np.frombuffer(board.quote_at)[rows] = stamp
        brought: list[int] = rows.tolist()
        return brought

    def _restarts(self, place: int) -> bool:
        """Say whether data was silent for so long before an instant that everything is requested and sent again."""
        return self._times[place] - self._times[place - 1] > FEED_SILENCE

    def _gather(self, place: int) -> Columns:
        """Return the values of the followed options at some instants from a place on.

        Shape: (timestamp of the quotes, the source's columns, timestamp of the model) x instants x options. Columns
        without any number are omitted: rows are nan from the start of the day.
        """
        self._ahead = min(2 * self._ahead, AHEAD)  # few after a change of lines: another may follow
        span = slice(place, place + self._ahead)
        given = with_sizes({name: column[span].take(self._places, axis=1) for name, column in self._reported.items()})
        self._names = (*given, "model_at")
        at = self._quoted_at[span, None]
        quoted, modelled = (np.where(np.isnan(given[name]), nan, at) for name in ("ask", "delta"))
        return np.array((quoted, *given.values(), modelled))

    def _moved(self, place: int) -> NDArray[np.bool_]:
        """Return which quotes differ from those of the instant before, be it in their sizes alone."""
        found = np.zeros(len(self._places), dtype=bool)
        for name in (each for each in _QUOTE if each in self._given):
            before, now = self._given[name][place - 1 : place + 1].take(self._places, axis=1)
            found |= ~((now == before) | (np.isnan(now) & np.isnan(before)))
        return found

    def _traded(self, symbol: str) -> tuple[Columns, Columns]:
        """Return the running volume of all calls and of all puts on an underlying.

        An option without a row at an instant has its earlier volume; nan while there is none.
        """
        return self._traded_of(symbol, Right.CALL), self._traded_of(symbol, Right.PUT)

    def _traded_of(self, symbol: str, right: Right) -> Columns:
        volume = self.day.volume
        assert volume is not None
        places = [n for n, each in enumerate(self.day.options) if each.symbol == symbol and each.right is right]
        so_far = np.fmax.accumulate(volume[:, places], axis=0)
        found: Columns = np.where(np.isnan(so_far).all(axis=1), nan, np.nansum(so_far, axis=1))
        return found


def with_sizes(given: dict[str, Columns]) -> dict[str, Columns]:
    """Return columns with bid sizes where the source has none: 0 where there is only an ask, else unknown.

    So there is no bid, as the broker reports it by size 0; it is not a bid still to come.
    """
    if "bid_size" in given or not {"bid", "ask"} <= given.keys():
        return given
    is_unwanted = np.isnan(given["bid"]) & ~np.isnan(given["ask"])
    return {**given, "bid_size": np.where(is_unwanted, 0.0, nan)}


def _is_running(volume: Columns | None) -> bool:
    """Say whether a volume is given instant by instant: one for the whole day is not known before its end."""
    return volume is not None and volume.ndim == 2 and not is_unknown(volume)


def known_places(level: Columns) -> "array[int]":
    """Return of each instant the last one by then that has a level, -1 before the first. Shape: (T,)."""
    places = np.maximum.accumulate(np.where(np.isnan(level), -1, np.arange(len(level), dtype=np.int64)))
    return array("q", places.tobytes())


def ranges(times: Columns, level: Columns, session: Session) -> list["array[float]"]:
    """Return the level of an underlying, and open, high and low of the session so far; nan before it opens.

    Shape: four of (T,), as Python floats, most of which are never read.
    """
    seen = np.where(times >= session.open.timestamp(), level, np.nan)
    known = np.flatnonzero(~np.isnan(seen))
    opened = np.full(len(seen), np.nan)
    if len(known):
        opened[known[0] :] = seen[known[0]]
    columns = (level, opened, np.fmax.accumulate(seen), np.fmin.accumulate(seen))
    return [array("d", column.tobytes()) for column in columns]


# --- Which bars that rules read are missing, in the words of data findings

UNSEEN = 15 * 60.0
"""Seconds without a quote up to the end of a session's data after which what is held was not seen to its end."""


def gaps_of(bots: Sequence[CompiledBot], source: Source, first: date, last: date) -> Iterator[Finding]:
    """Yield the faults of the data of a range as a whole, and missing earlier days that bots read.

    The broker's own data of earlier days is checked with each recorded day.
    """
    gaps = source.gaps(first, last)
    yield from gaps
    if not isinstance(source, RecordingSource) and all(gap.text != NO_BARS for gap in gaps):
        yield from _without_daily(bots, source, source.dates(first, last))


def _without_daily(bots: Iterable[CompiledBot], source: Source, days: Sequence[date]) -> Iterator[Finding]:
    """Yield the bots' symbols without daily bars before any of these sessions.

    There may be some that end long before, or begin later.
    """
    read = [bot.plan.needs for bot in bots]
    for symbol in sorted(set().union(*map(_daily_symbols, read))):
        if not any(source.daily(symbol, day, 1) for day in days):
            text = f"no session has daily bars of {symbol} before it: its previous closes and averages are unknown"
            yield finding.finding_text("daily", 0, text)
    for symbol in sorted({symbol for needs in read for symbol in needs.implied}):
        if not any(source.implied(symbol, day, 1) for day in days):
            index = f"daily bars of {IMPLIED_BY[symbol]}" if symbol in IMPLIED_BY else "volatilities of days"
            text = f"no session has {index} before it: ranks of volatility of {symbol} are unknown"
            yield finding.finding_text("daily", 0, text)


def _daily_symbols(needs: Needs) -> set[str]:
    """Return the symbols whose bars of days are read."""
    return {*needs.symbols, *needs.daily, *(symbol for symbol, seconds in needs.bars if seconds == DAY)}


def missing_bars(
    day: HistoryDay, session: Session, needed: Mapping[Series, int], today: frozenset[Series], source: Source
) -> Iterator[str]:
    """Yield bars that rules read and the broker did not report, and their replacement.

    today: series of which bars of the session itself are read.
    """
    reported = day.bars or {}
    for (symbol, seconds), count in sorted(needed.items()):
        what = f"{name_of(seconds)} bars of {symbol}"
        if seconds == DAY:
            yield from _daily(what, count, source.daily(symbol, session.date, count))
        elif found := reported.get((symbol, seconds)):
            is_read = (symbol, seconds) in today
            yield from _partly(what, found, count if is_read else count - BARS_A_SESSION, session)
            if is_read:
                yield from _until(what, found[-1][1].known_until, seconds, day, session)
        elif symbol in day.levels:
            yield f"{what} are not recorded: they are made of the levels that were streamed, without volumes"
        else:
            yield f"{what} are not recorded, nor is its level"


def unseen_windows(bots: Iterable[CompiledBot], market: DayMarket) -> Iterator[str]:
    """Yield the bots that may enter in a session only while no quote is valid."""
    times, session = market.quoted, market.session
    if not len(times):
        return
    for bot in bots:
        spans = [span for span in bot.windows(session) if span[0] < span[1]]
        seen = ((times + market.stands_for >= begin.timestamp()) & (times <= end.timestamp()) for begin, end in spans)
        if spans and not any(each.any() for each in seen):
            when = ", ".join(" to ".join(minute(at) for at in span) for span in spans)
            yield f"no quote is valid while {bot.plan.name} may enter ({when}): it has no data then"


def unquoted_holdings(positions: Iterable[Position], market: DayMarket) -> Iterator[str]:
    """Yield what was held to the end of a session though its quotes had ended long before: exits saw nothing of it.

    So it is in a recording whose own bot had left it earlier.
    """
    if not len(market.day.times):
        return
    until = min(float(market.day.times[-1]), market.session.close.timestamp())
    for position in positions:
        legs = _kept(position, market.session)
        if position.opened_at is None or not legs:
            continue
        seen = {leg.option: _seen_until(leg.option, market) for leg in legs}
        option = min(seen, key=seen.__getitem__)
        if until - max(seen[option], position.opened_at.timestamp()) > UNSEEN:
            last = clock(datetime.fromtimestamp(seen[option], UTC))
            when = f"from {last} on there is no quote" if seen[option] else "there is no quote"
            yield f"{when} of {option}, which {position.bot} held to the close: its exits saw nothing of it"


def _kept(position: Position, session: Session) -> list[PositionLeg]:
    """Return the legs that a position held to the end of a session that they trade in; short ones, if it has any.

    Wings that an exit left over are none: it had bought the short ones back.
    """
    held = [leg for leg in position.legs if (leg.held or leg.settled) and not leg.option.is_share]
    has_short = any(leg.sign < 0 and not leg.option.is_share for leg in position.legs)
    return [leg for leg in held if leg.option.expiry >= session.date and (leg.sign < 0 or not has_short)]


def _seen_until(option: Option, market: DayMarket) -> float:
    """Return when an option was quoted last in a session, 0 if it never was."""
    asks = market.given_of([option]).get("ask")
    if asks is None or not asks.shape[1]:
        return 0.0
    quoted = np.flatnonzero(~np.isnan(asks[:, 0]))
    return float(market.day.times[quoted[-1]]) if len(quoted) else 0.0


def missing_measures(bots: Iterable[CompiledBot], day: HistoryDay, *, is_modelled: bool = False) -> Iterator[str]:
    """Yield the underlyings and indices that bots read without a level in a session, or without options.

    Of a recorded one also the bots that did not run then, whose options were not streamed. is_modelled: its classes
    follow from the listing request, and are not reported.
    """
    bots = list(bots)
    if not len(day.times):
        return
    if day.ran is not None and (others := [bot.plan.name for bot in bots if bot.plan.name not in day.ran]):
        streamed = f"what was streamed for {', '.join(sorted(day.ran))}" if day.ran else "what was held then"
        yield f"{', '.join(others)} did not run then: of options there is only {streamed}"
    classes = day.classes()
    quoted = {symbol for symbol, _ in classes}
    unread, untraded, unlisted = _missing(bots, day, classes)
    for names, symbols in _by_bots(unread):
        yield f"there is no level of {symbols}: what {names} would make of it is unknown"
    for names, symbols in _by_bots(untraded):
        yield f"there are no options on {symbols}, of which {names} would make legs, but on {', '.join(sorted(quoted))}"
    for (symbol, trading_class), legs_of in unlisted.items() if not is_modelled else ():
        there = ", ".join(sorted(other for on, other in classes if on == symbol))
        none = f"there are no options of class {trading_class} on {symbol}"
        yield f"{none}, of which {', '.join(legs_of)} would make legs, but of class {there}"


def _missing(
    bots: Sequence[CompiledBot], day: HistoryDay, classes: Collection[tuple[str, str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]], dict[tuple[str, str], list[str]]]:
    """Return the bots by symbols without level or options, and by classes beside which others exist."""
    quoted = {symbol for symbol, _ in classes}
    chains = _needing(bots, lambda needs: ((symbol, of_class) for symbol, of_class, _ in needs.chains))
    on_symbols = _needing(bots, lambda needs: (symbol for symbol, _, _ in needs.chains))
    read = _needing(bots, lambda needs: (*needs.symbols, *needs.indices))
    return (
        {symbol: names for symbol, names in read.items() if symbol not in day.levels},
        {symbol: names for symbol, names in on_symbols.items() if quoted and symbol not in quoted},
        {key: names for key, names in chains.items() if key[0] in quoted and key not in classes},
    )


def _needing(bots: Iterable[CompiledBot], needed: Callable[[Needs], Iterable[K]]) -> dict[K, list[str]]:
    """Return the names of the bots that need each of these."""
    found: dict[K, list[str]] = {}
    for bot in bots:
        for key in dict.fromkeys(needed(bot.plan.needs)):
            found.setdefault(key, []).append(bot.plan.name)
    return found


def _by_bots(found: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Yield names of bots, and the symbols that these have in common."""
    together: dict[str, list[str]] = {}
    for symbol, names in found.items():
        together.setdefault(", ".join(names), []).append(symbol)
    yield from ((names, ", ".join(symbols)) for names, symbols in together.items())


def _daily(what: str, count: int, bars: Sequence[DailyBar]) -> Iterator[str]:
    whole = sum(bar.high > bar.low for bar in bars)
    if whole < count:
        others = ", others have a close alone" if len(bars) > whole else ""
        yield f"of {count} {what} {whole} are recorded{others}"


def _partly(what: str, reported: ReportedBars, count: int, session: Session) -> Iterator[str]:
    earlier = max(sum(bar.at < session.open.timestamp() for bar in known.bars) for _, known in reported)
    if earlier < count:
        yield f"of {count} {what} of earlier sessions {earlier} are recorded"


def _until(what: str, until: float, seconds: int, day: HistoryDay, session: Session) -> Iterator[str]:
    if len(day.times) and until < last_end(session, seconds, float(day.times[-1])) - seconds:
        yield f"{what} are recorded until {clock(datetime.fromtimestamp(until, UTC))} only"
