"""After the close a day is compared with its specs, beside the loop, and what nothing explains is told."""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.adapters.recorded.file import Frame, RecordingWriter, micros
from rulebot.adapters.recorded.recorder import Recorder
from rulebot.live import daily_jobs
from rulebot.live.daily_jobs import AfterClose
from rulebot.model.market import Board
from rulebot.narrate.periods import compared_words, last_compared, summed, unexplained
from rulebot.process.service import Heartbeat
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store

CLOSE = datetime(2026, 10, 21, 20, tzinfo=UTC)
DAY = CLOSE.date()


def trade(
    bot: str, position: str = "-1", *, differs: bool = False, is_explained: bool = True, by_fills: bool = False
) -> dict[str, Any]:
    """position: what follows the bot's name in it, "" where it was not done."""
    reported = {"bot": bot, "position": position and bot + position, "natural": {"differs": by_fills}}
    return {**reported, "differs": differs, "is_explained": is_explained}


def of(*trades: dict[str, Any], since: str | None = None, until: str | None = None) -> dict[str, Any]:
    """Return what is told of a recording; since, until: UTC times of that day."""
    edges = [edge and f"{DAY}T{edge}+00:00" for edge in (since, until)]
    return {"since": edges[0], "until": edges[1], "decides_otherwise": False, "trades": list(trades)}


def words(*found: dict[str, Any], traded: Sequence[str] = ()) -> str:
    return compared_words(summed(DAY, found, {each: each[:-2] for each in traded}))


def prints(*trades: dict[str, Any]) -> list[str]:
    return code(f"import sys; sys.stdout.write({json.dumps(of(*trades))!r})")


def code(text: str) -> list[str]:
    return [sys.executable, "-c", text]


class Engine:
    """As much of a run as the comparison looks at."""

    def __init__(self, folder: Path, command: Sequence[str], *, is_lockstep: bool = True) -> None:
        self.noted: list[Record] = []
        tape = Recorder(folder, {}, Board(), lambda words: None)
        at = CLOSE + timedelta(minutes=6)
        state = SimpleNamespace(positions=SimpleNamespace(by_id={}))
        self.loop: Any = SimpleNamespace(tape=tape, at=at, note=self.note, heartbeat=Heartbeat(), state=state)
        self.command, self.is_lockstep = command, is_lockstep
        self.first = CLOSE - timedelta(hours=7)
        self.said: list[str] = []
        self.says = self.said.append

    def note(self, *records: Record) -> None:
        self.noted += records

    def compared(self) -> AfterClose:
        return AfterClose(self.loop, self.first, self.command, self.says, is_lockstep=self.is_lockstep)

    @property
    def reported(self) -> list[tuple[Kind, Any]]:
        return [(each.kind, each.data.get("text") or each.data["value"]) for each in self.noted]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (run := tmp_path / "run").mkdir()
    (run / "2026-10-21.tape").touch()
    return run


def finished(engine: Engine) -> list[tuple[Kind, Any]]:
    asyncio.run(engine.compared().finish())
    return engine.reported


def test_each_day_is_reported_the_time_that_is_left_for_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "2026-10-22.tape").touch()
    monkeypatch.setattr(daily_jobs, "AT_THE_END", 2.0)
    engine = Engine(folder, code("import time; time.sleep(60)"))
    engine.loop.at = engine.loop.at + timedelta(days=1)
    finished(engine)
    assert [said.split(", ")[1] for said in engine.said if "at most" in said] == [
        f"for {left} s at most: Ctrl+C ends it" for left in (2, 1)
    ]


def test_a_day_that_is_as_the_specs_say_is_recorded_and_alarms_nobody(folder: Path) -> None:
    engine = Engine(folder, prints(trade("a"), trade("b", differs=True)))
    assert finished(engine) == [(Kind.FACTS, 1)]
    assert engine.said == [" 2026-10-21 is compared with the specs, for 5 minutes at most: Ctrl+C ends it"]
    assert compared_words(engine.noted[0].data) == (
        "2026-10-21 compared with the specs: 1 of 2 trades as the specs say, but for prices; "
        "1 otherwise for a known cause (b)"
    )


def test_what_nothing_explains_is_an_alarm(folder: Path) -> None:
    engine = Engine(folder, prints(trade("a", differs=True, is_explained=False), trade("b")))
    assert finished(engine) == [
        (Kind.FACTS, 1),
        (
            Kind.ALARM,
            "a traded otherwise than the spec says on 2026-10-21, and nothing that was recorded explains it: "
            "look at 'rulebot replay 2026-10-21 --drift'",
        ),
    ]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (code("import sys; sys.exit('error: frame 3 is damaged')"), "error: frame 3 is damaged"),
        (code("pass"), "it said nothing"),
        (code("import sys; sys.stdout.write('{}')"), "it said nothing"),
        (["/nowhere/rulebot"], "no process could be started"),
        (code("import time; time.sleep(60)"), "it took longer than"),
    ],
)
def test_a_comparison_that_fails_is_reported_and_raises_nothing(
    command: list[str], says: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_jobs, "AT_THE_END", 0.3 if "sleep" in command[-1] else 30.0)
    engine = Engine(folder, command)
    assert finished(engine) == [(Kind.FACTS, 0)]
    assert says in compared_words(engine.noted[0].data)


