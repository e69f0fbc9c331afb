"""What exits are measured against: a credit of the whole structure, whatever `of` says; an entry price near nothing.

And what pays the same wherever the market goes.
"""

from collections.abc import Iterator

from rulebot.compile.distance import NOTHING
from rulebot.compile.lint.literals import linear
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.reach import is_sure
from rulebot.compile.lint.wording import said
from rulebot.compile.lint.worth import same_everywhere
from rulebot.compile.plan import Call, Compare, ExitPlan, Quantity, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.reads import calls_of
from rulebot.spec.nouns.legs import Side, StrikeBy

_WHOLE = ("credit", "debit")
_CLEAR = 0.2
"""The part of what its bought legs cost in the example above which a diagonal surely costs something."""
_AT_THE_MONEY, _OUT_OF_IT = (StrikeBy.AT_SPOT, StrikeBy.AT_LEG), (StrikeBy.OTM, StrikeBy.EXPECTED_MOVE)


def against_the_whole(look: LintContext) -> Iterator[Problem]:
    """Yield RB337 for an exit that measures legs by name against the credit or debit of all."""
    count = len(look.plan.legs)
    for planned, rule in _rules(look):
        legs, whole = _measured(rule, count), [call.measure for call in calls_of(rule.test) if call.measure in _WHOLE]
        if legs and whole and not planned.each:
            their = f"{' and '.join(legs)} alone"
            message = f"{said(rule)} measures {their}, against the {whole[0]} of the whole structure and not their own"
            where = look.marked(rule) if rule is planned.rule else rule.path
            yield Problem("RB337", where, message, _instead(planned, rule, legs))


def of_next_to_nothing(look: LintContext) -> Iterator[Problem]:
    """Yield RB353 for an exit that is a part of the entry price, where the structure may be had for about nothing."""
    if is_sure(look.spec, look.bounds) or same_everywhere(look.spec) or _are_calendars(look) or _are_flies(look):
        return
    if len(look.spec.legs.expiries) > 1 and abs(look.sample.net) > _CLEAR * look.sample.premium:
        return
    for _, rule in look.exit_rules():
        if any(_is_part(call) for call in calls_of(rule.test)):
            message = f"{said(rule)} is a part of the entry price, which may be next to nothing: at 0.00 it never acts"
            help_text = f"'require' a '{look.plan.opens_for}' of so much at least, or say it in dollars"
            yield Problem("RB353", look.marked(rule), message, help_text)


def near_zero_basis(look: LintContext) -> Iterator[Problem]:
    """Yield RB356 for what costs the same at expiry wherever the market goes: it is sold for less than that."""
    costs = -(same_everywhere(look.spec) or NOTHING)
    if costs > 0:
        message = f"it costs {costs:f} at expiry wherever the market goes, and is sold for less: that surely loses"
        where = next(leg.path for leg in look.spec.legs.legs if leg.side is Side.SELL)
        yield Problem("RB356", where, message, "turn it round, or accept it as a loan: 'accept: {RB356: \"reason\"}'")


def _is_part(call: Call) -> bool:
    is_gain = call.measure in ("profit", "loss", "give_back") and call.quantity is Quantity.FRACTION
    return call.measure in _WHOLE or (is_gain and "of" not in dict(call.arguments))


def _are_calendars(look: LintContext) -> bool:
    """Say whether each option is sold against one of the same strike and another day: what ends later is dearer."""
    at = [leg for leg in look.plan.legs if leg.strike.by is StrikeBy.AT_LEG]
    return len(look.spec.legs.expiries) > 1 and 2 * len(at) == len(look.plan.legs)


def _are_flies(look: LintContext) -> bool:
    """Say whether what stands at the money is dealt in against as much that stands out of it."""
    near = sum(leg.sign * leg.ratio for leg in look.plan.legs if leg.strike.by in _AT_THE_MONEY)
    far = sum(leg.sign * leg.ratio for leg in look.plan.legs if leg.strike.by in _OUT_OF_IT)
    return near == -far and all(leg.strike.by in (*_AT_THE_MONEY, *_OUT_OF_IT) for leg in look.plan.legs)


def _rules(look: LintContext) -> Iterator[tuple[ExitPlan, Rule]]:
    for planned in look.plan.exits:
        yield from ((planned, rule) for rule in (planned.rule, *planned.armed_by) if rule is not None)


def _measured(rule: Rule, count: int) -> tuple[str, ...]:
    """Return the legs that a rule names to be priced, () where they are all that there are."""
    named = [dict(call.arguments).get("of") for call in calls_of(rule.test) if call.measure in ("cost", "value")]
    return next((each for each in named if isinstance(each, tuple) and len(each) < count), ())


def _instead(planned: ExitPlan, rule: Rule, legs: tuple[str, ...]) -> str:
    """Return what would be said of the legs' own price, of a target or stop in numbers."""
    test = rule.test
    found = linear(test.right[0]) if isinstance(test, Compare) and rule is planned.rule else None
    if planned.basis is None or found is None:
        return "'profit' and 'loss' in % are parts of their own price"
    of = f"of: {legs[0]}" if len(legs) == 1 else f"of: [{', '.join(legs)}]"
    gain = (found[0] - 1) * (1 if planned.basis == "value" else -1)
    word = "profit" if gain > 0 else "loss"
    return f"of their own price that is '{{{word}: {abs(gain):.4%}, {of}}}'".replace(".0000%", "%")
