"""A document as it is laid out: keys, values, comments and blank lines, each belonging to what it stands beside.

Scratch of one formatting, changed in place. Units: lines and columns count from 0.
"""

from dataclasses import dataclass, field
from typing import Union

At = tuple[int, int]
"""Line and column."""


@dataclass(slots=True)
class Scalar:
    """One value. `written`: as it stands on its line; of a text in a block (`|`, `>`) its header, and `lines` below."""

    written: str
    at: At = (0, 0)
    end: At = (0, 0)
    lines: tuple[str, ...] | None = None


@dataclass(slots=True)
class Remark:
    """A comment behind something on its line, and what goes on below it in the same column."""

    col: int
    lines: list[str]


@dataclass(slots=True)
class Entry:
    """A key with its value, or an item of a list. `above` and `below` are lines of comments, "" is a blank one."""

    value: Union[Scalar, "Collection"]
    key: str | None = None
    at: At = (0, 0)
    above: list[str] = field(default_factory=list)
    remark: Remark | None = None
    below: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Collection:
    """A mapping or a list. `end` is where its bracket has closed.

    tail: comments behind its last entry. is_rule: a condition or exit, which begins on a line of its own in a list.
    """

    is_mapping: bool
    is_flow: bool
    entries: list[Entry] = field(default_factory=list)
    at: At = (0, 0)
    end: At = (0, 0)
    tail: list[str] = field(default_factory=list)
    is_rule: bool = False


@dataclass(slots=True)
class Page:
    """A whole document; `head` are the comments that stay at its top."""

    root: Collection
    head: list[str] = field(default_factory=list)
