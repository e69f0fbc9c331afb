"""Whether an exit can be true for as long, or as often, as its `confirm` asks."""

from math import inf

from rulebot.compile.lint.clauses import Clause, satisfiable
from rulebot.compile.lint.literals import TIME, LinearTerms, Subject
from rulebot.compile.lint.reach import Places
from rulebot.compile.plan import Quantity, Rule

BETWEEN_READINGS = 1.0
"""Seconds from one reading that counts to the next: each is on newer quotes of all that is read."""
_LASTING = Subject("time_in_trade", Quantity.SECONDS)


def is_too_long(rule: Rule, terms: LinearTerms, places: Places) -> bool:
    """Say whether an exit that may be true is never so for long enough."""
    return asked_of(rule) > most_seconds(rule, terms, places)


def asked_of(rule: Rule) -> float:
    """Return the seconds for which a rule has to be true, at the least."""
    confirm = rule.confirm
    if confirm is None:
        return 0.0
    return (confirm.seconds or 0.0) if confirm.quotes is None else (confirm.quotes - 1) * BETWEEN_READINGS


def most_seconds(rule: Rule, terms: LinearTerms, places: Places) -> float:
    """Return for how long an exit can be true at a stretch: while a position lasts, from a time of day to the close."""
    ways = satisfiable([(rule.test, True)], places.open, terms)
    lasting = places.open(_LASTING)[-1][1][0]
    return lasting if ways is None else max((min(lasting, _left(way, terms)) for way in ways), default=0.0)


def _left(way: Clause, terms: LinearTerms) -> float:
    """Return the seconds that a way of being true leaves of a session; infinite where it asks for no time of day."""
    if not way.get(TIME):
        return inf
    day = (terms.session.close - terms.session.open).total_seconds()
    return day - way[TIME][0][0][0]
