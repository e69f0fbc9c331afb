"""A recording's replies besides market data: each order with its changes, and slow facts."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rulebot.adapters.history.session import Places
from rulebot.adapters.recorded.file import instant, span
from rulebot.adapters.recorded.recording import EventReceived, RecordsWritten, RequestsExchanged, play_reported
from rulebot.core.state.state import NEVER
from rulebot.model.errors import StoreError
from rulebot.model.event import (
    BarsReport,
    ClosesReport,
    DividendReport,
    Event,
    ExecutionReport,
    HoursReport,
    ImpliedReport,
    ListingReport,
    MarginReport,
    OpeningMoveReport,
)
from rulebot.model.market import COLUMNS, Board
from rulebot.model.order import Order, OrderStatus, OrderTerms
from rulebot.model.position import CLOSED_ELSEWHERE
from rulebot.record.codec import CodecError, decode, record_of
from rulebot.record.record import Kind

LATE = timedelta(seconds=1)
"""Events no further apart than this happened at the same moment."""
_ORDER = f'"kind":"{Kind.ORDER.value}"'
_CLOSED_ELSEWHERE = tuple(f'"exit_reason":"{each}"' for each in sorted(CLOSED_ELSEWHERE))

Fact = tuple[Any, ...]

_FACTS: dict[type[Event], Callable[[Any], Fact]] = {
    ListingReport: lambda event: (event.listing.symbol, event.listing.trading_class),
    ClosesReport: lambda event: (event.symbol,),
    BarsReport: lambda event: (event.symbol, event.seconds),
    ImpliedReport: lambda event: (event.symbol,),
    OpeningMoveReport: lambda event: (event.symbol, event.expiry),
    DividendReport: lambda event: (event.symbol,),
    HoursReport: lambda event: (event.symbol,),
}


def fact_of(event: Event) -> Fact | None:
    """Return which slow fact an event carries, None for any other event."""
    reported = _FACTS.get(type(event))
    return None if reported is None else (type(event), *reported(event))


class RecordedChange(NamedTuple):
    """What was asked of an order that worked: other terms, or None, to end it."""

    at: datetime
    terms: OrderTerms | None


@dataclass
class ReplyScript:
    """An order of the recording as it was first sent, and what was changed of it, in order."""

    order: Order
    changes: list[RecordedChange] = field(default_factory=list)
    last: Order = field(init=False)

    def __post_init__(self) -> None:
        self.last = self.order

    def take(self, order: Order, at: datetime) -> None:
        """Take the next that is recorded of it."""
        if order.terms != self.last.terms:
            self.changes.append(RecordedChange(at, order.terms))
        if order.status is OrderStatus.CANCELLING and self.last.status is not OrderStatus.CANCELLING:
            self.changes.append(RecordedChange(at, None))
        self.last = order

    def is_of(self, order: Order, at: datetime) -> bool:
        """Say whether this is the order that is sent now."""
        sent = self.order.sent_at
        return sent is not None and abs(sent - at) <= LATE and _same(self.order) == _same(order)


def _same(order: Order) -> tuple[Any, ...]:
    legs = tuple((leg.option, leg.side, leg.ratio) for leg in order.legs)
    about = order.bot, order.purpose, order.kind, order.time_in_force, order.adaptive
    return (*about, legs, order.side, order.terms)


@dataclass
class RecordedReply:
    """scripts: the orders, by ref. facts: those of `fact_of` that came on this day. margins: answers, in order.
    executions: of single contracts, in order. past_us: positions that others closed on this day: whose it was, and
    when that was noted.
    """

    scripts: dict[str, ReplyScript] = field(default_factory=dict)
    facts: frozenset[Fact] = frozenset()
    margins: list[MarginReport] = field(default_factory=list)
    executions: list[ExecutionReport] = field(default_factory=list)
    closed_elsewhere: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def read(self, files: Sequence[Path]) -> None:
        """Take the recordings of another day; orders of earlier ones may live on. Raises: StoreError."""
        facts: set[Fact] = set()
        self.margins, self.executions, self.closed_elsewhere = [], [], {}
        for step in _until_the_next(files):
            if isinstance(step, RecordsWritten):
                for line in step.lines:
                    if _ORDER in line:
                        self._take(line)
                    elif any(reason in line for reason in _CLOSED_ELSEWHERE):
                        self._note_closed_elsewhere(line)
            elif isinstance(step, RequestsExchanged):
                continue
            elif isinstance(step.event, MarginReport):
                self.margins.append(step.event)
            elif isinstance(step.event, ExecutionReport):
                self.executions += () if step.event.is_combo else (step.event,)
            elif (fact := fact_of(step.event)) is not None:
                facts.add(fact)
        self.facts = frozenset(facts)

    def keep(self, refs: Iterable[str]) -> None:
        """Forget all orders but these."""
        self.scripts = {ref: self.scripts[ref] for ref in refs}

    def _note_closed_elsewhere(self, line: str) -> None:
        try:
            record = record_of(line)
        except CodecError as error:
            raise StoreError(f"a recorded position cannot be read: {error}") from error
        self.closed_elsewhere.setdefault(record.position, (record.bot, record.at))

    def _take(self, line: str) -> None:
        try:
            record = record_of(line)
            order = decode(Order, dict(record.data))
        except CodecError as error:
            raise StoreError(f"a recorded order cannot be read: {error}") from error
        known = self.scripts.get(order.ref)
        if known is not None:
            known.take(order, record.at)
        elif order.sent_at is not None:
            self.scripts[order.ref] = ReplyScript(order)


def cuts(files: Sequence[Path]) -> Iterator[tuple[Path, datetime]]:
    """Yield the files, each with the instant from which on another one counts."""
    known = [file for file in files if span(file)[3]]
    for place, file in enumerate(known):
        after = known[place + 1 : place + 2]
        yield file, min((instant(span(each)[0]) for each in after), default=NEVER)


def _until_the_next(files: Sequence[Path]) -> Iterator[EventReceived | RequestsExchanged | RecordsWritten]:
    """Yield each file's events until another file counts."""
    for file, until in cuts(files):
        for step in play_reported((file,)):
            if step.at >= until:
                break
            yield step


