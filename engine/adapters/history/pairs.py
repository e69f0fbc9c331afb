"""Calls and puts of the same strike near the money: by put-call parity they say where the forward is, and how far apart
prices are."""

from collections.abc import Sequence
from datetime import date
from math import nan
from typing import NamedTuple

import numpy as np

from engine.adapters.history.day import Columns
from engine.adapters.history.middle import median
from engine.model.contract import Option, Right

_NEAR = 0.015
Terms = tuple[date, str, float]
"""Expiry, trading class and strike."""


class Pair(NamedTuple):
    """A call and a put of one strike, by the columns of their quotes."""

    strike: float
    call: int
    put: int


def gaps(pairs: Sequence[Pair], bid: Columns, ask: Columns) -> Columns:
    """Return call - put at mid of each pair. Shape: pairs x instants."""
    calls, puts = [pair.call for pair in pairs], [pair.put for pair in pairs]
    found: Columns = (bid[:, calls] + ask[:, calls] - bid[:, puts] - ask[:, puts]) / 2.0
    return found.T


def near_pairs(options: Sequence[Option], level: Columns | None) -> list[Pair]:
    """Return the pairs of the nearest expiry within 1.5 % of the median level, lowest strike first; none without one.

    Shape: level (T,).
    """
    middle = nan if level is None else median(level)
    strikes = [float(option.strike) for option in options]
    calls, puts = dict[Terms, int](), dict[Terms, int]()
    for place in np.flatnonzero(np.abs(np.array(strikes) - middle) < _NEAR * middle).tolist():
        option = options[place]
        of_right = calls if option.right is Right.CALL else puts
        of_right[option.expiry, option.trading_class, strikes[place]] = place
    both = sorted(key for key in calls if key in puts)
    return [Pair(key[2], calls[key], puts[key]) for key in both if key[:2] == both[0][:2]]
