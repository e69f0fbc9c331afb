"""Numbers of a plan in words: as a spec writes them, and as they are measured, with their unit."""

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

from rulebot.compile.data_needs import calls_of
from rulebot.compile.plan import Arithmetic, Call, Constant, Number, Plan, Quantity, Text
from rulebot.compile.units import number_quantity
from rulebot.measure.usual import Likeness
from rulebot.measure.words import NOBODY, MeasureText, NamingContext
from rulebot.measures.registry import MEASURES, VOCABULARY
from rulebot.model.money import CENT, short_dollars
from rulebot.model.session import Anchor, DayTime, Session, session_on
from rulebot.model.text import counted, duration, elapsed, percent, plain, short_clock
from rulebot.spec.nouns import Unit


def naming_context(plan: Plan) -> NamingContext:
    """Return the names that the rules of a plan use."""
    return NamingContext(
        symbols=plan.underlyings,
        shorts=tuple(leg.name for leg in plan.legs if leg.sign < 0),
        longs=tuple(leg.name for leg in plan.legs if leg.sign > 0),
        entry=plan.opens_for,
    )


def phrase(call: Call, cast: NamingContext = NOBODY) -> str:
    """Return what a measure with its arguments is called: `the open's expected move`, `VIX`, `SPX`."""
    found = MEASURES.get(call.measure)
    return f"the {call.measure.replace('_', ' ')}" if found is None else found.phrase(MeasureText(call, cast))


def _session(day: date) -> Session:
    found = session_on(day)
    assert found is not None
    return found


FULL_DAY = _session(date(2026, 11, 18))
HALF_DAY = _session(date(2026, 11, 27))
"""Any full session and any with an early close: a time of day is described for both."""

_LEVELS = tuple(name for name, measure in MEASURES.items() if measure.likeness is Likeness.PRICE)
"""Measures whose points are a level of the underlying, not a distance."""

# --- As a spec writes them


def _exact_price(amount: float) -> str:
    """Return an amount with all its digits, at least two, and its sign."""
    exact = Decimal(str(amount))
    return f"{exact:,.2f}" if exact == exact.quantize(CENT) else f"{exact.normalize():,f}"


WRITTEN: Mapping[Quantity, Callable[[float], str]] = {
    Quantity.PLAIN: plain,
    Quantity.LEVEL: plain,
    Quantity.POINTS: lambda value: counted(value, "point"),
    Quantity.PRICE: lambda value: f"{_exact_price(value)} per share",
    Quantity.DOLLARS: short_dollars,
    Quantity.FRACTION: percent,
    Quantity.PERCENT: lambda value: f"{plain(value)}%",
    Quantity.DELTA: _exact_price,
    Quantity.SECONDS: duration,
    Quantity.DAYS: lambda value: counted(int(value), "day"),
    Quantity.TRUTH: lambda value: str(bool(value)).lower(),
    Quantity.TEXT: str,
}
"""Every quantity; a test asks for each."""


def written(number: Constant, left: Number | None = None) -> str:
    """Return a number of the spec with its unit; `left`, the other side, may give the unit."""
    value = number.value
    if isinstance(left, Call) and left.measure in _LEVELS:
        return plain(value)
    if number.quantity is Quantity.LEVEL and is_change_of_level(left):
        return counted(value, "point")
    return WRITTEN[number.quantity](value)


def is_change_of_level(left: Number | None) -> bool:
    """Return whether a measure counts index points, and not a level."""
    return isinstance(left, Call) and VOCABULARY[left.measure].units[0][0] is Unit.POINTS


# --- As they are measured


def measured(value: float, number: Number, bare: bool = False, more: int = 0) -> str:
    """Return a number as its measure is written: `28.4 pts`, `16.82`, `$131`, `12.5%`.

    bare: omit the unit. more: digits in addition to the usual number.
    """
    quantity = number_quantity(number)
    if isinstance(number, Call) and number.measure in _LEVELS:
        return f"{value:z.{2 + more}f}"
    if quantity is Quantity.LEVEL:
        return f"{value:z.{2 + more}f}{' pts' if is_change_of_level(number) and not bare else ''}"
    if quantity in _DIGITS:
        digits, times, unit = _DIGITS[quantity]
        return f"{value * times:z.{digits + more}f}{'' if bare and unit == ' pts' else unit}"
    return _FORMATS[quantity](value)


