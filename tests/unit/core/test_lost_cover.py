"""A short leg that has lost its cover is protected, or closed at market."""

import pytest
from hand_desk import CONDOR, Desk, call, put, text_of
from test_closed_elsewhere import others

from rulebot.core.queries.lost_cover import LIQUIDATION, LOST_COVER, lost_cover
from rulebot.model.contract import Option
from rulebot.model.order import OrderStatus, OrderType, Purpose
from rulebot.model.position import Position

LATE = '\n  - time: "15:45"\n    order: market\n'
RISK = "{max_loss_per_trade: $9000}"
LONG_PUT, SHORT_PUT, SHORT_CALL = put(5935), put(5945), call(6055)


def desk_of(risk: str = RISK, legs: str = CONDOR, quantity: int = 1, exits: str = LATE) -> Desk:
    desk = Desk((text_of(legs=legs, exits=exits, risk=risk, quantity=str(quantity)),))
    desk.opened()
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.is_shown = False
    return desk


def ticks(desk: Desk, seconds: int) -> None:
    for _ in range(seconds):
        desk.tick(1)


def held(position: Position) -> dict[str, int]:
    return {leg.name: leg.held for leg in position.legs}


def test_the_short_leg_of_a_wing_that_others_closed_is_bought_back_after_a_minute() -> None:
    """It kept no exit and no stop, for good."""
    desk = desk_of()
    others(desk, LONG_PUT, -1, "4.80")
    desk.holds(LONG_PUT, 0)
    ticks(desk, 50)
    (reported,) = [text for text in desk.alarms if "has no protection since" in text]
    assert reported.startswith(f"-1 {SHORT_PUT} (others closed what covered it) of {desk.position.id}")
    assert desk.position.unprotected_since is not None
    assert len(desk.submitted) == 1
    ticks(desk, 15)
    (closing,) = desk.live
    assert ([leg.option for leg in closing.legs], closing.kind) == ([SHORT_PUT], OrderType.MARKET)
    assert desk.position.exit_reason == LOST_COVER
    desk.fill(closing)
    desk.holds(SHORT_PUT, 0)
    ticks(desk, 10)
    assert (desk.position.state, desk.position.unprotected_since, desk.position.unprotected) == ("open", None, "")
    assert held(desk.position) == {"short_put": 0, "long_put": 0, "short_call": 1, "long_call": 1}


@pytest.mark.parametrize(("gone", "price"), [(LONG_PUT, "4.80"), (SHORT_PUT, "7.40")])
def test_what_was_to_close_with_a_leg_that_the_broker_liquidated_is_closed_at_once(gone: Option, price: str) -> None:
    """Its partner goes first: an order of all three legs would wait until each has size."""
    desk = desk_of(quantity=2)
    sign = -1 if gone == LONG_PUT else 1
    others(desk, gone, sign, price, liquidates=True)
    desk.holds(gone, -sign)
    ticks(desk, 12)
    (closing,) = desk.live
    assert (closing.kind, closing.quantity, desk.position.exit_reason) == (OrderType.MARKET, 1, LIQUIDATION)
    assert {leg.option for leg in closing.legs} == {SHORT_PUT, LONG_PUT} - {gone}
    desk.fill(closing)
    ticks(desk, 3)
    (calls,) = desk.live
    assert [leg.name for leg in calls.legs] == ["short_call", "long_call"]
    desk.fill(calls)
    ticks(desk, 3)
    assert (desk.position.state, set(held(desk.position).values())) == ("open", {1})


def test_one_side_alone_is_closed_where_sides_close_apart() -> None:
    desk = desk_of(exits=LATE + "  - stop: {cost: 9x credit, of: each_side}\n")
    others(desk, SHORT_PUT, 1, "7.40", liquidates=True)
    desk.holds(SHORT_PUT, 0)
    ticks(desk, 12)
    (closing,) = desk.live
    assert [leg.option for leg in closing.legs] == [LONG_PUT]


def test_behind_stops_of_the_spec_what_is_left_of_a_liquidation_is_closed_too() -> None:
    """The rest stayed open behind its stops: it closed at another price, and the trade lost more than its bound."""
    desk = desk_of("{max_loss_per_trade: $9000, protect: {cost: 4x credit, of: each_short}}")
    others(desk, LONG_PUT, -1, "4.80", liquidates=True)
    desk.holds(LONG_PUT, 0)
    take_stops_back(desk)
    (closing,) = desk.live
    assert ([leg.option for leg in closing.legs], closing.kind) == ([SHORT_PUT], OrderType.MARKET)
    assert desk.position.exit_reason == LIQUIDATION
    assert "rulebot closes its legs without partners" in desk.alarms[-1]
    desk.fill(closing)
    desk.holds(SHORT_PUT, 0)
    ticks(desk, 3)
    (closing,) = desk.live
    assert [leg.option for leg in closing.legs] == [SHORT_CALL, call(6065)]


