"""What is said of data that is not as it should be: the same words for the same flaw, whatever the layout."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from itertools import groupby
from typing import Any

from rulebot.adapters.history.day import Finding, Severity
from rulebot.model.errors import StoreError
from rulebot.model.values import dataclass

OUTSIDE = "open or close is outside of low to high: rules read it as it stands, nothing settles at it"
SHOWN = 5
"""Rows of which the numbers are told, where more are left out."""
_SHOWN = 12
"""Columns of a file that are told at most."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Files of one folder that are read as one: their rows are numbered through, file by file.

    Shape: `starts` has, for each of `files`, how many numbers there are before those of its rows.
    """

    name: str
    files: tuple[str, ...]
    starts: tuple[int, ...]

    def of(self, row: int) -> tuple[str, int]:
        """Return in which file a row stands, and which it is there; of 0 the name of them all."""
        if not row:
            return self.name, 0
        place = bisect_left(self.starts, row) - 1
        return self.files[place], row - self.starts[place]


File = str | Parts
"""Where rows are from."""


def refused(file: File, row: int, text: str) -> Finding:
    """Return that a day, or a file, is not used."""
    return _finding(file, row, Severity.REFUSED, text, 1)


def finding_text(file: File, row: int, text: str, count: int = 1) -> Finding:
    """Return that something is used although it is odd."""
    return _finding(file, row, Severity.TOLD, text, count)


def left_out(file: File, rows: Sequence[int], text: str, count: int = 0) -> Finding:
    """Return that rows are not used: the finding stands at the first of them, its text names the first few.

    count: how many they are, where `rows` has the first ones alone.
    """
    count = count or len(rows)
    if isinstance(file, Parts):
        rows = sorted(rows)
    if count > 1:
        shown = _shown(file, rows[:SHOWN])
        text = f"{text} ({count} rows: {shown}{', ...' if count > SHOWN else ''})"
    return _finding(file, int(rows[0]), Severity.LEFT_OUT, text, count)


def _finding(file: File, row: int, severity: Severity, text: str, count: int) -> Finding:
    name, own = file.of(row) if isinstance(file, Parts) else (file, row)
    return Finding(file=name, row=own, severity=severity, text=text, count=count)


def _shown(file: File, rows: Sequence[int]) -> str:
    """Return numbers of rows; of several files those of each, with the name of all but the first."""
    if not isinstance(file, Parts):
        return ", ".join(str(int(row)) for row in rows)
    found: list[str] = []
    for name, of in groupby((file.of(row) for row in rows), key=lambda each: each[0]):
        numbers = ", ".join(str(row) for _, row in of)
        found.append(f"{missing_part_finding(name)}: {numbers}" if found else numbers)
    return "; ".join(found)


def lacks_any(names: Iterable[str], header: Iterable[str]) -> str:
    """Return that a file has none of some names for a column, and which columns it has."""
    found = list(header)
    shown = ", ".join(f"`{name}`" for name in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    return f"it has no column {' or '.join(names)}; it has {shown or 'none'}{split_mismatch(found)}"


def split_mismatch(header: Sequence[str]) -> str:
    """Return that columns are parted by another sign than commas, behind what they are, "" where they are not."""
    odd = next((sign for sign in ";\t|" if len(header) == 1 and sign in header[0]), "")
    return f"; columns are parted by commas, not by {odd!r}" if odd else ""


def lacks(*columns: str) -> str:
    """Return that a file has no such columns, in words."""
    names = ", ".join(f"`{name}`" for name in columns)
    return f"it has no column{'s' if len(columns) > 1 else ''} {names}"


def missing_part_finding(file: str) -> str:
    """Return the name of a file beside another one, whose folders say where both are."""
    return file.rpartition("/")[2]


def place(finding: Finding) -> str:
    """Return a finding as `file:row: text`."""
    where = f"{finding.file}:{finding.row}" if finding.row else finding.file
    return f"{where}: {finding.text}"


def refusal(finding: Finding, help: str | None = None) -> StoreError:
    """Return the error with which a day, or a source, is refused."""
    return StoreError(place(finding), help)


def data_of(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {**asdict(finding), "severity": finding.severity.value}


def no_session(file: str, day: date) -> Finding:
    """Return that a file is of a day on which the exchange was closed."""
    return refused(file, 0, f"{day} is no session of the exchange: what it holds is stale")
