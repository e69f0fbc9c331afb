"""Exits: which one acts, how it is worked, and until when."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hand_desk import CONDOR, SECTIONS, Desk, call, order_report, put, text_of

from rulebot.model.contract import Underlying
from rulebot.model.event import BrokerStatus, Request
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, RequestOpenOrders, Side
from rulebot.record.record import Kind


def held(exits: str, **sections: str) -> Desk:
    """Return a desk that holds the spread, 0.70 sold, with these exits."""
    desk = Desk((text_of(exits=exits, **sections),))
    desk.opened()
    return desk


def cost(desk: Desk, amount: float) -> None:
    """Quote the spread so that closing costs so much at mid."""
    desk.quote(put(5945), 0.25 + amount, 0.35 + amount, -0.104)
    desk.quote(put(5935), 0.25, 0.35, -0.07)


# ---------------------------------------------------------------- which acts


def test_a_target_buys_back_at_half() -> None:
    desk = held('\n  - time: "15:45"\n  - target: {profit: 50%}\n')
    cost(desk, 0.40)
    desk.tick(1)
    assert not desk.reasons("exit")
    cost(desk, 0.35)
    desk.tick(1)
    assert desk.reasons("exit") == ["target"]
    order = desk.last
    assert (order.purpose, order.side, order.limit_price) == (Purpose.EXIT, Side.BUY, Decimal("0.35"))
    assert [leg.side for leg in order.legs] == [Side.BUY, Side.SELL]
    desk.fill(order)
    assert desk.position.state == "closed"
    assert desk.position.exit_price == Decimal("-0.35")
    assert desk.state.bots.by_name["spread"].day.realized == Decimal("35.00")


def test_without_a_price_it_is_tried_when_one_comes_and_not_every_second() -> None:
    desk = held('\n  - time: "15:00"\n')
    desk.without_data(put(5945), put(5935))
    desk.until("15:00")
    assert (desk.position.state, desk.reasons("exit")) == ("exiting", ["time"])
    sent = len(desk.submitted)
    assert desk.state.bots.next_wakes["spread"] - desk.now == timedelta(seconds=15)
    desk.tick(3)
    assert len(desk.submitted) == sent
    cost(desk, 0.40)
    assert desk.tick(0.5).commands
    assert len(desk.submitted) == sent + 1
    assert desk.last.limit_price == Decimal("0.40")


def test_the_first_that_is_true_acts() -> None:
    desk = held('\n  - name: early\n    time: "12:00"\n  - stop: {cost: 2x credit}\n  - target: {profit: 50%}\n')
    cost(desk, 2.0)
    desk.until("12:00")
    assert desk.reasons("exit") == ["early"]


def test_a_higher_one_takes_over_once_the_lower_order_is_gone() -> None:
    desk = held('\n  - time: "15:45"\n    order: market\n  - stop: {cost: 2x credit}\n')
    cost(desk, 2.0)
    desk.tick(1)
    desk.ack(desk.last)
    first = desk.last
    desk.until("15:45")
    assert desk.order(first.ref).status is OrderStatus.CANCELLING
    assert len(desk.submitted) == 2, "the second waits until the first is final"
    desk.cancelled(desk.order(first.ref))
    desk.tick(0)
    assert desk.last.kind is OrderType.MARKET
    assert desk.reasons("exit") == ["stop", "time"]


def test_a_lower_one_waits() -> None:
    desk = held('\n  - stop: {cost: 2x credit}\n  - time: "15:45"\n    order: market\n')
    cost(desk, 2.0)
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("15:46")
    assert desk.reasons("exit") == ["stop"]


def test_a_target_at_work_is_taken_over_also_while_it_is_still_true() -> None:
    desk = held('\n  - target: {profit: 50%}\n  - time: "15:45"\n    order: market\n')
    cost(desk, 0.30)
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("15:45")
    assert desk.reasons("exit") == ["target", "time"]
    for _ in range(5):
        desk.tick(1)
    assert desk.reasons("exit") == ["target", "time"], "and does not take it back"


def test_what_closes_less_is_taken_over() -> None:
    sides = """
  - name: puts
    leg_delta: {of: short_put, beyond: 0.15}
  - time: "15:45"
    order: market
