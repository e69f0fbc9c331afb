"""Levels of indices beside the underlyings: `vvix` and `skew_index`; and the spot of what a bot does not trade."""

import pytest

from rulebot.compile.units import INDICES
from rulebot.measure.reading import UnknownValue
from rulebot.model.contract import Underlying
from tests.unit.measures.market_view import level, quote, read, view


@pytest.mark.parametrize(("measure", "symbol"), [("vvix", "VVIX"), ("skew_index", "SKEW")])
def test_it_is_the_last_level_of_its_index(measure: str, symbol: str) -> None:
    at = view()
    assert read(at, measure) == UnknownValue(f"{symbol}: not streamed")
    at = view()
    level(at.board, symbol, 101.5)
    assert read(at, measure) == 101.5
    assert symbol in INDICES


def test_the_spot_of_an_etf_that_is_not_traded_is_its_midpoint() -> None:
    at = view()
    quote(at.board, Underlying("QQQ"), 519.9, 520.1)
    assert read(at, "spot", of="QQQ") == pytest.approx(520.0)
