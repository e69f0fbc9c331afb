"""The hot path: after each move of the market, every client's changed quotes as one burst.

All lines of all clients share one set of columns. What changed is found by comparing whole columns; only changed
rows are printed, once, and each client's lines put their request id into the printed pieces.
"""

from collections.abc import Callable, Iterable

from engine.sim.gateway.combo_quotes import combo_pieces
from engine.sim.gateway.lines import Line
from engine.sim.gateway.session import Session
from engine.sim.gateway.tick_text import (
    ASK,
    ASK_SIZE,
    BID,
    BID_SIZE,
    GREEKS,
    LAST,
    SIZES,
    Board,
    Piece,
    ask_piece,
    bid_piece,
    board,
    changes,
    greeks_piece,
    price_piece,
    size_piece,
)
from engine.sim.seams import Market, Ticks

KEPT_PIECES = 200_000


class _Kept:
    """Printed prices by their key: a day repeats few of them."""

    def __init__(self, make: Callable[[int], Piece]) -> None:
        self._make = make
        self.pieces: dict[int, Piece] = {}

    def make(self, key: int) -> Piece:
        if len(self.pieces) >= KEPT_PIECES:
            self.pieces.clear()
        found = self.pieces[key] = self._make(key)
        return found


class TickFeed:
    """Knows what was last sent for every subscribed contract."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._con_ids: tuple[int, ...] = ()
        self._row: dict[int, int] = {}
        self._tradable: list[bool] = []
        self._option: list[bool] = []
        self._old: Board | None = None
        self._bids = _Kept(bid_piece)
        self._asks = _Kept(ask_piece)
        self._stale = True

    def lines_changed(self) -> None:
        """Note that a client subscribed or cancelled; the columns are laid out anew before the next move."""
        self._stale = True

    def before_move(self, sessions: Iterable[Session]) -> None:
        """Lay out the columns as they stand now, which is what new lines have been sent."""
        if not self._stale:
            return
        wanted = {con for each in sessions for line in each.wants.lines.values() for con in line.con_ids}
        self._con_ids = tuple(sorted(wanted))
        self._row = {con_id: row for row, con_id in enumerate(self._con_ids)}
        kinds = [self._market.catalogue.by_id(con_id) for con_id in self._con_ids]
        self._option = [kind is not None and kind.is_option for kind in kinds]
        self._tradable = [kind is None or kind.sec_type.value != "IND" for kind in kinds]
        self._old = board(self._market.ticks(self._con_ids)) if self._con_ids else None
        self._stale = False

    def quotes(self) -> Ticks | None:
        """Return the present quotes of every subscribed contract, None when there is none."""
        return self._market.ticks(self._con_ids) if self._con_ids else None

    def send_changes(self, ticks: Ticks | None, sessions: Iterable[Session]) -> None:
        """Queue the changes of this instant for each client."""
        if ticks is None or self._old is None:
            return
        new = board(ticks)
        codes = changes(self._old, new)
        self._old = new
        pieces = self._pieces(new, codes)
        for session in sessions:
            if session.wants.lines:
                self._burst(session, pieces, new)

    def _pieces(self, new: Board, codes: list[int]) -> list[list[Piece]]:
        """Print what changed, row by row."""
        bids, asks, lasts, greeks = new.bids(), new.asks(), new.lasts(), new.greeks()
        bid_of, ask_of = self._bids.pieces.get, self._asks.pieces.get
        out: list[list[Piece]] = []
        for row, code in enumerate(codes):
            found: list[Piece] = []
            out.append(found)
            if not code:
                continue
            if code & BID:
                key = bids[row]
                found.append(bid_of(key) or self._bids.make(key))
            elif code & BID_SIZE:
                found.append(size_piece(b"0", bids[row] % SIZES))
            if code & ASK:
                key = asks[row]
                found.append(ask_of(key) or self._asks.make(key))
            elif code & ASK_SIZE:
                found.append(size_piece(b"3", asks[row] % SIZES))
            if code & LAST:
                found.append(price_piece(b"4", lasts[row], 1 if self._tradable[row] else 0, b"0"))
            if code >= GREEKS and self._option[row]:
                found.append(greeks_piece(greeks[row]))
        return out

    def _burst(self, session: Session, pieces: list[list[Piece]], new: Board) -> None:
        out: list[bytes] = []
        row_of = self._row
        for line in session.wants.lines.values():
            rid = line.rid
            width = len(rid)
            found = pieces[row_of[line.instrument.con_id]] if line.instrument else self._combo(line, new)
            for heads, size, tail in found:
                out += (heads[size + width], rid, tail)
        if out:
            session.send_raw(b"".join(out), len(out) // 3)

    def _combo(self, line: Line, new: Board) -> list[Piece]:
        return combo_pieces(line, new, [self._row[leg.con_id] for leg in line.legs])
