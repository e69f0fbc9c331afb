"""Chains of vendors with one state a day: a file for each day (snapshots), or one file of many days (end of day).

Such files have no time of day. Their quotes are put at one time, 15 minutes before the close unless another is asked
for, and are taken to stand for a while; a rule's window has to hold that. Column names: `vendor_columns.py`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, time, timedelta
from math import exp, sqrt
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np

from rulebot.adapters.history.build_session import chain_rows, instants, session_day
from rulebot.adapters.history.daily import Daily, WithDaily
from rulebot.adapters.history.lazy_chain import Rows, renamed
from rulebot.adapters.history.many_day_csv import CsvDays, DayExtent, SymbolFilter, names_of, underlying_of
from rulebot.adapters.history.parity import ForwardLine, parity, with_parity
from rulebot.adapters.history.quote_checks import first_level, known_level, levels_by_instant, sound_levels
from rulebot.adapters.history.session import (
    Columns,
    Finding,
    HistoryDay,
    day_of_name,
    finding_text,
    has_several_days,
    in_two_files,
    lacks_any,
    missing_sessions,
    nan_median,
    parse_day,
    refusal,
    refused,
)
from rulebot.adapters.history.table import Table, Whole, header_of, parquet_file, read_csv, read_parquet, reading
from rulebot.adapters.history.vendor_columns import NAMES, NEEDED, VendorTable, fits, in_our_units
from rulebot.model.contract import Right, is_morning_settled, product
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import Session, session_after, session_on

# --- The volatility index of a chain by the published formula

_MINUTES = 525_600.0
_TARGET = 30 * 1440.0
_NEAREST, _FARTHEST = 23 * 1440.0, 37 * 1440.0
_DAYS = (16, 38)
"""Last days that may settle so soon: the open that some settle at may come some days later, over holidays."""
Strikes = dict[float, dict[Right, tuple[float, float]]]


def vix_of(day: HistoryDay, rate: float | Callable[[float], float]) -> float | None:
    """Return the index at the last instant, in points; None when no two expiries are around 30 days.

    rate: the risk-free rate, an annual fraction, or a function of years.
    """
    now = float(day.times[-1])
    chains = _chains(day)
    found: list[tuple[float, float]] = []
    for (trading_class, expiry), strikes in chains.items():
        minutes = (_settles(day, trading_class, expiry) - now) / 60.0
        if not _NEAREST <= minutes <= _FARTHEST:
            continue
        years = minutes / _MINUTES
        variance = expiry_variance(strikes, years, rate(years) if callable(rate) else rate)
        if variance is not None and variance > 0.0:  # of strikes far apart, less than nothing may come out
            found.append((minutes, variance))
    return _between(sorted(found))


def _between(found: list[tuple[float, float]]) -> float | None:
    near = max((each for each in found if each[0] <= _TARGET), default=None)
    far = min((each for each in found if each[0] > _TARGET), default=None)
    if near is None or far is None:
        return None
    weight = (far[0] - _TARGET) / (far[0] - near[0])
    total = near[0] * near[1] * weight + far[0] * far[1] * (1.0 - weight)
    return 100.0 * sqrt(total / _TARGET)


def _chains(day: HistoryDay) -> dict[tuple[str, date], Strikes]:
    """Return the quotes at the last instant of the expiries that may count, by class and expiry."""
    found: dict[tuple[str, date], Strikes] = {}
    nearest, farthest = (day.date + timedelta(days=days) for days in _DAYS)
    rows = zip(day.options, day.bid[-1].tolist(), day.ask[-1].tolist(), strict=True)
    for option, bid, ask in rows:
        if nearest <= option.expiry <= farthest and ask == ask:
            of = found.setdefault((option.trading_class, option.expiry), {})
            of.setdefault(float(option.strike), {})[option.right] = (0.0 if bid != bid else bid, ask)
    return found


def _settles(day: HistoryDay, trading_class: str, expiry: date) -> float:
    symbol = next(option.symbol for option in day.options if option.trading_class == trading_class)
    if is_morning_settled(symbol, trading_class):
        return session_after(expiry).open.timestamp()
    session = session_on(expiry)
    return session.close.timestamp() if session is not None else 0.0


def expiry_variance(strikes: Strikes, years: float, rate: float) -> float | None:
    """Return the annual variance of one expiry by the formula; None without options out of the money on both sides."""
    both = {strike: sides for strike, sides in strikes.items() if len(sides) == 2}
    if len(both) < 2:
        return None
    calls, puts = ({strike: sum(sides[right]) / 2.0 for strike, sides in both.items()} for right in Right)
    grown = exp(rate * years)
    closest = min(both, key=lambda strike: abs(calls[strike] - puts[strike]))
    forward = closest + grown * (calls[closest] - puts[closest])
    base = max((strike for strike in both if strike <= forward), default=None)
    if base is None:
        return None
    below = _side(strikes, sorted((each for each in strikes if each < base), reverse=True), Right.PUT)
    above = _side(strikes, sorted(each for each in strikes if each > base), Right.CALL)
    if not below or not above:
        return None
    chosen = {base: (calls[base] + puts[base]) / 2.0, **below, **above}
    k, price = np.array(sorted(chosen.items())).T
    gap = np.gradient(k)
    gap[1:-1] = (k[2:] - k[:-2]) / 2.0
    total = 2.0 / years * grown * float((gap / k**2 * price).sum())
    return total - (forward / base - 1.0) ** 2 / years


def _side(strikes: Strikes, order: list[float], right: Right) -> dict[float, float]:
    """Return mid prices going away from the money until two strikes in a row have no bid."""
    found: dict[float, float] = {}
    missing = 0
    for strike in order:
        sides = strikes[strike].get(right)
        if sides is None or not sides[0] > 0:
            missing += 1
            if missing == 2:
                break
            continue
        missing = 0
        found[strike] = (sides[0] + sides[1]) / 2.0
    return found


# --- Chains of vendors with one state a day

BEFORE_CLOSE = timedelta(minutes=15)
STANDS = 10
"""Minutes for which the one state of a day is taken to stand, so that orders can walk their ladders."""
ENDINGS = (".parquet", ".csv", ".csv.gz")
_STALE, _ALL = 0.6, 0.9
_KEPT = 0.5
_JUMP = 1.4


class FolderListing(NamedTuple):
    """What a day is compared with the next one by."""

    date: date
    level: float
    key: Whole
    expiry: Whole
    bid: Columns


class Days(Protocol):
    """A file of many days; `spans` has each of them. cut_off: the day within which it ends, and the row."""

    path: Path
    findings: list[Finding]
    cut_off: tuple[date, int] | None
    spans: dict[date, list[DayExtent]]

    def table(self, day: date) -> Table:
        """Return the rows of a day. Raises: StoreError."""


class Choice(NamedTuple):
    """The underlying that is read of files of several, "" where none was chosen.

    written: what a person writes before the symbol to choose one, "" where there is no choice.
    """

    symbol: str = ""
    written: str = ""


NO_CHOICE = Choice()


class EodSource(WithDaily):
    """One state of a chain a day, out of vendors' files."""

    is_modelled = False

    def __init__(self, path: Path, daily: Daily, *, at: str, stands: int, words: str, choice: Choice) -> None:
        choice = choice._replace(symbol=underlying_of(choice.symbol))
        files: dict[date, Path] = {}
        many: list[CsvDays] = []
        several: dict[date, tuple[Path, Path]] = {}
        for file in _files(path):
            is_parquet = file.suffix == ".parquet"
            day = None if file == path and not is_parquet else _day_of(file)  # a lone one may be named after its export
            if day is not None:
                if (other := files.setdefault(day, file)) != file:
                    several[day] = (other, file)
            elif not is_parquet:
                many.append(CsvDays(file, NAMES["date"], choice.symbol))
        others = {symbol for each in many for symbol in each.others}
        if others and not files and not any(each.spans for each in many):
            raise MisuseError(f"{path.name} has no row of {choice.symbol}", f"there are: {names_of(others)}")
        self.begin(path, daily, at=at_time(at), stands=stands, words=words, files=files, many=many, choice=choice)
        self._several |= several

    def begin(
        self,
        path: Path,
        daily: Daily,
        *,
        at: time | None,
        stands: int,
        words: str,
        many: Sequence[Days],
        files: Mapping[date, Path] = MappingProxyType({}),
        choice: Choice = NO_CHOICE,
    ) -> None:
        """Take what there is: files of a day each, and files of many. Raises: StoreError where there is no day."""
        self.path, self.background, self._words = path, daily, words
        self._at, self._stands, self._choice = at, stands, choice
        self._files, self._many = files, many
        self._several: dict[date, tuple[Path, Path]] = {}
        self._days: dict[date, Days] = {}
        for each in self._many:
            for day in each.spans:
                other = self._files[day] if day in self._files else self._days.setdefault(day, each).path
                if other != each.path:
                    self._several[day] = (other, each.path)
        self._seen: FolderListing | None = None
        self._classes: dict[str, int] = {}
        if not self._files and not self._days:
            raise StoreError(f"{path} holds no day of a chain", "docs/history-data.md describes the layouts")

    @property
    def name(self) -> str:
        """What a report calls it."""
        of = f"{self._choice.symbol} in {self.path.name}" if self._choice.symbol else self.path.name
        return f"{self._words} of {of}"

    def _all(self, first: date, last: date) -> list[date]:
        return sorted(day for day in {*self._files, *self._days} if first <= day <= last)

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it has."""
        return [day for day in self._all(first, last) if session_on(day) is not None]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return sessions that are missing, days that are none with whose quotes they repeat, and torn files."""
        found = [finding_text(self.path.name, 0, self._when(first, last))]
        if self._is_spx(first, last) and not self._clock(first, last):
            found.append(
                finding_text(
                    self.path.name, 0, "the VIX is computed by its formula where expiries around 30 days are there"
                )
            )
        for finding in missing_sessions(self.path.name, self._all(first, last), first, last):
            day = day_of_name(finding.text)
            repeats = self._repeats(day) if day is not None and session_on(day) is None else ""
            found.append(finding if not repeats else refused(finding.file, finding.row, finding.text + repeats))
        incomplete = [
            refused(many.path.name, many.cut_off[1], f"the file ends within a row of {many.cut_off[0]}: it is cut off")
            for many in self._many
            if many.cut_off is not None
        ]
        daily = self.background.findings_for(self._all(first, last))
        return (*found, *incomplete, *(each for many in self._many for each in many.findings), *daily)

    def _is_spx(self, first: date, last: date) -> bool:
        try:
            return any(self._table(day).symbol == "SPX" for day in self._all(first, last)[:1])
        except StoreError:
            return False

    def _when(self, first: date, last: date) -> str:
        """Return in words when the quotes of a day stand."""
        stand = f", and for {self._stands} min" if self._stands else ""
        if self._at is not None:
            return f"quotes count as {self._at:%H:%M}{stand}"
        if clock := self._clock(first, last):
            return f"quotes have the times of `{clock}`; on a day with one time they hold for {self._stands} min"
        return f"there is no time of day; quotes count as 15 min before the close{stand}"

    def _clock(self, first: date, last: date) -> str:
        """Return the column with the time of each quote, "" where the first day has none, or cannot be read."""
        try:
            return next((self._table(day).clock for day in self._all(first, last)[:1]), "")
        except StoreError:
            return ""

    def _repeats(self, day: date) -> str:
        """Return whose quotes a day repeats, in words; "" when it does not."""
        before = self._before(day)
        now, then = (None if each is None else self._seen_on(each) for each in (day, before))
        if now is None or then is None or now.level != then.level:
            return ""
        return f"; the level {now.level:g} is that of {before}"

    def _seen_on(self, day: date) -> FolderListing | None:
        """Return what another day is compared with this one by; None where this one cannot be read."""
        try:
            return _seen(self._rows(self._table(day), None)[0], day, self._classes)
        except StoreError:
            return None

    def _before(self, day: date) -> date | None:
        return max((each for each in {*self._files, *self._days} if each < day), default=None)

    def _table(self, day: date) -> VendorTable:
        if (file := self._files.get(day)) is not None:
            table = VendorTable(_read(file, self._choice.symbol), self._choice.written)
            _check_date(table, day)
            return table
        if day not in self._days:
            raise StoreError(f"{self.path} has nothing of {day}")
        return VendorTable(self._days[day].table(day), self._choice.written)

    def _rows(self, table: VendorTable, session: Session | None) -> tuple[Rows, list[Finding]]:
        """Return the quotes of a day, each with the level that counts, and what is odd about both."""
        rows = chain_rows(table, session, table.symbol, None if session is None else self._instant(session, table))
        rows, apart = table.agreeing(rows)
        levels, odd = sound_levels(table.file, rows.row, rows.values["underlying"], table.symbol)
        level, others = first_level(table.file, rows.row, levels)
        return rows.of({**rows.values, "underlying": np.full(len(levels), level)}), [*apart, *odd, *others]

    def _instant(self, session: Session, table: VendorTable) -> float:
        """Return when the one state of a day stands: as asked for, at its own time, or a while before the close."""
        if self._at is not None:
            found = session.at(self._at)
            if not session.is_on(found):
                raise refusal(
                    refused(self.path.name, 0, f"at={self._at:%H:%M} is outside of the session of {session.date}")
                )
            return found.timestamp()
        latest = (session.close - BEFORE_CLOSE).timestamp()
        own = float(instants(table, session)[0]) if table.has_times and len(table.rows) else latest
        if own <= session.open.timestamp():
            text = f"`{table.clock}` says a time before the open of {session.date}"
            raise refusal(refused(table.file, int(table.rows[0]), text))
        return min(own, latest)

    def day(self, day: date) -> HistoryDay:
        """Return one session. Raises: StoreError when it is refused."""
        session = session_on(day)
        if session is None:
            raise refusal(refused(self.path.name, 0, f"{day} is no session of the exchange: what it holds is stale"))
        if day in self._several:
            raise in_two_files(day, *self._several[day])
        table = self._table(day)
        if self._has_several_times(table, session):
            return self._day_by_time(table, session)
        rows, odd = self._rows(table, session)
        level = known_level(table.file, table.symbol, rows.values["underlying"])
        table.findings = (*table.findings, *odd)
        against = self.background.against(table.symbol, day, level, table.file)
        findings = [*table.findings, *self._against_before(rows, day), *against]
        rows, more = in_our_units(rows, level, day.toordinal())
        findings += more
        at = rows.time[:1]
        found = session_day(
            rows,
            session,
            levels={table.symbol: (at, np.array([level]))},
            findings=findings,
            settled=self.background.settled(table.symbol, day, product(table.symbol).same_day_class, level),
        )
        line = parity(found)
        return self._standing(with_index(with_parity(found, line, table.file, level), line), session)

    def _has_several_times(self, table: VendorTable, session: Session) -> bool:
        """Say whether a day has quotes of several instants. Raises: StoreError where `at=` asks for one of them."""
        if not table.has_times or len(table.texts("time")[1]) < 2 or len(np.unique(instants(table, session))) < 2:
            return False
        if self._at is not None:
            text = f"`{table.clock}` has the time of each quote: omit `at=`"
            raise refusal(refused(table.file, 0, text))
        return True

    def _day_by_time(self, table: VendorTable, session: Session) -> HistoryDay:
        """Return a session whose quotes have each a time of their own. Raises: StoreError when it is refused."""
        rows, apart = table.agreeing(chain_rows(table, session, table.symbol))
        (at, levels), odd = levels_by_instant(rows, rows.values["underlying"])
        level = known_level(table.file, table.symbol, levels)
        against = self.background.against(table.symbol, session.date, level, table.file)
        rows, units = in_our_units(rows, level, session.date.toordinal())
        return session_day(
            rows,
            session,
            levels={table.symbol: (at, levels)},
            findings=[*table.findings, *apart, *odd, *against, *units],
            settled=self.background.settled(table.symbol, session.date, product(table.symbol).same_day_class, level),
        )

    def _standing(self, day: HistoryDay, session: Session) -> HistoryDay:
        """Return the session with its one state once a minute, for as long as it is taken to stand."""
        times = day.times[0] + 60.0 * np.arange(self._stands + 1)
        times = times[times < session.close.timestamp()]
        if len(times) == 1:
            return day
        columns: dict[str, Any] = {
            name: np.repeat(column, len(times), axis=0) for name, column in day.columns().items()
        }
        return replace(
            day,
            times=times,
            levels={symbol: np.repeat(level, len(times)) for symbol, level in day.levels.items()},
            **columns,
        )

    def _against_before(self, rows: Rows, day: date) -> Iterable[Finding]:
        """Compare with the day before: the same quotes are stale; most contracts gone, or a split, is told."""
        before = self._before(day)
        now = _seen(rows, day, self._classes)
        if before is not None and (self._seen is None or self._seen.date != before):
            self._seen = self._seen_on(before)
        then, self._seen = (self._seen if before is not None else None), now
        if then is None:
            if before is not None:
                yield finding_text(rows.file, 0, f"it is compared with no day before: {before} cannot be read")
            return
        same = _share_of_same(now, then)
        if same > _STALE and now.level == then.level:
            yield refused(
                rows.file, int(rows.row[0]), f"{same:.0%} of its quotes are those of {then.date}: it is stale"
            )
        elif same > _ALL:
            text = f"{same:.0%} of its quotes are those of {then.date}, and its level is not: are they stale?"
            yield finding_text(rows.file, int(rows.row[0]), text)
        alive = then.key[then.expiry >= day.toordinal()]
        here = np.isin(alive, now.key).sum()
        if len(alive) and here < _KEPT * len(alive):
            text = f"only {here} of the {len(alive)} contracts of {then.date} that have not expired are there"
            yield finding_text(rows.file, 0, text)
        ratio = max(now.level / then.level, then.level / now.level)
        if ratio > _JUMP:
            text = f"the underlying is at {now.level:g} after {then.level:g} on {then.date}, as after a split of "
            yield finding_text(rows.file, int(rows.row[0]), f"{text}{ratio:.2g}: contracts of before it are others now")


