"""A session into Parquet files with the columns that `chain.py` reads: recordings and models for other programs."""

import csv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from rulebot.adapters.history.beside import NAMES, sidecar_of, tables
from rulebot.adapters.history.day import OF_UNDERLYING, HistoryDay
from rulebot.adapters.history.even import read_self_described
from rulebot.adapters.history.rows import BY_QUOTE
from rulebot.adapters.history.table import pyarrow
from rulebot.model.contract import Option, Right
from rulebot.model.errors import StoreError
from rulebot.model.named_day import is_morning_settled
from rulebot.model.session import CalendarError, session_after

_KEPT: Mapping[str, Any] = {"compression": "zstd", "write_page_checksum": True}


def write_day(day: HistoryDay, file: Path, implied: Mapping[str, Sequence[float]] | None = None) -> None:
    """Write a session: `DAY.parquet`, beside it `DAY.levels.parquet` and what else is known of it (`beside.py`).

    implied: volatilities of sessions before, by symbol, oldest first.
    Rows stand instant by instant with the same options in the same order, so that they are read without sorting.
    Raises: StoreError at the disk, or without pyarrow; nothing of it is left then, or when it is interrupted.
    """
    arrow, parquet = pyarrow()
    if len({option.symbol for option in day.options}) > 1:
        raise StoreError(f"{file.name}: a file of a chain is of one underlying; write one for each")
    settled = sidecar_of(file, "settled.csv")
    others = {name: sidecar_of(file, f"{name}.parquet") for name in NAMES}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_chain(parquet, _chain(arrow, day), day, file)
        for name, table in {"levels": _levels(arrow, day), **tables(day, implied or {})}.items():
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


def _levels(arrow: Any, day: HistoryDay) -> Any:
    """Return a row for each level; of what a broker told also one without, where he told none that still stood."""
    is_told = day.told is not None
    written = {symbol: is_told | ~np.isnan(levels) for symbol, levels in day.levels.items()}
    symbols = [symbol for symbol in day.levels for _ in range(int(written[symbol].sum()))]
    at = [day.times[written[symbol]] for symbol in day.levels]
    values = [levels[written[symbol]] for symbol, levels in day.levels.items()]
    columns = {
        "time": _times(arrow, np.concatenate(at) if at else np.zeros(0)),
        "symbol": arrow.array(symbols, type=arrow.string()),
        "level": np.concatenate(values) if values else np.zeros(0),
    }
    if day.told is not None and values:
        nothing, told = np.full(len(day.times), np.nan), day.told
        for name in OF_UNDERLYING:
            of = [told.get(symbol, {}).get(name, nothing)[written[symbol]] for symbol in day.levels]
            columns[name] = np.concatenate(of)
    return arrow.table(columns)


def _write_settled(day: HistoryDay, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("symbol", "trading_class", "level"))
        writer.writerows((symbol, trading_class, level) for (symbol, trading_class), level in day.settled.items())
