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


class Pair(NamedTuple):
    """A call and a put of one strike, by the columns of their quotes."""

    strike: float
    call: int
    put: int

    def gap(self, bid: Columns, ask: Columns) -> Columns:
        """Return call - put at mid at each instant."""
        found: Columns = (bid[:, self.call] + ask[:, self.call] - bid[:, self.put] - ask[:, self.put]) / 2.0
        return found


def near_pairs(options: Sequence[Option], level: Columns | None) -> list[Pair]:
    """Return the pairs of the nearest expiry within 1.5 % of the median level, lowest strike first; none without one.

    Shape: level (T,).
    """
    middle = nan if level is None else median(level)
    strikes = np.array([float(option.strike) for option in options])
    known: dict[tuple[date, str], dict[float, dict[Right, int]]] = {}
    for place in np.flatnonzero(np.abs(strikes - middle) < _NEAR * middle).tolist():
        option = options[place]
        of_expiry = known.setdefault((option.expiry, option.trading_class), {})
        of_expiry.setdefault(strikes[place], {})[option.right] = place
    for key in sorted(known):
        full = [
            Pair(strike, both[Right.CALL], both[Right.PUT])
            for strike, both in sorted(known[key].items())
            if len(both) == len(Right)
        ]
        if full:
            return full
    return []
