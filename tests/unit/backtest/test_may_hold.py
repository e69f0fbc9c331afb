"""Rules by arrays: what may be true, what is for sure, and what the engine says of the same numbers."""

from itertools import product

import numpy as np
import pytest

from rulebot.backtest.arrays import may_hold, surely_holds
from rulebot.compile.plan import AllOf, AnyOf, Call, Compare, Constant, Not, Op, Quantity
from rulebot.evaluate.rules import _HOLDS
from rulebot.measure.reading import Column, exact

VALUES = np.array([-0.3, 0.0, 0.1 + 0.2, 0.3, 0.3 + 5e-11, 0.3 + 5e-8, 0.3 - 5e-8, 0.35, 0.4, np.nan])
CALL = Call("vix", (), Quantity.LEVEL)


def at(bound: float) -> Constant:
    return Constant(bound, Quantity.LEVEL)


def measure(call: Call) -> Column | None:
    return Column(VALUES) if call.measure == "vix" else None


@pytest.mark.parametrize("op", [Op.ABOVE, Op.AT_LEAST, Op.BELOW, Op.AT_MOST, Op.BETWEEN, Op.BEYOND])
def test_what_is_sure_is_true_and_what_may_not_be_is_not(op: Op) -> None:
    test = Compare(op, CALL, (at(0.3), at(0.35)) if op is Op.BETWEEN else (at(0.3),))
    may, sure = may_hold(test, measure, VALUES.shape), surely_holds(test, measure, VALUES.shape)
    assert may is not None
    assert sure is not None
    for value, maybe, surely in zip(VALUES.tolist(), may.tolist(), sure.tolist(), strict=True):
        if value != value:
            assert not surely
            continue
        truth = _HOLDS[op](exact(value), 0.3, 0.35 if op is Op.BETWEEN else 0.3)
        assert surely <= truth <= maybe, value
    assert (may != sure).sum() <= 6
    assert may[8] == sure[8]


def test_equal_numbers_are_sure_but_for_the_noise_of_floats() -> None:
    """0.1 + 0.2 is 0.30000000000000004, and at least 0.3 as well as at most."""
    for op in (Op.AT_LEAST, Op.AT_MOST):
        sure = surely_holds(Compare(op, CALL, (at(0.3),)), measure, VALUES.shape)
        assert sure is not None
        assert sure[2:5].all()
    unround = surely_holds(Compare(Op.AT_LEAST, CALL, (at(0.3 + 0.4e-9),)), measure, VALUES.shape)
    assert unround is not None
    assert not unround[4]


def test_groups_are_sure_of_what_all_or_one_of_them_is() -> None:
    tests = [Compare(Op.AT_LEAST, CALL, (at(bound),)) for bound in (0.1, 0.3)]
    unknown = Compare(Op.ABOVE, Call("gap", (), Quantity.LEVEL), (at(1.0),))
    one, other = (surely_holds(test, measure, VALUES.shape) for test in tests)
    assert one is not None
    assert other is not None
    for group, wanted in ((AllOf, one & other), (AnyOf, one | other)):
        found = surely_holds(group(tuple(tests), ("a", "b")), measure, VALUES.shape)
        assert found is not None
        assert np.array_equal(found, wanted)
    assert surely_holds(AllOf((*tests, unknown), ("a", "b", "c")), measure, VALUES.shape) is None
    of_any = surely_holds(AnyOf((*tests, unknown), ("a", "b", "c")), measure, VALUES.shape)
    assert of_any is not None
    assert np.array_equal(of_any, one | other)
    assert surely_holds(Not(tests[0]), measure, VALUES.shape) is None


def test_what_is_the_same_at_all_instants_goes_with_what_changes() -> None:
    constant = Compare(Op.ABOVE, at(1.0), (at(0.0),))
    changing = Compare(Op.AT_LEAST, CALL, (at(0.3),))
    alone, one = may_hold(constant, measure, VALUES.shape), may_hold(changing, measure, VALUES.shape)
    assert alone is not None
    assert one is not None
    assert alone.shape == one.shape
    assert alone.all()
    for how in (may_hold, surely_holds):
        found = [how(group((constant, changing), ("a", "b")), measure, VALUES.shape) for group in (AllOf, AnyOf)]
        assert np.array_equal(found[0], how(changing, measure, VALUES.shape))
        assert np.array_equal(found[1], alone)
    assert may_hold(Compare(Op.ABOVE, Call("gap", (), Quantity.LEVEL), (at(1.0),)), measure, (3,)) is None


def test_many_bounds_at_once_are_as_many_tests() -> None:
    bounds = np.array([0.1, 0.3, 0.35])
    for op, how in product((Op.ABOVE, Op.AT_MOST), (may_hold, surely_holds)):
        together = how(Compare(op, CALL, (Constant(bounds[:, None], Quantity.LEVEL),)), measure, (3, len(VALUES)))  # type: ignore[arg-type]
        assert together is not None
        for row, bound in zip(together, bounds.tolist(), strict=True):
            assert np.array_equal(row, how(Compare(op, CALL, (at(bound),)), measure, VALUES.shape))
