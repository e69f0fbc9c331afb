"""Prices and money of many orders at once: whole ten-thousandths of a dollar, as the engine's decimals have them.

Where binary floats leave the decimal ambiguous, a row is not clear; then it is computed separately.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, Places
from rulebot.backtest.arrays import Mask
from rulebot.backtest.fill_model import FillModel
from rulebot.backtest.simulated_broker import PACE, SHORT_PART, commissions_of, order_mid, priced_by_leg
from rulebot.evaluate.strikes import StructureSelection
from rulebot.model.commission import EDGES, LEAST_PER_ORDER, fees_per_contract, max_commission, per_contract
from rulebot.model.contract import Option, Right
from rulebot.model.market import middle
from rulebot.model.money import CENT, TickRule
from rulebot.model.payoff import ends_together
from rulebot.model.values import replace
from rulebot.order.price import Bound, NetQuote, Part, at_market, ladder_price, ticks_of
from rulebot.spec.spec import OnUnfilled, PriceFrom
from rulebot.spec.spec import Order as Ladder
from rulebot.sweep.vectorized.session_arrays import ArrayDay

Units = NDArray[np.int64]
"""Ten-thousandths of a dollar."""
Cents = NDArray[np.int64]
Rows = Places | Mask | slice
"""Some of many rows."""
UNIT = 10_000
"""This many of them are a dollar."""
_NOISE = 4e-11
"""Dollars by which a float may be off: `money.on_tick` reads ten decimals."""
_UNCERTAINTY = 1e-8
_SHORT_PERCENT = int(SHORT_PART * 100)
_HALF = 1e-6


class Amounts(NamedTuple):
    """Amounts row by row, and in which rows they are clear."""

    units: Units
    is_clear: Mask


class Grid:
    """A price grid, as `TickRule` has it."""

    def __init__(self, rule: TickRule) -> None:
        self._steps = [(float(edge), int(step * UNIT)) for edge, step in rule.steps]

    def step(self, price: Columns) -> Units:
        """Return the step at each price."""
        found = np.full(price.shape, self._steps[0][1], dtype=np.int64)
        for edge, step in self._steps[1:]:
            found[np.abs(price) >= edge] = step
        return found

    def up(self, price: Columns) -> Amounts:
        """Return each price on the grid, rounded up."""
        return self._rounded(price, np.ceil)

    def down(self, price: Columns) -> Amounts:
        """Return each price on the grid, rounded down."""
        return self._rounded(price, np.floor)

    def _rounded(self, price: Columns, way: np.ufunc) -> Amounts:
        step = self.step(price)
        steps = price * UNIT / step
        whole = np.rint(steps)
        off = np.abs(steps - whole) * step / UNIT
        rounded = np.where(off < _NOISE, whole, way(steps))
        return Amounts((rounded * step).astype(np.int64), (off < _NOISE) | (off > _UNCERTAINTY))


def four_digits(price: Columns) -> Amounts:
    """Return prices as `f"{price:.4f}"` writes them."""
    units = price * UNIT
    return Amounts(np.rint(units).astype(np.int64), np.asarray(np.abs(units - np.floor(units) - 0.5) > _HALF))


class Quotes(NamedTuple):
    """Quotes of structures, leg by leg. Shape: (N, legs). flows: +1 for a leg that is sold, -1 for one that is bought.

    options: one of each leg's, for what is the same for all of its class.
    """

    bid: Columns
    ask: Columns
    flows: Sequence[int]
    options: Sequence[Option]

    def net(self) -> tuple[Columns, Columns]:
        """Return the net mid and natural of each structure, added up in the order of `order.price.net_quote`."""
        mid = np.zeros(len(self.bid))
        natural = np.zeros(len(self.bid))
        for leg, flow in enumerate(self.flows):
            bid, ask = self.bid[:, leg], self.ask[:, leg]
            mid += flow * (bid + ask) / 2
            natural += flow * (bid if flow > 0 else ask)
        return mid, natural

    def worth(self) -> Columns:
        """Return the legs' mids added up, long and short alike."""
        worth = np.zeros(len(self.bid))
        for leg in range(len(self.flows)):
            worth += (self.bid[:, leg] + self.ask[:, leg]) / 2
        return worth

    def most_fees(self) -> int:
        """Return the most cents of commissions that opening and closing one structure can take."""
        return int(2 * 100 * sum(max_commission(option, 1) for option in self.options))

    def commission(self, net: Units, quantity: int) -> Amounts:
        """Return the cents of all executions at a net price: legs at their mids, the dearest makes up the rest."""
        reported = (self.bid + self.ask) / 2 * UNIT
        prices = np.rint(reported).astype(np.int64)
        lacks = net - (prices * np.array(self.flows)).sum(axis=1)
        every, dearest = np.arange(len(prices)), prices.argmax(axis=1)
        prices[every, dearest] += lacks * np.array(self.flows)[dearest]
        is_clear = np.asarray((np.abs(reported - np.rint(reported)) < _HALF).all(axis=1))
        return Amounts(self._commission(prices / UNIT, quantity), is_clear)

    def _commission(self, premiums: Columns, quantity: int) -> Cents:
        own, fees = (np.zeros(len(premiums), dtype=np.int64) for _ in range(2))
        for leg, option in enumerate(self.options):
            place = np.searchsorted(EDGES, premiums[:, leg], side="right")
            for total, of_one in ((own, per_contract), (fees, fees_per_contract)):
                rates = np.array([int(of_one(option, each) * 100) for each in (0.0, *EDGES)], dtype=np.int64)
                total += rates[place] * quantity
        return np.maximum(own, int(LEAST_PER_ORDER * 100)) + fees


