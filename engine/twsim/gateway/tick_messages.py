"""Tick messages as bytes: the printed form of quotes, and the codes that say what of a row changed.

Quotes are compared and printed on fixed grids (cents; six decimals for greeks, eight for gamma, four for the model
price), so that a message goes out exactly when its text changes.
"""

from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twsim.gateway.wire import MarketDataLine
from twsim.seams import Floats, TickValues

Flags = NDArray[np.bool_]

NO_PRICE = -(1 << 30)
"""Stands for a missing price in cents; printed -1."""
SIZES = 1 << 20
"""Prices and sizes are put into one key: cents times this, plus the size."""


def _heads(before_id: bytes) -> list[bytes]:
    """Return length and first fields of a message, by the bytes of its request id and tail together."""
    return [(len(before_id) + rest).to_bytes(4, "big") + before_id for rest in range(1024)]


PRICE = _heads(b"1\x006\x00")
SIZE = _heads(b"2\x006\x00")
COMPUTATION = _heads(b"21\x00")

Piece = tuple[list[bytes], bytes]
"""A message without its request id: the table of heads, and the tail."""

_PRICES: dict[int, bytes] = {NO_PRICE: b"-1"}


def price_text(cents: int) -> bytes:
    """Print a price in cents; -1 for none. Texts are kept: a day has few different prices."""
    found = _PRICES.get(cents)
    if found is None:
        found = _PRICES[cents] = b"%d" % (cents // 100) if cents % 100 == 0 else b"%.2f" % (cents / 100)
    return found


# Rows of a board, in the order of Ticks.
_BID, _ASK, _BID_SIZE, _ASK_SIZE, _LAST, _IV, _DELTA, _GAMMA, _VEGA, _THETA, _MODEL, _SPOT = range(12)
_SCALES = np.array([1e2, 1e2, 1, 1, 1e2, 1e6, 1e6, 1e8, 1e6, 1e6, 1e4, 1e2]).reshape(-1, 1)
_MISSING = np.array([NO_PRICE, NO_PRICE, 0, 0, NO_PRICE, *[NO_PRICE] * 7], dtype=np.float64).reshape(-1, 1)
_GREEKS = [_IV, _DELTA, _MODEL, _GAMMA, _VEGA, _THETA, _SPOT]


class PrintedBoard(NamedTuple):
    """Quotes of a set of contracts. Shape: (12, contracts), rows as in Ticks; `steps` are whole printed steps."""

    values: Floats
    steps: Floats

    def bids(self) -> list[int]:
        """Return bid and bid size of each contract as one number."""
        return self._keys(_BID, _BID_SIZE)

    def asks(self) -> list[int]:
        """Return ask and ask size of each contract as one number."""
        return self._keys(_ASK, _ASK_SIZE)

    def _keys(self, price: int, size: int) -> list[int]:
        found: list[int] = (self.steps[price] * SIZES + self.steps[size]).astype(np.int64).tolist()
        return found

    def bid_sizes(self) -> list[int]:
        """Return the bid sizes."""
        return self._whole(_BID_SIZE)

    def ask_sizes(self) -> list[int]:
        """Return the ask sizes."""
        return self._whole(_ASK_SIZE)

    def _whole(self, row: int) -> list[int]:
        found: list[int] = self.steps[row].astype(np.int64).tolist()
        return found

    def has_last(self) -> Flags:
        """Say which contracts have a last price."""
        found: Flags = self.steps[_LAST] != NO_PRICE
        return found

    def lasts(self) -> list[int]:
        """Return the last prices in cents."""
        return self._whole(_LAST)


def board(ticks: TickValues) -> PrintedBoard:
    """Lay quotes out on the printed grids."""
    values = np.array(ticks)
    steps = np.rint(values * _SCALES)
    missing = np.isnan(steps)
    if np.count_nonzero(missing):
        steps = np.where(missing, _MISSING, steps)
    return PrintedBoard(values, steps)


class PrintedChanges(NamedTuple):
    """Which contracts changed in what; a size is told again behind its price. Shape: (contracts,) each."""

    bid: Flags
    bid_size: Flags
    ask: Flags
    ask_size: Flags
    last: Flags
    greeks: Flags


def changes(old: PrintedBoard | None, new: PrintedBoard) -> PrintedChanges:
    """Compare two boards as they are printed; without an old one all that is known has changed."""
    moved = new.steps != (_MISSING if old is None else old.steps)
    bid, ask = moved[_BID], moved[_ASK]
    greeks = np.logical_or.reduce(moved[_IV:])
    return PrintedChanges(bid, moved[_BID_SIZE] | bid, ask, moved[_ASK_SIZE] | ask, moved[_LAST], greeks)


def price_tail(kind: int, cents: int, size: int, mask: int = 1) -> bytes:
    """Return the end of a tickPrice of this type; a missing price is -1 with size 0."""
    return b"\x00%d\x00%b\x00%d\x00%d\x00" % (kind, price_text(cents), 0 if cents == NO_PRICE else size, mask)


def bid_tail(key: int) -> bytes:
    """Return the end of a tickPrice of a bid (type 1)."""
    return price_tail(1, key // SIZES, key % SIZES)


def ask_tail(key: int) -> bytes:
    """Return the end of a tickPrice of an ask (type 2)."""
    return price_tail(2, key // SIZES, key % SIZES)


def last_tail(cents: int, tradable: bool) -> bytes:
    """Return the end of a tickPrice of a last price (type 4); an index has size 0."""
    return price_tail(4, cents, 1 if tradable else 0, 0)


def size_tail(kind: int, size: int) -> bytes:
    """Return the end of a tickSize of this type."""
    return b"\x00%d\x00%d\x00" % (kind, size)


_GREEKS_TAIL = b"\x0013\x000\x00%.6f\x00%.6f\x00%.4f\x000\x00%.8f\x00%.6f\x00%.6f\x00%.2f\x00"
_UNSET_TAIL = b"\x0013\x000\x00-1\x00-2\x00-1\x00-1\x00-2\x00-2\x00-2\x00-1\x00"
_BETWEEN = b"\n"


class GreeksPrinter:
    """Prints the model computations (type 13) of a fixed set of rows in one go."""

    def __init__(self, rows: list[int], width: int) -> None:
        """Prepare for these rows of a board of `width` contracts."""
        self.rows = rows
        self._places = (np.array(_GREEKS) * width + np.array(rows, dtype=np.intp).reshape(-1, 1)).ravel()
        self._template = (_GREEKS_TAIL + _BETWEEN) * len(rows)

    def tails(self, values: Floats) -> list[bytes]:
        """Return the ends of the messages, row by row; unset where an input is missing."""
        wanted = values.take(self._places)
        tails = (self._template % tuple(wanted.tolist())).split(_BETWEEN)
        del tails[-1]
        if np.count_nonzero(np.isnan(wanted)):
            return [_UNSET_TAIL if b"nan" in tail else tail for tail in tails]
        return tails


def in_lots(heads: list[bytes], tail: bytes) -> bytes:
    """Return a tail with its size in round lots of 100, which clients below 159 expect of stocks."""
    place = {id(PRICE): 3, id(SIZE): 2}.get(id(heads))
    if place is None:
        return tail
    fields = tail.split(b"\x00")
    fields[place] = b"%d" % (int(fields[place]) // 100)
    return b"\x00".join(fields)


# --- Quotes of combos


def natural(line: MarketDataLine, rows: PrintedBoard, leg_rows: list[int]) -> tuple[int, int, int, int]:
    """Return bid, ask (cents), bid size and ask size of buying the combo once; NO_PRICE where a leg has no quote.

    As at the broker (exchange/combo.py): shares dealt with options count per share, and a leg that is offered and not
    bid counts as bid at zero.
    """
    bid = ask = 0.0
    has_bid = has_ask = True
    bid_sizes: list[int] = []
    ask_sizes: list[int] = []
    bids, asks = rows.bids(), rows.asks()
    for leg, weight, row in zip(line.legs, line.weights, leg_rows, strict=True):
        sides = [divmod(bids[row], SIZES), divmod(asks[row], SIZES)]
        if sides[0][0] == NO_PRICE and sides[1][0] != NO_PRICE:
            sides[0] = (0, sides[1][1])
        if leg.action != "BUY":
            sides = [(_negative(price), size) for price, size in reversed(sides)]
        (low, low_size), (high, high_size) = sides
        has_bid, has_ask = has_bid and low != NO_PRICE, has_ask and high != NO_PRICE
        bid += low * weight
        ask += high * weight
        bid_sizes.append(low_size // max(leg.ratio, 1))
        ask_sizes.append(high_size // max(leg.ratio, 1))
    low, high = (floor(round(bid, 6)) if has_bid else NO_PRICE), (ceil(round(ask, 6)) if has_ask else NO_PRICE)
    return low, high, min(bid_sizes, default=0), min(ask_sizes, default=0)


def _negative(price: int) -> int:
    return price if price == NO_PRICE else -price


def combo_pieces(line: MarketDataLine, rows: PrintedBoard, leg_rows: list[int]) -> list[Piece]:
    """Return the changes of a combo's quote since it was last sent."""
    found = natural(line, rows, leg_rows)
    bid, ask, bid_size, ask_size = found
    old = line.sent
    line.sent = found
    pieces: list[Piece] = []
    if old[0::2] != (bid, bid_size):
        pieces += [(PRICE, price_tail(1, bid, max(bid_size, 1))), (SIZE, size_tail(0, _shown(bid, bid_size)))]
    if old[1::2] != (ask, ask_size):
        pieces += [(PRICE, price_tail(2, ask, max(ask_size, 1))), (SIZE, size_tail(3, _shown(ask, ask_size)))]
    return pieces


def _shown(cents: int, size: int) -> int:
    return 0 if cents == NO_PRICE else max(size, 1)
