"""Market data of a frame as bytes, exactly: what changed, column by column.

An entry is one row of the board at one instant, with the values of all columns. Only values that differ from the row's
last ones are kept. Of each column: a bit for each entry (changed), a bit for each changed value (missing), and the
numbers, ordered by row and then by time. Decimals of up to eight places are kept as steps between whole numbers, which
compress well; whatever is no such decimal as its eight bytes. Nothing is rounded: every bit comes back.
"""

import struct
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from math import nan
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import BY_OPTION, OF_UNDERLYING, Columns, Finding, finding_text
from rulebot.adapters.recorded.file import decompress, instant, span
from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.errors import StoreError
from rulebot.model.market import COLUMNS, Board, level
from rulebot.model.session import Session
from rulebot.model.text import clock

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bits = NDArray[np.bool_]

SCALES = (1.0, 1e2, 1e4, 1e6, 1e8)
"""What a column's values are multiplied by to become whole, the first that fits all of them."""
_RAW = 255
_STAMP = 254
_LARGEST = 2.0**50
_HEAD = struct.Struct("<IQ")
_PART = struct.Struct("<BII")
_WIDTHS = (np.int8, np.int16, np.int32, np.int64)


class NumberColumns(NamedTuple):
    """Entries of one frame: `rows` (N,), the instant of each (N,) in epoch seconds, `values` (N, columns)."""

    rows: Ints
    at: Floats
    values: Floats


class ColumnChanges(NamedTuple):
    """What the entries of a frame write, entry by entry: `values` of `columns` in rows `of`; `ends[i]` ends entry i's.

    rows: of each entry.
    """

    rows: list[int]
    ends: list[int]
    of: list[int]
    columns: list[int]
    values: list[float]


def pack(numbers: NumberColumns, last: Floats, level: int) -> bytes:
    """Return the bytes of a frame, and bring `last` (rows, columns), each row's last values, up to its end.

    level: of zlib, 1 is quick and 9 small.
    """
    rows, at, values = numbers
    order = np.argsort(rows, kind="stable")
    changed = _changed(rows, values, last, order)
    parts = [_HEAD.pack(len(rows), len(COLUMNS)), rows.astype("<u2").tobytes()]
    for column in range(len(COLUMNS)):
        places = order[changed[order, column]]
        parts.append(_column(changed[:, column], values[places, column], at[places]))
    last[rows] = values  # of several entries of a row the last one counts
    return zlib.compress(b"".join(parts), level)


def unpack(body: bytes, at: Floats) -> tuple[Ints, Bits, Floats]:
    """Return rows (N,), what changed (N, columns) and the values there (elsewhere nan); `at` as it was packed.

    Raises: ValueError when these are no such bytes.
    """
    data = memoryview(decompress(body))
    count, columns = _HEAD.unpack_from(data)
    if columns != len(COLUMNS) or count != len(at):
        raise ValueError(f"a frame of {count} entries in {columns} columns, where {len(at)} were expected")
    place = _HEAD.size
    rows = np.frombuffer(data, "<u2", count, place).astype(np.int64)
    place += 2 * count
    order = np.argsort(rows, kind="stable")
    changed = np.zeros((count, columns), dtype=np.bool_)
    values = np.full((count, columns), np.nan)
    for column in range(columns):
        place = _read_column(data, place, order, at, changed[:, column], values[:, column])
    return rows, changed, values


def changes(rows: Ints, changed: Bits, values: Floats) -> ColumnChanges:
    """Return the same as plain lists, in the order of the entries."""
    ends = np.cumsum(changed.sum(axis=1))
    entries, columns = np.nonzero(changed)
    return ColumnChanges(
        rows.tolist(), ends.tolist(), rows[entries].tolist(), columns.tolist(), values[changed].tolist()
    )


def carried_forward(rows: Ints, changed: Bits, values: Floats, last: Floats) -> Floats:
    """Return the whole values of each entry (N, columns), and bring `last` up to the end of the frame."""
    whole = np.empty_like(values)
    for place, row in enumerate(rows):
        mine = changed[place]
        last[row, mine] = values[place, mine]
        whole[place] = last[row]
    return whole


