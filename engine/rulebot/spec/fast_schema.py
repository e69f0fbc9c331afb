"""Check quickly whether a document fits its schema, a thousand times faster than the jsonschema library.

Loading the jsonschema library takes as long as all else that `rulebot validate` does, and most documents are valid.
This module evaluates the keywords that our schemas have and answers yes or "not sure"; only for "not sure" is the
library asked. An unknown keyword is "not sure". Draft 2020-12, for YAML's values without float.

Each part of a schema is made into a test when a document first reaches it, and kept: most documents need few.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sized
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, cast

from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Span
from rulebot.spec.files import shipped
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source
from rulebot.spec.yaml import MAX_SCALAR, number_problem, plain_scalar, read_source

Schema = Mapping[str, Any]

Test = Callable[[Plain], bool]
"""Says of a value whether it is certainly what a part of a schema asks for."""


@lru_cache(maxsize=4)
def read_schema(kind: str) -> dict[str, Any]:
    """Return the schema of `strategy`, `account`, `test` or `universe`, read once.

    Without the parts for editors, which know no names of lets (`schema.py`).
    """
    found: dict[str, Any] = json.loads((shipped("schemas") / f"{kind}.schema.json").read_text(encoding="utf-8"))
    found.pop("allOf", None)
    for name in FOR_EDITORS:
        found.get("$defs", {}).pop(name, None)
    for each in found.get("$defs", {}).values():
        if each.get("propertyNames") == _NO_SLIP:
            del each["propertyNames"]
    return found


FOR_EDITORS = (
    "no_slip",
    "known_condition",
    "known_exit",
    "known_halt",
    "known_measure",
    "ranked_without_slip",
    "without_lets",
)
"""Definitions by which the schema alone refuses misspelt measures."""
_NO_SLIP = {"$ref": "#/$defs/no_slip"}


_COMPARED = {"$ref": "#/$defs/let_compared"}
"""The schema for a condition with an unknown word: it may be the name of a let."""


def lets_of(tree: Plain) -> tuple[str, ...]:
    """Return the names that a document gives to measures."""
    named = tree.get("let") if isinstance(tree, dict) else None
    return tuple(name for name, body in named.items() if isinstance(body, dict)) if isinstance(named, dict) else ()


@lru_cache(maxsize=8)
def schema_with(kind: str, lets: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the schema for a document with these lets: of all names these alone may be compared like measures."""
    schema = read_schema(kind)
    definitions = dict(schema["$defs"])
    for name, each in definitions.items():
        if each.get("additionalProperties") == _COMPARED:
            known = each["properties"]
            named = {let: _COMPARED for let in lets if let not in known}
            definitions[name] = {**each, "properties": {**known, **named}, "additionalProperties": False}
    return {**schema, "$defs": definitions}


def fits_schema(tree: Plain, kind: str) -> bool:
    """Return whether a document is certainly what its schema asks for; False is not a no."""
    return _test_of(kind, lets_of(tree))(tree)


@lru_cache(maxsize=8)
def _test_of(kind: str, lets: tuple[str, ...]) -> Test:
    schema = schema_with(kind, lets)
    return _Tests(schema["$defs"]).of(schema)


