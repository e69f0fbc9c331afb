"""What is wrong with the quotes of a session: each flaw is found by the values, told by file and row, and never mended.

What cannot be so is refused (units, columns that hold something else); rows that are not to be traded on are left out
(expired, crossed, without either side); what is merely odd is told.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from rulebot.adapters.history.lazy_chain import Rows, expiry_of, is_call_of, width_of
from rulebot.adapters.history.parity import other_zone
from rulebot.adapters.history.session import (
    Columns,
    File,
    Finding,
    finding_text,
    is_unknown,
    left_out,
    nan_median,
    refusal,
    refused,
)
from rulebot.model.session import EXCHANGE_ZONE, Session
from rulebot.model.text import minute

Mask = NDArray[np.bool_]

_MOST = 0.9
_SCALES = 8.0
_PERCENT = 3.0
_NEAR = 0.01
_GREEKS = ("delta", "gamma", "vega", "theta")
_COUNTS = ("open_interest", "volume")
_QUOTE, _FEW = {"bid", "ask"}, 0.02
"""What tells two quotes apart, and the part of options that may have two at one time before a day is refused."""
_SIZES = {"bid_size": "bid", "ask_size": "ask"}
_STILL, _AGAIN = 1800.0, 3
"""Seconds for which a level that moves may stand still, and how often it may come again, before it is told."""
_SHARED = 0.5
"""Which part of the options of an instant the next one has as well, where they are of states of a chain."""
TOO_EXPENSIVE = 1.5
"""How many times what it is on, or its strike if that is more, an option is quoted at that cannot be."""
EXPENSIVE = "the ask is dearer than the underlying and the strike"


def ordered(rows: Rows) -> tuple[Rows, list[Finding]]:
    """Return each quote once; rows out of order are told, their time puts them right.

    Of a quote that is repeated the first counts. Of an option with several quotes at one time none does: nobody can say
    which one stood. Many of those are a day of several times in a file that tells none: it is refused.
    """
    if width_of(rows) is not None:
        return rows, []
    findings = [*out_of_order(rows)]
    order = np.lexsort((np.arange(len(rows.time)), rows.key, rows.time))
    same = np.zeros(len(order), dtype=bool)
    same[1:] = (np.diff(rows.time[order]) == 0) & (np.diff(rows.key[order]) == 0)
    if not same.any():
        return rows, findings
    number = np.cumsum(~same) - 1  # of each option at each time
    differs = np.zeros(len(order), dtype=bool)
    firsts = np.flatnonzero(~same)[number]
    for name in _QUOTE & rows.values.keys():
        sorted_values = rows.values[name][order]
        first = sorted_values[firsts]
        differs |= ~((sorted_values == first) | (np.isnan(sorted_values) & np.isnan(first)))
    several = np.bincount(number, weights=differs) > 0
    unsure = several[number]
    if unsure.any():
        findings.append(_of_several_quotes(rows, order[unsure], float(several.mean())))
    if (again := same & ~unsure).any():
        findings.append(left_out(rows.file, sorted(rows.row[order[again]].tolist()), "a duplicate of an earlier quote"))
    kept = np.ones(len(order), dtype=bool)
    kept[order[same | unsure]] = False
    return rows.only(kept), findings


def _of_several_quotes(rows: Rows, places: NDArray[np.intp], share: float) -> Finding:
    """Return that options have several quotes at one time. share: the part of all options of which that is so."""
    if share > _FEW:
        first, second = sorted(rows.row[places[:2]].tolist())
        text = f"{share:.0%} of the options have several quotes at one time, as that of row {second}"
        return refused(rows.file, first, f"{text}: name the column with their times `time`")
    found = sorted(rows.row[places].tolist())
    return left_out(rows.file, found, "the option has several quotes at this time, and none is used")


def out_of_order(rows: Rows) -> Iterator[Finding]:
    """Yield where the rows go back in time."""
    if (back := np.flatnonzero(np.diff(rows.time) < 0)).size:
        text = "the time is earlier than that of the row before; the times are followed, not the order"
        yield finding_text(rows.file, int(rows.row[back[0] + 1]), text, int(back.size))


def listed_on(rows: Rows, day: date) -> tuple[Rows, list[Finding]]:
    """Return the rows of options that still trade on a day."""
    if not (expiry_of(rows.index.keys) < day.toordinal()).any():
        return rows, []
    gone = rows.expiry < day.toordinal()
    zero = gone & ~(rows.values["bid"] > 0) & ~(rows.values["ask"] > 0)
    findings = []
    if zero.any():
        text = "the option has expired before this session, and bid and ask are 0"
        findings.append(left_out(rows.file, rows.row[zero].tolist(), text))
    if (gone & ~zero).any():
        text = "the option has expired before this session"
        findings.append(left_out(rows.file, rows.row[gone & ~zero].tolist(), text))
    return rows.only(~gone), findings


def sound(rows: Rows, level: float) -> tuple[Rows, list[Finding]]:
    """Return the rows with quotes that can be traded on; what is not quoted is nan, and so is what is crossed.

    A bid of 0 beside an ask is no bid, as the exchange sends it, and no finding. One below 0 is told, and none at all.
    Volatility, greeks and sizes of a quote that is not used are not known; where no ask is told at all they stay.
    level: of the underlying on that day, dearer than which no option is.
    """
    bid, ask = rows.values["bid"], rows.values["ask"]
    has_bid, has_ask = bid > 0, ask > 0
    findings = [] if has_bid.all() else [*_missing_bids(rows, has_bid, has_ask)]
    values, crossed, expensive = dict(rows.values), bid > ask, _expensive(rows, level)
    if crossed.any() or expensive.any() or not has_ask.all():
        crossed, no_ask = crossed & has_ask, ~has_ask
        empty = no_ask & ~has_bid
        for mask, text in (
            (crossed, "the bid is above the ask"),
            (empty & ~(np.isnan(bid) & np.isnan(ask)), "neither bid nor ask"),
            (no_ask & ~empty, "there is a bid and no ask"),
            (expensive & ~crossed, EXPENSIVE),
        ):
            if mask.any():
                findings.append(left_out(rows.file, rows.row[mask].tolist(), text))
        unquoted = crossed | no_ask | expensive
        bad = unquoted & ~np.isnan(values["ask"])  # what a broker models of an option without an ask stays known
        for name in values.keys() - _COUNTS:
            values[name] = np.where(unquoted if name == "bid" else bad, np.nan, values[name])
    if not has_bid.all():
        values["bid"] = np.where(values["bid"] > 0, values["bid"], np.nan)
    findings += _drop_flat(rows, values)
    for mask, text in _wrong_deltas(rows, values.get("delta")):
        findings.append(_first_of(rows, mask, text))
        values["delta"] = np.where(mask, np.nan, values["delta"])
    return rows.of(values), findings


def _missing_bids(rows: Rows, has_bid: Mask, has_ask: Mask) -> Iterator[Finding]:
    """Yield a finding where bids are below 0, or there is none at all."""
    if (below := (rows.values["bid"] < 0) & has_ask).any():
        yield _first_of(rows, below, "a bid is below 0: it is taken for no bid")
    elif has_ask.any() and not has_bid.any():
        yield finding_text(rows.file, 0, "not one option has a bid: is this the column of bids?")


def _drop_flat(rows: Rows, values: dict[str, Columns]) -> Iterator[Finding]:
    """Make a volatility of 0 unknown in `values`, with its greeks; yield that it was there."""
    iv = values.get("iv")
    if iv is None or (is_known := iv > 0).all():
        return
    if (flat := iv <= 0).any():
        yield _first_of(rows, flat, "the volatility is 0: its greeks are not used")
        values |= _without_greeks(values)
    values["iv"] = np.where(is_known, iv, np.nan)


def _first_of(rows: Rows, mask: Mask, text: str) -> Finding:
    """Return a finding at the first of these rows, which counts them all."""
    return finding_text(rows.file, int(rows.row[mask.argmax()]), text, int(mask.sum()))


def _expensive(rows: Rows, level: float) -> Mask:
    """Return which quotes are dearer than what they are on, and than their strike: by one of them a stop would fill."""
    ask = rows.values["ask"]
    if not np.fmax.reduce(ask, initial=0.0) > TOO_EXPENSIVE * level:
        return np.zeros(len(ask), dtype=bool)
    found: Mask = ask > TOO_EXPENSIVE * np.maximum(rows.strike, level)
    return found


def _without_greeks(values: Mapping[str, Columns]) -> dict[str, Columns]:
    """Return the greeks, unknown where the volatility is 0: by them the strike nearest a delta lies anywhere."""
    is_flat = values["iv"] <= 0
    return {name: np.where(is_flat, np.nan, values[name]) for name in _GREEKS if name in values}


def _wrong_deltas(rows: Rows, delta: Columns | None) -> Iterator[tuple[Mask, str]]:
    """Yield which deltas cannot be, and why: live they are unknown as well. A call's is 0 to 1, a put's -1 to 0."""
    if delta is None or not len(delta) or is_unknown(delta):
        return
    calls = is_call_of(rows.index.keys[: rows.index.width or None])
    by_instant = delta.reshape(-1, len(calls))
    least, most = np.fmin.reduce(by_instant, axis=0), np.fmax.reduce(by_instant, axis=0)
    if np.where(calls, least < 0, most > 0).any():
        contrary = np.where(calls, by_instant < 0, by_instant > 0)
        yield contrary.ravel(), "the delta has the wrong sign: it is not used"
    if (most > 1.0).any() or (least < -1.0).any():
        yield np.abs(delta) > 1.0, "the delta is not from -1 to 1: it is not used"


def endless(rows: Rows) -> Iterator[Finding]:
    """Yield where a value is infinite."""
    for name, values in rows.values.items():
        if is_unknown(values) or not len(values) or np.isfinite(np.add.reduce(values)):
            continue  # a sum is none where a value is none, or missing
        if (is_none := np.isinf(values)).any():
            none = int(is_none.argmax())
            yield refused(rows.file, int(rows.row[none]), f"{name} is a number, is {values[none]:g}")


def wrong_columns(rows: Rows, level: float) -> Iterator[Finding]:
    """Yield why the values cannot be what their columns say. `level` is one of the underlying on that day."""
    if not len(rows.values["bid"]) or not level > 0:
        return
    yield from _negative(rows)
    rows = _sample(rows)
    first = int(rows.row[0])
    strike, bid, ask = rows.strike, rows.values["bid"], rows.values["ask"]
    ratio = nan_median(strike) / level
    if not 1 / _SCALES < ratio < _SCALES:
        yield refused(
            rows.file, first, f"strikes lie around {nan_median(strike):g}, the underlying at {level:g}: scaled?"
        )
        return
    quoted = ask > 0
    if _are_most(ask > TOO_EXPENSIVE * np.maximum(strike, level), quoted):
        middle = nan_median(ask[quoted])
        text = f"most quotes are dearer than the underlying ({level:g}), the median is {middle:g}: scaled?"
        yield refused(rows.file, first, text)
    if _are_most(bid > ask, quoted):
        yield refused(rows.file, first, "most bids are above their asks: are the columns exchanged?")
    yield from _wrong_counts(rows, level, first)
    yield from _wrong_greeks(rows, first)


def _sample(rows: Rows) -> Rows:
    """Return some two thousand rows of all: enough to know what a column holds."""
    stride, width = max(len(rows.values["bid"]) // _SAMPLED, 1), rows.index.width
    if stride == 1:
        return rows
    stride += 1 - stride % 2
    while width and width % stride == 0:
        stride += 2
    return rows.only(slice(None, None, stride))


_SAMPLED = 2000


def _negative(rows: Rows) -> Iterator[Finding]:
    for name in (*_COUNTS, *_SIZES):
        counts = rows.values.get(name)
        if counts is not None and (counts < 0).any():
            row = int(rows.row[np.flatnonzero(counts < 0)[0]])
            yield refused(rows.file, row, f"{name} is a count of contracts, is {counts[counts < 0][0]:g}")


def is_price(counts: Columns, level: float) -> bool:
    """Say whether what should be counts is the price of the underlying."""
    return _share(np.abs(counts - level) < _NEAR * level) > _MOST


def _wrong_counts(rows: Rows, level: float, first: int) -> Iterator[Finding]:
    for name, quoted in _SIZES.items():
        counts = rows.values.get(name)
        if counts is not None and (wanted := rows.values[quoted] > 0).any() and (counts[wanted] == 0).all():
            text = f"{name} is 0 in all quotes, so nothing could fill: remove the column"
            yield refused(rows.file, first, text)
    for name in (*_COUNTS, *_SIZES):
        counts = rows.values.get(name)
        if counts is None:
            continue
        if name in _COUNTS and is_price(counts, level):
            text = f"{name} holds the price of the underlying ({level:g}), not a count of contracts"
            yield refused(rows.file, first, text)
            continue
        known = counts[~np.isnan(counts)]
        if _share(parts := known != np.rint(known)) > 0.5:
            text = f"{name} is a count of contracts, most are none, as {known[parts][0]:g}: does it hold prices?"
            yield refused(rows.file, first, text)


def _wrong_greeks(rows: Rows, first: int) -> Iterator[Finding]:
    iv, delta = rows.values.get("iv"), rows.values.get("delta")
    if iv is not None and (iv > _PERCENT).any() and (middle := nan_median(iv[iv > 0])) > _PERCENT:
        text = f"iv is an annual fraction, its median is {middle:.1f}: percent?"
        yield refused(rows.file, first, text)
    if delta is None:
        return
    size = np.abs(delta)
    if (size > 1.0).any() and (middle := nan_median(size)) > 1.0:
        yield refused(rows.file, first, f"delta is -1 to 1, its median is {middle:.1f}: percent?")
    puts = ~rows.is_call & (size > 1e-6)
    if _are_most(delta > 0, puts):
        yield refused(rows.file, int(rows.row[puts][0]), "delta of a put is negative, these are not")


def _share(mask: Mask) -> float:
    return np.count_nonzero(mask) / mask.size if mask.size else 0.0


def _are_most(mask: Mask, of: Mask) -> bool:
    """Say whether it is so for more than half of these."""
    return bool(2 * np.count_nonzero(mask & of) > np.count_nonzero(of))


def within(rows: Rows, session: Session) -> tuple[Rows, list[Finding]]:
    """Return the rows of regular hours: after the open, up to the close.

    Raises: StoreError where there is none, and where the whole day lies hours beside it, as Chicago's clock has it.
    """
    opened, closed = session.open.timestamp(), session.close.timestamp()
    times = rows.index.times
    if not len(times) or (times.min() >= opened and times.max() <= closed):
        return rows, []
    each = np.unique(times)
    if (words := other_zone(float(each[0]), float(each[-1]), nan_median(np.diff(each)), session)) is not None:
        raise refusal(refused(rows.file, int(rows.row[0]), f"its rows are of {words}"))
    outside = (rows.time < opened) | (rows.time > closed)
    if outside.all():
        first = datetime.fromtimestamp(float(times.min()), UTC).astimezone(EXCHANGE_ZONE)
        text = f"no row is in the session of {session.date}: the first is at {first:%Y-%m-%d %H:%M} in New York"
        raise refusal(refused(rows.file, int(rows.row[0]), text))
    return rows.only(~outside), [left_out(rows.file, rows.row[outside].tolist(), "this is outside of regular hours")]


def holes(file: File, times: Columns, session: Session, what: str = "it") -> Iterator[Finding]:
    """Yield where a session of many instants begins late, ends early, or has a hole; `what` is quotes, or a level."""
    if len(times) < 3:
        return
    step = nan_median(np.diff(times))
    allowed = max(5.0 * step, 300.0)
    opened, closed = session.open.timestamp(), session.close.timestamp()
    if times[0] - opened > allowed:
        yield finding_text(
            file, 0, f"{what} begins at {_clock(times[0], session)}, the session at {_clock(opened, session)}"
        )
    if closed - times[-1] > allowed:
        text = f"{what} ends at {_clock(times[-1], session)}, the session at {_clock(closed, session)}: cut off?"
        yield finding_text(file, 0, text)
    for place in np.flatnonzero(np.diff(times) > allowed).tolist():
        since, until = _clock(times[place], session), _clock(times[place + 1], session)
        words = "there is nothing" if what == "it" else f"{what} is missing"
        yield finding_text(file, 0, f"{words} between {since} and {until}")


def scattered(file: File, ask: Columns) -> Iterator[Finding]:
    """Yield that quotes of one time have each an instant of their own: most options of one are not in the next.

    So it is not of options that are given up once, as those of a recording. Shape: ask (T, options).
    """
    known = ~np.isnan(ask)
    counts = known.sum(axis=1)
    has_some = counts[:-1] > 0
    shared = (known[1:] & known[:-1]).sum(axis=1)[has_some] / counts[:-1][has_some]
    if nan_median(shared) < _SHARED:
        usual = nan_median(counts[counts > 0].astype(np.float64))
        text = f"an instant has quotes of {usual:g} of {ask.shape[1]} options, the next one of others"
        yield finding_text(
            file, 0, f"{text}: bots see only quotes of one instant; give quotes of one snapshot one time"
        )


def repeated(
    file: File, symbol: str, times: Columns, level: Columns, columns: Mapping[str, Columns], session: Session
) -> Iterator[Finding]:
    """Yield where the level stands still for long, with the quotes or without: so files are filled up with what came
    last. Shape: level (T,), columns (T, options).
    """
    known = np.flatnonzero(~np.isnan(level) & (times <= session.close.timestamp()))
    if not len(known):
        return
    moved = np.flatnonzero(np.diff(level[known]))
    firsts, lasts = known[np.append(0, moved + 1)], known[np.append(moved, -1)]
    still = np.flatnonzero((times[lasts] - times[firsts] >= _STILL) & (lasts - firsts >= _AGAIN))
    for first, last in zip(firsts[still], lasts[still], strict=True):
        quotes = np.hstack([columns[name][first : last + 1] for name in ("bid", "ask")])
        quotes = quotes[~np.isnan(quotes).all(axis=1)]
        is_same = len(quotes) > 1 and ((quotes == quotes[0]) | (np.isnan(quotes) & np.isnan(quotes[0]))).all()
        what = f"the level of {symbol} and all quotes are" if is_same else f"the level of {symbol} is"
        span = f"{_clock(times[first], session)} to {_clock(times[last], session)}"
        yield finding_text(file, 0, f"{what} the same from {span}: is what came last repeated?")


def _clock(at: float, session: Session) -> str:
    return minute(datetime.fromtimestamp(at, UTC))
