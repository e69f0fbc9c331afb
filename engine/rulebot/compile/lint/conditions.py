"""Conditions with a known answer in any market, and exits that act at once in the example market."""

from collections.abc import Collection, Iterator
from enum import Enum

from rulebot.compile.condition import is_ending
from rulebot.compile.lint.comparisons import Reach, Subject, can_hold, legs_of
from rulebot.compile.lint.example import ExamplePayoff, Sample, SampleLeg, right_after_the_fill
from rulebot.compile.lint.lint_context import LintContext, said
from rulebot.compile.lint.outcomes import PriceRange, holds_everywhere, paid_about
from rulebot.compile.plan import AllOf, AnyOf, Compare, Holds, Not, Quantity, Rule, Truth
from rulebot.compile.problem import Problem
from rulebot.measure.ranges import Range, meet, stretch
from rulebot.model.contract import LOT, product
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Amount, Condition, ExpressionTest, Group, MeasureTest, Path, StrikeBy

AT_THE_MONEY = (StrikeBy.AT_SPOT, StrikeBy.AT_LEG)
_ROOM, _NEAR = 1.5, 1.2
"""How far prices, and parts of the entry price, may lie from those of the example."""


def always(look: LintContext) -> Iterator[Problem]:
    """Yield RB364 for a condition of entry that always holds."""
    for rule in look.entry_rules():
        if not can_hold([(rule.test, False)], look.places.entry, look.terms):
            message = f"{said(rule)} is always true: it blocks no entry"
            yield Problem("RB364", look.marked(rule), message, "remove it, or write the bound that you mean")


def immediate_exits_in_example(look: LintContext) -> Iterator[Problem]:
    """Yield RB368 for an exit that is true right after the fill in the example market."""
    if len(look.sample.legs) < sum(1 for leg in look.plan.legs if not leg.is_shares):
        return
    reach = _in_the_example(look)
    for planned, rule in look.exit_rules():
        if planned.activate_when or not can_hold([(rule.test, True)], look.places.open, look.terms):
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
    """Return the cost of closing right after the fill, for all or some legs, and the loss by then."""
    if subject.measure == "gain in dollars" and not legs_of(subject):
        return stretch(-stake.commission * look.plan.quantity, -stake.commission * look.plan.quantity)
    if subject.measure != "cost" or subject.quantity is not Quantity.PRICE:
        return None
    if (paid := paid_about(look, PriceRange(1 / _ROOM, _ROOM))) is None:
        return None
    legs = legs_of(subject)
    if legs or subject.of is not None:
        return _cost_of(legs, subject, look, stake)
    return stretch(paid.least, paid.most) if stake.is_sold else stretch(-paid.most, -paid.least)


def _cost_of(legs: Collection[str], subject: Subject, look: LintContext, stake: ExamplePayoff) -> Range | None:
    cost = sum(leg.mid * leg.plan.ratio * -leg.plan.sign for name, leg in look.sample.legs.items() if name in legs)
    if subject.of is not None and subject.of.measure == "credit" and stake.is_sold and cost > 0:
        return stretch(cost / stake.entry / _NEAR, cost / stake.entry * _NEAR)
    return stretch(cost / _ROOM, cost * _ROOM) if subject.of is None and cost > 0 else None


def _off_the_strike(leg: SampleLeg) -> float:
    """Return the mean distance of spot past an at-the-money strike: a quarter of the strike step."""
    return float(product(leg.plan.symbol).strike_step) / 4 if leg.plan.strike.by in AT_THE_MONEY else 0.0


def _known(subject: Subject, sample: Sample) -> Range | None:
    """Return the value of a subject right after the fill in the example; None where it is not known."""
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


# --- The single tests of a rule, each as written together with its compiled form


