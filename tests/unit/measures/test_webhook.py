"""What rules may ask of web hooks: the last of a name, today, how long ago, and its word."""

from dataclasses import replace

import pytest

from rulebot.compile.plan import Argument, Call, Holds, Not, Quantity
from rulebot.evaluate.rules import compile_test
from rulebot.measure.evaluation import Evaluation
from rulebot.measures.bots import NO_DOOR
from rulebot.model.facts import Hook
from tests.unit.measures.market_view import CONTEXT, NOW, view


def asked(hooks: dict[str, Hook] | None, *, says: str = "", turned: bool = False) -> Evaluation:
    at = view()
    at.facts = replace(at.facts, hooks=hooks)
    given: tuple[tuple[str, Argument], ...] = (("name", "trend"), ("within", 1800.0))
    held = Holds(Call("webhook", (*given, *((("says", says),) if says else ())), Quantity.TRUTH))
    return compile_test(Not(held) if turned else held, CONTEXT)(at)


def came(seconds_ago: float, says: str = "") -> dict[str, Hook]:
    return {"trend": Hook(NOW - seconds_ago, says)}


@pytest.mark.parametrize(
    ("seconds_ago", "truth"), [(-0.5, True), (0.0, True), (1799.9, True), (1800.0, False), (7200.0, False)]
)
def test_it_counts_for_as_long_as_the_spec_says(seconds_ago: float, truth: bool) -> None:
    assert asked(came(seconds_ago)).truth is truth
    assert asked(came(seconds_ago), turned=True).truth is not truth


def test_none_of_the_name_is_false() -> None:
    assert asked({}) == Evaluation(False, detail="none came today")
    assert asked({"other": Hook(NOW, "")}).truth is False


def test_while_none_can_come_nobody_knows() -> None:
    assert asked(None) == Evaluation(None, missing=NO_DOOR)
    assert asked(None, turned=True).truth is None


@pytest.mark.parametrize(("said", "truth"), [("up", True), ("down", False), ("", False)])
def test_the_last_one_must_bring_the_word(said: str, truth: bool) -> None:
    assert asked(came(60, said), says="up").truth is truth
    assert asked(came(60, said)).truth is True


def test_one_of_yesterday_evening_is_not_of_today() -> None:
    """The view is of the early morning there, so that the hook is recent."""
    at = view()
    midnight = NOW - (NOW + 86400 - 5 * 3600) % 86400  # New York is five hours behind in November
    at.now = midnight + 60
    for back, truth in ((61.0, False), (59.0, True)):
        at.facts = replace(at.facts, hooks={"trend": Hook(midnight + 60 - back, "")})
        held = Holds(Call("webhook", (("name", "trend"), ("within", 1800.0)), Quantity.TRUTH))
        assert compile_test(held, CONTEXT)(at).truth is truth


def test_what_is_reported_of_it() -> None:
    assert asked(came(60, "down"), says="up").detail.endswith(", says down")
    assert asked(came(1800)).detail.endswith(", too long ago")
    assert asked(came(0)).detail.startswith("came ")
