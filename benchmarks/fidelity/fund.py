"""Modelled options on SPY against quotes at the close: its most traded ones of 2021, and whole chains of 2025."""

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.fidelity.figure import Figure
from rulebot.adapters.history.lazy_chain import strike_of
from rulebot.adapters.sources import open_source
from rulebot.model.contract import Option, Right, listed

RATES = "date,rate\n2020-12-31,0.05\n2024-12-31,4.2\n"
"""Three-month bills of 2021 and of January 2025, percent."""
LEAST = 0.10
"""Dollars: of cheaper options a cent is too much of the price."""
MONEY = (("far out of the money", 0.05, 0.15), ("out of the money", 0.15, 0.45), ("near the money", 0.45, 0.60))
"""Names of deltas, without their sign, from one to another."""


class Quote(NamedTuple):
    """An option at the close of a day. delta: the vendor's."""

    option: Option
    bid: float
    ask: float
    delta: float


def measure(data: Path) -> list[Figure]:
    """Return how dear ours are beside theirs, and how wide, by side and by distance from the money."""
    with (data / "open" / "chains" / "spy_2021_liquid20.csv").open(newline="", encoding="utf-8") as stream:
        of_2021 = _quoted(csv.DictReader(stream), "quotedate", "type")
    file = data / "limited" / "chains" / "spy_2025_eod_dte25_65.csv.gz"
    with gzip.open(file, "rt", newline="", encoding="utf-8") as stream:
        of_2025 = _quoted(csv.DictReader(stream), "date", "call_put")
    with TemporaryDirectory() as folder:
        (rates := Path(folder) / "rates.csv").write_text(RATES, encoding="utf-8")
        return [
            *_figures("twenty options a day, January to August 2021", data, rates, of_2021),
            *_figures("whole chains, January 2025", data, rates, of_2025),
        ]


def _figures(what: str, data: Path, rates: Path, quoted: Mapping[date, list[Quote]]) -> Iterator[Figure]:
    source = open_source(f"model:{data}?symbol=SPY&rates={rates}&step=390&dte=0..130")
    dearer: dict[tuple[Right, str], list[float]] = defaultdict(list)
    wider: dict[tuple[Right, str], list[float]] = defaultdict(list)
    for day, quotes in sorted(quoted.items()):
        if not source.dates(day, day):
            continue
        made = source.day(day)
        places = made.places()
        for quote in quotes:
            band = next((name for name, low, high in MONEY if low <= abs(quote.delta) < high), None)
            middle = (quote.bid + quote.ask) / 2.0
            if band is None or middle < LEAST or quote.option not in places:
                continue
            columns, (at,) = made.holding(np.array([places[quote.option]]))
            bid, ask = float(np.nan_to_num(columns["bid"][-1, at])), float(columns["ask"][-1, at])
            dearer[quote.option.right, band].append((bid + ask) / 2.0 / middle)
            wider[quote.option.right, band].append((ask - bid) / (quote.ask - quote.bid))
    for right in (Right.PUT, Right.CALL):
        reported = []
        for band, _, _ in MONEY:
            if found := dearer[right, band]:
                text = f"{band} {np.median(found):.2f} of theirs, as wide {np.median(wider[right, band]):.1f} times"
                reported.append(f"{text} ({len(found):,} quotes)")
        yield Figure(f"{right.value}s on SPY at the close, {what}: the median price", "; ".join(reported))


def _quoted(rows: Iterable[Mapping[str, str]], day: str, side: str) -> dict[date, list[Quote]]:
    """Return quotes by day. day, side: the columns of the date, and of whether it is a call or a put."""
    found: dict[date, list[Quote]] = defaultdict(list)
    for row in rows:
        strike, is_call = strike_of(float(row["strike"])), row[side][0].lower() == "c"
        option = listed("SPY", "SPY", date.fromisoformat(row["expiration"]), strike, is_call)
        quote = Quote(option, float(row["bid"]), float(row["ask"]), float(row["delta"]))
        if quote.ask > quote.bid > 0.0:
            found[date.fromisoformat(row[day])].append(quote)
    return found
