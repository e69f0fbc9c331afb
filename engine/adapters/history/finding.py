"""What is said of data that is not as it should be: the same words for the same flaw, whatever the layout."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from engine.adapters.history.day import Finding, Severity
from engine.model.errors import StoreError

OUTSIDE = "open or close is outside of low to high: rules read it as it stands, nothing settles at it"
_SHOWN = 5


def refused(file: str, row: int, text: str) -> Finding:
    """Return that a day, or a file, is not used."""
    return Finding(file=file, row=row, severity=Severity.REFUSED, text=text)


def told(file: str, row: int, text: str, count: int = 1) -> Finding:
    """Return that something is used although it is odd."""
    return Finding(file=file, row=row, severity=Severity.TOLD, text=text, count=count)


def left_out(file: str, rows: Sequence[int], text: str) -> Finding:
    """Return that rows are not used: the finding stands at the first of them, its text names the first few."""
    count = len(rows)
    if count > 1:
        shown = ", ".join(str(int(row)) for row in rows[:_SHOWN])
        text = f"{text} ({count} rows: {shown}{', ...' if count > _SHOWN else ''})"
    return Finding(file=file, row=int(rows[0]), severity=Severity.LEFT_OUT, text=text, count=count)


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
