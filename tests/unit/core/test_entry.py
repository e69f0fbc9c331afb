"""When an entry is sent, and when not."""

from decimal import Decimal

import pytest
from hand_desk import HALF_DAY, Desk, clock, put, text_of

from rulebot.core.gate.entry_limits import MOST
from rulebot.core.program import AccountLimits
from rulebot.model.contract import Underlying
from rulebot.model.event import BrokerStatus, MarketDataUpdated
from rulebot.model.order import OrderStatus, Purpose, Side
from rulebot.narrate.happenings import event_line
from rulebot.record.record import Kind
from rulebot.replay.reruns import EntryTries

AGAIN = """
  window: {from: "10:00", to: "11:00"}
  again: {after: [unfilled], wait: 5m}
"""
ONCE = """
  window: {from: "10:00", to: "11:00"}
  try: once
  when:
    - vix: {between: [12, 22]}
"""


def unfilled(desk: Desk) -> None:
    """Let the entry at work end without a fill."""
    desk.ack(desk.last)
    desk.tick(1)
    desk.cancelled(desk.last)


@pytest.mark.parametrize("is_told_first", [True, False])
def test_an_entry_that_the_broker_cancels_says_why(is_told_first: bool) -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    if is_told_first:
        desk.message(order, 202, "Order Canceled - reason:The exchange is closed")
    desk.cancelled(order)
    if not is_told_first:
        desk.message(order, 202, "Order Canceled - reason:The exchange is closed")
    (ended,) = desk.said(Kind.DECISION, "unfilled")
    words = ": 202 Order Canceled - reason:The exchange is closed" if is_told_first else ""
    assert ended.data["reason"] == f"cancelled at the broker, and not by us{words}"
    assert desk.alarms == [f"the broker has cancelled {order.ref}: Order Canceled - reason:The exchange is closed"]


MARGIN = "Order rejected - reason:The account lacks margin"


@pytest.mark.parametrize("is_told_first", [True, False])
@pytest.mark.parametrize("is_acknowledged", [True, False])
def test_an_entry_that_is_refused_as_cancelled_says_why(is_told_first: bool, is_acknowledged: bool) -> None:
    """It was "cancelled at the broker, and not by us", without the broker's words and without an alarm."""
    desk = Desk()
    order = desk.enter()
    if is_acknowledged:
        desk.report(order, BrokerStatus.PENDING, 0)
    if is_told_first:
        desk.message(order, 201, MARGIN)
    desk.cancelled(order)
    if not is_told_first:
        assert not desk.said(Kind.DECISION, "unfilled"), "the words may still come"
        desk.message(order, 201, MARGIN)
    (ended,) = desk.said(Kind.DECISION, "unfilled")
    assert ended.data["reason"] == f"201 {MARGIN}"
    assert desk.alarms == [f"the broker refused the entry: 201 {MARGIN}"]
    assert desk.order(order.ref).status is OrderStatus.REJECTED


def test_an_order_that_is_cancelled_at_once_waits_a_second_for_the_words_and_no_longer() -> None:
    desk = Desk()
    order = desk.enter()
    desk.cancelled(order)
    desk.settle(0.9)
    assert desk.order(order.ref).status.is_live
    desk.settle(0.2)
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    (ended,) = desk.said(Kind.DECISION, "unfilled")
    assert ended.data["reason"] == "cancelled at the broker, and not by us"


def test_an_entry_that_a_person_cancels_is_over_and_says_so() -> None:
    desk = Desk()
    unfilled_by_hand = desk.enter()
    desk.ack(unfilled_by_hand)
    desk.message(unfilled_by_hand, 202, "Order Canceled - reason:")
    desk.cancelled(unfilled_by_hand)
    assert [each.data["reason"] for each in desk.said(Kind.DECISION, "unfilled")] == [
        "cancelled at the broker, and not by us"
    ]
    assert desk.alarms == []


