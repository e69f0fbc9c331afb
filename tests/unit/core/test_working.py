"""An order at work: its ladder, and what the broker reports about it in whatever order."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, call, clock, put, text_of

from rulebot.model.event import BrokerStatus, CommissionReport
from rulebot.model.facts import EventCalendar
from rulebot.model.order import ExecutionId, Order, OrderStatus, OrderType, Purpose, Side
from rulebot.narrate.trades import provisional_text
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume

LEGS = text_of().partition("legs:")[2].partition("order:")[0]
LADDER = "{start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}"
LEGGED = {
    "underlyings": "[SPX, SPY]",
    "entry": '{window: {from: "10:00", to: "11:00"}}',
    "legs": """
  expiry: {dte: 0}
  long_spx: {buy: call, of: SPX, strike: {at: spot}}
  short_spy: {sell: call, of: SPY, ratio: 10, strike: {at: spot}}
""",
    "order": "{leg_by_leg: [long_spx, short_spy], start: natural, wait: 30s, tries: 3, then: unwind}",
    "exits": """
  - time: "15:45"
""",
    "risk": "{undefined_risk: allow}",
}


def prices(desk: Desk) -> list[str]:
    """Return the credit of every try that left."""
    return [str(-(order.limit_price or 0)) for order in (*desk.submitted, *desk.replaced)]


# ---------------------------------------------------------------- the ladder


def test_each_try_is_one_step_worse_than_the_mid_of_its_moment() -> None:
    desk = Desk((text_of(order=LADDER),))
    desk.ack(desk.enter())
    desk.tick(10)
    desk.quote(put(5945), 2.35, 2.45, -0.104)
    desk.tick(10)
    assert prices(desk) == ["0.70", "0.65", "0.70"]


def test_never_past_natural() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.50, wait: 10s, tries: 4, then: cancel}"),))
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(10)
    assert prices(desk) == ["0.70", "0.60"]
    assert desk.last.attempt == 4


def test_an_entry_that_takes_no_change_is_sent_again_at_each_try() -> None:
    """105: it stood at its first price for all its tries."""
    desk = Desk((text_of(order=LADDER),))
    desk.ack(desk.enter())
    for _ in range(2):
        desk.tick(10)
        desk.message(desk.last, 105, "Order being modified does not match original order")
        desk.cancelled(desk.last)
        desk.tick(0)
        desk.ack(desk.last)
    assert [(str(-(order.limit_price or 0)), order.attempt) for order in desk.submitted] == [
        ("0.70", 1),
        ("0.65", 2),
        ("0.60", 3),
    ]
    assert desk.state.bots.by_name["spread"].day.entries == 1
    desk.fill(desk.last)
    assert desk.position.state == "open"


def test_tries_used_up_cancel_and_leave_nothing() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(10)
    assert desk.last.status is OrderStatus.CANCELLING
    desk.cancelled(desk.last)
    assert desk.position.state == "closed"
    assert desk.state.bots.by_name["spread"].day.last_end == "unfilled"
    assert not desk.live


def test_the_ladder_never_offers_what_require_forbids() -> None:
    desk = Desk((text_of(order=LADDER, legs=LEGS + "  require: [{credit: {at_least: 0.65}}]\n"),))
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(10)
    assert min(prices(desk)) == "0.65"


def test_above_is_more_than_the_bound() -> None:
    desk = Desk((text_of(order=LADDER, legs=LEGS + "  require: [{credit: {above: 0.65}}]\n"),))
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(10)
    assert min(prices(desk)) == "0.70"


@pytest.mark.parametrize("quantity", [1, 3])
def test_a_bound_in_dollars_counts_the_whole_position(quantity: int) -> None:
    """0.65 a structure is $65 each before commissions (about $2.60 to open two index options)."""
    bound = f"  require: [{{credit: {{at_least: ${61 * quantity}}}}}]\n"
    desk = Desk((text_of(order=LADDER, legs=LEGS + bound, quantity=str(quantity), risk="{max_loss_per_trade: $9000}"),))
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(10)
    assert min(prices(desk)) == "0.65"
    assert desk.last.quantity == quantity


def test_the_ladder_never_risks_more_than_the_loss_of_a_trade_allows() -> None:
    """10 points wide: at 0.65 it can lose $935 and at most $6.52 of commissions (faults.md invariant 12)."""
    desk = Desk((text_of(order=LADDER, risk="{max_loss_per_trade: $942}"),))
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(10)
    assert min(prices(desk)) == "0.65"


def test_conditions_are_judged_again_before_each_try() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.level("VIX", 30.0)
    desk.tick(5)
    assert desk.last.status is OrderStatus.WORKING
    desk.tick(5)
    assert desk.last.status is OrderStatus.CANCELLING


def test_unknown_ends_the_order_too() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.level("VIX", float("nan"))
    desk.tick(10)
    assert desk.last.status is OrderStatus.CANCELLING


def test_the_end_of_the_window_does_not_end_the_order() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 60s, tries: 3, then: cancel}"),))
    desk.ack(desk.enter("10:59:30"))
    desk.tick(60)
    assert desk.last.status is OrderStatus.WORKING
    assert desk.last.attempt == 2


def test_a_try_without_a_price_waits_and_raises_the_alarm_once() -> None:
    desk = Desk()
    desk.ack(desk.enter())
    desk.without_data(put(5935))
    for _ in range(20):
        desk.tick(1)
    assert desk.last.attempt == 1
    assert len(desk.alarms) == 1
    desk.quote(put(5935), 1.55, 1.65, -0.078)
    desk.tick(1)
    assert desk.last.attempt == 2


def test_a_debit_is_paid_and_steps_up() -> None:
    legs = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""
    exits = '\n  - time: "15:45"\n  - stop: {value: 0.5x debit}\n'
    desk = Desk((text_of(legs=legs, exits=exits),))
    desk.ack(desk.enter())
    desk.tick(10)
    assert [str(o.limit_price) for o in (*desk.submitted, *desk.replaced)] == ["0.70", "0.75"]
    desk.fill(desk.last, price="")
    assert desk.position.entry_price == Decimal("-0.70")


@pytest.mark.parametrize(("side", "wire"), [("credit", "-0.80"), ("debit", "0.60")])
def test_a_ladder_that_starts_from_a_price(side: str, wire: str) -> None:
    """A price is per share and never negative, of a credit as of a debit; natural bounds it."""
    one, other = ("sell", "buy") if side == "credit" else ("buy", "sell")
    legs = f"""
  expiry: {{dte: 0}}
  near: {{{one}: put, strike: {{delta: 0.10}}}}
  far: {{{other}: put, strike: {{below: near, by: 10 pts}}}}
