"""Files into a source: read block by block, put together by session, given a level, and stored as Parquet.

Memory holds the sessions that a block has, not a file. What is stored has the row of each quote in its file, so that
whatever finds fault with it later can name that row.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from io import BytesIO
from pathlib import Path

import polars as pl

from rulebot.adapters.history.session import (
    Finding,
    day_of_name,
    finding_text,
    has_several_days,
    left_out,
    refusal,
    refused,
)
from rulebot.data import catalogue
from rulebot.data.catalogue import AddedFile, Catalogued
from rulebot.data.daily_bars import CLOSES, write_daily
from rulebot.data.layout import Layout, layout_named, layout_of
from rulebot.data.levels import with_levels
from rulebot.data.read import FILE, ROW, Readable, data_files, readable
from rulebot.data.rows import RowReader
from rulebot.data.values import parse_symbol
from rulebot.model.contract import is_known
from rulebot.model.errors import StoreError
from rulebot.model.session import CalendarError, session_on
from rulebot.model.text import counted
from rulebot.spec.files import write_whole
from rulebot.store.place import make_folder

LEVEL = "underlying_price"
_BUFFERED = 2_500_000
"""Rows of unfinished sessions that are kept in memory."""
_CLOCK = "%H:%M:%S%.6f"
_SYMBOL = re.compile(r"[$^.]?([A-Za-z]{1,5})(?=[_\-. ])")
_ORDER = ("time", "root", "expiry", "right", "strike", ROW)
Progress = Callable[[str, int, int], None]
"""Takes a file's name, how many bytes of it are read, and how many it has."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a person says of the files: a layout (None: it is recognised), and the underlying where no column has it."""

    layout: Layout | None = None
    symbol: str = ""


@dataclass(slots=True)
class Added:
    """What came of it: files read and known before, rows stored, sessions by underlying, and findings."""

    files: list[AddedFile] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    days: dict[str, set[date]] = field(default_factory=dict)
    daily: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def take(self, other: "Added") -> None:
        """Add what came of another file."""
        self.files += other.files
        self.daily += other.daily
        self.findings += other.findings
        for symbol, days in other.days.items():
            self.days.setdefault(symbol, set()).update(days)


def add(name: str, paths: Sequence[Path], asked: Asked, progress: Progress = lambda *_: None) -> Added:
    """Add files to a source, which is made where there is none; a file that it has is read no second time.

    Raises: MisuseError, StoreError; what was stored of the files before stays.
    """
    source = catalogue.read(name) if catalogue.exists(name) else Catalogued(name, catalogue.folder_of(name))
    return add_to(source, [file for each in paths for file in data_files(each)], asked, progress)


def add_to(source: Catalogued, files: Sequence[Path], asked: Asked, progress: Progress) -> Added:
    """Add files to a source of any folder. Raises: as `add`."""
    make_folder(source.folder)
    found = Added()
    for path in files:
        digest = digest_of(path)
        if source.has(digest):
            found.known.append(path.name)
            continue
        if any(each.name == path.name for each in source.files):
            help = f"rename it, or remove the source first: 'rulebot data remove {source.name}'"
            raise StoreError(f"the source {source.name} has another file {path.name}", help)
        of_file = _add_file(source, path, digest, asked, progress)
        source.files += of_file.files
        source.findings += of_file.findings
        for symbol, days in of_file.days.items():
            source.days[symbol] = sorted({*source.days.get(symbol, ()), *days})
        source.daily = sorted({*source.daily, *of_file.daily})
        catalogue.write(source)
        found.take(of_file)
    return found


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file's content. Raises: StoreError."""
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror or error}") from error


def layout_for(file: Readable, asked: Asked) -> Layout:
    """Return the layout that is asked for, else the one that a header has, else that of usual names."""
    if asked.layout is not None:
        return asked.layout
    found = layout_of(file.header)
    generic, closes = layout_named("generic"), layout_named(CLOSES)
    of_chains = {name for names in generic.columns.values() for name in names}
    if found is None and len(file.header) == 2 and file.header[0] in closes.columns["date"]:
        found = None if file.header[1] in of_chains else closes
    return found or generic


