"""Quotes that the strikes beside them contradict: a single one far from the prices of both, which agree with the rest.

At one instant, for one expiry and right, prices are convex in the strike: an option is never worth more than the
straight line between the option below and the option above it. What is bid far beyond that line, or offered far below
where it belongs, was no market; a backtest that trades on it earns money that nobody could have earned.
Source: Merton, "Theory of Rational Option Pricing" (1973), theorem 4.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.lazy_chain import KeyedChain, Rows
from rulebot.adapters.history.parity import PairTerms
from rulebot.adapters.history.session import (
    FAR_OUTSIDE,
    Columns,
    File,
    Finding,
    Places,
    finding_text,
    left_out,
    nan_median,
    refusal,
    refused,
)
from rulebot.adapters.history.table import Whole

LEAST, PART = 0.10, 0.10
"""Points, and the part of the price between its neighbours, by which a quote may lie beyond them."""
KEPT_COLUMNS = ("volume", "open_interest")
"""What is known of an option although its quote is not used."""
_INSTANTS = 64
"""Instants that are looked at together: their quotes fit into the processor's cache."""


class OddQuotes(NamedTuple):
    """A quote that is not used: instant and option, and the mids of the strike below, of itself and of that above.

    nan: there is no such strike.
    """

    instant: int
    option: int
    mids: tuple[float, float, float]


class StrikeOrder(NamedTuple):
    """Options by expiry, class, right and strike. Shape: (C,) of each, but weight (C - 2,), without first and last.

    row: a number for each expiry, class and right. weight: the part that the strike below has in a price on the line
    between both neighbours; nan where one of the two is missing.
    """

    places: Places
    strike: Columns
    row: NDArray[np.int64]
    weight: Columns


def drop_odd_quotes(
    rows: Rows, chain: KeyedChain, columns: Mapping[str, Columns]
) -> tuple[Mapping[str, Columns], list[Finding]]:
    """Return the columns without such quotes, and a finding that names their rows.

    Shape: columns (T, C), in the order of the chain, as `grid` makes both of these rows.
    """
    terms, bid, ask = chain.terms(), columns["bid"], columns["ask"]
    found_odd = {(each.instant, each.option): each for each in out_of_step(terms, bid, ask)}
    found_odd |= {(each.instant, each.option): each for each in odd_quotes(terms, bid, ask)}
    found_odd |= {(each.instant, each.option): each for each in overpriced_asks(terms, bid, ask)}
    odd = [found_odd[key] for key in sorted(found_odd)]
    if not odd:
        return columns, []
    instants, options = np.array([each.instant for each in odd]), np.array([each.option for each in odd])
    found = dict(columns)
    for name in found.keys() - set(KEPT_COLUMNS):
        found[name] = found[name].copy()
        found[name][instants, options] = np.nan
    return found, [_finding(rows, chain, odd)]


def _finding(rows: Rows, chain: KeyedChain, odd: list[OddQuotes]) -> Finding:
    terms, first = chain.terms(), odd[0]
    below, mid, above = first.mids
    right = "call" if terms.is_call[first.option] else "put"
    beside = [f"{each:g}" for each in (below, above) if each == each]
    strikes = "strikes" if len(beside) > 1 else "strike"
    text = f"the {terms.strike[first.option]:g} {right} at {mid:g} is far from the neighbouring {strikes}"
    return left_out(rows.file, sorted(_rows_of(rows, chain, odd)), f"{text}, {' and '.join(beside)}")


def _rows_of(rows: Rows, chain: KeyedChain, odd: Iterable[OddQuotes]) -> Iterator[int]:
    """Yield the rows in which quotes of the grid of these rows stand."""
    times = np.unique(rows.time)
    for each in odd:
        at = np.flatnonzero((rows.time == times[each.instant]) & (rows.key == chain.option_keys[each.option]))
        yield int(rows.row[at[0]])


