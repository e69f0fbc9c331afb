"""What a bot would enter, as arrays over the instants of a session: what it brings, whatever its legs are then."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.backtest.vectorized.rule_masks import HAIR, Measure, Series
from rulebot.compile.plan import Call, Quantity
from rulebot.evaluate.measure_structure import names_of
from rulebot.sweep.vectorized.money_columns import UNIT, Grid
from rulebot.sweep.vectorized.session_arrays import ArrayDay, OptionColumns

TICK = 0.11
"""How far the price at which an order starts may lie from mid or natural: a step of the dearest grid, and a hair."""


class Candidate(NamedTuple):
    """Measures of what a bot would enter: its legs' columns change from instant to instant.

    legs: those columns and the sign of each leg, by its name. starts: `natural`, `mid` or `market`, where its order
    starts, "" at a price of its own; grid: of its prices. keys: what tells its legs from those of other variants; kept:
    arrays that others asked for too. market: measures of the market.
    """

    day: ArrayDay
    legs: Mapping[str, tuple[OptionColumns, int]]
    starts: str
    grid: Grid
    keys: tuple[int, ...]
    kept: dict[object, Columns]
    market: Measure

    def measure(self, call: Call) -> Series | None:
        """Return a credit, or a debit, per share, or the largest width of a quote."""
        if call.measure == "quote_width":
            return self._width(names_of(call), is_part=call.quantity is Quantity.FRACTION), HAIR
        if call.measure not in ("credit", "debit") or call.quantity is not Quantity.PRICE:
            return self.market(call)
        at = str(call.argument("at"))
        where = self.starts if at == "start" else at
        if where not in ("mid", "natural"):
            return None
        brings = self._brings(where)
        net, doubt = self._started(brings) if at == "start" else (brings, HAIR)
        return net if call.measure == "credit" else -net, doubt

    def _brings(self, at: str) -> Columns:
        """Return what opening it brings per share, nan where a leg has no option."""
        key = ("brings", self.keys, at)
        if key not in self.kept:
            day, places = self.day, np.arange(len(self.day.times))
            total = np.zeros(len(places))
            for columns, sign in self.legs.values():
                bid, ask = self._bids(columns), day.ask[columns, places]
                price = (bid + ask) / 2.0 if at == "mid" else (ask if sign > 0 else bid)
                total -= np.where(columns >= 0, sign * price, np.nan)
            self.kept[key] = total
        return self.kept[key]

    def _bids(self, columns: OptionColumns) -> Columns:
        """Return what is bid for options at each instant, 0 where nobody bids, nan where that is not known."""
        day, places = self.day, np.arange(len(self.day.times))
        return np.where(day.is_unwanted[columns, places], 0.0, day.bid[columns, places])

    def _started(self, wanted: Columns) -> Series:
        """Return the price at which its order starts (`order.ladder.start_net`)."""
        natural = self._brings("natural")
        is_known = ~np.isnan(wanted + natural)
        up, down = (np.where(is_known, price, 0.0) for price in (wanted, natural))
        above, least = self.grid.up(up), self.grid.down(down)
        if not (above.is_clear & least.is_clear).all():
            return wanted, TICK
        return np.where(is_known, np.maximum(above.units, least.units) / UNIT, np.nan), HAIR

    def _width(self, names: tuple[str, ...], *, is_part: bool) -> Columns:
        """Return the largest width of the quotes of some legs, per share or as a part of mid."""
        day, places = self.day, np.arange(len(self.day.times))
        found = np.full(len(places), -np.inf)
        for columns, _ in (self.legs[name] for name in names):
            bid, ask = self._bids(columns), day.ask[columns, places]
            width = (ask - bid) / ((ask + bid) / 2.0) if is_part else ask - bid
            found = np.maximum(found, np.where(columns >= 0, width, np.nan))
        return found
