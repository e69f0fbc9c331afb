"""How wide lines may be: as this terminal is, where a terminal shows them."""

import re
import sys
from collections.abc import Sequence
from shutil import get_terminal_size
from textwrap import wrap

import click

from rulebot.model.text import INSTEAD

# --- What a command says

_STEERS = re.compile(
    "\x1b(?!\\[(?:[0-7]|[39][0-7])m)"  # but colours, as our own lines have them
    "|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
"""Control signs but tab and line feed, and signs that turn the direction of letters (Unicode Annex 9)."""


def print_text(text: str, *, err: bool = False, nl: bool = True) -> None:
    """Write a text, to the errors if asked; `nl` False leaves the line open."""
    stream = sys.stderr if err else sys.stdout
    click.echo(harmless(text) if stream.isatty() else text, err=err, nl=nl)


def harmless(text: str) -> str:
    """Return a text as a terminal may have it: a sign that would steer it is shown as a replacement character."""
    return text if text.isprintable() else _STEERS.sub(INSTEAD, text)


# --- How wide lines may be

LEAST = 60
"""Columns below which text in columns is nothing but a strip."""


def terminal_width() -> int | None:
    """Return how many columns the terminal has, None where the output goes elsewhere."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def error_width() -> int | None:
    """Return the same of what is said of errors."""
    return get_terminal_size().columns if sys.stderr.isatty() else None


def prose_width(most: int) -> int:
    """Return how wide text in columns may be: as the terminal is, at most so much, which it is elsewhere."""
    width = terminal_width()
    return most if width is None else max(min(most, width), LEAST)


def fitted(line: str, *, err: bool = False) -> list[str]:
    """Return a line as it fits the terminal, broken between words and indented further; elsewhere it stays one."""
    width = error_width() if err else terminal_width()
    if width is None or len(line) <= width:
        return [line]
    below = " " * (len(line) - len(line.lstrip()) + 2)
    return wrap(line, width, subsequent_indent=below, break_on_hyphens=False, break_long_words=False) or [line]


def hung(lead: str, text: str, *, shown: str | None = None) -> str:
    """Return `lead` and `text` wrapped: continued lines begin below the text.

    shown: the lead in colour, of the same width.
    """
    width, head = terminal_width(), lead if shown is None else shown
    if width is None or len(lead) + len(text) <= width:
        return head + text
    indent = " " * len(lead)
    lines = wrap(
        text,
        max(width, LEAST),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return "\n".join(lines).replace(indent, head, 1)


def broken(text: str, *, err: bool = False) -> str:
    """Return a text, each line of it as it fits the terminal."""
    return "\n".join(part for line in text.split("\n") for part in fitted(line, err=err))


def echo(line: str, *, err: bool = False) -> None:
    """Write a line, or several, as they fit."""
    print_text(broken(line, err=err), err=err)


def narrowed(
    rows: Sequence[Sequence[str]], width: int | None, going: Sequence[int], *, right: frozenset[int]
) -> tuple[list[str], list[str]]:
    """Return a table as lines that fit, and the heads of the columns that were left out for it.

    width: of the terminal, None where none is. going: columns that a narrow one does without, the first to go first.
    """
    from rulebot.model.text import aligned

    kept, left_out, waiting = list(range(len(rows[0]))), dict[str, None](), list(going)
    while True:
        shown = [[row[at] for at in kept if at < len(row)] for row in rows]
        lines = aligned(shown, right=frozenset(place for place, at in enumerate(kept) if at in right))
        if width is None or not waiting or max(map(len, lines)) <= width:
            return lines, list(left_out)
        gone = waiting.pop(0)
        kept.remove(gone)
        left_out[rows[0][gone]] = None


def lacking(left_out: Sequence[str], width: int | None, whole: str) -> list[str]:
    """Return a line that says which columns were left out, and what has all of them; none where none was."""
    return [f" not in {width} columns: {', '.join(left_out)}; {whole} has all"] if left_out else []


def table(
    rows: Sequence[Sequence[str]], width: int | None, going: Sequence[int], *, right: frozenset[int], whole: str
) -> list[str]:
    """Return a table as it fits, and below it what it lacks."""
    lines, left_out = narrowed(rows, width, going, right=right)
    return [*lines, *lacking(left_out, width, whole)]
