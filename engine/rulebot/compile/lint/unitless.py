"""Numbers of an expression, which have no unit, beside measures that are read in one nobody may have meant."""

import re
from collections.abc import Iterator

from rulebot.compile.lint.look import LintContext
from rulebot.compile.plan import Quantity
from rulebot.compile.problem import Problem
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.spec.nouns.condition import Condition, ExpressionTest, Group, Op

MOST_OF_A_PART = 5.0
"""A part beyond this is hardly meant: five times a credit, or 500 %."""
LEAST_SECONDS = 60.0
"""A time of less is hardly meant: of minutes it would be."""
_CALL = r"(?P<name>[a-z][a-z0-9_]*)(?:\([^()]*\))?"
_NUMBER = r"(?P<number>[0-9]+(?:\.[0-9]+)?)"
_SIGN = r"\s*(?P<sign><=|>=|<|>)\s*"
_FORMS = (
    re.compile(rf"(?<![\w.]){_CALL}{_SIGN}{_NUMBER}(?![\w.])(?!\s*[*/+-])"),
    re.compile(rf"(?<![\w.]){_NUMBER}{_SIGN}{_CALL}(?![\w(])(?!\s*[*/+-])"),
)
_SAID = {"<": Op.BELOW, "<=": Op.AT_MOST, ">": Op.ABOVE, ">=": Op.AT_LEAST}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


def read_otherwise(look: LintContext) -> Iterator[Problem]:
    """Yield RB345 for each number of an expression that is hardly meant in the unit in which it is read."""
    for condition in look.conditions.values():
        for test in _expressions(condition):
            for place, form in enumerate(_FORMS):
                for found in form.finditer(test.text):
                    yield from _judged(test, found, is_turned=bool(place))


def _expressions(condition: Condition) -> Iterator[ExpressionTest]:
    if isinstance(condition.test, ExpressionTest):
        yield condition.test
    elif isinstance(condition.test, Group):
        for member in condition.test.members:
            yield from _expressions(member)


def _judged(test: ExpressionTest, found: re.Match[str], *, is_turned: bool) -> Iterator[Problem]:
    name, number, sign = found["name"], float(found["number"]), found["sign"]
    measure, before = VOCABULARY.get(name), test.text[: found.start()].rstrip()
    if measure is None or before.endswith(("*", "/", "+", "-")):
        return
    op = _SAID[_TURNED[sign] if is_turned else sign].value
    if measure.quantity is Quantity.FRACTION and number > MOST_OF_A_PART:
        read, is_a, meant, less = f"{number * 100:,g}%", "a part", f"{number:g}%", f"{number / 100:g} is {number:g}%"
    elif measure.quantity is Quantity.SECONDS and 0 < number < LEAST_SECONDS:
        read, is_a, meant, less = (
            f"{number:g} s",
            "in seconds",
            f"{number:g}m",
            f"{number * 60:g} is {number:g} minutes",
        )
    else:
        return
    message = f"'{found['number']}' is read as {read}: numbers of an expression have no unit, and '{name}' is {is_a}"
    help_text = f"{less}; with its unit it stands in a condition, as in '{name}: {{{op}: {meant}}}'"
    yield Problem("RB345", test.path, message, help_text, found.span("number"))
