"""Orders at work while less is held than a moment ago: together they close no more than is held."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import Desk, text_of

from rulebot.core import pipeline
from rulebot.model.event import BrokerStatus
from rulebot.model.order import ExecutionId, Order, OrderStatus, Purpose

STRANGLE = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  short_call: {sell: call, strike: {delta: 0.10}}
"""
PUT = "".join(STRANGLE.splitlines(keepends=True)[:3])
RISK = "{undefined_risk: allow, protect: {cost: 5x credit}}"
LAST = '\n  - time: "15:45"\n'


def stops(desk: Desk) -> dict[str, Order]:
    return {order.legs[0].name: order for order in desk.live if order.purpose is Purpose.PROTECT}


@pytest.mark.parametrize("is_start", [False, True])
@pytest.mark.parametrize("legs", [PUT, STRANGLE])
def test_29_a_stop_is_made_smaller_with_the_fill_that_is_cancelled(legs: str, *, is_start: bool) -> None:
    """It was only with the next quote: `rulebot chaos` found three at work to buy back two (seed 7000091).

    is_start: it is told before the connection stands (seed 8100200).
    """
    desk = Desk((text_of(legs=legs, exits=LAST, quantity="3", risk=RISK),))
    reported = desk.fill(desk.enter())
    desk.tick(1)
    for order in stops(desk).values():
        desk.ack(order)
    assert stops(desk)["short_put"].quantity == 3
    if is_start:
        desk.unlink()
    desk.send(replace(reported[0], exec_id=reported[0].exec_id.next, quantity=Decimal(2)))
    if is_start:
        assert stops(desk)["short_put"].quantity == 3, "whether the broker has it is not known"
        desk.link()
    assert stops(desk)["short_put"].quantity == 2
    assert {order.legs[0].name: order.quantity for order in desk.replaced}["short_put"] == 2, "the broker hears of it"


