"""Messages of the broker: market data straight into the columns of the board, orders and account into a queue.

Handlers of market data replace ib_async's: no Ticker objects, half the cost. They run once for
each message, so they write a column, note the row and nothing more; times are written once an instant, by `settle`.

A price of 0 or -1, or the largest double, and a bid or ask of size 0, is no price: nan. An unset model value (empty,
-1, -2 or the largest double) is nan. Only the model computation feeds the greeks, never those of bid, ask or last.
"""

import asyncio
from array import array
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from math import ceil, isnan, nan
from typing import Any, NamedTuple

from rulebot.adapters.ib import convert
from rulebot.model.contract import Contract, Option, Right
from rulebot.model.facts import Dividend
from rulebot.model.market import Board

Handler = Callable[[list[str]], None]
FAULTS = (ValueError, LookupError, TypeError)

_HUGE = 1e307
_LIVE, _DELAYED = "1", "3"
_PRICES = {"4": "last", "6": "high", "7": "low", "9": "previous_close", "14": "open"}
_DELAYED_PRICES = {"68": "last", "72": "high", "73": "low", "75": "previous_close", "76": "open"}
_BIDS, _ASKS = ("1", "66"), ("2", "67")
_BID_SIZES, _ASK_SIZES = ("0", "69"), ("3", "70")
_VOLUMES = ("8", "74")
_COUNTS = {"27": "open_interest", "28": "open_interest", "29": "call_volume", "30": "put_volume"}
"""Of an option one of 27 and 28 is its open interest, and the other 0."""
_IMPLIED = "24"
_HALTED = ("49", "90")
_DIVIDENDS = "59"
_DELAYED_QUOTES = frozenset(("66", "67", "69", "70", "74"))
UNSET_GREEK = -2

Shown = tuple[float, float, float, float, float]
"""What a row shows: bid, ask, their sizes, and the last price."""


class LineState(NamedTuple):
    """Values of a row, and the times of its quote, its last price and its model, in epoch seconds."""

    shown: Shown
    quote_at: float
    last_at: float
    model_at: float


def _is_contrary(contract: Contract | None, delta: float) -> bool:
    """Say whether an option cannot have this delta: a put's is -1 to 0, a call's 0 to 1."""
    if not -1 <= delta <= 1:
        return True
    return delta != 0 and isinstance(contract, Option) and (delta > 0) is (contract.right is Right.PUT)


def _between(text: str, low: float, high: float) -> float:
    """Return the number, nan when it is unset or outside."""
    value = float(text or "nan")
    return value if low <= value <= high else nan


