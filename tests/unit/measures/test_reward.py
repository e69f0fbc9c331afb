"""Return on risk and probability of profit, the latter against a second way to compute it."""

from datetime import timedelta
from decimal import Decimal
from math import pi, sqrt

import numpy as np
import pytest

from rulebot.measure.reading import Reading, UnknownValue
from rulebot.measure.view import Held, Ledger, LegView
from rulebot.measures.reward import chance
from rulebot.measures.volatility import ExpectedMoveView
from rulebot.model.black import years_until
from rulebot.model.contract import Right
from rulebot.model.payoff import Part, best_case, profit_ranges
from rulebot.model.values import replace
from tests.unit.measures.market_view import DAY, NOW, condor, option, quote, read, view

PUT, CALL = Right.PUT, Right.CALL


def unknown(reading: Reading) -> str:
    assert isinstance(reading, UnknownValue)
    return reading.reason


def parts(*legs: tuple[int, Right, int]) -> tuple[Part, ...]:
    return tuple((option(strike, right), count) for strike, right, count in legs)


CONDOR = parts((5950, PUT, -1), (5940, PUT, 1), (6050, CALL, -1), (6060, CALL, 1))
STRUCTURES = [
    (CONDOR, 1.0),
    (parts((6000, CALL, 1), (6020, CALL, -1)), -8.0),
    (parts((6000, CALL, 1), (6000, PUT, 1)), -40.0),
    (parts((6000, CALL, -1), (6000, PUT, -1)), 38.0),
    (parts((5900, PUT, -1)), 3.0),
    (parts((6000, PUT, 1), (5980, PUT, -2), (5930, PUT, 1)), 0.5),
    (parts((6000, CALL, -1), (6030, CALL, 2)), 4.0),
]


def summed(held: tuple[Part, ...], net: float, forward: float, years: float, volatility: float) -> float:
    """Add up the normal density of the log price wherever the structure gains, in small steps."""
    steps, reach = 60_000, 8.0
    deviation = volatility * sqrt(years)
    z = -reach + (np.arange(steps) + 0.5) * 2 * reach / steps
    price = forward * np.exp(deviation * z - deviation * deviation / 2.0)
    gain = net + sum(
        count * np.maximum((price - float(o.strike)) * (1 if o.right is CALL else -1), 0.0) for o, count in held
    )
    density = np.exp(-z * z / 2.0) / sqrt(2.0 * pi)
    return float(density[gain > 0.0].sum()) * 2 * reach / steps


@pytest.mark.parametrize(("held", "net"), STRUCTURES)
@pytest.mark.parametrize("market", [ExpectedMoveView(6001.0, 1 / 252, 0.12), ExpectedMoveView(5980.0, 60 / 252, 0.20)])
def test_probability_of_profit_beside_a_sum(held: tuple[Part, ...], net: float, market: ExpectedMoveView) -> None:
    assert chance(held, net, market) == pytest.approx(summed(held, net, *market), abs=2e-4)


def test_sure_gains_and_sure_losses() -> None:
    flat = ExpectedMoveView(6000.0, 1 / 252, 0.12)
    assert chance(CONDOR, 11.0, flat) == pytest.approx(1.0)
    assert chance(CONDOR, 0.0, flat) == 0.0
    assert chance(CONDOR, -1.0, flat) == 0.0


def test_where_it_gains() -> None:
    low, middle, high = Decimal("5949"), Decimal("5950"), Decimal("6050")
    assert profit_ranges(CONDOR, Decimal(1)) == ((low, middle), (middle, high), (high, Decimal(6051)))
    assert profit_ranges(parts((6000, CALL, 1)), Decimal(-5)) == ((Decimal(6005), None),)
    assert profit_ranges(parts((6000, CALL, -1)), Decimal(5)) == (
        (Decimal(0), Decimal(6000)),
        (Decimal(6000), Decimal(6005)),
    )


@pytest.mark.parametrize(
    ("held", "net", "best"),
    [
        (CONDOR, "1.00", "1.00"),
        (parts((6000, CALL, 1), (6020, CALL, -1)), "-8.00", "12.00"),
        (parts((6000, PUT, 1), (5980, PUT, -2), (5930, PUT, 1)), "0.50", "20.50"),
        (parts((6000, CALL, 1)), "-8.00", None),
        (parts((6000, PUT, 1)), "-8.00", "5992.00"),
    ],
)
def test_the_best_case_of_a_structure_at_expiry(held: tuple[Part, ...], net: str, best: str | None) -> None:
    assert best_case(held, Decimal(net)) == (None if best is None else Decimal(best))


