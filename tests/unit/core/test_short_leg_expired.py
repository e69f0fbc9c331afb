"""A calendar spread whose short leg has expired, and whose long one goes on: nothing protects what is gone."""

from datetime import timedelta

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.core.session.reloading import not_quiet
from rulebot.model.contract import Underlying
from rulebot.model.event import MarketDataUpdated
from rulebot.model.order import Purpose
from rulebot.model.session import session_after

CALENDAR = {
    **SELLER,
    "legs": """
  short_put: {sell: put, expiry: {dte: 0}, strike: {delta: 0.15}}
  long_put: {buy: put, expiry: {dte: {nearest: 90}}, strike: {delta: 0.15}}
""",
    "order": "{start: mid, step: 0.01, wait: 300s, tries: 1, then: cancel}",
    "exits": "\n  - target: {profit: 60%}\n  - at_expiry: settle\n",
}
RISK = "{undefined_risk: allow, protect: {cost: 4x credit, of: each_short}%s}"


@pytest.mark.parametrize("more", ["", ", max_time_without_stop: 5s"])
def test_a_short_leg_that_has_expired_while_no_engine_ran_gets_no_stop_any_more(more: str) -> None:
    """Until its level was known its stop was sent anew, said to be cancelled by somebody, and missed after seconds."""
    desk = Desk((text_of("calendar", **{**CALENDAR, "risk": RISK % more}),), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    (guard,) = desk.live
    desk.ack(guard)
    long = desk.position.legs[1].option
    desk.unlink()
    desk.day = session_after(desk.day).date
    desk.now = session_after(desk.now.date()).open - timedelta(minutes=30)
    desk.freshen()
    desk.send(MarketDataUpdated(desk.now, ()))
    desk.link([], {long: 1})
    desk.confirm_gone()
    desk.until("09:31", step=5)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY, Purpose.PROTECT]
    assert not [text for text in desk.alarms if "protect" in text]
    desk.board.previous_close[desk.board.rows[Underlying("SPY")]] = 600.0
    desk.tick(60)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == ("open", [0, 1])


def test_what_is_left_continues_when_an_exit_of_the_short_leg_alone_had_not_closed_it_by_then() -> None:
    exits = f'\n  - time: "15:58"\n    close: [short_put]\n    order: {{wait: 120s}}{CALENDAR["exits"]}'
    desk = Desk((text_of("calendar", **{**CALENDAR, "exits": exits, "risk": "{undefined_risk: allow}"}),), at="10:00")
    short = desk.opened("10:01").legs[0].option
    desk.until("15:58")
    desk.ack(desk.last)
    desk.until("16:00", step=10)
    desk.cancelled(desk.last)
    desk.tick(1)
    assert desk.position.state == "exiting"
    desk.until("16:06")
    desk.holds(short, 0)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == ("open", [0, 1])
    assert not_quiet(desk.program, desk.state, ["calendar"]) == ""
