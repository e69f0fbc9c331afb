"""Options as numbers, so that tables of millions of rows are put in order without an object for each.

Such a key holds class, expiry, right and strike in 63 bits; the class as its place among those of a file.
"""

from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.table import Whole

_STRIKE_BITS, _DAY_BITS = 31, 20
_STRIKE_MASK, _DAY_MASK = (1 << _STRIKE_BITS) - 1, (1 << _DAY_BITS) - 1
_CLASS_AT = _STRIKE_BITS + 1 + _DAY_BITS
_UNIT = 1000.0
HIGHEST_STRIKE = _STRIKE_MASK / _UNIT
LATEST_DAY = _DAY_MASK


def option_keys(
    class_code: Whole | int, expiry: Whole | int, is_call: NDArray[np.bool_] | bool, strike: Columns
) -> Whole:
    """Return the keys of options; what all have alike may be a number. Units: expiry as ordinals of the last day
    they trade.
    """
    units = np.rint(strike * _UNIT).astype(np.int64)
    day = (class_code << _DAY_BITS) | expiry
    found: Whole = (((day << 1) | is_call) << _STRIKE_BITS) | units
    return found


def key_of(class_code: int, expiry: int, is_call: bool, strike: Decimal) -> int | None:
    """Return the key of one option; None of one that has none, by a strike or a day that does not fit into it."""
    units = _units_of(strike)
    if units is None or expiry > _DAY_MASK:
        return None
    return (((((class_code << _DAY_BITS) | expiry) << 1) | is_call) << _STRIKE_BITS) | units


@lru_cache(maxsize=8192)
def _units_of(strike: Decimal) -> int | None:
    """Return a strike as a key has it, None where it does not fit."""
    units = strike * 1000
    return None if units > _STRIKE_MASK or units % 1 else int(units)


def class_codes_of(keys: Whole) -> Whole:
    """Return the places of their classes."""
    return keys >> _CLASS_AT


def with_class_codes(keys: Whole, codes: Whole) -> Whole:
    """Return the keys with other places of their classes: `codes` has the new one at each old one."""
    found: Whole = (codes[keys >> _CLASS_AT] << _CLASS_AT) | (keys & ((1 << _CLASS_AT) - 1))
    return found


def expiry_of(keys: Whole) -> Whole:
    """Return the last day that options trade, as ordinals."""
    found: Whole = (keys >> (_STRIKE_BITS + 1)) & _DAY_MASK
    return found


def is_call_of(keys: Whole) -> NDArray[np.bool_]:
    """Return which options are calls."""
    return ((keys >> _STRIKE_BITS) & 1).astype(bool)


def strikes_of(keys: Whole) -> Columns:
    """Return the strikes, points or dollars."""
    return (keys & _STRIKE_MASK) / _UNIT


@lru_cache(maxsize=8192)
def strike_of(strike: float) -> Decimal:
    """Return a strike as exact as it is written: 2800, 62.5."""
    return Decimal(int(strike)) if strike == int(strike) else Decimal(f"{strike:.3f}").normalize()
