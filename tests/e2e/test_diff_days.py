"""`rulebot diff --seeds`: both texts on the same simulated days."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main
from rulebot.compare.git_revisions import Text
from rulebot.compare.spec_comparison import Task, live_through
from rulebot.spec.files import shipped

PAIRS = Path(__file__).parents[1] / "snapshot" / "diffs"
CONDOR = (shipped("specs") / "calm_tape_condor.yaml").read_bytes()
pytestmark = pytest.mark.long


def test_a_day_is_the_same_again() -> None:
    task = Task(Text("calm_tape_condor.yaml", CONDOR), 1)
    first = live_through(task)
    assert first == live_through(task)
    assert [trade.ended_by for trade in first.trades] == ["target"]


def test_days_are_reported(tmp_path: Path) -> None:
    edited = tmp_path / "calm_tape_condor.yaml"
    edited.write_bytes(CONDOR.replace(b"profit: 50%", b"profit: 20%"))
    result = CliRunner().invoke(main, ["diff", "calm_tape_condor", str(edited), "--seeds", "2"])
    assert result.exit_code == 1
    assert "  2 simulated days (seeds 1 to 2)" in result.stdout
    assert "exits target" in result.stdout


def test_ci_days_are_as_a_text_run_by_hand(tmp_path: Path) -> None:
    """The new text's day, which is not that of the old one."""
    old, new = (PAIRS / f"tuned.{side}.yaml" for side in ("old", "new"))
    result = CliRunner().invoke(main, ["diff", str(old), str(new), "--seeds", "1", "--format", "json"])
    (found,) = json.loads(result.stdout)["compared"]
    store, bot = tmp_path / "new.db", tmp_path / f"{found['name']}.yaml"
    bot.write_bytes(new.read_bytes())
    run = ["run", "--paper", "--sim", "--seed", "1", "--store", str(store), str(bot)]
    assert CliRunner().invoke(main, run).exit_code == 0
    with closing(sqlite3.connect(store)) as connection:
        rows = connection.execute(
            "SELECT entry_price, exit_price, exit_name, final_pnl, status FROM trades ORDER BY id"
        ).fetchall()
    (before,), (day,) = found["days"]["old"], found["days"]["new"]
    assert day["trades"] != before["trades"] != []
    assert len(rows) == len(day["trades"]) > 0
    for row, trade in zip(rows, day["trades"], strict=True):
        assert f"at {row[0]:.2f}" in trade["words"]
        assert row[2] == (trade["ended_by"] or None)
        assert row[4] == ("CLOSED" if trade["ended_by"] else "OPEN")
        if row[4] == "CLOSED":
            assert row[3] == float(trade["net_pnl"])
            assert f"at {row[1]:.2f}" in trade["words"]
