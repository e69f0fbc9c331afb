"""The expiries of a structure: what is wrong with them, and which of two surely ends first."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from decimal import Decimal
from math import inf

from rulebot.compile.expression import number_of_name
from rulebot.compile.plan import Call, Constant, LegPlan, Number, Quantity
from rulebot.compile.problem import Fault, Problem, did_you_mean
from rulebot.compile.scope import scope_of
from rulebot.compile.timing import WEEK_DAYS
from rulebot.compile.units import PRICE_LEVELS
from rulebot.measure.definition import Place
from rulebot.model.contract import Kind, product
from rulebot.spec.nouns import (
    Amount,
    Bound,
    DteRule,
    Expiry,
    Leg,
    Path,
    Side,
    Strike,
    StrikeBy,
    StrikeOf,
    StrikeRounding,
)
from rulebot.spec.spec import Spec

MAX_DTE = 1100


def expiry_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB260 for days, classes and expiries of single legs that cannot be."""
    written = [each for each in (spec.legs.expiry, *(leg.expiry for leg in spec.legs.legs)) if each is not None]
    for expiry in written:
        yield from list(_problems_of(expiry, spec)) or _weekend_problems(expiry, spec.entry.days or WEEK_DAYS)
    if len(spec.legs.expiries) > 1:
        yield from _several_problems(spec)


def _problems_of(expiry: Expiry, spec: Spec) -> Iterator[Problem]:
    where = (*expiry.path, "dte")
    if not expiry.days or any(not 0 <= day <= MAX_DTE for day in expiry.days):
        yield Problem("RB260", where, f"days to expiry are 0 to {MAX_DTE}, is {_days(expiry)}")
    elif expiry.rule is DteRule.BETWEEN and (len(expiry.days) != 2 or expiry.days[0] > expiry.days[1]):
        yield Problem("RB260", where, f"the lower end comes first, is {_days(expiry)}")
    if expiry.is_latest and expiry.rule in (DteRule.EXACT, DteRule.NEAREST):
        message = "'take' chooses among several expiries, and here one alone qualifies"
        help_text = "give 'dte' as at_least, at_most or between"
        yield Problem("RB260", (*expiry.path, "take"), message, help_text, on_key=True)
    if expiry.trading_class is not None:
        yield from _class_problems(expiry, expiry.trading_class, spec)


def _weekend_problems(expiry: Expiry, days: Collection[str]) -> Iterator[Problem]:
    """Yield RB260 where all days that the rule can choose are Saturdays and Sundays, on which nothing expires."""
    fewest, most = dte_range(expiry)
    if most - fewest > 1:
        return
    starts = [place for place, day in enumerate(WEEK_DAYS) if day in days]
    if any((start + ahead) % 7 < len(WEEK_DAYS) for start in starts for ahead in range(int(fewest), int(most) + 1)):
        return
    ahead_of = f"{_days(expiry)} {'day' if expiry.days == (1,) else 'days'}"
    message = f"from an entry on {' and '.join(days)} an expiry in {ahead_of} is on a weekend: there is none"
    yield Problem("RB260", (*expiry.path, "dte"), message, "take other 'days', or more days to expiry")


def _days(expiry: Expiry) -> str:
    return " and ".join(str(day) for day in expiry.days) or "nothing"


def _class_problems(expiry: Expiry, trading_class: str, spec: Spec) -> Iterator[Problem]:
    where = (*expiry.path, "class")
    if len(spec.underlyings) > 1:
        yield Problem("RB260", where, "one trading class cannot be that of two underlyings")
        return
    symbol = spec.underlyings[0]
    facts = product(symbol)
    if facts.kind is Kind.INDEX and trading_class not in facts.classes:
        message = f"{symbol} has no options of class '{trading_class}'"
        help_text = did_you_mean(trading_class, facts.classes) or f"its classes are {' and '.join(facts.classes)}"
        if len(facts.classes) == 1:
            help_text = f"all options on {symbol} have the class {facts.same_day_class}: omit 'class'"
        yield Problem("RB260", where, message, help_text)
    elif trading_class == facts.opening_class and dte_range(expiry)[1] == 0:
        message = f"{symbol} options of class {trading_class} settle at the open and do not trade on that day"
        yield Problem("RB260", where, message, f"{facts.same_day_class} expires at the close of its last day")


