"""What a broker told on a day beside the quotes, in Parquet files beside its chain; and days in several files.

`DAY.bars.parquet` has the bars within the session, each time they were told with all that were known then,
`DAY.listings.parquet` what was listed, `DAY.moves.parquet` expected moves of the open, `DAY.halts.parquet` in what
trading was halted, `DAY.hours.parquet` the hours of underlyings that traded less than the calendar has it,
`DAY.implied.parquet` the volatilities of sessions before, `DAY.ran.parquet` the bots that ran, for whom alone options
were streamed. What has no file nobody told; docs/history-data.md has their columns.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby, pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.build_session import NO_ROWS, at_instants, instants
from rulebot.adapters.history.checks import out_of_order
from rulebot.adapters.history.lazy_chain import HIGHEST_STRIKE, RowIndex, Rows, renamed, strike_of, width_of
from rulebot.adapters.history.many_day_csv import class_of
from rulebot.adapters.history.session import (
    APART,
    OF_UNDERLYING,
    Columns,
    Finding,
    Halts,
    HistoryDay,
    Parts,
    ReportedBars,
    finding_text,
    lacks,
    missing_part_finding,
    refusal,
    refused,
)
from rulebot.adapters.history.table import ArrowTable, columns_of, partition_value, pyarrow, read_parquet
from rulebot.model.contract import Contract, Option, Right, Underlying
from rulebot.model.event import HoursReport, OpeningMoveReport
from rulebot.model.facts import Bar, Bars, Listing
from rulebot.model.money import TickRule
from rulebot.model.session import Session, exchange_date, hours_of
from rulebot.model.text import counted

_T = TypeVar("_T")

STEPS = "steps"
"""The column of price steps, where they were told."""
BARS, LISTINGS, MOVES, HALTS, HOURS, IMPLIED, RAN = "bars", "listings", "moves", "halts", "hours", "implied", "ran"
NAMES = ("levels", BARS, LISTINGS, MOVES, HALTS, HOURS, IMPLIED, RAN)
"""What stands before `.parquet` in the names of files that are no chains."""
SETTLED = "*.settled.csv"
_PRICES = ("open", "high", "low", "close", "volume", "average")
_prices_of = attrgetter(*_PRICES)
_RIGHTS = frozenset(right.value for right in Right)
_YEARS = 40 * 366 * 86400.0
"""Seconds beside its session at which an instant is none, and may be more than a date can tell."""
_PERCENT = 5.0
"""An annual volatility from which on it is one in percent."""


def sidecar_of(file: Path, ending: str) -> Path:
    """Return the file beside a chain, with another ending than its `.parquet`."""
    return file.with_name(f"{file.name.removesuffix('.parquet')}.{ending}")


def is_beside(file: Path) -> bool:
    """Say whether a Parquet file stands beside a chain, and is none."""
    return _parts(file)[1] in NAMES


def chain_of(file: Path) -> Path:
    """Return the chain beside which a file stands."""
    return file.with_name(f"{_parts(file)[0]}.parquet")


class Beside(NamedTuple):
    """What stands beside chains: those that have levels, or what was told, beside them; what settled; and the files
    beside which no chain stands.
    """

    levels: frozenset[Path]
    reported: frozenset[Path]
    settled: frozenset[Path]
    alone: tuple[Path, ...]


def all_beside(chains: Sequence[Path], files: Sequence[Path]) -> Beside:
    """Return what stands beside chains. files: all Parquet files of the source, these among them."""
    words = [(file, chain_of(file), _parts(file)[1]) for file in files if is_beside(file)]
    known = frozenset(chains)
    return Beside(
        levels=frozenset(chain for _, chain, word in words if word == NAMES[0]),
        reported=frozenset(chain for _, chain, word in words if word != NAMES[0]),
        settled=frozenset(file for folder in {chain.parent for chain in chains} for file in folder.glob(SETTLED)),
        alone=tuple(file for file, chain, _ in words if chain not in known),
    )


def _parts(file: Path) -> tuple[str, str]:
    chain, _, word = file.name.removesuffix(".parquet").rpartition(".")
    return chain, word


class SidecarQuotes(NamedTuple):
    """What stands beside a chain, as fields of a HistoryDay."""

    bars: Mapping[tuple[str, int], ReportedBars] | None
    listings: Mapping[tuple[str, str], Listing] | None
    moves: tuple[OpeningMoveReport, ...]
    halts: Halts
    hours: tuple[HoursReport, ...]
    ran: frozenset[str] | None


# ------------------------------------------------------------------ writing


def tables(day: HistoryDay, implied: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the tables of what was told, by the word in their file's name; of what nobody told none.

    implied: 30-day volatilities at the close of sessions before, oldest first, by symbol. Raises: StoreError without
    pyarrow.
    """
    found: dict[str, Any] = {}
    if day.bars is not None:
        found[BARS] = _table(f"time symbol seconds known_until begin {' '.join(_PRICES)}", _bar_rows(day.bars))
    if day.listings is not None:
        found[LISTINGS] = _table(f"symbol trading_class last_day strikes {STEPS}", _listing_rows(day.listings.values()))
    if day.moves:
        rows = ((each.at.timestamp(), each.symbol, each.expiry, each.points) for each in day.moves)
        found[MOVES] = _table("time symbol expiry points", rows)
    if day.halts:
        found[HALTS] = _table("time symbol trading_class right last_day strike", _halt_rows(day.halts))
    if day.hours:
        reported = ((each.at.timestamp(), each.symbol, each.hours.words) for each in day.hours)
        found[HOURS] = _table("time symbol hours", reported)
    if day.ran is not None:
        found[RAN] = _table("bot", ((bot,) for bot in sorted(day.ran)))
    if any(implied.values()):
        found[IMPLIED] = _table("symbol iv", ((symbol, iv) for symbol, values in implied.items() for iv in values))
    return found


