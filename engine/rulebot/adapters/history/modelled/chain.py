"""The options of one modelled session: which there are is known at once, what they are quoted at when somebody asks.

Options are made in blocks of neighbouring strikes, always the same ones, calls and puts together. So the digits of a
quote do not depend on what else was asked for, or when.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from itertools import accumulate

import numpy as np

from rulebot.adapters.history.chained import Chain
from rulebot.adapters.history.day import Columns, Places
from rulebot.adapters.history.modelled.expiry import RIGHTS, ModelledExpiry
from rulebot.adapters.history.modelled.quotes import Quotes
from rulebot.model.contract import Option

BLOCK = 32
"""Strikes that are made together."""
QUOTED = Quotes._fields


class ModelledChain(Chain):
    """A modelled chain, and the columns of those of its options that were asked for.

    Shape: options by expiry, of each first the puts, then the calls, lowest strike first.
    """

    def __init__(self, instants: int, expiries: Iterable[ModelledExpiry]) -> None:
        self._expiries = tuple(expiries)
        self._by_name = {each.name: number for number, each in enumerate(self._expiries)}
        self._starts = (0, *accumulate(len(RIGHTS) * len(each.strikes) for each in self._expiries))
        self._made: dict[str, Columns] = dict.fromkeys(QUOTED, np.empty((instants, 0)))
        self._standing: dict[int, int] = {}
        self._found: dict[Option, int] = {}

    # ------------------------------------------------------------ which options there are

    def __len__(self) -> int:
        return self._starts[-1]

    def __iter__(self) -> Iterator[Option]:
        for each in self._expiries:
            yield from each.options()

    def __getitem__(self, option: Option) -> int:
        found = self._found.get(option)
        if found is None:
            number = self._by_name[option.trading_class, option.expiry]
            within = self._expiries[number].place_of(option)
            if within is None:
                raise KeyError(option)
            found = self._found[option] = self._starts[number] + within
        return found

    def classes(self) -> frozenset[tuple[str, str]]:
        """Return the symbol and trading class of all."""
        return frozenset((each.symbol, each.trading_class) for each in self._expiries if each.strikes)

    def expiries(self, symbol: str, trading_class: str) -> Sequence[date]:
        """Return the expiries of a class, earliest first."""
        return sorted({each.last for each in self._expiries if each.is_of(symbol, trading_class)})

    def strikes(self, symbol: str, trading_class: str, expiry: date) -> Sequence[Decimal]:
        """Return the strikes of an expiry of a class, lowest first."""
        number = self._by_name.get((trading_class, expiry))
        if number is None or not self._expiries[number].is_of(symbol, trading_class):
            return ()
        return self._expiries[number].exact_strikes()

    # ------------------------------------------------------------ what they are quoted at

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns that hold the options at these places, and where each stands in them."""
        asked: list[int] = places.tolist()
        lacking = dict.fromkeys(self._block_of(place) for place in asked if place not in self._standing)
        if lacking:
            self._make(lacking)
        return self._made, np.array([self._standing[place] for place in asked], dtype=np.intp)

    def _block_of(self, place: int) -> tuple[int, int]:
        """Return the expiry of an option and the first strike of its block, by their numbers."""
        number = bisect_right(self._starts, place) - 1
        strike = (place - self._starts[number]) % len(self._expiries[number].strikes)
        return number, strike - strike % BLOCK

    def _make(self, blocks: Iterable[tuple[int, int]]) -> None:
        made: list[Quotes] = []
        for number, first in blocks:
            for place, quotes in self._block(number, first):
                made.append(quotes)
                for each in range(quotes.bid.shape[1]):
                    self._standing[place + each] = len(self._standing)
        self._made = {
            name: np.concatenate([column, *(getattr(quotes, name) for quotes in made)], axis=1)
            for name, column in self._made.items()
        }

    def _block(self, number: int, first: int) -> Iterator[tuple[int, Quotes]]:
        """Yield the quotes of the puts and of the calls of a block, with the place of the first option of each."""
        expiry = self._expiries[number]
        found = expiry.quotes(slice(first, first + BLOCK))
        for side, right in enumerate(RIGHTS):
            yield self._starts[number] + side * len(expiry.strikes) + first, found[right]

    def whole(self) -> Mapping[str, Columns]:
        """Return the columns of all options."""
        instants = len(self._made["bid"])
        found = {name: np.empty((instants, len(self))) for name in QUOTED}
        for number, expiry in enumerate(self._expiries):
            for first in range(0, len(expiry.strikes), BLOCK):
                for place, quotes in self._block(number, first):
                    for name, column in found.items():
                        column[:, place : place + quotes.bid.shape[1]] = getattr(quotes, name)
        return found
