"""What rules may ask of the account and of other bots."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from rulebot.compile.plan import Call, Compare, Op, Quantity, Text
from rulebot.evaluate.rules import compile_test
from rulebot.measure.evaluation import Evaluation
from rulebot.measure.reading import UnknownValue
from rulebot.measure.view import BotView, View
from rulebot.model.facts import Account
from tests.unit.measures.market_view import CONTEXT, read, view


def asked(at: View, measure: str, word: str, called: str = "other") -> Evaluation:
    call = Call(measure, (("called", called),), Quantity.TEXT)
    return compile_test(Compare(Op.IS, call, (Text(word),)), CONTEXT)(at)


def beside(**bots: BotView) -> View:
    at = view()
    at.bot_view = bots.get
    return at


def test_dollars_of_the_account() -> None:
    at = view()
    account = Account("DU1", net_liquidation=Decimal("100000.50"), buying_power=Decimal(400000))
    at.facts = replace(at.facts, account=account)
    assert read(at, "net_liquidation") == 100000.5
    assert read(at, "buying_power") == 400000.0


@pytest.mark.parametrize("name", ["buying_power", "net_liquidation"])
def test_an_account_that_has_not_reported_is_unknown(name: str) -> None:
    assert read(view(), name) == UnknownValue(f"the broker has not reported the account's {name.replace('_', ' ')}")


@pytest.mark.parametrize(
    ("holds", "works", "truths"),
    [
        (False, False, {"open": False, "flat": True}),
        (True, False, {"open": True, "flat": False}),
        (True, True, {"open": True, "flat": False}),
        (False, True, {"open": False, "flat": False}),
    ],
)
def test_a_bot_is_open_flat_or_neither(holds: bool, works: bool, truths: dict[str, bool]) -> None:
    at = beside(other=BotView(holds, works, ""))
    assert {word: asked(at, "bot", word).truth for word in truths} == truths


def test_the_last_exit_of_today() -> None:
    at = beside(other=BotView(False, False, "stop"), calm=BotView(False, False, ""))
    assert asked(at, "last_exit", "stop") == Evaluation(True, detail="stop")
    assert asked(at, "last_exit", "target") == Evaluation(False, detail="stop")
    assert asked(at, "last_exit", "stop", "calm") == Evaluation(False, detail="none today")


@pytest.mark.parametrize(("measure", "word"), [("bot", "flat"), ("last_exit", "stop")])
def test_a_bot_that_is_not_run_is_unknown(measure: str, word: Any) -> None:
    assert asked(view(), measure, word) == Evaluation(None, missing="no bot other is run")
