"""Exits that may be true as soon as the position is open: it is closed again within seconds, for nothing but costs."""

from collections.abc import Iterable, Iterator
from math import inf

from rulebot.compile.lint.clauses import Reach, can_hold, legs_of, satisfiable
from rulebot.compile.lint.literals import TIME, Subject
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.ranges import Range, meet, stretch
from rulebot.compile.lint.reach import delta_chosen
from rulebot.compile.lint.rolls import MARKET, measures_of
from rulebot.compile.lint.wording import said
from rulebot.compile.plan import SINCE_ENTRY, LegPlan, Rule
from rulebot.compile.problem import Problem
from rulebot.compile.timing import WEEK_DAYS
from rulebot.model.contract import INDICES, OPENING_CLASSES
from rulebot.spec.nouns.legs import Bound, DteRule, Expiry, StrikeBy

_DAILY = frozenset((*INDICES, "SPY", "QQQ", "IWM"))
"""Underlyings of which options expire on each day of the week; of the others they surely do on Fridays."""
_FRIDAY, _WEEK, _MONTH = 4, 7, 28
"""A Friday among the days of a week, and after how many days something expires again, at least."""


def immediate_exits(look: LintContext) -> Iterator[Problem]:
    """Yield RB334 where an exit is true of strikes as they are asked for, or of an expiry that an entry may get."""
    for planned, rule in look.exit_rules():
        is_told = not can_hold([(rule.test, False)], look.places.opened, look.terms)
        if planned.armed_by or is_told or not can_hold([(rule.test, True)], look.places.open, look.terms):
            continue
        if _is_true(look, rule, None):
            yield _problem(look, rule, "the position is open, with strikes as asked for")
        elif (found := _on_some_days(look, rule)) is not None:
            days, place = found
            left = "the same day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
            yield _problem(
                look, rule, f"a position is open whose options expire {left}, and on a {_NAMES[place]} one may be"
            )


_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def _problem(look: LintContext, rule: Rule, when: str) -> Problem:
    message = f"{said(rule)} is true as soon as {when}: it would be closed at once"
    return Problem("RB334", look.marked(rule), message, "leave some room between what is entered and the exit")


def _is_true(look: LintContext, rule: Rule, days: int | None) -> bool:
    """Say whether a rule is true right after the fill, of strikes as asked for and so many days to expiry."""
    return not can_hold([(rule.test, False)], _as_asked(look, days), look.terms)


def _as_asked(look: LintContext, days: int | None) -> Reach:
    legs = look.plan.legs
    deltas = {leg.name: delta_chosen(leg.strike, 1.0) for leg in legs}
    distances = {leg.name: _distance(leg, legs) for leg in legs}

    def reach(subject: Subject) -> Range:
        found = look.places.opened(subject)
        if subject.of is not None:
            return found
        match subject.measure:
            case "leg_delta":
                return meet(found, stretch(max((deltas[name][0][0][0] for name in legs_of(subject)), default=0.0), 1.0))
            case "breach":
                return meet(found, stretch(-inf, min((distances[name] for name in legs_of(subject)), default=inf)))
            case "dte" if days is not None:
                return stretch(days, days)
            case _:
                return found

    return reach


def _distance(leg: LegPlan, legs: Iterable[LegPlan]) -> float:
    """Return how many points out of the money a strike is asked for, infinite where the market decides."""
    strike = leg.strike
    if strike.at_least_from_spot is not None or leg.not_below is not None or leg.not_above is not None:
        return inf
    if strike.by is StrikeBy.AT_LEG:
        return next((_distance(other, ()) for other in legs if other.name == strike.reference), inf)
    if strike.by is StrikeBy.AT_SPOT:
        return 0.0
    is_plain = strike.by is StrikeBy.OTM and not strike.is_percent and strike.bound is not Bound.AT_LEAST
    return float(strike.target) if is_plain and strike.target is not None else inf


