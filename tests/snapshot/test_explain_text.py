"""What `explain` prints of every shipped spec, of the account document, of some words, to the letter."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion

from rulebot.cli.main import main
from rulebot.spec.files import shipped_names

EXAMPLES = Path(__file__).parents[2] / "examples"
WORDS = ("vix_spike", "per_day", "order", "natural", "profit", "no_event", "at_least", "daily_loss", "abs")
DIAGRAMS = ("text", "mermaid", "svg")


def printed(*words: str) -> str:
    found = CliRunner().invoke(main, ["explain", *words])
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.parametrize("name", shipped_names())
def test_explain_prints_each_shipped_spec(name: str, snapshot: SnapshotAssertion) -> None:
    assert printed(name) == snapshot(name=name)


def test_what_was_set(snapshot: SnapshotAssertion) -> None:
    assert printed("dte0_condor", "--set", "delta=0.10", "--set", "wing=20 pts") == snapshot


def test_explain_prints_an_account_document(snapshot: SnapshotAssertion) -> None:
    assert printed(str(EXAMPLES / "account_limits.yaml")) == snapshot


@pytest.mark.parametrize("word", WORDS)
def test_explain_prints_a_word_of_the_language(word: str, snapshot: SnapshotAssertion) -> None:
    assert printed(word) == snapshot(name=word)


@pytest.mark.parametrize("form", DIAGRAMS)
def test_explain_draws_the_diagram_in_each_format(form: str, snapshot: SnapshotAssertion) -> None:
    assert printed("spy_put_seller", "--diagram", form) == snapshot(name=form)


def test_explain_prints_json(snapshot: SnapshotAssertion) -> None:
    assert printed("put_lite", "--format", "json") == snapshot
