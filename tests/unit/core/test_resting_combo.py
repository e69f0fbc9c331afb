"""The target of a whole structure rests at the broker as one limit order of the combo."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import CONDOR, Desk, clock, put, text_of

from rulebot.core.session.position_marks import dollars_at
from rulebot.model.event import BrokerStatus, CommissionReport, ExecutionReport, Request
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, Side, TimeInForce
from rulebot.model.position import end_of
from rulebot.record.record import Kind
from rulebot.spec.exit_kinds import ExitKind

EXITS = """
  - time: "15:45"
    order: market
  - stop: {cost: 3x credit}
  - target: {profit: 50%}
    resting: true
"""
SIDES = """
  - time: "15:45"
    order: market
  - stop: {cost: 0.7x credit, of: each_side}
  - target: {profit: 25%}
    resting: true
"""
HALF = """
  - time: "15:45"
    order: market
  - profit: {above: 20%}
    close: 50%
  - target: {profit: 50%}
    resting: true
"""
LOOSE = {"risk": "{max_loss_per_trade: $9000}"}


def condor(exits: str = EXITS, **sections: str) -> Desk:
    """Return a desk that holds a condor whose target has been sent."""
    desk = Desk((text_of(**{"legs": CONDOR, "exits": exits, **LOOSE, **sections}),))
    desk.fill(desk.enter("10:01"))
    return desk


def resting(desk: Desk) -> list[Order]:
    """Return the orders that rest now, as they are."""
    return [order for order in desk.live if order.purpose is Purpose.TARGET]


def executions_at(desk: Desk, order: Order, count: int) -> list[ExecutionReport]:
    """Return the fills of so many structures at the order's limit: the first leg makes up what the mids differ."""
    reported = desk.executions_of(order, count)
    net = sum((1 if report.is_buy else -1) * report.price for report in reported)
    assert order.limit_price is not None
    lacks = order.limit_price - net
    first = reported[0]
    return [replace(first, price=first.price + (lacks if first.is_buy else -lacks)), *reported[1:]]


def fill_at(desk: Desk, order: Order, count: int | None = None) -> None:
    """Fill an order at its limit, wholly or in part."""
    order = desk.order(order.ref)
    count = order.remaining if count is None else count
    for report in executions_at(desk, order, count):
        desk.send(report)
    done = order.filled + count
    desk.report(order, BrokerStatus.FILLED if done == order.quantity else BrokerStatus.WORKING, done)


def acknowledged(desk: Desk) -> Order:
    """Return the one order that rests, acknowledged."""
    (order,) = resting(desk)
    desk.ack(order)
    return desk.order(order.ref)


def move(desk: Desk, right: str, by: float) -> None:
    """Move the quotes of the calls or puts that are held: the short one's by as much, its wing's by half."""
    for leg in desk.position.legs:
        if leg.option.right.letter == right:
            mid = float(desk.mid(leg.option)) + (by if leg.sign < 0 else by / 2)
            desk.quote(leg.option, mid - 0.05, mid + 0.05)
    desk.tick(1)


def test_one_gtc_limit_of_the_combo_at_the_price_that_keeps_the_target() -> None:
    desk = condor(quantity="2")
    (order,) = resting(desk)
    credit = desk.position.entry_price
    assert credit is not None
    assert (order.kind, order.time_in_force, order.quantity, order.oca_group) == (
        OrderType.LIMIT,
        TimeInForce.GTC,
        2,
        "",
    )
    assert {(leg.name, leg.side) for leg in order.legs} == {
        ("short_put", Side.BUY),
        ("long_put", Side.SELL),
        ("short_call", Side.BUY),
        ("long_call", Side.SELL),
    }
    assert order.limit_price is not None
    assert credit / 2 - Decimal("0.05") < order.limit_price <= credit / 2, "what is paid, on the tick that keeps more"


def test_nothing_rests_while_the_entry_works_and_all_that_has_filled_does_then() -> None:
    desk = Desk((text_of(legs=CONDOR, exits=EXITS, quantity="3", **LOOSE),))
    entry = desk.enter("10:01")
    desk.fill(entry, 2)
    desk.tick(1)
    assert not resting(desk)
    desk.until("10:05", step=5)
    if desk.order(entry.ref).status is OrderStatus.CANCELLING:
        desk.cancelled(desk.order(entry.ref), 2)
    assert [order.quantity for order in resting(desk)] == [2]


