"""Shares among the legs: what they cover, what covers them, and where they cannot stand."""

from typing import Any

import pytest

from rulebot.compile.build import build_plan
from rulebot.compile.plan import Plan
from rulebot.spec.load import load_text

STOCK = "stock: {buy: shares}"
SOLD = "short_call: {sell: call, strike: {delta: 0.30}}"
PUT = "long_put: {buy: put, strike: {delta: 0.20}}"


def found(*legs: str, **changes: Any) -> tuple[Plan | None, list[tuple[str, str]]]:
    given = {"underlying": "SPY", "exits": "[{time: '15:45'}]", "risk": "{daily_loss: $500}", **changes}
    text = "rulebot: 1\nname: writer\nabout: A bot of a test.\n" + "".join(
        f"{key}: {value}\n" for key, value in given.items()
    )
    text += 'entry: {at: "10:00"}\norder: {start: mid, tries: 3}\nlegs:\n  expiry: {dte: 0}\n'
    loaded = load_text(text + "".join(f"  {leg}\n" for leg in legs))
    if loaded.spec is None:
        return None, [(each.code, each.message) for each in loaded.diagnostics]
    plan, problems = build_plan(loaded.spec, loaded.source)
    return plan, [(each.code, each.message) for each in problems if each.is_error]


@pytest.mark.parametrize("legs", [(STOCK, SOLD), (STOCK, PUT), (STOCK, SOLD, PUT)])
def test_covered_calls_married_puts_and_collars_are_bought(legs: tuple[str, ...]) -> None:
    plan, problems = found(*legs)
    assert problems == []
    assert plan is not None
    assert plan.opens_for == "debit"
    (stock,) = [leg for leg in plan.legs if leg.is_shares]
    assert (stock.ratio, stock.sign) == (100, 1)
    assert [chain[1] for chain in plan.needs.chains] == ["SPY"]


def test_a_lot_covers_one_call_and_not_two() -> None:
    (problem,) = found(STOCK, "short_call: {sell: call, ratio: 2, strike: {delta: 0.30}}")[1]
    assert problem[0] == "RB209"
    assert found("stock: {buy: shares, ratio: 2}", "short_call: {sell: call, ratio: 2, strike: {delta: 0.30}}")[1] == []


def test_shares_that_are_sold_cover_puts_and_owe_a_call() -> None:
    short = "stock: {sell: shares}"
    put = "short_put: {sell: put, strike: {delta: 0.30}}"
    (problem,) = found(short, put)[1]
    assert problem == ("RB209", "the shares sold by 'stock' are not covered: no call is bought on SPY")
    plan, problems = found(short, put, "long_call: {buy: call, strike: {delta: 0.30}}")
    assert problems == []
    assert plan is not None
    assert plan.opens_for == "credit"


@pytest.mark.parametrize(
    ("legs", "changes", "words"),
    [
        ((STOCK,), {}, "a structure needs an option"),
        ((STOCK, SOLD), {"underlying": "SPX"}, "SPX is an index"),
        ((STOCK, "more: {buy: shares}", SOLD), {}, "appear in two legs"),
        ((STOCK, SOLD), {"exits": "[{at_expiry: settle}]"}, "shares do not expire"),
        ((STOCK, SOLD), {"risk": "{protect: {cost: 4x credit}}"}, "without it"),
        ((STOCK, SOLD), {"exits": "[{time: '15:45', close: [stock]}]"}, "leaves what they cover"),
        ((STOCK, "short_call: {sell: call, strike: {above: stock, by: 5 pts}}"), {}, "'stock' is shares"),
        ((STOCK, SOLD), {"quantity": "{overwrite: {between: [25%, 50%]}}"}, "shares"),
        (("stock: {buy: shares, strike: {at: spot}}", SOLD), {}, "shares have no strike"),
        ((STOCK, "short_call: {sell: call}"), {}, "'short_call' lacks 'strike'"),
        (("choose: [{name: one, short_call: {sell: call}}, {name: two, " + PUT + "}]",), {}, "lacks 'strike'"),
        ((STOCK, "short_call: {sell: call, strike: {at: spot, min_strike: strike(stock)}}"), {}, "'stock' is shares"),
        (
            ("stock: {sell: shares}", "long_call: {buy: call, strike: {at: spot}}"),
            {"exits": "[{time: '15:45'}, {loss: {above: $50, of: each_short}}]"},
            "this bot has none",
        ),
    ],
)
def test_what_shares_cannot_be(legs: tuple[str, ...], changes: dict[str, str], words: str) -> None:
    assert any(words in message for _, message in found(*legs, **changes)[1])


def test_measures_of_options_are_not_asked_of_shares() -> None:
    plan, problems = found(STOCK, SOLD, exits="[{time: '15:45'}, {leg_delta: {beyond: 0.5}}]")
    assert problems == []
    assert plan is not None
    rule = plan.exits[1].rule
    assert rule is not None
    assert "('short_call',)" in repr(rule.test)
    ((_, message),) = found(STOCK, SOLD, exits="[{time: '15:45'}, {leg_delta: {of: stock, beyond: 0.5}}]")[1]
    assert message.startswith("'stock' is shares")


@pytest.mark.parametrize(
    ("legs", "is_fine"),
    [((STOCK, SOLD), True), ((STOCK, SOLD.replace("sell: call", "sell: call, ratio: 2")), False)],
)
def test_a_budget_of_loss_needs_every_call_covered(legs: tuple[str, ...], is_fine: bool) -> None:
    risk = "{undefined_risk: allow, daily_loss: $500}"
    _, problems = found(*legs, quantity="{max_loss: $90000, at_most: 3}", risk=risk)
    assert (problems == []) is is_fine
