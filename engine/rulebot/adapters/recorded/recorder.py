"""Records what enters the turns: market data, events and what was decided, frame by frame, beside the loop.

The loop's thread only copies what will have changed by the time it is written; a thread of the recorder packs and
writes. What is not yet written when the process dies, at most some seconds, is lost to the recording and not to the
journal. A day that is over is laid out smaller by a thread of its own: that takes minutes, and frames of the next day
must not wait for it, nor the loop for them.
"""

import json
import time
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from datetime import date, datetime, timedelta
from datetime import time as clock
from math import isnan, nan
from pathlib import Path
from threading import Event as Flag
from typing import Any, NamedTuple

import numpy as np

from rulebot.adapters.recorded.columns import Floats, Ints, NumberColumns, carried_forward, pack, unpack
from rulebot.adapters.recorded.file import SUFFIX, Frame, RecordingWriter, micros, read_frames, read_head, span
from rulebot.adapters.recorded.recording import stamps_of
from rulebot.model.contract import Contract
from rulebot.model.errors import StoreError, as_store_error
from rulebot.model.event import Event, MarketDataUpdated
from rulebot.model.market import COLUMNS, Board
from rulebot.model.session import at_exchange_time, exchange_date
from rulebot.record.codec import CodecError, encode, line
from rulebot.record.record import Json, Record

# --- A finished file of many small frames as one of few large ones

ENTRIES = 40_000
ITEMS = 20_000
SMALL = 4_000
"""Entries a frame has on average below which a file of several frames is worth the work."""


def repack(file: Path, is_over: Callable[[], bool] = lambda: False) -> None:
    """Lay a file out anew if that is worth it; it is replaced at once, or left as it is. Raises: StoreError.

    It takes some ten seconds for a million entries. is_over: whether to give it up.
    """
    _, _, entries, frames = span(file)
    if frames < 2 or entries > SMALL * frames:
        return
    head = {name: value for name, value in read_head(file).items() if name != "format"}
    fresh = file.with_name(f"{file.name}.new")
    with as_store_error(f"the recording {file} cannot be compacted"):
        fresh.unlink(missing_ok=True)
        if _write(file, head, fresh, is_over):
            fresh.replace(file)
        else:
            fresh.unlink()


def _write(file: Path, head: Mapping[str, Json], fresh: Path, is_over: Callable[[], bool]) -> bool:
    """Write what a file has into another one; say whether it is whole."""
    writer = RecordingWriter(fresh, head)
    last = np.full((0, len(COLUMNS)), np.nan)
    for items, numbers in _groups(file):
        if is_over():
            writer.close()
            return False
        last = grown(last, numbers.rows)
        body = pack(numbers, last, 9)
        ops = zlib.compress(json.dumps(items, separators=(",", ":"), allow_nan=False).encode(), 9)
        writer.add(Frame(items[0][1], items[-1][1], len(numbers.rows), ops, body))
    writer.close()
    return True


def grown(last: Floats, rows: Ints) -> Floats:
    """Return the last values of each row with room for these rows; new ones are nan."""
    needed = int(rows.max()) + 1 if len(rows) else 0
    if needed <= len(last):
        return last
    return np.vstack((last, np.full((needed - len(last), len(COLUMNS)), np.nan)))


def _groups(file: Path) -> Iterator[tuple[list[Any], NumberColumns]]:
    """Yield the contents of several frames together."""
    items: list[Any] = []
    parts: list[NumberColumns] = []
    last = np.full((0, len(COLUMNS)), np.nan)
    for frame in read_frames(file):
        found = frame.items()
        at = stamps_of(found)
        rows, changed, values = unpack(frame.numbers, at)
        last = grown(last, rows)
        parts.append(NumberColumns(rows, at, carried_forward(rows, changed, values, last)))
        items += found
        if len(items) >= ITEMS or sum(len(part.rows) for part in parts) >= ENTRIES:
            yield items, _joined(parts)
            items, parts = [], []
    if items:
        yield items, _joined(parts)


def _joined(parts: list[NumberColumns]) -> NumberColumns:
    rows, at, values = zip(*parts, strict=True)
    return NumberColumns(np.concatenate(rows), np.concatenate(at), np.concatenate(values))


# --- Records what enters the turns

FRAME_ENTRIES = 10_000
FRAME_ITEMS = 5_000
FRAME_SECONDS = 5.0
"""When a frame is written, whichever comes first; seconds are real ones."""
WAITING = 8
"""Frames that may wait for the disk; then the loop waits too."""
FEW = 12
"""Rows that are quicker copied one by one than as columns."""


class _Item(NamedTuple):
    """Something that happened; `kind` is the letter of `docs/recordings.md`."""

    kind: str
    at: int
    what: Any


