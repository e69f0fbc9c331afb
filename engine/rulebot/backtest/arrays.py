"""Measures as arrays over the instants of a session, each with how far it may be off; None where there is no array."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, Places
from rulebot.compile.plan import (
    OPEN_LEGS,
    AllOf,
    AnyOf,
    Arithmetic,
    Call,
    Compare,
    Constant,
    Holds,
    Number,
    Op,
    Quantity,
    Truth,
)
from rulebot.measure.reading import HAIR, ColumnView
from rulebot.measure.view import Held
from rulebot.measures.registry import MEASURES
from rulebot.measures.structure import names_of
from rulebot.model.contract import LOT, Option, Right
from rulebot.model.session import DayTime, Session, sessions_after

# --- At which instants a test may be true

Doubt = float
"""How far an array may be off, in the unit of what it holds."""
Series = tuple[Columns | float, Doubt]
Mask = NDArray[np.bool_]
Shape = tuple[int, ...]
Measure = Callable[[Call], "Series | None"]
"""Returns a measure's values at all instants, or its only one; None where they are not known as an array."""
_FINE = 1e-4
"""Numbers that are off by no more are those of the engine up to their last bits."""
_SAME = 1e-10
"""Such numbers that differ by no more are the same for the engine, which rounds what it reads to 9 digits."""
_DIGITS = 1e9

_OPERATIONS: Mapping[str, Callable[..., Columns | float]] = {
    "+": lambda one, other: one + other,
    "-": lambda one, other: one - other,
    "*": lambda one, other: one * other,
}


def may_hold(test: Truth, measure: Measure, shape: Shape) -> Mask | None:
    """Return at which instants a test may be true, None for all.

    shape: of the mask, also where a test says the same at all instants.
    """
    return _shaped(_holds(test, measure, is_sure=False), shape)


def surely_holds(test: Truth, measure: Measure, shape: Shape) -> Mask | None:
    """Return at which instants a test is true, None where that is nowhere known. shape: as of `may_hold`."""
    return _shaped(_holds(test, measure, is_sure=True), shape)


def _shaped(mask: Mask | None, shape: Shape) -> Mask | None:
    return mask if mask is None or mask.shape == shape else np.broadcast_to(mask, shape)


def _holds(test: Truth, measure: Measure, *, is_sure: bool) -> Mask | None:
    match test:
        case Compare(op, left, right):
            bounds = [series(bound, measure) for bound in right]
            return _compared(op, series(left, measure), bounds, _sure_doubt if is_sure else _may_doubt)
        case Holds(call):
            past = measure(call)
            return None if past is None else np.asarray(past[0] >= (past[1] if is_sure else -past[1]))
        case AllOf(members) | AnyOf(members):
            every = [_holds(each, measure, is_sure=is_sure) for each in members]
            known = [found for found in every if found is not None]
            is_all = isinstance(test, AllOf)
            if not known or (is_all is is_sure and len(known) < len(every)):
                return None  # what is not known may be true, and is not sure
            return np.asarray(reduce(np.logical_and if is_all else np.logical_or, known))
        case _:
            return None


def series(number: Number, measure: Measure) -> Series | None:
    """Return a number of the tree at all instants, None where it is not known as an array."""
    match number:
        case Constant(value):
            return value, HAIR
        case Call():
            return measure(number)
        case Arithmetic(operator, (one, other)) if operator in _OPERATIONS:
            left, right = series(one, measure), series(other, measure)
            if left is None or right is None:
                return None
            doubt = left[1] + right[1] if operator != "*" else _of_product(left, right)
            return _OPERATIONS[operator](left[0], right[0]), doubt
        case _:
            return None


def _of_product(left: Series, right: Series) -> Doubt:
    one, other = _largest(left[0]), _largest(right[0])
    return left[1] * other + right[1] * one + left[1] * right[1]


def _largest(values: Columns | float) -> float:
    if isinstance(values, float):
        return abs(values)
    return float(np.nanmax(np.abs(values), initial=0.0))


def _compared(op: Op, left: Series | None, right: list[Series | None], doubt_of: "DoubtOf") -> Mask | None:
    if left is None or not right or any(bound is None for bound in right) or op is Op.IS:
        return None
    value = np.asarray(left[0])
    bounds = [bound for bound in right if bound is not None]
    low, high = bounds[0], bounds[-1]
    is_strict = op in (Op.ABOVE, Op.BELOW, Op.BEYOND)
    least = low[0] - doubt_of(left, low, is_strict)
    most = high[0] + doubt_of(left, high, is_strict)
    if op in (Op.ABOVE, Op.AT_LEAST):
        return np.asarray(value >= least)
    if op in (Op.BELOW, Op.AT_MOST):
        return np.asarray(value <= most)
    if op is Op.BETWEEN:
        return np.asarray((value >= least) & (value <= most))
    if op is Op.BEYOND:
        return np.asarray(np.abs(value) >= least)
    return None


DoubtOf = Callable[[Series, Series, bool], "Columns | float"]
"""Returns how far before its bound a value may stand, below 0 how far past it, by both and whether it must pass it."""


def _may_doubt(left: Series, bound: Series, is_strict: bool) -> float:
    return left[1] + bound[1]


def _sure_doubt(left: Series, bound: Series, is_strict: bool) -> Columns | float:
    doubt = left[1] + bound[1]
    if is_strict or doubt > _FINE:
        return -doubt
    digits = np.asarray(bound[0]) * _DIGITS
    return np.where(np.abs(digits - np.rint(digits)) < 0.1, _SAME, -doubt)


