"""Reads recordings back: the board as it was, and everything that entered the turns, in order."""

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from rulebot.adapters.recorded.columns import Floats, changes, unpack
from rulebot.adapters.recorded.file import Frame, day_of, instant, read_frames, read_head
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.event import Event, MarketDataUpdated
from rulebot.model.market import COLUMNS, Board
from rulebot.model.values import dataclass
from rulebot.record.codec import decode

STATE = "state"
"""In the head of a later day: where the engine stood when it began."""
EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)}
CONTRACTS: dict[str, type[Contract]] = {kind.__name__: kind for kind in (Option, Underlying)}


class SessionBegan(NamedTuple):
    """The first turn of a run."""

    at: datetime


class EventReceived(NamedTuple):
    """An event that entered a turn, on the board as it now is."""

    at: datetime
    event: Event


class RequestsExchanged(NamedTuple):
    """Other texts took over: `data` is what they are."""

    at: datetime
    data: dict[str, Any]


class RecordsWritten(NamedTuple):
    """What the step before this led to: canonical lines of records."""

    at: datetime
    lines: tuple[str, ...]


class QuotesMoved(NamedTuple):
    """Rows of the board have changed, and no turn took note."""

    at: datetime
    rows: tuple[int, ...]


class InstantPassed(NamedTuple):
    """An instant that was asked for: the board is as it was then."""

    at: datetime


Step = SessionBegan | EventReceived | RequestsExchanged | RecordsWritten | QuotesMoved | InstantPassed


@dataclass(frozen=True, slots=True)
class Recording:
    """The files of one run up to a day; `head` is what a replay begins with: of the run, or where it stood later."""

    files: tuple[Path, ...]
    head: dict[str, Any]

    @property
    def day(self) -> date:
        """The day of the last file."""
        return day_of(self.files[-1])


def open_recording(file: Path, *, whole: bool = False) -> Recording:
    """Return the recording that ends with this file, from where its replay can begin.

    whole: from the start of the run. Raises: StoreError when a file that is needed before it is missing.
    """
    files = [file]
    head = read_head(file)
    while (before := head.get("before")) is not None and (whole or STATE not in head):
        files.insert(0, file.parent / str(before))
        if not files[0].is_file():
            raise StoreError(
                f"{file} continues {files[0].name}, which is not in its folder",
                "a replay begins at a known state of the engine; its market data can be used alone",
            )
        head = read_head(files[0])
    return Recording(tuple(files), head)


def play(files: tuple[Path, ...], board: Board, marks: deque[datetime] | None = None) -> Iterator[Step]:
    """Yield the steps of these files in order; when one is yielded, `board` is as its turn saw it.

    marks: instants, rising, at which to stop by as well, each once all of it is over; they are taken from it, and while
    a step is shown others may be put in front. Raises: StoreError naming file and frame when one cannot be read.
    """
    ahead = deque() if marks is None else marks
    for file in files:
        for number, frame in enumerate(read_frames(file), 1):
            with _naming(file, number):
                yield from _steps(frame, board, ahead)


def play_reported(files: tuple[Path, ...]) -> Iterator[EventReceived | RequestsExchanged | RecordsWritten]:
    """Yield what was heard, except that the market moved, which texts took over, and what was decided.

    Much quicker than `play`. Raises: StoreError naming file and frame when one cannot be read.
    """
    for file in files:
        for number, frame in enumerate(read_frames(file), 1):
            with _naming(file, number):
                for kind, micros, *what in frame.items():
                    if kind == "e":
                        yield EventReceived(instant(micros), decode(EVENTS[what[0]], what[1]))
                    elif kind == "x":
                        yield RequestsExchanged(instant(micros), what[0])
                    elif kind == "r":
                        yield RecordsWritten(instant(micros), tuple(what[0]))


@contextmanager
def _naming(file: Path, number: int) -> Iterator[None]:
    """Say which frame it is that cannot be read."""
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise StoreError(f"frame {number} of {file} cannot be read: {error!r}") from error


def _steps(frame: Frame, board: Board, marks: deque[datetime]) -> Iterator[Step]:
    items = frame.items()
    write = _writer(frame, items, board)
    for kind, micros, *what in items:
        at = instant(micros)
        while marks and marks[0] < at:
            yield InstantPassed(marks.popleft())
        if kind == "s":
            count, alive = what
            rows = write(count)
            board.alive_at = float("nan") if alive is None else alive
            yield QuotesMoved(at, rows)
        elif kind == "m":
            yield EventReceived(at, MarketDataUpdated(at, tuple(what[0])))
        elif kind == "e":
            yield EventReceived(at, decode(EVENTS[what[0]], what[1]))
        elif kind == "r":
            yield RecordsWritten(at, tuple(what[0]))
        elif kind == "b":
            _lay(board, *what)
        elif kind == "f":
            board.frozen, board.halted = set(what[0]), set(what[1])
        elif kind == "n":
            yield SessionBegan(at)
        elif kind == "x":
            yield RequestsExchanged(at, what[0])
        else:
            raise ValueError(f"an item of an unknown kind {kind!r}")


def stamps_of(items: list[Any]) -> Floats:
    """Return the instant of each entry of a frame, epoch seconds."""
    synced = [(item[1], item[2]) for item in items if item[0] == "s"]
    stamps = [instant(micros).timestamp() for micros, _ in synced]
    return np.repeat(np.array(stamps, dtype=np.float64), [count for _, count in synced])


def _lay(board: Board, version: int, changed: list[list[Any]]) -> None:
    for row, reported in changed:
        contract = None
        if reported is not None:
            contract = decode(
                CONTRACTS[reported["is"]], {name: value for name, value in reported.items() if name != "is"}
            )
        board.lay(row, contract)
    board.version = version


def _writer(frame: Frame, items: list[Any], board: Board) -> Callable[[int], tuple[int, ...]]:
    """Return what writes the next so many entries of a frame to the board."""
    rows, ends, of, columns, values = changes(*unpack(frame.numbers, stamps_of(items)))
    cells: list[array[float]] = [getattr(board, name) for name in COLUMNS]
    place = written = 0

    def write(count: int) -> tuple[int, ...]:
        nonlocal place, written
        first, place = place, place + count
        end = ends[place - 1] if count else written
        for column, row, value in zip(columns[written:end], of[written:end], values[written:end], strict=True):
            cells[column][row] = value
        written = end
        return tuple(rows[first:place])

    return write
