"""A CSV file of many days, read a day at a time: one pass finds where each day stands, then only its lines are read."""

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import (
    DAY_FIRST,
    SHOWN,
    File,
    Finding,
    finding_text,
    is_day_first,
    lacks_any,
    left_out,
    parse_known_day,
    refusal,
    refused,
)
from rulebot.adapters.history.table import CUT_OFF, NO_END, ArrowTable, CsvTable, fields_of, header_of, reading
from rulebot.model.contract import CLASSES_OF_INDICES

# --- The one underlying that is read of a vendor's file of several, `symbol=SPX`: rows of others are left out and
#     told

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
            verb = "symbol is" if len(self.others) == 1 else "symbols are"
            text = f"its {verb} {names_of(self.others)}, and symbol={self.symbol} was asked for"
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


# --- A CSV file of many days, read a day at a time

LONE_RETURN = "the line ends with a carriage return alone: write the file with line feeds"


class DayExtent(NamedTuple):
    """Lines of one day that follow each other: where the first begins, its number, and how many they are."""

    offset: int
    row: int
    lines: int


class _Days:
    """The session that each text of a date column means; each text is read once."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._known: dict[str, date | None] = {}
        self.first_odd = ""

    def of(self, text: str, row: int) -> date | None:
        """Return the day, None for what is none. Raises: StoreError for a day that stands before its month."""
        if text not in self._known:
            found = self._known[text] = _day(text)
            if found is None and not self.first_odd:
                self.first_odd = text
            if is_day_first(text.strip()):
                raise refusal(refused(self._file, row, f"{text} {DAY_FIRST}"))
        return self._known[text]


class CsvDays:
    """Where the days of a file stand. `cut_off` is the day within which the file ends, if it does.

    symbol: the underlying of which rows are read, "" for all. A day without any is none of the file.
    """

    def __init__(self, path: Path, date_columns: Sequence[str], symbol: str = "") -> None:
        self.path = path
        self._symbol = symbol
        self.others: frozenset[str] = frozenset()
        self.spans: dict[date, list[DayExtent]] = {}
        self.findings: list[Finding] = []
        self.cut_off: tuple[date, int] | None = None
        self.header: list[str] = []
        self._scan(date_columns)

    def _scan(self, date_columns: Sequence[str]) -> None:
        odd, day, line, row, started, before, known = [], None, "\n", 0, 0, None, 0
        chosen, days = SymbolFilter(self._symbol), _Days(self.path.name)
        for row, line, begins in self._numbered_lines():
            if line.startswith("#") or not line.strip():
                continue
            fields = fields_of(line)
            if not self.header:
                self.header = header_of(line)
                place = self._place(date_columns)
                chosen.under(self.header if self._symbol else ())
                continue
            day = days.of(fields[place] if place < len(fields) else "", row)
            if day != before or row != known + 1:
                started = row
            before, known = day, row
            if day is None:
                odd.append(row)
            elif chosen.has(row, fields):
                self._add(day, begins, row, started)
        if not self.header:
            raise refusal(refused(self.path.name, 1, "the file is empty"))
        self.others = frozenset(chosen.others)
        self.findings += chosen.findings(self.path.name)
        if odd:
            self._report_odd(odd, self.header[place], days.first_odd)
        self._report_end(line, row, day)
        self._report_order()

    def _numbered_lines(self) -> Iterator[tuple[int, str, int]]:
        """Yield each line with its number and the byte it begins at. Raises: StoreError for a carriage return alone."""
        offset, returned = 0, False
        with reading(self.path) as stream:
            for row, line in enumerate(stream, 1):
                if returned and line.strip():
                    raise refusal(refused(self.path.name, row - 1, LONE_RETURN))
                returned = line.endswith("\r")
                yield row, line, offset
                offset += len(line.encode())

    def _report_odd(self, rows: Sequence[int], column: str, text: str) -> None:
        if not self.spans and not self.others:
            raise refusal(refused(self.path.name, rows[0], f"{column} is like 2019-05-24, is {text!r}"))
        self.findings.append(left_out(self.path.name, rows, f"{column} is no date"))

    def _report_end(self, line: str, row: int, day: date | None) -> None:
        """Tell of a last line that is cut off, or lacks its end."""
        if not line.endswith("\n") and len(fields_of(line)) != len(self.header) and self.spans:
            self.cut_off = (day or max(self.spans), row)
        elif not line.endswith(("\n", "\r")):
            self.findings.append(finding_text(self.path.name, row, NO_END))

    def _place(self, date_columns: Sequence[str]) -> int:
        for name in date_columns:
            if name in self.header:
                return self.header.index(name)
        raise refusal(refused(self.path.name, 1, lacks_any(date_columns, self.header)))

    def _add(self, day: date, offset: int, row: int, started: int) -> None:
        """Add a line to those of its day. begun: since which row all lines are of that day, be it of others, too."""
        spans = self.spans.setdefault(day, [])
        if spans and spans[-1].row >= started:
            spans[-1] = spans[-1]._replace(lines=row + 1 - spans[-1].row)
        else:
            spans.append(DayExtent(offset, row, 1))

    def _report_order(self) -> None:
        firsts = [(spans[0].row, day) for day, spans in self.spans.items()]
        back = [
            row for (row, day), (_, before) in zip(sorted(firsts)[1:], sorted(firsts), strict=False) if day < before
        ]
        if back:
            self.findings.append(
                finding_text(self.path.name, back[0], "the days are out of order in the file", len(back))
            )
        incomplete = [spans[1].row for spans in self.spans.values() if len(spans) > 1]
        if incomplete:
            self.findings.append(
                finding_text(
                    self.path.name, incomplete[0], "rows of one day are not together in the file", len(incomplete)
                )
            )

    def table(self, day: date) -> CsvTable:
        """Return the lines of a day. Raises: StoreError when the file ends within it."""
        if self.cut_off is not None and self.cut_off[0] == day:
            raise refusal(refused(self.path.name, self.cut_off[1], CUT_OFF))
        return CsvTable(self.path.name, self.header, self._lines(day))

    def _lines(self, day: date) -> Iterator[tuple[int, list[str]]]:
        chosen = SymbolFilter(self._symbol, self.header) if self._symbol else None
        with reading(self.path) as stream:
            binary = stream.buffer  # type: ignore[attr-defined]
            for span in self.spans[day]:
                binary.seek(span.offset)
                for row in range(span.row, span.row + span.lines):
                    fields = fields_of(binary.readline().decode())
                    if chosen is None or chosen.has(row, fields):
                        yield row, fields


def _day(text: str) -> date | None:
    try:
        return parse_known_day(text.strip())
    except ValueError:
        return None
