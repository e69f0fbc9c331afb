"""`rulebot backtest --fills recorded`: recorded orders get the answers of then, others the model's; that is told."""

import json
import shutil
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.adapters.history.session import Finding
from rulebot.adapters.recorded.recording import RecordsWritten, open_recording, play_reported
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.backtest.fill_model import RECORDED
from rulebot.backtest.recorded_simulation import RecordedSimulation
from rulebot.backtest.simulation import CASH
from rulebot.cli.main import main
from rulebot.core.program import Program
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.market import Board
from rulebot.record.codec import line, record_of
from rulebot.record.record import Kind, Record
from rulebot.replay.recordings import beginning, listed
from rulebot.spec.files import shipped
from tests.e2e.conftest import RESTARTED
from tests.e2e.worlds import spec_files

FIRST, LAST = date(2026, 10, 21), date(2026, 10, 22)
PUT_LITE = (shipped("specs") / "put_lite.yaml").read_text(encoding="utf-8")
EARLY = ("exits:\n", 'exits:\n  - time: "10:40"\n    name: early\n')
"""An exit long before that of the recording, after which nothing more is streamed of its contracts."""


@pytest.fixture(scope="module")
def tapes(two_days: Path) -> Path:
    """Return the recordings of two sessions of one bot."""
    return two_days / "s-tapes"


def walked(tapes: Path, program: Program | None = None) -> tuple[list[Record], list[Finding]]:
    """Return what is recorded of a walk through both sessions, and what is told of it."""
    recording = open_recording(listed(tapes)[0].file)
    state, recorded, _ = beginning(recording.head, Board())
    walk = RecordedSimulation(program or recorded, RecordingSource(tapes), state.market.facts.events, RECORDED, CASH)
    done = list(walk.through(FIRST, LAST))
    return [record for day in done for record in day.records], [each for day in done for each in day.findings]


def of_bots(records: Iterable[Record]) -> list[str]:
    return [line(record) for record in records if record.bot]


def wire(tapes: Path) -> list[Record]:
    """Return what was recorded then, by all runs."""
    steps = play_reported(tuple(each.file for each in listed(tapes)))
    return [record_of(text) for step in steps if isinstance(step, RecordsWritten) for text in step.lines]


def test_two_sessions_in_a_row_decide_as_the_run_did(tapes: Path) -> None:
    records, findings = walked(tapes)
    assert findings == []
    assert of_bots(records) == of_bots(wire(tapes))


def changed(tapes: Path, *changes: tuple[str, str]) -> Program:
    """Return the program of the recording with another text of its bot."""
    text = PUT_LITE
    for was, now in changes:
        assert was in text
        text = text.replace(was, now)
    (file := tapes.parent / "put_lite.yaml").write_text(text, encoding="utf-8")
    recorded = beginning(open_recording(listed(tapes)[0].file).head, Board()).program
    return load_all_bots([str(file)], {}, None).program(recorded.install, {}, recorded.line_limit)


def test_orders_are_as_recorded_until_the_bot_does_otherwise(tapes: Path) -> None:
    """It leaves by the clock at 10:40, which the recorded one did not: the entry is as it was, and the exit is not."""
    records, findings = walked(tapes, changed(tapes, EARLY))
    (reported,) = findings
    assert Path(reported.file).name == "2026-10-21.tape"
    assert reported.text == (
        "from 10:40:00 on orders of put_lite are filled by the model: it sends an order that the recording has not"
    )
    was, found = fills(wire(tapes)), fills(records)
    assert (len(was), len(found)) == (4, 4)
    assert found[:2] == was[:2]
    assert found[2:] != was[2:]
    (left,) = [each for each in records if each.kind is Kind.DECISION and each.data["what"] == "closed"]
    assert left.data["reason"] == "early"


def fills(records: list[Record]) -> list[tuple[datetime, list[object]]]:
    """Return when each leg filled, and at what."""
    names = ("contract", "price", "is_buy", "exec_id")
    return [(each.at, [each.data[name] for name in names]) for each in records if each.kind is Kind.FILL]


