"""Combos that filled with some of their legs after the engine had taken them for over."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import CONDOR, Desk, put, text_of

from rulebot.chaos.generator import draw
from rulebot.chaos.invariants import judge
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import Crash, ScenarioMoment
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.event import BrokerStatus, ExecutionReport, Request
from rulebot.model.order import Order, OrderStatus, Purpose, Side
from rulebot.model.session import session_from
from tests.drawn_then import CHOICE
from tests.e2e.worlds import spec_files

RETRIES = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5m, then: cancel}"


def over(desk: Desk) -> Order:
    """Enter, and have the broker call the entry cancelled with nothing filled."""
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order)
    return desk.order(order.ref)


def fills(desk: Desk, order: Order) -> tuple[ExecutionReport, ExecutionReport]:
    """Return the executions of one structure: the short leg's, the long leg's."""
    first, second = desk.executions_of(order, 1)
    return (second, first) if first.is_buy else (first, second)


@pytest.mark.parametrize("again_at", [None, 255])
def test_a_start_heard_of_the_end_of_a_combo_before_its_only_leg_and_left_that_alone(
    tmp_path: Path, again_at: int | None
) -> None:
    """Seed 700413: the position was called unfilled, opened by a late fill, and held a short call with no order.

    again_at: seconds after which the engine ends once more, while it waits for the partners.
    """
    desk = load_all_bots(spec_files(["dte0_condor"]), {}, None)
    session = session_from(DEFAULT_DATE)
    start = desk.bots["dte0_condor"].windows(session)[0][0]
    pauses = {2: 240} if again_at is None else {2: 240, again_at: 5}
    ends = [
        Crash(moment=ScenarioMoment.AT_TIME, at=start + timedelta(seconds=at), away=away) for at, away in pauses.items()
    ]
    incomplete: dict[str, str | int] = {"kind": "one_leg", "on": "order", "leg": 3}
    bare = replace(
        draw(7, desk, CHOICE), day=session.date, market=None, faults=(incomplete,), crashes=tuple(ends), acts=()
    )
    storm = replace(bare, begins=start - timedelta(minutes=1), calm_at=start + timedelta(minutes=10), lockstep=True)
    left = run_scenario(storm, desk, tmp_path)
    assert dict(left.kinds_fired) == {"crash at": len(ends), "one_leg": 1}
    assert judge(left, desk) == {}
    (position,) = left.day.positions.values()
    assert (position.state, position.exit_reason) == ("closed", "unwind")
    assert [leg.opened for leg in position.legs] == [0, 0, 1, 0]


@pytest.mark.parametrize("after", [1, 4, 6])
def test_a_leg_reported_before_the_end_waits_some_seconds_for_its_partner(after: int) -> None:
    """The broker calls the entry cancelled with nothing filled, though a leg of it was told."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    short, long = fills(desk, order)
    desk.send(short)
    before = desk.asked_for_orders()
    desk.cancelled(order)
    assert (desk.position.state, desk.asked_for_orders()) == ("entering", before + 1)
    desk.settle(after)
    assert desk.position.state == ("exiting" if after > 5 else "entering")
    if after < 5:
        desk.send(long)
        desk.settle(1)
        assert (desk.position.state, desk.position.structures) == ("open", 1)


def test_the_partner_of_a_leg_that_an_exit_has_closed_is_asked_for_too() -> None:
    """Why the exit is over is waited for a second, since no message has said so."""
    desk = Desk()
    desk.opened()
    desk.tick(1)
    desk.ask(Request.CLOSE, position=desk.position.id)
    desk.tick(1)
    order = desk.last
    desk.ack(order)
    desk.tick(1)
    short, long = fills(desk, order)
    desk.send(short)
    before = desk.asked_for_orders()
    desk.cancelled(order)
    desk.settle(4)
    assert (desk.position.state, desk.asked_for_orders()) == ("exiting", before + 1)
    desk.send(long)
    desk.settle(1)
    assert desk.position.state == "closed"


