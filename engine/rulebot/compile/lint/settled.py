"""Conditions whose answer is known before any market is there, and exits that act at once in the example market."""

from collections.abc import Iterator

from rulebot.compile.lint.clauses import Reach, can_hold, legs_of
from rulebot.compile.lint.greeks import right_after_the_fill
from rulebot.compile.lint.literals import Subject
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.paid import PriceRange, paid_about
from rulebot.compile.lint.ranges import Range, meet, stretch
from rulebot.compile.lint.sample import Sample, SampleLeg
from rulebot.compile.lint.scenarios import holds_everywhere
from rulebot.compile.lint.stakes import ExamplePayoff
from rulebot.compile.lint.wording import said
from rulebot.compile.plan import Quantity
from rulebot.compile.problem import Problem
from rulebot.model.contract import LOT, product
from rulebot.spec.nouns.legs import StrikeBy

AT_THE_MONEY = (StrikeBy.AT_SPOT, StrikeBy.AT_LEG)
_ROOM, _NEAR = 1.5, 1.2
"""How far prices, and parts of the entry price, may lie from those of the example."""


def always(look: LintContext) -> Iterator[Problem]:
    """Yield RB364 for a condition of entry that holds whatever the market does."""
    for rule in look.entry_rules():
        if not can_hold([(rule.test, False)], look.places.entry, look.terms):
            message = f"{said(rule)} is always true: it blocks no entry"
            yield Problem("RB364", look.marked(rule), message, "remove it, or write the bound that you mean")


def at_once_in_the_example(look: LintContext) -> Iterator[Problem]:
    """Yield RB368 for an exit that is true right after the fill in the example market."""
    if len(look.sample.legs) < sum(1 for leg in look.plan.legs if not leg.is_shares):
        return
    reach = _in_the_example(look)
    for planned, rule in look.exit_rules():
        if planned.armed_by or not can_hold([(rule.test, True)], look.places.open, look.terms):
            continue
        if not can_hold([(rule.test, False)], reach, look.terms) or holds_everywhere(look, rule):
            message = f"{said(rule)} is true right after the fill in the example: the position is closed at once"
            yield Problem("RB368", look.marked(rule), message, _in_words(look))


def _in_words(look: LintContext) -> str:
    sample = look.sample
    strikes = ", ".join(f"{leg.plan.name} {leg.strike:g}" for leg in sample.legs.values())
    return f"the example has {sample.levels} and {strikes}; leave room between what is entered and the exit"


def _in_the_example(look: LintContext) -> Reach:
    sample, stake = look.sample, look.stake

    def reach(subject: Subject) -> Range:
        found = look.places.opened(subject)
        known = _known(subject, sample) or right_after_the_fill(subject, sample) if subject.of is None else None
        if known is None and stake is not None:
            known = _money(subject, look, stake)
        return found if known is None else meet(found, known)

    return reach


def _money(subject: Subject, look: LintContext, stake: ExamplePayoff) -> Range | None:
    """Return what closing costs right after the fill, of the whole or of some legs, and what is lost by then."""
    if subject.measure not in ("gain in dollars", "cost"):
        return None
    paid, legs = paid_about(look, PriceRange(1 / _ROOM, _ROOM)), legs_of(subject)
    if subject.measure == "gain in dollars" and not legs:
        return stretch(-stake.commission * look.plan.quantity, -stake.commission * look.plan.quantity)
    if subject.measure != "cost" or subject.quantity is not Quantity.PRICE or paid is None:
        return None
    if not legs and subject.of is None:
        return stretch(paid.least, paid.most) if stake.is_sold else stretch(-paid.most, -paid.least)
    mids = [leg.mid * leg.plan.ratio * -leg.plan.sign for name, leg in look.sample.legs.items() if name in legs]
    cost = sum(mids)
    if subject.of is not None and subject.of.measure == "credit" and stake.is_sold and cost > 0:
        return stretch(cost / stake.entry / _NEAR, cost / stake.entry * _NEAR)
    return stretch(cost / _ROOM, cost * _ROOM) if subject.of is None and cost > 0 else None


def _off_the_strike(leg: SampleLeg) -> float:
    """Return how far spot is past a strike at the money, in the mean: a quarter of the distance to the next one."""
    return float(product(leg.plan.symbol).strike_step) / 4 if leg.plan.strike.by in AT_THE_MONEY else 0.0


def _known(subject: Subject, sample: Sample) -> Range | None:
    """Return what a subject is right after the fill in the example; None where the example does not tell."""
    is_of_legs = subject.measure in ("breach", "leg_delta")
    legs = [sample.legs[name] for name in sorted(legs_of(subject)) if name in sample.legs] if is_of_legs else []
    match subject.measure:
        case "breach" if legs:
            nearest = min(leg.outward - _off_the_strike(leg) for leg in legs)
            return stretch(nearest, nearest)
        case "leg_delta" if legs:
            largest = max(abs(leg.delta) for leg in legs)
            return stretch(largest, largest)
        case "dte":
            named = legs_of(subject) or sample.legs.keys()
            days = min((leg.days for name, leg in sample.legs.items() if name in named), default=0)
            return stretch(days, days)
        case "position_delta":
            return stretch(sample.delta * LOT, sample.delta * LOT)
        case _:
            return None
