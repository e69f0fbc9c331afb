"""A past session as columns, and where such sessions come from. Whatever the layout of a file, it ends as this.

Only `backtest/` walks through a session, instant by instant; a source reads, checks and tells what it found, and
never fills a hole.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, field
from datetime import date
from decimal import Decimal
from enum import Enum
from itertools import groupby
from math import isnan
from os.path import commonpath
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rulebot.model.contract import Contract, Option
from rulebot.model.errors import StoreError
from rulebot.model.event import HoursReport, OpeningMoveReport
from rulebot.model.facts import Bars, Listing
from rulebot.model.session import session_on, sessions
from rulebot.model.values import dataclass

Columns = NDArray[np.float64]
Places = NDArray[np.intp]
"""Where options stand along the second axis of columns."""
Day = date
"""A date, where a value has a field of that name."""
OF_UNDERLYING = ("iv", "model_at", "call_volume", "put_volume", "open", "high", "low")
"""What a broker tells of an underlying beside its level; the board's columns of these names say what each is."""
ReportedBars = tuple[tuple[float, Bars], ...]
"""Each time bars were told, in order: at which instant (epoch seconds), and all that are known by then."""
Halts = tuple[tuple[float, frozenset[Contract]], ...]
"""Each time it changed, in order: at which instant (epoch seconds), and in which contracts trading is halted since."""
BY_OPTION = ("bid", "ask", "bid_size", "ask_size", "volume", "open_interest", "iv", "delta", "gamma", "theta", "vega")
"""What columns of options a session can have."""
SLACK = 1e-4
"""The part of it by which open or close may lie outside of low to high: files round."""
FAR_OUTSIDE = 0.02
"""A level that lies farther outside of a daily bar than this part of it is of another session, scale or underlying."""


def is_unknown(column: Columns) -> bool:
    """Say whether a column is one nan stretched over its whole shape: its source has not a single number of it."""
    return bool(column.size) and not any(column.strides) and isnan(column.item(0))


