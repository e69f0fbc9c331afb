"""What a strike may not pass: `not_below` and `not_above`, from a strike, a level of the underlying or another leg."""

from collections.abc import Iterable, Iterator, Mapping

from rulebot.compile.expression import number_of_name
from rulebot.compile.measures.measure import Place
from rulebot.compile.plan import Call, Constant, LegPlan, Number, Quantity
from rulebot.compile.problem import Fault, Problem, did_you_mean
from rulebot.compile.scope import scope_of
from rulebot.compile.vocabulary import PRICE_LEVELS
from rulebot.spec.nouns.condition import Amount, Path
from rulebot.spec.nouns.legs import Leg, Strike, StrikeOf
from rulebot.spec.spec import Spec

NAMES = ("not_below", "not_above")
_OWED = "as in 5900, strike(LEG), or a measure of the underlying's level such as spot"


def legs_named_by(strike: Strike) -> tuple[str, ...]:
    """Return the legs whose strikes the edges name."""
    edges = (strike.not_below, strike.not_above)
    return tuple(edge.leg for edge in edges if isinstance(edge, StrikeOf))


def strike_bounds_of(leg: Leg, symbol: str, spec: Spec) -> Mapping[str, Number]:
    """Return the edges of a leg, compiled. Raises: Fault."""
    found = {}
    for name in NAMES:
        edge = getattr(leg.strike, name)
        if edge is not None:
            found[name] = _number(edge, symbol, spec, (*leg.strike.path, name))
    return found


def edges_read(legs: Iterable[LegPlan]) -> tuple[Number, ...]:
    """Return the measures that edges of these legs name: data that the bot needs besides its rules."""
    edges = (edge for leg in legs for edge in (leg.not_below, leg.not_above))
    return tuple(edge for edge in edges if isinstance(edge, Call) and edge.measure != "strike")


def edge_problems(leg: Leg, symbol: str, spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the edges of a leg."""
    try:
        found = strike_bounds_of(leg, symbol, spec)
    except Fault as fault:
        yield fault.problem
        return
    low, high = found.get("not_below"), found.get("not_above")
    if isinstance(low, Constant) and isinstance(high, Constant) and low.value > high.value:
        message = f"no strike is at least {low.value:g} and at most {high.value:g}"
        yield Problem("RB230", (*leg.strike.path, "not_above"), message, "the lower one is 'not_below'")


def _number(edge: Amount | StrikeOf | object, symbol: str, spec: Spec, path: Path) -> Number:
    if isinstance(edge, Amount):
        return Constant(float(edge.value), Quantity.LEVEL)
    if isinstance(edge, StrikeOf):
        return _strike_of(edge.leg, symbol, spec, path)
    name = str(getattr(edge, "name", edge))
    number = number_of_name(name, scope_of(spec, Place.FILTER, {}), path)
    if not isinstance(number, Call) or number.measure not in PRICE_LEVELS:
        raise Fault(Problem("RB203", path, f"'{name}' is no level of {symbol}", _OWED))
    if number.argument("of") != symbol:
        message = f"'{name}' is of {number.argument('of')}, and the leg is on {symbol}"
        raise Fault(Problem("RB231", path, message, _OWED))
    return number


def _strike_of(name: str, symbol: str, spec: Spec, path: Path) -> Number:
    legs = {each.name: each for each in spec.legs.legs}
    if name not in legs:
        raise Fault(Problem("RB201", path, f"unknown leg '{name}'", did_you_mean(name, tuple(legs))))
    if legs[name].is_shares:
        raise Fault(Problem("RB231", path, f"'{name}' is shares, which have no strike", "refer to an option"))
    if (other := legs[name].underlying or spec.underlyings[0]) != symbol:
        message = f"'{name}' is on {other}, and the leg is on {symbol}"
        raise Fault(Problem("RB231", path, message, "a strike refers to a leg of the same underlying"))
    return Call("strike", (("of", name),), Quantity.POINTS)
