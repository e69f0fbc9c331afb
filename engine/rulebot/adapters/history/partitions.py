"""Folders named `column=value`, as Spark, DuckDB, Polars and pyarrow write them, and the Parquet files within.

Folders with other names are never entered: nobody can say whether `old/` or `spy/` is more of the same, or a copy.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

from rulebot.adapters.history.missing import day_of_name

_ENDS = "*.parquet"
_DATES = ("date", "quote_date", "quotedate", "trade_date")
"""Names of the column that has the session."""


def parquet_in(folder: Path) -> list[Path]:
    """Return the Parquet files in a folder and in the partitions below it, without hidden ones, as `._a.parquet`."""
    own = (file for file in folder.glob(_ENDS) if file.name[0] != ".")
    return sorted([*own, *(file for below in _partitions(folder) for file in parquet_in(below))])


def others_with_parquet(folder: Path) -> list[Path]:
    """Return the folders in it that are no partitions and hold Parquet files, be it further down."""
    below = (each for each in sorted(folder.iterdir()) if each.is_dir() and each.name != "daily")
    return [each for each in below if not _is_partition(each) and each.name[0] not in "._" and _holds(each)]


def columns_of(file: Path) -> dict[str, str]:
    """Return what the folders in which a file lies say of it: `year=2024/month=3/part-0.parquet` has two."""
    found: dict[str, str] = {}
    for folder in file.parents:
        if not _is_partition(folder):
            break
        column, _, value = folder.name.partition("=")
        found.setdefault(column.lower(), value)
    return found


def day_of(file: Path) -> date | None:
    """Return the day of which a file is, by the folders in which it lies or by its own name; None of one of many."""
    told = columns_of(file)
    if (text := next((told[name] for name in _DATES if name in told), None)) is not None:
        return day_of_name(text)
    parts = "-".join(told.get(name, "").zfill(2) for name in ("year", "month", "day"))
    return day_of_name(parts) or day_of_name(file.name)


@lru_cache(maxsize=256)
def partition_value(file: Path) -> str:
    """Return the name by which a person finds a file: with the partitions in which it lies, for all are `part-0`."""
    names: Sequence[str] = [folder.name for folder in file.parents[: len(columns_of(file))]]
    return "/".join([*reversed(names), file.name])


def _holds(folder: Path) -> bool:
    return next(folder.rglob(_ENDS), None) is not None


def _partitions(folder: Path) -> Iterator[Path]:
    return (each for each in folder.iterdir() if _is_partition(each) and each.is_dir())


def _is_partition(folder: Path) -> bool:
    return "=" in folder.name.strip("=") and folder.name[0] not in "._"
