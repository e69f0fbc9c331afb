"""Black-76 against an independent normal distribution and numerical derivatives."""

import numpy as np
import pytest

from twsim.market.quote_engine import black_price, greeks, put_premium

STRIKES = np.linspace(80.0, 125.0, 19)
ONE = np.ones(19)


def price(spot: float = 100.0, volatility: float = 0.2, years: float = 0.5, sign: float = 1.0) -> np.ndarray:
    growth, discount = np.exp(0.025 * years), np.exp(-0.04 * years)
    return black_price(spot * growth * ONE, STRIKES, volatility * np.sqrt(years) * ONE, discount * ONE, sign * ONE)[0]


def test_prices_agree_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    forward, discount, deviation = 100.0 * np.exp(0.0125), np.exp(-0.02), 0.2 * np.sqrt(0.5)
    d1 = np.log(forward / STRIKES) / deviation + deviation / 2
    for sign in (1.0, -1.0):
        expected = (
            sign * discount * (forward * stats.norm.cdf(sign * d1) - STRIKES * stats.norm.cdf(sign * (d1 - deviation)))
        )
        np.testing.assert_allclose(price(sign=sign), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_greeks_are_the_derivatives(sign: float) -> None:
    growth, discount, deviation = np.exp(0.0125), np.exp(-0.02), 0.2 * np.sqrt(0.5) * ONE
    _, d1, inside = black_price(100.0 * growth * ONE, STRIKES, deviation, discount * ONE, sign * ONE)
    found = greeks(100.0 * ONE, d1, inside, deviation, discount * growth * ONE, 0.5 * ONE, sign * ONE)
    up, middle, down = (price(spot=100.0 + step, sign=sign) for step in (0.01, 0.0, -0.01))
    np.testing.assert_allclose(found.delta, (up - down) / 0.02, atol=1e-6)
    np.testing.assert_allclose(found.gamma, (up - 2 * middle + down) / 0.0001, atol=1e-5)
    vega = (price(volatility=0.2005, sign=sign) - price(volatility=0.1995, sign=sign)) / 0.1
    np.testing.assert_allclose(found.vega, vega, rtol=1e-4, atol=1e-8)


def test_theta_is_the_decay_of_a_day_without_interest() -> None:
    deviation = 0.2 * np.sqrt(0.5) * ONE
    forward = 100.0 * ONE
    now, d1, inside = black_price(forward, STRIKES, deviation, ONE, ONE)
    later = black_price(forward, STRIKES, 0.2 * np.sqrt(0.5 - 1e-5) * ONE, ONE, ONE)[0]
    theta = greeks(forward, d1, inside, deviation, ONE, 0.5 * ONE, ONE).theta
    np.testing.assert_allclose(theta, (later - now) / 1e-5 / 365.0, rtol=1e-3)


def test_early_exercise_agrees_with_a_tree() -> None:
    """The approximation is known to be up to six cents off per hundred of spot."""
    strike, volatility = np.array([0.9, 1.0, 1.1, 1.3]), np.full(4, 0.2)
    found = put_premium(strike, volatility, years=0.25, rate=0.04, dividend=0.0125)
    expected = [_tree_premium(each) for each in strike]
    np.testing.assert_allclose(found, expected, atol=6e-4)


def _tree_premium(strike: float, steps: int = 500) -> float:
    """Return American minus European put on a binomial tree. Source: Cox, Ross, Rubinstein (1979)."""
    up = np.exp(0.2 * np.sqrt(0.25 / steps))
    chance = (np.exp(0.0275 * 0.25 / steps) - 1 / up) / (up - 1 / up)
    discount = np.exp(-0.04 * 0.25 / steps)
    levels = up ** np.arange(-steps, steps + 1.0)
    american = european = np.maximum(strike - levels[::2], 0.0)
    for step in range(steps - 1, -1, -1):
        european = discount * (chance * european[1:] + (1 - chance) * european[:-1])
        american = discount * (chance * american[1:] + (1 - chance) * american[:-1])
        here = levels[steps - step : steps + step + 1 : 2]
        american = np.maximum(american, strike - here)
    return float(american[0] - european[0])
