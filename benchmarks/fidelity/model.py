"""The modelled market against what was published: the VIX it was made from, and prices of same-day straddles."""

from collections import defaultdict
from datetime import date, datetime
from pathlib import Path

import numpy as np

from benchmarks.fidelity.figure import Figure
from rulebot.adapters.history.end_of_day import vix_of
from rulebot.adapters.history.modelled_source import ModelSource
from rulebot.adapters.history.table import read_parquet
from rulebot.adapters.sources import open_source
from rulebot.model.contract import Right
from rulebot.model.session import at_exchange_time

FIRST, LAST = date(1999, 1, 15), date(2026, 8, 7)
_EVERY = 20
CLOCKS = ("10:00", "12:00", "14:00")


def measure(data: Path, rates: Path) -> list[Figure]:
    """Return the figures of the model."""
    return [_index(data, rates), *_straddles(data, rates)]


def _index(data: Path, rates: Path) -> Figure:
    source = open_source(f"model:{data}?rates={rates}&step=390&dte=15..45")
    assert isinstance(source, ModelSource)
    ratios = []
    for day in source.dates(FIRST, LAST)[::_EVERY]:
        made = source.day(day)
        found = vix_of(made, source.rates.on(day))
        if found is not None:
            ratios.append(found / made.levels["VIX"][-1] - 1.0)
    errors = np.array(ratios)
    mean = float(np.abs(errors).mean())
    return Figure(
        f"VIX by its formula from the modelled chain, against the VIX given: {len(errors)} days from 1999 to 2026",
        f"mean difference {errors.mean():+.1%}, mean of absolute ones {mean:.1%}, largest {np.abs(errors).max():.1%}",
        "mean of absolute ones at most 2%",
        mean <= 0.02,
    )


def _straddles(data: Path, rates: Path) -> list[Figure]:
    """Compare the straddle at the money, as a part of spot, at some times of day."""
    table = read_parquet(data / "limited" / "intraday_options" / "spxw_0dte_prices.parquet")
    days, day_texts = table.texts("date")
    clocks, clock_texts = table.texts("time")
    strike, money, price, spot = (table.numbers(name) for name in ("strike", "atm", "price", "spx"))
    real: dict[tuple[str, str], list[float]] = defaultdict(list)
    for place in np.flatnonzero(strike == money).tolist():
        real[day_texts[days[place]], clock_texts[clocks[place]]].append(price[place] / spot[place])
    source = open_source(f"model:{data}?rates={rates}&step=30&dte=0")
    pairs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for text in day_texts:
        day = date.fromisoformat(text)
        if not source.dates(day, day):
            continue
        made = source.day(day)
        level = made.levels["SPX"]
        for clock in CLOCKS:
            both = real.get((text, clock), [])
            at = at_exchange_time(day, datetime.strptime(clock, "%H:%M").time()).timestamp()
            place = int(np.argmin(np.abs(made.times - at)))
            if len(both) != 2 or abs(made.times[place] - at) > 60.0:
                continue
            nearest = min((float(option.strike) for option in made.options), key=lambda k: abs(k - level[place]))
            sides = [
                (made.bid[place, number] + made.ask[place, number]) / 2.0
                for number, option in enumerate(made.options)
                if float(option.strike) == nearest and option.right in Right
            ]
            pairs[clock].append((sum(sides) / level[place], sum(both)))
    found = []
    for clock in CLOCKS:
        ours, theirs = np.array(pairs[clock]).T
        known = ~np.isnan(ours)
        ours, theirs = ours[known], theirs[known]
        ratio = float(np.median(ours / theirs))
        text = f"ours {ours.mean():.3%} of spot, theirs {theirs.mean():.3%}; median ratio {ratio:.2f}, "
        text += f"correlation {np.corrcoef(ours, theirs)[0, 1]:.2f}"
        asked = "median ratio 0.8 to 1.25"
        what = f"same-day straddle at the money at {clock}, {len(ours)} days from November 2023 to June 2025"
        found.append(Figure(what, text, asked, 0.8 <= ratio <= 1.25))
    return found
