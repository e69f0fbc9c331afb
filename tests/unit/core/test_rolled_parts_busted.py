"""What the exchange busts of a roll of one side, and rolls that filled without a connected engine (faults.md)."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import Desk
from test_rolling_parts import EACH, held, open_legs, positions, spot

from rulebot.model.event import BrokerStatus, ExecutionReport
from rulebot.model.order import Order, Purpose


def filled(desk: Desk, order: Order) -> dict[str, ExecutionReport]:
    """Fill an order, and return what was told of it by the keys of its legs."""
    reports = desk.executions_of(order, order.quantity)
    desk.ack(order)
    for report in reports:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, order.quantity)
    return {leg.key: report for leg, report in zip(order.legs, reports, strict=True)}


def take_back(desk: Desk, report: ExecutionReport) -> None:
    desk.send(replace(report, exec_id=report.exec_id.next, quantity=Decimal(0)))


@pytest.mark.parametrize("busted", ["short_put", "long_put"])
def test_29_what_is_busted_of_a_roll_of_one_side_is_closed_alone(busted: str) -> None:
    """The side has a leg again, whose partner is gone; the other side keeps its own, and so does the new position."""
    desk = held()
    spot(desk, 6040)
    reported = filled(desk, desk.last)
    take_back(desk, reported[busted])
    old, _ = positions(desk)
    assert (old.state, old.exit_reason, set(open_legs(old))) == (
        "exiting",
        "unwind",
        {busted, "short_call", "long_call"},
    )
    desk.settle(1)
    assert ([leg.name for leg in desk.last.legs], desk.last.quantity) == ([busted], 2)
    desk.fill(desk.last)
    assert [(each.state, each.is_flat) for each in positions(desk)] == [("open", False), ("open", False)]


def test_29_what_is_busted_of_the_new_side_leaves_the_old_position_alone() -> None:
    desk = held()
    spot(desk, 6040)
    reported = filled(desk, desk.last)
    take_back(desk, reported["long_put+"])
    old, new = positions(desk)
    assert (old.state, new.state, new.exit_reason) == ("open", "exiting", "unwind")
    desk.settle(1)
    assert [leg.name for leg in desk.last.legs] == ["short_put"]
    desk.fill(desk.last)
    assert [each.state for each in positions(desk)] == ["open", "closed"]


def test_29_what_is_busted_after_both_sides_were_rolled_is_closed_once_more() -> None:
    """The exit that ended the old position has other legs: it closed nothing, and the leg stayed open for good."""
    desk = held(EACH)
    spot(desk, 5950)
    reported = filled(desk, desk.last)
    spot(desk, 6050)
    filled(desk, desk.last)
    assert positions(desk)[0].state == "closed"
    take_back(desk, reported["short_put"])
    old = positions(desk)[0]
    assert (old.state, old.exit_reason) == ("exiting", "unwind")
    desk.settle(1)
    assert ([leg.name for leg in desk.last.legs], desk.last.purpose) == (["short_put"], Purpose.UNWIND)
    desk.fill(desk.last)
    assert positions(desk)[0].state == "closed"


def test_29_what_is_busted_while_another_side_is_closed_is_closed_after_it() -> None:
    desk = held()
    spot(desk, 6040)
    reported = filled(desk, desk.last)
    spot(desk, 6000)
    desk.quote(positions(desk)[0].legs[2].option, 8.95, 9.05, 0.50)
    desk.tick(1)
    closing = desk.last
    assert closing.reason == "stop.call_side"
    take_back(desk, reported["long_put"])
    desk.fill(closing)
    old = positions(desk)[0]
    assert (old.state, old.exit_reason, open_legs(old)) == ("exiting", "unwind", ["long_put"])


def test_what_a_roll_has_opened_in_part_is_not_guarded_by_what_it_closes() -> None:
    desk = held(risk="{max_loss_per_trade: $20000, protect: {cost: 9x credit}, max_time_without_stop: 2m}")
    for order in desk.live:
        if order.purpose is Purpose.PROTECT:
            desk.ack(order)
    spot(desk, 6040)
    for order in desk.cancels:
        desk.cancelled(desk.order(order.ref))
    desk.tick(1)
    (order,) = desk.sent_for(Purpose.ROLL)
    desk.fill(order, 1)
    desk.tick(1)
    assert (positions(desk)[1].state, positions(desk)[1].unprotected_since) == ("entering", desk.now)


@pytest.mark.parametrize("is_reported", [True, False])
def test_a_roll_of_one_side_that_filled_unseen_is_booked_to_both(is_reported: bool) -> None:
    """The broker says that it is filled, and tells its executions late, or never."""
    desk = held()
    spot(desk, 6040)
    order = desk.last
    desk.ack(order)
    desk.report(order, BrokerStatus.FILLED, 2, order.limit_price)
    if is_reported:
        for report in desk.executions_of(order, 2):
            desk.send(report)
    for _ in range(3):
        desk.tick(60)
        desk.listed()
    old, new = positions(desk)
    assert (old.state, open_legs(old), old.separately_closed_legs) == (
        "open",
        ["short_call", "long_call"],
        ("short_put", "long_put"),
    )
    assert (new.state, new.structures, new.entry_mid is not None) == ("open", 2, True)
    paid = sum((leg.entry_cash for leg in new.legs), sum((leg.exit_cash for leg in old.legs), Decimal(0)))
    assert order.limit_price is not None
    assert is_reported or paid == -order.limit_price * 200
