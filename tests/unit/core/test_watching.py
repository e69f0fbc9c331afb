"""When what is streamed is chosen anew: every few seconds while the market moves the choice, else when something is."""

from array import array
from math import nan

import pytest
from hand_desk import Desk, clock, put, text_of

from rulebot.model.contract import Option
from rulebot.model.event import ListingReport
from rulebot.model.order import Subscribe
from rulebot.model.session import session_after
from rulebot.model.values import replace
from rulebot.record.record import Kind

LEGS = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""


def streamed_options(desk: Desk) -> set[Option]:
    return {each for each in desk.state.subscriptions.streamed if isinstance(each, Option)}


def test_at_once_when_a_position_closes_and_nothing_moves_the_choice() -> None:
    desk = Desk((text_of(entry='{at: "10:00"}', exits='\n  - time: "11:00"\n', legs=LEGS),))
    desk.until("10:00")
    desk.fill(desk.submitted[0])
    desk.tick(30)
    assert streamed_options(desk) == {contract for contract, count in desk.books().items() if count}
    desk.until("11:00")
    desk.fill(desk.submitted[-1])
    desk.tick(0.2)
    assert not streamed_options(desk)


def test_no_oftener_than_every_five_seconds_while_the_market_moves_the_choice() -> None:
    """Lines are not dropped and taken again within seconds, although each fill and each level would change them."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}}', legs=LEGS),))
    desk.until("10:00")
    started = len(desk.commands)
    for level in (6020.0, 6040.0, 6060.0, 6080.0):
        desk.level("SPX", level)
        desk.tick(0.5)
    assert sum(isinstance(each, Subscribe) for each in desk.commands[started:]) <= 1
    desk.tick(5)
    assert sum(isinstance(each, Subscribe) for each in desk.commands[started:]) >= 1


@pytest.mark.parametrize("others", [(), ('{window: {from: "09:45", to: "11:00"}}',)], ids=["alone", "beside another"])
def test_for_a_bot_it_begins_five_minutes_before_its_window_to_the_second(others: tuple[str, ...]) -> None:
    """Where quotes are minutes apart, a look some seconds later would see none of them before the window opens."""
    own = text_of("own", entry='{window: {from: "10:00", to: "11:00"}}', legs=LEGS)
    texts = (own, *(text_of("other", entry=entry, legs=LEGS) for entry in others))
    desk = Desk(texts)
    desk.until("09:40:03")
    desk.link()  # everything is chosen anew
    desk.tick(0.4)
    desk.until("09:54:58")
    desk.settle(1.9)
    assert "own" not in desk.state.subscriptions.strike_targets
    assert desk.state.schedule.wake_at == clock("09:55")
    desk.settle(0.1)
    assert "own" in desk.state.subscriptions.strike_targets


def test_strikes_found_before_a_window_stand_until_its_last_minute_whatever_the_market_does() -> None:
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}}', legs=LEGS),))
    desk.until("09:55:30")
    desk.until("09:56:10", step=5)
    found, started = streamed_options(desk), len(desk.commands)
    assert found
    for level in (6040.0, 6080.0):
        desk.level("SPX", level)
        desk.tick(60)
    assert not any(isinstance(each, Subscribe) for each in desk.commands[started:])
    assert desk.state.schedule.watch_at == clock("09:59")
    desk.until("09:59")
    assert streamed_options(desk) != found
    desk.level("SPX", 5900.0)
    desk.tick(6)
    assert max(abs(float(each.strike) - 5900.0) for each in streamed_options(desk)) < 200.0


@pytest.mark.parametrize("late", [6, 12, 25])
def test_strikes_whose_quotes_come_late_are_looked_for_on(late: int) -> None:
    """By the VIX the strike lies 90 points away; the deltas, which say that it is 60, come seconds after the lines."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}}', legs=LEGS),))
    options = {each: row for each, row in desk.board.rows.items() if isinstance(each, Option)}
    deltas = {row: desk.board.delta[row] for row in options.values()}
    desk.level("VIX", 40.0)
    desk.without_data(*options)
    desk.board.delta[:] = array("d", [nan] * len(desk.board.delta))
    desk.until("09:55")
    far = streamed_options(desk)
    desk.until(f"09:55:{late:02d}", step=1)
    for row, delta in deltas.items():
        desk.board.delta[row] = delta
    desk.until("09:56", step=1)
    assert far != streamed_options(desk)
    assert put(5945) in streamed_options(desk)


def test_too_few_lines_are_reported_once_a_session_and_only_of_what_is_needed() -> None:
    """How many are wanted changes with each quote; what would only be kept goes without a word."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}}', legs=LEGS),))
    desk.until("09:58")
    desk.program = replace(desk.program, line_limit=len(desk.state.subscriptions.streamed))
    for level in (6005.0, 6010.0, 6005.0, 6015.0):
        desk.level("SPX", level)
        desk.tick(5)
    assert len(desk.state.subscriptions.streamed) == desk.program.line_limit
    assert [words for words in desk.alarms if "lines" in words] == []
    desk.program = replace(desk.program, line_limit=6)
    for level in (6090.0, 6020.0, 6060.0, 6085.0):
        desk.level("SPX", level)
        desk.tick(5)
    reported = "more market data lines are wanted than the 6 that may be used: the least important wait"
    found = [each for each in desk.said(Kind.ALARM) if "lines" in str(each.data["text"])]
    assert [(each.bot, each.position, each.data["text"]) for each in found] == [("", "", reported)], (
        "it is of no bot alone"
    )
    desk.day = session_after(desk.day).date
    desk.until("09:57", step=60 * 60)
    desk.market()
    for listing in desk.listings():
        desk.send(ListingReport(desk.now, listing))
    for level in (6000.0, 6085.0, 6020.0):
        desk.level("SPX", level)
        desk.tick(5)
    assert [words for words in desk.alarms if "lines" in words] == [reported, reported], (
        "on another day it is told again"
    )
