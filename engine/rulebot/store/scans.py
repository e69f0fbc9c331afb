"""Results of scans, kept in a small SQLite file in the data folder, apart from any engine's store.

It keeps the newest `KEPT` scans. A scan is written in one transaction, and can be read meanwhile.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from rulebot.model.errors import StoreError, in_words
from rulebot.store.place import data_folder, give_to_owner, make_folder

FILE_NAME = "scans.db"
KEPT = 2000
"""Scans that are kept; older ones go when a new one comes."""
VERSION = 2
Row = Mapping[str, Any]

OF_A_SCAN = {
    "at": "TEXT NOT NULL",
    "world": "TEXT NOT NULL",
    "specs": "TEXT NOT NULL",
    "structures": "INTEGER NOT NULL",
    "seconds": "REAL NOT NULL",
    "lines": "INTEGER NOT NULL",
    "line_limit": "INTEGER NOT NULL",
    "turns": "INTEGER NOT NULL",
    "lines_taken": "INTEGER NOT NULL",
    "lines_evicted": "INTEGER NOT NULL",
    "notes": "TEXT NOT NULL",
}
"""The columns of the table `scans` except `id`; specs and notes are JSON lists, at is UTC."""
OF_A_ROW = {
    "bot": "TEXT NOT NULL",
    "symbol": "TEXT NOT NULL",
    "alternative": "TEXT NOT NULL",
    "structure": "TEXT NOT NULL",
    "expiry": "TEXT",
    "quantity": "INTEGER",
    **dict.fromkeys(("price", "mid", "natural", "delta", "gamma", "theta", "vega"), "REAL"),
    "dte": "INTEGER",
    **dict.fromkeys(("iv", "iv_rank", "iv_percentile", "volume", "open_interest", "quote_width"), "REAL"),
    **dict.fromkeys(("probability_of_profit", "probability_in_the_money", "return_on_risk", "crowding"), "REAL"),
    "by": "TEXT NOT NULL",
    "value": "REAL",
    "place": "INTEGER NOT NULL",
    "taken": "INTEGER NOT NULL",
    "holds": "INTEGER",
    "why": "TEXT NOT NULL",
    "short": "REAL",
    "data": "TEXT NOT NULL",
    "missing": "TEXT NOT NULL",
    "legs": "TEXT NOT NULL DEFAULT '[]'",
    "levels": "TEXT NOT NULL DEFAULT '{}'",
    "commission": "REAL",
    "covered": "INTEGER NOT NULL DEFAULT 0",
}
"""The columns of the table `scan_rows` except `scan` and `number`.

missing and levels are JSON objects, legs a list of them, truths are 1, 0, null.
"""
_LISTS, _TRUTHS = ("specs", "notes", "missing", "legs", "levels"), ("taken", "holds", "covered")


def scans_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file of the scans of this person."""
    return data_folder(environ) / FILE_NAME


def keep(path: Path, scan: Row, rows: Sequence[Row]) -> int:
    """Keep a scan with its rows, best first; return its number. Raises: StoreError."""
    with _said(path):
        make_folder(path.parent)
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as file:
            file.execute("PRAGMA foreign_keys = ON")
            file.execute("BEGIN IMMEDIATE")
            _create(file, path)
            number = _insert(file, "scans", {name: _written(name, scan[name]) for name in OF_A_SCAN})
            for place, row in enumerate(rows):
                known = {name: _written(name, row[name]) for name in OF_A_ROW}
                _insert(file, "scan_rows", {"scan": number, "number": place, **known})
            file.execute("DELETE FROM scans WHERE id <= ?", (number - KEPT,))
            file.execute("COMMIT")
        give_to_owner(path)
        return number


def scans(path: Path, limit: int) -> list[Row]:
    """Return the newest scans, without their rows but with how many there were, and how many `held`."""
    counts = "COUNT(r.scan) AS rows, COALESCE(SUM(r.holds), 0) AS held"
    joined = "scans s LEFT JOIN scan_rows r ON r.scan = s.id"
    return _read(path, f"SELECT s.*, {counts} FROM {joined} GROUP BY s.id ORDER BY s.id DESC LIMIT ?", limit)


def scan_numbered(path: Path, number: int) -> Row | None:
    """Return a scan without its rows, None for one that is not kept."""
    return next(iter(_read(path, "SELECT * FROM scans WHERE id = ?", number)), None)


def rows_of(path: Path, scan: int) -> list[Row]:
    """Return the rows of a scan, as they were ranked."""
    return _read(path, "SELECT * FROM scan_rows WHERE scan = ? ORDER BY number", scan)


def rows_about(path: Path, symbol: str, limit: int) -> list[Row]:
    """Return what the newest scans said of a symbol (see `is_about`), each with `at` and `world` of its scan."""
    text = (
        "SELECT r.*, s.at, s.world FROM scan_rows r JOIN scans s ON s.id = r.scan"
        " WHERE INSTR('/' || UPPER(r.symbol) || '/', '/' || UPPER(?) || '/') ORDER BY r.scan DESC, r.number LIMIT ?"
    )
    return _read(path, text, symbol, limit)


def is_about(row: Row, symbol: str) -> bool:
    """Return whether a row names a symbol, alone or in a pair: `SPX/SPY` names both."""
    return f"/{symbol.upper()}/" in f"/{row['symbol'].upper()}/"


# ---------------------------------------------------------------- the file


def _create(file: sqlite3.Connection, path: Path) -> None:
    if _version(file, path) == VERSION:
        return
    scan = ", ".join(f'"{name}" {kind}' for name, kind in OF_A_SCAN.items())
    row = ", ".join(f'"{name}" {kind}' for name, kind in OF_A_ROW.items())
    file.execute(f"CREATE TABLE scans (id INTEGER PRIMARY KEY AUTOINCREMENT, {scan})")
    owner = "scan INTEGER NOT NULL REFERENCES scans(id) ON DELETE CASCADE"
    file.execute(f"CREATE TABLE scan_rows ({owner}, number INTEGER NOT NULL, {row}, PRIMARY KEY (scan, number))")
    file.execute("CREATE INDEX rows_by_symbol ON scan_rows(symbol COLLATE NOCASE, scan)")
    file.execute(f"PRAGMA user_version = {VERSION}")


def _version(file: sqlite3.Connection, path: Path) -> int:
    found = int(file.execute("PRAGMA user_version").fetchone()[0])
    if found not in (0, VERSION):
        help = "move it away; the next scan begins a new one"
        raise StoreError(f"{path} keeps scans as version {found} does, and this program as version {VERSION}", help)
    return found


def _insert(file: sqlite3.Connection, table: str, row: Row) -> int:
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    found = file.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values())).lastrowid
    return found or 0


def _read(path: Path, text: str, *given: object) -> list[Row]:
    """Return rows; none where nothing was ever kept."""
    if not path.exists():
        return []
    with _said(path), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as file:
        if not _version(file, path):
            return []
        file.row_factory = sqlite3.Row
        return [{name: _reported(name, row[name]) for name in row.keys()} for row in file.execute(text, given)]  # noqa: SIM118


def _written(name: str, value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if name in _LISTS else value


def _reported(name: str, value: Any) -> Any:
    if name in _LISTS:
        return json.loads(value)
    return None if value is None else bool(value) if name in _TRUTHS else value


@contextmanager
def _said(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError, ValueError) as error:
        raise StoreError(
            f"the scans in {path} cannot be used: {in_words(error)}", "move the file away, or free its disk"
        ) from error
