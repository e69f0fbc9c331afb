"""Targets and stops that rest at the broker (requirement A4)."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, put, text_of

from rulebot.core.session.position_marks import dollars_at
from rulebot.model.event import BrokerStatus, CommissionReport
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, Side, TimeInForce
from rulebot.model.session import session_after
from rulebot.record.record import Kind
from rulebot.spec.exit_kinds import ExitKind

SHORT = put(586, "SPY", date(2027, 2, 19))
RESTING_TILL = """
  - target: {profit: 60%}
    resting: true
  - stop: {loss: 200%}
    resting: true
  - time: "15:45"
"""
GROUP_FILLED = "Order Canceled - reason:OCA group member was filled"


def seller(**sections: str) -> Desk:
    """Return a desk whose put seller is about to enter."""
    return Desk((text_of("seller", **{**SELLER, **sections}),), at="10:00")


def protected(**sections: str) -> tuple[Desk, Order, Order]:
    """Return a desk that holds the put with target and stop acknowledged."""
    desk = seller(**sections)
    desk.opened("10:01")
    target, stop = desk.submitted[-2:]
    for order in (target, stop):
        desk.ack(order)
    return desk, desk.order(target.ref), desk.order(stop.ref)


def sold_yesterday() -> tuple[Desk, str]:
    """Return a desk with an open protected put, before the next bot sells the same contract."""
    second = {
        **SELLER,
        "entry": '{window: {from: "10:10", to: "10:20"}, every: 5m, when: [{vix: {below: 20}}]}',
        "exits": '\n  - time: "15:45"\n',
        "order": "{start: mid, wait: 30s, tries: 2}",
    }
    desk = Desk((text_of("seller", **SELLER), text_of("second", **second)), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    return desk, desk.position.id


def test_target_and_stop_rest_as_one_group_priced_from_the_fill() -> None:
    desk = seller()
    order = desk.enter("10:01")
    assert (order.legs[0].option, order.side) == (SHORT, Side.SELL)
    desk.fill(order, price="2.00")
    target, stop = desk.submitted[-2:]
    assert (target.purpose, target.kind, target.side, target.limit_price) == (
        Purpose.TARGET,
        OrderType.LIMIT,
        Side.BUY,
        Decimal("0.80"),
    )
    assert (stop.purpose, stop.kind, stop.side, stop.stop_price) == (
        Purpose.STOP,
        OrderType.STOP,
        Side.BUY,
        Decimal("6.00"),
    )
    assert target.oca_group == stop.oca_group != ""
    assert {target.time_in_force, stop.time_in_force} == {TimeInForce.GTC}
    assert target.quantity == stop.quantity == 1


def test_nothing_rests_while_the_entry_works() -> None:
    desk = seller(quantity="2")
    desk.fill(desk.enter("10:01"), 1)
    desk.tick(1)
    assert len(desk.submitted) == 1


def test_the_pair_is_sized_to_what_is_open() -> None:
    desk = seller(quantity="2")
    desk.fill(desk.enter("10:01"))
    assert [order.quantity for order in desk.submitted[-2:]] == [2, 2]


def test_a_debit_position_rests_with_the_signs_of_a_sale() -> None:
    legs = "\n  expiry: {dte: {nearest: 90}}\n  long_put: {buy: put, strike: {delta: 0.15}}\n"
    target, stop = "  - target: {profit: 60%}\n    resting: true\n", "  - stop: {loss: 50%}\n    resting: true\n"
    desk = seller(legs=legs, exits=f"\n{target}{stop}  - at_expiry: settle\n")
    desk.fill(desk.enter("10:01"), price="2.00")
    target, stop = desk.submitted[-2:]
    assert (target.side, target.limit_price) == (Side.SELL, Decimal("3.20"))
    assert (stop.side, stop.stop_price) == (Side.SELL, Decimal("1.00"))


TENTHS = (
    "\n  - target: {profit: 10%}\n    resting: true\n  - stop: {loss: 20%}\n    resting: true\n  - at_expiry: settle\n"
)


LONG = {
    "legs": "\n  expiry: {dte: {nearest: 90}}\n  long_put: {buy: put, strike: {delta: 0.15}}\n",
    "risk": "{max_loss_per_trade: $9000}",
}
LEVELS = {
    "target: {profit: 60%}": {},
    "target: {profit: $100}": {},
    "target: {cost: 0.3x credit}": {},
    "target: {cost: 1.00}": {},
    "target: {profit: 0.002x max_risk}": {},
    "stop: {loss: 200%}": {},
    "stop: {loss: $300}": {},
    "stop: {cost: 3x credit}": {},
    "stop: {cost: 10.00}": {},
    "stop: {loss: 0.05x max_risk}": {},
    "target: {profit: 30%}": LONG,
    "target: {profit: $90}": LONG,
    "target: {value: 1.5x debit}": LONG,
    "target: {value: 9.00}": LONG,
    "target: {profit: 0.2x max_risk}": LONG,
    "stop: {loss: 40%}": LONG,
    "stop: {loss: $100}": LONG,
    "stop: {value: 0.5x debit}": LONG,
    "stop: {value: 0.80}": LONG,
    "stop: {loss: 0.3x max_risk}": LONG,
}


@pytest.mark.parametrize("written", LEVELS)
def test_what_rests_is_priced_where_the_engine_that_watches_the_same_would_act(written: str) -> None:
    cent = Decimal("0.01")

    def held(resting: str) -> Desk:
        exits = f"\n  - {written}{resting}\n  - at_expiry: settle\n"
        desk = seller(**{**LEVELS[written], "exits": exits, "quantity": "2"})
        for report in desk.fill(desk.enter("10:01")):
            desk.send(CommissionReport(desk.now, report.exec_id, Decimal("2.10")))
        for order in desk.live:
            desk.ack(order)
        desk.tick(1)
        return desk

    def acts(price: Decimal) -> bool:
        desk = held("")
        desk.quote(desk.position.legs[0].option, float(price - cent / 2), float(price + cent / 2))
        desk.tick(1)
        return desk.position.state == "exiting"

    (order,) = held("\n    resting: true").live
    price = order.terms.price
    assert price is not None
    away = cent if (order.side is Side.SELL) is (order.kind is OrderType.STOP) else -cent
    assert (acts(price - away), acts(price + away)) == (True, False)


def at_exits(desk: Desk, *orders: Order) -> tuple[Decimal | None, ...]:
    """Return the dollars that are made at target and stop, whose orders these are."""
    bot = desk.program.governing(desk.position)
    return tuple(dollars_at(bot, desk.position, kind, orders) for kind in (ExitKind.TARGET, ExitKind.STOP))


def test_what_is_made_at_target_and_stop_is_by_the_prices_of_the_orders() -> None:
    """It was by the unrounded levels 1.809 and 2.412: 40.20 and -80.40."""
    desk = seller(quantity="2", exits=TENTHS)
    desk.fill(desk.enter("10:01"), price="2.01")
    target, stop = desk.submitted[-2:]
    assert (target.limit_price, stop.stop_price) == (Decimal("1.80"), Decimal("2.41"))
    assert at_exits(desk, target, stop) == at_exits(desk) == (42, -80), "as orders would have that do not rest now"
    moved = target.with_terms(target.quantity, Decimal("1.75"))
    assert at_exits(desk, moved, stop) == (52, -80)


def test_what_is_made_at_a_target_of_what_was_bought_is_by_its_order_too() -> None:
    legs = "\n  expiry: {dte: {nearest: 90}}\n  long_put: {buy: put, strike: {delta: 0.15}}\n"
    desk = seller(legs=legs, quantity="2", exits=TENTHS)
    desk.fill(desk.enter("10:01"), price="2.01")
    target, stop = desk.submitted[-2:]
    assert (target.limit_price, stop.stop_price) == (Decimal("2.22"), Decimal("1.61"))
    assert at_exits(desk, target, stop) == at_exits(desk) == (42, -80)


def test_a_target_between_two_ticks_brings_no_less_than_is_asked() -> None:
    """Half of 0.75 rested at 0.40, which is 47 % of it."""
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
    desk = seller(underlying="SPX", legs=legs, exits=TENTHS.replace("10%", "50%"))
    desk.fill(desk.enter("10:01"), price="0.75")
    assert desk.submitted[-2].limit_price == Decimal("0.35")


def test_one_fills_the_other_is_cancelled_and_the_position_has_its_reason() -> None:
    desk, target, stop = protected()
    desk.fill(target)
    assert desk.order(stop.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(stop.ref))
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "target")
    assert not desk.live


def test_the_partner_says_that_its_group_ended_it_and_not_that_our_cancel_came_too_late() -> None:
    """The answer to a cancel that crossed the group's own took the place of the reason."""
    desk, target, stop = protected()
    desk.fill(target, price="0.80")
    assert [each.ref for each in desk.cancels] == [stop.ref]  # should the group's own get lost
    desk.cancelled(desk.order(stop.ref))
    desk.message(stop, 202, GROUP_FILLED)
    desk.message(stop, 10148, "OrderId 3 that needs to be cancelled cannot be cancelled, state: Cancelled.")
    assert desk.order(stop.ref).message == f"202 {GROUP_FILLED}"
    assert not desk.alarms


