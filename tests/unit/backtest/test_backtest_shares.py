"""`rulebot backtest --shares`: an account that begins with shares, as calls against them need."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from past_days import PastDays

from rulebot.adapters.history.session import Columns, DailyBar
from rulebot.backtest.fill_model import RECORDED, fill_model
from rulebot.backtest.report_page import report_page, text_of
from rulebot.backtest.results import Results, of_sessions, read_results
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.backtest.sampling import HELD
from rulebot.calendars.calendars import shipped_dates
from rulebot.cli.past.backtest import result_lines
from rulebot.documents.load_bots import load_all_bots
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.errors import MisuseError, StoreError
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader
from rulebot.sweep.evaluate import evaluate
from rulebot.sweep.variant import VariantTerms

FIRST, LAST = date(2026, 9, 1), date(2026, 9, 4)
OVERWRITE = """
rulebot: 1
name: overwrite
about: Sells same-day SPY calls against half of the shares held.
underlying: SPY
quantity: {overwrite: {between: [25%, 50%]}}
entry:
  at: "10:00"
  for: 5m
  when:
    - shares_held: {at_least: 200}
    - spot: {above: 0.90x cost_basis}
legs:
  expiry: {dte: 0}
  short_call: {sell: call, strike: {delta: 0.20}}
order: {start: mid, step: 0.01, wait: 15s, tries: 8, then: cancel}
exits:
  - time: "15:30"
risk: {daily_loss: $2000}
"""
OF_SPX = """
rulebot: 1
name: overwrite
about: Sells a same-day SPX put spread.
underlying: SPX
entry: {at: "10:00", for: 5m}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.20}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
order: {start: mid, step: 0.05, wait: 15s, tries: 8, then: cancel}
exits:
  - time: "15:30"
