"""A day with a learned model replays where its file is not: the text that was kept carries the numbers."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.adapters.recorded.recording import open_recording
from rulebot.cli.main import main
from rulebot.replay.recordings import listed, tapes_of
from rulebot.store.queries import StoreReader

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.long
@pytest.mark.usefixtures("slow_market")
def test_ci_a_day_with_a_model_filter_replays_without_its_file(tmp_path: Path) -> None:
    shutil.copy(EXAMPLES / "learned.yaml", tmp_path)
    shutil.copytree(EXAMPLES / "models", tmp_path / "models")
    store, spec = tmp_path / "day.db", tmp_path / "learned.yaml"
    words = ["run", "--paper", "--sim", "--seed", "3", "--store", str(store), str(spec)]
    assert CliRunner().invoke(main, words).exit_code == 0
    with StoreReader(store) as reader:
        assert reader.view("trades")
    shutil.rmtree(tmp_path / "models")
    spec.unlink()
    replayed = CliRunner().invoke(main, ["replay", "--verify", "--store", str(store)])
    assert (replayed.exit_code, replayed.output.count(": the same, ")) == (0, 1), replayed.output
    assert [len(open_recording(each.file).files) for each in listed(tapes_of(store))] == [1]
