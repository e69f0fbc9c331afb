"""The link comes and goes, people ask, days end: what is adopted, given up, compared and kept."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from math import nan

import pytest
from hand_desk import SELLER, Desk, clock, order_report, put, text_of

from rulebot.core.state.state import TradingMode
from rulebot.model.contract import Underlying
from rulebot.model.event import (
    BarsReport,
    BrokerStatus,
    ClosesReport,
    Disconnected,
    ImpliedReport,
    MarketDataUpdated,
    OrdersListed,
    Request,
)
from rulebot.model.facts import Bar, Bars
from rulebot.model.order import OrderStatus, Purpose, Submit
from rulebot.model.position import Position
from rulebot.model.session import EXCHANGE_ZONE, Session, restarts_over, session_after, session_on
from rulebot.narrate.day_report import left_at
from rulebot.narrate.positions import exits_text
from rulebot.record.record import Json, Kind, Record

AGAIN = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m}}'


# ---------------------------------------------------------------- orders


def test_sending_becomes_unknown_and_is_adopted_by_its_reference() -> None:
    desk = Desk()
    order = desk.enter()
    desk.unlink()
    assert desk.last.status is OrderStatus.UNKNOWN
    desk.link([order.ref])
    assert desk.last.status is OrderStatus.WORKING
    assert len(desk.submitted) == 1


VIX_BELOW = {"entry": '{window: {from: "10:00", to: "11:00"}, when: [{vix: {below: 25}}]}'}
VIX_HALTS = {
    "entry": '{window: {from: "10:00", to: "11:00"}}',
    "risk": "{max_loss_per_trade: $2000, halt_when: [{vix: {above: 25}}]}",
}


def cut_off_at_a_try(sections: dict[str, str], *, is_started_anew: bool, pause: str = "") -> Desk:
    """Return a desk whose connection is back, after a try of its entry was due, and on which nothing is quoted yet."""
    ladder = f"{{start: mid, step: 0.05, wait: 10s, {pause}tries: 6, then: cancel}}"
    desk = Desk((text_of(**sections, order=ladder),))
    desk.ack(desk.enter())
    if pause:
        desk.tick(10)
        desk.cancelled(desk.last)
    desk.tick(3)
    desk.unlink()
    desk.now += timedelta(seconds=20)
    if is_started_anew:
        desk.start_again()
    desk.level("VIX", nan)
    desk.link()
    desk.tick(1)
    return desk


@pytest.mark.parametrize("is_started_anew", [False, True])
@pytest.mark.parametrize("pause", ["", "pause: 15s, "])
@pytest.mark.parametrize("sections", [VIX_BELOW, VIX_HALTS])
def test_an_entry_at_work_waits_with_its_next_try_for_the_first_quotes(
    sections: dict[str, str], pause: str, is_started_anew: bool
) -> None:
    """It was taken back as soon as the connection came, since "its conditions no longer hold": none was known yet."""
    desk = cut_off_at_a_try(sections, is_started_anew=is_started_anew, pause=pause)
    assert not desk.cancels[1 if pause else 0 :]
    assert desk.position.state == "entering"
    desk.level("VIX", 16.0)
    desk.tick(1)
    assert desk.last.attempt == 2
    assert not desk.cancels[1 if pause else 0 :]


@pytest.mark.parametrize("vix", [nan, 30.0])
def test_what_is_not_quoted_for_long_or_no_longer_holds_ends_it_all_the_same(vix: float) -> None:
    desk = cut_off_at_a_try(VIX_BELOW, is_started_anew=False)
    desk.level("VIX", vix)
    desk.tick(1 if vix == vix else 11)
    assert [order.message for order in desk.cancels] == ["its conditions no longer hold"]


@pytest.mark.parametrize("client", [0, 8])
def test_orders_under_another_client_id_cannot_be_cancelled_and_a_person_is_notified(client: int) -> None:
    """The broker answers 10147 to a cancel by any other id than the one that placed the order, and lists it still.

    Of 0, which sees what is typed into TWS, nothing was said.
    """
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    desk.state = desk.state._replace(
        orders=replace(
            desk.state.orders,
            by_ref={ref: replace(order, client_id=client) for ref, order in desk.state.orders.by_ref.items()},
        )
    )
    desk.unlink()
    desk.link()
    assert any(f"under client id {client}, and this run uses 7" in text for text in desk.alarms)
    desk.ask(Request.FLATTEN)
    desk.tick(1)
    refs = [order.ref for order in desk.live]
    asked = len(desk.cancels)
    for _ in range(30):
        for order in desk.live:
            desk.message(order, 10147, "that needs to be cancelled is not found.")
        desk.listed(*refs)
        desk.tick(10)
    assert len(desk.cancels) - asked == 2 * 5
    assert {desk.order(ref).status for ref in refs} == {OrderStatus.CANCELLING}
    for ref in refs:
        assert f"the broker has {ref} and does not find it to cancel it: a person must cancel it there" in desk.alarms


def test_what_the_broker_never_had_is_given_up_after_its_grace_and_not_sent_again() -> None:
    """Faults 2 and 5."""
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    desk.unlink()
    desk.link([])
    assert desk.last.status is OrderStatus.UNKNOWN
    desk.tick(41)
    assert [found.ref for found in desk.cancels] == [order.ref]
    desk.message(order, 10147, "not found")
    desk.until("10:30", step=30)
    assert desk.order(order.ref).status is OrderStatus.LOST
    assert len(desk.submitted) == 1


def test_a_broker_who_stays_away_behind_the_gateway_is_reported_once_while_he_is_away() -> None:
    """Code 1100 and nothing after it: the socket stands, so no other alarm comes; each time away is one of its own."""
    text = "no connection to the broker for 10 minutes: no exit watches 1 open position"
    desk = Desk()
    desk.opened()
    for lost, back in (("11:00", "11:30"), ("12:00", "12:30")):
        desk.until(lost)
        reported = desk.alarms.count(text)
        desk.unlink()
        desk.until(f"{lost[:3]}09:59", step=10)
        assert desk.alarms.count(text) == reported
        desk.until(back, step=10)
        assert desk.alarms.count(text) == reported + 1
        desk.link()
    assert [record.data["reason"] for record in desk.said(Kind.LINK) if record.data["up"]][-1] == "connected again"


@pytest.mark.parametrize("at", ["15:55", "16:30"])
def test_a_broker_who_is_away_at_night_is_no_alarm(at: str) -> None:
    desk = Desk()
    desk.opened()
    desk.until(at)
    desk.unlink()
    desk.until("23:59", step=60)
    assert not any("no exit watches" in text for text in desk.alarms)


def test_what_nobody_watched_while_the_computer_slept_is_reported_though_the_connection_is_back_at_once() -> None:
    desk = Desk()
    desk.opened()
    slept = desk.now
    desk.now += timedelta(hours=1)
    desk.send(Disconnected(desk.now, "the computer slept", slept))
    desk.now += timedelta(seconds=5)
    desk.link()
    assert desk.alarms[-1] == "connected again: an open position was not watched for 60 min of the session"


def test_a_given_up_order_in_the_next_list_is_cancelled() -> None:
    desk = Desk()
    order = desk.enter()
    desk.tick(15)
    desk.tick(30)
    desk.message(order, 10147, "not found")
    desk.unlink()
    desk.link([order.ref])
    assert desk.last.status is OrderStatus.CANCELLING


def test_a_cancel_that_the_link_lost_is_asked_again() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.KILL)
    desk.unlink()
    desk.link([order.ref])
    assert desk.last.status is OrderStatus.CANCELLING
    assert len(desk.cancels) == 2


def test_an_entry_that_may_have_filled_unseen_ends_the_day_of_its_bot() -> None:
    """The broker tells the executions of one day: after a night away, the account alone shows the fill."""
    desk = Desk((text_of(entry=AGAIN),))
    order = desk.enter()
    desk.ack(order)
    desk.unlink()
    desk.link([], {order.legs[0].option: order.legs[0].side.sign})
    desk.confirm_gone()
    assert [text for text in desk.alarms if "may have filled unseen" in text]
    desk.until("10:30", step=30)
    assert len(desk.submitted) == 1


def test_an_entry_that_ended_unseen_and_empty_may_be_tried_again() -> None:
    desk = Desk((text_of(entry=AGAIN),))
    desk.ack(desk.enter())
    desk.unlink()
    desk.link([])
    desk.confirm_gone()
    desk.until("10:30", step=30)
    assert len(desk.submitted) > 1


def test_an_order_that_ended_unseen_is_cancelled_and_its_cancel_was_ours() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.ask(Request.KILL)
    desk.unlink()
    desk.link([])
    desk.confirm_gone()
    assert desk.last.status is OrderStatus.CANCELLED
    assert desk.position.state == "closed"


def test_an_order_that_filled_unseen() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.unlink()
    for report in desk.executions_of(order, 1):
        desk.send(report)
    desk.link([])
    assert desk.last.status is OrderStatus.FILLED
    assert desk.position.state == "open"


def test_fills_that_are_owed_are_waited_for_and_then_booked_by_the_brokers_word() -> None:
    """The broker says that it filled and tells no executions (while 1100 lasts, say)."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.unlink()
    desk.link([], [(put(5945), -1), (put(5935), 1)])
    assert desk.position.state == "entering"
    for _ in range(3):
        desk.tick(11)
        desk.send(OrdersListed(desk.now, frozenset()))
    assert not desk.live
    assert desk.position.state == "open"
    assert any("has filled, and not all its executions are reported" in text for text in desk.alarms)