def test_the_side_that_a_liquidation_left_whole_keeps_its_stop() -> None:
    protect = "{max_loss_per_trade: $9000, protect: {cost: 4x credit, of: each_short}}"
    desk = desk_of(protect, exits=LATE + "  - stop: {cost: 9x credit, of: each_side}\n")
    others(desk, LONG_PUT, -1, "4.80", liquidates=True)
    desk.holds(LONG_PUT, 0)
    take_stops_back(desk)
    assert [(order.purpose, order.legs[0].option) for order in desk.live] == [
        (Purpose.PROTECT, SHORT_CALL),
        (Purpose.EXIT, SHORT_PUT),
    ]


def take_stops_back(desk: Desk) -> None:
    """Let the broker confirm each cancel of a stop for some seconds."""
    for _ in range(8):
        desk.tick(1)
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.cancelled(order)


def test_so_it_is_where_nobody_reports_who_closed_the_wing() -> None:
    desk = desk_of()
    desk.holds(LONG_PUT, 0)
    ticks(desk, 66)
    (closing,) = desk.live
    assert ([leg.option for leg in closing.legs], closing.kind) == ([SHORT_PUT], OrderType.MARKET)


def test_its_minute_begins_though_no_quote_comes() -> None:
    """The bot waited for a quote while a data farm was down: the leg was bought back after 75 s."""
    desk = desk_of()
    desk.settle(60)
    desk.holds(LONG_PUT, 0)
    gone_at = desk.now
    desk.settle(10)
    since = desk.position.unprotected_since
    assert since is not None
    assert (since - gone_at).total_seconds() <= 6
    desk.settle(60)
    (closing,) = desk.live
    assert ([leg.option for leg in closing.legs], closing.kind) == ([SHORT_PUT], OrderType.MARKET)


def test_a_stop_of_the_spec_protects_it() -> None:
    desk = desk_of("{max_loss_per_trade: $9000, protect: {cost: 4x credit, of: each_short}}")
    desk.holds(LONG_PUT, 0)
    ticks(desk, 200)
    assert {order.purpose for order in desk.live} == {Purpose.PROTECT}
    assert len(desk.live) == 2
    assert desk.position.unprotected_since is None


def test_the_spec_says_how_long_it_may_stand() -> None:
    protect = "protect: {cost: 4x credit, of: each_short}, max_time_without_stop: 5s"
    desk = desk_of(f"{{max_loss_per_trade: $9000, {protect}}}")
    desk.holds(LONG_PUT, 0)
    ticks(desk, 100)
    assert {order.purpose for order in desk.live} == {Purpose.PROTECT}


def test_a_short_leg_that_the_account_no_longer_has_is_not_bought_back() -> None:
    desk = desk_of()
    desk.holds(LONG_PUT, 0)
    desk.holds(SHORT_PUT, 0)
    ticks(desk, 120)
    assert len(desk.submitted) == 1
    assert desk.position.unprotected_since is None


def test_a_wing_that_is_back_ends_it() -> None:
    desk = desk_of()
    desk.holds(LONG_PUT, 0)
    ticks(desk, 30)
    assert desk.position.unprotected_since is not None
    desk.holds(LONG_PUT, 1)
    ticks(desk, 90)
    assert (len(desk.submitted), desk.position.unprotected_since) == (1, None)


def test_half_of_the_wings_that_are_gone_leave_half_of_the_shorts_alone() -> None:
    desk = desk_of(quantity=2)
    desk.holds(LONG_PUT, 1)
    ticks(desk, 66)
    (closing,) = desk.live
    assert ([leg.option for leg in closing.legs], closing.quantity) == ([SHORT_PUT], 1)


def test_half_of_a_condor_that_a_person_closes_leaves_nothing_alone() -> None:
    desk = desk_of(quantity=2)
    for leg in desk.position.legs:
        desk.holds(leg.option, leg.sign)
    ticks(desk, 120)
    assert (len(desk.submitted), desk.position.unprotected_since) == (1, None)


def test_a_leg_that_is_short_by_design_has_lost_nothing() -> None:
    legs = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
    legs += "  short_call: {sell: call, strike: {delta: 0.10}}\n"
    desk = desk_of("{undefined_risk: allow}", legs)
    desk.holds(SHORT_CALL, 0)
    ticks(desk, 120)
    assert (len(desk.submitted), desk.position.unprotected_since) == (1, None)


def test_the_ratio_with_which_it_was_opened_counts() -> None:
    desk = desk_of(quantity=2)
    assert lost_cover(desk.position) == {}
    desk.holds(LONG_PUT, 0)
    ticks(desk, 2)
    assert lost_cover(desk.position) == {"short_put": 2}


def test_a_market_order_that_is_cancelled_is_sent_again() -> None:
    desk = desk_of()
    desk.holds(LONG_PUT, 0)
    ticks(desk, 66)
    desk.ack(desk.last)
    desk.cancelled(desk.last)
    ticks(desk, 30)
    assert [leg.option for order in desk.submitted[1:] for leg in order.legs] == [SHORT_PUT, SHORT_PUT]
