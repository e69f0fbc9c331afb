"""`rulebot diff --seeds`: both texts on the same simulated days."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import main
from engine.run.behaviour import Task, live_through
from engine.run.revisions import Text
from engine.spec.shipped import shipped

CONDOR = (shipped("specs") / "calm_tape_condor.yaml").read_bytes()
pytestmark = pytest.mark.long


def test_a_day_is_the_same_again_ci() -> None:
    task = Task(Text("calm_tape_condor.yaml", CONDOR), 1)
    first = live_through(task)
    assert first == live_through(task)
    assert [trade.ended_by for trade in first.trades] == ["target"]


def test_days_are_told(tmp_path: Path) -> None:
    edited = tmp_path / "calm_tape_condor.yaml"
    edited.write_bytes(CONDOR.replace(b"profit: 50%", b"profit: 20%"))
    result = CliRunner().invoke(main, ["diff", "calm_tape_condor", str(edited), "--seeds", "2"])
    assert result.exit_code == 1
    assert "  2 simulated days (seeds 1 to 2)" in result.stdout
    assert "exits target" in result.stdout
