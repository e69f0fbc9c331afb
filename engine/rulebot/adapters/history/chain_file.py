"""Sessions from Parquet files with documented columns (docs/history-data.md): our own recordings, and anybody's chains.

One file a day (`2026-10-21.parquet`) or one with many days, also in folders like `date=2026-10-21/`, where a day may
have several; next to them the levels (`2026-10-21.levels.parquet`), settlements (`2026-10-21.settled.csv`), broker
facts of that day (`sidecar.py`) and a folder `daily/`. A day is read when it is asked for and then forgotten, so
memory does not grow with the days.
"""

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from rulebot.adapters.history.build_session import at_instants, chain_rows, instants, session_day, symbol_of
from rulebot.adapters.history.daily import Daily, WithDaily
from rulebot.adapters.history.lazy_chain import BY_QUOTE, Rows
from rulebot.adapters.history.many_day_csv import class_of, underlying_of
from rulebot.adapters.history.parity import other_zone
from rulebot.adapters.history.quote_checks import (
    check_settled,
    known_level,
    levels_by_instant,
    not_in_percent,
    settled_outside,
    sound_levels,
)
from rulebot.adapters.history.regular_grid import read_even, read_self_described
from rulebot.adapters.history.session import (
    OF_UNDERLYING,
    Columns,
    Finding,
    HistoryDay,
    finding_text,
    in_two_files,
    lacks,
    left_out,
    missing_sessions,
    nan_median,
    parse_known_day,
    refusal,
    refused,
)
from rulebot.adapters.history.sidecar import NAMES as SIDECAR_NAMES
from rulebot.adapters.history.sidecar import (
    Beside,
    DayPart,
    PartRead,
    all_beside,
    chain_of,
    is_beside,
    joined,
    read_implied,
    read_parts,
    read_reported,
    read_underlyings,
    sidecar_of,
    tables,
    with_levels,
    with_reported,
)
from rulebot.adapters.history.table import (
    ArrowTable,
    Whole,
    columns_of,
    day_of,
    others_with_parquet,
    parquet_file,
    parquet_in,
    partition_value,
    pyarrow,
    read_csv,
    read_parquet,
    whole,
)
from rulebot.adapters.history.vendor_columns import NAMES
from rulebot.model.contract import Option, Right, is_morning_settled, product
from rulebot.model.errors import StoreError
from rulebot.model.session import CalendarError, Session, session_after, session_on

IDENTITY = ("date", "time", "symbol", "trading_class", "expiry", "right", "strike", "underlying")
_NEEDED = ("time", "expiry", "right", "strike", "bid", "ask")
_COLUMNS = "docs/history-data.md has their columns"
_APART = 0.003
"""By which part a column `underlying` may differ from levels beside it without a word: they are not of one second."""
_SOME = 2000
_NAMED = 8
"""Folders that are named at most where a chain was looked for."""
_OTHER_NAMES = {
    "symbol": ("underlying_symbol", "ticker", "root", "root_symbol", "act_symbol"),
    "time": ("quote_time", "quote_datetime", "datetime", "timestamp", "ts"),
    "expiry": (*NAMES["expiry"], "expiration_time", "exp_date", "exdate", "maturity"),
    "right": (*NAMES["right"], "cp", "cp_flag", "put_call", "putcall", "option_right", "callput"),
    "strike": ("strike_price", "k"),
    "bid": ("bid_price", "best_bid"),
    "ask": ("ask_price", "best_ask", "offer", "best_offer"),
}
"""What the columns of a chain are called by others, who are told how ours are called."""


