"""Price grids in what TWS sends: contract details that name market rules, and the rules."""

import asyncio
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from rulebot.adapters.ib.contracts import MarketRules, read_rule, rule_in
from rulebot.adapters.ib.requests import Requests
from rulebot.model.contract import product

VENUES, RULES = "AMEX,SMART,CBOE", "109,110,109"


def row(version: int = 178, pairs: int = 0, venues: str = VENUES, rules: str = RULES, kind: str = "OPT") -> list[str]:
    """Return contractData of an option of class GGG."""
    head = ["10"] + (["8"] if version < 164 else []) + ["1", "GGG", kind, "20251219", "85", "P", "SMART", "USD"]
    terms = ["GGG   251219P00085000", "GGG", "GGG", "7", "0.05"] + (["100"] if version < 164 else [])
    reported = [
        "100",
        "LMT",
        venues,
        "1",
        "268710",
        "GRACO INC",
        "",
        "202512",
        "",
        "",
        "",
        "US/Eastern",
        "",
        "",
        "",
        "0",
    ]
    tags = [str(pairs), *(["ISIN", "US3841091040"] * pairs)]
    return [*head, *terms, *reported, *tags, "1", "GGG", "STK", rules, "20251219", ""]


@pytest.mark.parametrize("version", [157, 164, 178])
@pytest.mark.parametrize("pairs", [0, 1, 3])
def test_the_rule_is_that_of_smart_among_the_exchanges(version: int, pairs: int) -> None:
    assert rule_in(row(version, pairs), version, "GGG") == "110"


@pytest.mark.parametrize(
    "found",
    [
        row(venues="AMEX,CBOE", rules="109,109"),
        row(venues="AMEX,SMART", rules="109"),
        row(rules=""),
        row(kind="STK"),
        row()[:32],
    ],
)
def test_without_one_nothing_is_reported(found: list[str]) -> None:
    assert rule_in(found, 178, "GGG") == ""
    assert rule_in(row(), 178, "GGG1") == ""


@pytest.mark.parametrize(
    ("text", "price", "step"),
    [
        ("93|239|2|0|0.05|3|0.1", "2.99", "0.05"),
        ("93|239|2|0|0.05|3|0.1", "3", "0.10"),
        ("93|239|2|3.0|0.10|0.0|0.05", "2.99", "0.05"),
        ("93|26|1|0.0|0.01", "900", "0.01"),
        ("93|9|2|0|1E-4|1.0|0.01", "0.5", "0.0001"),
    ],
)
def test_a_market_rule_gives_the_tick_of_a_price(text: str, price: str, step: str) -> None:
    assert str(read_rule(text.split("|")).tick(Decimal(price))) == step


def test_one_that_is_the_same_as_the_table_has_is_equal_to_it() -> None:
    assert read_rule(["93", "239", "2", "0.0", "0.05", "3.0", "0.1"]) == product("SPX").option_ticks


@pytest.mark.parametrize(
    "text",
    ["93|26|0", "93|26|1|0", "93|26|2|0|0.05|3", "93|26|x|0|1", "93|26|1|0|0", "93|26|1|0|1.79E308"],
)
def test_a_rule_without_steps_that_prices_can_lie_on_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no price steps"):
        read_rule(text.split("|"))


def test_a_gateway_that_answers_no_rule_is_waited_for_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each rule that was never answered held up the strikes of a class for five seconds."""
    monkeypatch.setattr("rulebot.adapters.ib.contracts.AGAIN_SECONDS", 0.01)
    monkeypatch.setattr("rulebot.adapters.ib.contracts.RULE_SECONDS", 0.05)

    async def scenario() -> None:
        wire: Any = SimpleNamespace(
            requests=Requests(lambda: 1),
            client=SimpleNamespace(reqMarketRule=lambda number: None),
            settings=SimpleNamespace(request_seconds=30.0),
            lost=None,
        )
        rules = MarketRules()
        assert [await rules._ask(wire, number) for number in ("32", "109", "110")] == [None, None, None]

    asyncio.run(scenario())
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [each.rpartition("within ")[2] for each in warnings] == ["0.05 s", "0.01 s", "0.01 s"]