def with_index(day: HistoryDay, line: ForwardLine | None) -> HistoryDay:
    """Return a session of SPX with the VIX of its chain at the rate of that line, which such files do not bring."""
    if "SPX" not in day.levels or "VIX" in day.levels:
        return day
    index = vix_of(day, 0.0 if line is None else line.rate)
    if index is None:
        return day
    return replace(day, levels={**day.levels, "VIX": np.array([index])})


def _read(file: Path, symbol: str) -> Table:
    """Return the file of a day, of an underlying if one is chosen. Raises: StoreError."""
    is_parquet = file.suffix == ".parquet"
    if not symbol:
        return read_parquet(file) if is_parquet else read_csv(file)
    chosen = SymbolFilter(symbol)
    table = chosen.of(read_parquet(file)) if is_parquet else read_csv(file, chosen)
    chosen.demand(table.file, len(table.rows))
    table.findings = (*table.findings, *chosen.findings(table.file))
    return table


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS) and file.name[0] != ".")


def at_time(text: str) -> time | None:
    """Return the time that `at=` asks for, None where it does not. Raises: MisuseError."""
    if not text:
        return None
    try:
        return time.fromisoformat(text)
    except ValueError:
        raise MisuseError(f"at= is a time of the exchange like 15:45, is {text!r}") from None


