"""Shares that are split within a backtest: levels tell it where daily bars do not, and rules do not read over it."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from both_ways import terms
from past_days import PastDays

from rulebot.adapters.history.session import Columns, DailyBar, HistoryDay
from rulebot.backtest.fill_model import fill_model
from rulebot.backtest.historical_feed import HistoryFeed
from rulebot.backtest.look_ahead import check_look_ahead
from rulebot.backtest.results import Results, read_results
from rulebot.backtest.run import BacktestOptions, run_backtest, simulations_of
from rulebot.calendars.calendars import shipped_dates
from rulebot.cli.past.sweep import SweepData, document_of, sweep_lines
from rulebot.documents.load_bots import LoadedBots, load_all_bots
from rulebot.measure.series import DAY
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.errors import StoreError
from rulebot.model.market import Board
from rulebot.model.session import session_on
from rulebot.sweep.evaluate import evaluate
from rulebot.sweep.page import sweep_page
from rulebot.sweep.parameters import axis
from rulebot.sweep.sweep import StoredVariants

FIRST, SPLIT, LAST = date(2026, 9, 1), date(2026, 9, 2), date(2026, 9, 4)
PUT = """
rulebot: 1
name: seller
about: Sells a put for two nights.
underlying: SPY
entry:
  at: "10:00"
  days: [tue]
  max_open: 1
legs:
  expiry: {dte: 2}
  short_put: {sell: put, strike: {at: spot, round_to: 5}}
order: {start: mid, wait: 10s, tries: 1, then: cancel}
exits:
  - at_expiry: settle