def test_an_answer_that_is_no_refusal_is_reported_as_it_was() -> None:
    """An error alone ends no order; what became of it is asked, and why it may be gone is not forgotten meanwhile."""
    desk = Desk()
    order = desk.enter()
    desk.tick(0.2)
    desk.message(order, 166, "something of its own")
    desk.tick(10)
    assert desk.alarms == [f"{order.ref} is neither accepted nor rejected. The broker says: 166 something of its own"]
    desk.tick(30)
    desk.message(order, 10147, "is not found.")
    (ended,) = desk.said(Kind.DECISION, "unfilled")
    assert ended.data["reason"] == "10147 is not found. (before: 166 something of its own)"
    sent = [happened for record in desk.records if (happened := event_line(record, desk.state)) is not None]
    assert sum("entry sent" in each.text for each in sent) == 1
    assert len(EntryTries(desk.records).entries["spread"]) == 1


def test_nothing_before_the_window() -> None:
    desk = Desk()
    desk.tick(59)
    assert not desk.submitted


def test_enters_when_the_window_opens() -> None:
    desk = Desk()
    order = desk.enter()
    assert [leg.option for leg in order.legs] == [put(5945), put(5935)]
    assert [leg.side for leg in order.legs] == [Side.SELL, Side.BUY]
    assert (order.limit_price, order.quantity, order.purpose) == (Decimal("-0.70"), 1, Purpose.ENTRY)


def test_not_once_the_window_is_over() -> None:
    desk = Desk(at="11:00")
    desk.tick(1)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == "its window is over"


def test_a_window_past_an_early_close_is_no_trade() -> None:
    desk = Desk((text_of(entry='{window: {from: "13:30", to: "14:00"}}'),), at="13:29", day=HALF_DAY)
    desk.until("13:40", step=60)
    assert not desk.submitted


def test_a_time_exit_ends_the_window_on_a_half_day() -> None:
    """15:45 is 12:45 on a half day."""
    desk = Desk((text_of(entry='{window: {from: "12:45", to: "12:50"}}'),), at="12:40", day=HALF_DAY)
    desk.until("12:55", step=30)
    assert not desk.submitted


def test_every_judges_on_its_grid_only() -> None:
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}, every: 45s, when: [{vix: {above: 20}}]}'),))
    desk.until("10:00")
    desk.level("VIX", 21.0)
    desk.tick(30)
    assert not desk.submitted
    desk.tick(15)
    assert len(desk.submitted) == 1


@pytest.mark.parametrize("vix", [11.0, 23.0])
def test_a_false_condition_does_not_enter(vix: float) -> None:
    desk = Desk()
    desk.level("VIX", vix)
    desk.until("10:30", step=60)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].nearest is not None


def test_unknown_does_not_enter() -> None:
    desk = Desk()
    desk.board.drop(Underlying("VIX"))
    desk.until("10:30", step=60)
    assert not desk.submitted


def test_not_of_unknown_does_not_enter() -> None:
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}, when: [{not: {vix: {above: 22}}}]}'),))
    desk.board.drop(Underlying("VIX"))
    desk.until("10:01", step=10)
    assert not desk.submitted


def test_once_decides_at_the_first_false() -> None:
    desk = Desk((text_of(entry=ONCE),))
    desk.level("VIX", 30.0)
    desk.until("10:00")
    desk.level("VIX", 16.0)
    desk.tick(5)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].day.decided


def test_once_does_not_decide_on_unknown() -> None:
    desk = Desk((text_of(entry=ONCE),))
    row = desk.board.rows[Underlying("VIX")]
    desk.board.last[row] = float("nan")
    desk.until("10:00")
    desk.board.last[row] = 16.0
    desk.tick(5)
    assert len(desk.submitted) == 1


def test_once_decides_when_the_structure_does_not_pay() -> None:
    legs = text_of().partition("legs:")[2].partition("order:")[0] + "  require: [{credit: {at_least: 0.90}}]\n"
    desk = Desk((text_of(entry=ONCE, legs=legs),))
    desk.until("10:00")
    assert "credit" in desk.state.bots.by_name["spread"].day.decided


def test_one_window_sends_one_entry() -> None:
    desk = Desk()
    desk.enter()
    unfilled(desk)
    desk.until("10:59", step=60)
    assert len(desk.submitted) == 1
    assert desk.position.state == "closed"