class Severity(Enum):
    """What a finding in the data does: the day is refused, a row is left out, or it is told and used."""

    REFUSED = "refused"
    LEFT_OUT = "left out"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something wrong with the data, where it stands. `row` counts from 1 in the file, 0 is the whole of it."""

    file: str
    row: int
    severity: Severity
    text: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class DailyBar:
    """A finished session of an underlying: points or dollars. `open` is nan where nobody says it."""

    date: date
    open: float
    high: float
    low: float
    close: float

    def settles_at(self, *, at_open: bool) -> float | None:
        """Return its open or close, None where that is none: not known, outside of its range, the open of a bare close.

        A file of closes has no opens, and its bars are all close.
        """
        value = self.open if at_open else self.close
        is_bare = at_open and self.low == self.high
        return None if is_bare or not self.low * (1.0 - SLACK) <= value <= self.high * (1.0 + SLACK) else value

    def outside(self, level: float) -> float:
        """Return by which part a level lies outside of its range, 0 within it; a bare close has some room around it."""
        room = FAR_OUTSIDE if self.low == self.high else 0.0
        return max(1.0 - level / (self.low * (1.0 - room)), level / (self.high * (1.0 + room)) - 1.0, 0.0)

    def is_far(self, level: float) -> bool:
        """Say whether it can be no bar of a session that stood at a level: of another scale, or of something else."""
        return self.outside(level) > FAR_OUTSIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryDay:
    """One session of a market.

    Shape: `times` (T,) epoch seconds rising, of the instants at which something is known; `levels` and `quoted` columns
    (T,) for each underlying; bid, ask, iv, delta, gamma, vega, theta (T, C) in the order of `options`; volume and
    open_interest (T, C) or (C,). Units: those of the board (`model/market.py`). Missing is nan; None where the source
    has no such column: `backtest/` then computes iv from the mid, and greeks from iv.
    quoted_at: of which instant the quotes are that stand at each, nan where none do; None where each has its own. So it
    is of levels that come oftener than quotes.
    told: columns (T,) named in OF_UNDERLYING, by underlying, as the broker told them; None where nobody did: then the
    VIX stands for the 30-day volatility of SPX, XSP and SPY, VXN for that of NDX and QQQ, RVX for RUT's, and ranges are
    those of the levels.
    bars: what a broker told of bars within the session, by (symbol, seconds of one); None where no gateway is used.
    listings: what one told of what is listed, by (symbol, trading class); None likewise: `options` are all.
    moves: expected moves of the open as an engine measured them, or was told, each when it was known.
    halts: in which contracts trading was halted, as a broker told it. hours: of underlyings of which one said that they
    trade less on that day than the calendar has it, each when it was told, in order.
    settled: the official settlement level by (symbol, trading class) where it is known, which is after the close.
    ran: the bots that ran then, for whom alone options were streamed; None where all that were quoted are there.
    findings: what was wrong with this day's data.
    """

    date: date
    times: Columns
    levels: Mapping[str, Columns]
    options: tuple[Option, ...] = ()
    bid: Columns
    ask: Columns
    bid_size: Columns | None = None
    ask_size: Columns | None = None
    iv: Columns | None = None
    delta: Columns | None = None
    gamma: Columns | None = None
    vega: Columns | None = None
    theta: Columns | None = None
    volume: Columns | None = None
    open_interest: Columns | None = None
    quoted_at: Columns | None = None
    reported: Mapping[str, Mapping[str, Columns]] | None = None
    bars: Mapping[tuple[str, int], ReportedBars] | None = None
    listings: Mapping[tuple[str, str], Listing] | None = None
    moves: tuple[OpeningMoveReport, ...] = ()
    halts: Halts = ()
    hours: tuple[HoursReport, ...] = ()
    settled: Mapping[tuple[str, str], float] = field(default_factory=dict)
    ran: frozenset[str] | None = None
    findings: tuple[Finding, ...] = ()

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns, by name, that hold the options at these places, and where in them each of these stands.

        Where a source makes its columns it makes no more than is asked for here; read as a whole they are made whole.
        """
        return self.columns(), places

    def columns(self) -> Mapping[str, Columns]:
        """Return the columns of options that there are, by name."""
        return {name: column for name in BY_OPTION if (column := getattr(self, name)) is not None}

    def facts(self) -> Sequence[OpeningMoveReport | HoursReport]:
        """Return what became known at an instant of its own, in order."""
        found: list[OpeningMoveReport | HoursReport] = [*self.moves, *self.hours]
        return sorted(found, key=lambda each: each.at)

    def places(self) -> Mapping[Option, int]:
        """Return where each option stands in `options`."""
        return {option: place for place, option in enumerate(self.options)}

    def classes(self) -> frozenset[tuple[str, str]]:
        """Return the symbol and trading class of its options."""
        return frozenset((option.symbol, option.trading_class) for option in self.options)

    def expiries(self, symbol: str, trading_class: str) -> Sequence[Day]:
        """Return the expiries of a class, earliest first."""
        return sorted({each.expiry for each in self._of_class(symbol, trading_class)})

    def strikes(self, symbol: str, trading_class: str, expiry: Day) -> Sequence[Decimal]:
        """Return the strikes of an expiry of a class, lowest first."""
        return sorted({each.strike for each in self._of_class(symbol, trading_class) if each.expiry == expiry})

    def _of_class(self, symbol: str, trading_class: str) -> list[Option]:
        return [each for each in self.options if each.trading_class == trading_class and each.symbol == symbol]


