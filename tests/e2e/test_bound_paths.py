"""No trade loses more than its bound, on random paths through the engine core and the simulated broker."""

import pytest

from engine.model.loss_bound import trade_bound
from engine.review.example import example_of
from tests.e2e.bound_paths import SPECS, bot_of, path_of, tried


@pytest.mark.long
def test_ci_no_trade_loses_more_than_its_bound() -> None:
    """`python -m tests.e2e.bound_paths --count 20000` tries more."""
    assert tried(range(500)).problems == ()


@pytest.mark.parametrize(
    "number",
    [
        6716,  # a calendar closed below its exercise value
        6819,
        3141,  # the long leg waited for its fill when the short one had closed
        13154,  # the other legs waited for size when the broker had liquidated one
        30231,  # the long leg expired worthless when the short one had closed
    ],
)
def test_a_loss_beyond_the_bound_is_what_the_bound_leaves_out(number: int) -> None:
    path = path_of(number)
    assert path.bound is not None
    assert path.bound < path.lost <= path.bound + path.left_out


@pytest.mark.parametrize("number", range(0, SPECS, 10))
def test_explain_shows_the_bound_of_the_gate(number: int) -> None:
    kind, bot, _ = bot_of(number)
    example = None if bot is None else example_of(bot.plan)
    if example is None:
        return
    legs, quantity = example.position.legs, example.position.quantity
    assert example.worst == trade_bound(legs, example.net, quantity), kind
