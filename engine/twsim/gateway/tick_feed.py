"""The hot path: after each move of the market, every client's changed quotes as one burst.

All lines of all clients share one board. What changed is found by comparing whole columns; only what changed is
printed, once for all clients, and each line puts its request id between head and tail.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twsim.gateway.wire import MarketDataLine, Session
from twsim.nouns import Instrument
from twsim.seams import Floats, Market, TickValues

# --- Tick messages as bytes

Flags = NDArray[np.bool_]

NO_PRICE = -(1 << 30)
"""A missing price in cents; printed -1."""
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
        return self._whole(_BID_SIZE)

    def ask_sizes(self) -> list[int]:
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
    """Which contracts changed in what; a size is repeated after its price. Shape: (contracts,) each."""

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

    As at the broker (exchange/nbbo.py): shares that trade with options count per share, and a leg with an ask but no
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


# --- The hot path

KEPT_TAILS = 200_000
LAST_SIZE = size_tail(5, 1)
"""Each trade of this market is of one contract or share."""

Column = tuple[list[bytes], list[bytes | None]]
"""Heads of one kind of message, and its tail for each row of the board, None where nothing changed."""
Place = tuple[bytes, int, int]
"""A line in the hot loop: request id, its width, its row."""


class _Kept:
    """Printed tails by their key: a day repeats few of them."""

    def __init__(self, make: Callable[[int], bytes]) -> None:
        self._make = make
        self._tails: dict[int, bytes] = {}

    def column(self, keys: list[int], changed: Flags) -> list[bytes | None]:
        """Return the tails of the rows that changed."""
        if len(self._tails) >= KEPT_TAILS:
            self._tails.clear()
        of = self._tails.get
        wanted = changed.tolist()
        return [(of(key) or self._add(key)) if due else None for key, due in zip(keys, wanted, strict=True)]

    def _add(self, key: int) -> bytes:
        found = self._tails[key] = self._make(key)
        return found


class _Layout:
    """Where one client's lines find their rows."""

    def __init__(self, session: Session, row_of: dict[int, int]) -> None:
        lines = session.wants.lines.values()
        self.session = session
        single = [(line, row_of[line.instrument.con_id]) for line in lines if line.instrument]
        self.places: list[Place] = [
            (line.rid, len(line.rid), row) for line, row in single if not session.wants_lots(line.instrument)
        ]
        self.lots: list[Place] = [
            (line.rid, len(line.rid), row) for line, row in single if session.wants_lots(line.instrument)
        ]
        self.combos: list[tuple[MarketDataLine, list[int]]] = [
            (line, [row_of[leg.con_id] for leg in line.legs]) for line in lines if line.instrument is None
        ]


