"""A service checks before each open, and tells what is wrong."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rulebot.live import daily_jobs
from rulebot.live.daily_jobs import check_mornings, found_wrong, next_check


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def says(rows: list[dict[str, Any]]) -> list[str]:
    return command(f"import sys; sys.stdout.write({json.dumps({'checks': rows})!r}); sys.exit(1)")


def row(name: str, level: str = "fault", text: str = "is gone") -> dict[str, Any]:
    return {"name": name, "level": level, "text": text}


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (datetime(2026, 11, 18, 13, 59, tzinfo=UTC), datetime(2026, 11, 18, 14, 0, tzinfo=UTC)),
        (datetime(2026, 11, 18, 14, 0, tzinfo=UTC), datetime(2026, 11, 19, 14, 0, tzinfo=UTC)),
        (datetime(2026, 11, 20, 20, 0, tzinfo=UTC), datetime(2026, 11, 23, 14, 0, tzinfo=UTC)),  # over a week-end
        (datetime(2026, 11, 25, 20, 0, tzinfo=UTC), datetime(2026, 11, 27, 14, 0, tzinfo=UTC)),  # over Thanksgiving
    ],
)
def test_it_is_due_half_an_hour_before_each_open(after: datetime, due: datetime) -> None:
    assert next_check(after) == due


def test_faults_are_reported_and_warnings_are_not() -> None:
    assert asyncio.run(found_wrong(says([row("VIX"), row("disk", "warning"), row("python", "ok")]))) == (
        "before the open: VIX: is gone. 'rulebot doctor' says how to mend it"
    )
    assert asyncio.run(found_wrong(says([row("disk", "warning")]))) == ""
    many = asyncio.run(found_wrong(says([row(str(number)) for number in range(8)])))
    assert "; and 3 more." in many


def test_a_check_up_that_fails_or_hangs_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = asyncio.run(found_wrong(command("import sys; sys.exit('no such file')")))
    assert failed == "before the open: 'rulebot doctor' failed: no such file"
    monkeypatch.setattr(daily_jobs, "PRE_OPEN_PATIENCE", 0.2)
    assert "has not ended" in asyncio.run(found_wrong(command("import time; time.sleep(60)")))


class Clock:
    """A clock whose time passes by being looked at."""

    def __init__(self, now: datetime, step: timedelta) -> None:
        self.at, self.step = now, step

    def now(self) -> datetime:
        self.at += self.step
        return self.at

    def elapsed(self) -> float:
        return 0.0


def mornings(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, seconds: float = 1.5, words: Sequence[str] = ()
) -> list[str]:
    reported: list[str] = []
    monkeypatch.setattr(daily_jobs, "PRE_OPEN_LOOK_EVERY", 0.001)

    async def body() -> None:
        await asyncio.wait_for(check_mornings(words or says([row("VIX")]), reported.append, clock), seconds)

    with pytest.raises(TimeoutError):
        asyncio.run(body())
    return reported


def test_each_morning_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reported = mornings(Clock(datetime(2026, 11, 18, 13, 0, tzinfo=UTC), timedelta(minutes=20)), monkeypatch)
    assert reported
    assert len(reported) == len([each for each in reported if "VIX: is gone" in each])


def test_what_a_sleep_has_passed_over_is_not_checked_hours_later(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(datetime(2026, 11, 18, 13, 0, tzinfo=UTC), timedelta(hours=7))
    assert mornings(clock, monkeypatch, 0.3) == []


def test_a_check_up_that_cannot_be_started_is_reported_each_morning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first one ended all later ones, and nobody heard of it."""
    clock = Clock(datetime(2026, 11, 18, 13, 0, tzinfo=UTC), timedelta(minutes=20))
    reported = mornings(clock, monkeypatch, 0.3, [str(tmp_path / "gone")])
    assert len(reported) > 1
    assert set(reported) == {"before the open: 'rulebot doctor' could not be started: No such file or directory"}