"""
    desk = Desk((text_of(exits=sides, legs=CONDOR, risk="{max_loss_per_trade: $2000000}"),))
    desk.opened()
    desk.board.delta[desk.board.rows[put(5945)]] = -0.2
    desk.tick(1)
    desk.ack(desk.last)
    assert desk.reasons("exit") == ["puts"]
    desk.until("15:45")
    assert desk.reasons("exit")[-1] == ("time" if len(desk.submitted[1].legs) < 4 else "puts")


def test_an_exit_continues_although_its_condition_is_false_again() -> None:
    desk = held('\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n')
    cost(desk, 1.50)
    desk.tick(1)
    desk.ack(desk.last)
    cost(desk, 1.00)
    desk.tick(15)
    desk.tick(15)
    assert desk.position.state == "exiting"
    assert desk.replaced[-1].limit_price == Decimal("1.10")


# ---------------------------------------------------------------- confirmation


CONFIRMED = '\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n    confirm: 2 quotes\n'


def test_two_quotes_need_every_quote_again() -> None:
    desk = held(CONFIRMED)
    cost(desk, 2.0)
    desk.tick(0.5)
    assert not desk.reasons("exit")
    desk.tick(0.5)
    assert desk.reasons("exit") == ["stop"]


def test_a_broken_quote_that_is_put_right_within_two_seconds_does_not_act() -> None:
    desk = held(CONFIRMED)
    cost(desk, 2.0)
    desk.tick(0.5)
    for _ in range(3):
        desk.now = desk.now.fromtimestamp(desk.now.timestamp() + 0.4, desk.now.tzinfo)
        desk.board.quote_at[desk.board.rows[put(5945)]] = desk.now.timestamp()
        desk.tick(0, quiet=True)
    assert not desk.reasons("exit")
    cost(desk, 0.7)
    desk.tick(0.5)
    cost(desk, 2.0)
    desk.tick(0.5)
    assert not desk.reasons("exit"), "false starts again"


def test_after_two_seconds_it_counts_although_no_quote_is_newer() -> None:
    desk = held(CONFIRMED)
    cost(desk, 2.0)
    desk.tick(0.5)
    desk.settle(2.0)
    assert desk.reasons("exit") == ["stop"]


def test_unknown_neither_counts_nor_starts_again() -> None:
    desk = held(CONFIRMED)
    cost(desk, 2.0)
    desk.tick(0.5)
    desk.without_data(put(5945))
    desk.tick(0.5)
    assert not desk.reasons("exit")
    cost(desk, 2.0)
    desk.tick(0.5)
    assert desk.reasons("exit") == ["stop"]


def test_confirm_by_seconds() -> None:
    desk = held('\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n    confirm: 5s\n')
    cost(desk, 2.0)
    desk.tick(1)
    desk.settle(4.9)
    assert not desk.reasons("exit")
    desk.settle(0.2)
    assert desk.reasons("exit") == ["stop"]


def test_while_it_is_unknown_the_time_of_confirm_stands_still() -> None:
    desk = held('\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n    confirm: 5s\n')
    cost(desk, 2.0)
    desk.tick(1)
    desk.tick(2)
    desk.without_data(put(5945))
    desk.tick(0.5)
    desk.tick(10)
    cost(desk, 2.0)
    desk.tick(0.5)
    assert not desk.reasons("exit"), "it was known to be true for 2.5 s"
    desk.settle(2.4)
    assert not desk.reasons("exit")
    desk.settle(0.2)
    assert desk.reasons("exit") == ["stop"]


# ---------------------------------------------------------------- unknown


def test_unknown_holds_and_raises_the_alarm_after_its_grace() -> None:
    desk = held('\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n')
    desk.without_data(put(5945))
    desk.tick(29)
    assert not [text for text in desk.alarms if "cannot be judged" in text]
    desk.tick(30)
    desk.tick(30)
    assert len([text for text in desk.alarms if "stop cannot be judged" in text]) == 1
    assert not desk.reasons("exit")


def test_an_exit_that_cannot_be_judged_again_is_reported_again_and_not_soon_after() -> None:
    """The data was away a second time that day, for good, and nobody was told: the words were those of the first."""
    desk = held('\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n')
    reported = []
    for start, end in (("10:10", "10:12"), ("10:13", "10:15"), ("11:00", "11:20"), ("11:22", "11:40")):
        desk.until(start)
        desk.without_data(put(5945))
        desk.until(end, step=15)
        reported.append(len([text for text in desk.alarms if "stop cannot be judged" in text]))
        cost(desk, 1.0)
    assert reported == [1, 1, 2, 3]


def test_each_position_that_has_no_price_to_close_at_is_reported_of() -> None:
    """The second had lost its resting orders to the exit, and nobody was told: the words were those of the first."""
    entry = '{window: {from: "10:00", to: "11:00"}, per_day: 2, again: {after: [filled], wait: 1m}}'
    legs = SECTIONS["legs"] + "  on_conflict: allow\n"
    desk = Desk((text_of(entry=entry, legs=legs, exits='[{time: "15:45"}]'),), at="10:00")
    for _ in range(2):
        desk.tick(61)
        desk.fill(desk.submitted[-1])
    desk.without_data(*(leg.option for position in desk.state.positions.by_id.values() for leg in position.legs))
    desk.until("15:45")
    assert len(desk.submitted) == 2
    reported = [
        record.position for record in desk.said(Kind.ALARM) if "no price to close at" in str(record.data["text"])
    ]
    assert sorted(reported) == sorted(desk.state.positions.by_id)


def test_unknown_exits_when_the_spec_says_so() -> None:
    desk = held(
        '\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n    unknown: exit\n    grace: 10s\n    order: market\n'
    )
    desk.without_data(put(5945))
    desk.tick(1)
    desk.settle(9.9)
    assert not desk.reasons("exit")
    desk.settle(0.2)
    assert desk.reasons("exit") == ["stop"]
    assert desk.last.kind is OrderType.MARKET


def test_the_grace_starts_again_when_it_could_be_judged() -> None:
    desk = held('\n  - time: "15:45"\n  - stop: {cost: 2x credit}\n    unknown: exit\n')
    desk.without_data(put(5945))
    desk.tick(25)
    cost(desk, 0.7)
    desk.tick(1)
    desk.without_data(put(5945))
    desk.tick(25)
    assert not desk.reasons("exit")


# ---------------------------------------------------------------- working it


def test_a_market_order_is_sent_once_and_never_given_a_price() -> None:
    desk = held('\n  - time: "15:45"\n    order: market\n')
    desk.until("15:45")
    desk.ack(desk.last)
    for _ in range(30):
        desk.tick(1)
    assert (desk.last.kind, desk.last.limit_price) == (OrderType.MARKET, None)
    assert len(desk.submitted) == 2
    assert not desk.replaced


def test_a_ladder_with_then_market_ends_with_a_market_order() -> None:
    ladder = '\n  - time: "15:45"\n    order: {start: mid, step: 0.05, wait: 10s, tries: 2, then: market}\n'
    desk = held(ladder)
    desk.until("15:45")
    desk.ack(desk.last)
    desk.tick(10)
    desk.tick(10)
    desk.cancelled(desk.last)
    desk.tick(0)
    assert desk.last.kind is OrderType.MARKET
    assert len(desk.submitted) == 3


def test_then_again_steps_to_natural_and_stays() -> None:
    desk = held('\n  - time: "15:45"\n')
    desk.until("15:45")
    desk.ack(desk.last)
    for _ in range(20):
        desk.tick(10)
    assert [str(o.limit_price) for o in desk.replaced] == ["0.75", "0.80"]


def test_a_dead_wing_is_left_to_expire() -> None:
    desk = held('\n  - time: "15:45"\n')
    desk.quote(put(5935), float("nan"), 0.05, -0.01)
    desk.until("15:45")
    order = desk.last
    assert [leg.option for leg in order.legs] == [put(5945)]
    assert (order.side, order.quantity) == (Side.BUY, 1)
    desk.fill(order)
    for _ in range(60):
        desk.tick(5)
    assert len(desk.submitted) == 2
    assert desk.books() == {put(5945): 0, put(5935): 1}
    assert desk.position.state == "exiting"


AT_MARKET = '\n  - time: "15:45"\n    order: {start: mid, step: 0.05, wait: 10s, tries: 1, then: market}\n'


@pytest.mark.parametrize(("asked", "kind"), [(10.40, OrderType.LIMIT), (9.80, OrderType.MARKET)])
def test_beside_a_dead_wing_no_market_order_pays_more_than_the_width(asked: float, kind: OrderType) -> None:
    """The wing covers the short put until both expire: 10 points is the most that it can cost."""
    desk = held(AT_MARKET)
    desk.quote(put(5935), float("nan"), 0.05, -0.01)
    desk.quote(put(5945), asked - 0.40, asked, -0.9)
    desk.until("15:45")
    desk.ack(desk.last)
    desk.tick(10)
    if kind is OrderType.MARKET:
        desk.cancelled(desk.last)
        desk.tick(0)
    for _ in range(5):
        desk.tick(10)
    order = desk.order(desk.last.ref)
    expected = Decimal("10.00") if kind is OrderType.LIMIT else None
    assert ([leg.option for leg in order.legs], order.kind, order.limit_price) == ([put(5945)], kind, expected)
    assert not [each for each in desk.submitted if each.kind is not kind and each.purpose is Purpose.EXIT][1:]


def test_a_short_leg_that_a_dead_long_leg_covers_for_nothing_is_left_to_expire() -> None:
    """A debit spread of which nobody bids for the long put: 0.05 for the short one would lose more than was paid."""
    legs = """
  expiry: {dte: 0}
  long_put: {buy: put, strike: {delta: 0.104}}
  short_put: {sell: put, strike: {below: long_put, by: 10 pts}}