def least_payoffs(strikes: Units, rights: Sequence[Right], signs: Sequence[int]) -> Units | None:
    """Return the least that each structure pays at expiry per share, None without a bound (`model.payoff`).

    Shape: strikes (N, legs).
    """
    if sum(sign for right, sign in zip(rights, signs, strict=True) if right is Right.CALL) < 0:
        return None
    spots = np.hstack((np.zeros((len(strikes), 1), dtype=np.int64), strikes))
    return np.asarray(payoffs(strikes, rights, signs, spots).min(axis=1))


def margins(strikes: Units, rights: Sequence[Right], signs: Sequence[int]) -> Units:
    """Return the margin of each structure, whose options end together, per share (`run.pretend_broker`).

    Shape: strikes (N, legs).
    """
    lowest = least_payoffs(strikes, rights, signs)
    if lowest is not None:
        return np.maximum(-lowest, 0)
    legs = list(enumerate(zip(rights, signs, strict=True)))
    sold = ([leg for leg, (right, sign) in legs if right is each and sign < 0] for each in Right)
    return np.asarray(np.max([strikes[:, each].sum(axis=1) for each in sold], axis=0)) * _SHORT_PERCENT // 100


def surely_lost_below(strikes: Units, quotes: Quotes) -> Columns:
    """Return the net price that an order of each goes no lower than, -inf without one (`order.price`).

    Shape: strikes (N, legs).
    """
    none = np.full(len(strikes), -np.inf)
    if len(quotes.flows) < 2 or not ends_together((option, 1) for option in quotes.options):
        return none
    least = least_payoffs(strikes, [option.right for option in quotes.options], quotes.flows)
    return none if least is None else np.where(least > 0, none, least / UNIT)


def payoffs(strikes: Units, rights: Sequence[Right], signs: Sequence[int], spots: Units) -> Units:
    """Return what each structure pays at expiry per share. Shape: strikes (N, legs), spots (N or 1, M), it (N, M)."""
    total = np.zeros((len(strikes), spots.shape[1]), dtype=np.int64)
    for leg, (right, sign) in enumerate(zip(rights, signs, strict=True)):
        gaps = spots - strikes[:, leg, None]
        total += sign * np.maximum(gaps if right is Right.CALL else -gaps, 0)
    return total


# --- An exit's order in a constant market

SLACK = 5.0
"""Seconds before the next instant by which an order must have filled: the engine may have begun a little later."""
ACKNOWLEDGED = PACE.total_seconds()
"""Seconds from sending an order, or changing it, until it may fill."""


class Quoted(NamedTuple):
    """Legs at an instant: the parts, their net quote, and bid and ask of each leg."""

    parts: tuple[Part, ...]
    net: NetQuote
    sides: tuple[tuple[float, float], ...]


class Fill(NamedTuple):
    """What came of an order, leg by leg. after: seconds from the decision to the fill; tries: how many it took.

    Units: prices per share, commissions in dollars of all contracts.
    """

    prices: Sequence[Decimal]
    commissions: Sequence[Decimal]
    after: float
    tries: int


class Unfilled(NamedTuple):
    """The order's tries were used up, or what it was sent for held no longer. at: seconds after the open."""

    at: float


