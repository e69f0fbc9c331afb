"""Options that are asked for step by step: priced for the steps to come at once, and looked up when those come.

Pricing a few contracts costs a hundred calls on short columns, whatever the columns hold. A quote depends on its
contract and its second alone, so one call for many seconds gives the same quotes. When steps are missed, what was made
for them is thrown away.
"""

import numpy as np
from numpy.typing import NDArray

from twsim.market.desk import Layout
from twsim.market.floor import MarketSession
from twsim.market.surface import ExpiryTerms

Floats = NDArray[np.float64]

MOST_STEPS = 16
MOST_ROWS = 512
"""Rows from which on a call costs as much as its rows, so that a longer one saves nothing."""
_SCALES = np.array([1e2, 1e2, 1.0, 1.0, 1e2, 1e6, 1e6, 1e8, 1e6, 1e6, 1e4, 1e2]).reshape(-1, 1)


def option_board(floor: MarketSession, layout: Layout, rows: list[ExpiryTerms]) -> Floats:
    """Return the quotes of a layout, one row for each field of `Ticks`; `rows` is the state of its expiries."""
    priced, quoted, state = floor.desk.price(layout, rows, layout.group)
    found = np.array((*quoted, priced.volatility, *priced.greeks, priced.value, state[0]))
    board: Floats = np.rint(found * _SCALES) / _SCALES
    return board


class PrefetchedQuotes:
    """The quotes of one layout in one session, at any second of it."""

    def __init__(self, floor: MarketSession, layout: Layout) -> None:
        self._floor = floor
        self._layouts = {1: layout}
        self._most = max(1, min(MOST_STEPS, MOST_ROWS // len(layout.options)))
        self._known: dict[int, Floats] = {}
        self._last = self._step = 0

    def at(self, second: int) -> Floats:
        """Return the quotes at a second of the session, as `option_board` does."""
        step, self._last = second - self._last, second
        if second not in self._known:
            count = self._most if step == self._step > 0 else 1
            self._step = step
            left = (self._floor.tape.seconds - second) // step + 1 if count > 1 else 1
            self._known = self._priced([second + step * number for number in range(min(count, left))])
        return self._known[second]

    def _priced(self, seconds: list[int]) -> dict[int, Floats]:
        count = len(seconds)
        if count not in self._layouts:
            self._layouts[count] = self._layouts[1].repeated(count)
        layout, terms = self._layouts[count], self._floor.surface.terms
        board = option_board(self._floor, layout, [terms(each, at) for at in seconds for each in layout.expiries])
        width = len(self._layouts[1].options)
        return {at: board[:, number * width : (number + 1) * width] for number, at in enumerate(seconds)}
