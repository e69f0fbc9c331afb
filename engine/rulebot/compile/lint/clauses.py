"""Whether several tests can be true together, by what each lets through of every subject."""

from collections.abc import Callable, Iterable, Mapping

from rulebot.compile.lint.literals import LinearTerms, Subject, literal
from rulebot.compile.lint.ranges import ALL, NONE, Range, meet, rest
from rulebot.compile.plan import AllOf, AnyOf, Not, Truth

Clause = Mapping[Subject, Range]
"""Where each subject is, all of it at once."""
Reach = Callable[[Subject], Range]
"""Where a subject can be at all, in the place that is looked at."""

MOST_CLAUSES = 256
"""Beyond so many combinations nothing is claimed."""

_MORE_LEGS = {
    **{"breach": -1, "volume": -1, "open_interest": -1, "quote_width": 1, "event": 1},
    **dict.fromkeys(("leg_delta", "leg_gamma", "leg_theta", "leg_vega", "probability_in_the_money"), 1),
}
"""Measures of the worst of several: with more of them it only goes down (-1) or up."""


class TooMany(Exception):
    """The tests combine in more ways than are looked at."""


def satisfiable(tests: Iterable[tuple[Truth, bool]], reach: Reach, terms: LinearTerms) -> list[Clause] | None:
    """Return the ways in which all tests come out as wanted, none when they never do; None when nobody can say."""
    try:
        found: list[Clause] = [{}]
        for test, wanted in tests:
            found = _both(found, _clauses(test, wanted, terms))
    except TooMany:
        return None
    return [clause for clause in found if not contradictory(clause, reach)]


def can_hold(tests: Iterable[tuple[Truth, bool]], reach: Reach, terms: LinearTerms) -> bool:
    """Say whether there may be a moment at which all tests come out as wanted."""
    return satisfiable(tests, reach, terms) != []


def contradictory(clause: Clause, reach: Reach) -> tuple[Subject, ...]:
    """Return the subjects that cannot be where the clause needs them."""
    placed = {subject: meet(found, reach(subject)) for subject, found in clause.items()}
    return tuple(subject for subject, found in _nested(placed).items() if not found)


def _clauses(test: Truth, wanted: bool, terms: LinearTerms) -> list[Clause]:
    if isinstance(test, Not):
        return _clauses(test.member, not wanted, terms)
    if isinstance(test, AllOf | AnyOf):
        members = [_clauses(member, wanted, terms) for member in test.members]
        if isinstance(test, AllOf) is not wanted:
            return [clause for found in members for clause in found]
        joined: list[Clause] = [{}]
        for found in members:
            joined = _both(joined, found)
        return joined
    subject, passing = literal(test, terms)
    return [{subject: passing if wanted else rest(passing)}]


def _both(one: list[Clause], other: list[Clause]) -> list[Clause]:
    if len(one) * len(other) > MOST_CLAUSES:
        raise TooMany
    return [_joined(first, second) for first in one for second in other]


def _joined(one: Clause, other: Clause) -> Clause:
    found = {**one, **other}
    for subject in one.keys() & other.keys():
        found[subject] = meet(one[subject], other[subject])
    return found


# ---------------------------------------------------------------- of some legs, and of more


def _nested(clause: Mapping[Subject, Range]) -> dict[Subject, Range]:
    """Let what is known of some legs bound what is known of more: the nearest of two strikes is no further than one."""
    found = dict(clause)
    several = [subject for subject in found if subject.measure in _MORE_LEGS and legs_of(subject)]
    for few in several:
        for many in several:
            if few != many and _is_alike(few, many) and legs_of(few) < legs_of(many):
                downward = _MORE_LEGS[few.measure] < 0
                found[many] = meet(found[many], _beside(found[few], below=downward))
                found[few] = meet(found[few], _beside(found[many], below=not downward))
    return found


def legs_of(subject: Subject) -> frozenset[str]:
    """Return the legs, or the events, that a subject is about; none when it is about no several."""
    arguments = dict(subject.arguments) if isinstance(subject.arguments, tuple) else {}
    of = arguments.get("of")
    return frozenset(of) if isinstance(of, tuple) else frozenset()


def _is_alike(one: Subject, other: Subject) -> bool:
    alike = ((each.measure, each.quantity, each.of, _others(each)) for each in (one, other))
    return next(alike) == next(alike)


def _others(subject: Subject) -> tuple[object, ...]:
    arguments = subject.arguments if isinstance(subject.arguments, tuple) else ()
    return tuple(pair for pair in arguments if pair[0] != "of")


def _beside(found: Range, *, below: bool) -> Range:
    """Return everything up to the highest of it, or from the lowest of it on."""
    if not found:
        return NONE
    low, high = found[0][0], found[-1][1]
    return ((ALL[0][0], high),) if below else ((low, ALL[0][1]),)
