"""A recorded day as Parquet: what several runs have recorded of it is one day there."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import nan
from pathlib import Path

import numpy as np
import pytest

from rulebot.adapters.history.session import Severity
from rulebot.adapters.recorded.recorder import Recorder
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.adapters.sources import open_source
from rulebot.model.contract import Option, Right, Underlying
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.event import BarsReport, ClosesReport, ImpliedReport, MarketDataUpdated
from rulebot.model.facts import Bar, Bars
from rulebot.model.market import Board
from rulebot.replay.recordings import export, meant

OPEN = datetime(2026, 10, 21, 13, 30, tzinfo=UTC)
DAY = date(2026, 10, 21)
PUT = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)


def recorded(folder: Path, name: str, *minutes: int, day: date = DAY, first_bar: date | None = None) -> None:
    """Record a run with quotes of SPX and a put at these minutes; a bar and volatilities are told at the first.

    first_bar: a daily bar of this session is told too, and closes of three sessions.
    """
    opened = OPEN + (day - DAY)
    board = Board()
    recorder = Recorder(folder / name, {}, board, pytest.fail)
    spx, put = board.add(Underlying("SPX")), board.add(PUT)
    for minute in minutes:
        at = opened + timedelta(minutes=minute)
        board.last[spx], board.last_at[spx] = 5900.0 + minute, at.timestamp()
        board.bid[put], board.ask[put], board.quote_at[put] = 10.0 + minute / 10, 11.0 + minute / 10, at.timestamp()
        board.alive_at = at.timestamp()
        board.unread |= {spx, put}
        recorder.took(MarketDataUpdated(at, (spx, put)), (), changed=True)
        if minute == minutes[0]:
            bar = Bar(opened.timestamp(), 5900.0, 5910.0, 5890.0, 5900.0 + minute, 0.0, 0.0)
            recorder.took(BarsReport(at, "SPX", 60, Bars(at.timestamp(), (bar,))), (), changed=True)
            if first_bar is not None:
                daily = Bar((OPEN + (first_bar - DAY)).timestamp(), 1.0, 4.0, 0.5, 2.0, 0.0, 0.0)
                reported = Bars(at.timestamp(), (daily,))
                recorder.took(BarsReport(at, "SPX", 86_400, reported), (), changed=True)
                recorder.took(ClosesReport(at, "SPX", (2.0, 2.0, 5.0)), (), changed=True)
            recorder.took(ImpliedReport(at, "SPX", (0.15, 0.16)), (), changed=True)
    recorder.close()


def test_what_several_runs_have_recorded_is_one_day(tmp_path: Path) -> None:
    tapes, out = tmp_path / "tapes", tmp_path / "out"
    recorded(tapes, "2026-10-21T133000Z", 1, 2, 3)
    recorded(tapes, "2026-10-21T140000Z", 30, 31)
    ((file, instants, options),) = export(meant("2026-10-21", tapes), out)
    assert (file, instants, options) == (out / "SPX" / "2026-10-21.parquet", 5, 1)
    source, whole = open_source(f"parquet:{out / 'SPX'}"), RecordingSource(tapes).day(DAY)
    found = source.day(DAY)
    assert found.times.tolist() == whole.times.tolist()
    assert found.bid.tolist() == whole.bid.tolist()
    assert found.bars == whole.bars
    assert [at for at, _ in (found.bars or {})["SPX", 60]] == [found.times[0], found.times[3]]
    assert source.implied("SPX", DAY, 2) == (0.15, 0.16)


def test_what_a_broker_models_of_an_option_that_nobody_quotes_is_exported_too(tmp_path: Path) -> None:
    """Its delta was lost while it had neither bid nor ask: an exit by delta waited there, and in no other world."""
    board = Board()
    recorder = Recorder(tmp_path / "tapes" / "one", {}, board, pytest.fail)
    spx, put = board.add(Underlying("SPX")), board.add(PUT)
    for minute, (bid, ask) in enumerate(((10.0, 11.0), (nan, nan), (0.5, nan), (10.0, 11.0)), 1):
        at = OPEN + timedelta(minutes=minute)
        board.last[spx], board.last_at[spx] = 5900.0 + minute, at.timestamp()
        board.bid[put], board.ask[put], board.bid_size[put] = bid, ask, 0.0 if bid != bid else 3.0
        board.iv[put], board.delta[put] = 0.2, -0.3 - minute / 100
        board.quote_at[put] = board.model_at[put] = board.alive_at = at.timestamp()
        board.unread |= {spx, put}
        recorder.took(MarketDataUpdated(at, (spx, put)), (), changed=True)
    recorder.close()
    export(meant("2026-10-21", tmp_path / "tapes"), tmp_path / "out")
    found, tape = (
        open_source(f"parquet:{tmp_path / 'out' / 'SPX'}").day(DAY),
        RecordingSource(tmp_path / "tapes").day(DAY),
    )
    assert found.times.tolist() == tape.times.tolist()
    for name in ("iv", "delta", "bid_size", "ask"):
        assert np.array_equal(getattr(found, name), getattr(tape, name), equal_nan=True), name
    assert np.array_equal(found.bid[:, 0], [10.0, nan, nan, 10.0], equal_nan=True)
    left_out = [each.text for each in found.findings if each.severity is Severity.LEFT_OUT]
    assert left_out == ["there is a bid and no ask"]


def test_what_was_streamed_before_the_open_is_not_exported(tmp_path: Path) -> None:
    """A run begins a minute before the open: a backtest of the export told rows outside of regular hours each day."""
    tapes, out = tmp_path / "tapes", tmp_path / "out"
    recorded(tapes, "2026-10-21T132900Z", -1, 0, 1, 2, 390, 391)
    ((_, instants, _),) = export(meant("2026-10-21", tapes), out)
    assert instants == 4
    found, tape = open_source(f"parquet:{out / 'SPX'}").day(DAY), RecordingSource(tapes).day(DAY)
    assert not [each for each in found.findings if "regular hours" in each.text]
    assert found.times.tolist() == tape.times[1:].tolist()
    assert found.bid.tolist() == tape.bid[1:].tolist()
    assert found.levels["SPX"].tolist() == tape.levels["SPX"][1:].tolist()
    assert found.reported is not None
    assert tape.reported is not None
    assert found.reported["SPX"].keys() == tape.reported["SPX"].keys()
    assert found.bars == tape.bars, "what was told before the open is"


def test_a_recording_of_the_time_before_the_open_is_no_chain(tmp_path: Path) -> None:
    recorded(tmp_path / "tapes", "2026-10-21T132800Z", -2, -1)
    with pytest.raises(StoreError, match="nothing is recorded of 2026-10-21 within its session"):
        export(meant("2026-10-21", tmp_path / "tapes"), tmp_path / "out")


def test_daily_bars_of_what_was_not_streamed_are_exported(tmp_path: Path) -> None:
    """`breadth` reads those of shares alone: a backtest of the export did not know it."""
    tapes, out = tmp_path / "tapes", tmp_path / "out"
    recorded(tapes, "2026-10-21T133000Z", 1, 2)
    recorder = Recorder(tapes / "2026-10-21T140000Z", {}, Board(), pytest.fail)
    recorder.took(ClosesReport(OPEN + timedelta(minutes=30), "AAPL", (2.0, 2.5)), (), changed=True)
    recorder.close()
    export(meant("2026-10-21", tapes), out)
    found = open_source(f"parquet:{out / 'SPX'}").daily("AAPL", DAY, 5)
    assert [bar.close for bar in found] == [2.0, 2.5]


def test_a_close_alone_of_a_later_day_takes_no_whole_bar_away(tmp_path: Path) -> None:
    """A broker tells so many bars and closes of more sessions: what was the oldest bar is a close a day later."""
    tapes, out = tmp_path / "tapes", tmp_path / "out"
    for day, name in ((DAY, "1"), (date(2026, 10, 22), "2")):
        recorded(tapes, name, 1, 2, day=day, first_bar=date(2026, 10, 19) if name == "1" else date(2026, 10, 20))
        export(meant(day.isoformat(), tapes), out)
    rows = (out / "daily" / "spx_daily.csv").read_text(encoding="utf-8").split()
    assert rows == [
        "date,open,high,low,close",
        "2026-10-16,2.0,2.0,2.0,2.0",
        "2026-10-19,1.0,4.0,0.5,2.0",
        "2026-10-20,1.0,4.0,0.5,2.0",
    ]


@pytest.mark.parametrize(
    "reported",
    [
        pytest.param(b"date,close,open,high,low\n2026-10-16,5900,5890,5950,5880\n", id="in another order"),
        pytest.param(b"date,close\n2026-10-16,5900\n", id="closes alone"),
        pytest.param(b"date,open,high,low,close\n2026-10-16,1,2,1,2\n\n", id="a row without anything"),
        pytest.param(b"date,\xff\n", id="no text"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_daily_bars_that_no_export_wrote_stay_as_they_are(reported: bytes, tmp_path: Path) -> None:
    """Their rows were put under the columns of an export, so that opens were taken for closes."""
    tapes, out = tmp_path / "tapes", tmp_path / "out"
    recorded(tapes, "1", 1, 2, first_bar=date(2026, 10, 19))
    daily = out / "daily" / "spx_daily.csv"
    daily.parent.mkdir(parents=True)
    daily.write_bytes(reported)
    with pytest.raises(MisuseError, match=r"spx_daily\.csv was not written by an export: its columns are not date,"):
        export(meant("2026-10-21", tapes), out)
    assert daily.read_bytes() == reported
    assert not (out / "SPX").exists()


def test_a_level_that_had_grown_old_is_none_in_the_export_either(tmp_path: Path) -> None:
    """The last one stood for 90 seconds more: a backtest of the export entered by a VIX that was stale live."""
    tapes, out = tmp_path / "tapes", tmp_path / "out"
    board = Board()
    recorder = Recorder(tapes / "1", {}, board, pytest.fail)
    spx, vix, put = (board.add(each) for each in (Underlying("SPX"), Underlying("VIX"), PUT))
    for number in range(30):
        at = OPEN + timedelta(seconds=15 * number)
        board.last[spx], board.last_at[spx] = 5900.0 + number, at.timestamp()
        if not number:
            board.last[vix], board.last_at[vix] = 16.0, at.timestamp()
        board.bid[put], board.ask[put], board.quote_at[put] = 10.0 + number / 10, 11.0 + number / 10, at.timestamp()
        board.alive_at = at.timestamp()
        board.unread |= {spx, vix, put}
        recorder.took(MarketDataUpdated(at, (spx, vix, put)), (), changed=True)
    recorder.close()
    export(meant("2026-10-21", tapes), out)
    found, tape = open_source(f"parquet:{out / 'SPX'}").day(DAY), RecordingSource(tapes).day(DAY)
    assert np.isnan(tape.levels["VIX"]).tolist() == [number > 12 for number in range(30)]
    assert np.array_equal(found.levels["VIX"], tape.levels["VIX"], equal_nan=True)


def test_what_is_reported_to_a_run_that_begins_after_the_close_is_of_the_next_session(tmp_path: Path) -> None:
    """Its closes end with that of the day itself, which was taken for that of the day before."""
    tapes = tmp_path / "tapes"
    recorded(tapes, "2026-10-21T133000Z", 2, 3)
    evening = OPEN + timedelta(hours=8, minutes=30)
    for name, at, closes in (("2026-10-21T133100Z", OPEN, (2.0, 5.0)), ("2026-10-21T220000Z", evening, (5.0, 7.0))):
        recorder = Recorder(tapes / name, {}, Board(), pytest.fail)
        recorder.took(ClosesReport(at, "SPX", closes), (), changed=True)
        recorder.took(ImpliedReport(at, "SPX", tuple(each / 100 for each in closes)), (), changed=True)
        recorder.close()
    source = RecordingSource(tapes)
    assert [(bar.date, bar.close) for bar in source.daily("SPX", DAY, 1)] == [(date(2026, 10, 20), 5.0)]
    assert source.implied("SPX", DAY, 2) == (0.02, 0.05)
