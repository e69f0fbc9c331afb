"""The one underlying that is read of a vendor's file of several, `symbol=SPX`: rows of others are left out and told."""

from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.day import Finding
from rulebot.adapters.history.finding import SHOWN, File, left_out, refusal, refused
from rulebot.adapters.history.table import ArrowTable
from rulebot.model.contract import CLASSES_OF_INDICES

SYMBOLS = ("underlying", "symbol", "root")
"""What the column of the underlying is called, in the order in which they are looked for."""
_INDEX_CLASSES = {**CLASSES_OF_INDICES, "SPXQ": "SPX"}
_NAMED = 8


def underlying_of(text: str) -> str:
    """Return the underlying that a cell names: SPX of `^SPX`, `spx` or `SPXW`."""
    name = class_of(text)
    return _INDEX_CLASSES.get(name, name)


def class_of(text: str) -> str:
    """Return the trading class that a cell names: SPXW of `^SPXW` or `spxw`."""
    return text.strip().lstrip("^").upper()


def names_of(symbols: Collection[str]) -> str:
    """Return underlyings in words, of very many the first ones; `none` of none."""
    found = sorted(symbols)
    more = f" and {len(found) - _NAMED:,} more" if len(found) > _NAMED else ""
    return ", ".join(found[:_NAMED]) + more or "none"


class SymbolFilter:
    """Which rows of one file are of an underlying; those of others are counted."""

    def __init__(self, symbol: str, names: Sequence[str] = ()) -> None:
        self.symbol, self.others = symbol, set[str]()
        self._count, self._rows, self._known = 0, list[int](), dict[str, bool]()
        self.under(names)

    def under(self, names: Sequence[str]) -> None:
        """Take the header of the file. Without a column of the underlying all rows are kept: it is asked for later."""
        self._column = next((name for name in SYMBOLS if name in names), None)
        self._place = -1 if self._column is None else names.index(self._column)

    def has(self, row: int, fields: Sequence[str]) -> bool:
        """Say whether a row is of it; so is one without that field, which is found to be too short."""
        if not 0 <= self._place < len(fields):
            return True
        text = fields[self._place]
        if text not in self._known:
            self._known[text] = self._is_own(text)
        if not self._known[text]:
            self._leave(1, [row])
        return self._known[text]

    def of(self, table: ArrowTable) -> ArrowTable:
        """Return the rows of a table that are of it."""
        self.under(table.names)
        if self._column is None:
            return table
        codes, texts = table.texts(self._column)
        own: NDArray[np.bool_] = np.array([self._is_own(text) for text in texts], dtype=bool)[codes]
        if own.all():
            return table
        self._leave(int((~own).sum()), table.rows[~own][:SHOWN].tolist())
        return table.only(own)

    def findings(self, file: File) -> Iterator[Finding]:
        """Yield what was left out."""
        if self._rows:
            text = f"it is of {names_of(self.others)}, and symbol={self.symbol} was asked for"
            yield left_out(file, self._rows, text, self._count)

    def demand(self, file: File, rows: int) -> None:
        """See that rows are left. Raises: StoreError that says of what they are."""
        if not rows and self.others:
            text = f"it has no row of {self.symbol}, there are: {names_of(self.others)}"
            raise refusal(refused(file, 0, text))

    def _is_own(self, text: str) -> bool:
        name = underlying_of(text)
        if name != self.symbol:
            self.others.add(name)
        return name == self.symbol

    def _leave(self, count: int, rows: Sequence[int]) -> None:
        self._count += count
        self._rows += rows[: SHOWN - len(self._rows)]
