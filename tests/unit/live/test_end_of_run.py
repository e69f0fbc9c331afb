"""When a run ends that was asked for so many sessions, and what it waits for then."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.live import start
from rulebot.live.daily_jobs import AFTER_CLOSE
from rulebot.live.start import end_of
from rulebot.model.session import session_from

FRIDAY = date(2026, 10, 23)
CLOSE = datetime(2026, 10, 23, 20, tzinfo=UTC)
MONDAY = CLOSE + timedelta(days=3)


@pytest.mark.parametrize(
    ("at", "sessions", "close"),
    [
        (CLOSE - timedelta(hours=7), 1, CLOSE),
        (CLOSE + AFTER_CLOSE - timedelta(seconds=1), 1, CLOSE),
        (CLOSE + AFTER_CLOSE, 1, MONDAY),
        (CLOSE + timedelta(hours=5), 2, MONDAY + timedelta(days=1)),
        (CLOSE - timedelta(hours=3), 2, MONDAY),
        (CLOSE + timedelta(hours=5), 0, CLOSE),
    ],
)
def test_a_session_that_is_over_as_a_run_begins_is_none_of_those_asked_for(
    at: datetime, sessions: int, close: datetime
) -> None:
    """`--until close` in the evening ended before the next session began, and said nothing."""
    assert end_of(session_from(FRIDAY), sessions, at) == close + AFTER_CLOSE


def test_a_run_waits_for_its_recording_with_signs_of_life_and_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long day it takes a minute; the watchdog ended the process after half of that."""
    monkeypatch.setattr(start, "LAYOUT_PATIENCE", 0.0)
    kept, beats, said = iter((False, False, False, True)), list[None](), list[str]()

    class Tape:
        is_kept = property(lambda _: next(kept))

    heartbeat = SimpleNamespace(beat=lambda: beats.append(None))
    run: Any = SimpleNamespace(loop=SimpleNamespace(tape=Tape(), heartbeat=heartbeat), says=said.append)
    asyncio.run(start._kept(run))
    assert len(beats) == 3
    assert said == [" the recording of the day is laid out smaller: Ctrl+C ends it"]
