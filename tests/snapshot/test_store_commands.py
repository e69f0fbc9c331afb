"""What `list`, `status`, `summary` and `why` print of the small hand-made day, to the letter."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from store_day import CONDOR, DAY, SELLER, WATCHER, at
from syrupy.assertion import SnapshotAssertion

from rulebot.cli.main import main
from rulebot.narrate.snapshot_of_store import snapshot_of_store
from rulebot.record.record import Json, Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.queries import StoreReader
from rulebot.store.registry import open_store
from rulebot.web.pages import bot_page

COMMANDS = {
    "list": "list",
    "status": "status",
    "summary": "summary",
    "summary of one": "summary dte0_condor",
    "why it did not trade": "why calm_tape_condor --date 2026-11-18",
    "why it did trade": "why dte0_condor",
    "why with an open trade": "why spy_put_seller",
    "why at an instant": "why calm_tape_condor --at 11:16",
    "why at an instant before all": "why calm_tape_condor --at 9:00",
    "why one rule": "why calm_tape_condor --rule vix",
    "why one rule at an instant": "why calm_tape_condor --rule vix --at 12:00",
    "why that strike": "why calm_tape_condor --at 12:00 --rule short_put",
    "why on another day": "why calm_tape_condor --date 2026-11-17",
    "why on a holiday": "why calm_tape_condor --date 2026-11-26",
}


def run(store: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(store.parent)
    found = CliRunner().invoke(main, [*command.split(), "--store", store.name])
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_each_store_command_prints_text(
    name: str, day_store: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(day_store, COMMANDS[name], monkeypatch) == snapshot(name=name)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_store_command_prints_json(
    name: str, day_store: Path, snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"{COMMANDS[name]} --format json"
    first = run(day_store, command, monkeypatch)
    assert first == run(day_store, command, monkeypatch)
    assert first == snapshot(name=f"{name}, json")


def test_a_running_engine_shows_as_running(day_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(day_store)
    try:
        assert "running, trading active" in run(day_store, "status", monkeypatch)
        assert " running " in run(day_store, "list", monkeypatch)
    finally:
        store.close()
    assert "stopped, trading stopped" in run(day_store, "status", monkeypatch)


def test_a_lost_broker_is_reported_by_status_while_an_engine_runs(
    day_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqlJournal(open_store(day_store))) as journal:
        last = journal.read()[-1].at
        for up, reason in ((False, "error 1100"), (True, ""), (False, "error 1100")):
            journal.append([Record(last, Kind.LINK, data={"up": up, "reason": reason})], durable=True)
            reported = json.loads(run(day_store, "status --format json", monkeypatch))
            assert (reported["connected"], bool(reported["connection"])) == (up, not up)
            with StoreReader(day_store) as reader:
                page = snapshot_of_store(reader)
            assert (page.is_linked, page.notice) == (up, reported["connection"])
        assert "not connected to the broker since 2026-11-18 " in run(day_store, "status", monkeypatch)
        assert "no other exit acts (error 1100)" in run(day_store, "status", monkeypatch)
    reported = json.loads(run(day_store, "status --format json", monkeypatch))
    assert (reported["engine"], reported["connected"], reported["connection"]) == ("stopped", None, "")


def test_a_bot_that_is_paused_alone_is_reported_by_status(day_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = f" paused: {SELLER} enters nothing until 'rulebot resume {SELLER}'; exits continue"
    with closing(SqlJournal(open_store(day_store))) as journal:
        last = journal.read()[-1].at
        for request, bot, is_reported in (
            ("pause", SELLER, True),
            ("resume", SELLER, False),
            ("flatten", SELLER, True),
            ("resume", "", False),
        ):
            asked: dict[str, Json] = {"id": f"{request} {bot}", "request": request, "bot": bot}
            journal.append([Record(last, Kind.OPERATOR, bot, data=asked)], durable=True)
            assert (words in run(day_store, "status", monkeypatch)) is is_reported


def test_an_engine_that_waits_for_its_gateway_after_one_that_died_is_starting(
    day_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one before it was killed, so the store's last run has no end."""
    with closing(SqlJournal(open_store(day_store))) as journal:
        started = replace(journal.read((Kind.RUN_STARTED,))[-1], at=journal.read()[-1].at)
        journal.append([replace(started, data={**started.data, "epoch": journal.epoch})], durable=True)
        assert "starting, trading active" in run(day_store, "status", monkeypatch)
        assert "waits for its gateway" not in run(day_store, "status", monkeypatch)
    with closing(SqlJournal(open_store(day_store))):
        assert "starting, trading active" in run(day_store, "status", monkeypatch)
        assert "waits for its gateway" in run(day_store, "status", monkeypatch)
        assert " starting " in run(day_store, "list", monkeypatch)


