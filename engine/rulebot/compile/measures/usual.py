"""The usual range of every number that a spec may write beside a measure, by what the number is.

A bound outside its range is legal and most likely a slip: 0.30 for a rank from 0 to 100, 0.12 for a level of VIX. The
ranges are wide: a bound a hundred times too small or too large lies outside, and one that somebody trades by does not.
Source: levels of VIX from 1990 to 2025 (8.6 to 89.5, closes and highs), its largest rise within a session (26 points)
and from close to close (24.9 points; 116 %, else at most 75 %); the S&P 500 from close to close since 1988 (-12 % to
11.6 %); limits of the formulas beside each measure.
"""

from collections.abc import Mapping
from enum import Enum
from math import inf
from types import MappingProxyType

from rulebot.compile.plan import Quantity
from rulebot.model.values import dataclass


class Scale(Enum):
    """What a usual range is a multiple of; the example market gives its size."""

    ONE = "itself"
    SPOT = "the level of the underlying"
    MOVE = "the expected move until the nearest expiry"
    DAY = "the expected move of one session, as a part of the level"
    DAY_IN_POINTS = "the expected move of one session, in points"
    PREMIUM = "what the sold legs bring in the example"
    POSITION = "what the sold legs bring in the example, in dollars of the whole position"
    NOTIONAL = "the level of the underlying, in dollars of the whole position"
    WIDTH = "the distance between the strikes"
    WIDTH_IN_DOLLARS = "the distance between the strikes, in dollars of the whole position"


@dataclass(frozen=True, slots=True)
class Usual:
    """From where to where bounds on a measure lie, as multiples of `scale`.

    signed: the range is of the size, and a bound may lie on either side of 0. zero: a bound of 0 has a meaning of its
    own. shifts: a slip by a factor of 100 is likely, as with a rank, a percentage or a fraction.
    """

    low: float
    high: float
    scale: Scale = Scale.ONE
    signed: bool = False
    zero: bool = False
    shifts: bool = True


_NONE: Mapping[Quantity, Usual] = MappingProxyType({})
"""Of a measure that is compared with no number."""


def _one(
    quantity: Quantity, low: float, high: float, *, signed: bool = False, zero: bool = False
) -> dict[Quantity, Usual]:
    return {quantity: Usual(low, high, signed=signed, zero=zero)}


def _scaled(
    quantity: Quantity, low: float, high: float, scale: Scale, *, signed: bool = False, zero: bool = False
) -> dict[Quantity, Usual]:
    return {quantity: Usual(low, high, scale, signed=signed, zero=zero, shifts=False)}


_LEVEL = _scaled(Quantity.POINTS, 0.3, 3.0, Scale.SPOT)
_OF_VIX = _one(Quantity.LEVEL, 5.0, 90.0)
_RANK = _one(Quantity.PLAIN, 1.0, 100.0)
_RATE = _one(Quantity.PERCENT, 3.0, 300.0)
_COUNT = {Quantity.PLAIN: Usual(0.5, 1_000_000.0, zero=True)}
_CHANGE = {
    **_scaled(Quantity.POINTS, 0.02, 9.0, Scale.DAY_IN_POINTS, signed=True, zero=True),
    Quantity.FRACTION: Usual(0.05, 9.0, Scale.DAY, signed=True, zero=True),
}
_PREMIUM = {
    **_scaled(Quantity.PRICE, 0.003, 5.0, Scale.PREMIUM, zero=True),
    **_scaled(Quantity.DOLLARS, 0.003, 5.0, Scale.POSITION, zero=True),
}
_ACCOUNT = _one(Quantity.DOLLARS, 500.0, 100_000_000.0)


def _gain(low: float, high: float) -> dict[Quantity, Usual]:
    return {
        **_one(Quantity.FRACTION, low, high, signed=True, zero=True),
        **_scaled(Quantity.DOLLARS, 0.003, 50.0, Scale.POSITION, signed=True, zero=True),
        **_scaled(Quantity.PRICE, 0.003, 50.0, Scale.PREMIUM, signed=True, zero=True),
    }


