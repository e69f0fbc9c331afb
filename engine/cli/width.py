"""How wide lines may be: as this terminal is, where a terminal shows them."""

import sys
from shutil import get_terminal_size
from textwrap import wrap


def terminal_width() -> int | None:
    """Return how many columns the terminal has, None where the output goes elsewhere."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def fitted(line: str) -> list[str]:
    """Return a line as it fits the terminal, broken between words; elsewhere it stays one."""
    width = terminal_width()
    if width is None:
        return [line]
    return wrap(line, width, subsequent_indent="   ", break_on_hyphens=False, break_long_words=False) or [line]
