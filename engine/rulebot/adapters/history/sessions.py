"""Quotes and levels as a file has them into a session: checked, put in order, or refused."""

from collections.abc import Mapping, Sequence

import numpy as np

from rulebot.adapters.history.chained import KeyedDay
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
from rulebot.adapters.history.day import Columns, Finding, HistoryDay, Severity
from rulebot.adapters.history.finding import refusal, refused
from rulebot.adapters.history.hours import hour_off
from rulebot.adapters.history.levels import known_level
from rulebot.adapters.history.middle import nan_median
from rulebot.adapters.history.neighbours import drop_odd_quotes
from rulebot.adapters.history.pairs import near_pairs
from rulebot.adapters.history.rows import BY_QUOTE, Rows, grid, width_of
from rulebot.adapters.history.scale import is_wrong_scale, scaled
from rulebot.model.quotes import FEED_SILENCE, OPTION_AGE
from rulebot.model.session import Session

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
    for symbol in sorted({rows.symbol, "VIX"} & levels.keys()):
        at, values = levels[symbol]
        known = at[~np.isnan(values)]
        if len(times) >= SEVERAL and not (np.array_equal(times, known) or np.isin(times, known).all()):
            all_findings += holes(rows.file, known, session, f"the level of {symbol}")
    of_quotes = times
    aligned, times, columns = _with_levels(times, columns, levels)
    of_level, terms = aligned[rows.symbol], chain.terms()
    all_findings += repeated(rows.file, rows.symbol, times, of_level, columns, session)
    pairs = near_pairs(terms, of_level)
    for words in (
        hour_off(times, of_level, pairs, columns),
        scaled(pairs, columns),
        is_wrong_scale(terms, of_level, columns),
    ):
        if words is not None:
            all_findings.append(refused(rows.file, 0, words))
    _refuse(all_findings)
    quoted_at = None if times is of_quotes else _standing(times, of_quotes, columns)
    return KeyedDay(
        chain,
        date=session.date,
        times=times,
        levels=aligned,
        quoted_at=quoted_at,
        told=None,
        bars=None,
        listings=None,
        moves=(),
        halts=(),
        hours=(),
        settled=settled,
        ran=None,
        findings=tuple(all_findings),
        **columns,
    )


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