"""
    start = wire.lstrip("-")
    exits = '\n  - time: "15:45"\n'
    order = f"{{start: {start}, wait: 10s, tries: 2, then: cancel}}"
    desk = Desk((text_of(legs=legs, exits=exits, order=order),))
    assert str(desk.enter().limit_price) == wire


def test_adaptive_priorities_are_new_orders_after_a_pause() -> None:
    order = "{adaptive: [normal, urgent], start: mid, wait: 300s, tries: 2, pause: 1m, then: cancel}"
    desk = Desk((text_of(**{**SELLER, "order": order}),))
    first = desk.enter("10:01")
    assert first.adaptive == "normal"
    desk.ack(first)
    desk.tick(300)
    desk.cancelled(desk.last)
    assert desk.position.state == "entering"
    desk.tick(59)
    assert len(desk.submitted) == 1
    desk.tick(1)
    assert [o.adaptive for o in desk.submitted] == ["normal", "urgent"]
    assert desk.submitted[1].position == first.position
    desk.ack(desk.last)
    desk.tick(300)
    desk.cancelled(desk.last)
    assert desk.position.state == "closed"
    assert len(desk.submitted) == 2


def paused(desk: Desk) -> None:
    """Bring a bot with a pause between its tries into that pause."""
    desk.ack(desk.enter())
    desk.tick(10)
    desk.cancelled(desk.last)
    assert desk.position.state == "entering"


PAUSE = "{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 1m, then: cancel}"


def test_conditions_are_judged_again_after_a_pause() -> None:
    desk = Desk((text_of(order=PAUSE),))
    paused(desk)
    desk.level("VIX", 30.0)
    desk.tick(60)
    assert len(desk.submitted) == 1
    assert desk.position.state == "closed"


def test_no_try_after_the_close() -> None:
    exits = "\n  - at_expiry: settle\n  - target: {profit: 50%}\n"
    desk = Desk((text_of(order=PAUSE, exits=exits, entry='{window: {from: "15:59:30", to: "16:00"}}'),), at="15:59")
    desk.ack(desk.enter("15:59:30"))
    desk.tick(10)
    desk.cancelled(desk.last)
    desk.until("16:05", step=20)
    assert len(desk.submitted) == 1
    assert desk.position.state == "closed"


def test_conditions_are_judged_no_more_once_a_try_before_the_pause_has_filled_a_part() -> None:
    """The rest was dropped at the end of the next try: what had filled was of the order before it."""
    desk = Desk((text_of(order=PAUSE, quantity="2", risk="{max_loss_per_trade: $4000}"),))
    first = desk.enter()
    desk.fill(first, 1)
    desk.tick(10)
    desk.cancelled(first, 1)
    desk.level("VIX", 30.0)
    desk.tick(60)
    desk.ack(second := desk.last)
    desk.tick(10)
    desk.cancelled(second)
    desk.tick(60)
    assert [order.attempt for order in desk.submitted] == [1, 2, 3]


def test_a_fill_in_the_pause_is_not_bought_again() -> None:
    desk = Desk((text_of(order=PAUSE, quantity="2"),))
    paused(desk)
    for report in desk.executions_of(desk.last, 1):
        desk.send(report)
    desk.tick(60)
    assert sum(order.remaining for order in desk.live) <= 1


ADAPTIVE = "{adaptive: [normal, urgent], start: mid, wait: 10s, tries: 2, pause: 1m, then: cancel}"


@pytest.mark.parametrize(
    ("sections", "at"),
    [
        ({"order": PAUSE, "risk": "{max_loss_per_trade: $9000}"}, "10:00"),
        ({**SELLER, "order": ADAPTIVE}, "10:01"),
    ],
)
def test_after_a_pause_what_has_not_filled_is_tried_again(sections: dict[str, str], at: str) -> None:
    """Whole structures that filled are kept, as without a pause, and their conditions are judged no more."""
    desk = Desk((text_of(**sections, quantity="3"),))
    first = desk.enter(at)
    desk.fill(first, 1)
    desk.tick(10)
    desk.cancelled(desk.order(first.ref), 1)
    assert desk.position.state == "entering"
    desk.level("VIX", 30.0)
    desk.tick(60)
    second = desk.last
    assert (second.ref != first.ref, second.quantity, second.attempt) == (True, 2, 2)
    desk.fill(second)
    assert (desk.position.state, desk.position.structures) == ("open", 3)


# ---------------------------------------------------------------- reports


def test_executions_before_the_acknowledgement() -> None:
    desk = Desk()
    order = desk.enter()
    for report in desk.executions_of(order, 1):
        desk.send(report)
    desk.ack(order)
    desk.report(order, BrokerStatus.FILLED, 1)
    assert desk.position.state == "open"
    assert desk.last.status is OrderStatus.FILLED


def test_the_status_before_the_executions() -> None:
    desk = Desk()
    order = desk.enter()
    desk.report(order, BrokerStatus.FILLED, 1)
    assert desk.last.status.is_live
    for report in desk.executions_of(order, 1):
        desk.send(report)
    assert desk.last.status is OrderStatus.FILLED
    assert desk.position.state == "open"


def test_each_execution_counts_once() -> None:
    desk = Desk()
    order = desk.enter()
    reports = desk.executions_of(order, 1)
    for report in (*reports, *reports, *reports):
        desk.send(report)
    assert desk.books() == {put(5945): -1, put(5935): 1}
    assert len(desk.said(Kind.FILL)) == 2


def test_the_summary_of_a_combo_moves_nothing() -> None:
    desk = Desk()
    order = desk.enter()
    desk.send(replace(desk.execution(order, order.legs[0], 1, "0.70"), is_combo=True, option=None))
    assert desk.position.is_flat


def test_a_correction_replaces() -> None:
    desk = Desk()
    order = desk.enter()
    reports = desk.executions_of(order, 1)
    for report in reports:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, 1)
    corrected = replace(reports[0], exec_id=reports[0].exec_id.next, price=Decimal("2.50"))
    desk.send(corrected)
    desk.send(corrected)
    desk.send(reports[0])
    assert desk.position.legs[0].opened == 1
    assert desk.position.legs[0].entry_cash == Decimal("250.00")
    assert desk.position.state == "open"


@pytest.mark.parametrize("is_start", [False, True])
def test_29_what_is_corrected_of_a_position_that_was_over_yesterday_is_reported_once_and_changes_no_books(
    is_start: bool,
) -> None:
    """It was passed over without a word."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    closing = desk.last
    reported = desk.executions_of(closing, 1)
    for report in reported:
        desk.send(report)
    desk.report(closing, BrokerStatus.FILLED, 1)
    desk.now = clock("09:00", date(2026, 11, 19))
    desk.tick()
    if is_start:
        desk.start_again()
        desk.link()
    assert not desk.state.positions.by_id
    corrected = replace(reported[0], exec_id=reported[0].exec_id.next, price=Decimal("9.99"))
    for report in (corrected, corrected, replace(corrected, exec_id=corrected.exec_id.next, quantity=Decimal(0))):
        desk.send(report)
    stays = "our books stay as they are. Compare them with the account's statement: a person must look"
    assert desk.alarms == [
        f"the exchange has corrected an older fill of spread-20261118-1, it bought 1 {put(5945)} at 9.99: {stays}",
        f"the exchange busted an older fill of spread-20261118-1, {put(5945)}: {stays}",
    ]