def test_29_what_is_sent_as_a_connection_stands_has_its_client_id_and_its_order_ids(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They were taken up after what worked had been made smaller: an order of that turn would have had those before."""
    desk = Desk((text_of(legs=PUT, exits=LAST, quantity="3", risk=RISK),))
    reported = desk.fill(desk.enter())
    desk.tick(1)
    desk.ack(stops(desk)["short_put"])
    desk.unlink()
    desk.send(replace(reported[0], exec_id=reported[0].exec_id.next, quantity=Decimal(2)))
    known: list[tuple[int, int]] = []
    monkeypatch.setattr(
        pipeline,
        "fit_orders_to_position",
        lambda work, _: known.append((work.connection.client_id, work.orders.next_order_id)),
    )
    desk.link(client_id=8, next_order_id=500)
    assert known == [(8, 500)]


def test_29_a_stop_is_moved_with_the_price_that_the_exchange_corrects() -> None:
    """It stayed at so many times what the broker had told first, while a target or stop that rests was moved."""
    desk = Desk((text_of(legs=PUT, exits=LAST, risk=RISK),))
    reported = desk.fill(desk.enter(), price="2.00")
    desk.tick(1)
    desk.ack(stops(desk)["short_put"])
    assert stops(desk)["short_put"].stop_price == Decimal("10.00")
    desk.send(replace(reported[0], exec_id=reported[0].exec_id.next, price=Decimal("1.20")))
    for _ in range(3):
        desk.tick(1)
    assert [(order.quantity, order.stop_price) for order in desk.replaced] == [(1, Decimal("6.00"))]
    guard = stops(desk)["short_put"]
    desk.refuse(guard)
    desk.cancelled(guard)
    desk.tick(1)
    again = stops(desk)["short_put"]
    assert (again.ref != guard.ref, again.stop_price) == (True, Decimal("6.00")), "the broker had it at 10.00"


def test_29_a_stop_is_cancelled_with_the_last_that_it_was_for() -> None:
    """It was a moment later: one was at work to buy back what was not sold (seed 8101901)."""
    desk = Desk((text_of(legs=STRANGLE, exits=LAST, quantity="2", risk=RISK),))
    reported = desk.fill(desk.enter())
    desk.tick(1)
    for order in stops(desk).values():
        desk.ack(order)
    for revision, left in ((2, 1), (3, 0)):
        desk.send(
            replace(reported[0], exec_id=ExecutionId(reported[0].exec_id.execution, revision), quantity=Decimal(left))
        )
    assert stops(desk)["short_put"].status is OrderStatus.CANCELLING


def test_29_a_stop_is_cancelled_of_a_leg_that_stands_alone_in_the_account() -> None:
    """One of two was bought back too much when it was hit: of the other leg an assignment had taken all (8401062)."""
    desk = Desk((text_of(legs=STRANGLE, exits=LAST, quantity="2", risk=RISK),))
    reported = desk.fill(desk.enter())
    desk.tick(1)
    for order in stops(desk).values():
        desk.ack(order)
    desk.holds(reported[1].option, 0)
    for _ in range(40):
        desk.tick(1)
    assert desk.position.hold
    desk.send(replace(reported[0], exec_id=reported[0].exec_id.next, quantity=Decimal(1)))
    assert stops(desk)["short_put"].status is OrderStatus.CANCELLING, "the leg that is left is closed"
    for order in list(desk.live):
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.UNWIND, 1)


def test_49_a_leg_has_no_stop_beside_an_order_that_is_being_cancelled_since_its_partner_has_come() -> None:
    """Both worked, and together they would have bought back more than was sold (seed 7000073 of `rulebot chaos`)."""
    desk = Desk((text_of(legs=STRANGLE, exits=LAST, quantity="2", risk=RISK),))
    entry = desk.enter()
    desk.ack(entry)
    puts, calls = desk.executions_of(entry, 2)
    desk.send(replace(puts, quantity=Decimal(3)))
    desk.send(calls)
    desk.report(entry, BrokerStatus.FILLED, 2)
    desk.tick(1)
    (unwind,) = (order for order in desk.submitted if order.purpose is Purpose.UNWIND)
    assert ([leg.name for leg in unwind.legs], unwind.quantity, [*stops(desk)]) == (["short_put"], 1, ["short_call"])
    desk.ack(stops(desk)["short_call"])
    desk.ack(unwind)
    desk.send(replace(calls, exec_id=ExecutionId("0001.7777"), quantity=Decimal(1)))
    for _ in range(2):
        desk.tick(1)
        assert desk.order(unwind.ref).status is OrderStatus.CANCELLING
        assert "short_put" not in stops(desk)
    desk.cancelled(unwind)
    desk.tick(1)
    assert {name: order.quantity for name, order in stops(desk).items()} == {"short_put": 3, "short_call": 3}


@pytest.mark.parametrize("count", [0, 1])
def test_29_an_exit_at_work_is_cancelled_when_the_exchange_takes_back_what_it_closes(count: int) -> None:
    """It bought what had never been sold (seed 7100079 of `rulebot chaos`); now what is held is closed."""
    desk = Desk((text_of(legs=STRANGLE, exits='\n  - time: "10:01"\n', quantity="2", risk="{undefined_risk: allow}"),))
    reported = desk.fill(desk.enter())
    desk.until("10:01", step=5)
    leaving = desk.last
    desk.ack(leaving)
    assert (leaving.purpose, leaving.quantity, leaving.is_combo) == (Purpose.EXIT, 2, True)
    desk.send(replace(reported[0], exec_id=reported[0].exec_id.next, quantity=Decimal(count)))
    assert desk.order(leaving.ref).status is OrderStatus.CANCELLING
    desk.cancelled(leaving)
    for _ in range(30):
        desk.tick(1)
        for order in desk.live:
            desk.fill(order)
    assert desk.position.state == "closed"
    assert [leg.closed for leg in desk.position.legs] == [count, 2]
    assert not any("more was closed" in text for text in desk.alarms)


def test_29_an_order_is_not_over_before_its_fills_are_reported_though_one_of_the_same_leg_was_cancelled() -> None:
    """What the exchange took back was of the order before it: the next one still owes its own."""
    desk = Desk((text_of(legs=PUT, exits='\n  - time: "10:01"\n', risk="{undefined_risk: allow}"),))
    desk.fill(desk.enter())
    desk.until("10:01", step=5)
    (reported,) = desk.fill(desk.last)
    desk.send(replace(reported, exec_id=reported.exec_id.next, quantity=Decimal(0)))
    desk.tick(1)
    again = desk.last
    assert (again.purpose, again.quantity, len(desk.submitted)) == (Purpose.EXIT, 1, 3)
    desk.ack(again)
    desk.report(again, BrokerStatus.FILLED, 1)
    desk.tick(1)
    assert desk.order(again.ref).status.is_live
    assert len(desk.submitted) == 3
    desk.fill(again)
    assert desk.position.state == "closed"
