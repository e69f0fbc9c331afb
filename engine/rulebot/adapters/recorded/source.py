"""Recordings as past sessions: what the engine streamed, as columns that any spec can be tried on.

Only what was streamed is there: some ninety contracts at a time, chosen for the bots that ran. An option that was given
up again is missing from the next instant on: a bot that looks at full instants finds its strikes a moment later than
the one that ran, and by what that one had seen on its way. Of what several runs recorded of a day, each instant is that
of the last run to begin (`columns.py` says which of them count).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from math import ceil, nan
from pathlib import Path
from typing import Any

import numpy as np

from rulebot.adapters.history.daily import split_of
from rulebot.adapters.history.session import (
    Columns,
    DailyBar,
    Finding,
    HistoryDay,
    ReportedBars,
    finding_text,
    missing_sessions,
)
from rulebot.adapters.recorded.columns import SessionCount, StreamedColumns, counting
from rulebot.adapters.recorded.file import SUFFIX, day_of, file_at, named_day, read_head
from rulebot.adapters.recorded.recording import EventReceived, QuotesMoved, RecordsWritten, Step, play
from rulebot.model.contract import Contract, Settlement, Underlying, product
from rulebot.model.errors import StoreError
from rulebot.model.event import (
    BarsReport,
    ClockSkew,
    ClosesReport,
    Disconnected,
    HoursReport,
    ImpliedReport,
    ListingReport,
    OpeningMoveReport,
)
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.market import Board
from rulebot.model.session import CalendarError, exchange_date, session_before, session_on
from rulebot.model.text import clock
from rulebot.model.values import dataclass
from rulebot.record.codec import CodecError, record_of
from rulebot.record.record import OPENING_MOVE, Kind

DAY = 86_400
EVERY = 5.0
"""Seconds of which one instant is kept, the last one; what came on the full five seconds belongs to those before it."""
LONGEST = 60.0
"""Seconds without market data that are told."""
AUCTION = 30.0
"""Seconds after the close by which the closing auction of shares has been printed."""
SETTLES = 300.0
"""Seconds after the close by which an index has printed it: that print comes when all of its members have theirs."""


@dataclass(frozen=True, slots=True)
class RecordedFacts:
    """What the broker told of the past on a day: daily bars, bare closes, the last one of them, and volatilities.

    last: at what each underlying stood last on that day itself.
    """

    bars: Mapping[str, tuple[DailyBar, ...]]
    closes: Mapping[str, tuple[float, ...]]
    implied: Mapping[str, tuple[float, ...]]
    previous: Mapping[str, float]
    last: Mapping[str, float]


_NOTHING = RecordedFacts({}, {}, {}, {}, {})


class RecordingSource:
    """A Source of the recordings of a folder, of one file, or of several of one day, the first run's in front."""

    def __init__(self, path: Path, *more: Path) -> None:
        self._path = path
        self._files: dict[date, list[Path]] = {}
        if path.is_file():
            self._files[day_of(path)] = [path, *more]
        for file in sorted(path.rglob(f"*{SUFFIX}"), key=lambda each: (each.parent.name, each)):
            if (day := named_day(file)) is not None:
                self._files.setdefault(day, []).append(file)
        self._counting: dict[date, SessionCount] = {}
        self._facts: dict[date, RecordedFacts] = {}

    @property
    def name(self) -> str:
        return f"recordings in {self._path}"

    @property
    def is_modelled(self) -> bool:
        """What was quoted is no model."""
        return False

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions of which something is recorded."""
        return [day for day in sorted(self._files) if first <= day <= last and session_on(day) is not None]

    def files(self, day: date) -> Sequence[Path]:
        """Return the files of a day that count, those of the run that began first in front. Raises: StoreError."""
        return self._count(day).files

    def _count(self, day: date) -> SessionCount:
        if day not in self._counting:
            self._counting[day] = counting(self._files.get(day, ()), session_on(day))
        return self._counting[day]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return which sessions between recorded ones are missing."""
        sessions = [day for day in self._files if session_on(day) is not None]
        return list(missing_sessions(str(self._path), sessions, first, last))

    def day(self, day: date) -> HistoryDay:
        """Return one session. Raises: StoreError when nothing is recorded of it, or a file is damaged."""
        if day not in self._files:
            raise StoreError(f"nothing is recorded of {day} in {self._path}")
        session = session_on(day)
        if session is None:
            raise StoreError(f"{day} is no session")
        files, overlaps = self._count(day)
        tape = _Tape()
        for file in files:
            tape.read(file, session.close.timestamp())
        found = tape.day(day)
        self._facts[day] = tape.facts(found.levels)
        holes = _holes(files, found.times, session.open.timestamp(), session.close.timestamp(), tape.lost)
        return replace(found, ran=_ran(files), findings=(*overlaps, *tape.findings, *holes))

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return finished sessions before a day as the broker told them on it; bare closes are bars of one price.

        Of a day without a recording it is what he told on the next that has one: on Monday what Friday closed at.
        """
        reported_on = self._next_recorded(before)
        facts = self._facts_of(reported_on)
        bars = list(facts.bars.get(symbol, ()))
        closes = facts.closes.get(symbol, ())
        if not closes and symbol in facts.previous:
            closes = (facts.previous[symbol],)
        known = min((bar.date for bar in bars), default=reported_on)
        older = [(each, close) for each, close in _dated(closes, reported_on) if each < known]
        bars = [*(DailyBar(each, close, close, close, close) for each, close in older), *bars]
        return [bar for bar in bars if bar.date < before][-count:] if count else []

    def reported_of(self, day: date) -> Set[str]:
        """Return the underlyings of whose past the broker told on a day, streamed or not, as those of `breadth`."""
        facts = self._facts_of(day)
        return facts.bars.keys() | facts.closes.keys()

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return volatilities of sessions before a day as the broker told them on it."""
        return self._facts_of(before).implied.get(symbol, ())[-count:] if count else ()

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say whether the last levels of two recorded days on end are apart as by a split.

        What a broker told of days before is of the shares as they were then: it has split them as well. The first of
        these days is the last one that has a level at or before `since`, which may not be recorded.
        """
        last: list[float] = []
        for day in sorted((day for day in self._files if day <= until), reverse=True):
            if (level := self._facts_of(day).last.get(symbol)) is not None:
                last.append(level)
                if day <= since:
                    break
        return any(split_of(before, after) is not None for after, before in pairwise(last))

    def _next_recorded(self, day: date) -> date:
        """Return the first day from this one on of which there is a recording that can be read; else the day."""
        later = sorted(each for each in self._files if each >= day)
        return next((each for each in later if self._facts_of(each) is not _NOTHING), day)

    def _facts_of(self, day: date) -> RecordedFacts:
        if day not in self._facts and day in self._files:
            with suppress(StoreError):
                self.day(day)
        return self._facts.get(day, _NOTHING)


def _ran(files: Iterable[Path]) -> frozenset[str] | None:
    """Return the bots of recordings, None where one does not say which."""
    named = [read_head(file).get("specs") for file in files]
    return None if None in named else frozenset(name for names in named for name in names or ())


class _Tape:
    """What files of one day hold."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.is_time_known = True
        self.streamed = StreamedColumns()
        self.bars: dict[str, tuple[DailyBar, ...]] = {}
        self.closes: dict[str, tuple[float, ...]] = {}
        self.implied: dict[str, tuple[float, ...]] = {}
        self.reported: dict[tuple[str, int], list[tuple[float, Bars]]] = {}
        self.listings: dict[tuple[str, str], Listing] = {}
        self.moves: list[OpeningMoveReport] = []
        self.lost: list[tuple[float, str]] = []
        self.halts: list[tuple[float, frozenset[Contract]]] = []
        self.hours: list[HoursReport] = []
        self.prints: dict[str, tuple[float, float]] = {}
        self._same: dict[Bar, Bar] = {}

    def read(self, file: Path, close: float) -> None:
        """Take a file; what an earlier one says of the time from its beginning on is left out.

        What is told after the close is of the next session, whose run may have begun then: its closes end a day later.
        """
        self.moves += _recalled(file)
        board, streamed = Board(), self.streamed
        at, version, frozen = nan, -1, set[int]()
        streamed.begin()
        steps = play((file,), board)
        for step in steps:
            if isinstance(step, RecordsWritten):
                self.moves += _measured(step)
            if isinstance(step, EventReceived) and step.at.timestamp() <= close:
                self._take(step)
                self._report_clocks(step, file)
            if not isinstance(step, QuotesMoved):
                continue
            stamp = step.at.timestamp()
            if at != at:
                self._cut(stamp)
            elif stamp < at:
                text = f"the clock went back from {_clock(at)} to {_clock(stamp)}: what was recorded from then on"
                self.findings.append(
                    finding_text(str(file), 0, f"{text} counts, in place of what was there for these times")
                )
                self._cut(stamp)
            elif ceil(stamp / EVERY) > ceil(at / EVERY):
                streamed.keep(at)
            if stamp > close:
                self._read_close(steps, step, board, close)
                return
            if board.version != version:
                version = board.version
                streamed.follow(board)
                if not stamp - at <= EVERY:  # when it was given up nobody knows
                    streamed.miss()
            streamed.write(board, {*step.rows, *(board.frozen ^ frozen)})
            at, frozen = stamp, set(board.frozen)
            streamed.look(board, stamp)
            self._note_halts(board, stamp)
        if at == at:
            streamed.keep(at)

    def _read_close(self, steps: Iterator[Step], step: Step | None, board: Board, close: float) -> None:
        """Take the prints of the close from this step on."""
        while step is not None and (stamp := step.at.timestamp()) <= close + SETTLES:
            for contract, row in board.rows.items() if isinstance(step, QuotesMoved) else ():
                if isinstance(contract, Underlying) and _is_close(board, row, contract.symbol, close):
                    self.prints[contract.symbol] = stamp, board.last[row]
            step = next(steps, None)

    def _report_clocks(self, step: EventReceived, file: Path) -> None:
        """Tell when the engine did not know the broker's time, or knew it again: its times are its own clock's then."""
        if not isinstance(step.event, ClockSkew) or step.event.is_known is self.is_time_known:
            return
        self.is_time_known = step.event.is_known
        text = (
            "reported its time again" if self.is_time_known else "did not report its time: times are this engine's own"
        )
        self.findings.append(finding_text(str(file), 0, f"at {_clock(step.at.timestamp())} the broker {text}"))

    def _cut(self, at: float) -> None:
        """Forget what was said of the time from `at` on: by another file, or by a clock that has been set back."""
        self.streamed.cut(at)
        self.reported = {
            each: [known for known in reported if known[0] < at] for each, reported in self.reported.items()
        }
        self.halts = [each for each in self.halts if each[0] < at]
        self.hours = [each for each in self.hours if each.at.timestamp() < at]
        self.prints = {symbol: each for symbol, each in self.prints.items() if each[0] < at}

    def _note_halts(self, board: Board, at: float) -> None:
        """Note in which contracts trading is halted from this instant on, where that has changed."""
        halted = frozenset(contract for row in board.halted if (contract := board.contracts[row]) is not None)
        if halted != (self.halts[-1][1] if self.halts else frozenset()):
            self.halts.append((at, halted))

    def _take(self, step: EventReceived) -> None:
        event = step.event
        if isinstance(event, Disconnected):
            self.lost.append((step.at.timestamp(), event.reason))
        elif isinstance(event, BarsReport) and event.seconds == DAY:
            self.bars[event.symbol] = tuple(
                DailyBar(exchange_date(_instant(bar.at)), bar.open, bar.high, bar.low, bar.close)
                for bar in event.bars.bars
            )
        elif isinstance(event, BarsReport):
            bars = tuple(self._same.setdefault(bar, bar) for bar in event.bars.bars)
            reported = self.reported.setdefault((event.symbol, event.seconds), [])
            reported.append((step.at.timestamp(), Bars(event.bars.known_until, bars)))
        elif isinstance(event, ClosesReport):
            self.closes[event.symbol] = event.closes
        elif isinstance(event, ImpliedReport):
            self.implied[event.symbol] = event.values
        elif isinstance(event, HoursReport):
            self.hours.append(replace(event, at=step.at))
        elif isinstance(event, ListingReport):
            listing = event.listing
            key = listing.symbol, listing.trading_class
            known = self.listings[key].strikes if key in self.listings else {}
            self.listings[key] = replace(listing, strikes={**known, **listing.strikes})

    def day(self, day: date) -> HistoryDay:
        """Return everything as columns, which are handed over: once."""
        streamed = self.streamed
        columns: Any = streamed.columns()
        levels, beside = streamed.levels()
        bars: dict[tuple[str, int], ReportedBars] = {
            each: tuple(reported) for each, reported in sorted(self.reported.items()) if reported
        }
        return HistoryDay(
            date=day,
            times=np.array(streamed.times),
            levels=levels,
            reported=beside,
            options=tuple(streamed.options),
            bars=bars,
            listings=self.listings,
            moves=tuple(sorted(dict.fromkeys(self.moves), key=lambda each: each.at)),
            halts=tuple(self.halts),
            hours=tuple(sorted(self.hours, key=lambda each: each.at)),
            settled=self._settled(),
            **columns,
        )

    def _settled(self) -> dict[tuple[str, str], float]:
        """Return at what the options settle whose underlying printed its close."""
        found = ((product(symbol), level) for symbol, (_, level) in sorted(self.prints.items()))
        return {(of.symbol, of.same_day_class): level for of, level in found}

    def facts(self, levels: Mapping[str, Columns]) -> RecordedFacts:
        """Return what was told of the past. levels: those of the day."""
        known = {symbol: column[(column > 0) & np.isfinite(column)] for symbol, column in levels.items()}
        last = {symbol: float(column[-1]) for symbol, column in known.items() if len(column)}
        return RecordedFacts(self.bars, self.closes, self.implied, self.streamed.previous, last)