class ChainSource(WithDaily):
    """Sessions of one folder or file of Parquet chains."""

    is_modelled = False

    def __init__(self, path: Path, daily: Daily) -> None:
        self.path, self.background = path, daily
        chains, self._beside = _chains(path)
        self._parts: dict[date, list[DayPart]] = {}
        many: list[Path] = []
        for file in chains:
            if (day := day_of(file)) is None:
                many.append(file)
            else:
                self._parts.setdefault(day, []).append(DayPart(file))
        for file in many:
            for day, groups in _days_of_groups(file).items():
                self._parts.setdefault(day, []).append(DayPart(file, tuple(groups)))
        self._days = sorted(self._parts)
        if not self._days:
            raise StoreError(f"{path} holds no Parquet file of a chain", what_to_write(path) or _COLUMNS)

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"Parquet chains of {self.path.name}"

    def dates(self, first: date, last: date) -> Sequence[date]:
        """Return the sessions it has."""
        return [day for day in self._all(first, last) if session_on(day) is not None]

    def _all(self, first: date, last: date) -> list[date]:
        return self._days[bisect_left(self._days, first) : bisect_right(self._days, last)]

    def gaps(self, first: date, last: date) -> Sequence[Finding]:
        """Return sessions that are missing, days that are none, and what is wrong with daily files."""
        days = self._all(first, last)
        late = self.background.findings_for(days)
        missing = missing_sessions(self.path.name, days, first, last)
        return (*missing, *self._not_entered(), *self._beside_none(first, last), *late)

    def _not_entered(self) -> Iterator[Finding]:
        if self.path.is_dir() and (others := others_with_parquet(self.path)):
            names = ", ".join(each.name for each in others)
            yield finding_text(self.path.name, 0, f"Parquet files in folders below are not read: {names}", len(others))

    def _beside_none(self, first: date, last: date) -> Iterator[Finding]:
        for file in self._beside.alone:
            if first <= (day_of(file) or first) <= last:
                chain = chain_of(file).name
                text = "chain of its name" if chain == ".parquet" else f"chain {chain}"
                yield finding_text(partition_value(file), 0, f"it is not read: there is no {text} beside it")

    def day(self, day: date) -> HistoryDay:
        """Return one session. Raises: StoreError when it is refused."""
        parts = self._parts.get(day)
        if parts is None:
            raise StoreError(f"{self.path} has nothing of {day}")
        if (other := read_parts(parts)) is not None:
            raise in_two_files(day, parts[0].file, other)
        rows, odd, session = _quotes(parts, day)
        levelled = with_levels(parts, day, self._beside.levels)
        of_levels = (
            None if levelled is None else read_parquet(sidecar_of(levelled.file, "levels.parquet"), text="symbol")
        )
        symbol = rows.symbol
        levels, findings = _levels(of_levels, rows, session)
        level = levels[symbol][1] if symbol in levels else np.zeros(0)
        middle = nan_median(level)
        findings += self.background.against(symbol, day, middle, rows.file)
        settled = self._settled(parts[0].file, day, rows, level, middle, findings)
        found = session_day(rows, session, levels=levels, findings=[*odd, *findings], settled=settled)
        if levelled is not None and of_levels is not None and levelled.groups is None:
            found = _with_underlyings(found, of_levels, session)
        if (file := with_reported(parts, day, self._beside.reported)) is not None:
            read_implied(file)  # what is wrong with it is said with the day it stands beside
            found = replace(found, **read_reported(file, session)._asdict())
        return found

    def _settled(
        self, file: Path, day: date, rows: Rows, level: Columns, middle: float, findings: list[Finding]
    ) -> dict[tuple[str, str], float]:
        symbol = rows.symbol
        found = self.background.settled(symbol, day, product(symbol).same_day_class, middle)
        if self._beside.settled and (there := file.with_name(f"{day}.settled.csv")) in self._beside.settled:
            table = read_csv(there)
            for name in ("symbol", "trading_class", "level"):
                if name not in table.names:
                    raise refusal(refused(table.file, 1, lacks(name)))
            names, classes = (table.texts(name) for name in ("symbol", "trading_class"))
            of = [
                (underlying_of(names[1][one]), class_of(classes[1][other]))
                for one, other in zip(names[0], classes[0], strict=True)
            ]
            middle = known_level(rows.file, symbol, level)
            found |= check_settled(table.file, table.rows, table.numbers("level"), middle, of, symbol)
            findings += settled_outside(table.file, table.rows, table.numbers("level"), level, of, symbol)
        return found

    def implied(self, symbol: str, before: date, count: int) -> Sequence[float]:
        """Return what was told of them on that day, else the closes of the volatility index from the daily files."""
        file = with_reported(self._parts.get(before, ()), before, self._beside.reported)
        if file is not None and (reported := read_implied(file).get(symbol)):
            return reported[-count:] if count else ()
        return self.background.implied(symbol, before, count)


