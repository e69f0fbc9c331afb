"""Is this quote good enough to act on? One answer for rules, ladders and marks.

A quote is sound when it is live (not frozen or delayed), fresh, two-sided and not crossed or locked. Only changes are
sent, so a row's silence alone does not make it stale while the feed as a whole lives; each limit below bounds both.
"""

from collections.abc import Iterable, Sequence
from enum import Enum
from math import isnan

from rulebot.model.contract import Contract, Option, Underlying
from rulebot.model.market import Board


class QuoteFault(Enum):
    """Why a quote, or another value of a row, is not sound. Its text for people is made by `fault_text`."""

    NOT_STREAMED = "not_streamed"
    NOT_LIVE = "not_live"
    NO_DATA = "no_data"
    STALE = "stale"
    FEED_SILENT = "feed_silent"
    NO_ASK = "no_ask"
    NO_BID = "no_bid"
    CROSSED = "crossed"
    LOCKED = "locked"


_TEXTS = {
    QuoteFault.NOT_STREAMED: "not streamed",
    QuoteFault.NOT_LIVE: "not live data",
    QuoteFault.NO_DATA: "no data yet",
    QuoteFault.STALE: "stale",
    QuoteFault.FEED_SILENT: "no market data",
    QuoteFault.NO_ASK: "no ask",
    QuoteFault.NO_BID: "no bid",
    QuoteFault.CROSSED: "crossed",
    QuoteFault.LOCKED: "locked",
}
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


def fault_text(fault: QuoteFault, seconds: float | None = None) -> str:
    """Return what people are told of a fault; seconds: how long it has lasted, where that is to be told."""
    return _TEXTS[fault] if seconds is None else f"{_TEXTS[fault]} for {seconds:.0f} s"


def age_fault(board: Board, row: int, at: float, now: float, limit: float) -> QuoteFault | None:
    """Return why the value stamped `at` (epoch seconds) in this row is too old to use, None when it is not."""
    if now - at <= limit and now - board.alive_at <= FEED_SILENCE and row not in board.frozen:
        return None
    if row in board.frozen:
        return QuoteFault.NOT_LIVE
    if isnan(at):
        return QuoteFault.NO_DATA
    if now - at > limit:
        return QuoteFault.STALE
    return QuoteFault.FEED_SILENT if now - board.alive_at > FEED_SILENCE else None


def age_problem(board: Board, row: int, at: float, now: float, limit: float) -> str:
    """Return in words why the value stamped `at` in this row is too old to use, "" when it is not."""
    return _words(age_fault(board, row, at, now, limit), board, at, now)


def _words(fault: QuoteFault | None, board: Board, at: float, now: float) -> str:
    if fault is None:
        return ""
    since = {QuoteFault.STALE: at, QuoteFault.FEED_SILENT: board.alive_at}.get(fault)
    return fault_text(fault, None if since is None else now - since)


def fresh_rows(board: Board, rows: Iterable[int], stamps: Sequence[float], now: float, limit: float) -> list[int]:
    """Return those rows without an age problem: the same answer as `age_problem`, for a whole chain at once."""
    if now - board.alive_at > FEED_SILENCE:
        return []
    frozen = board.frozen
    return [row for row in rows if now - stamps[row] <= limit and row not in frozen]


def quote_fault(board: Board, row: int, now: float, limit: float | None = None) -> QuoteFault | None:
    """Return why the quote of this row is not sound, None when it is.

    Units: `now` and `limit` in seconds; `limit` None takes the usual age for what the row holds.
    """
    if row < 0:
        return QuoteFault.NOT_STREAMED
    if limit is None:
        limit = usual_age(board.contracts[row])
    if fault := age_fault(board, row, board.quote_at[row], now, limit):
        return fault
    bid, ask = board.bid[row], board.ask[row]
    if isnan(ask):
        return QuoteFault.NO_ASK
    if isnan(bid):
        return QuoteFault.NO_BID
    if bid >= ask:
        return QuoteFault.CROSSED if bid > ask else QuoteFault.LOCKED
    return None


def quote_problem(board: Board, row: int, now: float, limit: float | None = None) -> str:
    """Return in words why the quote of this row is not sound, "" when it is; as `quote_fault`."""
    fault = quote_fault(board, row, now, limit)
    return "" if fault is None else _words(fault, board, board.quote_at[row] if row >= 0 else now, now)


def lacks_bid(board: Board, row: int) -> bool:
    """Say whether it was told that nobody bids for an option: a bid of size 0, and not a bid that is yet to come."""
    return isnan(board.bid[row]) and board.bid_size[row] == 0.0


def middle(bid: float, ask: float) -> float:
    """Return the middle of a quote; without a bid half the ask, nan without an ask."""
    return ((bid if bid == bid else 0.0) + ask) / 2.0


def level(board: Board, row: int, now: float) -> float | None:
    """Return the price of an underlying: the midpoint if its quote is sound, else its last; None when unknown."""
    if row < 0:
        return None
    limit = usual_age(board.contracts[row])
    if quote_fault(board, row, now, limit) is None:
        return (board.bid[row] + board.ask[row]) / 2
    if age_fault(board, row, board.last_at[row], now, limit) or isnan(board.last[row]):
        return None
    return board.last[row]


def level_of(board: Board, symbol: str, now: float) -> float | None:
    """Return the price of the underlying of this symbol, None when unknown or not streamed."""
    return level(board, board.level_row(symbol), now)
