"""One session as arrays, and as the board and the view of any of its instants: made once, shared by all variants.

The boards hold all options that trade last today. A bot that runs streams fewer: what it chooses from them is the same
wherever deltas fall outward from strike to strike (`is_ordered`), for then what is streamed moves to where they lie.
"""

from array import array
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.daily import IMPLIED_BY
from rulebot.adapters.history.session import Columns, HistoryDay, Places, Source
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.backtest.historical_market import ranges
from rulebot.backtest.implied_surface import GREEKS
from rulebot.backtest.load_session_data import prepare
from rulebot.backtest.scheduler import drain_events
from rulebot.compile.plan import Plan
from rulebot.core.program import Program
from rulebot.core.subscribe.subscriptions import WATCH_AHEAD, WATCH_CLOSELY
from rulebot.measure.view import View
from rulebot.model.contract import LOT, Option, Right, Underlying
from rulebot.model.event import ClosesReport, ListingReport
from rulebot.model.facts import EventCalendar, Facts
from rulebot.model.market import Board
from rulebot.model.session import Session
from rulebot.model.values import replace

OptionColumns = NDArray[np.intp]
"""The column of an option for each instant or option, -1 where there is none."""
_MONEY = 0.5
"""An absolute delta from which on outward deltas have to fall."""
_OF_LEVELS = ("last", "last_at", "open", "high", "low")
_OF_RANGE = ("last", "open", "high", "low")
LEAST_SPACING = 20.0
"""Seconds between two instants at least, so that an order can be worked between them."""


