"""Real chains against what was published: the VIX recomputed, greeks against the vendor's, prices within the range."""

import csv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.fidelity.figure import Figure
from rulebot.adapters.history.end_of_day import vix_of
from rulebot.adapters.history.parity import forwards
from rulebot.adapters.history.session import Columns, HistoryDay, Severity
from rulebot.adapters.sources import open_source
from rulebot.model.black_columns import black, normal
from rulebot.model.contract import Right
from rulebot.model.errors import StoreError

FIRST, LAST = date(1990, 1, 1), date(2027, 12, 31)
RATE = 0.0235
"""Three-month bills from April to June 2019."""
_SLACK = 0.3


def measure(data: Path) -> list[Figure]:
    """Return the figures of the snapshots of 2019."""
    source = open_source(f"snapshots:{data / 'open' / 'chains' / 'spx_2019'}?stands=0")
    official = {row["date"]: row for row in csv.DictReader((data / "open/chains/spx_2019_index.csv").open())}
    off: list[float] = []
    deltas = []
    within = levels = 0
    days = source.dates(FIRST, LAST)
    for day in days:
        found, known = source.day(day), official[str(day)]
        value = vix_of(found, RATE)
        assert value is not None
        low, high = float(known["vix_low"]), float(known["vix_high"])
        off.append(max(low - value, value - high, 0.0))
        within += off[-1] == 0.0
        levels += float(known["official_low"]) <= found.levels["SPX"][0] <= float(known["official_high"])
        deltas.append(_delta_errors(found))
    errors = np.abs(np.concatenate(deltas))
    inside = sum(each <= _SLACK for each in off)
    text = (
        f"{inside} of {len(days)} ({within} of them inside without any slack, the rest at most {max(off):.2f} outside)"
    )
    return [
        Figure("sessions with a VIX, by its formula, inside the day's range +/- 0.3", text, "all", inside == len(days)),
        Figure("sessions with a level inside the day's range", f"{levels} of {len(days)}", "all", levels == len(days)),
        Figure(
            f"delta against the vendor's, {len(errors):,} quotes (bids above 0.50, 7 to 180 days)",
            f"mean error {errors.mean():.4f}, 99 % below {np.quantile(errors, 0.99):.4f}, largest {errors.max():.3f}",
            "mean at most 0.005",
            bool(errors.mean() <= 0.005),
        ),
    ]


def _delta_errors(day: HistoryDay) -> Columns:
    """Return our delta, by Black on the parity forward at the volatility of the mid, less the vendor's."""
    assert day.delta is not None
    rows = []
    known = forwards(day)
    for place, option in enumerate(day.options):
        of = known.get((option.expiry, option.trading_class))
        theirs, bid, ask = day.delta[0, place], day.bid[0, place], day.ask[0, place]
        is_meant = 7 <= (option.expiry - day.date).days <= 180 and bid > 0.5 and 0.005 < abs(theirs) < 0.995
        if of is not None and is_meant:
            sign = 1.0 if option.right is Right.CALL else -1.0
            rows.append((theirs, (bid + ask) / 2.0, of[0], float(option.strike), of[1], sign))
    theirs, price, forward, strike, discount, sign = np.array(rows).T
    deviation = _deviation(price, forward, strike, discount, sign)
    d1 = np.log(forward / strike) / deviation + deviation / 2.0
    has_time = price > np.maximum(sign * (forward - strike), 0.0) * discount + 0.05
    ours = sign * discount * forward / day.levels["SPX"][0] * normal(sign * d1)
    found: Columns = (ours - theirs)[has_time]
    return found


def _deviation(price: Columns, forward: Columns, strike: Columns, discount: Columns, sign: Columns) -> Columns:
    """Return volatility x sqrt(years) at which Black's formula gives the prices, by halving."""
    low, high = np.full(len(price), 1e-4), np.full(len(price), 3.0)
    for _ in range(40):
        middle = (low + high) / 2.0
        above = black(forward, strike, middle, discount, sign)[0] > price
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    found: Columns = (low + high) / 2.0
    return found


SOURCES = (
    ("SPX 2019, snapshots", "snapshots:open/chains/spx_2019?stands=0"),
    ("SPY 2021, twenty contracts a day", "eod:open/chains/spy_2021_liquid20.csv?stands=0"),
    ("SPXW January 2018, end of day", "eod:limited/chains/spxw_2018_eom.csv.gz?stands=0"),
    ("SPY January 2025, end of day", "eod:limited/chains/spy_2025_eod_dte25_65.csv.gz?stands=0"),
    ("Lean minutes of GOOG", "lean:open/lean?symbol=goog"),
    ("Lean minutes of SPX and SPXW", "lean:open/lean?symbol=spx"),
    ("Lean minutes of TWX", "lean:open/lean?symbol=twx"),
    ("Lean minutes of FOXA", "lean:open/lean?symbol=foxa"),
    ("Lean minutes of SPY", "lean:open/lean?symbol=spy"),
)


def findings(data: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield source, severity, what was found and how often, of all real chains."""
    for words, text in SOURCES:
        kind, _, path = text.partition(":")
        source = open_source(f"{kind}:{data / path}")
        counts: dict[tuple[str, str], int] = {}
        days = source.dates(FIRST, LAST)
        for finding in source.gaps(FIRST, LAST):
            if "daily" not in finding.file and "cboe" not in finding.file:
                _count(counts, finding.severity, finding.text)
        read = 0
        for day in days:
            try:
                found = source.day(day)
            except StoreError as error:
                _count(counts, Severity.REFUSED, f"{day}: {error.message}")
                continue
            read += 1
            for finding in found.findings:
                _count(counts, finding.severity, _without_numbers(finding.text))
        yield words, "", f"{read} of {len(days)} sessions are read", 0
        for (severity, what), count in counts.items():
            yield words, severity, what, count


def _count(counts: dict[tuple[str, str], int], severity: Severity, text: str) -> None:
    counts[severity.value, text] = counts.get((severity.value, text), 0) + 1


def _without_numbers(text: str) -> str:
    """Return what findings that differ in their numbers have in common."""
    for start, words in (
        ("by put-call parity", "put-call parity places the forward where the level cannot have it"),
        ("only ", "most contracts of the day before are gone"),
    ):
        if text.startswith(start):
            return words
    for word in (" (", "; judged"):
        text = text.partition(word)[0]
    return text
