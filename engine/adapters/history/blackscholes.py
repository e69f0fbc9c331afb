"""Black's formula and its greeks by columns, on a forward; volatility from prices.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976), formula (16). Years are
calendar ones (365 days), as vendors and the published volatility indices count them.
"""

from math import erfc, pi, sqrt
from typing import NamedTuple

import numpy as np

from engine.adapters.history.day import Columns

_ROOT_HALF = sqrt(0.5)
DAYS_A_YEAR = 365.0


class Greeks(NamedTuple):
    """Columns: per point of the forward, theta per calendar day, vega per volatility point."""

    delta: Columns
    gamma: Columns
    vega: Columns
    theta: Columns


def normal(x: Columns) -> Columns:
    """Return the standard normal distribution function."""
    flat = np.ravel(x)
    found = np.fromiter(map(erfc, (flat * -_ROOT_HALF).tolist()), np.float64, flat.size)
    return (0.5 * found).reshape(np.shape(x))


def black(
    forward: Columns, strike: Columns, deviation: Columns, discount: Columns, sign: Columns
) -> tuple[Columns, Columns]:
    """Return prices and d1. Units: deviation is volatility x sqrt(years), positive; sign +1 for calls, -1 for puts."""
    d1 = np.log(forward / strike) / deviation + 0.5 * deviation
    price = discount * sign * (forward * normal(sign * d1) - strike * normal(sign * (d1 - deviation)))
    return price, d1


def greeks(
    forward: Columns, d1: Columns, deviation: Columns, years: Columns, discount: Columns, sign: Columns
) -> Greeks:
    """Return the greeks that belong to `black`; theta is the decay of the diffusion alone."""
    density = np.exp(-0.5 * d1 * d1) / sqrt(2.0 * pi)
    root = np.sqrt(years)
    vega = discount * forward * density * root
    return Greeks(
        delta=sign * discount * normal(sign * d1),
        gamma=discount * density / (forward * deviation),
        vega=vega / 100.0,
        theta=-vega * (deviation / root) / (2.0 * years * DAYS_A_YEAR),
    )