def test_a_fill_of_the_target_closes_the_trade_at_its_promise() -> None:
    desk = condor()
    fill_at(desk, acknowledged(desk))
    position = desk.position
    assert (position.state, end_of(position)) == ("closed", "target")
    assert not desk.live
    assert position.entry_price is not None
    assert position.gross >= position.entry_price * 50


def test_a_fill_in_parts_leaves_the_rest_at_the_same_price() -> None:
    desk = condor(quantity="3")
    order = acknowledged(desk)
    fill_at(desk, order, 1)
    desk.tick(1)
    (left,) = resting(desk)
    assert (left.ref, left.remaining, left.limit_price) == (order.ref, 2, order.limit_price)
    assert not desk.replaced, "the same order works on"
    fill_at(desk, left)
    assert desk.position.state == "closed"


def test_between_the_executions_of_its_legs_nothing_is_sent() -> None:
    desk = condor()
    order = acknowledged(desk)
    for report in desk.executions_of(order, 1):
        desk.send(report)
        desk.tick(1)
    assert len(desk.submitted) == 2
    assert not (desk.cancels)
    assert not (desk.replaced)


@pytest.mark.parametrize("asks", ["stop", "time", "flatten"])
def test_any_other_exit_cancels_it_first_and_waits(asks: str) -> None:
    desk = condor(quantity="2")
    order = acknowledged(desk)
    leave(desk, asks)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert not [each for each in desk.live if each.purpose is Purpose.EXIT]
    desk.tick(1)
    desk.cancelled(desk.order(order.ref))
    (closing,) = desk.live
    assert (closing.purpose, closing.quantity, len(closing.legs)) == (Purpose.EXIT, 2, 4)


def leave(desk: Desk, asks: str) -> None:
    """Have another exit act."""
    if asks == "time":
        desk.until("15:45", step=30)
    elif asks == "stop":
        move(desk, "C", 8.0)
    else:
        desk.ask(Request.FLATTEN)
    desk.tick(1)


def test_a_cancel_that_loses_the_race_leaves_the_other_exit_only_the_rest() -> None:
    desk = condor(quantity="3")
    order = acknowledged(desk)
    leave(desk, "stop")
    fill_at(desk, order, 1)
    desk.cancelled(desk.order(order.ref), 1)
    (closing,) = desk.live
    assert (closing.purpose, closing.quantity) == (Purpose.EXIT, 2)


def test_a_cancel_that_comes_after_all_has_filled_closes_the_trade_by_the_target() -> None:
    desk = condor()
    order = acknowledged(desk)
    leave(desk, "stop")
    fill_at(desk, order)
    desk.tick(1)
    position = desk.position
    assert (position.state, position.exit_reason) == ("closed", "target")
    assert not desk.live


def test_a_part_that_is_closed_lets_the_target_rest_for_the_others_by_the_whole_trade() -> None:
    """4 sold at 1.40, 2 bought back at 1.00: the others may cost 0.40, to keep 280 dollars of 560."""
    desk = condor(HALF, quantity="4")
    order = acknowledged(desk)
    move(desk, "C", -0.8)
    desk.cancelled(desk.order(order.ref))
    (closing,) = desk.live
    assert closing.quantity == 2
    desk.fill(closing)
    desk.tick(1)
    (restarted,) = resting(desk)
    assert (restarted.quantity, restarted.limit_price) == (2, Decimal("0.40"))


def call_side_closed(by: float) -> Desk:
    """Return a desk whose call side was stopped out, which then cost 0.70 and half of `by`."""
    desk = condor(SIDES)
    order = acknowledged(desk)
    move(desk, "C", by)
    desk.cancelled(desk.order(order.ref))
    (closing,) = desk.live
    assert {leg.name for leg in closing.legs} == {"short_call", "long_call"}
    desk.fill(closing)
    desk.tick(1)
    return desk


def test_a_side_that_is_stopped_out_lets_the_target_rest_for_the_other_side() -> None:
    """1.40 sold, the calls bought back at 1.00: to keep 35 dollars the puts may cost 0.05."""
    desk = call_side_closed(0.6)
    (restarted,) = resting(desk)
    assert {leg.name for leg in restarted.legs} == {"short_put", "long_put"}
    assert restarted.limit_price == Decimal("0.05")