def test_a_ladder_of_other_steps_continues_with_the_model(tapes: Path) -> None:
    """The order is sent as it was, and changed earlier: it must not be taken for one that was never there."""
    records, findings = walked(tapes, changed(tapes, ("wait: 10s", "wait: 7s"), EARLY))
    assert "it changes an order which the recording does not" in findings[0].text
    assert {each.data["purpose"] for each in records if each.kind is Kind.FILL} == {"entry", "exit"}
    assert not [each for each in records if each.kind is Kind.ALARM]


def test_what_nobody_asked_for_then_is_made_of_the_levels_that_were_recorded(tapes: Path) -> None:
    """Bars of five minutes, which the recorded bot did not read: that of 10:30 is told five seconds later."""
    rule = "  when:\n    - sma: {window: 12, bars: 5m, above: 1}\n"
    records, findings = walked(tapes, changed(tapes, ("  when:\n", rule), EARLY))
    unasked = "5m bars of SPX are not recorded: they are made of the levels that were streamed, without volumes"
    assert [each.text for each in findings if "bars" in each.text] == [f"{day}: {unasked}" for day in (FIRST, LAST)]
    assert [each.text.partition(" on ")[0] for each in findings if "bars" not in each.text] == ["from 10:30:05"]
    seen = [each.data["truth"] for each in records if each.kind is Kind.VERDICT and each.data["rule"] == "sma"]
    assert seen[0] is None
    assert True in seen
    assert {each.data["purpose"] for each in records if each.kind is Kind.FILL} == {"entry", "exit"}


def test_the_command_reports_it_and_takes_recordings_alone(tapes: Path) -> None:
    spec, store = spec_files(["put_lite"])[0], tapes.parent / "b.db"
    words = ["backtest", spec, "--fills", "recorded", "--store", str(store)]
    done = CliRunner().invoke(main, [*words, "--data", f"tapes:{tapes}", "--format", "json"])
    assert done.exit_code == 0, done.output
    reported = json.loads(done.output)
    assert (reported["settings"]["fills"], reported["findings"]) == ("recorded", [])
    done = CliRunner().invoke(main, [*words, "--data", f"tapes:{tapes}", "--check-look-ahead"])
    assert (done.exit_code, "--check-look-ahead with --fills natural" in done.output) == (2, True)
    done = CliRunner().invoke(main, ["sweep", spec, "--vary", "quantity=1,2", *words[2:4], "--data", f"tapes:{tapes}"])
    assert done.exit_code == 2


def test_a_day_of_two_runs_is_one_session(restarted: Path, tmp_path: Path) -> None:
    """The engine was started anew while a position was open: each recording counts up to where the next one begins."""
    tapes = Path(shutil.copytree(restarted / "tapes", tmp_path / "tapes"))
    parts = [open_recording(each.file) for each in listed(tapes)]
    assert len(parts) == 2
    was = wire(tapes)
    state, program, _ = beginning(parts[0].head, Board())
    walk = RecordedSimulation(program, RecordingSource(tapes), state.market.facts.events, RECORDED, CASH)
    (done,) = walk.through(FIRST, FIRST)
    assert [each.text.rpartition(": ")[2] for each in done.findings[1:]] == ["the recording ends"]
    assert {Path(each.file) for each in done.findings[1:]} == {parts[1].files[-1]}
    early = changed(tapes, EARLY)
    (otherwise,) = walked(tapes, early)[1][1:]
    assert (otherwise.text[:13], Path(otherwise.file)) == ("from 10:40:00", parts[0].files[-1])
    found = [each for each in done.records if each.at <= was[-1].at]
    assert fills(found) == fills(was)
    assert len(fills(found)) == 5
    assert reasons(found) == reasons(was)
    words = ["backtest", *spec_files(RESTARTED), "--data", f"tapes:{tapes}", "--fills", "recorded"]
    words += ["--store", str(tmp_path / "b.db")]
    assert CliRunner().invoke(main, words).exit_code == 0
    done_again = CliRunner().invoke(main, [*words, "--resume"])
    assert (done_again.exit_code, "--resume cannot know" in done_again.output) == (2, True)


def reasons(records: list[Record]) -> list[tuple[datetime, str, object, object]]:
    return [
        (each.at, each.bot, each.data["what"], each.data["reason"]) for each in records if each.kind is Kind.DECISION
    ]
