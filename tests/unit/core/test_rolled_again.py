"""An exit by the clock that rolls is as true of what it opens (RB338), and what holds it back."""

from datetime import date

import pytest
from hand_desk import Desk, put, text_of

from rulebot.compile.build import check
from rulebot.compile.problem import Problem
from rulebot.model.order import Order, Purpose
from rulebot.spec.load import load_text

LATER = date(2027, 2, 19)
LEGS = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""
STRIKES = "strikes: {short_put: {otm: 40 pts}, long_put: {below: short_put, by: 10 pts}}"
EXITS = """
  - name: recentre
    all: [{{time: "10:20"}}{beside}]
    roll: {{{roll}}}
  - {{name: out, time: "15:45", order: market}}
"""


def text(beside: str = "", roll: str = STRIKES) -> str:
    return text_of(
        exits=EXITS.format(beside=beside, roll=roll),
        legs=LEGS,
        entry='{window: {from: "10:00", to: "10:15"}}',
        risk="{max_loss_per_trade: $20000}",
    )


def rolled(found: str) -> list[Order]:
    """Return the rolls of a desk of which the first has filled while spot moved by four strikes."""
    desk = Desk((found,))
    desk.opened()
    for strike in (5960, 5950, 5940, 5930):
        middle = 4.0 + (strike - 5930) / 10
        desk.quote(put(strike, expiry=LATER), middle - 0.05, middle + 0.05, -0.30)
    desk.until("10:20")
    desk.tick(1)
    assert len(desk.sent_for(Purpose.ROLL)) == 1
    desk.ack(desk.last)
    desk.level("SPX", 5980.0)
    desk.tick(5)
    desk.fill(desk.last)
    desk.tick(5)
    return desk.sent_for(Purpose.ROLL)


def problems(found: str) -> list[Problem]:
    return [each for each in check(load_text(found)) if each.code != "RB354"]  # at which price is no matter here


def codes(found: str) -> list[str]:
    return [each.code for each in problems(found)]


def opened(order: Order) -> list[object]:
    return [leg.option for leg in order.legs if leg.opens]


def test_what_was_rolled_is_rolled_at_once_where_another_strike_is_nearer() -> None:
    first, again = rolled(text())
    assert opened(first) == [put(5960), put(5950)] == [leg.option for leg in again.legs if not leg.opens]
    assert opened(again) == [put(5940), put(5930)]
    assert codes(text()) == ["RB338"]


@pytest.mark.parametrize(
    ("beside", "roll"),
    [
        (", {time_in_trade: {at_least: 10m}}", STRIKES),
        (", {dte: {at_most: 0}}", f"expiry: {{dte: {{at_least: 1}}}}, {STRIKES}"),
    ],
)
def test_what_counts_again_from_each_roll_holds_it_back(beside: str, roll: str) -> None:
    assert len(rolled(text(beside, roll))) == 1
    assert codes(text(beside, roll)) == []


def test_a_session_in_trade_keeps_it_from_the_day_of_its_entry() -> None:
    desk = Desk((text(", {sessions_in_trade: {at_least: 1}}", f"expiry: {{dte: {{at_least: 1}}}}, {STRIKES}"),))
    desk.opened()
    desk.until("10:20")
    desk.tick(60)
    assert desk.sent_for(Purpose.ROLL) == []


def test_the_warning_says_what_fits_how_long_the_position_lives() -> None:
    of_weeks = (
        text()
        .replace("}}\nlegs", "}, max_open: 1}\nlegs")
        .replace("dte: 0", "dte: {nearest: 45}")
        .replace('time: "15:45", order: market', "dte: {at_most: 7}")
    )
    later = of_weeks.replace("roll: {", "roll: {expiry: {dte: {nearest: 45}}, ")
    assert codes(of_weeks.replace('{time: "10:20"}', '{time: "10:20"}, {sessions_in_trade: {at_least: 1}}')) == []
    helps = [each.help for found in (text(), of_weeks, later) for each in problems(found)]
    assert helps == [
        "add 'time_in_trade: {at_least: 1h}' to it, under 'all', which restarts its count at each roll",
        "add 'sessions_in_trade: {at_least: 1}' to it, under 'all', which restarts its count at each roll",
        "add 'sessions_in_trade: {at_least: 1}' to it, under 'all', which restarts its count at each roll, "
        "or a 'dte' that the new expiry is beyond",
    ]
