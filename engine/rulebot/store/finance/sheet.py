"""A sheet: named, typed columns and rows, before it is a file of any kind."""

import re
from collections.abc import Sequence
from enum import Enum
from typing import Any, NamedTuple

from rulebot.model.values import dataclass


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
