"""The market as columns: one row for each contract that is streamed.

The feed writes a Board in place as messages arrive; everyone else only reads it. Missing is nan here (columns hold
float64, and zero-copy views of them are numpy arrays); above this file missing is None.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from enum import Enum
from math import isnan, nan

from rulebot.model.contract import Contract, Option, Right, Underlying

COLUMNS = (
    "bid",
    "ask",
    "bid_size",
    "ask_size",
    "last",
    "open",
    "high",
    "low",
    "previous_close",
    "volume",
    "open_interest",
    "call_volume",
    "put_volume",
    "iv",
    "delta",
    "gamma",
    "vega",
    "theta",
    "model_price",
    "quote_at",
    "last_at",
    "model_at",
)
"""Prices in points or dollars per share, sizes in contracts or shares, iv an annual fraction, delta signed, vega per
volatility point, theta per day; the `_at` columns are epoch seconds of the last message of that kind.

Of an underlying, call_volume and put_volume are contracts of all its options today; iv, stamped by model_at, is what
the broker makes of their prices for 30 days.
"""


class Extra(Enum):
    """Data of a subscription other than quotes, by its underlying."""

    COUNTS = "volume and open interest of options"
    OPTION_VOLUME = "volume of all calls and puts of an underlying"
    IMPLIED = "30-day implied volatility of an underlying"


Extras = frozenset[tuple[str, Extra]]
"""Extras by the symbol of the underlying."""


class Board:
    """Columns of the latest market data; `rows` finds a contract's row.

    A bid of 0 or none is nan with size 0. `alive_at` is the time of the last market data message: quotes are sent on
    change only, so a quiet row is fresh while the feed is alive. `frozen` holds rows whose data is not live (delayed or
    frozen) and not traded on, `delayed` those with delayed data. Delayed rows of `may_be_delayed`, by symbol, are
    traded on. `halted` holds rows in a trading halt. `version` counts changes of the subscriptions.

    unsettled: rows with new values that have no timestamp yet; `unread`: rows with new values since a recorder last
    looked.
    """

    __slots__ = (
        *COLUMNS,
        "_chains",
        "_levels",
        "alive_at",
        "contracts",
        "delayed",
        "free",
        "frozen",
        "halted",
        "may_be_delayed",
        "rows",
        "unread",
        "unsettled",
        "version",
    )

    bid: "array[float]"
    ask: "array[float]"
    bid_size: "array[float]"
    ask_size: "array[float]"
    last: "array[float]"
    open: "array[float]"
    high: "array[float]"
    low: "array[float]"
    previous_close: "array[float]"
    volume: "array[float]"
    open_interest: "array[float]"
    call_volume: "array[float]"
    put_volume: "array[float]"
    iv: "array[float]"
    delta: "array[float]"
    gamma: "array[float]"
    vega: "array[float]"
    theta: "array[float]"
    model_price: "array[float]"
    quote_at: "array[float]"
    last_at: "array[float]"
    model_at: "array[float]"

    def __init__(self) -> None:
        for name in COLUMNS:
            setattr(self, name, array("d"))
        self.contracts: list[Contract | None] = []
        self.rows: dict[Contract, int] = {}
        self.free: list[int] = []
        self.frozen: set[int] = set()
        self.delayed: set[int] = set()
        self.may_be_delayed: frozenset[str] = frozenset()
        self.halted: set[int] = set()
        self.alive_at = nan
        self.version = 0
        self.unsettled: tuple[set[int], set[int], set[int], set[int]] = (set(), set(), set(), set())
        self.unread: set[int] = set()
        self._chains: dict[tuple[str, date, Right], dict[Decimal, int]] = {}
        self._levels: dict[str, int] = {}

    def add(self, contract: Contract) -> int:
        """Return the row of `contract`, a fresh one (all nan) if it had none."""
        if (row := self.rows.get(contract)) is not None:
            return row
        if self.free:
            row = self.free.pop()
            self.contracts[row] = contract
            for name in COLUMNS:
                getattr(self, name)[row] = nan
        else:
            row = len(self.contracts)
            self.contracts.append(contract)
            for name in COLUMNS:
                getattr(self, name).append(nan)
        self.rows[contract] = row
        self._changed()
        return row

    def hold(self, contracts: Iterable[Contract]) -> None:
        """Have exactly these contracts: others are forgotten, and new ones have fresh rows."""
        wanted = dict.fromkeys(contracts)
        for contract in [each for each in self.rows if each not in wanted]:
            self.drop(contract)
        new = [each for each in wanted if each not in self.rows]
        reused = len(self.free)
        for contract in new[:reused]:
            self.add(contract)
        if more := new[reused:]:
            begin = len(self.contracts)
            self.contracts += more
            fresh = array("d", [nan]) * len(more)
            for name in COLUMNS:
                getattr(self, name).extend(fresh)
            self.rows.update(zip(more, range(begin, begin + len(more)), strict=True))
            self._changed()

    def drop(self, contract: Contract) -> None:
        """Forget a contract; its row will be used again."""
        row = self.rows.pop(contract)
        self.contracts[row] = None
        self.frozen.discard(row)
        self.delayed.discard(row)
        self.halted.discard(row)
        self.free.append(row)
        self._changed()

    def note_delayed(self, row: int) -> None:
        """Note that a row comes late; it counts only where its symbol may be delayed."""
        contract = self.contracts[row]
        self.delayed.add(row)
        if contract is not None and contract.symbol in self.may_be_delayed:
            self.frozen.discard(row)
        else:
            self.frozen.add(row)

    def allow_delayed(self, symbols: frozenset[str]) -> None:
        """Let rows of these symbols count although they come late, and no others."""
        self.may_be_delayed = symbols
        for row in self.delayed:
            self.note_delayed(row)

    def lay(self, row: int, contract: Contract | None) -> None:
        """Have this contract in this row, as a recording has it; None is a row that is free. Its values stay."""
        while len(self.contracts) <= row:
            self.contracts.append(None)
            for name in COLUMNS:
                getattr(self, name).append(nan)
        if (old := self.contracts[row]) is not None and self.rows.get(old) == row:
            del self.rows[old]
        self.contracts[row] = contract
        if contract is not None:
            self.rows[contract] = row
        self._changed()

    def copy(self) -> "Board":
        """Return a copy of the market. The subscriptions are shared: neither may change them any more."""
        found = Board()
        for name in COLUMNS:
            setattr(found, name, array("d", getattr(self, name)))
        for name in (
            "contracts",
            "rows",
            "frozen",
            "delayed",
            "may_be_delayed",
            "halted",
            "alive_at",
            "version",
            "_chains",
        ):
            setattr(found, name, getattr(self, name))
        return found

    def _changed(self) -> None:
        self.version += 1
        self._chains.clear()
        self._levels.clear()

    def level_row(self, symbol: str) -> int:
        """Return the row of the underlying or index of this symbol, -1 while it is not streamed."""
        if (found := self._levels.get(symbol)) is None:
            found = self._levels[symbol] = self.rows.get(Underlying(symbol), -1)
        return found

    def chain(self, trading_class: str, expiry: date, right: Right) -> dict[Decimal, int]:
        """Return the rows of the streamed options of one expiry and right, by strike, rising; not to be changed."""
        key = (trading_class, expiry, right)
        if (found := self._chains.get(key)) is None:
            rows = {
                option.strike: row
                for row, option in enumerate(self.contracts)
                if isinstance(option, Option)
                and option.right is right
                and option.trading_class == trading_class
                and option.expiry == expiry
            }
            found = self._chains[key] = {strike: rows[strike] for strike in sorted(rows)}
        return found


# --- Is this quote good enough to act on? One answer for rules, ladders and marks


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
"""Seconds after which an underlying's 30-day volatility is stale: it is sent on change, minutes apart."""