def test_a_correction_keeps_its_commission() -> None:
    desk = Desk()
    order = desk.enter()
    first = desk.execution(order, order.legs[0], 1, "2.30")
    desk.send(first)
    desk.commission(first, "1.30")
    second = replace(first, exec_id=first.exec_id.next)
    desk.send(second)
    desk.commission(second, "1.30")
    assert desk.position.commissions == Decimal("1.30")


def test_a_commission_counts_once_and_may_be_corrected() -> None:
    desk = Desk()
    order = desk.enter()
    fill = desk.execution(order, order.legs[0], 1, "2.30")
    desk.send(CommissionReport(desk.now, ExecutionId("0009.9999"), Decimal("9")))
    desk.send(fill)
    desk.commission(fill, "1.30")
    desk.commission(fill, "1.30")
    assert desk.position.commissions == Decimal("1.30")
    desk.commission(fill, "1.10")
    assert desk.position.commissions == Decimal("1.10")


def test_partial_fill_of_an_entry_leaves_the_rest_working() -> None:
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $9000}"),))
    order = desk.enter()
    desk.fill(order, 1)
    assert desk.position.state == "entering"
    assert desk.last.status is OrderStatus.WORKING
    assert desk.position.structures == 1
    desk.fill(order, 2)
    assert desk.position.state == "open"
    assert desk.state.bots.by_name["spread"].day.opened == 1