def test_again_after_unfilled_waits() -> None:
    desk = Desk((text_of(entry=AGAIN),))
    desk.enter()
    unfilled(desk)
    desk.tick(299)
    assert len(desk.submitted) == 1
    desk.tick(1)
    assert len(desk.submitted) == 2
    assert len({order.position for order in desk.submitted}) == 2


def test_again_at_most() -> None:
    entry = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m, at_most: 2}}'
    desk = Desk((text_of(entry=entry),))
    desk.enter()
    for _ in range(5):
        unfilled(desk)
        desk.tick(61)
    assert len(desk.submitted) == 3


@pytest.mark.parametrize("at_most", ["", ", at_most: 1"])
def test_again_tries_another_strike_for_orders_of_others_like_the_first_entry(at_most: str) -> None:
    """It said that its entry was at work, or that it had entered again, and sent nothing more that day."""
    entry = f'{{window: {{from: "10:00", to: "11:00"}}, again: {{after: [unfilled], wait: 1m{at_most}}}}}'
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
    desk = Desk((text_of(entry=entry, legs=legs, exits='\n  - time: "15:45"\n', risk="{undefined_risk: allow}"),))
    desk.enter()
    unfilled(desk)
    desk.tick(61)
    refused = desk.last
    desk.refuse(refused, 201, "Order rejected - reason:Cannot have open orders on both sides of the same US contract")
    desk.settle(1.0)
    assert len(desk.submitted) == 3
    assert desk.last.legs[0].option != refused.legs[0].option
    assert (desk.state.bots.by_name["spread"].day.entries, desk.state.bots.by_name["spread"].day.reentries) == (2, 1)
    unfilled(desk)
    desk.tick(61)
    assert len(desk.submitted) == (3 if at_most else 4)


def test_again_enters_no_more_after_its_until() -> None:
    entry = '{window: {from: "10:00", to: "11:00"}, again: {after: [unfilled], wait: 1m, until: "10:30"}}'
    desk = Desk((text_of(entry=entry),))
    desk.enter()
    desk.until("10:30")
    unfilled(desk)
    desk.tick(120)
    assert len(desk.submitted) == 1


def test_again_after_a_named_exit() -> None:
    entry = '{window: {from: "10:00", to: "11:00"}, per_day: 2, max_open: 1, again: {after: [target], wait: 1m}}'
    desk = Desk((text_of(entry=entry),))
    desk.opened()
    desk.quote(put(5945), 0.45, 0.55)
    desk.quote(put(5935), 0.25, 0.35)
    desk.tick(5)
    desk.fill(desk.last)
    assert desk.position.exit_reason == "target"
    desk.quote(put(5945), 2.25, 2.35, -0.104)
    desk.quote(put(5935), 1.55, 1.65, -0.078)
    desk.tick(30)
    assert len(desk.submitted) == 2
    desk.tick(30)
    assert len(desk.submitted) == 3


def test_per_day_and_max_open() -> None:
    entry = '{window: {from: "10:00", to: "11:00"}, per_day: 3, max_open: 2, again: {after: [filled], wait: 1m}}'
    desk = Desk((text_of(entry=entry),))
    for _ in range(5):
        if desk.live:
            desk.fill(desk.last)
        desk.tick(61)
    assert len([p for p in desk.state.positions.by_id.values() if p.state == "open"]) == 2


def test_require_is_judged_on_the_price_the_order_starts_from() -> None:
    legs = text_of().partition("legs:")[2].partition("order:")[0] + "  require: [{credit: {at_least: 0.75}}]\n"
    desk = Desk((text_of(legs=legs),))
    desk.until("10:30", step=60)
    assert not desk.submitted


def test_a_short_without_cover_needs_leave() -> None:
    limits = "{max_loss_per_trade: $500}"
    desk = Desk((text_of(risk=limits),))
    desk.until("10:05", step=60)
    assert not desk.submitted
    assert any("max_loss_per_trade" in str(r.data["reason"]) for r in desk.said(Kind.DECISION, "skip"))


