"""The JSON Schema of a document kind, and its findings as diagnostics at the exact place.

Annotations carry what a schema cannot say: `x-owed` (what is expected, in words), `x-code`, `x-units` and
`x-words` (for the help). `x-exactly-one` and `x-one-besides` are keywords that this validator checks; every other one
passes over them. Never `anyOf` of condition kinds: its one error says nothing.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from rulebot.model.values import dataclass
from rulebot.spec.conditions import JUDGING, LEAVING
from rulebot.spec.diagnostic import Diagnostic, closest, did_you_mean
from rulebot.spec.exit_kinds import EXIT_KEYS
from rulebot.spec.fast_schema import lets_of, schema_with
from rulebot.spec.nouns import Path
from rulebot.spec.parameters import (
    BOUNDED,
    KEYS_ELSEWHERE,
    KEYS_TO_COME,
    MEASURES_OF_OTHERS,
    RENAMED_KEYS,
    SPELT_BEFORE,
    WORDS_OF_OTHERS,
    measures,
)
from rulebot.spec.scalar import probable_meanings
from rulebot.spec.scalar_error import expected_words, scalar_problem, shown_value
from rulebot.spec.sections import NOT_LEGS
from rulebot.spec.source import Plain, Source


@lru_cache(maxsize=8)
def validator(kind: str, lets: tuple[str, ...] = ()) -> Any:
    """Return the validator of `strategy`, `account`, `test` or `universe` for a document with these lets, made once."""
    schema = schema_with(kind, lets)
    keywords = {"x-exactly-one": _exactly_one, "x-one-besides": _one_besides, "$ref": _within(schema["$defs"])}
    extended: Any = extend
    return extended(Draft202012Validator, keywords)(schema)


def _within(definitions: Mapping[str, Any]) -> Callable[[Any, str, Any, Any], Iterator[ValidationError]]:
    """Return the keyword `$ref` for a schema that refers only to its own `$defs`; no URI is resolved."""
    named = {f"#/$defs/{name}": definition for name, definition in definitions.items()}

    def within(validator: Any, ref: str, instance: Any, _: Any) -> Iterator[ValidationError]:
        yield from validator.descend(instance, named[ref])

    return within


def _exactly_one(_: Any, names: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict) and sum(name in instance for name in names) != 1:
        yield ValidationError("")


def _one_besides(_: Any, names: list[str], instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, dict) and sum(key not in names for key in instance) != 1:
        yield ValidationError("")


def schema_problems(source: Source, tree: Plain, kind: str, places: Mapping[Path, str]) -> list[Diagnostic]:
    """Return what the schema finds in `tree`; `places` maps places to their parameter."""
    look = _Look(source, places, kind)
    found: list[Diagnostic] = []
    for error in validator(kind, lets_of(tree)).iter_errors(tree):
        path: Path = tuple(error.absolute_path)
        if not any(path[:end] in source.spoiled for end in range(len(path) + 1)):
            found += _diagnose(look, path, error)
    return found


@dataclass(frozen=True, slots=True)
class _Look:
    source: Source
    places: Mapping[Path, str]
    kind: str

    @property
    def whole(self) -> Mapping[str, Any]:
        whole: Mapping[str, Any] = validator(self.kind).schema
        return whole

    def fits(self, schema: Mapping[str, Any]) -> Callable[[Plain], bool]:
        """Return a test whether a value fits this schema, which belongs to a place in the whole."""
        fits: Callable[[Plain], bool] = validator(self.kind).evolve(schema=schema).is_valid
        return fits


_RANGE = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})
SECTIONS = ("entry", "legs", "order", "exit_order", "risk")
"""Where to look for a key that is in a wrong place."""
NOT_MEASURES = KEYS_ELSEWHERE | EXIT_KEYS.keys() | LEAVING
_LENGTH = frozenset({"minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties"})


def _diagnose(look: _Look, path: Path, error: Any) -> Iterator[Diagnostic]:
    is_name = "propertyNames" in error.relative_schema_path
    if (word := _misspelt_section((*path, error.instance) if is_name else path)) is not None:
        name = error.instance if is_name and len(path) == 1 else path[1]
        yield look.source.diagnostic("RB111", ("legs", name), f"unknown key '{shown_value(name)}'", word, at_key=True)
    elif is_name:
        if (*path, error.instance) not in look.source.spoiled:
            yield _bad_name(look.source, path, error)
    elif error.validator == "additionalProperties":
        yield from _unknown_keys(look, path, error)
    elif error.validator in ("required", "dependentRequired"):
        yield from _missing_keys(look.source, path, error)
    elif error.validator in ("x-exactly-one", "x-one-besides"):
        yield from _not_one(look.source, path, error)
    else:
        yield _diagnose_value(look, path, error)


def _diagnose_value(look: _Look, path: Path, error: Any) -> Diagnostic:
    """Return what is wrong with a value, its keys aside."""
    if error.validator in _LENGTH:
        return _wrong_length(look.source, path, error)
    if error.validator in _RANGE:
        return _out_of_range(look, path, error)
    if error.instance is None:
        return look.source.diagnostic(
            "RB152", path, f"{_called(path)} has no value", _expected_text(error), at_key=True
        )
    if error.validator == "maxLength":
        message = f"{_called(path)} has at most {error.validator_value} characters, is {len(error.instance)} long"
        code = {"expr": "RB213"}.get(str(path[-1]), "RB116" if _schema(error).get("x-code") == "RB116" else "RB109")
        return look.source.diagnostic(code, path, message)
    if isinstance(error.instance, dict | list) or _wants_collection(error):
        return _wrong_shape(look, path, error)
    found = scalar_problem(look.source, path, error.instance, _schema(error), look.places.get(path))
    if (whole := _of_thousands(look.source, path)) is not None:
        return replace(found, help=_whole_help(look, path, whole, _schema(error)))
    from rulebot.spec.scalar import normalised_scalar  # only what is wrong needs it

    help = normalised_scalar(error.instance, look.fits(_schema(error)))
    return found if help is None else replace(found, help=help)


def _schema(error: Any) -> dict[str, Any]:
    return error.schema if isinstance(error.schema, dict) else {}


def _expected_text(error: Any) -> str | None:
    expected = _schema(error).get("x-owed")
    return str(expected) if expected else None


def _called(path: Path) -> str:
    """Return how a message names a place: its key, or the list around it."""
    if not path:
        return "the document"
    last = path[-1]
    return f"'{last}'" if isinstance(last, str) else f"item {last + 1} of {_called(path[:-1])}"


def _misspelt_section(path: Path) -> str | None:
    """Return the help for a leg that is no leg but a misspelt word of `legs`."""
    if len(path) < 2 or path[0] != "legs" or path[1] in NOT_LEGS:
        return None
    name, known = str(path[1]), sorted(NOT_LEGS)
    return _renamed(name, known) or _run_together(name, known) or did_you_mean(name, known)


def _bad_name(source: Source, path: Path, error: Any) -> Diagnostic:
    name = str(error.instance)
    place = (*path, name)
    if path == ("accept",):
        return source.diagnostic("RB123", place, f"no code is called '{shown_value(name)}'", "as in RB310", at_key=True)
    if expected := _expected_text(error):
        return source.diagnostic("RB152", place, f"{expected}, is '{shown_value(name)}'", at_key=True)
    message = f"a name is at most 40 lower-case letters, digits and _, is '{shown_value(name)}'"
    lower = name.lower().replace("-", "_")
    help = f"write '{lower}'" if lower != name and lower.isidentifier() and lower.isascii() else None
    return source.diagnostic("RB116", place, message, help, at_key=True)


def _unknown_keys(look: _Look, path: Path, error: Any) -> Iterator[Diagnostic]:
    source, schema = look.source, _schema(error)
    known = list(schema.get("properties", {}))
    is_measure = schema.get("x-unknown") == "measure" and not _kinds(error)
    for key in error.instance:
        if key in known or (*path, key) in source.spoiled:
            continue
        code, word = ("RB112", "measure") if is_measure and key not in NOT_MEASURES else ("RB111", "key")
        likely = schema.get("x-one-besides", known) if not is_measure else known
        help = (
            _renamed(key, known)
            or _without_commas(source, (*path, key))
            or _run_together(key, known)
            or _odd_beginning([key])
            or _home(look.whole, schema, path, key)
            or _by_place_or_likeness(look, path, key, likely, known, is_measure=is_measure)
        )
        yield source.diagnostic(code, (*path, key), f"unknown {word} '{shown_value(key)}'", help, at_key=True)


def _renamed(key: str, known: Collection[str]) -> str | None:
    """Return what a key is called now, where the place takes that."""
    new = RENAMED_KEYS.get(key)
    return f"write '{new}': '{key}' was renamed" if new in known else None


_RUN_TOGETHER = re.compile(r"([a-z][a-z0-9_]*)( *)([:=])(.?)")


def _joined(key: str, known: Collection[str]) -> re.Match[str] | None:
    """Return the known key that one begins with, and the rest; None where it begins with none."""
    found = _RUN_TOGETHER.match(key)
    return found if found is not None and found[1] in known else None


def _run_together(key: str, known: Collection[str]) -> str | None:
    """Return what to do about a key that continues behind its colon, or has another sign in its place."""
    if (found := _joined(key, known)) is None:
        return None
    name, _, sign, behind = found.groups()
    if sign == "=":
        return f"write '{name}:' in the place of '{name} ='"
    is_blank = behind.isspace()
    return f"write a space behind '{name}:'{', no no-break space' if is_blank else ''}"


_WITH_COMMAS = re.compile(r"([a-z0-9_]+): *([-$]{0,2}[0-9]+(?:,[0-9]+)+(?:\.[0-9]+)?%?(?: pts)?)")
_NUMBER = re.compile(r"[-$]{0,2}[0-9]+(?:,[0-9]+)*(?:\.[0-9]+)?%?(?: pts)?")
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_LIST, _BETWEEN = re.compile(r"\[([^\[\]]*)\]"), re.compile(r", +")
_THOUSANDS = re.compile(r"[-$]{0,2}[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]+)?%?(?: pts)?")


def _without_commas(source: Source, path: Path) -> str | None:
    """Return how to write a number whose comma ended it in braces: the part behind it was read as a key."""
    span = source.span(path, key=True)
    written = _WITH_COMMAS.finditer(source.holder(span).line(span.line))
    found = next((each for each in written if each.start(2) < span.col - 1 < each.end()), None)
    if found is None:
        return None
    name, number = found.groups()
    respelt = _respelt("number", [number])
    return None if respelt is None else f"{respelt[0]}, as in '{name}: {respelt[1]}'"


def _respelt(word: str, numbers: Sequence[str]) -> tuple[str, str] | None:
    """Return what is wrong with the commas in some numbers, and how these are written; None where nothing says."""
    if all("," not in each or _THOUSANDS.fullmatch(each) for each in numbers):
        return f"write the {word} without a comma", ", ".join(each.replace(",", "") for each in numbers)
    if all(each.count(",") <= 1 and "." not in each for each in numbers):
        return "a number has a point", ", ".join(each.replace(",", ".") for each in numbers)
    return None


def _of_thousands(source: Source, path: Path) -> str | None:
    """Return the number at a place without its thousands commas; in braces a comma ends it."""
    span = source.span(path)
    found = _NUMBER.match(source.holder(span).line(span.line), span.col - 1)
    return found[0].replace(",", "") if found is not None and _THOUSANDS.fullmatch(found[0]) else None


def _whole_help(look: _Look, path: Path, whole: str, schema: Mapping[str, Any]) -> str | None:
    """Return how to write a number with commas, with the unit of its place."""
    number: Plain = Decimal(whole) if _PLAIN.fullmatch(whole) else whole
    if look.fits(schema)(number):
        return f"write '{whole}'"
    return scalar_problem(look.source, path, number, schema, None).help


def _without_commas_each(source: Source, path: Path, most: int) -> str | None:
    """Return how a list is written that has too many items since its numbers have commas."""
    span = source.span(path, key=True)
    found = _LIST.search(source.holder(span).line(span.line), span.col - 1)
    items = [] if found is None else _BETWEEN.split(found[1].strip())
    if not 0 < len(items) <= most or not all(_NUMBER.fullmatch(item) for item in items):
        return None
    respelt = _respelt("numbers", items)
    return None if respelt is None else f"{respelt[0]}, as in '{path[-1]}: [{respelt[1]}]'"


def _kinds(error: Any) -> list[str]:
    """Return the keys of a condition that say what it is, as far as they are known."""
    schema = _schema(error)
    modifiers = schema.get("x-one-besides", ())
    return [key for key in error.instance if key in schema.get("properties", {}) and key not in modifiers]


def _home(whole: Mapping[str, Any], schema: Mapping[str, Any], path: Path, key: str) -> str | None:
    """Return where a key belongs that is one step too high, or in another section."""
    sections = [name for name, each in schema.get("properties", {}).items() if key in _keys_of(whole, each)]
    if len(sections) == 1:
        return f"'{key}' belongs under '{sections[0]}', as in '{sections[0]}: {{{key}: ..}}'"
    if len(path) > 1 and isinstance(path[-1], str):
        return None  # the author meant a key of this place
    known = whole["properties"]
    sections = [name for name in SECTIONS if name in known and key in _keys_of(whole, known[name])]
    if sections:
        named = " or ".join(f"'{name}'" for name in sections)
        return f"'{key}' belongs under {named}"
    return f"'{key}' belongs at the left, in no section" if key in known and path else None


def _one_step_out(whole: Mapping[str, Any], path: Path, key: str) -> str | None:
    """Return where a key belongs that is in the braces of its neighbour in a section."""
    section = whole["properties"].get(path[0]) if len(path) == 2 and path[0] in SECTIONS else None
    if section is None or key not in _keys_of(whole, section):
        return None
    return f"'{key}' belongs under '{path[0]}', not in the braces of '{path[1]}'"


def _keys_of(whole: Mapping[str, Any], schema: Mapping[str, Any]) -> Collection[str]:
    """Return the keys of what a schema describes."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    keys: Mapping[str, Any] = schema.get("properties", {})
    return keys


