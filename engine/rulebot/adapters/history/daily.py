"""Daily bars of underlyings and volatility indices from CSV files, which every source has beside its chains.

A file has `date, open, high, low, close` and is named after its symbol (`spx_daily_1999.csv`), or has a column of
closes for each symbol (`date, vix, vix9d`). Rows of days without a session are left out, and told.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.quote_checks import not_in_percent
from rulebot.adapters.history.session import (
    DAY_FIRST,
    OUTSIDE,
    SLACK,
    Columns,
    DailyBar,
    File,
    Finding,
    finding_text,
    is_day_first,
    left_out,
    parse_day,
    refused,
    split_mismatch,
)
from rulebot.adapters.history.table import CsvTable, Whole, fields_of, header_of, read_csv, reading
from rulebot.model.contract import Kind, product
from rulebot.model.errors import StoreError
from rulebot.model.session import trades_on
from rulebot.model.values import dataclass

NO_BARS = "there are no daily bars: previous closes, averages and ranks of volatility are unknown"
_PRICES = ("open", "high", "low", "close")
_NO_SYMBOL = frozenset(("date", *_PRICES, "volume", "adj_close", "symbol"))
_SYMBOL = re.compile(r"[a-z0-9][a-z0-9._-]*")
_VOLATILITIES = frozenset(("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M", "VVIX", "VXN", "RVX", "VXO", "SKEW"))
_STALE = 10
"""Days after which a bar is no longer the one of the session before: a long weekend, and a few that are missing."""
_READ_BACK = 600
"""Days before the first one of the data: in them are 400 sessions, the longest window of a rule."""
_FAR = 0.92
"""A close that is 2.5 times both of its neighbours, or less than their 2.5th part, is none."""
_LEAST, _MOST = 1e-6, 1e9
"""Beyond these a number in a file is no price."""
_RANGE = 5e-4
"""The part of it by which a level may lie outside of a day's range without a word: files round."""
_SPLIT_SLACK = 0.08
_SMALL, _SMALL_SLACK = 2.0, 0.04
"""Up to this factor a fall, or a rise, may be as large in a day: those open nearer to it than shares of a split move
over night. A split of 5 closed at 4.44 (TSLA on 31 August 2020), and a fall of 35 % was 1.54 at its close (NFLX on 20
April 2022).
"""
_LEAST_SPLIT = 1.5
"""Three for two; all others that can be told from a fall are by whole numbers."""
_LEAST_JUMP = 0.999 * float(np.log(_LEAST_SPLIT * (1.0 - _SPLIT_SLACK)))
"""Of the logarithm of a factor; what is less is no split, and is looked at no further."""
IMPLIED_BY = {"SPX": "VIX", "SPXW": "VIX", "SPY": "VIX", "XSP": "VIX", "QQQ": "VXN", "NDX": "VXN", "RUT": "RVX"}
"""The index of 30-day implied volatility by underlying: its level stands for it where no broker told of it."""


@dataclass(frozen=True, slots=True)
class DailySeries:
    """Sessions of one symbol. Shape: `days` (N,) ordinals rising; `bars` (N, 4) open, high, low, close.

    splits: places of the first bars after one, rising.
    """

    days: Whole
    bars: Columns
    splits: tuple[int, ...] = ()

    def before(self, day: date) -> int:
        """Return how many sessions lie before a day."""
        return int(np.searchsorted(self.days, day.toordinal()))

    def on(self, day: date) -> DailyBar | None:
        place = self.before(day)
        if place == len(self.days) or self.days[place] != day.toordinal():
            return None
        return self.bar(place)

    def range_over(self, first: date, before: date) -> tuple[float, float] | None:
        """Return the lowest low and the highest high from one day on and before another; None where there is none."""
        bars = self.bars[self.before(first) : self.before(before), 1:]  # a bare close has neither of both
        return (float(np.nanmin(bars)), float(np.nanmax(bars))) if bars.size else None

    def begins(self, place: int) -> int:
        """Return the place from which on bars are of the same shares as the one at a place."""
        return max((split for split in self.splits if split <= place), default=0)

    def bar(self, place: int) -> DailyBar:
        opened, high, low, close = self.bars[place].tolist()
        return DailyBar(date.fromordinal(int(self.days[place])), opened, high, low, close)