def test_it_is_given_the_recording(folder: Path) -> None:
    engine = Engine(folder, code("import sys; sys.exit(' '.join(sys.argv[1:]))"))
    finished(engine)
    assert engine.noted[0].data["problem"] == f"{folder / '2026-10-21.tape'} --drift --format json"


def test_a_day_that_is_not_over_and_one_before_the_run_are_left_alone(folder: Path) -> None:
    early = Engine(folder, prints())
    early.loop.at = CLOSE + timedelta(minutes=5)
    late = Engine(folder, prints())
    late.first = CLOSE + timedelta(minutes=1)
    assert (finished(early), finished(late)) == ([], [])


@pytest.mark.parametrize("name", ["2026-10-24.tape", "2026-10-21.tape-wal"])
def test_what_is_no_session_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    engine = Engine(tmp_path, prints())
    engine.loop.at = CLOSE + timedelta(days=5)
    assert finished(engine) == []


def test_without_a_command_nothing_is_compared(folder: Path) -> None:
    assert finished(Engine(folder, ())) == []


# ---------------------------------------------------------------- beside the loop


async def until(what: Any) -> None:
    ends = time.monotonic() + 20.0
    while not what():
        assert time.monotonic() < ends
        await asyncio.sleep(0.01)


def test_beside_the_loop_it_waits_until_the_day_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_jobs, "LOOK_EVERY", 0.01)
    writer = RecordingWriter(tmp_path / "2026-10-21.tape", {})

    async def body() -> list[int]:
        engine = Engine(tmp_path, prints(trade("a")), is_lockstep=False)
        days = engine.compared()
        days.begin()
        await asyncio.sleep(0.1)
        counts = [len(engine.noted)]
        at = micros(engine.loop.at)
        writer.add(Frame(at, at, 0, b"", b""))
        await until(lambda: engine.noted)
        await asyncio.sleep(0.1)
        counts.append(len(engine.noted))
        days.end()
        await days.finish()
        return [*counts, len(engine.noted)]

    assert asyncio.run(body()) == [0, 1, 1]
    writer.close()


def test_an_engine_that_is_stopped_waits_for_no_comparison(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_jobs, "LOOK_EVERY", 0.01)

    async def body() -> tuple[float, int | None]:
        engine = Engine(folder, code("import time; time.sleep(60)"), is_lockstep=False)
        engine.loop.at = CLOSE + timedelta(hours=1)
        days = engine.compared()
        days.begin()
        await until(lambda: days._process is not None)
        began = time.monotonic()
        days.end()
        assert days._process is not None
        code_of = await days._process.wait()
        assert engine.noted == []
        return time.monotonic() - began, code_of

    seconds, ended = asyncio.run(body())
    assert seconds < 5.0
    assert ended != 0


def test_bots_are_named_once() -> None:
    data = summed(DAY, [of(*(trade("a", each, differs=True, is_explained=False) for each in ("-1", "-2")))], {})
    assert unexplained(data) == ["a"]
    assert "2 otherwise FOR NO KNOWN CAUSE (a)" in compared_words(data)


# ---------------------------------------------------------------- a day in several recordings


def test_a_day_of_several_runs_is_compared_as_one(folder: Path) -> None:
    """After a restart it was of the last run alone: "nothing was traded", beside the trade of the run before."""
    (other := folder.parent / "before").mkdir()
    (other / "2026-10-21.tape").touch()
    (folder.parent / "before" / "2026-10-20.tape").touch()
    RecordingWriter(folder.parent / "empty" / "2026-10-21.tape", {}).close()
    engine = Engine(folder, prints(trade("a"), trade("b", "", differs=True)))
    finished(engine)
    assert (engine.noted[0].data["trades"], engine.noted[0].data["problem"]) == (3, "")
    engine = Engine(folder, code("import sys; sys.exit('error: it is damaged' if 'before' in sys.argv[1] else '')"))
    finished(engine)
    assert engine.noted[0].data["problem"] == "before: error: it is damaged; run: it said nothing"


def test_a_day_of_which_nothing_was_written_says_so(tmp_path: Path) -> None:
    RecordingWriter(tmp_path / "run" / "2026-10-21.tape", {}).close()
    engine = Engine(tmp_path / "run", prints(trade("a")))
    finished(engine)
    assert "is not compared with the specs: nothing was written" in compared_words(engine.noted[0].data)


