"""The two strikes around spot, instant by instant, and which of them a bot reads the expected move and iv from.

A bot streams those around spot as it was when it last chose, and keeps what it has near them (`evaluate.watch`). So
where spot has moved far it may not read the nearer one yet: it reads the other, or nothing, for a second.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.day import Columns, Places
from rulebot.backtest.vectorized.rule_masks import Mask
from rulebot.evaluate.snapshot import View
from rulebot.evaluate.watch import MONEY_KEPT
from rulebot.model.black import MEAN_MOVE
from rulebot.model.contract import Right
from rulebot.model.facts import Facts
from rulebot.sweep.vectorized.session_arrays import ArrayDay

NONE = -1
"""In place of a strike where there is none."""


class AtmNeighbours(NamedTuple):
    """The market at the money of one class. Shape of each: (T,).

    above: how many strikes lie below spot. nearest: the strike nearest to it; read: the one that is read when both are
    streamed, NONE where neither is quoted. Both count the strikes, and have columns in `calls` and `puts`. move: the
    expected move, nan where none is read. is_sound: whether the nearest is quoted.
    """

    strikes: Columns
    calls: NDArray[np.intp]
    puts: NDArray[np.intp]
    above: Places
    nearest: Places
    read: Places
    is_sound: Mask
    move: Columns


def enclosing(strikes: Columns, levels: Columns) -> tuple[Places, Places, Places, Mask]:
    """Return how many strikes lie below levels, the strikes on both sides, and whether there is one on each."""
    above = np.searchsorted(strikes, levels)
    low, high = np.clip(above - 1, 0, None), np.clip(above, None, len(strikes) - 1)
    return above, low, high, (above > 0) & (above < len(strikes))


def _around(day: ArrayDay, symbol: str, trading_class: str) -> AtmNeighbours | None:
    spot, every = day.level(symbol), np.arange(len(day.times))
    if spot is None or not day.is_even(trading_class):
        return None
    calls, puts = (day.sides[trading_class, right] for right in (Right.CALL, Right.PUT))
    strikes = day.strikes[calls]
    above, low, high, is_inside = enclosing(strikes, np.round(spot, 4))
    nearest = np.where(np.abs(strikes[low] - spot) <= np.abs(strikes[high] - spot), low, high)
    other = low + high - nearest

    def quoted(strike: Places) -> Mask:
        return np.asarray(is_inside & ~day.is_odd[calls[strike], every] & ~day.is_odd[puts[strike], every])

    is_sound = quoted(nearest)
    read = np.where(is_sound, nearest, np.where(quoted(other), other, NONE))
    pair = ((day.bid[each[read], every], day.ask[each[read], every]) for each in (calls, puts))
    straddle = sum((bid + ask) / 2.0 for bid, ask in pair)
    move = np.where(read >= 0, straddle * MEAN_MOVE, np.nan)
    return AtmNeighbours(strikes, calls, puts, above, nearest, read, is_sound, move)


def surely_read(found: AtmNeighbours, reached: int, end: int) -> Mask:
    """Return where a bot surely reads what it would with all strikes streamed.

    reached: the instant from which on its strikes are streamed; end: past the last one of the session. Shape: (T,).
    """
    sure = np.zeros(len(found.above), dtype=bool)
    above, nearest, read = found.above.tolist(), found.nearest.tolist(), found.read.tolist()
    is_sound = found.is_sound.tolist()
    streamed: set[int] = set()
    for place in range(reached, end):
        sure[place] = read[place] == NONE or read[place] in streamed
        around_spot = {above[place] - 1, above[place]}
        if is_sound[place] and nearest[place] in streamed:
            kept = range(above[place] - MONEY_KEPT, above[place] + MONEY_KEPT)
            streamed = around_spot | {strike for strike in streamed if strike in kept}
        else:  # for a moment it may not be known where the legs lie
            streamed = around_spot
    return sure


class AtMoney:
    """What stands at the money in one session, by symbol and trading class; made once, shared by all variants."""

    def __init__(self, day: ArrayDay) -> None:
        self._day = day
        self._around: dict[tuple[str, str], AtmNeighbours | None] = {}
        self._surely_read: dict[tuple[str, str, int], Mask] = {}
        self._hidden: dict[tuple[int, int, str, str], View] = {}

    def around(self, symbol: str, trading_class: str) -> AtmNeighbours | None:
        """Return the market at the money, None where calls and puts differ in their strikes."""
        key = (symbol, trading_class)
        if key not in self._around:
            self._around[key] = _around(self._day, symbol, trading_class)
        return self._around[key]

    def surely_read(self, symbol: str, trading_class: str, reached: int) -> Mask:
        """Return where a bot surely reads what it would with all strikes streamed, nowhere without any.

        reached: the instant from which on its strikes are streamed.
        """
        key = (symbol, trading_class, reached)
        if key not in self._surely_read:
            found = self.around(symbol, trading_class)
            self._surely_read[key] = self._nowhere() if found is None else surely_read(found, reached, self._day.end)
        return self._surely_read[key]

    def are_guessed(self, symbol: str, trading_class: str) -> Mask:
        """Say where it is sure about which strikes a bot asks for by what it reads (`evaluate.guess`)."""
        found = self.around(symbol, trading_class)
        return self._nowhere() if found is None else found.is_sound

    def _nowhere(self) -> Mask:
        return np.zeros(len(self._day.times), dtype=bool)

    def hidden_view_at(self, place: int, facts: tuple[int, Facts], symbol: str, trading_class: str) -> View:
        """Return the view of an instant for who has not got the strike nearest to spot yet."""
        key = (place, facts[0], symbol, trading_class)
        if key not in self._hidden:
            day = self._day
            board, near = day.board_at(place).copy(), self.around(symbol, trading_class)
            if near is not None:
                for columns in (near.calls, near.puts):
                    row = board.rows[day.options[columns[near.nearest[place]]]]
                    board.bid[row] = board.ask[row] = board.quote_at[row] = np.nan
            self._hidden[key] = day.view_of(board, facts[1])
        return self._hidden[key]