def _check_names(table: ArrowTable, file: Path) -> None:
    """See that a table has the columns that a chain needs. Raises: StoreError that names all it lacks."""
    lacking = [] if {"symbol", "trading_class"} & set(table.names) else ["symbol"]
    lacking += [name for name in _NEEDED if name not in table.names]
    for name in (*IDENTITY[1:], *BY_QUOTE):
        if name in columns_of(file) and name not in table.names:
            text = f"`{name}` is only in the name of a folder: add it to the file too"
            raise refusal(refused(table.file, 0, text))
    if not lacking:
        return
    others = [name for name in parquet_file(file).schema_arrow.names if name.lower() not in (*IDENTITY, *BY_QUOTE)]
    meant = [f"{name} is perhaps `{ours}`" for ours in lacking for name in others if name.lower() in _OTHER_NAMES[ours]]
    hint = f"; {', '.join(meant)}: rename {'it' if len(meant) == 1 else 'them'}" if meant else ""
    raise refusal(refused(table.file, 0, f"{lacks(*lacking)}{hint} (docs/history-data.md)"))


def looks_like_chain(path: Path) -> bool:
    """Say whether a file, or what lies in a folder, is a chain: by its name, or by its columns. Raises: StoreError."""
    if path.is_file():
        return path.suffix == ".parquet"
    files = [file for file in parquet_in(path) if not is_beside(file)]
    return any(day_of(file) or "chain" in file.name for file in files) or not all(map(_lacking, files))


def _lacking(file: Path) -> list[str]:
    """Return what a file lacks of an option and its quote, be it called as we call it or as others do."""
    names = {name.lower() for name in parquet_file(file).schema_arrow.names}
    return [ours for ours in _NEEDED if not names & {ours, *_OTHER_NAMES[ours]}]


def what_to_write(path: Path) -> str:
    """Return what helps where a folder has Parquet files, and none of a chain in its place; "" where it has none."""
    if not path.is_dir():
        return ""
    if others := others_with_parquet(path):
        names = ", ".join(each.name for each in others[:_NAMED]) + (", .." if len(others) > _NAMED else "")
        where = f"a source has one underlying, and there are Parquet files in folders below it ({names}): name one"
        return f"{where}, as parquet:{others[0]}; of folders named like date=2024-01-02 or year=2024 all are read"
    if not (files := parquet_in(path)):
        return ""
    columns = ", ".join(f"`{name}`" for name in _lacking(files[0]))
    return f"{partition_value(files[0])} is no chain: it has no column {columns}; {_COLUMNS}"


def _with_underlyings(day: HistoryDay, of_levels: ArrowTable, session: Session) -> HistoryDay:
    reported = read_underlyings(of_levels, session, day.times)
    return day if reported is None else replace(day, reported=reported)


def _quotes(parts: Sequence[DayPart], day: date) -> tuple[Rows, list[Finding], Session]:
    """Return the quotes of a session, and what is odd about its files. Raises: StoreError."""
    session, first = session_on(day), parts[0]
    if session is None:
        table = _table(first)
        _check_names(table, first.file)
        raise refusal(refused(table.file, 0, f"{day} is no session of the exchange: what it holds is stale"))
    if len(parts) > 1:
        return *joined([_read(each, day, session) for each in parts]), session
    if first.groups is None and (even := read_even(first.file)) is not None:
        return even, [], session
    return _rows(_table(first), first, day, session), [], session


def _read(part: DayPart, day: date, session: Session) -> PartRead:
    table = _table(part)
    rows = _rows(table, part, day, session) if len(table.rows) else None
    return PartRead(table.file, frozenset(table.names), rows)


