"""At which instants of a session a test may be true, by columns; and what measures see of a position by columns."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, Places
from rulebot.compile.plan import (
    AllOf,
    AnyOf,
    Call,
    Compare,
    Holds,
    Op,
    Truth,
)
from rulebot.measure.reading import Column, ColumnView, LegColumns, Value, column_of
from rulebot.measure.view import Held
from rulebot.measures.registry import MEASURES
from rulebot.measures.structure import net_column
from rulebot.model.contract import Option
from rulebot.model.session import Session

# --- At which instants a test may be true

Mask = NDArray[np.bool_]
Shape = tuple[int, ...]
Measure = Callable[[Call], Column | None]
"""Returns a measure's values at all instants, or its constant; None where it has no array."""
_FINE = 1e-4
"""Numbers that are off by no more are those of the engine up to their last bits."""
_SAME = 1e-10
"""Such numbers that differ by no more are the same for the engine, which rounds what it reads to 9 digits."""
_DIGITS = 1e9


def may_hold(test: Truth, measure: Measure, shape: Shape) -> Mask | None:
    """Return at which instants a test may be true, None for all.

    shape: of the mask, also for a constant result.
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
            bounds = [column_of(bound, measure) for bound in right]
            return _compared(
                op, column_of(left, measure), bounds, _certain_uncertainty if is_sure else _possible_uncertainty
            )
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


def _compared(op: Op, left: Column | None, right: list[Column | None], uncertainty_of: "UncertaintyOf") -> Mask | None:
    if left is None or not right or any(bound is None for bound in right) or op is Op.IS:
        return None
    value = np.asarray(left[0])
    bounds = [bound for bound in right if bound is not None]
    low, high = bounds[0], bounds[-1]
    is_strict = op in (Op.ABOVE, Op.BELOW, Op.BEYOND)
    least = low[0] - uncertainty_of(left, low, is_strict)
    most = high[0] + uncertainty_of(left, high, is_strict)
    if op in (Op.ABOVE, Op.AT_LEAST):
        return np.asarray(value >= least)
    if op in (Op.BELOW, Op.AT_MOST):
        return np.asarray(value <= most)
    if op is Op.BETWEEN:
        return np.asarray((value >= least) & (value <= most))
    if op is Op.BEYOND:
        return np.asarray(np.abs(value) >= least)
    return None


UncertaintyOf = Callable[[Column, Column, bool], "Columns | float"]
"""Returns the margin of a value to its bound (negative: past it), with both and whether it must exceed it."""


def _possible_uncertainty(left: Column, bound: Column, is_strict: bool) -> float:
    return left.uncertainty + bound.uncertainty


def _certain_uncertainty(left: Column, bound: Column, is_strict: bool) -> Columns | float:
    uncertainty = left.uncertainty + bound.uncertainty
    if is_strict or uncertainty > _FINE:
        return -uncertainty
    digits = np.asarray(bound[0]) * _DIGITS
    return np.where(np.abs(digits - np.rint(digits)) < 0.1, _SAME, -uncertainty)


# --- What measures see of a session by columns

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
        self.session = day.session
        self._columns: dict[Call, Column | None] = {}

    @property
    def now(self) -> Columns:
        """The instants, epoch seconds."""
        return self.day.times + self.day.opens_at

    def level(self, symbol: str) -> Columns | None:
        """Return an underlying's level, None where it is not known."""
        return self.day.level(symbol)

    def measure(self, call: Call) -> Column | None:
        """Return a measure at all instants, None without a column."""
        if call not in self._columns:
            self._columns[call] = MEASURES[call.measure].column(call, self)
        return self._columns[call]


class HeldLeg(LegColumns):
    """One leg of a position; of many positions at once it has a column for each of them."""

    def __init__(self, day: SessionColumns, name: str, leg: Leg) -> None:
        column, self.weight = leg
        self.name, self._day, self._column = name, day, column
        self.option = day.options[column] if isinstance(column, int) else None

    def quote(self, *, closing: bool) -> tuple[Columns, Columns] | None:
        """Return bid and ask as they count while it is closed."""
        return (self._day.bid[self._column], self._day.ask[self._column]) if closing else None

    def greek(self, name: str) -> Columns | None:
        """Return its delta."""
        return self._day.delta[self._column] if name == "delta" else None


class Position(MarketColumns):
    """The market, and a position that is held; or N whose numbers in `held` have shape (N, 1): then theirs are (N, T).

    names: its legs', in their order. known: arrays that others asked for too, by the key of their legs.
    """

    def __init__(
        self,
        day: SessionColumns,
        structure: Sequence[Leg],
        names: tuple[str, ...],
        held: Held,
        known: dict[object, Value | None],
        key: object,
    ) -> None:
        super().__init__(day)
        self.held: Held = held
        self.legs = [HeldLeg(day, name, leg) for name, leg in zip(names, structure, strict=True)]
        self._known, self.key = known, key

    def worth(self, at: str, names: tuple[str, ...] | None) -> Value | None:
        """Return what closing all of it brings per share; of some legs there is no column."""
        return None if names else net_column(self, at, True)

    def kept(self, key: object, make: Callable[[], Value | None]) -> Value | None:
        """Return what `make` makes, once for all positions in the same legs."""
        known = (self.key, key)
        if known not in self._known:
            self._known[known] = make()
        return self._known[known]