class _Tests:
    """The tests of one schema, each made when it is first asked for."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions
        self._named: dict[str, Test] = {}

    def named(self, reference: str) -> Test:
        """Return the test of a definition."""
        if reference not in self._named:
            self._named[reference] = self.of(self._definitions[reference.removeprefix("#/$defs/")])
        return self._named[reference]

    def of(self, schema: Schema) -> Test:
        """Return the test of a part of the schema."""
        checks: tuple[Test, ...] | None = None

        def test(value: Plain) -> bool:
            nonlocal checks
            if checks is None:
                checks = tuple(self._checks(schema))
            return all(check(value) for check in checks)

        return test

    def _checks(self, schema: Schema) -> Iterator[Test]:
        for keyword, expected in schema.items():
            if keyword in _OF_PARTS:
                yield _OF_PARTS[keyword](self, expected, schema)
            elif keyword in _CHECKS:
                yield _CHECKS[keyword](expected)
            elif keyword not in _ANNOTATIONS:
                yield _unsure

    # ------------------------------------------------------------ keywords with schemas in them

    def any_of(self, expected: list[Schema], _: Schema) -> Test:
        tests = [self.of(each) for each in expected]
        return lambda value: any(test(value) for test in tests)

    def properties(self, expected: Schema, _: Schema) -> Test:
        tests = {key: self.of(each) for key, each in expected.items()}

        def check(value: Plain) -> bool:
            if isinstance(value, dict):
                for key, item in value.items():
                    if (test := tests.get(key)) is not None and not test(item):
                        return False
            return True

        return check

    def additional(self, expected: bool | Schema, schema: Schema) -> Test:
        if expected is True:
            return _sure
        known = schema.get("properties", {}).keys()
        if expected is False:
            return lambda value: not isinstance(value, dict) or value.keys() <= known
        test = self.of(expected)
        return lambda value: (
            not isinstance(value, dict) or all(test(item) for key, item in value.items() if key not in known)
        )

    def property_names(self, expected: Schema, _: Schema) -> Test:
        test = self.of(expected)
        return lambda value: not isinstance(value, dict) or all(test(key) for key in value)

    def items(self, expected: Schema, _: Schema) -> Test:
        test = self.of(expected)
        return lambda value: not isinstance(value, list) or all(test(item) for item in value)

    def when(self, expected: Schema, schema: Schema) -> Test:
        if expected.keys() != {"required"}:  # of anything else a False would not be a no
            return _unsure
        test = self.of(expected)
        follows = [None if (part := schema.get(name)) is None else self.of(part) for name in ("else", "then")]

        def check(value: Plain) -> bool:
            following = follows[test(value)]
            return following is None or following(value)

        return check


def _sure(_: Plain) -> bool:
    return True


def _unsure(_: Plain) -> bool:
    return False


_OF_PARTS: Mapping[str, Callable[[_Tests, Any, Schema], Test]] = {
    "$ref": lambda tests, expected, _: tests.named(expected),
    "anyOf": _Tests.any_of,
    "properties": _Tests.properties,
    "additionalProperties": _Tests.additional,
    "propertyNames": _Tests.property_names,
    "items": _Tests.items,
    "if": _Tests.when,
}


# ---------------------------------------------------------------- keywords of a value


def _is_number(value: Plain) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


_TYPES: Mapping[str, Test] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and not isinstance(value, Decimal),
}


def _type(expected: str | list[str]) -> Test:
    if isinstance(expected, str):
        return _TYPES[expected]
    tests = [_TYPES[name] for name in expected]
    return lambda value: any(test(value) for test in tests)


def _is(value: Plain, wanted: Plain) -> bool:
    """Return whether two scalars are the same; collections, and 1, 1.0 or true, are left to the library."""
    return type(value) is type(wanted) and not isinstance(value, list | dict) and value == wanted


def _required(expected: list[str]) -> Test:
    return lambda value: not isinstance(value, dict) or all(key in value for key in expected)


def _dependent(expected: Mapping[str, list[str]]) -> Test:
    def check(value: Plain) -> bool:
        if not isinstance(value, dict):
            return True
        return all(other in value for key, others in expected.items() if key in value for other in others)

    return check


def _pattern(expected: str) -> Test:
    found = re.compile(expected).search
    return lambda value: not isinstance(value, str) or found(value) is not None


def _length(kind: type, is_enough: Callable[[int, int], bool]) -> Callable[[int], Test]:
    def made(expected: int) -> Test:
        return lambda value: type(value) is not kind or is_enough(len(cast(Sized, value)), expected)

    return made


def _range(is_inside: Callable[[Any, Any], bool]) -> Callable[[float], Test]:
    def made(expected: float) -> Test:
        return lambda value: not _is_number(value) or is_inside(value, expected)

    return made


def _unique(expected: bool) -> Test:
    def check(value: Plain) -> bool:
        if not isinstance(value, list):
            return True
        return all(isinstance(item, str) for item in value) and len({str(item) for item in value}) == len(value)

    return check if expected else _sure


def _named(count: int, *, besides: bool) -> Callable[[list[str]], Test]:
    def made(expected: list[str]) -> Test:
        return lambda value: (
            not isinstance(value, dict) or sum((key in expected) is not besides for key in value) == count
        )

    return made


_CHECKS: Mapping[str, Callable[[Any], Test]] = {
    "type": _type,
    "required": _required,
    "dependentRequired": _dependent,
    "const": lambda expected: lambda value: _is(value, expected),
    "enum": lambda expected: lambda value: any(_is(value, each) for each in expected),
    "pattern": _pattern,
    "minLength": _length(str, lambda have, expected: have >= expected),
    "maxLength": _length(str, lambda have, expected: have <= expected),
    "minItems": _length(list, lambda have, expected: have >= expected),
    "maxItems": _length(list, lambda have, expected: have <= expected),
    "minProperties": _length(dict, lambda have, expected: have >= expected),
    "maxProperties": _length(dict, lambda have, expected: have <= expected),
    "uniqueItems": _unique,
    "minimum": _range(lambda have, expected: have >= expected),
    "maximum": _range(lambda have, expected: have <= expected),
    "exclusiveMinimum": _range(lambda have, expected: have > expected),
    "x-exactly-one": _named(1, besides=False),
    "x-one-besides": _named(1, besides=True),
}
_ANNOTATIONS = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "examples", "x-owed", "x-code", "x-units", "x-usual", "x-words"}
    | {"x-applies", "x-unknown", "then", "else"}
)


# --- What the schema says of a slot of a document


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a document, by its schema; an empty one where nothing is known."""

    schema: Schema
    definitions: Schema

    def below(self, key: str, value: Plain) -> "Slot":
        """Return the slot under a key; where several shapes are allowed, the one of `value`."""
        expected = self.schema.get("properties", {}).get(key)
        if expected is None:
            expected = self.schema.get("additionalProperties")
        return self._of(expected if isinstance(expected, Mapping) else {}, value)

    def item(self, value: Plain) -> "Slot":
        """Return the slot of an item of this list."""
        return self._of(self.schema.get("items", {}), value)

    def _of(self, schema: Schema, value: Plain) -> "Slot":
        while "$ref" in schema:
            named = self.definitions[schema["$ref"].removeprefix("#/$defs/")]
            schema = {**named, **{key: said for key, said in schema.items() if key != "$ref"}}
        shapes = [self._of(each, value) for each in schema.get("anyOf", ())]
        fitting = [each for each in shapes if each._takes(value)]
        return fitting[0] if fitting else Slot(schema, self.definitions)

    def _takes(self, value: Plain) -> bool:
        """Return whether a mapping or list with these keys is expected here; a scalar has no slot."""
        if isinstance(value, list):
            return "items" in self.schema
        known = self.schema.get("properties")
        return isinstance(value, dict) and known is not None and (not value or not known.keys().isdisjoint(value))


