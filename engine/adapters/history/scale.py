"""Whether prices of options are in the unit of their strikes: by put-call parity they move as far apart as these.

Call - put falls by as much as the strike rises, but for what a dollar at expiry is worth less today. Where it falls ten
times as far, or by a tenth, the prices are in another unit: cents, or contracts.
"""

from collections.abc import Mapping, Sequence
from math import log10, nan

import numpy as np

from engine.adapters.history.day import Columns
from engine.adapters.history.middle import median
from engine.adapters.history.pairs import Pair

_SURE = 0.15
"""How far the logarithm of a factor may lie from a whole power of ten."""


def scaled(pairs: Sequence[Pair], columns: Mapping[str, Columns]) -> str | None:
    """Return in words that prices are not in the unit of strikes; None when they are, or nobody can say."""
    if len(pairs) < 2:
        return None
    low, high = pairs[0], pairs[-1]
    bid, ask = columns["bid"], columns["ask"]
    falls = (low.gap(bid, ask) - high.gap(bid, ask)) / (high.strike - low.strike)
    times = median(falls[~np.isnan(falls)])
    power = log10(times) if times > 0.0 else nan
    if not (abs(power - round(power, 0)) < _SURE and abs(power) > 0.5):
        return None
    off = f"{10.0 ** abs(round(power)):g} times too {'high' if power > 0.0 else 'low'}"
    return (
        f"from strike {low.strike:g} to {high.strike:g} call - put falls by {times:.2g} times as much as the strike "
        f"rises: are the prices {off}?"
    )