def _changed(rows: Ints, values: Floats, last: Floats, order: Ints) -> Bits:
    """Return which values differ, bit by bit, from the ones before them in the same row."""
    ordered = values[order]
    before = np.empty_like(ordered)
    before[1:] = ordered[:-1]
    firsts = np.ones(len(rows), dtype=np.bool_)
    firsts[1:] = rows[order][1:] != rows[order][:-1]
    before[firsts] = last[rows[order][firsts]]
    found = np.empty(values.shape, dtype=np.bool_)
    found[order] = ordered.view(np.int64) != before.view(np.int64)
    return found


def _column(changed: Bits, values: Floats, at: Floats) -> bytes:
    if not len(values):
        return _PART.pack(0, 0, 0)
    missing = np.isnan(values)
    sound = values[~missing]
    if (sound == at[~missing]).all():
        code, body = _STAMP, b""
    else:
        code, body = _numbers(sound)
    head = _PART.pack(code, len(values), len(body))
    return head + np.packbits(changed).tobytes() + np.packbits(missing).tobytes() + body


def _numbers(sound: Floats) -> tuple[int, bytes]:
    """Return how numbers are kept (1 to 5: steps of whole numbers by scale; raw), and their bytes."""
    for place, scale in enumerate(SCALES):
        rounded = np.rint(sound * scale)
        if not (np.abs(rounded) < _LARGEST).all():
            break
        whole = rounded.astype(np.int64)
        if (whole / scale).tobytes() != sound.tobytes():
            continue
        steps = np.diff(whole, prepend=0)
        width = next(each for each in _WIDTHS if (steps == steps.astype(each)).all())
        return place + 1, bytes([np.dtype(width).itemsize]) + _shuffled(steps.astype(width))
    return _RAW, _shuffled(sound)


def _shuffled(numbers: NDArray[np.generic]) -> bytes:
    """Return the first bytes of all numbers, then the second ones: like bytes be used together."""
    size = numbers.dtype.itemsize
    return numbers.astype(numbers.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, size).T.tobytes()


def _unshuffled(body: memoryview, kind: str) -> NDArray[np.generic]:
    size = np.dtype(kind).itemsize
    flat = np.ascontiguousarray(np.frombuffer(body, np.uint8).reshape(size, -1).T)
    return flat.view(kind).reshape(-1)


def _read_column(data: memoryview, place: int, order: Ints, at: Floats, changed: Bits, values: Floats) -> int:
    code, count, size = cast(tuple[int, int, int], _PART.unpack_from(data, place))
    place += _PART.size
    if not count:
        return place
    place, mask = _bits(data, place, len(order))
    place, missing = _bits(data, place, count)
    changed[:] = mask
    places = order[mask[order]]
    found = np.full(count, np.nan)
    body = data[place : place + size]
    if code == _STAMP:
        found[~missing] = at[places][~missing]
    elif code == _RAW:
        found[~missing] = _unshuffled(body, "<f8")
    else:
        steps = _unshuffled(body[1:], f"<i{body[0]}")
        found[~missing] = np.cumsum(steps.astype(np.int64)) / SCALES[code - 1]
    values[places] = found
    return place + size


def _bits(data: memoryview, place: int, count: int) -> tuple[int, Bits]:
    size = (count + 7) // 8
    packed = np.frombuffer(data, np.uint8, size, place)
    return place + size, np.unpackbits(packed, count=count).astype(np.bool_)


# --- What a board said in the course of a day, instant by instant, as columns

_WIDTH = 1 + len(OF_UNDERLYING)
"""Columns of an underlying: its level, and what a broker tells beside it."""
_NONE, _UNSEEN = -1, -2
"""Rows of the board without an option, and with one of which nothing was told yet."""


