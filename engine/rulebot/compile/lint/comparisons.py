"""One comparison as a subject and the numbers it lets through, however it was written.

`vix: {below: 12}`, `not: {vix: {at_least: 12}}` and `expr: 12 > vix` say the same of one subject. So do a cost and a
profit: bought back at 2x the credit is a loss of 100%. Other tests are separate subjects, true or false.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from math import inf
from typing import NamedTuple

from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Not,
    Number,
    Quantity,
    Text,
    Truth,
)
from rulebot.measure.definition import Combine, Measure
from rulebot.measure.ranges import ALL, NONE, TRUE, Range, compared, divided, meet, rest, shifted, stretch
from rulebot.measures.registry import MEASURES
from rulebot.model.session import DayTime, Session
from rulebot.model.values import dataclass
from rulebot.spec.nouns import Op

# --- One comparison as a subject and the numbers it lets through, however it was written

_FLIPPED = {Op.ABOVE: Op.BELOW, Op.AT_LEAST: Op.AT_MOST, Op.BELOW: Op.ABOVE, Op.AT_MOST: Op.AT_LEAST}


class Subject(NamedTuple):
    """The subject of a test: a measure, maybe as a multiple of another. `measure` is "" for a true-or-false one.

    The gain of a position is one subject for profit, loss, cost and value: "gain" is a part of the entry price, "gain
    in dollars" and "gain in risk" (a part of the worst case) are subjects of their own. A "difference" is a measure
    less a multiple of one that may be below 0.
    """

    measure: str
    quantity: Quantity
    arguments: Hashable = ()
    of: Call | None = None

    @property
    def given(self) -> Mapping[str, object]:
        """The arguments by name; none for a difference or a true-or-false subject."""
        arguments = self.arguments if isinstance(self.arguments, tuple) else ()
        return dict(pair for pair in arguments if isinstance(pair, tuple))


Literal = tuple[Subject, Range]
Linear = tuple[float, Call | None]
"""A number as a multiple of a measure, or as a constant."""

TIME = Subject("time", Quantity.SECONDS)
"""Seconds since the open of the session."""
KIND = Subject("session", Quantity.TEXT)
_SETTLED = Subject("constant", Quantity.TRUTH)


@dataclass(frozen=True, slots=True)
class LinearTerms:
    """How tests are read: on which session, and whether exits only ever close the whole position.

    A part that was closed changes what `profit` is a part of, and leaves the credit as it was; then the two differ.
    """

    session: Session
    is_whole: bool


def literal(test: Compare | Holds, terms: LinearTerms) -> Literal:
    """Return the subject of a test, and where the subject is when the test is true."""
    if isinstance(test, Holds):
        return _held(test, terms)
    if test.op is Op.IS and isinstance(test.right[0], Text) and isinstance(test.left, Call):
        call, word = test.left, test.right[0].value
        if (measure := MEASURES[call.measure]).is_name:
            return Subject("", Quantity.TRUTH, test), TRUE
        return Subject(call.measure, Quantity.TEXT, call.arguments), stretch(*measure.numbers_of(word))
    return _compared(test, terms) or (Subject("", Quantity.TRUTH, test), TRUE)


# ---------------------------------------------------------------- true or false without a comparison


def _held(test: Holds, terms: LinearTerms) -> Literal:
    call = test.call
    arguments = dict(call.arguments)
    match call.measure:
        case "time" if isinstance(arguments["at"], DayTime):
            return TIME, stretch(seconds_into(arguments["at"], terms.session), inf)
        case "breach":
            return _breach(arguments)
        case "no_event" | "event":
            found = TRUE if call.measure == "event" else stretch(0.0, 0.0)
            return Subject("event", Quantity.TRUTH, call.arguments), found
        case _:
            return Subject("", Quantity.TRUTH, call), TRUE


def seconds_into(at: DayTime, session: Session) -> float:
    """Return a time of day as seconds since the open; like a time exit it moves with an early close."""
    return (at.before_close(session) - session.open).total_seconds()


def _breach(arguments: Mapping[str, object]) -> Literal:
    """The points from spot to the nearest strike on its safe side, negative when spot is past it."""
    subject = Subject("breach", Quantity.POINTS, (("of", arguments["of"]),))
    if "spot_within" in arguments:
        return subject, stretch(-inf, float(str(arguments["spot_within"])))
    return subject, stretch(-inf, -float(str(arguments["spot_beyond"])), high_open=True)


# ---------------------------------------------------------------- compared


def _compared(test: Compare, terms: LinearTerms) -> Literal | None:
    op, sides = test.op, linear_sides(test)
    if sides is None:
        return None
    left, right = sides
    if (settled := _settled(op, left, right)) is not None:
        return _SETTLED, settled
    if left[1] is None and len(right) == 1 and op in _FLIPPED:
        op, left, right = _FLIPPED[op], right[0], [left]
    (factor, call), of = left, right[0][1]
    if call is None or not factor or (op is Op.BEYOND and factor < 0) or len({each[1] for each in right}) > 1:
        return None
    if of is not None and MEASURES[of.measure].is_signed:
        return _difference(op, left, right)
    passing = divided(compared(op, [number for number, _ in right]), factor)
    return _gain(Subject(call.measure, call.quantity, call.arguments, of), passing, terms)


def linear_sides(test: Compare) -> tuple[Linear, list[Linear]] | None:
    """Return both sides of a comparison, its bounds in a list; None where one of them is not linear."""
    left, right = linear(test.left), [found for bound in test.right if (found := linear(bound)) is not None]
    return (left, right) if left is not None and len(right) == len(test.right) else None


def _settled(op: Op, left: Linear, right: list[Linear]) -> Range | None:
    """Return all or nothing for a test of constants, or of a measure with itself; None if the market decides."""
    factor, call = left
    numbers = [number for number, each in right if each == call]
    if len(numbers) < len(right):
        return None
    if call is not None and (op is Op.BEYOND or any(number != factor for number in numbers)):
        return None
    if call is not None:
        factor, numbers = 0.0, [0.0 for _ in numbers]
    return ALL if meet(stretch(factor, factor), compared(op, numbers)) else NONE


def _difference(op: Op, left: Linear, bounds: list[Linear]) -> Literal | None:
    """A comparison with a multiple whose sign may change: a larger multiple may then be the lower bound."""
    if len(bounds) > 1 or op is Op.BEYOND:
        return None
    return Subject("difference", Quantity.TRUTH, (*left, *bounds[0])), compared(op, [0.0])


def linear(number: Number) -> Linear | None:
    match number:
        case Constant(value):
            return value, None
        case Call():
            return 1.0, number
        case Arithmetic("neg", (one,)) if (found := linear(one)) is not None:
            return -found[0], found[1]
        case Arithmetic("*" | "/" as operator, (one, other)):
            return _product(operator, linear(one), linear(other))
        case _:
            return None


def _product(operator: str, one: Linear | None, other: Linear | None) -> Linear | None:
    if one is None or other is None:
        return None
    if operator == "/":
        return (one[0] / other[0], one[1]) if other[1] is None and other[0] else None
    if one[1] is not None and other[1] is not None:
        return None
    return one[0] * other[0], one[1] or other[1]


# ---------------------------------------------------------------- profit, loss, cost and value are one


def _gain(subject: Subject, passing: Range, terms: LinearTerms) -> Literal:
    if subject.measure not in ("profit", "loss", "cost", "value") or subject.given.keys() - {"at"}:
        return subject, passing
    at = subject.arguments
    mirrored = subject.measure in ("loss", "value")
    basis = subject.of.measure if subject.of is not None else ""
    match subject.measure, subject.quantity, basis:
        case "profit" | "loss", Quantity.FRACTION, "":
            return Subject("gain", Quantity.FRACTION, at), shifted(passing, 0.0, mirrored=mirrored)
        case "profit" | "loss", Quantity.DOLLARS, "":
            return Subject("gain in dollars", Quantity.DOLLARS, at), shifted(passing, 0.0, mirrored=mirrored)
        case "profit" | "loss", _, "max_risk":
            return Subject("gain in risk", Quantity.FRACTION, at), shifted(passing, 0.0, mirrored=mirrored)
        case "cost" | "value", _, "":
            return Subject("cost", Quantity.PRICE, at), shifted(passing, 0.0, mirrored=mirrored)
        case "cost", _, "credit" if terms.is_whole:
            return Subject("gain", Quantity.FRACTION, at), shifted(passing, 1.0, mirrored=True)
        case "value", _, "debit" if terms.is_whole:
            return Subject("gain", Quantity.FRACTION, at), shifted(passing, -1.0)
        case _:
            return subject, passing


# --- Whether several tests can be true together, by what each lets through of every subject

Clause = Mapping[Subject, Range]
"""Where each subject is, all of it at once."""
Reach = Callable[[Subject], Range]
"""The values that a subject can have in the place that is checked."""

MOST_CLAUSES = 256
"""With more combinations than this nothing is claimed."""


class TooMany(Exception):
    """The tests combine in more ways than are looked at."""


def satisfiable(tests: Iterable[tuple[Truth, bool]], reach: Reach, terms: LinearTerms) -> list[Clause] | None:
    """Return the ways in which all tests come out as wanted, empty when never; None when it is unknown."""
    try:
        found: list[Clause] = [{}]
        for test, wanted in tests:
            found = _both(found, _clauses(test, wanted, terms))
    except TooMany:
        return None
    return [clause for clause in found if not contradictory(clause, reach)]


def can_hold(tests: Iterable[tuple[Truth, bool]], reach: Reach, terms: LinearTerms) -> bool:
    """Return whether there may be a moment at which all tests come out as wanted."""
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
    """Let the bounds of some legs limit those of more: the nearest of two strikes is no further than one."""
    found = dict(clause)
    combined = {each: measure.combine for each in found if (measure := measure_of(each))}
    several = [each for each, combine in combined.items() if combine is not None and legs_of(each)]
    for few in several:
        for many in several:
            if few != many and _is_alike(few, many) and legs_of(few) < legs_of(many):
                downward = combined[few] is Combine.LEAST
                found[many] = meet(found[many], _unbounded_on_one_side(found[few], below=downward))
                found[few] = meet(found[few], _unbounded_on_one_side(found[many], below=not downward))
    return found


def measure_of(subject: Subject) -> Measure | None:
    """Return the measure of a subject, None for what is only true or false, and for a gain."""
    return MEASURES.get(subject.measure)


def legs_of(subject: Subject) -> frozenset[str]:
    """Return the legs, or the events, that a subject is about; none when it is about no several."""
    of = subject.given.get("of")
    return frozenset(of) if isinstance(of, tuple) else frozenset()


def _is_alike(one: Subject, other: Subject) -> bool:
    alike = ((each.measure, each.quantity, each.of, _others(each)) for each in (one, other))
    return next(alike) == next(alike)


def _others(subject: Subject) -> tuple[object, ...]:
    return tuple(pair for pair in subject.given.items() if pair[0] != "of")


def _unbounded_on_one_side(found: Range, *, below: bool) -> Range:
    """Return everything up to the highest of it, or from the lowest of it on."""
    if not found:
        return NONE
    low, high = found[0][0], found[-1][1]
    return ((ALL[0][0], high),) if below else ((low, ALL[0][1]),)
