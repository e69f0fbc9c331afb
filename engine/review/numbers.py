"""Numbers of a test in words: bounds with their unit, measures by their phrase, arithmetic read aloud."""

from engine.compile.plan import Arithmetic, Call, Constant, Number, Text
from engine.evaluate.phrases import Cast, phrase
from engine.review import amounts


def bound_words(bound: Number, left: Number, cast: Cast) -> str:
    """Return the other side of a comparison: `20`, `3 points`, `0.6 times the open's expected move`."""
    return amounts.constant(bound, left) if isinstance(bound, Constant) else number_words(bound, cast)


_SIGNS = {"+": "plus", "-": "less", "*": "times", "/": "over"}
_FUNCTIONS = {
    "abs": "the size of",
    "min": "the least of",
    "max": "the largest of",
    "round": "the rounded",
    "neg": "minus",
}


def number_words(number: Number, cast: Cast) -> str:
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


def _factor_words(number: Number, cast: Cast) -> str:
    """Return a part of a product: a number there has no unit, whatever the product is compared with."""
    return amounts.plain(number.value) if isinstance(number, Constant) else operand_words(number, cast)


def operand_words(number: Number, cast: Cast) -> str:
    """Return a number inside a larger one: sums and products in brackets."""
    words = number_words(number, cast)
    is_sum = isinstance(number, Arithmetic) and number.operator in _SIGNS
    return f"({words})" if is_sum else words