def test_the_partner_says_that_its_group_ended_it_whatever_comes_first() -> None:
    desk, target, stop = protected()
    desk.fill(target, price="0.80")
    desk.message(stop, 10148, "OrderId 3 that needs to be cancelled cannot be cancelled, state: Cancelled.")
    desk.cancelled(desk.order(stop.ref))
    desk.message(stop, 202, GROUP_FILLED)
    assert desk.order(stop.ref).message == f"202 {GROUP_FILLED}"


@pytest.mark.parametrize("code", [161, 10147, 10148])
def test_that_a_cancel_came_too_late_takes_the_place_of_no_reason(code: int) -> None:
    desk = seller()
    order = desk.enter("10:01")
    desk.ack(order)
    desk.tick(300)
    desk.cancelled(desk.order(order.ref))
    desk.message(order, code, "cannot be cancelled, state: Cancelled.")
    assert desk.order(order.ref).message == "its tries are used up"


def test_the_group_cancels_the_partner_before_the_fill_is_reported() -> None:
    desk, target, stop = protected()
    desk.cancelled(stop)
    desk.fill(target)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "target")
    assert not [order for order in desk.live if order.purpose in (Purpose.TARGET, Purpose.STOP)]
    assert desk.books()[SHORT] == 0


def sent_again_after(desk: Desk, limit: float) -> float:
    """Let time pass until an order is sent, and return after how many seconds that was."""
    before, began = len(desk.submitted), desk.now
    while len(desk.submitted) == before:
        desk.tick(0.1 if limit < 30 else 5)
        assert (desk.now - began).total_seconds() <= limit
    return (desk.now - began).total_seconds()


