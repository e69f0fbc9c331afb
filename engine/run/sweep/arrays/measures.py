"""Measures as arrays over the instants of a session, each with how far it may be off; None where there is no array."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from engine.adapters.history.day import Columns
from engine.compile.plan import Call, Quantity
from engine.evaluate.measure_structure import names_of
from engine.evaluate.reading import Context
from engine.evaluate.snapshot import Held
from engine.model.contract import LOT, Right
from engine.model.session import DayTime
from engine.run.sweep.arrays.day import ArrayDay, OptionColumns
from engine.run.sweep.arrays.may_hold import HAIR, Series

Structure = tuple[tuple[int, int], ...]
"""Legs in order: the column of each one's option, and its sign (+1 bought)."""
TICK = 0.11
"""How far the price at which an order starts may lie from mid or natural: a step of the dearest grid, and a hair."""
_INDICES = ("vix", "vix9d", "vix1d", "vix3m")


class Market(NamedTuple):
    """Measures of levels."""

    day: ArrayDay

    def measure(self, call: Call) -> Series | None:
        """Return a level."""
        if call.measure == "spot":
            return self._level(str(call.argument("of")))
        return self._level(call.measure.upper()) if call.measure in _INDICES else None

    def _level(self, symbol: str) -> Series | None:
        level = self.day.level(symbol)
        return None if level is None else (level, HAIR)


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


class Position(NamedTuple):
    """Measures of a position that is held. names: its legs', in their order. kept: arrays that others asked for too."""

    day: ArrayDay
    structure: Structure
    names: tuple[str, ...]
    held: Held
    context: Context
    kept: dict[object, Columns]

    def measure(self, call: Call) -> Series | None:
        """Return a measure of the position or of the market."""
        find = _OF_POSITION.get(call.measure)
        return Market(self.day).measure(call) if find is None else find(self, call)

    def _worth(self, at: str) -> Columns:
        """Return what closing it brings per share."""
        key = (self.structure, at)
        if key not in self.kept:
            day, total = self.day, np.zeros(len(self.day.times))
            for column, sign in self.structure:
                bid, ask = day.bid[column], day.ask[column]
                price = (bid + ask) / 2.0 if at == "mid" else (bid if sign > 0 else ask)
                total = total + sign * price
            self.kept[key] = total
        return self.kept[key]

    def _of_legs(self, call: Call) -> bool:
        return isinstance(dict(call.arguments).get("of"), tuple)

    def _value(self, call: Call) -> Series | None:
        return None if self._of_legs(call) else (self._worth(str(call.argument("at"))), HAIR)

    def _cost(self, call: Call) -> Series | None:
        return None if self._of_legs(call) else (-self._worth(str(call.argument("at"))), HAIR)

    def _profit(self, call: Call) -> Series | None:
        if self._of_legs(call):
            return None
        made = self.held.entry_price + self._worth(str(call.argument("at")))
        if call.quantity is Quantity.PRICE:
            return made, HAIR
        if call.quantity is Quantity.DOLLARS:
            return made * LOT * self.held.quantity - self.held.commissions, 1e-3
        base = abs(self.held.entry_price)
        return (made / base, HAIR) if base > 0.0 else None

    def _loss(self, call: Call) -> Series | None:
        found = self._profit(call)
        return None if found is None else (-found[0], found[1])

    def _leg_delta(self, call: Call) -> Series | None:
        names = names_of(call)
        legs = zip(self.names, self.structure, strict=True)
        columns = tuple(column for name, (column, _) in legs if name in names)
        key = ("delta", columns)
        if key not in self.kept:
            self.kept[key] = np.abs(self.day.delta[list(columns)]).max(axis=0)
        return self.kept[key], HAIR

    def _entered_at(self, call: Call) -> Series | None:
        if call.quantity is not Quantity.PRICE:
            return None
        return (1.0 if call.measure == "credit" else -1.0) * self.held.entry_price, HAIR

    def _max_risk(self, call: Call) -> Series | None:
        risk = self.held.max_risk
        if risk is None or call.quantity is not Quantity.DOLLARS:
            return None if risk is None else (risk, HAIR)
        return risk * LOT * self.held.quantity + self.held.commissions, 1e-3

    def _breach(self, call: Call) -> Series | None:
        """Return how far inside, or past, its bound spot is: 0 and more is a breach."""
        arguments, names = dict(call.arguments), names_of(call)
        level = self.day.level(self.context.symbols[0])
        options = [self.day.options[c] for n, (c, _) in zip(self.names, self.structure, strict=True) if n in names]
        if level is None or not options:
            return None
        puts = [float(each.strike) for each in options if each.right is Right.PUT]
        calls = [float(each.strike) for each in options if each.right is Right.CALL]
        nearest = np.full(len(level), np.inf)
        if puts:
            nearest = np.minimum(nearest, level - max(puts))
        if calls:
            nearest = np.minimum(nearest, min(calls) - level)
        if "spot_within" in arguments:
            return float(str(arguments["spot_within"])) - nearest, HAIR
        return -nearest - float(str(arguments["spot_beyond"])), HAIR

    def _time(self, call: Call) -> Series | None:
        at = call.argument("at")
        assert isinstance(at, DayTime)
        key = ("time", at)
        if key not in self.kept:
            self.kept[key] = self.day.times - (at.before_close(self.day.session).timestamp() - self.day.opens_at)
        return self.kept[key], HAIR


_OF_POSITION: Mapping[str, Callable[[Position, Call], Series | None]] = {
    "value": Position._value,
    "cost": Position._cost,
    "profit": Position._profit,
    "loss": Position._loss,
    "leg_delta": Position._leg_delta,
    "credit": Position._entered_at,
    "debit": Position._entered_at,
    "max_risk": Position._max_risk,
    "breach": Position._breach,
    "time": Position._time,
}
