"""The figures of a row of profits, against values made by hand."""

from decimal import Decimal
from math import sqrt

import pytest

from rulebot.model.performance import (
    average_loss,
    average_win,
    expectancy,
    longest_below,
    losing_streak,
    sharpe,
    sharpe_error,
    win_rate,
)


def dollars(*amounts: int) -> list[Decimal]:
    return [Decimal(amount) for amount in amounts]


def test_sharpe_of_twenty_sessions() -> None:
    """Ten of +30 and ten of -10: mean 10, squared deviations 20 x 400, so s = sqrt(8000 / 19)."""
    profits = dollars(*[30] * 10, *[-10] * 10)
    by_hand = 10 / sqrt(8000 / 19)
    assert by_hand == pytest.approx(0.48733971724)
    assert sharpe(profits) == pytest.approx(by_hand * sqrt(252))
    assert sharpe(profits) == pytest.approx(7.7363, abs=1e-4)


def test_a_session_without_a_trade_counts_as_zero() -> None:
    """Ten of +20 and ten of nothing: mean 10, s = sqrt(20 x 100 / 19)."""
    assert sharpe(dollars(*[20] * 10, *[0] * 10)) == pytest.approx(10 / sqrt(2000 / 19) * sqrt(252))


def test_no_capital_and_no_order_matters() -> None:
    profits = dollars(*range(-7, 18))
    assert sharpe([each * 25 for each in reversed(profits)]) == pytest.approx(sharpe(profits))
    assert sharpe([-each for each in profits]) == pytest.approx(-(sharpe(profits) or 0.0))


def test_the_error_of_a_sharpe_ratio() -> None:
    """Twenty sessions of mean 0: the error is that of a session, sqrt(1 / 20), a year's."""
    assert sharpe(dollars(*[10] * 10, *[-10] * 10)) == 0
    assert sharpe_error(dollars(*[10] * 10, *[-10] * 10)) == pytest.approx(sqrt(252 / 20))
    once = 10 / sqrt(8000 / 19)
    assert sharpe_error(dollars(*[30] * 10, *[-10] * 10)) == pytest.approx(sqrt((1 + once**2 / 2) / 20 * 252))


def test_too_few_sessions_or_all_alike_have_no_ratio() -> None:
    for profits in (dollars(), dollars(*range(19)), dollars(*[5] * 30), dollars(*[0] * 30)):
        assert sharpe(profits) is None
        assert sharpe_error(profits) is None


def test_expectancy_and_win_rate_of_trades() -> None:
    assert expectancy(dollars(40, -25, 0)) == 5
    assert win_rate(dollars(40, -25, 0, 10)) == Decimal("0.5")
    assert (expectancy([]), win_rate([])) == (None, None)


def test_winners_and_losers_apart() -> None:
    made = dollars(40, -25, 0, 20, -75)
    assert (average_win(made), average_loss(made)) == (30, -50)
    assert (average_win(dollars(0, -1)), average_loss(dollars(0, 1))) == (None, None)


def test_losses_in_a_row_end_with_what_is_none() -> None:
    assert losing_streak(dollars(-1, -1, 5, -1, -1, -1, 0, -1)) == 3
    assert losing_streak([]) == losing_streak(dollars(1, 0, 2)) == 0


def test_how_long_an_account_stood_below_its_best() -> None:
    """As high as the best so far is not below it."""
    assert longest_below(dollars(100, 90, 95, 100, 99, 98, 97, 101, 100)) == 3
    assert longest_below([]) == longest_below(dollars(1, 1, 2)) == 0
