"""A recorded day as a market: streamed data with its times, listings and history.

A contract's data counts while it was streamed and live; otherwise it is unknown. Its first quote was valid when it was
requested, so it counts from the market move before that.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from math import pi, sqrt
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rulebot.adapters.recorded.file import read_head
from rulebot.adapters.recorded.recording import EventReceived, QuotesMoved, Step, play
from rulebot.capture.chain import classes, instruments, listed_options, reported_tick_grids
from rulebot.model.contract import Contract, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.event import (
    AccountReport,
    BarsReport,
    ClosesReport,
    Event,
    ImpliedReport,
    ListingReport,
    OpeningMoveReport,
)
from rulebot.model.facts import Account, Listing
from rulebot.model.facts import Bar as FactBar
from rulebot.model.market import Board
from rulebot.model.session import exchange_date, session_before, session_on
from twsim import Bar, Opening, ReplayedColumn, ReplayedDay

# --- The slow facts of a recorded day as the history that a gateway answers from

DAY = 86400
_TRADE = 180
"""Shares of a trade, where only their sum is recorded: as in the simulated history."""
_STRADDLE_OF_A_MOVE = sqrt(2 / pi)


@dataclass(slots=True)
class PastDays:
    """A day's recorded history and account; `take` adds an event."""

    day: date
    listings: dict[tuple[str, str], Listing] = field(default_factory=dict)
    closes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    values: dict[str, tuple[float, ...]] = field(default_factory=dict)
    bars: dict[tuple[str, int], dict[float, FactBar]] = field(default_factory=dict)
    moves: dict[tuple[str, date], float] = field(default_factory=dict)
    accounts: list[tuple[datetime, Account]] = field(default_factory=list)

    def take(self, event: Event) -> None:
        """Take this event's listings, history and account."""
        if isinstance(event, ListingReport):
            key = event.listing.symbol, event.listing.trading_class
            before = self.listings.get(key)
            strikes = {**(before.strikes if before is not None else {}), **event.listing.strikes}
            ticks = event.listing.ticks or (None if before is None else before.ticks)
            self.listings[key] = replace(event.listing, strikes=strikes, ticks=ticks)
        elif isinstance(event, ClosesReport):
            self.closes[event.symbol] = max(event.closes, self.closes.get(event.symbol, ()), key=len)
        elif isinstance(event, ImpliedReport):
            self.values[event.symbol] = event.values
        elif isinstance(event, BarsReport):
            known = self.bars.setdefault((event.symbol, event.seconds), {})
            known.update((bar.at, bar) for bar in event.bars.bars)
        elif isinstance(event, OpeningMoveReport):
            self.moves[event.symbol, event.expiry] = event.points
        elif isinstance(event, AccountReport):
            self.accounts.append((event.at, event.account))

    def daily(self) -> dict[str, tuple[Bar, ...]]:
        """Return daily bars; where only closes were asked for, all of a bar is its close."""
        found: dict[str, dict[date, Bar]] = {}
        for symbol, closes in self.closes.items():
            found[symbol] = {each.at: each for each in self._of_sessions(closes)}
        for (symbol, seconds), bars in self.bars.items():
            if seconds == DAY:
                days = (_bar(bar, exchange_date) for bar in bars.values())
                found.setdefault(symbol, {}).update((each.at, each) for each in days if each.at < self.day)
        return {symbol: tuple(days[day] for day in sorted(days)) for symbol, days in found.items()}

    def implied(self) -> dict[str, tuple[Bar, ...]]:
        """Return the 30-day implied volatility by session."""
        return {symbol: tuple(self._of_sessions(values)) for symbol, values in self.values.items()}

    def intraday(self) -> dict[tuple[str, int], tuple[Bar, ...]]:
        """Return bars within sessions, by symbol and seconds."""
        return {
            key: tuple(_bar(bars[at], lambda at: at) for at in sorted(bars))
            for key, bars in self.bars.items()
            if key[1] != DAY
        }

    def openings(self) -> tuple[Opening, ...]:
        """Return the straddle values behind the recorded expected moves."""
        found = []
        for (symbol, expiry), points in sorted(self.moves.items()):
            for (known, trading_class), listing in sorted(self.listings.items()):
                if known == symbol and listing.strikes.get(expiry):
                    found.append(Opening(symbol, trading_class, expiry, round(points * _STRADDLE_OF_A_MOVE, 2)))
        return tuple(found)

    def _of_sessions(self, values: Sequence[float]) -> list[Bar]:
        """Return values, the last one of the session before this day, as daily bars."""
        found: list[Bar] = []
        day = self.day
        for value in reversed(values):
            day = session_before(day).date
            found.append(Bar(day, value, value, value, value, 0, value, 0))
        return found[::-1]


