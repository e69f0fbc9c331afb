"""A broker that closes a position twice leaves it reversed: what is short without cover is bought back."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import CONDOR, DAY, Desk, kept, put, text_of

from rulebot.checks.journal.audit import differing_starts
from rulebot.core.exits.reversed_longs import reversed_shorts
from rulebot.core.queries.orders import is_buy_back
from rulebot.model.contract import Option
from rulebot.model.order import Order, OrderType, Purpose, Side
from rulebot.model.position import Position, PositionLeg

LONG = "\n  expiry: {dte: 0}\n  long_put: {buy: put, strike: {delta: 0.10}}\n"
REVERSAL = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_call: {sell: call, strike: {delta: 0.10}}
"""
DEBIT = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""
SOON = '\n  - {name: soon, time: "10:01"}\n'


def closed_twice(legs: str, risk: str = "{max_loss_per_trade: $20000}", *, at_once: bool = False) -> Desk:
    """Return a desk whose broker has filled an exit of one structure twice; at_once: in one execution of each leg."""
    desk = Desk((text_of(legs=legs, exits=SOON, risk=risk),))
    desk.opened()
    for order in [each for each in desk.live if each.purpose is Purpose.PROTECT]:
        desk.ack(order)
    desk.until("10:01", step=5)
    for order in desk.cancels:
        desk.cancelled(order)
    desk.tick(1)
    (order,) = (order for order in desk.submitted if order.purpose is Purpose.EXIT)
    if at_once:
        desk.fill(order, 2)
    else:
        desk.fill(order)
        desk.fill(order, 1)
    desk.tick(1)
    return desk


def bought(desk: Desk) -> list[Order]:
    return [order for order in desk.submitted if is_buy_back(order)]


