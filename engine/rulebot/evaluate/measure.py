"""Every number of the vocabulary, bound once: from a call of the plan to a function of the snapshot."""

import math
from collections.abc import Callable
from functools import partial

from rulebot.compile.plan import Arithmetic, Call, Constant, Number, Plan, Quantity, Score
from rulebot.measure.reading import OPERATIONS, Context, Read, Reading, UnknownValue, exact
from rulebot.measure.view import View
from rulebot.measures.model import modelled
from rulebot.measures.registry import MEASURES


def context_of(plan: Plan, max_age: float | None = None) -> Context:
    """Return the context of one rule of a plan."""
    legs = {leg.symbol: plan.nearest_expiry_leg(leg.symbol) or leg for leg in plan.legs}
    classes = {symbol: leg.trading_class for symbol, leg in legs.items()}
    return Context(symbols=plan.underlyings, classes=classes, expiry=plan.expiry, max_age=max_age)


_PRICES = (Quantity.PRICE, Quantity.DOLLARS)


def bind(call: Call, context: Context) -> Callable[[View], float | None]:
    """Return the function that measures `call`, None where it is not wholly known."""
    read = reader_of(call, context)

    def measure(view: View) -> float | None:
        found = read(view)
        return found if isinstance(found, float) else None

    return measure


def reader_of(number: Number, context: Context) -> Read:
    """Return the function that reads a number of the tree, with its reason where it is unknown."""
    match number:
        case Constant(value):
            return lambda view: value
        case Call(score=Score(model, inputs)):
            return modelled(model, tuple(reader_of(each, context) for each in inputs))
        case Call(measure):
            return MEASURES[measure].reader(number, context)
        case Arithmetic(operator, operands, quantity):
            read = _arithmetic(operator, tuple(reader_of(operand, context) for operand in operands))
            return partial(_exactly, read) if quantity in _PRICES else read
        case _:
            raise TypeError(f"a text is no number: {number}")


def _arithmetic(operator: str, reads: tuple[Read, ...]) -> Read:
    apply = OPERATIONS[operator]
    if len(reads) == 1:
        return partial(_of_one, apply, reads[0])
    if len(reads) == 2:
        return partial(_of_two, apply, reads[0], reads[1])
    return partial(_of_many, apply, reads)


def _exactly(read: Read, view: View) -> Reading:
    """A multiple of a price is compared at its tick: 3 x 0.10 is 0.30."""
    found = read(view)
    return exact(found) if isinstance(found, float) else found


def _sound(found: float) -> Reading:
    return found if math.isfinite(found) else UnknownValue("the result is no number")


def _of_one(apply: Callable[..., float], read: Read, view: View) -> Reading:
    value = read(view)
    return _sound(apply(value)) if isinstance(value, float) else UnknownValue(value.reason)


def _of_two(apply: Callable[..., float], left: Read, right: Read, view: View) -> Reading:
    one, other = left(view), right(view)
    if not isinstance(one, float):
        return UnknownValue(one.reason)
    if not isinstance(other, float):
        return UnknownValue(other.reason)
    try:
        return _sound(apply(one, other))
    except ZeroDivisionError:
        return UnknownValue("division by zero")


def _of_many(apply: Callable[..., float], reads: tuple[Read, ...], view: View) -> Reading:
    values = []
    for read in reads:
        value = read(view)
        if not isinstance(value, float):
            return UnknownValue(value.reason)
        values.append(value)
    return _sound(apply(*values))
