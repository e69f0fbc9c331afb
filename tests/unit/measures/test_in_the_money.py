"""The probability that legs end in the money, compared with a sum over prices."""

from math import exp, pi, sqrt

import pytest

from rulebot.measure.reading import Reading, UnknownValue
from rulebot.measure.view import LegView, View
from rulebot.measures.volatility import ExpectedMoveView, outlook
from rulebot.model.contract import Right
from tests.unit.measures.market_view import CONTEXT, DAY, condor, option, read, view

PUT, CALL = Right.PUT, Right.CALL


def legs(at: View, *dealt: tuple[int, Right, int]) -> View:
    at.legs = tuple(
        LegView(f"leg{place}", option(k, right), -1, sign, 1) for place, (k, right, sign) in enumerate(dealt)
    )
    return at


def summed(market: ExpectedMoveView, below: float | None, above: float | None) -> float:
    """Add up the density of the price at expiry below one strike and above another, in small steps."""
    steps, reach, total = 40_000, 8.0, 0.0
    deviation = market.volatility * sqrt(market.years)
    for at in range(steps):
        z = -reach + (at + 0.5) * 2 * reach / steps
        price = market.forward * exp(deviation * z - deviation * deviation / 2.0)
        if (below is not None and price < below) or (above is not None and price > above):
            total += exp(-z * z / 2.0) / sqrt(2.0 * pi) * 2 * reach / steps
    return total


def of_sold(at: View) -> Reading:
    """Return the probability of the short legs, of all where none is short."""
    sold = tuple(leg.name for leg in at.legs if leg.sign < 0) or tuple(leg.name for leg in at.legs)
    return read(at, "probability_in_the_money", of=sold)


@pytest.mark.parametrize(
    ("dealt", "below", "above"),
    [
        ([(5950, PUT, -1), (5940, PUT, 1)], 5950, None),
        ([(5950, PUT, -1), (5940, PUT, 1), (6050, CALL, -1), (6060, CALL, 1)], 5950, 6050),
        ([(6000, CALL, 1), (6020, CALL, -1)], None, 6020),
        ([(6010, CALL, 1)], None, 6010),
        ([(5990, PUT, 1), (6010, CALL, 1)], 5990, 6010),
    ],
)
def test_beside_a_sum(dealt: list[tuple[int, Right, int]], below: float | None, above: float | None) -> None:
    at = legs(view(), *dealt)
    market = outlook(at, "SPX", DAY, 6000.0, CONTEXT)
    assert isinstance(market, ExpectedMoveView)
    found = of_sold(at)
    assert found == pytest.approx(summed(market, below, above), abs=2e-4)


def test_strikes_on_the_wrong_side_of_each_other_never_come_to_more_than_one() -> None:
    assert of_sold(legs(view(), (6050, PUT, -1), (5950, CALL, -1))) == 1.0


def test_each_leg_has_its_own_probability() -> None:
    at = condor(view())
    put, call = (read(at, "probability_in_the_money", of=(name,)) for name in ("short_put", "short_call"))
    assert isinstance(put, float)
    assert isinstance(call, float)
    assert of_sold(at) == pytest.approx(put + call)
    assert read(at, "probability_in_the_money", of=("long_put",)) < put  # type: ignore[operator]


def test_a_leg_that_is_closed_has_none() -> None:
    at = condor(view())
    at.legs = tuple(leg for leg in at.legs if leg.name != "short_put")
    found = read(at, "probability_in_the_money", of=("short_put",))
    assert isinstance(found, UnknownValue)
    assert found.reason == "no such leg is open"


def test_without_a_price_it_is_unknown() -> None:
    at = legs(view(), (5950, PUT, -1))
    at.board.last[at.board.rows[next(each for each in at.board.rows if each.symbol == "SPX")]] = float("nan")
    found = of_sold(at)
    assert isinstance(found, UnknownValue)
    assert found.reason == "SPX: no price"
