"""Short calls before a dividend."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hand_desk import DAY, SELLER, Desk, call, text_of

from rulebot.model.contract import Underlying
from rulebot.model.event import DividendReport
from rulebot.model.facts import Dividend

CALLS = {
    **SELLER,
    "legs": """
  expiry: {dte: {nearest: 90}}
  short_call: {sell: call, strike: {at: spot}}
""",
}


def short_call() -> Desk:
    desk = Desk((text_of("seller", **CALLS),), at="10:00")
    desk.option(call(600, "SPY", desk.expiry_90), 0, width=0.02)
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    return desk


def reported(desk: Desk, ex_date: date, spot: float) -> list[str]:
    """Return the alarms of the next minute."""
    desk.send(DividendReport(desk.now, "SPY", Dividend(ex_date, Decimal("1.83"))))
    desk.quote(Underlying("SPY"), spot - 0.01, spot + 0.01)
    before = len(desk.alarms)
    desk.tick(61)
    return [text for text in desk.alarms[before:] if "dividend" in text]


@pytest.mark.parametrize(
    ("days", "spot", "count"), [(1, 610.0, 1), (2, 610.0, 1), (3, 610.0, 0), (0, 610.0, 0), (1, 590.0, 0)]
)
def test_72_a_person_is_warned_of_a_short_call_in_the_money(days: int, spot: float, count: int) -> None:
    found = reported(short_call(), DAY + timedelta(days=days), spot)
    assert len(found) == count
    if found:
        assert "short SPY 2027-02-19 600C is in the money and SPY pays 1.83" in found[0]
        assert "may be assigned the evening before" in found[0]


@pytest.mark.parametrize(("days_left", "count"), [(1, 1), (0, 0)])
def test_72_on_its_last_day_a_call_is_still_exercised_for_the_dividend(days_left: int, count: int) -> None:
    """Whoever holds it until the shares go without the dividend has nothing of that."""
    desk = short_call()
    (leg,) = desk.position.legs
    last = replace(leg, option=replace(leg.option, expiry=DAY + timedelta(days=days_left)))
    held = replace(desk.position, legs=(last,))
    desk.state = desk.state._replace(positions=replace(desk.state.positions, by_id={held.id: held}))
    assert len(reported(desk, DAY + timedelta(days=1), 610.0)) == count


def test_72_once_a_session_and_nothing_is_traded() -> None:
    desk = short_call()
    sent = len(desk.submitted)
    assert reported(desk, DAY + timedelta(days=1), 610.0)
    assert not reported(desk, DAY + timedelta(days=1), 611.0)
    assert len(desk.submitted) == sent


def test_72_shares_in_the_account_beside_a_missing_option_are_named() -> None:
    desk = short_call()
    option = desk.position.legs[0].option
    desk.holds(Underlying("SPY"), -90)
    desk.holds(replace(option), 0)
    desk.tick(31)
    assert "closed by hand, or assigned (it holds -90 SPY)" in desk.position.on_hold
