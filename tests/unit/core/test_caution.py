"""Exits that come to nothing again and again, prices that look wrong, and a daily loss that cannot be seen."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import nan

import pytest
from hand_desk import CONDOR, SELLER, Desk, call, put, text_of

from rulebot.compile.build import build_plan
from rulebot.core.program import AccountLimits
from rulebot.model.event import AccountWarning, BrokerStatus, ClockSkew, ExecutionReport, Request
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.session import session_after
from rulebot.record.record import Kind
from rulebot.spec.load import load_text

CALLS = """
  expiry: {dte: 0}
  short_call: {sell: call, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""


def exiting() -> Desk:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    return desk


def bust(desk: Desk, order: Order) -> None:
    """Fill a closing order, and have the exchange take every fill of it back."""
    desk.ack(order)
    reports = desk.executions_of(order, 1)
    for report in reports:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, 1)
    for report in reports:
        desk.send(replace(report, exec_id=report.exec_id.next, quantity=Decimal(0)))
    desk.tick(1)


def test_the_third_bust_of_an_exit_stops_it_until_a_person_says_so() -> None:
    desk = exiting()
    for _ in range(3):
        assert not desk.position.on_hold
        bust(desk, desk.last)
    sent = len(desk.submitted)
    assert "took a closing fill back, the 3rd time today" in desk.position.on_hold
    assert any("A person must look" in text for text in desk.alarms)
    desk.until("15:50", step=10)
    assert len(desk.submitted) == sent
    for order in desk.live:
        desk.cancelled(order)
    desk.link()
    desk.tick(60)
    desk.ask(Request.RESUME, "another")
    assert desk.position.on_hold
    desk.ask(Request.RESUME)
    desk.tick(1)
    assert not desk.position.on_hold
    assert len(desk.submitted) == sent + 1
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_an_exit_that_a_person_cancels_again_and_again_is_not_fought() -> None:
    desk = exiting()
    worked_and_cancelled(desk, 3)
    sent = len(desk.submitted)
    assert "cancelled, and not by us, the 3rd time today" in desk.position.on_hold
    desk.until("15:55", step=10)
    assert len(desk.submitted) == sent == 4


def test_an_exit_that_the_broker_cancels_for_a_reason_of_its_own_is_sent_again_and_not_given_up() -> None:
    """After the third one nothing was sent any more, as if a person had cancelled them."""
    desk = exiting()
    for number in range(1, 6):
        desk.ack(desk.last)
        desk.cancelled(desk.last)
        desk.message(desk.last, 202, "Order Canceled - reason:Order has expired")
        desk.tick(1)
        desk.settle(10 * 2 ** (number - 1) + 1)
        assert len(desk.submitted) == 2 + number
    assert not desk.position.on_hold
    assert any("refused 3 closing orders" in text for text in desk.alarms)
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_so_is_one_of_which_the_broker_says_later_why_he_has_cancelled_it() -> None:
    """It had been taken for somebody's cancel by then, and stayed so."""
    desk = exiting()
    for number in range(1, 4):
        desk.ack(desk.last)
        desk.cancelled(desk.last)
        desk.tick(2)
        for _ in range(2):
            desk.message(desk.last, 202, "Order Canceled - reason:Order has expired")
        assert (desk.position.failed_close_attempts, desk.position.on_hold) == (0, "")
        desk.settle(10 * 2 ** (number - 1) + 1)
        assert len(desk.submitted) == 2 + number


