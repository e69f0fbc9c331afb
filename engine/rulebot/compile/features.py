"""The features that models are trained on and judge by: a named list of numbers, each made of measures.

So a feature is read as a rule reads it, live and in training, by the same closures of the same snapshot. What a name
means never changes within a version of the list; a new meaning is a new name, and a new version when one goes.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from rulebot.compile.plan import Arithmetic, Call, Number, Plan, Quantity, Score
from rulebot.compile.problem import Fault, Problem, did_you_mean
from rulebot.compile.scope import Scope, call_of
from rulebot.measure.definition import Place, Takes, may_stand
from rulebot.measures.registry import MEASURES
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Leg, Path, Side

VERSION = 1
"""The version of the list: a model says which one it was trained with."""

Ask = Callable[..., Call]
"""A measure by its name, in a quantity (default: its own), with arguments."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One number. usual: used for training by default; others take more market data lines."""

    name: str
    about: str
    made: Callable[[Ask], Number]
    usual: bool = True
    of_legs: bool = False


def _ratio(one: Number, other: Number) -> Arithmetic:
    return Arithmetic("/", (one, other), Quantity.PLAIN)


def _credit_over_width(ask: Ask) -> Number:
    credit = ask("credit")
    return _ratio(credit, Arithmetic("+", (credit, ask("max_risk", Quantity.PRICE)), Quantity.PRICE))


_LIST = (
    Feature("minutes_since_open", "minutes since the open of the session", lambda ask: ask("minutes_since_open")),
    Feature("minutes_to_close", "minutes to its close", lambda ask: ask("minutes_to_close"), usual=False),
    Feature("vix", "VIX", lambda ask: ask("vix")),
    Feature("vix_change", "VIX less its previous close, points", lambda ask: ask("vix_change")),
    Feature("vix_change_today", "VIX less its open, points", lambda ask: ask("vix_change", since="open")),
    Feature("vix_spike", "VIX less its lowest of the session, points", lambda ask: ask("vix_spike")),
    Feature("vix1d_over_vix", "VIX1D / VIX", lambda ask: _ratio(ask("vix1d"), ask("vix"))),
    Feature("vix9d_over_vix", "VIX9D / VIX", lambda ask: _ratio(ask("vix9d"), ask("vix"))),
    Feature("vix_over_vix3m", "VIX / VIX3M", lambda ask: _ratio(ask("vix"), ask("vix3m"))),
    Feature("gap", "open / previous close - 1", lambda ask: ask("gap", Quantity.FRACTION)),
    Feature("move_today", "spot / open - 1", lambda ask: ask("move", Quantity.FRACTION)),
    Feature("move_since_close", "spot / previous close - 1", lambda ask: ask("move", Quantity.FRACTION, since="close")),
    Feature(
        "range_over_expected",
        "the session's range so far / the expected move of the open",
        lambda ask: _ratio(ask("day_range"), ask("expected_move", asof="open")),
    ),
    Feature(
        "move_over_expected",
        "|spot - open| / the expected move of the open",
        lambda ask: _ratio(Arithmetic("abs", (ask("move"),), Quantity.POINTS), ask("expected_move", asof="open")),
    ),
    Feature(
        "expected_over_spot", "the expected move now / spot", lambda ask: _ratio(ask("expected_move"), ask("spot"))
    ),
    Feature("iv", "implied volatility at the money, % a year", lambda ask: ask("iv")),
    Feature("rv", "realised volatility of 20 sessions, % a year", lambda ask: ask("rv")),
    Feature("iv_over_rv", "iv / rv", lambda ask: ask("iv_over_rv")),
    Feature("iv_percentile", "the measure of that name", lambda ask: ask("iv_percentile"), usual=False),
    Feature("put_call_volume", "the measure of that name", lambda ask: ask("put_call_volume"), usual=False),
    Feature("skew", "the measure of that name", lambda ask: ask("skew"), usual=False),
    Feature("crowding", "the measure of that name", lambda ask: ask("crowding"), usual=False),
    Feature("credit_over_width", "credit / (credit + max_risk)", _credit_over_width, of_legs=True),
    Feature("quote_width", "the widest quote of the legs", lambda ask: ask("quote_width"), of_legs=True),
    Feature(
        "probability_of_profit", "the measure of that name", lambda ask: ask("probability_of_profit"), of_legs=True
    ),
)

FEATURES: Mapping[str, Feature] = {feature.name: feature for feature in _LIST}


def usual_features(place: Place) -> tuple[str, ...]:
    """Return the features that are used for training by default."""
    return tuple(each.name for each in _LIST if each.usual and (place is Place.REQUIRE or not each.of_legs))


def with_score(call: Call, scope: Scope, path: Path) -> Call:
    """Return a call on a model with its input numbers; any other call unchanged. Raises: Fault."""
    if call.measure != "model":
        return call
    file, of = str(call.argument("file")), str(call.argument("of"))
    if (model := scope.models.get(file)) is None:
        raise Fault(Problem("RB215", path, f"'{file}' was not read", "use it in a separate condition"))
    if model.features != VERSION:
        message = f"'{file}' reads features of version {model.features}, this engine has version {VERSION}"
        raise Fault(Problem("RB215", (*path, "file"), message, "train it again"))
    return replace(call, score=Score(model, inputs_of(model.names, scope, (*path, "file"), of)))


def inputs_of(names: Iterable[str], scope: Scope, path: Path, of: str) -> tuple[Number, ...]:
    """Return the feature values of an underlying at the place of a condition. Raises: Fault."""
    return tuple(_number(name, scope, path, of) for name in names)


def _number(name: str, scope: Scope, path: Path, of: str) -> Number:
    if (feature := FEATURES.get(name)) is None:
        message = f"the model reads '{name}', and this engine has no such feature"
        raise Fault(Problem("RB215", path, message, did_you_mean(name, tuple(FEATURES))))

    def ask(measured: str, quantity: Quantity | None = None, **given: str) -> Call:
        measure = MEASURES[measured]
        if not may_stand(measure, scope.place):
            message = f"the model reads '{name}', which has no meaning in {scope.place.value}"
            raise Fault(Problem("RB215", path, message, "a model of the market alone is allowed everywhere"))
        if any(each.takes is Takes.SYMBOL for each in measure.parameters):
            given = {**given, "of": of}
        call = call_of(measure, given, scope, path)
        return call if quantity is None else replace(call, quantity=quantity)

    return feature.made(ask)


def inputs_at(names: Iterable[str], plan: Plan, place: Place) -> tuple[Number, ...]:
    """Return the numbers that features of a plan's first underlying are, for training. Raises: Fault."""
    legs = {
        leg.name: Leg(
            name=leg.name,
            side=Side.SELL if leg.sign < 0 else Side.BUY,
            right="shares" if leg.is_shares else leg.right.value,
            underlying=leg.symbol,
            ratio=leg.ratio,
            strike=leg.strike,
            path=leg.path,
        )
        for leg in plan.legs
    }
    scope = Scope(place, plan.underlyings, legs, {}, {}, plan.name)
    return inputs_of(names, scope, (), plan.underlyings[0])
