"""Account and books differ: what both hold stays protected and is closed; the rest is left alone."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hand_desk import CONDOR, SELLER, Desk, call, kept, put, text_of
from test_closed_elsewhere import others

from rulebot.model.contract import Option
from rulebot.model.event import Request
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import HoldReason
from rulebot.operator_requests.requests import leave
from rulebot.record.record import Kind

RESTED = {
    **SELLER,
    "quantity": "4",
    "exits": '\n  - time: "15:45"\n    order: market\n  - target: {profit: 60%}\n    resting: true\n'
    "  - stop: {loss: 200%}\n    resting: true\n",
}


def resting() -> Desk:
    """Return a desk that has sold 4 puts, with a target and a stop at work."""
    desk = Desk((text_of("seller", **RESTED),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.is_shown = False
    return desk


def sold(desk: Desk) -> Option:
    return desk.position.legs[0].option


def at_work(desk: Desk) -> dict[Purpose, int]:
    return {order.purpose: order.remaining for order in desk.live if order.status is OrderStatus.WORKING}


BOTH_2 = {Purpose.TARGET: 2, Purpose.STOP: 2}


@pytest.mark.parametrize("is_reported", [True, False])
def test_what_rests_is_resized_at_once_when_a_person_closes_a_part(*, is_reported: bool) -> None:
    desk = resting()
    if is_reported:
        others(desk, sold(desk), 2, "1.20")
    desk.holds(sold(desk), -2)
    if not is_reported:
        assert at_work(desk) == {Purpose.TARGET: 4, Purpose.STOP: 4}, "a fill may be told in this second"
        desk.tick(1)
    assert at_work(desk) == BOTH_2
    assert {order.ref for order in desk.replaced} == {order.ref for order in desk.live}
    assert not desk.cancels


def test_exits_close_what_both_hold_and_a_person_is_notified() -> None:
    desk = resting()
    option = sold(desk)
    desk.holds(option, -2)
    for _ in range(8):
        desk.tick(5)
    (reported,) = [text for text in desk.alarms if "holds less" in text]
    assert f"rulebot protects and closes only the rest, -2 {option}" in reported
    assert desk.position.hold is HoldReason.ACCOUNT_DIFFERS
    desk.until("15:45:01")
    for order in desk.live:
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.EXIT, 2)
    desk.fill(desk.last)
    desk.holds(option, 0)
    for _ in range(10):
        desk.tick(5)
    assert (desk.position.common.is_flat, len(desk.live)) == (True, 0)
    desk.ask(Request.RESUME, "seller")
    assert (desk.position.state, desk.position.legs[0].held) == ("closed", 0)


def test_resume_adopts_what_the_account_holds() -> None:
    desk = resting()
    option = sold(desk)
    before = desk.position.cash
    desk.holds(option, -2)
    desk.tick(1)
    quoted = desk.mid(option)
    for _ in range(8):
        desk.tick(5)
    desk.quote(option, 9.0, 9.2)
    desk.ask(Request.RESUME, "seller")
    assert (desk.position.hold, desk.position.account_missing, desk.position.legs[0].held) == (None, (), 2)
    assert desk.position.cash == before - 2 * 100 * quoted, "at the price of the moment in which it was missed"
    assert any(f"2 {option} of {desk.position.id} are booked as closed by others at" in text for text in desk.alarms)
    assert not desk.state.account.shortfalls
    assert at_work(desk) == BOTH_2


def test_resume_is_refused_while_a_fill_may_still_be_reported_and_says_so() -> None:
    desk = resting()
    desk.holds(sold(desk), -2)
    desk.tick(0.5)
    desk.ask(Request.RESUME, "seller")
    assert desk.position.legs[0].held == 4


def test_resume_is_refused_where_nothing_says_a_price() -> None:
    desk = resting()
    option = sold(desk)
    desk.without_data(option)
    desk.holds(option, -2)
    for _ in range(8):
        desk.tick(5)
    desk.ask(Request.RESUME, "seller")
    assert desk.position.legs[0].held == 4
    said = (
        f"has had no quote since. Give its price with 'rulebot store correct {desk.position.id} PRICE --leg short_put'"
    )
    assert any("does not adopt" in text and said in text for text in desk.alarms)
    assert at_work(desk) == BOTH_2


@pytest.mark.parametrize("is_quoted", [True, False])
def test_who_asks_to_resume_is_shown_what_is_adopted_or_why_not(tmp_path: Path, *, is_quoted: bool) -> None:
    desk = resting()
    option, name = sold(desk), desk.position.id
    if not is_quoted:
        desk.without_data(option)
    desk.holds(option, -2)
    for _ in range(8):
        desk.tick(5)
    said = leave(kept(desk, tmp_path), Request.RESUME, "seller").message
    if is_quoted:
        assert (
            f"{name}: its books adopt the account's quantity; closed by others: 2 {option} at 2 (an estimate)" in said
        )
    else:
        assert f"'rulebot store correct {name} PRICE --leg short_put'" in said


def test_a_late_fill_ends_the_difference_by_itself() -> None:
    desk = resting()
    target = next(order for order in desk.live if order.purpose is Purpose.TARGET)
    late = desk.executions_of(target, 2)
    desk.holds(sold(desk), -2)
    desk.tick(1)
    assert at_work(desk) == BOTH_2
    for report in late:
        desk.send(report)
    desk.tick(1)
    assert (desk.position.account_missing, desk.position.legs[0].held) == ((), 2)
    assert at_work(desk)[Purpose.STOP] == 2


def test_a_quantity_that_is_back_within_a_minute_is_protected_again() -> None:
    desk = resting()
    desk.holds(sold(desk), -2)
    desk.tick(1)
    assert at_work(desk) == BOTH_2
    desk.tick(40)
    desk.holds(sold(desk), -4)
    for _ in range(3):
        desk.tick(5)
    assert (desk.position.hold, desk.position.account_missing) == (None, ())
    assert at_work(desk) == {Purpose.TARGET: 4, Purpose.STOP: 4}


def test_a_person_who_adds_to_a_position_leaves_its_orders_as_they_are() -> None:
    desk = resting()
    others(desk, sold(desk), -2, "1.20")
    desk.holds(sold(desk), -6)
    for _ in range(30):
        desk.tick(5)
    assert at_work(desk) == {Purpose.TARGET: 4, Purpose.STOP: 4}
    assert any("-2 " in text and "no position explains" in text for text in desk.alarms)


@pytest.mark.parametrize("is_down", [False, True])
def test_a_position_that_was_halved_meanwhile_is_protected_from_the_first_second_on(*, is_down: bool) -> None:
    """is_down: the engine was; else the connection."""
    desk = resting()
    option = sold(desk)
    refs = [order.ref for order in desk.live]
    desk.unlink()
    desk.now += timedelta(minutes=5)
    if is_down:
        desk.start_again()
    desk.link(refs, {option: -2})
    desk.tick(1)
    assert at_work(desk) == BOTH_2


def test_the_newer_of_two_positions_lacks_what_nobody_says_whose_it_was() -> None:
    desk = Desk((text_of("seller", **RESTED), text_of("second", **RESTED)), at="10:00")
    desk.until("10:01")
    for order in list(desk.live):
        desk.fill(order)
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    assert len(desk.live) == 4
    desk.is_shown = False
    desk.holds(sold(desk), -5)
    desk.tick(1)
    stops = {order.bot: order.remaining for order in desk.live if order.purpose is Purpose.STOP}
    assert stops == {"seller": 4, "second": 1}


def test_a_position_that_opens_later_does_not_lack_what_an_older_one_lacked() -> None:
    """A new position seemed to lack what a person had closed of another bot's before it was opened."""
    later = {**RESTED, "entry": "{at: open + 40m, max_open: 5}"}
    desk = Desk((text_of("seller", **RESTED), text_of("second", **later)), at="10:00")
    desk.until("10:01")
    desk.fill(desk.live[0])
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.is_shown = False
    desk.holds(sold(desk), -3)
    desk.until("10:10:05")
    for order in desk.live:  # those of the first bot give way to the entry
        desk.cancelled(order)
    desk.tick(1)
    (entry,) = (order for order in desk.live if order.purpose is Purpose.ENTRY)
    desk.fill(entry)
    desk.holds(sold(desk), -7)
    for _ in range(8):
        desk.tick(1)
    absent = {each.bot: each.absent("short_put") for each in desk.state.positions.by_id.values()}
    assert absent == {"seller": 1, "second": 0}