def test_nor_is_one_given_up_of_which_a_part_had_filled_each_time() -> None:
    """It was taken for somebody's cancel, and the third one left the rest open."""
    exits = '\n  - time: "15:30"\n    order: {start: mid, step: 0.05, wait: 10s, tries: 3, then: market}\n'
    desk = Desk((text_of(quantity="5", risk="{max_loss_per_trade: $9000}", exits=exits),))
    desk.opened()
    desk.until("15:30")
    for left in (4, 3, 2, 1):
        desk.fill(desk.last, 1)
        desk.cancelled(desk.last, 1)
        desk.message(desk.last, 202, "Order Canceled - reason:Order has expired")
        desk.tick(1)
        desk.settle(10)
        assert (desk.last.status, desk.last.quantity) == (OrderStatus.SENDING, left)
    assert not desk.position.on_hold
    assert not any("on end" in text for text in desk.alarms)
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_a_position_that_is_held_back_gets_its_stops_back_until_a_person_says_so() -> None:
    """Its exit had taken them back, and nothing was at the broker any more."""
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),))
    desk.opened()
    desk.tick(1)
    (stop,) = (order for order in desk.live if order.purpose is Purpose.PROTECT)
    desk.ack(stop)
    desk.until("15:45")
    desk.cancelled(stop)
    desk.tick(1)
    worked_and_cancelled(desk, 3)
    assert "the 3rd time today" in desk.position.on_hold
    (again,) = desk.live
    assert (again.purpose, again.legs) == (Purpose.PROTECT, stop.legs)
    desk.ack(again)
    desk.ask(Request.RESUME)
    desk.tick(1)
    desk.cancelled(again)
    desk.tick(1)
    assert [order.purpose for order in desk.live] == [Purpose.EXIT]


def test_an_exit_of_one_side_that_is_held_back_leaves_the_stop_of_the_other_alone() -> None:
    exits = '\n  - name: side\n    time: "15:30"\n    close: put_side\n  - time: "15:55"\n'
    risk = "{max_loss_per_trade: $2000, protect: {cost: 4x credit, of: each_short}}"
    desk = Desk((text_of(legs=CONDOR, risk=risk, exits=exits),))
    desk.opened()
    desk.tick(1)
    stops = {order.legs[0].name: order for order in desk.live if order.purpose is Purpose.PROTECT}
    for order in stops.values():
        desk.ack(order)
    desk.until("15:30")
    desk.cancelled(stops["short_put"])
    desk.tick(1)
    worked_and_cancelled(desk, 3)
    assert "the 3rd time today" in desk.position.on_hold
    assert stops["short_call"].ref not in {order.ref for order in desk.cancels}
    assert sorted(order.legs[0].name for order in desk.live) == ["short_call", "short_put"]


def test_no_market_order_is_sent_into_a_halt() -> None:
    """faults.md row 66: it is dealt at whatever price trading begins with."""
    desk = Desk()
    desk.opened()
    rows = {desk.board.rows[leg.option] for leg in desk.position.legs}
    desk.board.halted |= rows
    sent = len(desk.submitted)
    desk.until("15:47", step=10)
    assert desk.position.state == "exiting"
    assert len(desk.submitted) == sent
    assert "trading is halted in SPX: no market order is sent, 'time' waits" in desk.alarms
    desk.board.halted.clear()
    desk.tick(15)
    assert desk.is_market(desk.last)


def test_a_ladder_that_would_have_ended_at_market_in_a_halt_begins_again_after_it() -> None:
    order = "{start: mid, step: 0.05, wait: 10s, tries: 3, then: market}"
    desk = Desk((text_of(exits=f'\n  - time: "15:45"\n    order: {order}\n'),))
    desk.opened()
    options = [leg.option for leg in desk.position.legs]
    desk.board.halted |= {desk.board.rows[option] for option in options}
    desk.until("15:44", step=60)
    desk.without_data(*options)
    sent = len(desk.submitted)
    desk.until("15:50", step=10)
    assert len(desk.submitted) == sent
    desk.board.halted.clear()
    for option in options:
        desk.quote(option, 1.00, 1.10)
    desk.tick(1)
    assert len(desk.submitted) == sent + 1
    assert not desk.is_market(desk.last)


def test_an_exit_that_is_refused_as_cancelled_is_sent_again_and_not_given_up() -> None:
    """The third time it was put on hold, as if somebody had cancelled it: nobody closed the position any more."""
    desk = exiting()
    for number in range(1, 6):
        desk.cancelled(desk.last)
        desk.message(desk.last, 201, "Order rejected - reason:no")
        assert desk.last.status is OrderStatus.REJECTED
        desk.settle(10 * 2 ** (number - 1) + 1)
        assert len(desk.submitted) == 2 + number
    assert not desk.position.on_hold
    assert not any("not by us" in text for text in desk.alarms)


