"""A text without errors of syntax to its page; `remarks` then puts the comments where they belong."""

import re
from typing import Any

from rulebot.model.errors import InvariantError
from rulebot.spec.fast_schema import Slot, root_slot
from rulebot.spec.layout_write import (
    At,
    Collection,
    Cover,
    Entry,
    Page,
    Scalar,
    arrange,
    put_remarks,
    rewritten,
    write,
    written,
)
from rulebot.spec.sections import NOT_LEGS
from rulebot.spec.source import Kind, Plain
from rulebot.spec.yaml import events, read_source

_HEADER = re.compile(r"(?P<style>[|>])(?P<rest>[-+0-9]*)")
_SKIPPED = frozenset({"StreamStartEvent", "StreamEndEvent", "DocumentStartEvent", "DocumentEndEvent"})


def read_page(text: str) -> Page:
    """Return the page of a document whose root is a mapping, with all its comments."""
    reader = _Reader(text)
    page = Page(reader.root())
    put_remarks(page, reader.lines, reader.cover)
    return page


def comments_of(text: str) -> list[str]:
    """Return every comment of a document, sorted."""
    reader = _Reader(text)
    reader.root()
    return sorted(reader.cover.comments(reader.lines))


class _Reader:
    """Goes once through the parser's events."""

    def __init__(self, text: str) -> None:
        self.lines = text.removesuffix("\n").split("\n")
        self.events = (event for event in events(text) if type(event).__name__ not in _SKIPPED)
        self.cover = Cover()

    def root(self) -> Collection:
        """Return the whole document."""
        root = self.node(next(self.events), 0)
        assert isinstance(root, Collection)
        return root

    def node(self, event: Any, col: int) -> Scalar | Collection:
        """Return what begins with an event. col: that of the key or dash before it."""
        name = type(event).__name__
        if name == "ScalarEvent":
            return self._scalar(event, col)
        at = (event.start_mark.line, event.start_mark.column)
        found = Collection(is_mapping=name == "MappingStartEvent", is_flow=bool(event.flow_style), at=at)
        while not type(event := next(self.events)).__name__.endswith("EndEvent"):
            found.entries.append(self._pair(event) if found.is_mapping else self._item(event, found))
        found.end = (event.end_mark.line, event.end_mark.column)
        return found

    def _pair(self, event: Any) -> Entry:
        at = (event.start_mark.line, event.start_mark.column)
        self._scalar(event, at[1])
        return Entry(key=str(event.value), at=at, value=self.node(next(self.events), at[1]))

    def _item(self, event: Any, found: Collection) -> Entry:
        at = (event.start_mark.line, event.start_mark.column)
        if not found.is_flow:
            at = (self._dash_line(at[0], found.at[1]), found.at[1])
        return Entry(at=at, value=self.node(event, at[1]))

    def _dash_line(self, line: int, col: int) -> int:
        """Return the line of the dash in a column, at or above the line on which its item begins."""
        up = range(line, -1, -1)
        return next(
            (n for n in up if self.lines[n][col : col + 1] == "-" and not self.lines[n][:col].strip(" -:")), line
        )

    def _scalar(self, event: Any, col: int) -> Scalar:
        at = (event.start_mark.line, event.start_mark.column)
        if event.style in ("|", ">"):
            return self._text_block(at, col)
        end = (event.end_mark.line, event.end_mark.column)
        self.cover.add(at, end)
        return Scalar(rewritten(str(event.value), event.style), at, end)

    def _text_block(self, at: At, col: int) -> Scalar:
        """Return a text in a block with its lines as they are, freed from their indentation."""
        header = _HEADER.match(self.lines[at[0]], at[1])
        assert header is not None
        digit = next((int(letter) for letter in header["rest"] if letter.isdigit()), 0)
        below = self.lines[at[0] + 1 :]
        first = next((line for line in below if line.strip()), "")
        indent = max(col + digit if digit else len(first) - len(first.lstrip(" ")), col + 1)
        count = next((n for n, line in enumerate(below) if line.strip() and line[:indent].strip(" ")), len(below))
        while "+" not in header["rest"] and count and not below[count - 1].strip():
            count -= 1
        ends = (at[0] + count, len(self.lines[at[0] + count]))
        self.cover.add(at, (at[0], header.end()))
        if count:
            self.cover.add((at[0], len(self.lines[at[0]])), ends)
        rest = re.sub("[0-9]", "2", header["rest"])
        return Scalar(header["style"] + rest, at, ends, tuple(line[indent:] for line in below[:count]))


# --- The front door

_SCHEMAS = {Kind.STRATEGY: "strategy", Kind.ACCOUNT: "account", Kind.UNIVERSE: "universe"}
_SPREAD = frozenset({"entry", "legs", "risk", "live", "categories"})
"""Sections of the document that are on separate lines when a tree is written."""
_SET_APART = frozenset({"entry", "legs", "order", "exits", "risk"})


def formatted(text: str, file: str, kind: Kind) -> str:
    """Return the text of a document without errors in the usual layout, with all its comments.

    Raises: InvariantError when that would change what it says, or lose a comment.
    """
    page = read_page(text)
    arrange(page, _slot(kind))
    new = write(page)
    if new == text:
        return text
    before, after = read_source(text.encode(), file), read_source(new.encode(), file)
    if after.problems or _ordered(before.tree) != _ordered(after.tree):
        raise InvariantError(f"another layout of {file} would change what it says", "the file is unchanged")
    if comments_of(text) != comments_of(new):
        raise InvariantError(f"another layout of {file} would lose a comment", "the file is unchanged")
    return new


def _ordered(tree: Plain) -> tuple[Plain, list[list[str]]]:
    """Return a tree with the order of those keys whose order counts: the legs and the lets."""
    assert isinstance(tree, dict)
    named = [tree.get(section) for section in ("legs", "let")]
    own = [[key for key in found if key not in NOT_LEGS] for found in named if isinstance(found, dict)]
    return tree, own


def text_of(tree: dict[str, Plain]) -> str:
    """Return a tree as the text of a document. Its version key determines the kind."""
    kind = next(kind for kind in Kind if kind.value in tree)
    root = _collection(tree)
    for entry in root.entries:
        entry.above = [""] if entry.key in _SET_APART else []
        if isinstance(entry.value, Collection):
            entry.value.is_flow = entry.key not in _SPREAD and entry.value.is_flow
        else:
            entry.value.written = written(tree[entry.key or ""], in_braces=False)
    page = Page(root)
    arrange(page, _slot(kind))
    return write(page)


def _slot(kind: Kind) -> Slot:
    """Return the layout rules of a kind of document; a kind without a schema has none."""
    return root_slot(_SCHEMAS[kind]) if kind in _SCHEMAS else Slot({}, {})


def _collection(tree: dict[str, Plain] | list[Plain]) -> Collection:
    """Return a mapping or list for a page: in braces, but for lists of mappings and what holds them."""
    if isinstance(tree, dict):
        entries = [Entry(_value(value), key=key) for key, value in tree.items()]
    else:
        entries = [Entry(_value(value)) for value in tree]
    spread = not isinstance(tree, dict) and any(isinstance(value, dict) for value in tree)
    spread |= any(isinstance(entry.value, Collection) and not entry.value.is_flow for entry in entries)
    return Collection(is_mapping=isinstance(tree, dict), is_flow=not spread, entries=entries)


def _value(value: Plain) -> Scalar | Collection:
    return _collection(value) if isinstance(value, dict | list) else Scalar(written(value))
