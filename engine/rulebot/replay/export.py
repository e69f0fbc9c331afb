"""A recorded day as Parquet files of chains, one folder for each underlying, which any program and `backtest` read."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rulebot.adapters.history.day import DailyBar, HistoryDay
from rulebot.adapters.history.write import write_day
from rulebot.adapters.recorded.file import day_of
from rulebot.adapters.recorded.source import RecordingSource
from rulebot.model.errors import MisuseError, StoreError
from rulebot.model.session import session_from
from rulebot.spec.whole_file import write_whole

DAILY = "daily"
SESSIONS = 400
"""Finished sessions before the day that are written at most."""
_COLUMNS = ("date", "open", "high", "low", "close")
_BY_OPTION = ("bid", "ask", "bid_size", "ask_size", "iv", "delta", "gamma", "vega", "theta", "volume", "open_interest")


def export(tapes: Sequence[Path], folder: Path) -> list[tuple[Path, int, int]]:
    """Write a day as its recordings have it, the first run's in front; return each chain's file, instants and options.

    Instants are those of the session, which is all that a source of chains has. Levels of everything that was streamed
    stand beside each, with what else the broker told; daily bars in `daily`.
    Raises: MisuseError for a file that is there already, or daily bars that no export wrote; StoreError when nothing
    was quoted, at the disk, or without pyarrow.
    """
    source = RecordingSource(*tapes)
    day = _within_session(source.day(day_of(tapes[0])))
    symbols = sorted({option.symbol for option in day.options})
    if not symbols:
        raise StoreError(f"no option was streamed on {day.date}", "a chain is of options")
    found = [(symbol, folder / symbol / f"{day.date}.parquet") for symbol in symbols]
    if there := [file for _, file in found if file.exists()]:
        raise MisuseError(f"{there[0]} is there already", "name another folder: nothing is written over")
    if not len(day.times):
        raise StoreError(f"nothing is recorded of {day.date} within its session", "a chain has quotes of regular hours")
    told = sorted(day.levels.keys() | source.told_of(day.date))
    daily = {symbol: folder / DAILY / f"{symbol.lower()}_daily.csv" for symbol in told}
    known = {symbol: _known(file) for symbol, file in daily.items()}
    implied = {each: source.implied(each, day.date, SESSIONS) for each in day.levels}
    written = []
    for symbol, file in found:
        part = of_symbol(day, symbol)
        write_day(part, file, implied)
        written.append((file, len(part.times), len(part.options)))
    for symbol, file in daily.items():
        _write_daily(file, source.daily(symbol, day.date, SESSIONS), known[symbol])
    return written


def _known(file: Path) -> dict[str, list[str]]:
    """Return the rows of a daily file that an export of another day wrote, by day; of one that is not there none.

    Raises: MisuseError for any other file, whose columns would be taken for others; StoreError.
    """
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            head, *rows = csv.reader(stream)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, csv.Error):  # empty, or no text
        head, rows = [], []
    if head != [*_COLUMNS] or any(len(row) != len(_COLUMNS) for row in rows):
        text = f"{file} was not written by an export: its columns are not {', '.join(_COLUMNS)} alone"
        raise MisuseError(text, "name another folder: daily bars are added to those of exports only")
    return {row[0]: row for row in rows}


def _write_daily(file: Path, bars: Sequence[DailyBar], known: Mapping[str, list[str]]) -> None:
    """Write the finished sessions that the broker told of, with those that are known from other days, by day.

    Of a session of which this day has a close alone, a whole bar that is known stays.
    """
    if not bars:
        return
    try:
        told = {str(bar.date): [str(bar.date), *map(repr, (bar.open, bar.high, bar.low, bar.close))] for bar in bars}
        both = {**known, **{day: row for day, row in told.items() if day not in known or _is_whole(row)}}
        file.parent.mkdir(parents=True, exist_ok=True)
        rows = (_COLUMNS, *(both[day] for day in sorted(both)))
        write_whole(file, "".join(f"{','.join(row)}\n" for row in rows).encode())
    except OSError as error:
        raise StoreError(f"{file} cannot be written: {error.strerror or error}") from error


def _is_whole(row: Sequence[str]) -> bool:
    """Say whether a row of a daily file has more than one price."""
    return len(set(row[1:])) > 1


def _within_session(day: HistoryDay) -> HistoryDay:
    """Return a day without what was streamed before the open."""
    session = session_from(day.date)
    kept = (day.times >= session.open.timestamp()) & (day.times <= session.close.timestamp())
    if kept.all():
        return day
    columns: dict[str, Any] = {name: getattr(day, name) for name in _BY_OPTION}
    told = day.told or {}
    return replace(
        day,
        times=day.times[kept],
        levels={symbol: level[kept] for symbol, level in day.levels.items()},
        told={symbol: {name: column[kept] for name, column in of.items()} for symbol, of in told.items()},
        **{name: values[kept] for name, values in columns.items() if values is not None},
    )


def of_symbol(day: HistoryDay, symbol: str) -> HistoryDay:
    """Return a day with the options of one underlying, and all levels."""
    places = [place for place, option in enumerate(day.options) if option.symbol == symbol]
    columns: dict[str, Any] = {name: getattr(day, name) for name in _BY_OPTION}
    taken = {name: values[..., places] for name, values in columns.items() if values is not None}
    settled = {of: level for of, level in day.settled.items() if of[0] == symbol}
    return replace(day, options=tuple(day.options[place] for place in places), settled=settled, **taken)