def _several_problems(spec: Spec) -> Iterator[Problem]:
    """What is sold on two days would be covered on neither for certain; two underlyings have no nearest in common."""
    if len(spec.underlyings) > 1:
        own = next(leg for leg in spec.legs.legs if leg.expiry is not None)
        message = "legs of several expiries are on one underlying, and this bot has two"
        yield Problem("RB260", (*own.path, "expiry"), message, "give all legs one 'expiry'", on_key=True)
    sold = [leg for leg in spec.legs.legs if leg.side is Side.SELL and not leg.is_shares]
    for leg in sold[1:]:
        if spec.legs.expiry_of(leg).terms != spec.legs.expiry_of(sold[0]).terms:
            where = leg.path if leg.expiry is None else (*leg.path, "expiry")
            message = f"'{leg.name}' and '{sold[0].name}' are sold with different expiries"
            help_text = "what is sold expires together; what is bought may expire later, or be another bot"
            yield Problem("RB260", where, message, help_text, on_key=True)


def dte_range(expiry: Expiry) -> tuple[float, float]:
    """Return the fewest and the most days to expiry that the rule can choose; with `nearest` they are uncertain."""
    if expiry.rule is DteRule.NEAREST:
        return 0.0 if expiry.is_monthly else expiry.days[0] / 2, inf
    return _asked(expiry)


def _asked(expiry: Expiry) -> tuple[float, float]:
    days = [float(day) for day in expiry.days]
    match expiry.rule:
        case DteRule.AT_MOST:
            return 0.0, days[0]
        case DteRule.AT_LEAST:
            return days[0], inf
        case _:
            return days[0], days[-1]


def expires_no_earlier(expiry: Expiry, other: Expiry) -> bool:
    """Return whether the first expiry always falls on the same day as the other, or later.

    Both rules choose from one list where their class and cycle are the same: the one that asks for more days then never
    gets the earlier day. Else only the days themselves are sure.
    """
    if expiry.terms == other.terms:
        return True
    if expiry.trading_class != other.trading_class:  # one may settle at the open, after the close of its last day
        return dte_range(expiry)[0] > dte_range(other)[1]
    if expiry.is_monthly != other.is_monthly:
        return dte_range(expiry)[0] >= dte_range(other)[1]
    (least, most), (other_least, other_most) = _asked(expiry), _asked(other)
    if least >= other_most:
        return True
    if DteRule.NEAREST in (expiry.rule, other.rule):
        return False
    if expiry.is_latest:
        return most >= other_most
    return not other.is_latest and least >= other_least


# --- What a strike may not pass

NAMES = ("min_strike", "max_strike")
_EXPECTED = "as in 5900, strike(LEG), or a measure of the underlying's level such as spot"


def legs_named_by(strike: Strike) -> tuple[str, ...]:
    """Return the legs whose strikes the edges name."""
    edges = (strike.min_strike, strike.max_strike)
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
    edges = (edge for leg in legs for edge in (leg.min_strike, leg.max_strike))
    return tuple(edge for edge in edges if isinstance(edge, Call) and edge.measure != "strike")


