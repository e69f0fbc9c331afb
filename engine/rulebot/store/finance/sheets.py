"""The sheets for an accountant: executions, settlements, tax lots. docs/export.md explains each column."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from rulebot.model.errors import StoreError
from rulebot.model.session import CalendarError, settlement_date
from rulebot.model.values import dataclass
from rulebot.record.books import BookedFill, LegContract, LegEnding
from rulebot.store.finance.deals import Deals, Lot, lots_of, occ_symbol, security_type

# --- A sheet


class Holds(Enum):
    """What a column holds. `MONEY` is exact; `NEW_YORK` and `UTC` are instants, and where they are shown."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    MONEY = "money"
    DATE = "date"
    NEW_YORK = "new york"
    UTC = "utc"


class Column(NamedTuple):
    """A column: its name, and what it holds beside None."""

    name: str
    holds: Holds


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows have a value for each column: str, int, float, Decimal, date or an aware datetime, as it holds; or None."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]


_FORMULA = re.compile(r"[=@\t\r]|[+-](?!(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$)")


def as_text(value: Any) -> Any:
    """Return a cell of CSV that no spreadsheet takes for a formula: a text that would be one gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


_TEXTS = frozenset((
    "strategy_id", "trade_date", "symbol", "expiration", "entry_time", "exit_time", "exit_reason", "exit_name",
    "status", "position", "state", "digest", "legs", "ref", "action", "bracket_type", "fill_time",
    "algo_strategy", "algo_priority", "order_type", "purpose", "reason", "cancel_reason", "message", "oca_group",
    "prepared_at", "changed_at", "exec_id", "leg", "contract", "executed_at", "snapshot_time", "date",
))  # fmt: skip
_WHOLES = frozenset((
    "id", "trade_id", "trades_count", "winning_trades", "losing_trades", "entry_filled", "ibkr_order_id",
    "ibkr_perm_id", "ibkr_con_id", "con_id", "parent_order_id", "filled", "attempt",
))  # fmt: skip


def sheet_of_view(name: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Sheet:
    """Return a view as a sheet. A column's kind goes by its name, so that a month without a value has the same one."""
    return Sheet(name, tuple(Column(column, _holds(column)) for column in columns), rows)


def _holds(column: str) -> Holds:
    if column in _TEXTS:
        return Holds.TEXT
    return Holds.WHOLE if column in _WHOLES else Holds.NUMBER


# --- The sheets for an accountant

NAMES = ("executions", "settlements", "tax_lots")


class _Field(NamedTuple):
    name: str
    holds: Holds
    of: Callable[[Any], Any]


def _yes(answer: bool) -> str:
    return "yes" if answer else "no"


def _of_contract(of: Callable[[Any], LegContract]) -> tuple[_Field, ...]:
    """Return the columns that say whose it is and of which contract; of a share those of an option are empty."""

    def only_option(value: Callable[[LegContract], Any]) -> Callable[[Any], Any]:
        return lambda row: None if of(row).option.is_share else value(of(row))

    return (
        _Field("account", Holds.TEXT, lambda row: of(row).account or None),
        _Field("bot", Holds.TEXT, lambda row: of(row).bot),
        _Field("position", Holds.TEXT, lambda row: of(row).position),
        _Field("leg", Holds.TEXT, lambda row: of(row).leg),
        _Field("symbol", Holds.TEXT, lambda row: of(row).option.symbol),
        _Field("occ_symbol", Holds.TEXT, lambda row: occ_symbol(of(row).option)),
        _Field("security_type", Holds.TEXT, lambda row: security_type(of(row).option)),
        _Field("expiry", Holds.DATE, only_option(lambda held: held.option.expiry)),
        _Field("strike", Holds.MONEY, only_option(lambda held: held.option.strike)),
        _Field("right", Holds.TEXT, only_option(lambda held: held.option.right.letter)),
        _Field("multiplier", Holds.WHOLE, lambda row: of(row).option.multiplier),
    )


def _contract_of(row: BookedFill | LegEnding | Lot) -> LegContract:
    return row.of


def _settles(fill: BookedFill) -> date | None:
    try:
        return settlement_date(fill.date, is_share=fill.of.option.is_share)
    except CalendarError:
        return None