class QuoteColumns:
    """Writes the board. `rows` maps request ids, as text, to rows; messages of other ids are passed over."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.rows: dict[str, int] = {}
        self.failures: list[str] = []
        self._quoted, self._traded, self._modelled, self._touched = board.unsettled
        for changed in board.unsettled:  # what a connection before this one has left
            changed.clear()
        self._received = False
        self._withheld: dict[tuple[int, int], float] = {}
        self._suspect: dict[int, Shown] = {}
        self.dividends: dict[int, Dividend] = {}

    @property
    def is_waiting(self) -> bool:
        """True when a row has changed since `settle`, or a message could not be read."""
        return bool(self._quoted or self._touched or self._traded or self._modelled or self.failures)

    def settle(self, at: float) -> tuple[int, ...]:
        """Stamp what arrived since the last call with `at` (epoch seconds) and return the changed rows, sorted."""
        board = self.board
        rows = self._quoted | self._traded | self._modelled | self._touched
        if self._suspect:
            self._look_for_life(rows)
        for changed, times in (
            (self._quoted, board.quote_at),
            (self._traded, board.last_at),
            (self._modelled, board.model_at),
        ):
            for row in changed:
                times[row] = at
            changed.clear()
        self._touched.clear()
        board.unread |= rows
        if rows or self._received:
            board.alive_at = at
            self._received = False
        return tuple(sorted(rows))

    def forget(self, row: int) -> None:
        """Drop what is noted about a row that is about to be given up."""
        for changed in (self._quoted, self._traded, self._modelled, self._touched):
            changed.discard(row)
        self._withheld.pop((0, row), None)
        self._withheld.pop((1, row), None)
        self._suspect.pop(row, None)
        self.dividends.pop(row, None)

    def freeze(self, row: int) -> None:
        """Mark a row as not live."""
        self.board.frozen.add(row)
        self._touched.add(row)

    def touch(self, row: int) -> None:
        """Note that a row was changed by something else than a message of its line."""
        self._touched.add(row)

    def thaw(self, row: int) -> None:
        """Mark a row as live again."""
        self.board.frozen.discard(row)
        self._touched.add(row)

    def reported(self, row: int) -> LineState | None:
        """Return the values of a silent row, for `goes_on`; None where none was valid."""
        board = self.board
        if isnan(board.quote_at[row]) and isnan(board.last_at[row]):
            return None
        shown = self._suspect.get(row) or self._shown(row)
        return LineState(shown, board.quote_at[row], board.last_at[row], board.model_at[row])

    def goes_on(self, row: int, reported: LineState) -> None:
        """Keep the age of a row that was requested again until its values change.

        A line that is dead at the broker, such as a discontinued index, may answer with its last values.
        """
        board = self.board
        board.quote_at[row], board.last_at[row], board.model_at[row] = (
            reported.quote_at,
            reported.last_at,
            reported.model_at,
        )
        self._suspect[row] = reported.shown

    def _shown(self, row: int) -> Shown:
        board = self.board
        return board.bid[row], board.ask[row], board.bid_size[row], board.ask_size[row], board.last[row]

    def _look_for_life(self, rows: set[int]) -> None:
        for row in rows & self._suspect.keys():
            before = self._suspect[row]
            if any(new == new and new != old for new, old in zip(self._shown(row), before, strict=True)):
                del self._suspect[row]
            else:
                for changed in (self._quoted, self._traded, self._modelled):
                    changed.discard(row)

    def expire(self, row: int) -> None:
        """Invalidate a row until it updates: its current value is unknown."""
        self.board.quote_at[row] = self.board.last_at[row] = self.board.model_at[row] = nan

    def handlers(self) -> dict[int, Handler]:
        """Return the handlers by message id."""
        return {
            1: self._price_handler(),
            2: self._size_handler(),
            21: self._model_handler(),
            45: self._generic_handler(),
            46: self._take_text,
            58: self._type_handler(),
        }

    def _fail(self, fields: list[str], problem: Exception) -> None:
        self.failures.append(f"market data {fields} could not be read: {problem!r}")

    def _take_text(self, fields: list[str]) -> None:
        """Take the next dividend, if readable; ignore every other text."""
        self._received = True
        row = self.rows.get(fields[2])
        if fields[3] != _DIVIDENDS or row is None:
            return
        with suppress(*FAULTS):  # it would come again with every connection
            if (found := convert.dividend(fields[4])) is not None:
                self.dividends[row] = found
                self._touched.add(row)

    def _withhold(self, side: int, row: int, price: float) -> float:
        """Keep a price that came without a size, in case the size follows; what is shown is nan."""
        if 0 < price < _HUGE:
            self._withheld[side, row] = price
        else:
            self._withheld.pop((side, row), None)
        return nan

    def _generic_handler(self) -> Handler:
        halted, rows, touched, fail = self.board.halted, self.rows, self._touched, self._fail
        ivs, modelled = self.board.iv, self._modelled

        def generic(fields: list[str]) -> None:
            """Take 30-day volatility, and halted: 1 by regulation, 2 for volatility, 0 not halted, -1 not reported."""
            try:
                self._received = True
                row = rows.get(fields[2])
                if row is not None and fields[3] == _IMPLIED:
                    ivs[row] = _between(fields[4], 0.0, _HUGE)
                    modelled.add(row)
                    return
                if row is None or fields[3] not in _HALTED:
                    return
                is_halted = float(fields[4] or -1) > 0
                if is_halted is not (row in halted):
                    (halted.add if is_halted else halted.discard)(row)
                    touched.add(row)
            except FAULTS as problem:
                fail(fields, problem)

        return generic

    def _price_handler(self) -> Handler:
        board, rows, quoted = self.board, self.rows, self._quoted
        bid, ask, bid_size, ask_size = board.bid, board.ask, board.bid_size, board.ask_size
        withhold, other, fail, huge = self._withhold, self._other_price, self._fail, _HUGE

        def price(fields: list[str]) -> None:
            try:
                row = rows.get(fields[2])
                if row is None:
                    return
                kind = fields[3]
                if kind == "1":
                    side, prices, sizes = 0, bid, bid_size
                elif kind == "2":
                    side, prices, sizes = 1, ask, ask_size
                else:
                    other(kind, row, fields)
                    return
                value, size = float(fields[4] or -1), float(fields[5] or 0)
                if 0 < value < huge and size > 0:
                    prices[row] = value
                    sizes[row] = size
                else:
                    prices[row] = withhold(side, row, value)
                    sizes[row] = 0.0
                quoted.add(row)
            except FAULTS as problem:
                fail(fields, problem)

        return price

    def _other_price(self, kind: str, row: int, fields: list[str]) -> None:
        """Take last, high, low, open and close, and every delayed price; ignore unknown kinds."""
        name = _PRICES.get(kind) or _DELAYED_PRICES.get(kind)
        if kind in _DELAYED_PRICES or kind in _DELAYED_QUOTES:
            self.board.note_delayed(row)
        value = float(fields[4] or -1)
        if name is not None:
            column: array[float] = getattr(self.board, name)
            column[row] = value if 0 < value < _HUGE else nan
            (self._traded if name == "last" else self._touched).add(row)
        elif kind in _BIDS or kind in _ASKS:
            self._delayed_quote(kind, row, value, float(fields[5] or 0))
        else:
            self._received = True

    def _delayed_quote(self, kind: str, row: int, value: float, size: float) -> None:
        board = self.board
        side, prices, sizes = (0, board.bid, board.bid_size) if kind in _BIDS else (1, board.ask, board.ask_size)
        is_sound = 0 < value < _HUGE and size > 0
        prices[row] = value if is_sound else self._withhold(side, row, value)
        sizes[row] = size if is_sound else 0.0
        self._quoted.add(row)

    def _size_handler(self) -> Handler:
        rows, quoted, fail = self.rows, self._quoted, self._fail
        board, other = self.board, self._other_size
        bid, ask, bid_size, ask_size = board.bid, board.ask, board.bid_size, board.ask_size

        def size(fields: list[str]) -> None:
            try:
                row = rows.get(fields[2])
                if row is None:
                    return
                kind, value = fields[3], float(fields[4] or 0)
                if kind == "0" and value > 0 and bid[row] > 0:
                    bid_size[row] = value
                elif kind == "3" and value > 0 and ask[row] > 0:
                    ask_size[row] = value
                else:
                    other(kind, row, value)
                    return
                quoted.add(row)
            except FAULTS as problem:
                fail(fields, problem)

        return size

    def _other_size(self, kind: str, row: int, value: float) -> None:
        """Take sizes that come or go with their price, delayed ones, and volume; ignore other kinds."""
        if kind in _DELAYED_QUOTES:
            self.board.note_delayed(row)
        if kind in _BID_SIZES:
            self._resize(0, row, value)
        elif kind in _ASK_SIZES:
            self._resize(1, row, value)
        elif kind in _VOLUMES:
            self.board.volume[row] = value if 0 <= value < _HUGE else nan
            self._touched.add(row)
        elif kind in _COUNTS:
            self._count(_COUNTS[kind], row, value)
        else:
            self._received = True

    def _count(self, name: str, row: int, value: float) -> None:
        """Take a count of options; open interest comes as that of calls and of puts, and an option is one of them."""
        column: array[float] = getattr(self.board, name)
        sound = value if 0 <= value < _HUGE else nan
        is_other = name == "open_interest" and sound == 0.0 and column[row] == column[row]
        if not is_other:
            column[row] = sound
        self._touched.add(row)

    def _resize(self, side: int, row: int, value: float) -> None:
        board = self.board
        prices, sizes = (board.ask, board.ask_size) if side else (board.bid, board.bid_size)
        if value > 0 and not prices[row] > 0:
            prices[row] = self._withheld.pop((side, row), nan)
        elif not value > 0:
            if prices[row] > 0:
                prices[row] = self._withhold(side, row, prices[row])
            value = 0.0
        sizes[row] = value if prices[row] > 0 else 0.0
        self._quoted.add(row)

    def _model_handler(self) -> Handler:
        board, rows, modelled, fail, partly = self.board, self.rows, self._modelled, self._fail, self._partial_model
        ivs, deltas, gammas, vegas, thetas = board.iv, board.delta, board.gamma, board.vega, board.theta
        models, number, huge, contracts = board.model_price, float, _HUGE, board.contracts

        def model(fields: list[str]) -> None:
            try:
                if fields[2] not in ("13", "83"):  # the model's own computation, and the delayed one
                    return
                row = rows.get(fields[1])
                if row is None:
                    return
                modelled.add(row)
                if not (fields[4] and fields[5] and fields[6] and fields[8] and fields[9] and fields[10]):
                    partly(row, fields)
                    return
                iv, delta, price = number(fields[4]), number(fields[5]), number(fields[6])
                gamma, vega, theta = number(fields[8]), number(fields[9]), number(fields[10])
                sound = iv > 0 <= price and gamma >= 0 <= vega and theta != -2
                if sound and not _is_contrary(contracts[row], delta) and iv + price + gamma + vega + theta < huge:
                    ivs[row] = iv
                    deltas[row] = delta
                    models[row] = price
                    gammas[row] = gamma
                    vegas[row] = vega
                    thetas[row] = theta
                else:
                    partly(row, fields)
            except FAULTS as problem:
                fail(fields, problem)

        return model

    def _partial_model(self, row: int, fields: list[str]) -> None:
        """Take a model computation of which some fields are unset, each by itself.

        Greeks without volatility do not count: deltas of all strikes are then 0 or 1. Neither does a delta of the wrong
        sign.
        """
        board = self.board
        if fields[4] and float(fields[4]) == 0:
            fields = [*fields[:4], "", "", fields[6], fields[7], "", "", "", *fields[11:]]
        for column, text in ((board.iv, fields[4]), (board.model_price, fields[6])):
            column[row] = _between(text, 0.0, _HUGE)
        for column, text in ((board.gamma, fields[8]), (board.vega, fields[9])):
            column[row] = _between(text, 0.0, _HUGE)
        delta = _between(fields[5], -1.0, 1.0)
        board.delta[row] = nan if _is_contrary(board.contracts[row], delta) else delta
        theta = _between(fields[10], -_HUGE, _HUGE)
        board.theta[row] = nan if theta == UNSET_GREEK else theta

    def _type_handler(self) -> Handler:
        board, rows, touched, fail = self.board, self.rows, self._touched, self._fail

        def kind_of_data(fields: list[str]) -> None:
            try:
                row = rows.get(fields[2])
                if row is None:
                    return
                if fields[3] == _DELAYED:
                    board.note_delayed(row)
                else:
                    board.delayed.discard(row)
                    (board.frozen.discard if fields[3] == _LIVE else board.frozen.add)(row)
                touched.add(row)
            except FAULTS as problem:
                fail(fields, problem)

        return kind_of_data


# --- Order and account messages, taken in arrival order, raw

ORDERS = (3, 4, 5, 6, 11, 59, 61, 63, 101)
"""orderStatus, errMsg, openOrder, account value, execDetails, commission, position, account summary, completedOrder."""
ENDS = {53: "open orders", 54: "account values", 55: "executions", 62: "positions", 102: "completed orders"}
NEXT_VALID_ID = 9
MOST_NOTICES = 1000
"""What the broker says on no id within one batch, at most: with the news that it is back come those of every farm."""


class Inbox:
    """`queue` holds raw messages; `ends` the ended lists; `notices` the broker's messages without an id.

    `noticed` is called for each of those while lists are awaited. `next_valid_id` is the last one reported;
    `counted_id` the same, or 0 until the answer to a new request.
    """

    def __init__(self, refuse: Callable[[list[str]], bool]) -> None:
        self.queue: deque[list[str]] = deque()
        self.ends: set[str] = set()
        self.notices: deque[tuple[int, str]] = deque(maxlen=MOST_NOTICES)
        self.next_valid_id = self.counted_id = 0
        self.noticed: Callable[[str], None] | None = None
        self._refuse = refuse

    def handlers(self, old: dict[int, Handler]) -> dict[int, Handler]:
        """Return the handlers by message id."""
        found: dict[int, Handler] = dict.fromkeys(ORDERS, self._take)
        found[4] = self._tee_errors(old[4])
        found |= {kind: self._tee_end(old[kind], name) for kind, name in ENDS.items()}
        found[NEXT_VALID_ID] = self._tee_id(old[NEXT_VALID_ID])
        return found

    def _take(self, fields: list[str]) -> None:
        self.queue.append(list(fields))

    def _tee_errors(self, old: Handler) -> Handler:
        def handler(fields: list[str]) -> None:
            if not self._refuse(fields):
                self.queue.append(list(fields))
                if fields[2] == "-1":
                    words = convert.plain_text(fields[4])
                    self.notices.append((convert.whole(fields[3]), words))
                    if self.noticed is not None:
                        self.noticed(words)
            old(fields)

        return handler

    def _tee_end(self, old: Handler, name: str) -> Handler:
        def handler(fields: list[str]) -> None:
            self.ends.add(name)
            if name == ENDS[53]:
                self.queue.append(list(fields))
            old(fields)

        return handler

    def _tee_id(self, old: Handler) -> Handler:
        def handler(fields: list[str]) -> None:
            self.next_valid_id = self.counted_id = convert.whole(fields[2])
            old(fields)

        return handler


# --- The fence of a gateway in lockstep

CURRENT_TIME = 49


class LockstepBarrier:
    """One question at a time; asking again while it is open waits for the same answer."""

    def __init__(self) -> None:
        self.reported: datetime | None = None
        self._reported_at = 0.0
        self._is_asked = False
        self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of the answer."""
        return {CURRENT_TIME: self._receive}

    async def next(self, client: Any, until: datetime | None = None) -> datetime:
        """Say that we are done with this instant and return the next one. Raises: ConnectionError.

        until: the instants before it may be left out while the gateway has nothing to say; it is a field of our own
        behind those of `reqCurrentTime`, which only a gateway in lockstep is sent.
        """
        if not self._is_asked:
            self._is_asked = True
            client.send(CURRENT_TIME, 1, *([] if until is None else [ceil(until.timestamp())]))
        while self.reported is None:
            if self._is_lost:
                raise ConnectionError("the connection was lost while waiting for the gateway's clock")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        reported, self.reported, self._is_asked = self.reported, None, False
        return reported

    def take(self) -> datetime | None:
        """Return the broker's time if it was reported since the last look and nothing waits for it."""
        reported, self.reported = self.reported, None
        return reported

    @property
    def age(self) -> float:
        """Return the seconds since the broker's time was last reported."""
        return asyncio.get_running_loop().time() - self._reported_at

    def lose(self) -> None:
        """Give up waiting: the connection is gone."""
        self._is_lost = True
        self._wake()

    def _receive(self, fields: list[str]) -> None:
        self.reported = datetime.fromtimestamp(int(fields[2]), UTC)
        self._reported_at = asyncio.get_running_loop().time()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