@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_leg_that_is_reported_alone_after_the_end_is_asked_about_and_closed(is_restarted: bool) -> None:
    desk = Desk()
    order = over(desk)
    assert desk.position.state == "closed"
    desk.send(fills(desk, order)[0])
    assert desk.position.state == "open"
    if is_restarted:
        desk.unlink()
        desk.link()
    before = desk.asked_for_orders()
    for _ in range(29):
        desk.tick(1)
    assert desk.asked_for_orders() >= before + 2
    assert desk.submitted == [desk.submitted[0]]
    desk.tick(2)
    assert (desk.last.purpose, desk.last.side, desk.last.legs[0].option) == (Purpose.UNWIND, Side.BUY, put(5945))
    assert any("without its partners: the position is closed" in text for text in desk.alarms)
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert desk.position.is_flat


def test_it_is_closed_by_the_clock_alone_when_nothing_moves() -> None:
    desk = Desk()
    order = over(desk)
    desk.send(fills(desk, order)[0])
    desk.settle(32)
    assert desk.position.state == "exiting"
    assert desk.position.exit_reason == "unwind"


def test_a_combo_that_fills_late_leg_by_leg_stays_open() -> None:
    desk = Desk()
    order = over(desk)
    short, long = fills(desk, order)
    desk.send(short)
    for _ in range(20):
        desk.tick(1)
    desk.send(long)
    for _ in range(60):
        desk.tick(1)
    assert desk.position.state == "open"
    assert [found.purpose for found in desk.submitted] == [Purpose.ENTRY]
    assert not desk.alarms


def test_a_partner_that_is_reported_while_the_leg_waits_to_be_closed_makes_the_position_whole() -> None:
    """Nothing was left to close, and it would have stayed between two states."""
    desk = Desk()
    order = over(desk)
    short, long = fills(desk, order)
    desk.send(short)
    desk.without_data(put(5945))
    for _ in range(31):
        desk.tick(1)
    assert desk.position.state == "exiting"
    desk.send(long)
    assert desk.position.state == "open"
    assert desk.position.exit_reason == ""
    assert len(desk.submitted) == 1


def test_legs_whose_fill_the_broker_owes_are_asked_for_and_reported_to_a_person() -> None:
    """It says that the whole has filled: to close what it has told so far would leave the other legs alone."""
    desk = Desk()
    order = over(desk)
    short, long = fills(desk, order)
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.send(short)
    for _ in range(60):
        desk.tick(1)
    assert desk.position.state == "open"
    assert len([text for text in desk.alarms if "without reporting the fills of all its legs" in text]) == 1
    desk.send(long)
    before = desk.asked_for_orders()
    desk.tick(11)
    assert desk.asked_for_orders() == before


def test_a_leg_of_an_earlier_try_takes_the_next_one_back_and_is_closed() -> None:
    desk = Desk((text_of(order=RETRIES),))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    desk.tick(300)
    second = desk.last
    assert second.ref != first.ref
    desk.ack(second)
    desk.send(fills(desk, first)[0])
    assert desk.order(second.ref).status is OrderStatus.CANCELLING
    desk.cancelled(second)
    assert desk.last.purpose is Purpose.UNWIND


def test_after_a_leg_of_an_earlier_try_no_further_one_is_sent_and_its_pause_is_not_waited_for() -> None:
    desk = Desk((text_of(order=RETRIES),))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    desk.tick(5)
    desk.send(fills(desk, first)[0])
    for _ in range(32):
        desk.tick(1)
    assert [found.purpose for found in desk.submitted] == [Purpose.ENTRY, Purpose.UNWIND]


def overfilled(first_told: int) -> tuple[Desk, ExecutionReport]:
    """Return a desk whose broker fills a spread of one twice, with the last execution, still to be told.

    first_told: which leg of the second fill is told at once, 0 the short one; it is closed for want of its partner.
    """
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    for report in fills(desk, order):
        desk.send(report)
    second = fills(desk, order)
    desk.send(second[first_told])
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.tick(1)
    closing = desk.last
    assert (closing.purpose, closing.quantity, [leg.held for leg in desk.position.legs]) == (
        Purpose.UNWIND,
        1,
        [2 - first_told, 1 + first_told],
    )
    desk.fill(closing)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == ("open", [1, 1])
    return desk, second[1 - first_told]


