"""Sessions from Lean's data folders: minutes or days of options, shares and indices in zip files.

Lean keeps Eastern time, but its minutes of the SPX index are Central: they begin an hour before the open, and are moved
by it, which is told; put-call parity then has to agree.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from math import inf
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rulebot.adapters.history.build_session import midnight
from rulebot.adapters.history.checks import EXPENSIVE, TOO_EXPENSIVE, is_price
from rulebot.adapters.history.daily import Daily, DailySeries, WithDaily, without_jumps
from rulebot.adapters.history.end_of_day import EodSource, at_time
from rulebot.adapters.history.lazy_chain import strike_of
from rulebot.adapters.history.lean_files import (
    CROSSED,
    SCALE,
    Bars,
    check_entry,
    contract_of,
    day_bars,
    entries,
    level_bars,
    only_entry,
    open_interest,
    quote_bars,
    trade_bars,
)
from rulebot.adapters.history.many_day_csv import DayExtent
from rulebot.adapters.history.parity import misfits, other_zone, terms_of
from rulebot.adapters.history.quote_checks import known_level
from rulebot.adapters.history.session import (
    Columns,
    File,
    Finding,
    HistoryDay,
    Parts,
    day_of_name,
    finding_text,
    left_out,
    missing_sessions,
    nan_median,
    refusal,
    refused,
)
from rulebot.adapters.history.table import CsvTable, Table
from rulebot.model.contract import INDICES, Kind, Option, Right, class_of_shares, last_day, product
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import Session, session_on
from rulebot.model.values import replace

# --- The minutes of a session, and what Lean's bars say at their ends

MINUTE, HOUR = 60.0, 3600.0
_SLACK = 300.0
_QUIET = 1800.0


class LeanClock:
    """The minutes of a session, at whose ends bars become known."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.times: Columns = session.open.timestamp() + MINUTE * np.arange(1.0, session.minutes + 1.0)
        self._midnight = midnight(session)
        self._open = session.open.timestamp() - self._midnight
        self._close = session.close.timestamp() - self._midnight

    def fill(self, bars: Bars) -> Columns:
        """Return what the last bar that has ended says at each minute; nan before the first of this session."""
        inside = self._inside(bars)
        begins, values = bars.begins[inside], bars.values[inside]
        places = np.searchsorted(begins + MINUTE, self.times - self._midnight + 1e-6, side="right") - 1
        found = np.full((len(self.times), values.shape[1]), np.nan)
        found[places >= 0] = values[places[places >= 0]]
        return found

    def sums(self, bars: Bars) -> Columns:
        """Return the volume traded up to each minute."""
        inside = self._inside(bars)
        ends, done = bars.begins[inside] + MINUTE, np.cumsum(np.nan_to_num(bars.values[inside, 1]))
        places = np.searchsorted(ends, self.times - self._midnight + 1e-6, side="right")
        return np.concatenate(([0.0], done))[places]

    def outside(self, bars: Bars) -> int:
        """Return how many bars are outside of regular hours."""
        return int((~self._inside(bars)).sum())

    def _inside(self, bars: Bars) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (bars.begins >= self._open) & (bars.begins < self._close)
        return found

    def is_central(self, bars: Bars) -> bool:
        """Say whether bars begin an hour before the open and there are none in the last half hour."""
        if not len(bars.begins):
            return False
        early = abs(bars.begins[0] + HOUR - self._open) <= _SLACK
        return bool(early and not (bars.begins >= self._close - _QUIET).any())

    def other_zone(self, first: float, last: float) -> str | None:
        """Return in words how many hours bars from first to last, seconds since midnight, are beside the session."""
        ends = last + MINUTE
        return other_zone(self._midnight + first, self._midnight + ends, _SLACK, self.session)

    def quiet(self, bars: Bars) -> Iterator[Finding]:
        """Yield where the underlying has no bar for long, at the edges or in between."""
        begins = bars.begins[self._inside(bars)]
        edges = np.concatenate(([self._open - MINUTE], begins, [self._close]))
        for place in np.flatnonzero(np.diff(edges) > 3 * _SLACK).tolist():
            since, until = edges[place] + MINUTE, edges[place + 1]
            text = f"there is no bar from {_clock(since)} to {_clock(until)}"
            yield finding_text(bars.entry, place, text)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}"


