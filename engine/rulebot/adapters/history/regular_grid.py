"""Parquet files of ours, in which each instant has the same options in the same order: read without sorting.

The file says so of itself, with its times and which options these are. That is believed while its groups of rows are
those that were written (the first instant by itself, then all others) and hold the times and strikes they should; a
program that sorts, filters or adds rows writes other groups, and then the file is read like anybody's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from rulebot.adapters.history.build_session import chain_rows, symbol_of
from rulebot.adapters.history.lazy_chain import BY_QUOTE, GridIndex, Rows, option_keys
from rulebot.adapters.history.session import Columns
from rulebot.adapters.history.table import ArrowTable, Whole, parquet_file, partition_value, pyarrow, whole
from rulebot.model.contract import last_day
from rulebot.model.values import dataclass

EVEN = "rulebot_even"
"""Key of what a file says of itself: its times in microseconds since 1970, how many options each has, and which."""
_CHECKED = "rulebot_even_crc32"
"""Key of the checksum of that text; files of earlier days have none."""
Part = tuple[str, str, str, list[float]]
"""Options that stand behind each other: trading class, the day in their name, call or put, and their strikes."""
_ARROW = "parquet-cpp-arrow "
_FLOATS = ("DOUBLE", "FLOAT")
_IDENTITY = ("symbol", "trading_class", "expiry", "right", "strike")


@dataclass(frozen=True, slots=True)
class _Known:
    """What a file says of itself. Shape: times (T,), microseconds since 1970. parts: None in those of earlier days."""

    times: Whole
    options: int
    symbol: str
    parts: list[Part] | None


def read_self_described(times: Columns, symbol: str, options: Iterable[tuple[str, str, str, float]]) -> dict[str, str]:
    """Return what a file is to say of itself. Units: times in epoch seconds; options as `Part` has them, one by one."""
    listed = list(options)
    parts = [(*terms, [strike for *_, strike in each]) for terms, each in groupby(listed, key=lambda each: each[:3])]
    micro = np.rint(times * 1e6).astype(np.int64).tolist()
    text = json.dumps({"times": micro, "options": len(listed), "symbol": symbol, "chain": parts})
    return {EVEN: text, _CHECKED: str(crc32(text.encode()))}


def read_even(path: Path) -> Rows | None:
    """Read such a file; None when it is none. Raises: StoreError when it is damaged."""
    opened = parquet_file(path)
    schema, metadata = opened.schema_arrow, opened.metadata
    if EVEN.encode() not in (schema.metadata or {}):
        return None
    with whole(path):  # its footer has no checksum of its own
        known = _known(schema.metadata)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        if not _agrees(schema, groups, known, metadata.num_rows):
            return None
        is_arrow = str(metadata.created_by).startswith(_ARROW)
        names = [name for name in BY_QUOTE if name in schema.names]
        unknown = [name for name in names[2:] if _is_unknown(schema, groups, name, is_arrow)]
        quotes = opened.read(columns=[name for name in names if name not in unknown], use_threads=False)
    file, times = partition_value(path), known.times / 1e6
    table, nothing = ArrowTable(file, quotes), np.broadcast_to(np.nan, (metadata.num_rows,))
    values = {name: nothing if name in unknown else table.numbers(name) for name in names}
    if known.parts is None:
        symbol, classes, numbers = _first(path, opened, quotes.select(names[:2]).slice(0, known.options), times[0])
    else:
        symbol, classes = known.symbol, tuple(dict.fromkeys(trading_class for trading_class, *_ in known.parts))
        with whole(path):
            numbers = np.concatenate([*_numbers(symbol, classes, known.parts)])
    return Rows(file=file, symbol=symbol, classes=classes, index=GridIndex(times, numbers), values=values)


def _known(reported: Mapping[bytes, bytes]) -> _Known:
    """Return what a file says of itself. Raises: ValueError when it cannot have been written so."""
    text = reported[EVEN.encode()]
    if (crc := reported.get(_CHECKED.encode())) is not None and crc != str(crc32(text)).encode():
        raise ValueError("its statistics are not those that were written")
    try:
        found = json.loads(text)
        times = np.array(found["times"], dtype=np.int64)
        return _Known(times, int(found["options"]), found.get("symbol", ""), found.get("chain"))
    except (LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError("its statistics cannot be read") from error


def _numbers(symbol: str, classes: tuple[str, ...], parts: list[Part]) -> Iterator[Whole]:
    """Yield the numbers of the options of each part."""
    for trading_class, expires, right, strikes in parts:
        last = last_day(symbol, trading_class, date.fromisoformat(expires)).toordinal()
        yield option_keys(classes.index(trading_class), last, right == "call", np.array(strikes))


def _first(path: Path, opened: Any, quotes: Any, at: float) -> tuple[str, tuple[str, ...], Whole]:
    """Return the symbol, the classes and the numbers of options of a file that does not name them itself."""
    names = [name for name in opened.schema_arrow.names if name.lower() in _IDENTITY]
    with whole(path):
        first = opened.read_row_group(0, columns=names, use_threads=False)
    for name in quotes.column_names:
        first = first.append_column(name, quotes.column(name))
    table = ArrowTable(partition_value(path), first)
    rows = chain_rows(table, None, symbol_of(table), at=at)
    return rows.symbol, rows.classes, rows.key


def _is_unknown(schema: Any, groups: list[Any], name: str, is_arrow: bool) -> bool:
    """Say whether a column has no number at all, by what the file says of it; such a column is not read.

    is_arrow: Arrow wrote it, which states no least and greatest of a group in which all are nan or missing. Others
    leave them out as soon as one is nan: of theirs only what is missing throughout counts.
    """
    place = schema.get_field_index(name)
    for group in groups:
        column = group.column(place)
        reported = column.statistics
        if column.path_in_schema != name or column.physical_type not in _FLOATS:
            return False
        if reported is None or not reported.has_null_count or reported.has_min_max:
            return False
        if not is_arrow and reported.null_count != column.num_values:
            return False
    return True


def _agrees(schema: Any, groups: list[Any], known: _Known, rows: int) -> bool:
    """Say whether there are so many rows, and the outer times and strikes of each group are those of the whole."""
    arrow, _ = pyarrow()
    times, place = known.times, schema.get_field_index("time")
    if not known.options or rows != len(times) * known.options or groups[0].num_rows != known.options:
        return False
    if place < 0 or len(groups) > 2 or schema.field(place).type != arrow.timestamp("us", tz="UTC"):
        return False
    expected = [times[0], times[0], times[1], times[-1]] if len(groups) == 2 else [times[0], times[-1]]
    if _edges(groups, place, "min_raw", "max_raw") != [int(each) for each in expected]:
        return False
    if known.parts is None:
        return True
    strikes = [strike for *_, each in known.parts for strike in each]
    edges = _edges(groups, schema.get_field_index("strike"), "min", "max")
    return edges == [min(strikes), max(strikes)] * len(groups)


def _edges(groups: list[Any], place: int, *ends: str) -> list[Any] | None:
    """Return the ends of a column by what each group says of it; None where one does not say."""
    reported = [group.column(place).statistics for group in groups] if place >= 0 else [None]
    if any(each is None or not each.has_min_max for each in reported):
        return None
    return [getattr(each, end) for each in reported for end in ends]
