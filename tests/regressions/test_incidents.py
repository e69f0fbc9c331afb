"""Incidents that cost users of other projects money, each by its name: none of them happens here."""

from dataclasses import replace
from decimal import Decimal

from hand_desk import SELLER, Desk, put, resting_seller, text_of

from rulebot.model.contract import Option
from rulebot.model.event import BrokerStatus, ExecutionReport, OrderReport
from rulebot.model.order import ExecutionId, Order, OrderStatus, Purpose

AGAIN = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m, at_most: 9}}'
RETRIES = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"


def resting(desk: Desk) -> dict[Purpose, Order]:
    return {order.purpose: order for order in desk.live if order.purpose in (Purpose.TARGET, Purpose.STOP)}


def test_fills_dropped_during_1100() -> None:
    """The gateway has lost the broker (1100); fills that come meanwhile, or with the lists afterwards, all count."""
    desk = Desk((text_of(quantity="2", risk="{max_loss_per_trade: $9000}"),))
    order = desk.enter()
    desk.ack(order)
    first, second = desk.executions_of(order, 1), desk.executions_of(order, 1)
    desk.unlink()
    for report in first:
        desk.send(report)
    for report in second:
        desk.send(report)
    held = {leg.option: 2 if leg.side.sign > 0 else -2 for leg in order.legs}
    desk.link([], held)
    assert desk.position.structures == 2
    assert desk.order(order.ref).status is OrderStatus.FILLED
    assert not desk.position.on_hold


def test_ids_rolled_back_after_a_restart_and_cross_attributed() -> None:
    """The broker hands out order ids again that an earlier order had: identity is the ref, never the id."""
    desk = resting_seller()
    first = desk.position
    pair = resting(desk)
    desk.unlink()
    desk.link()
    stranger = replace(pair[Purpose.TARGET], ref="somebody:1")
    desk.send(_status(desk, stranger, order_id=pair[Purpose.STOP].order_id, perm_id=77, status=BrokerStatus.FILLED))
    assert desk.order(pair[Purpose.STOP].ref).status is OrderStatus.WORKING
    assert desk.state.positions.by_id[first.id].state == "open"
    used = {order.order_id for order in desk.state.orders.by_ref.values()}
    assert desk.state.orders.next_order_id > max(used)


def test_a_paper_server_that_swallows_orders() -> None:
    """No answer ever, and no list has it: the entry is given up and not sent a second time."""
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    desk.until("10:20", step=5)
    assert [found.ref for found in desk.submitted] == [order.ref]
    assert any("no answer about order" in text for text in desk.alarms)


def test_a_forced_liquidation_unseen() -> None:
    """The broker closes something for want of margin: every bot stops entering, and a person is told."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    report = replace(_stranger(desk, put(5900)), is_liquidation=True)
    desk.send(report)
    assert any("the broker liquidates" in text for text in desk.alarms)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.cancelled(order)
    desk.until("10:30", step=60)
    assert len(desk.submitted) == 1


def test_duplicate_orders_on_restart() -> None:
    """The order is at the broker, its acknowledgement was never read: the next start adopts it and sends nothing."""
    desk = Desk()
    order = desk.enter()
    desk.unlink()
    desk.link([order.ref])
    desk.until("10:05", step=5)
    assert [found.ref for found in desk.submitted] == [order.ref]
    assert desk.order(order.ref).status in (OrderStatus.WORKING, OrderStatus.CANCELLING)


def test_one_modify_that_became_two_live_orders() -> None:
    """A change keeps ref and order id, and is only sent while the order is known to work."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.tick(10)
    assert {(found.ref, found.order_id) for found in desk.replaced} == {(order.ref, order.order_id)}
    assert len(desk.submitted) == 1
    desk.unlink()
    changes = len(desk.replaced)
    desk.tick(30)
    assert len(desk.replaced) == changes


def test_a_position_deleted_by_cancelled_filled_0() -> None:
    """A final status that says Cancelled with filled 0, for an order of which fills were counted, deletes nothing."""
    desk = Desk((text_of(quantity="2", risk="{max_loss_per_trade: $9000}"),))
    order = desk.enter()
    desk.ack(order)
    for report in desk.executions_of(order, 1):
        desk.send(report)
    desk.cancelled(order, filled=0)
    assert desk.position.structures == 1
    assert desk.position.state == "open"
    desk.until("15:45", step=600)
    assert desk.last.purpose is Purpose.EXIT


def test_a_recovered_stop_attached_to_another_position() -> None:
    """Two positions in one contract; after a restart each pair still belongs to its own, whatever its order id."""
    desk = Desk((text_of("one", **SELLER), text_of("two", **SELLER)), at="10:00")
    desk.until("10:01")
    for order in desk.submitted[:2]:
        desk.fill(order)
    for order in desk.live:
        desk.ack(order)
    stops = {order.position: order for order in desk.live if order.purpose is Purpose.STOP}
    assert len(stops) == 2
    desk.unlink()
    desk.link()
    one, two = sorted(stops)
    desk.fill(stops[one], price="12.00")
    assert desk.state.positions.by_id[two].state == "open"
    assert desk.state.positions.by_id[two].structures == 1
    assert desk.state.positions.by_id[one].is_flat
    assert desk.order(stops[two].ref).status is OrderStatus.WORKING


def test_code_10349_read_as_a_cancel_whose_retry_filled_15_times() -> None:
    """10349 (and any other warning) on a working order changes nothing: no second order, no retry."""
    desk = Desk((text_of(entry=AGAIN, order=RETRIES),))
    order = desk.enter()
    desk.ack(order)
    for _ in range(15):
        desk.message(order, 10349, "Order TIF was set to DAY based on order preset.")
        desk.tick(0)
    assert desk.order(order.ref).status is OrderStatus.WORKING
    assert len(desk.submitted) == 1
    desk.fill(order)
    assert desk.position.structures == 1


def _status(desk: Desk, order: Order, *, order_id: int, perm_id: int, status: BrokerStatus) -> OrderReport:
    return OrderReport(
        at=desk.now, ref=order.ref, order_id=order_id, perm_id=perm_id, client_id=99, status=status, filled=Decimal(1)
    )


def _stranger(desk: Desk, option: Option) -> ExecutionReport:
    return ExecutionReport(
        at=desk.now,
        exec_id=ExecutionId("9999.0001"),
        ref="",
        order_id=0,
        perm_id=12345,
        client_id=0,
        option=option,
        is_combo=False,
        is_buy=True,
        quantity=Decimal(1),
        price=Decimal("3.10"),
        executed_at=desk.now,
    )


def test_a_lost_broker_does_not_leave_the_engine_with_something_due_at_once_for_ever() -> None:
    """Found by `rulebot chaos` in virtual time: after 1100 with a position open, the socket was never read again."""
    desk = resting_seller()
    desk.unlink()
    for _ in range(200):
        desk.tick(1, quiet=True)
        assert desk.state.schedule.wake_at > desk.now
