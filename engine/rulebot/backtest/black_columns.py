"""Black's model for whole columns at once: volatilities and greeks that a source of past quotes does not bring.

The same model and units as `model/black.py`, one number at a time there; a test holds the two together. Every element
is computed from its own instant alone, so nothing of later instants can reach an earlier one.
"""

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.blackscholes import black, normal
from rulebot.model.black import DAYS_A_YEAR, LEAST_TIME_VALUE

Columns = NDArray[np.float64]

_LOWEST, _HIGHEST = 1e-4, 20.0
_STEPS = 60
_CLOSE_ENOUGH = 1e-9


def volatilities(value: Columns, forward: Columns, strike: Columns, years: Columns, sign: Columns) -> Columns:
    """Return the volatility at which the model gives each value, nan where there is (nearly) no time value.

    Newton's steps stay inside a bracket that is halved when a step would leave it, as in `model/black.py`.
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
    low, high = np.full(value.shape, _LOWEST), np.full(value.shape, _HIGHEST)
    volatility = np.clip(value / (0.4 * forward * root), low, high)
    for _ in range(_STEPS):
        price, first = black(forward, strike, volatility * root, 1.0, sign)
        error = price - value
        low, high = np.where(error > 0.0, low, volatility), np.where(error > 0.0, volatility, high)
        slope = forward * np.exp(-first * first / 2.0) / sqrt(2.0 * pi) * root
        new = volatility - error / slope
        new = np.where((new > low) & (new < high), new, (low + high) / 2.0)
        found[places] = new
        going = np.flatnonzero(np.abs(new - volatility) >= _CLOSE_ENOUGH * new)
        if not len(going):
            break
        volatility, low, high, places = new[going], low[going], high[going], places[going]
        value, forward, strike, root, sign = (each[going] for each in (value, forward, strike, root, sign))
    return np.where((found > _LOWEST * 1.01) & (found < _HIGHEST * 0.99), found, np.nan)


def greeks(
    forward: Columns, strike: Columns, years: Columns, volatility: Columns, sign: Columns
) -> tuple[Columns, Columns, Columns, Columns]:
    """Return delta, gamma a point, theta a calendar day and vega a point of volatility, as `model/black.py`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        root = np.sqrt(years)
        deviation = volatility * root
        first = np.log(forward / strike) / deviation + deviation / 2.0
        delta = sign * normal(sign * first)
        vega = forward * np.exp(-first * first / 2.0) / sqrt(2.0 * pi) * root
        gamma = vega / (forward * forward * volatility * years)
        theta = -vega * volatility / (2.0 * years) / DAYS_A_YEAR
    return delta, gamma, theta, vega / 100.0
