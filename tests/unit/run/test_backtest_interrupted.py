"""Random bots over random past sessions, ended after some of them and gone on with: nothing is otherwise for it."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest
from past_days import PastDays
from plain_specs import random_spec
from rolling_specs import rolling_spec

from engine.model.events import event_calendar
from engine.run.backtest.fills import fill_model
from engine.run.backtest.results import Results, read_results
from engine.run.backtest.run import BacktestOptions, run_backtest
from engine.run.calendars import shipped_dates
from engine.run.desk import Desk, load_desk

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 10)


def run(desk: Desk, store: Path, source: PastDays, last: date = LAST, *, resumes: bool = False) -> Results:
    options = BacktestOptions(
        opens=lambda: source,
        data="made up",
        first=FIRST,
        last=last,
        store=store,
        fills=fill_model("mid"),
        calendar=lambda: event_calendar(shipped_dates()),
        resumes=resumes,
    )
    run_backtest(desk, options, lambda done, number, count: None)
    return read_results(store, "the store")


def told(found: Results) -> tuple[Sequence[object], ...]:
    """Return its trades, what the account was worth, and what was wrong with the data, whenever that was said."""
    trades = [(each.name, each.entered, each.left, each.reason, each.net) for each in found.trades]
    worth: list[tuple[date, Decimal]] = [(each.date, each.equity) for each in found.days]
    wrong = sorted((str(each["file"]), str(each["text"])) for each in found.findings)
    return trades, worth, wrong


def interrupted(seed: int, folder: Path) -> int:
    """Run a bot as a whole and in parts, and compare; return how many trades it made."""
    chance = Random(seed)
    rolls = chance.random() < 0.5
    text = rolling_spec(seed, "bot") if rolls else random_spec(seed, "bot", dte=chance.choice((0, 1, 2)))
    symbol, of_class = ("SPY", "SPY") if "underlying: SPY" in text else ("SPX", "SPXW")
    source = PastDays(every=chance.choice((3, 5)), expiries=8, strikes=30, seed=seed, symbol=symbol,
                      trading_class=of_class)  # fmt: skip
    days = [*source.dates(FIRST, LAST)]
    source.refused = frozenset(chance.sample(days, chance.choice((0, 0, 1, 2))))
    source.missing = frozenset(chance.sample(days, chance.choice((0, 0, 1))))
    file = folder / "bot.yaml"
    file.write_text(text, encoding="utf-8")
    desk = load_desk([str(file)], {}, None)
    whole = run(desk, folder / f"{seed}-whole.db", source)
    parts = [day for day in source.dates(FIRST, LAST) if chance.random() < 0.7]
    for day in (*parts, LAST):
        gone_on = run(desk, folder / f"{seed}-parts.db", source, last=day, resumes=True)
    assert told(gone_on) == told(whole), f"seed {seed}"
    return len(whole.trades)


@pytest.mark.parametrize("seed", [8, 16])
def test_interruptions_of_random_bots_change_nothing(seed: int, tmp_path: Path) -> None:
    assert interrupted(seed, tmp_path) > 0


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_interruptions_of_many_random_bots_change_nothing(tmp_path: Path) -> None:
    assert sum(interrupted(seed, tmp_path) for seed in range(60)) > 500
