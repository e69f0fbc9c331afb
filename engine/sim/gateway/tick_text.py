"""Tick messages as bytes: the printed form of quotes, and the codes that say what of a row changed.

Prices are compared and printed in whole cents, greeks at six decimals, so that a message goes out exactly when its
text changes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.sim.seams import Ticks

Cents = NDArray[np.int64]

BID, BID_SIZE, ASK, ASK_SIZE, LAST, GREEKS = 1, 2, 4, 8, 16, 32
EVERYTHING = 63
NO_PRICE = -(1 << 40)
"""Stands for a missing price in a cents column; printed -1."""

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


class Rows(NamedTuple):
    """Quotes as they are printed, one row a contract."""

    bid: Cents
    ask: Cents
    last: Cents
    bid_size: Cents
    ask_size: Cents
    greeks: NDArray[np.float64]
    """Shape: (7, rows): iv, delta, model, gamma, vega, theta, spot; unset as the wire has it."""


def _cents(prices: NDArray[np.float64]) -> Cents:
    found: Cents = np.rint(np.nan_to_num(prices, nan=NO_PRICE / 100) * 100).astype(np.int64)
    return found


def _sizes(sizes: NDArray[np.float64]) -> Cents:
    found: Cents = np.nan_to_num(sizes).astype(np.int64)
    return found


_UNSET = np.array([[-1.0], [-2.0], [-1.0], [-2.0], [-2.0], [-2.0], [-1.0]])


def printed(ticks: Ticks) -> Rows:
    """Round quotes to what the wire prints."""
    greeks = np.array([ticks.iv, ticks.delta, ticks.model, ticks.gamma, ticks.vega, ticks.theta, ticks.spot])
    np.round(greeks, 6, out=greeks)
    greeks = np.where(np.isnan(greeks), _UNSET, greeks) + 0.0
    return Rows(
        _cents(ticks.bid),
        _cents(ticks.ask),
        _cents(ticks.last),
        _sizes(ticks.bid_size),
        _sizes(ticks.ask_size),
        greeks,
    )


def changes(old: Rows, new: Rows) -> list[int]:
    """Say for each row what changed, as a sum of codes."""
    code = (
        (old.bid != new.bid) * BID
        + (old.bid_size != new.bid_size) * BID_SIZE
        + (old.ask != new.ask) * ASK
        + (old.ask_size != new.ask_size) * ASK_SIZE
        + (old.last != new.last) * LAST
        + (old.greeks != new.greeks).any(axis=0) * GREEKS
    )
    found: list[int] = code.tolist()
    return found


def price_piece(kind: bytes, cents: int, size: int, mask: bytes = b"1") -> Piece:
    """Return tickPrice of this type."""
    tail = b"\x00%b\x00%b\x00%d\x00%b\x00" % (kind, price_text(cents), size if cents != NO_PRICE else 0, mask)
    return PRICE_HEAD, PRICE_HEAD_BYTES + len(tail), tail


def size_piece(kind: bytes, size: int) -> Piece:
    """Return tickSize of this type."""
    tail = b"\x00%b\x00%d\x00" % (kind, size)
    return SIZE_HEAD, SIZE_HEAD_BYTES + len(tail), tail


_GREEKS_TAIL = b"\x0013\x000\x00%.6f\x00%.6f\x00%.6f\x000\x00%.6f\x00%.6f\x00%.6f\x00%.2f\x00"
_UNSET_TAIL = b"\x0013\x000\x00-1\x00-2\x00-1\x00-1\x00-2\x00-2\x00-2\x00-1\x00"


def greeks_piece(row: tuple[float, ...]) -> Piece:
    """Return the model computation (type 13) of iv, delta, model price, gamma, vega, theta and spot."""
    tail = _UNSET_TAIL if row[0] < 0 or row[1] == -2.0 else _GREEKS_TAIL % row
    return GREEKS_HEAD, GREEKS_HEAD_BYTES + len(tail), tail
