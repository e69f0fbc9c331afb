"""Sets of numbers behave as sets, and what lint says can never hold never does."""

from comparing import HOLDS
from hypothesis import given
from hypothesis import strategies as st

from rulebot.compile.lint.comparisons import LinearTerms, can_hold
from rulebot.compile.plan import AllOf, AnyOf, Call, Compare, Constant, Not, Op, Quantity, Truth
from rulebot.compile.timing import full_session
from rulebot.measure.ranges import ALL, Range, compared, divided, meet, rest, shifted

TERMS = LinearTerms(full_session(), True)
NUMBERS = [number / 2 for number in range(-9, 10)]
MEASURES = ("vix", "vix9d")
numbers = st.sampled_from(NUMBERS)
pairs = st.tuples(numbers, numbers).map(sorted)
comparisons = st.one_of(
    st.tuples(st.sampled_from([Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST, Op.BEYOND]), numbers.map(lambda n: [n])),
    st.tuples(st.sampled_from([Op.BETWEEN, Op.OUTSIDE]), pairs),
)


def lies_in(number: float, found: Range) -> bool:
    return any(low <= (number, 0) <= high for low, high in found)


@given(comparisons, comparisons, numbers)
def test_ranges_are_sets(one: tuple[Op, list[float]], other: tuple[Op, list[float]], x: float) -> None:
    first, second = compared(*one), compared(*other)
    assert lies_in(x, first) is HOLDS[one[0]](x, one[1][0], one[1][-1])
    assert lies_in(x, meet(first, second)) is (lies_in(x, first) and lies_in(x, second))
    assert lies_in(x, rest(first)) is not lies_in(x, first)
    assert lies_in(3 - x, shifted(first, 3.0, mirrored=True)) is lies_in(x, first)
    assert lies_in(x / -2, divided(first, -2.0)) is lies_in(x, first)


def compare(measure: str, comparison: tuple[Op, list[float]]) -> Truth:
    call = Call(measure, (), Quantity.LEVEL)
    return Compare(comparison[0], call, tuple(Constant(number, Quantity.LEVEL) for number in comparison[1]))


def groups(members: st.SearchStrategy[Truth]) -> st.SearchStrategy[Truth]:
    several = st.lists(members, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        several.map(lambda found: AllOf(found, ("",) * len(found))),
        several.map(lambda found: AnyOf(found, ("",) * len(found))),
        members.map(Not),
    )


tests = st.recursive(st.builds(compare, st.sampled_from(MEASURES), comparisons), groups, max_leaves=6)


def holds(test: Truth, at: dict[str, float]) -> bool:
    match test:
        case Compare(op, Call(measure), bounds):
            values = [bound.value for bound in bounds if isinstance(bound, Constant)]
            return HOLDS[op](at[measure], values[0], values[-1])
        case AllOf(members):
            return all(holds(member, at) for member in members)
        case AnyOf(members):
            return any(holds(member, at) for member in members)
        case Not(member):
            return not holds(member, at)
        case _:
            raise AssertionError(test)


@given(tests)
def test_what_can_hold_holds_somewhere_and_nothing_else_does(test: Truth) -> None:
    # Between any two bounds that were drawn lies a quarter, so trying all quarters misses nothing.
    tried = [number / 4 for number in range(-20, 21)]
    somewhere = any(holds(test, {"vix": x, "vix9d": y}) for x in tried for y in tried)
    assert can_hold([(test, True)], lambda _: ALL, TERMS) is somewhere
