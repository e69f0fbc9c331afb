"""Numbers of a test in words: bounds with their unit, measures by their phrase, arithmetic read aloud."""

from rulebot.compile.plan import Arithmetic, Call, Constant, Number, Text
from rulebot.compile.reads import calls_of
from rulebot.evaluate.phrases import NamingContext, phrase
from rulebot.review import amounts


def bound_words(bound: Number, left: Number, cast: NamingContext) -> str:
    """Return the other side of a comparison: `20`, `3 points`, `0.6 times the open's expected move`."""
    if isinstance(bound, Constant):
        return amounts.constant(bound, left)
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
            return amounts.constant(number)
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
    """Return a part of a product: a number there has no unit, whatever the product is compared with."""
    return amounts.plain(number.value) if isinstance(number, Constant) else operand_words(number, cast)


def operand_words(number: Number, cast: NamingContext) -> str:
    """Return a number inside a larger one: sums and products in brackets."""
    words = number_words(number, cast)
    is_sum = isinstance(number, Arithmetic) and number.operator in _SIGNS
    return f"({words})" if is_sum else words