@dataclass(frozen=True, slots=True)
class SingleTest:
    """One comparison of a rule. wanted: False under `not`. is_alone: the rule is this test and nothing else."""

    said: MeasureTest | ExpressionTest
    test: Compare | Holds
    wanted: bool
    is_alone: bool

    def path(self, at: int = 0) -> Path:
        """Return the path of its bound; `at` is which of two."""
        said = self.said
        if not isinstance(said, MeasureTest) or said.comparison is None or is_ending(said.path):
            return said.path
        path: Path = (*said.path, said.comparison.op.value)
        return (*path, at) if len(said.comparison.operands) > 1 else path

    def amount(self, at: int = 0) -> Amount | None:
        """Return the bound as the text has it; None in an expression, or where it is a name."""
        said = self.said
        if not isinstance(said, MeasureTest) or said.comparison is None:
            return None
        operands = said.comparison.operands
        found = operands[at] if at < len(operands) else None
        return found if isinstance(found, Amount) else None


def singles(condition: Condition, truth: Truth) -> Iterator[SingleTest]:
    """Yield the tests of a condition and of what it was compiled to, in the order of the text."""
    is_alone = not isinstance(condition.test, Group) and isinstance(truth, Compare | Holds)
    yield from _of(condition, truth, wanted=True, is_alone=is_alone)


def _of(condition: Condition, truth: Truth, *, wanted: bool, is_alone: bool) -> Iterator[SingleTest]:
    match condition.test, truth:
        case Group(members=(only,)), Not(member):
            yield from _of(only, member, wanted=not wanted, is_alone=False)
        case Group(members=members), AllOf(members=truths) | AnyOf(members=truths):
            for each, one in zip(members, truths, strict=True):
                yield from _of(each, one, wanted=wanted, is_alone=False)
        case (MeasureTest() | ExpressionTest()) as said, _:
            yield from _inside(said, truth, wanted=wanted, is_alone=is_alone)


def _inside(said: MeasureTest | ExpressionTest, truth: Truth, *, wanted: bool, is_alone: bool) -> Iterator[SingleTest]:
    match truth:
        case Not(member):
            yield from _inside(said, member, wanted=not wanted, is_alone=False)
        case AllOf(members=members) | AnyOf(members=members):
            for member in members:
                yield from _inside(said, member, wanted=wanted, is_alone=False)
        case Compare() | Holds():
            yield SingleTest(said, truth, wanted, is_alone)


# --- Every condition of a spec together with its compiled rule, and what follows when it holds


class RulePlace(Enum):
    """What a condition decides."""

    ENTRY = "whether the bot enters"
    EXIT = "whether an exit acts"
    HALT = "whether the bot is halted"


@dataclass(frozen=True, slots=True)
class ConditionRule:
    """One condition as written and as compiled."""

    condition: Condition
    rule: Rule
    standing: RulePlace


def pairs_of(look: LintContext) -> Iterator[ConditionRule]:
    """Yield every condition of a bot once: of the universe, the entry, the legs, the exits and the limits."""
    spec = look.spec
    universe = () if spec.universe is None else spec.universe.require
    rolling = (each for rule in spec.exits if rule.roll is not None for each in rule.roll.require)
    leaving = (each for rule in spec.exits for each in (rule.condition, *rule.activate_when) if each is not None)
    written = {
        RulePlace.ENTRY: (*spec.entry.when, *spec.legs.require, *universe, *spec.risk.require, *rolling),
        RulePlace.EXIT: tuple(leaving),
        RulePlace.HALT: spec.risk.halt_when,
    }
    known = {each.path: (each, standing) for standing, found in written.items() for each in found}
    for rule in _compiled_rules(look):
        if rule.path in known:
            condition, standing = known.pop(rule.path)
            yield ConditionRule(condition, rule, standing)


def _compiled_rules(look: LintContext) -> Iterator[Rule]:
    plan = look.plan
    for member in plan.members[:1]:
        yield from member.require
    yield from (*plan.entry.when, *plan.require, *plan.risk.require, *plan.risk.halt_when)
    for planned in plan.exits:
        yield from () if planned.roll is None else planned.roll.require
    for planned in plan.exits:
        yield from planned.activate_when
    for _, rule in look.exit_rules():
        yield rule
