"""Recordings that hold nothing, or lead nowhere, beside a store: each is named, and none is called the same."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.adapters.recorded.file import TapeWriter
from engine.cli.main import main
from engine.model.errors import StoreError
from engine.run.replay.tapes import EMPTY, listed, meant

DAY = "2026-10-21.tape"


def written(folder: Path) -> Path:
    """Write a recording of a run that ended before its first frame."""
    writer = TapeWriter(folder / "run" / DAY, {"day": "2026-10-21"})
    writer.close()
    return writer.file


def test_a_recording_without_a_frame_is_not_called_the_same(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=EMPTY):
        meant(str(written(tmp_path)), tmp_path)


def test_a_recording_without_a_frame_has_its_line_among_those_that_are_verified(tmp_path: Path) -> None:
    file = written(tmp_path / "a-tapes")
    done = CliRunner().invoke(main, ["replay", "--verify", "--store", str(tmp_path / "a.db")])
    assert (done.exit_code, done.output) == (0, f" {file}: {EMPTY}\n")


def test_a_link_that_leads_nowhere_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / DAY).symlink_to(tmp_path / "nowhere")
    assert [each.problem for each in listed(tmp_path)] == [f"there is no recording {tmp_path / 'run' / DAY}"]
