"""Market data of a frame as bytes, exactly: what changed, column by column.

An entry is one row of the board at one instant, with the values of all columns. Only values that differ from the row's
last ones are kept. Of each column: a bit for each entry (changed), a bit for each changed value (missing), and the
numbers, ordered by row and then by time. Decimals of up to eight places are kept as steps between whole numbers, which
compress well; whatever is no such decimal as its eight bytes. Nothing is rounded: every bit comes back.
"""

import struct
import zlib
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.recorded.inflate import decompress
from rulebot.model.market import COLUMNS

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
        raise ValueError(f"a frame of {count} entries in {columns} columns, where {len(at)} were told")
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
    """Return the first bytes of all numbers, then the second ones: like bytes stand together."""
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
