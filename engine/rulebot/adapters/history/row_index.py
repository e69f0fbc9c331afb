"""Quotes as a file has them, one a row, and how they become the columns of a session; options are numbers here."""

from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.lazy_chain import KeyedChain, expiry_of, is_call_of, strikes_of, with_class_codes
from rulebot.adapters.history.session import Columns, File
from rulebot.adapters.history.table import Whole
from rulebot.model.values import dataclass

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
        """Numbers of options (`lazy_chain.py`)."""

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
        """The options as numbers (`lazy_chain.py`)."""
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
