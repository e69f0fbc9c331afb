"""What the market does beside what was expected: the figures are those that a bot reads, or none."""

import pytest
from hand_desk import Desk, text_of

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import view_of
from rulebot.narrate.snapshot import MarketStat
from rulebot.web.live import market_stats

READS = '{window: {from: "10:00", to: "11:00"}, when: [{day_range: {below: 0.6x day_move}}]}'


def test_what_nobody_knows_is_left_out() -> None:
    desk = Desk()
    desk.until("10:30")
    assert market_stats(desk.program, view_of(StateBuilder(desk.program, desk.state, desk.now))) == ()


def test_the_range_of_the_day_is_what_a_bot_reads() -> None:
    desk = Desk((text_of(entry=READS, let="{day_move: {expected_move: {asof: open}}}"),))
    desk.until("09:59")
    row = desk.board.rows[
        next(each for each in desk.board.rows if each.symbol == "SPX" and not hasattr(each, "strike"))
    ]
    desk.board.high[row], desk.board.low[row] = desk.board.last[row] + 20, desk.board.last[row] - 10
    desk.until("10:00:05")
    (gauge,) = market_stats(desk.program, view_of(StateBuilder(desk.program, desk.state, desk.now)))
    assert (gauge.symbol, gauge.day_range) == ("SPX", 30.0)
    assert (gauge.expected, gauge.used) == (None, None)  # nobody told what the open expected
    assert gauge.iv_rank is None


@pytest.mark.parametrize("symbol", ["TRUE", "NULL", "BF.B"])
def test_any_symbol_that_a_spec_may_name_is_read(symbol: str) -> None:
    """TRUE is a share, and a word of YAML: an engine that ran a bot on it was ended by its own page."""
    desk = Desk((text_of().replace("underlying: SPX", f'underlying: "{symbol}"'),))
    assert [bot.plan.underlyings for bot in desk.program.bots.values()] == [(symbol,)]
    assert market_stats(desk.program, view_of(StateBuilder(desk.program, desk.state, desk.now))) == ()


def test_the_part_of_the_expected_move_that_is_used() -> None:
    gauge = MarketStat(symbol="SPX", expected=40.0, day_range=30.0, iv_rank=None, crowding=None)
    assert gauge.used == 0.75
    assert MarketStat(symbol="SPX", expected=0.0, day_range=30.0, iv_rank=None, crowding=None).used is None