def root_slot(kind: str) -> Slot:
    """Return the slot of a whole document of a kind, `strategy`, `account` or `universe`."""
    schema = read_schema(kind)
    return Slot(schema, schema["$defs"])


# --- A document that differs from one that was read before in its numbers alone

_TOKEN = re.compile(r"[0-9.]+")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_QUOTES = "\"'"


class _Change(NamedTuple):
    """A number of a line that has changed: its old columns, from 1, and the new text."""

    start: int
    end: int
    text: str


class ReloadCache:
    """Texts of one file name that are similar: each is read by its differences from the first."""

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
        """Return the path of the only text or number that a change is in, None without one."""
        around = (
            path for path, span in self._values.get(line, ()) if span.col <= change.start and change.end <= span.end_col
        )
        found = [path for path in around if not isinstance(_at(self._source.tree, path), dict | list)]
        return found[0] if len(found) == 1 else None

    def _value(self, path: Path, new: str) -> Plain:
        """Return what a scalar says that is written so now, None where it may not say what it shows."""
        source = self._source
        old, old_value = _cut(source.line(source.values[path].line), source.values[path]), _at(source.tree, path)
        if len(new) > MAX_SCALAR:
            return None
        if old[:1] in _QUOTES:
            quote, inside = old[:1], new[1:-1]
            return inside if old[1:-1] == old_value and new[-1:] == quote and quote not in inside else None
        if (
            number_problem(new) is not None
            or plain_scalar(old) != old_value
            or type(plain_scalar(old)) is not type(old_value)
        ):
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
