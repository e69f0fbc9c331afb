"""Lean's zip files as bars: one entry for each contract, without headers.

Times are milliseconds since midnight at which a bar begins; what it says is known a minute later, when it ends. Prices
of options and shares are multiplied by 10,000, those of an index are not. A bar without a change is left out.
"""

import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple
from zlib import error as ZlibError

import numpy as np

from engine.adapters.history.day import Columns, Finding
from engine.adapters.history.finding import left_out, refusal, refused, told

SCALE = 10_000.0
_QUOTE_FIELDS, _TRADE_FIELDS = 11, 6
_BID, _BID_SIZE, _ASK, _ASK_SIZE = 4, 5, 9, 10
_CLOSE, _VOLUME = 4, 5


class Contract(NamedTuple):
    """An option by the name of its entry. `expires` is the day in its name."""

    is_call: bool
    strike: float
    expires: date


class Bars(NamedTuple):
    """Bars of one entry in order of time. Shape: `begins` (N,) seconds since midnight, `values` (N, columns)."""

    entry: str
    begins: Columns
    values: Columns
    findings: tuple[Finding, ...]


def entries(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each entry. Raises: StoreError when the zip is damaged or cut off."""
    name = ""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield name, archive.read(name)
    except (zipfile.BadZipFile, ZlibError, EOFError) as error:
        where = f"{path.name}/{name}" if name else path.name
        raise refusal(refused(where, 0, f"the zip file is damaged or cut off: {error}")) from error
    except OSError as error:
        raise refusal(refused(path.name, 0, f"it cannot be read: {error.strerror or error}")) from error


def contract_of(entry: str) -> Contract:
    """Return the option of `20151224_goog_minute_quote_american_call_7500000_20151231.csv`. Raises: StoreError."""
    parts = entry.removesuffix(".csv").split("_")
    try:
        right, strike, expires = parts[-3:]
        day = date(int(expires[:4]), int(expires[4:6]), int(expires[6:8]))
        return Contract({"call": True, "put": False}[right], int(strike) / SCALE, day)
    except (ValueError, KeyError):
        text = "the name of an entry ends in right, strike and expiry, as in call_7500000_20151231.csv"
        raise refusal(refused(entry, 0, text)) from None


def quote_bars(where: str, content: bytes) -> Bars:
    """Return the last quote of each bar: bid, ask, bid size, ask size; a side that is not quoted is nan."""
    begins, table, findings = _numbers(where, content, _QUOTE_FIELDS)
    values = table[:, [_BID, _ASK, _BID_SIZE, _ASK_SIZE]] if len(table) else np.zeros((0, 4))
    values[:, :2] /= SCALE
    values[:, :2][~(values[:, :2] > 0)] = np.nan
    values[:, 2:][np.isnan(values[:, :2])] = np.nan
    crossed = values[:, 0] > values[:, 1]
    if crossed.any():
        findings.append(left_out(where, (np.flatnonzero(crossed) + 1).tolist(), "the bid is above the ask"))
        values[crossed] = np.nan
    lone = np.isnan(values[:, 1]) & ~np.isnan(values[:, 0])
    if lone.any():
        rows = np.flatnonzero(lone) + 1
        findings.append(told(where, int(rows[0]), "there is a bid and no ask: the ask is not known", len(rows)))
    return Bars(where, begins, values, tuple(findings))


def trade_bars(where: str, content: bytes, scale: float = SCALE) -> Bars:
    """Return close and volume of each bar."""
    begins, table, findings = _numbers(where, content, _TRADE_FIELDS)
    values = table[:, [_CLOSE, _VOLUME]] if len(table) else np.zeros((0, 2))
    values[:, 0] /= scale
    return Bars(where, begins, values, tuple(findings))


def day_bars(where: str, content: bytes) -> Iterator[tuple[date, Sequence[float]]]:
    """Yield day and fields of a file whose bars begin with `20140606 00:00`."""
    for line in content.decode().splitlines():
        text, *fields = line.split(",")
        if line:
            day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
            yield day, [float(field) if field else float("nan") for field in fields]


def _numbers(where: str, content: bytes, fields: int) -> tuple[Columns, Columns, list[Finding]]:
    lines = content.decode("ascii", "replace").splitlines()
    findings, odd, table = [], [], []
    for row, line in enumerate(lines, 1):
        cells = line.split(",")
        if len(cells) == fields:
            try:
                table.append((row, *(float(cell) if cell else np.nan for cell in cells)))
                continue
            except ValueError:
                pass
        if line.strip():
            odd.append(row)
    if odd:
        cut = " (the file is cut off)" if odd == [len(lines)] and not content.endswith(b"\n") else ""
        findings.append(left_out(where, odd, f"a bar has {fields} numbers, and not so many{cut}"))
    found = np.array(table, dtype=np.float64).reshape(-1, fields + 1)
    begins = found[:, 1]
    if (back := np.flatnonzero(np.diff(begins) < 0)).size:
        row = int(found[back[0] + 1, 0])
        findings.append(told(where, row, "the bars are out of order; they are sorted", int(back.size)))
        found = found[np.argsort(begins, kind="stable")]
    if (again := np.flatnonzero(np.diff(found[:, 1]) == 0) + 1).size:
        rows = sorted(int(row) for row in found[again, 0])
        findings.append(left_out(where, rows, "there is a bar of the same minute before"))
        found = np.delete(found, again, axis=0)
    return found[:, 1] / 1000.0, found[:, 1:], findings