def test_cancelled_by_a_person_is_sent_again_within_a_second_and_then_after_growing_pauses() -> None:
    """It was put back once. After the second time nothing rested any more, for the rest of the day."""
    desk, *pair = protected()
    for pause in (0, 1, 2, 5, 15, 60, 300, 300):
        for order in pair:
            desk.cancelled(desk.order(order.ref))
        assert pause <= sent_again_after(desk, pause + 6) <= pause + (0.9 if pause < 30 else 6)
        pair = desk.submitted[-2:]
        assert {order.purpose for order in pair} == {Purpose.TARGET, Purpose.STOP}
        reported = len(desk.alarms)
        desk.tick(0.1)
        assert len(desk.alarms) == reported, "the broker has not confirmed it"
        for order in pair:
            desk.ack(order)
        desk.tick(0.1)
        assert desk.alarms[reported:] == [f"the resting orders of {desk.position.id} work at the broker again"]


def test_a_price_is_watched_while_its_order_is_lost() -> None:
    desk, *pair = protected()
    for _ in range(6):
        for order in pair:
            desk.cancelled(desk.order(order.ref))
        desk.tick(0.5)
        if len(desk.live) < 2:
            break
        pair = desk.submitted[-2:]
        for order in pair:
            desk.ack(order)
        desk.tick(0.1)
    assert not desk.live
    desk.quote(SHORT, 6.40, 6.60, -0.4)
    desk.tick(0.1)
    assert (desk.last.purpose, desk.last.kind) == (Purpose.EXIT, OrderType.MARKET)


def test_the_partner_rests_on_when_a_person_cancels_one_of_a_pair() -> None:
    """Its partner was cancelled, too: for a moment nothing rested."""
    desk, target, stop = protected()
    desk.cancelled(target)
    desk.tick(0.5)
    assert desk.order(stop.ref).status is OrderStatus.WORKING
    assert (desk.last.purpose, desk.last.oca_group) == (Purpose.TARGET, stop.oca_group)
    assert len(desk.submitted) == 4


def test_after_ten_quiet_minutes_a_loss_is_the_first_again() -> None:
    desk, *pair = protected()
    for wait in (700, 700, 700):
        for order in pair:
            desk.cancelled(desk.order(order.ref))
        assert sent_again_after(desk, 2) < 1
        pair = desk.submitted[-2:]
        for order in pair:
            desk.ack(order)
        desk.tick(wait)


NO_MARKET = "Order Canceled - reason:No market"


@pytest.mark.parametrize("is_said_first", [False, True])
@pytest.mark.parametrize("which", [0, 1])
def test_a_resting_order_that_the_broker_cancels_and_says_why_is_reported_in_one_alarm(
    which: int, *, is_said_first: bool
) -> None:
    """It was told that the broker has cancelled it, and, in a second alarm, what is done."""
    desk, *_ = protected()
    for _ in range(2):
        pair = desk.submitted[-2:]
        order, partner = desk.order(pair[which].ref), pair[1 - which]
        reported = len(desk.alarms)
        if is_said_first:
            desk.message(order, 202, NO_MARKET)
            assert len(desk.alarms) == reported
        desk.cancelled(order)
        if not is_said_first:
            desk.message(order, 202, NO_MARKET)
        told_as = f"was cancelled at the broker: rulebot sends it again (202 {NO_MARKET})"
        assert desk.alarms[reported:] == [f"the resting {order.purpose.value} of {SHORT} {told_as}"]
        desk.cancelled(partner)
        desk.message(partner, 202, NO_MARKET)
        for placed in desk.submitted[-2:]:
            desk.ack(placed)
        desk.tick(1)
        assert len([text for text in desk.alarms[reported:] if "cancelled" in text]) == 2, "one of each order"
        desk.tick(2)
        for placed in desk.submitted[-2:]:
            desk.ack(placed)


@pytest.mark.parametrize("are_said_last", [False, True])
def test_a_pair_that_the_broker_cancels_together_is_one_loss(*, are_said_last: bool) -> None:
    desk, *pair = protected()
    for order in pair:
        desk.cancelled(order)
        if not are_said_last:
            desk.message(order, 202, NO_MARKET)
    for order in pair:
        if are_said_last:
            desk.message(order, 202, NO_MARKET)
    words = f"of {SHORT} was cancelled at the broker: rulebot sends it again (202 {NO_MARKET})"
    assert desk.alarms == [f"the resting target {words}", f"the resting stop {words}"]
    desk.tick(1)
    assert (len(desk.submitted), desk.position.resting_orders_replaced) == (5, 1)
    assert not [order for order in desk.cancels if order.ref in {each.ref for each in pair}]


