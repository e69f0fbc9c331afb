"""`atr` by hand and against TA-Lib, which begins a bar later: nothing is left of that after 113 bars."""

from itertools import pairwise

import numpy as np
import pytest

from rulebot.measure.reading import UnknownValue
from tests.unit.measures.market_view import read, walked


def test_it_starts_with_the_mean_range_and_moves_a_fourteenth_toward_each_next() -> None:
    view, bars = walked(29)
    ranges = [max(bar.high, before.close) - min(bar.low, before.close) for before, bar in pairwise(bars)]
    smoothed = sum(ranges[:14]) / 14
    for each in ranges[14:]:
        smoothed += (each - smoothed) / 14
    assert read(view, "atr") == pytest.approx(smoothed, rel=1e-12)


def test_too_few_bars_are_unknown() -> None:
    assert read(walked(28)[0], "atr") == UnknownValue("SPX: 28 daily bars, 29 are needed")


@pytest.mark.parametrize("window", [5, 14])
def test_ta_lib_agrees(window: int) -> None:
    talib = pytest.importorskip("talib")
    view, bars = walked(8 * window + 1)
    columns = (np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close"))
    assert read(view, "atr", window=window) == pytest.approx(talib.ATR(*columns, timeperiod=window)[-1], rel=1e-9)