def test_a_target_that_the_other_side_cannot_bring_back_rests_no_more() -> None:
    desk = call_side_closed(2.0)
    assert desk.position.state == "open"
    assert not desk.live


def test_cancelled_by_the_broker_it_is_sent_again_within_a_second_and_then_later() -> None:
    desk = condor()
    order = acknowledged(desk)
    desk.cancelled(order)
    desk.tick(0.5)
    (again,) = resting(desk)
    assert again.ref != order.ref
    assert again.limit_price == order.limit_price
    assert f"the resting target of {desk.position.id} was cancelled at the broker" in desk.alarms[-1]
    desk.ack(again)
    desk.tick(5)
    desk.cancelled(desk.order(again.ref))
    desk.tick(0.5)
    assert not resting(desk), "the second loss is sent again after a second"
    desk.tick(1.1)
    assert len(resting(desk)) == 1
    assert not desk.position.unprotected


def test_a_refused_one_is_watched_by_the_engine() -> None:
    desk = condor()
    (order,) = resting(desk)
    desk.refuse(order)
    assert desk.position.resting_orders_withdrawn
    move(desk, "C", -0.8)
    move(desk, "P", -0.8)
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "target")


def test_it_survives_a_restart_and_a_fill_meanwhile_is_booked_once() -> None:
    desk = condor()
    order = acknowledged(desk)
    fills = executions_at(desk, order, 1)
    desk.start_again()
    assert [each.ref for each in resting(desk)] == [order.ref]
    desk.link(refs=())
    for report in (*fills, *fills):
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, 1)
    desk.tick(5)
    assert (desk.position.state, end_of(desk.position)) == ("closed", "target")
    assert len([r for r in desk.records if r.kind is Kind.FILL and r.data["purpose"] == "target"]) == 4


def test_a_dollar_target_counts_commissions_as_they_come() -> None:
    desk = Desk((text_of(legs=CONDOR, exits=EXITS.replace("50%", "$60")),))
    reports = desk.fill(desk.enter("10:01"))
    before = acknowledged(desk)
    for report in reports:
        desk.send(CommissionReport(desk.now, report.exec_id, Decimal("4.00")))
    desk.tick(1)
    (after,) = resting(desk)
    assert after.ref == before.ref
    assert after.limit_price < before.limit_price
    assert desk.replaced[-1].limit_price == after.limit_price


def test_on_the_last_day_nothing_is_sent_after_the_close() -> None:
    desk = condor(EXITS.replace('  - time: "15:45"\n    order: market\n', "  - at_expiry: settle\n"))
    order = acknowledged(desk)
    desk.now = clock("16:00")
    desk.cancelled(order)
    desk.tick(60)
    assert not resting(desk)
    assert not desk.alarms


SECOND = {
    "legs": CONDOR.replace("dte: 0}", "dte: 0}\n  on_conflict: allow"),
    "entry": '{window: {from: "10:30", to: "11:00"}}',
    "exits": '\n  - time: "15:40"\n    order: market\n',
    **LOOSE,
}
ONE_PUT = {
    "underlying": "SPX",
    "legs": "\n  expiry: {dte: 0}\n  on_conflict: allow\n  short_put: {sell: put, strike: {delta: 0.10}}\n",
    "entry": '{window: {from: "10:30", to: "11:00"}}',
    "exits": '\n  - time: "15:40"\n    order: market\n',
    "risk": "{undefined_risk: allow}",
}


@pytest.mark.parametrize("second", [SECOND, ONE_PUT], ids=["combo", "single"])
def test_it_gives_way_to_an_entry_that_sells_what_it_buys_and_is_sent_again_after_it(second: dict[str, str]) -> None:
    """The broker refuses orders of one account on both sides of one option; of combos nobody knows."""
    first = text_of("first", legs=CONDOR, exits=EXITS, **LOOSE)
    desk = Desk((first, text_of("second", **second)))
    desk.fill(desk.enter("10:01"))
    order = acknowledged(desk)
    held = desk.position
    desk.until("10:30")
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert desk.state.positions.by_id[held.id].resting_orders_withdrawn
    assert desk.last.bot == "first", "the entry waits until it is cancelled"
    desk.cancelled(desk.order(order.ref))
    desk.tick(1)
    assert (desk.last.bot, desk.last.purpose) == ("second", Purpose.ENTRY)
    assert not resting(desk)
    desk.fill(desk.last)
    desk.tick(1)
    (again,) = resting(desk)
    assert (again.position, again.limit_price) == (held.id, order.limit_price)


