"""A bot that reads what the data has not, or enters while no quote stands, sees nothing, and the backtest says so."""

from dataclasses import replace
from datetime import date, time

import pytest
from past_days import PastDays

from benchmarks.engine_desk import compiled
from benchmarks.task import Task
from engine.adapters.history.day import HistoryDay
from engine.model.market import Board
from engine.model.session import at_exchange_time, session_on
from engine.run.backtest.lacking import not_there, unseen_windows
from engine.run.backtest.market import DayMarket
from engine.turn.program import CompiledBot

DAY = date(2026, 9, 1)
TOLD = "no quote stands while t_000 may enter (09:45 to 10:01): it sees nothing then"


def day_of(first: time, last: time) -> HistoryDay:
    """Return a session of quotes each minute, of which those from one time to another are there."""
    whole = PastDays(strikes=3).day(DAY)
    begin, end = (at_exchange_time(DAY, at).timestamp() for at in (first, last))
    there = (whole.times >= begin) & (whole.times <= end)
    levels = {symbol: level[there] for symbol, level in whole.levels.items()}
    columns = {name: column[there] for name, column in whole.columns().items()}
    return replace(whole, times=whole.times[there], levels=levels, **columns)


def told(bot: CompiledBot, first: time, last: time) -> list[str]:
    session = session_on(DAY)
    assert session is not None
    return list(unseen_windows([bot], DayMarket(day_of(first, last), session, Board(), {})))


@pytest.fixture
def bot() -> CompiledBot:
    """Return a bot that enters from 09:45 on, up to a minute past ten."""
    return compiled([Task("t_000")]).bots["t_000"]


@pytest.mark.parametrize(
    ("first", "last", "is_told"),
    [
        (time(9, 31), time(16), False),
        (time(10, 1), time(16), False),
        (time(10, 2), time(16), True),
        (time(9, 31), time(9, 40), True),
        (time(9, 31), time(9, 44), False),
    ],
    ids=["all day", "from its end on", "after it", "long before it", "a quote that stands until it begins"],
)
def test_a_window_without_quotes_is_told(bot: CompiledBot, first: time, last: time, is_told: bool) -> None:
    assert told(bot, first, last) == ([TOLD] if is_told else [])


def test_a_day_on_which_it_does_not_enter_is_not(bot: CompiledBot) -> None:
    elsewhere = replace(bot, plan=replace(bot.plan, entry=replace(bot.plan.entry, days=(4,))), _windows={})
    assert DAY.weekday() == 1
    assert told(elsewhere, time(10, 2), time(16)) == []


def test_a_day_without_quotes_is_told_as_such_alone(bot: CompiledBot) -> None:
    assert told(bot, time(20), time(21)) == []


def test_an_index_without_levels_is_told_with_the_bots_that_read_it(bot: CompiledBot) -> None:
    """A bot whose halt reads VIX never watched on chains alone, and was called halted."""
    whole = PastDays(strikes=3).day(DAY)
    assert list(not_there([bot], whole)) == []
    bare = replace(whole, levels={"SPX": whole.levels["SPX"]})
    other = compiled([Task("t_001")]).bots["t_001"]
    assert list(not_there([bot, other], bare)) == [
        "there is no level of VIX: what t_000, t_001 would make of it is unknown"
    ]


def test_a_bot_on_the_data_of_another_symbol_is_told_that_it_has_no_options(bot: CompiledBot) -> None:
    of_spy = PastDays(strikes=3, symbol="SPY", trading_class="SPY").day(DAY)
    assert list(not_there([bot], of_spy)) == [
        "there is no level of SPX: what t_000 would make of it is unknown",
        "there are no options on SPX, of which t_000 would make legs",
    ]
    assert list(not_there([bot], replace(of_spy, times=of_spy.times[:0]))) == [], "a day without data has none at all"