def test_fills_that_are_owed_and_reported_in_time_are_counted_as_they_are() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.unlink()
    desk.link([], [(put(5945), -1), (put(5935), 1)])
    desk.tick(5)
    for report in desk.executions_of(order, 1):
        desk.send(report)
    assert desk.position.state == "open"
    assert not any("nobody listened" in text for text in desk.alarms)


def test_a_fill_reported_after_a_reconnect_opened_its_position_when_it_was_dealt() -> None:
    """A time in trade counted from when the fill was told: an exit came hours late, or not on its day."""
    desk = Desk((text_of(exits='\n  - time_in_trade: {at_least: 2h}\n  - time: "15:45"\n'),))
    order = desk.enter("10:00")
    desk.ack(order)
    desk.unlink()
    dealt = clock("10:00:40")
    desk.now = clock("12:30")
    for at, report in enumerate(reversed(desk.executions_of(order, 1))):
        desk.send(replace(report, executed_at=dealt + timedelta(seconds=1 - at)))
    desk.link([])
    assert (desk.position.state, desk.position.opened_at) == ("open", dealt)
    assert desk.day_of() == replace(desk.state.bots.by_name["spread"].day, opened=1)
    desk.tick(1)
    assert [each.purpose for each in desk.submitted] == [Purpose.ENTRY, Purpose.EXIT]


