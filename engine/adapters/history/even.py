"""Parquet files of ours, in which each instant has the same options in the same order: read without sorting.

The file says so of itself. That is believed while its groups of rows are those that were written (the first instant by
itself, then all others) and hold the times they should; a program that sorts, filters or adds rows writes other groups,
and then the file is read like anybody's.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.adapters.history.day import Columns
from engine.adapters.history.index import GridIndex
from engine.adapters.history.rows import BY_QUOTE, Rows
from engine.adapters.history.table import ArrowTable, Whole, parquet_file, pyarrow, whole
from engine.model.values import dataclass

EVEN = "rulebot_even"
"""Key of what a file says of itself: its times in microseconds since 1970, and how many options each has."""
_ARROW = "parquet-cpp-arrow "
_FLOATS = ("DOUBLE", "FLOAT")
_IDENTITY = ("symbol", "trading_class", "expiry", "right", "strike")


@dataclass(frozen=True, slots=True)
class Even:
    """Such a file: the rows of its first instant, its times, and all values. Shape: values (instants x options,)."""

    first: ArrowTable
    times: Columns
    values: dict[str, Columns]

    def spread(self, rows: Rows) -> Rows:
        """Return the rows of all instants, out of those of the first."""
        return replace(rows, index=GridIndex(self.times, rows.key), values=self.values)


def read_even(path: Path) -> Even | None:
    """Read such a file; None when it is none. Raises: StoreError when it is damaged."""
    opened = parquet_file(path)
    schema, metadata = opened.schema_arrow, opened.metadata
    told = (schema.metadata or {}).get(EVEN.encode())
    if told is None:
        return None
    known = json.loads(told)
    times, wide = np.array(known["times"], dtype=np.int64), int(known["options"])
    if not wide or metadata.num_rows != len(times) * wide or metadata.row_group(0).num_rows != wide:
        return None
    if not _agrees(schema, metadata, times):
        return None
    there = schema.names
    names = [name for name in BY_QUOTE if name in there]
    unknown = [name for name in names if name not in names[:2] and _is_unknown(schema, metadata, name)]
    identity = [name for name in there if name.lower() in _IDENTITY]
    with whole(path):
        quotes = opened.read(columns=[name for name in names if name not in unknown], use_threads=False)
        first = opened.read_row_group(0, columns=identity, use_threads=False)
    for name in names[:2]:
        first = first.append_column(name, quotes.column(name).slice(0, wide))
    table, nothing = ArrowTable(path.name, quotes), np.broadcast_to(np.nan, (metadata.num_rows,))
    values = {name: nothing if name in unknown else table.numbers(name) for name in names}
    return Even(ArrowTable(path.name, first), times / 1e6, values)


def _is_unknown(schema: Any, metadata: Any, name: str) -> bool:
    """Say whether a column has no number at all, by what the file says of it; such a column is not read.

    Arrow states no least and greatest of a group in which all are nan or missing. Other writers leave them out as soon
    as one is nan: of theirs only what is missing throughout counts.
    """
    place, is_arrow = schema.get_field_index(name), str(metadata.created_by).startswith(_ARROW)
    for group in range(metadata.num_row_groups):
        column = metadata.row_group(group).column(place)
        told = column.statistics
        if column.path_in_schema != name or column.physical_type not in _FLOATS:
            return False
        if told is None or not told.has_null_count or told.has_min_max:
            return False
        if not is_arrow and told.null_count != column.num_values:
            return False
    return True


def _agrees(schema: Any, metadata: Any, times: Whole) -> bool:
    """Say whether the first and the last time of each group are those of the whole."""
    arrow, _ = pyarrow()
    place = schema.get_field_index("time")
    if place < 0 or schema.field(place).type != arrow.timestamp("us", tz="UTC"):
        return False
    groups = metadata.num_row_groups
    found = [metadata.row_group(group).column(place).statistics for group in range(groups)]
    if any(each is None or not each.has_min_max for each in found):
        return False
    edges = [value for each in found for value in (each.min_raw, each.max_raw)]
    expected = [times[0], times[0], times[1], times[-1]] if groups == 2 else [times[0], times[-1]]
    return groups <= 2 and edges == [int(each) for each in expected]
