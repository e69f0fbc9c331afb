"""What the broker closes beyond what was held and takes back: a position goes on as it was (faults.md rows 29, 50)."""

from dataclasses import replace
from decimal import Decimal

from hand_desk import CONDOR, SECTIONS, Desk, text_of

from rulebot.model.event import ExecutionReport
from rulebot.model.order import Purpose
from rulebot.record.record import Kind

ONE_SIDE = '\n  - {name: puts, time: "10:01", close: put_side}\n  - time: "15:45"\n'
SOON = '\n  - {name: soon, time: "10:01"}\n'


def closed_too_far(legs: str, exits: str) -> tuple[Desk, list[ExecutionReport]]:
    """Return a desk whose broker has filled two by an exit of one, each leg in one execution, with what it told."""
    risk = "{max_loss_per_trade: $20000, protect: {cost: 5x credit}}"
    desk = Desk((text_of(legs=legs, exits=exits, risk=risk),))
    desk.opened()
    guards = [order for order in desk.live if order.purpose is Purpose.PROTECT]
    for order in guards:
        desk.ack(order)
    desk.until("10:01", step=5)
    for order in desk.cancels:
        desk.cancelled(order)
    desk.tick(1)
    (exit_order,) = (order for order in desk.submitted if order.purpose is Purpose.EXIT)
    reported = desk.fill(exit_order, 2)
    desk.tick(1)
    assert desk.position.is_frozen
    return desk, reported


def correct(desk: Desk, reported: list[ExecutionReport], count: int) -> None:
    """Let the exchange say that it was so many."""
    for report in reported:
        desk.send(replace(report, exec_id=report.exec_id.next, quantity=Decimal(count)))


def held(desk: Desk) -> list[int]:
    return [leg.held for leg in desk.position.legs]


def unwound(desk: Desk) -> bool:
    return any(record.data["reason"] == "unwind" for record in desk.said(Kind.DECISION, "exit"))


def test_29_the_side_that_stays_is_held_on_when_the_broker_takes_back_what_it_closed_too_much() -> None:
    """It was taken for a leg without its partner: nothing was closed, nothing sent, and it had no stop for the day."""
    desk, reported = closed_too_far(CONDOR, ONE_SIDE)
    assert (held(desk), desk.position.separately_closed_legs) == ([-1, -1, 1, 1], ("short_put", "long_put"))
    correct(desk, reported, 1)
    desk.tick(1)
    assert (held(desk), desk.position.state, unwound(desk)) == ([0, 0, 1, 1], "open", False)
    assert [(order.purpose, order.legs[0].name) for order in desk.live] == [(Purpose.PROTECT, "short_call")]


def test_29_what_is_whole_again_when_all_is_cancelled_is_open() -> None:
    """Between its two legs a person was told; then it stayed with an exit that had nothing to close."""
    desk, reported = closed_too_far(SECTIONS["legs"], SOON)
    correct(desk, reported, 0)
    assert (held(desk), desk.position.state) == ([1, 1], "open")
    desk.tick(1)
    assert (desk.position.exit_reason, desk.last.quantity, len(desk.last.legs)) == ("soon", 1, 2)


def test_29_a_side_is_closed_once_more_when_all_is_cancelled() -> None:
    desk, reported = closed_too_far(CONDOR, ONE_SIDE)
    correct(desk, reported, 0)
    desk.tick(1)
    assert (held(desk), desk.position.exit_reason) == ([1, 1, 1, 1], "unwind")
    assert [leg.name for leg in desk.last.legs] == ["short_put", "long_put"]
