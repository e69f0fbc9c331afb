"""Is this quote good enough to act on? One answer for rules, ladders and marks.

A quote is sound when it is live (not frozen or delayed), fresh, two-sided and not crossed or locked. Only changes are
sent, so a row's silence alone does not make it stale while the feed as a whole lives; each limit below bounds both.
"""

from collections.abc import Iterable, Sequence
from math import isnan

from engine.model.contract import Contract, Option, Underlying
from engine.model.market import Board

NO_BID = "no bid"
FEED_SILENCE = 15.0
"""Seconds without any market data message after which every quote is stale."""
LEVEL_AGE = 30.0
"""Seconds after which the price of an index, ETF or stock is stale."""
VOLATILITY_INDEX_AGE = 180.0
"""The same for VIX and its family, which are published every 15 s and often unchanged."""
OPTION_AGE = 300.0
"""Seconds after which a quiet option quote, or its greeks, is stale while the feed lives."""

IMPLIED_AGE = 900.0
"""Seconds after which an underlying's 30-day volatility is stale: it is told when it changes, minutes apart."""


def usual_age(contract: Contract | None) -> float:
    """Return the seconds after which a quiet row of this contract is stale."""
    if isinstance(contract, Option) and not contract.is_share:
        return OPTION_AGE
    if isinstance(contract, Underlying) and contract.symbol.startswith("VIX"):
        return VOLATILITY_INDEX_AGE
    return LEVEL_AGE


def age_problem(board: Board, row: int, at: float, now: float, limit: float) -> str:
    """Return why the value stamped `at` (epoch seconds) in this row is too old to use, or ""."""
    if now - at <= limit and now - board.alive_at <= FEED_SILENCE and row not in board.frozen:
        return ""
    if row in board.frozen:
        return "not live data"
    if isnan(at):
        return "no data yet"
    if now - at > limit:
        return f"stale for {now - at:.0f} s"
    if now - board.alive_at > FEED_SILENCE:
        return f"no market data for {now - board.alive_at:.0f} s"
    return ""


def fresh_rows(board: Board, rows: Iterable[int], stamps: Sequence[float], now: float, limit: float) -> list[int]:
    """Return those rows without an age problem: the same answer as `age_problem`, for a whole chain at once."""
    if now - board.alive_at > FEED_SILENCE:
        return []
    frozen = board.frozen
    return [row for row in rows if now - stamps[row] <= limit and row not in frozen]


def quote_problem(board: Board, row: int, now: float, limit: float | None = None) -> str:
    """Return why the quote of this row is not sound, or "" when it is.

    Units: `now` and `limit` in seconds; `limit` None takes the usual age for what the row holds.
    """
    if row < 0:
        return "not streamed"
    if limit is None:
        limit = usual_age(board.contracts[row])
    if problem := age_problem(board, row, board.quote_at[row], now, limit):
        return problem
    bid, ask = board.bid[row], board.ask[row]
    if isnan(ask):
        return "no ask"
    if isnan(bid):
        return NO_BID
    if bid >= ask:
        return "crossed" if bid > ask else "locked"
    return ""


def middle(bid: float, ask: float) -> float:
    """Return the middle of a quote; without a bid half the ask, nan without an ask."""
    return ((bid if bid == bid else 0.0) + ask) / 2.0


def level(board: Board, row: int, now: float) -> float | None:
    """Return the price of an underlying: the midpoint if its quote is sound, else its last; None when unknown."""
    if row < 0:
        return None
    limit = usual_age(board.contracts[row])
    if not quote_problem(board, row, now, limit):
        return (board.bid[row] + board.ask[row]) / 2
    if age_problem(board, row, board.last_at[row], now, limit) or isnan(board.last[row]):
        return None
    return board.last[row]


def level_of(board: Board, symbol: str, now: float) -> float | None:
    """Return the price of the underlying of this symbol, None when unknown or not streamed."""
    return level(board, board.level_row(symbol), now)