def _table(names: str, rows: Iterable[Sequence[object]]) -> Any:
    """Return rows as a table. names: of its columns, parted by blanks. Units: times in epoch seconds."""
    arrow, _ = pyarrow()
    kinds = {
        **dict.fromkeys(("expiry", "last_day"), arrow.date32()),
        **dict.fromkeys((*_PRICES, "points", "strike", "iv"), arrow.float64()),
        "strikes": arrow.list_(arrow.float64()),
        "seconds": arrow.int32(),
    }
    values = list(rows)
    columns: dict[str, Any] = {name: [row[place] for row in values] for place, name in enumerate(names.split())}
    return arrow.table(
        {
            name: _times(arrow, column) if name in _TIMES else arrow.array(column, kinds.get(name, arrow.string()))
            for name, column in columns.items()
        }
    )


_TIMES = ("time", "known_until", "begin")


def _bar_rows(bars: Mapping[tuple[str, int], ReportedBars]) -> Iterator[Sequence[object]]:
    """Yield a row for each bar each time it was told; where there was none yet, a row without one."""
    for (symbol, seconds), reported in bars.items():
        for at, known in sorted(dict(reported).items()):  # of two at one instant the later one counts
            for bar in known.bars or (None,):
                of_bar = (None,) * (1 + len(_PRICES)) if bar is None else (bar.at, *_prices_of(bar))
                yield at, symbol, seconds, known.known_until, *of_bar


def _listing_rows(listings: Iterable[Listing]) -> Iterator[Sequence[object]]:
    """Yield a row for each expiry; of a class without any a row without one."""
    for each in listings:
        steps = _steps_text(each.ticks)
        for expiry in each.expiries or (None,):
            strikes = each.strikes.get(expiry) if expiry else None
            listed = None if strikes is None else [*map(float, strikes)]
            yield each.symbol, each.trading_class, expiry, listed, steps


def _steps_text(ticks: TickRule | None) -> str | None:
    """Return price steps as a text: `0 0.05 3 0.10`, each from a price on."""
    return None if ticks is None else " ".join(f"{edge:f} {step:f}" for edge, step in ticks.steps)


def _halt_rows(halts: Halts) -> Iterator[Sequence[object]]:
    """Yield a row for each contract that is halted from an instant on; where none is any more, a row without one."""
    for at, halted in halts:
        for each in sorted(halted, key=str):
            if isinstance(each, Option):
                yield at, each.symbol, each.trading_class, each.right.value, each.expiry, float(each.strike)
            else:
                yield at, each.symbol, *(None,) * 4
        if not halted:
            yield at, *(None,) * 5


def _times(arrow: Any, at: Sequence[float | None]) -> Any:
    micro = [None if each is None else round(each * 1e6) for each in at]
    return arrow.array(micro, type=arrow.int64()).cast(arrow.timestamp("us", tz="UTC"))


