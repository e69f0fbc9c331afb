"""Figures by which ways of trading are compared, against values made by hand."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from test_backtest_results import trade

from rulebot.backtest.results import AccountDay, ClosedTrade, PerformanceFigures, figure_words, figures_of

DAY = "2026-09-01"


def left(clock: str, net: int, entry: float | None = 1.0, day: str = DAY, *, in_shares: bool = False) -> ClosedTrade:
    found = replace(trade(f"{day} {clock}:00"), entered=f"{DAY} 10:00:00")
    return replace(found, net=Decimal(net), entry=entry, quantity=2, in_shares=in_shares)


def ended(equity: int, profit: int = 0) -> AccountDay:
    money: Any = {"equity": Decimal(equity), "profit": Decimal(profit)}
    return AccountDay(date=date(2026, 9, 1), vix=None, opened=0, closed=0, **money)


def test_the_figures_of_a_few_trades() -> None:
    """Told in any order: 60 of 600 received are kept; what was bought, and what is open, is in no premium."""
    trades = [
        left("15:00", -120),
        left("11:00", 100),
        left("12:00", -40, entry=-2.5),
        left("14:00", 80),
        replace(left("15:00", 5000), left=None),
    ]
    found = figures_of(trades, [ended(1100, 100), ended(1050), ended(1090), ended(1100), ended(1000)])
    assert found == PerformanceFigures(
        average_win=Decimal(90), average_loss=Decimal(-80), losing_streak=1, premium_kept=0.1, held=180.0, below_best=2
    )


def test_what_an_account_lost_on_its_first_day_is_below_what_it_began_with() -> None:
    assert figures_of([], [ended(900, -100), ended(950), ended(1000)]).below_best == 2


def test_the_premium_of_a_put_that_was_assigned_is_not_kept() -> None:
    """Its net counts the shares, so it belongs to what was kept: it has lost its premium and half as much."""
    assert figures_of([left("11:00", -100, in_shares=True)], []).premium_kept == -0.5
    assert figures_of([left("11:00", -100, in_shares=True), left("12:00", 50)], []).premium_kept == -0.125


def test_they_are_reported_in_words_where_there_are_any() -> None:
    nothing: Any = {"average_win": None, "average_loss": None, "losing_streak": 0, "premium_kept": None}
    assert figure_words(PerformanceFigures(**nothing, held=None, below_best=0)) == []
    some = PerformanceFigures(
        average_win=Decimal("12.50"), average_loss=None, losing_streak=3, premium_kept=0.0854, held=190.4, below_best=1
    )
    assert figure_words(some) == [
        ("average winner", "+$12.50"),
        ("losses in a row", "3"),
        ("premium kept", "8.5 %"),
        ("median time in a trade", "3h 10m"),
        ("longest below its best", "1 session"),
    ]


@pytest.mark.parametrize(
    ("minutes", "words"), [(0.4, "0m"), (59.6, "1h 00m"), (2879.0, "47h 59m"), (17280.0, "12 days")]
)
def test_times_in_words(minutes: float, words: str) -> None:
    nothing: Any = {"average_win": None, "average_loss": None, "losing_streak": 0, "premium_kept": None}
    assert figure_words(PerformanceFigures(**nothing, held=minutes, below_best=0)) == [
        ("median time in a trade", words)
    ]
