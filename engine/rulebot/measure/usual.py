"""The usual range of a number that a spec may write with a measure.

A bound outside its range is legal and most likely a slip: 0.30 for a rank from 0 to 100, 0.12 for a level of VIX. The
ranges are wide: a bound a hundred times too small or too large is outside, and one that people trade with is not.
Source: levels of VIX from 1990 to 2025 (8.6 to 89.5, closes and highs), its largest rise within a session (26 points)
and from close to close (24.9 points; 116 %, else at most 75 %); the S&P 500 from close to close since 1988 (-12 % to
11.6 %); limits of the formulas beside each measure.
"""

from collections.abc import Mapping
from enum import Enum

from rulebot.measure.tree import Quantity
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
    """The usual range of bounds on a measure, as multiples of `scale`.

    signed: the range is of the size, and a bound may be on either side of 0. zero: a bound of 0 has its own meaning.
    shifts: a slip by a factor of 100 is likely, as with a rank, a percentage or a fraction.
    """

    low: float
    high: float
    scale: Scale = Scale.ONE
    signed: bool = False
    zero: bool = False
    shifts: bool = True


class Likeness(Enum):
    """Measures of one kind, and between which multiples of each other they lie."""

    PRICE = (0.7, 1.4)
    VOLATILITY_INDEX = (0.3, 3.0)
    VOLATILITY = (0.15, 6.0)


UsualRanges = Mapping[Quantity, Usual]


def usual(quantity: Quantity, low: float, high: float, *, signed: bool = False, zero: bool = False) -> UsualRanges:
    """Return the range of a measure of one quantity, in its own unit."""
    return {quantity: Usual(low, high, signed=signed, zero=zero)}


def scaled(
    quantity: Quantity, low: float, high: float, scale: Scale, *, signed: bool = False, zero: bool = False
) -> UsualRanges:
    """Return the same as multiples of a scale."""
    return {quantity: Usual(low, high, scale, signed=signed, zero=zero, shifts=False)}


PRICE_LEVEL = scaled(Quantity.POINTS, 0.3, 3.0, Scale.SPOT)
INDEX_OF_VOLATILITY = usual(Quantity.LEVEL, 5.0, 90.0)
RANK = usual(Quantity.PLAIN, 1.0, 100.0)
RATE = usual(Quantity.PERCENT, 3.0, 300.0)
COUNT = {Quantity.PLAIN: Usual(0.5, 1_000_000.0, zero=True)}
CHANGE = {
    **scaled(Quantity.POINTS, 0.02, 9.0, Scale.DAY_IN_POINTS, signed=True, zero=True),
    Quantity.FRACTION: Usual(0.05, 9.0, Scale.DAY, signed=True, zero=True),
}
PREMIUM = {
    **scaled(Quantity.PRICE, 0.003, 5.0, Scale.PREMIUM, zero=True),
    **scaled(Quantity.DOLLARS, 0.003, 5.0, Scale.POSITION, zero=True),
}
WORTH = scaled(Quantity.PRICE, 0.003, 50.0, Scale.PREMIUM, signed=True, zero=True)
ACCOUNT = usual(Quantity.DOLLARS, 500.0, 100_000_000.0)


def gain(low: float, high: float) -> UsualRanges:
    """Return the ranges of a profit or a loss: as a part of the entry price from `low` to `high`."""
    return {
        **usual(Quantity.FRACTION, low, high, signed=True, zero=True),
        **scaled(Quantity.DOLLARS, 0.003, 50.0, Scale.POSITION, signed=True, zero=True),
        **WORTH,
    }


MULTIPLE = Usual(0.02, 20.0, signed=True, zero=True)
"""Of a multiple of another measure, as in `0.6x expected_move`."""