def ordered(terms: PairTerms) -> StrikeOrder:
    """Return the options in rows, and how near each is to the strikes beside it."""
    places = np.lexsort((terms.strike, terms.is_call, terms.kind))
    strike, row = terms.strike[places], 2 * terms.kind[places] + terms.is_call[places]
    alike = (row[:-2] == row[2:]) & (strike[2:] > strike[:-2])
    span = np.where(alike, strike[2:] - strike[:-2], 1.0)
    return StrikeOrder(places, strike, row, np.where(alike, (strike[2:] - strike[1:-1]) / span, np.nan))


def odd_quotes(terms: PairTerms, bid: Columns, ask: Columns) -> Iterator[OddQuotes]:
    """Yield the quotes that their neighbours contradict, by instant. Shape: bid and ask (T, C), nan: not quoted.

    An option that nobody bids for is not judged, and judges no other: its ask is an offer to sell all the same.
    """
    if bid.shape[1] < 4:
        return
    order = ordered(terms)
    is_moved = bool((np.diff(order.places) != 1).any())
    low, high = order.weight * (1.0 + PART), (1.0 - order.weight) * (1.0 + PART)
    for start in range(0, len(bid), _INSTANTS):
        bids, asks = bid[start : start + _INSTANTS], ask[start : start + _INSTANTS]
        asks = np.where(np.isnan(bids), np.nan, asks)
        if is_moved:
            bids, asks = bids[:, order.places], asks[:, order.places]
        for instant in _suspect(low, high, bids, asks):
            for place, mids in _of_instant(order, bids[instant], asks[instant]):
                yield OddQuotes(start + instant, int(order.places[place]), mids)


def _suspect(low: Columns, high: Columns, bid: Columns, ask: Columns) -> Iterable[int]:
    """Return the instants at which a bid lies beyond its neighbours' asks: of what is too cheap, that of a neighbour.

    low, high: the parts that the asks below and above have in the most that may be bid.
    """
    most = ask[:, :-2] * low
    most += ask[:, 2:] * high
    np.subtract(bid[:, 1:-1], most, out=most)
    beyond = most > LEAST
    return np.flatnonzero(beyond.any(axis=1)).tolist() if beyond.any() else ()


def _of_instant(order: StrikeOrder, bid: Columns, ask: Columns) -> Iterator[tuple[int, tuple[float, float, float]]]:
    """Yield the odd quotes of one instant, the farthest from its neighbours first: its place in order, and the mids.

    A quote is odd if those beside it agree with the next ones once it is gone. Where they do not, nobody can say which
    of them is odd, and nothing is left out.
    """
    bid, ask = bid.copy(), ask.copy()
    while True:
        line = ask[:-2] * order.weight + ask[2:] * (1.0 - order.weight)
        wrong = np.flatnonzero(bid[1:-1] > line * (1.0 + PART) + LEAST) + 1
        suspects = {int(place) for each in wrong for place in (each - 1, each, each + 1)}
        found = {place: each for place in suspects if (each := _distance(order, place, bid, ask)) > 0.0}
        if not found:
            return
        worst = max(found, key=lambda place: found[place])
        yield worst, _mids(worst, bid, ask)
        bid[worst] = ask[worst] = np.nan


def _distance(order: StrikeOrder, place: int, bid: Columns, ask: Columns) -> float:
    """Return how far a quote lies from the line between its neighbours, as a logarithm; 0 of one that is not odd."""
    below, above = place - 1, place + 1
    if not _are_quoted(order, (below, place, above), ask):
        return 0.0
    further = [each for each in ((place - 2, below, above), (below, above, place + 2)) if _are_quoted(order, each, ask)]
    if not further or any(_is_beyond(order, each, bid, ask) for each in further):
        return 0.0
    mids = _mids(place, bid, ask)
    weight = order.weight[place - 1]
    return abs(log((mids[1] + LEAST) / (mids[0] * weight + mids[2] * (1.0 - weight) + LEAST)))


