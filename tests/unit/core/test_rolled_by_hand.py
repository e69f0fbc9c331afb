"""A roll that fills although its position was closed meanwhile: by somebody at the broker, or as an operator has asked.

What it has opened is the bot's own, under its exits. What the account has of the old legs since then is nobody's.
"""

import pytest
from hand_desk import Desk
from test_rolling import LONG, NEW_LONG, NEW_SHORT, SHORT, both, frighten, held
from test_rolling_parts import LONG_PUT, SHORT_PUT, UNTESTED, spot
from test_rolling_parts import held as condor

from rulebot.model.event import BrokerStatus, Request
from rulebot.model.order import Order, Purpose
from rulebot.model.position import FLATTENED


def closed_by_hand(desk: Desk, seconds: int) -> Order:
    """Let somebody close what is rolled, and some time pass; the account shows that. Return the roll, taken back."""
    (order,) = desk.sent_for(Purpose.ROLL)
    desk.ack(order)
    desk.is_shown = False
    for leg in order.legs_of(order.position):
        desk.holds(leg.option, 0)
    for _ in range(seconds // 6):
        desk.tick(6)
    return desk.order(order.ref)


def fills_all_the_same(desk: Desk, order: Order, *, is_restarted: bool) -> None:
    """Fill the roll though it is taken back: the account shows it first. Then let a minute pass."""
    shown = {leg.option: order.side_of(leg).sign * leg.ratio * order.quantity for leg in order.legs}
    reports = desk.executions_of(order, order.quantity)
    if is_restarted:
        desk.unlink()
        desk.start_again()
        desk.link([], shown.items())
    else:
        for option, count in shown.items():
            desk.holds(option, count)
    for report in reports:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, order.quantity)
    for _ in range(10):
        desk.tick(6)


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("seconds", [6, 42])
def test_what_it_opened_is_the_bots_own_and_what_the_account_has_of_the_old_legs_is_reported(
    seconds: int, is_restarted: bool
) -> None:
    """Closed by a person and once more by the roll, the account held both legs the other way round: nobody was told."""
    desk = held()
    frighten(desk)
    order = closed_by_hand(desk, seconds)
    fills_all_the_same(desk, order, is_restarted=is_restarted)
    old, new = both(desk)
    assert (old.state, new.state, new.structures, new.freeze_reason) == ("closed", "open", 2, "")
    said = f"{old.id} is closed, and the account holds {{}}: closed by hand, too? No exit watches it: check the account"
    assert {said.format(f"2 {SHORT}"), said.format(f"-2 {LONG}")} <= set(desk.alarms)
    desk.quote(NEW_SHORT, 39.95, 40.05, -0.90)
    desk.quote(NEW_LONG, 1.95, 2.05, -0.20)
    desk.tick(1)
    assert (desk.last.reason, desk.last.position) == ("far", new.id)


def test_of_a_part_it_is_reported_of_its_legs() -> None:
    desk = condor(UNTESTED)
    spot(desk, 6040)
    order = closed_by_hand(desk, 6)
    fills_all_the_same(desk, order, is_restarted=False)
    old = both(desk)[0]
    said = "{} of {} is closed, and the account holds {} {}: closed by hand, too? No exit watches it: check the account"
    reported = {said.format("short_put", old.id, 2, SHORT_PUT), said.format("long_put", old.id, -2, LONG_PUT)}
    assert reported <= set(desk.alarms)


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("filled", [1, 2])
@pytest.mark.parametrize(
    "asked", [(Request.CLOSE,), (Request.CLOSE, Request.RESUME), (Request.FLATTEN, Request.RESUME)]
)
def test_what_an_operator_closes_is_closed_with_what_it_is_rolled_into_meanwhile(
    asked: tuple[Request, ...], filled: int, *, is_restarted: bool
) -> None:
    """The roll was taken back, filled before that came there, and what it had opened stood as if nobody had asked."""
    desk = held()
    frighten(desk)
    desk.ack(desk.last)
    (order,) = desk.sent_for(Purpose.ROLL)
    for request in asked:
        desk.ask(request, position=order.position if request is Request.CLOSE else "")
    if is_restarted:
        desk.unlink()
        desk.start_again()
        desk.link()
    desk.fill(order, filled)
    if filled < order.quantity:
        desk.cancelled(order, filled)
    desk.tick(1)
    old, new = both(desk)
    assert (old.state, new.state, new.exit_reason) == ("exiting" if filled == 1 else "closed", "exiting", FLATTENED)
    assert desk.submitted[-1].purpose is Purpose.EXIT
    for each in [each for each in desk.live if each.purpose is Purpose.EXIT]:
        desk.fill(each)
    desk.tick(1)
    assert {each.state for each in both(desk)} == {"closed"}


def test_what_was_rolled_before_an_operator_closes_the_rest_stays() -> None:
    desk = condor(UNTESTED)
    spot(desk, 6040)
    desk.fill(desk.last)
    desk.ask(Request.CLOSE, position=both(desk)[0].id)
    spot(desk, 6000)
    assert [each.state for each in both(desk)] == ["exiting", "open"]
