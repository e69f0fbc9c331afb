"""Quotes and levels as a file has them into a session: checked, put in order, or refused."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

import numpy as np

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
from rulebot.adapters.history.lazy_chain import KeyedDay
from rulebot.adapters.history.parity import misfits
from rulebot.adapters.history.quote_checks import drop_odd_quotes, known_level
from rulebot.adapters.history.row_index import BY_QUOTE, Rows, grid, width_of
from rulebot.adapters.history.session import Columns, Finding, HistoryDay, Severity, lacks, nan_median, refusal, refused
from rulebot.adapters.history.table import ArrowTable, Table, flat, pyarrow
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
    columns, more = drop_odd_quotes(rows, chain.terms(), quoted)
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