def _by_place_or_likeness(
    look: _Look, path: Path, key: str, likely: list[str], known: list[str], *, is_measure: bool
) -> str | None:
    return (
        _one_step_out(look.whole, path, key)
        or _elsewhere(path, key, is_measure=is_measure)
        or did_you_mean(key, likely)
        or did_you_mean(key, known)
        or _known(known, is_measure)
    )


def _in_braces_of(path: Path, key: str) -> str | None:
    """Return the measure whose braces contain a key that belongs next to it."""
    measured = str(path[-1]) if path else ""
    is_measured = measured in measures() or measured in EXIT_KEYS
    is_of_rule = key in JUDGING or (key in LEAVING and path[:1] == ("exits",))
    return measured if is_measured and is_of_rule else None


def _elsewhere(path: Path, key: str, *, is_measure: bool = False) -> str | None:
    if (inside := _in_braces_of(path, key)) is not None:
        return f"'{key}' belongs next to '{inside}', not in its braces"
    if key in EXIT_KEYS or key in LEAVING:
        return f"'{key}' belongs to an exit, under 'exits'"
    if key in KEYS_ELSEWHERE or key in measures():
        return f"'{key}' is a word of the language, but not here: 'rulebot explain {key}' says where it belongs"
    if path and "strike" in path:
        return BOUNDED.get(str(path[-1])) if key == "between" else None
    if is_measure and key in MEASURES_OF_OTHERS:
        return MEASURES_OF_OTHERS[key]
    return (KEYS_TO_COME.get((str(path[-1]), key)) if path else None) or WORDS_OF_OTHERS.get(key)