"""
    desk = Desk((text_of(exits=AT_MARKET, legs=legs),))
    desk.opened()
    for option in (put(5945), put(5935)):
        desk.quote(option, float("nan"), 0.05, -0.01)
    desk.until("15:45")
    for _ in range(10):
        desk.tick(10)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY]
    assert [text for text in desk.alarms if "is worth nothing with its cover" in text]


def test_an_exit_of_some_legs_leaves_the_others() -> None:
    sides = """
  - name: puts
    leg_delta: {of: [short_put, long_put], beyond: 0.15}
  - time: "15:45"
"""
    desk = Desk((text_of(exits=sides, legs=CONDOR, risk="{max_loss_per_trade: $2000000}"),))
    desk.opened()
    desk.board.delta[desk.board.rows[put(5945)]] = -0.2
    desk.tick(1)
    assert {leg.name for leg in desk.last.legs} == {"short_put", "long_put"}
    desk.fill(desk.last)
    assert desk.position.state == "open"
    assert desk.books() == {put(5945): 0, put(5935): 0, call(6055): -1, call(6065): 1}
    for _ in range(5):
        desk.tick(5)
    assert len(desk.submitted) == 2, "an exit whose legs are gone is done"
    desk.until("15:45")
    assert {leg.name for leg in desk.last.legs} == {"short_call", "long_call"}


def test_close_all_closes_all() -> None:
    sides = """
  - name: puts
    leg_delta: {of: short_put, beyond: 0.15}
    close: all
  - time: "15:45"