_DIGITS: dict[Quantity, tuple[int, float, str]] = {
    Quantity.POINTS: (1, 1.0, " pts"),
    Quantity.PRICE: (2, 1.0, ""),
    Quantity.FRACTION: (1, 100.0, "%"),
    Quantity.PERCENT: (1, 1.0, "%"),
    Quantity.DELTA: (2, 1.0, ""),
}
"""How many digits follow the point, what the number is multiplied by, and the unit behind it."""
_FORMATS: dict[Quantity, Callable[[float], str]] = {
    Quantity.PLAIN: lambda value: f"{value:z.3f}".rstrip("0").rstrip("."),
    Quantity.DOLLARS: short_dollars,
    Quantity.SECONDS: elapsed,
    Quantity.DAYS: lambda value: f"{value:.0f}",
    Quantity.TRUTH: WRITTEN[Quantity.TRUTH],
    Quantity.TEXT: str,
}


# --- Times of day


def from_on(at: DayTime) -> str:
    """Return the time from which a `time` acts: `15:30 (half days 12:30)`, `15:30 (half days never)`."""
    half = at.before_close(HALF_DAY)
    return _both(at, short_clock(at.before_close(FULL_DAY)), "never" if half > HALF_DAY.close else short_clock(half))


def _both(at: DayTime, full: str, half: str) -> str:
    said = full if at.anchor is Anchor.CLOCK and not at.zone else f"{anchored(at)}, {full}"
    return said if full == half else f"{said} (half days {half})"


def anchored(at: DayTime) -> str:
    """Return `the close`, `50 minutes after the open` or `15:30 Europe/Berlin`."""
    if at.zone:
        return str(at)
    seconds = at.offset.total_seconds()
    if not seconds:
        return f"the {at.anchor.value}"
    return f"{duration(abs(seconds))} {'after' if seconds > 0 else 'before'} the {at.anchor.value}"


# --- The numbers of a test


def bound_words(bound: Number, left: Number, cast: NamingContext) -> str:
    """Return the other side of a comparison: `20`, `3 points`, `0.6 times the open's expected move`."""
    if isinstance(bound, Constant):
        return written(bound, left)
    is_part = isinstance(left, Call) and left.measure in _OF_LEGS and "of" in dict(left.arguments)
    named = [_OF_THE_WHOLE[call.measure] for call in calls_of(bound) if is_part and call.measure in _OF_THE_WHOLE]
    return f"{number_words(bound, cast)}{''.join(named[:1])}"


_OF_LEGS = ("cost", "value", "profit", "loss")
_OF_THE_WHOLE = {
    "credit": " of the whole structure",
    "debit": " of the whole structure",
    "max_risk": ", the whole structure",
}
"""What stays that of the whole structure where some legs are measured against it, and how it is said."""


_SIGNS = {"+": "plus", "-": "less", "*": "times", "/": "over"}
_FUNCTIONS = {
    "abs": "the size of",
    "min": "the least of",
    "max": "the largest of",
    "round": "the rounded",
    "neg": "minus",
}


def number_words(number: Number, cast: NamingContext) -> str:
    """Return a number of the tree: a measure by its phrase, arithmetic read aloud."""
    match number:
        case Constant():
            return written(number)
        case Text(value):
            return value
        case Call():
            return phrase(number, cast)
        case Arithmetic("*", (Constant(1), other)):
            return number_words(other, cast)
        case Arithmetic(operator, operands):
            parts = [_factor_words(part, cast) if operator == "*" else operand_words(part, cast) for part in operands]
            if operator in _SIGNS:
                return f" {_SIGNS[operator]} ".join(parts)
            return f"{_FUNCTIONS[operator]} {' and '.join(parts)}"


def _factor_words(number: Number, cast: NamingContext) -> str:
    """Return a part of a product: a number there has no unit."""
    return plain(number.value) if isinstance(number, Constant) else operand_words(number, cast)


def operand_words(number: Number, cast: NamingContext) -> str:
    """Return a number inside a larger one: sums and products in brackets."""
    words = number_words(number, cast)
    is_sum = isinstance(number, Arithmetic) and number.operator in _SIGNS
    return f"({words})" if is_sum else words
