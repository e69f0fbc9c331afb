"""Columns of end-of-day files as vendors name them, and what they really hold, judged by their values."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.lazy_chain import Rows
from rulebot.adapters.history.many_day_csv import SYMBOLS, class_of, names_of, underlying_of
from rulebot.adapters.history.session import (
    APART,
    Columns,
    Finding,
    finding_text,
    lacks_any,
    left_out,
    nan_median,
    refusal,
    refused,
)
from rulebot.adapters.history.table import Table, Whole
from rulebot.model.black import DAYS_A_YEAR
from rulebot.model.black_columns import greeks
from rulebot.model.contract import product

NAMES: Mapping[str, tuple[str, ...]] = {
    "date": ("quotedate", "quote_date", "date", "trade_date"),
    "time": (
        "time",
        "quote_time",
        "quotetime",
        "time_of_day",
        "quote_readtime",
        "quote_datetime",
        "datetime",
        "timestamp",
    ),
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
_CLOCK = re.compile(r"(^|_)(time|readtime|datetime|unixtime|timestamp|hour|hours|minute|minutes)(_|$)|^quote.*time")
_NO_CLOCK = re.compile(r"expir|last|trade_?time|value|zone|to_|until|settle")
"""Columns of times that say nothing of when an option was quoted: of its expiry, or of the last trade."""
_CONTRACT = re.compile(r"([A-Z.]+[0-9]?)\s*([0-9]{6})([CP])([0-9]{8})")
_MOST, _NEAR = 0.9, 0.01
_DAYS_APART = 4
"""How many days the last one of an option may lie before that in its name: a weekend, and the morning settlement."""


class NamedColumns(NamedTuple):
    """What the name of a contract says: the class, the day as an ordinal, and the rest."""

    trading_class: str
    day: int
    is_call: bool
    strike: float


def unread_clock(header: Sequence[str]) -> str:
    """Return the column that looks like a time of day under a name that is not read, "" where there is none."""
    if any(name in header for name in NAMES["time"]):
        return ""
    return next((name for name in header if _CLOCK.search(name) and not _NO_CLOCK.search(name)), "")


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
        if (clock := unread_clock(table.names)) and len(set(table.texts(clock)[1])) > 1:
            text = f"`{clock}` may be the time of each quote, and is not read: call the column `time`, or take it out"
            raise refusal(refused(table.file, 1, text))
        self._own_numbers: dict[str, Columns] = {}
        self._contracts: tuple[str, Whole, list[NamedColumns]] | None = None
        self.findings: Sequence[Finding] = (*table.findings, *self._judge_counts())
        self.names: Sequence[str] = [*self._names, "trading_class"]
        self.symbol, self._classes = self._symbol_and_classes()

    def numbers(self, name: str) -> Columns:
        if name not in self._own_numbers:
            self._own_numbers[name] = self._table.numbers(self._names[name])
        return self._own_numbers[name]

    @property
    def has_times(self) -> bool:
        """Say whether a column tells at what time of the day each option was quoted."""
        return "time" in self._names

    @property
    def clock(self) -> str:
        """Return what the file calls that column, "" where it has none."""
        return self._names.get("time", "")

    def texts(self, name: str) -> tuple[Whole, list[str]]:
        return self._classes if name == "trading_class" else self._table.texts(self._names[name])

    def _judge_counts(self) -> Iterator[Finding]:
        """Find columns whose header names something else: an open interest that is the price of the underlying."""
        if "open_interest" not in self._names or not len(self.rows):
            return
        level = nan_median(self.numbers("underlying"))
        counts = self.numbers("open_interest")
        if not np.mean(np.abs(counts - level) < _NEAR * level) > _MOST:
            return
        wrong, row = self._names.pop("open_interest"), int(self.rows[0])
        self._own_numbers.pop("open_interest")
        text = f"{wrong} holds the price of the underlying ({counts[0]:g})"
        traded, held = self._counts_elsewhere()
        if held is None:
            yield finding_text(self.file, row, f"{text}; it is not used, and there is no other open interest")
            return
        self._names["open_interest"] = held
        text += f"; judged by their values, {held} is the open interest"
        if traded is not None:
            self._names["volume"] = traded
            self._own_numbers.pop("volume", None)
            text += f" and {traded} the volume"
        yield finding_text(self.file, row, text)

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
            text = f"a chain has one underlying, this has {names_of(known)}"
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
                text = f"no column has the class of its options: they are assumed to be {facts.same_day_class}"
                self.findings = (*self.findings, finding_text(self.file, 1, f"{text}, which settles at the close"))
            return np.zeros(len(self.rows), dtype=np.int64), [facts.same_day_class]
        codes, texts = self._table.texts(contract)
        named, classes = [], dict[str, int]()
        for place, text in enumerate(texts):
            found = _named(text)
            if found is None:
                row = int(self.rows[np.flatnonzero(codes == place)[0]])
                raise refusal(refused(self.file, row, f"{contract} is like SPXW190524C02800000, is {text!r}"))
            named.append(found)
        self._contracts = contract, codes, named
        places = [classes.setdefault(each.trading_class, len(classes)) for each in named]
        return np.array(places, dtype=np.int64)[codes], list(classes)

    def agreeing(self, rows: Rows) -> tuple[Rows, list[Finding]]:
        """Return the rows of this table whose contract has the strike, right and expiry that their columns say.

        Nobody knows of what the others are the quotes. Raises: StoreError where they are half of them.
        """
        if self._contracts is None:
            return rows, []
        name, codes, named = self._contracts
        day, is_call, strike = (np.array(each)[codes] for each in list(zip(*named, strict=True))[1:])
        apart = (np.abs(strike - rows.strike) > _NEAR) | (is_call != rows.is_call)
        apart |= np.abs(day - rows.expiry) > _DAYS_APART
        if not apart.any():
            return rows, []
        first = int(apart.argmax())
        right = "call" if rows.is_call[first] else "put"
        text = f"{name} {self._table.texts(name)[1][codes[first]]} is another option than strike, right and expiry say"
        text += f" ({rows.strike[first]:g} {right} {date.fromordinal(int(rows.expiry[first]))})"
        if apart.mean() >= 0.5:
            raise refusal(refused(self.file, int(rows.row[first]), text))
        return rows.only(~apart), [left_out(self.file, rows.row[apart].tolist(), text)]


def _first(names: Sequence[str], have: Sequence[str]) -> str | None:
    return next((name for name in names if name in have), None)


def _named(text: str) -> NamedColumns | None:
    """Return what a contract like `SPXW190524C02800000` says, None of a text like none."""
    found = _CONTRACT.fullmatch(text.strip())
    if found is None:
        return None
    year, month, day = (int(found[2][at : at + 2]) for at in (0, 2, 4))
    try:
        expires = date(2000 + year, month, day)
    except ValueError:
        return None
    return NamedColumns(found[1], expires.toordinal(), found[3] == "C", int(found[4]) / 1000.0)


def _is_count(table: Table, name: str) -> bool:
    _, texts = table.texts(name)
    if not texts or len(texts) > _MOST * len(table.rows):
        return False
    return all(text.isdigit() for text in texts)


# --- In what units a vendor gives theta and vega, judged by Black's formula at the vendor's own volatility

_UNITS: Mapping[str, tuple[tuple[float, str], ...]] = {
    "theta": (
        (1.0, ""),
        (1.0 / DAYS_A_YEAR, "a year"),
        (DAYS_A_YEAR / 252.0, "a session"),
        (0.01, "a day of a contract"),
    ),
    "vega": ((1.0, ""), (0.01, "for a volatility of 1"), (10000.0, "for a hundredth of a point")),
}
_LOW, _HIGH = 0.6, 1.6
"""Vendors count interest and dividends in theta, we do not."""
_LEAST = 10
_WEEK = 7.0


def in_our_units(rows: Rows, level: float, day: int) -> tuple[Rows, list[Finding]]:
    """Return theta a day and vega a point of volatility. Units: `day` is the ordinal of the session."""
    values, findings = dict(rows.values), []
    if "iv" not in values or not level > 0 or not any(name in values for name in _UNITS):
        return rows, []
    days = (rows.expiry - day).astype(np.float64)
    near = (values["iv"] > 0.01) & (days > _WEEK) & (np.abs(np.log(rows.strike / level)) < 0.1)
    years, iv = days[near] / DAYS_A_YEAR, values["iv"][near]
    sign = np.where(rows.is_call[near], 1.0, -1.0)
    _, _, theta, vega = greeks(np.full(len(iv), level), rows.strike[near], years, iv, sign)
    ours = {"theta": theta, "vega": vega}
    for name, units in _UNITS.items():
        if name not in values or near.sum() < _LEAST:
            continue
        ratio = _ratio(values[name][near], ours[name])
        unit = next(((factor, words) for factor, words in units if _LOW < ratio * factor < _HIGH), None)
        if unit is None:
            values.pop(name)
            text = f"{name} is {ratio:.3g} times what its iv makes it: it is not used"
            findings.append(finding_text(rows.file, int(rows.row[0]), text))
        elif unit[1]:
            values[name] = values[name] * unit[0]
            findings.append(
                finding_text(rows.file, int(rows.row[0]), f"{name} is {unit[1]}, judged by its iv: it is converted")
            )
    return rows.of(values), findings


def _ratio(theirs: Columns, ours: Columns) -> float:
    known = (np.abs(ours) > 1e-9) & (np.abs(theirs) > 1e-9)
    return nan_median(theirs[known] / ours[known]) if known.sum() >= _LEAST else float("nan")
