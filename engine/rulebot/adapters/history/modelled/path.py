"""A path through a session that ends where its daily bar says: a Brownian bridge, the same each time for a date.

Between open and close the logarithm of the level is a Brownian bridge; what lies beyond open and close is
stretched so that the highest and the lowest minute are the bar's high and low. Of several bridges one is taken that
needs little of that: stretched tenfold, a few minutes beyond the close would become a crash and a recovery.
"""

import numpy as np

from rulebot.adapters.history.day import Columns, DailyBar

_TRIES = 64
_STRETCHED = 1.5
"""How far a bridge may be stretched; where none of the tries is good enough the best one is taken."""
_ELASTICITY = 5.0
"""The VIX falls by so many percent when the index rises by one within a day. Source: data of 1990 to 2026."""


def level_path(bar: DailyBar, minutes: int) -> Columns:
    """Return the level at the end of each minute; the last is the close."""
    chance = np.random.default_rng(bar.date.toordinal())
    opened, close = np.log(bar.open), np.log(bar.close)
    high, low = np.log(max(bar.high, bar.open, bar.close)), np.log(min(bar.low, bar.open, bar.close))
    top, bottom = max(opened, close), min(opened, close)
    scale = max(high - low, 1e-6) / (1.6 * np.sqrt(minutes))
    line = opened + (close - opened) * np.arange(1, minutes + 1) / minutes
    path, least = line, np.inf
    for _ in range(_TRIES):
        steps = np.cumsum(chance.normal(0.0, scale, minutes))
        tried = line + steps - steps[-1] * np.arange(1, minutes + 1) / minutes
        stretch = max(_stretch(high - top, tried.max() - top), _stretch(bottom - low, bottom - tried.min()))
        if stretch < least:
            path, least = tried, stretch
        if least <= _STRETCHED:
            break
    above, below = path > top, path < bottom
    if above.any():
        path = np.where(above, top + (path - top) * (high - top) / (path.max() - top), path)
    if below.any():
        path = np.where(below, bottom - (bottom - path) * (bottom - low) / (bottom - path.min()), path)
    found: Columns = np.exp(path)
    found[-1] = bar.close
    return found


def _stretch(wanted: float, has: float) -> float:
    """Return by how much a bridge that goes so far beyond open and close must be stretched."""
    if wanted <= 1e-12:
        return 0.0
    return wanted / has if has > 0.0 else np.inf


def vix_path(bar: DailyBar, level: Columns, opened: float) -> Columns:
    """Return the VIX at the end of each minute: from open to close, against the index, within the day's range."""
    part = np.arange(1, len(level) + 1) / len(level)
    line = bar.open + (bar.close - bar.open) * part
    straight = np.log(opened) + (np.log(level[-1]) - np.log(opened)) * part
    moved = line * np.exp(-_ELASTICITY * (np.log(level) - straight))
    low, high = min(bar.low, bar.open, bar.close), max(bar.high, bar.open, bar.close)
    found: Columns = np.clip(moved, low, high)
    found[-1] = bar.close
    return found
