"""Sessions from Lean's daily files: for each symbol and year a zip of quotes, with an entry for each contract.

Such a bar says what was quoted last that day, and has no time of day. So it is one state a day, as vendors' end-of-day
files have it: put before the close, and taken to stand for a while (`eod.py`). The underlying is at the close of its
own daily bar, as it was then: splits are not undone.
"""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import NamedTuple

from rulebot.adapters.history.daily import Daily
from rulebot.adapters.history.end_of_day import EodSource, at_time
from rulebot.adapters.history.lean import CLASSES, daily_series, data_root
from rulebot.adapters.history.lean_files import SCALE, contract_of, entries
from rulebot.adapters.history.many_day_csv import DayExtent
from rulebot.adapters.history.session import File, Finding, Parts, left_out, refusal, refused
from rulebot.adapters.history.table import CsvTable, Table
from rulebot.model.contract import Kind, product
from rulebot.model.errors import MisuseError
from rulebot.model.values import replace

KINDS = ("option", "indexoption")

_HEADER = ("date", "symbol", "root", "spot", "expiration", "type", "strike", "bid", "ask", "volume", "open_interest")
_QUOTE, _BID, _ASK = 10, 3, 8
_TRADE, _VOLUME = 5, 4
_INTEREST = 1


class _Key(NamedTuple):
    """A contract, by its class and the end of its entry's name: `call_7500000_20151231`."""

    trading_class: str
    contract: str


class LeanDays:
    """The days of one underlying's quotes: as much of `CsvDays` as `EodSource` asks for.

    `path` is the first of its zips. Rows are numbers of entries in each, and findings name the zip.
    """

    cut_off: tuple[date, int] | None = None

    def __init__(self, root: Path, symbol: str) -> None:
        self._root, self._symbol = root, symbol
        self.findings: list[Finding] = []
        self._quotes: dict[date, list[tuple[int, _Key, str, str]]] = {}
        zips = list(_zips(root, symbol, "quote"))
        if not zips:
            files = "option/usa/daily/NAME_YEAR_quote_*.zip"
            raise MisuseError(f"there are no daily quotes of {symbol}", f"in {root} such files are {files}")
        self.path = zips[0][1]
        starts, count = [], 0
        for trading_class, file in zips:
            starts.append(count)
            for row, key, day, fields in self._rows(trading_class, file, _QUOTE):
                quote = (starts[-1] + row, key, _scaled(fields[_BID]), _scaled(fields[_ASK]))
                self._quotes.setdefault(day, []).append(quote)
                count = max(count, quote[0])
        self._numbered = Parts("", tuple(file.name for _, file in zips), tuple(starts))
        self.spans = {day: [DayExtent(0, rows[0][0], len(rows))] for day, rows in self._quotes.items()}
        self._volume = self._counts("trade", _TRADE, _VOLUME)
        self._interest = self._counts("openinterest", _INTEREST, 0)
        self._closes = dict(_closes(root, symbol))

    def table(self, day: date) -> Table:
        """Return the chain of a day. Raises: StoreError when nobody knows where the underlying closed."""
        spot = self._closes.get(day)
        if spot is None:
            raise refusal(refused(self.path.name, 0, f"there is no daily bar of {self._symbol} on {day}"))
        file = self._file_of(day)
        return CsvTable(file, _HEADER, self._lines(day, f"{spot:.4f}", isinstance(file, str)))

    def _file_of(self, day: date) -> File:
        """Return the zip that the quotes of a day stand in; of several classes there are several."""
        names = dict.fromkeys(self._numbered.of(row)[0] for row, *_ in self._quotes[day])
        first, *others = names
        return first if not others else replace(self._numbered, name=f"{first} and {len(others)} more")

    def _lines(self, day: date, spot: str, is_of_one: bool) -> Iterator[tuple[int, list[str]]]:
        for number, key, bid, ask in self._quotes[day]:
            where, own = self._numbered.of(number)
            found = contract_of(where, key.contract)
            counts = (self._volume.get((key, day), ""), self._interest.get((key, day), ""))
            right = "call" if found.is_call else "put"
            about = [day.isoformat(), self._symbol, key.trading_class, spot, found.expires.isoformat(), right]
            row = own if is_of_one else number
            yield row, [*about, f"{found.strike:.4f}", bid, ask, *counts]

    def _counts(self, what: str, fields: int, place: int) -> dict[tuple[_Key, date], str]:
        found: dict[tuple[_Key, date], str] = {}
        for trading_class, file in _zips(self._root, self._symbol, what):
            for _, key, day, cells in self._rows(trading_class, file, fields):
                found[key, day] = cells[place]
        return found

    def _rows(self, trading_class: str, file: Path, fields: int) -> Iterator[tuple[int, _Key, date, list[str]]]:
        """Yield each bar with the number of its entry; what is none is left out, and told."""
        odd: list[int] = []
        for number, (entry, content) in enumerate(entries(file), 1):
            key = _Key(trading_class, "_".join(entry.removesuffix(".csv").split("_")[-3:]))
            for line in content.decode("ascii", "replace").splitlines():
                text, *cells = line.split(",")
                day = _day(text)
                if day is None or len(cells) != fields or not all(map(_is_number, cells)):
                    odd += [number] if line.strip() else []
                    continue
                yield number, key, day, cells
        if odd:
            text = f"entries have lines that are not a day and {fields} numbers"
            self.findings.append(left_out(file.name, odd, text))


