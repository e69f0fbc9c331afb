"""The broker is asked for what it has not said: orders are adopted, taken back or ended by its complete lists."""

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.values import replace

AGAIN = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m}}'
WITHOUT_ORDERS = {**SELLER, "entry": "{at: open + 31m, max_open: 1}", "exits": "\n  - dte: {at_most: 30}\n"}


def answer(desk: Desk, *refs: str) -> None:
    desk.listed(*refs)


def waited(desk: Desk, seconds: int) -> None:
    for _ in range(seconds // 5):
        desk.tick(5)


def test_nothing_is_asked_before_anything_was_sent() -> None:
    desk = Desk(at="09:50")
    waited(desk, 300)
    assert not desk.asked_for_orders()


def test_when_no_order_works_any_more_the_broker_is_asked_within_every_minute_all_day() -> None:
    """Faults 25 and 29: a correction that was lost is told to who asks, also in the evening."""
    desk = Desk((text_of(exits="\n  - time: '15:45'\n"),))
    desk.opened()
    assert not desk.live
    before = desk.asked_for_orders()
    waited(desk, 300)
    assert 5 <= desk.asked_for_orders() - before <= 7
    desk.ask(Request.FLATTEN)
    desk.tick(5)
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    desk.until("19:00")
    before = desk.asked_for_orders()
    waited(desk, 300)
    assert 5 <= desk.asked_for_orders() - before <= 7


def test_of_earlier_days_nothing_is_asked() -> None:
    """The broker tells the executions of the current day only."""
    desk = Desk((text_of("seller", **WITHOUT_ORDERS),), at="10:00")
    desk.opened("10:01")
    desk.tick(1)
    assert not desk.live
    desk.next_morning()
    before = desk.asked_for_orders()
    waited(desk, 300)
    assert desk.position.state == "open"
    assert desk.asked_for_orders() == before


@pytest.mark.parametrize("is_of_today", [True, False])
def test_what_the_account_lacks_is_asked_for_before_it_is_taken_for_closed_by_hand(is_of_today: bool) -> None:
    """A fill, or what others did, may be told to who asks alone."""
    desk = Desk((text_of("seller", **WITHOUT_ORDERS),), at="10:00")
    option = desk.opened("10:01").legs[0].option
    waited(desk, 10)
    if not is_of_today:
        desk.next_morning()
    before = desk.asked_for_orders()
    desk.holds(option, 0)
    waited(desk, 10)
    assert desk.asked_for_orders() > before
    assert not desk.position.on_hold
    waited(desk, 30)
    assert desk.position.on_hold
    assert desk.asked_for_orders() - before <= 4


def test_while_an_order_works_the_broker_is_asked_within_every_minute() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    before = desk.asked_for_orders()
    for _ in range(5):
        waited(desk, 60)
        answer(desk, *(order.ref for order in desk.live))
    assert 5 <= desk.asked_for_orders() - before <= 7
    assert {order.status for order in desk.live} == {OrderStatus.WORKING}


def test_an_order_without_an_answer_is_asked_for_and_adopted() -> None:
    """Fault 24: the acknowledgement was lost, the order lives."""
    desk = Desk()
    order = desk.enter()
    desk.tick(11)
    assert desk.last.status is OrderStatus.UNKNOWN
    assert desk.asked_for_orders() == 1
    answer(desk, order.ref)
    assert desk.last.status is OrderStatus.WORKING
    assert not desk.cancels


def test_an_order_that_no_list_has_is_given_up_and_not_sent_again() -> None:
    """Fault 23: no callback ever."""
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    for _ in range(9):
        waited(desk, 10)
        answer(desk)
    assert desk.cancels[0].ref == order.ref
    desk.message(order, 10147, "not found")
    desk.until("10:30", step=30)
    assert desk.order(order.ref).status is OrderStatus.LOST
    assert len(desk.submitted) == 1


def test_a_list_that_left_before_the_order_says_nothing_of_it() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.state = desk.state._replace(inquiries=replace(desk.state.inquiries, asked_at=order.sent_at))
    answer(desk)
    answer(desk)
    assert desk.last.status is OrderStatus.WORKING


def test_one_list_without_it_is_not_believed() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    waited(desk, 60)
    answer(desk)
    waited(desk, 10)
    answer(desk, *(order.ref for order in desk.live))
    waited(desk, 10)
    answer(desk)
    assert {order.status for order in desk.live} == {OrderStatus.UNKNOWN}
    answer(desk, *(order.ref for order in desk.live))
    assert {order.status for order in desk.live} == {OrderStatus.WORKING}
    assert len(desk.live) == 2
    assert not desk.cancels


def test_a_resting_order_that_two_lists_lack_is_cancelled_before_it_is_put_back() -> None:
    """Fault 71 with its report lost: the position must not end up with two stops."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    target, stop = (next(o for o in desk.live if o.purpose is kind) for kind in (Purpose.TARGET, Purpose.STOP))
    desk.ack(target)
    desk.ack(stop)
    before = len(desk.submitted)
    waited(desk, 60)
    answer(desk, target.ref)
    waited(desk, 10)
    answer(desk, target.ref)
    assert desk.order(stop.ref).status is OrderStatus.CANCELLING
    assert len(desk.submitted) == before
    desk.message(desk.order(stop.ref), 10147, "not found")
    for _ in range(3):
        waited(desk, 10)
        answer(desk, target.ref)
    assert desk.order(stop.ref).status is OrderStatus.CANCELLED
    working = [found for found in desk.live if found.purpose in (Purpose.TARGET, Purpose.STOP)]
    assert sorted(found.purpose.value for found in working) == ["stop", "target"]
    assert target.ref in [found.ref for found in working]


def test_a_cancel_that_finds_nothing_ends_an_acknowledged_order() -> None:
    """Fault 44: 10147 on an order that was acknowledged; the list settles it."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask_kill()
    desk.message(order, 10147, "not found")
    for _ in range(3):
        waited(desk, 10)
        answer(desk)
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    assert desk.position.state == "closed"


@pytest.mark.parametrize(
    ("state", "is_over"), [("Inactive", True), ("Cancelled", True), ("Filled", False), ("PendingCancel", False)]
)
def test_44_an_exit_that_was_over_before_it_was_acknowledged_is_sent_again(state: str, is_over: bool) -> None:
    """It was refused while nobody was connected, and its cancel answered by 10148 for ever: no other exit was sent."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.unlink()
    desk.tick(60)
    desk.link([])
    for _ in range(4):
        desk.tick(10)
        if desk.order(order.ref).status is OrderStatus.CANCELLING:
            desk.message(order, 10148, f"OrderId 2 that needs to be cancelled cannot be cancelled, state: {state}.")
        answer(desk)
    assert desk.order(order.ref).status is (OrderStatus.CANCELLED if is_over else OrderStatus.CANCELLING)
    assert (desk.last.ref != order.ref, desk.last.purpose) == (is_over, Purpose.EXIT)


def test_44_an_exit_that_had_filled_before_its_cancel_is_not_sent_again() -> None:
    """It was over with nothing filled where no execution was told: a market order followed what had closed it."""
    desk = Desk((text_of(exits='\n  - time: "15:45"\n    order: {start: mid, wait: 10s, tries: 1, then: market}\n'),))
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.ack(order)
    desk.tick(12)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.message(order, 10148, "OrderId 2 that needs to be cancelled cannot be cancelled, state: Filled.")
    for _ in range(6):
        desk.tick(10)
        answer(desk)
    assert (desk.last.ref, desk.order(order.ref).status) == (order.ref, OrderStatus.FILLED)
    assert desk.position.state == "closed"
    assert "1 booked at the limit price it had" in desk.alarms[-1]


def test_44_an_entry_that_was_over_before_it_was_acknowledged_is_not_sent_again() -> None:
    desk = Desk()
    order = desk.enter()
    desk.unlink()
    desk.tick(60)
    desk.link([])
    for _ in range(4):
        desk.tick(10)
        desk.message(order, 10148, "OrderId 1 that needs to be cancelled cannot be cancelled, state: Inactive.")
        answer(desk)
    desk.until("10:50", step=30)
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    assert desk.position.state == "closed"
    assert len(desk.submitted) == 1


def test_fills_that_come_with_the_answer_are_counted_once() -> None:
    """Fault 25: an execution callback was lost; asking finds it."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    waited(desk, 60)
    for report in desk.executions_of(order, 1):
        desk.send(report)
        desk.send(report)
    for _ in range(3):
        answer(desk)
        waited(desk, 10)
    assert desk.position.state == "open"
    assert desk.position.structures == 1
    assert desk.order(order.ref).status is OrderStatus.FILLED


def test_a_given_up_order_in_a_list_is_cancelled() -> None:
    desk = Desk()
    order = desk.enter()
    desk.tick(11)
    waited(desk, 30)
    desk.message(order, 10147, "not found")
    assert desk.last.status is OrderStatus.LOST
    answer(desk, order.ref)
    assert desk.last.status is OrderStatus.CANCELLING


def test_an_entry_of_an_earlier_day_that_was_never_acknowledged_is_over_and_halts_nothing() -> None:
    """It "may still come to life", and its bot entered nothing on the next day."""
    desk = Desk((text_of("seller", **WITHOUT_ORDERS),), at="10:00")
    desk.until("10:01")
    assert desk.last.status is OrderStatus.SENDING
    desk.unlink()
    desk.next_morning()
    desk.start_again()
    desk.link(refs=())
    assert desk.order(desk.submitted[0].ref).status is OrderStatus.CANCELLED
    assert desk.state.bots.by_name["seller"].day.halted == ""
    desk.until("10:01")
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY, Purpose.ENTRY]
