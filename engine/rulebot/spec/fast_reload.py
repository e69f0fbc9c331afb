"""A document that differs from one that was read before in its numbers alone: what is the same is not read again.

A sweep has hundreds of such texts, and reading YAML takes most of the time that compiling a spec takes. A number in
place of another one, digits with a point between them at most, changes nothing of what stands around it.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from rulebot.spec.diagnostic import Span
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source
from rulebot.spec.yaml import MAX_SCALAR, number_problem, plain_scalar, read_source

_TOKEN = re.compile(r"[0-9.]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_QUOTES = "\"'"


class _Change(NamedTuple):
    """A number of a line that is another one now: the columns in which it stood, from 1, and what stands there."""

    start: int
    end: int
    text: str


class ReloadCache:
    """Texts of one file name that are much alike: each is read by what it has in common with the first."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._first: _Read | None = None

    def read(self, text: str) -> Source:
        """Return the document in a text, as `read_source` does."""
        if self._first is not None and (found := self._first.like(text)) is not None:
            return found
        source = read_source(text.encode("utf-8", "surrogatepass"), self._file)
        if self._first is None:
            self._first = _Read(source)
        return source


class _Read:
    """A document that was read, with its places by line."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._keys, self._values = _by_line(source.keys), _by_line(source.values)

    def like(self, text: str) -> Source | None:
        """Return the document in a text that differs from it in numbers alone, None for any other."""
        source, lines = self._source, text.split("\n")
        if source.problems or source.above or len(lines) != len(source.lines):
            return None
        tree, keys, values = source.tree, dict(source.keys), dict(source.values)
        for number, (old, new) in enumerate(zip(source.lines, lines, strict=True), 1):
            if old == new:
                continue
            changes = _changes(old, new)
            if changes is None:
                return None
            for known, found in ((self._keys, keys), (self._values, values)):
                found.update((path, _moved(span, changes)) for path, span in known.get(number, ()))
            for change in changes:
                path = self._holder(number, change)
                value = None if path is None else self._value(path, _cut(new, values[path]))
                if path is None or value is None:
                    return None
                tree = _with(tree, path, value)
        return Source(file=source.file, text=text, tree=tree, keys=keys, values=values)

    def _holder(self, line: int, change: _Change) -> Path | None:
        """Return the path of the only text or number that a change lies in, None without one."""
        around = (
            path for path, span in self._values.get(line, ()) if span.col <= change.start and change.end <= span.end_col
        )
        found = [path for path in around if not isinstance(_at(self._source.tree, path), dict | list)]
        return found[0] if len(found) == 1 else None

    def _value(self, path: Path, new: str) -> Plain:
        """Return what a scalar says that is written so now, None where it may not say what it shows."""
        source = self._source
        old, told = _cut(source.line(source.values[path].line), source.values[path]), _at(source.tree, path)
        if len(new) > MAX_SCALAR:
            return None
        if old[:1] in _QUOTES:
            quote, inside = old[:1], new[1:-1]
            return inside if old[1:-1] == told and new[-1:] == quote and quote not in inside else None
        if number_problem(new) is not None or plain_scalar(old) != told or type(plain_scalar(old)) is not type(told):
            return None
        return plain_scalar(new)


def _by_line(spans: Mapping[Path, Span]) -> dict[int, list[tuple[Path, Span]]]:
    found: dict[int, list[tuple[Path, Span]]] = {}
    for path, span in spans.items():
        found.setdefault(span.line, []).append((path, span))
    return found


def _changes(old: str, new: str) -> list[_Change] | None:
    """Return the numbers in which two lines differ, None when they differ in anything else."""
    before, after = list(_TOKEN.finditer(old)), list(_TOKEN.finditer(new))
    if len(before) != len(after) or _TOKEN.split(old) != _TOKEN.split(new) or "\\" in old:
        return None
    pairs = [(one, other) for one, other in zip(before, after, strict=True) if one.group() != other.group()]
    if not all(_NUMBER.fullmatch(each.group()) for pair in pairs for each in pair):
        return None
    return [_Change(one.start() + 1, one.end() + 1, other.group()) for one, other in pairs]


def _moved(span: Span, changes: list[_Change]) -> Span:
    def now(column: int) -> int:
        return column + sum(len(each.text) - (each.end - each.start) for each in changes if each.end <= column)

    return Span(span.line, now(span.col), now(span.end_col))


def _cut(line: str, span: Span) -> str:
    return line[span.col - 1 : span.end_col - 1]


def _at(tree: Plain, path: Path) -> Plain:
    found: Any = tree
    for step in path:
        found = found[step]
    return cast(Plain, found)


def _with(tree: Plain, path: Path, value: Plain) -> Plain:
    """Return the tree with another value at a path; what does not lie on the way there is shared."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(tree, list):
        assert isinstance(step, int)
        return [*tree[:step], _with(tree[step], rest, value), *tree[step + 1 :]]
    assert isinstance(tree, dict)
    assert isinstance(step, str)
    return {**tree, step: _with(tree[step], rest, value)}