class _Minutes:
    """The quotes of a session's options, entry by entry. late: bars outside of regular hours."""

    def __init__(self, clock: LeanClock) -> None:
        self._clock = clock
        self.quotes: dict[Option, Columns] = {}
        self.findings: list[Finding] = []
        self.late = self._count = 0
        self._first, self._last = inf, -inf

    def take(self, option: Option, bars: Bars) -> None:
        """Add the bars of an option; what has expired, or stands twice, is left out."""
        if option in self.quotes:
            self.findings.append(left_out(bars.entry, [1], "the same option is in an earlier entry"))
            return
        self.findings += bars.findings
        self._count += len(bars.begins)
        if len(bars.begins):
            self._first = min(self._first, float(bars.begins[0]))
            self._last = max(self._last, float(bars.begins[-1]))
        if option.expiry < self._clock.session.date:
            self.findings.append(left_out(bars.entry, [1], "the option has expired before this session"))
            return
        self.late += self._clock.outside(bars)
        self.quotes[option] = self._clock.fill(bars)

    def refusals(self, findings: Sequence[Finding], level: Columns) -> Iterator[str]:
        """Yield why no session can be made of them. findings: all of this day."""
        if not self.quotes:
            yield "there is no option that trades on this day"
        if self._count and self.late == self._count:
            yield "no bar of an option is within the session"
        if self._count and (words := self._clock.other_zone(self._first, self._last)) is not None:
            yield f"the bars of options are of {words}"
        for words, text in (
            (CROSSED, "most bids are above their asks: are the columns exchanged?"),
            (EXPENSIVE, f"most quotes are dearer than the underlying ({nan_median(level):g}): scaled?"),
        ):
            if sum(each.count for each in findings if each.text.startswith(words)) > self._count / 2:
                yield text


# --- Sessions from Lean's data folders

CLASSES = {symbol: tuple(name.lower() for name in each.classes) for symbol, each in INDICES.items()}
_KINDS = ("option", "indexoption")