"""
    desk = Desk((text_of(exits=sides, legs=CONDOR, risk="{max_loss_per_trade: $2000000}"),))
    desk.opened()
    desk.board.delta[desk.board.rows[put(5945)]] = -0.2
    desk.tick(1)
    assert len(desk.last.legs) == 4


def test_an_exit_takes_the_rest_of_the_entry_back_first() -> None:
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $9000}", order="{wait: 300s}"),))
    entry = desk.enter()
    desk.fill(entry, 1)
    cost(desk, 3.0)
    desk.tick(1)
    assert desk.position.state == "exiting"
    assert desk.order(entry.ref).status is OrderStatus.CANCELLING
    assert len(desk.submitted) == 1
    desk.cancelled(desk.order(entry.ref), filled=1)
    desk.tick(0)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.EXIT, 1)


def test_a_fill_of_the_entry_that_wins_against_the_exit_is_closed_too() -> None:
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $9000}", order="{wait: 300s}"),))
    entry = desk.enter()
    desk.fill(entry, 1)
    cost(desk, 3.0)
    desk.tick(1)
    desk.fill(desk.order(entry.ref), 2)
    desk.tick(0)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.EXIT, 3)
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_partial_fill_of_an_exit_leaves_the_rest_working() -> None:
    desk = Desk((text_of(quantity="3", risk="{max_loss_per_trade: $9000}"),))
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.fill(order, 1)
    assert desk.position.state == "exiting"
    assert desk.order(order.ref).status is OrderStatus.WORKING
    desk.cancelled(desk.order(order.ref), filled=1)
    desk.tick(1)
    desk.tick(15)
    assert desk.last.quantity == 2


def test_a_rejected_exit_is_sent_again_after_a_while() -> None:
    desk = held('\n  - time: "15:45"\n')
    desk.until("15:45")
    desk.refuse(desk.last)
    desk.tick(1)
    assert len(desk.submitted) == 2
    desk.tick(10)
    assert len(desk.submitted) == 3
    assert any("refused" in text for text in desk.alarms)


def test_an_exit_that_the_broker_cancels_at_once_is_not_sent_in_a_circle() -> None:
    """202 with a reason: cancelled, and not by us."""
    desk = held('\n  - time: "15:45"\n')
    desk.until("15:45")
    for _ in range(5):
        if desk.last.status.is_live:
            desk.cancelled(desk.last)
            desk.message(desk.last, 202, "Order Canceled - reason:No market price")
        desk.tick(0)
    assert len(desk.submitted) == 2
    desk.tick(10)
    assert len(desk.submitted) == 3
    assert any("cancelled" in text for text in desk.alarms)


def test_an_exit_at_work_up_to_the_close_of_its_last_day_is_not_sent_again_and_says_so() -> None:
    desk = held('\n  - time: "15:59"\n')
    desk.until("15:59")
    desk.ack(desk.last)
    desk.until("16:00", step=10)
    desk.cancelled(desk.last)
    desk.message(desk.last, 202, "Order Canceled - reason:Order has expired")
    desk.tick(1)
    said = "a closing order was working at the close: its contracts have expired"
    assert desk.alarms == [f"{said} (202 Order Canceled - reason:Order has expired)"]


def test_a_cancel_without_an_answer_is_asked_again_and_said() -> None:
    desk = held('\n  - time: "15:45"\n    order: market\n  - stop: {cost: 2x credit}\n')
    cost(desk, 2.0)
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("15:45")
    desk.tick(10)
    assert len(desk.cancels) == 2
    assert any("no answer to the cancel" in text for text in desk.alarms)


def test_a_market_order_that_waits_is_written_down_twice_a_minute() -> None:
    """A halt may last for hours; each look at the order is a record that is kept."""
    desk = held('\n  - time: "15:30"\n    order: market\n')
    desk.until("15:30")
    desk.ack(desk.last)
    before = len(desk.said(Kind.ORDER))
    desk.until("15:45", step=1)
    assert len(desk.said(Kind.ORDER)) - before <= 33
    assert len(desk.submitted) == 2


def reported(desk: Desk, order: Order, price: Decimal | None) -> None:
    """List an order at this limit."""
    working = order_report(order, desk.now, BrokerStatus.WORKING)
    desk.send(replace(working, quantity=Decimal(order.quantity), limit_price=price, side=order.wire_side))


def working(step: str, *, tries: int) -> Desk:
    """Return a desk whose exit works at mid, and comes nearer to natural every ten seconds."""
    desk = held(
        f'\n  - time: "15:30"\n    order: {{start: mid, step: {step}, wait: 10s, tries: {tries}, then: market}}\n'
    )
    desk.until("15:30")
    desk.ack(desk.last)
    return desk


NOT_SAME = 105, "Order being modified does not match original order"


@pytest.mark.parametrize("count", [1, 2])
def test_an_order_that_takes_no_change_is_cancelled_and_its_try_is_a_new_order(count: int) -> None:
    """It stood at its first price for all its tries: the broker may describe a combo in other words than ours."""
    desk = working("0.05", tries=3)
    first = desk.last
    desk.tick(10)
    asked = desk.replaced[-1].limit_price
    for _ in range(count):
        desk.message(first, *NOT_SAME)
    said = f"the broker refused a change of {first.ref}: {NOT_SAME[1]}: rulebot cancels it and sends a new order"
    assert desk.alarms == [said]
    assert [order.ref for order in desk.cancels] == [first.ref]
    desk.cancelled(first)
    desk.tick(1)
    assert desk.last.ref != first.ref
    assert (desk.last.limit_price, desk.last.attempt) == (asked, 2)
    desk.ack(desk.last)
    desk.tick(10)
    desk.message(desk.last, *NOT_SAME)
    desk.cancelled(desk.last)
    desk.tick(1)
    assert desk.last.attempt == 3
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_an_order_that_takes_no_change_and_fills_meanwhile_is_not_sent_again() -> None:
    desk = working("0.05", tries=3)
    desk.tick(10)
    desk.message(desk.last, *NOT_SAME)
    sent = len(desk.submitted)
    desk.fill(desk.last)
    desk.tick(20)
    assert (desk.position.state, len(desk.submitted)) == ("closed", sent)


@pytest.mark.parametrize("code", [201, 10318])
def test_a_change_that_was_refused_is_sent_again_with_the_next_try(code: int) -> None:
    """At natural the next try had the price that we thought it had, so nothing was sent, and the exit stood."""
    desk = working("0.50", tries=6)
    first = desk.last.limit_price
    desk.tick(10)
    natural = desk.replaced[-1].limit_price
    assert natural != first
    desk.message(desk.last, code, "no")
    assert desk.last.limit_price == first
    assert len(desk.alarms) == 1
    desk.tick(10)
    assert [order.limit_price for order in desk.replaced] == [natural, natural]
    desk.tick(10)
    assert len(desk.replaced) == 2


def test_a_change_whose_refusal_is_reported_twice_is_not_taken_as_made() -> None:
    """The second one took the exit back to the price that was refused: the next try had it, and nothing was sent."""
    desk = working("0.50", tries=6)
    first = desk.last.limit_price
    desk.tick(10)
    natural = desk.replaced[-1].limit_price
    desk.message(desk.last, 201, "no")
    desk.message(desk.last, 10318, "no, once more")
    assert (desk.last.limit_price, desk.last.worst_limit) == (first, natural)
    desk.tick(10)
    assert [order.limit_price for order in desk.replaced] == [natural, natural]


@pytest.mark.parametrize(("is_made", "code"), [(True, 10318), (False, 10318), (False, 2102)])
def test_a_change_that_is_answered_by_an_unknown_code_is_shown_as_the_broker_works_it(is_made: bool, code: int) -> None:
    """It was shown at the price before the change until its next try, though the broker worked the new one."""
    desk = held('\n  - time: "15:30"\n    order: {start: mid, step: 0.05, wait: 30s, tries: 3, then: market}\n')
    desk.until("15:30")
    desk.ack(desk.last)
    first = desk.last.limit_price
    desk.tick(30)
    changed = desk.replaced[-1].limit_price
    said = desk.message(desk.last, code, "something")
    assert [type(command) for command in said.commands] == [RequestOpenOrders]
    assert desk.last.limit_price == first, "it may have been refused"
    assert first is not None
    reported(desk, desk.last, first - 1)
    assert desk.last.limit_price == first, "neither of the two"
    reported(desk, desk.last, changed if is_made else first)
    assert (desk.last.limit_price, desk.last.message) == (changed if is_made else first, "")
    desk.tick(30)
    assert len(desk.replaced) == 2
    reported(desk, desk.last, first)
    assert desk.last.limit_price == desk.replaced[-1].limit_price, "an old report"


def test_a_change_of_what_has_filled_is_asked_about_and_not_reported() -> None:
    desk = working("0.05", tries=3)
    desk.tick(10)
    said = desk.message(desk.last, 104, "Can't modify a filled order.")
    assert [type(command) for command in said.commands] == [RequestOpenOrders]
    assert desk.alarms == []


def test_an_order_that_works_and_that_the_broker_says_something_of_is_reported_as_it_is() -> None:
    """It was told as a change that was refused, where none was sent; a code that no list has was told to nobody."""
    desk = working("0.05", tries=3)
    desk.message(desk.last, 201, "Order rejected - reason:x")
    desk.message(desk.last, 10318, "y")
    words = f"the broker says of {desk.last.ref}, which is working:"
    assert desk.alarms == [f"{words} 201 Order rejected - reason:x", f"{words} 10318 y"]


def test_a_cancel_that_is_refused_says_how() -> None:
    desk = held('\n  - time: "15:45"\n    order: market\n  - stop: {cost: 2x credit}\n')
    cost(desk, 2.0)
    desk.tick(1)
    desk.ack(desk.last)
    desk.until("15:45")
    desk.message(desk.last, 161, "not in a cancellable state")
    desk.tick(10)
    assert len(desk.cancels) == 2
    assert f"{desk.last.ref} was not cancelled, the broker says: 161 not in a cancellable state" in desk.alarms


READ_ONLY = "Error validating request.-'bB' : cause - The API interface is currently in Read-Only mode."


def test_37_an_exit_whose_cancel_a_read_only_gateway_refuses_was_not_refused_itself() -> None:
    """What takes over waited ten seconds more, and a person was told that the broker refuses to close."""
    desk = held('\n  - {name: out, time: "15:45"}\n', exit_order="{start: mid, wait: 600s, tries: 3, then: again}")
    desk.until("15:45")
    first = desk.last
    desk.ack(first)
    desk.ask(Request.FLATTEN, "spread")
    desk.tick(0)
    desk.message(first, 321, READ_ONLY)
    desk.tick(10)
    assert desk.alarms == [f"{first.ref} was not cancelled, the broker says: 321 {READ_ONLY}"]
    desk.cancelled(first)
    desk.tick(0)
    assert (desk.last.ref != first.ref, desk.last.reason) == (True, "flattened")
    assert not any("refused a closing order" in text for text in desk.alarms)


def test_closing_orders_that_the_broker_swallows_are_sent_on_and_a_person_is_notified_once() -> None:
    """Only that each of them had no answer was told, all afternoon."""
    desk = held('\n  - time: "15:45"\n  - target: {profit: 50%}\n')
    cost(desk, 0.30)
    for _ in range(60):
        desk.tick(10)
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.message(order, 10147, "OrderId that needs to be cancelled is not found.")
    assert len(desk.submitted) > 8
    assert [text for text in desk.alarms if "do not get through" in text] == [
        "closing orders do not get through: two were sent on end, and the broker has none; they are sent again "
        "until one does. A person must look"
    ]


def test_one_closing_order_at_a_time() -> None:
    desk = held('\n  - stop: {cost: 2x credit}\n  - time: "15:45"\n')
    cost(desk, 3.0)
    for _ in range(30):
        desk.tick(1)
    assert len([order for order in desk.live if order.purpose is Purpose.EXIT]) == 1


def test_nothing_is_closed_outside_the_session() -> None:
    desk = held("\n  - stop: {cost: 2x credit}\n  - at_expiry: settle\n")
    desk.until("16:00")
    cost(desk, 3.0)
    desk.tick(1)
    assert len(desk.submitted) == 1


def test_the_engine_comes_to_rest() -> None:
    """No wake in the past: in real time the link would spin."""
    desk = held('\n  - stop: {cost: 2x credit}\n    confirm: 2 quotes\n  - time: "15:45"\n')
    desk.settle(30, limit=40)
    cost(desk, 3.0)
    desk.tick(1)
    desk.settle(30, limit=60)
    desk.without_data(put(5945))
    desk.tick(1)
    desk.settle(30, limit=80)


@pytest.mark.parametrize("status", ["open", "exiting"])
def test_a_held_count_below_zero_is_said(status: str) -> None:
    """More was closed than was held: somebody must look."""
    desk = held('\n  - time: "15:45"\n')
    desk.until("15:45")
    order = desk.last
    desk.fill(order)
    for report in desk.executions_of(order, 1):
        desk.send(report)
    assert desk.books() == {put(5945): 1, put(5935): -1}
    assert any("more was closed" in text for text in desk.alarms)


# ---------------------------------------------------------------- settlement


def test_cash_settlement_of_a_spread() -> None:
    desk = held("\n  - at_expiry: settle\n")
    desk.level("SPX", 5940.0)
    desk.until("16:00")
    desk.tick(300)
    desk.holds(put(5945), 0)
    desk.holds(put(5935), 0)
    position = desk.position
    assert position.state == "closed"
    assert position.exit_reason == "settled"
    assert position.net == Decimal("70.00") - Decimal("500.00")
    assert [record.data["how"] for record in desk.said(Kind.SETTLEMENT)] == ["cash", "worthless"]


def test_a_worthless_expiry() -> None:
    desk = held("\n  - at_expiry: settle\n")
    desk.until("16:00")
    desk.until("16:05")
    desk.holds(put(5945), 0)
    desk.holds(put(5935), 0)
    assert desk.position.exit_reason == "expired_worthless"
    assert desk.position.net == Decimal("70.00")
    assert desk.state.bots.by_name["spread"].day.realized == Decimal("70.00")


def test_a_position_that_goes_to_nothing_before_the_close_is_not_settled() -> None:
    desk = held("\n  - at_expiry: settle\n")
    desk.until("15:00")
    desk.holds(put(5945), 0)
    assert not desk.said(Kind.SETTLEMENT)


def at_expiry(legs: str, level: float) -> Desk:
    """Return a desk whose position in SPY options, opened at 600, has expired with SPY at a level."""
    legs = f"\n  expiry: {{dte: 0}}\n{legs}"
    desk = Desk(
        (text_of(underlying="SPY", legs=legs, exits="\n  - at_expiry: settle\n", risk="{undefined_risk: allow}"),)
    )
    desk.opened()
    desk.quote(Underlying("SPY"), level - 0.01, level + 0.01)
    desk.level("SPY", level)
    desk.until("16:00")
    desk.until("16:05")
    for leg in desk.position.legs:
        desk.holds(leg.option, 0)
    return desk


@pytest.mark.parametrize(("deal", "reason"), [("sell", "assigned"), ("buy", "exercised")])
def test_a_put_that_ends_in_shares(deal: str, reason: str) -> None:
    desk = at_expiry(f"  only: {{{deal}: put, strike: {{at: spot}}}}\n", 595.0)
    assert desk.position.exit_reason == reason
    assert desk.position.entry_price is not None
    (leg,) = desk.position.legs
    in_the_money = leg.option.strike - 595
    assert in_the_money > 0, "its shares are worth less than the strike"
    assert desk.position.net == (desk.position.entry_price + leg.sign * in_the_money) * 100


def test_a_spread_that_ends_in_the_money_has_lost_its_width() -> None:
    """Shares come by the one leg and go by the other: none stay, and the strikes differ by 200 dollars."""
    short = "  short_put: {sell: put, strike: {at: spot}}\n"
    desk = at_expiry(f"{short}  long_put: {{buy: put, strike: {{below: short_put, by: 2 pts}}}}\n", 595.0)
    position = desk.position
    assert position.entry_price is not None
    assert (position.exit_reason, position.net) == ("assigned", position.entry_price * 100 - 200)
    assert [(r.data["how"], r.data["price"]) for r in desk.said(Kind.SETTLEMENT)] == [
        ("assigned", "5.0000"),
        ("exercised", "3.0000"),
    ]


def test_a_new_connection_has_no_prices_yet_and_that_is_no_alarm() -> None:
    """What streams is chosen after Connected: only a price that is still missing then is worth a person's look."""
    desk = held('\n  - stop: {cost: 2x credit}\n    order: {start: mid, wait: 5s, tries: 9}\n  - time: "15:45"\n')
    cost(desk, 3.0)
    desk.tick(1)
    desk.ack(desk.last)
    desk.unlink()
    desk.link()
    desk.without_data(put(5945))
    desk.tick(6)
    assert not [text for text in desk.alarms if "no price" in text]
    desk.tick(1)
    assert len([text for text in desk.alarms if "no price for the next try" in text]) == 1


