"""Lists of open orders that were believed although they were wrong, each by what came of it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hand_desk import Desk, resting_seller, text_of

from rulebot.adapters.clock import WallClock
from rulebot.adapters.ib.contracts import ContractBook
from rulebot.adapters.ib.link import IbLink
from rulebot.adapters.ib.settings import IbSettings
from rulebot.chaos.generator import draw
from rulebot.chaos.invariants import judge
from rulebot.chaos.runner import run_scenario
from rulebot.chaos.scenario import Crash, ScenarioMoment
from rulebot.checks.journal.books import journal_index
from rulebot.checks.journal.orders import final_is_final
from rulebot.documents.load_bots import load_all_bots
from rulebot.live.environments import DEFAULT_DATE
from rulebot.model.event import BrokerStatus, OrderReport, OrdersListed, Request
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.session import session_from
from rulebot.record.record import Kind
from tests.drawn_then import CHOICE
from tests.e2e.worlds import spec_files

AGAIN = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m, at_most: 9}}'
RETRIES = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 1m, then: cancel}"


def of(desk: Desk, purpose: Purpose) -> Order:
    """Return the live order of a purpose."""
    return next(order for order in desk.live if order.purpose is purpose)


def shown(desk: Desk, *refs: str) -> None:
    """Answer as a broker that has these orders: each is told to work, then the list ends."""
    for ref in refs:
        desk.ack(desk.order(ref))
    desk.listed(*refs)


# ---------------------------------------------------------------- the list that came with a connection


def test_a_start_took_a_stop_that_one_short_list_lacked_for_cancelled_and_placed_a_second_one(tmp_path: Path) -> None:
    """Seed 100020: the engine ended and was started again, and its first list ended too soon."""
    desk = load_all_bots(spec_files(["spy_put_seller"]), {}, None)
    session = session_from(DEFAULT_DATE)
    start = desk.bots["spy_put_seller"].windows(session)[0][0]
    ends = Crash(moment=ScenarioMoment.AT_TIME, at=start + timedelta(minutes=2))
    short: dict[str, str | int] = {"kind": "short_list", "on": "connect", "number": 2, "what": "orders"}
    bare = replace(draw(7, desk, CHOICE), day=session.date, market=None, faults=(short,), crashes=(ends,), acts=())
    storm = replace(bare, begins=start - timedelta(minutes=1), calm_at=start + timedelta(minutes=30), lockstep=True)
    left = run_scenario(storm, desk, tmp_path)
    assert judge(left, desk) == {}
    assert dict(left.kinds_fired) == {"crash at": 1, "short_list orders": 1}
    assert [order.purpose for order in left.day.orders.values()] == [Purpose.ENTRY, Purpose.TARGET, Purpose.STOP]


def test_a_pair_that_one_list_lacks_stays_and_is_asked_for_again_within_two_seconds() -> None:
    desk = resting_seller()
    pair = [order.ref for order in desk.live]
    desk.unlink()
    desk.link([])
    assert {order.status for order in desk.live} == {OrderStatus.UNKNOWN}
    before = desk.asked_for_orders()
    desk.settle(2)
    assert desk.asked_for_orders() == before + 1
    shown(desk, *pair)
    assert {(order.ref, order.status, order.message) for order in desk.live} == {
        (ref, OrderStatus.WORKING, "") for ref in pair
    }
    assert not desk.cancels
    assert len(desk.submitted) == 3
    assert not desk.alarms


def test_an_entry_in_doubt_is_not_changed_since_a_change_may_be_taken_for_a_new_order() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.unlink()
    desk.link([])
    desk.tick(11)
    assert not desk.replaced
    shown(desk, order.ref)
    desk.tick(1)
    assert [found.ref for found in desk.replaced] == [order.ref]


def test_a_closing_order_that_no_list_has_is_cancelled_and_sent_again_within_seconds() -> None:
    """At once would have been a second order beside the first one; never would leave the position open."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    first = desk.last
    desk.ack(first)
    desk.unlink()
    desk.link([])
    desk.settle(2)
    desk.listed()
    assert [found.ref for found in desk.cancels] == [first.ref]
    assert desk.last.ref == first.ref
    before = desk.asked_for_orders()
    desk.tick(1)
    desk.message(desk.order(first.ref), 10148, "cannot be cancelled, state: Cancelled")
    assert desk.asked_for_orders() == before + 1
    desk.listed()
    assert desk.order(first.ref).status is OrderStatus.CANCELLED
    assert desk.last.ref != first.ref
    assert desk.last.purpose is Purpose.EXIT
    assert desk.position.state == "exiting"


