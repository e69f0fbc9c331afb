"""What a replay that differs says of itself."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from rulebot.cli.past.replay_text import compared_document, drift_lines, next_line, replay_lines
from rulebot.record.codec import line
from rulebot.record.record import Kind, Record
from rulebot.replay.drift import DayComparison
from rulebot.replay.replay import Difference

REPORTED: dict[str, Any] = {
    "file": "2026-10-22.tape",
    "day": "2026-10-22",
    "until": "2026-10-22T20:05:00+00:00",
    "turns": 7,
    "decisions": 3,
    "recorded_by": "0.1.0",
    "replayed_by": "0.1.0",
    "same_code": True,
}


@pytest.mark.parametrize(("day", "said"), [(21, "2026-10-21 11:03:00"), (22, "11:03:00")])
def test_where_the_days_before_differ_it_says_which(day: int, said: str) -> None:
    differs = Difference(datetime(2026, 10, day, 15, 3, tzinfo=UTC), ("a",), ("b", "c"))
    first, whose = replay_lines(REPORTED, differs, short=True)
    assert "recorded by this very rulebot, so that this is a fault of it" in whose
    _, *others = replay_lines({**REPORTED, "same_code": False}, differs, short=True)
    assert "recorded by another rulebot (0.1.0; this is 0.1.0): CHANGELOG.md has" in others[0]
    assert first == f" 2026-10-22.tape: DIFFERENT at {said}, after 3 records of 7 turns"


def test_values_that_are_others_now_are_reported_in_words() -> None:
    """The lines of a roll or a target are a screen long each, and one price in them was another."""
    at = datetime(2026, 10, 22, 15, 3, tzinfo=UTC)
    target: dict[str, Any] = {"legs": [], "limit_price": "1.89", "purpose": "target"}
    then, now = (
        line(Record(at, Kind.ORDER, "seller", "p-1", {**target, "limit_price": price})) for price in ("1.89", "1.88")
    )
    differs = Difference(at, (then,), (now,))
    _, _, said = replay_lines(REPORTED, differs, short=True)
    assert said == "   seller target: limit_price was 1.89, is 1.88"


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        (("a",), ("b",), ["then: a", "now: b"]),
        (("a",), ("a", "b"), ["then: all but that", "now: b"]),
        (("a", "b"), ("a",), ["then: b", "now: all but that"]),
        ((), ("b",), ["then: nothing", "now: b"]),
        (("a", "b"), ("b", "a"), ["then: the same, in another order", "now: the same, in another order"]),
    ],
)
def test_what_differs_is_reported_of_both(then: tuple[str, ...], now: tuple[str, ...], said: list[str]) -> None:
    differs = Difference(datetime(2026, 10, 22, 15, 3, tzinfo=UTC), then, now)
    _, _, *lines = replay_lines(REPORTED, differs, short=False)
    assert [each.strip() for each in lines] == said


@pytest.mark.parametrize(
    ("is_other", "said"),
    [(False, "the recording ends at 11:03:00"), (True, "this engine decides otherwise from 11:03:00 on")],
)
def test_a_comparison_says_why_it_is_not_of_the_whole_day(is_other: bool, said: str) -> None:
    until = datetime(2026, 10, 22, 15, 3, tzinfo=UTC)
    found = DayComparison(day=date(2026, 10, 22), since=None, until=until, trades=(), is_other=is_other)
    assert next(each.strip() for each in drift_lines(found)).startswith(said)
    assert compared_document(found)["decides_otherwise"] is is_other


def test_the_chain_that_a_backtest_is_shown_with_is_that_of_most_options() -> None:
    """Of ten underlyings that a bot on SPX had ranked it was that of AAPL, which has six options."""
    written = [(Path("my out", name, "2026-10-21.parquet"), 4681, count) for name, count in (("AAPL", 6), ("SPX", 60))]
    assert next_line(written) == f" next: rulebot backtest SPEC --data 'parquet:{Path('my out', 'SPX')}'"
