"""A finished file of many small frames as one of few large ones: the same steps in a third of the bytes."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rulebot.adapters.recorded.columns import Floats, Ints, NumberColumns, carried_forward, pack, unpack
from rulebot.adapters.recorded.file import Frame, RecordingWriter, read_frames, read_head, span
from rulebot.adapters.recorded.recording import stamps_of
from rulebot.model.errors import StoreError, in_words
from rulebot.model.market import COLUMNS
from rulebot.record.record import Json

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
    try:
        fresh.unlink(missing_ok=True)
        if _write(file, head, fresh, is_over):
            fresh.replace(file)
        else:
            fresh.unlink()
    except OSError as error:
        raise StoreError(f"the recording {file} cannot be laid out anew: {in_words(error)}") from error


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