def _is_close(board: Board, row: int, symbol: str, close: float) -> bool:
    """Say whether what an underlying printed last is its close: of shares, which trade on, that of the auction."""
    within = SETTLES if product(symbol).settlement is Settlement.PM_CASH else AUCTION
    return close < board.last_at[row] <= close + within and board.last[row] > 0.0 and row not in board.frozen


def _recalled(file: Path) -> list[OpeningMoveReport]:
    """Return the expected moves of the open that a run took over from its store when it began, those of its day."""
    lines = tuple(map(str, read_head(file).get("records", ())))
    return [each for each in _measured(RecordsWritten(_instant(0.0), lines)) if exchange_date(each.at) == day_of(file)]


def _measured(step: RecordsWritten) -> Iterator[OpeningMoveReport]:
    """Yield the expected moves of the open that the engine measured or was told then. Raises: StoreError."""
    for line in step.lines:
        if f'"{OPENING_MOVE}"' in line:
            try:
                record = record_of(line)
                reported = record.data
                if record.kind is Kind.FACTS and reported.get("what") == OPENING_MOVE:
                    expiry = date.fromisoformat(str(reported["expiry"]))
                    yield OpeningMoveReport(record.at, str(reported["symbol"]), expiry, float(str(reported["value"])))
            except (CodecError, LookupError, ValueError) as error:
                raise StoreError(f"a recorded expected move cannot be read: {error}") from error