def test_a_refusal_that_words_differ_only_in_numbers_is_said_once() -> None:
    desk = Desk((text_of(risk="{max_loss_per_trade: $500}"),))
    desk.until("10:00")
    for step in range(20):
        desk.quote(put(5945), 2.25 + step / 20, 2.35 + step / 20, -0.104)
        desk.tick(1)
    assert len(desk.said(Kind.DECISION, "skip")) == 1


def test_max_open_of_the_account_counts_all_bots() -> None:
    desk = Desk((text_of("one"), text_of("two")), limits=AccountLimits(max_open=1))
    desk.until("10:00")
    assert [order.bot for order in desk.submitted] == ["one"]


def test_orders_per_minute() -> None:
    desk = Desk((text_of("one"), text_of("two")), limits=AccountLimits(orders_per_minute=1))
    desk.until("10:00")
    assert len(desk.submitted) == 1
    desk.tick(61)
    assert len(desk.submitted) == 2


@pytest.mark.parametrize(
    ("expiry", "strike", "rule", "text"),
    [
        ("{dte: 7}", "{delta: 0.10}", "expiry", "no SPXW expiry matches"),
        ("{dte: 0}", "{delta: 0.10, within: 0.001}", "strikes", "is not within 0.001"),
    ],
)
def test_what_came_nearest_is_named_after_what_was_not_there(expiry: str, strike: str, rule: str, text: str) -> None:
    """A day without a listed expiry was called one of strikes, here and in what kept a bot out of a backtest."""
    legs = f"\n  expiry: {expiry}\n  long_put: {{buy: put, strike: {strike}}}\n"
    desk = Desk((text_of(legs=legs, exits='\n  - time: "15:45"\n'),))
    desk.until("10:01")
    nearest = desk.state.bots.by_name["spread"].nearest
    assert nearest is not None
    assert (nearest.rule, text in nearest.text) == (rule, True), nearest.text


def test_a_price_that_was_missing_for_a_moment_is_not_what_came_nearest() -> None:
    """After a restart the day's reason was that a leg was not streamed; what a limit refused all day was forgotten."""
    desk = Desk((text_of(risk="{max_loss_per_trade: $500}"),))
    desk.without_data(put(5935))
    desk.until("10:00:10")
    nearest = desk.state.bots.by_name["spread"].nearest
    assert nearest is not None
    assert nearest.rule == "price"
    desk.option(put(5935), 65)
    desk.until("10:01")
    nearest = desk.state.bots.by_name["spread"].nearest
    assert nearest is not None
    assert (nearest.rule, "max_loss_per_trade" in nearest.text) == ("limits", True)


def test_on_conflict_the_other_way_round_is_skipped() -> None:
    buyer = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.10}}
"""
    exits = """
  - time: "15:45"
    order: market
