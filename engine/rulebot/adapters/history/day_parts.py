"""Parts of a day: several Parquet files of one folder `column=value`, as Spark, DuckDB and Polars write them.

They are one day where no quote can stand in two of them. The same option at the same time in two files may be a copy,
or a day that was written twice: nobody can say which one counts, and the day is refused.
"""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.chain_rows import NO_ROWS
from rulebot.adapters.history.checks import out_of_order
from rulebot.adapters.history.row_index import RowIndex, Rows, renamed, width_of
from rulebot.adapters.history.session import (
    APART,
    Finding,
    Parts,
    finding_text,
    lacks,
    missing_part_finding,
    refusal,
    refused,
)
from rulebot.adapters.history.sidecar import sidecar_of
from rulebot.adapters.history.table import columns_of, partition_value
from rulebot.model.text import counted


class DayPart(NamedTuple):
    """A file with rows of a day: all of it, or in one of many days the row groups in which they lie."""

    file: Path
    groups: tuple[int, ...] | None = None


class PartRead(NamedTuple):
    """What was read of a part: the name of its file, its columns, and the quotes of the day; None without any row."""

    file: str
    columns: frozenset[str]
    rows: Rows | None


def read_parts(parts: Sequence[DayPart]) -> Path | None:
    """Return the first file that is no part of the same day as the first one, None where all are parts."""
    folder = parts[0].file.parent
    other = next((each.file for each in parts[1:] if each.file.parent != folder), None)
    return other if other is not None or len(parts) == 1 or columns_of(parts[0].file) else parts[1].file


def with_levels(parts: Sequence[DayPart], day: date, having: frozenset[Path]) -> DayPart | None:
    """Return the part beside which a file of levels stands, one of those `having` it.

    Raises: StoreError where one stands beside two of them.
    """
    found = [each for each in parts if each.file in having]
    if len(found) > 1:
        first, own = (sidecar_of(each.file, "levels.parquet") for each in found[:2])
        text = f"levels of {day} stand in {first.name} as well: which ones count? have them beside one part"
        raise refusal(refused(partition_value(own), 0, text))
    return found[0] if found else None


def with_told(parts: Sequence[DayPart], day: date, having: frozenset[Path]) -> Path | None:
    """Return the file of this day alone beside which stands what a broker told, one of those `having` it.

    Raises: StoreError where two of them are.
    """
    found = [each.file for each in parts if each.groups is None and each.file in having]
    if len(found) > 1:
        text = f"what a broker told on {day} stands beside {found[0].name} as well: which one counts?"
        raise refusal(refused(partition_value(found[1]), 0, f"{text} have it beside one part"))
    return found[0] if found else None


def joined(read: Sequence[PartRead]) -> tuple[Rows, list[Finding]]:
    """Return the quotes of all parts in order of time. Raises: StoreError where they cannot be one day."""
    _check_columns(read)
    parts = [each.rows for each in read if each.rows is not None]
    odd = [finding_text(each.file, 0, NO_ROWS) for each in read if each.rows is None]
    if not parts:
        raise refusal(refused(read[0].file, 0, NO_ROWS))
    if len(parts) == 1:
        return parts[0], odd
    names = [each.file for each in read if each.rows is not None]
    for name, each in zip(names[1:], parts[1:], strict=True):
        if each.symbol != parts[0].symbol:
            text = f"it is of {each.symbol}, {missing_part_finding(names[0])} of {parts[0].symbol}: {APART}"
            raise refusal(refused(name, 0, text))
    lengths = [int(each.row.max()) for each in parts]
    starts = tuple(sum(lengths[:place]) for place in range(len(parts)))
    folder = names[0].rpartition("/")[0]
    file = Parts(f"{folder} ({counted(len(parts), 'file')})", tuple(names), starts)
    found = _in_order(parts, file)
    _check_once(found, file)
    return found, [*odd, *(finding for each in parts for finding in out_of_order(each))]


def _check_columns(read: Sequence[PartRead]) -> None:
    """See that parts have the same columns. Raises: StoreError."""
    for one in read[1:]:
        for own, other in ((one, read[0]), (read[0], one)):
            if lacking := sorted(other.columns - own.columns):
                text = f"{lacks(*lacking)}, as {missing_part_finding(other.file)} has"
                raise refusal(refused(own.file, 0, f"{text}: parts of a day have the same columns"))


def _in_order(parts: Sequence[Rows], file: Parts) -> Rows:
    """Return the rows of all parts by time, and of one time part by part; no part is before another one."""
    numbers: dict[str, int] = {}
    keys = [renamed(each, numbers) for each in parts]
    time = np.concatenate([each.time for each in parts])
    order = np.argsort(time, kind="stable")
    row = np.concatenate([each.row + start for each, start in zip(parts, file.starts, strict=True)])
    return Rows(
        file=file,
        symbol=parts[0].symbol,
        classes=tuple(numbers),
        index=RowIndex(row[order], time[order], np.concatenate(keys)[order]),
        values={name: np.concatenate([each.values[name] for each in parts])[order] for name in parts[0].values},
    )


def _check_once(rows: Rows, file: Parts) -> None:
    """See that no option stands at one time in two parts. Raises: StoreError with the first row that does."""
    if width_of(rows) is not None:
        return
    order = np.lexsort((rows.row, rows.key, rows.time))
    row = rows.row[order]
    part = np.searchsorted(file.starts, row)
    again = (np.diff(rows.time[order]) == 0) & (np.diff(rows.key[order]) == 0) & (np.diff(part) != 0)
    if not (places := np.flatnonzero(again)).size:
        return
    place = int(places[np.argmin(row[1:][places])])
    (first, first_row), (own, own_row) = (file.of(int(row[each])) for each in (place, place + 1))
    count = f" ({len(places):,} rows do)" if len(places) > 1 else ""
    text = (
        f"the same option and time stand in {missing_part_finding(first)}:{first_row} as well{count}: which one counts?"
    )
    raise refusal(refused(own, own_row, text))