class Daily:
    """Every daily series found in some folders; read when first asked for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = tuple(folders)
        self._more: dict[str, DailySeries] = {}
        self._more_findings: list[Finding] = []

    def add(self, symbol: str, series: DailySeries, findings: Sequence[Finding]) -> None:
        """Take a series that a source has of its own."""
        self._more[symbol] = series
        self._more_findings += findings

    @cached_property
    def _read(self) -> tuple[Mapping[str, DailySeries], tuple[Finding, ...]]:
        found: dict[str, dict[int, tuple[float, ...]]] = {}
        findings: list[Finding] = []
        for path in _files(self.folders):
            try:
                table = read_csv(path)
                findings += table.findings
                for symbol, bars in _series(table, path, findings):
                    _merge(found.setdefault(symbol, {}), bars, symbol, path.name, findings)
            except StoreError as error:
                findings.append(refused(path.name, 0, error.message.partition(": ")[2] or error.message))
        series = {}
        for symbol, bars in found.items():
            if not bars:
                continue
            days = sorted(bars)
            matrix = np.array([bars[day] for day in days], dtype=np.float64)
            series[symbol] = without_jumps(symbol, np.array(days, dtype=np.int64), matrix, findings)
        return series, tuple(findings)

    @property
    def series(self) -> Mapping[str, DailySeries]:
        """Daily series by symbol, in capitals."""
        return {**self._read[0], **self._more} if self._more else self._read[0]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the files, or that there is none."""
        none = () if self.series else (finding_text("daily", 0, NO_BARS),)
        return (*none, *self._read[1], *self._more_findings)

    def findings_for(self, days: Collection[date]) -> tuple[Finding, ...]:
        """Return what is wrong with the files, and what they lack for rules on these days of the data."""
        return (*self.findings, *self._lacking(min(days), max(days))) if days else self.findings

    def _lacking(self, first: date, last: date) -> Iterator[Finding]:
        """Yield which series end long before the last day, and which lack sessions that rules read until then."""
        for symbol, each in sorted(self.series.items()):
            if not len(each.days):
                continue
            known, ends = set(each.days.tolist()), int(each.days[-1])
            if last.toordinal() - ends > _STALE:
                text = f"the bars of {symbol} end on {date.fromordinal(ends)}: soon after it what rules make of them"
                yield finding_text("daily", 0, f"{text} is unknown")
            span = range(max(int(each.days[0]), first.toordinal() - _READ_BACK), min(ends, last.toordinal()))
            lost = [day for place in span if place not in known and trades_on(day := date.fromordinal(place))]
            if lost:
                more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
                text = f"the bars of {symbol} lack {lost[0]}{more}: averages and ranks use the rest"
                yield finding_text("daily", 0, text)

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        """Return at most so many sessions before a day, since the last split before it, oldest first.

        None where the last of them is of weeks ago.
        """
        series = self.series.get(symbol)
        last = 0 if series is None else series.before(before)
        if series is None or not last or before.toordinal() - int(series.days[last - 1]) > _STALE:
            return ()
        return [series.bar(place) for place in range(max(last - count, series.begins(last - 1)), last)]

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return the closes of an underlying's volatility index before a day, annual fractions, oldest first."""
        bars = self.daily(IMPLIED_BY.get(symbol, ""), before, count)
        return [bar.close / 100.0 for bar in bars]

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        """Say whether there is a first bar after a split later than one day, and not later than another."""
        series = self.series.get(symbol)
        if series is None:
            return False
        return any(since.toordinal() < int(series.days[place]) <= until.toordinal() for place in series.splits)

    def _on(self, symbol: str, day: date) -> DailyBar | None:
        series = self.series.get(symbol)
        return None if series is None else series.on(day)

    def against(self, symbol: str, day: date, level: float, file: File) -> Iterator[Finding]:
        """Yield how the bar of a day does not go with a level that a chain has in the middle of that session."""
        bar = self._on(symbol, day)
        if bar is None or not bar.outside(level) > _RANGE:
            return
        text = f"the level {level:g} is outside of the day's range, {bar.low:g} to {bar.high:g}"
        if bar.is_far(level):
            text = f"the bar of {day}, {bar.low:g} to {bar.high:g}, is far from the level {level:g} of its session in "
            yield left_out(f"{symbol} daily", [0], f"{text}{file}: nothing settles at it; is it of another scale?")
            return
        yield finding_text(file, 0, text)

    def settled(self, symbol: str, day: date, same_day_class: str, level: float) -> dict[tuple[str, str], float]:
        """Return what settles on a day: at its close, and at its open the class named like its index.

        level: of the session's middle; nothing settles at a bar that is far from it. The opening prints of an index
        (SOQ) are no column of any file here; its open is the nearest thing.
        """
        found: dict[tuple[str, str], float] = {}
        bar = self._on(symbol, day)
        if bar is not None and not bar.is_far(level):
            at = {symbol: bar.settles_at(at_open=True), same_day_class: bar.settles_at(at_open=False)}
            found |= {(symbol, each): level for each, level in at.items() if level is not None}
        return found