def test_3_what_is_put_back_is_on_record_as_sent_before_an_exit_takes_it_back() -> None:
    """Both came in one turn, and the orders were first recorded as ones that are taken back."""
    desk, *pair = protected(exits=RESTING_TILL)
    desk.until("15:44", 60)
    for order in pair:
        desk.cancelled(order)
    desk.until("15:45")
    again = desk.submitted[-2:]
    assert [order.purpose for order in again] == [Purpose.TARGET, Purpose.STOP]
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "time")
    for order in again:
        assert [each.data["status"] for each in desk.said(Kind.ORDER) if each.data["ref"] == order.ref] == ["sending"]
    desk.tick()
    assert {order.ref for order in again} <= {order.ref for order in desk.cancels}
    for order in again:
        desk.cancelled(order)
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "time")


def test_a_resting_order_that_is_called_cancelled_and_then_refused_is_reported_as_refused() -> None:
    desk, target, stop = protected()
    desk.cancelled(target)
    desk.refuse(target, 201, "no")
    desk.cancelled(stop)
    assert desk.alarms == ["a resting order was refused, the engine watches its price: 201 no"]
    assert desk.position.resting_orders_withdrawn


@pytest.mark.parametrize("is_filled_first", [False, True])
def test_that_a_group_cancels_its_rest_is_no_alarm(*, is_filled_first: bool) -> None:
    desk, target, stop = protected()
    if is_filled_first:
        desk.send(desk.execution(target, target.legs[0], 1, "0.80"))
    desk.cancelled(stop)
    if not is_filled_first:
        desk.send(desk.execution(target, target.legs[0], 1, "0.80"))
    desk.report(target, BrokerStatus.FILLED, 1)
    desk.message(stop, 202, GROUP_FILLED)
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "target")
    assert not desk.alarms
    assert not [order for order in desk.cancels if order.ref == stop.ref]


def test_a_refused_pair_is_watched_and_not_sent_in_a_circle() -> None:
    desk = seller()
    desk.opened("10:01")
    target, stop = desk.submitted[-2:]
    desk.refuse(target)
    desk.refuse(stop)
    for _ in range(4):
        desk.tick(1)
    assert len(desk.submitted) == 3
    desk.tick(2)
    assert len(desk.submitted) == 5, "and tried again after a while"
    assert any("refused" in text for text in desk.alarms)


@pytest.mark.parametrize("is_inactive", [True, False])
def test_a_stop_that_is_turned_away_without_a_refusal_is_watched_and_not_sent_in_a_circle(is_inactive: bool) -> None:
    """The pair was sent anew at once and for ever; its target worked meanwhile, so nobody watched the stop."""
    desk = seller()
    desk.opened("10:01")
    target, stop = desk.submitted[-2:]
    desk.ack(target)
    desk.turn_away(stop, is_inactive=is_inactive)
    assert [each.ref for each in desk.cancels] == [stop.ref, target.ref]
    desk.cancelled(target)
    assert desk.position.resting_orders_withdrawn
    words = "it was inactive: 436" if is_inactive else "436"
    text = f"a resting order was refused, the engine watches its price: {words} You must specify an allocation."
    assert text in desk.alarms
    desk.tick(3)
    assert len(desk.submitted) == 3
    desk.quote(SHORT, 6.40, 6.60, -0.4)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.kind) == (Purpose.EXIT, OrderType.MARKET)


@pytest.mark.parametrize("is_inactive", [True, False])
def test_a_pair_that_is_turned_away_twice_is_sent_again(is_inactive: bool) -> None:
    """Each time it takes up to 40 seconds to know, in which no exit watches."""
    desk = seller()
    desk.opened("10:01")
    for _ in range(2):
        target, stop = desk.submitted[-2:]
        desk.ack(target)
        desk.turn_away(stop, is_inactive=is_inactive)
        desk.cancelled(target)
        desk.tick(61)
    assert len(desk.submitted) == 7
    assert not desk.position.resting_orders_withdrawn


def test_a_stop_that_cannot_rest_is_watched_at_once() -> None:
    desk = seller()
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.refuse(order)
    desk.quote(SHORT, 6.40, 6.60, -0.4)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.kind, desk.last.side) == (Purpose.EXIT, OrderType.MARKET, Side.BUY)


def test_a_late_fill_of_the_entry_is_protected_too() -> None:
    desk = seller(quantity="2")
    entry = desk.enter("10:01")
    desk.fill(entry, 1)
    desk.tick(300)
    desk.cancelled(desk.order(entry.ref), filled=1)
    pair = desk.submitted[-2:]
    assert [order.quantity for order in pair] == [1, 1]
    for order in pair:
        desk.ack(order)
    desk.send(desk.execution(entry, entry.legs[0], 1, "2.20"))
    desk.tick(0)
    assert [(order.purpose, order.quantity) for order in desk.replaced] == [(Purpose.TARGET, 2), (Purpose.STOP, 2)]
    assert desk.replaced[0].limit_price == Decimal("0.84"), "60 % of 2.10 on average"
    for _ in range(5):
        desk.tick(1)
    assert len(desk.replaced) == 2
    assert desk.position.resting_orders_replaced == 0


