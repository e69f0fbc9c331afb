"""The hot path: after each move of the market, every client's changed quotes as one burst.

All lines of all clients share one board. What changed is found by comparing whole columns; only what changed is
printed, once for all clients, and each line puts its request id between head and tail.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from twsim.gateway.tick_messages import (
    COMPUTATION,
    PRICE,
    SIZE,
    Flags,
    GreeksPrinter,
    PrintedBoard,
    PrintedChanges,
    ask_tail,
    bid_tail,
    board,
    changes,
    combo_pieces,
    in_lots,
    last_tail,
    size_tail,
)
from twsim.gateway.wire import MarketDataLine, Session
from twsim.nouns import Instrument
from twsim.seams import Market, TickValues

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
        """Note that a client subscribed or cancelled; the board is laid out anew before the next move."""
        self._stale = True

    def said_anew(self) -> None:
        """Note that every line was sent its present set."""
        self._stale, self._old = True, None

    def before_move(self, sessions: Iterable[Session]) -> None:
        """Lay out the board: of new contracts as it stands now, of others as it was last sent to who had them."""
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
        """Return what clients have been sent; `before` is where the contracts of the old board stand in it.

        What is shown of a contract may have changed since then without a move: a fault has begun or ended.
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

        Of a market that is still what is known is said anew in its session: a real one never stops saying its sizes,
        and whoever hears nothing takes what he has for stale.
        """
        if ticks is None or self._old is None:
            return
        new = board(ticks)
        says_anew = self._market.is_still and self._market.is_open
        columns = self._columns(new, changes(None if says_anew else self._old, new))
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
        """Print the last prices that changed; one that went missing is not taken back, as in the real gateway."""
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
