"""A scalar that does not fit its place: what is expected, what was found, and what was probably meant."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rulebot.spec.diagnostic import Diagnostic, did_you_mean
from rulebot.spec.nouns import Path, Unit
from rulebot.spec.scalar import amount, probable_meanings
from rulebot.spec.source import Plain, Source
from rulebot.spec.yaml import NUMBER

_TOO_LONG = re.compile(r"(?<![0-9.])[0-9]{10}|\.[0-9]{9}")


def shown_value(value: Plain) -> str:
    """Return a value for a message, never long."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)
    return text if len(text) <= 40 else text[:37] + "..."


def scalar_problem(
    source: Source, path: Path, value: Plain, schema: Mapping[str, Any], parameter: str | None
) -> Diagnostic:
    """Return the diagnostic for a scalar that does not fit the schema of its place."""
    expected = expected_words(str(schema.get("x-owed", "this is another value")), path)
    code = str(schema.get("x-code", "RB152"))
    if code == "RB157" and not isinstance(value, int | Decimal):
        code = "RB152"
    found = f"'${parameter}' ({shown_value(value)})" if parameter else f"'{shown_value(value)}'"
    return source.diagnostic(code, path, f"{expected}, is {found}", _help(path, value, schema))


def expected_words(expected: str, path: Path) -> str:
    """Return the sentence that says what is expected, with the name of the key in place of `this`."""
    if expected.startswith("this is ") and path and isinstance(path[-1], str):
        return expected.replace("this is", f"'{path[-1]}' takes", 1)
    return expected


def _help(path: Path, value: Plain, schema: Mapping[str, Any]) -> str | None:
    if (written := _signed(path, value, schema)) is not None:
        return written
    if schema.get("x-code") == "RB204":
        return _two_ways(path, value, schema)
    said = _words(value, schema) or probable_meanings(value, schema) or _rewritten(value) or _days(path, value)
    return said or _example(schema)


def _signed(path: Path, value: Plain, schema: Mapping[str, Any]) -> str | None:
    """Return how to write a negative amount here: without its sign for a loss, else behind the dollar."""
    if not isinstance(value, str) or not value.startswith("-"):
        return None
    bare = value.removeprefix("-")
    behind = f"$-{bare.removeprefix('$')}"
    choices = (behind, bare) if bare.startswith("$") and "loss" not in path else (bare,)
    fits = re.compile(str(schema.get("pattern", "$^")))
    written = next((each for each in choices if fits.search(each)), None)
    if written == bare:
        return f"write '{bare}', without a sign"
    return None if written is None else f"write '{written}'"


def _two_ways(path: Path, value: Plain, schema: Mapping[str, Any]) -> str | None:
    """Return both readings of a stop or target that mixes the two ways of saying it, with their prices."""
    found = amount(value)
    key = path[-1]
    if found is not None and found.unit is Unit.NUMBER and (said := probable_meanings(value, schema)) is not None:
        return said
    if found is None or found.unit not in (Unit.PERCENT, Unit.MULTIPLE):
        return "as in '2x credit' or 0.25" if key == "cost" else "as in '50%', '$50' or '0.6x max_risk'"
    times = found.value / 100 if found.unit is Unit.PERCENT else found.value
    if key == "profit" or (key == "loss" and path[-2:-1] == ("target",)):
        return f"'profit: {_percent(1 - times)}' and 'cost: {_plain(times)}x credit' both buy 1.00 back at {times:.2f}"
    cost = f"'cost: {_plain(times)}x credit' buys 1.00 back at {times:.2f}"
    loss = f"'loss: {_percent(times)}' buys {{}} back at {1 + times:.2f}"
    if key == "loss":
        return f"{loss.format('1.00')}; {cost.replace('1.00 back', 'it back', 1)}"
    return f"{cost}; {loss.format('it')}"


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _percent(part: Decimal) -> str:
    return f"{_plain(part * 100)}%"


def _days(path: Path, value: Plain) -> str | None:
    """Return as a rule what was written as a range of days, as in `dte: 30-45`."""
    if path[-1:] != ("dte",) or not isinstance(value, str):
        return None
    from rulebot.spec.scalar import ends

    return None if (found := ends(value)) is None else f"write 'dte: {{between: [{', '.join(found)}]}}'"


def _words(value: Plain, schema: Mapping[str, Any]) -> str | None:
    if "enum" in schema:
        return did_you_mean(str(value), [each for each in schema["enum"] if isinstance(each, str)])
    words = schema.get("x-words") or next((one["enum"] for one in schema.get("anyOf", ()) if "enum" in one), None)
    if not words:
        return None
    return did_you_mean(str(value), words) or f"one of: {', '.join(words)}"


def _rewritten(value: Plain) -> str | None:
    if not isinstance(value, str):
        return None
    if _TOO_LONG.search(value):
        return "a number has at most 9 digits before its point and 8 behind it"
    if NUMBER.fullmatch(value):
        return f"write {value} without quotes"
    return None


def _example(schema: Mapping[str, Any]) -> str | None:
    examples = [shown_value(example) for example in schema.get("examples", ()) if not isinstance(example, dict | list)]
    return f"as in {', '.join(examples)}" if examples else None