def _bar(bar: FactBar, when: "Callable[[datetime], date | datetime]") -> Bar:
    traded = int(bar.volume)
    prices = bar.open, bar.high, bar.low, bar.close
    return Bar(when(datetime.fromtimestamp(bar.at, UTC)), *prices, traded, bar.average, traded // _TRADE)


# --- A recorded day as a market

_NAMES = {ReplayedColumn.MODEL: "model_price"}
NAMES = tuple(_NAMES.get(each, each.name.lower()) for each in ReplayedColumn)
"""The columns of a board in the order of `Column`."""
_NOTHING = [float("nan")] * len(ReplayedColumn)
_LONGEST_WAIT = 10.0
"""Seconds within which a contract's first quote counts as valid at its request."""
BEFORE_OPEN = timedelta(minutes=1)
"""How long before the open the gateway's moves of the market begin."""


@dataclass(slots=True)
class _Story:
    """Entries so far, by contract; `step` takes what a recording has next."""

    opened: float
    data_seconds: int
    contracts: dict[Contract, int] = field(default_factory=dict)
    at: "array[float]" = field(default_factory=lambda: array("d"))
    places: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))
    halts: list[tuple[float, frozenset[str]]] = field(default_factory=list)
    latest: dict[int, float] = field(default_factory=dict)

    def add(self, at: float, contract: Contract, values: list[float]) -> None:
        """Note what a contract has from an instant on, but never before its last entry."""
        place = self.contracts.setdefault(contract, len(self.contracts))
        at = max(at, self.latest.get(place, at))
        self.latest[place] = at
        self.at.append(at)
        self.places.append(place)
        self.values.extend(values)

    def moved_before(self, at: float) -> float:
        """Return the last instant up to `at` at which the gateway moves its market."""
        return at - (at - self.opened) % self.data_seconds


class _Watcher:
    """Follows the board of one file, and passes changes to the story."""

    def __init__(self, story: _Story, board: Board) -> None:
        self._story = story
        self._board = board
        self._columns = [getattr(board, name) for name in NAMES]
        self._known: dict[Contract, int] = {}
        self._asked: dict[Contract, float] = {}
        self._version = -1
        self._frozen, self._halted = board.frozen, board.halted
        self._before = 0.0

    def see(self, step: Step) -> None:
        """Take a step; the board is as it was then."""
        at = step.at.timestamp()
        touched: set[int] = set(step.rows) if isinstance(step, QuotesMoved) else set()
        if self._board.version != self._version:
            self._lines_changed(at)
        if self._board.frozen is not self._frozen:
            touched |= {row for row in self._frozen ^ self._board.frozen if row < len(self._board.contracts)}
            self._frozen = self._board.frozen
        if self._board.halted is not self._halted:
            self._note_halts(at)
        for row in sorted(touched):
            if (contract := self._board.contracts[row]) is not None:
                self._note(at, row, contract)
        self._before = at

    def end(self) -> None:
        """Note that nothing is known after the last step."""
        for contract in self._known:
            self._story.add(self._before + self._story.data_seconds, contract, _NOTHING)

    def _lines_changed(self, at: float) -> None:
        """Note which contracts are streamed no more, and which were asked for by the turn before."""
        rows = self._board.rows
        for contract in self._known:
            if contract not in rows:
                self._story.add(at, contract, _NOTHING)
        asked = self._before if self._before else at
        self._asked = {
            each: self._asked.get(each, asked) for each in rows if each not in self._known or each in self._asked
        }
        self._known = dict(rows)
        self._version = self._board.version

    def _note(self, at: float, row: int, contract: Contract) -> None:
        if row in self._frozen:
            self._story.add(at, contract, _NOTHING)
            return
        values = [column[row] for column in self._columns]
        asked = self._asked.get(contract)
        if asked is not None and any(value == value for value in values):
            del self._asked[contract]
            if at - asked <= _LONGEST_WAIT:
                at = self._story.moved_before(asked)
        self._story.add(at, contract, values)

    def _note_halts(self, at: float) -> None:
        self._halted = self._board.halted
        halted = (self._board.contracts[row] for row in self._halted if row < len(self._board.contracts))
        self._story.halts.append((at, frozenset(each.symbol for each in halted if each is not None)))


