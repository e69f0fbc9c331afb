"""What faults that the simulated gateway makes have found in this engine, each by what went wrong."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, put, text_of

from rulebot.model.event import BrokerStatus, OrderReport
from rulebot.model.order import Order, OrderStatus, Purpose


def report(desk: Desk, order: Order, **changes: object) -> OrderReport:
    """Return openOrder as the broker sends it when it has taken an order as it was sent."""
    whole = OrderReport(
        at=desk.now,
        ref=order.ref,
        order_id=order.order_id,
        perm_id=5000 + order.number,
        client_id=desk.state.connection.client_id,
        status=BrokerStatus.WORKING,
        quantity=Decimal(order.quantity),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        time_in_force=order.time_in_force.value,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_an_order_that_was_only_held_was_taken_for_refused_and_another_sent() -> None:
    """Inactive without a reason may be an order that lives: rulebot cancels it, and over when the broker says so."""
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.send(report(desk, order, status=BrokerStatus.INACTIVE))
    desk.tick(3)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert [each.ref for each in desk.cancels] == [order.ref]
    desk.send(report(desk, order, status=BrokerStatus.INACTIVE))
    desk.tick(3)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert desk.position.state == "entering"
    assert any("inactive, without a reason" in text for text in desk.alarms)


@pytest.mark.parametrize("is_warned_first", [True, False])
def test_a_warning_beside_inactive_was_taken_for_the_reason_of_a_refusal(is_warned_first: bool) -> None:
    """Seed 175: the order was given up as refused, came back to life, and worked beside the next one."""
    desk = Desk((text_of(),))
    order = desk.enter()
    if is_warned_first:
        desk.message(order, 10148, "Warning: nothing has changed")
    desk.send(report(desk, order, status=BrokerStatus.INACTIVE))
    if not is_warned_first:
        desk.message(order, 10148, "Warning: nothing has changed")
    assert desk.order(order.ref).status.is_live
    desk.tick(3)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert desk.position.state == "entering"


@pytest.mark.parametrize(
    "changes",
    [{"quantity": Decimal(2)}, {"limit_price": Decimal("-0.01")}, {"time_in_force": "gtc"}],
    ids=["quantity", "price", "tif"],
)
def test_an_entry_that_a_preset_had_changed_was_left_to_work(changes: dict[str, object]) -> None:
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.send(report(desk, order, **changes))
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert any("look at the broker's presets" in text for text in desk.alarms)
    assert "look at the broker's presets" in desk.state.bots.by_name[order.bot].day.halted


def test_resting_orders_that_a_preset_had_changed_are_cancelled_and_watched() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    first, second = desk.live
    desk.send(report(desk, first, quantity=Decimal(2)))
    assert {desk.order(each.ref).status for each in (first, second)} == {OrderStatus.CANCELLING}
    assert desk.state.positions.by_id[first.position].resting_orders_withdrawn


def test_an_order_that_a_person_had_changed_was_thought_to_be_as_it_was_sent() -> None:
    """It is told, and not changed back."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    target = next(order for order in desk.live if order.limit_price is not None)
    desk.ack(target)
    target = desk.order(target.ref)
    assert target.limit_price is not None
    changed = report(desk, target, status=BrokerStatus.WORKING, limit_price=target.limit_price + 1)
    desk.send(changed)
    assert any("another client changed it" in text for text in desk.alarms)
    desk.tick(15)
    desk.send(replace(changed, at=desk.now))
    assert len([text for text in desk.alarms if "another client changed it" in text]) == 1
    assert desk.order(target.ref).limit_price == target.limit_price
    assert desk.replaced == []


def test_the_echo_of_what_was_sent_is_no_difference() -> None:
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.send(report(desk, order))
    assert desk.order(order.ref).status is OrderStatus.WORKING
    assert desk.alarms == []


def test_more_filled_than_was_asked_for_and_no_alert_was_sent() -> None:
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.ack(order)
    for each in [*desk.executions_of(order, 1), *desk.executions_of(order, 1)]:
        desk.send(each)
    assert desk.position.structures == 2
    assert any("has filled more than its 1" in text for text in desk.alarms)
    assert "filled more than its 1" in desk.state.bots.by_name[order.bot].day.halted


def told_late(desk: Desk) -> None:
    """Fill the entry at once; a minute later tell of its short leg, which somebody has bought back meanwhile."""
    order = desk.enter()
    desk.ack(order)
    short, long = desk.executions_of(order, 1)
    for contract, count in ((put(5945), -1), (put(5935), 1), (put(5945), 0)):
        desk.holds(contract, count)
    desk.send(long)
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.tick(60)
    assert desk.position.state == "entering"
    desk.send(replace(short, at=desk.now))
    assert desk.position.state == "open"


def test_a_leg_was_closed_that_a_person_had_closed_before_its_fill_was_reported() -> None:
    """Seed 100445: the account had not had it for a minute, and only what it told next was compared with the books."""
    desk = Desk(is_shown=False)
    told_late(desk)
    desk.quote(put(5945), 0.15, 0.25, -0.05)
    desk.tick(1)
    assert desk.position.state == "exiting"
    for _ in range(40):
        desk.tick(1)
    assert {leg.option for order in desk.submitted[1:] for leg in order.legs} <= {put(5935)}
    assert "the account holds less" in desk.position.on_hold
    assert any("closed by hand" in text for text in desk.alarms)


def test_an_exit_that_waited_is_sent_as_soon_as_the_account_shows_what_is_to_be_closed() -> None:
    desk = Desk(is_shown=False)
    told_late(desk)
    desk.quote(put(5945), 0.15, 0.25, -0.05)
    desk.tick(10)
    assert desk.position.state == "exiting"
    assert len(desk.submitted) == 1
    desk.holds(put(5945), -1)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT
    assert not desk.position.on_hold
    assert not any("closed by hand" in text for text in desk.alarms)
