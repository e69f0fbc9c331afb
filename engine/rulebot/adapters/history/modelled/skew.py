"""The shape of implied volatility over strikes, and what a volatility index makes of it.

A strike is z = log(strike / forward) / (volatility at the money x sqrt(time)) deviations away. In these units the
ratio of its volatility to that at the money hardly changes with time or level: a hyperbola (as in Gatheral, "The
Volatility Surface", chapter 3: SVI) fitted to 32,717 quotes of SPX options of 12 days of 2019, those with 10 to 200
days to expiry, within 0.04 of their medians from z = -6 to 4. Short options have less of it.
"""

from functools import lru_cache
from math import log

import numpy as np

from rulebot.adapters.history.blackscholes import black
from rulebot.adapters.history.day import Columns

_SLOPE, _TURN, _LOWEST_AT, _WIDTH = 0.26556, 0.06060, 1.30727, 0.17938
_SHARE_AT_ONE, _SHARE_A_LOG, _MOST = 0.70, 0.085, 1.08
_GRID = np.linspace(-9.0, 6.0, 601)


def _hyperbola(z: Columns) -> Columns:
    off = z - _LOWEST_AT
    return _SLOPE * (_TURN * off + np.sqrt(off * off + _WIDTH * _WIDTH))


_AT_ZERO = float(_hyperbola(np.zeros(1))[0])


def share(days: float) -> float:
    """Return how much of the full skew options of so many calendar days have."""
    return min(max(_SHARE_AT_ONE + _SHARE_A_LOG * log(max(days, 1e-6)), _SHARE_AT_ONE), _MOST)


def ratio(z: Columns, days: float) -> Columns:
    """Return volatility over that at the money at z deviations."""
    return 1.0 + share(days) * (_hyperbola(np.clip(z, -9.0, 6.0)) - _AT_ZERO)


@lru_cache(maxsize=4096)
def _index_over_money(deviation: float, of_skew: float) -> float:
    z = _GRID
    shape = 1.0 + of_skew * (_hyperbola(z) - _AT_ZERO)
    strike = np.exp(z * deviation)
    one = np.ones_like(z)
    price, _ = black(one, strike, deviation * shape, one, np.where(z < 0, -1.0, 1.0))
    variance = 2.0 * float(np.trapezoid(price / strike**2, strike))
    return float(np.sqrt(variance) / deviation)


def index_over_money(deviation: float, days: float) -> float:
    """Return what a volatility index by the formula of the VIX is, over the volatility at the money.

    Units: `deviation` is volatility at the money x sqrt(years), rounded to two digits of itself.
    """
    return _index_over_money(float(f"{min(max(deviation, 1e-3), 0.6):.2g}"), round(share(days), 3))