_EXECUTIONS: tuple[_Field, ...] = (
    *_of_contract(_contract_of),
    _Field("side", Holds.TEXT, lambda fill: "BUY" if fill.is_buy else "SELL"),
    _Field("open_close", Holds.TEXT, lambda fill: "O" if fill.is_opening else "C"),
    _Field("quantity", Holds.WHOLE, lambda fill: fill.quantity),
    _Field("price", Holds.MONEY, lambda fill: fill.price),
    _Field("proceeds", Holds.MONEY, lambda fill: fill.proceeds),
    _Field("commission", Holds.MONEY, lambda fill: fill.commission),
    _Field("net_cash", Holds.MONEY, lambda fill: fill.net_cash),
    _Field("trade_time", Holds.NEW_YORK, lambda fill: fill.executed_at),
    _Field("trade_time_utc", Holds.UTC, lambda fill: fill.executed_at),
    _Field("settlement_date", Holds.DATE, _settles),
    _Field("order_ref", Holds.TEXT, lambda fill: fill.ref),
    _Field("exec_id", Holds.TEXT, lambda fill: fill.exec_id),
    _Field("estimate", Holds.TEXT, lambda fill: _yes(fill.is_estimate)),
)
_SETTLEMENTS: tuple[_Field, ...] = (
    *_of_contract(_contract_of),
    _Field("held", Holds.TEXT, lambda ending: "long" if ending.signed < 0 else "short"),
    _Field("quantity", Holds.WHOLE, lambda ending: abs(ending.signed)),
    _Field("how", Holds.TEXT, lambda ending: ending.how),
    _Field("price", Holds.MONEY, lambda ending: ending.price),
    _Field("cash", Holds.MONEY, lambda ending: ending.cash),
    _Field("level", Holds.MONEY, lambda ending: ending.level),
    _Field("shares_profit", Holds.MONEY, lambda ending: ending.shares_profit),
    _Field("date", Holds.DATE, lambda ending: ending.date),
    _Field("recorded_utc", Holds.UTC, lambda ending: ending.recorded_at),
)
_LOTS: tuple[_Field, ...] = (
    *_of_contract(_contract_of),
    _Field("held", Holds.TEXT, lambda lot: "long" if lot.is_long else "short"),
    _Field("quantity", Holds.WHOLE, lambda lot: lot.quantity),
    _Field("opened", Holds.DATE, lambda lot: lot.opened),
    _Field("closed", Holds.DATE, lambda lot: lot.closed),
    _Field("proceeds", Holds.MONEY, lambda lot: lot.proceeds),
    _Field("basis", Holds.MONEY, lambda lot: lot.basis),
    _Field("gain", Holds.MONEY, lambda lot: lot.gain),
    _Field("holding_days", Holds.WHOLE, lambda lot: lot.holding_days),
    _Field("section_1256", Holds.TEXT, lambda lot: _yes(lot.is_section_1256)),
    _Field("long_term_60", Holds.MONEY, lambda lot: lot.long_term),
    _Field("short_term_40", Holds.MONEY, lambda lot: lot.short_term),
    _Field("ended", Holds.TEXT, lambda lot: lot.ended),
    _Field("open_exec_id", Holds.TEXT, lambda lot: lot.open_exec_id),
    _Field("close_exec_id", Holds.TEXT, lambda lot: lot.close_exec_id or None),
)


def finance_sheets(deals: Deals) -> tuple[Sheet, ...]:
    """Return the sheets of `NAMES`, in that order."""
    return (
        _sheet(NAMES[0], _EXECUTIONS, deals.fills),
        _sheet(NAMES[1], _SETTLEMENTS, deals.endings),
        _sheet(NAMES[2], _LOTS, lots_of(deals)),
    )


def _sheet(name: str, fields: tuple[_Field, ...], found: Iterable[object]) -> Sheet:
    columns = tuple(Column(field.name, field.holds) for field in fields)
    return Sheet(name, columns, [tuple(field.of(one) for field in fields) for one in found])


# --- Sheets as Parquet, for pandas, polars, DuckDB and their kin

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