def _check_date(table: VendorTable, day: date) -> None:
    codes, texts = table.texts("date")
    for place, text in enumerate(texts):
        if day_of_name(text) != day and _american(text) != day:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"the row's date is {text}, the file's {day}"))


def _american(text: str) -> date | None:
    try:
        return parse_day(text)
    except ValueError:
        return None


def _seen(rows: Rows, day: date, classes: dict[str, int]) -> FolderListing:
    key = renamed(rows, classes)
    order = np.argsort(key)
    level = nan_median(rows.values["underlying"])
    return FolderListing(day, level, key[order], rows.expiry[order], rows.values["bid"][order])


def _share_of_same(now: FolderListing, then: FolderListing) -> float:
    """Return which part of the quoted contracts of both days has the same bid."""
    _, mine, theirs = np.intersect1d(now.key, then.key, return_indices=True)
    quoted = (now.bid[mine] > 0) | (then.bid[theirs] > 0)
    return float((now.bid[mine] == then.bid[theirs])[quoted].mean()) if quoted.any() else 0.0


def _day_of(file: Path) -> date | None:
    """Return the day of which a file is by its name; None of one of many, which has a column of the day."""
    is_of_many = file.suffix != ".parquet" and has_several_days(file.name)
    return None if is_of_many else day_of_name(file.name)