def test_a_fill_by_a_broker_whose_clock_is_behind_opened_nothing_before_it_was_sent() -> None:
    desk = Desk()
    order = desk.enter("10:00")
    desk.ack(order)
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, executed_at=clock("09:59:30")))
    assert desk.position.opened_at == order.sent_at


WAITS = {
    "entry": '{window: {from: "10:00", to: "14:00"}, per_day: 2, max_open: 1, again: {after: [any], wait: 1h}}',
    "exits": '\n  - time_in_trade: {at_least: 5m}\n  - time: "15:45"\n',
}


def left_unheard(desk: Desk, dealt: str) -> Position:
    """Let the order that closes the position fill in an outage, and hear of it at 12:30; return what it is then."""
    order = desk.last
    desk.ack(order)
    desk.unlink()
    desk.now = clock("12:30")
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, executed_at=clock(dealt)))
    desk.link([])
    return desk.position


def test_a_fill_of_an_exit_reported_after_a_reconnect_closed_its_position_when_it_was_dealt() -> None:
    """It was closed as it was told: what waits after an exit began hours late, and the trade ended twice."""
    desk = Desk((text_of(**WAITS),))
    desk.opened("10:00")
    desk.until("10:10")
    closed = left_unheard(desk, "10:40")
    assert (closed.state, closed.closed_at) == ("closed", clock("10:40"))
    assert desk.state.bots.by_name["spread"].day.last_end_at == clock("10:40")
    assert left_at(desk.state, closed) == clock("10:40")
    desk.tick(1)
    assert [each.purpose for each in desk.submitted] == [Purpose.ENTRY, Purpose.EXIT, Purpose.ENTRY]


def test_after_an_exit_the_wait_for_the_next_entry_continues_over_an_outage() -> None:
    desk = Desk((text_of(**WAITS),))
    desk.opened("10:00")
    desk.until("10:10")
    left_unheard(desk, "11:40")
    desk.until("12:39:59")
    assert len(desk.submitted) == 2
    desk.tick(1)
    assert desk.last.purpose is Purpose.ENTRY


def test_of_two_exits_in_an_outage_the_later_one_counts_in_whatever_order_they_are_reported() -> None:
    """The one told last counted: the bot waited after the earlier one, and entered again too soon."""
    entry = '{window: {from: "10:00", to: "15:30"}, per_day: 3, max_open: 2, again: {after: [any], wait: 1h}}'
    exits = '\n  - time_in_trade: {at_least: 2h}\n    order: market\n  - time: "15:45"\n'
    desk = Desk((text_of(entry=entry, exits=exits),))
    desk.opened("10:00")
    desk.opened("11:00")
    desk.until("12:00")
    first = desk.last
    desk.ack(first)
    desk.until("13:00")
    second = desk.last
    desk.ack(second)
    desk.unlink()
    desk.now = clock("13:30")
    for order, dealt in ((second, "13:20"), (first, "13:10")):
        for report in desk.executions_of(order, 1):
            desk.send(replace(report, executed_at=clock(dealt)))
        desk.report(order, BrokerStatus.FILLED, 1)
    desk.link([])
    assert [each.closed_at for each in desk.state.positions.by_id.values()] == [clock("13:10"), clock("13:20")]
    assert desk.state.bots.by_name["spread"].day.last_end_at == clock("13:20")


