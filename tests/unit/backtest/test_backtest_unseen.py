"""A bot that reads what the data has not, or enters while no quote stands, sees nothing, and the backtest says so."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from math import nan
from pathlib import Path

import numpy as np
import pytest
from past_days import PastDays

from benchmarks.engine_desk import compiled
from benchmarks.task import Task
from rulebot.adapters.history.session import HistoryDay, Severity, SharedSource
from rulebot.backtest.fill_model import NATURAL
from rulebot.backtest.historical_market import DayMarket, missing_measures, unseen_windows
from rulebot.backtest.run import BacktestOptions, run_backtest
from rulebot.backtest.simulation import CASH, BacktestSimulation, SimulatedDay
from rulebot.calendars.calendars import shipped_dates
from rulebot.compare.git_revisions import Text
from rulebot.compare.spec_comparison import desk_of
from rulebot.core.program import CompiledBot
from rulebot.model.economic_calendar import event_calendar
from rulebot.model.errors import StoreError
from rulebot.model.market import Board
from rulebot.model.session import at_exchange_time, session_on
from rulebot.record.record import Kind

DAY = date(2026, 9, 1)
REPORTED = "no quote is valid while t_000 may enter (09:45 to 10:01): it has no data then"


def day_of(first: time, last: time) -> HistoryDay:
    """Return a session of quotes each minute, of which those from one time to another are there."""
    whole = PastDays(strikes=3).day(DAY)
    begin, end = (at_exchange_time(DAY, at).timestamp() for at in (first, last))
    there = (whole.times >= begin) & (whole.times <= end)
    levels = {symbol: level[there] for symbol, level in whole.levels.items()}
    columns = {name: column[there] for name, column in whole.columns().items()}
    return replace(whole, times=whole.times[there], levels=levels, **columns)


def reported(bot: CompiledBot, first: time, last: time) -> list[str]:
    session = session_on(DAY)
    assert session is not None
    return list(unseen_windows([bot], DayMarket(day_of(first, last), session, Board(), {})))


@pytest.fixture
def bot() -> CompiledBot:
    """Return a bot that enters from 09:45 on, up to a minute past ten."""
    return compiled([Task("t_000")]).bots["t_000"]


@pytest.mark.parametrize(
    ("first", "last", "is_reported"),
    [
        (time(9, 31), time(16), False),
        (time(10, 1), time(16), False),
        (time(10, 2), time(16), True),
        (time(9, 31), time(9, 40), True),
        (time(9, 31), time(9, 44), False),
    ],
    ids=["all day", "from its end on", "after it", "long before it", "a quote that stands until it begins"],
)
def test_a_window_without_quotes_is_reported(bot: CompiledBot, first: time, last: time, is_reported: bool) -> None:
    assert reported(bot, first, last) == ([REPORTED] if is_reported else [])


def test_a_day_on_which_it_does_not_enter_is_not(bot: CompiledBot) -> None:
    elsewhere = replace(bot, plan=replace(bot.plan, entry=replace(bot.plan.entry, days=(4,))), _windows={})
    assert DAY.weekday() == 1
    assert reported(elsewhere, time(10, 2), time(16)) == []


def test_a_day_without_quotes_is_reported_as_such_alone(bot: CompiledBot) -> None:
    assert reported(bot, time(20), time(21)) == []


def test_an_index_without_levels_is_reported_with_the_bots_that_read_it(bot: CompiledBot) -> None:
    """A bot whose halt reads VIX never watched on chains alone, and was called halted."""
    whole = PastDays(strikes=3).day(DAY)
    assert list(missing_measures([bot], whole)) == []
    bare = replace(whole, levels={"SPX": whole.levels["SPX"]})
    other = compiled([Task("t_001")]).bots["t_001"]
    assert list(missing_measures([bot, other], bare)) == [
        "there is no level of VIX: what t_000, t_001 would make of it is unknown"
    ]


def test_a_bot_on_the_data_of_another_symbol_is_reported_that_it_has_no_options(bot: CompiledBot) -> None:
    of_spy = PastDays(strikes=3, symbol="SPY", trading_class="SPY").day(DAY)
    assert list(missing_measures([bot], of_spy)) == [
        "there is no level of SPX: what t_000 would make of it is unknown",
        "there are no options on SPX, of which t_000 would make legs, but on SPY",
    ]
    assert list(missing_measures([bot], replace(of_spy, times=of_spy.times[:0]))) == [], (
        "a day without data has none at all"
    )


def test_a_bot_whose_class_is_not_there_is_shown_those_that_are(bot: CompiledBot) -> None:
    """A vendor who calls all options on SPX by that class, say: the bot did not trade, and nothing was told."""
    day = PastDays(strikes=3, trading_class="SPX").day(DAY)
    said = "there are no options of class SPXW on SPX, of which t_000 would make legs, but of class SPX"
    assert list(missing_measures([bot], day)) == [said]
    assert list(missing_measures([bot], day, is_modelled=True)) == []


def test_a_bot_that_did_not_run_on_a_recorded_day_is_reported_for_whom_options_were_streamed(bot: CompiledBot) -> None:
    """Its strikes were never there, so it did not trade, and nothing was told."""
    day = PastDays(strikes=3).day(DAY)
    assert list(missing_measures([bot], replace(day, ran=frozenset(["t_000", "b"])))) == []
    assert list(missing_measures([bot], replace(day, ran=frozenset(["b", "a"])))) == [
        "t_000 did not run then: of options there is only what was streamed for a, b"
    ]


def test_a_day_that_cannot_be_read_says_what_mends_it() -> None:
    """Without pyarrow each day was refused for a package that is not installed, and none said which."""

    def lacking(day: HistoryDay) -> HistoryDay:
        raise StoreError("Parquet files need a package that is not installed", "pip install 'rulebot[backtest]'")

    program = desk_of(Text("condor.yaml", CONDOR.encode())).program("t", {}, 90)
    walk = BacktestSimulation(program, PastDays(change=lacking), event_calendar(shipped_dates()), NATURAL, CASH)
    shared = SharedSource(PastDays(change=lacking))
    assert not shared.can_read(DAY)
    ((reported,), (too,)) = ((each for done in walk.through(DAY, DAY) for each in done.findings), shared.findings)
    assert (
        reported.text
        == "2026-09-01: Parquet files need a package that is not installed; pip install 'rulebot[backtest]'"
    )
    assert too == reported


def test_no_more_sessions_are_reported_than_there_are_to_live_through(tmp_path: Path) -> None:
    """One without data is lived through while something is held over it; the bar came to 38 of 36."""
    held = CONDOR.replace("dte: 0", "dte: {at_least: 6}").replace('time: "15:00"', "at_expiry: settle")
    held = held.replace('{at: "09:45"}', '{at: "09:45", max_open: 2}')
    days = {"first": date(2026, 9, 1), "last": date(2026, 9, 10)}
    source = PastDays(**days, expiries=9, every=5, missing=frozenset((date(2026, 9, 4), date(2026, 9, 9))))
    seen: list[tuple[int, int]] = []
    asked = BacktestOptions(
        **days,
        opens=lambda: source,
        data="made up",
        store=tmp_path / "a.db",
        fills=NATURAL,
        calendar=lambda: event_calendar(shipped_dates()),
    )
    run_backtest(desk_of(Text("condor.yaml", held.encode())), asked, lambda _, at, of: seen.append((at, of)))
    assert len(seen) > 5
    assert seen == [(at, 5) for at in sorted(min(at, 5) for at, _ in seen)]


# ---------------------------------------------------------------- what was held unseen

CONDOR = """rulebot: 1
name: condor
about: Sells a same-day condor, and bought wings stay when it leaves.
underlying: SPX
entry: {at: "09:45"}
legs:
  expiry: {dte: 0}
  short_put:  {sell: put,  strike: {delta: 0.10}}
  long_put:   {buy: put,   strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call:  {buy: call,  strike: {above: short_call, by: 10 pts}}
order: {start: natural, wait: 30s, tries: 2, then: cancel}
exits:
  - time: "15:00"
  - target: {profit: 99%}
risk: {max_loss_per_trade: $1000}
"""


def walked(change: Callable[[HistoryDay], HistoryDay]) -> SimulatedDay:
    """Return how the condor lives through a session."""
    program = desk_of(Text("condor.yaml", CONDOR.encode())).program("t", {}, 90)
    walk = BacktestSimulation(program, PastDays(change=change), event_calendar(shipped_dates()), NATURAL, CASH)
    (done,) = walk.through(DAY, DAY)
    return done


def quoted_until(last: time, places: Callable[[HistoryDay], list[int]]) -> Callable[[HistoryDay], HistoryDay]:
    """Return what takes away the quotes of some options after a time; levels go on."""

    def change(day: HistoryDay) -> HistoryDay:
        gone = day.times > at_exchange_time(DAY, last).timestamp()
        columns = {name: column.copy() for name, column in day.columns().items()}
        for name in columns.keys() & {"bid", "ask"}:
            columns[name][np.ix_(gone, places(day))] = nan
        return replace(day, **columns)

    return change


def all_of_them(day: HistoryDay) -> list[int]:
    return list(range(len(day.options)))


def test_what_is_held_on_without_quotes_is_reported() -> None:
    """As where the bot that was recorded had left it: no target or stop could act, and it expired as a win."""
    (finding,) = walked(quoted_until(time(11), all_of_them)).findings
    found = re.fullmatch(
        r"2026-09-01: from 11:00:00 on there is no quote of SPXW 2026-09-01 \d+P, which condor held to the close: "
        r"its exits saw nothing of it",
        finding.text,
    )
    assert (found is not None, finding.severity) == (True, Severity.REPORTED), finding.text


def test_what_has_quotes_until_it_is_left_is_not() -> None:
    assert walked(lambda day: day).findings == ()
    assert walked(quoted_until(time(15, 30), all_of_them)).findings == ()


def test_wings_that_an_exit_left_over_are_none_of_it() -> None:
    """Nobody buys the wings at 15:00: the exit buys back what is short, and they expire."""

    def unwanted(day: HistoryDay) -> HistoryDay:
        columns = {name: column.copy() for name, column in day.columns().items()}
        columns["bid"][day.times > at_exchange_time(DAY, time(14)).timestamp()] = nan
        return quoted_until(time(15, 30), all_of_them)(replace(day, **columns))

    done = walked(unwanted)
    assert any(record.kind is Kind.SETTLEMENT for record in done.records)
    assert done.findings == ()