class LeanSource(WithDaily):
    """Sessions of one underlying in a data folder of Lean."""

    is_modelled = False

    def __init__(self, path: Path, background: Daily, symbol: str) -> None:
        self.root, inside = data_root(path)
        self.symbol = _chosen(self.root, symbol or inside)
        self._folders = _option_folders(self.root, self.symbol)
        self._zips: dict[date, list[tuple[str, Path]]] = {}
        for trading_class, folder in self._folders:
            for file in sorted(folder.glob("*_quote_*.zip")):
                day = day_of_name(file.name)
                if day is not None:
                    self._zips.setdefault(day, []).append((trading_class, file))
        self.background = background
        daily = self.root / "equity" / "usa" / "daily" / f"{self.symbol.lower()}.zip"
        if daily.exists() and self.symbol not in background.series:
            background.add(self.symbol, *daily_series(daily, self.symbol))

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"Lean minutes of {self.symbol}"

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it has."""
        return [day for day in sorted(self._zips) if first <= day <= last and session_on(day) is not None]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return sessions that are missing, and days that are none."""
        days = [day for day in self._zips if first <= day <= last]
        return (
            *missing_sessions(self.symbol, days, first, last),
            *self.background.findings_for(days),
        )

    def day(self, day: date) -> HistoryDay:
        """Return one session. Raises: StoreError when it is refused."""
        session = session_on(day)
        if day not in self._zips:
            raise StoreError(f"{self.root} has no quotes of {self.symbol} on {day}")
        file = self._zips[day][0][1].name
        if session is None:
            raise refusal(refused(file, 0, f"{day} is no session of the exchange: what it holds is stale"))
        clock = LeanClock(session)
        level, findings = self._level(clock)
        highest, read = float(np.nanmax(level)), _Minutes(clock)
        for trading_class, path in self._zips[day]:
            for entry, content in entries(path):
                check_entry(path.name, entry, day, trading_class)
                option = self._option(trading_class, path.name, entry)
                most = TOO_EXPENSIVE * max(float(option.strike), highest)
                read.take(option, quote_bars(f"{path.name}/{entry}", content, most))
        findings += read.findings
        for text in read.refusals(findings, level):
            raise refusal(refused(file, 0, text))
        if read.late:
            findings.append(left_out(file, [0], f"{read.late} bars of options are outside of regular hours"))
        return self._made(session, clock, read.quotes, level, gathered(findings))

    def _made(
        self,
        session: Session,
        clock: LeanClock,
        quotes: dict[Option, Columns],
        level: Columns,
        findings: list[Finding],
    ) -> HistoryDay:
        options = tuple(sorted(quotes, key=lambda one: (one.trading_class, one.expiry, one.right.letter, one.strike)))
        cube = np.stack([quotes[option] for option in options], axis=1) if options else np.zeros((len(level), 0, 4))
        bid, ask, bid_size, ask_size = (np.ascontiguousarray(cube[:, :, place]) for place in range(4))
        file = self._zips[session.date][0][1].name
        if np.isnan(cube[:, :, :2]).all():
            raise refusal(refused(file, 0, "no option is quoted within the session"))
        terms, middle = terms_of(options), nan_median(level)
        if options and not 0.125 < nan_median(terms.strike) / middle < 8.0:
            text = f"strikes lie around {nan_median(terms.strike):g}, the underlying at {middle:g}: scaled?"
            raise refusal(refused(file, 0, text))
        for words in misfits(clock.times, level, terms, {"bid": bid, "ask": ask}):
            raise refusal(refused(file, 0, words))
        findings += self.background.against(self.symbol, session.date, middle, file)
        volume, interest = self._counts(session.date, clock, options)
        if interest is not None and is_price(interest, middle):
            text = f"open_interest holds the price of the underlying ({middle:g}), not a count of contracts"
            raise refusal(refused(file, 0, text))
        same_day_class = product(self.symbol).same_day_class
        return HistoryDay(
            date=session.date,
            times=clock.times,
            levels={self.symbol: level},
            options=options,
            bid=bid,
            ask=ask,
            bid_size=bid_size,
            ask_size=ask_size,
            volume=volume,
            open_interest=interest,
            settled=self.background.settled(self.symbol, session.date, same_day_class, middle),
            findings=tuple(findings),
        )

    def _option(self, trading_class: str, where: str, entry: str) -> Option:
        found = contract_of(where, entry)
        expiry = last_day(self.symbol, trading_class, found.expires)
        right = Right.CALL if found.is_call else Right.PUT
        return Option(self.symbol, trading_class, expiry, strike_of(found.strike), right)

    # ------------------------------------------------------------ the underlying

    def _level(self, clock: LeanClock) -> tuple[Columns, list[Finding]]:
        """Return the level at each instant: closes of trade bars, of an index those of its own."""
        is_index = product(self.symbol).kind is Kind.INDEX
        folder = self.root / ("index" if is_index else "equity") / "usa" / "minute" / self.symbol.lower()
        file = folder / f"{clock.session.date:%Y%m%d}_trade.zip"
        if not file.exists():
            raise refusal(refused(file.name, 0, f"there are no minutes of {self.symbol} beside its options"))
        entry, content = only_entry(file)
        check_entry(file.name, entry, clock.session.date, self.symbol)
        bars = level_bars(f"{file.name}/{entry}", content, 1.0 if is_index else SCALE, self.symbol)
        findings = list(bars.findings)
        if clock.is_central(bars):
            bars = bars._replace(begins=bars.begins + HOUR)
            text = "the minutes begin an hour before the open: they are Central time, and are moved by an hour"
            findings.append(finding_text(bars.entry, 1, text))
        findings += clock.quiet(bars)
        level = clock.fill(bars)[:, 0]
        known_level(bars.entry, self.symbol, level)
        return level, findings

    # ------------------------------------------------------------ counts

    def _counts(self, day: date, clock: LeanClock, options: Sequence[Option]) -> tuple[Columns | None, Columns | None]:
        """Return contracts traded so far, and open in the morning."""
        place = {option: number for number, option in enumerate(options)}
        volume, interest = np.zeros((len(clock.times), len(options))), np.full(len(options), np.nan)
        traded = counted = False
        for trading_class, folder in self._folders:
            for file in sorted(folder.glob(f"{day:%Y%m%d}_trade_*.zip")):
                for entry, content in entries(file):
                    check_entry(file.name, entry, day, trading_class)
                    number = place.get(self._option(trading_class, file.name, entry))
                    if number is not None:
                        volume[:, number] = clock.sums(trade_bars(f"{file.name}/{entry}", content))
                        traded = True
            for file in sorted(folder.glob(f"{day:%Y%m%d}_openinterest_*.zip")):
                for entry, content in entries(file):
                    check_entry(file.name, entry, day, trading_class)
                    number = place.get(self._option(trading_class, file.name, entry))
                    held = open_interest(f"{file.name}/{entry}", content)
                    if number is not None and held is not None:
                        interest[number] = held
                        counted = True
        return volume if traded else None, interest if counted else None