def test_an_exit_by_a_broker_whose_clock_is_behind_closed_nothing_before_it_was_sent() -> None:
    desk = Desk((text_of(**WAITS),))
    desk.opened("10:00")
    desk.until("10:10")
    assert left_unheard(desk, "10:09").closed_at == clock("10:10")


def test_when_an_exit_was_dealt_is_known_over_a_start_before_its_end_is_reported() -> None:
    desk = Desk((text_of(**WAITS),))
    desk.opened("10:00")
    desk.until("10:10")
    order = desk.last
    desk.ack(order)
    desk.unlink()
    desk.now = clock("12:30")
    first, second = desk.executions_of(order, 1)
    desk.send(replace(first, executed_at=clock("10:40")))
    desk.now += timedelta(minutes=5)
    booked = dict(desk.state.positions.executions)
    desk.start_again()
    assert dict(desk.state.positions.executions) == booked
    desk.send(replace(second, at=desk.now, executed_at=clock("10:39")))
    desk.link([])
    assert (desk.position.state, desk.position.closed_at) == ("closed", clock("10:40"))


def test_an_exit_that_was_dealt_on_an_earlier_day_is_of_that_day() -> None:
    """TWS may be set to tell the executions of earlier days, too: what it lost counted against today's `daily_loss`."""
    desk = Desk((text_of("seller", **SELLER),))
    desk.opened("10:01")
    stop = next(order for order in desk.live if order.purpose is Purpose.STOP)
    for order in desk.live:
        desk.ack(order)
    desk.unlink()
    desk.now = session_after(desk.day).open + timedelta(hours=1)
    desk.tick()
    report = desk.execution(stop, stop.legs[0], 1, "9.00")
    desk.send(replace(report, executed_at=clock("15:50")))
    desk.report(stop, BrokerStatus.FILLED, 1)
    desk.link([])
    desk.tick(1)
    for order in desk.live:
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.position.state, desk.position.closed_at) == ("closed", clock("15:50"))
    assert desk.state.bots.by_name["seller"].day.realized == 0


def test_nothing_is_sent_while_unlinked() -> None:
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.until("15:46", step=600)
    assert len(desk.submitted) == 1
    desk.link()
    desk.tick(0)
    assert desk.last.purpose is Purpose.EXIT


def test_a_resting_pair_is_adopted() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.unlink()
    desk.link()
    for _ in range(5):
        desk.tick(5)
    assert len(desk.submitted) == 3


# ---------------------------------------------------------------- positions


def test_a_position_that_the_account_does_not_hold_is_put_on_hold_and_never_traded() -> None:
    """Faults 69: closed by hand while we were away; an exit would open the other side."""
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.link([], [])
    assert desk.position.on_hold
    desk.quote(put(5945), 4.0, 4.2, -0.3)
    desk.until("15:50", step=600)
    assert len(desk.submitted) == 1
    assert any("closed by hand" in text for text in desk.alarms)


def test_it_continues_when_the_account_has_it_again() -> None:
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.link([], [])
    desk.unlink()
    desk.link([], [(put(5945), -1), (put(5935), 1)])
    assert not desk.position.on_hold
    again = f"the account holds {put(5945)}, {put(5935)} again: the exits of {desk.position.id} continue"
    assert desk.alarms[-1] == again
    desk.until("15:45")
    assert desk.last.purpose is Purpose.EXIT


def test_a_position_that_is_put_on_hold_again_is_reported_again() -> None:
    """A person was told that nothing is sent for it, exits went on, and the second time nobody heard of it."""
    desk = Desk()
    desk.opened()
    for count in (1, 2):
        desk.unlink()
        desk.link([], [])
        assert len([text for text in desk.alarms if "closed by hand?" in text]) == count
        desk.unlink()
        desk.link([], [(put(5945), -1), (put(5935), 1)])


def test_a_position_on_hold_is_shown_as_that() -> None:
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.link([], [])
    said = exits_text(desk.program, desk.state, desk.position, desk.now.timestamp())
    assert said.startswith("on hold in part: the account holds less ")


def test_closed_by_hand_while_we_watch_is_put_on_hold_after_a_while() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.holds(desk.position.legs[0].option, 0)
    desk.tick(20)
    assert not desk.position.on_hold
    desk.tick(10)
    assert desk.position.on_hold
    assert {order.status for order in desk.live} == {OrderStatus.CANCELLING}