def test_a_resting_target_that_fills_in_part_keeps_the_rest_protected() -> None:
    desk, target, stop = protected(quantity="2")
    desk.send(desk.execution(target, target.legs[0], 1, "0.80"))
    desk.report(target, BrokerStatus.WORKING, 1)
    desk.cancelled(stop)
    assert desk.order(target.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(target.ref), filled=1)
    desk.tick(0)
    assert [(order.purpose, order.quantity) for order in desk.live] == [(Purpose.TARGET, 1), (Purpose.STOP, 1)]
    assert not desk.alarms
    assert desk.position.resting_orders_replaced == 0


def test_a_stop_shrinks_with_the_position_when_the_group_does_not() -> None:
    desk, target, stop = protected(quantity="2")
    desk.send(desk.execution(target, target.legs[0], 1, "0.80"))
    desk.report(target, BrokerStatus.WORKING, 1)
    desk.tick(0)
    assert [(order.ref, order.quantity) for order in desk.replaced] == [(stop.ref, 1)]


def test_a_stop_that_may_not_shrink_is_placed_again() -> None:
    """It stood for two while one was held, and we thought that it was for one: it would have opened the other side."""
    desk, target, stop = protected(quantity="2")
    desk.send(desk.execution(target, target.legs[0], 1, "0.80"))
    desk.report(target, BrokerStatus.WORKING, 1)
    desk.tick(0)
    desk.message(stop, 201, "Order rejected - reason:no")
    assert {order.ref for order in desk.cancels} == {target.ref, stop.ref}
    desk.cancelled(target, 1)
    desk.cancelled(stop)
    desk.settle()
    assert [(order.purpose, order.quantity) for order in desk.submitted[-2:]] == [
        (Purpose.TARGET, 1),
        (Purpose.STOP, 1),
    ]
    assert len(desk.submitted) == 5


def test_a_pair_whose_price_may_not_be_changed_is_placed_again() -> None:
    """Our books had the new prices, the broker the old ones, for as long as the two rested."""
    desk = seller()
    reported = desk.fill(desk.enter("10:01"), price="2.00")
    target, stop = desk.submitted[-2:]
    for order in (target, stop):
        desk.ack(order)
    desk.send(replace(reported[0], exec_id=reported[0].exec_id.next, price=Decimal("1.00")))
    desk.tick(1)
    assert [order.terms.price for order in desk.replaced] == [Decimal("0.40"), Decimal("3.00")]
    desk.message(stop, 201, "Order rejected - reason:no")
    assert {order.ref for order in desk.cancels} == {target.ref, stop.ref}
    for order in (target, stop):
        desk.cancelled(order)
    desk.settle()
    assert [order.terms.price for order in desk.submitted[3:]] == [Decimal("0.40"), Decimal("3.00")]


def test_nothing_rests_before_the_link_is_up() -> None:
    """What is sent before Connected would be missing from its lists, given up, and sent a second time."""
    desk = seller()
    entry = desk.enter("10:01")
    desk.ack(entry)
    desk.unlink()
    desk.fill(entry)
    assert len(desk.submitted) == 1
    desk.link()
    desk.tick(0)
    assert [order.purpose for order in desk.submitted[1:]] == [Purpose.TARGET, Purpose.STOP]


# ---------------------------------------------------------------- under an exit that was not done by the close

LATE = RESTING_TILL.replace('"15:45"', '"15:59:30"\n    order: {start: mid, wait: 30s, then: again}')


def left_over(**sections: str) -> Desk:
    """Return a desk after a close before which an exit took the pair back, and closed nothing."""
    desk, target, stop = protected(exits=LATE, **sections)
    desk.until("15:59:30")
    for order in (target, stop):
        desk.cancelled(order)
    desk.tick(1)
    leaving = desk.last
    assert (leaving.purpose, leaving.reason) == (Purpose.EXIT, "time")
    desk.ack(leaving)
    desk.until("16:00")
    assert desk.live == [desk.order(leaving.ref)], "it may still fill"
    desk.cancelled(leaving)
    desk.tick(2)
    return desk


def pair_of(desk: Desk) -> list[Order]:
    """Return the pair that rests, acknowledged."""
    for order in desk.live:
        desk.ack(order)
    assert [order.purpose for order in desk.live] == [Purpose.TARGET, Purpose.STOP]
    return desk.live


@pytest.mark.parametrize("is_started_anew", [False, True])
def test_the_pair_rests_over_the_night_under_an_exit_that_was_not_done(is_started_anew: bool) -> None:
    """Nothing was at the broker until the exit went on, should no engine be there at the open."""
    desk = left_over()
    pair = pair_of(desk)
    desk.tick(3600)
    if is_started_anew:
        desk.unlink()
        desk.start_again()
        desk.link()
    desk.now = session_after(desk.day).open - timedelta(seconds=2)
    desk.tick(0)
    assert [order.ref for order in desk.live] == [order.ref for order in pair]
    desk.tick(2)
    assert {order.status for order in desk.live} == {OrderStatus.CANCELLING}
    for order in pair:
        desk.cancelled(order)
    desk.tick(1)
    assert [(order.purpose, order.reason) for order in desk.live] == [(Purpose.EXIT, "time")]
    assert desk.position.resting_orders_replaced == 0


