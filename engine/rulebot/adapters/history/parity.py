"""Whether a session is by the clock of another zone, and whether its levels and quotes are an hour apart.

Instants that begin and end whole hours before the session, or after it, are by the clock of another zone. Where one of
the two is in Central and the other in Eastern time put-call parity says it: where the forward is at each instant; its
changes follow those of the underlying. When they follow it an hour shifted, and not as they stand, the zones differ.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import exp, log, log10, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.session import Columns, File, HistoryDay, Places, finding_text, nan_median
from rulebot.adapters.history.table import Whole
from rulebot.model.contract import Option, Right, Settlement, product
from rulebot.model.session import EXCHANGE_ZONE, Session
from rulebot.model.text import minute

# --- Whether quotes and level of a state are of the same time

_APART = 0.001
_NEAR_MONEY = 0.06
_PARITY_PAIRS = 8
_DIVIDENDS, _HIGHEST_RATE = 0.03, 0.06


class ForwardLine(NamedTuple):
    """The line of call - put over strikes of one expiry: its forward and rate, and how many years it is away."""

    forward: float
    rate: float
    years: float


def with_parity(day: HistoryDay, line: ForwardLine | None, file: File, level: float) -> HistoryDay:
    """Tell of quotes that are of another time than the level: by put-call parity the forward lies where it cannot."""
    if line is None:
        return day
    forward, rate, years = line
    low, high = level * exp((rate - _DIVIDENDS) * years), level * exp(rate * years)
    if low * (1 - _APART) <= forward <= high * (1 + _APART):
        return day
    text = f"by put-call parity the forward is {forward:.2f}, {low:.2f} to {high:.2f} by the level {level:g}: "
    finding = finding_text(file, 0, f"{text}quotes and level have different times")
    return replace(day, findings=(*day.findings, finding))


def parity(day: HistoryDay) -> ForwardLine | None:
    """Return that of the nearest expiry after this day with enough pairs of calls and puts.

    The right of early exercise bends the line: for options on shares the rate is the highest there may be.
    """
    found = forwards(day)
    if not found:
        return None
    forward, discount, years = found[min(found)]
    if product(day.options[0].symbol).settlement is Settlement.SHARES:
        return ForwardLine(forward, _HIGHEST_RATE, years)
    return ForwardLine(forward, min(-log(discount) / years, _HIGHEST_RATE), years)


def forwards(day: HistoryDay) -> dict[tuple[date, str], tuple[float, float, float]]:
    """Return forward, discount factor and years of each expiry after this day, at its last instant.

    The line of call - put over strikes falls by the discount factor; it crosses 0 at the forward.
    """
    if not day.options:
        return {}
    level = float(day.levels[day.options[0].symbol][-1])
    pairs: dict[tuple[date, str], dict[Decimal, dict[Right, float]]] = {}
    mid = (day.bid[-1] + day.ask[-1]) / 2.0
    strike = np.array([float(option.strike) for option in day.options])
    near = np.flatnonzero(~np.isnan(mid) & (np.abs(strike / level - 1.0) < _NEAR_MONEY))
    for place, value in zip(near.tolist(), mid[near].tolist(), strict=True):
        option = day.options[place]
        if option.expiry > day.date:
            of = pairs.setdefault((option.expiry, option.trading_class), {})
            of.setdefault(option.strike, {})[option.right] = value
    found = {}
    for (expiry, trading_class), strikes in pairs.items():
        full = {strike: both for strike, both in strikes.items() if len(both) == 2}
        if len(full) >= _PARITY_PAIRS:
            x = np.array([float(strike) for strike in full])
            y = np.array([both[Right.CALL] - both[Right.PUT] for both in full.values()])
            slope, rest = np.polyfit(x, y, 1)
            discount = min(max(-float(slope), 1e-9), 1.0)
            found[expiry, trading_class] = (float(-rest / slope), discount, (expiry - day.date).days / 365.0)
    return found


# --- Calls and puts of the same strike near the money

_NEAR = 0.015


class PairTerms(NamedTuple):
    """What the options of a session are. `kind`: expiry and trading class as a number, lowest of the nearest expiry.

    Shape: (C,) of each, in the order of their quotes.
    """

    strike: Columns
    is_call: NDArray[np.bool_]
    kind: NDArray[np.int64]


class Pairs(NamedTuple):
    """A call and a put of each of these strikes, by the columns of their quotes; lowest strike first. Shape: (P,)."""

    strike: Columns
    call: Places
    put: Places

    def only(self, kept: Places) -> "Pairs":
        return Pairs(self.strike[kept], self.call[kept], self.put[kept])


def terms_of(options: Sequence[Option]) -> PairTerms:
    kinds = [(option.expiry, option.trading_class) for option in options]
    numbers = {kind: number for number, kind in enumerate(sorted(set(kinds)))}
    return PairTerms(
        np.array([float(option.strike) for option in options]),
        np.array([option.right is Right.CALL for option in options], dtype=np.bool_),
        np.array([numbers[kind] for kind in kinds], dtype=np.int64),
    )


def gaps(pairs: Pairs, bid: Columns, ask: Columns) -> Columns:
    """Return call - put at mid of each pair. Shape: pairs x instants."""
    _, calls, puts = pairs
    found: Columns = (bid[:, calls] + ask[:, calls] - bid[:, puts] - ask[:, puts]) / 2.0
    return found.T


def near_pairs(terms: PairTerms, level: Columns) -> Pairs:
    """Return the pairs of the nearest expiry that has any within 1.5 % of the median level. Shape: level (T,)."""
    middle = nan_median(level)
    near = np.flatnonzero(np.abs(terms.strike - middle) < _NEAR * middle)
    near = near[np.lexsort((~terms.is_call[near], terms.strike[near], terms.kind[near]))]
    strike, kind = terms.strike[near], terms.kind[near]
    first = np.flatnonzero((np.diff(strike) == 0.0) & (np.diff(kind) == 0))
    first = first[kind[first] == kind[first[:1]]]
    return Pairs(strike[first], near[first], near[first + 1])


# --- Whether a session is by the clock of another zone, and whether its levels and quotes are an hour apart

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
    span = " to ".join(minute(datetime.fromtimestamp(at, UTC)) for at in (first, last))
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
            return text + f"{now:.2f} as given"
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


# --- Whether prices of options are in the unit of their strikes

_INSIDE = 0.05
"""Which part of the underlying an option is in the money by whose price says what its unit is."""
_SURE = 0.15
"""How far the logarithm of a factor may lie from a whole power of ten."""
_INSTANTS = 16
"""Instants of a session whose prices are compared with strikes at most."""


def misfits(times: Columns, level: Columns, terms: PairTerms, columns: Mapping[str, Columns]) -> list[str]:
    """Return in words why quotes are not of these levels: an hour apart, or prices in another unit than strikes."""
    pairs = near_pairs(terms, level)
    found = (hour_off(times, level, pairs, columns), scaled(pairs, columns), is_wrong_scale(terms, level, columns))
    return [words for words in found if words is not None]


def is_wrong_scale(terms: PairTerms, level: Columns, columns: Mapping[str, Columns]) -> str | None:
    """Return in words that most options cost less than exercising them would bring, at most instants.

    A single level may be a bad print. Shape: level (T,); columns (T, options). None when most prices can be.
    """
    quoted = np.flatnonzero(np.fmax.reduce(columns["ask"], axis=1, initial=0.0) > 0.0)
    drawn = quoted[_drawn(len(quoted))]
    asks, levels = columns["ask"][drawn], level[drawn, np.newaxis]
    if not (levels > 0.0).all():
        levels = np.where(levels > 0.0, levels, nan_median(level))
    worth = np.where(terms.is_call, levels - terms.strike, terms.strike - levels)
    inside = (asks > 0.0) & (worth > _INSIDE * levels)
    counts = inside.sum(axis=1)
    cheap = (counts > 1) & (((asks < worth / 2.0) & inside).sum(axis=1) > counts / 2.0)
    if 2 * cheap.sum() > len(cheap):
        inside &= cheap[:, np.newaxis]
        text = f"most options in the money cost less than half of what they are worth, {nan_median(asks[inside]):g}"
        return f"{text} of {nan_median(worth[inside]):g} in the median: scaled, or adjusted for a split?"
    return None


def scaled(pairs: Pairs, columns: Mapping[str, Columns]) -> str | None:
    """Return in words that prices are not in the unit of strikes, or calls are puts; None when nobody can say so."""
    if len(pairs.strike) < 2:
        return None
    times = nan_median(_falls(pairs, columns["bid"], columns["ask"]))
    if times != times or not times:
        return None
    power = log10(abs(times))
    span = f"from strike {pairs.strike[0]:g} to {pairs.strike[-1]:g} call - put"
    if times < 0.0:
        return f"{span} rises as the strike does: are calls and puts exchanged?" if abs(power) < _SURE else None
    if not (abs(power - round(power, 0)) < _SURE and abs(power) > 0.5):
        return None
    off = f"{10.0 ** abs(round(power)):g} times too {'high' if power > 0.0 else 'low'}"
    return f"{span} falls by {times:.2g} times as much as the strike rises: are the prices {off}?"


@lru_cache(maxsize=64)
def _drawn(count: int) -> Whole:
    """Return the places of a few of so many instants, first to last."""
    return np.linspace(0, count - 1, min(count, _INSTANTS)).astype(np.int64)


def _falls(pairs: Pairs, bid: Columns, ask: Columns) -> Columns:
    """Return how much faster call - put falls than the strike rises, between the outermost pairs that are quoted.

    It is 1 where prices between bid and ask let it be 1. One side of a pair may be without a bid, as options far from
    the money are: its price is 0 to its ask. Shape: those of a few instants, first to last, at which two pairs are.
    """
    drawn, (strikes, calls, puts) = _drawn(len(bid))[:, np.newaxis], pairs
    call_bid, put_bid = np.fmax(bid[drawn, calls], 0.0), np.fmax(bid[drawn, puts], 0.0)
    least, most = call_bid - ask[drawn, puts], ask[drawn, calls] - put_bid
    quoted = (call_bid + put_bid > 0.0) & ~np.isnan(least + most)
    at = np.flatnonzero(quoted.sum(axis=1) > 1)
    low, high = quoted[at].argmax(axis=1), len(strikes) - 1 - quoted[at, ::-1].argmax(axis=1)
    rise = strikes[high] - strikes[low]
    slowest, fastest = least[at, low] - most[at, high], most[at, low] - least[at, high]
    can_be = (slowest <= rise) & (rise <= fastest)
    return np.where(can_be, 1.0, (slowest + fastest) / 2.0 / rise)
