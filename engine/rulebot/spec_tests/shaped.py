"""Bars of earlier sessions of a test that come to the realised volatility it gives, by whichever estimator reads them.

Closes go up and down by one step. Between them a session opens part of the way and ranges as far as its volatility
asks for; within it, in bars of five minutes, the level goes up and down by one smaller step.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, log, sqrt

from rulebot.compile.series import FIVE_MINUTES
from rulebot.model.facts import Bar
from rulebot.model.session import SESSIONS_A_YEAR, Session

VOLUME = 1000.0
"""Shares of every bar: in a test each minute weighs the same."""
_RANGE = 4.0 * log(2.0)
"""The squared range of a session over its variance. Source: Parkinson 1980."""


def shaped_days(bars: Sequence[Bar], rv: float, window: int) -> tuple[Bar, ...]:
    """Return daily bars with the closes of these and the volatility `rv` (% a year) by their ranges.

    window: sessions of the estimator of Yang and Zhang that comes to it too, 0 without one.
    """
    variance = (rv / 100.0) ** 2 / SESSIONS_A_YEAR
    return tuple(_shaped(bar, *_parts(abs(log(bar.close / bar.open)), variance, window)) for bar in bars)


def _parts(step: float, variance: float, window: int) -> tuple[float, float]:
    """Return which part of the step from close to close is made between open and close, and the range, as logarithms.

    With nights of +-p, days of +-q and p + q = step the estimator is f p^2 + k f q^2 + (1 - k) (range^2 - q^2) / 2,
    where f is the sample variance of +-1.
    """
    reach = sqrt(_RANGE * variance)
    if window < 2:
        return step, max(reach, step)
    f = window / (window - 1) if window % 2 == 0 else (window + 1) / window
    k = 0.34 / (1.34 + (window + 1) / (window - 1))
    a, b = f * (1 + k) - (1 - k) / 2, f * step
    c = f * step * step + (1 - k) * reach * reach / 2 - variance
    if b * b >= a * c:
        day = (b - sqrt(b * b - a * c)) / a
        if day <= reach:
            return day, reach
    half = step / 2  # of two sessions no range has both volatilities: that of Yang and Zhang counts
    return half, sqrt(half * half + max(2 * (variance - f * half * half * (1 + k)) / (1 - k), 0.0))


def _shaped(bar: Bar, day: float, reach: float) -> Bar:
    opened = bar.close * exp(-day if bar.close > bar.open else day)
    beyond = exp((reach - day) / 2)
    high, low = max(opened, bar.close) * beyond, min(opened, bar.close) / beyond
    return bar._replace(open=opened, high=high, low=low, average=(high + low + bar.close) / 3)


def shaped_sessions(
    sessions: Iterable[Session], closes: Sequence[float], count: int, rv: float | None
) -> tuple[Bar, ...]:
    """Return the last so many bars of five minutes of these sessions, which come newest first; `closes` oldest first.

    rv: % a year that each session moves; None where it opens at its close, so that the nights alone move.
    """
    found: list[Bar] = []
    for session, close in zip(sessions, reversed(closes), strict=False):
        found = [*_session(session, closes[-1] if rv is not None else close, rv or 0.0), *found]
        if len(found) >= count:
            break
    return tuple(found[-count:])


def _session(session: Session, level: float, rv: float) -> Iterator[Bar]:
    starts = range(int(session.open.timestamp()), int(session.close.timestamp()), FIVE_MINUTES)
    high = level * exp(rv / 100.0 / sqrt(SESSIONS_A_YEAR * len(starts)))
    for number, at in enumerate(starts):
        first, last = (high, level) if number % 2 else (level, high)
        yield Bar(float(at), first, high, level, last, VOLUME, (first + last) / 2)