def usual_age(contract: Contract | None) -> float:
    """Return the seconds after which a quiet row of this contract is stale."""
    if isinstance(contract, Option) and not contract.is_share:
        return OPTION_AGE
    if isinstance(contract, Underlying) and contract.symbol.startswith("VIX"):
        return VOLATILITY_INDEX_AGE
    return LEVEL_AGE


def fault_text(fault: QuoteFault, seconds: float | None = None) -> str:
    """Return a quote fault in words; seconds: how long it has lasted, where that is shown."""
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


def is_without_bid(board: Board, row: int) -> bool:
    """Say whether an option has no bid: it was reported with size 0, rather than not yet reported."""
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


# --- The example market that `explain` shows and the lint measures against

LEVELS: Mapping[str, int] = {"SPX": 6000, "SPY": 600, "QQQ": 520, "XSP": 600, "NDX": 21370, "RUT": 2400, "IWM": 240}
"""Example prices of popular underlyings."""
USUAL_LEVEL = 100
"""Example price of any other underlying."""
NEAR_VOLATILITY, FAR_VOLATILITY = 0.10, 0.16
"""A year's, of sessions: of options up to a week, and longer ones.

Source: the mean at-the-money straddle of same-day SPX options over 412 days of 2023 to 2025, 0.43 % of spot at 10:30,
is 10 % a year; VIX has a median of about 17 since 1990.
"""
NEAR_DAYS = 7
"""Calendar days to expiry up to which an option counts as near."""


def example_price(symbol: str) -> int:
    """Return an underlying's price in the example."""
    return LEVELS.get(symbol, USUAL_LEVEL)


def volatility(days: int) -> float:
    """Return the volatility of options with this many calendar days to expiry, as an annual fraction."""
    return NEAR_VOLATILITY if days <= NEAR_DAYS else FAR_VOLATILITY