def _add_file(source: Catalogued, path: Path, digest: str, asked: Asked, progress: Progress) -> Added:
    """Store what is in a file. When it fails no chain of it stays stored, nor of the other files of its zip."""
    found, size, rows, layouts = Added(), path.stat().st_size, 0, dict[str, None]()
    writers: list[_Writer] = []
    try:
        for each in readable(path, asked.layout.records if asked.layout else ""):
            layout = layout_for(each, asked)
            layouts[layout.name] = None
            if layout.is_daily:
                symbol, findings = write_daily(each, layout, source.folder / "daily", asked.symbol)
                found.take(Added(daily=[symbol], findings=findings))
                continue
            writers.append(_Writer(source, each, layout, asked))
            rows += writers[-1].take(progress, size)
            found.take(Added(days=writers[-1].days, findings=writers[-1].findings))
    except BaseException:
        for writer in writers:
            writer.undo()
        raise
    found.files.append(AddedFile(path.name, size, digest, ", ".join(layouts), rows))
    return found


class _Writer:
    """Stores the sessions of one file."""

    def __init__(self, source: Catalogued, file: Readable, layout: Layout, asked: Asked) -> None:
        self._source, self._file = source, file
        symbol, day = asked.symbol, day_in(file.name)
        self.findings: list[Finding] = []
        if not (symbol or layout.symbol) and not any(
            layout.columns.get(ours) for ours in ("symbol", "contract", "trading_class")
        ):
            symbol = symbol_in(file.name, layout)
            if symbol:
                self.findings.append(
                    finding_text(file.name, 0, f"no column has its underlying: {symbol}, by the name of the file")
                )
        self._reader = RowReader(file.name, file.header, layout, symbol=symbol, day=day)
        self._open: dict[tuple[str, date], list[pl.DataFrame]] = {}
        self._spooled: dict[tuple[str, date], int] = {}
        self._count = 0
        self.days: dict[str, set[date]] = {}
        self._closed: dict[date, tuple[int, int]] = {}
        self._levels = [0, 0, 0]

    def undo(self) -> None:
        """Take out of the stored sessions what is of this file."""
        for (symbol, day), number in self._spooled.items():
            for each in range(number):
                self._part((symbol, day), each).unlink(missing_ok=True)
        for symbol, days in self.days.items():
            for day in days:
                file = chain_file(self._source, symbol, day)
                rest = _from_stored(pl.read_parquet(file)).filter(pl.col(FILE) != self._file.name)
                if rest.is_empty():
                    file.unlink()
                else:
                    _store(rest, file)

    def take(self, progress: Progress, size: int) -> int:
        """Read the file to its end, and return how many rows are stored."""
        stored = 0
        for block in self._file.blocks():
            progress(self._file.name, block.done, size)
            rows = self._on_sessions(self._reader.rows(block))
            touched = set()
            for key, part in rows.partition_by("symbol", "date", as_dict=True, maintain_order=True).items():
                self._open.setdefault(key, []).append(part)
                touched.add(key)
                self._count += len(part)
                stored += len(part)
            for key in [key for key in self._open if key not in touched and key not in self._spooled]:
                self._finish(key)
            if self._count > _BUFFERED:
                self._spool()
        for key in sorted({*self._open, *self._spooled}):
            self._finish(key)
        self.findings += self._reader.all_findings()
        self.findings += self._remarks()
        if not self.days:
            raise refusal(refused(self._file.name, 0, f"no row is a quote of a session{self._why()}"))
        return stored

    def _why(self) -> str:
        return f": {self.findings[-1].text}" if self.findings else ""

    def _on_sessions(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Leave out rows of days on which the exchange was closed."""
        for day in rows["date"].unique().to_list():
            if not _is_session(day):
                of_day = rows.filter(pl.col("date") == day)
                first, count = self._closed.get(day, (int(of_day[ROW][0]), 0))
                self._closed[day] = first, count + len(of_day)
                rows = rows.filter(pl.col("date") != day)
        return rows

    def _remarks(self) -> Iterator[Finding]:
        for day, (first, count) in sorted(self._closed.items()):
            yield left_out(self._file.name, [first], f"{day} is no session of the exchange", count)
        derived, none, sessions = self._levels
        if derived:
            text = "no column has the level of the underlying: it is derived from put-call parity"
            yield finding_text(self._file.name, 0, text, derived)
        if none:
            verb = "has" if none == 1 else "have"
            where = f"{counted(none, 'instant')} in {counted(sessions, 'session')}"
            text = f"{where} {verb} no level of the underlying: too few calls and puts are quoted"
            yield finding_text(self._file.name, 0, text)

    def _spool(self) -> None:
        """Put the rows of unfinished sessions on the disk: a file in the order of contracts has all of them open."""
        for key, parts in self._open.items():
            if parts:
                number = self._spooled.get(key, 0)
                file = self._part(key, number)
                make_folder(file.parent)
                pl.concat(parts, how="diagonal").write_parquet(file, compression="lz4")
                self._spooled[key], self._open[key] = number + 1, []
        self._count = 0

    def _part(self, key: tuple[str, date], number: int) -> Path:
        return self._source.folder / "parts" / f"{key[0]}_{key[1]}_{number}.parquet"

    def _finish(self, key: tuple[str, date]) -> None:
        """Write a session, with what is stored of it already."""
        parts = self._open.pop(key, [])
        self._count -= sum(map(len, parts))
        for number in range(self._spooled.pop(key, 0)):
            part = self._part(key, number)
            parts.append(pl.read_parquet(part))
            part.unlink()
        symbol, day = key
        rows = pl.concat(parts, how="diagonal") if len(parts) > 1 else parts[0]
        rows, derived, none = with_levels(rows)
        self._levels = [self._levels[0] + derived, self._levels[1] + none, self._levels[2] + bool(none)]
        rows = rows.filter(pl.col("underlying").is_not_null())
        if rows.is_empty():
            return
        rows = rows.with_columns(pl.lit(self._file.name).alias(FILE))
        file = chain_file(self._source, symbol, day)
        if file.is_file():
            before = _from_stored(pl.read_parquet(file)).filter(pl.col(FILE) != self._file.name)
            rows = pl.concat([before, rows], how="diagonal")
        _store(rows, file)
        self.days.setdefault(symbol, set()).add(day)


def _is_session(day: date) -> bool:
    try:
        return session_on(day) is not None
    except CalendarError:  # the calendar knows nothing of that year
        return False


def chain_file(source: Catalogued, symbol: str, day: date) -> Path:
    """Return where a session of an underlying is stored."""
    return source.folder / "chains" / symbol / f"{day}.parquet"


def _from_stored(rows: pl.DataFrame) -> pl.DataFrame:
    rows = rows.rename({LEVEL: "underlying"})
    if "time" not in rows.columns:
        return rows.with_columns(pl.lit(None, dtype=pl.Int64).alias("time"))
    return rows.with_columns(rows["time"].str.to_time(_CLOCK).cast(pl.Int64) // 1000)


def _store(rows: pl.DataFrame, file: Path) -> None:
    make_folder(file.parent)
    rows = rows.sort([each for each in _ORDER if each in rows.columns], maintain_order=True)
    if rows["time"].null_count() == len(rows):
        rows = rows.drop("time")
    else:
        rows = rows.with_columns((pl.col("time") * 1000).cast(pl.Time).dt.to_string(_CLOCK))
    rows = rows.rename({"underlying": LEVEL})
    content = BytesIO()
    rows.write_parquet(content, compression="zstd", compression_level=1)
    try:
        write_whole(file, content.getvalue())
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error


def day_in(name: str) -> str:
    """Return the day that a file's name has, "" where it has none or several."""
    day = None if has_several_days(name) else day_of_name(name)
    return "" if day is None else day.isoformat()


def symbol_in(name: str, layout: Layout) -> str:
    """Return the underlying that a file's name begins with: SPX of `spx_eod_2020.txt`; "" where it is any word."""
    found = _SYMBOL.match(name.rpartition("/")[2])
    symbol = parse_symbol(found[1]) if found else ""
    return symbol if is_known(symbol) or layout.recognised_by else ""