def test_a_worked_exit_that_is_called_cancelled_and_then_refused_is_not_counted_as_cancelled_by_a_person() -> None:
    desk = exiting()
    for number in range(1, 5):
        desk.ack(desk.last)
        desk.cancelled(desk.last)
        desk.tick(1)
        desk.message(desk.last, 201, "Order rejected - reason:margin")
        assert not desk.position.on_hold
        assert desk.position.failed_close_attempts == 0
        desk.settle(31)
        assert len(desk.submitted) == 2 + number
    said = "was not cancelled by another client: the broker rejected it: Order rejected - reason:margin"
    assert sum(said in text for text in desk.alarms) == 4


def test_what_is_said_late_of_a_protective_stop_makes_no_exit_less_cancelled() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"),))
    desk.opened()
    desk.tick(0)
    guard = desk.last
    assert guard.purpose is Purpose.PROTECT
    desk.ack(guard)
    desk.until("15:44:59")
    desk.cancelled(guard)
    desk.until("15:45")
    desk.tick(1)
    for order in [each for each in desk.live if each.purpose is Purpose.PROTECT]:
        desk.cancelled(order)
    desk.tick(0)
    worked_and_cancelled(desk, 1)
    assert desk.position.failed_close_attempts == 1
    desk.message(guard, 201, "Order rejected - reason:margin")
    assert any("was not cancelled by another client" in text for text in desk.alarms)
    assert desk.position.failed_close_attempts == 1


@pytest.mark.parametrize(
    ("code", "text", "said"),
    [
        (201, "Order rejected - reason:", "the broker refused a closing order: 201"),
        (202, "Order Canceled - reason:", "cancelled, and not by us"),
        (202, "Order Canceled - reason:Cancelled by Trader", "cancelled, and not by us"),
        (
            202,
            "Order Canceled - reason:No market",
            "the broker cancelled a closing order: it is sent again (202 Order Canceled - reason:No market)",
        ),
    ],
)
def test_what_comes_within_a_second_of_the_end_of_a_worked_exit_is_reported_in_one_alarm(
    code: int, text: str, said: str
) -> None:
    """It was told as cancelled by somebody, and then, in a second alarm, as refused."""
    desk = exiting()
    desk.ack(desk.last)
    desk.cancelled(desk.last)
    assert not desk.alarms
    desk.message(desk.last, code, text)
    desk.tick(1)
    assert len(desk.alarms) == 1
    assert said in desk.alarms[0]
    assert desk.position.failed_close_attempts == ("not by us" in said)


def worked_and_cancelled(desk: Desk, times: int) -> Order:
    """Let closing orders work, be called cancelled and be sent again; return the last one that was cancelled."""
    for _ in range(times):
        last = desk.last
        desk.ack(last)
        desk.cancelled(last)
        desk.tick(1)
        desk.tick(10)
    return last


def test_a_third_one_that_was_refused_after_all_ends_the_hold_that_it_made() -> None:
    desk = exiting()
    last = worked_and_cancelled(desk, 3)
    assert "the 3rd time today" in desk.position.on_hold
    sent = len(desk.submitted)
    desk.message(last, 201, "Order rejected - reason:margin")
    assert (desk.position.on_hold, desk.position.failed_close_attempts) == ("", 2)
    desk.settle(31)
    assert len(desk.submitted) >= sent


def test_a_refusal_that_is_reported_twice_takes_one_setback_back() -> None:
    desk = exiting()
    last = worked_and_cancelled(desk, 2)
    assert desk.position.failed_close_attempts == 2
    for _ in range(2):
        desk.message(last, 201, "Order rejected - reason:margin")
    assert desk.position.failed_close_attempts == 1


