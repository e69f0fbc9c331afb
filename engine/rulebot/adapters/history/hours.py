"""Whether a session is by the clock of another zone, and whether its levels and quotes are an hour apart.

Instants that begin and end whole hours before the session, or after it, are by the clock of another zone. Where one of
the two is in Central and the other in Eastern time put-call parity says it: where the forward is at each instant; its
changes follow those of the underlying. When they follow it an hour shifted, and not as they stand, the zones differ.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import sqrt

import numpy as np

from rulebot.adapters.history.day import Columns
from rulebot.adapters.history.middle import nan_median
from rulebot.adapters.history.pairs import Pairs, gaps
from rulebot.model.session import EXCHANGE_ZONE, Session

_LEAST = 90
"""Instants a session needs for a judgement."""
_HOUR, _EDGE, _WIDEST_EDGE = 3600.0, 120.0, 1500.0
_ZONES = {-1: "Central time", -2: "Mountain time", -3: "Pacific time"}
_FOLLOWS, _DOES_NOT = 0.5, 0.3
_STRIDE = 5
_PAIRS = 5


def other_zone(first: float, last: float, step: float, session: Session) -> str | None:
    """Return in words how many whole hours instants lie beside their session, at both ends; None where they do not.

    Units: epoch seconds of the first and the last one; step: usual seconds between two.
    """
    allowed = min(max(_EDGE, 1.1 * step), _WIDEST_EDGE)
    early, late = first - session.open.timestamp(), last - session.close.timestamp()
    hours = round(early / _HOUR)
    if hours == 0 or hours % 24 == 0 or any(abs(each - hours * _HOUR) > allowed for each in (early, late)):
        return None
    span = " to ".join(f"{datetime.fromtimestamp(at, UTC).astimezone(EXCHANGE_ZONE):%H:%M}" for at in (first, last))
    count = "an hour" if abs(hours) == 1 else f"{abs(hours)} hours"
    offset = session.open.astimezone(EXCHANGE_ZONE).utcoffset()
    zone = "UTC" if offset == timedelta(hours=-hours) else _ZONES.get(hours, "the time of another zone")
    return f"{span}, {count} {'before' if hours < 0 else 'after'} the session: are they in {zone}?"


def hour_off(times: Columns, level: Columns, pairs: Pairs, columns: Mapping[str, Columns]) -> str | None:
    """Return how levels and quotes are apart in words; None when they agree, or nobody can say."""
    if len(times) < _LEAST:
        return None
    forward = parity_forward(level, pairs, columns["bid"], columns["ask"])
    if forward is None:
        return None
    now = _agreement(times, level, forward, 0.0)
    if now is None or now > _DOES_NOT:
        return None
    for shift, words in ((_HOUR, "early"), (-_HOUR, "late")):
        moved = _agreement(times, level, forward, shift)
        if moved is not None and moved > _FOLLOWS:
            text = f"the levels seem an hour {words} (Central time?): quotes follow them with {moved:.2f} so, "
            return text + f"{now:.2f} as they stand"
    return None


def parity_forward(level: Columns, pairs: Pairs, bid: Columns, ask: Columns) -> Columns | None:
    """Return strike + call - put at each instant, the mean over at most five pairs at the money; None without pairs."""
    if not len(pairs.strike):
        return None
    pairs = pairs.only(np.argsort(np.abs(pairs.strike - nan_median(level)), kind="stable")[:_PAIRS])
    rows = pairs.strike[:, None] + gaps(pairs, bid, ask)
    known = ~np.isnan(rows)
    count = known.sum(axis=0)
    found: Columns = np.where(count > 0, np.where(known, rows, 0.0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return found


def _agreement(times: Columns, level: Columns, forward: Columns, shift: float) -> float | None:
    """Return how changes of the forward correlate with those of the level that many seconds before."""
    then = level if shift == 0.0 else _shifted(times, level, shift)
    found, followed = (each[_STRIDE:] - each[:-_STRIDE] for each in (forward, then))
    known = ~np.isnan(found + followed)
    found, followed = found[known], followed[known]
    if len(found) < _LEAST // 3:
        return None
    found, followed = found - found.mean(), followed - followed.mean()
    spread = sqrt((found * found).sum() * (followed * followed).sum())
    return float((found * followed).sum()) / spread if spread > 0.0 else None


def _shifted(times: Columns, level: Columns, shift: float) -> Columns:
    """Return the level so many seconds before each instant, nan where there was none."""
    places = np.minimum(np.searchsorted(times, times - shift), len(times) - 1)
    found: Columns = np.where(np.abs(times[places] - (times - shift)) < 1.0, level[places], np.nan)
    return found
