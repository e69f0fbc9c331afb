"""Sessions around a change of the clocks and an early close; a year of them is a command (docs/reliability.md)."""

from datetime import date
from pathlib import Path

import pytest

from tests.e2e.many_days import Session, _growth, live_through

pytestmark = pytest.mark.long

BOTS = ("put_lite", "dte0_condor")
"""`test_weeks.py` lives through the nights of such days with the seller, whose orders stand over them."""


def test_ci_the_clocks_change_between_two_sessions(tmp_path: Path) -> None:
    found = live_through(tmp_path, 2, first_day=date(2026, 10, 30), specs=BOTS, data_seconds=15)
    assert found.problems == []
    assert [(each.date, each.offset) for each in found.sessions] == [
        (date(2026, 10, 30), -4.0),
        (date(2026, 11, 2), -5.0),
    ]
    assert found.left is not None
    assert {*BOTS} <= {p.bot for p in found.left.positions.values() if p.session.month == 11}


def test_ci_a_session_that_closes_early(tmp_path: Path) -> None:
    found = live_through(tmp_path, 2, first_day=date(2026, 11, 27), specs=BOTS, data_seconds=15)
    assert found.problems == []
    assert [each.hours for each in found.sessions] == [3.5, 6.5]


def test_growth_is_held_to_the_first_half() -> None:
    def sessions(late: float) -> list[Session]:
        sizes = [100 + day + max(day - 20, 0) * late for day in range(40)]
        return [Session(date(2026, 1, 1), 6.5, -5, size, size, 1.0) for size in sizes]

    assert list(_growth(sessions(0.1))) == []
    assert len(list(_growth(sessions(2.0)))) == 2
    assert [text.split()[0] for text in _growth(sessions(6.0))] == ["store", "the", "resident"]