def _last_tail(key: int) -> bytes:
    """Return the end of a last price: twice the cents, and one more when the contract can be traded."""
    return last_tail(key // 2, bool(key % 2))


class TickFeed:
    """Knows what was last sent for every subscribed contract."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._con_ids: tuple[int, ...] = ()
        self._layouts: list[_Layout] = []
        self._tradable: list[bool] = []
        self._greeks = GreeksPrinter([], 0)
        self._old: PrintedBoard | None = None
        self._bids = _Kept(bid_tail)
        self._asks = _Kept(ask_tail)
        self._lasts = _Kept(_last_tail)
        self._bid_sizes = _Kept(partial(size_tail, 0))
        self._ask_sizes = _Kept(partial(size_tail, 3))
        self._stale = True
        self.lines_of: dict[str, list[tuple[Session, MarketDataLine, Instrument]]] = {}
        self.underlyings: list[tuple[Session, MarketDataLine, Instrument]] = []
        self.counted: list[tuple[Session, MarketDataLine, Instrument]] = []

    def lines_changed(self) -> None:
        """Note that a client subscribed or cancelled; the board is rebuilt before the next move."""
        self._stale = True

    def sent_again(self) -> None:
        """Note that every line was sent its present set."""
        self._stale, self._old = True, None

    def before_move(self, sessions: Iterable[Session]) -> None:
        """Rebuild the board: new contracts with present values, others as last sent to their subscribers."""
        if not self._stale:
            return
        served = [each for each in sessions if each.wants.lines]
        before = {con_id: row for row, con_id in enumerate(self._con_ids)}
        self._con_ids = tuple(sorted({con for each in served for con in each.con_ids()}))
        row_of = {con_id: row for row, con_id in enumerate(self._con_ids)}
        self._layouts = [_Layout(each, row_of) for each in served]
        self._print_by([self._market.catalogue.by_id(con_id) for con_id in self._con_ids])
        self._old = self._sent(before)
        self._sort([(each, line, line.instrument) for each in served for line in each.wants.lines.values()])
        self._stale = False

    def _print_by(self, kinds: Sequence[Instrument | None]) -> None:
        """Learn which rows are options, and which have a bid and an ask."""
        options = [row for row, kind in enumerate(kinds) if kind is not None and kind.is_option]
        self._greeks = GreeksPrinter(options, len(kinds))
        self._tradable = [kind is None or kind.sec_type.value != "IND" for kind in kinds]

    def _sent(self, before: dict[int, int]) -> PrintedBoard | None:
        """Return what clients have been sent; `before` is the place of the old board's contracts in it.

        A contract's shown values may have changed without a move: a fault began or ended.
        """
        if not self._con_ids:
            return None
        found = board(self._market.ticks(self._con_ids))
        if self._old is not None:
            kept = [row for row, con_id in enumerate(self._con_ids) if con_id in before]
            found.steps[:, kept] = self._old.steps[:, [before[self._con_ids[row]] for row in kept]]
        return found

    def _sort(self, lines: Iterable[tuple[Session, MarketDataLine, Instrument | None]]) -> None:
        """Keep the lines by symbol, underlyings and generic ticks apart; combos have neither statistics nor halts."""
        self.lines_of, self.underlyings, self.counted = {}, [], []
        for session, line, found in lines:
            if found is not None:
                self.lines_of.setdefault(found.symbol, []).append((session, line, found))
                if not found.is_option:
                    self.underlyings.append((session, line, found))
                if line.generics:
                    self.counted.append((session, line, found))

    def quotes(self) -> TickValues | None:
        """Return the present quotes of every subscribed contract, None when there is none."""
        return self._market.ticks(self._con_ids) if self._con_ids else None

    def send_changes(self, ticks: TickValues | None) -> None:
        """Queue the changes of this instant for each client.

        In a constant market known values are repeated in their session: a real one keeps sending sizes, and clients
        treat silence as stale data.
        """
        if ticks is None or self._old is None:
            return
        new = board(ticks)
        sends_again = self._market.is_still and self._market.is_open
        columns = self._columns(new, changes(None if sends_again else self._old, new))
        self._old = new
        for layout in self._layouts:
            _burst(layout, columns, new)

    def _columns(self, new: PrintedBoard, moved: PrintedChanges) -> list[Column]:
        """Print what changed, kind by kind."""
        bids, asks = new.bids(), new.asks()
        out: list[Column] = [
            (PRICE, self._bids.column(bids, moved.bid)),
            (SIZE, self._bid_sizes.column(new.bid_sizes(), moved.bid_size)),
            (PRICE, self._asks.column(asks, moved.ask)),
            (SIZE, self._ask_sizes.column(new.ask_sizes(), moved.ask_size)),
        ]
        if np.count_nonzero(moved.last):
            out.append((PRICE, lasts := self._last_column(new, moved.last)))
            out.append((SIZE, self._last_sizes(lasts)))
        if np.count_nonzero(moved.greeks):
            out.append((COMPUTATION, self._greeks_column(new, moved.greeks)))
        return out

    def _last_column(self, new: PrintedBoard, changed: Flags) -> list[bytes | None]:
        """Print the last prices that changed; a missing one is not withdrawn, as in the real gateway."""
        keys = [2 * cents + odd for cents, odd in zip(new.lasts(), self._tradable, strict=True)]
        return self._lasts.column(keys, changed & new.has_last())

    def _last_sizes(self, lasts: list[bytes | None]) -> list[bytes | None]:
        """Print the sizes behind last prices; an index has none."""
        return [LAST_SIZE if tail and odd else None for tail, odd in zip(lasts, self._tradable, strict=True)]

    def _greeks_column(self, new: PrintedBoard, changed: Flags) -> list[bytes | None]:
        width = len(self._con_ids)
        column: list[bytes | None] = [None] * width
        flags = changed.tolist()
        printer = self._greeks
        if 2 * sum(flags) < len(printer.rows):
            printer = GreeksPrinter([row for row in printer.rows if flags[row]], width)
        for row, tail in zip(printer.rows, printer.tails(new.values), strict=True):
            if flags[row]:
                column[row] = tail
        return column


def _burst(layout: _Layout, columns: list[Column], new: PrintedBoard) -> None:
    """Queue one client's messages of one instant."""
    out: list[bytes] = []
    for rid, width, row in layout.places:
        for heads, column in columns:
            tail = column[row]
            if tail:
                out += (heads[width + len(tail)], rid, tail)
    for rid, width, row in layout.lots:
        for heads, column in columns:
            if (shares := column[row]) is not None:
                tail = in_lots(heads, shares)
                out += (heads[width + len(tail)], rid, tail)
    for line, rows in layout.combos:
        for heads, tail in combo_pieces(line, new, rows):
            out += (heads[len(line.rid) + len(tail)], line.rid, tail)
    if out:
        layout.session.send_raw(b"".join(out), len(out) // 3)
