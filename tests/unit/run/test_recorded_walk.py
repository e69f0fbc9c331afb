"""A walk through a recording that begins in mid-session knows what its run had taken over from the store."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from engine.adapters.recorded.recorder import Recorder
from engine.adapters.recorded.source import RecordingSource
from engine.model.contract import Underlying
from engine.model.event import MarketMoved
from engine.model.events import event_calendar
from engine.model.market import Board
from engine.record.codec import line
from engine.record.record import Json, Kind, Record
from engine.run.backtest.fills import NATURAL, RECORDED, FillModel
from engine.run.backtest.recorded.walk import RecordedWalk
from engine.run.backtest.walk import CASH, Walk
from engine.run.calendars import shipped_dates
from engine.run.desk import load_desk
from engine.spec.shipped import shipped

OPEN = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
DAY = date(2026, 10, 21)


@pytest.mark.parametrize(("kind", "fills"), [(Walk, NATURAL), (RecordedWalk, RECORDED)])
def test_the_opens_expected_move_is_known_from_the_runs_store(
    tmp_path: Path, kind: type[Walk], fills: FillModel
) -> None:
    data: dict[str, Json] = {"symbol": "SPX", "what": "opening_move", "value": 32.1, "expiry": str(DAY)}
    recalled = line(Record(OPEN + timedelta(seconds=1), Kind.FACTS, "put_lite", data=data))
    board = Board()
    recorder = Recorder(tmp_path / "run", {"records": [recalled]}, board, pytest.fail)
    spx = board.add(Underlying("SPX"))
    for minute in (60, 61):
        at = OPEN + timedelta(minutes=minute)
        board.last[spx], board.last_at[spx], board.alive_at = 5900.0 + minute, at.timestamp(), at.timestamp()
        board.unread.add(spx)
        recorder.took(MarketMoved(at, (spx,)), (), changed=True)
    recorder.close()
    program = load_desk([str(shipped("specs") / "put_lite.yaml")], {}, None).program("t", {}, 90)
    walk = kind(program, RecordingSource(tmp_path), event_calendar(shipped_dates()), fills, CASH)
    (done,) = walk.through(DAY, DAY)
    facts = [each for each in done.records if each.kind is Kind.FACTS and each.data["what"] == "opening_move"]
    assert [each.data["value"] for each in facts] == [32.1]
