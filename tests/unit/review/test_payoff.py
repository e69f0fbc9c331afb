"""The payoff at expiry: corners, break-evens, best and worst, held against the model's own worst case."""

from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from rulebot.model.contract import Option, Right
from rulebot.model.payoff import worst_case
from rulebot.model.position import PositionLeg
from rulebot.review.payoff import break_evens, loss_words, payoff_of, payoff_svg, profit_words

DAY = date(2026, 11, 18)


def leg(sign: int, strike: int, right: Right, *, ratio: int = 1, symbol: str = "SPX") -> PositionLeg:
    option = Option(symbol, symbol, DAY, Decimal(strike), right)
    return PositionLeg(name=f"{sign}{strike}", option=option, sign=sign, ratio=ratio, opened=ratio)


CONDOR = (
    leg(1, 5940, Right.PUT),
    leg(-1, 5950, Right.PUT),
    leg(-1, 6050, Right.CALL),
    leg(1, 6060, Right.CALL),
)


def test_the_payoff_of_a_condor_has_two_break_evens() -> None:
    found = payoff_of(CONDOR, [("SPX", 6000)], Decimal(100))
    assert (found.best, found.worst) == (Decimal(100), Decimal(-900))
    assert found.break_evens == (Decimal("5949.00"), Decimal("6051.00"))
    assert [made for _, made in found.points] == [-900, -900, 100, 100, -900, -900]


def test_a_bought_call_has_no_best_and_a_sold_one_no_worst() -> None:
    bought = payoff_of((leg(1, 6000, Right.CALL),), [("SPX", 6000)], Decimal(-500))
    sold = payoff_of((leg(-1, 6000, Right.CALL),), [("SPX", 6000)], Decimal(500))
    assert (bought.best, bought.worst, bought.break_evens) == (None, Decimal(-500), (Decimal("6005.00"),))
    assert (sold.best, sold.worst) == (Decimal(500), None)
    assert (profit_words(bought), loss_words(sold)) == ("max profit without a bound", "max loss without a bound")


def test_break_evens_far_from_the_strikes_are_found_and_drawn() -> None:
    straddle = payoff_of((leg(-1, 6000, Right.PUT), leg(-1, 6000, Right.CALL)), [("SPX", 6000)], Decimal(26000))
    assert straddle.break_evens == (Decimal(5740), Decimal(6260))
    put = payoff_of((leg(-1, 100, Right.PUT, symbol="XYZ"),), [("XYZ", 120)], Decimal(9000))
    assert put.break_evens == (Decimal(10),)
    for found in (straddle, put):
        assert found.points[0][0] < found.break_evens[0] <= found.break_evens[-1] < found.points[-1][0]


def test_a_put_loses_most_at_zero() -> None:
    found = payoff_of((leg(-1, 100, Right.PUT, symbol="XYZ"),), [("XYZ", 100)], Decimal(300))
    assert found.worst == Decimal(-9700)


def test_two_underlyings_are_drawn_together_and_bound_nothing() -> None:
    legs = (leg(1, 6000, Right.CALL), leg(-1, 600, Right.CALL, ratio=10, symbol="SPY"))
    found = payoff_of(legs, [("SPX", 6000), ("SPY", 600)], Decimal(400))
    assert {made for _, made in found.points} == {Decimal(400)}
    assert (found.best, found.worst, found.assumed) == (None, None, "SPY at SPX x 0.1")


def test_a_line_that_touches_zero_breaks_even_once() -> None:
    line = [(Decimal(1), Decimal(-5)), (Decimal(2), Decimal(0)), (Decimal(3), Decimal(5))]
    assert break_evens(line) == (Decimal(2),)


def test_a_line_that_lies_on_zero_breaks_even_where_it_leaves_it() -> None:
    found = payoff_of((leg(-1, 90, Right.CALL), leg(-1, 106, Right.CALL)), [("SPX", 100)], Decimal(0))
    assert found.break_evens == (Decimal(90),)


legs = st.lists(
    st.builds(
        leg,
        st.sampled_from([-1, 1]),
        st.integers(90, 110),
        st.sampled_from(list(Right)),
        ratio=st.integers(1, 3),
        symbol=st.just("XYZ"),
    ),
    min_size=1,
    max_size=6,
)


@given(legs, st.integers(-500, 500))
def test_the_worst_is_that_of_the_model_and_every_break_even_is_one(held: list[PositionLeg], net: int) -> None:
    found = payoff_of(held, [("XYZ", 100)], Decimal(net))
    parts = [(each.option, each.signed_held) for each in held]
    expected = worst_case(parts, Decimal(net) / 100)
    assert (found.worst is None) == (expected is None)
    if found.worst is not None and expected is not None:
        assert max(-found.worst, Decimal(0)) == expected * 100
    first, last = found.points[0][0], found.points[-1][0]
    assert all(first <= price <= last for price in found.break_evens)
    assert first <= found.spot <= last
    if (found.best is None or found.best > 0) and (found.worst is None or found.worst < 0):
        assert found.break_evens
    assert payoff_svg(found).startswith("<svg")
