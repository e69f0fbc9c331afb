"""`rulebot pause`, `resume` and `kill` of a bot: a name that nobody has is refused, not left for an engine."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.cli.main import main
from engine.store.open import open_store
from engine.store.queries import StoreReader


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    open_store(tmp_path / "a.db").close()
    monkeypatch.setattr(StoreReader, "bots", lambda _: ["put_lite"])
    return tmp_path / "a.db"


def call(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


@pytest.mark.parametrize("words", [("pause", "put_lit"), ("resume", "put_lit"), ("kill", "put_lit")])
def test_a_name_that_nobody_has_is_refused(store: Path, words: tuple[str, ...]) -> None:
    found = call(*words, "--store", str(store))
    assert (found.exit_code, "did you mean 'put_lite'?" in found.stderr) == (2, True)
    flattened = call("kill", "put_lit", "--flatten", "--store", str(store))
    assert (flattened.exit_code, "did you mean 'put_lite'?" in flattened.stderr) == (2, True)


@pytest.mark.parametrize("words", [("pause", "put_lite"), ("kill",)])
def test_what_is_known_is_left(store: Path, words: tuple[str, ...]) -> None:
    found = call(*words, "--store", str(store))
    assert (found.exit_code, "the next one does so" in found.output) == (0, True)


def test_a_store_that_knows_no_bot_yet_refuses_none(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StoreReader, "bots", lambda _: [])
    assert call("kill", "put_lite", "--store", str(store)).exit_code == 0