def test_a_cancel_is_repeated_and_no_success_of_it_when_one_list_lacks_the_order() -> None:
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.PAUSE)
    desk.ask(Request.KILL)
    desk.unlink()
    desk.link([])
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert [found.ref for found in desk.cancels] == [order.ref, order.ref]
    shown(desk, order.ref)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.cancelled(order)
    assert desk.order(order.ref).status is OrderStatus.CANCELLED


def test_an_order_in_doubt_is_cancelled_when_no_further_list_comes() -> None:
    desk = resting_seller()
    pair = {order.ref for order in desk.live}
    desk.unlink()
    desk.link([])
    desk.settle(39)
    assert not desk.cancels
    desk.settle(2)
    assert {found.ref for found in desk.cancels} == pair
    assert {order.status for order in desk.live} == {OrderStatus.CANCELLING}


def test_an_order_of_an_earlier_day_needs_no_second_list() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.unlink()
    desk.now += timedelta(days=1)
    desk.link([], {})
    assert not desk.live
    assert not desk.cancels


def test_a_second_question_made_the_answer_to_the_first_one_a_short_list() -> None:
    """What was told before the second question was forgotten, and the end of the first answer was taken for its own."""
    feed: Any = SimpleNamespace(board=None)
    link = IbLink(IbSettings(), WallClock(), feed, ContractBook())
    asked: list[str] = []
    client = SimpleNamespace(
        getReqId=lambda: 1,
        reqExecutions=lambda *_: asked.append("executions"),
        reqAllOpenOrders=lambda: asked.append("orders"),
    )
    link._wire = SimpleNamespace(client=client)  # type: ignore[assignment]
    reported = [each for each in resting_seller().events if isinstance(each, OrderReport)][-2:]
    link.inquire()
    link._noted(reported[0], ("5",))
    link.inquire()
    link._noted(reported[1], ("5",))
    listed = link._read(["53", "1"])
    assert isinstance(listed, OrdersListed)
    assert listed.order_refs == {each.ref for each in reported}
    assert link._read(["53", "1"]) is None
    assert len(asked) == 4


# ---------------------------------------------------------------- what was over works again


def test_an_entry_that_was_over_and_works_after_all_is_cancelled_with_the_try_that_followed_it() -> None:
    desk = Desk((text_of(order=RETRIES),))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    desk.tick(60)
    second = desk.last
    assert second.ref != first.ref
    desk.ack(second)
    shown(desk, first.ref, second.ref)
    assert {desk.order(each.ref).status for each in (first, second)} == {OrderStatus.CANCELLING}
    assert any(f"{first.ref} was cancelled and works again" in text for text in desk.alarms)
    desk.cancelled(first)
    assert desk.position.state == "entering"
    desk.cancelled(second)
    assert desk.position.state == "closed"
    desk.until("10:30", step=30)
    assert len(desk.submitted) == 2, "a person must look first"


@pytest.mark.parametrize("is_linked", [True, False])
def test_it_is_also_seen_in_the_list_of_a_connection(is_linked: bool) -> None:
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order)
    assert desk.position.state == "closed"
    if not is_linked:
        desk.unlink()
    desk.ack(order)
    desk.link([order.ref])
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert [each.ref for each in desk.cancels] == [order.ref], "the broker is asked to cancel it"
    desk.fill(order)
    assert desk.position.state == "open", "the fill had won, and its exits are armed"


