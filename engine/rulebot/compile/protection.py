"""`protect` and `max_unprotected`: what may stand at the broker behind the exits that the engine watches."""

from collections.abc import Iterator

from rulebot.compile.plan import ProtectPlan
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.structure import certain_direction
from rulebot.spec.nouns.condition import Path
from rulebot.spec.nouns.exits import ExitKind
from rulebot.spec.nouns.legs import Side
from rulebot.spec.spec import Protect, Spec


def protection_problems(spec: Spec) -> Iterator[Problem]:
    """Yield what is wrong with the protection of short legs."""
    risk = spec.risk
    sold = [leg.name for leg in spec.legs.legs if leg.side is Side.SELL]
    if risk.protect is not None:
        yield from _protect_problems(spec, sold, risk.protect)
    if risk.max_unprotected is None:
        return
    where = (*risk.path, "max_unprotected")
    if risk.max_unprotected <= 0:
        yield Problem("RB250", where, "'max_unprotected' is longer than 0 s")
    elif not sold:
        yield Problem("RB226", where, "nothing is sold: no short leg could stand without protection")
    elif risk.protect is None and not any(_is_resting_stop(spec)):
        message = "nothing protects the short legs: every position would be closed at once"
        yield Problem("RB226", where, message, "add 'protect: {cost: 4x credit}', or a stop with 'resting: true'")
    elif risk.protect is not None and (bare := [name for name in sold if not risk.protect.covers(name)]):
        message = f"'{bare[0]}' has no stop: every position would be closed at once"
        help_text = "'of: each_short' under 'protect' gives every short leg one"
        yield Problem("RB226", where, message, help_text)


def _protect_problems(spec: Spec, sold: list[str], protect: Protect) -> Iterator[Problem]:
    where, times = (*spec.risk.path, "protect"), protect.times
    if not sold:
        yield Problem("RB226", where, "nothing is sold: there is nothing to protect", on_key=True)
    elif protect.leg is not None:
        yield from _leg_problems(spec, protect.leg, sold, (*where, "of"))
    elif certain_direction(spec) == "debit":
        yield Problem("RB205", (*where, "cost"), "this structure is bought: it has no credit to multiply")
    resting = [rule.name for rule in spec.exits if rule.resting and rule.enabled]
    if resting:
        message = f"'{resting[0]}' rests at the broker already: both would close the same leg"
        yield Problem("RB226", where, message, "take away 'protect', or have the engine watch that exit", None, True)
    if times <= 1:
        message = f"a stop at {times:f}x the credit would be hit at once: it is wider than 1x"
        yield Problem("RB226", (*where, "cost"), message)


def _leg_problems(spec: Spec, name: str, sold: list[str], where: Path) -> Iterator[Problem]:
    leg = next((each for each in spec.legs.legs if each.name == name), None)
    if leg is None:
        yield Problem("RB201", where, f"unknown leg '{name}'", did_you_mean(name, (*sold, "each_short")))
    elif leg.is_shares:
        yield Problem("RB226", where, f"'{name}' is shares: a protective stop is on an option that is sold")
    elif leg.side is Side.BUY:
        message = f"a protective stop is on a leg that is sold, and '{name}' is bought"
        yield Problem("RB226", where, message, f"sold here: {', '.join(sold)}")


def _is_resting_stop(spec: Spec) -> Iterator[bool]:
    return (rule.resting and rule.enabled and rule.kind is ExitKind.STOP for rule in spec.exits)


def protect_plan(spec: Spec) -> ProtectPlan | None:
    """Return the protection of a plan."""
    found = spec.risk.protect
    return None if found is None else ProtectPlan(found.times, found.each_short, found.leg)
