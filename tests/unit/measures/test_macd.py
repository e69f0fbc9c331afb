"""`macd` by hand and against TA-Lib, whose fast average begins where the slow one does."""

from dataclasses import replace

import numpy as np
import pytest

from rulebot.measure.reading import UnknownValue
from rulebot.measures.registry import VOCABULARY
from rulebot.model.facts import Bars
from tests.unit.measures.market_view import NOW, read, walked

LINES = ("macd", "signal", "histogram")


def test_of_closes_that_stand_still_every_line_is_zero() -> None:
    view, bars = walked(100)
    flat = tuple(bar._replace(close=6000.0) for bar in bars)
    view.facts = replace(view.facts, bars={("SPX", 86400): Bars(NOW, flat)})
    assert [read(view, "macd", line=line) for line in LINES] == [0.0, 0.0, 0.0]


def test_the_histogram_is_the_line_above_its_signal() -> None:
    view, _ = walked(217)
    line, signal, histogram = (read(view, "macd", line=each) for each in LINES)
    assert isinstance(line, float)
    assert isinstance(signal, float)
    assert histogram == pytest.approx(line - signal, rel=1e-12)


def test_too_few_bars_are_unknown() -> None:
    assert read(walked(60)[0], "macd") == UnknownValue("SPX: 60 daily bars, 61 are needed")


def test_ta_lib_agrees() -> None:
    talib = pytest.importorskip("talib")
    view, bars = walked(8 * 26 + 9)
    known = talib.MACD(np.array([bar.close for bar in bars]), 12, 26, 9)
    for name, column in zip(LINES, known, strict=True):
        assert read(view, "macd", line=name) == pytest.approx(column[-1], abs=1e-4), name


def test_the_fast_average_is_over_fewer_bars() -> None:
    refusal = VOCABULARY["macd"].refuse({"fast": 26, "slow": 26})  # type: ignore[misc]
    assert refusal is not None
    assert "fewer bars" in refusal.message
