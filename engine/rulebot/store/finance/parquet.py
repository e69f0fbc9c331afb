"""Sheets as Parquet, for pandas, polars, DuckDB and their kin. The one home of pyarrow, which is an extra."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from rulebot.model.errors import StoreError
from rulebot.store.finance.sheet import Holds, Sheet

_DIGITS, _PLACES = 24, 8


def check_installed() -> None:
    """Raises: StoreError that says what to install."""
    _pyarrow()


def write_parquet(sheet: Sheet, target: Path) -> None:
    """Write a sheet: dollars as exact decimals, times as instants; one without rows has its types too."""
    arrow, parquet = _pyarrow()
    schema = arrow.schema([(column.name, _type(arrow, column.holds)) for column in sheet.columns])
    names = [column.name for column in sheet.columns]
    rows = [dict(zip(names, map(_fitting, row), strict=True)) for row in sheet.rows]
    parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), target, compression="zstd")


def _fitting(value: Any) -> Any:
    """Return dollars with no more digits than the column has."""
    return round(value, _PLACES) if isinstance(value, Decimal) else value


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise StoreError("Parquet needs a package that is not installed", "pip install 'rulebot[parquet]'") from error
    return pyarrow, parquet


def _type(arrow: Any, holds: Holds) -> Any:
    found = {
        Holds.TEXT: arrow.string(),
        Holds.WHOLE: arrow.int64(),
        Holds.NUMBER: arrow.float64(),
        Holds.MONEY: arrow.decimal128(_DIGITS, _PLACES),
        Holds.DATE: arrow.date32(),
        Holds.NEW_YORK: arrow.timestamp("us", tz="America/New_York"),
        Holds.UTC: arrow.timestamp("us", tz="UTC"),
    }
    return found[holds]
