"""What is recorded of past sessions with instants that are passed by, and without."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
from past_days import PastDays

from rulebot.adapters.history.session import HistoryDay
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.simulation import BacktestSimulation
from rulebot.calendars.calendars import shipped_dates
from rulebot.core.program import Program
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.record.record import Record

FIRST = date(2026, 9, 1)
FILLS = ("natural", "mid", "mid+0.3")


def odd(day: HistoryDay) -> HistoryDay:
    """Return the day with holes: quotes without a bid or an ask, crossed ones, deltas and levels that are missing."""
    chance = np.random.default_rng(day.date.toordinal())
    bid, ask = day.bid.copy(), day.ask.copy()
    size = np.full_like(bid, 5.0)
    struck = chance.random(bid.shape)
    late = (np.arange(len(bid)) > 0.6 * len(bid))[:, None] & (ask < 0.3)
    unwanted = (struck < 0.004) | (late & (struck < 0.7))
    bid[unwanted], size[unwanted & (struck < 0.6)] = np.nan, 0.0
    ask[(struck > 0.004) & (struck < 0.006)] = np.nan
    crossed = (struck > 0.006) & (struck < 0.008)
    bid[crossed] = ask[crossed] + 0.05
    delta = None if day.delta is None else np.where(chance.random(bid.shape) < 0.003, np.nan, day.delta)
    levels = {name: np.where(chance.random(len(level)) < 0.01, np.nan, level) for name, level in day.levels.items()}
    kept = np.flatnonzero(chance.random(len(bid)) > 0.01)
    made = replace(day, bid=bid, ask=ask, bid_size=size, ask_size=size, delta=delta, levels=levels)
    return of_instants(made, kept)


def of_instants(day: HistoryDay, kept: np.ndarray) -> HistoryDay:
    """Return the day with these instants alone."""
    names = ("bid", "ask", "bid_size", "ask_size", "iv", "delta", "gamma", "vega", "theta")
    columns = {name: column[kept] for name in names if (column := getattr(day, name)) is not None}
    levels = {name: level[kept] for name, level in day.levels.items()}
    return replace(day, times=day.times[kept], levels=levels, **columns)


def program_of(folder: Path, text: str) -> Program:
    file = folder / "plain.yaml"
    file.write_text(text, encoding="utf-8")
    return load_all_bots([str(file)], {}, None).program("t", {}, 90)


def both(program: Program, source: PastDays, days: int, fills: str) -> tuple[list[Record], list[Record]]:
    """Return what is recorded with instants passed by, and without."""
    last = source.dates(FIRST, date(2026, 9, 30))[days - 1]
    calendar = event_calendar(shipped_dates())
    walks = [
        BacktestSimulation(program, source, calendar, fill_model(fills), Decimal(1_000_000), skips=skips)
        for skips in (True, False)
    ]
    found = [[record for done in walk.through(FIRST, last) for record in done.records] for walk in walks]
    return found[0], found[1]


def difference(reported: list[Record], every: list[Record]) -> str:
    """Return the first record that differs, "" when none does."""
    for one, other in zip(reported, every, strict=False):
        if one != other or list(one.data) != list(other.data):
            return f"{one} is not {other}"
    return "" if len(reported) == len(every) else f"{len(reported)} records, not {len(every)}"