def test_a_refused_exit_is_sent_again_after_longer_and_longer_waits() -> None:
    desk = exiting()
    waits = []
    for _ in range(7):
        at, sent = desk.now, len(desk.submitted)
        desk.refuse(desk.last)
        while len(desk.submitted) == sent:
            desk.tick(5)
        waits.append((desk.now - at) // timedelta(seconds=1))
    assert waits[:5] == [10, 20, 40, 80, 160]
    assert not desk.position.on_hold
    assert any("refused 3 closing orders" in text for text in desk.alarms)


def test_an_exit_far_from_the_mid_is_sent_and_said() -> None:
    desk = Desk()
    desk.opened()
    short, long = (leg.option for leg in sorted(desk.position.legs, key=lambda leg: leg.sign))
    desk.quote(short, 0.10, 9.90)
    desk.quote(long, 0.05, 9.80)
    desk.until("15:45")
    assert desk.is_market(desk.last)
    assert any("further from the mid than price_band" in text for text in desk.alarms)


def test_an_exit_at_the_usual_width_says_nothing() -> None:
    assert not exiting().alarms


def test_a_short_leg_that_nobody_bids_for_is_bought_back_without_a_word() -> None:
    """Its mid is half of its ask: 0.05 is no further from it than the usual band allows."""
    desk = Desk()
    desk.opened()
    for leg in desk.position.legs:
        desk.quote(leg.option, nan, 0.05)
    desk.until("15:45")
    assert desk.position.state == "exiting"
    assert not desk.alarms


# ---------------------------------------------------------------- the day's loss


def test_a_position_without_quotes_is_reported_when_the_daily_loss_counts() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, daily_loss: $500}"),))
    desk.opened()
    desk.without_data(*(leg.option for leg in desk.position.legs))
    desk.tick(20)
    assert not [text for text in desk.alarms if "daily_loss" in text]
    desk.tick(30)
    assert any("daily_loss counts what spread-20261118-1 was last known" in text for text in desk.alarms)


def test_nothing_is_entered_while_the_days_loss_is_unknown() -> None:
    later = text_of("later", legs=CALLS, entry='{at: "10:05"}')
    desk = Desk((text_of(), later), limits=AccountLimits(daily_loss=Decimal(5000)))
    desk.opened()
    held = [leg.option for leg in desk.position.legs]
    desk.without_data(*held)
    desk.until("10:05")
    reasons = [str(record.data["reason"]) for record in desk.said(Kind.DECISION, "skip")]
    assert reasons == ["the day's loss is unknown (daily_loss): no sound quote for spread-20261118-1"]
    for option in held:
        desk.quote(option, 0.50, 0.60)
    desk.tick(15)
    assert desk.last.bot == "later"


def test_an_opening_fill_that_is_cancelled_after_the_close_is_left_to_a_person() -> None:
    """More is closed than was opened then: the books say so, nothing is sent, and no alarm says that it is closed."""
    desk = exiting()
    opened = next(event for event in desk.events if isinstance(event, ExecutionReport))
    desk.fill(desk.last)
    sent = len(desk.submitted)
    desk.send(replace(opened, exec_id=opened.exec_id.next, quantity=Decimal(0)))
    desk.tick(10)
    assert len(desk.submitted) == sent
    reported = "the exchange busted a fill, and a leg is open without its partner"
    assert f"{reported}: nothing is sent for it, a person must look" in desk.alarms


def test_an_entry_at_work_is_cancelled_when_another_bot_has_lost_what_the_account_may() -> None:
    """faults.md row 94."""
    later = text_of("later", legs=CALLS, entry='{at: "10:05"}')
    desk = Desk((text_of(exits='\n  - time: "15:45"\n'), later), limits=AccountLimits(daily_loss=Decimal(100)))
    desk.opened()
    short, long = (leg.option for leg in desk.position.legs)
    desk.until("10:05")
    desk.ack(desk.last)
    assert (desk.last.bot, desk.last.status) == ("later", OrderStatus.WORKING)
    desk.quote(short, 3.65, 3.75, -0.2)
    desk.quote(long, 1.55, 1.65, -0.07)
    desk.tick(1)
    assert desk.last.status is OrderStatus.CANCELLING
    assert desk.last.message.startswith("the account's loss today is $1")