def _known(known: list[str], measure: bool) -> str:
    if measure:
        return "the measures are listed in docs/language.md"
    return f"known here: {', '.join(known)}" if len(known) <= 12 else f"known here: {', '.join(known[:12])}, ..."


def _missing_keys(source: Source, path: Path, error: Any) -> Iterator[Diagnostic]:
    properties = _schema(error).get("properties", {} if path else validator("strategy").schema["properties"])
    meant = {_meant(key, properties) for key in error.instance if key not in properties}
    if error.validator == "dependentRequired":
        for key, expected in error.validator_value.items():
            if key in error.instance:
                for name in (name for name in expected if name not in error.instance and name not in meant):
                    message, help = f"'{key}' also needs '{name}'", _instead(key, name, error)
                    yield source.diagnostic("RB113", (*path, key), message, help, at_key=True)
        return
    for name in (name for name in error.validator_value if name not in error.instance and name not in meant):
        yield source.diagnostic("RB113", path, f"{_called(path)} lacks '{name}'", _said(name, properties), at_key=True)


def _meant(key: str, known: Collection[str]) -> str | None:
    """Return which known key a wrong one was meant to be, None where it is unknown."""
    found = _joined(key, known)
    return closest(key, known) if found is None else found[1]


def _instead(key: str, expected: str, error: Any) -> str | None:
    """Return what to do about a key that excludes a required one."""
    one_of = _schema(error).get("x-exactly-one", ())
    rival = next((name for name in one_of if expected in one_of and name != expected and name in error.instance), None)
    return None if rival is None else f"remove '{key}', or write '{expected}' in the place of '{rival}'"


