"""Exits that roll: their new legs, and what prevents a roll from being one order.

A roll closes what its exit would close without it: all legs, a side, legs by name, or those that its `of` judges. Each
of these parts becomes a separate position, whose exits are those of the whole text.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from itertools import chain

from rulebot.compile.condition import rules_of
from rulebot.compile.data_needs import calls_of
from rulebot.compile.orders import exit_order_of
from rulebot.compile.plan import RollPlan, Rule
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.scope import scope_of
from rulebot.compile.structure import (
    MAX_LEGS,
    REFERRING,
    certain_direction,
    leg_plans,
    leg_problems,
    missing_cover,
    references_of,
)
from rulebot.measure.definition import Place
from rulebot.measures.registry import MEASURES
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Amount, Leg, Path, Side, Strike, StrikeBy
from rulebot.spec.spec import Exit, PriceFrom, Roll, Spec


@dataclass(frozen=True, slots=True)
class RollTarget:
    """The legs that one exit rolls. among: the legs of all parts that it judges separately, which `strikes` may name.

    opens_for: what the whole structure is opened for, "credit" or "debit".
    """

    names: tuple[str, ...]
    among: tuple[str, ...]
    opens_for: str


def rolled_into(spec: Spec, roll: Roll, names: Collection[str]) -> Spec:
    """Return the spec as if it entered the roll's new legs; legs that do not move keep their strike."""
    strikes = dict(roll.strikes)
    kept = Strike(by=StrikeBy.HELD, path=roll.path)
    legs = tuple(
        leg if leg.is_shares else replace(leg, expiry=None, strike=strikes.get(leg.name, kept))
        for leg in spec.legs.legs
        if leg.name in names
    )
    expiry = roll.expiry or spec.legs.nearest
    return replace(spec, legs=replace(spec.legs, expiry=expiry, legs=legs, require=roll.require))


def roll_problems(spec: Spec) -> Iterator[Problem]:
    """Yield RB228 where an exit that rolls, or its structure, cannot be one order."""
    for rule in spec.exits:
        if rule.roll is not None:
            yield from _closing(rule)
            yield from _one_order(rule, spec)


def _closing(rule: Exit) -> Iterator[Problem]:
    """A roll closes legs wholly, now, and once."""
    if rule.close_part not in (None, 1):
        message = f"'{rule.name}' rolls, and a roll must include all open structures"
        yield Problem("RB228", (*rule.path, "close"), message, "name legs or a side, or take away 'roll'", on_key=True)
    if rule.resting:
        message = f"'{rule.name}' rests at the broker, and what rests closes and opens nothing"
        yield Problem("RB228", (*rule.path, "roll"), message, "take away 'resting' or 'roll'", on_key=True)
    if rule.repeat:
        message = "a roll makes a new position, which has this exit again"
        yield Problem("RB228", (*rule.path, "repeat"), message, "remove it", on_key=True)


_INSTEAD = (
    "'again' opens the whole structure: close all of it with 'close: all', or trade the leg you roll in its own bot"
)


def _one_order(rule: Exit, spec: Spec) -> Iterator[Problem]:
    where = (*rule.path, "roll")
    legs = spec.legs.legs
    if any(leg.is_shares for leg in legs):
        yield Problem("RB228", where, "shares do not roll: this structure has them among its legs", on_key=True)
    if len({leg.underlying or spec.underlyings[0] for leg in legs}) > 1 or spec.order.leg_by_leg:
        message = "a roll is one order, and this structure goes leg by leg"
        yield Problem("RB228", where, message, _INSTEAD, on_key=True)
    if len(spec.legs.expiries) > 1:
        message = "legs of several expiries do not roll: nothing says which of them the new one would be"
        yield Problem("RB228", where, message, _INSTEAD, on_key=True)
    if spec.overwrite is not None:
        message = "calls against shares held do not roll: what would cover both while the order works is not known"
        yield Problem("RB228", where, message, "close them, and let 'again' sell new ones", on_key=True)
    order, at = (exit_order_of(spec), where) if rule.order is None else (rule.order, (*rule.path, "order"))
    if order.start is PriceFrom.MARKET and order.price is None:
        message = "a roll never goes out at the market: what it brings would be unknown"
        yield Problem("RB228", at, message, "give this exit an 'order' that starts at mid or natural", on_key=True)
    elif order.adaptive or order.pause:
        message = "a roll is one order of old and new legs, whose limit steps: it cannot adapt or pause"
        yield Problem("RB228", at, message, "give this exit an 'order' with start, step, wait and tries", on_key=True)


