"""Black's formula and its greeks by columns, on a forward; volatility from prices.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976), formula (16). Years are
calendar ones (365 days), as vendors and the published volatility indices count them.
"""

from math import pi, sqrt
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.day import Columns

_ROOT_TWO_PI = sqrt(2.0 * pi)
_FAR, _FURTHEST = 7.07106781186547, 37.0
_ABOVE = (
    3.52624965998911e-02,
    0.700383064443688,
    6.37396220353165,
    33.912866078383,
    112.079291497871,
    221.213596169931,
    220.206867912376,
)
_BELOW = (
    8.83883476483184e-02,
    1.75566716318264,
    16.064177579207,
    86.7807322029461,
    296.564248779674,
    637.333633378831,
    793.826512519948,
    440.413735824752,
)
DAYS_A_YEAR = 365.0


class Greeks(NamedTuple):
    """Columns: per point of the forward, theta per calendar day, vega per volatility point."""

    delta: Columns
    gamma: Columns
    vega: Columns
    theta: Columns


def normal(x: Columns) -> Columns:
    """Return the standard normal distribution function, to 15 digits.

    Source: G. West, "Better approximations to cumulative normal functions", Wilmott Magazine (2005).
    """
    size = np.minimum(np.abs(x), _FURTHEST)
    density = np.exp(-0.5 * size * size)
    tail = density * _polynomial(_ABOVE, size) / _polynomial(_BELOW, size)
    far = size > _FAR
    if far.any():
        away = size[far]
        build = away + 0.65
        for step in (4.0, 3.0, 2.0, 1.0):
            build = away + step / build
        tail[far] = density[far] / build / _ROOT_TWO_PI
        tail[np.abs(x) > _FURTHEST] = 0.0
    found: Columns = np.where(x > 0, 1.0 - tail, tail)
    return found


def _polynomial(factors: tuple[float, ...], x: Columns) -> Columns:
    """Return a polynomial, that of the highest power first, as `np.polyval`, without a new array for each power."""
    found = np.full_like(x, factors[0])
    for factor in factors[1:]:
        found *= x
        found += factor
    return found


def d1_of(forward: Columns, strike: Columns, deviation: Columns) -> Columns:
    """Return d1 of the formula. Units: deviation is volatility x sqrt(years), positive."""
    return np.log(forward / strike) / deviation + 0.5 * deviation


def black(
    forward: Columns, strike: Columns, deviation: Columns, discount: Columns | float, sign: Columns
) -> tuple[Columns, Columns]:
    """Return prices and d1. Units: deviation is volatility x sqrt(years), positive; sign +1 for calls, -1 for puts."""
    d1 = d1_of(forward, strike, deviation)
    price = discount * sign * (forward * normal(sign * d1) - strike * normal(sign * (d1 - deviation)))
    return price, d1


def greeks(
    forward: Columns, d1: Columns, deviation: Columns, years: Columns, discount: Columns, sign: Columns
) -> Greeks:
    """Return the greeks that belong to `black`; theta is the decay of the diffusion alone."""
    density = np.exp(-0.5 * d1 * d1) / _ROOT_TWO_PI
    root = np.sqrt(years)
    vega = discount * forward * density * root
    return Greeks(
        delta=sign * discount * normal(sign * d1),
        gamma=discount * density / (forward * deviation),
        vega=vega / 100.0,
        theta=-vega * (deviation / root) / (2.0 * years * DAYS_A_YEAR),
    )
