"""Averages and oscillators against published examples, a slow formulation, and TA-Lib where it is installed."""

import random
from itertools import pairwise
from math import exp
from typing import Any

import numpy as np
import pytest

from rulebot.measure.indicators import adx, ema, rsi, sma, vwap

WILDER_CLOSES = (
    "44.3389 44.0902 44.1497 43.6124 44.3278 44.8264 45.0955 45.4245 45.8433 46.0826 45.8931 46.0328 45.6140 46.2820 "
    "46.2820 46.0028 46.0328 46.4116 46.2222 45.6439"
)
"""The worked example of RSI(14) of StockCharts' ChartSchool, after Wilder; its first values are 70.53, 66.32, 66.55,
69.41, 66.36 and 57.97, computed from averages that were rounded to two digits."""


def walk(count: int, seed: int = 5) -> tuple[np.ndarray[Any, Any], ...]:
    """Return highs, lows and closes of a random walk."""
    dice = random.Random(seed)
    closes, highs, lows = [100.0], [100.6], [99.3]
    for _ in range(count - 1):
        closes.append(closes[-1] * exp(dice.gauss(0.0003, 0.011)))
        highs.append(max(closes[-2:]) * (1 + abs(dice.gauss(0, 0.004))))
        lows.append(min(closes[-2:]) * (1 - abs(dice.gauss(0, 0.004))))
    return np.array(highs), np.array(lows), np.array(closes)


def test_averages_by_hand() -> None:
    closes = np.array([22.0, 24.0, 23.0, 25.0, 26.0, 24.0])
    assert sma(closes, 3) == 25.0
    steps = 23.0  # the mean of the first three, then half a step toward each close
    for close in (25.0, 26.0, 24.0):
        steps += (close - steps) / 2.0
    assert ema(closes, 3) == pytest.approx(steps, abs=1e-12)
    assert ema(closes[:3], 3) == 23.0


def test_rsi_is_that_of_the_published_example() -> None:
    closes = np.array([float(each) for each in WILDER_CLOSES.split()])
    published = (70.53, 66.32, 66.55, 69.41, 66.36, 57.97)
    for more, value in enumerate(published):
        assert rsi(closes[: 15 + more], 14) == pytest.approx(value, abs=0.1)


def test_rsi_at_its_ends() -> None:
    assert rsi(np.arange(1.0, 40.0), 14) == 100.0
    assert rsi(np.arange(40.0, 1.0, -1.0), 14) == pytest.approx(0.0, abs=1e-12)
    assert rsi(np.full(40, 7.0), 14) == 50.0


def slow_rsi(closes: list[float], window: int) -> float:
    gains = [max(b - a, 0.0) for a, b in pairwise(closes)]
    losses = [max(a - b, 0.0) for a, b in pairwise(closes)]
    gain, loss = sum(gains[:window]) / window, sum(losses[:window]) / window
    for at in range(window, len(gains)):
        gain = (gain * (window - 1) + gains[at]) / window
        loss = (loss * (window - 1) + losses[at]) / window
    return 100.0 - 100.0 / (1.0 + gain / loss)


def slow_adx(highs: list[float], lows: list[float], closes: list[float], window: int) -> float:
    """As in the book, a bar at a time."""
    true, plus, minus = [], [], []
    for at in range(1, len(closes)):
        true.append(max(highs[at] - lows[at], abs(highs[at] - closes[at - 1]), abs(lows[at] - closes[at - 1])))
        up, down = highs[at] - highs[at - 1], lows[at - 1] - lows[at]
        plus.append(up if up > down and up > 0 else 0.0)
        minus.append(down if down > up and down > 0 else 0.0)
    sums = [sum(each[:window]) for each in (true, plus, minus)]
    found = []
    for at in range(window - 1, len(true)):
        if at >= window:
            sums = [old - old / window + new[at] for old, new in zip(sums, (true, plus, minus), strict=True)]
        plus_di, minus_di = 100 * sums[1] / sums[0], 100 * sums[2] / sums[0]
        found.append(100 * abs(plus_di - minus_di) / (plus_di + minus_di))
    value = sum(found[:window]) / window
    for each in found[window:]:
        value = (value * (window - 1) + each) / window
    return value


@pytest.mark.parametrize("window", [2, 7, 14, 30])
def test_oscillators_agree_with_the_slow_formulation(window: int) -> None:
    highs, lows, closes = walk(200)
    assert rsi(closes, window) == pytest.approx(slow_rsi(closes.tolist(), window), rel=1e-9)
    assert adx(highs, lows, closes, window) == pytest.approx(
        slow_adx(highs.tolist(), lows.tolist(), closes.tolist(), window), rel=1e-9
    )


def test_adx_of_one_way_and_of_no_way() -> None:
    ramp = np.arange(100.0, 160.0)
    assert adx(ramp + 1, ramp - 1, ramp, 14) == pytest.approx(100.0)
    still = np.full(60, 100.0)
    assert adx(still, still, still, 14) == 0.0


def test_what_lies_before_the_bars_that_are_read_weighs_next_to_nothing() -> None:
    highs, lows, closes = walk(1000)
    assert ema(closes[-80:], 20) == pytest.approx(ema(closes, 20), rel=1e-4)
    assert rsi(closes[-113:], 14) == pytest.approx(rsi(closes, 14), abs=0.05)
    assert adx(highs[-140:], lows[-140:], closes[-140:], 14) == pytest.approx(adx(highs, lows, closes, 14), abs=0.1)


def test_vwap_weighs_by_volume() -> None:
    assert vwap(np.array([10.0, 20.0]), np.array([3.0, 1.0])) == 12.5
    assert vwap(np.array([10.0, 20.0]), np.zeros(2)) is None
    assert vwap(np.array([]), np.array([])) is None


@pytest.mark.parametrize("window", [5, 14, 20])
def test_all_agree_with_ta_lib(window: int) -> None:
    """Its first averages begin a bar apart from ours; after 600 bars nothing is left of that."""
    talib = pytest.importorskip("talib")
    highs, lows, closes = walk(600)
    assert sma(closes, window) == pytest.approx(talib.SMA(closes, window)[-1], rel=1e-9)
    assert ema(closes, window) == pytest.approx(talib.EMA(closes, window)[-1], rel=1e-9)
    assert rsi(closes, window) == pytest.approx(talib.RSI(closes, window)[-1], rel=1e-9)
    assert adx(highs, lows, closes, window) == pytest.approx(talib.ADX(highs, lows, closes, window)[-1], rel=1e-6)
