"""Averages and oscillators of price bars, as their inventors define them: pure functions of columns, oldest first.

Wilder's average of n gives the newest value the weight 1/n, an exponential one 2/(n+1). Each begins with the plain mean
of its first n values. Source: J. W. Wilder, New Concepts in Technical Trading Systems (1978), on RSI and the
directional movement.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Column = Sequence[float] | NDArray[np.float64]
Floats = NDArray[np.float64]


def sma(closes: Column, window: int) -> float:
    """Return the mean of the last `window` closes."""
    return float(np.asarray(closes, np.float64)[-window:].mean())


def ema(closes: Column, window: int) -> float:
    """Return the exponential average of all closes; the newest weighs 2 / (window + 1)."""
    return float(_smoothed(np.asarray(closes, np.float64), window, 2.0 / (window + 1.0))[-1])


def rsi(closes: Column, window: int) -> float:
    """Return Wilder's relative strength index, 0 to 100; 50 when nothing has moved."""
    changes = np.diff(closes)
    gain = _wilder(np.maximum(changes, 0.0), window)[-1]
    loss = _wilder(np.maximum(-changes, 0.0), window)[-1]
    return float(100.0 * gain / (gain + loss)) if gain + loss > 0.0 else 50.0


def adx(highs: Column, lows: Column, closes: Column, window: int) -> float:
    """Return Wilder's average directional index, 0 to 100: the share of the movement in one direction."""
    before = np.asarray(closes, np.float64)[:-1]
    ranges = np.maximum(highs[1:], before) - np.minimum(lows[1:], before)
    up, down = np.diff(highs), -np.diff(lows)
    plus = _wilder(np.where((up > down) & (up > 0.0), up, 0.0), window)
    minus = _wilder(np.where((down > up) & (down > 0.0), down, 0.0), window)
    spread = _wilder(ranges, window)
    still = (spread <= 0.0) | (plus + minus <= 0.0)
    index = np.where(still, 0.0, 100.0 * np.abs(plus - minus) / np.where(still, 1.0, plus + minus))
    return float(_wilder(index, window)[-1])


def vwap(prices: Column, volumes: Column) -> float | None:
    """Return the mean of the prices weighted by volume; None when nothing was traded."""
    total = float(np.sum(volumes))
    return float(np.dot(prices, volumes)) / total if total > 0.0 else None


def _wilder(values: Floats, window: int) -> Floats:
    return _smoothed(values, window, 1.0 / window)


def _smoothed(values: Floats, window: int, weight: float) -> Floats:
    """Return the smoothed values from the `window`th on: its mean, then a step of `weight` toward each that follows."""
    rest = values[window:]
    fading = (1.0 - weight) ** np.arange(rest.size + 1)
    seed = float(values[:window].mean())
    steps = weight * np.convolve(rest, fading[:-1])[: rest.size] if rest.size else rest
    return np.concatenate(([seed], seed * fading[1:] + steps))
