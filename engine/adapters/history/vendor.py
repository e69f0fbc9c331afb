"""Columns of end-of-day files as vendors name them, and what they really hold, judged by their values."""

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from engine.adapters.history.chosen import SYMBOLS, class_of, names_of, underlying_of
from engine.adapters.history.day import Columns, Finding
from engine.adapters.history.finding import lacks_any, refusal, refused, told
from engine.adapters.history.middle import median
from engine.adapters.history.missing import APART
from engine.adapters.history.table import Table, Whole
from engine.model.contract import product

NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("quotedate", "quote_date", "date", "trade_date"),
    "underlying": ("underlying_last", "underlying_price", "spot"),
    "expiry": ("expiration", "expiry", "expiration_date"),
    "right": ("type", "call_put", "right", "option_type"),
    "strike": ("strike",),
    "bid": ("bid",),
    "ask": ("ask",),
    "volume": ("volume",),
    "open_interest": ("openinterest", "open_interest"),
    "iv": ("impliedvol", "iv", "implied_volatility"),
    "delta": ("delta",),
    "gamma": ("gamma",),
    "vega": ("vega",),
    "theta": ("theta",),
}
"""What each of our columns is called by vendors, in the order in which they are looked for."""

NEEDED = ("date", "underlying", "expiry", "right", "strike", "bid", "ask")
CONTRACTS = ("optionroot", "option_symbol", "optionsymbol", "contract")
_CLASS = re.compile(r"([A-Z.]+[0-9]?)\s*[0-9]{6}[CP][0-9]{8}")
_MOST, _NEAR = 0.9, 0.01


def fits(header: Sequence[str]) -> bool:
    """Say whether a file has what a chain needs, by one of the names that vendors use."""
    return all(any(name in header for name in NAMES[ours]) for ours in NEEDED)


class VendorTable:
    """A vendor's table under our names of columns; `findings` say what its header gets wrong.

    choice: what is written before the symbol to read one underlying of several, "" where there is no such choice.
    """

    def __init__(self, table: Table, choice: str = "") -> None:
        self.file, self.rows, self._choice = table.file, table.rows, choice
        self._table = table
        self._names = {ours: own for ours, names in NAMES.items() if (own := _first(names, table.names))}
        for ours in NEEDED:
            if ours not in self._names:
                raise refusal(refused(table.file, 1, lacks_any(NAMES[ours], table.names)))
        self._own_numbers: dict[str, Columns] = {}
        self.findings: Sequence[Finding] = (*table.findings, *self._judge_counts())
        self.names: Sequence[str] = [*self._names, "trading_class"]
        self.symbol, self._classes = self._symbol_and_classes()

    def numbers(self, name: str) -> Columns:
        """Return one of our columns."""
        if name not in self._own_numbers:
            self._own_numbers[name] = self._table.numbers(self._names[name])
        return self._own_numbers[name]

    def texts(self, name: str) -> tuple[Whole, list[str]]:
        """Return one of our columns as places in the list of different texts."""
        return self._classes if name == "trading_class" else self._table.texts(self._names[name])

    def _judge_counts(self) -> Iterator[Finding]:
        """Find columns whose header names something else: an open interest that is the price of the underlying."""
        if "open_interest" not in self._names or not len(self.rows):
            return
        level = median(self.numbers("underlying"))
        counts = self.numbers("open_interest")
        if not np.mean(np.abs(counts - level) < _NEAR * level) > _MOST:
            return
        wrong, row = self._names.pop("open_interest"), int(self.rows[0])
        self._own_numbers.pop("open_interest")
        text = f"{wrong} holds the price of the underlying ({counts[0]:g})"
        traded, held = self._counts_elsewhere()
        if held is None:
            yield told(self.file, row, f"{text}; it is not used, and there is no other open interest")
            return
        self._names["open_interest"] = held
        text += f"; judged by their values, {held} is the open interest"
        if traded is not None:
            self._names["volume"] = traded
            self._own_numbers.pop("volume", None)
            text += f" and {traded} the volume"
        yield told(self.file, row, text)

    def _counts_elsewhere(self) -> tuple[str | None, str | None]:
        """Return which columns are traded volume and open interest, among those that no name claims.

        Both are whole numbers that repeat (an id does not); more contracts are open than are traded in a day.
        """
        taken = {*self._names.values(), *SYMBOLS, *CONTRACTS}
        found = []
        for name in self._table.names:
            if name in taken or not _is_count(self._table, name):
                continue
            found.append((float(np.nansum(self._table.numbers(name))), name))
        found.sort(reverse=True)
        no_volume = "volume" not in self._names or not np.nansum(self.numbers("volume"))
        if not found:
            return None, None
        return (found[1][1] if len(found) > 1 and no_volume else None), found[0][1]

    def _symbol_and_classes(self) -> tuple[str, tuple[Whole, list[str]]]:
        name = _first(SYMBOLS, self._table.names)
        if name is None:
            raise refusal(refused(self.file, 1, lacks_any(SYMBOLS, self._table.names)))
        _, symbols = self._table.texts(name)
        known = {underlying_of(text) for text in symbols}
        if len(known) != 1:
            text = f"a chain is of one underlying, this is of {names_of(known)}"
            if known:
                text += f": name one, as '{self._choice}{min(known)}'" if self._choice else f": {APART}"
            raise refusal(refused(self.file, int(self.rows[0]) if len(self.rows) else 1, text))
        (symbol,) = known
        return symbol, self._trading_classes(symbol, name)

    def _trading_classes(self, symbol: str, of: str) -> tuple[Whole, list[str]]:
        """Return the class of each row. of: the column of the underlying, which may name classes."""
        if "root" in self._table.names:
            return self._table.texts("root")
        contract = _first(CONTRACTS, self._table.names)
        if contract is None:
            codes, texts = self._table.texts(of)
            if {class_of(text) for text in texts} != {symbol}:
                return codes, texts
            facts = product(symbol)
            if len(facts.classes) > 1:
                text = f"no column tells the class of its options: they are taken for {facts.same_day_class}"
                self.findings = (*self.findings, told(self.file, 1, f"{text}, which settles at the close"))
            return np.zeros(len(self.rows), dtype=np.int64), [facts.same_day_class]
        codes, texts = self._table.texts(contract)
        classes: dict[str, int] = {}
        places = []
        for place, text in enumerate(texts):
            found = _CLASS.fullmatch(text.strip())
            if found is None:
                row = int(self.rows[np.flatnonzero(codes == place)[0]])
                raise refusal(refused(self.file, row, f"{contract} is like SPXW190524C02800000, is {text!r}"))
            places.append(classes.setdefault(found[1], len(classes)))
        return np.array(places, dtype=np.int64)[codes], list(classes)


def _first(names: Sequence[str], have: Sequence[str]) -> str | None:
    return next((name for name in names if name in have), None)


def _is_count(table: Table, name: str) -> bool:
    _, texts = table.texts(name)
    if not texts or len(texts) > _MOST * len(table.rows):
        return False
    return all(text.isdigit() for text in texts)
