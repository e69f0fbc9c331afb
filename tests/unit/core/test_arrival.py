"""Protection that was written down and perhaps not sent: what the gateway's count of order ids proves, and what not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hand_desk import SELLER, Desk, text_of

from rulebot.model.event import BrokerStatus
from rulebot.model.order import Order, OrderStatus, Purpose

LIMITED = "{max_loss_per_trade: $2000, protect: {cost: 4x credit}, max_time_without_stop: 10s}"


def broken(away: float = 5) -> tuple[Desk, Order]:
    """Return a desk whose link broke over its protective stop, and that stop."""
    desk = Desk((text_of(risk=LIMITED),))
    desk.opened()
    desk.tick(0)
    (guard,) = guards(desk)
    desk.unlink()
    desk.tick(away)
    return desk, desk.order(guard.ref)


def guards(desk: Desk) -> list[Order]:
    return [order for order in desk.live if order.purpose is Purpose.PROTECT]


def answer(desk: Desk, order: Order) -> None:
    desk.message(order, 10147, "not found")
    desk.tick(0)


def test_what_never_came_to_the_gateway_is_cancelled_at_once_and_sent_again() -> None:
    desk, guard = broken()
    desk.link([], counted=guard.order_id)
    assert [order.ref for order in desk.cancels] == [guard.ref]
    desk.tick(0)
    assert desk.last.ref == guard.ref, "sent beside it"
    answer(desk, guard)
    assert desk.order(guard.ref).status is OrderStatus.LOST
    (restarted,) = guards(desk)
    assert restarted.ref != guard.ref
    assert restarted.order_id > guard.order_id
    assert not desk.alarms
    desk.ack(restarted)
    desk.tick(30)
    assert desk.position.state == "open"


def test_nothing_is_sent_until_the_cancel_is_answered() -> None:
    desk, guard = broken()
    desk.link([], counted=guard.order_id)
    desk.tick(9)
    assert desk.last.ref == guard.ref
    desk.tick(1)
    assert desk.position.exit_reason == "unprotected"
    answer(desk, guard)
    assert desk.last.purpose is Purpose.EXIT


def test_one_that_had_come_after_all_and_is_cancelled_by_that_cancel_is_replaced_too() -> None:
    desk, guard = broken()
    desk.link([], counted=guard.order_id)
    desk.cancelled(guard)
    desk.tick(0)
    assert len(guards(desk)) == 1
    assert desk.last.ref != guard.ref


def test_one_that_comes_to_life_is_cancelled() -> None:
    desk, guard = broken()
    desk.link([], counted=guard.order_id)
    answer(desk, guard)
    desk.report(guard, BrokerStatus.WORKING, 0)
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    assert any("works again" in text for text in desk.alarms)


@pytest.mark.parametrize(
    ("counted", "away"),
    [
        (lambda guard: guard.order_id + 1, 5),
        (lambda guard: 0, 5),
        (lambda guard: 1, 5),
        (lambda guard: guard.order_id - 1, 5),
        (lambda guard: guard.order_id, 30),
    ],
    ids=["read", "not told", "set back", "no more than what was acknowledged", "long enough for a restart"],
)
def test_what_is_no_proof_waits_for_its_grace(counted: Callable[[Order], int], away: float) -> None:
    desk, guard = broken(away)
    desk.link([], counted=counted(guard))
    assert desk.order(guard.ref).status is OrderStatus.UNKNOWN
    assert not desk.cancels
    desk.tick(0)
    answer(desk, guard)
    assert desk.last.ref == guard.ref
    assert [order.ref for order in guards(desk)] == [guard.ref]


def test_the_count_of_another_client_is_no_proof() -> None:
    desk, guard = broken()
    orders = {ref: replace(order, client_id=8) for ref, order in desk.state.orders.by_ref.items()}
    desk.state = desk.state._replace(orders=replace(desk.state.orders, by_ref=orders))
    desk.link([], counted=guard.order_id)
    assert desk.order(guard.ref).status is OrderStatus.UNKNOWN


def test_without_any_acknowledged_order_the_count_is_no_proof() -> None:
    desk, guard = broken()
    orders = {ref: replace(order, perm_id=0) for ref, order in desk.state.orders.by_ref.items()}
    desk.state = desk.state._replace(orders=replace(desk.state.orders, by_ref=orders))
    desk.link([], counted=guard.order_id)
    assert desk.order(guard.ref).status is OrderStatus.UNKNOWN


@pytest.mark.parametrize(
    "change",
    [{"leg_filled": (1,)}, {"reported_final_status": OrderStatus.REJECTED}, {"perm_id": 77}],
    ids=["fills", "its end", "its id"],
)
def test_one_of_which_anything_was_heard_has_come(change: dict[str, Any]) -> None:
    desk, guard = broken()
    desk.state = desk.state._replace(
        orders=replace(desk.state.orders, by_ref={**desk.state.orders.by_ref, guard.ref: replace(guard, **change)})
    )
    desk.link([], counted=guard.order_id)
    assert not desk.state.inquiries.undelivered
    assert not desk.cancels


def test_a_clock_that_was_set_back_proves_nothing() -> None:
    desk, guard = broken()
    desk.now -= timedelta(minutes=1)
    desk.link([], counted=guard.order_id)
    assert desk.order(guard.ref).status is OrderStatus.UNKNOWN


def test_what_the_list_has_is_adopted_whatever_the_count() -> None:
    desk, guard = broken()
    desk.link([guard.ref], counted=guard.order_id)
    assert not desk.state.inquiries.undelivered
    assert desk.order(guard.ref).status is OrderStatus.WORKING
    assert not desk.cancels


def test_a_cancel_of_an_earlier_connection_does_not_make_its_answer_doubtful() -> None:
    desk = Desk((text_of(risk=LIMITED),))
    desk.opened()
    desk.tick(0)
    (guard,) = guards(desk)
    desk.tick(10)
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING, "it has stood alone too long"
    desk.unlink()
    desk.tick(5)
    desk.link([], counted=guard.order_id)
    answer(desk, guard)
    assert desk.order(guard.ref).status is OrderStatus.LOST
    assert desk.last.purpose is Purpose.EXIT


def test_the_proof_ends_with_the_connection() -> None:
    desk, guard = broken()
    desk.link([], counted=guard.order_id)
    desk.unlink()
    desk.tick(1)
    desk.link([])
    answer(desk, guard)
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING


def test_an_exit_that_never_came_there_is_sent_again() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    closing = desk.last
    assert closing.purpose is Purpose.EXIT
    desk.unlink()
    desk.tick(5)
    desk.link([], counted=closing.order_id)
    answer(desk, closing)
    assert desk.last.ref != closing.ref
    assert desk.last.purpose is Purpose.EXIT
    assert [order.ref for order in desk.live] == [desk.last.ref]


def test_an_entry_waits_for_its_grace_whatever_is_reported() -> None:
    desk = Desk()
    desk.state = desk.state._replace(orders=replace(desk.state.orders, next_order_id=10))
    entry = desk.enter()
    earlier = replace(entry, ref="earlier", order_id=5, perm_id=9, status=OrderStatus.FILLED)
    desk.state = desk.state._replace(
        orders=replace(desk.state.orders, by_ref={**desk.state.orders.by_ref, "earlier": earlier})
    )
    desk.unlink()
    desk.tick(1)
    desk.link([], counted=entry.order_id)
    assert desk.order(entry.ref).status is OrderStatus.UNKNOWN
    assert not desk.cancels


def test_a_pair_that_never_came_there_is_sent_again() -> None:
    desk = Desk((text_of("seller", **SELLER),))
    desk.opened("10:01")
    desk.tick(0)
    pair = desk.live
    assert {order.purpose for order in pair} == {Purpose.TARGET, Purpose.STOP}
    desk.unlink()
    desk.tick(5)
    desk.link([], counted=min(order.order_id for order in pair))
    for order in pair:
        answer(desk, order)
    assert {order.purpose for order in desk.live} == {Purpose.TARGET, Purpose.STOP}
    assert not {order.ref for order in desk.live} & {order.ref for order in pair}


# ---------------------------------------------------------------- what is told


def test_where_it_must_be_waited_for_a_person_is_notified_since_when_and_until_when() -> None:
    desk, guard = broken()
    desk.link([], counted=guard.order_id + 1)
    sent, until = desk.order(guard.ref).sent_at, "10:00:40"
    assert sent is not None
    (reported,) = [text for text in desk.alarms if "without protection" in text]
    assert reported == (
        f"its short legs may be without protection since 10:00:00: whether {guard.ref} reached the broker is not "
        f"known before {until}; then it is closed"
    )


def test_where_it_will_be_sent_again_that_is_reported() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),))
    desk.opened()
    desk.tick(0)
    desk.unlink()
    desk.tick(5)
    desk.link([])
    assert [text for text in desk.alarms if text.endswith("then protection is sent again")]


def test_nothing_is_reported_of_what_is_protected() -> None:
    desk, guard = broken()
    desk.link([guard.ref], counted=guard.order_id + 1)
    assert not desk.alarms


def test_nothing_is_reported_where_a_closing_order_covers_the_leg() -> None:
    desk, guard = broken()
    closing = replace(guard, ref="out", order_id=1, perm_id=9, status=OrderStatus.WORKING, purpose=Purpose.EXIT)
    orders = {**desk.state.orders.by_ref, "out": closing}
    desk.state = desk.state._replace(
        orders=replace(desk.state.orders, by_ref=orders, live=(*desk.state.orders.live, "out"))
    )
    desk.link([closing.ref], counted=guard.order_id + 1)
    assert not [text for text in desk.alarms if "without protection" in text]


def test_nothing_is_reported_when_its_grace_is_over() -> None:
    desk, guard = broken(45)
    desk.link([], counted=guard.order_id + 1)
    assert not [text for text in desk.alarms if "without protection" in text]


def test_of_an_exit_it_is_reported_that_the_position_is_closed_then() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    desk.unlink()
    desk.tick(5)
    desk.link([])
    assert [text for text in desk.alarms if "before 15:45:40" in text and text.endswith("then it is closed")]