class ArrayDay:
    """A session that variants share. `problem` says why none of them may use arrays, "" when they may.

    Places count the instants of the data; `first` is the first one in the session, `end` past the last.
    """

    def __init__(self, day: HistoryDay, session: Session, source: Source, calendar: EventCalendar) -> None:
        self.day, self.session, self.source, self.calendar = day, session, source, calendar
        self.opens_at = session.open.timestamp()
        self.length = session.close.timestamp() - self.opens_at
        self.times = day.times - self.opens_at
        self.first, self.end = (int(each) for each in np.searchsorted(self.times, (0.0, self.length)))
        self.places = {at: place for place, at in enumerate(self.times.tolist())}
        self.board = Board()
        self._feed = HistoryFeed(source, self.board)
        self._market = self._feed.begin(day, session)
        self.problem = self._problem()
        if self.problem:
            return
        self._of_today = [place for place, each in enumerate(day.options) if each.expiry == session.date]
        self.options = [day.options[place] for place in self._of_today]
        self._underlyings = [Underlying(symbol) for symbol in day.levels]
        self._market.watch([*self._underlyings, *self.options])
        for row, underlying in enumerate(self._underlyings):
            self.board.previous_close[row] = self._market.previous.get(underlying.symbol, np.nan)
        self.columns = {option: place for place, option in enumerate(self.options)}
        self._boards: dict[int, Board] = {}
        self._views: dict[tuple[int, int], View] = {}
        self._facts: dict[int, tuple[int, Facts]] = {}
        self._ranges: dict[str, Columns] = {}

    def _problem(self) -> str:
        day = self.day
        if day.reported is not None or day.ran is not None or day.moves or day.halts or day.hours:
            return "its data is a recording"
        if day.quoted_at is not None:
            return "its levels come oftener than its quotes"
        gaps = np.diff(self.times[self.first : self.end])
        if not len(gaps) or self._market.is_dense or gaps.min() < LEAST_SPACING:
            return "its data is dense"
        if gaps.max() > self._market.stands_for:
            return "its data has gaps"
        if any(np.isnan(level[self.first : self.end]).any() for level in self.day.levels.values()):
            return "a level is missing"
        return ""

    # ------------------------------------------------------------ one instant

    def board_at(self, place: int) -> Board:
        """Return the board at an instant, read-only: levels, quotes and greeks, but no counts."""
        found = self._boards.get(place)
        if found is None:
            found = self._boards[place] = self.board.copy()
            found.alive_at = float(self.day.times[place])
            for name, matrix in self._matrices.items():
                setattr(found, name, array("d", matrix[place].tobytes()))
        return found

    @cached_property
    def _matrices(self) -> Mapping[str, Columns]:
        """The columns of the board at all instants, as `DayMarket` writes them. Shape: instants x rows."""
        given, times = self._market.given, self.day.times
        places, count = self._of_today, len(self._underlyings)
        names = ("bid", "ask", "bid_size", "ask_size", *GREEKS)
        found = {name: self._matrix(given[name][:, places], count) for name in names if name in given}
        for stamp, name in (("quote_at", "ask"), ("model_at", "delta")):
            found[stamp] = np.where(np.isnan(found[name]), np.nan, times[:, None])
        of_levels = {name: np.full((len(times), len(self.board.contracts)), np.nan) for name in _OF_LEVELS}
        for row, underlying in enumerate(self._underlyings):
            of_levels["last_at"][:, row] = times
            for name, column in zip(_OF_RANGE, self.ranges(underlying.symbol), strict=True):
                of_levels[name][:, row] = column
            shown_by = IMPLIED_BY.get(underlying.symbol, "")
            if (index := self.day.levels.get(shown_by)) is not None:
                found["iv"][:, row], found["model_at"][:, row] = index / 100.0, times
        return {**found, **of_levels}

    def _matrix(self, of_options: Columns, count: int) -> Columns:
        return np.hstack((np.full((len(of_options), count), np.nan), of_options))

    def view_at(self, place: int, facts: tuple[int, Facts]) -> View:
        """Return the view of an instant, with the legs of the last caller."""
        key = (place, facts[0])
        found = self._views.get(key)
        if found is None:
            found = self._views[key] = self.view_of(self.board_at(place), facts[1])
        return found

    def view_of(self, board: Board, facts: Facts) -> View:
        """Return a separate view of a board at its instant."""
        return View(now=board.alive_at, session=self.session, board=board, facts=facts)

    def is_day_of(self, plan: Plan) -> bool:
        """Say whether a bot may enter today: its days of the week, and options of one of its classes."""
        is_on = not plan.entry.days or self.session.date.weekday() in plan.entry.days
        return is_on and any(leg.trading_class in self.classes for leg in plan.legs)

    def facts_of(self, program: Program, key: int) -> tuple[int, Facts]:
        """Return the slow facts that a bot gets before the open, with their number. key: of its needs.

        With the expected move of the open, where it is clear.
        """
        if key not in self._facts:
            now = self.session.open - timedelta(minutes=1)
            listings, closes = {}, {}
            for event in drain_events(prepare(program, self._feed, self.session, now)):
                if isinstance(event, ListingReport):
                    listings[event.listing.symbol, event.listing.trading_class] = event.listing
                elif isinstance(event, ClosesReport):
                    closes[event.symbol] = event.closes
                else:
                    raise TypeError(f"a fact that no bot by arrays needs: {event}")
            facts = Facts(events=self.calendar, listings=listings, closes=closes)
            self._facts[key] = (len(self._facts), self._opened(program, facts))
        return self._facts[key]

    def _opened(self, program: Program, facts: Facts) -> Facts:
        """Return facts with the expected move of the open, if it is that of the first instant (`turn.daily`)."""
        (bot,) = program.bots.values()
        if not bot.plan.needs.opening_move or self.first > 0:
            return facts  # before the open another strike may have been nearest to spot
        view = self.view_of(self.board_at(self.first), facts)
        moves = {symbol: bot.opening_move(view, symbol) for symbol in bot.plan.needs.opening_move}
        found = {(symbol, self.session.date): round(move, 4) for symbol, move in moves.items() if move is not None}
        return replace(facts, opening_moves=found)

    def opening_move(self, symbol: str) -> float | None:
        """Return the expected move of the open that bots get, None where there is none."""
        reported = (facts.opening_moves.get((symbol, self.session.date)) for _, facts in self._facts.values())
        return next((move for move in reported if move is not None), None)

    def of_board(self, symbol: str, name: str) -> Columns | float | None:
        """Return the open, high, low or previous close of an underlying, None where the source has none."""
        if name == "previous_close":
            close = float(self._market.previous.get(symbol, np.nan))
            return close if close > 0.0 else None
        return self.ranges(symbol)[_OF_RANGE.index(name)] if symbol in self.day.levels else None

    def place_at(self, at: float) -> int:
        """Return the instant valid this many seconds after the open."""
        return int(np.searchsorted(self.times, at, side="right")) - 1

    def room(self, place: int) -> float:
        """Return the seconds from an instant to the next one, or to the close."""
        return float(self.rooms(np.array([place]))[0])

    # ------------------------------------------------------------ arrays, option by option

    def _of_options(self, column: Columns) -> Columns:
        return np.ascontiguousarray(column[:, self._of_today].T)

    @cached_property
    def bid(self) -> Columns:
        """Bids. Shape: options x instants."""
        return self._of_options(self.day.bid)

    @cached_property
    def ask(self) -> Columns:
        """Asks. Shape: options x instants."""
        return self._of_options(self.day.ask)

    @cached_property
    def delta(self) -> Columns:
        """Deltas, computed where the source has none. Shape: options x instants."""
        return self._of_options(self._market.given["delta"])

    @cached_property
    def is_odd(self) -> NDArray[np.bool_]:
        """Where a quote is not whole, crossed or locked. Shape: options x instants."""
        return ~(self.bid < self.ask)

    @cached_property
    def is_unwanted(self) -> NDArray[np.bool_]:
        """Where an option has an ask but no bid: it can be bought. Shape: options x instants."""
        lacks = np.isnan(self.bid) & ~np.isnan(self.ask)
        return lacks if self.day.bid_size is None else lacks & (self._of_options(self.day.bid_size) == 0.0)

    @cached_property
    def is_worth_unknown(self) -> NDArray[np.bool_]:
        """Where an option has no value: a bid alone may be missing. Shape: options x instants."""
        return np.isnan(self.ask) | (self.bid >= self.ask)

    @cached_property
    def is_of_lots(self) -> bool:
        """Whether each option is on as many shares as is usual."""
        return all(option.multiplier == LOT for option in self.options)

    @cached_property
    def sizes(self) -> tuple[Columns, Columns] | None:
        """Sizes of bids and of asks, None where the source has none. Shape: options x instants."""
        bid, ask = self.day.bid_size, self.day.ask_size
        if bid is None and ask is None:
            return None
        bids, asks = (np.full_like(self.day.bid, np.nan) if each is None else each for each in (bid, ask))
        return self._of_options(bids), self._of_options(asks)

    @cached_property
    def is_uncertain(self) -> NDArray[np.bool_]:
        """Where a quote is odd or a delta is not known. Shape: options x instants."""
        return self.is_odd | np.isnan(self.delta)

    @cached_property
    def strikes(self) -> Columns:
        """The strike of each option, points."""
        return np.array([float(option.strike) for option in self.options])

    def ranges(self, symbol: str) -> Columns:
        """Return an underlying's level, open, and high and low so far. Shape: 4 x instants. Raises: KeyError."""
        if symbol not in self._ranges:
            self._ranges[symbol] = np.array(ranges(self.day.times, self.day.levels[symbol], self.session))
        return self._ranges[symbol]

    def level(self, symbol: str) -> Columns | None:
        """Return an underlying's level, None where the source has none."""
        return self.day.levels.get(symbol)

    @cached_property
    def sides(self) -> Mapping[tuple[str, Right], OptionColumns]:
        """The columns of a class and a right, strikes rising."""
        found: dict[tuple[str, Right], list[Option]] = {}
        for option in self.options:
            found.setdefault((option.trading_class, option.right), []).append(option)
        return {
            key: np.array([self.columns[each] for each in sorted(options, key=lambda option: option.strike)])
            for key, options in found.items()
        }

    @cached_property
    def ranks(self) -> Places:
        """The rank of each option's strike among those of its class and right, counted from the lowest."""
        found = np.zeros(len(self.options), dtype=np.intp)
        for side in self.sides.values():
            found[side] = np.arange(len(side))
        return found

    @cached_property
    def classes(self) -> frozenset[str]:
        """The trading classes with options that trade last today."""
        return frozenset(trading_class for trading_class, _ in self.sides)

    def is_even(self, trading_class: str) -> bool:
        """Say whether calls and puts of a class have the same strikes."""
        calls, puts = (self.sides.get((trading_class, right)) for right in Right)
        return calls is not None and puts is not None and np.array_equal(self.strikes[calls], self.strikes[puts])

    @cached_property
    def _disorder(self) -> Mapping[tuple[str, Right], NDArray[np.intp]]:
        """Return how many instants before each one are not ordered, and in all. Shape: (T + 1,)."""
        return {key: np.concatenate(([0], np.cumsum(~self._ordered(*key)))) for key in self.sides}

    def _ordered(self, trading_class: str, right: Right) -> NDArray[np.bool_]:
        """Return at which instants deltas fall outward, without a gap, from the money to the last known one.

        In the money all are larger, so no wanted delta is there.
        """
        side = self.sides[trading_class, right]
        outward = side if right is Right.CALL else side[::-1]
        delta = np.abs(self.delta[outward])
        near = np.nan_to_num(delta, nan=0.0) >= _MONEY
        begins = np.where(near.any(axis=0), len(delta) - 1 - near[::-1].argmax(axis=0), 0)
        known = ~np.isnan(delta)
        ends = np.where(known.any(axis=0), len(delta) - 1 - known[::-1].argmax(axis=0), -1)
        steps = np.arange(len(delta) - 1)[:, None]
        counts = (steps >= begins) & (steps < ends)
        falls = np.diff(delta, axis=0) <= 0.0  # false where one is not known
        inside = (np.arange(len(delta))[:, None] > begins) | np.isnan(delta) | (delta >= _MONEY)
        return (falls | ~counts).all(axis=0) & (ends > begins) & inside.all(axis=0)

    def is_ordered(self, trading_class: str, right: Right, first: int, place: int) -> bool:
        """Say whether deltas fall outward at all instants from one to another, both included."""
        return bool(self.are_ordered(trading_class, right, np.array([first]), np.array([place])).all())

    def are_ordered(self, trading_class: str, right: Right, firsts: Places, places: Places) -> NDArray[np.bool_]:
        """Say the same of stretches, one by one."""
        counts = self._disorder[trading_class, right]
        return np.asarray(counts[places + 1] == counts[firsts])

    def reached_from(self, at: Columns) -> Places:
        """Return the instants from which on strikes are streamed for windows that open at these seconds.

        Earlier subscriptions follow the market again from shortly before the window, so the last instant before that
        counts.
        """
        early = np.searchsorted(self.times, at - WATCH_AHEAD.total_seconds())
        closely = np.searchsorted(self.times, at - WATCH_CLOSELY.total_seconds(), side="right") - 1
        return np.maximum(self.first, np.maximum(early, closely))

    def rooms(self, places: Places) -> Columns:
        """Return the seconds from instants to the next ones, or to the close."""
        after = np.append(self.times, self.length)[places + 1]
        return np.where(places + 1 >= self.end, self.length, after) - self.times[places]
