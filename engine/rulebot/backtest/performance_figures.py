"""Further figures of a backtest's closed trades and its account, by which people compare ways of trading.

Kept premium: net profit of the trades that were sold for a credit, by what they were sold for.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from statistics import median

from rulebot.backtest.result_rows import AccountDay, ClosedTrade
from rulebot.model.contract import LOT
from rulebot.model.counted import counted
from rulebot.model.money import ZERO, cents, signed_dollars
from rulebot.model.performance import average_loss, average_win, longest_below, losing_streak
from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceFigures:
    """What they are. None where there is nothing to make one of.

    average_win, average_loss: dollars a trade. losing_streak: trades in a row, by when they were left. premium_kept: 1
    is all. held: minutes from the first fill until a trade was left, nights and weekends included, in the median.
    below_best: sessions in a row that the account ended below its best.
    """

    average_win: Decimal | None
    average_loss: Decimal | None
    losing_streak: int
    premium_kept: float | None
    held: float | None
    below_best: int


def figures_of(trades: Sequence[ClosedTrade], days: Sequence[AccountDay]) -> PerformanceFigures:
    """Return the figures of the trades that are closed, and of the account at the end of each session."""
    closed = sorted((trade for trade in trades if trade.left is not None), key=lambda trade: str(trade.left))
    made = [trade.net for trade in closed]
    win, loss = average_win(made), average_loss(made)
    began = [day.equity - day.profit for day in days[:1]]
    spans = [_minutes(trade) for trade in closed]
    return PerformanceFigures(
        average_win=None if win is None else cents(win),
        average_loss=None if loss is None else cents(loss),
        losing_streak=losing_streak(made),
        premium_kept=_premium_kept(closed),
        held=round(median(spans), 1) if spans else None,
        below_best=longest_below([*began, *(day.equity for day in days)]),
    )


def _premium_kept(trades: Sequence[ClosedTrade]) -> float | None:
    of_credit = (trade for trade in trades if trade.entry is not None and trade.entry > 0)
    sold = [(trade.net, _premium(trade)) for trade in of_credit]
    premium = sum((premium for _, premium in sold), ZERO)
    return round(float(sum((net for net, _ in sold), ZERO) / premium), 6) if premium else None


def _premium(trade: ClosedTrade) -> Decimal:
    return Decimal(str(trade.entry)) * trade.quantity * LOT


def _minutes(trade: ClosedTrade) -> float:
    entered, left = (datetime.fromisoformat(str(at)) for at in (trade.entered, trade.left))
    return (left - entered).total_seconds() / 60.0


def figure_words(found: PerformanceFigures) -> list[tuple[str, str]]:
    """Return what each figure is called, and its value as people read it; nothing of those that there are not."""
    kept, held, below = found.premium_kept, found.held, found.below_best
    told = (
        ("average winner", None if found.average_win is None else signed_dollars(found.average_win)),
        ("average loser", None if found.average_loss is None else signed_dollars(found.average_loss)),
        ("losses in a row", f"{found.losing_streak}" if found.losing_streak else None),
        ("premium kept", None if kept is None else f"{round(kept * 100, 1) + 0.0:g} %"),
        ("median time in a trade", None if held is None else _time_words(held)),
        ("longest below its best", counted(below, "session") if below else None),
    )
    return [(name, value) for name, value in told if value is not None]


def _time_words(minutes: float) -> str:
    """Return how long that is: 35m, 3h 10m, 12 days."""
    hours, rest = divmod(round(minutes), 60)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours}h {rest:02d}m" if hours else f"{rest}m"