CONDOR_2 = {
    "legs": CONDOR,
    "quantity": "2",
    "risk": "{max_loss_per_trade: $9000, protect: {cost: 4x credit, of: each_short}}",
    "exits": '\n  - time: "15:45"\n    order: market\n',
}


def condor() -> Desk:
    """Return a desk with 2 condors, and protective stops on their short legs at work."""
    desk = Desk((text_of(**CONDOR_2),))
    desk.opened()
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.is_shown = False
    return desk


def stops(desk: Desk) -> dict[str, int]:
    return {order.legs[0].name: order.remaining for order in desk.live if order.purpose is Purpose.PROTECT}


def closing(desk: Desk) -> Order:
    """Return the closing order at 15:45, once what rests is over."""
    desk.until("15:45:01")
    for order in list(desk.live):
        desk.cancelled(order)
    desk.tick(1)
    return desk.last


def test_half_of_a_condor_that_a_person_closes() -> None:
    desk = condor()
    for leg in desk.position.legs:
        desk.holds(leg.option, leg.sign)
    desk.tick(1)
    assert stops(desk) == {"short_put": 1, "short_call": 1}
    order = closing(desk)
    assert (len(order.legs), order.quantity) == (4, 1)


def test_a_short_leg_that_a_person_closes_leaves_the_stop_of_the_other_one() -> None:
    desk = condor()
    desk.holds(put(5945), 0)
    desk.tick(1)
    cancelled = [order.legs[0].name for order in desk.live if order.status is OrderStatus.CANCELLING]
    assert (cancelled, stops(desk)["short_call"]) == (["short_put"], 2)
    order = closing(desk)
    assert put(5945) not in [leg.option for leg in order.legs]
    assert call(6055) in [leg.option for leg in order.legs]