def _said(name: str, properties: Mapping[str, Any]) -> str | None:
    """Return what the schema says of a key."""
    schema = properties.get(name, {})
    if "description" not in schema and "$ref" in schema:
        schema = validator("strategy").schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return f"{name}: {schema['description']}" if "description" in schema else None


def _not_one(source: Source, path: Path, error: Any) -> Iterator[Diagnostic]:
    named, is_condition = error.validator_value, error.validator == "x-one-besides"
    found = _kinds(error) if is_condition else [key for key in error.instance if key in named]
    has_unknown = any(key not in _schema(error).get("properties", {}) for key in error.instance)
    if len(found) > 1:
        advice = "a second condition begins with its own '- '" if is_condition else "keep one of the two"
        message = f"'{found[1]}' and '{found[0]}' are both set: only one of the two is allowed"
        yield source.diagnostic("RB118", (*path, found[1]), message, advice, at_key=True)
    elif not found and not has_unknown:
        message = (
            "a condition without a measure" if is_condition else f"{_called(path)} needs one of: {', '.join(named)}"
        )
        help = "as in 'vix: {below: 20}'" if is_condition else None
        yield source.diagnostic("RB118", path, message, help, at_key=not is_condition)


def _wrong_length(source: Source, path: Path, error: Any) -> Diagnostic:
    rule, value = error.validator, error.validator_value
    if rule == "uniqueItems":
        return _repeated(source, path, error.instance)
    if path == ("legs",) and rule == "minProperties":
        help = "add one, as in 'short_put: {sell: put, strike: {delta: 0.10}}'"
        return source.diagnostic("RB121", path, "'legs' has no leg", help, at_key=True)
    bound = "at least" if str(rule).startswith("min") else "at most"
    message = f"{_called(path)} holds {bound} {value}, is {len(error.instance)}"
    written = _without_commas_each(source, path, int(value)) if rule == "maxItems" else None
    return source.diagnostic("RB121", path, message, written or _expected_text(error), at_key=True)