def roll_plan(
    rule: Exit, spec: Spec, values: Mapping[str, Amount], rolled: RollTarget
) -> tuple[RollPlan | None, list[Problem]]:
    """Return what an exit rolls these legs into, compiled, or None and what is wrong with it."""
    roll = rule.roll
    assert roll is not None
    given = tuple((name, strike) for name, strike in roll.strikes if name in rolled.names)
    new = rolled_into(spec, replace(roll, strikes=given), rolled.names)
    problems = [*_named(roll, spec, rolled), *_moved(roll, new, spec), *_apart(rule, spec, rolled)]
    if not problems:
        problems = [each for each in leg_problems(new) if each.path[: len(roll.path)] == roll.path]
    require, more = rules_of(roll.require, scope_of(new, Place.REQUIRE, values))
    problems += [*more, *(found for rule in require for found in _unpriced(rule))]
    if problems:
        return None, problems
    return RollPlan(leg_plans(new), roll.expiry is not None, require, roll.otherwise), []


def _named(roll: Roll, spec: Spec, rolled: RollTarget) -> Iterator[Problem]:
    """Yield strikes of legs that are not there, or that are not rolled."""
    known = tuple(leg.name for leg in spec.legs.legs)
    for name, _ in roll.strikes:
        where: Path = (*roll.path, "strikes", name)
        if name not in known:
            yield Problem("RB201", where, f"unknown leg '{name}'", did_you_mean(name, known), on_key=True)
        elif name not in rolled.among:
            message = f"'{name}' is not among the legs that this exit rolls: {', '.join(rolled.among)}"
            yield Problem("RB228", where, message, f"take it away, or name '{name}' under 'close' too", on_key=True)


def _moved(roll: Roll, new: Spec, spec: Spec) -> Iterator[Problem]:
    """Yield legs relative to one that moves without them, and those relative to one that is not rolled."""
    given, known = dict(roll.strikes), {leg.name for leg in spec.legs.legs}
    rolled = {leg.name for leg in new.legs.legs}
    written = {leg.name: leg.strike for leg in spec.legs.legs}
    where: Path = (*roll.path, "strikes")
    for leg in new.legs.legs:
        strike = written[leg.name]
        if leg.name not in given and strike.by in REFERRING and strike.reference in given.keys() & rolled:
            message = f"'{leg.name}' counts from '{strike.reference}', which this roll moves, and would stay behind"
            yield Problem("RB228", where, message, f"name it too, as in '{leg.name}: ..' under 'strikes'", on_key=True)
        for other in references_of(leg):
            if other in known - rolled:
                message = f"'{leg.name}' counts from '{other}', which is not rolled with it"
                help_text = f"roll '{other}' too, or choose '{leg.name}' independently, as by a delta"
                yield Problem("RB228", (*where, leg.name), message, help_text, on_key=True)


def _apart(rule: Exit, spec: Spec, rolled: RollTarget) -> Iterator[Problem]:
    """Yield what keeps these legs from being an order, and a position, of their own."""
    assert rule.roll is not None
    path = rule.roll.path
    if 2 * len(rolled.names) > MAX_LEGS:
        count = len(rolled.names)
        message = f"a roll of {count} legs is an order of {2 * count}, and {MAX_LEGS} are the most"
        yield Problem("RB228", path, message, "roll one side, as with 'close: put_side'", on_key=True)
    part, rest = _of_legs(spec, rolled.names), _of_legs(spec, _others(spec, rolled.names))
    if not rest.legs.legs:
        return
    if bare := next(chain(_bare(part), _bare(rest)), None):
        names = " and ".join(rolled.names)
        message = f"rolling {names} alone leaves the {bare.right} sold by '{bare.name}' uncovered"
        help_text = "roll its whole side, as 'close: put_side' does, or write 'undefined_risk: allow' under 'risk'"
        yield Problem("RB228", path, message, help_text, on_key=True)
    elif (certain_direction(part) or rolled.opens_for) != rolled.opens_for:
        alone, whole = ("a debit", "a credit") if rolled.opens_for == "credit" else ("a credit", "a debit")
        legs = " and ".join(rolled.names)
        message = f"{legs} alone open for {alone}, but the exits of this bot are for a structure that opens for {whole}"
        yield Problem("RB228", path, message, "roll them together with what pays for them", on_key=True)


def _others(spec: Spec, names: Collection[str]) -> tuple[str, ...]:
    return tuple(leg.name for leg in spec.legs.legs if leg.name not in names)


def _of_legs(spec: Spec, names: Collection[str]) -> Spec:
    """Return the spec with these of its legs alone."""
    return replace(spec, legs=replace(spec.legs, legs=tuple(leg for leg in spec.legs.legs if leg.name in names)))


def _bare(spec: Spec) -> Iterator[Leg]:
    """Yield options sold that nothing bought covers, where that is not allowed."""
    if not spec.risk.undefined_risk:
        yield from (leg for leg in spec.legs.legs if leg.side is Side.SELL and missing_cover(leg, spec) > 0)


def _unpriced(rule: Rule) -> Iterator[Problem]:
    for name in dict.fromkeys(call.measure for call in calls_of(rule.test) if MEASURES[call.measure].needs_own_price):
        message = f"'{name}' is the price of the new legs alone, and the order of a roll has one price for both"
        yield Problem("RB206", rule.path, message, "'credit' and 'debit' are the price of both together", on_key=True)
