"""What the right of early exercise adds to a put on a share, as a fraction of spot.

Source: G. Barone-Adesi, R. Whaley, "Efficient analytic approximation of American option values", Journal of Finance
42 (1987), formulas (20) to (27) for puts. Volatility differs by strike, so each strike is a case of its own.
"""

import numpy as np
from numpy.typing import NDArray

from twsim.market.black import black_price, probability

Floats = NDArray[np.float64]

_HALVINGS = 40


def _european(spot: Floats, strike: Floats, carry: float, rate: float, years: float, volatility: Floats) -> Floats:
    size = np.ones_like(strike)
    forward = spot * np.exp(carry * years)
    deviation = volatility * np.sqrt(years)
    return black_price(forward, strike, deviation, size * np.exp(-rate * years), -size)[0]


def _weight(spot: Floats, strike: Floats, carry: float, rate: float, years: float, volatility: Floats) -> Floats:
    """Return 1 - exp((b - r) T) N(-d1)."""
    deviation = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + carry * years) / deviation + 0.5 * deviation
    found: Floats = 1.0 - np.exp((carry - rate) * years) * probability(-d1)
    return found


def put_premium(strike: Floats, volatility: Floats, *, years: float, rate: float, dividend: float) -> Floats:
    """Return American minus European put for a spot of 1.

    Units: strikes are fractions of spot, rates continuous annual fractions.
    """
    carry = rate - dividend
    slope = 2.0 * carry / (volatility * volatility)
    level = 2.0 * rate / (volatility * volatility * (1.0 - np.exp(-rate * years)))
    power = -0.5 * (slope - 1.0 + np.sqrt((slope - 1.0) ** 2 + 4.0 * level))
    low, high = strike * 1e-3, strike.copy()
    for _ in range(_HALVINGS):
        spot = 0.5 * (low + high)
        held = _european(spot, strike, carry, rate, years, volatility)
        held -= _weight(spot, strike, carry, rate, years, volatility) * spot / power
        exercised = strike - spot > held
        low, high = np.where(exercised, spot, low), np.where(exercised, high, spot)
    boundary = 0.5 * (low + high)
    amount = -boundary / power * _weight(boundary, strike, carry, rate, years, volatility)
    one = np.ones_like(strike)
    alive = amount * np.power(1.0 / boundary, power)
    now = strike - 1.0 - _european(one, strike, carry, rate, years, volatility)
    return np.maximum(np.where(boundary < 1.0, alive, now), 0.0)