def test_what_filled_stays_when_the_rest_is_cancelled() -> None:
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $9000}"),))
    order = desk.enter()
    desk.fill(order, 2)
    for _ in range(3):
        desk.tick(10)
    desk.cancelled(desk.last, filled=2)
    assert desk.position.state == "open"
    assert desk.position.structures == 2


def test_a_cancel_that_loses_against_a_fill() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    for _ in range(3):
        desk.tick(10)
    assert desk.last.status is OrderStatus.CANCELLING
    desk.fill(desk.last)
    assert desk.last.status is OrderStatus.FILLED
    assert desk.position.state == "open"


def test_cancelled_waits_for_the_executions_it_owes() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order, filled=1)
    assert desk.last.status.is_live
    for report in desk.executions_of(order, 1):
        desk.send(report)
    assert desk.position.state == "open"


def test_a_late_fill_after_the_cancel_opens_the_position_again() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.cancelled(order)
    assert desk.position.state == "closed"
    for report in desk.executions_of(order, 1):
        desk.send(report)
    assert desk.position.state == "open"
    assert desk.position.exit_reason == ""
    assert desk.state.bots.by_name["spread"].day.opened == 1
    desk.until("15:45")
    assert desk.last.purpose is Purpose.EXIT


ONE_AGAIN = '{window: {from: "10:00", to: "11:00"}, per_day: 1, max_open: 1, again: {after: [unfilled], wait: 1s}}'


def entered_again(desk: Desk) -> tuple[Order, Order]:
    """Return an entry that the broker has called cancelled, and the one after it, at work."""
    first = desk.enter()
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(desk.last)
    desk.tick(2)
    second = desk.last
    assert second.position.endswith("-2")
    desk.ack(second)
    return first, second


