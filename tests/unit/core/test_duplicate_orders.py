"""A change that became a second order, under the id and the reference of the first: nothing is sent beside it."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hand_desk import SELLER, Desk, order_report, text_of

from rulebot.core.facts import OrderEnded
from rulebot.core.pipeline import HANDLERS
from rulebot.core.state.builder import StateBuilder
from rulebot.model.event import BrokerStatus, OrderReport
from rulebot.model.order import Order, OrderStatus, Purpose, RequestOpenOrders

SECOND = 777
OVER = (BrokerStatus.CANCELLED, BrokerStatus.INACTIVE)


def second(desk: Desk, order: Order, status: BrokerStatus = BrokerStatus.WORKING, **other: Any) -> None:
    """Let the broker tell of the second order."""
    reported = {"order_id": order.order_id, "client_id": 7, **other}
    desk.send(OrderReport(at=desk.now, ref=order.ref, perm_id=SECOND, status=status, **reported))


def listed(desk: Desk, *orders: Order) -> None:
    """Let the engine ask, and the broker list a second order of each of these; all others are over."""
    desk.tick(11)
    for order in orders:
        second(desk, order)
    desk.listed(*(order.ref for order in orders))


def exiting() -> tuple[Desk, Order]:
    """Return a desk whose exit works at the broker."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    desk.ack(desk.last)
    return desk, desk.last


def waiting() -> tuple[Desk, Order]:
    """Return a desk whose exit is over at the broker, where a second one works under its reference."""
    desk, order = exiting()
    second(desk, order)
    desk.cancelled(order)
    return desk, order


def test_11_both_orders_under_one_id_are_cancelled() -> None:
    desk, order = exiting()
    second(desk, order)
    assert [found.order_id for found in desk.cancels] == [order.order_id] * 2
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert desk.alarms[-1].startswith(f"two orders work at the broker as {order.ref}, with permanent ids")
    assert "rulebot cancels both" in desk.alarms[-1]


@pytest.mark.parametrize("status", OVER)
def test_11_no_exit_is_sent_beside_a_second_order_until_it_is_over(status: BrokerStatus) -> None:
    """The cancel of the id ended the first alone, and another exit went out: both would have closed the position."""
    desk, order = exiting()
    second(desk, order)
    sent = len(desk.submitted)
    desk.cancelled(order)
    listed(desk, order)
    listed(desk, order)
    assert len(desk.submitted) == sent
    assert desk.position.state == "exiting"
    assert [found.perm_id for found in desk.cancels[-2:]] == [SECOND] * 2
    second(desk, order, status)
    desk.settle(30)
    assert len(desk.submitted) == sent + 1
    assert desk.last.purpose is Purpose.EXIT


def test_11_a_second_order_that_two_lists_lack_is_over() -> None:
    """One list may be cut short: the exit that followed would close beside what works on unseen."""
    desk, order = waiting()
    sent = len(desk.submitted)
    listed(desk)
    desk.tick(1)
    assert len(desk.submitted) == sent
    listed(desk, order)
    listed(desk)
    desk.tick(1)
    assert len(desk.submitted) == sent
    desk.tick(1)
    desk.listed()
    desk.settle(30)
    assert len(desk.submitted) == sent + 1


@pytest.mark.parametrize("status", [BrokerStatus.FILLED, BrokerStatus.CANCELLED])
def test_11_what_a_second_order_is_reported_to_have_filled_is_waited_for(status: BrokerStatus) -> None:
    """The status may come before its executions: an exit sent between them would close the position twice."""
    desk, order = waiting()
    sent = len(desk.submitted)
    second(desk, order, status, filled=Decimal(1))
    desk.tick(1)
    assert len(desk.submitted) == sent
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, perm_id=SECOND))
    desk.settle(30)
    assert desk.position.state == "closed"
    assert len(desk.submitted) == sent


def test_11_what_was_sent_before_a_second_order_was_reported_is_cancelled_too() -> None:
    """The change was told in lists alone, and the first had ended: the next exit stood beside the second order."""
    desk, order = exiting()
    desk.send(order_report(order, desk.now, BrokerStatus.CANCELLED))
    desk.settle(90)
    following = desk.last
    assert following.ref != order.ref
    desk.ack(following)
    second(desk, order)
    assert desk.order(following.ref).status is OrderStatus.CANCELLING
    desk.cancelled(following)
    sent = len(desk.submitted)
    listed(desk, order)
    second(desk, order, BrokerStatus.FILLED, filled=Decimal(1))
    desk.tick(1)
    assert len(desk.submitted) == sent
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, perm_id=SECOND))
    listed(desk)
    listed(desk)
    assert desk.position.state == "closed"
    assert len(desk.submitted) == sent