risk: {undefined_risk: allow}
"""


@dataclass
class Divided(PastDays):
    """Six shares for one from a day on. bars: as they were, adjusted by a vendor, none, closes alone, those
    of a broker, which splits them, too; or of a fall.
    """

    bars: str = "raw"

    def daily(self, symbol: str, before: date, count: int) -> Sequence[DailyBar]:
        found = super().daily(symbol, before, count)
        if symbol != "SPY":
            return found
        if self.bars == "closes":
            return [DailyBar(bar.date, *[bar.close] * 4) for bar in found]
        times = {"raw": 1.0, "fallen": 1.0, "broker": 1.0, "adjusted": 1 / 6, "none": 0.0}[self.bars]
        if self.bars == "broker" and before >= SPLIT:
            times = 1 / 6
        return [by(bar, 1 / 6 if bar.date >= SPLIT else times) for bar in found if times]

    def was_split(self, symbol: str, since: date, until: date) -> bool:
        return self.bars in ("raw", "broker") and since < SPLIT <= until  # of recordings that jump by a half VIX, too


def by(bar: DailyBar, times: float) -> DailyBar:
    return DailyBar(bar.date, *(times * each for each in (bar.open, bar.high, bar.low, bar.close)))


def divided(day: HistoryDay) -> HistoryDay:
    if day.date < SPLIT:
        return day
    levels: dict[str, Columns] = {**day.levels, "SPY": day.levels["SPY"] / 6}
    return replace(day, levels=levels)


def risen(day: HistoryDay) -> HistoryDay:
    """Return a session that closes 7 % higher, where it does close."""
    level = day.levels["SPY"]
    return replace(day, levels={**day.levels, "SPY": level * np.linspace(1 / 1.07, 1.0, len(level))})


def source(bars: str) -> Divided:
    return Divided(every=5, expiries=3, strikes=25, symbol="SPY", trading_class="SPY", change=divided, bars=bars)


def simulated(
    folder: Path,
    bars: str,
    last: date = LAST,
    *,
    first: date = FIRST,
    resumes: bool = False,
    shares: tuple[tuple[str, int], ...] = (),
) -> Results:
    desk, given = asked(folder, bars, last, first=first, resumes=resumes, shares=shares)
    run_backtest(desk, given, lambda done, number, count: None)
    return read_results(given.store, "the store")


def asked(
    folder: Path,
    bars: str,
    last: date,
    *,
    first: date = FIRST,
    resumes: bool = False,
    shares: tuple[tuple[str, int], ...] = (),
    text: str = PUT,
) -> tuple[LoadedBots, BacktestOptions]:
    file = folder / "seller.yaml"
    file.write_text(text, encoding="utf-8")
    options = BacktestOptions(
        opens=partial(source, bars),
        data="made up",
        first=first,
        last=last,
        store=folder / "x.db",
        fills=fill_model("mid"),
        calendar=lambda: event_calendar(shipped_dates()),
        resumes=resumes,
        shares=shares,
    )
    return load_all_bots([str(file)], {}, None), options


@pytest.mark.parametrize("bars", ["raw", "adjusted", "none"])
def test_levels_report_a_split_of_what_is_held(bars: str, tmp_path: Path) -> None:
    """A put of before it was assigned at six times what shares were worth, and nothing was said."""
    told_of_it(simulated(tmp_path, bars))


def told_of_it(found: Results) -> None:
    assert [trade.left for trade in found.trades] == [None]
    assert len(found.alarms) == 2
    assert any(
        text.startswith("SPY was split, by its prices: what was held of it over the night") for text in found.alarms
    )
    assert any(text.endswith("level is not known: SPY was split while it was held") for text in found.alarms)


@pytest.mark.parametrize("until", [FIRST, SPLIT])
def test_a_backtest_that_continues_knows_of_it(until: date, tmp_path: Path) -> None:
    simulated(tmp_path, "adjusted", until)
    told_of_it(simulated(tmp_path, "adjusted", resumes=True))


def test_a_fall_that_daily_bars_know_is_none(tmp_path: Path) -> None:
    found = simulated(tmp_path, "fallen")
    assert [trade.reason for trade in found.trades] == ["assigned"]
    assert not found.alarms


@pytest.mark.parametrize("shares", [(), (("SPY", 100),)])
def test_a_check_of_looking_ahead_knows_of_a_fall(shares: tuple[tuple[str, int], ...], tmp_path: Path) -> None:
    """Garbled bars of the day were of another scale: `gap` was a leak, and sound bars no price of shares."""
    text = PUT.replace("[tue]", "[tue, wed]").replace("  max_open", "  when: [{gap: {below: -1%}}]\n  max_open")
    walks = simulations_of(*asked(tmp_path, "fallen", SPLIT, shares=shares, text=text))
    found = check_look_ahead(walks, source("fallen"), FIRST, SPLIT)
    assert found.draws > 1
    assert not found.leaks


@pytest.mark.parametrize(
    ("bars", "day", "are_read"),
    [
        ("raw", FIRST, True),
        ("raw", SPLIT, False),
        ("raw", LAST, True),
        ("adjusted", FIRST, False),
        ("adjusted", SPLIT, True),
        ("fallen", SPLIT, True),
    ],
)
def test_rules_read_no_daily_bars_of_other_shares(bars: str, day: date, are_read: bool) -> None:
    """By the close of before a split `gap` was -83 % on its day, and by adjusted bars 500 % on each day before it."""
    feed, session = HistoryFeed(of := source(bars), Board()), session_on(day)
    assert session is not None
    market = feed.begin(of.day(day), session)
    assert bool(asyncio.run(feed.closes("SPY", 5))) is are_read
    assert bool(feed.bars_until("SPY", DAY, 5, session.open.timestamp()).bars) is are_read
    assert ("SPY" in market.previous) is are_read
    assert [
        text.endswith("as after a split: what rules make of earlier daily bars is unknown") for text in feed.lacks
    ] == ([] if are_read else [True])


@pytest.mark.parametrize(("bars", "sessions"), [("adjusted", 0), ("fallen", 1)])
def test_bars_within_sessions_of_before_a_split_are_not_read(bars: str, sessions: int) -> None:
    feed, session = HistoryFeed(of := source(bars), Board()), session_on(SPLIT)
    assert session is not None
    feed.begin(of.day(SPLIT), session)
    assert len(feed.bars_until("SPY", 300, 78, session.open.timestamp()).bars) == 78 * sessions


def test_closes_are_bars_of_a_session_in_which_shares_rose() -> None:
    """Those that had moved by more than 4 % from the first level of it were of another scale, and shares refused."""
    of = Divided(every=5, expiries=1, strikes=1, symbol="SPY", trading_class="SPY", change=risen, bars="closes")
    feed, session = HistoryFeed(of, Board()), session_on(FIRST)
    assert session is not None
    feed.begin(of.day(FIRST), session)
    assert feed.is_of_its_bars("SPY")


def test_an_index_that_jumps_as_by_a_split_has_bars_of_before_it() -> None:
    """By the last levels of two recorded days the VIX was split where it rose from 16 to 24."""
    feed, session = HistoryFeed(of := source("broker"), Board()), session_on(LAST)
    assert session is not None
    feed.begin(of.day(LAST), session)
    assert len(feed.bars_until("VIX", 300, 78 * 3, session.open.timestamp()).bars) == 78 * 3


def test_shares_are_bought_at_a_close_that_a_broker_has_split(tmp_path: Path) -> None:
    assert simulated(tmp_path, "broker", first=SPLIT, shares=(("SPY", 100),)).days[0].profit > -10_000


def test_shares_are_not_bought_on_the_day_of_their_split(tmp_path: Path) -> None:
    """Daily bars that are as they were had to be others."""
    with pytest.raises(StoreError, match=f"SPY was split on {SPLIT}, by its daily bars: .* is not adjusted"):
        simulated(tmp_path, "raw", first=SPLIT, shares=(("SPY", 100),))


def test_shares_are_not_bought_at_a_close_of_another_scale(tmp_path: Path) -> None:
    """They cost a sixth of what they were worth, and the account had won the rest on the first day."""
    with pytest.raises(StoreError, match=f"the daily bars of SPY in made up have another scale than .* {FIRST}: "):
        simulated(tmp_path, "adjusted", shares=(("SPY", 100),))
    assert not [*tmp_path.glob("*.db")]


def test_a_sweep_reports_what_its_variants_were_alarmed_by(tmp_path: Path) -> None:
    """A backtest told of the split, a sweep of the same bot showed its numbers as if nothing had been."""
    desk, given = asked(tmp_path, "raw", LAST)
    both = replace(terms(source("raw"), 4, "mid"), file="seller.yaml")
    texts = (PUT, PUT.replace("tue", "thu").replace("dte: 2", "dte: 1"))
    found = evaluate([(number, (f"{2 - number}",), text) for number, text in enumerate(texts)], both)
    run_backtest(desk, given, lambda done, number, count: None)
    backtest = read_results(given.store, "the store").alarms
    assert [dict(each.alarms) for each in found] == [dict(backtest), {}]
    lines = list(sweep_lines(found, [axis("dte=2,1")], None, "net", 20))
    place = lines.index(" alarms in 1 of 2 variants:")
    assert [line.removeprefix("   1 variant: ") for line in lines[place + 1 : place + 3]] == list(backtest)
    page = sweep_page("a", found, [axis("dte=2,1")], "net", {}, None, [], [])
    assert all(f"1 variant: {text}" in unescape(page) for text in backtest)
    reported = json.loads(
        document_of(found, [axis("dte=2,1")], None, "net", SweepData("seller", FIRST, LAST, "x", False, "mid"))
    )
    assert [dict(each["alarms"]) for each in reported["variants"] if each["point"]["dte"] == "2"] == [dict(backtest)]
    kept = StoredVariants(tmp_path / "kept.jsonl", {})
    assert kept.read() == []
    kept.add(found)
    assert kept.read() == found
