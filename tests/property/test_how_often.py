"""What `diff` says of two conditions, that one holds more often: so it is wherever numbers and the clock may stand."""

from datetime import timedelta
from itertools import product

from comparing import HOLDS
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

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
    Op,
    Quantity,
    Truth,
)
from rulebot.model.session import Anchor, DayTime, Session
from rulebot.review.change.rules import Implication, holding
from rulebot.wording.number import FULL_DAY, HALF_DAY

LEVELS = tuple(Call(name, (), Quantity.LEVEL) for name in ("vix", "gap", "move"))
"""Of these the last two are below 0 at times."""
SEEN = {"vix": (1.0, 2.5, 4.0), "gap": (-4.0, -1.5, 0.0, 1.0, 3.0), "move": (-4.5, -2.0, 0.0, 1.5, 3.5)}
factors = st.sampled_from((0.5, 1.0, 1.5, 2.0))


def multiple(factor: float, of: Call) -> Number:
    return of if factor == 1 else Arithmetic("*", (Constant(factor, Quantity.PLAIN), of), of.quantity)


@st.composite
def comparisons(draw: st.DrawFn, lefts: tuple[Call, ...] = LEVELS, ofs: tuple[Call, ...] = LEVELS) -> Truth:
    op, left = draw(st.sampled_from(sorted(HOLDS, key=str))), draw(st.sampled_from(lefts))
    low, high = sorted((draw(factors), draw(factors)))
    is_range = op in (Op.BETWEEN, Op.OUTSIDE)
    if draw(st.booleans()) or is_range:
        bounds = [Constant(each, Quantity.LEVEL) for each in (low, high)]
        return Compare(op, left, tuple(bounds if is_range else bounds[:1]))
    of = draw(st.sampled_from([each for each in ofs if each != left]))
    return Compare(op, left, (multiple(low, of),))


@st.composite
def times(draw: st.DrawFn) -> Truth:
    anchor, hours = draw(st.sampled_from(Anchor)), draw(st.sampled_from((0.5, 3, 3.5, 5)))
    since = {Anchor.CLOCK: 9.5 + hours, Anchor.OPEN: hours, Anchor.CLOSE: hours - 6.5}[anchor]
    return Holds(Call("time", (("at", DayTime(anchor, timedelta(hours=since))),), Quantity.TRUTH))


def groups(members: st.SearchStrategy[Truth]) -> st.SearchStrategy[Truth]:
    several = st.lists(members, min_size=1, max_size=3).map(tuple)
    kinds = (AllOf, AnyOf)
    grouped = [several.map(lambda found, kind=kind: kind(found, tuple("abc"[: len(found)]))) for kind in kinds]
    return st.one_of(*grouped, members.map(Not))


tests = st.recursive(st.one_of(comparisons(), times()), groups, max_leaves=4)


@st.composite
def edits(draw: st.DrawFn) -> tuple[Truth, Truth]:
    """Return a test and another one, most often about the same."""
    left, of = draw(st.permutations(LEVELS))[:2]
    alike = st.one_of(comparisons((left,), (of,)), comparisons((left,), (of,)), times())
    one = draw(st.one_of(alike, tests))
    other = draw(alike)
    return draw(st.sampled_from(((one, other), (Not(one), Not(other)), (one, AnyOf((other, one), ("a", "b"))))))


def number(found: Number, at: dict[str, float]) -> float:
    match found:
        case Constant(value):
            return value
        case Call(measure):
            return at[measure]
        case Arithmetic("*", (one, other), _):
            return number(one, at) * number(other, at)
    raise AssertionError(found)


def holds(test: Truth, at: dict[str, float], session: Session, after: timedelta) -> bool:
    match test:
        case Compare(op, left, right):
            bounds = [number(each, at) for each in right]
            return bool(HOLDS[op](number(left, at), bounds[0], bounds[-1]))
        case Holds(call):
            due = dict(call.arguments)["at"]
            assert isinstance(due, DayTime)
            return session.open + after >= due.before_close(session)
        case Not(member):
            return not holds(member, at, session, after)
        case AllOf(members):
            return all(holds(member, at, session, after) for member in members)
        case AnyOf(members):
            return any(holds(member, at, session, after) for member in members)
    raise AssertionError(test)


MOMENTS = [
    (dict(zip(SEEN, levels, strict=True)), session, timedelta(hours=hours))
    for levels in product(*SEEN.values())
    for session, ends in ((FULL_DAY, 6.5), (HALF_DAY, 3.5))
    for hours in (0.0, 1.0, 2.75, 3.25, 4.0, 6.0)
    if hours < ends
]


@settings(max_examples=tries(60))
@given(edits())
def test_a_test_that_is_said_to_hold_more_often_holds_whenever_the_other_does(edit: tuple[Truth, Truth]) -> None:
    old, new = edit
    found = holding(old, new)
    if found is Implication.OTHERWISE:
        return
    seen = {(holds(old, *moment), holds(new, *moment)) for moment in MOMENTS}
    assert found is Implication.OFTENER or (False, True) not in seen
    assert found is Implication.RARER or (True, False) not in seen


@settings(max_examples=tries(20))
@given(tests)
def test_a_test_in_other_words_is_said_to_hold_as_often(test: Truth) -> None:
    for same in (Not(Not(test)), AllOf((test,), ("one",)), AnyOf((test,), ("one",)), AnyOf((test, test), ("a", "b"))):
        assert holding(test, same) is holding(same, test) is Implication.SAME