class LeanDailySource(EodSource):
    """One state a day of one underlying in a data folder of Lean."""

    def __init__(self, path: Path, background: Daily, symbol: str, *, at: str, stands: int) -> None:
        root, inside = data_root(path)
        own = {name: symbol for symbol, names in CLASSES.items() for name in names}
        wanted = symbol or inside
        if not wanted:
            raise MisuseError("of which underlying are the daily files to be?", f"lean:{path}?bars=daily&symbol=spy")
        self._symbol = own.get(wanted.lower(), wanted.upper())
        self.days = LeanDays(root, self._symbol)
        daily = root / "equity" / "usa" / "daily" / f"{self._symbol.lower()}.zip"
        if daily.exists() and self._symbol not in background.series:
            background.add(self._symbol, *daily_series(daily, self._symbol))
        self.begin(self.days.path, background, at=at_time(at), stands=stands, words="Lean daily bars", many=[self.days])

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"Lean daily bars of {self._symbol}"


def _zips(root: Path, symbol: str, what: str) -> Iterator[tuple[str, Path]]:
    for kind in KINDS:
        for name in CLASSES.get(symbol, (symbol.lower(),)):
            for file in sorted((root / kind / "usa" / "daily").glob(f"{name}_*_{what}_*.zip")):
                yield name.upper(), file


def _closes(root: Path, symbol: str) -> Iterator[tuple[date, float]]:
    is_index = product(symbol).kind is Kind.INDEX
    file = root / ("index" if is_index else "equity") / "usa" / "daily" / f"{symbol.lower()}.zip"
    if not file.exists():
        raise MisuseError(f"there are no daily bars of {symbol}", f"its chains need {file.relative_to(root)}")
    for _, content in entries(file):
        for line in content.decode("ascii", "replace").splitlines():
            text, *cells = line.split(",")
            day = _day(text)
            if day is not None and len(cells) >= _VOLUME and _is_number(cells[3]) and cells[3]:
                yield day, float(cells[3]) / (1.0 if is_index else SCALE)


def _scaled(cell: str) -> str:
    """Return a price in dollars; one that is nothing is not quoted."""
    return f"{float(cell) / SCALE:.4f}" if cell and float(cell) > 0 else ""


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _is_number(cell: str) -> bool:
    try:
        return not cell or float(cell) == float(cell)
    except ValueError:
        return False
