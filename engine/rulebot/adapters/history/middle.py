"""The median of what is known: numpy's own asks six times as long what it was given."""

import numpy as np

from rulebot.adapters.history.day import Columns


def nan_median(values: Columns) -> float:
    """Return the median of the values that are not nan, nan when none is. Shape: (N,)."""
    known = np.sort(values)  # nan stands behind all numbers
    count = int(known.searchsorted(np.nan))
    return float((known[(count - 1) // 2] + known[count // 2]) / 2.0) if count else float("nan")