def left_by_the_market(look: LintContext) -> Iterator[Problem]:
    """Yield RB352 where an exit looks at the market alone, and an entry may be made while it is true."""
    halted = [(rule.test, False) for rule in look.plan.risk.halt_when if rule.confirm is None]
    entering = [*((rule.test, True) for rule in look.entry_rules()), *halted]
    for planned, rule in look.exit_rules():
        halts = rule.path in [halt.path for halt in look.plan.risk.halt_when]
        if halts or planned.armed_by or planned.roll is not None or not _is_of_the_market(look, rule):
            continue
        if can_hold([*entering, (rule.test, True)], look.places.entry, look.terms):
            message = f"{said(rule)} may be true when the bot enters: what is opened then would be closed at once"
            yield Problem("RB352", look.marked(rule), message, "say the opposite under 'when', too")


def _is_of_the_market(look: LintContext, rule: Rule) -> bool:
    """Say whether the market alone, or with the clock, may make an exit true, whatever is held."""
    ways = satisfiable([(rule.test, True)], look.places.open, look.terms) or []
    return any(all(map(_is_no_part, way)) and set(way) != {TIME} for way in ways)


def _is_no_part(subject: Subject) -> bool:
    """Say whether a subject is none of what is held: a move since the entry is."""
    arguments = subject.arguments if isinstance(subject.arguments, tuple) else ()
    return MARKET.issuperset(measures_of(subject)) and ("since", SINCE_ENTRY) not in arguments


# ---------------------------------------------------------------- days to expiry


def _on_some_days(look: LintContext, rule: Rule) -> tuple[int, int] | None:
    """Return the days to expiry, and the place of the week day, of an entry of which a rule of days is true at once."""
    expiries = look.spec.legs.expiries
    if len(expiries) != 1:
        return None
    entering = [(each.test, True) for each in look.entry_rules()]
    for days, place in sorted(_chosen(look, expiries[0])):
        if _is_true(look, rule, days) and can_hold(entering, _with_days(look.places.entry, days), look.terms):
            return days, place
    return None


def _with_days(entry: Reach, days: int) -> Reach:
    return lambda subject: stretch(days, days) if subject.measure == "dte" else entry(subject)


def _chosen(look: LintContext, expiry: Expiry) -> set[tuple[int, int]]:
    """Return the days to expiry that an entry may get, each with the place of a week day on which it does."""
    enters = look.spec.entry.days or WEEK_DAYS
    places = [place for place, day in enumerate(WEEK_DAYS) if day in enters]
    lists = ((place, listed) for place in places for listed in _listed(look, expiry, place))
    return {(days, place) for place, listed in lists if (days := _taken(expiry, listed)) is not None}


def _listed(look: LintContext, expiry: Expiry, place: int) -> Iterator[list[int]]:
    """Yield the days to the expiries as they may be listed on a day of the week."""
    last = max(expiry.days) + 2 * _MONTH
    friday = (_FRIDAY - place) % _WEEK
    if expiry.is_monthly or expiry.trading_class in OPENING_CLASSES:
        yield from (list(range(first, last, _MONTH)) for first in range(friday, _MONTH, _WEEK))
        return
    symbols = set(look.spec.underlyings if look.spec.universe is None else look.spec.universe.symbols)
    if symbols & _DAILY:
        yield [ahead for ahead in range(last) if (place + ahead) % _WEEK <= _FRIDAY]
    if symbols - _DAILY:
        yield list(range(friday, last, _WEEK))


def _taken(expiry: Expiry, listed: list[int]) -> int | None:
    """Return which of the days listed the rule takes."""
    first, last = expiry.days[0], expiry.days[-1]
    if expiry.rule is DteRule.NEAREST:
        return min(listed, key=lambda days: (abs(days - first), days))
    least = 0 if expiry.rule is DteRule.AT_MOST else first
    most = inf if expiry.rule is DteRule.AT_LEAST else last
    fitting = [days for days in listed if least <= days <= most]
    return (max if expiry.is_latest else min)(fitting, default=None)