class UndecidedByArrays(NamedTuple):
    """What comes of it is not clear from arrays, for this reason."""

    why: str


NOT_QUOTED = UndecidedByArrays("a quote of a leg is missing, crossed or too small when its order is sent")
NO_PRICE = UndecidedByArrays("its order has no price")
FOR_NOTHING = UndecidedByArrays("its target is less than a tick")
OUTLASTS = UndecidedByArrays("its order works on while the market moves")
Outcome = Fill | Unfilled | UndecidedByArrays


def work_exit(
    quoted: Quoted, quantity: int, ladder: Ladder, fills: FillModel, room: float, target: Decimal | None = None
) -> Fill | UndecidedByArrays:
    """Return the result of a closing order of this many structures. room: seconds for which the quotes are valid.

    target: the net price per share that it never exceeds, None without one.
    """
    parts, quote = quoted.parts, quoted.net
    assert quote.natural is not None
    after = ACKNOWLEDGED
    for attempt in count(1):
        if after > room - SLACK:
            return OUTLASTS
        is_at_market = ladder.start is PriceFrom.MARKET or (ladder.then is OnUnfilled.MARKET and attempt > ladder.tries)
        if is_at_market and target is None:
            price: Decimal | None = at_market(quote.natural, parts)
        else:
            tried = replace(ladder, start=PriceFrom.NATURAL, step=None) if is_at_market else ladder
            net = ladder_price(tried, quote, parts, attempt, Bound(target))
            if net is None:
                return NO_PRICE
            price = fills.of_limit(net, parts, quote, is_resting=False)
        if price is not None:
            return filled(quoted, quantity, price, after, attempt)
        after += ladder.wait + (ACKNOWLEDGED if attempt == ladder.tries else 0.0)
    raise AssertionError("a ladder ends")


def filled(quoted: Quoted, quantity: int, net: Decimal, after: float, tries: int) -> Fill:
    """Return the fill of this many structures at a net price, leg by leg."""
    mids = [order_mid(*side) for side in quoted.sides]
    prices = priced_by_leg(mids, [part.flow for part in quoted.parts], net)
    dealt: list[tuple[Option, int, Decimal]] = [
        (part.option, quantity, price) for part, price in zip(quoted.parts, prices, strict=True)
    ]
    return Fill(prices, [each.quantize(CENT) for each in commissions_of(dealt)], after, tries)


def quoted_at(day: ArrayDay, selection: StructureSelection, place: int, *, opens: bool) -> Quoted | None:
    """Return the legs' quotes at an instant, None where one is not whole: the sums are those of `net_quote`."""
    parts, sides, mid, natural = [], [], 0.0, 0.0
    for leg in selection.legs:
        column = day.columns.get(leg.option, -1)
        if column < 0:
            return None
        bid, ask = float(day.bid[column, place]), float(day.ask[column, place])
        flow = -leg.sign if opens else leg.sign
        if day.is_odd[column, place] and not (opens and flow < 0 and day.is_unwanted[column, place]):
            return None
        mid += flow * middle(bid, ask)
        natural += flow * (bid if flow > 0 else ask)
        parts.append(Part(leg.option, flow, 1))
        sides.append((bid, ask))
    return Quoted(tuple(parts), NetQuote(mid, natural), tuple(sides))


def lacks_size(day: ArrayDay, quoted: Quoted, place: int, quantity: int) -> bool:
    """Say whether less is quoted of a leg than an order would take: it would fill in parts."""
    if day.day.bid_size is None and day.day.ask_size is None:
        return False
    board = day.board_at(place)
    for part in quoted.parts:
        row = board.rows[part.option]
        if (board.bid_size if part.flow > 0 else board.ask_size)[row] < quantity:
            return True
    return False


# --- Many orders of one kind, each in a constant market, as `working` does one

_PACE = PACE.total_seconds()
_NEAR = 1e-7
"""Dollars by which two prices must differ for it to be clear which is higher, unless they are the same."""


class LadderFill(NamedTuple):
    """Results of orders, row by row. Neither filled nor unfilled, or not clear: to be computed separately.

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
        """Return their results. room: seconds for which the quotes are valid."""
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
        """Say for which orders the target is less than a tick, or not certainly more."""
        assert self.targets is not None
        return np.asarray((self.targets < 0.0) & (self._grid.up(self.targets).units >= 0))

    def _worth_sending(self, limit: Amounts) -> Amounts:
        """Return limits at least one tick from zero for single options (`order.ladder`)."""
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
