"""What `diff` prints of ten edits as people make them, to the letter."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from syrupy.assertion import SnapshotAssertion

from rulebot.cli.main import main

PAIRS = Path(__file__).parent / "diffs"
NAMES = sorted(file.name.removesuffix(".old.yaml") for file in PAIRS.glob("*.old.yaml"))
IN_MARKDOWN = ("tuned", "renamed")


def printed(name: str, *words: str) -> str:
    sides = [str(PAIRS / f"{name}.{side}.yaml") for side in ("old", "new")]
    found = CliRunner().invoke(main, ["diff", *sides, *words])
    assert found.exit_code == (0 if name == "formatted" else 1), found.output
    return found.stdout


def test_there_are_ten() -> None:
    assert len(NAMES) == 10


@pytest.mark.parametrize("name", NAMES)
def test_diff_prints_each_kind_of_change(name: str, snapshot: SnapshotAssertion) -> None:
    assert printed(name) == snapshot(name=name)


@pytest.mark.parametrize("name", IN_MARKDOWN)
def test_diff_prints_markdown(name: str, snapshot: SnapshotAssertion) -> None:
    assert printed(name, "--format", "markdown") == snapshot(name=name)


def test_diff_prints_json(snapshot: SnapshotAssertion) -> None:
    assert printed("tuned", "--format", "json") == snapshot