"""
    desk = Desk((text_of("seller"), text_of("buyer", legs=buyer, exits=exits, entry='{at: "10:05"}')))
    desk.opened()
    desk.until("10:06")
    assert [order.bot for order in desk.submitted] == ["seller"]


def test_a_contract_that_a_bot_holds_twice_the_other_way_round_is_reported_once() -> None:
    """`held the other way round: SPXW 5925P by q, SPXW 5925P by q`, once for each position."""
    buyer = "\n  expiry: {dte: 0}\n  long_put: {buy: put, strike: {delta: 0.10}}\n"
    exits = '[{time: "15:45", order: market}]'
    twice = text_of("seller", entry='{at: ["10:00", "10:02"], for: 2m}', risk="{max_loss_per_trade: $9000}")
    desk = Desk((twice, text_of("buyer", legs=buyer, exits=f" {exits}", entry='{at: "10:05"}')))
    for at in ("10:00", "10:02"):
        desk.until(at)
        desk.fill(desk.last)
    desk.until("10:06")
    said = [str(record.data["reason"]) for record in desk.said(Kind.DECISION, "skip")]
    assert said == ["held the other way round: SPXW 2026-11-18 5945P by seller"]


def test_not_while_unlinked() -> None:
    desk = Desk(linked=False)
    desk.until("10:05", step=60)
    assert not desk.submitted


def test_a_halt_condition_halts_for_the_day() -> None:
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.level("VIX", 31.0)
    desk.tick(1)
    desk.level("VIX", 16.0)
    desk.until("10:30", step=60)
    assert not desk.submitted
    assert "vix" in desk.state.bots.by_name["spread"].day.halted


def test_a_halt_condition_halts_once_it_is_confirmed() -> None:
    entry = '{window: {from: "10:00", to: "11:00"}, when: [{vix: {below: 10}}]}'
    desk = Desk((text_of(entry=entry, risk="{halt_when: [{vix: {above: 30}, confirm: 30s}]}"),))
    desk.level("VIX", 31.0)
    desk.until("09:59:50")
    desk.until("10:00:10", step=5)
    desk.level("VIX", 29.0)
    desk.tick(5)
    desk.level("VIX", 31.0)
    desk.tick(5)
    desk.until("10:00:49", step=5)
    assert not desk.state.bots.by_name["spread"].day.halted
    desk.until("10:00:50")
    assert desk.state.bots.by_name["spread"].day.halted.startswith("vix")


def test_the_confirmation_of_a_halt_continues_when_the_window_opens() -> None:
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}, confirm: 30s}]}"),), at="09:59:30")
    desk.level("VIX", 31.0)
    desk.tick(10)
    desk.settle(1)
    assert not desk.state.bots.by_name["spread"].day.halted
    desk.until("10:00:10", step=5)
    assert desk.state.bots.by_name["spread"].day.halted.startswith("vix")


def test_an_unknown_halt_condition_blocks_only_while_it_lasts() -> None:
    entry = '{window: {from: "10:00", to: "11:00"}}'
    desk = Desk((text_of(entry=entry, risk="{halt_when: [{vix: {above: 30}}]}"),))
    row = desk.board.rows[Underlying("VIX")]
    desk.board.last[row] = float("nan")
    desk.until("10:05")
    assert not desk.submitted
    assert not desk.state.bots.by_name["spread"].day.halted
    desk.board.last[row] = 16.0
    desk.tick(1)
    assert len(desk.submitted) == 1


def test_a_halt_that_is_unknown_in_the_window_is_why_a_bot_did_not_watch() -> None:
    """The digest of a day without VIX said that 'rulebot why' shows what it waited for, and bot_days nothing."""
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.board.last[desk.board.rows[Underlying("VIX")]] = float("nan")
    desk.until("09:59:59")
    assert not desk.state.bots.by_name["spread"].day.skipped, "its window is still to come"
    desk.until("12:00", step=60)
    assert desk.state.bots.by_name["spread"].day.skipped == "halt condition vix unknown: VIX: no price"
    (reported,) = [each for each in desk.records if each.kind is Kind.BOT_DAY and each.data["skipped"]]
    assert reported.at == clock("10:00:59")


def test_exits_continue_when_halted_and_it_is_halted_since_then() -> None:
    """The table showed the halt beside the minute at which the watch for its entry had begun."""
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.opened()
    desk.tick(60)
    desk.level("VIX", 31.0)
    desk.quote(put(5945), 3.9, 4.1, -0.2)
    desk.tick(1)
    assert desk.state.bots.by_name["spread"].day.halted
    assert desk.state.bots.by_name["spread"].since == desk.now
    assert desk.last.purpose is Purpose.EXIT


@pytest.mark.parametrize("seconds", [0, 8])
def test_a_halt_takes_back_the_entry_at_work(seconds: int) -> None:
    """faults.md row 94. Also of a bot that has no other entry left."""
    desk = Desk((text_of(risk="{halt_when: [{vix: {above: 30}}]}"),))
    desk.ack(desk.enter())
    for _ in range(seconds):
        desk.tick(1)
    assert desk.last.status is OrderStatus.WORKING
    desk.level("VIX", 31.0)
    desk.tick(1)
    assert desk.last.status is OrderStatus.CANCELLING


def test_the_daily_loss_limit_halts_the_bot() -> None:
    desk = Desk((text_of(risk="{daily_loss: $100}", exits='\n  - time: "15:45"\n'),))
    desk.opened()
    desk.quote(put(5945), 3.65, 3.75, -0.2)
    desk.quote(put(5935), 1.55, 1.65, -0.07)
    desk.tick(1)
    assert "daily_loss" in desk.state.bots.by_name["spread"].day.halted


def test_confirmation_by_seconds() -> None:
    entry = """
  window: {from: "10:00", to: "11:00"}
  when:
    - vix: {above: 15}
      confirm: 5s
