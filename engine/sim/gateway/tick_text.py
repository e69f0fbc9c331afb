"""Tick messages as bytes: the printed form of quotes, and the codes that say what of a row changed.

Quotes are compared and printed on fixed grids (cents; six decimals for greeks, eight for gamma, four for the model
price), so that a message goes out exactly when its text changes.
"""

from typing import NamedTuple

import numpy as np

from engine.sim.seams import Floats, Ticks

BID, BID_SIZE, ASK, ASK_SIZE, LAST, GREEKS = 1, 2, 4, 8, 16, 32
NO_PRICE = -(1 << 30)
"""Stands for a missing price in cents; printed -1."""
SIZES = 1 << 20
"""Prices and sizes are put into one key: cents times this, plus the size."""

_LENGTHS = [number.to_bytes(4, "big") for number in range(2048)]
PRICE_HEAD = [length + b"1\x006\x00" for length in _LENGTHS]
SIZE_HEAD = [length + b"2\x006\x00" for length in _LENGTHS]
GREEKS_HEAD = [length + b"21\x00" for length in _LENGTHS]
PRICE_HEAD_BYTES = 4
SIZE_HEAD_BYTES = 4
GREEKS_HEAD_BYTES = 3

_PRICES: dict[int, bytes] = {NO_PRICE: b"-1"}

Piece = tuple[list[bytes], int, bytes]
"""A message without its request id: the table of heads, the payload bytes without the id, and the tail."""


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
_CODES = np.array([BID, ASK, BID_SIZE, ASK_SIZE, LAST, *[GREEKS] * 7])


class Board(NamedTuple):
    """Quotes of a set of contracts. Shape: (12, contracts), rows as in Ticks; `steps` are whole printed steps."""

    values: Floats
    steps: Floats

    def keys(self, price: int, size: int) -> list[int]:
        """Return price and size of each contract as one number."""
        found: list[int] = (self.steps[price] * SIZES + self.steps[size]).astype(np.int64).tolist()
        return found

    def bids(self) -> list[int]:
        """Return the keys of the bids."""
        return self.keys(_BID, _BID_SIZE)

    def asks(self) -> list[int]:
        """Return the keys of the asks."""
        return self.keys(_ASK, _ASK_SIZE)

    def lasts(self) -> list[int]:
        """Return the last prices in cents."""
        found: list[int] = self.steps[_LAST].astype(np.int64).tolist()
        return found

    def greeks(self) -> list[tuple[float, ...]]:
        """Return iv, delta, model price, gamma, vega, theta and spot of each contract; nan when not computed."""
        order = [_IV, _DELTA, _MODEL, _GAMMA, _VEGA, _THETA, _SPOT]
        return list(zip(*self.values[order].tolist(), strict=True))


def board(ticks: Ticks) -> Board:
    """Lay quotes out on the printed grids."""
    values = np.array(ticks)
    steps = np.rint(values * _SCALES)
    missing = np.isnan(steps)
    if missing.any():
        steps = np.where(missing, _MISSING, steps)
    return Board(values, steps)


def changes(old: Board, new: Board) -> list[int]:
    """Say for each contract what changed: a sum of codes, GREEKS taken once or more."""
    found: list[int] = (_CODES @ (old.steps != new.steps)).tolist()
    return found


def price_piece(kind: bytes, cents: int, size: int, mask: bytes = b"1") -> Piece:
    """Return tickPrice of this type."""
    tail = b"\x00%b\x00%b\x00%d\x00%b\x00" % (kind, price_text(cents), size if cents != NO_PRICE else 0, mask)
    return PRICE_HEAD, PRICE_HEAD_BYTES + len(tail), tail


def size_piece(kind: bytes, size: int) -> Piece:
    """Return tickSize of this type."""
    tail = b"\x00%b\x00%d\x00" % (kind, size)
    return SIZE_HEAD, SIZE_HEAD_BYTES + len(tail), tail


def bid_piece(key: int) -> Piece:
    """Return tickPrice of a bid."""
    return price_piece(b"1", key // SIZES, key % SIZES)


def ask_piece(key: int) -> Piece:
    """Return tickPrice of an ask."""
    return price_piece(b"2", key // SIZES, key % SIZES)


_GREEKS_TAIL = b"\x0013\x000\x00%.6f\x00%.6f\x00%.4f\x000\x00%.8f\x00%.6f\x00%.6f\x00%.2f\x00"
_UNSET_TAIL = b"\x0013\x000\x00-1\x00-2\x00-1\x00-1\x00-2\x00-2\x00-2\x00-1\x00"


def greeks_piece(row: tuple[float, ...]) -> Piece:
    """Return the model computation (type 13) of iv, delta, model price, gamma, vega, theta and spot."""
    tail = _GREEKS_TAIL % row
    if b"nan" in tail:
        tail = _UNSET_TAIL
    return GREEKS_HEAD, GREEKS_HEAD_BYTES + len(tail), tail