# ------------------------------------------------------------------ reading


def read_reported(chain: Path, session: Session) -> SidecarQuotes:
    """Return what stands beside a chain of this session. Raises: StoreError naming file and row when it is refused."""
    return SidecarQuotes(
        bars=_read(sidecar_of(chain, f"{BARS}.parquet"), lambda table: _bars(table, session)),
        listings=_read(sidecar_of(chain, f"{LISTINGS}.parquet"), _listings),
        moves=_read(sidecar_of(chain, f"{MOVES}.parquet"), lambda table: _moves(table, session)) or (),
        halts=_read(sidecar_of(chain, f"{HALTS}.parquet"), lambda table: _halts(table, session)) or (),
        hours=_read(sidecar_of(chain, f"{HOURS}.parquet"), lambda table: _hours(table, session)) or (),
        ran=_read(sidecar_of(chain, f"{RAN}.parquet"), _ran),
    )


def read_underlyings(table: ArrowTable, session: Session, times: Columns) -> Mapping[str, Mapping[str, Columns]] | None:
    """Return what a table of levels tells of underlyings beside them, at these instants, None where nothing is told.

    Raises: StoreError.
    """
    names = [name for name in OF_UNDERLYING if name in table.names]
    if not names:
        return None
    columns = {name: table.numbers(name) for name in names}
    for name, column in columns.items():
        _refuse(table, np.isinf(column), f"{name} is infinite")
    at, (codes, symbols) = instants(table, session), table.texts("symbol")
    found = {}
    for place, symbol in enumerate(symbols):
        of = np.flatnonzero(codes == place)
        stamps, firsts = np.unique(at[of], return_index=True)
        reported = {name: at_instants(times, stamps, column[of][firsts]) for name, column in columns.items()}
        found[class_of(symbol)] = reported
    return found


def read_implied(chain: Path) -> Mapping[str, Sequence[float]]:
    """Return volatilities of sessions before that of a chain, oldest first, by symbol. Raises: StoreError."""
    return _read(sidecar_of(chain, f"{IMPLIED}.parquet"), _implied) or {}


def _read(file: Path, of: Callable[[ArrowTable], _T]) -> _T | None:
    return of(read_parquet(file)) if file.exists() else None


def _bars(table: ArrowTable, session: Session) -> dict[tuple[str, int], ReportedBars]:
    _demand(table, "time", "symbol", "seconds", "known_until", "begin", *_PRICES)
    sizes, until, begins = table.numbers("seconds"), _stamps(table, "known_until"), _stamps(table, "begin")
    _refuse(
        table,
        ~((sizes >= 1) & (sizes < _YEARS)) | (sizes != np.rint(sizes)),
        "seconds is the size of a bar, a whole number",
    )
    _refuse(table, np.isnan(until), "known_until is missing")
    columns = {name: table.numbers(name) for name in _PRICES}
    is_sound = (columns["low"] > 0) & (columns["low"] <= columns["high"])
    for column in columns.values():
        is_sound &= np.isfinite(column)
    _refuse(table, ~np.isnan(begins) & ~is_sound, "a price of the bar is missing, or its low is above its high")
    series = zip(_texts(table, "symbol"), sizes.astype(int).tolist(), strict=True)
    numbers = zip(*(column.tolist() for column in columns.values()), strict=True)
    rows = zip(series, _of_day(table, session).tolist(), until.tolist(), begins.tolist(), numbers, strict=True)
    found: dict[tuple[str, int], dict[float, Bars]] = {}
    same: dict[Bar, Bar] = {}
    for (each, at, known), reported in groupby(rows, key=lambda row: row[:3]):
        bars = [Bar(begin, *prices) for *_, begin, prices in reported if begin == begin]
        of = found.setdefault(each, {})
        if any(later.at <= bar.at for bar, later in pairwise(bars)) or (of and at <= max(of)):
            text = f"{each[1]}-second bars of {each[0]} are not in the order of their begin and report"
            raise refusal(refused(table.file, 0, text))
        of[at] = Bars(known, tuple(same.setdefault(bar, bar) for bar in bars))
    return {each: tuple(reported.items()) for each, reported in found.items()}


