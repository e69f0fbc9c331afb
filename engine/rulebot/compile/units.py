"""Non-measure words of the language; how quantities compare, add and multiply."""

from decimal import Decimal

from rulebot.compile.plan import Arithmetic, Call, Constant, Number, Quantity
from rulebot.measure.definition import Place
from rulebot.measure.usual import Likeness
from rulebot.measures.registry import VOCABULARY
from rulebot.spec.nouns import Amount, Unit

# --- The words of the language that are no measures, and which measures are a price or an index

FUNCTIONS = ("abs", "min", "max", "round")
"""Functions of `expr:`."""

RESERVED = frozenset(
    {*VOCABULARY, *FUNCTIONS, "and", "or", "not", "all", "any", "expr", "short_legs", "long_legs", "each_side"}
    | {"each_short", "open", "close", "mid", "natural", "market", "put_side", "call_side", "true", "false"}
    | {"open_legs"}
    | {"expiry", "require", "choose", "legs", "roll", "filled", "unfilled", "is"}
)
"""Words of the language, which no leg or let may take as its name."""

PRICE_LEVELS = tuple(
    name
    for name, measure in VOCABULARY.items()
    if measure.likeness is Likeness.PRICE and Place.FILTER in measure.places
)
"""Measures that are a price of an underlying: what a strike may be held against (`min_strike`, `max_strike`)."""

INDICES = tuple(measure.index for measure in VOCABULARY.values() if measure.index)
"""Levels that are read in addition to the underlyings."""


# --- How quantities compare, add and multiply, and how a number or measure takes the quantity of its partner

_SAME = (frozenset({Quantity.POINTS, Quantity.PRICE}),)
_FACTORS = frozenset({Quantity.PLAIN, Quantity.FRACTION, Quantity.PERCENT, Quantity.DELTA})
WRITTEN = {
    Unit.NUMBER: "a bare number",
    Unit.POINTS: "points ('3 pts')",
    Unit.DOLLARS: "dollars ('$50')",
    Unit.PERCENT: "a percentage ('50%')",
    Unit.MULTIPLE: "a multiple ('2x credit')",
    Unit.SECONDS: "a duration ('15m')",
    Unit.SESSIONS: "sessions ('3d')",
    Unit.R: "multiples of risk.r ('3R')",
}
"""How each unit is called in a message."""


def is_comparable(one: Quantity, other: Quantity) -> bool:
    """Return whether two quantities compare and add: equal ones, and points with prices per share."""
    return one is other or any(one in group and other in group for group in _SAME)


def written(amount: Amount) -> str:
    """Return the amount as a spec writes it: `3 pts`, `$50`, `2x credit`."""
    number = f"{amount.value:f}"
    match amount.unit:
        case Unit.DOLLARS:
            return f"-${number[1:]}" if number.startswith("-") else f"${number}"
        case Unit.POINTS:
            return f"{number} pts"
        case Unit.MULTIPLE:
            return f"{number}x {amount.of}" if amount.of else f"{number}x"
        case Unit.SECONDS:
            return _duration(amount.value)
        case _:
            return f"{number}{amount.unit.value}"


def _duration(seconds: Decimal) -> str:
    for size, letter in ((3600, "h"), (60, "m")):
        if seconds and not seconds % size:
            return f"{seconds / size:f}{letter}"
    return f"{seconds:f}s"


def scaled(amount: Amount, quantity: Quantity) -> float:
    """Return the amount's number in `quantity`: 50% is 0.5 as a fraction, and 50.0 in percent a year."""
    if amount.unit is Unit.PERCENT and quantity is not Quantity.PERCENT:
        return float(amount.value / 100)
    return float(amount.value)


def natural_quantity(amount: Amount) -> Quantity:
    """Return the quantity an amount has without a partner."""
    by_unit = {
        Unit.POINTS: Quantity.POINTS,
        Unit.DOLLARS: Quantity.DOLLARS,
        Unit.PERCENT: Quantity.FRACTION,
        Unit.SECONDS: Quantity.SECONDS,
        Unit.SESSIONS: Quantity.DAYS,
    }
    return by_unit.get(amount.unit, Quantity.PLAIN)


def coerce(number: Number, quantity: Quantity) -> Number | None:
    """Return `number` in `quantity` if possible: a unitless number always, a measure if it has that quantity."""
    match number:
        case Constant(value, Quantity.PLAIN):
            return Constant(value, quantity)
        case Call():
            return _coerce_call(number, quantity)
        case Arithmetic(operator="*" | "/"):
            return _coerce_product(number, quantity)
        case Arithmetic():
            parts = [coerce(part, quantity) for part in number.operands]
            known = tuple(part for part in parts if part is not None)
            return Arithmetic(number.operator, known, quantity) if len(known) == len(parts) else None
        case _:
            return number if is_comparable(number_quantity(number), quantity) else None


def _coerce_call(call: Call, quantity: Quantity) -> Number | None:
    if is_comparable(call.quantity, quantity):
        return call
    for offered in VOCABULARY[call.measure].quantities:
        if is_comparable(offered, quantity):
            return Call(call.measure, call.arguments, offered)
    return None


def _coerce_product(product: Arithmetic, quantity: Quantity) -> Number | None:
    if is_comparable(product.quantity, quantity):
        return product
    left, right = product.operands
    ways = [(left, right), (right, left)] if product.operator == "*" else [(left, right)]
    if is_bare(left):  # of `2 * loss` the loss takes the unit, where it can
        ways.reverse()
    for measured, factor in ways:
        if number_quantity(factor) in _FACTORS and (new := coerce(measured, quantity)) is not None:
            pair = (new, factor) if measured is left else (factor, new)
            return Arithmetic(product.operator, pair, quantity)
    return None


def number_quantity(number: Number) -> Quantity:
    """Return what a number of the tree is measured in."""
    match number:
        case Constant() | Call() | Arithmetic():
            return number.quantity
        case _:
            return Quantity.TEXT


def is_bare(number: Number) -> bool:
    """Return whether a number is made of constants alone, so that it takes the unit of its partner."""
    match number:
        case Constant(_, Quantity.PLAIN):
            return True
        case Arithmetic(operands=parts):
            return all(is_bare(part) for part in parts)
        case _:
            return False


def unify(left: Number, right: Number) -> tuple[Number, Number] | None:
    """Return both in quantities that compare, or None; the side that says its unit more firmly keeps it."""
    if is_bare(left) and is_bare(right):
        return left, right
    if is_bare(left):
        new = coerce(left, number_quantity(right))
        return None if new is None else (new, right)
    if is_bare(right):
        new = coerce(right, number_quantity(left))
        return None if new is None else (left, new)
    if is_comparable(number_quantity(left), number_quantity(right)):
        return left, right
    if (new := coerce(left, number_quantity(right))) is not None:
        return new, right
    if (new := coerce(right, number_quantity(left))) is not None:
        return left, new
    return None


def product_quantity(operator: str, left: Number, right: Number) -> Quantity | None:
    """Return the quantity of a product or quotient, None when it has no meaning (`spot * vix`, `1 / spot`)."""
    one, other = number_quantity(left), number_quantity(right)
    if Quantity.TEXT in (one, other) or Quantity.TRUTH in (one, other):
        return None
    if operator == "/" and is_comparable(one, other):
        return Quantity.PLAIN
    if other in _FACTORS:
        return one
    return other if operator == "*" and one in _FACTORS else None
