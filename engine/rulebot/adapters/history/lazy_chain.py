"""Options as numbers: rows of quotes as a file has them, and a session that makes its options when asked for them."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.parity import PairTerms
from rulebot.adapters.history.session import Columns, File, HistoryDay, Places
from rulebot.adapters.history.table import Whole
from rulebot.model.contract import LOT, Option, Right, listed
from rulebot.model.values import dataclass

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

    @property
    def option_keys(self) -> Whole:
        """The key of each option, by its place."""
        return self._keys

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


# --- Which row of its file, which instant and which option each quote is of

Kept = NDArray[np.bool_] | slice
"""Which quotes go on: a mask of all, or a slice."""


class Index(Protocol):
    """Shape: `row`, `time` and `key` (N,) of N quotes; `times` and `keys` have each that occurs, be it repeatedly.

    width: how many options each instant has when all have the same ones in the same order, instants rising; 0 when
    nobody has said so.
    """

    @property
    def row(self) -> Whole:
        """Rows of the file."""

    @property
    def time(self) -> Columns:
        """Epoch seconds."""

    @property
    def key(self) -> Whole:
        """Numbers of options (`option_keys`)."""

    @property
    def times(self) -> Columns:
        """All instants."""

    @property
    def keys(self) -> Whole:
        """All options."""

    @property
    def width(self) -> int:
        """How many options each instant has, or 0."""

    def only(self, kept: Kept) -> "RowIndex":
        """Return that of the quotes that are kept."""


@dataclass(frozen=True, slots=True)
class RowIndex:
    """That of quotes in any order."""

    row: Whole
    time: Columns
    key: Whole

    @property
    def times(self) -> Columns:
        return self.time

    @property
    def keys(self) -> Whole:
        return self.key

    @property
    def width(self) -> int:
        """Nothing is known of their order."""
        return 0

    def only(self, kept: Kept) -> "RowIndex":
        return RowIndex(self.row[kept], self.time[kept], self.key[kept])


class GridIndex:
    """That of every option at every instant, from row `first` of a file on. Shape: times (T,) rising, keys (C,)."""

    def __init__(self, times: Columns, keys: Whole, first: int = 1) -> None:
        self.times, self.keys = times, keys
        self.width = len(keys)
        self._first = first

    @cached_property
    def row(self) -> Whole:
        return np.arange(self._first, self._first + len(self.times) * self.width, dtype=np.int64)

    @cached_property
    def time(self) -> Columns:
        return np.repeat(self.times, self.width)

    @cached_property
    def key(self) -> Whole:
        return np.tile(self.keys, len(self.times))

    def only(self, kept: Kept) -> RowIndex:
        """Return that of the quotes that are kept; of a slice without the others."""
        if isinstance(kept, slice):
            places = np.arange(*kept.indices(len(self.times) * self.width))
        else:
            places = np.flatnonzero(kept)
        return RowIndex(places + self._first, self.times[places // self.width], self.keys[places % self.width])


# --- Quotes as a file has them, one a row, and how they become the columns of a session

BY_QUOTE = ("bid", "ask", "bid_size", "ask_size", "iv", "delta", "gamma", "vega", "theta", "volume", "open_interest")
"""Columns of a session that have a number for each quote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Quotes of one session in the order of their file; those of several files in the order of time.

    Shape: each of `values` (N,), as `row`, `time` and `key` of the index. Units: those of `HistoryDay`; `expiry` inside
    a key is the last day the option trades.
    """

    file: File
    symbol: str
    classes: tuple[str, ...]
    index: Index
    values: Mapping[str, Columns]

    def only(self, kept: Kept) -> "Rows":
        """Return the rows that are kept; by a slice without copying their values."""
        return Rows(
            file=self.file,
            symbol=self.symbol,
            classes=self.classes,
            index=self.index.only(kept),
            values={name: column[kept] for name, column in self.values.items()},
        )

    def of(self, values: Mapping[str, Columns]) -> "Rows":
        return Rows(file=self.file, symbol=self.symbol, classes=self.classes, index=self.index, values=values)

    @property
    def row(self) -> Whole:
        """Rows of the file."""
        return self.index.row

    @property
    def time(self) -> Columns:
        """When each stood, epoch seconds."""
        return self.index.time

    @property
    def key(self) -> Whole:
        """The options as numbers (`option_keys`)."""
        return self.index.key

    @property
    def strike(self) -> Columns:
        """Strikes, points or dollars."""
        return strikes_of(self.key)

    @property
    def is_call(self) -> NDArray[np.bool_]:
        """True where the option is a call."""
        return is_call_of(self.key)

    @property
    def expiry(self) -> Whole:
        """The last day each trades, as an ordinal."""
        return expiry_of(self.key)


def renamed(rows: Rows, numbers: dict[str, int]) -> Whole:
    """Return the keys with class numbers of `numbers`, which grows: so keys of two files compare."""
    own = np.array([numbers.setdefault(name, len(numbers)) for name in rows.classes], dtype=np.int64)
    return with_class_codes(rows.key, own)


def width_of(rows: Rows) -> int | None:
    """Return how many options each instant has when all have the same ones in the same order, instants rising."""
    if rows.index.width:
        return rows.index.width
    width = repeated_after(rows.time, rows.key)
    return width if width and len(np.unique(rows.key[:width])) == width else None


def repeated_after(times: Columns, *identity: Columns | Whole) -> int:
    """Return after how many rows the same options come again, in the same order at each instant; 0 if they do not.

    identity: columns that tell options apart. Instants rise.
    """
    size = len(times)
    width = int(np.argmax(times != times[0])) or size if size else 0
    if not size or size % width:
        return 0
    at = times.reshape(-1, width)
    if (at != at[:, :1]).any() or (np.diff(at[:, 0]) <= 0).any():
        return 0
    return width if all((each.reshape(-1, width) == each[:width]).all() for each in identity) else 0


def grid(rows: Rows) -> tuple[Columns, KeyedChain, dict[str, Columns]]:
    """Return the instants, the chain of all options, and each value by instant and option; nan where there is no row.

    Shape: of each instant and option there is one row at most (`checks.ordered`). Even rows are not sorted.
    """
    if (width := width_of(rows)) is not None:
        chain = KeyedChain(rows.index.keys[:width], rows.symbol, rows.classes)
        even = {name: values.reshape(-1, width) for name, values in rows.values.items()}
        times = rows.index.times if rows.index.width else rows.time[::width].copy()
        return times, chain, even
    times, at = np.unique(rows.time, return_inverse=True)
    found, of = np.unique(rows.key, return_inverse=True)
    columns = {}
    for name, values in rows.values.items():
        columns[name] = np.full((len(times), len(found)), np.nan)
        columns[name][at, of] = values
    return times, KeyedChain(found, rows.symbol, rows.classes), columns
