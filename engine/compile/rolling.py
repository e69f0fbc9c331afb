"""Exits that roll: what the new legs are, and what keeps a roll from being one order of the same legs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.compile.alone import JUDGES_LEGS
from engine.compile.condition import rules_of
from engine.compile.distance import REFERRING
from engine.compile.measures.measure import Place
from engine.compile.orders import exit_order_of
from engine.compile.plan import RollPlan, Rule
from engine.compile.problem import Problem, did_you_mean
from engine.compile.reads import calls_of
from engine.compile.scope import scope_of
from engine.compile.structure import MAX_LEGS, leg_plans, leg_problems
from engine.spec.nouns.condition import Amount, MeasureTest, Path
from engine.spec.nouns.exits import Exit, Roll
from engine.spec.nouns.legs import Strike, StrikeBy
from engine.spec.nouns.order import Start
from engine.spec.spec import Spec

_OF_ITS_OWN_PRICE = ("max_risk", "return_on_risk", "probability_of_profit", "margin")
"""Measures that need the price of the new legs alone, which one order for both does not have."""


def rolled_into(spec: Spec, roll: Roll) -> Spec:
    """Return the spec as if it entered what the roll opens; legs that it does not move stand at the strike held."""
    strikes = dict(roll.strikes)
    kept = Strike(by=StrikeBy.HELD, path=roll.path)
    legs = tuple(
        leg if leg.is_shares else replace(leg, expiry=None, strike=strikes.get(leg.name, kept))
        for leg in spec.legs.legs
    )
    expiry = roll.expiry or spec.legs.nearest
    return replace(spec, legs=replace(spec.legs, expiry=expiry, legs=legs, require=roll.require))


def roll_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB228 where a roll cannot be one order, and what is wrong with the legs that it opens."""
    for rule in spec.exits:
        if rule.roll is None:
            continue
        found = [*_whole(rule), *_one_order(rule, spec), *_moved(rule.roll, spec)]
        yield from found
        if not found:
            problems = leg_problems(rolled_into(spec, rule.roll))
            yield from (each for each in problems if each.path[: len(rule.roll.path)] == rule.roll.path)


def _whole(rule: Exit) -> Iterator[Problem]:
    """A roll is of the whole position."""
    where = (*rule.path, "roll")
    test = rule.condition.test if rule.condition is not None else None
    judges_legs = isinstance(test, MeasureTest) and test.measure in JUDGES_LEGS and "of" in test.arguments
    if rule.close_part not in (None, 1) or rule.close_legs:
        message = f"'{rule.name}' rolls, and a roll is of the whole position"
        yield Problem("RB228", (*rule.path, "close"), message, "take away 'close' or 'roll'", on_key=True)
    elif judges_legs and not rule.close_all:
        message = f"'{rule.name}' closes the legs that its 'of' judges, and a roll is of the whole position"
        yield Problem("RB228", where, message, "add 'close: all'", on_key=True)
    if rule.resting:
        message = f"'{rule.name}' rests at the broker, and what rests closes and opens nothing"
        yield Problem("RB228", where, message, "take away 'resting' or 'roll'", on_key=True)
    if rule.repeat:
        message = "a roll makes a new position, for which its exit is there anew"
        yield Problem("RB228", (*rule.path, "repeat"), message, "remove it", on_key=True)


def _one_order(rule: Exit, spec: Spec) -> Iterator[Problem]:
    where = (*rule.path, "roll")
    legs = spec.legs.legs
    if any(leg.is_shares for leg in legs):
        yield Problem("RB228", where, "shares do not roll: this structure has them among its legs", on_key=True)
    if len({leg.underlying or spec.underlyings[0] for leg in legs}) > 1 or spec.order.leg_by_leg:
        message = "a roll is one order, and this structure goes leg by leg"
        yield Problem("RB228", where, message, "close it, and let 'again' open it anew", on_key=True)
    if len(spec.legs.expiries) > 1:
        message = "legs of several expiries do not roll: nothing says which of them the new one would be"
        yield Problem("RB228", where, message, "close it, and let 'again' open it anew", on_key=True)
    if 2 * len(legs) > MAX_LEGS:
        message = f"a roll of {len(legs)} legs is an order of {2 * len(legs)}, and {MAX_LEGS} are the most"
        yield Problem("RB228", where, message, on_key=True)
    if spec.overwrite is not None:
        message = "calls against shares held do not roll: what would cover both while the order works is not known"
        yield Problem("RB228", where, message, "close them, and let 'again' sell anew", on_key=True)
    order, at = (exit_order_of(spec), where) if rule.order is None else (rule.order, (*rule.path, "order"))
    if order.start is Start.MARKET and order.price is None:
        message = "a roll never goes out at the market: what it brings would be unknown"
        yield Problem("RB228", at, message, "give this exit an 'order' that starts at mid or natural", on_key=True)
    elif order.adaptive or order.pause:
        message = f"a roll is one order of {2 * len(legs)} legs, whose limit steps: it neither adapts nor pauses"
        yield Problem("RB228", at, message, "give this exit an 'order' with start, step, wait and tries", on_key=True)


def _moved(roll: Roll, spec: Spec) -> Iterator[Problem]:
    """Yield strikes of legs that are not there, and legs that count from one which moves without them."""
    legs = {leg.name: leg for leg in spec.legs.legs}
    given = dict(roll.strikes)
    for name in given:
        if name not in legs:
            where: Path = (*roll.path, "strikes", name)
            yield Problem("RB201", where, f"unknown leg '{name}'", did_you_mean(name, tuple(legs)), on_key=True)
    for leg in legs.values():
        if leg.name not in given and leg.strike.by in REFERRING and leg.strike.reference in given:
            message = f"'{leg.name}' counts from '{leg.strike.reference}', which this roll moves, and would stay behind"
            help_text = f"name it too, as in '{leg.name}: ..' under 'strikes'"
            yield Problem("RB228", (*roll.path, "strikes"), message, help_text, on_key=True)


def roll_plan(roll: Roll, spec: Spec, values: Mapping[str, Amount]) -> tuple[RollPlan | None, list[Problem]]:
    """Return what a roll opens, compiled, or None and what is wrong with its conditions. Its legs are sound."""
    new = rolled_into(spec, roll)
    require, problems = rules_of(roll.require, scope_of(new, Place.REQUIRE, values))
    problems = [*problems, *(found for rule in require for found in _unpriced(rule))]
    if problems:
        return None, problems
    return RollPlan(leg_plans(new), roll.expiry is not None, require, roll.otherwise), []


def _unpriced(rule: Rule) -> Iterator[Problem]:
    for name in dict.fromkeys(call.measure for call in calls_of(rule.test) if call.measure in _OF_ITS_OWN_PRICE):
        message = f"'{name}' is of the new legs' own price, and the order of a roll has one price for both"
        yield Problem("RB206", rule.path, message, "'credit' and 'debit' are of both together", on_key=True)
