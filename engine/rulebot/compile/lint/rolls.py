"""Exits that roll at any price, or whose conditions the roll changes nothing of: they are as true of what it opens."""

from collections.abc import Iterator

from rulebot.compile.lint.clauses import satisfiable
from rulebot.compile.lint.literals import Subject
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.wording import said
from rulebot.compile.measures.measure import Place
from rulebot.compile.plan import ExitPlan, RollPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.reads import calls_of
from rulebot.compile.timing import outlives_its_day
from rulebot.compile.vocabulary import VOCABULARY
from rulebot.spec.nouns.legs import StrikeBy

_BY_THE_MARKET = frozenset(
    (
        StrikeBy.DELTA,
        StrikeBy.EXPECTED_MOVE,
        StrikeBy.AT_SPOT,
        StrikeBy.OTM,
        StrikeBy.PREMIUM,
        StrikeBy.SIDE_CREDIT,
    )
)
"""What a strike is chosen by that another one may be nearest to a minute later."""
_OF_THE_DESK = frozenset(("shares_held", "cost_basis", "buying_power", "net_liquidation", "bot", "last_exit"))
"""What an entry may wait for, and a roll may change."""
MARKET = frozenset(name for name, each in VOCABULARY.items() if Place.FILTER in each.places) - _OF_THE_DESK
"""What the clock and the market alone make of it."""


def rolled_again(look: LintContext) -> Iterator[Problem]:
    """Yield RB338 for each exit that rolls what it has just opened, when another strike is nearer by then."""
    told = set()
    for planned, rule in look.exit_rules():
        roll = planned.roll
        if roll is None or rule.path in told or not _moves(roll) or not _stays_true(look, planned):
            continue
        told.add(rule.path)
        message = (
            f"{said(rule)} is as true of what it opens: that is rolled at once where another strike is nearer then"
        )
        yield Problem("RB338", look.marked(rule), message, _beside(look, roll))


def rolled_at_any_price(look: LintContext) -> Iterator[Problem]:
    """Yield RB354 for each exit that rolls whatever both sides of its order cost together."""
    told = set()
    for planned, rule in look.exit_rules():
        roll = planned.roll
        if roll is None or rule.path in told or any(_is_priced(each) for each in roll.require):
            continue
        told.add(rule.path)
        message = f"{said(rule)} rolls whatever that costs: nothing is asked of the price of both sides together"
        yield Problem("RB354", look.marked(rule), message, "as in 'require: [{credit: {at_least: 0.10}}]' of the roll")


def _is_priced(rule: Rule) -> bool:
    return any(call.measure in ("credit", "debit") for call in calls_of(rule.test))


def _moves(roll: RollPlan) -> bool:
    return any(leg.strike.by in _BY_THE_MARKET for leg in roll.legs)


def _stays_true(look: LintContext, planned: ExitPlan) -> bool:
    """Say whether it may be true whatever is held, by the clock, the market, and a `dte` that is not rolled."""
    tests = [(rule.test, True) for rule in (planned.rule, *planned.armed_by) if rule is not None]
    ways = satisfiable(tests, look.places.open, look.terms)
    kept = MARKET if planned.roll is None or planned.roll.is_moved else MARKET | {"dte"}
    return ways is not None and any(all(kept.issuperset(measures_of(subject)) for subject in way) for way in ways)


def measures_of(subject: Subject) -> tuple[str, ...]:
    """Return what a subject measures, and what that is a multiple of."""
    return (subject.measure,) if subject.of is None else (subject.measure, subject.of.measure)


def _beside(look: LintContext, roll: RollPlan) -> str:
    """Return what holds it back: each entry, and each roll, begins the count anew."""
    first = "time_in_trade: {at_least: 1h}"
    if outlives_its_day(look.spec):
        first = "sessions_in_trade: {at_least: 1}"
    more = ", or a 'dte' that the new expiry is beyond" if roll.is_moved else ""
    return f"add '{first}' beside it, under 'all', which counts anew from each roll{more}"