def test_11_so_is_one_of_which_two_lists_have_the_first_alone() -> None:
    desk, order = exiting()
    second(desk, order)
    for _ in range(2):
        desk.tick(11)
        desk.listed(order.ref)
    sent = len(desk.submitted)
    desk.cancelled(order)
    desk.settle(30)
    assert len(desk.submitted) == sent + 1


def test_11_what_a_second_order_has_closed_is_closed() -> None:
    desk, order = waiting()
    sent = len(desk.submitted)
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, perm_id=SECOND))
    second(desk, order, BrokerStatus.FILLED, filled=Decimal(1))
    desk.settle(30)
    assert desk.position.state == "closed"
    assert len(desk.submitted) == sent


def test_11_the_broker_is_asked_every_ten_seconds_while_there_is_one() -> None:
    desk, order = waiting()
    before = sum(isinstance(each, RequestOpenOrders) for each in desk.commands)
    for _ in range(6):
        listed(desk, order)
    assert sum(isinstance(each, RequestOpenOrders) for each in desk.commands) >= before + 5


def test_11_one_that_is_not_cancelled_in_a_minute_is_left_to_a_person() -> None:
    desk, order = waiting()
    since = desk.now
    while desk.now - since < timedelta(seconds=75):
        listed(desk, order)
    reported = [text for text in desk.alarms if "its cancel has no effect" in text]
    assert reported == [f"a second order works as {order.ref} and its cancel has no effect: cancel it at the broker"]


def test_11_a_second_order_of_another_client_is_left_to_a_person() -> None:
    desk, order = exiting()
    second(desk, order, client_id=31)
    assert not desk.cancels
    assert "a person must cancel it" in desk.alarms[-1]


def test_11_a_second_entry_keeps_no_position_from_being_watched() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    second(desk, order)
    desk.fill(order)
    assert desk.position.state == "open"
    assert desk.day_of().halted  # type: ignore[attr-defined]


def test_11_an_entry_that_is_cancelled_with_a_second_one_is_not_sent_again() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    second(desk, order)
    desk.cancelled(order)
    second(desk, order, BrokerStatus.CANCELLED)
    desk.until("13:00")
    assert len(desk.submitted) == 1


def test_11_what_rests_is_not_put_back_beside_a_second_one() -> None:
    desk = Desk((text_of("seller", **SELLER),))
    desk.opened("10:01")
    target, stop = desk.live
    for order in (target, stop):
        desk.ack(order)
    second(desk, target)
    desk.cancelled(target)
    sent = len(desk.submitted)
    listed(desk, target)
    assert len(desk.submitted) == sent
    assert target.ref in {order.ref for order in desk.live}


def test_11_a_second_order_is_reported_again_by_the_list_of_a_connection() -> None:
    desk, order = waiting()
    sent = len(desk.submitted)
    desk.unlink()
    second(desk, order)
    desk.link([order.ref])
    desk.settle(30)
    assert len(desk.submitted) == sent
    desk.unlink()
    desk.link([])
    listed(desk)
    desk.settle(30)
    assert len(desk.submitted) == sent + 1


def test_11_a_second_order_is_known_to_the_next_engine() -> None:
    """Its first list was cut short: the exit that followed would have closed beside it."""
    desk, order = waiting()
    sent = len(desk.submitted)
    desk.start_again()
    desk.link([])
    desk.tick(1.5)
    assert len(desk.submitted) == sent
    listed(desk, order)
    listed(desk)
    desk.tick(2)
    desk.listed()
    desk.settle(30)
    assert len(desk.submitted) == sent + 1


def test_11_each_order_that_waited_for_a_second_one_ends_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of one ends those that wait beside it, and these were gone through once more as they had been."""
    legs = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  lower_put: {sell: put, strike: {delta: 0.05}}
  short_call: {sell: call, strike: {delta: 0.10}}
"""
    risk = "{undefined_risk: allow, protect: {cost: 5x credit}}"
    desk = Desk((text_of(legs=legs, exits='\n  - time: "15:00"\n', risk=risk),))
    desk.opened()
    desk.tick(1)
    stops = desk.live
    assert len(stops) == 3
    for order in stops:
        desk.ack(order)
    second(desk, stops[0])
    desk.until("15:00")
    for order in stops:
        desk.cancelled(order)
    assert all(desk.order(order.ref).status is OrderStatus.CANCELLING for order in stops)
    ended: list[str] = []
    step = HANDLERS[OrderEnded]

    def noted(work: StateBuilder, fact: OrderEnded) -> None:
        ended.append(fact.ref)
        step(work, fact)

    monkeypatch.setitem(HANDLERS, OrderEnded, noted)
    second(desk, stops[0], BrokerStatus.CANCELLED)
    assert ended == [order.ref for order in stops]
    assert desk.last.purpose is Purpose.EXIT
