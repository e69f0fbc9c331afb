"""When a run ends that was asked for so many sessions."""

from datetime import UTC, date, datetime, timedelta

import pytest

from engine.model.session import session_from
from engine.run.after_close import AFTER_CLOSE
from engine.run.start import end_of

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
