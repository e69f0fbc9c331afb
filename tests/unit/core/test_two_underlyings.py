"""A structure across two underlyings: each has an expected move of its own, which is read and by which strikes lie.

At the money SPX calls and puts cost 20.1 each, SPY's 2.1: expected moves of 40.2 and 4.2 x sqrt(pi / 2).
"""

from dataclasses import replace

import pytest
from hand_desk import DAY, Desk, bot_of, call, clock, text_of

from rulebot.evaluate.strikes import select
from rulebot.measure.view import View
from rulebot.model.contract import Option
from rulebot.model.event import MarketDataUpdated
from rulebot.record.record import Kind

MOVES = {"SPX": 50.38, "SPY": 5.26}
LEGS = """
  expiry: {dte: 0}
  short_put: {sell: put, of: SPX, strike: {expected_move: 1x}}
  long_put: {buy: put, of: SPY, ratio: 10, strike: {expected_move: 1x}}
"""
PAIR = {
    "underlyings": "[SPX, SPY]",
    "legs": LEGS,
    "order": "{leg_by_leg: [short_put, long_put], start: natural, wait: 30s, tries: 3, then: unwind}",
    "exits": '\n  - time: "15:45"',
    "risk": "{undefined_risk: allow}",
}


def pair(condition: str = "spx_spy_ratio: {at_least: 9}") -> str:
    return text_of("pair", **PAIR, entry=f'{{at: "10:00", when: [{{{condition}}}]}}')


def test_a_leg_lies_so_many_moves_of_its_own_underlying_away() -> None:
    bot, desk = bot_of(pair()), Desk()
    view = View(
        now=desk.now.timestamp(), session=desk.state.schedule.session, board=desk.board, facts=desk.state.market.facts
    )
    chosen = select(bot.plan.legs, view, bot.expected_move)
    assert [int(leg.option.strike) for leg in chosen.legs] == [5950, 595]
    assert [round(bot.expected_move(view, symbol) or 0.0, 2) for symbol in MOVES] == list(MOVES.values())


@pytest.mark.parametrize(("symbol", "move"), MOVES.items())
def test_the_move_of_the_open_is_that_of_the_underlying_that_is_named(symbol: str, move: float) -> None:
    desk = Desk((pair(f"expected_move: {{of: {symbol}, asof: open, at_least: 1 pts}}"),), at="09:29")
    desk.until("09:31", step=5)
    reported = [each.data for each in desk.records if each.kind is Kind.FACTS and each.data["what"] == "opening_move"]
    assert [(each["symbol"], round(float(each["value"]), 2)) for each in reported] == [(symbol, move)]
    assert {key: round(value, 2) for key, value in desk.state.market.facts.opening_moves.items()} == {
        (symbol, DAY): move
    }


def test_the_move_of_the_open_is_read_at_the_first_instant_that_shows_it_whatever_was_streamed_before() -> None:
    """Who finds its options streamed already, as a shadow does, is woken by no change of the board."""
    desk = Desk((pair("expected_move: {of: SPX, asof: open, at_least: 1 pts}"),), at="09:29")
    options = [each for each in desk.board.rows if isinstance(each, Option)]
    desk.without_data(*options)
    desk.until("09:30")
    desk.settle(0.5)
    assert not desk.state.market.facts.opening_moves
    desk.market()
    desk.freshen()
    rows = tuple(desk.board.rows[each] for each in options)
    desk.send(MarketDataUpdated(desk.now, rows))
    assert {key: round(value, 2) for key, value in desk.state.market.facts.opening_moves.items()} == {
        ("SPX", DAY): 50.38
    }
    assert desk.state.subscriptions.dependents.keys().isdisjoint(rows)


def test_the_move_of_the_open_waits_until_spot_is_where_its_options_are() -> None:
    """An index is told near the close of the day before while its members open one after the other: its straddle at a
    strike far from where it goes was half as dear again, and kept for the day.
    """
    desk = Desk((pair("expected_move: {of: SPX, asof: open, at_least: 1 pts}"),), at="09:29")
    desk.level("SPX", 5975.0)
    desk.quote(call(5975), 32.4, 32.5, 0.8)
    desk.until("09:30:30", step=5)
    assert not desk.state.market.facts.opening_moves
    desk.level("SPX", 6000.0)
    desk.tick(1)
    assert {key: round(value, 2) for key, value in desk.state.market.facts.opening_moves.items()} == {
        ("SPX", DAY): 50.38
    }


def test_quotes_after_the_first_minutes_are_waited_for_no_more_where_the_move_of_the_open_never_came() -> None:
    """Each of them made a turn that could do nothing, until something else changed."""
    desk = Desk((pair("expected_move: {of: SPX, asof: open, at_least: 1 pts}"),), at="09:29")
    options = [each for each in desk.board.rows if isinstance(each, Option)]
    desk.without_data(*options)
    desk.until("09:31")
    rows = {desk.board.rows[each] for each in options if each.symbol == "SPX"}
    desk.send(MarketDataUpdated(desk.now, tuple(rows)))
    assert rows <= desk.state.subscriptions.dependents.keys()
    desk.now = clock("09:35")
    desk.send(MarketDataUpdated(desk.now, tuple(rows)))
    assert rows.isdisjoint(desk.state.subscriptions.dependents)


def test_one_bot_reads_the_move_of_the_open_for_all_that_read_the_same() -> None:
    """Twenty bots took 0.4 ms for each quote until it came."""
    read: list[str] = []

    def reads(view: View, symbol: str) -> float | None:
        read.append(symbol)
        return None if len(read) < 3 else 50.0

    condition = "expected_move: {of: SPX, asof: open, at_least: 1 pts}"
    texts = (pair(condition).replace("name: pair", f"name: bot_{number}") for number in range(3))
    desk = Desk(tuple(texts), at="09:29")
    bots = {name: replace(bot, opening_move=reads) for name, bot in desk.program.bots.items()}
    desk.program = replace(desk.program, bots=bots)
    for count in (1, 2, 3):
        desk.now = clock(f"09:30:0{count}")
        desk.send(MarketDataUpdated(desk.now, tuple(desk.board.rows.values())))
        assert read == ["SPX"] * count
    reported = [each for each in desk.records if each.kind is Kind.FACTS and each.data["what"] == "opening_move"]
    assert [(each.bot, each.data["value"]) for each in reported] == [("bot_0", 50.0)]