def test_a_report_alone_that_it_works_is_asked_about_and_may_be_old() -> None:
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order)
    before = desk.asked_for_orders()
    desk.tick(60)
    desk.ack(order)
    desk.ack(order)
    desk.tick(0)
    assert desk.asked_for_orders() == before + 1
    desk.listed()
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    desk.listed(order.ref)
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    assert not desk.alarms


def test_the_row_of_a_dead_order_in_a_list_brings_nothing_back() -> None:
    """A window goes on showing what was refused, as Inactive."""
    desk = Desk()
    order = desk.enter()
    desk.refuse(order)
    alarms = list(desk.alarms)
    desk.report(order, BrokerStatus.INACTIVE, 0)
    desk.listed(order.ref)
    desk.unlink()
    desk.report(order, BrokerStatus.INACTIVE, 0)
    desk.link([order.ref])
    assert desk.order(order.ref).status is OrderStatus.REJECTED
    assert desk.alarms == alarms


def test_a_stop_that_was_over_and_works_after_all_goes_and_the_pair_that_replaced_it_stays() -> None:
    desk = resting_seller()
    old_stop, old_target = of(desk, Purpose.STOP), of(desk, Purpose.TARGET)
    desk.cancelled(old_stop)
    desk.cancelled(old_target)
    desk.tick(1)
    pair = [order.ref for order in desk.live]
    assert len(pair) == 2
    shown(desk, *pair, old_stop.ref)
    assert desk.order(old_stop.ref).status is OrderStatus.CANCELLING
    assert desk.cancels[-1].ref == old_stop.ref
    assert {desk.order(ref).status for ref in pair} == {OrderStatus.WORKING}
    assert any(f"{old_stop.ref} was cancelled and works again: rulebot cancels it" in text for text in desk.alarms)
    desk.cancelled(old_stop)
    desk.tick(5)
    assert [order.ref for order in desk.live] == pair


def test_a_closing_order_that_was_over_and_works_after_all_goes_with_the_one_sent_instead() -> None:
    """Two at work would close the position twice; when both are over it is closed once more."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    first = desk.last
    desk.ack(first)
    desk.cancelled(first)
    desk.tick(1)
    desk.tick(11)
    second = desk.last
    assert second.ref != first.ref
    desk.ack(second)
    shown(desk, first.ref, second.ref)
    assert {desk.order(each.ref).status for each in (first, second)} == {OrderStatus.CANCELLING}
    desk.cancelled(first)
    assert desk.last.ref == second.ref
    desk.cancelled(second)
    assert desk.last.ref != second.ref
    assert desk.last.purpose is Purpose.EXIT


def test_what_comes_back_to_be_cancelled_breaks_no_invariant_and_what_only_comes_back_does() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order)
    shown(desk, order.ref)
    rows = [record for record in desk.records if record.kind is Kind.ORDER]
    assert rows[-1].data["status"] == "cancelling"
    assert not list(final_is_final(journal_index(enumerate(rows, 1))))
    wrong = replace(rows[-1], data={**rows[-1].data, "status": "working"})
    assert list(final_is_final(journal_index(enumerate([*rows[:-1], wrong], 1))))


def test_one_list_ended_a_stop_and_reported_of_the_target_that_works_and_the_exit_between_them_left_for_nothing() -> (
    None
):
    """The end let the exit leave, and in the same turn it was taken back: it was first on record as being cancelled."""
    desk = resting_seller()
    stop, target = of(desk, Purpose.STOP), of(desk, Purpose.TARGET)
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    desk.cancelled(target)
    desk.tick(60)
    desk.listed()
    assert desk.order(stop.ref).status.is_live
    desk.tick(60)
    desk.ack(desk.order(target.ref))
    desk.listed(target.ref)
    assert desk.order(stop.ref).status is OrderStatus.CANCELLED
    assert desk.order(target.ref).status is OrderStatus.CANCELLING
    assert not [order for order in desk.live if order.purpose is Purpose.EXIT]
    desk.cancelled(desk.order(target.ref))
    desk.tick(5)
    assert [order.status for order in desk.live if order.purpose is Purpose.EXIT] == [OrderStatus.SENDING]