def wait(desk: Desk, seconds: int) -> None:
    for _ in range(seconds // 5):
        desk.tick(5)


@pytest.mark.parametrize("at_once", [False, True])
def test_an_option_sold_twice_is_bought_back_at_market_after_a_minute(at_once: bool) -> None:
    desk = closed_twice(LONG, at_once=at_once)
    option = desk.position.legs[0].option
    assert [leg.held for leg in desk.position.legs] == [-1]
    wait(desk, 10)
    assert (desk.position.state, desk.position.unprotected) == ("open", f"-1 {option}")
    assert f"-1 {option} of {desk.position.id} is short without cover" in desk.alarms[-1]
    assert "rulebot buys it back at market at 10:02:" in desk.alarms[-1]
    wait(desk, 40)
    assert bought(desk) == []
    wait(desk, 30)
    (order,) = bought(desk)
    assert (order.side, order.quantity, order.kind) == (Side.BUY, 1, OrderType.MARKET)
    desk.fill(order)
    wait(desk, 30)
    assert [leg.held for leg in desk.position.legs] == [0]
    assert (desk.position.state, desk.position.exit_reason, desk.position.unprotected) == ("closed", "soon", "")
    assert len(bought(desk)) == 1
    leg = desk.position.legs[0]
    assert (leg.opened, leg.closed) == (1, 1)
    sold, back = 2 * desk.mid(option), desk.mid(option)
    assert leg.exit_cash == (sold - back) * 100, "what both sales brought, less what it cost to buy one back"


def test_the_spec_says_how_long_it_may_stand() -> None:
    protected = "max_time_without_stop: 20s, protect: {cost: 4x credit, of: each_short}"
    desk = closed_twice(REVERSAL, f"{{undefined_risk: allow, {protected}}}")
    wait(desk, 15)
    assert bought(desk) == []
    wait(desk, 15)
    assert [order.legs[0].name for order in bought(desk)] == ["long_put"], "the short call has become a long one"


def test_an_account_that_does_not_show_it_keeps_rulebot_from_buying() -> None:
    """The second fill may be an error of the broker: rulebot must not open the other side."""
    desk = closed_twice(LONG)
    desk.holds(desk.position.legs[0].option, 0)
    wait(desk, 120)
    assert bought(desk) == []


def test_what_the_other_legs_cover_is_left_to_a_person() -> None:
    """A condor that was bought back twice is a bought condor: it can lose what it cost, and no more."""
    desk = closed_twice(CONDOR)
    assert {leg.held for leg in desk.position.legs} == {-1}
    wait(desk, 120)
    assert (bought(desk), desk.position.state) == ([], "closed")
    assert any("more was closed" in text for text in desk.alarms)


def test_a_debit_spread_sold_twice_is_covered_too() -> None:
    desk = closed_twice(DEBIT)
    wait(desk, 120)
    assert bought(desk) == []


def test_another_engine_continues_with_the_wait() -> None:
    desk = closed_twice(LONG)
    wait(desk, 30)
    desk.start_again()
    desk.link()
    wait(desk, 45)
    (order,) = bought(desk)
    desk.fill(order)
    wait(desk, 10)
    desk.start_again()
    booked = [each for each in desk.state.positions.executions.values() if each.ref == order.ref]
    assert [each.quantity for each in booked] == [-1]
    assert desk.position.state == "closed"


def test_a_refused_order_is_sent_again() -> None:
    desk = closed_twice(LONG)
    wait(desk, 75)
    desk.refuse(bought(desk)[-1])
    wait(desk, 60)
    assert len(bought(desk)) >= 2


def test_it_waits_for_the_next_session_at_the_close() -> None:
    desk = closed_twice(LONG)
    wait(desk, 10)
    desk.until("16:00:01")
    wait(desk, 60)
    assert bought(desk) == []


# ---------------------------------------------------------------- which options have no cover


def leg(name: str, option: Option, sign: int, held: int) -> PositionLeg:
    opened = max(held, 1)
    return PositionLeg(name=name, option=option, sign=sign, ratio=1, opened=opened, closed=opened - held)


def of(*legs: PositionLeg) -> dict[str, int]:
    return reversed_shorts(Position(id="p", bot="b", digest="d", state="open", session=DAY, quantity=1, legs=legs))


LATER = date(2026, 12, 18)


def test_a_calendar_that_was_closed_twice_has_no_cover_for_its_later_leg() -> None:
    near, far = put(6000), put(6000, expiry=LATER)
    assert of(leg("near", near, -1, -1), leg("far", far, 1, -1)) == {"far": 1}
    assert of(leg("near", near, 1, -1), leg("far", far, -1, -1)) == {}


def test_a_short_leg_that_is_meant_takes_its_cover_first() -> None:
    """The wing was sold twice while the short leg is still held: nothing covers either."""
    assert of(leg("short", put(6000), -1, 1), leg("wing", put(5990), 1, -1)) == {"wing": 1}
    assert of(leg("short", put(6000), -1, 1), leg("a", put(5990), 1, 1), leg("b", put(5980), 1, -1)) == {"b": 1}


def test_what_is_held_as_meant_is_none() -> None:
    assert of(leg("short", put(6000), -1, 1)) == {}


def test_a_start_on_a_later_day_knows_that_it_was_bought_back(tmp_path: Path) -> None:
    """The order is not read any more on the next day: the fill counted as one that closed."""
    desk = closed_twice(LONG)
    wait(desk, 70)
    (order,) = bought(desk)
    (execution,) = desk.fill(order)
    wait(desk, 5)
    assert desk.state.positions.executions[execution.exec_id.execution].quantity == -1
    assert desk.position.state == "closed"
    assert differing_starts(kept(desk, tmp_path)) == []


def test_a_correction_of_the_price_at_which_it_was_bought_back_names_one_contract() -> None:
    desk = closed_twice(LONG)
    wait(desk, 70)
    (order,) = bought(desk)
    (execution,) = desk.fill(order)
    corrected = execution.exec_id.next
    desk.send(replace(execution, at=desk.now, exec_id=corrected, price=Decimal("1.05")))
    (reported,) = [text for text in desk.alarms if "corrected a fill" in text]
    assert reported.endswith(f"1 long_put bought at 1.05, not 1 at {desk.mid(order.legs[0].option):f}")
    assert [leg.held for leg in desk.position.legs] == [0]
