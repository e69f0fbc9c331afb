"""`stochastic` at its ends and against TA-Lib, which says 0 of bars without a range where we say 50."""

from dataclasses import replace

import numpy as np
import pytest

from rulebot.measure.reading import UnknownValue
from rulebot.model.facts import Bars
from tests.unit.measures.market_view import NOW, read, walked


def test_it_is_100_at_the_high_and_50_without_a_range() -> None:
    view, bars = walked(18)
    rising = tuple(bar._replace(high=float(at), low=at - 1.0, close=float(at)) for at, bar in enumerate(bars, 5000))
    view.facts = replace(view.facts, bars={("SPX", 86400): Bars(NOW, rising)})
    assert read(view, "stochastic") == 100.0
    still = tuple(bar._replace(high=5000.0, low=5000.0, close=5000.0) for bar in bars)
    view.facts = replace(view.facts, bars={("SPX", 86400): Bars(NOW, still)})
    assert read(view, "stochastic", line="d") == 50.0


def test_too_few_bars_are_unknown() -> None:
    assert read(walked(17)[0], "stochastic") == UnknownValue("SPX: 17 daily bars, 18 are needed")


def test_ta_lib_agrees() -> None:
    talib = pytest.importorskip("talib")
    view, bars = walked(60)
    columns = (np.array([getattr(bar, name) for bar in bars]) for name in ("high", "low", "close"))
    known = talib.STOCH(*columns, fastk_period=14, slowk_period=3, slowd_period=3)
    for line, column in zip(("k", "d"), known, strict=True):
        assert read(view, "stochastic", line=line) == pytest.approx(column[-1], rel=1e-9)