def looks_like_snapshots(path: Path) -> bool:
    """Say whether a folder has a vendor's file for each day."""
    if path.is_file():
        return False
    return fits(_first_header([file for file in _files(path) if _day_of(file) is not None]))


def _first_header(files: Iterable[Path]) -> Sequence[str]:
    """Return the header of the first file that has one: one that is damaged is refused with its day, and not with all.

    Raises: StoreError where none can be read.
    """
    wrong: StoreError | None = None
    for file in files:
        try:
            if any(header := _header(file)):
                return header
        except StoreError as error:
            wrong = wrong or error
    if wrong is not None:
        raise wrong
    return ()


def looks_like_days(path: Path) -> bool:
    """Say whether a file, or the files of a folder, have a vendor's chain of many days."""
    files = [file for file in _files(path) if not file.name.endswith(".parquet")]
    return bool(files) and all(fits(_header(file)) for file in files)


def data_kind_of(path: Path) -> str:
    """Return why a file, or the files of a folder, are no chain of a vendor, "" of a folder that is empty."""
    files = [file for file in _files(path) if file.name.endswith(ENDINGS)]
    if files:
        header = _header(files[0])
        lacking = next((NAMES[ours] for ours in NEEDED if not set(NAMES[ours]) & set(header)), None)
        return "" if lacking is None else f"{files[0].name}: {lacks_any(lacking, header)}"
    below = sorted(path.rglob("*")) if path.is_dir() else [path]
    if read := [file for file in below if file.name.endswith(ENDINGS)]:
        return f"name the folder that files lie in, as {read[0].parent}: those of folders below are not read"
    if others := [file for file in below if file.is_file()]:
        return f"{others[0].name} is not read: files end in {', '.join(ENDINGS)}, in small letters"
    return ""


def _header(file: Path) -> Sequence[str]:
    if file.suffix == ".parquet":
        return [name.lower() for name in parquet_file(file).schema_arrow.names]
    with reading(file) as stream:
        return header_of(next((line for line in stream if not line.startswith("#")), ""))
