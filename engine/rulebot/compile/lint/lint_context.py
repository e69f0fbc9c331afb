"""What the checks of lint look at: one sound spec, its plan, and what they ask of both again and again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from rulebot.compile.condition import is_ending
from rulebot.compile.lint.comparisons import LinearTerms, can_hold
from rulebot.compile.lint.example import ExamplePayoff, Sample, sample_of, stake_of
from rulebot.compile.lint.reach import (
    PayoffBounds,
    Places,
    PriceBounds,
    least_loss,
    places_of,
    price_bounds,
    window_seconds,
    worth_of,
)
from rulebot.compile.plan import ExitPlan, Plan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.timing import end_of_day, full_session, outlives_its_day, windows_of
from rulebot.compile.units import written
from rulebot.model.facts import EventCalendar
from rulebot.model.session import Session
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Amount, Condition, Group, MeasureTest, Path, Unit
from rulebot.spec.spec import Spec


@dataclass(frozen=True, slots=True)
class LintEnvironment:
    """What lint knows besides the spec: the day, the half days of the year from it, and the event calendars.

    `calendars` is asked only when a spec names an event.
    """

    today: date
    half_days: tuple[Session, ...]
    calendars: Callable[[], EventCalendar]


@dataclass(frozen=True, slots=True)
class LintContext:
    """One bot as lint sees it, on a full session. `bounds` are those of `require` on its price.

    least_loss: the smallest max loss per share. sample: the structure in the example market; stake: its
    price there, None where the example cannot price it.
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


# --- How warnings name what they are about

_SHOWN_DAYS = 6


def said(rule: Rule) -> str:
    """Return a rule in words: `'vix' (below 12)`."""
    return f"'{rule.name}' ({rule.text})" if rule.text else f"'{rule.name}'"


def duration(seconds: float) -> str:
    """Return a duration as a spec writes it."""
    return written(Amount(Decimal(round(seconds)), Unit.SECONDS))


def window_words(spec: Spec) -> str:
    """Return the entry's windows, which end with the `time` exits: `10:30 to 13:30`, or `10:00 and 11:00, for 5m`."""
    windows, last, session = windows_of(spec.entry), end_of_day(spec, full_session()), full_session()
    ends = [each.end for each in windows if each.end is not None]
    if not ends:
        return f"{' and '.join(str(each.start) for each in windows)}, for {duration(windows[0].lasts or 0.0)}"
    cut = [end if last is None or end.on(session) <= last.before_close(session) else last for end in ends]
    return " and ".join(f"{each.start} to {end}" for each, end in zip(windows, cut, strict=True))


def dates(sessions: Sequence[Session]) -> str:
    """Return dates in a row: `2026-11-27 and 2026-12-24`."""
    days = [str(session.date) for session in sessions]
    if len(days) > _SHOWN_DAYS:
        days = [*days[:_SHOWN_DAYS], f"{len(days) - _SHOWN_DAYS} more"]
    return " and ".join(filter(None, (", ".join(days[:-1]), days[-1])))