def _rows(table: ArrowTable, part: DayPart, day: date, session: Session) -> Rows:
    """Return the quotes that a part has of a session. Raises: StoreError."""
    _check_names(table, part.file)
    own = _own_rows(table, day, is_whole=part.groups is None)
    rows = chain_rows(table, session, symbol_of(table))
    return rows if own is None else rows.only(own)


def _table(part: DayPart) -> ArrowTable:
    columns = (*IDENTITY, *BY_QUOTE)
    return read_parquet(part.file, columns) if part.groups is None else _read_groups(part.file, part.groups, columns)


def _levels(
    levels: ArrowTable | None, rows: Rows, session: Session
) -> tuple[dict[str, tuple[Columns, Columns]], list[Finding]]:
    """Return instants and levels by symbol: of the table beside a chain, and from its column `underlying`."""
    symbol = rows.symbol
    found: dict[str, tuple[Columns, Columns]] = {}
    findings: list[Finding] = []
    if levels is not None:
        for name in ("symbol", "level"):
            if name not in levels.names:
                raise refusal(refused(levels.file, 0, lacks(name)))
        at = instants(levels, session)
        codes, texts = levels.texts("symbol")
        symbols = list(dict.fromkeys(map(class_of, texts)))
        codes = np.array([symbols.index(class_of(text)) for text in texts], dtype=np.int64)[codes]
        values = levels.numbers("level")
        mine = (at >= session.open.timestamp()) & (at <= session.close.timestamp())
        for place, name in enumerate(symbols):
            of = np.flatnonzero(codes == place)
            if not (own := mine[of]).all():
                row = int(levels.rows[of[0]])
                if (words := _other_zone(at[of], session)) is not None:
                    findings.append(refused(levels.file, row, f"the levels of {name} are of {words}"))
                if not own.any():
                    findings.append(finding_text(levels.file, row, f"no level of {name} is in this session", len(of)))
                of = of[own]
            found[name] = _of_symbol(levels, name, at[of], values[of], of, findings)
            if words := not_in_percent(name, found[name][1]):
                findings.append(refused(levels.file, int(levels.rows[of[0]]), words))
    level = rows.values.get("underlying")
    if level is not None and symbol in found:
        findings += _apart(rows, level, *found[symbol])
    elif level is not None:
        found[symbol], more = levels_by_instant(rows, level)
        findings += more
    if symbol not in found:
        findings.append(refused(rows.file, 0, f"there is no level of {symbol}: no file of levels, no `underlying`"))
    return found, findings


