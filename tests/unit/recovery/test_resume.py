"""Start-up is recovery: what a restart must know again, and what must not be forgotten."""

from dataclasses import replace
from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, call, put, text_of

from rulebot.core.handle_event import start_run
from rulebot.core.state.state import State, TradingMode
from rulebot.model.event import CommissionReport, ListingReport, MarketDataUpdated, OpeningMoveReport, Request
from rulebot.model.facts import EventCalendar
from rulebot.model.market import Board
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import HoldReason, Position
from rulebot.model.session import at_exchange_time, session_after
from rulebot.record.codec import decode, encode
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import ResumedRun, resume

FAR, FREE = SELLER["legs"], "{undefined_risk: allow}"
SOLD = {key: SELLER[key] for key in ("underlying", "entry", "order")}


def resumed(desk: Desk, at: datetime | None = None) -> State:
    return resume(desk.records, at or desk.now, desk.board, EventCalendar()).state


def restart(desk: Desk) -> None:
    """End the engine and start it again two seconds later."""
    desk.now += timedelta(seconds=2)
    found = resumed(desk)
    desk.state = found._replace(market=replace(found.market, facts=desk.state.market.facts))
    desk.take(start_run(desk.program, desk.state, desk.now))
    desk.link()
    desk.tick(0)


def test_nothing_recorded_is_a_fresh_start() -> None:
    desk = Desk()
    found = resume([], desk.now, Board(), EventCalendar())
    assert found.is_fresh
    assert (found.state.orders.next_number, found.state.orders.next_order_id) == (1, 1)


def test_texts_that_govern_open_positions_are_kept() -> None:
    desk = Desk()
    desk.opened()
    spec = {"digest": desk.position.digest, "path": "spread.yaml", "text": desk.texts[0], "overrides": {"a": "1"}}
    old = {**spec, "digest": "old"}
    started = Record(desk.now, Kind.RUN_STARTED, data={"install": "abc123", "specs": {"spread": spec, "gone": old}})
    found: ResumedRun = resume([started, *desk.records], desk.now, desk.board, EventCalendar())
    assert [text.digest for text in found.texts] == [desk.position.digest]
    assert (found.install, found.texts[0].overrides) == ("abc123", {"a": "1"})


def test_what_was_opened_earlier_in_the_week_counts_after_a_restart() -> None:
    """An engine that is started each morning: Wednesday's position counts on Thursday, and no more on Monday."""
    desk = Desk()
    desk.opened()
    opened = desk.state.bots.by_name["spread"].day
    assert (opened.date.isoweekday(), opened.opened) == (3, 1)
    thursday = session_after(opened.date)
    for session, count in ((thursday, 1), (session_after(session_after(thursday.date).date), 0)):
        morning = session.open - timedelta(minutes=5)
        state = resumed(desk, morning)
        found = start_run(desk.program, state, morning).state.bots.by_name["spread"].day
        assert (found.date, found.opened, found.week) == (session.date, 0, count)


def test_an_order_that_was_on_its_way_is_not_sent_again() -> None:
    desk = Desk()
    order = desk.enter()
    assert resumed(desk).orders.by_ref[order.ref].status is OrderStatus.SENDING
    restart(desk)
    assert desk.last.status is OrderStatus.WORKING
    assert len(desk.submitted) == 1


def test_the_ladder_continues_where_it_was() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.tick(10)
    restart(desk)
    desk.tick(10)
    assert desk.last.attempt == 3


def test_a_pause_between_tries_continues() -> None:
    desk = Desk((text_of(order="{start: mid, wait: 10s, tries: 3, pause: 1m, then: cancel}"),))
    desk.ack(desk.enter())
    desk.tick(10)
    desk.cancelled(desk.last)
    restart(desk)
    assert len(desk.submitted) == 1
    desk.tick(60)
    assert [order.position for order in desk.submitted] == [desk.position.id] * 2


def test_caps_of_the_day_are_kept() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.cancelled(desk.last)
    restart(desk)
    desk.tick(30)
    assert len(desk.submitted) == 1


def test_an_exit_at_work_is_worked_on_and_no_second_one_is_sent() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    desk.ack(desk.last)
    restart(desk)
    desk.tick(5)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY, Purpose.EXIT]
    desk.fill(desk.last)
    assert desk.position.state == "closed"