def test_a_late_fill_leaves_no_room_for_the_entry_after_it() -> None:
    """Two positions were open where the bot may have one, and nothing was told."""
    desk = Desk((text_of(entry=ONE_AGAIN, order="{start: mid, wait: 10s, tries: 1, then: cancel}"),))
    first, second = entered_again(desk)
    desk.fill(first)
    assert [order.ref for order in desk.cancels] == [first.ref, second.ref]
    desk.cancelled(second)
    why = f"{first.ref} has filled late: 1 of 1 a day"
    assert desk.said(Kind.DECISION, "unfilled")[-1].data["reason"] == why
    assert [each.state for each in desk.state.positions.by_id.values()] == ["open", "closed"]


@pytest.mark.parametrize("per_day", [1, 3])
@pytest.mark.parametrize("fills_first", [0, 1], ids=["the late one first", "the next one first"])
def test_a_late_fill_beside_the_entry_after_it_is_reported_and_ends_the_day(fills_first: int, per_day: int) -> None:
    """Two positions were open where the bot may have one, under its exits, and no person was told."""
    entry = ONE_AGAIN.replace("per_day: 1", f"per_day: {per_day}")
    desk = Desk((text_of(entry=entry, order="{start: mid, wait: 10s, tries: 1, then: cancel}"),))
    first, second = entered_again(desk)
    late, other = ((first, second), (second, first))[fills_first]
    desk.fill(late)
    assert desk.alarms == []
    desk.fill(other)
    assert [each.state for each in desk.state.positions.by_id.values()] == ["open", "open"]
    reason = "1 of 1 a day" if per_day == 1 else "1 of 1 open at once"
    reported = f"{other.ref} has filled though it was over, or was to be: {reason} without it"
    assert desk.alarms == [f"{reported}. spread enters nothing more today: a person must look"]
    assert desk.state.bots.by_name["spread"].day.halted == reported


def test_a_late_fill_leaves_no_room_for_a_further_try_of_the_entry_after_it() -> None:
    desk = Desk((text_of(entry=ONE_AGAIN, order="{start: mid, wait: 10s, tries: 2, pause: 30s, then: cancel}"),))
    first = desk.enter()
    for _ in range(3):  # both tries of the first entry, and the first one of the second
        desk.ack(desk.last)
        desk.tick(10)
        desk.cancelled(desk.last)
        if desk.last.position == desk.submitted[0].position:
            desk.tick(30)
            desk.tick(2)
    assert [order.position[-1] for order in desk.submitted] == ["1", "1", "2"]
    desk.fill(first)
    desk.tick(30)
    assert len(desk.submitted) == 3
    assert [each.state for each in desk.state.positions.by_id.values()] == ["open", "closed"]


def test_a_refusal_ends_what_was_never_acknowledged() -> None:
    desk = Desk()
    order = desk.enter()
    desk.refuse(order)
    assert desk.last.status is OrderStatus.REJECTED
    assert desk.position.state == "closed"


@pytest.mark.parametrize("code", [109, 163, 382, 383, 451])
def test_what_precautions_of_tws_hold_back_is_refused(code: int) -> None:
    """Of 163 and 451 an entry waited 40 seconds; then its bot was halted for the day, since it might come to life."""
    desk = Desk()
    order = desk.enter()
    words = "Restriction is specified in Precautionary Settings of Global Configuration/Presets."
    desk.message(order, code, words)
    assert desk.order(order.ref).status is OrderStatus.REJECTED
    assert desk.alarms == [f"the broker refused the entry: {code} {words}"]


def test_a_refusal_while_its_cancel_is_on_the_way() -> None:
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    order = desk.enter()
    desk.ask_kill()
    assert desk.last.status is OrderStatus.CANCELLING
    desk.refuse(order)
    assert not desk.live


@pytest.mark.parametrize("code", [399, 10349, 2109, 202, 404, 9999])
def test_warnings_end_nothing(code: int) -> None:
    desk = Desk()
    order = desk.enter()
    desk.message(order, code, "a warning")
    assert desk.last.status is OrderStatus.SENDING
    desk.ack(order)
    desk.message(order, code, "a warning")
    assert desk.last.status is OrderStatus.WORKING


def test_silence_is_unknown_and_never_sent_again() -> None:
    desk = Desk()
    desk.enter()
    for _ in range(12):
        desk.tick(1)
    assert desk.last.status is OrderStatus.UNKNOWN
    for _ in range(60):
        desk.tick(1)
    assert len(desk.submitted) == 1