def _repeated(source: Source, path: Path, items: list[Plain]) -> Diagnostic:
    """Return the problem of a list that holds one thing twice, at the second of the two."""
    at, item = next((at, item) for at, item in enumerate(items) if item in items[:at])
    what = "one thing" if isinstance(item, dict | list) else f"'{shown_value(item)}'"
    return source.diagnostic("RB121", (*path, at), f"{_called(path)} holds {what} twice")


def _out_of_range(look: _Look, path: Path, error: Any) -> Diagnostic:
    word = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "more than"}.get(str(error.validator))
    name = look.places.get(path)
    written = f"'${name}' ({error.instance})" if name else f"'{error.instance}'"
    message = f"{_called(path)} is {word or 'less than'} {error.validator_value}, is {written}"
    return look.source.diagnostic(
        "RB156", path, message, probable_meanings(error.instance, _schema(error)) or _expected_text(error)
    )


def _wants_collection(error: Any) -> bool:
    wanted = _schema(error).get("type")
    return error.validator == "type" and wanted in ("object", "array", ["array", "object"], ["string", "array"])


_COLLECTIONS = ("object", "array", ["array", "object"])
"""Types of places whose expected text is a noun; those of a single value are a sentence."""


def _wrong_shape(look: _Look, path: Path, error: Any) -> Diagnostic:
    instance = error.instance
    is_what = f"'{shown_value(instance)}'"
    if isinstance(instance, dict | list):
        is_what = "a mapping" if isinstance(instance, dict) else "a list"
    expected = _expected_text(error) or "one value"
    is_noun = not expected.startswith("this is ") and _schema(error).get("type") in _COLLECTIONS
    said = f"{_called(path)} must be {expected}" if is_noun else expected_words(expected, path)
    before = SPELT_BEFORE.get((str(path[-1]), str(instance))) if path else None
    help = before or _by_a_sign(path, instance) or _ends(path, instance) or _example(path, _schema(error))
    if isinstance(instance, dict):
        help = _odd_beginning(instance) or help
    return look.source.diagnostic("RB120", path, f"{said}, is {is_what}", help)


