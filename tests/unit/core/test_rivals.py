"""Another rulebot in the account, a copy of the store, or a backup put back: nothing is entered, exits continue."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import Desk, text_of

from rulebot.model.event import BrokerStatus, OrderReport, OrdersListed, Request
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume

AGAIN = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m}}'
HELP = "no entries until 'rulebot resume'; exits continue"


def linked_with(desk: Desk, *refs: str) -> None:
    desk.unlink()
    desk.link([*(order.ref for order in desk.state.orders.by_ref.values() if order.status.is_live), *refs])


def of_another(order: Order, ref: str) -> Order:
    return replace(order, ref=ref, order_id=77, number=900)


def waits(desk: Desk) -> str:
    return desk.state.bots.by_name["spread"].status_text


def test_an_order_of_another_install_keeps_entries_out_and_is_not_touched() -> None:
    desk = Desk()
    linked_with(desk, "rb:other:000001", "mine", "rb.other")
    desk.until("10:00")
    assert desk.alarms == [
        f"another rulebot (install other) trades this account: rb:other:000001 works at the broker; {HELP}"
    ]
    assert not desk.submitted
    assert not desk.cancels
    assert waits(desk) == "another rulebot (install other) trades this account: 'rulebot resume' if that is meant"
    linked_with(desk, "rb:other:000002")
    assert len(desk.alarms) == 1


def test_an_order_of_ours_that_no_record_knows_keeps_entries_out_too() -> None:
    """A backup was put back, or the store was copied (faults.md row 80)."""
    desk = Desk()
    linked_with(desk, "rb:abc123:000099")
    desk.until("10:00")
    (text,) = desk.alarms
    assert text.startswith("orphan order rb:abc123:000099 works at the broker and is in no record of this store")
    assert not desk.submitted
    assert "rb:abc123:000099 is at the broker and in no record" in waits(desk)


def test_resume_lets_entries_continue_beside_it_and_no_name_is_used_twice() -> None:
    desk = Desk()
    linked_with(desk, "rb:other:000001", "rb:abc123:000099")
    desk.until("10:00")
    desk.ask(Request.RESUME)
    desk.tick(1)
    assert desk.last.ref == "rb:abc123:000100"
    linked_with(desk, "rb:other:000002", "rb:abc123:000099")
    assert len(desk.alarms) == 2
    assert desk.live
    again = resume(desk.records, desk.now, desk.board, desk.state.market.facts.events).state
    assert again.requests.acknowledged_foreign_orders == {"other", "rb:abc123:000099"}


def test_resume_of_one_bot_accepts_nobody() -> None:
    desk = Desk()
    linked_with(desk, "rb:other:000001")
    desk.ask(Request.RESUME, "spread")
    desk.until("10:00")
    assert not desk.submitted


def test_their_fill_takes_our_entry_back_and_leaves_exits_alone() -> None:
    desk = Desk((text_of("one"), text_of("two", entry='{window: {from: "10:05", to: "11:00"}}')))
    desk.until("10:00")
    first = desk.last
    desk.fill(first)
    desk.until("10:05")
    entry = desk.last
    desk.ack(entry)
    (theirs, *_) = desk.executions_of(of_another(first, "rb:other:000007"), 1)
    desk.send(theirs)
    assert desk.order(entry.ref).status is OrderStatus.CANCELLING
    assert "rb:other:000007" in desk.alarms[-1]
    desk.cancelled(entry)
    desk.until("15:45")
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY, Purpose.ENTRY, Purpose.EXIT]


def test_their_fill_of_today_keeps_entries_out_after_a_start_too() -> None:
    desk = Desk((text_of("one"), text_of("two", entry='{window: {from: "10:05", to: "11:00"}}')))
    desk.until("10:00")
    first = desk.last
    desk.fill(first)
    (theirs, *_) = desk.executions_of(of_another(first, "rb:other:000007"), 1)
    desk.send(theirs)
    desk.start_again()
    desk.send(theirs)
    desk.link()
    desk.until("10:06", step=5)
    assert [order.bot for order in desk.submitted] == ["one"]
    desk.ask(Request.RESUME)
    desk.start_again()
    desk.send(theirs)
    desk.link()
    desk.until("10:07", step=5)
    assert [order.bot for order in desk.submitted] == ["one", "two"]


def test_their_fill_that_closed_ours_keeps_entries_out_after_a_start_too() -> None:
    """Booked to the position it was known as that alone, and nobody asked any more whose it was."""
    settles = "\n  - {at_expiry: settle}\n  - stop: {cost: 9x credit}\n"
    desk = Desk((text_of("one", exits=settles), text_of("two", entry='{window: {from: "10:05", to: "11:00"}}')))
    desk.until("10:00")
    first = desk.last
    desk.fill(first)
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    desk.tick(1)
    theirs = [
        replace(each, is_buy=not each.is_buy) for each in desk.executions_of(of_another(first, "rb:other:000007"), 1)
    ]
    desk.is_shown = False
    for each in theirs:
        desk.send(each)
    desk.until("10:01", step=5)
    assert desk.position.state == "closed"
    desk.start_again()
    for each in theirs:
        desk.send(each)
    desk.link()
    assert desk.state.inquiries.foreign_orders == {"other"}
    desk.until("10:06", step=5)
    assert [order.bot for order in desk.submitted] == ["one"]


def test_their_order_in_an_answer_is_noticed_while_we_run() -> None:
    desk = Desk((text_of(entry=AGAIN),))
    entry = desk.enter()
    desk.ack(entry)
    desk.send(OrdersListed(desk.now, frozenset((entry.ref, "rb:other:000003"))))
    assert desk.last.status is OrderStatus.CANCELLING


def test_our_own_fills_reported_again_are_no_rival() -> None:
    desk = Desk()
    entry = desk.enter()
    desk.fill(entry)
    reported = desk.executions_of(entry, 1)
    state = desk.state
    desk.unlink()
    for report, booked in zip(reported, state.positions.executions.values(), strict=False):
        desk.send(replace(report, exec_id=booked.exec_id))
    linked_with(desk)
    assert not desk.alarms
    assert not desk.state.inquiries.foreign_orders


def ended(ref: str, status: BrokerStatus, filled: int) -> OrderReport:
    """Return what the list of today's orders that are over says of one: no client id and no order id."""
    return OrderReport(
        at=Desk().now,
        ref=ref,
        order_id=0,
        perm_id=8000 + int(ref[-3:]),
        client_id=0,
        status=status,
        filled=Decimal(filled),
    )