def _apart(rows: Rows, level: Columns, at: Columns, values: Columns) -> Iterator[Finding]:
    """Yield that the column `underlying` has other levels than stand beside it: those count."""
    some = slice(None, None, max(len(level) // _SOME, 1))
    level, beside = level[some], at_instants(rows.time[some], at, values)
    both = ~np.isnan(level + beside)
    if both.any() and nan_median(np.abs(level[both] / beside[both] - 1.0)) > _APART:
        own, other = nan_median(level[both]), nan_median(beside[both])
        text = f"`underlying` is {own:g} in the median, its levels file {other:g}"
        yield finding_text(rows.file, 0, f"{text}: these count")


def _other_zone(at: Columns, session: Session) -> str | None:
    each = np.unique(at)
    return other_zone(float(each[0]), float(each[-1]), nan_median(np.diff(each)), session)


def _of_symbol(
    table: ArrowTable, symbol: str, at: Columns, values: Columns, places: Whole, findings: list[Finding]
) -> tuple[Columns, Columns]:
    """Return instants and levels of a symbol in order of time, each once."""
    rows, steps = table.rows[places], np.diff(at)
    if (steps > 0).all():
        found, more = sound_levels(table.file, rows, values, symbol, at)
        findings += more
        return at, found
    if (back := np.flatnonzero(steps < 0)).size:
        text = f"the time of a level of {symbol} is earlier than that before; the times are followed, not the order"
        findings.append(finding_text(table.file, int(rows[back[0] + 1]), text, int(back.size)))
    times, firsts = np.unique(at, return_index=True)
    if len(times) < len(at):
        again = np.setdiff1d(np.arange(len(at)), firsts)
        text = f"the file has a level of {symbol} at this time above"
        findings.append(left_out(table.file, rows[again].tolist(), text))
    found, more = sound_levels(table.file, rows[firsts], values[firsts], symbol, times)
    findings += more
    return times, found


def _own_rows(table: ArrowTable, day: date, *, is_whole: bool) -> Any:
    """Return which rows are of the day; None when all are, or there is no column that says so.

    is_whole: the file is named after the day. Raises: StoreError when that has rows of another one.
    """
    if "date" not in table.names:
        return None
    codes, texts = table.texts("date")
    mine = np.array([_date_of(table, codes, place, text) == day for place, text in enumerate(texts)], dtype=bool)
    if mine.all():
        return None
    if is_whole:
        place = int(np.flatnonzero(~mine)[0])
        row = int(table.rows[np.flatnonzero(codes == place)[0]])
        raise refusal(refused(table.file, row, f"the row's date is {texts[place]}, the file's {day}"))
    return mine[codes]


def _date_of(table: ArrowTable, codes: Whole, place: int, text: str) -> date:
    """Return the day of one text of the column `date`. Raises: StoreError naming a row with it."""
    try:
        return parse_known_day(text)
    except ValueError:
        row = int(table.rows[np.flatnonzero(codes == place)[0]])
        raise refusal(refused(table.file, row, f"a date is like 2019-05-24, is {text!r}")) from None


def _chains(path: Path) -> tuple[list[Path], Beside]:
    """Return the chains, and what stands beside them; beside one that is named alone stand those of others, too."""
    if path.is_file():
        return [path], all_beside([path], sorted(path.parent.glob("*.parquet")))._replace(alone=())
    files = parquet_in(path)
    chains = [file for file in files if not is_beside(file)]
    return chains, all_beside(chains, files)


def _days_of_groups(path: Path) -> dict[date, list[int]]:
    """Return in which row groups the rows of each day lie, by the column `date`, read group by group."""
    opened = parquet_file(path)
    if "date" not in opened.schema_arrow.names:
        raise refusal(
            refused(partition_value(path), 0, "a file of many days has a column `date`, or is named after its day")
        )
    found: dict[date, list[int]] = {}
    for group in range(opened.num_row_groups):
        table = _read_groups(path, [group], ("date",))
        codes, texts = table.texts("date")
        for day in {_date_of(table, codes, place, text) for place, text in enumerate(texts)}:
            found.setdefault(day, []).append(group)
    return found


def _read_groups(path: Path, groups: Sequence[int], columns: Sequence[str]) -> ArrowTable:
    opened = parquet_file(path, columns)
    wanted = [name for name in opened.schema_arrow.names if name.lower() in columns]
    with whole(path):
        table = opened.read_row_groups(list(groups), columns=wanted, use_threads=False)
    sizes = [opened.metadata.row_group(group).num_rows for group in range(opened.num_row_groups)]
    starts = np.concatenate(([0], np.cumsum(sizes)))
    rows = np.concatenate([np.arange(starts[group], starts[group + 1]) + 1 for group in groups])
    return ArrowTable(partition_value(path), table, rows=rows.astype(np.int64))


# --- A session into Parquet files with the columns that `chain.py` reads

_KEPT: Mapping[str, Any] = {"compression": "zstd", "write_page_checksum": True}


def write_day(day: HistoryDay, file: Path, implied: Mapping[str, Sequence[float]] | None = None) -> None:
    """Write a session: `DAY.parquet`, beside it `DAY.levels.parquet` and what else is known of it (`sidecar.py`).

    implied: volatilities of sessions before, by symbol, oldest first.
    Rows stand instant by instant with the same options in the same order, so that they are read without sorting.
    Raises: StoreError at the disk, or without pyarrow; nothing of it is left then, or when it is interrupted.
    """
    arrow, parquet = pyarrow()
    if len({option.symbol for option in day.options}) > 1:
        raise StoreError(f"{file.name}: a chain's file has one underlying; write one for each")
    settled = sidecar_of(file, "settled.csv")
    others = {name: sidecar_of(file, f"{name}.parquet") for name in SIDECAR_NAMES}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_chain(parquet, _chain(arrow, day), day, file)
        for name, table in {"levels": _levels_to_write(arrow, day), **tables(day, implied or {})}.items():
            parquet.write_table(table, others[name], **_KEPT)
        if day.settled:
            _write_settled(day, settled)
        for each in (file, settled, *others.values()):
            with suppress(FileNotFoundError):
                each.chmod(0o600)
    except BaseException as error:
        for each in (file, settled, *others.values()):
            with suppress(OSError):
                each.unlink()
        if isinstance(error, OSError):
            raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error
        raise


def _write_chain(parquet: Any, table: Any, day: HistoryDay, file: Path) -> None:
    """Write the rows, the first instant as a group of its own: it names the options of all others."""
    symbols = {option.symbol for option in day.options}
    options = ((each.trading_class, _expires(each), _right(each), float(each.strike)) for each in day.options)
    table = table.replace_schema_metadata(read_self_described(day.times, "".join(symbols), options))
    with parquet.ParquetWriter(file, table.schema, **_KEPT) as writer:
        width = len(day.options)
        writer.write_table(table.slice(0, width))
        if len(table) > width:
            writer.write_table(table.slice(width))


def _times(arrow: Any, times: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Any:
    micro = np.rint(times * 1e6).astype(np.int64)
    return arrow.array(micro).cast(arrow.timestamp("us", tz="UTC"))


def _chain(arrow: Any, day: HistoryDay) -> Any:
    many, wide = len(day.times), len(day.options)

    def repeated(texts: list[str]) -> Any:
        names = sorted(set(texts))
        codes = np.tile(np.array([names.index(text) for text in texts], dtype=np.int16), many)
        made = arrow.DictionaryArray
        return made.from_arrays(arrow.array(codes), arrow.array(names, type=arrow.string()))

    columns = {
        "time": _times(arrow, np.repeat(day.times, wide)),
        "symbol": repeated([option.symbol for option in day.options]),
        "trading_class": repeated([option.trading_class for option in day.options]),
        "expiry": repeated([_expires(option) for option in day.options]),
        "right": repeated([_right(option) for option in day.options]),
        "strike": np.tile(np.array([float(option.strike) for option in day.options]), many),
    }
    for name in BY_QUOTE:
        values = getattr(day, name)
        if values is not None:
            columns[name] = np.broadcast_to(values, (many, wide)).ravel()
    return arrow.table(columns)


def _right(option: Option) -> str:
    return "call" if option.right is Right.CALL else "put"


def _expires(option: Option) -> str:
    """Return the day in an option's name: of AM-settled ones the session after their last."""
    if not is_morning_settled(option.symbol, option.trading_class):
        return option.expiry.isoformat()
    try:
        return session_after(option.expiry).date.isoformat()
    except CalendarError as error:
        raise StoreError(f"{option}: {error}") from error


def _levels_to_write(arrow: Any, day: HistoryDay) -> Any:
    """Return a row for each level; of what a broker told also one without, where he told none that still stood."""
    is_reported = day.reported is not None
    written = {symbol: is_reported | ~np.isnan(levels) for symbol, levels in day.levels.items()}
    symbols = [symbol for symbol in day.levels for _ in range(int(written[symbol].sum()))]
    at = [day.times[written[symbol]] for symbol in day.levels]
    values = [levels[written[symbol]] for symbol, levels in day.levels.items()]
    columns = {
        "time": _times(arrow, np.concatenate(at) if at else np.zeros(0)),
        "symbol": arrow.array(symbols, type=arrow.string()),
        "level": np.concatenate(values) if values else np.zeros(0),
    }
    if day.reported is not None and values:
        nothing, reported = np.full(len(day.times), np.nan), day.reported
        for name in OF_UNDERLYING:
            of = [reported.get(symbol, {}).get(name, nothing)[written[symbol]] for symbol in day.levels]
            columns[name] = np.concatenate(of)
    return arrow.table(columns)


def _write_settled(day: HistoryDay, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("symbol", "trading_class", "level"))
        writer.writerows((symbol, trading_class, level) for (symbol, trading_class), level in day.settled.items())