class Recorder:
    """The Tape port on files of `folder`, one for each day at the exchange.

    head: what a replay of the first file begins with. told: is given one sentence, in the loop's thread, when the
    recording had to stop; the engine goes on. stands: returns what a replay of a later file begins with, asked at an
    instant before its first turn; it may raise CodecError, and that file is replayed from an earlier one on.
    first: the recorder of another engine on the same board, which takes each instant before this one.
    """

    def __init__(
        self,
        folder: Path,
        head: Mapping[str, Json],
        board: Board,
        reported: Callable[[str], None],
        stands: Callable[[datetime], Mapping[str, Json]] = lambda _: {},
        first: "Recorder | None" = None,
    ) -> None:
        self.folder = folder
        self._head = head
        self._stands = stands
        self._board = board
        self._reported = reported
        self._first = first
        self._later: list[Recorder] = []
        self._taken_before: set[int] = set()
        if first is not None:
            first._later.append(self)
        self._columns: list[array[float]] = [getattr(board, name) for name in COLUMNS]
        self._items: list[_Item] = []
        self._rows: array[int] = array("q")
        self._at = array("d")
        self._values: list[Any] = []
        self._contracts: list[Contract | None] = []
        self._version = -1
        self._marked: tuple[frozenset[int], frozenset[int]] | None = None
        self._alive = 0.0
        self._written_at = time.monotonic()
        self._day: date | None = None
        self._rolls_at: datetime | None = None
        self._writer: RecordingWriter | None = None
        self._last: Floats = np.full((0, len(COLUMNS)), np.nan)
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._waiting: deque[Future[None]] = deque()
        self._layer = ThreadPoolExecutor(1, "recorder-layer")
        self._laying: deque[Future[None]] = deque()
        self._gives_up = Flag()
        self._is_ended = False
        self.is_on = True

    # ------------------------------------------------------------ what the loop tells

    def begins(self, at: datetime, records: Sequence[Record]) -> None:
        self._take(at, _Item("n", micros(at), None), records)

    def took(self, event: Event, records: Sequence[Record], *, changed: bool) -> None:
        if not self.is_on:
            return
        if type(event) is not MarketDataUpdated:
            self._take(event.at, _Item("e", micros(event.at), event), records)
        elif changed or records:
            self._take(event.at, _Item("m", micros(event.at), event.rows), records)
        elif event.rows or self._board.unread or self._taken_before:
            self._take(event.at, None, ())

    def exchanged(self, at: datetime, data: Mapping[str, Json], records: Sequence[Record]) -> None:
        self._take(at, _Item("x", micros(at), data), records)

    def wait(self) -> None:
        """Wait until all frames that are full have been written."""
        self._look(wait=True)

    def stop(self) -> None:
        """Record nothing more: the disk is full. What was written stays."""
        if not self.is_on:
            return
        self._items, self._rows, self._at, self._values = [], array("q"), array("d"), []
        self.is_on = False
        self._reported("nothing more is recorded: the disk is full")

    def end(self) -> None:
        """Write what is left, and close the file; it is laid out beside."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._items and self.is_on:
            self._flush()
        self._waiting.append(self._thread.submit(self._finish))
        self._thread.shutdown(wait=True)
        self._look(wait=True)
        self.is_on = False

    @property
    def is_kept(self) -> bool:
        """True once every file that is closed is laid out, or stays as it is."""
        return all(each.done() for each in self._laying)

    def close(self, patience: float | None = None) -> None:
        """End; what is not laid out within so many seconds stays as it was written. None: however long it takes."""
        self.end()
        wait_for(self._laying, patience)
        self._gives_up.set()
        self._layer.shutdown(wait=True)
        self._report_unlaid()

    # ------------------------------------------------------------ copying

    def _take(self, at: datetime, item: _Item | None, records: Sequence[Record]) -> None:
        if not self.is_on:
            return
        if self._rolls_at is None or at >= self._rolls_at:
            self._roll(at)
        self._copy_board(at)
        if item is not None:
            self._items.append(item)
        if records:
            self._items.append(_Item("r", micros(at), tuple(records)))
        entries = len(self._rows)
        if entries >= FRAME_ENTRIES or len(self._items) >= FRAME_ITEMS or self._is_late():
            self._flush()

    def _is_late(self) -> bool:
        return time.monotonic() - self._written_at >= FRAME_SECONDS

    def _copy_board(self, at: datetime) -> None:
        """Note what has changed on the board since the last time."""
        board, when = self._board, micros(at)
        rows = board.unread.union(self._taken_before, *board.unsettled)
        self._taken_before.clear()
        if board.version != self._version:
            self._note_contracts(when)
            rows = {row for row, contract in enumerate(board.contracts) if contract is not None}
        marked = frozenset(board.frozen), frozenset(board.halted)
        if marked != self._marked:
            self._marked = marked
            self._items.append(_Item("f", when, marked))
        alive = board.alive_at
        if not rows and (alive == self._alive or isnan(alive)):
            return
        self._alive = alive
        known = sorted(rows)
        self._copy_rows(known, at.timestamp())
        self._items.append(_Item("s", when, (len(known), alive)))
        for other in self._later:
            other._taken_before |= rows
        if self._first is None or not self._first.is_on:
            board.unread.clear()

    def _copy_rows(self, rows: list[int], at: float) -> None:
        self._rows.extend(rows)
        self._at.extend([at] * len(rows))
        if len(rows) > FEW:
            block = np.empty((len(COLUMNS), len(rows)))
            places = np.array(rows)
            for place, column in enumerate(self._columns):
                np.frombuffer(column).take(places, out=block[place], mode="clip")
            self._values.append(block)
            return
        self._values.append([[column[row] for row in rows] for column in self._columns])

    def _note_contracts(self, when: int) -> None:
        """Note which rows hold another contract, or one that was given up and asked for again."""
        board = self._board
        contracts = board.contracts
        known = self._contracts
        changed = {
            row: contract for row, contract in enumerate(contracts) if row >= len(known) or known[row] is not contract
        }
        self._contracts, self._version = list(contracts), board.version
        self._items.append(_Item("b", when, (board.version, changed)))

    # ------------------------------------------------------------ writing

    def _roll(self, at: datetime) -> None:
        """Begin the file of another day: all that is on the board is told in it anew, and where the engine stands."""
        if self._items:
            self._flush()
        before, day = self._day, exchange_date(at)
        head: dict[str, Json] = {"day": day.isoformat(), "before": None}
        head |= self._head if before is None else {"before": f"{before.isoformat()}{SUFFIX}", **self._standing(at)}
        file = self.folder / f"{day.isoformat()}{SUFFIX}"
        self._submit(lambda: self._open(file, head))
        self._day, self._rolls_at = day, at_exchange_time(day + timedelta(days=1), clock())
        self._contracts, self._version, self._marked, self._alive = [], -1, None, nan

    def _standing(self, at: datetime) -> Mapping[str, Json]:
        try:
            return self._stands(at)
        except CodecError:
            return {}

    def _open(self, file: Path, head: Mapping[str, Json]) -> None:
        self._finish()
        self._writer = RecordingWriter(file, head)
        self._last = np.full((0, len(COLUMNS)), np.nan)

    def _finish(self) -> None:
        """Close the file that is written, and have it laid out smaller."""
        writer, self._writer = self._writer, None
        if writer is not None and writer.close():
            self._laying.append(self._layer.submit(repack, writer.file, self._gives_up.is_set))

    def _report_unlaid(self) -> None:
        while self._laying and self._laying[0].done():
            if (problem := self._laying.popleft().exception()) is not None:
                self._reported(f"a recording stays larger than it could be: {problem}")

    def _flush(self) -> None:
        items, rows, at, values = self._items, self._rows, self._at, self._values
        self._items, self._rows, self._at, self._values = [], array("q"), array("d"), []
        self._written_at = time.monotonic()
        self._submit(lambda: self._write(items, rows, at, values))

    def _submit(self, work: Callable[[], None]) -> None:
        self._look()
        if len(self._waiting) >= WAITING:
            self._look(wait=True)
        if self.is_on:
            self._waiting.append(self._thread.submit(work))

    def _look(self, *, wait: bool = False) -> None:
        """See what has been written; stop, and tell it, when something could not be."""
        self._report_unlaid()
        while self._waiting and (wait or self._waiting[0].done()):
            try:
                self._waiting.popleft().result()
            except (StoreError, CodecError) as error:
                if self.is_on:
                    self.is_on = False
                    self._reported(f"nothing more is recorded: {error}")

    def _write(self, items: list[_Item], rows: "array[int]", at: "array[float]", values: list[Any]) -> None:
        if self._writer is None:  # it could not be opened, which is told by who tried
            return
        numbers = NumberColumns(
            np.array(rows, dtype=np.int64), np.array(at), np.hstack(values).T if values else np.empty((0, len(COLUMNS)))
        )
        self._last = grown(self._last, numbers.rows)
        body = pack(numbers, self._last, 1)
        reported = json.dumps([_reported(item) for item in items], separators=(",", ":"), allow_nan=False)
        self._writer.add(Frame(items[0].at, items[-1].at, len(rows), zlib.compress(reported.encode(), 6), body))


def _reported(item: _Item) -> list[Json]:
    """Return an item as JSON."""
    kind, at, what = item
    if kind == "e":
        return [kind, at, type(what).__name__, encode(what)]
    if kind == "r":
        return [kind, at, [line(record) for record in what]]
    if kind == "m":
        return [kind, at, list(what)]
    if kind == "s":
        count, alive = what
        return [kind, at, count, alive if alive == alive else None]
    if kind == "f":
        return [kind, at, sorted(what[0]), sorted(what[1])]
    if kind == "b":
        version, changed = what
        named = [[row, None if contract is None else _contract(contract)] for row, contract in changed.items()]
        return [kind, at, version, named]
    return [kind, at] if what is None else [kind, at, what]


def _contract(contract: Contract) -> Json:
    found = encode(contract)
    assert isinstance(found, dict)
    return {"is": type(contract).__name__, **found}
