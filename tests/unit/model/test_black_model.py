"""Black's model against values of the literature and, where it is installed, scipy."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from math import sqrt

import numpy as np
import pytest

from rulebot.model.black import delta, implied_volatility, norm_cdf, price, sensitivities, valued, years_until
from rulebot.model.black_columns import black
from rulebot.model.session import session_on


@pytest.mark.parametrize(
    ("x", "value"), [(0.0, 0.5), (1.0, 0.8413447460685429), (-1.96, 0.024997895148220435), (3.0, 0.9986501019683699)]
)
def test_the_normal_distribution(x: float, value: float) -> None:
    assert norm_cdf(x) == pytest.approx(value, rel=1e-13)


def test_at_the_money_is_worth_what_the_normal_says() -> None:
    deviation = 0.2 * sqrt(0.25)
    assert price(100.0, 100.0, 0.25, 0.2, True) == pytest.approx(100.0 * (2 * norm_cdf(deviation / 2) - 1))


def test_parity_and_deltas() -> None:
    call, put = (price(105.0, 100.0, 0.5, 0.3, is_call) for is_call in (True, False))
    assert call - put == pytest.approx(5.0)
    assert delta(105.0, 100.0, 0.5, 0.3, True) - delta(105.0, 100.0, 0.5, 0.3, False) == pytest.approx(1.0)


@pytest.mark.parametrize(("strike", "is_call"), [(95.0, True), (105.0, False), (100.0, True)])
def test_sensitivities_are_the_slopes_of_the_value(strike: float, is_call: bool) -> None:
    years, volatility, step = 0.25, 0.2, 1e-4
    found = sensitivities(100.0, strike, years, volatility)

    def slope(of: Callable[[float], float]) -> float:
        return (of(step) - of(-step)) / (2 * step)

    assert found.gamma == pytest.approx(slope(lambda s: delta(100.0 + s, strike, years, volatility, is_call)), rel=1e-5)
    assert found.vega * 100 == pytest.approx(
        slope(lambda s: price(100.0, strike, years, volatility + s, is_call)), rel=1e-5
    )
    assert -found.theta * 365 == pytest.approx(
        slope(lambda s: price(100.0, strike, years + s, volatility, is_call)), rel=1e-5
    )
    assert sensitivities(100.0, strike, 0.0, volatility) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("is_call", [True, False])
@pytest.mark.parametrize("volatility", [0.0, 0.05, 0.8])
@pytest.mark.parametrize("years", [-0.1, 0.0, 1e-6, 0.5])
@pytest.mark.parametrize("strike", [90.0, 100.0, 112.5])
def test_what_is_worked_out_at_once_is_what_each_is_by_itself(
    strike: float, years: float, volatility: float, is_call: bool
) -> None:
    terms = (100.0, strike, years, volatility)
    alone = price(*terms, is_call), delta(*terms, is_call), sensitivities(*terms)
    assert valued(*terms, is_call) == alone


def test_nothing_left_is_intrinsic() -> None:
    assert price(105.0, 100.0, 0.0, 0.3, True) == 5.0
    assert delta(105.0, 100.0, 0.0, 0.3, True) == 1.0
    assert delta(95.0, 100.0, 0.0, 0.3, True) == 0.0


@pytest.mark.parametrize("volatility", [0.05, 0.2, 0.8, 3.0])
@pytest.mark.parametrize("strike", [5900.0, 6000.0, 6100.0])
def test_the_volatility_comes_back(volatility: float, strike: float) -> None:
    years, is_call = 2 / 365, strike >= 6000.0
    value = price(6000.0, strike, years, volatility, is_call)
    found = implied_volatility(value, 6000.0, strike, years, is_call)
    assert (found is None) if value < 0.01 else found == pytest.approx(volatility, rel=1e-8)


def test_without_time_value_there_is_no_volatility() -> None:
    assert implied_volatility(0.005, 6000.0, 6100.0, 0.01, True) is None
    assert implied_volatility(6000.0, 6000.0, 6100.0, 0.01, True) is None
    assert implied_volatility(float("nan"), 6000.0, 6100.0, 0.01, True) is None
    assert implied_volatility(5.0, 6000.0, 6100.0, 0.0, True) is None


def test_years_past_the_table_of_sessions_are_counted_by_weekdays() -> None:
    at = session_on(date(2028, 12, 28))
    assert at is not None
    assert years_until(date(2029, 1, 5), at.open.timestamp()) == pytest.approx(7 / 252), "1 January counts"
    assert years_until(date(2029, 1, 6), at.open.timestamp()) is None, "a Saturday"
    assert years_until(date(2029, 1, 5), at.open.timestamp() + 7 * 86400) is None, "no session is known to be on"


def test_years_are_trading_time_to_the_close() -> None:
    session = session_on(date(2026, 11, 18))
    assert session is not None
    opened, close = session.open.timestamp(), session.close.timestamp()
    assert years_until(session.date, close - 5.5 * 3600) == pytest.approx(5.5 / 6.5 / 252)
    assert years_until(session.date, opened - 3600) == pytest.approx(1 / 252)
    assert years_until(date(2026, 11, 20), close - 3600) == pytest.approx((1 / 6.5 + 2) / 252)
    assert years_until(date(2026, 11, 30), opened) == pytest.approx((7 + 210 / 390) / 252), "one half day"
    assert years_until(session.date, session.close.timestamp()) is None
    short = replace(session, close=session.at(time(13)), is_half=True)
    assert years_until(session.date, opened, short) == pytest.approx(3.5 / 6.5 / 252), "as the broker has it"
    assert years_until(session.date, short.close.timestamp(), short) is None
    assert years_until(date(2026, 11, 20), opened, short) == pytest.approx((3.5 / 6.5 + 2) / 252)
    assert years_until(date(2026, 11, 20), opened + 86400, short) == years_until(date(2026, 11, 20), opened + 86400)
    assert years_until(date(2026, 11, 21), session.close.timestamp()) is None


def test_prices_of_numbers_and_of_columns_agree_with_scipy() -> None:
    norm = pytest.importorskip("scipy.stats").norm
    strikes, deviation = np.array([5500.0, 5990.0, 6000.0, 6300.0]), 0.18 * sqrt(0.1)
    d1 = np.log(6000.0 / strikes) / deviation + deviation / 2
    for sign in (1.0, -1.0):
        expected = sign * (6000.0 * norm.cdf(sign * d1) - strikes * norm.cdf(sign * (d1 - deviation)))
        alone = [price(6000.0, strike, 0.1, 0.18, sign > 0) for strike in strikes.tolist()]
        columns, _ = black(np.full(4, 6000.0), strikes, np.full(4, deviation), 1.0, np.full(4, sign))
        assert alone == pytest.approx(expected, abs=1e-9)
        assert columns == pytest.approx(expected, abs=1e-9)
