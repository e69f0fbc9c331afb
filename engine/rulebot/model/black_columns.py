"""Black's model for whole columns of options: the formulas of `model/black.py`, solved for many at once."""

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from rulebot.model.black import HIGHEST, LEAST_TIME_VALUE, LOWEST, d1_of, sensitivities_of, vega_of, worth_of

Columns = NDArray[np.float64]

_STEPS = 60
_CLOSE_ENOUGH = 1e-9
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


def black(
    forward: Columns, strike: Columns, deviation: Columns, discount: Columns | float, sign: Columns
) -> tuple[Columns, Columns]:
    """Return prices and d1. Units: deviation is volatility x sqrt(years), positive; sign +1 for calls, -1 for puts."""
    d1 = d1_of(np.log(forward / strike), deviation)
    likely = normal(sign * d1)
    return discount * worth_of(forward, strike, sign, likely, normal(sign * (d1 - deviation))), d1


def greeks(
    forward: Columns, strike: Columns, years: Columns, volatility: Columns, sign: Columns
) -> tuple[Columns, Columns, Columns, Columns]:
    """Return delta, gamma a point, theta a calendar day and vega a point of volatility."""
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(years)
        d1 = d1_of(np.log(forward / strike), volatility * root)
        vega = vega_of(forward, np.exp(-d1 * d1 / 2.0), root)
        return sign * normal(sign * d1), *sensitivities_of(vega, forward, years, volatility)


def volatilities(value: Columns, forward: Columns, strike: Columns, years: Columns, sign: Columns) -> Columns:
    """Return the volatility at which the model gives each value, nan where there is (nearly) no time value.

    Newton's steps stay inside a bracket that is halved when a step would leave it.
    """
    value, forward, strike, years, sign = np.broadcast_arrays(value, forward, strike, years, sign)
    found = np.full(value.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        intrinsic = np.maximum(sign * (forward - strike), 0.0)
        most = np.where(sign > 0.0, forward, strike)
        sound = (value - intrinsic >= LEAST_TIME_VALUE) & (value < most) & (forward > 0.0) & (years > 0.0)
        if sound.any():
            found[sound] = _solved(value[sound], forward[sound], strike[sound], np.sqrt(years[sound]), sign[sound])
    return found


def _solved(value: Columns, forward: Columns, strike: Columns, root: Columns, sign: Columns) -> Columns:
    found, places = np.empty_like(value), np.arange(len(value))
    low, high = np.full(value.shape, LOWEST), np.full(value.shape, HIGHEST)
    volatility = np.clip(value / (0.4 * forward * root), low, high)
    for _ in range(_STEPS):
        price, first = black(forward, strike, volatility * root, 1.0, sign)
        error = price - value
        low, high = np.where(error > 0.0, low, volatility), np.where(error > 0.0, volatility, high)
        slope = vega_of(forward, np.exp(-first * first / 2.0), root)
        new = volatility - error / slope
        new = np.where((new > low) & (new < high), new, (low + high) / 2.0)
        found[places] = new
        going = np.flatnonzero(np.abs(new - volatility) >= _CLOSE_ENOUGH * new)
        if not len(going):
            break
        volatility, low, high, places = new[going], low[going], high[going], places[going]
        value, forward, strike, root, sign = (each[going] for each in (value, forward, strike, root, sign))
    return np.where((found > LOWEST * 1.01) & (found < HIGHEST * 0.99), found, np.nan)
