"""The known bias of modelled prices, in dollars a trade."""

import json
from decimal import Decimal

import pytest

from rulebot.backtest.caveats import KnownBias, bias_words, known_bias


def leg(right: str, sign: int, price: str, delta: float | None, expiry: str = "2018-03-02") -> dict[str, object]:
    return {"right": right, "sign": sign, "entry_price": price, "delta": delta, "expiry": expiry, "opened": 2}


def row(*legs: dict[str, object]) -> dict[str, object]:
    return {"trade_date": "2018-02-02", "legs": json.dumps(legs)}


def test_a_put_spread_by_hand() -> None:
    spread = row(leg("put", -1, "11.40", -0.30), leg("put", 1, "5.10", -0.10))
    # 2021: 200 x (11.40 x (1 - 1/1.14) - 5.10 x (1 - 1/1.02)) = 200 x (1.40 - 0.10)
    # 2025: 200 x (11.40 x (1 - 1/1.21) - 5.10 x (1 - 1/1.34)) = 200 x (1.97851 - 1.29403)
    assert known_bias([spread]) == KnownBias(trades=1, least=Decimal("136.90"), most=Decimal("260.00"), same_day=0)


def test_what_is_bought_was_too_dear() -> None:
    found = known_bias([row(leg("call", 1, "10.30", 0.50))])
    assert found.most == Decimal("-60.00")
    assert found.least < found.most


@pytest.mark.parametrize("delta", [None, 0.95])
def test_of_an_unknown_delta_and_deep_in_the_money_no_bias_is_known(delta: float | None) -> None:
    assert known_bias([row(leg("call", -1, "10.30", delta))]).most == Decimal(0)


def test_same_day_options_are_distinguished() -> None:
    found = known_bias([row(leg("put", -1, "1.00", -0.2, "2018-02-02")), row(leg("put", -1, "11.40", -0.30))])
    assert (found.trades, found.same_day) == (1, 1)
    words = bias_words(trades=1, least=found.least, most=found.most, same_day=1)
    assert words == [
        "known bias: entries of 1 trade were too good by $280.00 to $395.70 a trade, "
        "by real SPY quotes of 2021 and 2025",
        "known bias of same-day options (1 trade): within 1 % at the money, not measured elsewhere",
    ]


def test_shares_have_no_bias() -> None:
    assert known_bias([{"trade_date": "2018-02-02", "legs": json.dumps([{"right": None, "sign": 1}])}]).trades == 0