class WithDaily:
    """A source whose daily bars are those of daily files beside it."""

    background: Daily

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        return self.background.daily(symbol, before, count)

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        return self.background.implied(symbol, before, count)

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        return self.background.was_split(symbol, since, until)


def state_until(file: Path, last: date) -> list[int]:
    """Return how many rows of a daily file are not of later days, and their checksum. Raises: StoreError.

    A file that has grown since is another one only for sessions that are later than what it had.
    """
    count, checksum, place = 0, 0, -1
    with reading(file) as lines:
        for number, line in enumerate(each for each in lines if not each.startswith("#") and each.strip()):
            if number == 0:
                place = next((at for at, name in enumerate(header_of(line)) if name == "date"), -1)
            elif place >= 0 and _is_later(fields_of(line), place, last):
                continue
            count, checksum = count + 1, crc32(line.rstrip("\r\n").encode(), checksum)
    return [count, checksum]


def _is_later(fields: Sequence[str], place: int, last: date) -> bool:
    """Say whether a row is of a later day; one without a day is not."""
    try:
        return parse_day(fields[place].strip()) > last
    except (ValueError, IndexError):
        return False


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    seen = set()
    for folder in folders:
        for path in sorted(folder.glob("*.csv")):
            if path.name[0] != "." and path.resolve() not in seen:
                seen.add(path.resolve())
                yield path


def _series(table: CsvTable, path: Path, findings: list[Finding]) -> Iterator[tuple[str, dict[int, tuple[float, ...]]]]:
    if "date" not in table.names:
        text = f"a daily file has a column `date`, this has {_shown(table.names)}{split_mismatch(table.names)}"
        findings.append(refused(table.file, 1, text))
        return
    codes, texts = table.texts("date")
    if (wrong := next(filter(is_day_first, texts), None)) is not None:
        row = int(table.rows[np.flatnonzero(codes == texts.index(wrong))[0]])
        findings.append(refused(table.file, row, f"{wrong} {DAY_FIRST}"))
        return
    days = _days(table, findings)
    if not set(_PRICES).isdisjoint(table.names):
        symbol = path.name.partition("_")[0].partition(".")[0].upper()
        lacking = [name for name in _PRICES if name not in table.names]
        if lacking:
            text = f"a daily file has open, high, low and close, lacks {lacking[0]}: it has {_shown(table.names)}"
            findings.append(refused(table.file, 1, text))
            return
        yield symbol, _bars(table, *_prices(table, days, _PRICES, findings), findings)
        return
    none = [name for name in table.names if name not in _NO_SYMBOL and not _SYMBOL.fullmatch(name)]
    if none:
        text = f"a column of closes is named after its symbol, as vix, not {_shown(none)}: it is not read"
        findings.append(finding_text(table.file, 1, text, len(none)))
    for name in table.names:
        if name not in _NO_SYMBOL and name not in none:
            known, (closes,) = _prices(table, days, [name], findings)
            there = np.where(np.isnan(closes), 0, known)
            yield name.upper(), _bars(table, there, [closes] * 4, findings)


def _prices(table: CsvTable, days: Whole, names: Sequence[str], findings: list[Finding]) -> tuple[Whole, list[Columns]]:
    """Return the days, 0 where one of some columns holds no number, and these columns."""
    known, columns = days.copy(), []
    for name in names:
        numbers, odd = table.numbers_or_none(name)
        none = odd[known[odd] > 0]
        if none.size:
            findings.append(left_out(table.file, table.rows[none].tolist(), table.no_number(name, int(none[0]))))
        known[none] = 0
        columns.append(numbers)
    return known, columns


