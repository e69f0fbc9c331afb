"""Exits that take over from each other without end: a position is never closed, and every order of it is taken back."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import taken_over_without_end
from rulebot.record.record import Kind, Record

BEGAN = datetime(2026, 10, 21, 14, 0, tzinfo=UTC)


def acted(reasons: str, apart: float) -> CheckedDay:
    """Return a day on which exits called by letters acted one after the other, so many seconds apart."""
    instants = (BEGAN + timedelta(seconds=apart * number) for number in range(len(reasons)))
    records = [
        Record(at, Kind.DECISION, "bot", "bot-1", {"what": "exit", "reason": reason})
        for at, reason in zip(instants, reasons, strict=True)
    ]
    return cast(CheckedDay, SimpleNamespace(records=records))


@pytest.mark.parametrize(
    ("reasons", "apart", "is_reported"),
    [
        ("abababab", 1.0, True),
        ("abcabcabc", 5.0, True),
        ("abababab", 60.0, False),
        ("abab", 1.0, False),
        ("aaaaaaaa", 1.0, False),
        ("abbabbabba", 1.0, False),
    ],
)
def test_exits_that_take_over_from_each_other_without_end_are_reported(
    reasons: str, apart: float, is_reported: bool
) -> None:
    assert bool(taken_over_without_end(acted(reasons, apart))) is is_reported


def test_exits_between_which_something_is_closed_are_none_of_them() -> None:
    day = acted("abababab", 1.0)
    fill = Record(BEGAN + timedelta(seconds=3.5), Kind.FILL, "bot", "bot-1", {"purpose": "exit"})
    entry = Record(BEGAN + timedelta(seconds=3.5), Kind.FILL, "bot", "bot-1", {"purpose": "entry"})
    for between, is_reported in ((fill, False), (entry, True)):
        records = [*day.records[:4], between, *day.records[4:]]
        assert bool(taken_over_without_end(cast(CheckedDay, SimpleNamespace(records=records)))) is is_reported
