"""Many orders of one kind, each worked while its market stands, as `working` works one."""

from itertools import count
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.backtest.fills import FillModel
from rulebot.backtest.simulated_broker import PACE
from rulebot.backtest.vectorized.rule_masks import Mask
from rulebot.order.price import Part, ticks_of
from rulebot.spec.nouns.order import OnUnfilled, PriceFrom
from rulebot.spec.nouns.order import Order as Ladder
from rulebot.sweep.vectorized.exit_orders import SLACK
from rulebot.sweep.vectorized.money_columns import UNIT, Amounts, Grid, Quotes, Rows, Units, four_digits

_PACE = PACE.total_seconds()
_NEAR = 1e-7
"""Dollars by which two prices must differ for it to be clear which is higher, unless they are the same."""


class LadderFill(NamedTuple):
    """What came of orders, row by row. Neither filled nor unfilled, or not clear: to be done alone.

    net: where they filled; after: seconds from the decision to the fill; tries: how many it took.
    """

    net: Units
    after: Columns
    tries: Units
    is_filled: Mask
    is_unfilled: Mask
    is_clear: Mask

    def only(self, rows: Rows) -> "LadderFill":
        """Return what came of some of them."""
        return LadderFill._make(each[rows] for each in self)


class Orders:
    """Orders of one ladder for structures of one kind. `floor`: the least net price of each, -inf without one.

    targets: net prices that none goes past, None for exits that are no targets. worth: the net prices below which none
    trades at market (`order.price.at_market`), None for -inf.
    """

    def __init__(
        self,
        quotes: Quotes,
        ladder: Ladder,
        fills: FillModel,
        floor: Columns | None = None,
        targets: Columns | None = None,
        worth: Columns | None = None,
    ) -> None:
        self.quotes, self.ladder, self.fills, self.targets = quotes, ladder, fills, targets
        self.floor = floor if targets is None else targets if floor is None else np.maximum(floor, targets)
        self.mid, self.natural = quotes.net()
        self._at_market = self.natural if worth is None else np.maximum(self.natural, worth)
        parts = tuple(Part(option, flow, 1) for option, flow in zip(quotes.options, quotes.flows, strict=True))
        self._grid = Grid(ticks_of(parts))
        self._alone = parts[0].flow if len(parts) == 1 else 0
        self._lowest = self._grid.down(self.natural)
        self._given = self.mid - 2.0 * fills.part * (self.mid - self.natural)
        self._reach = self._given + self._grid.step(self._given) / UNIT / 2.0 + 1e-9
        self._gives = self._grid.down(self._given)

    def started(self) -> Amounts:
        """Return the price at which each starts (`order.ladder.start_net`)."""
        return self._limit(self._wanted(), None)

    def work(self, room: Columns, *, closing: bool) -> LadderFill:
        """Return what came of them. room: seconds for which the quotes stand."""
        ladder, size = self.ladder, len(self.mid)
        net, tries = (np.zeros(size, dtype=np.int64) for _ in range(2))
        afters = np.zeros(size)
        filled, over, clear = np.zeros(size, dtype=bool), np.zeros(size, dtype=bool), np.ones(size, dtype=bool)
        after = _PACE
        for attempt in count(1):
            over |= ~filled & (after > room - SLACK)
            waits = clear & ~filled & ~over
            if not waits.any() or (not closing and attempt > ladder.tries):
                return LadderFill(net, afters, tries, filled, waits, clear)
            price, reached = self._tried(attempt, closing)
            clear &= price.is_clear | ~waits
            now = waits & reached & clear
            net[now], tries[now], afters[now] = price.units[now], attempt, after
            filled |= now
            after += ladder.wait + (_PACE if closing and attempt == ladder.tries else 0.0)
        raise AssertionError("a ladder ends")

    def _tried(self, attempt: int, closing: bool) -> tuple[Amounts, Mask]:
        """Return what a try would fill at, and where it does."""
        ladder = self.ladder
        if ladder.start is PriceFrom.MARKET or (
            closing and ladder.then is OnUnfilled.MARKET and attempt > ladder.tries
        ):
            if self.targets is None:
                return four_digits(self._at_market), np.ones(len(self.natural), dtype=bool)
            limit = self._worth_sending(self._limit(self.natural, self.floor))
        else:
            limit = self._rung(attempt)
        price = limit.units / UNIT
        is_clear = limit.is_clear & self._gives.is_clear & (np.abs(price - self._reach) > _NEAR / 1e3)
        return Amounts(np.maximum(limit.units, self._gives.units), is_clear), price <= self._reach

    def _wanted(self) -> Columns:
        return self.natural if self.ladder.start is PriceFrom.NATURAL else self.mid

    def _rung(self, attempt: int) -> Amounts:
        """Return the net limit of a try (`order.ladder.rung`)."""
        wanted, step, is_clear = self._wanted(), self.ladder.step, self._lowest.is_clear
        if attempt > 1 and step is not None:
            first, is_clear = self._limit(wanted, None)
            wanted = (first - int(step * UNIT) * (attempt - 1)) / UNIT
        found = self._worth_sending(self._limit(wanted, self.floor))
        return Amounts(found.units, found.is_clear & is_clear)

    @property
    def are_for_nothing(self) -> Mask:
        """Say of which orders the target is less than a tick, or not surely more."""
        assert self.targets is not None
        return np.asarray((self.targets < 0.0) & (self._grid.up(self.targets).units >= 0))

    def _worth_sending(self, limit: Amounts) -> Amounts:
        """Return limits at least one tick from zero where a single option is dealt (`order.ladder`)."""
        units, is_clear = limit
        if self._alone:
            least = self._alone * self._grid.step(np.zeros(len(units)))
            if self.floor is not None:
                is_clear = is_clear & ((units != 0) | (least / UNIT >= self.floor + _NEAR))
            units = np.where(units == 0, least, units)
        return Amounts(units, is_clear)

    def _limit(self, wanted: Columns, floor: Columns | None) -> Amounts:
        """Return net limits on the grid (`order.price.limit_net`)."""
        up = self._grid.up(wanted)
        units, is_clear = np.maximum(up.units, self._lowest.units), up.is_clear & self._lowest.is_clear
        if floor is None:
            return Amounts(units, is_clear)
        lacks = floor - units / UNIT
        under = lacks > _NEAR
        if under.any():
            raised = self._grid.up(np.where(under, floor, 0.0))
            units, is_clear = np.where(under, raised.units, units), is_clear & (raised.is_clear | ~under)
        return Amounts(units, is_clear & ((np.abs(lacks) > _NEAR) | (np.abs(lacks) < 1e-11)))
