"""Implied variance over time to expiry, from the volatility indices of a day.

Indices of 1, 9, 30 and 93 days are nodes; total variance is straight between them. An index that does not exist yet is
what the others usually make of it: logarithms against the VIX, fitted to all days of both up to 2026. Of indices with
closes only, the last close moves within a day as it usually does when the VIX moves.
"""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.daily import Daily
from rulebot.adapters.history.day import Columns

NODES: Mapping[str, float] = {"VIX1D": 1.0, "VIX9D": 9.0, "VIX": 30.0, "VIX3M": 93.0}
"""Calendar days of each index."""

_MOVES = {"VIX1D": 2.06, "VIX9D": 1.50, "VIX3M": 0.60}
"""Change of an index for one of the VIX, both of logarithms."""

_USUAL = {"VIX1D": (-0.1545, 0.3596), "VIX9D": (-0.0380, 0.1437), "VIX3M": (0.0920, -0.1750)}
"""log(index / VIX) where the VIX is 20, and its change by log(VIX / 20)."""


class Term(NamedTuple):
    """Volatility indices at each instant of a session, annual fractions by name."""

    indices: Mapping[str, Columns]

    def total(self, days: float, instant: slice = slice(None)) -> Columns:
        """Return total variance of an index of so many calendar days at each instant, for a year of 365 days."""
        nodes = list(NODES.items())
        totals = [self.indices[name][instant] ** 2 * span / 365.0 for name, span in nodes]
        if days <= nodes[0][1]:
            return totals[0] * (days / nodes[0][1])
        for (_, left), (_, right), near, far in zip(nodes, nodes[1:], totals, totals[1:], strict=False):
            if days <= right:
                part = (days - left) / (right - left)
                found: Columns = near + (far - near) * part
                return found
        forward = (totals[-1] - totals[-2]) / (nodes[-1][1] - nodes[-2][1])
        last: Columns = totals[-1] + forward * (days - nodes[-1][1])
        return last


def term_of(daily: Daily, day: date, vix: Columns) -> Term | None:
    """Return the term structure of a session, with the VIX at each instant; None without a VIX of the day before."""
    before = daily.daily("VIX", day, 1)
    if not before:
        return None
    moved = vix / before[-1].close
    indices: dict[str, Columns] = {}
    for name in NODES:
        closes = daily.daily(name, day, 1) if name != "VIX" else ()
        if name == "VIX":
            indices[name] = vix / 100.0
        elif closes and (day - closes[-1].date).days <= _FRESH:
            indices[name] = closes[-1].close / 100.0 * moved ** _MOVES[name]
        else:
            at_twenty, slope = _USUAL[name]
            indices[name] = vix / 100.0 * np.exp(at_twenty + slope * np.log(vix / 20.0))
    return Term(_rising(indices))


_FRESH = 7


def _rising(indices: dict[str, Columns]) -> dict[str, Columns]:
    """Let no longer index have less total variance than a shorter one: time does not bring certainty."""
    least = np.zeros(len(indices["VIX"]))
    for name in reversed(list(NODES)):
        span = NODES[name]
        total = indices[name] ** 2 * span
        if name != "VIX3M":
            total = np.minimum(total, least * _LESS)
        indices[name] = np.sqrt(total / span)
        least = total
    return indices


_LESS = 0.98
