"""Events that no calendar knows, calendars that run out, and blackouts that end long before the position does."""

import re
from collections.abc import Iterator, Mapping

from rulebot.compile.lint.lint_context import LintContext
from rulebot.compile.problem import Problem, did_you_mean
from rulebot.compile.timing import outlives_its_day
from rulebot.model.economic_calendar import calendars_of, expiry_warnings
from rulebot.model.facts import EventCalendar
from rulebot.spec.nouns import Argument, Condition, DteRule, Expiry, ExpressionTest, Group, GroupKind, MeasureTest, Path
from rulebot.spec.spec import Spec

LONG = 7
"""Days to expiry from which an event of today is the least of those that may come."""
_EVENTS = ("event", "no_event")
_CALLED = re.compile(r"\b(?:no_)?event\s*\(([^)]*)\)")

Named = tuple[str, Path]
"""The name of an event, and where it stands."""


def unknown_events(look: LintContext) -> Iterator[Problem]:
    """Yield RB314 for events without a calendar, RB315 for calendars whose published dates end within 30 days."""
    named = list(_named(look.spec))
    if look.outside is None or not named:
        return
    calendar, told = look.outside.calendars(), set[str]()
    for name, path in named:
        for found in calendars_of((name,), look.spec.underlyings):
            if found not in calendar.published_until:
                yield _without_calendar(found, path, calendar)
            elif found not in told:
                told.add(found)
                for words in expiry_warnings(calendar, look.outside.today, (found,)):
                    message, _, help_text = words.partition(". ")
                    yield Problem("RB315", path, message, help_text)


def _without_calendar(name: str, path: Path, calendar: EventCalendar) -> Problem:
    message = f"no calendar has the event '{name}': it is unknown, and unknown never enters"
    likely = did_you_mean(name, tuple(calendar.published_until))
    return Problem("RB314", path, message, f"{likely}; or bring one: rulebot events import FILE (docs/events.md)")


def _named(spec: Spec) -> Iterator[Named]:
    for conditions in (spec.entry.when, spec.legs.require, spec.risk.halt_when, spec.risk.require):
        for condition in conditions:
            yield from _in_condition(condition)
    for rule in spec.exits:
        if rule.condition is not None:
            yield from _in_condition(rule.condition)


def _in_condition(condition: Condition) -> Iterator[Named]:
    match condition.test:
        case Group(members=members):
            for member in members:
                yield from _in_condition(member)
        case MeasureTest(measure=measure, arguments=arguments, path=path) if measure in _EVENTS:
            yield from _in_arguments(arguments, path)
        case ExpressionTest(text=text, path=path):
            for names in _CALLED.findall(text):
                yield from ((name.strip(), path) for name in names.split(",") if name.strip())
        case _:
            return


def _in_arguments(arguments: Mapping[str, Argument], path: Path) -> Iterator[Named]:
    """A list alone stands right behind the measure, else under `of`."""
    of = arguments.get("of")
    names, below = (of, path if len(arguments) == 1 else (*path, "of")) if isinstance(of, tuple) else ((str(of),), path)
    yield from ((name, (*below, at)) for at, name in enumerate(names))


# ---------------------------------------------------------------- a blackout of today


def too_short_blackouts(look: LintContext) -> Iterator[Problem]:
    """Yield RB313 where only today's events keep a position of weeks out."""
    expiry = look.spec.legs.nearest
    if expiry.rule is DteRule.AT_MOST or expiry.days[0] < LONG or not outlives_its_day(look.spec):
        return
    for condition in look.spec.entry.when:
        for test in _blackouts(condition, wanted=True):
            names = _listed(test)
            if not calendars_of(names.split(", "), look.spec.underlyings):
                continue
            message = f"this looks for {names} today only, and the position may live for {_lasting(expiry)}"
            help_text = f"'{{of: [{names}], until: expiry}}' looks as far as the position lives"
            yield Problem("RB313", test.path, message, help_text)


def _lasting(expiry: Expiry) -> str:
    days = " to ".join(str(day) for day in expiry.days)
    return {DteRule.NEAREST: f"about {days} days", DteRule.AT_LEAST: f"{days} days or more"}.get(
        expiry.rule, f"{days} days"
    )


def _blackouts(condition: Condition, *, wanted: bool) -> Iterator[MeasureTest]:
    """Yield the tests that keep entries out on the day of an event, and only then."""
    test = condition.test
    if isinstance(test, Group):
        for member in test.members:
            yield from _blackouts(member, wanted=wanted is not (test.kind is GroupKind.NOT))
    elif isinstance(test, MeasureTest) and test.measure == ("no_event" if wanted else "event"):
        yield from () if test.arguments.keys() & {"before", "after", "until"} else (test,)


def _listed(test: MeasureTest) -> str:
    of = test.arguments.get("of")
    return ", ".join(of) if isinstance(of, tuple) else str(of)


# --- What lint says of learned models

UNDERLYING = "underlying"
"""The key in `trained` of a model file that says on what it was trained; older files do not have it."""


def trained_elsewhere(look: LintContext) -> Iterator[Problem]:
    """Yield RB347 for each model that was trained on another underlying than the one it reads.

    With a universe it reads several, and was trained on one of them at most: that is meant.
    """
    spec = look.spec
    for condition in look.conditions.values() if spec.universe is None else ():
        test = condition.test
        if not isinstance(test, MeasureTest) or test.measure != "model":
            continue
        file, of = str(test.arguments.get("file")), str(test.arguments.get("of", spec.underlyings[0]))
        model = spec.models.get(file)
        trained_on = of if model is None else model.trained.get(UNDERLYING, of)
        if trained_on != of:
            message = f"'{file}' was trained on {trained_on}, and here it reads {of}"
            help_text = f"train one on {of} ('rulebot train'), or accept it if that is meant"
            yield Problem("RB347", (*test.path, "file"), message, help_text)