def test_a_silent_order_is_cancelled_and_ends_when_the_broker_has_none() -> None:
    """faults.md row 23, invariant 23: every UNKNOWN resolves."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m}}'),))
    order = desk.enter()
    for _ in range(45):
        desk.tick(1)
    assert [o.ref for o in desk.cancels] == [order.ref]
    desk.message(order, 10147, "OrderId 1 that needs to be cancelled is not found.")
    assert desk.last.status is OrderStatus.LOST
    assert desk.position.state == "closed"
    desk.until("10:30", step=60)
    assert len(desk.submitted) == 1, "an abandoned entry blocks its day: it may still come to life"


def test_an_abandoned_order_that_comes_to_life_is_cancelled() -> None:
    desk = Desk()
    order = desk.enter()
    for _ in range(45):
        desk.tick(1)
    desk.message(order, 10147, "not found")
    desk.ack(order)
    assert desk.last.status is OrderStatus.CANCELLING
    assert len(desk.cancels) == 2
    desk.fill(order)
    assert desk.position.state == "open"


def test_an_execution_that_is_not_ours_is_shown_and_moves_nothing() -> None:
    desk = Desk()
    desk.opened()
    report = replace(desk.execution(desk.last, desk.last.legs[0], 1, "1.00"), ref="by hand", perm_id=1, order_id=0)
    desk.send(report)
    desk.send(report)
    assert desk.books()[put(5945)] == -1
    assert len([text for text in desk.alarms if text.startswith("external: ")]) == 1


# ---------------------------------------------------------------- leg by leg


def test_legs_go_one_after_the_other() -> None:
    desk = Desk((text_of(**LEGGED),))
    first = desk.enter()
    assert [leg.option for leg in first.legs] == [call(6000)]
    assert (first.side, first.quantity) == (Side.BUY, 1)
    desk.fill(first)
    second = desk.last
    assert [leg.option for leg in second.legs] == [call(600, "SPY")]
    assert (second.side, second.quantity) == (Side.SELL, 10)
    desk.fill(second)
    assert desk.position.state == "open"
    assert desk.position.structures == 1


def test_the_last_leg_is_bound_by_what_the_ones_before_were_filled_at() -> None:
    """20.15 paid for the index call: $200 after commissions is more than ten calls at 2.21, the first price."""
    require = "  require: [{credit: {at_least: $200, at: mid}}]\n"
    desk = Desk((text_of(**{**LEGGED, "legs": LEGGED["legs"] + require}),))
    desk.quote(call(600, "SPY"), 2.20, 2.40, 0.5)
    desk.fill(desk.enter(), price="20.15")
    second = desk.last
    assert second.limit_price is not None
    assert desk.order(second.ref).side is Side.SELL
    assert second.limit_price * 1000 - 2015 >= 200
    for _ in range(2):
        desk.ack(desk.last)
        desk.tick(30)
    assert min(order.limit_price or 0 for order in (second, *desk.replaced)) * 1000 - 2015 >= 200


def test_the_second_leg_follows_what_the_first_has_filled() -> None:
    desk = Desk((text_of(**{**LEGGED, "quantity": "2"}),))
    first = desk.enter()
    desk.fill(first, 1)
    for _ in range(3):
        desk.tick(30)
    desk.cancelled(desk.order(first.ref), filled=1)
    assert desk.last.quantity == 10


def without_its_partner() -> Desk:
    """Return a desk on which the second leg of an entry has used up its tries."""
    desk = Desk((text_of(**LEGGED),))
    desk.fill(desk.enter())
    desk.ack(desk.last)
    for _ in range(3):
        desk.tick(30)
    desk.cancelled(desk.last)
    desk.tick(0)
    return desk


def test_a_leg_without_its_partner_is_unwound() -> None:
    desk = without_its_partner()
    assert desk.last.purpose is Purpose.UNWIND
    assert (desk.last.side, desk.last.quantity, desk.last.legs[0].option) == (Side.SELL, 1, call(6000))
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert desk.position.exit_reason == "unwind"


def test_a_part_of_the_second_leg_keeps_whole_structures_only() -> None:
    desk = Desk((text_of(**{**LEGGED, "quantity": "2"}),))
    desk.fill(desk.enter())
    second = desk.last
    desk.fill(second, 14)
    for _ in range(3):
        desk.tick(30)
    desk.cancelled(desk.order(second.ref), filled=14)
    desk.tick(0)
    while desk.last.status.is_live:
        desk.fill(desk.last)
        desk.tick(0)
    assert desk.position.state == "open"
    assert {leg.name: leg.held for leg in desk.position.legs} == {"long_spx": 1, "short_spy": 10}


def test_a_late_fill_of_the_first_leg_leaves_an_order_of_the_second_by_its_ratio_at_work() -> None:
    """Ten of the second leg to two structures were taken for ten structures: it was taken back, and all was closed."""
    desk = Desk((text_of(**{**LEGGED, "quantity": "2"}),))
    first = desk.enter()
    desk.fill(first, 1)
    for _ in range(3):
        desk.tick(30)
    desk.cancelled(desk.order(first.ref), 1)
    desk.tick(0)
    desk.ack(desk.last)
    desk.send(desk.execution(first, first.legs[0], 1, "20.00"))
    desk.tick(0)
    assert (desk.last.legs[0].name, desk.last.quantity, desk.last.status) == ("short_spy", 10, OrderStatus.WORKING)
    desk.fill(desk.last)
    desk.tick(0)
    assert (desk.last.purpose, desk.last.legs[0].name, desk.last.quantity) == (Purpose.UNWIND, "long_spx", 1)


def test_an_unwinding_ends_at_the_market() -> None:
    desk = Desk((text_of(**LEGGED),))
    desk.fill(desk.enter())
    desk.refuse(desk.last)
    desk.tick(0)
    desk.ack(desk.last)
    for _ in range(3):
        desk.tick(5)
    desk.cancelled(desk.last)
    desk.tick(0)
    assert desk.last.kind is OrderType.MARKET
    assert desk.last.purpose is Purpose.UNWIND


def test_a_second_leg_that_is_refused_is_reported_and_is_why_the_first_one_is_closed() -> None:
    desk = Desk((text_of(**LEGGED),))
    desk.fill(desk.enter())
    desk.refuse(desk.last)
    words = "201 Order rejected - reason: no"
    assert desk.alarms == [f"the broker refused the rest of the entry: {words}"]
    (reported,) = desk.said(Kind.DECISION, "unwind")
    assert reported.data["reason"] == f"a leg was not filled ({words}): what has no partner is closed"


def test_an_unwinding_begins_at_natural_however_many_tries_the_entry_had() -> None:
    desk = without_its_partner()
    assert (desk.last.purpose, desk.last.kind, desk.last.attempt) == (Purpose.UNWIND, OrderType.LIMIT, 1)


def test_after_a_kill_the_second_leg_is_not_opened() -> None:
    """Invariant 10: only orders that reduce."""
    desk = Desk((text_of(**LEGGED),))
    first = desk.enter()
    desk.ack(first)
    desk.ask_kill()
    desk.fill(desk.order(first.ref))
    desk.tick(0)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY, Purpose.UNWIND]


def test_legs_with_a_pause_between_tries_come_to_an_end() -> None:
    order = "{leg_by_leg: [long_spx, short_spy], start: natural, wait: 30s, tries: 2, pause: 5s, then: unwind}"
    desk = Desk((text_of(**{**LEGGED, "order": order}),))
    for _ in range(2):
        if not desk.submitted or not desk.last.status.is_live:
            desk.until("10:00") if not desk.submitted else desk.tick(5)
        desk.ack(desk.last)
        desk.tick(30)
        desk.cancelled(desk.last)
    assert [order.legs[0].name for order in desk.submitted] == ["long_spx", "long_spx"]
    assert desk.position.state == "closed"


def test_a_first_leg_that_is_refused_at_its_second_try_is_reported_as_refused() -> None:
    order = "{leg_by_leg: [long_spx, short_spy], start: natural, wait: 30s, tries: 3, pause: 5s, then: unwind}"
    desk = Desk((text_of(**{**LEGGED, "order": order}),))
    desk.ack(desk.enter())
    desk.tick(30)
    desk.cancelled(desk.last)
    desk.tick(5)
    desk.refuse(desk.last)
    assert desk.position.exit_reason == "rejected"
    assert desk.alarms == ["the broker refused the entry: 201 Order rejected - reason: no"]


def test_a_first_leg_whose_tries_are_used_up_is_why_nothing_was_opened() -> None:
    desk = Desk((text_of(**LEGGED),))
    desk.ack(desk.enter())
    for _ in range(3):
        desk.tick(30)
    desk.cancelled(desk.last)
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "unfilled")] == ["its tries are used up"]


def test_a_bust_of_one_leg_closes_what_has_lost_its_partner() -> None:
    desk = Desk()
    reports = desk.fill(desk.enter())
    short = next(report for report in reports if not report.is_buy)
    desk.send(replace(short, exec_id=short.exec_id.next, quantity=Decimal(0)))
    desk.tick(1)
    assert desk.position.exit_reason == "unwind"
    assert [leg.option for leg in desk.last.legs] == [next(r for r in reports if r.is_buy).option]
    desk.fill(desk.last)
    assert desk.position.is_flat


def test_a_leg_that_fills_after_its_order_was_over_is_closed() -> None:
    """Found by chaos seed 2028: legs sent one by one, and the first fills after its cancel was confirmed."""
    desk = Desk((text_of(**LEGGED),))
    order = desk.enter()
    desk.ack(order)
    desk.ask_kill()
    desk.cancelled(order)
    assert desk.position.state == "closed"
    for report in desk.executions_of(order, 1):
        desk.send(report)
    assert desk.position.exit_reason == "unwind"
    desk.tick(1)
    assert desk.last.purpose is Purpose.UNWIND
    desk.fill(desk.last)
    assert desk.position.is_flat


def test_a_bust_of_a_closing_fill_opens_the_position_again_and_closes_it_once_more() -> None:
    """Found by chaos seed 7035: the account was short a put in a position that was closed."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.ack(order)
    reports = desk.executions_of(order, 1)
    for report in reports:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, 1)
    assert desk.position.state == "closed"
    back = next(report for report in reports if report.is_buy)
    desk.send(replace(back, exec_id=back.exec_id.next, quantity=Decimal(0)))
    assert any("took a closing fill back" in text for text in desk.alarms)
    desk.tick(1)
    assert desk.position.state == "exiting"
    assert [leg.option for leg in desk.last.legs] == [back.option]
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, order.reason), "by the exit that had closed it"
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert desk.position.is_flat