def test_the_next_leg_of_an_entry_waits_for_its_first_price_without_an_alarm() -> None:
    """A start between two legs, as after an upgrade, woke people: nothing was streamed yet."""
    ladder = "{leg_by_leg: [long_put, short_put], start: natural, wait: 30s, tries: 2, then: unwind}"
    desk = Desk((text_of(order=ladder),))
    entry = desk.enter()
    desk.ack(entry)
    desk.unlink()
    desk.link()
    desk.without_data(put(5945))
    desk.fill(entry)
    assert (len(desk.submitted), desk.alarms) == (1, [])
    for _ in range(3):
        desk.tick(1)
    assert [text for text in desk.alarms if "no price for the entry" in text]


# ---------------------------------------------------------------- one combo, or several


def test_legs_that_were_entered_one_by_one_are_closed_as_one_combo() -> None:
    """Closed one by one they could lose more than the width: each at a market of its own."""
    ladder = "{leg_by_leg: [long_put, short_put], start: natural, wait: 30s, tries: 2, then: unwind}"
    desk = Desk((text_of(exits='\n  - time: "15:30"\n', order=ladder),))
    desk.fill(desk.enter())
    desk.tick(1)
    desk.fill(desk.last)
    desk.until("15:30")
    assert (desk.last.purpose, [leg.name for leg in desk.last.legs]) == (Purpose.EXIT, ["short_put", "long_put"])
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_legs_on_two_underlyings_are_closed_as_one_combo_for_each() -> None:
    legs = """
  expiry: {dte: 0}
  long_spx: {buy: put, of: SPX, strike: {at: spot}}
  short_spx: {sell: put, of: SPX, strike: {below: long_spx, by: 10 pts}}
  short_spy: {sell: put, of: SPY, ratio: 10, strike: {at: spot}}
"""
    order = "{leg_by_leg: [long_spx, short_spx, short_spy], start: natural, wait: 30s, tries: 3, then: unwind}"
    sections = {"underlyings": "[SPX, SPY]", "legs": legs, "order": order, "exits": '\n  - time: "15:30"\n'}
    desk = Desk((text_of("pair", **sections, risk="{undefined_risk: allow}"),))
    desk.fill(desk.enter())
    for _ in range(2):
        desk.tick(1)
        desk.fill(desk.last)
    desk.until("15:30")
    dealt = []
    while desk.position.state == "exiting":
        dealt.append(([leg.name for leg in desk.last.legs], desk.last.quantity))
        desk.fill(desk.last)
        desk.tick(1)
    assert dealt == [(["long_spx", "short_spx"], 1), (["short_spy"], 10)]
    assert desk.position.state == "closed"


