"""`bollinger` by its properties and against TA-Lib."""

import numpy as np
import pytest

from rulebot.measure.reading import UnknownValue
from tests.unit.measures.market_view import read, walked


def test_the_bands_stand_as_far_from_the_average_as_their_width() -> None:
    view, _ = walked(20)
    upper, middle, lower = (read(view, "bollinger", band=band) for band in ("upper", "middle", "lower"))
    assert isinstance(upper, float)
    assert isinstance(middle, float)
    assert middle == pytest.approx(read(view, "sma", window=20), rel=1e-12)
    assert lower == pytest.approx(2 * middle - upper, rel=1e-12)
    wider = read(view, "bollinger", band="upper", width=4.0)
    assert wider == pytest.approx(middle + 2 * (upper - middle), rel=1e-12)


def test_too_few_bars_are_unknown() -> None:
    assert read(walked(19)[0], "bollinger") == UnknownValue("SPX: 19 daily bars, 20 are needed")


@pytest.mark.parametrize("width", [1.0, 2.5])
def test_ta_lib_agrees(width: float) -> None:
    talib = pytest.importorskip("talib")
    view, bars = walked(60)
    known = talib.BBANDS(np.array([bar.close for bar in bars]), 20, width, width)
    for band, column in zip(("upper", "middle", "lower"), known, strict=True):
        assert read(view, "bollinger", band=band, width=width) == pytest.approx(column[-1], rel=1e-9)