def test_what_the_account_may_lose_in_a_day_ends_the_day_of_all_bots_also_if_it_is_gained_again() -> None:
    later = text_of("later", legs=CALLS, entry='{at: "10:05"}')
    desk = Desk((text_of(exits='\n  - time: "15:45"\n'), later), limits=AccountLimits(daily_loss=Decimal(100)))
    desk.opened()
    short, long = (leg.option for leg in desk.position.legs)
    quotes = [
        (option, desk.board.bid[desk.board.rows[option]], desk.board.ask[desk.board.rows[option]])
        for option in (short, long)
    ]
    desk.quote(short, 3.65, 3.75, -0.2)
    desk.quote(long, 1.55, 1.65, -0.07)
    desk.tick(1)
    halts = desk.said(Kind.DECISION, "halt")
    assert {record.bot for record in halts} == {"spread", "later"}
    assert all(str(record.data["reason"]).startswith("the account's loss today is $1") for record in halts)
    for option, bid, ask in quotes:
        desk.quote(option, bid, ask)
    desk.until("10:07")
    assert desk.last.bot == "spread"
    assert len(desk.said(Kind.DECISION, "halt")) == 2
    assert desk.position.state == "open"


@pytest.mark.parametrize("is_resumed", [False, True])
def test_a_bot_that_is_added_after_the_account_has_lost_its_limit_enters_as_little_as_others(is_resumed: bool) -> None:
    texts = (text_of(exits='\n  - time: "15:45"\n'), text_of("later", legs=CALLS, entry='{at: "10:05"}'))
    limits = AccountLimits(daily_loss=Decimal(100))
    desk = Desk(texts[:1], limits=limits)
    desk.opened()
    short, long = (leg.option for leg in desk.position.legs)
    desk.quote(short, 3.65, 3.75, -0.2)
    desk.quote(long, 1.55, 1.65, -0.07)
    desk.tick(1)
    desk.quote(short, 1.65, 1.75, -0.2)
    desk.tick(1)
    if is_resumed:
        desk.ask(Request.RESUME)
    desk.program = Desk(texts, limits=limits).program
    desk.start_again()
    desk.link()
    desk.until("10:07", step=5)
    assert desk.last.bot == ("later" if is_resumed else "spread")


def test_an_account_that_lost_its_limit_in_a_pause_gets_no_further_try() -> None:
    patient = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s, then: cancel}"
    later = text_of("later", entry='{at: "10:05"}', order=patient, legs=CALLS)
    desk = Desk((text_of(exits='\n  - time: "15:45"\n'), later), limits=AccountLimits(daily_loss=Decimal(100)))
    desk.opened()
    first = desk.enter("10:05")
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    for _ in range(5):
        desk.quote(put(5945), 6.0, 6.1, -0.30)
        desk.tick(10)
    assert desk.last.ref == first.ref
    assert desk.position.exit_reason == "unfilled"
    reason = str(desk.said(Kind.DECISION, "unfilled")[-1].data["reason"])
    assert reason.startswith("halted: the account's loss today is $375.00")


def gained(desk: Desk) -> None:
    """Let what is held cost a dollar less, of one structure $100."""
    short = next(leg.option for leg in desk.position.legs if leg.sign < 0)
    row = desk.board.rows[short]
    desk.quote(short, desk.board.bid[row] - 1, desk.board.ask[row] - 1)
    desk.tick(1)


def test_a_bot_that_has_made_enough_today_halts_and_its_exits_continue() -> None:
    risk = "{max_loss_per_trade: $2000, r: $45, daily_profit: 2R}"
    desk = Desk((text_of(risk=risk, exits='\n  - time: "15:45"\n'),))
    desk.opened()
    gained(desk)
    assert desk.day_of().halted.startswith("the day's profit is $")  # type: ignore[attr-defined]
    assert desk.day_of().halted.endswith(", daily_profit is $90.00")  # type: ignore[attr-defined]
    desk.until("15:45")
    assert desk.position.state == "exiting"


def test_what_all_bots_may_make_in_a_day_takes_back_what_others_enter() -> None:
    later = text_of("later", legs=CALLS, entry='{at: "10:05"}')
    limits = AccountLimits(daily_profit=Decimal(90))
    desk = Desk((text_of(exits='\n  - time: "15:45"\n'), later), limits=limits)
    desk.opened()
    held = desk.position
    desk.until("10:05")
    desk.ack(desk.last)
    short = next(leg.option for leg in held.legs if leg.sign < 0)
    row = desk.board.rows[short]
    desk.quote(short, desk.board.bid[row] - 1, desk.board.ask[row] - 1)
    desk.tick(1)
    assert (desk.last.bot, desk.last.status) == ("later", OrderStatus.CANCELLING)
    halts = desk.said(Kind.DECISION, "halt")
    assert {record.bot for record in halts} == {"spread", "later"}
    assert all(str(record.data["reason"]).startswith("the account's profit today is $") for record in halts)


