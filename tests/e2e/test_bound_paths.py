"""No trade loses more than its bound, on random paths through the engine core and the simulated broker."""

import pytest

from rulebot.model.loss_bound import trade_bound
from rulebot.review.example import example_of
from tests.e2e.bound_paths import CAUSES, SPECS, bot_of, path_of, tried


@pytest.mark.long
@pytest.mark.timeout(600)
def test_ci_no_trade_loses_more_than_its_bound() -> None:
    """`python -m tests.e2e.bound_paths --count 20000` tries more."""
    assert tried(range(300)).problems == ()


@pytest.mark.parametrize(
    "number",
    [
        200737,  # a protective stop bought the short leg, and the spread of the long leg was wide
        201432,
    ],
)
def test_a_loss_beyond_the_bound_is_what_the_bound_leaves_out(number: int) -> None:
    path = path_of(number)
    assert path.bound is not None
    assert path.cause == CAUSES[1]
    assert path.bound < path.lost <= path.bound + path.left_out


@pytest.mark.parametrize(
    "number",
    [
        4194,  # the broker liquidated a short call behind protective stops, which left its spread open
        7733,
        300118,  # the broker liquidated the long call while others had no size
        200643,  # a collar sold below the strike of its put
        302727,  # a wing without a bid is bid for again while the others wait
        202619,  # a double calendar closed below its exercise value
    ],
)
def test_the_bound_answers_for_what_the_engine_decides(number: int) -> None:
    path = path_of(number)
    assert path.bound is not None
    assert path.cause in ("", CAUSES[0])
    assert path.lost <= path.bound


@pytest.mark.parametrize("number", range(0, SPECS, 10))
def test_explain_shows_the_bound_of_the_gate(number: int) -> None:
    kind, bot, _ = bot_of(number)
    example = None if bot is None else example_of(bot.plan)
    if example is None:
        return
    legs, quantity = example.position.legs, example.position.quantity
    assert example.worst == trade_bound(legs, example.net, quantity), kind