def test_what_was_closed_by_hand_stays_on_hold_when_it_expires_and_ends_as_that() -> None:
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    desk.opened()
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    desk.tick(31)
    assert desk.position.on_hold
    desk.until("16:00:30")
    assert desk.position.on_hold, "that nothing is told of an expired option is no sign that it is there again"
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "closed_by_hand_estimated")


def test_an_exit_waits_while_the_account_holds_less() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:44:50")
    desk.holds(put(5945), 0)
    desk.tick(10)
    assert desk.position.state == "exiting"
    assert len(desk.submitted) == 1
    desk.holds(put(5945), -1)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT


def test_no_further_try_of_an_entry_is_sent_for_a_position_on_hold() -> None:
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 45s, then: cancel}"
    desk = Desk((text_of(order=order, quantity="3", risk="{max_loss_per_trade: $20000}"),))
    desk.fill(desk.enter(), 1)
    desk.tick(10)
    desk.cancelled(desk.last, 1)
    for contract in desk.books():
        desk.holds(contract, 0)
    for _ in range(6):
        desk.tick(10)
    assert f"nothing is left of {desk.position.id} to close" in desk.position.on_hold
    assert len(desk.submitted) == 1
    assert (desk.position.state, desk.position.structures) == ("open", 1)


@pytest.mark.parametrize(
    ("away", "ended"),
    [
        (timedelta(minutes=10), ""),
        (timedelta(hours=3), "its window is over"),
        (timedelta(days=1), "the session is over"),
    ],
)
def test_a_try_that_nobody_was_there_to_send_is_sent_within_its_window_alone(away: timedelta, ended: str) -> None:
    """It was sent hours later, and on the next day, for which it did not count."""
    sections = {**SELLER, "entry": '{window: {from: "10:00", to: "11:00"}, max_open: 5}'}
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s, then: cancel}"
    desk = Desk((text_of("seller", **{**sections, "order": order}),))
    desk.ack(desk.enter())
    desk.tick(10)
    desk.cancelled(desk.last)
    name = desk.position.id
    desk.now += away
    desk.freshen()
    desk.start_again()
    desk.link()
    desk.tick(1)
    sent = [order.attempt for order in desk.submitted if order.position == name]
    unfilled = [record.data["reason"] for record in desk.said(Kind.DECISION, "unfilled")]
    assert (sent, unfilled) == (([1], [ended]) if ended else ([1, 2], []))


def test_an_entry_that_worked_while_nobody_was_there_is_cancelled_after_its_window() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.now += timedelta(hours=3)
    desk.freshen()
    desk.start_again()
    desk.link()
    desk.tick(1)
    assert not desk.replaced
    assert [(each.ref, each.message) for each in desk.cancels] == [(order.ref, "its window is over")]


def test_a_fill_that_the_account_never_shows_is_put_on_hold() -> None:
    """Somebody was quicker than the list of positions: it tells neither what came nor that it went."""
    desk = Desk(is_shown=False)
    desk.opened()
    desk.settle(60)
    assert desk.position.on_hold
    assert any("closed by hand" in text for text in desk.alarms)


def test_what_rests_does_not_wait_for_the_account_when_an_entry_has_just_filled() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00", is_shown=False)
    desk.opened("10:01")
    assert [order.purpose for order in desk.live] == [Purpose.TARGET, Purpose.STOP]


@pytest.mark.parametrize(
    "text",
    [text_of("seller", **SELLER), text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}")],
    ids=["pair", "protective stop"],
)
def test_nothing_rests_for_a_late_fill_until_the_account_shows_it(text: str) -> None:
    desk = Desk((text,), at="09:59", is_shown=False)
    entry = desk.enter("10:00" if "protect" in text else "10:01")
    desk.ack(entry)
    desk.cancelled(entry)
    assert desk.position.state == "closed"
    for report in desk.executions_of(entry, 1):
        desk.send(report)
    for _ in range(5):
        desk.tick(1)
    assert desk.position.state == "open"
    assert len(desk.submitted) == 1
    for contract, count in desk.books().items():
        desk.holds(contract, count)
    desk.tick(1)
    assert {order.purpose for order in desk.live} <= {Purpose.TARGET, Purpose.STOP, Purpose.PROTECT}
    assert desk.live


def test_a_late_leg_without_its_partners_is_not_closed_when_the_account_does_not_hold_it() -> None:
    ladder = "{leg_by_leg: [long_put, short_put], start: natural, wait: 30s, tries: 2, then: unwind}"
    desk = Desk((text_of(order=ladder),), is_shown=False)
    entry = desk.enter()
    desk.ack(entry)
    desk.cancelled(entry)
    assert desk.position.state == "closed"
    for report in desk.executions_of(entry, 1):
        desk.send(report)
    for _ in range(40):
        desk.tick(1)
    assert desk.position.exit_reason == "unwind"
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY]
    assert desk.position.on_hold


