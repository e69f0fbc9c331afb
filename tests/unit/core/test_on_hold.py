"""A short leg of a position on hold stands without protection no longer than allowed, whatever the reason is."""

from dataclasses import replace

import pytest
from hand_desk import CONDOR, Desk, put, text_of

from rulebot.core.gate.exit_retry import SETBACKS
from rulebot.core.queries.lost_cover import LOST_COVER, uncovered
from rulebot.model.event import Request
from rulebot.model.order import OrderType, Purpose
from rulebot.model.position import GOES_ON, UNIDENTIFIED, HoldReason

NAKED = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
ANY_LOSS = "{undefined_risk: allow}"
SHORT_PUT, LONG_PUT = put(5945), put(5935)
STOPPED = tuple(why for why in HoldReason if why not in (*GOES_ON, *UNIDENTIFIED))


def on_hold(why: HoldReason, risk: str = ANY_LOSS, legs: str = NAKED, time: str = "15:45", quantity: int = 2) -> Desk:
    """Return a desk with one open position of these legs that is on hold."""
    exits = f'\n  - time: "{time}"\n    order: market\n'
    desk = Desk((text_of(legs=legs, exits=exits, risk=risk, quantity=str(quantity)),))
    desk.opened()
    desk.tick(1)
    for order in desk.live:
        desk.ack(order)
    desk.is_shown = False
    setbacks = 0 if why in GOES_ON else SETBACKS
    held = replace(desk.position, hold=why, on_hold="for a test", failed_close_attempts=setbacks)
    desk.state = desk.state._replace(
        positions=replace(desk.state.positions, by_id={**desk.state.positions.by_id, held.id: held})
    )
    return desk


def ticks(desk: Desk, seconds: int) -> None:
    for _ in range(seconds):
        desk.tick(1)


def sent(desk: Desk) -> list[tuple[object, int, OrderType]]:
    """Return what was sent after the entry: its option, count and kind."""
    return [(order.legs[0].option, order.quantity, order.kind) for order in desk.submitted[1:]]


def test_every_reason_is_of_one_kind() -> None:
    assert set(STOPPED) == {HoldReason.EXIT_CANCELLED, HoldReason.FILL_TAKEN_BACK, HoldReason.ORDER_ENLARGED}
    assert not set(GOES_ON) & set(UNIDENTIFIED)


@pytest.mark.parametrize("why", STOPPED)
def test_a_bare_short_leg_is_bought_back_after_a_minute(why: HoldReason) -> None:
    """It had neither an exit nor a stop until somebody resumed."""
    desk = on_hold(why)
    ticks(desk, 50)
    assert sent(desk) == []
    assert any(
        f"-2 {SHORT_PUT} (no stop rests) of {desk.position.id} has no protection" in each for each in desk.alarms
    )
    ticks(desk, 15)
    assert sent(desk) == [(SHORT_PUT, 2, OrderType.MARKET)]
    assert (desk.position.exit_reason, desk.position.hold) == (LOST_COVER, why)
    desk.fill(desk.last)
    desk.holds(SHORT_PUT, 0)
    ticks(desk, 5)
    assert desk.position.is_flat


@pytest.mark.parametrize("why", STOPPED)
def test_no_more_is_bought_back_than_the_account_holds(why: HoldReason) -> None:
    desk = on_hold(why, quantity=3)
    desk.holds(SHORT_PUT, -1)
    ticks(desk, 75)
    assert sent(desk) == [(SHORT_PUT, 1, OrderType.MARKET)]


@pytest.mark.parametrize("why", STOPPED)
def test_legs_that_cover_each_other_wait_for_a_person(why: HoldReason) -> None:
    desk = on_hold(why, "{max_loss_per_trade: $9000}", CONDOR)
    ticks(desk, 150)
    assert sent(desk) == []
    assert desk.position.unprotected_since is None


@pytest.mark.parametrize("why", STOPPED)
def test_a_short_leg_whose_wing_others_sell_is_bought_back_and_the_rest_waits(why: HoldReason) -> None:
    desk = on_hold(why, "{max_loss_per_trade: $9000}", CONDOR)
    desk.holds(LONG_PUT, 1)
    ticks(desk, 75)
    assert uncovered(desk.position) == {"short_put": 1}
    assert sent(desk) == [(SHORT_PUT, 1, OrderType.MARKET)]
    desk.fill(desk.last)
    desk.holds(SHORT_PUT, -1)
    ticks(desk, 90)
    assert (len(sent(desk)), desk.position.unprotected_since, desk.position.hold) == (1, None, why)


@pytest.mark.parametrize("why", [HoldReason.EXIT_CANCELLED, HoldReason.FILL_TAKEN_BACK])
def test_stops_of_protect_rest_meanwhile(why: HoldReason) -> None:
    desk = on_hold(why, "{undefined_risk: allow, protect: {cost: 4x credit, of: each_short}}")
    ticks(desk, 150)
    assert [order.purpose for order in desk.live] == [Purpose.PROTECT]
    assert desk.position.unprotected_since is None


@pytest.mark.parametrize("why", STOPPED)
def test_the_spec_says_how_long_it_may_stand(why: HoldReason) -> None:
    desk = on_hold(
        why, "{undefined_risk: allow, protect: {cost: 4x credit, of: each_short}, max_time_without_stop: 5s}"
    )
    (stop,) = desk.live
    desk.cancelled(stop)
    ticks(desk, 9)
    legs = [order for order in desk.submitted[2:] if order.purpose in (Purpose.PROTECT, Purpose.EXIT)]
    assert [order.legs[0].option for order in legs] == [SHORT_PUT]


@pytest.mark.parametrize("why", UNIDENTIFIED)
def test_nothing_is_sent_while_nobody_knows_what_a_contract_is_and_a_person_is_notified(why: HoldReason) -> None:
    desk = on_hold(why)
    ticks(desk, 150)
    assert sent(desk) == []
    assert desk.position.unprotected.startswith(f"-2 {SHORT_PUT}")
    assert any("rulebot sends no order for it. A person must close it" in text for text in desk.alarms)


@pytest.mark.parametrize("why", GOES_ON)
def test_exits_continue_with_what_the_account_holds(why: HoldReason) -> None:
    desk = on_hold(why, time="10:05")
    desk.holds(SHORT_PUT, -1)
    ticks(desk, 120)
    assert sent(desk) == []
    desk.until("10:05")
    ticks(desk, 40)
    assert sent(desk) == [(SHORT_PUT, 1, OrderType.MARKET)]


def test_a_person_who_cancels_that_too_meets_the_next_order_after_a_pause() -> None:
    desk = on_hold(HoldReason.EXIT_CANCELLED)
    ticks(desk, 65)
    desk.ack(desk.last)
    desk.cancelled(desk.last)
    ticks(desk, 5)
    assert len(sent(desk)) == 1
    ticks(desk, 10)
    assert sent(desk) == [(SHORT_PUT, 2, OrderType.MARKET)] * 2


def test_exits_act_again_on_the_rest_after_resume() -> None:
    desk = on_hold(HoldReason.EXIT_CANCELLED, "{max_loss_per_trade: $9000}", CONDOR, time="10:05")
    desk.holds(LONG_PUT, 0)
    ticks(desk, 75)
    desk.fill(desk.last)
    desk.holds(SHORT_PUT, 0)
    desk.until("10:06")
    assert len(sent(desk)) == 1
    desk.ask(Request.RESUME)
    ticks(desk, 40)
    assert [leg.name for leg in desk.last.legs] == ["short_call", "long_call"]