class StreamedColumns:
    """Columns that grow by an instant whenever one is kept; what stands now follows a board, step by step."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.options: dict[Option, int] = {}
        self.previous: dict[str, float] = {}
        self._symbols: dict[str, int] = {}
        self._kept = {name: _Kept() for name in BY_OPTION}
        self._kept_levels = _Kept()
        self.begin()

    def begin(self) -> None:
        """Begin with a board on which nothing stands."""
        self._now = np.full((len(BY_OPTION), _rounded(len(self.options))), nan)
        self._levels = np.full(_WIDTH * len(self._symbols), nan)
        self._given_up: set[int] = set()
        self._contracts: list[Contract | None] = []
        self._places: Ints = np.empty(0, dtype=np.int64)
        self._underlyings: list[tuple[int, str, int]] = []

    def cut(self, at: float) -> None:
        """Forget the instants from `at` on."""
        del self.times[int(np.searchsorted(self.times, at)) :]

    def keep(self, at: float) -> None:
        """Keep what stands now as that of an instant."""
        place = len(self.times)
        self.times.append(at)
        for name, values in zip(BY_OPTION, self._now, strict=True):
            self._kept[name].put(place, values)
        self._kept_levels.put(place, self._levels)
        self.miss()

    def miss(self) -> None:
        """Let options be missing that were given up."""
        if self._given_up:
            self._now[:, [*self._given_up]] = nan
            self._given_up.clear()

    # ------------------------------------------------------------ what stands now

    def follow(self, board: Board) -> None:
        """Know which contracts are streamed: what is so no more is missing, options from the next instant on."""
        before, places = self._places, np.full(len(board.contracts), _NONE)
        places[: len(before)] = before
        for row, contract in enumerate(board.contracts):
            if row >= len(before) or contract is not self._contracts[row]:
                places[row] = _NONE
                if isinstance(contract, Option) and not contract.is_share:
                    places[row] = self.options.get(contract, _UNSEEN)
        self._given_up |= {*before[before >= 0].tolist()} - {*places[places >= 0].tolist()}
        self._contracts, self._places = [*board.contracts], places
        streamed = {contract.symbol: row for contract, row in board.rows.items() if isinstance(contract, Underlying)}
        for symbol in streamed:
            self._symbols.setdefault(symbol, _WIDTH * len(self._symbols))
        self._levels = np.full(_WIDTH * len(self._symbols), nan)
        self._underlyings = [(row, symbol, self._symbols[symbol]) for symbol, row in streamed.items()]

    def write(self, board: Board, reported: Collection[int]) -> None:
        """Take what these rows of options say; of one whose data is not live nothing, as no rule reads it.

        So it is with one of which nothing was told since a farm is back.
        """
        rows = np.array([*reported], dtype=np.int64)
        places = self._places[rows]
        for each in np.flatnonzero(places == _UNSEEN).tolist():
            places[each] = self._new(board, int(rows[each]))
        is_option = places >= 0
        rows, places = rows[is_option], places[is_option]
        if not len(rows):
            return
        self._given_up.difference_update(places.tolist())
        for name, now in zip(BY_OPTION, self._now, strict=True):
            now[places] = np.frombuffer(getattr(board, name))[rows]
        unknown = np.isnan(np.frombuffer(board.quote_at)[rows]) & np.isnan(np.frombuffer(board.model_at)[rows])
        if board.frozen:
            unknown |= np.isin(rows, [*board.frozen])
        self._now[:, places[unknown]] = nan

    def _new(self, board: Board, row: int) -> int:
        """Return the place of the option in a row of which nothing was told before."""
        option = board.contracts[row]
        assert isinstance(option, Option)
        place = self._places[row] = self.options.setdefault(option, len(self.options))
        if place >= self._now.shape[1]:
            wider = np.full((len(BY_OPTION), _rounded(place + 1)), nan)
            wider[:, : self._now.shape[1]] = self._now
            self._now = wider
        return int(place)

    def look(self, board: Board, at: float) -> None:
        """Take the levels of this instant, also of what was silent: one that has grown old is none."""
        beside = [getattr(board, name) for name in OF_UNDERLYING]
        for row, symbol, place in self._underlyings:
            value = level(board, row, at)
            self._levels[place] = nan if value is None else value
            self._levels[place + 1 : place + _WIDTH] = [column[row] for column in beside]
            if (close := board.previous_close[row]) == close:
                self.previous[symbol] = close

    # ------------------------------------------------------------ what was kept

    def columns(self) -> dict[str, Columns]:
        """Return the columns of the options by name, instants x options; they are handed over, and asked for once."""
        kept, self._kept = self._kept, {}
        return {name: kept.pop(name).whole(len(self.times), len(self.options)) for name in BY_OPTION}

    def levels(self) -> tuple[dict[str, Columns], dict[str, dict[str, Columns]]]:
        """Return the level of each underlying, and by name what was told beside it."""
        whole = self._kept_levels.whole(len(self.times), _WIDTH * len(self._symbols)).T
        at = {symbol: self._symbols[symbol] for symbol in sorted(self._symbols)}
        beside = {
            symbol: dict(zip(OF_UNDERLYING, whole[place + 1 : place + _WIDTH].copy(), strict=True))
            for symbol, place in at.items()
        }
        return {symbol: whole[place].copy() for symbol, place in at.items()}, beside


class _Kept:
    """Rows of numbers of which later ones may be wider: what was not there yet is nan."""

    def __init__(self) -> None:
        self._rows: Columns = np.empty((0, 0))

    def put(self, place: int, row: Columns) -> None:
        """Have this row in a place: one that is there, or the next one. It is as wide as any before."""
        high, wide = self._rows.shape
        if place >= high or len(row) > wide:
            more = np.empty((2 * high + _STEP if place >= high else high, len(row)))
            more[:place, :wide] = self._rows[:place]
            more[:place, wide:] = nan
            self._rows = more
        self._rows[place] = row

    def whole(self, high: int, wide: int) -> Columns:
        """Return so many rows, so wide; what no row has is nan."""
        found = np.full((high, wide), nan)
        common = min(wide, self._rows.shape[1])
        found[:, :common] = self._rows[:high, :common]
        return found


_STEP = 32


def _rounded(count: int) -> int:
    """Return a width for so many options: more of them will come."""
    return -(-count // _STEP) * _STEP


# --- Which of several recordings of one day count

APART = 60.0
"""Seconds for which one goes on after the next has begun that are told: a clock that was set back makes less."""

_Span = tuple[datetime, datetime]


class SessionCount(NamedTuple):
    """The recordings of a day that count, in the order of their beginning, and what is to be told of the others."""

    files: Sequence[Path]
    findings: tuple[Finding, ...]


def counting(files: Sequence[Path], session: Session | None) -> SessionCount:
    """Return which of a day's recordings count, given in the order of their beginning.

    What cannot be read, or has nothing of the session, is kept: it is told where it is read, or has what came before.
    """
    if session is None or len(files) < 2:
        return SessionCount(files, ())
    spans = {file: found for file in files if (found := _within(file, session)) is not None}
    beside = {file: other for file in spans if (other := _around(file, spans)) is not None}
    kept = [file for file in files if file not in beside]
    findings = [
        finding_text(
            str(file), 0, f"{_times(spans[file])} is in {other} as well, which counts, and nothing of this one"
        )
        for file, other in beside.items()
    ]
    return SessionCount(kept, (*findings, *_mixed([(file, spans[file]) for file in kept if file in spans])))


def _within(file: Path, session: Session) -> _Span | None:
    """Return from when to when a recording has the session, None where it has nothing of it."""
    with suppress(StoreError):
        first, last, _, frames = span(file)
        begins, ends = max(instant(first), session.open), min(instant(last), session.close)
        if frames and begins <= ends:
            return begins, ends
    return None


def _around(file: Path, spans: dict[Path, _Span]) -> Path | None:
    """Return the recording that has all of the session that this one has, the longest; of two alike the later one."""
    order, (first, last) = list(spans), spans[file]
    around = [
        (ends - begins, order.index(other), other)
        for other, (begins, ends) in spans.items()
        if begins <= first and last <= ends
    ]
    longest = max(around)[2]
    return None if longest == file else longest


def _mixed(kept: Sequence[tuple[Path, _Span]]) -> Iterator[Finding]:
    for (file, (_, last)), (after, (begins, _)) in pairwise(kept):
        if (last - begins).total_seconds() > APART:
            text = f"goes on until {clock(last)}, and from {clock(begins)} on {after} counts, which began then"
            yield finding_text(str(file), 0, text)


def _times(found: _Span) -> str:
    first, last = found
    return f"{clock(first)} to {clock(last)}"
