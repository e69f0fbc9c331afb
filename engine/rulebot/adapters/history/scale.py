"""Whether prices of options are in the unit of their strikes: by put-call parity they move as far apart as these.

Call - put falls by as much as the strike rises, but for what a dollar at expiry is worth less today. Where it falls ten
times as far, or by a tenth, the prices are in another unit: cents, or contracts. Where it rises as far, calls are puts.
"""

from collections.abc import Mapping
from functools import lru_cache
from math import log10

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.middle import nan_median
from rulebot.adapters.history.pairs import Pairs, PairTerms
from rulebot.adapters.history.table import Whole

_INSIDE = 0.05
"""Which part of the underlying an option is in the money by whose price says what its unit is."""
_SURE = 0.15
"""How far the logarithm of a factor may lie from a whole power of ten."""
_INSTANTS = 16
"""Instants of a session whose prices are compared with strikes at most."""


def is_wrong_scale(terms: PairTerms, level: Columns, columns: Mapping[str, Columns]) -> str | None:
    """Return in words that most options cost less than exercising them would bring, at most instants.

    A single level may be a bad print. Shape: level (T,); columns (T, options). None when most prices can be.
    """
    quoted = np.flatnonzero(np.fmax.reduce(columns["ask"], axis=1, initial=0.0) > 0.0)
    drawn = quoted[_drawn(len(quoted))]
    asks, levels = columns["ask"][drawn], level[drawn, np.newaxis]
    if not (levels > 0.0).all():
        levels = np.where(levels > 0.0, levels, nan_median(level))
    worth = np.where(terms.is_call, levels - terms.strike, terms.strike - levels)
    inside = (asks > 0.0) & (worth > _INSIDE * levels)
    counts = inside.sum(axis=1)
    cheap = (counts > 1) & (((asks < worth / 2.0) & inside).sum(axis=1) > counts / 2.0)
    if 2 * cheap.sum() > len(cheap):
        inside &= cheap[:, np.newaxis]
        text = f"most options in the money cost less than half of what they are worth, {nan_median(asks[inside]):g}"
        return f"{text} of {nan_median(worth[inside]):g} in the median: scaled, or adjusted for a split?"
    return None


def scaled(pairs: Pairs, columns: Mapping[str, Columns]) -> str | None:
    """Return in words that prices are not in the unit of strikes, or calls are puts; None when nobody can say so."""
    if len(pairs.strike) < 2:
        return None
    times = nan_median(_falls(pairs, columns["bid"], columns["ask"]))
    if times != times or not times:
        return None
    power = log10(abs(times))
    span = f"from strike {pairs.strike[0]:g} to {pairs.strike[-1]:g} call - put"
    if times < 0.0:
        return f"{span} rises as the strike does: are calls and puts exchanged?" if abs(power) < _SURE else None
    if not (abs(power - round(power, 0)) < _SURE and abs(power) > 0.5):
        return None
    off = f"{10.0 ** abs(round(power)):g} times too {'high' if power > 0.0 else 'low'}"
    return f"{span} falls by {times:.2g} times as much as the strike rises: are the prices {off}?"


@lru_cache(maxsize=64)
def _drawn(count: int) -> Whole:
    """Return the places of a few of so many instants, first to last."""
    return np.linspace(0, count - 1, min(count, _INSTANTS)).astype(np.int64)


def _falls(pairs: Pairs, bid: Columns, ask: Columns) -> Columns:
    """Return how much faster call - put falls than the strike rises, between the outermost pairs that are quoted.

    It is 1 where prices between bid and ask let it be 1. One side of a pair may be without a bid, as options far from
    the money are: its price is 0 to its ask. Shape: those of a few instants, first to last, at which two pairs are.
    """
    drawn, (strikes, calls, puts) = _drawn(len(bid))[:, np.newaxis], pairs
    call_bid, put_bid = np.fmax(bid[drawn, calls], 0.0), np.fmax(bid[drawn, puts], 0.0)
    least, most = call_bid - ask[drawn, puts], ask[drawn, calls] - put_bid
    quoted = (call_bid + put_bid > 0.0) & ~np.isnan(least + most)
    at = np.flatnonzero(quoted.sum(axis=1) > 1)
    low, high = quoted[at].argmax(axis=1), len(strikes) - 1 - quoted[at, ::-1].argmax(axis=1)
    rise = strikes[high] - strikes[low]
    slowest, fastest = least[at, low] - most[at, high], most[at, low] - least[at, high]
    can_be = (slowest <= rise) & (rise <= fastest)
    return np.where(can_be, 1.0, (slowest + fastest) / 2.0 / rise)