def _are_quoted(order: StrikeOrder, places: tuple[int, int, int], ask: Columns) -> bool:
    """Say whether options are of one row, and offered."""
    inside = places[0] >= 0 and places[2] < len(order.row)
    return inside and order.row[places[0]] == order.row[places[2]] and not np.isnan(ask[list(places)]).any()


def _is_beyond(order: StrikeOrder, places: tuple[int, int, int], bid: Columns, ask: Columns) -> bool:
    """Say whether the one in the middle is bid beyond the line between the asks of the others."""
    low, here, high = (float(order.strike[place]) for place in places)
    weight = (high - here) / (high - low)
    line = ask[places[0]] * weight + ask[places[2]] * (1.0 - weight)
    return bool(bid[places[1]] > line * (1.0 + PART) + LEAST)


def _mids(place: int, bid: Columns, ask: Columns) -> tuple[float, float, float]:
    """Return the mids of the strike below, of this one and of that above; no bid counts 0."""
    below, here, above = ((np.nan_to_num(bid[each]) + ask[each]) / 2.0 for each in (place - 1, place, place + 1))
    return float(below), float(here), float(above)


# ---------------------------------------------------------------- the first and the last strike, and no bids beside


class PriceSteps(NamedTuple):
    """Strikes next to each other. less, more: the places of the one that is worth less, and more; width: points apart.

    A put at a higher strike is worth more, by no more than the strikes are apart; a call less.
    """

    less: NDArray[np.int64]
    more: NDArray[np.int64]
    width: Columns


def out_of_step(terms: PairTerms, bid: Columns, ask: Columns) -> Iterator[OddQuotes]:
    """Yield the quotes on the wrong side of the strike beside them. Shape: bid and ask (T, C), nan: not quoted.

    This judges the first and the last strike, and those beside options that nobody bids for. An option is odd if the
    strike behind the one beside it says so too. What nobody bids for is never too cheap: its ask is an offer to sell.
    """
    if bid.shape[1] < 3:
        return
    order = ordered(terms)
    steps = _steps(order)
    for start in range(0, len(bid), _INSTANTS):
        bids = bid[start : start + _INSTANTS][:, order.places]
        asks = ask[start : start + _INSTANTS][:, order.places]
        for instant, wrong in _contradicting(steps, bids, asks):
            for place in sorted(set(_out_of_step(order, steps, wrong, bids[instant], asks[instant]))):
                mids = _mids_or_none(order, place, bids[instant], asks[instant])
                yield OddQuotes(start + instant, int(order.places[place]), mids)


def _contradicting(steps: PriceSteps, bid: Columns, ask: Columns) -> Iterator[tuple[int, list[int]]]:
    """Yield the instants at which strikes next to each other contradict each other, and which steps do."""
    beyond = bid[:, steps.less] > ask[:, steps.more] * (1.0 + PART) + LEAST
    beyond |= bid[:, steps.more] > ask[:, steps.less] + steps.width * (1.0 + PART) + LEAST
    for instant in np.flatnonzero(beyond.any(axis=1)).tolist():
        yield instant, np.flatnonzero(beyond[instant]).tolist()


def _steps(order: StrikeOrder) -> PriceSteps:
    first = np.flatnonzero((order.row[:-1] == order.row[1:]) & (order.strike[1:] > order.strike[:-1]))
    is_call = order.row[first] % 2 == 1
    width = order.strike[first + 1] - order.strike[first]
    return PriceSteps(np.where(is_call, first + 1, first), np.where(is_call, first, first + 1), width)


def _out_of_step(order: StrikeOrder, steps: PriceSteps, wrong: list[int], bid: Columns, ask: Columns) -> Iterator[int]:
    """Yield the one of each two strikes that contradict each other with which a third strike does not agree."""
    for each in wrong:
        pair = (int(steps.less[each]), int(steps.more[each]))
        expensive, cheap = pair if _is_dearer(order, pair[0], pair[1], bid, ask) else (pair[1], pair[0])
        behind, before = cheap + (cheap - expensive), expensive - (cheap - expensive)
        is_expensive = _is_dearer(order, expensive, behind, bid, ask)
        is_cheap = _is_dearer(order, before, cheap, bid, ask)
        if is_expensive is not is_cheap and (is_expensive or not np.isnan(bid[cheap])):
            yield expensive if is_expensive else cheap