"""
    desk = Desk((text_of(entry=entry),))
    desk.until("10:00")
    desk.tick(4.9)
    assert not desk.submitted
    desk.tick(0.1)
    assert len(desk.submitted) == 1


def test_what_was_confirmed_for_one_entry_is_not_for_the_next() -> None:
    """Nobody has judged it in between."""
    entry = """
  window: {from: "10:00", to: "11:00"}
  again: {after: [unfilled], wait: 5m}
  when:
    - vix: {above: 15}
      confirm: 5s
"""
    desk = Desk((text_of(entry=entry),))
    desk.until("10:00")
    desk.tick(5)
    unfilled(desk)
    desk.tick(5 * 60)
    assert len(desk.submitted) == 1
    desk.tick(4.9)
    assert len(desk.submitted) == 1
    desk.tick(0.1)
    assert len(desk.submitted) == 2


def test_two_bots_in_one_contract_have_orders_of_their_own() -> None:
    desk = Desk((text_of("one"), text_of("two")))
    desk.until("10:00")
    assert sorted(order.bot for order in desk.submitted) == ["one", "two"]
    assert len({order.ref for order in desk.submitted}) == 2
    assert len({tuple(leg.option for leg in order.legs) for order in desk.submitted}) == 1


# ---------------------------------------------------------------- a runaway (faults.md row 95)


def test_a_bot_that_enters_again_and_again_is_stopped_for_the_day() -> None:
    entry = '{window: {from: "10:00", to: "15:00"}, again: {after: [unfilled], wait: 1s}}'
    desk = Desk((text_of(entry=entry),))
    desk.enter()
    for _ in range(40):
        unfilled(desk)
        desk.tick(2)
    assert len(desk.submitted) == MOST
    assert [text for text in desk.alarms if "a person must look" in text] == [
        "spread has sent 30 opening orders within 10 minutes: it enters nothing more today, a person must look"
    ]
    desk.until("14:00", step=60)
    assert len(desk.submitted) == MOST


def test_a_ladder_that_sends_order_after_order_is_stopped_for_the_day() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 5s, pause: 1s, tries: 50, then: cancel}"),))
    desk.enter()
    for _ in range(40):
        desk.ack(desk.last)
        desk.tick(5)
        desk.cancelled(desk.last)
        desk.tick(1)
    assert len(desk.submitted) == MOST
    assert desk.position.state == "closed"
    assert [text for text in desk.alarms if "a person must look" in text] == [
        "spread has sent 30 opening orders within 10 minutes: it enters nothing more today, a person must look"
    ]


def test_as_many_orders_over_a_longer_time_are_no_runaway() -> None:
    entry = '{window: {from: "10:00", to: "15:00"}, again: {after: [unfilled], wait: 30s}}'
    desk = Desk((text_of(entry=entry),))
    desk.enter()
    for _ in range(MOST + 5):
        unfilled(desk)
        desk.tick(31)
    assert len(desk.submitted) == MOST + 6
    assert not desk.alarms


SPREAD = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""


@pytest.mark.parametrize(
    "sections",
    [
        {"legs": f'{SPREAD}  require: [{{time: "10:30"}}]\n'},
        {"underlyings": "", "universe": '{symbols: [SPX, SPY], require: [{time: "10:30"}]}'},
    ],
)
def test_a_time_that_an_entry_requires_is_heeded_to_the_second_while_nothing_moves(sections: dict[str, str]) -> None:
    desk = Desk((text_of(**{"entry": '{window: {from: "10:00", to: "11:00"}, per_day: 2}', **sections}),))
    desk.until("10:29:50", step=7)
    while desk.state.schedule.wake_at <= clock("10:30"):
        desk.now = max(desk.state.schedule.wake_at, desk.now)
        desk.freshen()
        desk.send(MarketDataUpdated(desk.now, ()))
    assert (len(desk.submitted), desk.now) == (1, clock("10:30"))


@pytest.mark.parametrize("is_filled", [True, False])
@pytest.mark.parametrize(("on_conflict", "sold"), [("skip", None), ("allow", (5935, 5925)), ("shift", (5930, 5920))])
def test_a_contract_that_another_bot_holds_or_enters_the_other_way_round(
    on_conflict: str, sold: tuple[int, int] | None, *, is_filled: bool
) -> None:
    """Of two that entered at once neither skipped, and the account netted what both had filled."""
    first = text_of(order="{start: mid, wait: 600s, tries: 1, then: cancel}")
    second = text_of(
        "second",
        entry='{at: "10:05"}',
        legs=f"""
  expiry: {{dte: 0}}
  short_put: {{sell: put, strike: {{delta: 0.08}}}}
  long_put: {{buy: put, strike: {{below: short_put, by: 10 pts}}}}
  on_conflict: {on_conflict}
