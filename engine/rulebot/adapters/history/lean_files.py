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

from rulebot.adapters.history.checks import EXPENSIVE
from rulebot.adapters.history.quote_checks import known_level, sound_levels
from rulebot.adapters.history.session import OUTSIDE, SLACK, Columns, Finding, finding_text, left_out, refusal, refused
from rulebot.adapters.history.table import CUT_OFF, Whole
from rulebot.model.contract import class_of_shares

SCALE = 10_000.0
MOST = 256 << 20
"""Bytes of an entry, for which a few may stand: a day of minutes, or a year of days, never had a hundredth of it."""
_QUOTE_FIELDS, _TRADE_FIELDS = 11, 6
_BID, _BID_SIZE, _ASK, _ASK_SIZE = 4, 5, 9, 10
_CLOSE, _VOLUME = 4, 5


class LeanContract(NamedTuple):
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
    """Yield name and content of each entry. Raises: StoreError for a zip that is damaged, cut off, or of too much."""
    name = ""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                with archive.open(name) as entry:
                    found = entry.read(MOST + 1)
                if len(found) > MOST:
                    raise refusal(refused(f"{path.name}/{name}", 0, f"it has more than {MOST >> 20} MB"))
                yield name, found
    except (zipfile.BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        where = f"{path.name}/{name}" if name else path.name
        raise refusal(refused(where, 0, f"the zip file is damaged or cut off: {error}")) from error
    except OSError as error:
        raise refusal(refused(path.name, 0, f"it cannot be read: {error.strerror or error}")) from error


def only_entry(path: Path) -> tuple[str, bytes]:
    """Return the one entry of a zip file. Raises: StoreError when there are none or several."""
    found = list(entries(path))
    if len(found) != 1:
        raise refusal(refused(path.name, 0, f"it has {len(found)} entries, and should have one"))
    return found[0]


def check_entry(where: str, entry: str, day: date, name: str) -> None:
    """See that an entry, whose name begins like `20151224_goog_`, is of its file. Raises: StoreError."""
    reported, _, rest = entry.partition("_")
    if not reported.isdigit():
        return
    if reported != f"{day:%Y%m%d}":
        raise refusal(refused(f"{where}/{entry}", 0, f"the entry's date is {reported}, the file's {day:%Y%m%d}"))
    if class_of_shares(rest.partition("_")[0].upper()) != class_of_shares(name.upper()):
        raise refusal(refused(f"{where}/{entry}", 0, f"its symbol is {rest.partition('_')[0]}, the file's {name}"))


def contract_of(where: str, entry: str) -> LeanContract:
    """Return the option of `20151224_goog_minute_quote_american_call_7500000_20151231.csv`. Raises: StoreError."""
    parts = entry.removesuffix(".csv").split("_")
    try:
        right, strike, expires = parts[-3:]
        day = date(int(expires[:4]), int(expires[4:6]), int(expires[6:8]))
        return LeanContract({"call": True, "put": False}[right], int(strike) / SCALE, day)
    except (ValueError, KeyError):
        text = "the name of an entry ends in right, strike and expiry, as in call_7500000_20151231.csv"
        raise refusal(refused(f"{where}/{entry}", 0, text)) from None


def quote_bars(where: str, content: bytes, most: float) -> Bars:
    """Return the last quote of each bar: bid, ask, bid size, ask size; a side that is not quoted is nan.

    most: dollars above which no ask of it can be.
    """
    rows, begins, table, findings = _numbers(where, content, _QUOTE_FIELDS)
    values = table[:, [_BID, _ASK, _BID_SIZE, _ASK_SIZE]] if len(table) else np.zeros((0, 4))
    for place, words in ((0, "a bid is below 0: it is taken for no bid"), (1, "an ask is below 0: it is not known")):
        if (below := np.flatnonzero(values[:, place] < 0)).size:
            findings.append(finding_text(where, int(rows[below[0]]), words, int(below.size)))
    values[:, :2] /= SCALE
    values[:, :2][~(values[:, :2] > 0)] = np.nan
    values[:, 2:][np.isnan(values[:, :2])] = np.nan
    crossed = values[:, 0] > values[:, 1]
    if crossed.any():
        findings.append(left_out(where, rows[crossed].tolist(), CROSSED))
        values[crossed] = np.nan
    expensive = values[:, 1] > most
    if expensive.any():
        findings.append(left_out(where, rows[expensive].tolist(), EXPENSIVE))
        values[expensive] = np.nan
    lone = np.isnan(values[:, 1]) & ~np.isnan(values[:, 0])
    if lone.any():
        text = "there is a bid and no ask: the ask is not known"
        findings.append(finding_text(where, int(rows[lone][0]), text, int(lone.sum())))
    return Bars(where, begins, values, tuple(findings))


def trade_bars(where: str, content: bytes) -> Bars:
    """Return close and volume of each bar. Raises: StoreError where a volume is below 0."""
    rows, begins, table, findings = _numbers(where, content, _TRADE_FIELDS)
    values = table[:, [_CLOSE, _VOLUME]] if len(table) else np.zeros((0, 2))
    if (below := np.flatnonzero(values[:, 1] < 0)).size:
        text = f"volume is a count of contracts, is {values[below[0], 1]:g}"
        raise refusal(refused(where, int(rows[below[0]]), text))
    values[:, 0] /= SCALE
    return Bars(where, begins, values, tuple(findings))


def level_bars(where: str, content: bytes, scale: float, symbol: str) -> Bars:
    """Return bars of an underlying whose closes are levels. Raises: StoreError where none is one."""
    rows, begins, table, findings = _numbers(where, content, _TRADE_FIELDS)
    values = table[:, [_CLOSE, _VOLUME]] if len(table) else np.zeros((0, 2))
    level, more = sound_levels(where, rows, values[:, 0] / scale, symbol, begins)
    known_level(where, symbol, level)
    known = ~np.isnan(level)
    values[:, 0] = level
    return Bars(where, begins[known], values[known], (*findings, *more))


def open_interest(where: str, content: bytes) -> float | None:
    """Return the contracts that were open in the morning, of an entry with a line for it. Raises: StoreError."""
    for row, line in enumerate(content.decode("ascii", "replace").splitlines(), 1):
        if not line.strip():
            continue
        _, _, cell = line.partition(",")
        try:
            found = float(cell)
        except ValueError:
            found = -1.0
        if not 0.0 <= found < float("inf"):
            raise refusal(refused(where, row, f"open interest is a time and a count of contracts, is {line!r}"))
        return found
    return None


def day_bars(where: str, content: bytes, findings: list[Finding]) -> Iterator[tuple[date, Sequence[float]]]:
    """Yield day and prices of a file whose bars begin with `20140606 00:00`, each day once; what is none is told."""
    odd, again, outside, seen = [], [], [], set[date]()
    for row, line in enumerate(content.decode("ascii", "replace").splitlines(), 1):
        text, *fields = line.split(",")
        try:
            day = date(int(text[:4]), int(text[4:6]), int(text[6:8]))
            prices = [float(field) for field in fields[:4]]
        except ValueError:
            odd += [row] if line.strip() else []
            continue
        if len(prices) < 4 or not all(0.0 < price < float("inf") for price in prices):
            odd.append(row)
        elif day in seen:
            again.append(row)
        else:
            seen.add(day)
            opened, high, low, close = prices
            if not low * (1.0 - SLACK) <= min(opened, close) <= max(opened, close) <= high * (1.0 + SLACK):
                outside.append(row)
            yield day, prices
    if odd:
        findings.append(left_out(where, odd, "this is no bar: a day, and four prices above 0"))
    if again:
        findings.append(left_out(where, again, "a duplicate of an earlier day"))
    if outside:
        findings.append(finding_text(where, outside[0], OUTSIDE, len(outside)))


CROSSED = "the bid is above the ask"


def _numbers(where: str, content: bytes, fields: int) -> tuple[Whole, Columns, Columns, list[Finding]]:
    """Return row, beginning and numbers of each bar, by time, and what is odd about them.

    Raises: StoreError where the last row, without an end of line, is no bar.
    """
    lines = content.decode("ascii", "replace").splitlines()
    findings, odd, table = [], [], []
    for row, line in enumerate(lines, 1):
        cells = line.split(",")
        if len(cells) == fields:
            try:
                table.append((row, float(cells[0]), *(float(cell) if cell else np.nan for cell in cells[1:])))
                continue
            except ValueError:
                pass
        if line.strip():
            odd.append(row)
    if odd and odd[-1] == len(lines) and not content.endswith((b"\n", b"\r")):
        raise refusal(refused(where, len(lines), CUT_OFF))
    found = np.array(table, dtype=np.float64).reshape(-1, fields + 1)
    if (endless := np.isinf(found).any(axis=1) | np.isnan(found[:, 1])).any():
        odd = sorted([*odd, *found[endless, 0].astype(int).tolist()])
        found = found[~endless]
    if odd:
        findings.append(left_out(where, odd, f"a bar has {fields} numbers, too few"))
    begins = found[:, 1]
    if (back := np.flatnonzero(np.diff(begins) < 0)).size:
        row = int(found[back[0] + 1, 0])
        findings.append(finding_text(where, row, "the bars are out of order; they are sorted", int(back.size)))
        found = found[np.argsort(begins, kind="stable")]
    if (again := np.flatnonzero(np.diff(found[:, 1]) == 0) + 1).size:
        rows = sorted(int(row) for row in found[again, 0])
        findings.append(left_out(where, rows, "there is a bar of the same minute before"))
        found = np.delete(found, again, axis=0)
    return found[:, 0].astype(np.int64), found[:, 1] / 1000.0, found[:, 1:], findings