def _is_dearer(order: StrikeOrder, one: int, other: int, bid: Columns, ask: Columns) -> bool:
    """Say whether an option is bid for more than the ask of another one, and what their strikes, allow."""
    if not 0 <= min(one, other) <= max(one, other) < len(order.row) or order.row[one] != order.row[other]:
        return False
    apart = float(order.strike[one] - order.strike[other]) * (-1 if order.row[one] % 2 else 1)
    most = ask[other] * (1.0 + PART) if apart < 0 else ask[other] + apart * (1.0 + PART)
    return bool(bid[one] > most + LEAST)


def _mids_or_none(order: StrikeOrder, place: int, bid: Columns, ask: Columns) -> tuple[float, float, float]:
    def mid(at: int) -> float:
        is_beside = 0 <= at < len(order.row) and order.row[at] == order.row[place]
        return float((np.nan_to_num(bid[at]) + ask[at]) / 2.0) if is_beside else float("nan")

    return mid(place - 1), mid(place), mid(place + 1)


# ---------------------------------------------------------------- far dearer than the strikes beside it, without a bid


def overpriced_asks(terms: PairTerms, bid: Columns, ask: Columns) -> Iterator[OddQuotes]:
    """Yield the quotes without a bid whose half ask, their mid, is more than two strikes beside them are offered at.

    Shape: bid and ask (T, C), nan: not quoted. The two are the neighbours, or the next two where there is but one.
    """
    if bid.shape[1] < 3:
        return
    order = ordered(terms)
    steps = _steps(order)
    for start in range(0, len(bid), _INSTANTS):
        asks = ask[start : start + _INSTANTS][:, order.places]
        half = np.where(np.isnan(bid[start : start + _INSTANTS][:, order.places]), asks / 2.0, np.nan)
        for instant, wrong in _contradicting(steps, half, asks):
            for place in sorted(set(_too_expensive(order, steps, wrong, half[instant], asks[instant]))):
                mids = _mids_or_none(order, place, half[instant], asks[instant])
                yield OddQuotes(
                    start + instant, int(order.places[place]), (mids[0], float(half[instant][place]), mids[2])
                )


def _too_expensive(
    order: StrikeOrder, steps: PriceSteps, wrong: list[int], half: Columns, ask: Columns
) -> Iterator[int]:
    for each in wrong:
        pair = (int(steps.less[each]), int(steps.more[each]))
        expensive, beside = pair if _is_dearer(order, pair[0], pair[1], half, ask) else (pair[1], pair[0])
        other, behind = expensive + (expensive - beside), beside + (beside - expensive)
        is_inside = 0 <= other < len(order.row) and order.row[other] == order.row[expensive]
        if (
            half[expensive] > ask[other] * (1.0 + PART) + LEAST
            if is_inside
            else _is_dearer(order, expensive, behind, half, ask)
        ):
            yield expensive


# --- Levels of an underlying that can be none

FAR = 2.5
"""A level that is so many times that in the middle of its session, or less than such a part of it, is none."""
_SEVERAL = 3
_ALONE, _ALIKE, _BETWEEN = 0.10, 0.025, 600.0
"""A level is alone that is farther than that from those before and after it, which are alike, within such seconds."""
_IN_PERCENT = frozenset(("VIX", "VIX1D", "VIX9D", "VIX3M", "VIX6M", "VXN", "RVX", "VXO"))
_LEAST_VOLATILITY, _MOST_VOLATILITY = 2.0, 300.0
ANOTHER = "an earlier row has another level at the same time: the first one counts"


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
            text = f"{key[1]} settles at {level:g}, the underlying was at {middle:g}: scaled?"
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
                f"{key[1]} settles at {level:g}, the underlying was at {least:g} to {most:g}: is it of another scale?"
            )
            yield finding_text(file, row, text)
