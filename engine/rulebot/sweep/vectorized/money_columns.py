"""Prices and money of many orders at once: whole ten-thousandths of a dollar, as the engine's decimals have them.

Where binary floats leave it open what the decimal would be, a row is not clear; then it is worked out by itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.day import Columns, Places
from rulebot.backtest.simulated_broker import SHORT_PART
from rulebot.backtest.vectorized.rule_masks import Mask
from rulebot.model.commission import EDGES, LEAST_PER_ORDER, fees_per_contract, max_commission, per_contract
from rulebot.model.contract import Option, Right
from rulebot.model.money import TickRule
from rulebot.model.payoff import ends_together

Units = NDArray[np.int64]
"""Ten-thousandths of a dollar."""
Cents = NDArray[np.int64]
Rows = Places | Mask | slice
"""Some of many rows."""
UNIT = 10_000
"""So many of them are a dollar."""
_NOISE = 4e-11
"""Dollars by which a float may be off what it stands for: `money.on_tick` reads ten decimals."""
_DOUBT = 1e-8
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
        """Return each price on the grid, the next above where it lies between two steps."""
        return self._rounded(price, np.ceil)

    def down(self, price: Columns) -> Amounts:
        """Return each price on the grid, the next below where it lies between two steps."""
        return self._rounded(price, np.floor)

    def _rounded(self, price: Columns, way: np.ufunc) -> Amounts:
        step = self.step(price)
        steps = price * UNIT / step
        whole = np.rint(steps)
        off = np.abs(steps - whole) * step / UNIT
        rounded = np.where(off < _NOISE, whole, way(steps))
        return Amounts((rounded * step).astype(np.int64), (off < _NOISE) | (off > _DOUBT))


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
        told = (self.bid + self.ask) / 2 * UNIT
        prices = np.rint(told).astype(np.int64)
        lacks = net - (prices * np.array(self.flows)).sum(axis=1)
        every, dearest = np.arange(len(prices)), prices.argmax(axis=1)
        prices[every, dearest] += lacks * np.array(self.flows)[dearest]
        is_clear = np.asarray((np.abs(told - np.rint(told)) < _HALF).all(axis=1))
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
