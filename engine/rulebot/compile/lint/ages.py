"""A `max_age` that makes nothing older: of the clock, of finished bars, of the account."""

from collections.abc import Iterator

from rulebot.compile.lint.look import LintContext
from rulebot.compile.measures.measure import WITH_AN_ENTRY
from rulebot.compile.plan import Plan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.reads import calls_of
from rulebot.compile.vocabulary import MEASURES


def ineffective_max_age(look: LintContext) -> Iterator[Problem]:
    """Yield RB305 for each `max_age` of a condition of which no measure reads quotes whose age it could limit."""
    for rule in _rules(look.plan):
        measures = sorted({call.measure for call in calls_of(rule.test)})
        if rule.max_age is None or any(_has_an_age(measure) for measure in measures):
            continue
        named = " and ".join(f"'{measure}'" for measure in measures)
        message = f"'max_age' does nothing here: {named} {_why(measures)}"
        yield Problem("RB305", (*rule.path, "max_age"), message, "remove it", None, True)


def _rules(plan: Plan) -> Iterator[Rule]:
    yield from (*plan.entry.when, *plan.require, *plan.risk.halt_when, *plan.risk.require)
    for planned in plan.exits:
        yield from (*planned.armed_by, *(() if planned.rule is None else (planned.rule,)))


def _has_an_age(measure: str) -> bool:
    """What is of all positions is added up once, for all conditions."""
    found = MEASURES[measure]
    return found.max_age is not None and not found.places <= WITH_AN_ENTRY


def _why(measures: list[str]) -> str:
    if any(MEASURES[measure].max_age is not None for measure in measures):
        return "is of all positions together, whose quotes count for as long as they always do"
    return "is read from no quote that could be too old"