def test_a_position_reported_before_its_fill_is_no_doubt() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.holds(put(5945), 0)
    desk.holds(put(5935), 0)
    desk.tick(5)
    desk.fill(order)
    desk.tick(60)
    assert desk.position.state == "closed"
    assert not desk.alarms


def test_more_than_ours_is_said_and_left_alone() -> None:
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.link([], [(put(5945), -5), (put(5935), 5)])
    assert not desk.position.on_hold
    assert [text.split(" that ")[0] for text in desk.alarms] == [
        "the account holds +4 SPXW 2026-11-18 5935P, -4 SPXW 2026-11-18 5945P"
    ]
    desk.until("15:45")
    assert desk.last.quantity == 1


@pytest.mark.parametrize(("close", "reason"), [(6000.0, "expired_worthless"), (5940.0, "settled")])
def test_what_expired_while_we_were_away_settles_at_that_days_close(close: float, reason: str) -> None:
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    desk.opened()
    desk.unlink()
    desk.now = session_after(desk.day).open + timedelta(minutes=10)
    desk.level("SPX", 6100.0)
    desk.board.previous_close[desk.board.rows[Underlying("SPX")]] = close
    desk.tick(0)
    desk.link([], [])
    desk.tick(0)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", reason)


def back_after_two_days(desk: Desk, held: Position) -> list[Session]:
    """Be away from now on, and come back on the second session after this one; return those three sessions."""
    desk.state = desk.state._replace(
        positions=replace(desk.state.positions, by_id={held.id: held}),
        account=replace(desk.state.account, holdings={}),
    )
    desk.unlink()
    days = [session_on(day) for day in (desk.day, date(2026, 11, 19), date(2026, 11, 20))]
    desk.now = days[-1].open + timedelta(minutes=40)
    desk.level("SPX", 6100.0)
    desk.tick(0)
    desk.link([], [])
    desk.tick(0)
    return days


@pytest.mark.parametrize(
    ("trading_class", "reason", "net"), [("SPXW", "settled", -500), ("SPX", "expired_worthless", 0)]
)
def test_what_expired_days_ago_settles_by_the_daily_bars(trading_class: str, reason: str, net: int) -> None:
    """It was booked never: its level was looked for on the board alone, which has one day."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    position = desk.opened()
    legs = tuple(
        replace(leg, option=replace(leg.option, trading_class=trading_class), entry_cash=Decimal(0))
        for leg in position.legs
    )
    days = back_after_two_days(desk, replace(position, legs=legs))
    assert desk.position.state == "open"
    assert not [text for text in desk.alarms if "settlement level" in text], "it is asked for"
    bars = tuple(Bar(day.open.timestamp(), 6000.0, 6000.0, 5900.0, 5940.0, 0.0, 0.0) for day in days[:-1])
    desk.send(BarsReport(desk.now, "SPX", 86400, Bars(desk.now.timestamp(), bars)))
    desk.tick(60)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", reason)
    assert desk.position.cash == net


def test_a_daily_bar_without_an_open_settles_nothing_at_it() -> None:
    """A broker tells none as -1, and at that level every put was worth its strike."""
    desk = Desk((text_of(exits="\n  - at_expiry: settle\n"),))
    position = desk.opened()
    legs = tuple(replace(leg, option=replace(leg.option, trading_class="SPX")) for leg in position.legs)
    days = back_after_two_days(desk, replace(position, legs=legs))
    bars = tuple(Bar(day.open.timestamp(), -1.0, 6000.0, 5900.0, 5940.0, 0.0, 0.0) for day in days[:-1])
    desk.send(BarsReport(desk.now, "SPX", 86400, Bars(desk.now.timestamp(), bars)))
    desk.tick(60)
    assert desk.position.state == "open"
    assert [text for text in desk.alarms if "settlement level" in text]


# ---------------------------------------------------------------- people


def test_pause_and_resume() -> None:
    desk = Desk()
    desk.ask(Request.PAUSE, "spread")
    desk.until("10:05")
    assert not desk.submitted
    desk.ask(Request.RESUME, "spread")
    desk.tick(15)
    assert len(desk.submitted) == 1


def test_kill_takes_entries_back_and_lets_exits_continue() -> None:
    desk = Desk()
    desk.opened()
    desk.ask(Request.KILL)
    desk.until("15:45")
    assert desk.state.requests.operator.trading is TradingMode.REDUCING
    assert desk.last.purpose is Purpose.EXIT


def test_kill_of_one_bot_leaves_the_others() -> None:
    desk = Desk((text_of("one"), text_of("two")))
    desk.ask(Request.KILL, "one")
    desk.until("10:00")
    assert [order.bot for order in desk.submitted] == ["two"]
    desk.ask(Request.RESUME, "one")
    desk.tick(15)
    assert [order.bot for order in desk.submitted] == ["two", "one"]


def test_a_kill_of_one_bot_takes_no_entry_of_another_back() -> None:
    desk = Desk((text_of("one"), text_of("two")))
    desk.until("10:00")
    desk.ask(Request.KILL, "one")
    assert [order.bot for order in desk.cancels] == ["one"]


@pytest.mark.parametrize("bot", ["", "spread"])
@pytest.mark.parametrize("asked", [Request.KILL, Request.PAUSE])
def test_after_a_kill_no_further_try_is_sent(asked: Request, bot: str) -> None:
    """Invariant 10: in the pause between two tries nothing works that could be cancelled."""
    desk = Desk((text_of(order="{start: mid, wait: 10s, tries: 3, pause: 1m, then: cancel}"),))
    desk.ack(desk.enter())
    desk.tick(10)
    desk.cancelled(desk.last)
    desk.ask(asked, bot)
    desk.tick(60)
    assert len(desk.submitted) == 1
    assert desk.position.state == "closed"


def test_the_operator_ends_a_halt() -> None:
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.level("VIX", 31.0)
    desk.until("10:00")
    desk.level("VIX", 16.0)
    desk.ask(Request.RESUME)
    desk.tick(15)
    assert len(desk.submitted) == 1


def test_stop_takes_entries_back() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.ask(Request.STOP)
    assert desk.last.status is OrderStatus.CANCELLING
    assert desk.state.requests.is_stopping


def test_each_request_acts_once() -> None:
    desk = Desk()
    desk.ask(Request.PAUSE, identity="same")
    desk.ask(Request.RESUME, identity="other")
    desk.ask(Request.PAUSE, identity="same")
    assert not desk.state.requests.operator.paused
    assert len(desk.said(Kind.OPERATOR)) == 2


@pytest.mark.parametrize(("gone_at", "goes_on"), [("23:50", True), ("15:58", False)])
def test_what_a_list_of_the_nightly_reset_lacks_is_no_trade_of_a_person(gone_at: str, goes_on: bool) -> None:
    """The broker resets itself for an hour. What was gone while a session was on, and is there at night, waits."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for at, positions in ((gone_at, []), ("23:58", [(desk.position.legs[0].option, -1)])):
        desk.now = clock(at)
        desk.unlink()
        desk.link(positions=positions)
        assert desk.position.on_hold or positions
    assert (desk.position.on_hold == "") is goes_on