class Recorded(NamedTuple):
    """A recorded day, and its account."""

    day: ReplayedDay
    accounts: tuple[tuple[datetime, Account], ...]


def recorded_day(files: Sequence[Path], data_seconds: int) -> ReplayedDay:
    """Return the day of these recordings as a market; see `read_day`."""
    return read_day(files, data_seconds).day


def read_day(files: Sequence[Path], data_seconds: int) -> Recorded:
    """Return the market of these recordings, which are of one day and follow each other.

    data_seconds: between two moves of the market at the gateway. Raises: StoreError when one cannot be read, is of
    another day or overlaps another, or when nothing was streamed.
    """
    day = _day(files)
    session = session_on(day)
    if session is None:
        raise StoreError(f"the exchange was closed on {day}, the day of {files[0]}")
    story = _Story((session.open - BEFORE_OPEN).timestamp(), data_seconds)
    past = PastDays(day)
    until: datetime | None = None
    for file in files:
        board = Board()
        watcher = _Watcher(story, board)
        for step in _in_order(file, board, until):
            until = step.at
            watcher.see(step)
            if isinstance(step, EventReceived):
                past.take(step.event)
        watcher.end()
    if not story.at:
        raise StoreError(f"{files[0]} has no market data: nothing was streamed", "name a recording that has some")
    return Recorded(_made(story, past), tuple(past.accounts))


def _day(files: Sequence[Path]) -> date:
    days = {str(read_head(file)["day"]) for file in files}
    if len(days) > 1:
        raise StoreError(f"these recordings have several days: {', '.join(sorted(days))}", "name one day")
    return date.fromisoformat(days.pop())


def _in_order(file: Path, board: Board, until: datetime | None) -> Iterator[Step]:
    for number, step in enumerate(play((file,), board)):
        if not number and until is not None and step.at < until:
            raise StoreError(
                f"{file} begins before the recording in front of it ends: they are from two simultaneous runs",
                "name the file of one of them",
            )
        yield step


def _made(story: _Story, past: PastDays) -> ReplayedDay:
    listings = list(past.listings.values())
    symbols = {*(each.symbol for each in listings), *past.closes, *(symbol for symbol, _ in past.bars), *past.values}
    others: list[Contract] = [Underlying(symbol) for symbol in symbols]
    others += listed_options(listings)
    known = instruments([*story.contracts, *others], reported_tick_grids(listings))
    place_of = {contract: place for place, contract in enumerate(known)}
    rows = np.array([place_of[contract] for contract in story.contracts], dtype=np.int64)
    at = np.array(story.at)
    order = np.argsort(at, kind="stable")
    return ReplayedDay(
        day=past.day,
        contracts=tuple(known.values()),
        at=at[order],
        rows=rows[np.array(story.places, dtype=np.int64)[order]],
        values=np.frombuffer(story.values).reshape(-1, len(ReplayedColumn))[order],
        classes=classes(listings, known),
        halts=tuple(story.halts),
        daily=past.daily(),
        implied=past.implied(),
        intraday=past.intraday(),
        openings=past.openings(),
    )


def streamed(day: ReplayedDay) -> tuple[int, int]:
    """Return how many underlyings and options have data on a day."""
    has_some = ~np.isnan(day.values).all(axis=1)
    quoted = [day.contracts[row] for row in np.unique(day.rows[has_some]).tolist()]
    options = sum(each.is_option for each in quoted)
    return len(quoted) - options, options