def test_an_unknown_profit_of_the_day_keeps_nobody_out() -> None:
    """It goes by what a position was last known to be worth: to enter when more was made is no risk."""
    later = text_of("later", legs=CALLS, entry='{at: "10:05"}')
    desk = Desk((text_of(), later), limits=AccountLimits(daily_profit=Decimal(5000)))
    desk.opened()
    desk.without_data(*(leg.option for leg in desk.position.legs))
    desk.until("10:05")
    assert desk.last.bot == "later"
    assert not [text for text in desk.alarms if "daily_" in text]


def test_a_daily_loss_in_units_of_what_one_trade_may_lose() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $2000, daily_loss: 0.05x max_loss_per_trade}"),))
    assert desk.program.bots["spread"].plan.risk.day.loss == Decimal(100)
    desk.opened()
    short = next(leg.option for leg in desk.position.legs if leg.sign < 0)
    desk.quote(short, desk.board.bid[desk.board.rows[short]] + 2, desk.board.ask[desk.board.rows[short]] + 2)
    desk.tick(1)
    assert desk.day_of().halted.startswith("the day's loss is $200")  # type: ignore[attr-defined]
    assert desk.day_of().halted.endswith("daily_loss is $100.00")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        ("{undefined_risk: allow, daily_loss: 2x max_loss_per_trade}", "'max_loss_per_trade', which is not given"),
        ("{max_loss_per_trade: $2000, daily_loss: 0x max_loss_per_trade}", "'daily_loss' is written positive"),
        ("{max_loss_per_trade: $2000, daily_loss: 2R}", "a multiple of 'r', which is not given"),
        ("{daily_loss: $100, daily_profit: 2R}", "'daily_profit' is a multiple of 'r', which is not given"),
        ("{daily_loss: $100, daily_profit: $0}", "'daily_profit' is written positive, is 0"),
        ("{max_loss_per_trade: $2000, daily_loss: 2x credit}", "a limit of the day is dollars, or a multiple of"),
    ],
)
def test_a_daily_loss_that_cannot_be_meant_is_refused(risk: str, words: str) -> None:
    loaded = load_text(text_of(risk=risk))
    found = list(loaded.diagnostics)
    if loaded.spec is not None:
        found += build_plan(loaded.spec, loaded.source)[1]
    assert words in " ".join(each.message for each in found if each.is_error)


def test_without_such_a_limit_nothing_is_asked_of_quotes() -> None:
    desk = Desk()
    desk.opened()
    desk.without_data(put(5900), call(6100))
    desk.tick(60)
    assert not [text for text in desk.alarms if "daily_loss" in text]


# ---------------------------------------------------------------- another contract under the same name


def test_74_a_contract_that_the_broker_numbers_again_is_left_alone() -> None:
    desk = Desk()
    desk.opened()
    short = next(leg for leg in desk.position.legs if leg.sign < 0)
    desk.holds(short.option, -1)
    assert not desk.position.on_hold
    desk.holds(replace(short.option, con_id=424242), -1)
    assert "numbers" in desk.position.on_hold
    assert "424242" in desk.alarms[-1]
    desk.until("15:50", step=600)
    assert len(desk.submitted) == 1
    desk.ask(Request.RESUME, "spread")
    desk.holds(replace(short.option, con_id=424242), -1)
    desk.tick(1)
    assert len(desk.submitted) == 2


def test_74_the_same_at_a_connection() -> None:
    desk = Desk()
    desk.opened()
    held = {replace(option, con_id=99): count for option, count in desk.books().items()}
    desk.unlink()
    desk.link([], held.items())
    assert "another contract?" in desk.position.on_hold
    desk.unlink()
    desk.link([], held.items())
    assert "another contract?" in desk.position.on_hold


# ---------------------------------------------------------------- clocks


