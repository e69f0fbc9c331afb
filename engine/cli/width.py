"""How wide lines may be: as this terminal is, where a terminal shows them."""

import sys
from shutil import get_terminal_size
from textwrap import wrap

import click

LEAST = 60
"""Columns below which text in columns is nothing but a strip."""


def terminal_width() -> int | None:
    """Return how many columns the terminal has, None where the output goes elsewhere."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def prose_width(most: int) -> int:
    """Return how wide text in columns may be: as the terminal is, at most so much, which it is elsewhere."""
    width = terminal_width()
    return most if width is None else max(min(most, width), LEAST)


def fitted(line: str) -> list[str]:
    """Return a line as it fits the terminal, broken between words and indented further; elsewhere it stays one."""
    width = terminal_width()
    if width is None:
        return [line]
    below = " " * (len(line) - len(line.lstrip()) + 2)
    return wrap(line, width, subsequent_indent=below, break_on_hyphens=False, break_long_words=False) or [line]


def echo(line: str) -> None:
    """Write a line as it fits."""
    click.echo("\n".join(fitted(line)))