def test_what_fills_before_an_exit_can_take_it_back_is_reported_as_what_closed_the_position() -> None:
    desk, target, stop = protected(exits=LATE)
    desk.until("15:59:30")
    assert desk.position.exit_reason == "time"
    desk.fill(target)
    desk.message(stop, 202, GROUP_FILLED)
    desk.cancelled(stop)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "target")


@pytest.mark.parametrize("is_started_anew", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_a_pair_that_fills_before_the_exit_continues_is_booked_to_it(count: int, is_started_anew: bool) -> None:
    """It was told as closed by the exit, which had closed nothing; of a part the exit closes the rest."""
    desk = left_over(quantity="2")
    target, stop = pair_of(desk)
    desk.now = session_after(desk.day).open
    if is_started_anew:
        desk.unlink()
        desk.start_again()
        desk.send(desk.execution(target, target.legs[0], count, "0.80"))
        desk.link(refs=[target.ref, stop.ref] if count == 1 else [])
    else:
        desk.tick(0)
        desk.send(desk.execution(target, target.legs[0], count, "0.80"))
    desk.report(target, BrokerStatus.FILLED if count == 2 else BrokerStatus.CANCELLED, count)
    desk.cancelled(stop)
    desk.tick(1)
    if count == 2:
        assert (desk.position.state, desk.position.exit_reason, desk.live) == ("closed", "target", [])
        return
    assert [(order.purpose, order.quantity) for order in desk.live] == [(Purpose.EXIT, 1)]
    desk.fill(desk.last)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "time")


def test_a_pair_that_the_broker_will_not_hold_over_the_night_is_not_asked_for_on_and_on() -> None:
    desk = left_over()
    target, stop = desk.live
    desk.refuse(target)
    desk.cancelled(stop)
    for _ in range(20):
        desk.tick(60)
    assert desk.live == []
    assert desk.alarms[-1].startswith("a resting order was refused, its exit continues at the next open")
    desk.now = session_after(desk.day).open
    desk.tick(0)
    assert [(order.purpose, order.reason) for order in desk.live] == [(Purpose.EXIT, "time")]


def test_a_pair_that_a_person_cancels_in_the_night_is_put_back() -> None:
    desk = left_over()
    for _ in range(2):
        target, stop = sorted(desk.live, key=lambda each: each.purpose.value, reverse=True)
        for order in (target, stop):
            desk.cancelled(order)
            desk.tick(2)
            for sent in desk.live:
                desk.ack(sent)
        desk.tick(2)
        assert any(text.endswith("was cancelled at the broker: rulebot sends it again") for text in desk.alarms)
    desk.tick(10)
    assert len(desk.live) == 2


# ---------------------------------------------------------------- the other side


def test_the_pair_steps_aside_while_an_entry_of_the_other_side_works() -> None:
    desk, name = sold_yesterday()
    desk.until("10:10")
    assert all(order.status is OrderStatus.CANCELLING for order in desk.live)
    assert desk.state.positions.by_id[name].resting_orders_withdrawn
    assert len(desk.submitted) == 3, "the entry waits until they are gone"
    for order in desk.live:
        desk.cancelled(order)
    desk.settle(1.0)
    assert desk.last.bot == "second"
    desk.ack(desk.last)
    desk.tick(1)
    assert len(desk.submitted) == 4, "nothing is put back while it works"
    desk.fill(desk.last)
    desk.tick(0)
    assert [order.purpose for order in desk.submitted[-2:]] == [Purpose.TARGET, Purpose.STOP]
    assert not desk.state.positions.by_id[name].resting_orders_withdrawn


def test_a_watched_stop_acts_at_market_while_it_is_cancelled() -> None:
    desk, name = sold_yesterday()
    desk.until("10:10")
    for order in desk.live:
        desk.cancelled(order)
    desk.settle(1.0)
    desk.ack(desk.last)
    desk.quote(SHORT, 6.40, 6.60, -0.151)
    desk.tick(1)
    assert desk.state.positions.by_id[name].state == "exiting"
    entry = next(order for order in desk.live if order.bot == "second")
    assert entry.status is OrderStatus.CANCELLING, "the broker would refuse both sides at once"
    desk.cancelled(entry)
    desk.tick(0)
    assert (desk.last.position, desk.last.kind) == (name, OrderType.MARKET)


def test_a_stop_is_watched_from_when_it_is_asked_back_on() -> None:
    """Whether it still works at the broker nobody knows until he answers."""
    desk, name = sold_yesterday()
    desk.until("10:10")
    asked_back = desk.live
    assert {order.status for order in asked_back} == {OrderStatus.CANCELLING}
    desk.quote(SHORT, 6.40, 6.60, -0.151)
    desk.tick(1)
    assert (desk.state.positions.by_id[name].state, len(desk.submitted)) == ("exiting", 3)
    for order in asked_back:
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.last.position, desk.last.purpose, desk.last.kind) == (name, Purpose.EXIT, OrderType.MARKET)


def test_put_back_when_the_entry_is_no_longer_wanted() -> None:
    desk, name = sold_yesterday()
    desk.until("10:10")
    desk.level("VIX", 25.0)
    for order in desk.live:
        desk.cancelled(order)
    desk.settle(1.0)
    desk.tick(1)
    assert not desk.state.positions.by_id[name].resting_orders_withdrawn
    assert [order.purpose for order in desk.submitted[-2:]] == [Purpose.TARGET, Purpose.STOP]


