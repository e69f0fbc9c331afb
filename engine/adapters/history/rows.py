"""Quotes as a file has them, one a row, and how they become the columns of a session.

An option is a number here: class, expiry, right and strike in 63 bits, so that tables of millions of rows are put in
order without an object for each.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.adapters.history.day import Columns
from engine.adapters.history.finding import File
from engine.adapters.history.index import Index, Kept
from engine.adapters.history.table import Whole
from engine.model.contract import Option, listed
from engine.model.values import dataclass

BY_QUOTE = ("bid", "ask", "bid_size", "ask_size", "iv", "delta", "gamma", "vega", "theta", "volume", "open_interest")
"""Columns of a session that have a number for each quote."""

_STRIKE_BITS, _DAY_BITS = 31, 20
_STRIKE_MASK, _DAY_MASK = (1 << _STRIKE_BITS) - 1, (1 << _DAY_BITS) - 1
_UNIT = 1000.0
HIGHEST_STRIKE = _STRIKE_MASK / _UNIT
LATEST_DAY = _DAY_MASK


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
        """Return the same rows with other values."""
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
        """The options as numbers (`keys`)."""
        return self.index.key

    @property
    def strike(self) -> Columns:
        """Strikes, points or dollars."""
        return (self.key & _STRIKE_MASK) / _UNIT

    @property
    def is_call(self) -> NDArray[np.bool_]:
        """True where the option is a call."""
        return is_call_of(self.key)

    @property
    def expiry(self) -> Whole:
        """The last day each trades, as an ordinal."""
        return expiry_of(self.key)


def expiry_of(keys: Whole) -> Whole:
    """Return the last day that options trade, as ordinals."""
    found: Whole = (keys >> (_STRIKE_BITS + 1)) & _DAY_MASK
    return found


def is_call_of(keys: Whole) -> NDArray[np.bool_]:
    """Return which options are calls."""
    return ((keys >> _STRIKE_BITS) & 1).astype(bool)


def keys(class_code: Whole | int, expiry: Whole | int, is_call: NDArray[np.bool_] | bool, strike: Columns) -> Whole:
    """Return the numbers of options; what all have alike may be a number. Units: expiry as ordinals of the last day
    they trade.
    """
    units = np.rint(strike * _UNIT).astype(np.int64)
    day = (class_code << _DAY_BITS) | expiry
    found: Whole = (((day << 1) | is_call) << _STRIKE_BITS) | units
    return found


def renamed(rows: Rows, numbers: dict[str, int]) -> Whole:
    """Return the keys with class numbers of `numbers`, which grows: so keys of two files compare."""
    own = np.array([numbers.setdefault(name, len(numbers)) for name in rows.classes], dtype=np.int64)
    rest = _STRIKE_BITS + 1 + _DAY_BITS
    found: Whole = (own[rows.key >> rest] << rest) | (rows.key & ((1 << rest) - 1))
    return found


def options_of(numbers: Whole, symbol: str, classes: Sequence[str]) -> tuple[Option, ...]:
    """Return the options of these numbers."""
    ordinals = expiry_of(numbers).tolist()
    days = {each: date.fromordinal(each) for each in set(ordinals)}
    found = zip(
        (numbers >> (_STRIKE_BITS + 1 + _DAY_BITS)).tolist(),
        ordinals,
        ((numbers & _STRIKE_MASK) / _UNIT).tolist(),
        ((numbers >> _STRIKE_BITS) & 1).astype(bool).tolist(),
        strict=True,
    )
    return tuple(
        [listed(symbol, classes[code], days[day], strike_of(strike), is_call) for code, day, strike, is_call in found]
    )


@lru_cache(maxsize=8192)
def strike_of(strike: float) -> Decimal:
    """Return a strike as exact as it is written: 2800, 62.5."""
    return Decimal(int(strike)) if strike == int(strike) else Decimal(f"{strike:.3f}").normalize()


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


def grid(rows: Rows) -> tuple[Columns, tuple[Option, ...], dict[str, Columns]]:
    """Return the instants, the options, and each value by instant and option; nan where there is no row.

    Shape: of each instant and option there is one row at most (`checks.ordered`). Even rows are not sorted.
    """
    if (width := width_of(rows)) is not None:
        options = options_of(rows.index.keys[:width], rows.symbol, rows.classes)
        even = {name: values.reshape(-1, width) for name, values in rows.values.items()}
        times = rows.index.times if rows.index.width else rows.time[::width].copy()
        return times, options, even
    times, at = np.unique(rows.time, return_inverse=True)
    found, of = np.unique(rows.key, return_inverse=True)
    columns = {}
    for name, values in rows.values.items():
        columns[name] = np.full((len(times), len(found)), np.nan)
        columns[name][at, of] = values
    return times, options_of(found, rows.symbol, rows.classes), columns
