"""A text that is given a universe, or loses it, while its window is on: what was used up of the window stays so."""

from collections.abc import Callable

import pytest
from hand_desk import Desk, text_of
from test_added_and_removed import reloaded, restarted

from rulebot.model.event import Request

LEGS = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {at: spot}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
"""
ENTRY = '{window: [{from: "10:00", to: "11:00"}, {from: "12:00", to: "13:00"}], per_day: 4, max_open: 4}'
UNIVERSE = "{symbols: [SPY, SPX], rank: {by: spot, lowest: 1}}"
TAKE_OVER = pytest.mark.parametrize("take_over", [reloaded, restarted])


def one(symbol: str = "SPY", entry: str = ENTRY) -> str:
    return text_of(underlying=symbol, legs=LEGS, entry=entry)


def several(entry: str = ENTRY) -> str:
    return text_of(underlyings="", universe=UNIVERSE, legs=LEGS, entry=entry)


def traded(desk: Desk) -> None:
    """Enter at ten, and be closed by a person."""
    desk.opened("10:00")
    desk.ask(Request.CLOSE, position=desk.position.id)
    desk.tick(1)
    desk.fill(desk.last)
    assert desk.position.state == "closed"


@TAKE_OVER
@pytest.mark.parametrize(("was", "now"), [(one(), several()), (several(), one()), (several(), one("SPX"))])
def test_a_window_in_which_it_has_entered_stays_used(was: str, now: str, take_over: Callable[..., None]) -> None:
    """With a universe it sold the same symbol once more."""
    desk = Desk((was,))
    traded(desk)
    take_over(desk, now)
    desk.until("10:30", step=30)
    assert len(desk.submitted) == 2
    take_over(desk, now)
    desk.until("11:55", step=30)
    assert len(desk.submitted) == 2
    desk.until("12:01", step=30)
    assert len(desk.submitted) == 3


@TAKE_OVER
def test_what_it_has_decided_once_of_a_symbol_stays_so(take_over: Callable[..., None]) -> None:
    never, always = (f"{ENTRY[:-1]}, try: once, when: [{{vix: {{{side}: 90}}}}]}}" for side in ("above", "below"))
    desk = Desk((several(never),))
    desk.scrambles = False  # what people are told after the start is looked at
    desk.until("10:05", step=30)
    take_over(desk, one(entry=always))
    desk.until("10:30", step=30)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].day.decided.startswith("vix")
