"""What others wrote steers no terminal; a file or another program gets it as it is."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.text import Text

from engine.cli.glance_text import cut
from engine.cli.say import harmless

ENGINE = Path(__file__).parents[3] / "engine"
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
    words = [sys.executable, "-c", r"from engine.cli.say import say; say('one\rtwo')"]
    subprocess.run(words, stdout=stream, check=True, timeout=100)
    os.close(stream)


@pytest.mark.skipif(os.name == "nt", reason="no terminals to open")
@pytest.mark.parametrize(("opened", "seen"), [(os.pipe, b"one\rtwo\n"), (os.openpty, f"one{GONE}two\r\n".encode())])
def test_who_reads_decides(opened: Callable[[], tuple[int, int]], seen: bytes) -> None:
    read, write = opened()
    said_to(write)
    assert os.read(read, 100) == seen
    os.close(read)


def test_commands_say_what_they_say_by_it() -> None:
    """`rulebot chaos` writes signs of its own, its progress; the start imports nothing for words of its own."""
    own = {file.name: file.read_text(encoding="utf-8").count("click.echo(") for file in ENGINE.rglob("*.py")}
    assert {name: count for name, count in own.items() if count} == {"say.py": 1, "chaos.py": 1, "main.py": 3}
