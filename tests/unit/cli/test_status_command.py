"""`rulebot status` of a store that an engine of a test has written."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import Desk, kept, text_of

from rulebot.cli.status import status
from rulebot.model.event import OperatorRequest, Request
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store


def test_a_halt_reads_as_in_the_report_of_the_run(tmp_path: Path) -> None:
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.opened()
    desk.level("VIX", 31.0)
    desk.tick(1)
    found = CliRunner().invoke(status, ["--store", str(kept(desk, tmp_path)), "--format", "json"])
    assert json.loads(found.output)["halts"] == [{"bot": "spread", "reason": "vix 31.00, above 30"}]


def test_a_position_that_is_asked_to_be_closed_while_the_broker_is_away_says_so(tmp_path: Path) -> None:
    desk = Desk((text_of(),))
    name = desk.opened().id
    desk.unlink()
    desk.ask(Request.CLOSE, position=name)
    desk.tick(1)
    found = CliRunner().invoke(status, ["--store", str(kept(desk, tmp_path))])
    assert "to be closed, as asked, once the session is on and the broker is there" in found.output


def test_what_only_reduces_though_no_person_asked_says_why(tmp_path: Path) -> None:
    desk = Desk()
    desk.send(OperatorRequest(desk.now, "own-1", Request.KILL, reason="3 starts in 10 minutes"))
    place = str(kept(desk, tmp_path))
    found = CliRunner().invoke(status, ["--store", place])
    assert " 3 starts in 10 minutes: no bot enters until 'rulebot resume'; exits continue" in found.output.splitlines()
    assert json.loads(CliRunner().invoke(status, ["--store", place, "--format", "json"]).output)["reason"]


@pytest.mark.parametrize(
    ("request_", "words"), [(Request.PAUSE, "paused"), (Request.KILL, "killed"), (Request.FLATTEN, "killed")]
)
def test_what_a_person_has_asked_of_all_bots_says_how_it_ends(tmp_path: Path, request_: Request, words: str) -> None:
    desk = Desk()
    desk.ask(request_)
    place = str(kept(desk, tmp_path))
    found = CliRunner().invoke(status, ["--store", place])
    assert f" {words}: no bot enters until 'rulebot resume'; exits continue" in found.output.splitlines()
    desk.ask(Request.RESUME)
    found = CliRunner().invoke(status, ["--store", str(kept(desk, tmp_path / "again"))])
    assert "resume" not in found.output


def test_a_store_in_which_nothing_is_recorded_yet_says_so(tmp_path: Path) -> None:
    place = tmp_path / "new.db"
    SqlJournal(open_store(place)).close()
    found = CliRunner().invoke(status, ["--store", str(place)])
    assert found.exit_code == 0
    assert "nothing is recorded yet   today" in found.output