# --- Measures as arrays over the instants of a session, each with how far it may be off

Structure = tuple[tuple[int, int], ...]
"""Legs in order: the column of each one's option, and how many of it a structure has, negative when sold."""
Leg = tuple[int | Places, int]
"""The same of one leg; of many positions at once with a column for each of them. Shape: (N,)."""


class SessionColumns(Protocol):
    """One session, instant by instant. times: seconds after the open, at `opens_at` (epoch seconds).

    options: those that have columns; bid, ask and delta have shape options x instants, nan where one is not known.
    """

    @property
    def session(self) -> Session: ...
    @property
    def opens_at(self) -> float: ...
    @property
    def times(self) -> Columns: ...
    @property
    def options(self) -> Sequence[Option]: ...
    @property
    def bid(self) -> Columns: ...
    @property
    def ask(self) -> Columns: ...
    @property
    def delta(self) -> Columns: ...

    def level(self, symbol: str) -> Columns | None:
        """Return an underlying's level, None where it is not known."""


class MarketColumns(ColumnView):
    """The market of a session."""

    def __init__(self, day: SessionColumns) -> None:
        self.day = day

    def level(self, symbol: str) -> Columns | None:
        """Return an underlying's level, None where it is not known."""
        return self.day.level(symbol)

    def measure(self, call: Call) -> Series | None:
        """Return a measure at all instants, None where there is no column of it."""
        return MEASURES[call.measure].column(call, self)


class Position(MarketColumns):
    """The market, and a position that is held; or N whose numbers in `held` have shape (N, 1): then theirs are (N, T).

    names: its legs', in their order. kept: arrays that others asked for too, by the key of their legs.
    """

    def __init__(
        self,
        day: SessionColumns,
        structure: Sequence[Leg],
        names: tuple[str, ...],
        held: Held,
        kept: dict[object, Columns],
        key: object,
    ) -> None:
        super().__init__(day)
        self.structure, self.names, self.kept, self.key = structure, names, kept, key
        self.held: Held = held

    def measure(self, call: Call) -> Series | None:
        """Return a measure of the position or of the market."""
        find = _OF_POSITION.get(call.measure)
        return super().measure(call) if find is None else find(self, call)

    def _worth(self, at: str) -> Columns:
        """Return what closing it brings per share."""
        key = (self.key, at)
        if key not in self.kept:
            day, total = self.day, np.zeros(len(self.day.times))
            for column, sign in self.structure:
                bid, ask = day.bid[column], day.ask[column]
                price = (bid + ask) / 2.0 if at == "mid" else (bid if sign > 0 else ask)
                total = total + sign * price
            self.kept[key] = total
        return self.kept[key]

    def _has_any(self, names: tuple[str, ...]) -> bool:
        """Say whether one of these legs is its own: what a part of a position was rolled into has that part alone."""
        return any(name in names for name in self.names)

    def _of_legs(self, call: Call) -> bool:
        """Say whether a measure is of some legs, or of more than what is open: there is no array for it."""
        of = dict(call.arguments).get("of")
        return isinstance(of, tuple) or (not self.held.is_intact and of != OPEN_LEGS)

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
        base = np.abs(self.held.entry_price)
        return (made / base, HAIR) if np.all(base > 0.0) else None

    def _loss(self, call: Call) -> Series | None:
        found = self._profit(call)
        return None if found is None else (-found[0], found[1])

    def _leg_delta(self, call: Call) -> Series | None:
        names = names_of(call)
        if not self._has_any(names):
            return None
        key = (self.key, "delta", names)
        if key not in self.kept:
            legs = zip(self.names, self.structure, strict=True)
            self.kept[key] = np.maximum.reduce([np.abs(self.day.delta[c]) for name, (c, _) in legs if name in names])
        return self.kept[key], HAIR

    def _delta(self, call: Call) -> Series | None:
        return LOT * sum(weight * self.day.delta[column] for column, weight in self.structure), LOT * HAIR

    def _options(self) -> dict[str, Option] | None:
        """Return the options of the legs by name, None where they are those of many positions."""
        legs, options = zip(self.names, self.structure, strict=True), self.day.options
        found = {name: options[column] for name, (column, _) in legs if isinstance(column, int)}
        return found if len(found) == len(self.structure) else None

    def _dte(self, call: Call) -> Series | None:
        options, of = self._options(), dict(call.arguments).get("of")
        named = of if isinstance(of, tuple) else self.names
        if options is None or not all(name in options for name in named):
            return None
        expiry = min(options[name].expiry for name in named)
        return float((expiry - self.day.session.date).days), HAIR

    def _time_in_trade(self, call: Call) -> Series | None:
        return self.day.times - (self.held.opened_at - self.day.opens_at), HAIR

    def _sessions_in_trade(self, call: Call) -> Series | None:
        return float(sessions_after(self.held.opened_on, self.day.session.date)), HAIR

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
        options = [each for name, each in (self._options() or {}).items() if name in names]
        nearest = np.full(len(self.day.times), np.inf)
        for each in options:
            level = self.day.level(each.symbol)
            if level is None:
                return None
            away = level - float(each.strike)
            nearest = np.minimum(nearest, away if each.right is Right.PUT else -away)
        if not options:
            return None
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
    "position_delta": Position._delta,
    "dte": Position._dte,
    "time_in_trade": Position._time_in_trade,
    "sessions_in_trade": Position._sessions_in_trade,
    "credit": Position._entered_at,
    "debit": Position._entered_at,
    "max_risk": Position._max_risk,
    "breach": Position._breach,
    "time": Position._time,
}