def _shown(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _days(table: CsvTable, findings: list[Finding]) -> Whole:
    """Return the ordinals of the rows' days; 0 where it is no session or comes a second time."""
    codes, texts = table.texts("date")
    ordinals = np.zeros(len(texts), dtype=np.int64)
    closed, odd = np.zeros((2, len(texts)), dtype=bool)
    for place, text in enumerate(texts):
        try:
            day = parse_day(text)
        except ValueError:
            odd[place] = True
            continue
        ordinals[place] = day.toordinal()
        closed[place] = not trades_on(day)
    if (none := np.flatnonzero(odd[codes])).size:
        text = f"a date is like 2019-05-24, is {texts[codes[none[0]]]!r}"
        findings.append(left_out(table.file, table.rows[none].tolist(), text))
    days = np.where(closed[codes], 0, ordinals[codes])
    if (idle := np.flatnonzero(closed[codes])).size:
        findings.append(left_out(table.file, table.rows[idle].tolist(), "the exchange was closed on this day"))
    known = days[days > 0]
    if (np.diff(known) < 0).any():
        row = int(table.rows[days > 0][np.flatnonzero(np.diff(known) < 0)[0] + 1])
        findings.append(finding_text(table.file, row, "the days are out of order; they are sorted"))
    _, firsts = np.unique(days, return_index=True)
    again = np.setdiff1d(np.flatnonzero(days > 0), firsts)
    if again.size:
        findings.append(left_out(table.file, table.rows[again].tolist(), "a duplicate of an earlier day"))
        days[again] = 0
    return days


def _bars(
    table: CsvTable, days: Whole, columns: Sequence[Columns], findings: list[Finding]
) -> dict[int, tuple[float, ...]]:
    """Return the bars by day. Where high and low are empty it is a bare close; where the open is no price it is nan."""
    matrix = np.column_stack(columns) if len(days) else np.zeros((0, 4))
    is_bare = np.isnan(matrix[:, 1]) & np.isnan(matrix[:, 2])
    matrix[is_bare] = matrix[is_bare][:, 3:]
    matrix[~((matrix >= _LEAST) & (matrix <= _MOST))] = np.nan
    opened, high, low, close = matrix.T
    slack = 1e-9 + SLACK * close
    sound = low <= high + slack
    if (none := (days > 0) & ~sound).any():
        text = "this is no bar: without a close, a low above the high, a price that is none, or a 0"
        findings.append(left_out(table.file, table.rows[none].tolist(), text))
    known = (days > 0) & sound
    no_open = known & np.isnan(opened)
    odd = known & ((low > np.fmin(opened, close) + slack) | (high < np.fmax(opened, close) - slack))
    for mask, text in (
        (known & is_bare, "it has a close alone, without high and low: nothing settles at its open"),
        (no_open, "its open is no price: nothing settles at it"),
        (odd, OUTSIDE),
    ):
        if mask.any():
            findings.append(finding_text(table.file, int(table.rows[mask][0]), text, int(mask.sum())))
    return {int(day): tuple(bar) for day, bar in zip(days[known], matrix[known].tolist(), strict=True)}


def _merge(
    have: dict[int, tuple[float, ...]],
    more: Mapping[int, tuple[float, ...]],
    symbol: str,
    file: str,
    findings: list[Finding],
) -> None:
    """Take what is new; where two files differ the first one counts, and it is told."""
    both = [day for day in more if day in have]
    apart = [day for day in both if abs(more[day][3] - have[day][3]) > 5e-4 * abs(have[day][3])]
    if apart:
        first = date.fromordinal(apart[0])
        closes = f"{more[apart[0]][3]:g} on {first}, at {have[apart[0]][3]:g}"
        text = f"{symbol} closes at {closes} in another file, which counts"
        findings.append(finding_text(file, 0, text, len(apart)))
    for day, bar in more.items():
        kept = have.get(day)
        lacks_open = kept is not None and (kept[0] != kept[0] or len(set(kept)) == 1)
        if kept is None or (lacks_open and day not in apart):
            have[day] = bar


def split_of(before: float, after: float) -> float | None:
    """Return by how much shares were split, or merged, that closed at one level and then at another; None where not."""
    factor = _factor(before, after)
    nearest = float(round(factor)) if factor > _SMALL * (1.0 - _SPLIT_SLACK) else _LEAST_SPLIT
    return nearest if abs(factor / nearest - 1.0) < _SPLIT_SLACK else None


def split_at_open(before: float, opened: float) -> float | None:
    """Return by how much shares were split, or merged, that closed at one level and opened at another, or None."""
    found = split_of(before, opened)
    if found is None or (found <= _SMALL and abs(_factor(before, opened) / found - 1.0) >= _SMALL_SLACK):
        return None
    return found


def _split_in(before: float, bar: Sequence[float]) -> tuple[str, float] | None:
    """Return by how much shares were split before a session, after the close before it, and what tells it; None.

    bar: its open, high, low and close. Without an open, as a bare close has none, the close tells it alone; an open
    that the close is farther from than from the close before is a bad print.
    """
    opened, high, low, close = bar
    has_open = low <= opened <= high and low < high
    stays = has_open and _factor(close, opened) < _factor(close, before)
    by_open = split_at_open(before, opened) if stays else None
    if by_open is not None:
        return f"opens at {opened:g}", by_open
    by_close = split_of(before, close)
    return None if by_close is None or (has_open and by_close <= _SMALL) else (f"closes at {close:g}", by_close)


def _factor(before: float, after: float) -> float:
    return max(before / after, after / before)


def _jumps(bars: Columns) -> list[int]:
    """Return the places of bars whose open or close lies far enough from the close before to be that of a split."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ups = np.abs(np.log(bars[1:, [0, 3]] / bars[:-1, 3:]))
    found: list[int] = (1 + np.flatnonzero((ups > _LEAST_JUMP).any(axis=1))).tolist()
    return found


def _repeated(bars: Columns) -> NDArray[np.bool_]:
    """Return which bars have all prices of the one before, which a bare close may; no index comes to that."""
    found = np.zeros(len(bars), dtype=bool)
    found[1:] = (bars[1:] == bars[:-1]).all(axis=1) & (bars[1:, 1] > bars[1:, 2])
    return found


def can_split(symbol: str) -> bool:
    """Say whether it is a share or a fund; an index, or a volatility, is never split."""
    return symbol not in _VOLATILITIES and product(symbol).kind is not Kind.INDEX


def without_jumps(symbol: str, days: Whole, bars: Columns, findings: list[Finding]) -> DailySeries:
    """Return the series with its splits, without closes that stand alone far from both of their neighbours."""
    file = f"{symbol} daily"
    close = bars[:, 3]
    if words := not_in_percent(symbol, close):
        findings.append(refused(file, 0, words))
        return DailySeries(days[:0], bars[:0])
    up = np.log(close[1:] / close[:-1])
    alone = np.zeros(len(close), dtype=bool)
    alone[1:-1] = (np.abs(up[:-1]) > _FAR) & (np.abs(up[1:]) > _FAR) & (np.sign(up[:-1]) != np.sign(up[1:]))
    for place in np.flatnonzero(alone).tolist():
        day = date.fromordinal(int(days[place]))
        text = f"{symbol} closes at {close[place]:g} on {day}, between {close[place - 1]:g} and {close[place + 1]:g}"
        findings.append(left_out(file, [0], text))
    days, bars = days[~alone], bars[~alone]
    again = _repeated(bars)
    is_left_out = not can_split(symbol) and 2 * again.sum() < len(again)  # half of them: somebody has made it up so
    for place in np.flatnonzero(again).tolist()[: None if is_left_out else 1]:
        then, day = (date.fromordinal(int(days[each])) for each in (place - 1, place))
        text = f"the bar of {day} is that of {then}, in all its prices: is the row repeated?"
        findings.append(left_out(file, [0], text) if is_left_out else finding_text(file, 0, text, int(again.sum())))
    if is_left_out:
        days, bars = days[~again], bars[~again]
    if not can_split(symbol):
        return DailySeries(days, bars)
    splits = []
    for place in _jumps(bars):
        found = _split_in(float(bars[place - 1, 3]), bars[place].tolist())
        if found is not None:
            splits.append(place)
            text = f"{symbol} {found[0]} on {date.fromordinal(int(days[place]))} after {bars[place - 1, 3]:g}"
            text += f", as after a split of {found[1]:g}: bars of before it are not used after it"
            findings.append(finding_text(file, 0, text))
    return DailySeries(days, bars, tuple(splits))