@pytest.mark.parametrize(("status", "filled"), [(BrokerStatus.FILLED, 1), (BrokerStatus.CANCELLED, 1)])
def test_their_order_that_has_traded_keeps_entries_out_as_an_execution_does(status: BrokerStatus, filled: int) -> None:
    """Executions of another client are told to client 0 and to the master alone (faults.md row 68)."""
    desk = Desk(linked=False)
    reported = ended("rb:other:000001", status, filled)
    desk.send(reported)
    linked_with(desk)
    desk.send(reported)
    desk.until("10:00")
    assert desk.alarms == [
        f"another rulebot (install other) trades this account: rb:other:000001 has traded today; {HELP}"
    ]
    assert not desk.submitted
    desk.ask(Request.RESUME)
    desk.tick(1)
    assert desk.submitted
    desk.start_again()
    desk.send(reported)
    linked_with(desk)
    assert not desk.state.inquiries.foreign_orders


@pytest.mark.parametrize("status", [BrokerStatus.WORKING, BrokerStatus.CANCELLED])
def test_their_order_that_has_not_traded_keeps_nobody_out(status: BrokerStatus) -> None:
    """As of a store that was tried in the morning and thrown away."""
    desk = Desk()
    desk.send(ended("rb:other:000777", status, 0))
    assert not desk.state.inquiries.foreign_orders
    assert desk.state.orders.next_number == Desk().state.orders.next_number


def test_an_order_of_a_copy_that_has_filled_keeps_entries_out() -> None:
    """It is numbered above all of ours; of those below, a start reads not all back."""
    desk = Desk()
    desk.send(ended("rb:abc123:000041", BrokerStatus.CANCELLED, 0))
    desk.send(ended("rb:abc123:000040", BrokerStatus.FILLED, 1))
    assert not desk.alarms
    desk.send(ended("rb:abc123:000777", BrokerStatus.FILLED, 1))
    (text,) = desk.alarms
    assert text.startswith("orphan order rb:abc123:000777 has traded today and is in no record of this store")
    assert desk.state.orders.next_number == 778


def test_an_order_that_ended_under_our_name_moves_our_numbers_on() -> None:
    desk = Desk()
    desk.report(of_another(Desk().enter(), "rb:abc123:000041"), BrokerStatus.CANCELLED, 0)
    assert desk.enter().ref == "rb:abc123:000042"
    assert not [record for record in desk.records if record.kind is Kind.ALARM]


def test_in_a_pause_between_two_tries_another_rulebot_keeps_the_next_one_out() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s, then: cancel}"),))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    linked_with(desk, "rb:other:000001")
    for _ in range(5):
        desk.tick(10)
    assert desk.last.ref == first.ref
    assert desk.position.exit_reason == "unfilled"
