"""Performance figures of a series of profits: one formula each, used wherever such a figure is shown.

**Sharpe ratio.** S = mean(d) / s(d) x sqrt(252), with d the net profit of each session in dollars, s its sample
standard deviation (n - 1), and 252 sessions in a year. A session on which the bot ran and did not trade is one of zero.
Dollars, not returns: a bot's quantity is fixed, and so is its capital, whose division leaves the ratio unchanged. No
risk-free rate is subtracted, because the capital earns its interest anyway. Fewer than `LEAST_SESSIONS`, or all equal,
have none. `sharpe_error` gives the standard error.

Source: W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994), 49-58, the ex post ratio; the error
of independent, identically distributed sessions: A. W. Lo, "The Statistics of Sharpe Ratios", Financial Analysts
Journal 58 (2002), 36-52.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate, groupby
from math import fsum, sqrt
from statistics import fmean
from typing import TypeVar

Dollars = TypeVar("Dollars", Decimal, float)
SESSIONS_IN_A_YEAR = 252
LEAST_SESSIONS = 20


def sharpe(profits: Sequence[Decimal]) -> float | None:
    """Return the Sharpe ratio of the net profits of sessions, a year's; None when there is none.

    profits: a session each, also those without a trade. Units: dollars.
    """
    found = _of_a_session(profits)
    return None if found is None else found * sqrt(SESSIONS_IN_A_YEAR)


def sharpe_error(profits: Sequence[Decimal]) -> float | None:
    """Return the standard error of `sharpe`: sqrt((1 + S^2 / 2) / n) of a session's ratio, a year's."""
    found = _of_a_session(profits)
    if found is None:
        return None
    return sqrt((1 + found * found / 2) / len(profits) * SESSIONS_IN_A_YEAR)


def expectancy(profits: Sequence[Decimal]) -> Decimal | None:
    """Return the mean net profit of a trade; None without trades."""
    return sum(profits, Decimal(0)) / len(profits) if profits else None


def win_rate(profits: Sequence[Decimal]) -> Decimal | None:
    """Return the part of trades that made money after commissions, 0 to 1; None without trades."""
    return Decimal(sum(profit > 0 for profit in profits)) / len(profits) if profits else None


def average_win(profits: Sequence[Decimal]) -> Decimal | None:
    """Return the mean net profit of the trades that made money; None where none did."""
    return expectancy([profit for profit in profits if profit > 0])


def average_loss(profits: Sequence[Decimal]) -> Decimal | None:
    """Return the mean net profit of the trades that lost money, below zero; None where none did."""
    return expectancy([profit for profit in profits if profit < 0])


def losing_streak(profits: Iterable[Decimal]) -> int:
    """Return how many trades in a row lost money at most. profits: in the order in which the trades were left."""
    return max((len(list(run)) for is_loss, run in groupby(profits, lambda profit: profit < 0) if is_loss), default=0)


def below_best(values: Iterable[Dollars]) -> list[Dollars]:
    """Return how far each value of an account is below its best so far (drawdown)."""
    values = list(values)
    return [best - value for value, best in zip(values, accumulate(values, max), strict=True)]


def drawdown(profits: Iterable[Decimal]) -> Decimal:
    """Return how far what these have made fell below its best so far at the deepest, of nothing made at first."""
    return max(below_best(accumulate(profits, initial=Decimal(0))))


def longest_below(values: Iterable[Decimal]) -> int:
    """Return the longest run of values below the best so far."""
    runs = groupby(below_best(values), bool)
    return max((len(list(run)) for is_below, run in runs if is_below), default=0)


def _of_a_session(profits: Sequence[Decimal]) -> float | None:
    if len(profits) < LEAST_SESSIONS or min(profits) == max(profits):
        return None
    values = list(map(float, profits))
    mean = fmean(values)
    return mean / sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