def _listings(table: ArrowTable) -> dict[tuple[str, str], Listing]:
    _demand(table, "symbol", "trading_class", "last_day", "strikes")
    names = zip(_texts(table, "symbol"), _texts(table, "trading_class"), strict=True)
    days, strikes = _dates(table, "last_day"), _lists(table, "strikes")
    steps = _texts_or_none(table, STEPS) if STEPS in table.names else [None] * len(days)
    found: dict[tuple[str, str], Listing] = {}
    for place, (key, day, listed, text) in enumerate(zip(names, days, strikes, steps, strict=True)):
        known = found.get(key, Listing(*key, ()))
        reported = dict(known.strikes)
        if listed is not None and day is not None:
            if not all(isinstance(each, float) and 0.0 < each < float("inf") for each in listed):
                raise refusal(refused(table.file, place + 1, "strikes are numbers above 0"))
            reported[day] = tuple(strike_of(each) for each in listed)
        if day is not None and known.expiries and not day > known.expiries[-1]:
            raise refusal(refused(table.file, place + 1, f"{day} is no later than the day before"))
        try:
            ticks = known.ticks if text is None else TickRule.of(text.split())
        except ValueError:
            wrong = f"{STEPS} are a price and the step from there, as in `0 0.05 3 0.10`, are {text}"
            raise refusal(refused(table.file, place + 1, wrong)) from None
        found[key] = Listing(*key, known.expiries if day is None else (*known.expiries, day), reported, ticks)
    return found


def _moves(table: ArrowTable, session: Session) -> tuple[OpeningMoveReport, ...]:
    _demand(table, "time", "symbol", "expiry", "points")
    points, expiries = table.numbers("points"), _dates(table, "expiry")
    _refuse(table, ~(np.isfinite(points) & (points > 0)), "points is an expected move, a number above 0")
    _refuse(table, np.array([each is None for each in expiries], dtype=bool), "expiry is missing")
    rows = zip(_of_day(table, session).tolist(), _texts(table, "symbol"), expiries, points.tolist(), strict=True)
    reported = [
        OpeningMoveReport(datetime.fromtimestamp(at, UTC), symbol, expiry, value)
        for at, symbol, expiry, value in rows
        if expiry is not None
    ]
    return tuple(sorted(reported, key=lambda each: each.at))


def _halts(table: ArrowTable, session: Session) -> Halts:
    _demand(table, "time", "symbol", "trading_class", "last_day", "right", "strike")
    at, days, strikes = _of_day(table, session), _dates(table, "last_day"), table.numbers("strike").tolist()
    _refuse(table, np.diff(at, prepend=-np.inf) < 0, "the time is earlier than that before")
    texts = (_texts_or_none(table, name) for name in ("symbol", "trading_class", "right"))
    found: dict[float, frozenset[Contract]] = {}
    for place, (since, symbol, of, right, day, strike) in enumerate(
        zip(at.tolist(), *texts, days, strikes, strict=True)
    ):
        known = found.setdefault(since, frozenset())
        if symbol is None:
            continue
        if of is None:
            found[since] = known | {Underlying(symbol)}
        elif day is not None and 0 < strike < HIGHEST_STRIKE and right in _RIGHTS:
            found[since] = known | {Option(symbol, of, day, strike_of(strike), Right(right))}
        else:
            raise refusal(refused(table.file, place + 1, "an option has its last_day, right (call, put) and strike"))
    return tuple(found.items())


def _hours(table: ArrowTable, session: Session) -> tuple[HoursReport, ...]:
    _demand(table, "time", "symbol", "hours")
    reported = []
    rows = zip(_of_day(table, session).tolist(), *(_texts(table, name) for name in ("symbol", "hours")), strict=True)
    for place, (at, symbol, words) in enumerate(rows):
        try:
            reported.append(HoursReport(datetime.fromtimestamp(at, UTC), symbol, hours_of(words, session.date)))
        except ValueError:
            text = f"hours are as '09:30 to 13:00', or 'closed', in New York time, not '{words}'"
            raise refusal(refused(table.file, place + 1, text)) from None
    return tuple(sorted(reported, key=lambda each: each.at))


def _implied(table: ArrowTable) -> dict[str, tuple[float, ...]]:
    _demand(table, "symbol", "iv")
    values = table.numbers("iv")
    _refuse(table, ~((values > 0) & (values < _PERCENT)), "iv is an annual fraction")
    pairs = list(zip(_texts(table, "symbol"), values.tolist(), strict=True))
    return {symbol: tuple(value for name, value in pairs if name == symbol) for symbol in dict(pairs)}