def test_62_a_wrong_clock_of_the_computer_is_reported_and_stops_nothing() -> None:
    """Entries and exits use the broker's time: they were stopped, though nothing was in doubt."""
    desk = Desk()
    desk.send(ClockSkew(desk.now, 21600.4))
    assert desk.alarms[-1] == (
        "this computer's clock is 21,600 s ahead of the broker's. Entries and exits use the broker's time. "
        "Set the clock (NTP)"
    )
    desk.until("10:01")
    assert len(desk.submitted) == 1
    desk.send(ClockSkew(desk.now, 0.0))
    assert desk.alarms[-1] == "this computer's clock and the broker's agree again"


def test_62_nothing_is_entered_before_the_broker_has_reported_its_time() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.send(ClockSkew(desk.now, 0.0, is_known=False))
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert desk.alarms[-1] == (
        "the broker has not reported its time: no entries until it does. Exits use this computer's clock"
    )
    desk.send(ClockSkew(desk.now, -86000.0, is_known=False))
    assert desk.alarms[-1] == (
        "the broker has not reported its time: no entries until it does. Exits use its last known time. "
        "This computer's clock is 86,000 s behind it. Set the clock (NTP)"
    )
    desk = Desk()
    desk.send(ClockSkew(desk.now, 0.0, is_known=False))
    desk.until("10:01")
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == "the broker has not reported its time"
    desk.send(ClockSkew(desk.now, 0.0))
    assert desk.alarms[-1] == "the broker reports its time again"
    desk.tick(15)
    assert len(desk.submitted) == 1


def test_62_an_unknown_time_at_a_connection_takes_an_entry_back_once_the_broker_is_there() -> None:
    """The broker's time is asked for with the lists, and told before Connected."""
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.unlink()
    desk.send(ClockSkew(desk.now, 0.0, is_known=False))
    assert desk.cancels == []
    desk.link()
    assert [each.ref for each in desk.cancels] == [order.ref]
    desk.cancelled(order)
    desk.until("10:30", step=30)
    assert len(desk.submitted) == 1


def test_in_a_pause_between_two_tries_an_unknown_time_keeps_the_next_one_out() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 30s, then: cancel}"),))
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    desk.send(ClockSkew(desk.now, 0.0, is_known=False))
    for _ in range(5):
        desk.tick(10)
    assert desk.last.ref == first.ref
    assert desk.position.exit_reason == "unfilled"


@pytest.mark.parametrize("is_inactive", [True, False])
def test_an_exit_that_is_turned_away_without_a_refusal_is_sent_again_after_longer_and_longer_waits(
    is_inactive: bool,
) -> None:
    """A code that no list has, beside Inactive or alone: it went on every few seconds, and nobody was told to look."""
    desk = exiting()
    waits = []
    for _ in range(4):
        sent = len(desk.submitted)
        desk.turn_away(desk.last, is_inactive=is_inactive)
        over = desk.now
        while len(desk.submitted) == sent:
            desk.tick(5)
        waits.append((desk.now - over) // timedelta(seconds=1))
    assert waits == [10, 20, 40, 80]
    assert not desk.position.on_hold
    assert any("refused 3 closing orders" in text for text in desk.alarms)
    assert any("The broker says: 436 You must specify an allocation." in text for text in desk.alarms)
    assert not any("without a reason" in text for text in desk.alarms)


def test_a_cancel_of_an_exit_is_of_its_day_alone() -> None:
    """Three that somebody cancelled on as many days would put the position on hold."""
    exits = "\n  - vix: {above: 20}\n    order: {start: mid, wait: 1h}\n  - at_expiry: settle\n"
    desk = Desk((text_of(**{**SELLER, "exits": exits}),), at="10:00")
    desk.opened("10:01")
    desk.level("VIX", 21.0)
    desk.tick(1)
    worked_and_cancelled(desk, 2)
    assert desk.position.failed_close_attempts == 2
    desk.cancelled(desk.last)
    desk.until("16:30")
    desk.now = session_after(desk.day).open
    desk.tick(0)
    assert (desk.position.failed_close_attempts, desk.position.on_hold) == (0, "")


def test_what_the_broker_warns_of_the_account_is_an_alarm() -> None:
    desk = Desk()
    desk.send(AccountWarning(desk.now, "ALERT: Your account is subject to liquidation."))
    assert desk.alarms == ["the broker warns of the account: ALERT: Your account is subject to liquidation."]
