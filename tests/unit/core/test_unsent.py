"""Orders and changes that rulebot could not send: each fails alone, and is told."""

from hand_desk import Desk, text_of

from rulebot.model.event import OrderUnsent
from rulebot.model.order import OrderStatus

WHY = "a leg has no contract id"


def test_an_entry_that_was_not_sent_is_over_and_reported() -> None:
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.send(OrderUnsent(desk.now, order.order_id, WHY))
    assert desk.state.orders.by_ref[order.ref].status is OrderStatus.REJECTED
    assert f"rulebot could not send {order.ref}: {WHY}" in desk.alarms
    assert not desk.cancels


def test_an_exit_that_was_not_sent_is_sent_again() -> None:
    desk = Desk((text_of(exits='\n  - time: "15:45"\n'),))
    desk.fill(desk.enter())
    desk.until("15:45")
    first = desk.last
    desk.send(OrderUnsent(desk.now, first.order_id, WHY))
    assert desk.state.orders.by_ref[first.ref].status is OrderStatus.REJECTED
    desk.tick(120)
    assert desk.last.ref != first.ref
    assert not any(position.is_flat for position in desk.state.positions.by_id.values())


def test_an_order_whose_change_was_not_sent_works_as_it_was() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}"),))
    desk.ack(desk.enter())
    before = desk.last.limit_price
    desk.tick(10)
    changed = desk.replaced[-1]
    assert changed.limit_price != before
    desk.send(OrderUnsent(desk.now, changed.order_id, WHY, is_change=True))
    order = desk.state.orders.by_ref[changed.ref]
    assert (order.status, order.limit_price) == (OrderStatus.WORKING, before)
    assert f"rulebot could not send a change of {changed.ref}: {WHY}" in desk.alarms


def test_what_is_over_or_unknown_is_passed_over() -> None:
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.fill(order)
    count = len(desk.alarms)
    desk.send(OrderUnsent(desk.now, order.order_id, WHY))
    desk.send(OrderUnsent(desk.now, 999_999, WHY))
    assert len(desk.alarms) == count
