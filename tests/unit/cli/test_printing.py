"""What is printed where it cannot be: on a full disk, a terminal that is gone, in an encoding that lacks a sign."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.cli.terminal.screen import Screen

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full")


def rulebot(*words: str, to: Any = subprocess.PIPE, **environ: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "rulebot.cli.main", *words]
    return subprocess.run(
        command, stdout=to, stderr=subprocess.PIPE, env=os.environ | environ, timeout=100, check=False
    )


@needs_full
@pytest.mark.parametrize("words", [("--help",), ("explain", "vix")])
def test_a_full_disk_is_one_line(words: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        found = rulebot(*words, to=full)
    said = found.stderr.decode()
    assert (found.returncode, said.count("\n"), "No space left" in said) == (3, 1, True)


@pytest.mark.parametrize("words", [("explain", "vix"), ("explain", "--help"), ("--help",), ("--version",)])
def test_nobody_reads_on(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    found = rulebot(*words, to=write)
    os.close(write)
    assert (found.returncode, found.stderr) == (141, b"")


@pytest.mark.skipif(os.name == "nt", reason="a shell of its own")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_is_closed_goes_nowhere(closed: str) -> None:
    there = subprocess.run(
        ["sh", "-c", f'"$0" -m rulebot.cli.main explain vix --format text {closed}', sys.executable],
        capture_output=True,
        timeout=100,
        check=False,
    )
    assert (there.returncode, there.stderr, bool(there.stdout)) == (0, b"", " >&-" not in f" {closed}")


def test_a_sign_that_the_encoding_lacks_is_a_question_mark() -> None:
    found = rulebot("explain", "--diagram", "text", "put_lite", PYTHONIOENCODING="latin-1")
    assert (found.returncode, found.stderr, b"?" in found.stdout) == (0, b"", True)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EPIPE])
def test_no_engine_ends_because_nothing_can_be_shown(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[str] = []

    def fail(line: str) -> None:
        reported.append(line)
        raise OSError(number, os.strerror(number))

    redirected: list[int] = []
    monkeypatch.setattr("rulebot.cli.terminal.screen.echo", fail)
    monkeypatch.setattr("rulebot.cli.terminal.screen.os.dup2", lambda *ends: redirected.append(ends[0]))
    monkeypatch.setattr(
        "rulebot.cli.terminal.screen.sys.stdout", SimpleNamespace(fileno=lambda: 1, isatty=lambda: False)
    )
    screen = Screen(SimpleNamespace(), SimpleNamespace(), plain=True)  # type: ignore[arg-type]
    screen.say("one")
    screen.say("two")
    assert reported == ["one"]
    for each in redirected:
        os.close(each)
