"""A session whose chain knows its options, and which are made when somebody asks for them."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.parity import PairTerms
from rulebot.adapters.history.session import Columns, HistoryDay, Places
from rulebot.adapters.history.table import Whole
from rulebot.model.contract import LOT, Option, Right, listed

# --- Options as numbers, so that tables of millions of rows are put in order without an object for each

_STRIKE_BITS, _DAY_BITS = 31, 20
_STRIKE_MASK, _DAY_MASK = (1 << _STRIKE_BITS) - 1, (1 << _DAY_BITS) - 1
_CLASS_AT = _STRIKE_BITS + 1 + _DAY_BITS
_UNIT = 1000.0
HIGHEST_STRIKE = _STRIKE_MASK / _UNIT
LATEST_DAY = _DAY_MASK


def option_keys(
    class_code: Whole | int, expiry: Whole | int, is_call: NDArray[np.bool_] | bool, strike: Columns
) -> Whole:
    """Return the keys of options; what all have alike may be a number. Units: expiry as ordinals of the last day
    they trade.
    """
    units = np.rint(strike * _UNIT).astype(np.int64)
    day = (class_code << _DAY_BITS) | expiry
    found: Whole = (((day << 1) | is_call) << _STRIKE_BITS) | units
    return found


def key_of(class_code: int, expiry: int, is_call: bool, strike: Decimal) -> int | None:
    """Return the key of one option; None of one that has none, by a strike or a day that does not fit into it."""
    units = _units_of(strike)
    if units is None or expiry > _DAY_MASK:
        return None
    return (((((class_code << _DAY_BITS) | expiry) << 1) | is_call) << _STRIKE_BITS) | units


@lru_cache(maxsize=8192)
def _units_of(strike: Decimal) -> int | None:
    """Return a strike as a key has it, None where it does not fit."""
    units = strike * 1000
    return None if units > _STRIKE_MASK or units % 1 else int(units)


def class_codes_of(keys: Whole) -> Whole:
    """Return the places of their classes."""
    return keys >> _CLASS_AT


def with_class_codes(keys: Whole, codes: Whole) -> Whole:
    """Return the keys with other places of their classes: `codes` has the new one at each old one."""
    found: Whole = (codes[keys >> _CLASS_AT] << _CLASS_AT) | (keys & ((1 << _CLASS_AT) - 1))
    return found


def expiry_of(keys: Whole) -> Whole:
    """Return the last day that options trade, as ordinals."""
    found: Whole = (keys >> (_STRIKE_BITS + 1)) & _DAY_MASK
    return found


def is_call_of(keys: Whole) -> NDArray[np.bool_]:
    """Return which options are calls."""
    return ((keys >> _STRIKE_BITS) & 1).astype(bool)


def strikes_of(keys: Whole) -> Columns:
    """Return the strikes, points or dollars."""
    return (keys & _STRIKE_MASK) / _UNIT


@lru_cache(maxsize=8192)
def strike_of(strike: float) -> Decimal:
    """Return a strike as exact as it is written: 2800, 62.5."""
    return Decimal(int(strike)) if strike == int(strike) else Decimal(f"{strike:.3f}").normalize()


# --- A session whose chain knows its options, and which are made when somebody asks for them


class Chain(Mapping[Option, int]):
    """Where each option of a session stands among all of them."""

    @abstractmethod
    def classes(self) -> frozenset[tuple[str, str]]:
        """Return the symbol and trading class of all."""

    @abstractmethod
    def expiries(self, symbol: str, trading_class: str) -> Sequence[date]:
        """Return the expiries of a class, earliest first."""

    @abstractmethod
    def strikes(self, symbol: str, trading_class: str, expiry: date) -> Sequence[Decimal]:
        """Return the strikes of an expiry of a class, lowest first."""


class KeyedChain(Chain):
    """That of options on one underlying that are known by their keys, each of which is there once. Shape: keys (C,)."""

    def __init__(self, keys: Whole, symbol: str, classes: Sequence[str]) -> None:
        self._keys, self._symbol, self._classes = keys, symbol, classes
        self._found: dict[Option, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Option]:
        codes, ordinals = class_codes_of(self._keys).tolist(), expiry_of(self._keys).tolist()
        days = {each: date.fromordinal(each) for each in set(ordinals)}
        rest = strikes_of(self._keys).tolist(), is_call_of(self._keys).tolist()
        for code, day, strike, is_call in zip(codes, ordinals, *rest, strict=True):
            yield listed(self._symbol, self._classes[code], days[day], strike_of(strike), is_call)

    def __getitem__(self, option: Option) -> int:
        found = self._found.get(option)
        if found is None:
            found = self._found[option] = self._place(option)
        return found

    def _place(self, option: Option) -> int:
        if option.symbol != self._symbol or option.multiplier != LOT or option.trading_class not in self._classes:
            raise KeyError(option)
        code = self._classes.index(option.trading_class)
        key = key_of(code, option.expiry.toordinal(), option.right is Right.CALL, option.strike)
        if key not in self._places:
            raise KeyError(option)
        return self._places[key]

    @cached_property
    def _places(self) -> dict[int | None, int]:
        return {key: place for place, key in enumerate(self._keys.tolist())}

    def classes(self) -> frozenset[tuple[str, str]]:
        counts = np.bincount(class_codes_of(self._keys)).tolist()
        return frozenset((self._symbol, self._classes[code]) for code, count in enumerate(counts) if count)

    def expiries(self, symbol: str, trading_class: str) -> Sequence[date]:
        return [date.fromordinal(each) for each in np.unique(expiry_of(self._of(symbol, trading_class))).tolist()]

    def strikes(self, symbol: str, trading_class: str, expiry: date) -> Sequence[Decimal]:
        of_class = self._of(symbol, trading_class)
        of_expiry = of_class[expiry_of(of_class) == expiry.toordinal()]
        return [strike_of(each) for each in np.unique(strikes_of(of_expiry)).tolist()]

    def _of(self, symbol: str, trading_class: str) -> Whole:
        if symbol != self._symbol or trading_class not in self._classes:
            return self._keys[:0]
        found: Whole = self._keys[class_codes_of(self._keys) == self._classes.index(trading_class)]
        return found

    def terms(self) -> PairTerms:
        """Return what the options are."""
        names = sorted(self._classes)
        codes = np.array([names.index(each) for each in self._classes], dtype=np.int64)
        kind = expiry_of(self._keys) * len(names) + codes[class_codes_of(self._keys)]
        return PairTerms(strikes_of(self._keys), is_call_of(self._keys), kind)


class ChainedDay(HistoryDay):
    """A session with such a chain. `options` are made when they are read.

    Without a chain, which is what `replace` comes to, it is a session with options of its own like any other.
    """

    __slots__ = ("_chain",)
    _chain: Chain
    made: ClassVar[tuple[str, ...]] = ("options",)
    """The fields that are made when they are first read."""

    def __new__(cls, chain: Chain | None = None, /, **given: Any) -> Any:
        """Return a session to be filled by `__init__`, or one that is complete."""
        return HistoryDay(**given) if chain is None else super().__new__(cls)

    def __init__(self, chain: Chain, /, **given: Any) -> None:
        unread: dict[str, Any] = dict.fromkeys(self.made)
        super().__init__(**given, **unread)
        self._chain = chain
        for name in unread:
            delattr(self, name)

    def __getattr__(self, name: str) -> Any:
        """Make what is read for the first time."""
        if name not in self.made:
            raise AttributeError(f"a session has no {name}", name=name, obj=self)
        for each, value in self.make(name).items():
            setattr(self, each, value)
        return getattr(self, name)

    def __reduce_ex__(self, protocol: Any, /) -> Any:
        """Return what another process makes of it: a session with options and columns of its own."""
        return replace, (replace(self),)

    def make(self, name: str) -> Mapping[str, Any]:
        """Return one of these fields, and what is made with it."""
        return {name: tuple(self._chain)}

    def places(self) -> Mapping[Option, int]:
        return self._chain

    def classes(self) -> frozenset[tuple[str, str]]:
        return self._chain.classes()

    def expiries(self, symbol: str, trading_class: str) -> Sequence[date]:
        return self._chain.expiries(symbol, trading_class)

    def strikes(self, symbol: str, trading_class: str, expiry: date) -> Sequence[Decimal]:
        return self._chain.strikes(symbol, trading_class, expiry)


class KeyedDay(ChainedDay):
    """A session of a file, with a chain of keys; its columns are whole."""

    __slots__ = ("_columns",)
    _columns: Mapping[str, Columns]

    def __init__(self, chain: KeyedChain, /, **given: Any) -> None:
        super().__init__(chain, **given)
        self._columns = self.columns()

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return its columns, the same mapping each time, and where in them the options at these places stand."""
        return self._columns, places