def test_put_back_when_the_gate_refuses_after_all() -> None:
    from rulebot.model.event import Request

    desk, name = sold_yesterday()
    desk.until("10:10")
    desk.ask(Request.PAUSE)
    for order in desk.live:
        desk.cancelled(order)
    desk.settle(1.0)
    desk.tick(1)
    assert not desk.state.positions.by_id[name].resting_orders_withdrawn
    assert len(desk.submitted) == 5


def test_a_refusal_for_orders_of_others_tries_the_next_strike() -> None:
    desk = seller()
    order = desk.enter("10:01")
    desk.refuse(
        order, 201, "Order rejected - reason:Cannot have open orders on both sides of the same US Option contract"
    )
    desk.settle(1.0)
    assert len(desk.submitted) == 2
    second = desk.last
    assert second.legs[0].option != SHORT
    assert second.position != order.position, "the refused attempt stays on record"
    assert desk.state.positions.by_id[order.position].state == "closed"
    assert desk.state.bots.by_name["seller"].day.entries == 1
    desk.fill(second)
    assert desk.position.state == "open"


def test_a_start_knows_which_strikes_were_refused_for_orders_of_others() -> None:
    """The same strike was sent once more, to be refused as before."""
    desk = seller()
    refusal = "Order rejected - reason:Cannot have open orders on both sides of the same US Option contract"
    desk.enter("10:01")
    for _ in range(2):
        desk.refuse(desk.last, 201, refusal)
        desk.settle(1.0)
    desk.refuse(desk.last, 201, "Order rejected - reason:no")
    refused = {order.legs[0].option for order in desk.submitted[:2]}
    assert len({order.legs[0].option for order in desk.submitted}) == 3
    desk.start_again()
    assert desk.state.bots.by_name["seller"].blocked == refused


def test_the_resting_pair_needs_no_quotes_and_wakes_nobody() -> None:
    desk, _, _ = protected()
    before = len(desk.records)
    for _ in range(10):
        desk.tick(1)
    assert not [r for r in desk.records[before:] if r.kind in (Kind.VERDICT, Kind.ORDER)]


def test_a_pair_of_which_one_never_arrived_is_made_whole() -> None:
    """Found by chaos seed 1038: a crash between the two left the position with its target alone."""
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    desk.opened("10:01")
    target, stop = (next(o for o in desk.live if o.purpose is kind) for kind in (Purpose.TARGET, Purpose.STOP))
    desk.ack(target)
    desk.tick(15)
    desk.tick(30)
    assert desk.order(stop.ref).status is OrderStatus.CANCELLING
    desk.message(desk.order(stop.ref), 10147, "not found")
    desk.tick(1)
    assert desk.order(stop.ref).status is OrderStatus.LOST
    assert desk.order(target.ref).status is OrderStatus.WORKING
    (fresh,) = [order for order in desk.live if order.ref not in (target.ref, stop.ref)]
    assert (fresh.purpose, fresh.oca_group) == (Purpose.STOP, target.oca_group)


def test_a_pair_is_cancelled_when_an_earlier_target_fills_after_its_cancel() -> None:
    """Found by chaos seed 2027: the position was flat, and the new pair would have bought a second time."""
    desk, target, stop = protected()
    desk.cancelled(target)
    desk.cancelled(stop)
    desk.tick(1)
    fresh = [order for order in desk.live if order.purpose in (Purpose.TARGET, Purpose.STOP)]
    assert len(fresh) == 2
    for order in fresh:
        desk.ack(order)
    for report in desk.executions_of(target, 1):
        desk.send(report)
    assert {desk.order(order.ref).status for order in fresh} == {OrderStatus.CANCELLING}
    for order in fresh:
        desk.cancelled(desk.order(order.ref))
    assert desk.position.state == "closed"
    assert not desk.live


def test_a_closing_order_is_cancelled_when_an_earlier_one_fills_after_its_cancel() -> None:
    desk = seller(
        exits='\n  - {name: out, time: "15:00"}\n', exit_order="{start: mid, wait: 10s, tries: 1, then: market}"
    )
    desk.opened("10:01")
    desk.until("15:00")
    first = desk.last
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(first)
    desk.tick(1)
    second = desk.last
    assert second.ref != first.ref
    desk.ack(second)
    for report in desk.executions_of(first, 1):
        desk.send(report)
    assert desk.order(second.ref).status is OrderStatus.CANCELLING
    desk.cancelled(second)
    assert desk.position.state == "closed"
    assert desk.position.is_flat


DOLLARS = """
  - target: {profit: $60}
    resting: true
  - stop: {loss: $200}
    resting: true
  - vix: {above: 30}
    close: 50%
  - at_expiry: settle
"""