# --- The board of a recording, whose values the engine's board shows for its own subscriptions


class BoardMirror:
    """`board` is the engine's, `recorded` the one that the recording is played on."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.recorded = Board()
        self._versions = (-1, -1)
        self._ours: dict[int, int] = {}

    @property
    def is_behind(self) -> bool:
        """Say whether the engine has begun to stream what the recording streams already."""
        if self._versions == (self.recorded.version, self.board.version):
            return False
        shown = set(self._ours.values())
        return any(row not in shown and each in self.recorded.rows for each, row in self.board.rows.items())

    def show(self, rows: Iterable[int]) -> set[int]:
        """Copy these rows of the recording; return the engine's rows that have other values now."""
        if self._versions != (self.recorded.version, self.board.version):
            self._follow()
            rows = tuple(self._ours)
        self.board.alive_at = self.recorded.alive_at
        self.board.frozen = self.ours(self.recorded.frozen)
        self.board.halted = self.ours(self.recorded.halted)
        theirs = [row for row in rows if row in self._ours]
        return self._copied(np.array(theirs)) if theirs else set()

    def ours(self, rows: Iterable[int]) -> set[int]:
        """Return the engine's rows of these rows of the recording, as far as it streams them."""
        return {self._ours[row] for row in rows if row in self._ours}

    def _copied(self, theirs: Places) -> set[int]:
        ours = np.array([self._ours[row] for row in theirs.tolist()])
        moved = np.zeros(len(theirs), dtype=np.bool_)
        for name in COLUMNS:
            values = np.frombuffer(getattr(self.recorded, name))[theirs]
            column = np.frombuffer(getattr(self.board, name))
            moved |= values.view(np.int64) != column[ours].view(np.int64)
            column[ours] = values
        return set(ours[moved].tolist())

    def _follow(self) -> None:
        """Match rows again; what the recording does not stream has no values."""
        rows = self.board.rows
        self._ours = {row: rows[each] for each, row in self.recorded.rows.items() if each in rows}
        self._versions = (self.recorded.version, self.board.version)
        unknown = sorted(set(rows.values()) - set(self._ours.values()))
        for name in COLUMNS if unknown else ():
            np.frombuffer(getattr(self.board, name))[unknown] = np.nan