risk: {daily_loss: $2000}
"""
OF_SPY = PastDays(every=5, strikes=25, symbol="SPY", trading_class="SPY")
SHARES, CASH = (("SPY", 1000),), Decimal(10_000_000)


class Finer(PastDays):
    """Prices of SPY have four digits, as adjusted ones do."""

    def _level(self, day: date, symbol: str) -> Columns:
        level = super()._level(day, symbol)
        return level if symbol == "VIX" else np.round(level * 1.0000137, 4)


class WithoutBars(PastDays):
    """Sessions of which no daily bars are known."""

    def daily(self, symbol: str, before: date, count: int) -> list[DailyBar]:
        """Return nothing."""
        return []


def run(folder: Path, source: PastDays, name: str = "one", text: str = OVERWRITE, **given: object) -> Results:
    file, store = folder / "overwrite.yaml", folder / f"{name}.db"
    file.write_text(text, encoding="utf-8")
    base = BacktestOptions(
        opens=partial(replace, source, made={}),
        data="made up",
        first=FIRST,
        last=LAST,
        store=store,
        cash=CASH,
        fills=fill_model("mid"),
        calendar=lambda: event_calendar(shipped_dates()),
    )
    run_backtest(load_all_bots([str(file)], {}, None), replace(base, **given), lambda done, number, count: None)
    return read_results(store, "the store")


def terms_of(source: PastDays) -> VariantTerms:
    return VariantTerms(
        opens=partial(replace, source, made={}),
        first=FIRST,
        last=LAST,
        fills=fill_model("mid"),
        cash=CASH,
        lines=90,
        file="overwrite.yaml",
        calendar=event_calendar(shipped_dates()),
        shares=SHARES,
    )


def test_calls_are_sold_against_shares_that_the_account_begins_with(tmp_path: Path) -> None:
    """They were bought at the close before, so the account begins with its cash and then goes with their price."""
    bare, found = run(tmp_path, OF_SPY, "bare"), run(tmp_path, OF_SPY, shares=SHARES)
    assert not bare.trades
    assert [trade.quantity for trade in found.trades] == [5] * 4
    before = OF_SPY.daily("SPY", FIRST, 1)[-1].close
    last = float(OF_SPY.day(LAST).levels["SPY"][-1])
    made = 1000 * (last - before) + sum(float(trade.net) for trade in found.trades)
    assert float(found.days[-1].equity) == pytest.approx(float(CASH) + made, abs=0.05)
    assert float(found.profit) == pytest.approx(made, abs=0.05)
    said = "began with shares: 1,000 SPY; what they made is in the account alone"
    assert f" {said}" in result_lines(found)
    assert f"<p>B{said[1:]}.</p>" in report_page(json.loads(text_of(found)), {})
    undivided = "shares were held over nights: dividends on them are not counted"
    assert f" {undivided}" in result_lines(found)
    assert f"<p>S{undivided[1:]}.</p>" in report_page(json.loads(text_of(found)), {})
    assert not any("dividends" in line for line in result_lines(bare))
    assert not any("began with" in line for line in result_lines(bare))


def test_variants_of_a_sweep_begin_with_shares_too(tmp_path: Path) -> None:
    alone = run(tmp_path, OF_SPY, shares=SHARES)
    (found,) = evaluate([(0, ("one",), OVERWRITE)], terms_of(OF_SPY))
    assert found.trades == len(alone.trades) == 4
    assert found.profits == tuple(float(day.profit) for day in alone.days)


@pytest.mark.parametrize("missing", [(), (date(2026, 9, 2),)])
def test_shares_are_held_beside_a_bot_that_carries_nothing_over_a_night(
    missing: tuple[date, ...], tmp_path: Path
) -> None:
    """They are bought once, and are worth more or less after a session of which there is no data, too."""
    source = PastDays(every=5, strikes=25, missing=frozenset(missing))
    found = run(tmp_path, source, text=OF_SPX, shares=SHARES)
    traded = sum(float(trade.net) for trade in found.trades)
    assert found.trades
    bars = [source.daily("SPY", day, 1)[-1].close for day in (FIRST, date(2026, 9, 5))]
    made = 1000 * (bars[1] - bars[0]) + traded
    assert float(found.profit) == pytest.approx(made, abs=0.05)
    assert float(found.days[-1].equity) == pytest.approx(float(CASH) + made, abs=0.05)
    with StoreReader(tmp_path / "one.db") as reader:
        reported = [each.data for each in reader.records((Kind.FACTS,)) if each.data["what"] == HELD]
    assert [(each["symbol"], each["value"], float(str(each["cost"]))) for each in reported] == [
        ("SPY", 1000, pytest.approx(bars[0], abs=0.0001))
    ]
    terms = terms_of(source)
    (variant,) = evaluate([(0, ("one",), OF_SPX)], terms)
    assert sum(variant.profits) == pytest.approx(made, abs=0.05)
    assert variant.profits == tuple(map(float, of_sessions(found.days))), "both count the same sessions"
    assert [day.date for day in found.days if not day.has_data] == [*missing]


@pytest.mark.parametrize(
    ("source", "shares"),
    [(OF_SPY, SHARES), (Finer(every=5, strikes=25, symbol="SPY", trading_class="SPY"), (("SPY", 1008),))],
    ids=["whole cents", "parts of cents"],
)
def test_an_interruption_changes_nothing_of_shares_and_of_what_they_have_cost(
    source: PastDays, shares: tuple[tuple[str, int], ...], tmp_path: Path
) -> None:
    """At prices of four digits the account kept parts of a cent, and began without them after an interruption."""
    whole = run(tmp_path, source, "one", shares=shares)
    for day in source.dates(FIRST, LAST):
        went_on = run(tmp_path, source, "many", shares=shares, last=day, resumes=True)
    assert [(each.name, each.net) for each in went_on.trades] == [(each.name, each.net) for each in whole.trades]
    assert [day.equity for day in went_on.days] == [day.equity for day in whole.days]
    with pytest.raises(MisuseError, match="begun with other options: shares"):
        run(tmp_path, source, "many", resumes=True)


def test_shares_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"1,000 shares of SPY cost .*, and the account has"):
        run(tmp_path, OF_SPY, "dear", shares=SHARES, cash=Decimal(100_000))
    with pytest.raises(StoreError, match="has no close of SPY before 2026-09-01, at which its shares were bought"):
        run(tmp_path, WithoutBars(every=5, strikes=25, symbol="SPY", trading_class="SPY"), "bars", shares=SHARES)
    assert not [*tmp_path.glob("*.db")], "the same --store can be named again"
    with pytest.raises(MisuseError, match="--shares goes with fills of a model"):
        run(tmp_path, OF_SPY, "recorded", shares=SHARES, fills=RECORDED)
