"""The broker's own record of all events, in JSON Lines, and the tables it prints.

A row is written once and never changed: `kind`, `at` (UTC) and the fields of that kind, money and prices as texts of
exact decimals. To check an engine's books, fold the rows: cash = start + sum of `cash` rows, positions = start + signed
executions of contracts + settlement changes.

Kinds: start, order, message, execution, commission, cash, settlement, position, balance.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TextIO

from twsim.nouns import ZERO

Row = dict[str, object]
DELIVERY = "delivery"
"""What the assignment or exercise of an option does to its shares: an outcome, and the reason of their cash."""


class LedgerError(ValueError):
    """A file that is no ledger; the text names the file and the line."""


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """Sums by contract id. Units: dollars; `cash_flow` excludes commissions and includes settlements and deliveries."""

    start_cash: Decimal
    cash: Decimal
    cash_flow: dict[int, Decimal]
    commissions: dict[int, Decimal]
    positions: dict[int, Decimal]
    realized: dict[int, Decimal]


@dataclass(slots=True)
class Ledger:
    """Append-only rows, in memory and, given a path, in a file that is complete after every row."""

    path: Path | None = None
    rows: list[Row] = field(default_factory=list)
    _file: TextIO | None = None

    def __post_init__(self) -> None:
        if self.path is not None:
            self._file = self.path.open("a", encoding="utf-8")

    def write(self, kind: str, at: datetime, **fields: object) -> None:
        """Append one row; Decimals and dates become texts. Raises: LedgerError when it cannot be written."""
        row: Row = {"kind": kind, "at": at.isoformat(), **{key: _plain(value) for key, value in fields.items()}}
        self.rows.append(row)
        if self._file is None:
            return
        try:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
        except OSError as error:
            raise LedgerError(f"the ledger {self.path} cannot be written: {error.strerror}") from error

    def totals(self) -> LedgerTotals:
        """Return sums of what this ledger holds."""
        return totals(self.rows)

    def close(self) -> None:
        """Close the file. A row that could not be written was reported then."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
            self._file = None


def open_ledger(path: Path | str | None) -> Ledger:
    """Return a ledger that appends to `path`, or keeps its rows in memory alone. Raises: LedgerError."""
    try:
        return Ledger(Path(path) if path is not None else None)
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be written: {error.strerror}") from error


def read_ledger(path: Path | str) -> list[Row]:
    """Return the rows of a ledger file. Raises: LedgerError for a line that is no row, OSError when it is not read."""
    rows: list[Row] = []
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LedgerError(f"{path} is no ledger: it is not UTF-8 text") from error
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise LedgerError(f"{path}:{number}: not a ledger row: {error.msg}") from error
        except (ValueError, RecursionError) as error:
            raise LedgerError(f"{path}:{number}: not a ledger row: nothing like it was ever written there") from error
        if not isinstance(row, dict) or "kind" not in row:
            raise LedgerError(f"{path}:{number}: not a ledger row: no 'kind'")
        rows.append(row)
    return rows


def latest_run(rows: Iterable[Row]) -> list[Row]:
    """Return the rows of the last run: a file may hold several, each beginning with `start`."""
    found: list[Row] = []
    for row in rows:
        if row["kind"] == "start":
            found = []
        found.append(row)
    return found


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def money_of(row: Row, name: str) -> Decimal:
    """Return a decimal field of a row, 0 when it has none."""
    value = row.get(name)
    return ZERO if value is None else Decimal(str(value))


def _id(row: Row) -> int:
    return int(str(row["con_id"]))


def totals(rows: Iterable[Row]) -> LedgerTotals:
    """Return cash, cash flow, commissions, realised P/L and final positions of the last run in the rows."""
    start = cash = ZERO
    sums: dict[str, dict[int, Decimal]] = {
        name: defaultdict(Decimal) for name in ("trade", "commission", "positions", "realized")
    }
    for row in latest_run(rows):
        kind = row["kind"]
        if kind == "start":
            start += money_of(row, "cash")
        elif kind == "cash":
            cash += money_of(row, "amount")
            name = "commission" if row["reason"] == "commission" else "trade"
            sums[name][_id(row)] += money_of(row, "amount")
        elif kind == "position":
            sums["positions"][_id(row)] = money_of(row, "quantity")
        if kind in ("commission", "settlement") and row.get("realized") is not None:
            sums["realized"][_id(row)] += money_of(row, "realized")
    paid = {con_id: -amount for con_id, amount in sums["commission"].items()}
    held = {con_id: quantity for con_id, quantity in sums["positions"].items() if quantity}
    return LedgerTotals(start, start + cash, dict(sums["trade"]), paid, held, dict(sums["realized"]))


def ledger_summary(rows: Iterable[Row]) -> str:
    """Return executions, positions, cash by day and realised P/L by contract of the last run, as text tables."""
    rows = latest_run(rows)
    names = {_id(row): str(row["name"]) for row in rows if "con_id" in row and "name" in row}
    found = totals(rows)
    parts = [
        _table("Executions", ("time (UTC)", "contract", "side", "quantity", "price", "order"), _executions(rows)),
        _table("Positions", ("contract", "quantity"), _by_name(names, found.positions)),
        _table("Cash by day", ("day", "trades and settlement", "commissions", "balance"), _cash_by_day(rows)),
        _table("Realised P/L", ("contract", "dollars"), _by_name(names, found.realized)),
    ]
    return "\n\n".join(parts) + "\n"


def _executions(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    return [
        (
            str(row["at"])[:19].replace("T", " "),
            str(row["name"]),
            *(str(row[name]) for name in ("side", "quantity", "price", "order_ref")),
        )
        for row in rows
        if row["kind"] == "execution"
    ]


def _by_name(names: dict[int, str], amounts: dict[int, Decimal]) -> list[tuple[str, ...]]:
    return [(names.get(con_id, str(con_id)), f"{amount:f}") for con_id, amount in sorted(amounts.items())]


def _cash_by_day(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    balance = sum((money_of(row, "cash") for row in rows if row["kind"] == "start"), ZERO)
    days: dict[str, list[Decimal]] = {}
    for row in rows:
        if row["kind"] == "cash":
            day = days.setdefault(str(row["day"]), [ZERO, ZERO])
            day[row["reason"] == "commission"] += money_of(row, "amount")
    table: list[tuple[str, ...]] = []
    for name, (flow, commissions) in sorted(days.items()):
        balance += flow + commissions
        table.append((name, f"{flow:.2f}", f"{commissions:.2f}", f"{balance:.2f}"))
    return table


def _table(title: str, head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    body = text if rows else [*text, "(none)"]
    return "\n".join([title, *body])
