"""Cboe's strategy indices replicated: our bots backtested on the modelled market, made into an index, and compared.

Source: Cboe index methodologies. PUT and CNDR keep their collateral in bills: PUT as much as its puts could cost, CNDR
ten times the most its condor can lose (so cboe.com/us/indices/dashboard/CNDR). BXM and BXMD hold the stocks of the S&P
500 with their dividends against one call a unit.
The option trades and their daily worth are the backtest's; bills, index and dividends are published figures.
"""

import csv
import json
import subprocess
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fidelity.figure import Figure

FIRST, LAST = "1999-01-15", "2015-12-31"
ASKED = {"PUT": 0.96, "BXM": 0.97, "BXMD": 0.97, "CNDR": 0.85}
BETA = (0.9, 1.1)
_SPECS = Path(__file__).parents[2] / "examples" / "index"


@dataclass(frozen=True)
class Published:
    """Month-end levels by name, and closes of SPX by day."""

    months: tuple[str, ...]
    levels: Mapping[str, Mapping[str, float]]
    closes: Mapping[str, float]

    def rate(self, day: str) -> float:
        """Return the rate of bills that was known before a day, an annual fraction."""
        return self.levels["GS3M"][self.months[bisect_left(self.months, day) - 1]] / 100.0

    def dividends(self, day: str) -> float:
        """Return the yield of dividends in the month of a day, for a year: total return less that of the price."""
        after = self.months[bisect_left(self.months, day)]
        before = self.months[self.months.index(after) - 1]
        grown = {name: self.levels[name][after] / self.levels[name][before] for name in ("SPTR", "SPX")}
        return 12.0 * (grown["SPTR"] - grown["SPX"])


@dataclass(frozen=True)
class Replica:
    """One index: its published month-end returns and ours, and our level at each month's end."""

    name: str
    theirs: np.ndarray
    ours: np.ndarray
    curve: Mapping[str, float]

    @property
    def correlation(self) -> float:
        """Correlation of monthly returns."""
        return float(np.corrcoef(self.theirs, self.ours)[0, 1])

    @property
    def beta(self) -> float:
        """Slope of our monthly returns on the published ones."""
        return float(np.polyfit(self.theirs, self.ours, 1)[0])

    def figure(self) -> Figure:
        """Return it as a line of the page."""
        gap = float((self.ours - self.theirs).mean()) * 12.0
        text = f"correlation {self.correlation:.3f}, beta {self.beta:.2f}, {gap:+.1%} a year apart"
        asked = f"at least {ASKED[self.name]}; {BETA[0]} to {BETA[1]}"
        holds = self.correlation >= ASKED[self.name] and BETA[0] <= self.beta <= BETA[1]
        return Figure(f"{self.name}, {len(self.ours)} months", text, asked, holds)


def measure(data: Path, rates: Path) -> list[Replica]:
    """Return all four, backtested anew."""
    published = _published(data)
    return [_replica(name, _backtest(name, data, rates), published) for name in ASKED]


def _backtest(name: str, data: Path, rates: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "rulebot.cli.main", "backtest", str(_SPECS / f"cboe_{name.lower()}.yaml")]
        command += ["--data", f"model:{data}?dte=0..40&step=30&rates={rates}", "--from", FIRST, "--to", LAST]
        command += ["--fills", "mid", "--account", str(_SPECS / "account_limits.yaml")]
        command += ["--store", str(Path(folder) / "store.db"), "--format", "json"]
        made = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(made.stdout)
    return found


def _published(data: Path) -> Published:
    with (data / "limited" / "benchmarks" / "cboe_strategy_indices_monthly.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    names = (*ASKED, "SPTR", "SPX", "GS3M")
    levels = {name: {row["date"]: float(row[name]) for row in rows if row[name]} for name in names}
    with (data / "open" / "daily" / "spx_daily_1999_2018.csv").open() as stream:
        closes = {row["date"]: float(row["close"]) for row in csv.DictReader(stream)}
    return Published(tuple(row["date"] for row in rows), levels, closes)


def _replica(name: str, reported: Mapping[str, Any], published: Published) -> Replica:
    grows = _covered if name in ("BXM", "BXMD") else _in_bills
    curve = _curve(reported, published, grows, _UNITS[name])
    theirs = {day[:7]: level for day, level in published.levels[name].items()}
    months = [month for month in curve if month in theirs]
    ours = np.array([curve[month] for month in months])
    known = np.array([theirs[month] for month in months])
    return Replica(name, known[1:] / known[:-1] - 1.0, ours[1:] / ours[:-1] - 1.0, curve)


Grows = Callable[[Published, float, float, str, str], float]
Units = Callable[[float, Mapping[str, Any], Published], float]


def _curve(reported: Mapping[str, Any], published: Published, grows: Grows, units: Units) -> dict[str, float]:
    """Return the level at the end of each month, from 100 on the first roll."""
    entries = {trade["entered"][:10]: trade for trade in reported["trades"]}
    level, held, found = 100.0, 0.0, {}
    before: Mapping[str, Any] | None = None
    for day in reported["days"]:
        today = day["date"]
        if before is not None:
            level += grows(published, level, held, before["date"], today)
            level += held * (day["equity"] - before["equity"]) / 100.0
        if today in entries:
            held = units(level, entries[today], published)
        found[today[:7]] = level
        before = day
    return found


def _in_bills(published: Published, level: float, held: float, before: str, today: str) -> float:
    days = (date.fromisoformat(today) - date.fromisoformat(before)).days
    return level * published.rate(today) * days / 365.0


def _covered(published: Published, level: float, held: float, before: str, today: str) -> float:
    days = (date.fromisoformat(today) - date.fromisoformat(before)).days
    paid = published.closes[before] * published.dividends(today) * days / 365.0
    moved = published.closes[today] - published.closes[before]
    return held * (moved + paid)


def _strikes(trade: Mapping[str, Any]) -> list[float]:
    """Return the strikes of a structure like `860p 2003-05-15`, or `800/840p 920/950c 2003-05-15`."""
    sides = [word.rstrip("pc") for word in trade["structure"].split() if word[-1] in "pc"]
    return [float(strike) for side in sides for strike in side.split("/")]


def _put_units(level: float, trade: Mapping[str, Any], published: Published) -> float:
    return level / _strikes(trade)[0]


def _share_units(level: float, trade: Mapping[str, Any], published: Published) -> float:
    return level / published.closes[trade["entered"][:10]]


def _condor_units(level: float, trade: Mapping[str, Any], published: Published) -> float:
    low, short_put, short_call, high = sorted(_strikes(trade))
    at_most: float = max(short_put - low, high - short_call) - trade["entry"]
    return level / (10.0 * at_most)


_UNITS: Mapping[str, Units] = {"PUT": _put_units, "BXM": _share_units, "BXMD": _share_units, "CNDR": _condor_units}