def test_dollars_rest_after_the_commissions_that_come_later_and_what_was_closed() -> None:
    desk = seller(exits=DOLLARS, quantity="3")
    entry = desk.enter("10:01")
    desk.ack(entry)
    sold = desk.execution(entry, entry.legs[0], 3, "2.00")
    desk.send(sold)
    desk.report(entry, BrokerStatus.FILLED, 3)
    target, stop = desk.submitted[-2:]
    assert (target.limit_price, stop.stop_price) == (Decimal("1.79"), Decimal("2.67")), "closing three costs 2.10"
    for order in (target, stop):
        desk.ack(order)
    desk.commission(sold, "6.00")
    desk.tick(1)
    assert desk.order(target.ref).limit_price == Decimal("1.77"), "(2.00 - 1.77) x 300 - 6.00 - 2.10 = 60.90"
    assert desk.order(stop.ref).stop_price == Decimal("2.65"), "(2.00 - 2.65) x 300 - 6.00 = -201.00"
    assert [order.ref for order in desk.replaced] == [target.ref, stop.ref]
    desk.level("VIX", 31.0)
    desk.tick(1)
    for order in (target, stop):
        desk.cancelled(order)
    desk.tick(1)
    desk.level("VIX", 16.0)
    desk.fill(desk.last, price="2.50")
    desk.tick(1)
    target, stop = desk.submitted[-2:]
    assert target.limit_price == Decimal("0.32"), "600 - 2 x 250 - 32 - 6.00 - 1.05 = 60.95"
    assert stop.stop_price == Decimal("2.94"), "600 - 2 x 250 - 294 - 6.00 = -200.00"


def test_parts_of_the_credit_rest_where_they_are_when_commissions_come() -> None:
    desk = seller()
    entry = desk.enter("10:01")
    desk.ack(entry)
    sold = desk.execution(entry, entry.legs[0], 1, "2.00")
    desk.send(sold)
    desk.report(entry, BrokerStatus.FILLED, 1)
    for order in desk.submitted[-2:]:
        desk.ack(order)
    desk.commission(sold, "5.00")
    desk.tick(1)
    assert desk.replaced == []


def swallowed(desk: Desk) -> None:
    """Answer nothing for what was sent last, and to its cancel that there is none."""
    orders = [order for order in desk.live if not order.perm_id]
    while any(desk.order(order.ref).status is not OrderStatus.CANCELLING for order in orders):
        desk.tick(10)
    for order in orders:
        desk.message(order, 10147, "OrderId that needs to be cancelled is not found.")


def test_what_the_broker_swallows_twice_is_watched_and_sent_once_more() -> None:
    """It was sent every 45 seconds for ever, and nobody watched its price."""
    desk = seller()
    desk.opened("10:01")
    for count in (2, 4):
        assert len(desk.submitted) == 1 + count
        swallowed(desk)
    assert (len(desk.submitted), desk.position.resting_orders_withdrawn) == (5, True)
    assert desk.alarms[-1].startswith("a resting order was sent twice, and the broker has none, the engine watches its")
    desk.tick(61)
    assert (len(desk.submitted), desk.position.resting_orders_withdrawn) == (7, False)
    swallowed(desk)
    assert desk.alarms[-1].startswith("a resting order was sent twice, and the broker has none")
    assert (len(desk.submitted), desk.position.resting_orders_withdrawn) == (7, True)
    desk.quote(SHORT, 8.90, 9.10)
    for _ in range(3):
        desk.tick(1)
    assert (desk.last.purpose, desk.position.exit_reason) == (Purpose.EXIT, "stop")


def test_what_comes_to_the_broker_at_the_second_try_rests() -> None:
    desk = seller()
    desk.opened("10:01")
    swallowed(desk)
    for order in desk.live:
        desk.ack(order)
    desk.tick(60)
    assert (len(desk.live), desk.position.resting_orders_withdrawn, desk.position.resting_orders_replaced) == (
        2,
        False,
        0,
    )


@pytest.mark.parametrize(("at", "reported"), [("15:59", 1), ("16:00:01", 0)])
def test_that_it_ends_with_its_option_is_no_alarm(at: str, reported: int) -> None:
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.15}}\n"
    desk = seller(legs=legs, exits="\n  - target: {profit: 60%}\n    resting: true\n  - at_expiry: settle\n")
    desk.opened("10:01")
    target = desk.submitted[-1]
    desk.ack(target)
    desk.until(at)
    desk.message(target, 202, "Order Canceled - reason:Order has expired")
    desk.cancelled(desk.order(target.ref))
    assert desk.order(target.ref).status is OrderStatus.CANCELLED
    assert len(desk.alarms) == reported
    assert all("rulebot sends it again (202 Order Canceled - reason:Order has expired)" in text for text in desk.alarms)


def test_what_the_exchange_takes_back_of_an_entry_takes_its_pair_back() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    entry = desk.enter("10:01")
    (sold,) = desk.fill(entry)
    pair = [order for order in desk.live if order.purpose in (Purpose.TARGET, Purpose.STOP)]
    for order in pair:
        desk.ack(order)
    desk.send(replace(sold, exec_id=sold.exec_id.next, quantity=Decimal(0)))
    assert {order.ref for order in desk.cancels} == {order.ref for order in pair}
    assert (desk.position.state, desk.position.is_flat) == ("closed", True)
    assert desk.alarms == [
        f"the exchange busted a fill of {desk.position.id}: 1 short_put sold at 2.00",
        f"the exchange took the fills of {desk.position.id} back",
    ]
    for order in pair:
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.position.state, desk.live) == ("closed", [])
