"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

from rulebot.spec.files import write_whole


def test_a_disk_that_fails_leaves_what_was_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "old").write_text("as it was")
    monkeypatch.setattr(os, "fsync", refuse)
    for name in ("old", "new"):
        with pytest.raises(OSError, match="No space"):
            write_whole(tmp_path / name, b"half")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "as it was"}


def test_a_new_file_is_one_that_others_may_read(tmp_path: Path) -> None:
    write_whole(tmp_path / "new", b"all of it")
    (tmp_path / "plain").write_text("")
    assert (tmp_path / "new").read_bytes() == b"all of it"
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file")
def test_what_is_no_file_of_a_disk_is_written_as_it_is() -> None:
    write_whole(Path(os.devnull), b"nowhere")
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no files stand for what is open")
def test_a_pipe_is_written_as_it_is() -> None:
    """`explain --html /dev/stdout | less` said that there is no such file."""
    out, into = os.pipe()
    try:
        write_whole(Path(f"/dev/fd/{into}"), b"a page")
        assert os.read(out, 100) == b"a page"
    finally:
        os.close(out)
        os.close(into)
