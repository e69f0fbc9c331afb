"""Which row of its file, which instant and which option each quote is of: row by row, or of a grid that knows it whole.

Numbers for every quote of a grid are made when somebody asks for them, which a session without flaws need not.
"""

from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.table import Whole
from rulebot.model.values import dataclass

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
        """Numbers of options (`keys.py`)."""

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
        """All instants."""
        return self.time

    @property
    def keys(self) -> Whole:
        """All options."""
        return self.key

    @property
    def width(self) -> int:
        """Nothing is known of their order."""
        return 0

    def only(self, kept: Kept) -> "RowIndex":
        """Return that of the quotes that are kept."""
        return RowIndex(self.row[kept], self.time[kept], self.key[kept])


class GridIndex:
    """That of every option at every instant, from row `first` of a file on. Shape: times (T,) rising, keys (C,)."""

    def __init__(self, times: Columns, keys: Whole, first: int = 1) -> None:
        self.times, self.keys = times, keys
        self.width = len(keys)
        self._first = first

    @cached_property
    def row(self) -> Whole:
        """Rows of the file."""
        return np.arange(self._first, self._first + len(self.times) * self.width, dtype=np.int64)

    @cached_property
    def time(self) -> Columns:
        """Epoch seconds."""
        return np.repeat(self.times, self.width)

    @cached_property
    def key(self) -> Whole:
        """Numbers of options."""
        return np.tile(self.keys, len(self.times))

    def only(self, kept: Kept) -> RowIndex:
        """Return that of the quotes that are kept; of a slice without the others."""
        if isinstance(kept, slice):
            places = np.arange(*kept.indices(len(self.times) * self.width))
        else:
            places = np.flatnonzero(kept)
        return RowIndex(places + self._first, self.times[places // self.width], self.keys[places % self.width])