def edge_problems(leg: Leg, symbol: str, spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the edges of a leg."""
    try:
        found = strike_bounds_of(leg, symbol, spec)
    except Fault as fault:
        yield fault.problem
        return
    low, high = found.get("min_strike"), found.get("max_strike")
    if isinstance(low, Constant) and isinstance(high, Constant) and low.value > high.value:
        message = f"no strike is at least {low.value:g} and at most {high.value:g}"
        yield Problem("RB230", (*leg.strike.path, "max_strike"), message, "the lower one is 'min_strike'")


def _number(edge: Amount | StrikeOf | object, symbol: str, spec: Spec, path: Path) -> Number:
    if isinstance(edge, Amount):
        return Constant(float(edge.value), Quantity.LEVEL)
    if isinstance(edge, StrikeOf):
        return _strike_of(edge.leg, symbol, spec, path)
    name = str(getattr(edge, "name", edge))
    number = number_of_name(name, scope_of(spec, Place.FILTER, {}), path)
    if not isinstance(number, Call) or number.measure not in PRICE_LEVELS:
        raise Fault(Problem("RB203", path, f"'{name}' is no level of {symbol}", _EXPECTED))
    if number.argument("of") != symbol:
        message = f"'{name}' reads {number.argument('of')}, but the leg is on {symbol}"
        raise Fault(Problem("RB231", path, message, _EXPECTED))
    return number


def _strike_of(name: str, symbol: str, spec: Spec, path: Path) -> Number:
    legs = {each.name: each for each in spec.legs.legs}
    if name not in legs:
        raise Fault(Problem("RB201", path, f"unknown leg '{name}'", did_you_mean(name, tuple(legs))))
    if legs[name].is_shares:
        raise Fault(Problem("RB231", path, f"'{name}' is shares, which have no strike", "refer to an option"))
    if (other := legs[name].underlying or spec.underlyings[0]) != symbol:
        message = f"'{name}' is on {other}, but the leg is on {symbol}"
        raise Fault(Problem("RB231", path, message, "a strike refers to a leg of the same underlying"))
    return Call("strike", (("of", name),), Quantity.POINTS)


# --- One strike


def width_problems(strike: Strike, where: Path) -> Iterator[Problem]:
    """Yield widths of zero and widths listed twice."""
    widths = (strike.target or Decimal(0), *strike.widths)
    for at, width in enumerate(widths):
        here = (*where, at) if strike.widths else where
        if width <= 0:
            yield Problem("RB230", here, f"a width is positive, is {width}", "'below' and 'above' give the side")
        elif width in widths[:at]:
            yield Problem("RB230", here, f"{width:f} points are listed twice in this list of preference", "remove one")
    if strike.widths and strike.round is not StrikeRounding.NEAREST:
        message = "'round' has no effect with a list of widths, each of which must be listed"
        yield Problem("RB230", (*strike.path, "round"), message, "'within' lets a strike near a width do")


def side_problems(leg: Leg, spec: Spec) -> Iterator[Problem]:
    """Yield what prevents a side credit from being that of one short and the one long relative to it."""
    path = (*leg.strike.path, "side_credit")
    if leg.side is not Side.SELL:
        yield Problem("RB230", path, f"'side_credit' needs a leg that is sold, and '{leg.name}' is bought", on_key=True)
        return
    longs = [
        each
        for each in spec.legs.legs
        if each.strike.by in (StrikeBy.BELOW, StrikeBy.ABOVE) and each.strike.reference == leg.name
    ]
    if len(longs) != 1 or longs[0].side is not Side.BUY or longs[0].right != leg.right:
        message = f"'side_credit' needs exactly one bought {leg.right} that counts from '{leg.name}'"
        help_text = f"as in 'long: {{buy: {leg.right}, strike: {{below: {leg.name}, by: 10 pts}}}}'"
        yield Problem("RB230", path, message, help_text, on_key=True)


def modifier_problems(strike: Strike) -> Iterator[Problem]:
    """Yield modifiers that are not positive, and a `round` that the selector leaves nothing to."""
    for name in ("round_to", "prefer_round_to", "min_otm_distance", "within"):
        value: Decimal | None = getattr(strike, name)
        if value is not None and (value < 0 or (value == 0 and name.endswith("round_to"))):
            yield Problem("RB230", (*strike.path, name), f"'{name}' is positive, is {value:f}")
    if strike.round is not StrikeRounding.NEAREST and (
        strike.bound is not Bound.NEAREST or strike.by is StrikeBy.AT_LEG
    ):
        why = "the bound says on which side" if strike.bound is not Bound.NEAREST else "it is that strike or none"
        yield Problem("RB230", (*strike.path, "round"), f"'round' means nothing here: {why}", "remove it", on_key=True)
