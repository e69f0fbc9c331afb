"""The probability that what is sold ends in the money, held against a sum over prices."""

from math import exp, pi, sqrt

import pytest

from engine.evaluate.measure_volatility import Outlook, outlook
from engine.evaluate.reading import Unknown
from engine.evaluate.snapshot import LegView, View
from engine.model.contract import Right, share
from engine.run.scan.in_the_money import probability_in_the_money
from tests.unit.evaluate.market_view import CONTEXT, DAY, condor, option, view

PUT, CALL = Right.PUT, Right.CALL


def legs(at: View, *dealt: tuple[int, Right, int]) -> View:
    at.legs = tuple(
        LegView(f"leg{place}", option(k, right), -1, sign, 1) for place, (k, right, sign) in enumerate(dealt)
    )
    return at


def summed(market: Outlook, below: float | None, above: float | None) -> float:
    """Add up the density of the price at expiry below one strike and above another, in small steps."""
    steps, reach, total = 40_000, 8.0, 0.0
    deviation = market.volatility * sqrt(market.years)
    for at in range(steps):
        z = -reach + (at + 0.5) * 2 * reach / steps
        price = market.forward * exp(deviation * z - deviation * deviation / 2.0)
        if (below is not None and price < below) or (above is not None and price > above):
            total += exp(-z * z / 2.0) / sqrt(2.0 * pi) * 2 * reach / steps
    return total


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
    assert isinstance(market, Outlook)
    found = probability_in_the_money(at, CONTEXT)
    assert found == pytest.approx(summed(market, below, above), abs=2e-4)


def test_strikes_on_the_wrong_side_of_each_other_never_come_to_more_than_one() -> None:
    assert probability_in_the_money(legs(view(), (6050, PUT, -1), (5950, CALL, -1)), CONTEXT) == 1.0


def test_shares_have_no_strike_and_two_underlyings_no_answer() -> None:
    at = condor(view())
    alone = probability_in_the_money(at, CONTEXT)
    at.legs = (*at.legs, LegView("stock", share("SPX"), -1, 1, 1))
    assert probability_in_the_money(at, CONTEXT) == alone
    at.legs = (*at.legs, LegView("other", option(600, CALL, "SPY"), -1, 1, 1))
    assert probability_in_the_money(at, CONTEXT) == Unknown("of one underlying only")
    at.legs = (LegView("stock", share("SPX"), -1, 1, 1),)
    assert probability_in_the_money(at, CONTEXT) == Unknown("no option")


def test_without_a_price_it_is_unknown() -> None:
    at = legs(view(), (5950, PUT, -1))
    at.board.last[at.board.rows[next(each for each in at.board.rows if each.symbol == "SPX")]] = float("nan")
    found = probability_in_the_money(at, CONTEXT)
    assert isinstance(found, Unknown)
    assert found.reason == "SPX: no price"