# ---------------------------------------------------------------- days


def test_a_new_day_resets_caps_and_keeps_positions() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.until("15:59")
    first = desk.position
    desk.next_morning()
    day = desk.state.bots.by_name["seller"].day
    assert (day.entries, day.opened, day.last_end) == (0, 0, "")
    assert first.id in desk.state.positions.by_id
    assert desk.state.positions.pnl_at_open[first.id] == desk.state.positions.marks[first.id]
    desk.until("10:01")
    assert desk.state.positions.by_id[first.id].resting_orders_withdrawn, (
        "yesterday's pair steps aside for today's sale"
    )
    for order in desk.live:
        desk.cancelled(order)
    desk.settle(1.0)
    assert desk.last.purpose is Purpose.ENTRY
    assert desk.last.position != first.id


def test_closes_and_volatilities_of_the_day_before_are_not_known_on_a_new_day() -> None:
    desk = Desk(at="15:00")
    desk.send(ClosesReport(desk.now, "SPX", (6000.0, 6010.0)))
    desk.send(ImpliedReport(desk.now, "SPX", (0.2, 0.3)))
    desk.tick(1)
    assert (desk.state.market.facts.closes, desk.state.market.facts.implied) == (
        {"SPX": (6000.0, 6010.0)},
        {"SPX": (0.2, 0.3)},
    )
    desk.next_morning()
    assert (desk.state.market.facts.closes, desk.state.market.facts.implied) == ({}, {})


