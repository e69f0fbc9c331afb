"""What others wrote steers no terminal; a file or another program gets it as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from rulebot.cli.output import harmless
from rulebot.cli.report import cut

ENGINE = Path(__file__).parents[3] / "engine" / "rulebot"
ECHOES = re.compile(r"click\.s?echo\w*\(")
GONE = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("\x1b[2Jgone", f"{GONE}[2Jgone"),
        ("one\rtwo\n", f"one{GONE}two\n"),
        ("\x1b]0;title\x07", f"{GONE}]0;title{GONE}"),
        ("\x1b[8mhidden\x1b[0m", f"{GONE}[8mhidden\x1b[0m"),
        ("\x9b2J\x08\x7f", f"{GONE}2J{GONE}{GONE}"),
        ("\u202e50%\u2069", f"{GONE}50%{GONE}"),
        ("\x1b[31m\x1b[1merror\x1b[0m\tin é, …, 日\n", None),
    ],
)
def test_a_terminal_is_steered_by_nothing_but_our_colours(sent: str, seen: str | None) -> None:
    assert harmless(sent) == (sent if seen is None else seen)


def test_a_line_of_a_table_keeps_its_colours() -> None:
    line = cut(Text("a\x1b[2J", style="red").append(" b", style="green"), 80)
    assert (line.plain, [str(span.style) for span in line.spans]) == (f"a{GONE}[2J b", ["green"])


def said_to(stream: int) -> None:
    """Have a process say on a stream what writes over itself."""
    words = [sys.executable, "-c", r"from rulebot.cli.output import print_text; print_text('one\rtwo')"]
    subprocess.run(words, stdout=stream, check=True, timeout=100)
    os.close(stream)


def test_another_program_gets_it_as_it_is() -> None:
    read, write = os.pipe()
    said_to(write)
    assert os.read(read, 100) == f"one\rtwo{os.linesep}".encode()
    os.close(read)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals to open")
def test_a_terminal_gets_it_harmless() -> None:
    read, write = os.openpty()
    said_to(write)
    assert os.read(read, 100) == f"one{GONE}two\r\n".encode()
    os.close(read)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals to open")
@pytest.mark.parametrize("words", [("explain", "a\x1b]0;b\x07"), ("status", "--store", "a", "b\x1b]0;c\x07")])
def test_a_misuse_that_names_something_steers_no_terminal(words: tuple[str, ...]) -> None:
    """Of a store of somebody else's `rulebot chart` names the bots, and click wrote them as they are."""
    read, write = os.openpty()
    found = subprocess.run([sys.executable, "-m", "rulebot.cli.main", *words], stderr=write, check=False, timeout=100)
    os.close(write)
    reported = os.read(read, 10_000)
    os.close(read)
    assert (found.returncode, b"]0;" in reported, b"\x1b]" in reported, b"\x07" in reported) == (2, True, False, False)


def test_commands_say_what_they_say_by_it() -> None:
    """`rulebot chaos` writes signs of its own, its progress; the start imports nothing for words of its own."""
    own = {file: len(ECHOES.findall(file.read_text(encoding="utf-8"))) for file in ENGINE.rglob("*.py")}
    found = {file.relative_to(ENGINE).as_posix(): count for file, count in own.items() if count}
    assert found == {"cli/output.py": 1, "cli/past/chaos.py": 1, "cli/main.py": 3}
