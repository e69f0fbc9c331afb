"""A number of a key beside the range that is usual for it, and how both are written."""

from collections.abc import Callable
from math import inf

from rulebot.compile.lint.unusual import shown
from rulebot.compile.plan import Quantity
from rulebot.compile.problem import Problem
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A number of a key and the range that is usual for it, both as `words` writes them."""

    path: Path
    name: str
    value: float
    low: float
    high: float
    words: Callable[[float], str]
    then: str
    shifts: bool = False


def problem_of(number: Number) -> Problem:
    """Return RB361 for a number outside of its range, with the readings that are usual."""
    low, high, value = (number.words(each) for each in (number.low, number.high, number.value))
    usual = f"{low} or more" if number.high == inf else f"{low} to {high}"
    message = f"'{number.name}' is {value}, and usual is {usual}: {number.then}"
    likely = [number.value * 100, number.value / 100] if number.shifts else []
    usual_ones = [each for each in likely if number.low <= each <= number.high and f"{each:.2g}" == f"{each:g}"]
    found = [f"'{number.words(each)}'" for each in usual_ones]
    help_text = f"did you mean {' or '.join(found)}?" if found else f"write {usual}"
    return Problem("RB361", number.path, message, help_text)


def bare(number: float) -> str:
    """Return `0.15`."""
    return shown(number, Quantity.PLAIN)


def in_points(number: float) -> str:
    """Return `10 pts`."""
    return shown(number, Quantity.POINTS, 3)


def in_percent(number: float) -> str:
    """Return `2%` for 2."""
    return shown(number / 100, Quantity.FRACTION)


def times(number: float) -> str:
    """Return `2x`."""
    return f"{bare(number)}x"


def in_dollars(number: float) -> str:
    """Return `$150`."""
    return shown(number, Quantity.DOLLARS, 3)
