"""Underlyings that are also the symbol of a future or an index: a warning, and whose shares the options are on."""

import pytest
from document import changed, problems

from rulebot.model.contract import INDICES, NAMESAKES, product
from tests.unit.review.test_sections import reported


@pytest.mark.parametrize("symbol", ["ES", "CL", "NQ", "DAX", "NG", "ZS", "DOW", "MGC", "M2K"])
def test_a_namesake_is_warned_of(symbol: str) -> None:
    found = next(each for each in problems(changed("underlying: SPX", f"underlying: {symbol}")) if each.code == "RB375")
    assert found.text == f"underlying: {symbol}"
    assert NAMESAKES[symbol].other in found.message


def test_what_is_traded_everywhere_is_no_namesake() -> None:
    assert not NAMESAKES.keys() & {*INDICES, "SPY", "QQQ", "IWM", "AAPL", "MSFT"}
    assert all(product(symbol).is_tradable for symbol in NAMESAKES)


def test_explain_says_whose_shares_they_are() -> None:
    text = reported(changed("underlying: SPX", "underlying: ES"))
    assert "options on the shares of Eversource (ES), not on the E-mini S&P 500 future" in text
