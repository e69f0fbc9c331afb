"""Recordings that hold nothing, or lead nowhere, beside a store: each is named, and none is called the same."""

from pathlib import Path
from shutil import copy

import pytest
from click.testing import CliRunner

from rulebot.adapters.recorded.file import RecordingWriter
from rulebot.cli.main import main
from rulebot.model.errors import StoreError
from rulebot.replay.recordings import EMPTY, listed, meant, sizes_of

DAY = "2026-10-21.tape"


def written(folder: Path) -> Path:
    """Write a recording of a run that ended before its first frame."""
    writer = RecordingWriter(folder / "run" / DAY, {"day": "2026-10-21"})
    writer.close()
    return writer.file


def test_a_recording_without_a_frame_is_not_called_the_same(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=EMPTY):
        meant(str(written(tmp_path)), tmp_path)


def test_a_recording_without_a_frame_has_its_line_among_those_that_are_verified(tmp_path: Path) -> None:
    file = written(tmp_path / "a-tapes")
    done = CliRunner().invoke(main, ["replay", "--verify", "--store", str(tmp_path / "a.db")])
    assert (done.exit_code, done.output) == (0, f" {file}: {EMPTY}\n")


def test_where_nothing_but_such_a_recording_is_that_is_said_of_it(tmp_path: Path) -> None:
    """Nothing was recorded would send a person looking for a switch that is on."""
    written(tmp_path)
    with pytest.raises(StoreError, match=f"nothing of 2026-10-21 can be replayed: {EMPTY}"):
        meant("", tmp_path)


def test_a_recording_without_what_stood_beside_it_says_what_is_missing(tmp_path: Path) -> None:
    writer, copied = RecordingWriter(tmp_path / DAY, {"day": "2026-10-21"}), tmp_path / "run" / DAY
    copied.parent.mkdir()
    copy(writer.file, copied)
    for _ in range(2):  # who reads it leaves an empty one
        (problem,) = (each.problem for each in listed(tmp_path))
        assert problem.startswith(f"{copied} holds nothing: it was copied without {DAY}-wal")
    copy(writer.file.with_name(f"{DAY}-wal"), copied.parent)
    assert [each.problem for each in listed(tmp_path)] == [EMPTY]
    writer.close()


def test_what_a_kill_left_where_nothing_can_be_written_says_how_it_is_read(tmp_path: Path) -> None:
    writer, left = RecordingWriter(tmp_path / DAY, {"day": "2026-10-21"}), tmp_path / "run" / DAY
    left.parent.mkdir()
    for file in (writer.file, writer.file.with_name(f"{DAY}-wal")):
        copy(file, left.parent)
    writer.close()
    left.with_name(f"{DAY}-shm").symlink_to(tmp_path / "nowhere")  # cannot be made, as in a folder that is read only
    (problem,) = (each.problem for each in listed(tmp_path))
    assert problem.startswith(f"{left} cannot be read where it is: ")
    assert f"copy it and {DAY}-wal to a folder that can be written" in problem


def test_a_recording_whose_run_was_killed_before_it_began_says_so(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / DAY).touch()
    assert ["or its run was killed" in each.problem for each in listed(tmp_path)] == [True]


def test_a_link_that_leads_nowhere_is_listed_with_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / DAY).symlink_to(tmp_path / "nowhere")
    assert [each.problem for each in listed(tmp_path)] == [f"there is no recording {tmp_path / 'run' / DAY}"]


@pytest.mark.parametrize(("days", "said"), [((21,), "2026-10-21"), ((21, 22, 26), "2026-10-21 to 2026-10-26")])
def test_a_day_that_is_not_there_says_where_it_was_looked_for(tmp_path: Path, days: tuple[int, ...], said: str) -> None:
    """`rulebot run --recording DAY --store NEW` looks beside the store of the last run."""
    for day in days:
        RecordingWriter(tmp_path / "run" / f"2026-10-{day}.tape", {"day": f"2026-10-{day}"}).close()
    with pytest.raises(StoreError, match="nothing is recorded of 2026-10-20") as found:
        meant("2026-10-20", tmp_path)
    assert found.value.help == f"in {tmp_path} is {said}"


def test_a_file_that_is_put_away_as_it_is_looked_at_counts_nothing(tmp_path: Path) -> None:
    """A recorder lays it out anew: that it was gone ended who looked, and no drift was told any more."""
    tape = tmp_path / "2026-10-21.tape"
    tape.write_bytes(b"12345")
    (tmp_path / f"{tape.name}-wal").write_bytes(b"123")
    (tmp_path / f"{tape.name}-laid").symlink_to(tmp_path / "gone")
    (tmp_path / f"{tape.name}-folder").mkdir()
    assert sizes_of(tape) == (5, 3)
    assert sizes_of(tmp_path / "2026-10-22.tape") == ()
