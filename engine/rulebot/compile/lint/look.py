"""What the checks of lint look at: one sound spec, its plan, and what they ask of both again and again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import date

from rulebot.compile.condition import is_ending
from rulebot.compile.lint.clauses import can_hold
from rulebot.compile.lint.literals import LinearTerms
from rulebot.compile.lint.reach import Places, PriceBounds, least_loss, places_of, price_bounds, window_seconds
from rulebot.compile.lint.sample import Sample, sample_of
from rulebot.compile.lint.stakes import ExamplePayoff, stake_of
from rulebot.compile.lint.worth import PayoffBounds, worth_of
from rulebot.compile.plan import ExitPlan, Plan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.timing import full_session, outlives_its_day
from rulebot.model.facts import EventCalendar
from rulebot.model.session import Session
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Condition, Group, MeasureTest, Path
from rulebot.spec.spec import Spec


@dataclass(frozen=True, slots=True)
class LintEnvironment:
    """What lint knows that stands in no spec: the day, the half days of the year from it, and the event calendars.

    `calendars` is asked only when a spec names an event.
    """

    today: date
    half_days: tuple[Session, ...]
    calendars: Callable[[], EventCalendar]


@dataclass(frozen=True, slots=True)
class LintContext:
    """One bot as lint sees it, on a full session. `bounds` are those of `require` on its price.

    least_loss: what one structure can lose at least, per share. sample: the structure in the example market; stake: its
    price there, None where the example does not tell.
    `outside` None: nothing is said that depends on the day or on calendars. `halves`: the half days of the coming year
    on which the bot may enter and be done with it, each with what subjects can be on it.
    """

    spec: Spec
    plan: Plan
    outside: LintEnvironment | None
    conditions: Mapping[Path, Condition]
    worth: PayoffBounds
    bounds: PriceBounds
    terms: LinearTerms
    places: Places
    least_loss: float
    sample: Sample
    stake: ExamplePayoff | None = None
    halves: tuple[tuple[LinearTerms, Places], ...] = ()

    def marked(self, rule: Rule) -> Path:
        """Return the path of what a warning about a rule points at: its bound, else all that it measures."""
        test = self.conditions[rule.path].test
        if isinstance(test, Group):
            return rule.path
        if isinstance(test, MeasureTest) and test.comparison is not None and not is_ending(test.path):
            return (*test.path, test.comparison.op.value)
        return test.path

    def entry_rules(self) -> tuple[Rule, ...]:
        """Return everything that must hold before an entry is sent."""
        return (*self.plan.entry.when, *self.plan.require, *self.plan.risk.require)

    def exit_rules(self) -> tuple[tuple[ExitPlan, Rule], ...]:
        """Return the exits that are judged, in their order."""
        return tuple((planned, planned.rule) for planned in self.plan.exits if planned.rule is not None)


Check = Callable[[LintContext], Iterator[Problem]]


def lint_context(spec: Spec, plan: Plan, outside: LintEnvironment | None) -> LintContext:
    """Return what the checks look at."""
    worth = worth_of(spec)
    terms = LinearTerms(full_session(), all(not planned.legs and planned.part is None for planned in plan.exits))
    bounds = price_bounds(plan, worth, terms)
    judged = (*spec.entry.when, *spec.legs.require, *spec.risk.halt_when, *spec.risk.require, *_judged_exits(spec))
    conditions = {condition.path: condition for condition in judged}
    places, least = places_of(spec, plan, worth, bounds, terms), least_loss(spec, plan, worth, bounds)
    sample = sample_of(plan)
    stake = stake_of(spec, plan, sample)
    look = LintContext(spec, plan, outside, conditions, worth, bounds, terms, places, least, sample, stake)
    return replace(look, halves=tuple(_halves(look)))


def _halves(look: LintContext) -> Iterator[tuple[LinearTerms, Places]]:
    if look.outside is None or outlives_its_day(look.spec):
        return
    wanted = [(rule.test, True) for rule in look.entry_rules()]
    for session in look.outside.half_days:
        start, end = window_seconds(look.spec, session)
        terms = LinearTerms(session, look.terms.is_whole)
        places = places_of(look.spec, look.plan, look.worth, look.bounds, terms)
        if start < end and can_hold(wanted, places.entry, terms):
            yield terms, places


def _judged_exits(spec: Spec) -> tuple[Condition, ...]:
    return tuple(rule.condition for rule in spec.exits if rule.condition is not None)