_SIGNS = {">": "above", ">=": "at_least", "<": "below", "<=": "at_most"}
_BY_SIGN = re.compile(r"([<>]=?) ?([$0-9.][^ ]*)")


def _by_a_sign(path: Path, instance: Plain) -> str | None:
    """Return in braces what was compared by a sign, as in `vix: < 20`."""
    found = _BY_SIGN.fullmatch(instance) if isinstance(instance, str) else None
    if found is None or not path or not isinstance(path[-1], str):
        return None
    return f"write '{path[-1]}: {{{_SIGNS[found[1]]}: {found[2]}}}'"


def _ends(path: Path, instance: Plain) -> str | None:
    """Return as a list of two what was written as a range, as in `between: 12-22`."""
    if path[-1:] not in (("between",), ("outside",)) or not isinstance(instance, str):
        return None
    from rulebot.spec.scalar import ends

    return None if (found := ends(instance)) is None else f"write '{path[-1]}: [{', '.join(found)}]'"


def _odd_beginning(keys: Iterable[str]) -> str | None:
    from rulebot.spec.scalar import odd_beginning

    return next(filter(None, map(odd_beginning, keys)), None)


def _example(path: Path, schema: Mapping[str, Any]) -> str | None:
    examples = schema.get("examples")
    if not examples or not path or not isinstance(path[-1], str) or not isinstance(examples[0], dict):
        return None
    if any(isinstance(value, dict | list) for value in examples[0].values()):
        return None
    body = ", ".join(f"{key}: {value}" for key, value in examples[0].items())
    return f"as in '{path[-1]}: {{{body}}}'"


# --- What the JSON Schema alone says of misspelt measures, for editors and validators that know no names of lets

_ANY = "[a-z0-9_]"
_SHORT = 3
"""Words of this length or shorter have too many neighbours: of those only doubled and swapped letters are refused."""


def one_slip_from(words: Iterable[str]) -> str:
    """Return a pattern for names that differ from a known word by one letter and are no word."""
    known = sorted(words)
    slips = sorted({slip for word in known for slip in _slips(word)})
    return f"^(?!({'|'.join(known)})$)({'|'.join(slips)})$"


def _slips(word: str) -> Iterator[str]:
    for at in range(len(word)):
        yield f"{word[:at]}{word[at]}{word[at:]}"
        if at + 1 < len(word) and word[at] != word[at + 1]:
            yield f"{word[:at]}{word[at + 1]}{word[at]}{word[at + 2 :]}"
        if len(word) > _SHORT:
            yield f"{word[:at]}{_ANY}?{word[at + 1 :]}"
            yield f"{word[:at]}{_ANY}{word[at:]}"
