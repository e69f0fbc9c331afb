"""The third start in ten minutes without a clean end only reduces."""

from datetime import UTC, datetime, timedelta

import pytest

from rulebot.process.connection_state import is_crash_loop
from rulebot.record.record import Kind, Record

NOW = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
START, END = Kind.RUN_STARTED, Kind.RUN_ENDED


def life(*happened: tuple[float, Kind] | tuple[float, Kind, str]) -> list[Record]:
    """Return records so many minutes before now."""
    return [
        Record(NOW - timedelta(minutes=ago), kind, data={"request": "".join(what), "is_clean": "error" not in what})
        for ago, kind, *what in happened
    ]


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([], False),
        (life((1, START)), False),
        (life((2, START), (1, START)), True),
        (life((12, START), (1, START)), False),
        (life((3, START), (2, END), (1, START)), False),
        (life((5, START), (4, START), (3, START), (2, END)), True),
        (life((5, START), (4, END, "error"), (3, START), (2, END, "error")), True),
        (life((5, START), (4, START), (3, Kind.OPERATOR, "resume"), (1, START)), False),
        (life((5, START), (4, START), (3, Kind.OPERATOR, "pause")), True),
    ],
)
def test_starts_without_a_clean_end(records: list[Record], found: bool) -> None:
    assert is_crash_loop(records, NOW) is found