""",
    )
    desk = Desk((first, second))
    order = desk.enter()
    assert [leg.option.strike for leg in order.legs] == [5945, 5935]
    if is_filled:
        desk.fill(order)
    desk.board.delta[desk.board.rows[put(5935)]] = -0.08
    desk.until("10:05")
    entered = [order for order in desk.submitted if order.bot == "second"]
    strikes = {leg.name: leg.option.strike for order in entered for leg in order.legs}
    assert strikes == ({} if sold is None else {"short_put": sold[0], "long_put": sold[1]})
    said = [str(record.data) for record in desk.said(Kind.SELECTION) if record.bot == "second"]
    assert any("further out than 5935, which is held the other way round" in each for each in said) is (
        on_conflict == "shift"
    )


@pytest.mark.parametrize("code", [161, 321, 10147, 10148])
def test_a_further_try_follows_whatever_the_broker_has_answered_to_the_cancel_of_the_one_before(code: int) -> None:
    """Its answer was taken for why the entry was over: no try followed, though the order was gone without a fill."""
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"),))
    order = desk.enter()
    desk.ack(order)
    desk.tick(10)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.message(order, code, "words")
    desk.cancelled(order)
    desk.tick(4)
    assert len(desk.submitted) == 1
    desk.tick(1)
    assert [each.attempt for each in desk.submitted] == [1, 2]


def test_a_further_try_follows_one_that_is_refused_as_it_works_only_if_it_was_cancelled_for_one() -> None:
    """The exchange may refuse it at the moment at which it is taken back: then it says why the entry is over."""
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"),))
    order = desk.enter()
    desk.ack(order)
    desk.tick(10)
    desk.message(order, 201, "Order rejected - reason: no")
    desk.cancelled(order)
    desk.tick(60)
    assert len(desk.submitted) == 1


def test_no_further_try_follows_one_that_has_filled_while_it_was_cancelled() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"),))
    order = desk.enter()
    desk.ack(order)
    desk.tick(10)
    desk.message(order, 161, "Cancel attempted when order is not in a cancellable state")
    desk.fill(order)
    desk.tick(60)
    assert (len(desk.submitted), desk.position.state) == (1, "open")


def test_no_further_try_follows_one_that_the_broker_does_not_find_while_the_account_holds_what_it_opens() -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"),))
    order = desk.enter()
    desk.ack(order)
    desk.tick(10)
    desk.message(order, 10147, "OrderId that needs to be cancelled is not found.")
    for leg in order.legs:
        desk.holds(leg.option, 1 if leg.side is Side.BUY else -1)
    for _ in range(3):
        desk.tick(3)
        desk.listed()
    assert desk.order(order.ref).status is OrderStatus.CANCELLED
    desk.tick(60)
    assert len(desk.submitted) == 1
    assert "may have filled unseen" in desk.day_of().halted