def test_the_books_get_what_the_broker_reports_of_a_part_while_stops_rest() -> None:
    """It was never booked while a stop rested, for a fill of that might have come."""
    desk = resting()
    before = desk.position.cash
    others(desk, sold(desk), 2, "1.20")
    desk.holds(sold(desk), -2)
    for _ in range(3):
        desk.tick(5)
    assert (desk.position.legs[0].held, desk.position.cash) == (2, before - 240)
    assert desk.position.hold is None
    assert at_work(desk) == BOTH_2


def test_a_foreign_order_that_only_works_changes_nothing() -> None:
    desk = resting()
    for _ in range(10):
        desk.tick(5)
    assert at_work(desk) == {Purpose.TARGET: 4, Purpose.STOP: 4}
    assert (desk.replaced, desk.cancels) == ([], [])


def test_a_fill_that_is_corrected_away_counts_beside_what_the_account_lacks() -> None:
    """Two of four are gone by hand; of the others one was never sold, says the exchange."""
    desk = Desk((text_of("seller", **RESTED),), at="10:00")
    reported = desk.fill(desk.enter("10:01"))
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.is_shown = False
    desk.holds(sold(desk), -1)
    desk.tick(1)
    first = reported[0]
    desk.send(replace(first, exec_id=first.exec_id.next, quantity=Decimal(3)))
    desk.tick(1)
    assert {order.remaining for order in desk.live} == {1}
    assert desk.said(Kind.ALARM)


def test_what_a_person_has_opened_again_stays_theirs_when_our_stop_fills() -> None:
    """The stop for three filled, and a new one was sent for the fourth, which somebody had sold for himself."""
    desk = resting()
    desk.holds(sold(desk), -3)
    for _ in range(150):
        desk.tick(1)
    desk.holds(sold(desk), -4)
    for _ in range(10):
        desk.tick(1)
    assert desk.position.hold is HoldReason.OPENED_AGAIN
    assert at_work(desk) == {Purpose.TARGET: 3, Purpose.STOP: 3}
    stop = next(order for order in desk.live if order.purpose is Purpose.STOP)
    count = len(desk.submitted)
    desk.fill(stop)
    desk.holds(sold(desk), -1)
    for _ in range(30):
        desk.tick(1)
    assert len(desk.submitted) == count
    assert (desk.position.legs[0].held, desk.position.common.is_flat) == (1, True)
    assert not [order for order in desk.live if order.status is OrderStatus.WORKING and order.purpose is Purpose.STOP]