@pytest.mark.parametrize("request_", [Request.KILL, Request.PAUSE])
def test_kill_and_pause_outlive_a_restart(request_: Request) -> None:
    """Faults 93: the kill switch persists."""
    desk = Desk()
    desk.ask(request_)
    restart(desk)
    desk.until("10:05", step=30)
    assert not desk.submitted
    desk.ask(Request.RESUME)
    restart(desk)
    desk.tick(15)
    assert len(desk.submitted) == 1


def test_a_request_acts_once_over_restarts() -> None:
    desk = Desk()
    desk.ask(Request.KILL, identity="one")
    desk.ask(Request.RESUME, identity="two")
    restart(desk)
    desk.ask(Request.KILL, identity="one")
    assert desk.state.requests.operator.trading is TradingMode.ACTIVE


def seller() -> Desk:
    desk = Desk((text_of("seller", **{**SELLER, "risk": "{undefined_risk: allow, daily_loss: $150}"}),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    return desk


def test_the_days_loss_is_not_forgotten() -> None:
    desk = seller()
    option = desk.position.legs[0].option
    desk.quote(option, 3.0, 3.1, -0.2)
    desk.until("11:00", step=60)
    state = resumed(desk)
    assert state.positions.pnl_at_open == {}
    assert state.positions.marks == desk.state.positions.marks
    assert list(desk.state.positions.marks.values()) == [Decimal("-105.00")]


def test_the_base_of_a_position_of_yesterday_is_its_last_mark_then() -> None:
    desk = seller()
    desk.until("15:59", step=600)
    morning = session_after(desk.day).open + timedelta(minutes=1)
    assert dict(resumed(desk, morning).positions.pnl_at_open) == dict(desk.state.positions.marks)


def test_a_position_closed_today_counts_although_it_began_yesterday() -> None:
    desk = seller()
    target = desk.submitted[1]
    desk.until("15:59", step=600)
    desk.day, desk.now = session_after(desk.day).date, session_after(desk.day).open + timedelta(minutes=5)
    desk.freshen()
    desk.send(MarketDataUpdated(desk.now, ()))
    desk.fill(desk.order(target.ref))
    desk.cancelled(desk.order(desk.submitted[2].ref))
    name = desk.position.id
    realized = desk.state.bots.by_name["seller"].day.realized
    assert desk.position.state == "closed"
    restart(desk)
    assert name in desk.state.positions.by_id
    assert (
        desk.state.bots.by_name["seller"].day.realized
        == realized
        == desk.position.net - desk.state.positions.pnl_at_open[name]
    )


def test_what_was_closed_on_earlier_days_is_gone() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.cancelled(desk.last)
    state = resumed(desk, session_after(desk.day).open)
    assert (dict(state.positions.by_id), dict(state.orders.by_ref)) == ({}, {})
    assert (state.orders.next_number, state.orders.next_order_id) == (2, 2)


def test_a_closed_position_whose_order_still_works_is_kept() -> None:
    desk = seller()
    desk.fill(desk.submitted[1])
    state = resumed(desk, session_after(desk.day).open)
    assert state.orders.live
    assert [found.state for found in state.positions.by_id.values()] == ["open"]


def test_executions_corrections_and_commissions_count_once_over_a_restart() -> None:
    desk = Desk()
    order = desk.enter()
    first = desk.execution(order, order.legs[0], 1, "2.30")
    second = replace(first, exec_id=first.exec_id.next, price=Decimal("2.40"))
    desk.send(first)
    desk.commission(first, "1.30")
    desk.send(second)
    assert dict(resumed(desk).positions.executions) == dict(desk.state.positions.executions)
    restart(desk)
    for event in (first, second, CommissionReport(desk.now, first.exec_id, Decimal("1.30"))):
        desk.send(event)
    leg = desk.position.legs[0]
    assert (leg.opened, leg.entry_cash, leg.commissions) == (1, Decimal("240.00"), Decimal("1.30"))


@pytest.mark.parametrize("weeks", [0, 5])
def test_an_engine_that_stands_forgets_what_one_that_starts_would_not_know(weeks: int) -> None:
    """It kept each execution, order id and last profit for as long as it ran."""
    desk = Desk()
    desk.opened()
    desk.until("15:45", step=600)
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert desk.state.positions.marks
    desk.now = session_after(desk.day + timedelta(weeks=weeks)).open - timedelta(minutes=5)
    desk.tick(0)
    found = resumed(desk)
    assert (len(found.positions.executions) == 0) is (weeks > 0)
    for name in ("executions", "marks", "pnl_at_open", "by_id"):
        assert dict(getattr(desk.state.positions, name)) == dict(getattr(found.positions, name)), name
    for name in ("by_ref", "ref_of_id"):
        assert dict(getattr(desk.state.orders, name)) == dict(getattr(found.orders, name)), name


def test_orders_of_the_last_minute_still_count() -> None:
    desk = Desk()
    desk.enter()
    assert resumed(desk).orders.sent == desk.state.orders.sent != ()
    assert resumed(desk, desk.now + timedelta(minutes=2)).orders.sent == ()


def test_suspended_and_held_positions_stay_so() -> None:
    desk = seller()
    desk.unlink()
    desk.link([], [])
    assert desk.position.on_hold
    assert resumed(desk).positions.by_id[desk.position.id] == desk.position


def test_a_field_that_a_record_lacks_has_its_default() -> None:
    desk = Desk()
    desk.opened()
    data = encode(desk.position)
    assert isinstance(data, dict)
    del data["on_hold"]
    state = resume(
        [Record(desk.now, Kind.POSITION, "spread", desk.position.id, data)], desk.now, Board(), EventCalendar()
    )
    assert state.state.positions.by_id[desk.position.id].on_hold == ""


def test_the_text_of_a_hold_says_nothing_to_the_engine() -> None:
    desk = Desk()
    desk.opened()
    held = replace(desk.position, hold=HoldReason.EXIT_CANCELLED, on_hold="its shares were split")
    assert decode(Position, encode(held)) == held  # type: ignore[arg-type]
    assert not held.is_split


def test_restarting_twice_is_restarting_once() -> None:
    """Invariant 22."""
    desk = Desk()
    desk.opened()
    once = resumed(desk)
    desk.take(start_run(desk.program, once, desk.now))
    twice = resumed(desk)
    assert twice.positions.by_id == once.positions.by_id
    assert twice.orders.by_ref == once.orders.by_ref
    assert desk.books() == {put(5945): -1, put(5935): 1}


def test_a_position_that_was_never_valued_yesterday_has_no_base_after_a_restart_either() -> None:
    """One that filled in the last minute has its first mark today: that is no beginning of the day."""
    late = '{window: {from: "15:59", to: "15:59:50"}, max_open: 5}'
    settles = "\n  - at_expiry: settle\n"
    risk = "{undefined_risk: allow, daily_loss: $150}"
    desk = Desk((text_of("seller", **{**SELLER, "entry": late, "exits": settles, "risk": risk}),), at="15:58")
    desk.until("15:59:05")
    desk.fill(desk.last)
    desk.until("15:59:59")
    assert not desk.state.positions.marks
    desk.day, desk.now = session_after(desk.day).date, session_after(desk.day).open + timedelta(minutes=5)
    desk.tick(0)
    option = desk.position.legs[0].option
    desk.quote(option, 3.0, 3.1, -0.2)
    for _ in range(6):
        desk.tick(60)
    assert resumed(desk).positions.marks[desk.position.id] == Decimal("-105.00")
    restart(desk)
    assert desk.state.positions.pnl_at_open == {desk.position.id: Decimal(0)}
    desk.quote(option, 3.7, 3.8, -0.2)
    desk.tick(1)
    assert desk.state.bots.by_name["seller"].day.halted == "the day's loss is $175.00, daily_loss is $150.00"


def test_the_expected_move_of_the_open_is_fixed_for_the_day_over_a_restart() -> None:
    """What it was stands in the records: after a restart it is neither measured nor taken from history anew."""
    entry = '{window: {from: "10:00", to: "11:00"}, when: [{expected_move: {at_least: 20 pts, asof: open}}]}'
    desk = Desk((text_of(entry=entry),), at="09:29")
    desk.until("09:30:05")
    (known,) = desk.state.market.facts.opening_moves.items()
    for option in (put(6000), call(6000)):
        desk.quote(option, 3.0, 3.1, 0.5)
    desk.now += timedelta(minutes=2)
    desk.state = resumed(desk)
    desk.take(start_run(desk.program, desk.state, desk.now))
    for listing in desk.listings():
        desk.send(ListingReport(desk.now, listing))
    desk.link()
    desk.tick(0)
    desk.send(OpeningMoveReport(desk.now, known[0][0], known[0][1], 7.7))
    assert dict(desk.state.market.facts.opening_moves) == dict([known])
    assert resumed(desk, session_after(desk.day).open).market.facts.opening_moves == {}


def test_the_grid_of_every_continues_over_restarts() -> None:
    """It was begun anew: an entry every half hour from 10:00 became one every half hour from the restart."""
    entry = """
  window: {from: "10:00", to: "15:00"}
  every: 30m
  per_day: 5
  max_open: 5
  again: {after: [any], wait: 1m}
  when:
    - vix: {between: [12, 22]}
"""
    desk = Desk((text_of(entry=entry),))
    desk.level("VIX", 30.0)
    desk.until("10:00")
    desk.until("10:20")
    restart(desk)
    desk.until("10:25")
    restart(desk)
    desk.level("VIX", 15.0)
    desk.until("10:29:58")
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].judge_at == at_exchange_time(desk.day, time(10, 30))
    desk.level("VIX", 15.0)
    desk.until("10:30")
    assert len(desk.submitted) == 1


def test_a_watch_that_ended_before_a_restart_leaves_no_grid() -> None:
    entry = """
  window: [{from: "10:00", to: "10:10"}, {from: "10:30", to: "15:00"}]
  every: 7m
  per_day: 2
  when:
    - vix: {between: [12, 22]}
"""
    desk = Desk((text_of(entry=entry),))
    desk.level("VIX", 30.0)
    desk.until("10:00")
    desk.now += timedelta(minutes=32)
    desk.level("VIX", 15.0)
    restart(desk)
    desk.tick(1)
    assert len(desk.submitted) == 1


@pytest.mark.parametrize(("later", "count"), [(timedelta(seconds=2), 2), (timedelta(hours=17), 0)])
def test_closing_orders_that_came_to_nothing_are_counted_again_by_an_engine_that_is_started_each_morning(
    later: timedelta, count: int
) -> None:
    desk = Desk(
        (text_of(exits='\n  - vix: {above: 30}\n  - time: "15:45"\n', legs=FAR, risk=FREE, **SOLD),), at="10:00"
    )
    desk.opened("10:01")
    desk.level("VIX", 35.0)
    desk.tick(1)
    for _ in range(2):
        desk.ack(desk.last)
        desk.cancelled(desk.last)
        desk.tick(1)
        desk.tick(12)
    assert desk.position.failed_close_attempts == 2
    for _ in range(2):  # a second start on the same day changes nothing
        state = resumed(desk, desk.now + later)
        desk.take(start_run(desk.program, state, desk.now + later))
        assert desk.position.failed_close_attempts == count


def test_what_an_operator_had_entered_is_worked_on_whatever_its_conditions_say() -> None:
    never = '{window: {from: "12:00", to: "13:00"}, when: [{vix: {above: 90}}]}'
    desk = Desk((text_of(entry=never),), at="10:00")
    desk.ask(Request.ENTER, "spread")
    desk.tick(0)
    desk.ack(desk.last)
    restart(desk)
    desk.tick(10)
    assert (desk.last.status, desk.last.attempt) == (OrderStatus.WORKING, 2)


@pytest.mark.parametrize("confirm", ["3 quotes", "30s"])
def test_an_entry_at_work_that_was_confirmed_is_not_cancelled_since_confirmation_begins_again(confirm: str) -> None:
    entry = '{window: {from: "10:00", to: "11:00"}, when: [{vix: {between: [12, 22]}, confirm: CONFIRM}]}'
    desk = Desk((text_of(entry=entry.replace("CONFIRM", confirm)),), at="10:00")
    while not desk.submitted:
        desk.tick(5)
    desk.ack(desk.last)
    restart(desk)
    desk.tick(10)
    assert (desk.last.status, desk.last.attempt) == (OrderStatus.WORKING, 2)
    desk.level("VIX", 30.0)
    desk.tick(10)
    assert desk.last.status is OrderStatus.CANCELLING