def _dated(closes: Sequence[float], before: date) -> list[tuple[date, float]]:
    """Return closes with their sessions: the last one is of the session before the day."""
    found: list[tuple[date, float]] = []
    day = before
    for close in reversed(closes):
        try:
            day = session_before(day).date
        except CalendarError:
            break
        found.insert(0, (day, close))
    return found


def _holes(
    files: Sequence[Path], times: Columns, opened: float, closed: float, lost: Sequence[tuple[float, str]]
) -> tuple[Finding, ...]:
    """Return which parts of the session of more than a minute nothing is recorded of, and why where that was told.

    lost: when the connection was given up (epoch seconds), and why: so is it where the clock has jumped.
    """
    inside = times[(times >= opened) & (times <= closed)]
    edges = np.concatenate(([opened], inside, [closed]))
    gaps = [(start, end) for start, end in pairwise(edges) if end - start > LONGEST]
    return tuple(_hole(file_at(files, _instant(start)), start, end, _because(lost, start, end)) for start, end in gaps)


def _hole(file: Path, start: float, end: float, because: str) -> Finding:
    return finding_text(str(file), 0, f"nothing is recorded from {_clock(start)} to {_clock(end)}{because}")


def _because(lost: Sequence[tuple[float, str]], start: float, end: float) -> str:
    """Return why the connection was given up in a hole, "" where it was not."""
    reasons = [reason for at, reason in lost if start <= at <= end]
    return f": {reasons[0]}" if reasons else ""


def _instant(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _clock(at: float) -> str:
    """Return New York clock time, as everything that people read."""
    return clock(_instant(at))
