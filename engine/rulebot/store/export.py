"""A store as files that any other program reads: its views, and sheets for an accountant, as CSV, JSON or Parquet."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rulebot.model.errors import StoreError
from rulebot.model.money import ZERO
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.store.finance.parquet import check_installed, write_parquet
from rulebot.store.finance.sheet import Holds, Sheet, as_text, sheet_of_view
from rulebot.store.finance.sheets import finance_sheets
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

_CENTS = -2


def export_sheets(path: Place, folder: Path, views: Sequence[str], form: str) -> Iterator[tuple[Path, int]]:
    """Write views of a store and the accountant's sheets into a folder, one file each; yield each file and its rows.

    All are of one instant. form: csv, json or parquet. A file of the same name is replaced once the new one is whole.
    Raises: StoreError.
    """
    if form == "parquet":
        check_installed()
    with StoreReader(path) as reader:
        books, found = reader.books(views)
    sheets = (*(sheet_of_view(name, *found[name]) for name in views), *finance_sheets(books))
    for sheet in sheets:
        target = folder / f"{sheet.name}.{form}"
        try:
            _write(sheet, target, form)
        except OSError as error:
            raise StoreError(
                f"{target} cannot be written: {error.strerror}", "name another folder with --to"
            ) from error
        yield target, len(sheet.rows)


def _write(sheet: Sheet, target: Path, form: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.new")
    try:
        {"csv": _write_csv, "json": _write_json, "parquet": write_parquet}[form](sheet, fresh)
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _write_csv(sheet: Sheet, target: Path) -> None:
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(column.name for column in sheet.columns)
        writer.writerows(map(as_text, row) for row in _plain(sheet))


def _write_json(sheet: Sheet, target: Path) -> None:
    names = [column.name for column in sheet.columns]
    with target.open("w", encoding="utf-8") as file:
        json.dump([dict(zip(names, row, strict=True)) for row in _plain(sheet)], file, indent=2, allow_nan=False)
        file.write("\n")


def _plain(sheet: Sheet) -> Iterator[tuple[Any, ...]]:
    """Yield rows of texts and numbers."""
    holds = [column.holds for column in sheet.columns]
    for row in sheet.rows:
        yield tuple(_cell(value, held) for value, held in zip(row, holds, strict=True))


def _cell(value: Any, holds: Holds) -> Any:
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, datetime):
        return _instant(value, holds)
    return value.isoformat() if isinstance(value, date) else value


def exact(amount: Decimal) -> str:
    """Return an amount with all its digits and at least cents: 1.05, 1.0534; nothing has no sign."""
    amount = amount or ZERO
    plain = amount.normalize()
    exponent = plain.as_tuple().exponent
    return f"{plain:f}" if isinstance(exponent, int) and exponent <= _CENTS else f"{amount:.2f}"


def _instant(value: datetime, holds: Holds) -> str:
    """Return `2026-11-18 09:52:00` in New York, as in the views, or `2026-11-18T14:52:00Z`."""
    if holds is Holds.UTC:
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{value.astimezone(EXCHANGE_ZONE):%Y-%m-%d %H:%M:%S}"