def test_an_engine_that_waits_for_its_gateway_is_starting_whatever_was_before(
    day_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a machine was started again: the run before has ended, or there was none."""
    with closing(SqlJournal(open_store(day_store))) as journal:
        started = replace(journal.read((Kind.RUN_STARTED,))[-1], at=journal.read()[-1].at)
        ended = Record(started.at, Kind.RUN_ENDED, data={"reason": "stopped"})
        journal.append([replace(started, data={**started.data, "epoch": journal.epoch}), ended], durable=True)
    assert "stopped, trading stopped" in run(day_store, "status", monkeypatch)
    for store in (day_store, tmp_path / "new.db"):
        with closing(SqlJournal(open_store(store))):
            reported = run(store, "status", monkeypatch)
        assert "starting, trading active" in reported
        assert "waits for its gateway" in reported


def test_a_bot_that_is_run_no_more_is_stopping_while_it_holds_something(
    day_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(SqlJournal(open_store(day_store))) as journal:
        at = journal.read()[-1].at
        specs: dict[str, Json] = {WATCHER: {"digest": "0" * 64, "path": "", "text": ""}}
        journal.append([Record(at, Kind.RELOAD, data={"what": "applied", "specs": specs})], durable=True)
        lines = run(day_store, "list", monkeypatch).splitlines()
        states = {words[0]: words[1] for words in map(str.split, lines[1:4])}
        page = bot_page(day_store, SELLER, None)
    assert states == {WATCHER: "running", CONDOR: "stopped", SELLER: "stopping"}
    assert page is not None
    assert page["state"] == "stopping"


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("summary dte0_condr", 2, "did you mean 'dte0_condor'?"),
        ("why calm_tap_condor", 2, "did you mean 'calm_tape_condor'?"),
        ("why calm_tape_condor --rule day_rang", 2, "did you mean 'day_range'?"),
        ("why calm_tape_condor --rule day_range --at 09:00", 2, "there is nothing of 'day_range' before "),
        ("why calm_tape_condor --rule short_put --at 10:00", 2, "there is nothing of 'short_put' before "),
        ("why calm_tape_condor --at noon", 2, "a time is written 12:00 or 12:00:30, is 'noon'"),
        ("why calm_tape_condor --date 9999-12-31", 2, "9999-12-31 is outside"),
        ("chart calm_tape_condor --date 0001-01-01", 2, "the exchange calendar covers 1993 to 2028"),
        ("why calm_tape_condor --at 25:00", 2, "a time is written 12:00 or 12:00:30, is '25:00'"),
    ],
)
def test_a_store_command_with_wrong_arguments_exits_with_2(
    day_store: Path, command: str, code: int, words: str
) -> None:
    found = CliRunner().invoke(main, [*command.split(), "--store", str(day_store)])
    assert (found.exit_code, words in found.stderr) == (code, True), found.output


def test_status_says_of_today_what_was_made_since_the_session_began(day_store: Path) -> None:
    """It set what a position had made since it was opened, days ago, beside the word today."""
    journal = SqlJournal(open_store(day_store))
    tomorrow = DAY + timedelta(days=1)
    mark = next(r for r in reversed(list(journal.read((Kind.MARK,)))) if r.bot == SELLER)
    journal.append([replace(mark, at=at("10:00", tomorrow), data={**mark.data, "profit": "12.00"})], durable=True)
    journal.close()
    found = CliRunner().invoke(main, ["status", "--format", "json", "--store", str(day_store)])
    reported = json.loads(found.stdout)
    assert (reported["realized_today"], reported["open_today"], reported["unrealized"]) == (0.0, 5.0, 12.0)
    text = CliRunner().invoke(main, ["status", "--store", str(day_store)]).stdout
    assert "today +$0.00 realised, +$5.00 open" in text
    with StoreReader(day_store) as reader:
        picture = snapshot_of_store(reader)
    assert (picture.realized, picture.unrealized) == (0.0, 5.0)


def test_a_position_on_hold_says_so_wherever_it_is_shown(day_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stood as open, with its profit and its exits: nothing told it from what the account holds."""
    why = "the account holds less SPY 547P than our books: closed by hand? nothing is sent for it any more"
    tomorrow = DAY + timedelta(days=1)
    with closing(SqlJournal(open_store(day_store))) as journal:
        last = next(r for r in reversed(list(journal.read((Kind.POSITION,)))) if r.bot == SELLER)
        judged = Record(
            at("10:00", tomorrow), Kind.VERDICT, SELLER, "", {"rule": "vix", "place": "when", "truth": True}
        )
        journal.append(
            [replace(last, data={**last.data, "hold": "account_differs", "on_hold": why}), judged], durable=True
        )
    assert f"on hold: {SELLER} 547p 2027-02-19: {why}" in run(day_store, "status", monkeypatch)
    assert f"; open, on hold: {why}" in run(day_store, f"why {SELLER} --date {DAY}", monkeypatch)
    held = f"held 547p 2027-02-19 since {DAY}, on hold: {why}"
    assert held in run(day_store, f"why {SELLER}", monkeypatch)
    assert json.loads(run(day_store, f"why {SELLER} --format json", monkeypatch))["on_hold"] == {"P2": why}
    page = bot_page(day_store, SELLER, None)
    assert page is not None
    assert held in page["why"]


@pytest.mark.parametrize("command", ["list", "status", "summary", "why calm_tape_condor"])
def test_no_store_is_one_sentence(tmp_path: Path, command: str) -> None:
    found = CliRunner(env={"RULEBOT_DATA": str(tmp_path)}).invoke(main, command.split())
    assert found.exit_code == 3
    assert found.stderr.splitlines()[0] == "error: no run has left a store yet"
    named = CliRunner().invoke(main, [*command.split(), "--store", str(tmp_path / "a.db")])
    assert named.exit_code == 3
    assert "there is no store" in named.stderr


def test_specs_are_listed_without_a_store(tmp_path: Path) -> None:
    specs = Path(__file__).parents[2] / "specs"
    found = CliRunner(env={"RULEBOT_DATA": str(tmp_path)}).invoke(main, ["list", str(specs / "put_lite.yaml")])
    assert found.exit_code == 0, found.output
    assert " put_lite  stopped" in found.stdout
    assert "no run has left a store yet" in found.stdout
