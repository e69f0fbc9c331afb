"""Parquet files of ours, in which each instant has the same options in the same order: read without sorting.

The file says so of itself. That is believed when the number of rows, every strike, and the first and last times agree;
else it is read like anybody's.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from engine.adapters.history.day import Columns
from engine.adapters.history.rows import BY_QUOTE, Rows
from engine.adapters.history.table import ArrowTable, Whole, parquet_file
from engine.model.values import dataclass

EVEN = "rulebot_even"
"""Key of what a file says of itself: its times in microseconds since 1970, and how many options each has."""


@dataclass(frozen=True, slots=True)
class Even:
    """Such a file: the rows of its first instant, its times, and all values. Shape: values (instants x options,)."""

    first: ArrowTable
    times: Columns
    values: dict[str, Columns]

    def spread(self, rows: Rows) -> Rows:
        """Return the rows of all instants, out of those of the first."""
        many, wide = len(self.times), len(rows.key)
        return Rows(
            file=rows.file,
            symbol=rows.symbol,
            classes=rows.classes,
            row=np.arange(1, many * wide + 1, dtype=np.int64),
            time=np.repeat(self.times, wide),
            key=np.tile(rows.key, many),
            values=self.values,
            width=wide,
        )


def read_even(path: Path) -> Even | None:
    """Read such a file; None when it is none. Raises: StoreError when it is damaged."""
    opened = parquet_file(path)
    told = (opened.schema_arrow.metadata or {}).get(EVEN.encode())
    if told is None:
        return None
    known = json.loads(told)
    times, wide = np.array(known["times"], dtype=np.int64), int(known["options"])
    groups, rows = opened.num_row_groups, opened.metadata.num_rows
    if not wide or rows != len(times) * wide or opened.metadata.row_group(0).num_rows != wide:
        return None
    first = ArrowTable(path.name, opened.read_row_group(0, use_threads=False))
    names = [name for name in ("strike", *BY_QUOTE) if name in first.names]
    table = ArrowTable(path.name, opened.read(columns=names, use_threads=False))
    strikes = table.numbers("strike").reshape(len(times), wide)
    if (strikes != strikes[0]).any() or not _agrees(opened, groups, times):
        return None
    return Even(first, times / 1e6, {name: table.numbers(name) for name in names[1:]})


def _agrees(opened: Any, groups: int, times: Whole) -> bool:
    """Say whether the first and the last time of each group are those of the whole."""
    place = opened.schema_arrow.names.index("time")
    found = [opened.metadata.row_group(group).column(place).statistics for group in range(groups)]
    if any(each is None or not each.has_min_max for each in found):
        return False
    edges = [int(value.timestamp() * 1e6 + 0.5) for each in found for value in (each.min, each.max)]
    expected = [times[0], times[0], times[1], times[-1]] if groups == 2 else [times[0], times[-1]]
    return groups <= 2 and edges == [int(each) for each in expected]