def gathered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings of contracts that say the same as one: the first of them, with how many there are."""
    found: dict[tuple[str, str], Finding] = {}
    for each in findings:
        key = (each.text.partition(" (")[0], each.severity.value)
        before = found.get(key)
        if before is None:
            found[key] = each
        else:
            found[key] = Finding(
                file=before.file,
                row=before.row,
                severity=before.severity,
                text=key[0],
                count=before.count + each.count,
            )
    return list(found.values())


# ------------------------------------------------------------------ the folder


def data_root(path: Path) -> tuple[Path, str]:
    """Return Lean's data folder and the symbol, when the path leads to the minutes of one."""
    for above in (path, *path.resolve().parents):
        if any((above / kind / "usa").is_dir() for kind in _KINDS):
            parts = path.resolve().relative_to(above.resolve()).parts
            return above, parts[3] if len(parts) > 3 else ""
    raise StoreError(f"{path} is no data folder of Lean: it has no option/usa", "docs/history-data.md describes it")


def _option_folders(root: Path, symbol: str) -> list[tuple[str, Path]]:
    names = CLASSES.get(symbol, (symbol.lower(),))
    found = [(name, root / kind / "usa" / "minute" / name) for kind in _KINDS for name in names]
    return [(class_of_shares(name.upper()), folder) for name, folder in found if folder.is_dir()]


def _chosen(root: Path, symbol: str) -> str:
    own = {name: symbol for symbol, names in CLASSES.items() for name in names}
    found = sorted(
        {
            own.get(folder.name, folder.name.upper())
            for kind in _KINDS
            for folder in (root / kind / "usa" / "minute").glob("*")
            if any(folder.glob("*_quote_*.zip"))
        }
    )
    wanted = own.get(symbol.lower(), symbol.upper())
    if wanted:
        if wanted not in found:
            raise MisuseError(f"there are no minutes of quotes of {wanted}", f"there are: {', '.join(found) or 'none'}")
        return wanted
    if len(found) != 1:
        raise MisuseError(
            f"{root} has minutes of {', '.join(found) or 'nothing'}: name one",
            f"for instance lean:{root}?symbol={found[0] if found else 'SPY'}",
        )
    return found[0]


def daily_series(path: Path, symbol: str) -> tuple[DailySeries, list[Finding]]:
    """Return the daily bars of a share since its last split, and what is wrong with them."""
    findings: list[Finding] = []
    try:
        entry, content = only_entry(path)
    except StoreError as error:
        no_bars = refused(path.name, 0, error.message.partition(": ")[2] or error.message)
        return DailySeries(np.zeros(0, dtype=np.int64), np.zeros((0, 4))), [no_bars]
    bars = day_bars(f"{path.name}/{entry}", content, findings)
    rows = [(day.toordinal(), *(value / SCALE for value in fields)) for day, fields in bars]
    table = np.array(sorted(rows), dtype=np.float64).reshape(-1, 5)
    series = without_jumps(symbol, table[:, 0].astype(np.int64), table[:, 1:], findings)
    return series, findings


def looks_like_lean(path: Path) -> bool:
    """Say whether a folder is Lean's, or the minutes of one symbol in it."""
    try:
        root, symbol = data_root(path)
    except StoreError:
        return False
    return path == root or bool(symbol)


# --- Sessions from Lean's daily files

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
            raise MisuseError("which underlying do the daily files belong to?", f"lean:{path}?bars=daily&symbol=spy")
        self._symbol = own.get(wanted.lower(), wanted.upper())
        self.days = LeanDays(root, self._symbol)
        daily = root / "equity" / "usa" / "daily" / f"{self._symbol.lower()}.zip"
        if daily.exists() and self._symbol not in background.series:
            background.add(self._symbol, *daily_series(daily, self._symbol))
        self.begin(self.days.path, background, at=at_time(at), stands=stands, words="Lean daily bars", many=[self.days])

    @property
    def name(self) -> str:
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
