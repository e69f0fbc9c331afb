"""Levels of an underlying that can be none: 0 or less, infinite, far from all others of their session, or alone."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from rulebot.adapters.history.day import FAR_OUTSIDE, Columns, Finding
from rulebot.adapters.history.finding import File, finding_text, left_out, refusal, refused
from rulebot.adapters.history.middle import nan_median
from rulebot.adapters.history.rows import Rows
from rulebot.adapters.history.table import Whole

FAR = 2.5
"""A level that is so many times that in the middle of its session, or less than such a part of it, is none."""
_SEVERAL = 3
_ALONE, _ALIKE, _BETWEEN = 0.10, 0.025, 600.0
"""A level is alone that is farther than that from those before and after it, which are alike, within such seconds."""
_IN_PERCENT = frozenset(("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M", "VXN", "RVX", "VXO"))
_LEAST_VOLATILITY, _MOST_VOLATILITY = 2.0, 300.0
ANOTHER = "another level stands at the same time before: the first one counts"


def sound_levels(
    file: File, rows: Whole, values: Columns, symbol: str, at: Columns | None = None
) -> tuple[Columns, list[Finding]]:
    """Return levels without those that can be none, which are nan. Shape: rows, values and at (N,).

    at: seconds of each, in order; None where all are of one instant.
    """
    known = ~np.isnan(values)
    none = known & ~((values > 0.0) & np.isfinite(values))
    found = np.where(none, np.nan, values) if none.any() else values
    findings = []
    if none.any():
        findings.append(left_out(file, rows[none].tolist(), f"{values[none][0]:g} is no level of {symbol}"))
    if np.count_nonzero(known) < _SEVERAL:
        return found, findings
    middle, least, most = nan_median(found), np.fmin.reduce(found), np.fmax.reduce(found)
    if most > FAR * middle or least < middle / FAR:
        far = (found > FAR * middle) | (found < middle / FAR)
        text = f"the level of {symbol} is {found[far][0]:g}, far from the {middle:g} of this session"
        findings.append(left_out(file, rows[far].tolist(), text))
        found = np.where(far, np.nan, found)
    if at is not None and most / least - 1.0 > _ALONE:  # else no two of them are so far apart
        alone, around = _alone(found, at)
        if alone.size:
            before, after = around
            text = f"the level of {symbol} is {found[alone[0]]:g}, between {before:g} and {after:g}"
            findings.append(left_out(file, rows[alone].tolist(), text))
            found = found.copy()
            found[alone] = np.nan
    return found, findings


def not_in_percent(symbol: str, values: Columns) -> str:
    """Return in words that an index of volatility is a fraction, or scaled; "" where it can be, and of any other."""
    if symbol not in _IN_PERCENT:
        return ""
    middle = nan_median(values)
    if middle != middle or _LEAST_VOLATILITY <= middle <= _MOST_VOLATILITY:
        return ""
    return f"{symbol} is in percent, as 16: its median here is {middle:g}"


def _alone(values: Columns, at: Columns) -> tuple[Whole, tuple[float, float]]:
    """Return the places of levels that stand alone, and the levels around the first of them."""
    known = np.flatnonzero(~np.isnan(values))
    level, seconds = values[known], at[known]
    before, here, after = level[:-2], level[1:-1], level[2:]
    is_alone = (np.abs(here / before - 1.0) > _ALONE) & (np.abs(here / after - 1.0) > _ALONE)
    is_alone &= (np.abs(after / before - 1.0) < _ALIKE) & (seconds[2:] - seconds[:-2] <= _BETWEEN)
    found = np.flatnonzero(is_alone)
    around = (float(before[found[0]]), float(after[found[0]])) if found.size else (np.nan, np.nan)
    return known[1:-1][found], around


def first_level(file: File, rows: Whole, values: Columns) -> tuple[float, list[Finding]]:
    """Return the first of levels of one instant, nan where none is known, and that others stand after it."""
    known = np.flatnonzero(~np.isnan(values))
    if not known.size:
        return float("nan"), []
    first = float(values[known[0]])
    other = known[values[known] != first]
    if not other.size:
        return first, []
    return first, [finding_text(file, int(rows[other[0]]), ANOTHER, int(other.size))]


def levels_by_instant(rows: Rows, level: Columns) -> tuple[tuple[Columns, Columns], list[Finding]]:
    """Return the instants of quotes and the level at each, from a column beside them; sound levels only.

    Of several levels at one instant the first one counts. Shape: level (N,), as the rows; instants and levels (T,).
    """
    times, firsts, places = np.unique(rows.time, return_index=True, return_inverse=True)
    first = level[firsts]
    findings = []
    other = np.flatnonzero((level != first[places]) & ~(np.isnan(level) & np.isnan(first[places])))
    if other.size:
        findings.append(finding_text(rows.file, int(rows.row[other[0]]), ANOTHER, int(other.size)))
    first, more = sound_levels(rows.file, rows.row[firsts], first, rows.symbol, times)
    return (times, first), [*findings, *more]


def known_level(file: File, symbol: str, values: Columns) -> float:
    """Return the median level of a session. Raises: StoreError where nobody knows one."""
    middle = nan_median(values)
    if not middle > 0.0:
        raise refusal(refused(file, 0, f"there is no level of {symbol} within the session"))
    return middle


def check_settled(
    file: File, rows: Whole, levels: Columns, middle: float, of: Sequence[tuple[str, str]], symbol: str
) -> Mapping[tuple[str, str], float]:
    """Return at what classes settle, by symbol and class. Raises: StoreError where that can be none."""
    found: dict[tuple[str, str], float] = {}
    for row, key, level in zip(rows.tolist(), of, levels.tolist(), strict=True):
        if not 0.0 < level < float("inf"):
            raise refusal(refused(file, row, f"{level:g} is no level at which {key[1]} settles"))
        if key[0] == symbol and not middle / FAR < level < middle * FAR:
            text = f"{key[1]} settles at {level:g}, the underlying stood at {middle:g}: scaled?"
            raise refusal(refused(file, row, text))
        if found.setdefault(key, level) != level:
            raise refusal(refused(file, row, f"{key[1]} settles at {level:g}, and at {found[key]:g} above"))
    return found


def settled_outside(
    file: File, rows: Whole, levels: Columns, seen: Columns, of: Sequence[tuple[str, str]], symbol: str
) -> Iterator[Finding]:
    """Yield what settles far outside of the levels that were seen in the session; it is used. Shape: seen (T,)."""
    least, most = float(np.nanmin(seen)), float(np.nanmax(seen))
    for row, key, level in zip(rows.tolist(), of, levels.tolist(), strict=True):
        if key[0] == symbol and not least * (1.0 - FAR_OUTSIDE) <= level <= most * (1.0 + FAR_OUTSIDE):
            text = (
                f"{key[1]} settles at {level:g}, the underlying stood at {least:g} to {most:g}: is it of another scale?"
            )
            yield finding_text(file, row, text)