@pytest.mark.parametrize(("made", "halts"), [(4.5, False), (5.1, True)])
def test_the_days_loss_counts_from_the_nights_mark(made: float, halts: bool) -> None:
    desk = Desk((text_of("seller", **{**SELLER, "risk": "{undefined_risk: allow, daily_loss: $150}"}),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    option = desk.position.legs[0].option
    desk.quote(option, 3.40, 3.50, -0.15)
    desk.until("15:59", step=60)
    desk.next_morning()
    desk.quote(option, made, made + 0.1, -0.15)
    desk.until("10:01")
    assert bool(desk.state.bots.by_name["seller"].day.halted) is halts


def test_a_position_that_ends_a_day_later_with_a_live_order_is_not_forgotten() -> None:
    """A cancel that is answered in the morning for a position that closed yesterday."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    target, stop = desk.submitted[-2:]
    desk.ack(target)
    desk.ack(stop)
    desk.fill(target)
    name = desk.position.id
    desk.next_morning()
    desk.cancelled(desk.order(stop.ref))
    assert desk.state.positions.by_id[name].state == "closed"


def test_realized_counts_a_position_once_whatever_comes_later() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order)
    for report in desk.executions_of(order, 1):
        desk.send(report)
    desk.until("15:45")
    closing = desk.last
    reports = desk.executions_of(closing, 1)
    desk.ack(closing)
    for report in reports:
        desk.send(report)
    desk.report(closing, BrokerStatus.FILLED, 1)
    assert desk.state.bots.by_name["spread"].day.realized == desk.position.net
    desk.commission(reports[0], "1.50")
    assert desk.state.bots.by_name["spread"].day.realized == desk.position.net == Decimal("-1.50")
    desk.send(replace(reports[0], exec_id=reports[0].exec_id.next, price=Decimal("2.00")))
    assert desk.state.bots.by_name["spread"].day.realized == desk.position.net


def test_a_quiet_market_costs_nothing() -> None:
    desk = Desk()
    desk.tick(1)
    before = desk.state
    result = desk.send(MarketDataUpdated(desk.now + timedelta(milliseconds=1), ()))
    assert result.state is before
    assert not any(isinstance(command, Submit) for command in result.commands)


# ---------------------------------------------------------------- nights, and time without a broker


def test_35_nothing_is_sent_during_the_nightly_restarts() -> None:
    """The pair that was lost in the evening is put back when they are over, before the next session."""
    desk = Desk((text_of("seller", **SELLER),))
    desk.opened("10:01")
    pair = desk.live
    for order in pair:
        desk.ack(order)
    desk.until("23:20")
    sent = len(desk.submitted)
    desk.unlink()
    desk.link([])
    for order in pair:
        desk.cancelled(order)
    desk.settle(3600, limit=60)  # it is asked every 55 s until midnight what became of the pair
    assert len(desk.submitted) == sent
    desk.settle(160 * 60 + 1)
    assert len(desk.submitted) == sent + 2
    assert clock("03:00", session_after(desk.day).date) == desk.submitted[-1].prepared_at
    assert not desk.position.resting_orders_withdrawn


@pytest.mark.parametrize(
    ("at", "over"),
    [("22:59", ""), ("23:00", "03:00"), ("02:59", "03:00"), ("03:00", ""), ("10:00", "")],
)
def test_35_the_span_of_the_restarts(at: str, over: str) -> None:
    found = restarts_over(clock(at))
    if not over:
        assert found is None
        return
    assert found is not None
    assert found.astimezone(EXCHANGE_ZONE).strftime("%H:%M") == over
    assert found > clock(at)


def test_36_the_minutes_that_nobody_watched_are_counted() -> None:
    desk = Desk()
    desk.opened()
    desk.unlink()
    desk.now += timedelta(minutes=83)
    desk.unlink()
    desk.link()
    assert desk.alarms == ["connected again: an open position was not watched for 83 min of the session"]
    desk.link()
    assert len(desk.alarms) == 1


def test_36_a_night_without_a_connection_is_no_alarm() -> None:
    desk = Desk((text_of("seller", **SELLER),))
    desk.opened("10:01")
    for order in desk.live:
        desk.ack(order)
    desk.until("16:01")
    desk.unlink()
    desk.now += timedelta(hours=8)
    desk.link()
    assert not desk.alarms


def test_an_entry_at_work_is_cancelled_at_the_connection_of_an_engine_that_was_killed_meanwhile() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    data: dict[str, Json] = {"id": "k1", "request": Request.KILL.value, "bot": ""}
    desk.records.append(Record(desk.now, Kind.OPERATOR, data=data))
    desk.start_again()
    assert not desk.cancels
    desk.link()
    assert [each.ref for each in desk.cancels] == [order.ref]


@pytest.mark.parametrize(("reported", "is_above"), [(700, True), (-3, False), (1_700_000_000, False)])
def test_ids_are_above_those_that_are_reported_of_other_programs_orders(reported: int, is_above: bool) -> None:
    """After an order that others had placed in the run each exit was refused as a duplicate (103)."""
    desk = Desk()
    desk.opened()
    before = desk.last.order_id
    theirs = replace(order_report(desk.last, desk.now, BrokerStatus.WORKING), ref="", order_id=reported, perm_id=1)
    desk.send(replace(theirs, client_id=9))
    desk.until("15:45")
    assert desk.last.purpose is Purpose.EXIT
    assert desk.last.order_id == (reported if is_above else before) + 1