def test_32_a_profit_is_provisional_until_every_commission_is_reported() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    reports = desk.executions_of(order, 1)
    for report in reports:
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, 1)
    assert desk.position.commissions_pending == 2
    assert (
        provisional_text(desk.position.commissions_pending)
        == ", provisional: the commission of 2 fills is not reported yet"
    )
    desk.commission(reports[0], "0.65")
    desk.commission(reports[0], "0.65")
    desk.commission(reports[0], "0.70")
    assert (
        provisional_text(desk.position.commissions_pending)
        == ", provisional: the commission of 1 fill is not reported yet"
    )
    desk.commission(reports[1], "0")
    assert (desk.position.commissions_pending, desk.position.commissions) == (0, Decimal("0.70"))
    assert not provisional_text(desk.position.commissions_pending)
    again = resume(desk.records, desk.now, desk.board, EventCalendar()).state
    assert again.positions.executions == desk.state.positions.executions
    assert again.positions.by_id == desk.state.positions.by_id


def test_32_a_fill_that_was_cancelled_owes_no_commission() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    report = desk.executions_of(order, 1)[0]
    desk.send(report)
    desk.send(replace(report, exec_id=report.exec_id.next, quantity=Decimal(0)))
    assert desk.position.commissions_pending == 0


# ---------------------------------------------------------------- the broker's number of the contract


def test_an_order_of_one_leg_learns_the_number_of_its_contract_from_the_broker() -> None:
    """It was known of orders that had filled alone."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    order = desk.enter("10:01")
    desk.ack(order)  # orderStatus alone does not tell it
    assert desk.order(order.ref).legs[0].option.con_id == 0
    acknowledged = desk.events[-1]
    desk.send(replace(acknowledged, con_id=77))
    desk.send(replace(acknowledged, con_id=78))
    desk.cancelled(desk.order(order.ref))
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    assert desk.order(order.ref).legs[0].option.con_id == 77
    recorded = [record.data for record in desk.said(Kind.ORDER) if record.data["ref"] == order.ref]
    assert [data["legs"][0]["option"]["con_id"] for data in recorded][-1] == 77


def test_the_number_of_a_combo_is_that_of_none_of_its_legs() -> None:
    desk = Desk((text_of(),))
    order = desk.enter()
    desk.ack(order)
    desk.send(replace(desk.events[-1], con_id=28812380))
    assert {leg.option.con_id for leg in desk.order(order.ref).legs} == {0}
