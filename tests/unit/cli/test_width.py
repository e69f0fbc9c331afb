"""Lines as wide as the terminal: broken between words, and as they are where no terminal is."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import main
from engine.cli.width import LEAST, fitted, prose_width, terminal_width

SPECS = Path(__file__).parents[3] / "specs"


class Terminal:
    def isatty(self) -> bool:
        return True


def test_where_no_terminal_is_lines_stay_as_they_are() -> None:
    assert terminal_width() is None
    assert prose_width(120) == 120
    assert fitted("word " * 100) == ["word " * 100]


def test_a_terminal_says_how_wide_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "90")
    assert (terminal_width(), prose_width(120), prose_width(80)) == (90, 90, 80)
    assert [len(line) <= 90 for line in fitted("word " * 30)] == [True, True]
    monkeypatch.setenv("COLUMNS", "20")
    assert prose_width(120) == LEAST


@pytest.mark.parametrize(
    "words",
    [("explain", "calm_tape_condor"), ("explain", "monthly_condor"), ("diff", "put_lite", "dte0_condor")],
)
def test_what_is_read_fits_the_terminal(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.cli.width.terminal_width", lambda: 80)
    command, *names = words
    files = [str(SPECS / f"{name}.yaml") for name in names]
    narrow = CliRunner().invoke(main, [command, *files]).output
    monkeypatch.undo()
    whole = CliRunner().invoke(main, [command, *files]).output
    wide = [line for line in narrow.splitlines() if len(line) > 80 and "─" not in line]
    assert (wide, max(map(len, whole.splitlines())) > 100) == ([], True)
    assert narrow.split() == whole.split()
