"""Black's formula for options on a forward, and its greeks, by columns.

Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976), formula (16);
greeks by differentiating it. Normal probabilities come from the error function of the C library, so that wings
keep their relative accuracy.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ROOT_HALF = math.sqrt(0.5)
_DENSITY_AT_ZERO = 1.0 / math.sqrt(2.0 * math.pi)


class Greeks(NamedTuple):
    """Columns per option. Units: per point of spot; vega per volatility point; theta per calendar day."""

    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats


def probability(x: Floats) -> Floats:
    """Return the standard normal distribution function."""
    upper = np.fromiter(map(math.erfc, (x * -_ROOT_HALF).tolist()), np.float64, x.size)
    return upper * 0.5


def black_price(
    forward: Floats, strike: Floats, deviation: Floats, discount: Floats, sign: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return price, d1 and N(sign x d1).

    Units: `deviation` is sigma x sqrt(years), positive; `sign` is +1 for a call, -1 for a put.
    """
    d1 = np.log(forward / strike) / deviation
    d1 += 0.5 * deviation
    both = probability(np.concatenate((sign * d1, sign * (d1 - deviation))))
    near, far = both[: d1.size], both[d1.size :]
    price = discount * sign * (forward * near - strike * far)
    return price, d1, near


def greeks(
    spot: Floats, d1: Floats, near: Floats, deviation: Floats, carry: Floats, years: Floats, sign: Floats
) -> Greeks:
    """Return the greeks that belong to `black_price`; `carry` is discount x forward / spot.

    Theta is the decay of the diffusion alone, as brokers show it: interest is left out.
    """
    density = np.exp(-0.5 * d1 * d1)
    density *= _DENSITY_AT_ZERO * carry
    root = np.sqrt(years)
    vega = spot * density * root
    return Greeks(
        sign * carry * near,
        density / (spot * deviation),
        vega * 0.01,
        vega * (deviation / root) / (-730.0 * years),
    )