def test_a_position_that_several_runs_had_is_one_trade() -> None:
    entered, left = of(trade("a"), until="15:00"), of(trade("a"), trade("a", "-2"), since="15:00:20")
    assert words(entered, left) == "2026-10-21 compared with the specs: 2 of 2 trades as the specs say, but for prices"
    late = of(trade("a", differs=True), until="15:00")
    assert "1 of 2 trades as the specs say, but for prices; 1 otherwise for a known cause (a)" in words(late, left)


@pytest.mark.parametrize(
    ("spans", "reported"),
    [
        ([("15:38", None)], " from 11:38 on"),
        ([(None, "15:48")], " until 11:48"),
        (
            [(None, "14:30"), ("15:06", "17:11:55"), ("17:50", None)],
            " until 10:30 and from 11:06 to 13:11:55 and",
        ),
        ([(None, "14:30"), ("14:30:50", None)], ""),
        ([(None, None), (None, "15:00")], ""),
    ],
)
def test_it_says_which_hours_are_compared(spans: list[tuple[str | None, str | None]], reported: str) -> None:
    found = [of(trade("a"), since=since, until=until) for since, until in spans]
    assert words(*found).startswith(f"2026-10-21{reported} ")


def test_trades_that_no_recording_has_are_named() -> None:
    """The recording had ended for a full disk, or the run before recorded nothing."""
    assert words(of(since="15:38"), traded=["a-1", "b-1"]) == (
        "2026-10-21 from 11:38 on compared with the specs: nothing was traded, and nothing would have been; "
        "2 trades of a, b not recorded, and not compared"
    )
    assert "not recorded" not in words(of(trade("a")), traded=["a-1"])


def test_an_entry_that_was_refused_is_reported() -> None:
    """It was "nothing was traded, and nothing would have been": of natural fills nobody knows that."""
    refused = trade("b", "")
    assert words(of(refused)).endswith(": nothing was traded; no entry of b was filled")
    assert words(of(trade("a"), refused)).endswith(
        "1 of 1 trades as the specs say, but for prices; no entry of b was filled"
    )
    assert "no entry" not in words(of(refused, until="15:00"), of(trade("b"), since="15:00")), (
        "the next run had the fill"
    )


def test_what_is_compared_in_part_says_why() -> None:
    other = {**of(trade("a"), until="15:00"), "decides_otherwise": True}
    assert words(other, {"problem": "run: it is damaged"}) == (
        "2026-10-21 until 11:00 compared with the specs: 1 of 1 trades as the specs say, but for prices; "
        "rulebot decides otherwise now: 'rulebot replay 2026-10-21' shows where; not all of it: run: it is damaged"
    )


def test_what_fills_alone_led_elsewhere_is_reported_and_is_no_difference() -> None:
    trades = [trade("a", by_fills=True), trade("b", "", by_fills=True), trade("a", "-2", by_fills=True)]
    data: dict[str, Any] = summed(DAY, [of(*trades)], {})
    assert (data["trades"], data["value"], data["by_fills"]) == (2, 0, ["a", "b", "a"])
    assert compared_words(data) == (
        "2026-10-21 compared with the specs: 2 of 2 trades as the specs say, but for prices; "
        "natural fills would have led a, b elsewhere"
    )
    assert words(of(trades[1])).endswith(": nothing was traded; natural fills would have led b elsewhere")


def test_the_last_comparison_of_a_store_or_of_a_day_is_found(tmp_path: Path) -> None:
    journal = SqlJournal(open_store(tmp_path / "s.db"), logs=None)
    for days, count in ((0, 1), (0, 2), (1, 3)):
        at = CLOSE + timedelta(days=days, minutes=6)
        data = summed(at.date(), [of(*(trade("a", str(number)) for number in range(count)))], {})
        other = {"symbol": "SPX", "what": "closes", "value": 250}
        journal.append([Record(at, Kind.FACTS, data=data), Record(at, Kind.FACTS, data=other)], durable=True)
    journal.close()
    with StoreReader(tmp_path / "s.db") as reader:
        found = [last_compared(reader, day) for day in (None, DAY, DAY + timedelta(days=1), DAY + timedelta(days=2))]
    assert [each and each["trades"] for each in found] == [3, 2, 3, None]


def test_a_day_whose_evening_was_missed_is_compared_the_next_morning(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daily_jobs, "LOOK_EVERY", 0.01)

    async def body() -> list[tuple[Kind, Any]]:
        engine = Engine(folder, prints(trade("a")), is_lockstep=False)
        engine.loop.at = CLOSE + timedelta(hours=18)
        days = engine.compared()
        days.begin()
        await until(lambda: engine.noted)
        days.end()
        return engine.reported

    assert asyncio.run(body()) == [(Kind.FACTS, 0)]
