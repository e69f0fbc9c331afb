"""Of several recordings of one day those count that have something which no other one has."""

from datetime import UTC, date, datetime, timedelta
from math import isfinite
from pathlib import Path

import pytest

from rulebot.adapters.recorded.recorder import Recorder
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.recorded_replies import cuts
from rulebot.model.contract import Underlying
from rulebot.model.event import MarketDataUpdated
from rulebot.model.market import Board

OPEN = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
DAY = date(2026, 10, 21)


def record(folder: Path, level: float, *seconds: int) -> None:
    """Record one level of SPX at these seconds after the open."""
    board = Board()
    recorder = Recorder(folder, {}, board, pytest.fail)
    for each in seconds:
        at, row = OPEN + timedelta(seconds=each), board.add(Underlying("SPX"))
        board.last[row], board.last_at[row], board.alive_at = level, at.timestamp(), at.timestamp()
        recorder.took(MarketDataUpdated(at, (row,)), (), changed=True)
    recorder.close()


def seen(folder: Path) -> tuple[list[float], list[str]]:
    """Return the levels of the day, and what is told of its files but for holes."""
    day = RecordingSource(folder).day(DAY)
    levels = dict.fromkeys(level for level in day.levels["SPX"].tolist() if isfinite(level))
    return list(levels), [each.text for each in day.findings if "nothing is recorded" not in each.text]


def test_what_was_stopped_or_is_still_written_gives_way_to_what_has_its_time_as_well(tmp_path: Path) -> None:
    """The later one counted from its beginning on: the day ended where it did, though another had all of it."""
    record(tmp_path / "one-tapes" / "2026-10-21T132900Z", 1000.0, *range(0, 20000, 50))
    record(tmp_path / "two-tapes" / "2026-10-21T133500Z", 2000.0, *range(300, 1200, 50))
    levels, reported = seen(tmp_path)
    assert levels == [1000.0]
    (text,) = reported
    assert text.startswith("09:35:00 to 09:49:10 is in ")
    assert "one-tapes" in text, "which one counts is named"
    files = RecordingSource(tmp_path).files(DAY)
    assert [file.parent.parent.name for file, _ in cuts(files)] == ["one-tapes"], "its fills are no longer told either"


def test_of_two_alike_the_later_one_counts_whatever_its_folder_is_called(tmp_path: Path) -> None:
    record(tmp_path / "z" / "2026-10-21T132800Z", 1000.0, *range(0, 600, 50))
    record(tmp_path / "a" / "2026-10-21T132900Z", 2000.0, *range(0, 600, 50))
    levels, reported = seen(tmp_path)
    assert (levels, len(reported)) == ([2000.0], 1)


def test_what_began_later_and_continues_counts_from_then_on_and_that_is_reported(tmp_path: Path) -> None:
    record(tmp_path / "2026-10-21T132900Z", 1000.0, *range(0, 600, 50))
    record(tmp_path / "2026-10-21T133500Z", 2000.0, *range(300, 900, 50))
    levels, reported = seen(tmp_path)
    assert levels == [1000.0, 2000.0]
    (text,) = reported
    assert text.startswith("goes on until 09:39:10, and from 09:35:00 on ")


def test_runs_that_follow_each_other_all_count_and_nothing_is_reported(tmp_path: Path) -> None:
    record(tmp_path / "2026-10-21T130000Z", 500.0, -900, -600)
    record(tmp_path / "2026-10-21T132900Z", 1000.0, *range(0, 600, 50))
    record(tmp_path / "2026-10-21T134000Z", 2000.0, *range(600, 900, 50))
    assert seen(tmp_path) == ([500.0, 1000.0, 2000.0], [])