def test_the_probability_of_what_is_left_is_at_what_that_was_filled_at() -> None:
    """Of a straddle sold at 20 and 18 the put alone gains above 5982, whatever the call brought."""
    at = view()
    legs = ((name, option(6000, right)) for name, right in (("call", CALL), ("put", PUT)))
    at.legs = tuple(LegView(name, contract, at.board.rows[contract], -1, 1) for name, contract in legs)
    ledgers = {"call": Ledger(20.0, 0.0, 0, DAY), "put": Ledger(18.0, 0.0, -1, DAY)}
    at.held = Held(38.0, 1, 0.0, 0.0, NOW, None, legs=ledgers)
    market = ExpectedMoveView(6002.0, 5.5 / 6.5 / 252, float(str(read(at, "iv"))) / 100.0)
    assert read(at, "probability_of_profit") == chance(parts((6000, CALL, -1), (6000, PUT, -1)), 38.0, market)
    at.legs = at.legs[1:]
    assert read(at, "probability_of_profit") == chance(parts((6000, PUT, -1)), 18.0, market)


def test_return_on_risk() -> None:
    """A credit of 1.00 against a worst case of 9.00, before entry and as filled."""
    assert read(condor(view(), held=False), "return_on_risk") == pytest.approx(1 / 9)
    assert read(condor(view()), "return_on_risk") == pytest.approx(1 / 9)


def test_return_on_risk_without_a_bound_or_a_price() -> None:
    naked = condor(view(), held=False)
    naked.legs = tuple(leg for leg in naked.legs if leg.name != "long_call")
    assert unknown(read(naked, "return_on_risk")) == "its loss has no bound: nothing covers short_call"
    priceless = condor(view(), held=False)
    priceless.start_price = None
    assert unknown(read(priceless, "return_on_risk")) == "the order has no price to start from"
    without_data = condor(view(), held=False)
    without_data.start_price = None
    wing = next(leg for leg in without_data.legs if leg.name == "long_call")
    without_data.board.bid[wing.row] = float("nan")
    lacks = "the order has no price to start from: long_call: no bid"
    assert (unknown(read(without_data, "return_on_risk")), unknown(read(without_data, "credit"))) == (lacks, lacks)
    at = view()
    at.start_price = -5.0
    at.legs = (LegView("long", option(6050, CALL), quote(at.board, option(6050, CALL), 4.9, 5.1), 1, 1),)
    assert unknown(read(at, "return_on_risk")) == "the best case has no bound"
    condor(at, held=False).start_price = 20.0
    assert unknown(read(at, "return_on_risk")) == "nothing can be lost"


def test_classes_that_settle_at_the_open_and_at_the_close_do_not_end_together() -> None:
    at = condor(view(), held=False)
    at.legs = tuple(
        leg._replace(option=replace(leg.option, trading_class="SPX")) if leg.option.right is CALL else leg
        for leg in at.legs
    )
    for leg in at.legs:
        quote(at.board, leg.option, 4.9, 5.1)
    assert best_case([(leg.option, leg.sign) for leg in at.legs], Decimal(1)) is None
    assert unknown(read(at, "return_on_risk")) == "the legs end at different times"
    assert unknown(read(at, "probability_of_profit")) == "the legs end at different times"


def test_probability_of_profit() -> None:
    """The straddle of 20.0 and 18.0 at 6000: a forward of 6002 and the volatility that `iv` reads."""
    at = condor(view(), held=False)
    volatility = read(at, "iv")
    assert isinstance(volatility, float)
    found = read(at, "probability_of_profit")
    assert isinstance(found, float)
    years = years_until(at.legs[0].option.expiry, at.now)
    assert years is not None
    assert found == pytest.approx(summed(CONDOR, 1.0, 6002.0, years, volatility / 100.0), abs=2e-4)


def test_probability_of_profit_is_unknown_without_the_money() -> None:
    at = condor(view(), held=False)
    for right in (CALL, PUT):
        quote(at.board, option(6000, right), float("nan"), float("nan"))
    assert "6000" in unknown(read(at, "probability_of_profit"))
    late = condor(view(), held=False)
    late.now += timedelta(days=3).total_seconds()
    assert unknown(read(late, "probability_of_profit"))
