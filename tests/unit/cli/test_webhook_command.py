"""`rulebot hooks`: a secret that is never printed, and a hook by hand."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.documents.load_bots import load_all_bots, specs_as_json
from rulebot.model.event import WebhookReceived
from rulebot.operator_requests.requests import RequestInbox
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RULEBOT_HOOK_SECRET", raising=False)
    return tmp_path / "data"


def hooks(*words: str) -> Result:
    return CliRunner().invoke(main, ["hooks", *words])


def test_a_secret_is_made_once_kept_and_not_printed(data: Path) -> None:
    first = hooks("secret")
    file = data / "hook-secret"
    kept = file.read_text()
    assert first.exit_code == 0
    assert str(file) in first.output.replace("\n", "")
    assert kept not in first.output
    assert hooks("secret").exit_code == 0
    assert file.read_text() == kept
    assert os.name != "posix" or file.stat().st_mode & 0o077 == 0


def test_another_secret_takes_its_place_and_none_turns_hooks_off(data: Path) -> None:
    hooks("secret")
    before = (data / "hook-secret").read_text()
    assert hooks("secret", "--new").exit_code == 0
    assert (data / "hook-secret").read_text() != before
    found = hooks("secret", "--off")
    assert "web hooks are off" in found.output
    assert not (data / "hook-secret").exists()
    assert hooks("secret", "--off", "--new").exit_code == 2


def test_a_secret_of_the_environment_goes_before(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_HOOK_SECRET", "of-the-environment")
    found = hooks("secret")
    assert "the environment's RULEBOT_HOOK_SECRET" in found.output
    assert "of-the-environment" not in found.output
    assert not data.exists()
    assert "still sets one" in hooks("secret", "--off").output
    assert "goes before it" in hooks("secret", "--new").output


def test_a_hook_by_hand_is_left_for_the_engine(data: Path, tmp_path: Path) -> None:
    store = tmp_path / "s.db"
    store.write_bytes(b"")
    found = hooks("send", "trend", "--says", "UP", "--store", str(store))  # as on the page, capitals do not matter
    assert found.exit_code == 0
    assert "no engine runs: the next one reads it" in found.output
    (left,) = RequestInbox(store).read(datetime(2026, 11, 18, 15, tzinfo=UTC))
    assert isinstance(left, WebhookReceived)
    assert (left.name, left.says) == ("trend", "up")


def test_a_hook_that_no_bot_asks_for_is_sent_and_reported(data: Path, tmp_path: Path) -> None:
    desk, store = load_all_bots([str(EXAMPLES / "webhook.yaml")], {}, None), tmp_path / "s.db"
    journal = SqlJournal(open_store(store))
    started = {"specs": specs_as_json(desk), "account": "DU1"}
    journal.append([Record(datetime(2026, 11, 18, 14, tzinfo=UTC), Kind.RUN_STARTED, data=started)], durable=True)
    journal.close()
    assert "asks for" not in hooks("send", "trend", "--store", str(store)).output
    found = hooks("send", "trnd", "--store", str(store))
    assert found.exit_code == 0
    assert "no bot of it asks for trnd: asked for is get_out, news, trend" in found.output


@pytest.mark.parametrize(("words", "code"), [(("Trend",), 2), (("trend", "--says", "two words"), 2), (("trend",), 3)])
def test_what_cannot_be_sent_is_said(data: Path, tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    found = hooks("send", *words, "--store", str(tmp_path / "gone.db"))
    assert found.exit_code == code
    assert "Traceback" not in found.output


def test_a_word_that_is_none_is_said_to_be_the_word(data: Path) -> None:
    assert "--says is one word" in hooks("send", "trend", "--says", "two words").output
