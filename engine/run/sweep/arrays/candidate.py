"""What a bot would enter, as arrays over the instants of a session: what it brings, whatever its legs are then."""

from typing import NamedTuple

import numpy as np

from engine.adapters.history.day import Columns
from engine.compile.plan import Call, Quantity
from engine.run.arrays.may_hold import HAIR, Series
from engine.run.arrays.measures import Market
from engine.run.sweep.arrays.day import ArrayDay, OptionColumns

TICK = 0.11
"""How far the price at which an order starts may lie from mid or natural: a step of the dearest grid, and a hair."""


class Candidate(NamedTuple):
    """Measures of what a bot would enter: its legs' columns change from instant to instant.

    legs: those columns and the sign of each leg. starts: `natural`, `mid` or `market`, where its order starts, "" at a
    price of its own. keys: what tells its legs from those of other variants; kept: arrays that others asked for too.
    """

    day: ArrayDay
    legs: tuple[tuple[OptionColumns, int], ...]
    starts: str
    keys: tuple[int, ...]
    kept: dict[object, Columns]

    def measure(self, call: Call) -> Series | None:
        """Return a credit, or a debit, per share."""
        if call.measure not in ("credit", "debit") or call.quantity is not Quantity.PRICE:
            return Market(self.day).measure(call)
        at = str(call.argument("at"))
        where = self.starts if at == "start" else at
        if where not in ("mid", "natural"):
            return None
        key = ("brings", self.keys, where)
        if key not in self.kept:
            self.kept[key] = self._brings(where)
        brings = self.kept[key]
        return brings if call.measure == "credit" else -brings, TICK if at == "start" else HAIR

    def _brings(self, at: str) -> Columns:
        """Return what opening it brings per share, nan where a leg has no option."""
        day, places = self.day, np.arange(len(self.day.times))
        total = np.zeros(len(places))
        for columns, sign in self.legs:
            bid, ask = day.bid[columns, places], day.ask[columns, places]
            price = (bid + ask) / 2.0 if at == "mid" else (ask if sign > 0 else bid)
            total -= np.where(columns >= 0, sign * price, np.nan)
        return total
