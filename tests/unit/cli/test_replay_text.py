"""What a replay that differs says of itself."""

from datetime import UTC, datetime
from typing import Any

import pytest

from engine.cli.replay_text import replay_lines
from engine.run.replay.replay import Difference

TOLD: dict[str, Any] = {
    "file": "2026-10-22.tape",
    "until": "2026-10-22T20:05:00+00:00",
    "turns": 7,
    "decisions": 3,
    "recorded_by": "0.1.0",
    "replayed_by": "0.1.0",
}


@pytest.mark.parametrize(("day", "said"), [(21, "2026-10-21 11:03:00"), (22, "11:03:00")])
def test_where_the_days_before_differ_it_says_which(day: int, said: str) -> None:
    differs = Difference(datetime(2026, 10, day, 15, 3, tzinfo=UTC), ("a",), ("b",))
    (line,) = replay_lines(TOLD, differs, short=True)
    assert line == f" 2026-10-22.tape: DIFFERENT at {said}, after 3 records of 7 turns"