class Source(Protocol):
    """Past sessions of a market, in order of time."""

    @property
    def name(self) -> str:
        """What a report calls it."""

    @property
    def is_modelled(self) -> bool:
        """True when option prices are computed and were never quoted."""

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it has from `first` to `last`, both included; what is missing is a finding of `gaps`."""

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return what is wrong with the range as a whole: sessions missing, files that cannot be read."""

    def day(self, day: date) -> HistoryDay:
        """Return one session. Raises: StoreError naming file and row when it has to be refused."""

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return at most so many finished sessions of an underlying before a day, oldest first."""

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return 30-day implied volatility at the close of sessions before a day, annual fractions, oldest first."""

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say whether shares were split after one session and up to another, by what is known after its close."""


# --- What is said of data that is not as it should be

OUTSIDE = "open or close is outside of low to high: rules read it unchanged, nothing settles at it"
SHOWN = 5
"""Rows of which the numbers are told, where more are left out."""
_SHOWN = 12
"""Columns of a file that are told at most."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Files of one folder that are read as one: their rows are numbered through, file by file.

    Shape: `starts` has, for each of `files`, how many numbers there are before those of its rows.
    """

    name: str
    files: tuple[str, ...]
    starts: tuple[int, ...]

    def of(self, row: int) -> tuple[str, int]:
        """Return in which file a row stands, and which it is there; of 0 the name of them all."""
        if not row:
            return self.name, 0
        place = bisect_left(self.starts, row) - 1
        return self.files[place], row - self.starts[place]


File = str | Parts
"""Where rows are from."""


def refused(file: File, row: int, text: str) -> Finding:
    """Return that a day, or a file, is not used."""
    return _finding(file, row, Severity.REFUSED, text, 1)


def finding_text(file: File, row: int, text: str, count: int = 1) -> Finding:
    """Return that something is used although it is odd."""
    return _finding(file, row, Severity.REPORTED, text, count)


def left_out(file: File, rows: Sequence[int], text: str, count: int = 0) -> Finding:
    """Return that rows are not used: the finding stands at the first of them, its text names the first few.

    count: how many they are, where `rows` has the first ones alone.
    """
    count = count or len(rows)
    if isinstance(file, Parts):
        rows = sorted(rows)
    if count > 1:
        shown = _shown(file, rows[:SHOWN])
        text = f"{text} ({count} rows: {shown}{', ...' if count > SHOWN else ''})"
    return _finding(file, int(rows[0]), Severity.LEFT_OUT, text, count)


def _finding(file: File, row: int, severity: Severity, text: str, count: int) -> Finding:
    name, own = file.of(row) if isinstance(file, Parts) else (file, row)
    return Finding(file=name, row=own, severity=severity, text=text, count=count)


def _shown(file: File, rows: Sequence[int]) -> str:
    """Return numbers of rows; of several files those of each, with the name of all but the first."""
    if not isinstance(file, Parts):
        return ", ".join(str(int(row)) for row in rows)
    found: list[str] = []
    for name, of in groupby((file.of(row) for row in rows), key=lambda each: each[0]):
        numbers = ", ".join(str(row) for _, row in of)
        found.append(f"{missing_part_finding(name)}: {numbers}" if found else numbers)
    return "; ".join(found)


def lacks_any(names: Iterable[str], header: Iterable[str]) -> str:
    """Return that a file has none of some names for a column, and which columns it has."""
    found = list(header)
    shown = ", ".join(f"`{name}`" for name in found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    return f"it has no column {' or '.join(names)}; it has {shown or 'none'}{split_mismatch(found)}"


def split_mismatch(header: Sequence[str]) -> str:
    """Return that columns are parted by another sign than commas, behind what they are, "" where they are not."""
    odd = next((sign for sign in ";\t|" if len(header) == 1 and sign in header[0]), "")
    return f"; columns are parted by commas, not by {odd!r}" if odd else ""


def lacks(*columns: str) -> str:
    """Return that a file has no such columns, in words."""
    names = ", ".join(f"`{name}`" for name in columns)
    return f"it has no column{'s' if len(columns) > 1 else ''} {names}"


def missing_part_finding(file: str) -> str:
    """Return the name of a file beside another one, whose folders say where both are."""
    return file.rpartition("/")[2]


def place(finding: Finding) -> str:
    """Return a finding as `file:row: text`."""
    where = f"{finding.file}:{finding.row}" if finding.row else finding.file
    return f"{where}: {finding.text}"


def refusal(finding: Finding, help: str | None = None) -> StoreError:
    """Return the error with which a day, or a source, is refused."""
    return StoreError(place(finding), help)


def data_of(finding: Finding) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {**asdict(finding), "severity": finding.severity.value}


def no_session(file: str, day: date) -> Finding:
    """Return that a file is of a day on which the exchange was closed."""
    return refused(file, 0, f"{day} is no session of the exchange: what it holds is stale")


# --- Which sessions a folder of days lacks, and which of its days are no sessions

APART = "put another underlying into a folder of its own"
"""What helps who has put chains of several into one: a source is of one underlying."""
_DAY = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


def day_of_name(name: str) -> date | None:
    """Return the day in a file's name, of several the first: `2019-05-24.parquet`, `20190524_quote_20240101.zip`."""
    found = _DAY.search(name)
    if found is None:
        return None
    try:
        day = date(*map(int, found.groups()))
        session_on(day)
    except ValueError:  # no date, or one of which the calendar knows nothing
        return None
    return day


