"""A table with our columns into rows, and rows with levels into a session: checked, put in order, or refused."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.checks import (
    endless,
    holes,
    listed_on,
    ordered,
    repeated,
    scattered,
    sound,
    within,
    wrong_columns,
)
from rulebot.adapters.history.lazy_chain import (
    BY_QUOTE,
    HIGHEST_STRIKE,
    LATEST_DAY,
    GridIndex,
    Index,
    KeyedDay,
    RowIndex,
    Rows,
    grid,
    option_keys,
    repeated_after,
    width_of,
)
from rulebot.adapters.history.many_day_csv import class_of, underlying_of
from rulebot.adapters.history.parity import misfits
from rulebot.adapters.history.quote_checks import drop_odd_quotes, known_level
from rulebot.adapters.history.session import (
    APART,
    Columns,
    Finding,
    HistoryDay,
    Severity,
    lacks,
    nan_median,
    parse_day,
    refusal,
    refused,
)
from rulebot.adapters.history.table import ArrowTable, Table, Whole, flat, pyarrow
from rulebot.model.contract import INDICES, class_of_shares, last_day, product
from rulebot.model.market import FEED_SILENCE, OPTION_AGE
from rulebot.model.session import Session, at_exchange_time

SEVERAL = 3
"""Instants from which on a session is more than a state or two of a chain."""
LEVEL_AGE = 90.0
"""Seconds for which a level counts when there is none of the very instant."""


def session_day(
    rows: Rows,
    session: Session,
    *,
    levels: Mapping[str, tuple[Columns, Columns]],
    findings: Sequence[Finding],
    settled: Mapping[tuple[str, str], float],
) -> HistoryDay:
    """Check quotes and levels of a session and put them in order. Raises: StoreError when it is refused."""
    all_findings = list(findings)
    _refuse(all_findings)
    level = known_level(rows.file, rows.symbol, levels[rows.symbol][1])
    all_findings += endless(rows)
    all_findings += wrong_columns(rows, level)
    _refuse(all_findings)
    rows = rows.of({name: values for name, values in rows.values.items() if name in BY_QUOTE})
    for check in (
        lambda rows: listed_on(rows, session.date),
        ordered,
        lambda rows: within(rows, session),
        lambda rows: sound(rows, level),
    ):
        rows, more = check(rows)
        all_findings += more
    times, chain, quoted = grid(rows)
    columns, more = drop_odd_quotes(rows, chain, quoted)
    all_findings += more
    all_findings += holes(rows.file, times, session)
    if width_of(rows) is None:
        all_findings += scattered(rows.file, columns["ask"])
    all_findings += _holes_of_levels(rows, times, session, levels)
    of_quotes = times
    aligned, times, columns = _with_levels(times, columns, levels)
    of_level, terms = aligned[rows.symbol], chain.terms()
    all_findings += repeated(rows.file, rows.symbol, times, of_level, columns, session)
    all_findings += [refused(rows.file, 0, words) for words in misfits(times, of_level, terms, columns)]
    _refuse(all_findings)
    quoted_at = None if times is of_quotes else _standing(times, of_quotes, columns)
    return KeyedDay(
        chain,
        date=session.date,
        times=times,
        levels=aligned,
        quoted_at=quoted_at,
        settled=settled,
        findings=tuple(all_findings),
        **columns,
    )


def _holes_of_levels(
    rows: Rows, times: Columns, session: Session, levels: Mapping[str, tuple[Columns, Columns]]
) -> list[Finding]:
    found: list[Finding] = []
    for symbol in sorted({rows.symbol, "VIX"} & levels.keys()):
        at, values = levels[symbol]
        known = at[~np.isnan(values)]
        if len(times) >= SEVERAL and not (np.array_equal(times, known) or np.isin(times, known).all()):
            found += holes(rows.file, known, session, f"the level of {symbol}")
    return found


def _refuse(findings: Sequence[Finding]) -> None:
    for finding in findings:
        if finding.severity is Severity.REFUSED:
            raise refusal(finding)


def _with_levels(
    times: Columns, columns: Mapping[str, Columns], levels: Mapping[str, tuple[Columns, Columns]]
) -> tuple[dict[str, Columns], Columns, dict[str, Columns]]:
    """Return levels and quotes at all instants of either; a level counts for a while, a quote only at its instant."""
    every = times
    for at, _ in levels.values():
        if len(at) != len(every) or (at != every).any():
            every = np.union1d(every, at)
    aligned = {symbol: at_instants(every, at, values) for symbol, (at, values) in levels.items()}
    if every is times:
        return aligned, times, dict(columns)
    places = np.searchsorted(every, times)
    spread = {}
    for name, values in columns.items():
        spread[name] = np.full((len(every), values.shape[1]), np.nan)
        spread[name][places] = values
    return aligned, every, spread


def _standing(times: Columns, of_quotes: Columns, columns: Mapping[str, Columns]) -> Columns | None:
    """Let quotes stand at the instants of levels between theirs, as they do between two instants.

    Return of when those are that stand at each instant, None where each has its own.
    """
    found = at_instants(times, of_quotes, of_quotes, stands_for(spacing_of(of_quotes)))
    later = np.flatnonzero(found < times)
    origins = np.searchsorted(times, found[later])
    for column in columns.values():
        column[later] = column[origins]
    return None if np.array_equal(found, times) else found


def spacing_of(times: Columns) -> float:
    """Return the usual seconds between two instants."""
    return nan_median(np.diff(times)) if len(times) > 1 else OPTION_AGE


def stands_for(spacing: float) -> float:
    """Return for how many seconds stands what is told so often."""
    return FEED_SILENCE if spacing <= FEED_SILENCE else min(1.5 * spacing, OPTION_AGE)


def at_instants(times: Columns, at: Columns, values: Columns, age: float = LEVEL_AGE) -> Columns:
    """Return the last value at or before each instant, nan when it is older than `age` seconds."""
    if len(at) == len(times) and (at == times).all():
        return values
    if not len(at):
        return np.full(len(times), np.nan)
    places = np.searchsorted(at, times, side="right") - 1
    known = places >= 0
    places = np.maximum(places, 0)
    known &= times - at[places] <= age
    return np.where(known, values[places], np.nan)


# --- When a quote stood

_DAY = 86400.0


def instants(table: Table, session: Session) -> Columns:
    """Return the column `time`: instants with a zone, epoch seconds, or the exchange's clock on that date.

    Raises: StoreError when it is missing or in no such form.
    """
    if "time" not in table.names:
        raise refusal(refused(table.file, 0, lacks("time")))
    if isinstance(table, ArrowTable):
        found = _of_arrow(table, session)
        if found is not None:
            if (none := np.flatnonzero(~np.isfinite(found))).size:
                raise refusal(refused(table.file, int(table.rows[none[0]]), "time is missing"))
            return found
    return _of_texts(table, session)


def _of_arrow(table: ArrowTable, session: Session) -> Columns | None:
    """Return such times; what is finer than a microsecond is cut off. None where they are texts."""
    arrow, _ = pyarrow()
    column = table.column("time")
    kind, whole = column.type, arrow.int64()
    if arrow.types.is_timestamp(kind):
        micro = column if kind.unit == "us" else column.cast(arrow.timestamp("us", tz=kind.tz), safe=False)
        seconds = flat(arrow.chunked_array([each.view(whole) for each in micro.chunks], type=whole)) / 1e6
        if kind.tz is not None:
            return np.asarray(seconds, dtype=np.float64)
        day = datetime.combine(session.date, time(), UTC).timestamp()
        return np.asarray(seconds - day + midnight(session), dtype=np.float64)
    if arrow.types.is_time(kind):
        micro = column.cast(arrow.time64("us"), safe=False).cast(whole)
        return np.asarray(flat(micro) / 1e6 + midnight(session), dtype=np.float64)
    if arrow.types.is_integer(kind) or arrow.types.is_floating(kind):
        seconds = table.numbers("time")
        if np.isfinite(seconds).any() and not _is_of(seconds[np.isfinite(seconds)], session):
            text = f"time as a number is seconds since 1970 (UTC), is {seconds[0]:.0f}"
            raise refusal(refused(table.file, int(table.rows[0]), text))
        return seconds
    return None


def _is_of(seconds: Columns, session: Session) -> bool:
    """Say whether epoch seconds can be meant: those of a file with many days lie years apart at most."""
    middle = float(np.median(seconds))
    return abs(middle - session.open.timestamp()) < 40 * 366 * _DAY


def midnight(session: Session) -> float:
    """Return the epoch seconds at which the clock would show 00:00; sessions have no change of the clock."""
    return at_exchange_time(session.date, time(12)).timestamp() - 12 * 3600.0


def _of_texts(table: Table, session: Session) -> Columns:
    codes, texts = table.texts("time")
    known = np.zeros(len(texts))
    for place, text in enumerate(texts):
        try:
            known[place] = _instant(text, session)
        except ValueError:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            text = f"a time is like 10:30, or 2026-10-21T14:30:00+00:00, is {text!r}"
            raise refusal(refused(table.file, row, text)) from None
    return known[codes]


def _instant(text: str, session: Session) -> float:
    text = f"0{text}" if text[1:2] == ":" else text  # 9:35
    if len(text) <= len("10:30:00.000000"):
        clock = time.fromisoformat(text)
        if clock.tzinfo is not None:
            return datetime.combine(session.date, clock).timestamp()
        seconds = clock.hour * 3600 + clock.minute * 60 + clock.second + clock.microsecond / 1e6
        return midnight(session) + seconds
    found = datetime.fromisoformat(text)
    if found.tzinfo is not None:
        return found.timestamp()
    return at_exchange_time(found.date(), found.time()).timestamp()


# --- A table with our columns (docs/history-data.md) into rows of quotes

NO_ROWS = "it has no rows"
_RIGHTS = {"c": True, "call": True, "p": False, "put": False}


def chain_rows(table: Table, session: Session | None, symbol: str, at: float | None = None) -> Rows:
    """Return the quotes of a table with our columns; `at` is their instant when the table has no times.

    Raises: StoreError naming the column or row.
    """
    for name in ("expiry", "right", "strike", "bid", "ask"):
        if name not in table.names:
            raise refusal(refused(table.file, 0, lacks(name)))
    class_codes, classes = _classes(table, symbol)
    (right_codes, letters), (day_codes, days) = table.texts("right"), table.texts("expiry")
    strike = table.numbers("strike")
    if not len(strike):
        raise refusal(refused(table.file, 0, NO_ROWS))
    if not ((strike > 0) & (strike < HIGHEST_STRIKE)).all():
        none = int(np.flatnonzero(~((strike > 0) & (strike < HIGHEST_STRIKE)))[0])
        text = f"a strike is a number above 0, below {HIGHEST_STRIKE:,.0f}, is {strike[none]:.12g}"
        text += ": times 1000?" if strike[none] < np.inf and strike[none] >= HIGHEST_STRIKE else ""
        raise refusal(refused(table.file, int(table.rows[none]), text))
    values = {name: table.numbers(name) for name in (*BY_QUOTE, "underlying") if name in table.names}
    times = _times(table, session, at)
    last = _last_days(table, symbol, classes, day_codes, days)
    is_call = _are_calls(table, right_codes, letters)
    width = repeated_after(times, class_codes, day_codes, right_codes, strike)
    own = slice(width or None)
    numbers = option_keys(
        class_codes[own], last[class_codes[own], day_codes[own]], is_call[right_codes[own]], strike[own]
    )
    return Rows(
        file=table.file,
        symbol=symbol,
        classes=tuple(classes),
        index=_index(table.rows, times, numbers, width),
        values=values,
    )


def _index(row: Whole, times: Columns, numbers: Whole, width: int) -> Index:
    """Return which row each quote is; a grid where every instant has these options, each once, in rows without gaps."""
    if width and len(np.unique(numbers)) == width and int(row[-1]) - int(row[0]) == len(row) - 1:
        return GridIndex(times[::width].copy(), numbers, int(row[0]))
    return RowIndex(row, times, np.tile(numbers, len(times) // width) if width else numbers)


def symbol_of(table: Table) -> str:
    """Return the underlying of a table. Raises: StoreError when it names none, or several."""
    if "symbol" in table.names:
        _, symbols = table.texts("symbol")
        if len(symbols) != 1:
            text = f"a chain has one underlying, this has {', '.join(symbols) or 'none'}"
            raise refusal(refused(table.file, 1, f"{text}: {APART}" if len(symbols) else text))
        return underlying_of(symbols[0])
    if "trading_class" in table.names:
        _, classes = table.texts("trading_class")
        known = {class_of(text) for text in classes}
        for index in INDICES.values():
            if known <= set(index.classes):
                return index.symbol
        if len(known) == 1:
            return known.pop()
    raise refusal(refused(table.file, 0, lacks("symbol")))


def _classes(table: Table, symbol: str) -> tuple[Whole, list[str]]:
    """Return the class of each row as a place among those that there are; without any it settles at the close."""
    if "trading_class" not in table.names:
        return np.zeros(len(table.rows), dtype=np.int64), [product(symbol).same_day_class]
    codes, texts = table.texts("trading_class")
    names = [class_of_shares(class_of(text)) for text in texts]
    if "" in names:
        row = int(table.rows[np.flatnonzero(codes == names.index(""))[0]])
        raise refusal(refused(table.file, row, "trading_class is missing"))
    places: dict[str, int] = {}
    own = [places.setdefault(name, len(places)) for name in names]
    return (codes if own == list(range(len(texts))) else np.array(own)[codes]), list(places)


def _times(table: Table, session: Session | None, at: float | None) -> Columns:
    if at is not None or session is None:
        return np.full(len(table.rows), 0.0 if at is None else at)
    return instants(table, session)


def _are_calls(table: Table, codes: Whole, letters: Sequence[str]) -> NDArray[np.bool_]:
    """Return which of these words for a right are calls."""
    known = [_RIGHTS.get(text.lower()) for text in letters]
    for place, is_call in enumerate(known):
        if is_call is None:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"right is call or put (C, P), is {letters[place]!r}"))
    return np.array([bool(each) for each in known], dtype=bool)


def _last_days(table: Table, symbol: str, classes: Sequence[str], codes: Whole, texts: Sequence[str]) -> Whole:
    """Return the last day that options of each class trade with each of these days in their name, as ordinals."""
    last = np.zeros((len(classes), len(texts)), dtype=np.int64)
    for place, text in enumerate(texts):
        try:
            expires = parse_day(text)
        except ValueError:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"an expiry is like 2019-05-24, is {text!r}")) from None
        if expires.toordinal() > LATEST_DAY:
            row = int(table.rows[np.flatnonzero(codes == place)[0]])
            raise refusal(refused(table.file, row, f"no option expires on {expires}"))
        for number, trading_class in enumerate(classes):
            last[number, place] = last_day(symbol, trading_class, expires).toordinal()
    return last