def _ran(table: ArrowTable) -> frozenset[str]:
    _demand(table, "bot")
    names = list(_texts(table, "bot"))
    _refuse(table, np.array([not name for name in names], dtype=bool), "bot is the name of one that ran")
    return frozenset(names)


def _demand(table: ArrowTable, *names: str) -> None:
    for name in names:
        if name not in table.names:
            raise refusal(refused(table.file, 0, lacks(name)))


def _refuse(table: ArrowTable, wrong: NDArray[np.bool_], text: str) -> None:
    if (places := np.flatnonzero(wrong)).size:
        raise refusal(refused(table.file, int(table.rows[places[0]]), text))


def _of_day(table: ArrowTable, session: Session) -> Columns:
    """Return when each row was told. Raises: StoreError when it was on another day."""
    at = instants(table, session)
    _refuse(table, np.abs(at - session.open.timestamp()) > _YEARS, f"the row is not of {session.date}")
    for each in np.unique(at).tolist():
        day = exchange_date(datetime.fromtimestamp(each, UTC))
        _refuse(table, (at == each) & (day != session.date), f"the row's date is {day}, the file's {session.date}")
    return at


def _stamps(table: ArrowTable, name: str) -> Columns:
    """Return instants of a column, epoch seconds; nan where it is empty. Raises: StoreError."""
    arrow, _ = pyarrow()
    column = table.column(name)
    if not arrow.types.is_timestamp(column.type) or column.type.tz is None:
        text = f"{name} is a timestamp with a zone, is {column.type}"
        raise refusal(refused(table.file, 0, text))
    micro = column.cast(arrow.timestamp("us", tz="UTC"), safe=False).cast(arrow.int64()).to_pylist()
    return np.array([np.nan if each is None else each / 1e6 for each in micro], dtype=np.float64)


def _lists(table: ArrowTable, name: str) -> list[list[Any] | None]:
    """Return the lists of a column; None where it is empty. Raises: StoreError."""
    arrow, _ = pyarrow()
    column = table.column(name)
    kinds = (arrow.types.is_list, arrow.types.is_large_list, arrow.types.is_null)
    if not any(fits(column.type) for fits in kinds):
        raise refusal(refused(table.file, 0, f"{name} is a list in each row, is {column.type}"))
    found: list[list[Any] | None] = column.to_pylist()
    return found


def _texts_or_none(table: ArrowTable, name: str) -> list[str | None]:
    """Return the texts of a column; None where it is empty. Raises: StoreError."""
    arrow, _ = pyarrow()
    column = table.column(name)
    plain = column.type.value_type if arrow.types.is_dictionary(column.type) else column.type
    if not any(fits(plain) for fits in (arrow.types.is_string, arrow.types.is_large_string, arrow.types.is_null)):
        raise refusal(refused(table.file, 0, f"{name} is a text, is {column.type}"))
    found: list[str | None] = column.to_pylist()
    return found


def _texts(table: ArrowTable, name: str) -> Iterator[str]:
    codes, texts = table.texts(name)
    return (texts[code] for code in codes.tolist())


def _dates(table: ArrowTable, name: str) -> list[date | None]:
    """Return the days of a column; None where it is empty. Raises: StoreError."""
    arrow, _ = pyarrow()
    column = table.column(name)
    if not arrow.types.is_date(column.type):
        raise refusal(refused(table.file, 0, f"{name} is a date, is {column.type}"))
    return [None if each is None else each for each in column.cast(arrow.date32()).to_pylist()]


# --- Parts of a day


class DayPart(NamedTuple):
    """A file with rows of a day: all of it, or in one of many days the row groups in which they lie."""

    file: Path
    groups: tuple[int, ...] | None = None


class PartRead(NamedTuple):
    """What was read of a part: the name of its file, its columns, and the quotes of the day; None without any row."""

    file: str
    columns: frozenset[str]
    rows: Rows | None


def read_parts(parts: Sequence[DayPart]) -> Path | None:
    """Return the first file that is no part of the same day as the first one, None where all are parts."""
    folder = parts[0].file.parent
    other = next((each.file for each in parts[1:] if each.file.parent != folder), None)
    return other if other is not None or len(parts) == 1 or columns_of(parts[0].file) else parts[1].file