def has_several_days(name: str) -> bool:
    """Say whether a file is named after several days, as `SPX_20190501_20190531.csv`."""
    return len({*_DAY.findall(name)}) > 1


def parse_day(text: str) -> date:
    """Return the date of `2019-05-24`, `05/24/2019` or `20190524`. Raises: ValueError."""
    if text[2:3] == "/":
        month, day, year = text[:10].split("/")
        if len(year) < 4:
            raise ValueError(f"the year {year} has no century")
        return date(int(year), int(month), int(day))
    return date.fromisoformat(text[:10])


def is_day_first(text: str) -> bool:
    """Say whether a day is like `24/05/2019`: then nobody knows what `05/06/2019` beside it is."""
    return text[2:3] == "/" and text[:2].isdigit() and int(text[:2]) > _MONTHS


DAY_FIRST = "has the day first, where 05/24/2019 has the month: write 2019-05-24"
_MONTHS = 12


def parse_known_day(text: str) -> date:
    """Return the same, of a year that the calendar knows. Raises: ValueError."""
    day = parse_day(text)
    session_on(day)
    return day


def in_two_files(day: date, one: Path, other: Path) -> StoreError:
    """Return the error with which a day is refused that two files have."""
    own, first = (each.relative_to(commonpath((one.parent, other.parent))) for each in (other, one))
    return refusal(refused(str(own), 0, f"{day} is also in {first}: which one counts? {APART}"))


def missing_sessions(where: str, have: Iterable[date], first: date, last: date) -> Iterator[Finding]:
    """Yield a finding for each day that is no session, and for each run of sessions that is missing in between.

    Before the first day that there is and after the last one nothing is missing: the source does not reach there.
    """
    days = sorted(have)
    for day in days:
        if session_on(day) is None:
            yield no_session(where, day)
    if not days:
        return
    known = set(days)
    span = [(found.date, found.date in known) for found in sessions(max(first, days[0]), min(last, days[-1]))]
    for is_there, run in groupby(span, key=lambda each: each[1]):
        if not is_there:
            lost = [day for day, _ in run]
            which = str(lost[0]) if len(lost) == 1 else f"{lost[0]} to {lost[-1]}"
            yield finding_text(where, 0, f"no data of {which}", len(lost))


# --- The median of what is known


def nan_median(values: Columns) -> float:
    """Return the median of the values that are not nan, nan when none is. Shape: (N,)."""
    known = np.sort(values)  # nan stands behind all numbers
    count = int(known.searchsorted(np.nan))
    return float((known[(count - 1) // 2] + known[count // 2]) / 2.0) if count else float("nan")


class SharedSource:
    """A source whose last session is kept: the next variant reads the same. findings: what was wrong so far."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._days: dict[date, HistoryDay] = {}
        self._bars: dict[tuple[str, date, int], Sequence[DailyBar]] = {}
        self._all = source.dates(date(1950, 1, 1), date(2200, 1, 1))
        self.name, self.is_modelled = source.name, source.is_modelled
        self.findings: dict[Finding, None] = {}

    def dates(self, first: date, last: date) -> Sequence[date]:
        return self._all[bisect_left(self._all, first) : bisect_right(self._all, last)]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        found = self._source.gaps(first, last)
        self.findings |= dict.fromkeys(found)
        return found

    def day(self, day: date) -> HistoryDay:
        """Return one session, read once in a row."""
        if day not in self._days:
            found = self._source.day(day)
            self.findings |= dict.fromkeys(found.findings)
            self._days.clear()
            self._days[day] = found
        return self._days[day]

    def can_read(self, day: date) -> bool:
        """Say whether a session is not refused; it is read."""
        try:
            self.day(day)
        except StoreError as error:
            self.findings[refused(self.name, 0, f"{day}: {error.whole}")] = None
            return False
        return True

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return daily bars, looked up once."""
        key = (symbol, before, count)
        if key not in self._bars:
            self._bars[key] = self._source.daily(symbol, before, count)
        return self._bars[key]

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        return self._source.implied(symbol, before, count)

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        return self._source.was_split(symbol, since, until)