USUAL: Mapping[str, Mapping[Quantity, Usual]] = {
    "spot": _LEVEL,
    "sma": _LEVEL,
    "ema": _LEVEL,
    "vwap": _LEVEL,
    "strike": _LEVEL,
    "cost_basis": _LEVEL,
    "vix": _OF_VIX,
    "vix9d": _OF_VIX,
    "vix1d": _OF_VIX,
    "vix3m": _OF_VIX,
    "vix_change": {
        **_one(Quantity.LEVEL, 0.1, 30.0, signed=True, zero=True),
        **_one(Quantity.FRACTION, 0.01, 0.9, signed=True, zero=True),
    },
    "vix_spike": {Quantity.LEVEL: Usual(0.1, 25.0)},
    "move": _CHANGE,
    "gap": _CHANGE,
    "day_range": _scaled(Quantity.POINTS, 0.0005, 0.2, Scale.SPOT),
    "spx_spy_ratio": _one(Quantity.PLAIN, 9.5, 10.5),
    "iv": _RATE,
    "rv": _RATE,
    "iv_over_rv": _one(Quantity.PLAIN, 0.3, 5.0),
    "expected_move": _scaled(Quantity.POINTS, 0.15, 8.0, Scale.MOVE),
    "iv_rank": _RANK,
    "iv_percentile": _RANK,
    "crowding": _RANK,
    "rsi": _RANK,
    "adx": _RANK,
    "breadth": _one(Quantity.FRACTION, 0.01, 1.0),
    "put_call_volume": _one(Quantity.PLAIN, 0.1, 10.0),
    "put_call_imbalance": _one(Quantity.FRACTION, 0.01, 1.0, signed=True, zero=True),
    "option_volume": _COUNT,
    "volume_rank": _one(Quantity.PLAIN, 1.0, 1000.0),
    "skew": _one(Quantity.PERCENT, 0.1, 60.0, signed=True, zero=True),
    "model": _one(Quantity.PLAIN, 0.01, 1.0),
    "trend": _NONE,
    "opening_range": _NONE,
    "no_event": _NONE,
    "event": _NONE,
    "time": _NONE,
    "session": _NONE,
    "volume": _COUNT,
    "open_interest": _COUNT,
    "shares_held": {Quantity.PLAIN: Usual(99.0, 1_000_000.0, zero=True)},
    "quote_width": {
        **_scaled(Quantity.PRICE, 0.0000015, 0.0008, Scale.SPOT),
        Quantity.FRACTION: Usual(0.004, 0.9),
    },
    "credit": _PREMIUM,
    "debit": _PREMIUM,
    "max_risk": {
        **_scaled(Quantity.PRICE, 0.03, 20.0, Scale.WIDTH),
        **_scaled(Quantity.DOLLARS, 0.03, 20.0, Scale.WIDTH_IN_DOLLARS),
    },
    "return_on_risk": _one(Quantity.FRACTION, 0.01, 10.0, zero=True),
    "probability_of_profit": _one(Quantity.FRACTION, 0.02, 1.0),
    "probability_in_the_money": _one(Quantity.FRACTION, 0.005, 1.0),
    "margin": _scaled(Quantity.DOLLARS, 0.0002, 2.0, Scale.NOTIONAL),
    "dte": {Quantity.DAYS: Usual(0.5, 1200.0, zero=True)},
    "cost": _scaled(Quantity.PRICE, 0.003, 50.0, Scale.PREMIUM, signed=True, zero=True),
    "value": _scaled(Quantity.PRICE, 0.003, 50.0, Scale.PREMIUM, signed=True, zero=True),
    "profit": _gain(0.02, 10.0),
    "loss": _gain(0.03, 15.0),
    "give_back": _gain(0.02, 1.5),
    "breach": {Quantity.POINTS: Usual(0.01, 10.0, Scale.MOVE, zero=True, shifts=False)},
    "leg_delta": _one(Quantity.DELTA, 0.01, 0.97),
    "leg_gamma": _one(Quantity.PLAIN, 0.00005, 1.0),
    "leg_theta": _one(Quantity.DOLLARS, 0.2, 20_000.0),
    "leg_vega": _one(Quantity.DOLLARS, 0.2, 20_000.0),
    "position_delta": {Quantity.PLAIN: Usual(0.99, inf, signed=True, zero=True)},
    "position_gamma": _one(Quantity.PLAIN, 0.005, 2_000.0, signed=True, zero=True),
    "position_theta": _one(Quantity.DOLLARS, 0.5, 50_000.0, signed=True, zero=True),
    "position_vega": _one(Quantity.DOLLARS, 0.5, 50_000.0, signed=True, zero=True),
    "time_in_trade": {Quantity.SECONDS: Usual(5.0, inf, shifts=False)},
    "sessions_in_trade": {Quantity.DAYS: Usual(0.5, 800.0, zero=True)},
    "buying_power": _ACCOUNT,
    "net_liquidation": _ACCOUNT,
    "bot": _NONE,
    "last_exit": _NONE,
    "webhook": {Quantity.SECONDS: Usual(1.0, 86_399.0, shifts=False)},
    "net_delta": _one(Quantity.PLAIN, 0.5, 100_000.0, signed=True, zero=True),
    "net_gamma": _one(Quantity.PLAIN, 0.01, 10_000.0, signed=True, zero=True),
    "net_theta": _one(Quantity.DOLLARS, 1.0, 1_000_000.0, signed=True, zero=True),
    "net_vega": _one(Quantity.DOLLARS, 1.0, 1_000_000.0, signed=True, zero=True),
    "worst_case": _scaled(Quantity.DOLLARS, 0.03, 1000.0, Scale.WIDTH_IN_DOLLARS),
}
"""Every measure of the vocabulary; a test fails for one without its line."""

MULTIPLE = Usual(0.02, 20.0, signed=True, zero=True)
"""Of a multiple of another measure, as in `0.6x expected_move`."""
_PRICES = frozenset(("spot", "sma", "ema", "vwap", "strike", "cost_basis"))
_OF_FEAR = frozenset(("vix", "vix9d", "vix1d", "vix3m"))
_VOLATILITIES = frozenset(("iv", "rv"))
_ALIKE = ((_PRICES, 0.7, 1.4), (_OF_FEAR, 0.3, 3.0), (_VOLATILITIES, 0.15, 6.0))
"""Measures of one kind, and between which multiples of each other they lie."""


def multiple(measure: str, of: str) -> Usual:
    """Return the usual range of one measure as a multiple of another."""
    found = ((low, high) for kind, low, high in _ALIKE if measure in kind and of in kind)
    ends = next(found, None)
    return MULTIPLE if ends is None else Usual(*ends, signed=True)


PERCENTILES = frozenset({"iv_rank", "iv_percentile"})
"""Measures from 0 to 100 of which one is a percentile."""
