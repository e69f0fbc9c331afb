"""Calls and puts of the same strike near the money: by put-call parity they say where the forward is, and how far apart
prices are."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.day import Columns, Places
from rulebot.adapters.history.middle import nan_median
from rulebot.model.contract import Option, Right

_NEAR = 0.015


class PairTerms(NamedTuple):
    """What the options of a session are. `kind`: expiry and trading class as a number, lowest of the nearest expiry.

    Shape: (C,) of each, in the order of their quotes.
    """

    strike: Columns
    is_call: NDArray[np.bool_]
    kind: NDArray[np.int64]


class Pairs(NamedTuple):
    """A call and a put of each of these strikes, by the columns of their quotes; lowest strike first. Shape: (P,)."""

    strike: Columns
    call: Places
    put: Places

    def only(self, kept: Places) -> "Pairs":
        """Return those that are kept."""
        return Pairs(self.strike[kept], self.call[kept], self.put[kept])


def terms_of(options: Sequence[Option]) -> PairTerms:
    """Return what these options are."""
    kinds = [(option.expiry, option.trading_class) for option in options]
    numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
    return PairTerms(
        np.array([float(option.strike) for option in options]),
        np.array([option.right is Right.CALL for option in options], dtype=np.bool_),
        np.array([numbers[kind] for kind in kinds], dtype=np.int64),
    )


def gaps(pairs: Pairs, bid: Columns, ask: Columns) -> Columns:
    """Return call - put at mid of each pair. Shape: pairs x instants."""
    _, calls, puts = pairs
    found: Columns = (bid[:, calls] + ask[:, calls] - bid[:, puts] - ask[:, puts]) / 2.0
    return found.T


def near_pairs(terms: PairTerms, level: Columns) -> Pairs:
    """Return the pairs of the nearest expiry that has any within 1.5 % of the median level. Shape: level (T,)."""
    middle = nan_median(level)
    near = np.flatnonzero(np.abs(terms.strike - middle) < _NEAR * middle)
    near = near[np.lexsort((~terms.is_call[near], terms.strike[near], terms.kind[near]))]
    strike, kind = terms.strike[near], terms.kind[near]
    first = np.flatnonzero((np.diff(strike) == 0.0) & (np.diff(kind) == 0))
    first = first[kind[first] == kind[first[:1]]]
    return Pairs(strike[first], near[first], near[first + 1])