def with_levels(parts: Sequence[DayPart], day: date, having: frozenset[Path]) -> DayPart | None:
    """Return the part beside which a file of levels stands, one of those `having` it.

    Raises: StoreError where one stands beside two of them.
    """
    found = [each for each in parts if each.file in having]
    if len(found) > 1:
        first, own = (sidecar_of(each.file, "levels.parquet") for each in found[:2])
        text = f"levels of {day} are also in {first.name}: which ones count? keep them next to one part"
        raise refusal(refused(partition_value(own), 0, text))
    return found[0] if found else None


def with_reported(parts: Sequence[DayPart], day: date, having: frozenset[Path]) -> Path | None:
    """Return the file of this day alone beside which stands what a broker told, one of those `having` it.

    Raises: StoreError where two of them are.
    """
    found = [each.file for each in parts if each.groups is None and each.file in having]
    if len(found) > 1:
        text = f"broker data of {day} is also next to {found[0].name}: which one counts?"
        raise refusal(refused(partition_value(found[1]), 0, f"{text} keep it next to one part"))
    return found[0] if found else None


def joined(read: Sequence[PartRead]) -> tuple[Rows, list[Finding]]:
    """Return the quotes of all parts in order of time. Raises: StoreError where they cannot be one day."""
    _check_columns(read)
    parts = [each.rows for each in read if each.rows is not None]
    odd = [finding_text(each.file, 0, NO_ROWS) for each in read if each.rows is None]
    if not parts:
        raise refusal(refused(read[0].file, 0, NO_ROWS))
    if len(parts) == 1:
        return parts[0], odd
    names = [each.file for each in read if each.rows is not None]
    for name, each in zip(names[1:], parts[1:], strict=True):
        if each.symbol != parts[0].symbol:
            text = f"it has {each.symbol}, and {missing_part_finding(names[0])} has {parts[0].symbol}: {APART}"
            raise refusal(refused(name, 0, text))
    lengths = [int(each.row.max()) for each in parts]
    starts = tuple(sum(lengths[:place]) for place in range(len(parts)))
    folder = names[0].rpartition("/")[0]
    file = Parts(f"{folder} ({counted(len(parts), 'file')})", tuple(names), starts)
    found = _in_order(parts, file)
    _check_once(found, file)
    return found, [*odd, *(finding for each in parts for finding in out_of_order(each))]


def _check_columns(read: Sequence[PartRead]) -> None:
    """See that parts have the same columns. Raises: StoreError."""
    for one in read[1:]:
        for own, other in ((one, read[0]), (read[0], one)):
            if lacking := sorted(other.columns - own.columns):
                text = f"{lacks(*lacking)}, as {missing_part_finding(other.file)} has"
                raise refusal(refused(own.file, 0, f"{text}: parts of a day have the same columns"))


def _in_order(parts: Sequence[Rows], file: Parts) -> Rows:
    """Return the rows of all parts by time, and of one time part by part; no part is before another one."""
    numbers: dict[str, int] = {}
    keys = [renamed(each, numbers) for each in parts]
    time = np.concatenate([each.time for each in parts])
    order = np.argsort(time, kind="stable")
    row = np.concatenate([each.row + start for each, start in zip(parts, file.starts, strict=True)])
    return Rows(
        file=file,
        symbol=parts[0].symbol,
        classes=tuple(numbers),
        index=RowIndex(row[order], time[order], np.concatenate(keys)[order]),
        values={name: np.concatenate([each.values[name] for each in parts])[order] for name in parts[0].values},
    )


def _check_once(rows: Rows, file: Parts) -> None:
    """See that no option stands at one time in two parts. Raises: StoreError with the first row that does."""
    if width_of(rows) is not None:
        return
    order = np.lexsort((rows.row, rows.key, rows.time))
    row = rows.row[order]
    part = np.searchsorted(file.starts, row)
    again = (np.diff(rows.time[order]) == 0) & (np.diff(rows.key[order]) == 0) & (np.diff(part) != 0)
    if not (places := np.flatnonzero(again)).size:
        return
    place = int(places[np.argmin(row[1:][places])])
    (first, first_row), (own, own_row) = (file.of(int(row[each])) for each in (place, place + 1))
    count = f" ({len(places):,} rows do)" if len(places) > 1 else ""
    text = (
        f"the same option and time are in {missing_part_finding(first)}:{first_row} as well{count}: which one counts?"
    )
    raise refusal(refused(own, own_row, text))