# ---------------------------------------------------------------- combos that nobody takes


def test_a_position_with_a_rejected_combo_is_closed_leg_by_leg_shorts_first() -> None:
    desk = Desk((text_of(exits='\n  - time: "15:30"\n', legs=CONDOR),))
    desk.opened()
    desk.until("15:30")
    desk.refuse_combos()
    dealt = []
    for _ in range(4):
        order = desk.last
        dealt.append((order.legs[0].name, order.side, order.kind, order.attempt))
        desk.fill(order)
        desk.tick(1)
    assert [name for name, *_ in dealt] == ["short_put", "short_call", "long_put", "long_call"]
    assert all(side is (Side.BUY if "short" in name else Side.SELL) for name, side, *_ in dealt)
    assert {kind for *_, kind, _ in dealt} == {OrderType.LIMIT}
    assert {attempt for *_, attempt in dealt} == {1}
    assert desk.position.state == "closed"
    assert sum("closed one by one" in text for text in desk.alarms) == 1


def test_single_legs_that_are_refused_as_well_are_tried_as_one_again() -> None:
    desk = held('\n  - time: "15:30"\n')
    desk.until("15:30")
    desk.refuse_combos()
    for _ in range(2):
        assert [leg.name for leg in desk.last.legs] == ["short_put"]
        desk.refuse(desk.last)
        desk.until_sent_anew()
    assert desk.last.is_combo


@pytest.mark.parametrize("words", ["103 Duplicate order id", "321 Error validating request:-'bN' : cause - read-only"])
def test_what_the_gateway_refuses_whatever_it_is_stays_one_order(words: str) -> None:
    desk = held('\n  - time: "15:30"\n')
    desk.until("15:30")
    desk.refuse_combos(words)
    assert desk.last.is_combo
