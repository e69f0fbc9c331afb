"""The figures of a row of profits, against values made by hand."""

from decimal import Decimal
from math import sqrt

import pytest

from engine.model.performance import expectancy, sharpe, sharpe_error, win_rate


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


def test_trades() -> None:
    assert expectancy(dollars(40, -25, 0)) == 5
    assert win_rate(dollars(40, -25, 0, 10)) == Decimal("0.5")
    assert (expectancy([]), win_rate([])) == (None, None)