def test_it_gives_way_to_an_exit_that_sells_what_it_buys() -> None:
    """A long put of another bot is sold, of which the condor buys its short one back."""
    bought = {
        "legs": "\n  expiry: {dte: 0}\n  on_conflict: allow\n  long_put: {buy: put, strike: {delta: 0.10}}\n",
        "entry": '{window: {from: "10:30", to: "11:00"}}',
        "exits": '\n  - time: "15:00"\n    order: market\n',
        **LOOSE,
    }
    first = text_of("first", legs=CONDOR, exits=EXITS, **LOOSE)
    desk = Desk((first, text_of("second", **bought)))
    desk.fill(desk.enter("10:01"))
    order = acknowledged(desk)
    desk.until("10:30")
    assert desk.last.bot == "second", "it buys what the resting order buys: nothing gives way"
    desk.fill(desk.last)
    desk.until("15:00", step=30)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(order.ref))
    desk.tick(1)
    assert (desk.last.bot, desk.last.purpose) == ("second", Purpose.EXIT)
    assert not resting(desk)
    desk.fill(desk.last)
    desk.tick(1)
    assert len(resting(desk)) == 1


def test_a_person_who_closes_half_has_it_resized_at_once() -> None:
    desk = condor(quantity="2")
    order = acknowledged(desk)
    for leg in desk.position.legs:
        desk.holds(leg.option, leg.signed_held // 2)
    desk.tick(1)
    (left,) = resting(desk)
    assert (left.ref, left.remaining) == (order.ref, 1)


def test_a_person_who_closes_a_leg_has_it_cancelled() -> None:
    desk = condor()
    order = acknowledged(desk)
    desk.holds(desk.position.legs[1].option, 0)
    desk.tick(1)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING


def test_what_is_made_at_the_target_is_by_the_price_of_its_order() -> None:
    desk = condor(EXITS.replace("50%", "51%"))
    order = acknowledged(desk)
    bot = desk.program.governing(desk.position)
    assert order.limit_price == Decimal("0.65"), "0.686 is between two ticks"
    assert dollars_at(bot, desk.position, ExitKind.TARGET, [order]) == 75
    assert dollars_at(bot, desk.position, ExitKind.TARGET) == 75


def test_a_roll_cancels_it_first_and_what_is_opened_has_its_own() -> None:
    exits = """
  - time: "15:45"
  - vix: {above: 20}
    roll: {expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 0.20}}]}
    order: {start: mid, step: 0.05, wait: 10s, tries: 3}
  - target: {profit: 50%}
    resting: true
"""
    desk = Desk((text_of(exits=exits, **LOOSE),))
    desk.quote(put(5945, expiry=desk.expiry_90), 4.00, 4.10, -0.30)
    desk.quote(put(5935, expiry=desk.expiry_90), 2.60, 2.70, -0.20)
    desk.fill(desk.enter("10:01"))
    order = acknowledged(desk)
    desk.level("VIX", 30.0)
    desk.tick(1)
    assert desk.order(order.ref).status is OrderStatus.CANCELLING
    assert desk.last.purpose is Purpose.TARGET, "the roll waits until it is cancelled"
    desk.cancelled(desk.order(order.ref))
    assert desk.last.purpose is Purpose.ROLL
    desk.fill(desk.last)
    desk.tick(1)
    (restarted,) = resting(desk)
    assert restarted.position == desk.position.id != order.position
    assert {leg.option.expiry for leg in restarted.legs} == {desk.expiry_90}


def test_it_rests_for_the_structures_that_the_account_has_whole() -> None:
    """A person closes one short call of two: with one order at the broker that is cancelled there, it rests for one."""
    desk = condor(quantity="2")
    order = acknowledged(desk)
    short_call = next(leg for leg in desk.position.legs if leg.name == "short_call")
    desk.holds(short_call.option, -1)
    desk.tick(1)
    (left,) = resting(desk)
    assert (left.ref, left.remaining) == (order.ref, 1)
    desk.cancelled(left)
    desk.tick(0.5)
    (again,) = resting(desk)
    assert (again.remaining, len(again.legs)) == (1, 4)
