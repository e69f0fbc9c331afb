"""What a command says: to a file or another program as it is, to a terminal without signs that would steer it.

A store, a recording or a file of data may come from somebody else. A sequence in one of its texts could clear the
screen, write over lines above, or have letters run backwards: what a person reads would not be what is there.
"""

import re
import sys

import click

from rulebot.model.printable import INSTEAD

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
