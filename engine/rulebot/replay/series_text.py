"""Levels of each minute as a test writes them, `6041.90 +0.35x1 -0.2x3 unknown x2`: short enough to be read back.

Stretches of one drift stand for minutes that lie near it. How near is what makes the text fit; minutes that matter are
exact, to the last digit written.
"""

from collections.abc import Collection, Sequence
from itertools import groupby
from typing import NamedTuple

MOST = 1900
"""Characters of a text at most: a document may have 2,000."""
MOST_MINUTES = 60
"""Minutes of one stretch at most."""


class SeriesText(NamedTuple):
    """A series as text. apart: how far a level of it may lie from the one that was meant."""

    text: str
    apart: float


def series_text(levels: Sequence[float], exact: Collection[int], places: int = 2) -> SeriesText:
    """Return the series; `exact` are minutes that are to be so as they are. A hole is nan."""
    known = next((each for each in levels if each == each), None)
    if known is None:
        return SeriesText("unknown", 0.0)
    unit = 10**places
    whole = [None if each != each else round(each * unit) for each in levels]
    whole[0] = round(known * unit) if whole[0] is None else whole[0]
    apart = 0
    while len(text := _text(whole, frozenset(exact), apart, unit, places)) > MOST and apart < 1 << 30:
        apart = max(1, apart * 2)
    return SeriesText(text, apart / unit)


def _text(levels: Sequence[int | None], exact: Collection[int], apart: int, unit: int, places: int) -> str:
    """Return the series with levels so far apart at most, all in whole units."""
    at = levels[0] or 0
    steps: list[int | None] = []
    minute = 0
    while (minute := len(steps)) < len(levels) - 1:
        if levels[minute + 1] is None:
            steps.append(None)
            continue
        count, drift = _stretch(levels, minute, at, exact, apart)
        steps += [drift] * count
        at += drift * count
    words = [_number(levels[0] or 0, unit, places)]
    for step, group in groupby(steps):
        many = len(list(group))
        sign = "-" if step is not None and step < 0 else "+"
        words.append(f"unknown x{many}" if step is None else f"{sign}{_number(abs(step), unit, places)}x{many}")
    return " ".join(words)


def _stretch(levels: Sequence[int | None], minute: int, at: int, exact: Collection[int], apart: int) -> tuple[int, int]:
    """Return the longest stretch from a minute on: how many minutes, and its drift."""
    first = levels[minute + 1]
    assert first is not None
    found = (1, first - at)
    for count in range(2, MOST_MINUTES + 1):
        end = levels[minute + count] if minute + count < len(levels) else None
        if end is None:
            break
        drift = round((end - at) / count)
        for ahead in range(1, count + 1):
            wanted = levels[minute + ahead]
            allowed = 0 if minute + ahead in exact else apart
            if wanted is None or abs(at + drift * ahead - wanted) > allowed:
                break
        else:
            found = (count, drift)
            continue
        if count > found[0] + 3:
            break
    return found


def _number(units: int, unit: int, places: int) -> str:
    text = f"{units / unit:.{places}f}"
    return text.rstrip("0").rstrip(".")