@pytest.mark.parametrize(("first_told", "side"), [(0, Side.SELL), (1, Side.BUY)])
def test_what_is_reported_of_an_overfill_after_its_partner_was_closed_is_closed_too(
    first_told: int, side: Side
) -> None:
    """Seed 7300204: the order was whole, so its late leg stayed beside the spread; a short one stood alone."""
    desk, late = overfilled(first_told)
    desk.send(late)
    desk.tick(1)
    closing = desk.last
    assert (closing.purpose, closing.side, closing.quantity) == (Purpose.UNWIND, side, 1)
    assert closing.legs[0].option == late.option
    desk.fill(closing)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == ("open", [1, 1])
    before = len(desk.submitted)
    desk.settle(120)
    assert desk.position.state == "open"
    assert len(desk.submitted) == before


@pytest.mark.parametrize("is_late", [False, True])
def test_the_partners_of_what_an_unwind_closed_beyond_its_size_are_closed_too(*, is_late: bool) -> None:
    """Seed 7400366: the exchange took back a short put of two, the three others were closed for it, and that filled
    twice: the other short put stood alone, without a stop, and no exit of its bot could close it.

    is_late: of its second fill one leg is told later.
    """
    desk = Desk((text_of(legs=CONDOR, quantity="2", risk="{max_loss_per_trade: $20000}"),))
    order = desk.enter()
    desk.ack(order)
    reported = desk.fill(order, 2)
    short = next(each for each in reported if each.option == put(5945))
    desk.send(replace(short, exec_id=short.exec_id.next, quantity=Decimal(1)))
    desk.tick(1)
    closing = desk.last
    assert (closing.purpose, closing.quantity, len(closing.legs)) == (Purpose.UNWIND, 1, 3)
    desk.fill(closing)
    desk.tick(1)
    assert (desk.position.state, [leg.held for leg in desk.position.legs]) == ("open", [1, 1, 1, 1])
    *first, last = desk.executions_of(closing, 1)
    for report in first:
        desk.send(report)
    if is_late:
        desk.tick(20)
        assert desk.last.ref == closing.ref, "its partner may be told yet"
    desk.send(last)
    desk.tick(1)
    assert [leg.held for leg in desk.position.legs] == [1, 0, 0, 0]
    assert (desk.last.purpose, desk.last.side, desk.last.legs[0].option) == (Purpose.UNWIND, Side.BUY, put(5945))
    assert f"{closing.ref} has closed more than had no partner: the position is closed" in desk.alarms
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_what_an_overfill_opens_again_of_a_side_that_was_closed_is_closed_too() -> None:
    """Seed 8101188: an exit had closed the puts, and then the entry filled once more; its puts stayed for the day."""
    exits = '\n  - {name: puts, vix: {above: 30}, close: put_side}\n  - time: "15:45"\n'
    desk = Desk((text_of(legs=CONDOR, exits=exits, risk="{max_loss_per_trade: $20000}"),))
    order = desk.enter()
    desk.fill(order)
    desk.level("VIX", 31.0)
    desk.tick(1)
    desk.fill(desk.last)
    desk.level("VIX", 16.0)
    desk.tick(1)
    for report in desk.executions_of(order, 1):
        desk.send(report)
    desk.tick(1)
    assert [leg.held for leg in desk.position.legs] == [1, 1, 2, 2]
    closing = desk.last
    assert (closing.purpose, closing.quantity) == (Purpose.UNWIND, 1)
    assert [leg.name for leg in closing.legs] == ["short_put", "long_put"]
    desk.fill(closing)
    before = len(desk.submitted)
    desk.settle(120)
    assert ([leg.held for leg in desk.position.legs], desk.position.state) == ([0, 0, 2, 2], "open")
    assert len(desk.submitted) == before
