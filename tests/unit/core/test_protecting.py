"""Stops at the broker behind the watched exits, and how long a short leg may stand without."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import CONDOR, Desk, call, order_report, put, text_of

from rulebot.model.event import BrokerStatus, Request
from rulebot.model.order import Order, OrderStatus, OrderType, Purpose, TimeInForce
from rulebot.model.session import session_after
from rulebot.record.record import Kind

RISK = "{max_loss_per_trade: $2000, protect: {cost: 4x credit}}"
EACH = "{max_loss_per_trade: $2000, protect: {cost: 4x credit, of: each_short}}"
LIMITED = "{max_loss_per_trade: $2000, protect: {cost: 4x credit}, max_time_without_stop: 5s}"


def opened(risk: str = RISK, **sections: str) -> Desk:
    desk = Desk((text_of(risk=risk, **sections),))
    desk.opened()
    desk.tick(0)
    return desk


def guards(desk: Desk) -> list[Order]:
    return [order for order in desk.live if order.purpose is Purpose.PROTECT]


def ack_all(desk: Desk) -> None:
    for order in guards(desk):
        desk.ack(order)
    desk.tick(0)


def test_after_the_fill_a_wide_stop_rests_on_the_short_leg() -> None:
    desk = opened()
    (guard,) = guards(desk)
    entry = desk.position.entry_price
    assert entry is not None
    assert guard.legs[0].option == put(5945)
    assert (guard.kind, guard.time_in_force, guard.quantity) == (OrderType.STOP, TimeInForce.GTC, 1)
    assert guard.stop_price is not None
    assert 0 <= guard.stop_price - 4 * entry < Decimal("0.10")
    assert not guard.oca_group


def test_each_short_leg_has_its_own() -> None:
    desk = opened(EACH, legs=CONDOR)
    found = {guard.legs[0].name: guard for guard in guards(desk)}
    assert sorted(found) == ["short_call", "short_put"]
    for leg in desk.position.legs:
        if leg.sign < 0:
            own = leg.entry_cash / 100
            price = found[leg.name].stop_price
            assert price is not None
            assert 0 <= price - 4 * own < Decimal("0.10")


def test_one_short_leg_alone_has_a_stop_on_what_it_brought() -> None:
    desk = opened("{max_loss_per_trade: $2000, protect: {cost: 4x credit, of: short_call}}", legs=CONDOR)
    (guard,) = guards(desk)
    (leg,) = (leg for leg in desk.position.legs if leg.name == "short_call")
    assert (guard.legs[0].option, guard.kind, guard.quantity) == (call(6055), OrderType.STOP, 1)
    assert guard.stop_price is not None
    assert 0 <= guard.stop_price - 4 * leg.entry_cash / 100 < Decimal("0.10")
    ack_all(desk)
    desk.fill(guard, price="6.00")
    desk.tick(0)
    assert desk.position.exit_reason == "protect"
    assert desk.last.purpose is Purpose.EXIT


def test_a_leg_of_two_has_one_stop_for_both() -> None:
    legs = CONDOR.replace("short_call: {sell: call,", "short_call: {sell: call, ratio: 2,")
    risk = "{undefined_risk: allow, protect: {cost: 4x credit, of: short_call}}"
    desk = opened(risk, legs=legs)
    (guard,) = guards(desk)
    (leg,) = (leg for leg in desk.position.legs if leg.name == "short_call")
    assert (guard.quantity, guard.legs[0].ratio, leg.held) == (2, 1, 2)
    assert guard.stop_price is not None
    assert 0 <= guard.stop_price - 4 * leg.entry_cash / 200 < Decimal("0.10")


def test_the_credit_of_the_whole_is_shared_by_the_contracts_of_a_leg_of_two() -> None:
    legs = CONDOR.replace("short_call: {sell: call,", "short_call: {sell: call, ratio: 2,")
    desk = opened("{undefined_risk: allow, protect: {cost: 4x credit}}", legs=legs)
    entry, prices = desk.position.entry_price, {guard.legs[0].name: guard.stop_price for guard in guards(desk)}
    assert entry is not None
    for name, count in (("short_put", 1), ("short_call", 2)):
        price = prices[name]
        assert price is not None
        assert 0 <= price - 4 * entry / count < Decimal("0.10")


def test_nothing_is_entered_while_a_stop_would_act_as_soon_as_it_rests() -> None:
    desk = Desk((text_of(risk=RISK),))
    desk.quote(put(5935), 3.95, 4.05)
    desk.quote(put(5945), 4.95, 5.05, -0.10)
    desk.until("10:00")
    assert not desk.submitted
    (skipped,) = desk.said(Kind.DECISION, "skip")
    assert str(skipped.data["reason"]) == (
        "4.95 is bid for SPXW 2026-11-18 5945P, whose protective stop would rest at 4.00 and act at once"
    )
    desk.quote(put(5935), 2.85, 2.95)
    desk.quote(put(5945), 3.85, 3.95, -0.10)
    desk.tick(5)
    desk.fill(desk.last)
    desk.tick(0)
    (guard,) = guards(desk)
    assert guard.stop_price == Decimal("4.00")


@pytest.mark.parametrize(("asked", "is_reported"), [(4.00, True), (3.99, False)])
def test_a_stop_within_the_quote_of_its_leg_is_reported(asked: float, is_reported: bool) -> None:
    """Bid 0.05 under its stop, the leg was bought back by the next quotes."""
    desk = Desk((text_of(risk=RISK),))
    desk.quote(put(5935), 2.87, 2.97)
    desk.quote(put(5945), 7.84 - asked, asked, -0.10)
    desk.until("10:00")
    desk.fill(desk.last)
    for _ in range(2):
        desk.tick(0)
        ack_all(desk)
    (guard,) = guards(desk)
    words = "the protective stop of SPXW 2026-11-18 5945P rests at 4.00, within its quote (4.00 is asked)"
    assert (guard.stop_price, [*desk.alarms]) == (
        Decimal("4.00"),
        [f"{words}: it may act at the next bids"] * is_reported,
    )


def test_no_try_of_the_ladder_goes_down_to_a_price_whose_stop_would_act_at_once() -> None:
    desk = Desk((text_of(risk=RISK, order="{start: mid, step: 0.05, wait: 10s, tries: 4, then: cancel}"),))
    desk.quote(put(5935), 2.75, 2.95)
    desk.quote(put(5945), 3.85, 4.05, -0.10)
    entry = desk.enter()
    desk.ack(entry)
    for _ in range(3):
        desk.tick(10)
    offered = [-order.limit_price for order in (entry, *desk.replaced) if order.limit_price is not None]
    assert offered == [Decimal("1.10"), Decimal("1.05"), Decimal("1.00")]


def test_nor_does_the_last_of_legs_that_go_one_after_the_other() -> None:
    """The long leg costs 2.85: with 3.65 bid for the short one that must bring 0.91 more."""
    one_by_one = "{leg_by_leg: [long_put, short_put], start: mid, step: 0.10, wait: 10s, tries: 4, then: unwind}"
    desk = Desk((text_of(risk=RISK, order=one_by_one, exits='\n  - time: "15:45"\n'),))
    desk.quote(put(5935), 2.75, 2.95)
    desk.quote(put(5945), 3.85, 4.05, -0.10)
    desk.fill(desk.enter())
    desk.tick(0)
    sent = desk.last
    desk.ack(sent)
    desk.quote(put(5945), 3.65, 4.05, -0.10)
    for _ in range(3):
        desk.tick(10)
    offered = [order.limit_price for order in (sent, *desk.replaced)]
    assert offered == [Decimal("4.00"), Decimal("3.80")]


def test_of_each_short_leg_a_stop_is_never_there_at_once() -> None:
    desk = Desk((text_of(risk=EACH),))
    desk.quote(put(5935), 3.95, 4.05)
    desk.quote(put(5945), 4.95, 5.05, -0.10)
    desk.until("10:00")
    assert desk.last.purpose is Purpose.ENTRY


def test_what_is_bought_has_no_credit_and_is_entered_without_a_stop() -> None:
    """A risk reversal may open for a debit on one day and for a credit on the next."""
    legs = """
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.10}}
  long_call: {buy: call, strike: {delta: 0.20}}
"""
    risk = "{undefined_risk: allow, protect: {cost: 4x credit}}"
    desk = Desk((text_of(legs=legs, risk=risk, exits='\n  - time: "15:45"\n'),))
    entry = desk.enter()
    desk.ack(entry)
    desk.tick(10)
    assert [order.limit_price for order in (entry, *desk.replaced)] == [Decimal("3.80"), Decimal("3.85")]
    desk.fill(desk.last)
    desk.tick(0)
    assert desk.position.state == "open"
    assert not guards(desk)


def test_it_is_placed_once() -> None:
    desk = opened()
    ack_all(desk)
    before = len(desk.submitted)
    for _ in range(10):
        desk.tick(30)
    assert len(desk.submitted) == before


def test_an_exit_takes_it_back_and_closes_only_then() -> None:
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.until("15:45")
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    assert desk.last.purpose is Purpose.PROTECT
    desk.cancelled(guard)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert not desk.live


@pytest.mark.parametrize("how", ["ends", "started anew", "works on"])
def test_what_an_exit_has_not_closed_by_the_close_is_protected_until_it_continues(how: str) -> None:
    """Its stop was gone for the exit, and over the night none was at the broker, should no engine be there at the open.

    started anew: in the evening another engine takes over. works on: SPY's options trade until 16:15, and a run ends
    at 16:06.
    """
    legs = """
  expiry: {dte: {nearest: 90}}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 5 pts}}
"""
    desk = opened(underlying="SPY", legs=legs, exits='\n  - time: "15:59:30"\n')
    ack_all(desk)
    desk.until("15:59:30")
    desk.cancelled(desk.last)
    desk.tick(1)
    leaving = desk.last
    assert leaving.purpose is Purpose.EXIT
    desk.ack(leaving)
    assert not guards(desk)
    desk.until("16:00")
    if how == "started anew":
        desk.unlink()
        desk.start_again()
        desk.link(refs=[leaving.ref])
    if how == "works on":
        desk.tick(6)
        assert desk.order(leaving.ref).status is OrderStatus.CANCELLING
    desk.cancelled(leaving)
    desk.tick(2)
    (guard,) = guards(desk)
    desk.ack(guard)
    desk.tick(3600)
    assert guards(desk) == [desk.order(guard.ref)]
    desk.now = session_after(desk.day).open
    desk.tick(0)
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    desk.cancelled(guard)
    desk.tick(1)
    assert [order.purpose for order in desk.live] == [Purpose.EXIT]


@pytest.mark.parametrize(
    "exit",
    [
        "close: 50%",
        "close: call_side",
        "roll: {expiry: {dte: {at_least: 1}}}",
    ],
)
def test_what_closes_less_or_rolls_does_not_take_over_the_rest_of_what_was_hit(exit: str) -> None:
    """Half of it was closed instead, and the other half stayed open with a short call in it."""
    exits = f'\n  - time: "15:45"\n  - name: fright\n    vix: {{above: 20}}\n    {exit}\n'
    risk = EACH.replace("$2000", "$20000")
    desk = opened(risk, legs=CONDOR, quantity="2", exits=exits)
    ack_all(desk)
    hit = next(guard for guard in guards(desk) if guard.legs[0].name == "short_put")
    desk.fill(hit, price="6.00")
    desk.level("VIX", 30.0)
    for _ in range(4):
        desk.tick(1)
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.cancelled(order)
    assert desk.position.exit_reason == "protect"
    closing = [order for order in desk.submitted if order.purpose is Purpose.EXIT]
    assert [(order.reason, order.quantity) for order in closing] == [("protect", 2)] * len(closing)
    assert closing


def test_when_it_is_hit_the_rest_is_closed() -> None:
    desk = opened(legs=CONDOR)
    ack_all(desk)
    hit = next(guard for guard in guards(desk) if guard.legs[0].name == "short_put")
    desk.fill(hit, price="6.00")
    desk.tick(0)
    assert desk.position.exit_reason == "protect"
    other = next(guard for guard in guards(desk) if guard.legs[0].name == "short_call")
    assert other.status is OrderStatus.CANCELLING
    desk.cancelled(other)
    for _ in range(20):
        desk.tick(1)
        for order in desk.live:
            if order.purpose is Purpose.EXIT:
                desk.fill(order)
    assert desk.position.state == "closed"
    assert desk.position.is_flat


# ---------------------------------------------------------------- a stop that was over fills after all

TWO = {"risk": "{max_loss_per_trade: $5000, protect: {cost: 4x credit}}", "quantity": "2"}
NAKED = "\n  expiry: {dte: 0}\n  short_put: {sell: put, strike: {delta: 0.10}}\n"
NAKED_RISK = "{undefined_risk: allow, protect: {cost: 4x credit}}"
LATE = f"the protective stop of {put(5945)} had ended and has filled late: the position is closed"


def called_cancelled(desk: Desk, leg: str = "short_put") -> Order:
    """Return the stop of a leg, which the broker calls cancelled; it is to be put back in a minute."""
    ack_all(desk)
    guard = next(order for order in guards(desk) if order.legs[0].name == leg)
    desk.cancelled(guard)
    desk.tick(1)
    assert not desk.order(guard.ref).status.is_live
    return guard


def fills_late(desk: Desk, order: Order, count: int) -> None:
    for report in desk.executions_of(order, count):
        desk.send(report)


def work_off(desk: Desk) -> None:
    """Take back what is to be taken back, and fill what closes."""
    for _ in range(6):
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.cancelled(order)
            elif order.purpose is Purpose.EXIT:
                desk.fill(order)
        desk.tick(5)


@pytest.mark.parametrize("is_confirmed", [False, True])
@pytest.mark.parametrize("legs", ["", CONDOR])
def test_28_what_a_stop_leaves_that_fills_after_it_was_over_is_closed(legs: str, is_confirmed: bool) -> None:
    """It was left, the long leg alone and the other side, until some exit came true."""
    desk = opened(EACH, legs=legs) if legs else opened(EACH)
    guard = called_cancelled(desk)
    if is_confirmed:
        desk.tick(61)
        ack_all(desk)
    assert "short_put" in [order.legs[0].name for order in guards(desk)]
    fills_late(desk, guard, 1)
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "protect")
    assert all(order.status is OrderStatus.CANCELLING for order in guards(desk))
    work_off(desk)
    assert (desk.position.state, desk.position.is_flat, desk.live) == ("closed", True, [])
    assert desk.alarms[-1] == LATE


def test_28_a_part_that_a_stop_fills_after_it_was_over_closes_all() -> None:
    """The second contract, told while the rest is closed, takes that order back: it would buy one too many."""
    desk = opened(TWO["risk"], quantity=TWO["quantity"])
    guard = called_cancelled(desk)
    fills_late(desk, guard, 1)
    for order in guards(desk):
        desk.cancelled(order)
    desk.tick(1)
    closing = desk.last
    assert (closing.purpose, closing.quantity, closing.is_combo) == (Purpose.EXIT, 1, True)
    fills_late(desk, guard, 1)
    assert desk.order(closing.ref).status is OrderStatus.CANCELLING
    desk.cancelled(closing)
    desk.tick(0)
    assert [(leg.name, desk.last.quantity) for leg in desk.last.legs] == [("long_put", 2)]
    work_off(desk)
    assert (desk.position.state, desk.position.is_flat) == ("closed", True)


def test_28_an_exit_that_works_continues_with_what_a_late_stop_has_left() -> None:
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.until("15:45")
    desk.cancelled(guard)
    desk.tick(1)
    closing = desk.last
    desk.ack(closing)
    fills_late(desk, guard, 1)
    assert desk.order(closing.ref).status is OrderStatus.CANCELLING
    desk.cancelled(closing)
    desk.tick(0)
    assert ([leg.name for leg in desk.last.legs], desk.position.exit_reason) == (["long_put"], "time")
    work_off(desk)
    assert (desk.position.state, desk.position.is_flat) == ("closed", True)


@pytest.mark.parametrize("is_done", [False, True])
def test_28_an_exit_of_one_side_is_followed_by_the_rest_of_the_side_whose_stop_filled_late(is_done: bool) -> None:
    exits = '\n  - {name: side, time: "10:00:30", close: call_side}\n  - time: "15:45"\n'
    desk = opened(EACH, legs=CONDOR, exits=exits)
    guard = called_cancelled(desk)
    desk.until("10:00:30")
    desk.cancelled(next(order for order in guards(desk) if order.legs[0].name == "short_call"))
    desk.tick(1)
    assert {leg.name for leg in desk.last.legs} == {"short_call", "long_call"}
    if is_done:
        desk.fill(desk.last)
    else:
        desk.ack(desk.last)
    fills_late(desk, guard, 1)
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "protect")
    work_off(desk)
    assert (desk.position.state, desk.position.is_flat) == ("closed", True)


@pytest.mark.parametrize("is_late", [False, True])
def test_a_stop_that_fills_while_a_part_is_closed_leaves_no_leg_alone(is_late: bool) -> None:
    """Half of the long legs was closed, as if the short ones were there, and the other half stayed."""
    desk = opened(TWO["risk"], quantity="2", exits='\n  - {name: half, time: "15:00", close: 50%}\n  - time: "15:45"\n')
    ack_all(desk)
    (guard,) = guards(desk)
    desk.until("15:00")
    if is_late:
        desk.cancelled(guard)
        desk.tick(1)
        fills_late(desk, guard, 2)
    else:
        desk.fill(guard, price="6.00")
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "protect")
    work_off(desk)
    assert (desk.position.state, desk.position.is_flat) == ("closed", True)


def test_28_a_late_stop_of_all_that_is_held_ends_the_position_once_the_one_put_back_is_over() -> None:
    """It stayed open, and held nothing."""
    desk = opened(NAKED_RISK, legs=NAKED)
    guard = called_cancelled(desk)
    desk.tick(61)
    (again,) = guards(desk)
    desk.ack(again)
    fills_late(desk, guard, 1)
    assert desk.order(again.ref).status is OrderStatus.CANCELLING
    assert desk.position.state == "open"
    desk.cancelled(again)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "protect")


def test_28_a_stop_that_fills_after_its_side_was_closed_leaves_the_other_side_its_own() -> None:
    """It was taken back, and of a position of which more was closed than was held none is sent anew."""
    exits = '\n  - {name: side, time: "10:00:30", close: put_side}\n  - time: "15:45"\n'
    desk = opened(EACH, legs=CONDOR, exits=exits)
    ack_all(desk)
    late, other = sorted(guards(desk), key=lambda order: order.legs[0].name, reverse=True)
    desk.until("10:00:30")
    desk.cancelled(late)
    desk.tick(1)
    desk.fill(desk.last)
    desk.tick(1)
    assert (desk.position.state, guards(desk)) == ("open", [desk.order(other.ref)])
    fills_late(desk, late, 1)
    desk.tick(60)
    assert [(order.ref, order.status) for order in guards(desk)] == [(other.ref, OrderStatus.WORKING)]
    left = f"no exit closes the rest, -1 {call(6055)}, +1 {call(6065)}"
    assert f"more was closed of {desk.position.id} than was held, and {left}. spread enters" in desk.alarms[-1]


def test_50_a_stop_that_fills_more_than_was_held_is_reported_as_that_alone() -> None:
    desk = opened(EACH, legs=CONDOR)
    ack_all(desk)
    guard = next(order for order in guards(desk) if order.legs[0].name == "short_put")
    desk.send(desk.execution(guard, guard.legs[0], 2, "6.00"))
    desk.report(guard, BrokerStatus.FILLED, 1)
    desk.tick(1)
    (reported,) = desk.alarms
    assert reported.startswith(f"more was closed of {desk.position.id} than was held, and no exit closes the rest")
    assert [(order.legs[0].name, order.status) for order in guards(desk)] == [("short_call", OrderStatus.WORKING)]
    desk.start_again()
    desk.link()
    left = f"nothing is sent for the rest, +1 {put(5945)}, +1 {put(5935)}, -1 {call(6055)}, +1 {call(6065)}"
    assert desk.alarms[1:] == [f"more was closed than was held; {left}. A person must look"], "it was told once"


def test_28_a_stop_that_fills_after_the_exit_is_reported_and_nothing_is_traded_for_it() -> None:
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.until("15:45")
    desk.cancelled(guard)
    desk.tick(1)
    desk.fill(desk.last)
    sent = len(desk.submitted)
    fills_late(desk, guard, 1)
    desk.tick(60)
    assert (desk.position.state, len(desk.submitted)) == ("closed", sent)
    assert desk.alarms[-1].startswith(f"more was closed of {desk.position.id} than was held")
    assert desk.alarms[-1].endswith("a person must look")


def test_a_guard_a_person_cancelled_is_sent_again_each_time() -> None:
    """After the second time it was not sent again, and a person had to look."""
    desk = opened()
    ack_all(desk)
    for pause in (0, 1, 2, 5, 15):
        (guard,) = guards(desk)
        desk.cancelled(guard)
        desk.tick(0.9)
        assert len(guards(desk)) == (pause == 0)
        desk.tick(pause)
        (again,) = guards(desk)
        assert again.ref != guard.ref
        reported = len(desk.alarms)
        ack_all(desk)
        desk.tick(0.1)
        assert desk.alarms[reported:] == [f"the resting orders of {desk.position.id} work at the broker again"]


def test_a_guard_a_person_cancelled_is_sent_again_before_max_time_without_stop_is_over() -> None:
    """It was said to be put back, no order was sent, and after 5 seconds all was closed at market."""
    desk = opened(RISK.removesuffix("}") + ", max_time_without_stop: 5s}")
    ack_all(desk)
    (guard,) = guards(desk)
    desk.cancelled(guard)
    desk.tick(0.5)
    ack_all(desk)
    for _ in range(30):
        desk.tick(1)
    (again,) = guards(desk)
    assert (desk.position.state, again.ref == guard.ref) == ("open", False)


def test_a_guard_that_is_called_cancelled_and_then_refused_is_reported_as_refused() -> None:
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.cancelled(guard)
    desk.message(guard, 201, "no")
    desk.tick(1)
    assert desk.alarms == [f"the protective stop of {put(5945)} was refused: rulebot sends it again in 5 s (201 no)"]


CANCELLED = "202 Order Canceled - reason:No security definition has been found"


@pytest.mark.parametrize("is_said_first", [False, True])
def test_a_guard_that_the_broker_cancels_and_says_why_is_reported_in_one_alarm(*, is_said_first: bool) -> None:
    """It was told that the broker has cancelled it, and then, in a second alarm, what is done."""
    desk = opened()
    ack_all(desk)
    for _ in range(2):
        (guard,) = guards(desk)
        reported = len(desk.alarms)
        if is_said_first:
            desk.message(guard, 202, CANCELLED.removeprefix("202 "))
            assert len(desk.alarms) == reported
        desk.cancelled(guard)
        if not is_said_first:
            desk.message(guard, 202, CANCELLED.removeprefix("202 "))
        desk.tick(1)
        said = f"the protective stop of {put(5945)} was cancelled, and not by us: rulebot sends it again ({CANCELLED})"
        assert desk.alarms[reported:] == [said]
        desk.tick(61)
        ack_all(desk)
    assert len(protecting(desk)) == 3


def test_a_guard_that_is_only_said_to_be_cancelled_is_asked_for_at_once() -> None:
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.tick(5)
    asked = desk.asked_for_orders()
    desk.message(guard, 202, CANCELLED.removeprefix("202 "))
    assert desk.asked_for_orders() == asked + 1
    assert desk.order(guard.ref).status is OrderStatus.WORKING
    for _ in range(3):
        desk.listed()
        desk.tick(5)
    assert f"the broker does not list {guard.ref} any more: rulebot cancels it" in desk.alarms


def test_why_the_broker_cancels_the_rest_of_a_guard_that_was_hit_is_reported_beside_it() -> None:
    desk = opened(RISK.replace("2000", "9000"), quantity="2")
    ack_all(desk)
    (guard,) = guards(desk)
    desk.send(desk.execution(guard, guard.legs[0], 1, "6.00"))
    desk.cancelled(guard, 1)
    desk.message(guard, 202, CANCELLED.removeprefix("202 "))
    assert desk.alarms == [
        f"the protective stop of {put(5945)} was hit: the position is closed",
        f"the broker has cancelled {guard.ref}: {CANCELLED.removeprefix('202 ')}",
    ]


def test_it_comes_back_after_a_restart_of_the_link() -> None:
    desk = opened()
    ack_all(desk)
    desk.unlink()
    desk.link()
    desk.tick(5)
    assert len(guards(desk)) == 1
    assert sum(order.purpose is Purpose.PROTECT for order in desk.submitted) == 1


def test_a_short_leg_that_stands_alone_too_long_is_closed_at_market() -> None:
    """The broker never answers the protective stop."""
    desk = opened(LIMITED)
    desk.tick(4)
    assert desk.position.state == "open"
    desk.tick(1)
    assert desk.position.exit_reason == "unprotected"
    (guard,) = guards(desk)
    desk.cancelled(guard)
    desk.tick(1)
    assert desk.last.purpose is Purpose.EXIT
    assert desk.is_market(desk.last)


def test_an_acknowledged_guard_is_protection() -> None:
    desk = opened(LIMITED)
    ack_all(desk)
    for _ in range(5):
        desk.tick(10)
    assert desk.position.state == "open"


@pytest.mark.parametrize("missing", ["", "short_put", "short_call"])
def test_a_guard_of_one_leg_protects_no_other_leg(missing: str) -> None:
    desk = opened(LIMITED, legs=CONDOR)
    for guard in guards(desk):
        if guard.legs[0].name != missing:
            desk.ack(guard)
    desk.tick(6)
    assert desk.position.exit_reason == ("unprotected" if missing else "")


def test_a_refused_guard_leaves_it_unprotected() -> None:
    desk = opened(LIMITED)
    (guard,) = guards(desk)
    desk.refuse(guard)
    for _ in range(6):
        desk.tick(1)
    assert desk.position.exit_reason == "unprotected"
    assert desk.is_market(desk.last)


@pytest.mark.parametrize("is_started_again", [False, True])
def test_12_how_long_a_short_leg_stands_alone_is_counted_over_a_start(is_started_again: bool) -> None:
    """It began anew with each."""
    desk = opened(LIMITED)
    desk.tick(3)
    if is_started_again:
        desk.start_again()
        desk.link([])
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("open", "")
    desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "unprotected")


def test_12_a_stop_that_works_in_time_begins_the_count_again() -> None:
    desk = opened(LIMITED)
    desk.tick(3)
    ack_all(desk)
    assert desk.position.unprotected_since is None
    (guard,) = guards(desk)
    desk.cancelled(guard)
    desk.tick(0)
    desk.start_again()
    desk.link()
    desk.tick(4)
    assert desk.position.state == "open"
    desk.tick(1)
    assert desk.position.exit_reason == "unprotected"


def test_a_closing_order_at_work_is_protection() -> None:
    desk = opened(
        LIMITED, exits='\n  - {name: out, time: "15:00"}\n', exit_order="{start: mid, wait: 60s, tries: 9, then: again}"
    )
    ack_all(desk)
    (guard,) = guards(desk)
    desk.until("15:00")
    desk.cancelled(guard)
    desk.tick(1)
    desk.ack(desk.last)
    for _ in range(4):
        desk.tick(5)
    assert desk.position.exit_reason == "out"


def test_an_exit_that_waits_too_long_for_the_cancel_goes_out_at_market() -> None:
    desk = opened(
        LIMITED, exits='\n  - {name: out, time: "15:00"}\n', exit_order="{start: mid, wait: 60s, tries: 9, then: again}"
    )
    ack_all(desk)
    (guard,) = guards(desk)
    desk.until("15:00")
    for _ in range(6):
        desk.tick(1)
    assert desk.position.exit_reason == "unprotected"
    desk.cancelled(guard)
    desk.tick(1)
    assert desk.is_market(desk.last)


def test_without_the_key_nothing_rests() -> None:
    desk = Desk()
    desk.opened()
    desk.tick(10)
    assert not guards(desk)


def test_another_exit_does_not_take_over_what_closes_an_unprotected_position() -> None:
    """While orders are not answered, the two took each other's back with each turn, and nothing was ever closed."""
    desk = opened(LIMITED)
    desk.until("15:45")
    assert desk.position.exit_reason == "unprotected"
    (guard,) = guards(desk)
    desk.cancelled(guard)
    desk.tick(1)
    closing = desk.last
    assert closing.purpose is Purpose.EXIT
    for _ in range(4):
        desk.tick(2)
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.cancelled(order)
    assert desk.last.ref == closing.ref
    desk.fill(closing)
    assert desk.position.state == "closed"


def test_70_a_leg_closed_by_hand_leaves_the_stop_of_the_other_short_leg() -> None:
    """The position is on hold, and a person is told what nobody closes; the stop goes when its leg is closed too."""
    desk = opened(EACH, legs=CONDOR)
    ack_all(desk)
    desk.holds(put(5945), 0)
    for _ in range(4):
        desk.tick(10)
    assert {order.legs[0].name: order.status for order in guards(desk)} == {
        "short_put": OrderStatus.CANCELLING,
        "short_call": OrderStatus.WORKING,
    }
    (reported,) = (text for text in desk.alarms if "closed by hand" in text)
    assert reported.startswith(f"the account holds less {put(5945)} than our books: closed by hand?")
    assert f"rulebot protects and closes only the rest, +1 {put(5935)}, -1 {call(6055)}, +1 {call(6065)}" in reported
    assert desk.position.on_hold == reported
    desk.holds(call(6055), 0)
    for _ in range(4):
        desk.tick(10)
    assert {order.status for order in guards(desk)} == {OrderStatus.CANCELLING}


def test_the_side_that_an_exit_leaves_open_is_protected_though_it_began_as_the_entry_filled() -> None:
    exits = '\n  - leg_delta: {beyond: 0.05, of: short_put}\n    close: put_side\n  - time: "15:45"\n'
    desk = Desk((text_of(risk=EACH, legs=CONDOR, exits=exits),), is_shown=False)
    desk.opened()
    desk.tick(0)
    assert (desk.position.state, guards(desk)) == ("exiting", [])
    for leg in desk.position.legs:
        desk.holds(leg.option, leg.signed_held)
    desk.tick(1)
    (guard,) = guards(desk)
    assert guard.legs[0].name == "short_call"
    (closing,) = (each for each in desk.live if each.purpose is Purpose.EXIT)
    assert {leg.name for leg in closing.legs} == {"short_put", "long_put"}
    desk.ack(guard)
    desk.fill(closing)
    desk.tick(1)
    assert [each.ref for each in guards(desk)] == [guard.ref]


def test_a_stop_that_an_exit_leaves_open_does_not_wait_with_a_closing_order_that_was_refused() -> None:
    """It was told to be put back, and the leg stood without it for as long as the other side's order waited."""
    exits = '\n  - name: puts\n    time: "11:00"\n    close: put_side\n  - time: "15:45"\n'
    desk = opened(EACH, legs=CONDOR, exits=exits)
    ack_all(desk)
    desk.until("11:00")
    desk.cancelled(next(order for order in guards(desk) if order.status is OrderStatus.CANCELLING))
    desk.tick(1)
    for wait in (10, 20, 40, 80):
        desk.refuse(desk.last)
        desk.tick(wait)
    desk.refuse(desk.last)
    (guard,) = guards(desk)
    desk.cancelled(guard)
    desk.tick(1)
    assert any(f"{call(6055)} was cancelled, and not by us: rulebot sends it again" in text for text in desk.alarms)
    desk.tick(1)
    (again,) = guards(desk)
    assert (again.legs[0].option, again.status) == (call(6055), OrderStatus.SENDING)
    assert desk.position.state == "exiting"


# ---------------------------------------------------------------- what the broker answers, code by code

REFUSING = (103, 105, 110, 163, 200, 201, 312, 321, 382, 383, 388, 412, 442, 451, 460, 478)
UNLISTED = (135, 136, 434, 436, 10318)
HARMLESS = (399, 404, 10349, 2109)
OF_CANCELS = (161, 10147, 10148)


@pytest.mark.parametrize("code", REFUSING)
def test_a_stop_that_is_refused_at_once_is_reported_and_sent_again_after_a_while(code: int) -> None:
    desk = opened()
    for pause in (5, 15, 60):
        (guard,) = guards(desk)
        desk.message(guard, code, "words")
        said = f"refused: rulebot sends it again in {pause} s ({code} words)"
        assert desk.alarms[-1] == f"the protective stop of {put(5945)} was {said}"
        desk.tick(pause - 1)
        assert not guards(desk)
        desk.tick(2)
    assert len(protecting(desk)) == 4


@pytest.mark.parametrize("code", [*UNLISTED, *HARMLESS, *OF_CANCELS])
def test_a_stop_that_nobody_acknowledges_beside_other_words_is_one_until_it_is_known_to_be_over(code: int) -> None:
    desk = opened()
    (guard,) = guards(desk)
    desk.message(guard, code, "words")
    for _ in range(20):
        desk.tick(5)
        desk.listed()
    assert sum(guard.ref in text for text in desk.alarms) >= 1
    assert len(protecting(desk)) == 1
    desk.message(guard, 10147, "OrderId that needs to be cancelled is not found.")
    assert desk.order(guard.ref).status is OrderStatus.LOST
    assert ("protective stop" in desk.alarms[-1]) is (code in UNLISTED)
    for _ in range(13):
        desk.tick(5)
    assert len(protecting(desk)) == 2


@pytest.mark.parametrize("code", [*REFUSING, *UNLISTED, *HARMLESS, *OF_CANCELS])
def test_a_stop_that_works_on_whatever_is_said_of_it_is_the_only_one(code: int) -> None:
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.message(guard, code, "words")
    for _ in range(24):
        desk.tick(5)
    assert (guards(desk), len(protecting(desk)), desk.cancels) == ([desk.order(guard.ref)], 1, [])
    assert any(f"{code} words" in text for text in desk.alarms) is (code in REFUSING + UNLISTED)


def changing() -> Desk:
    """Return a stop on one contract that is changed to two, since the second one filled after its entry was over."""
    desk = Desk((text_of(risk="{max_loss_per_trade: $5000, protect: {cost: 4x credit}}", quantity="2"),))
    entry = desk.enter()
    desk.fill(entry, 1)
    for _ in range(6):
        desk.tick(10)
    desk.cancelled(entry, 1)
    desk.tick(0)
    ack_all(desk)
    for report in desk.executions_of(entry, 1):
        desk.send(report)
    desk.tick(0)
    assert [order.quantity for order in guards(desk)] == [2]
    return desk


def listed_as(desk: Desk, order: Order, quantity: int) -> None:
    """List a stop that works with this quantity."""
    working = order_report(order, desk.now, BrokerStatus.WORKING)
    desk.send(replace(working, quantity=Decimal(quantity), stop_price=order.stop_price, side=order.side))
    desk.listed(order.ref)


@pytest.mark.parametrize("code", [*REFUSING, *UNLISTED])
def test_a_stop_whose_change_is_not_made_is_placed_again_whatever_the_code(code: int) -> None:
    """By a code that no list has it was left, at one contract of two, and in our books it was on both."""
    desk = changing()
    (guard,) = guards(desk)
    desk.message(guard, code, "words")
    listed_as(desk, guard, 1)
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    desk.cancelled(guard)
    desk.tick(0)
    assert [(order.quantity, order.ref != guard.ref) for order in guards(desk)] == [(2, True)]
    assert any("words" in text for text in desk.alarms)


@pytest.mark.parametrize("code", [*UNLISTED, *HARMLESS])
def test_a_stop_whose_change_is_made_all_the_same_stays(code: int) -> None:
    desk = changing()
    (guard,) = guards(desk)
    desk.message(guard, code, "words")
    listed_as(desk, guard, 2)
    desk.tick(5)
    listed_as(desk, guard, 1)  # an old report
    assert [order.ref for order in guards(desk)] == [guard.ref]
    assert guard.ref not in [order.ref for order in desk.cancels]


@pytest.mark.parametrize("code", [*REFUSING, *UNLISTED, *OF_CANCELS])
def test_a_stop_whose_cancel_is_answered_otherwise_keeps_the_exit_waiting_and_is_reported(code: int) -> None:
    """Two orders would close one leg twice."""
    desk = opened()
    ack_all(desk)
    (guard,) = guards(desk)
    desk.ask(Request.FLATTEN, "spread")
    desk.tick(0)
    for _ in range(7):
        desk.message(guard, code, "words")
        desk.tick(5)
        listed_as(desk, guard, 1)
    assert any(guard.ref in text for text in desk.alarms), desk.alarms
    assert len(desk.submitted) == 2
    desk.cancelled(guard)
    desk.tick(0)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.EXIT, 1)


def protecting(desk: Desk) -> list[Order]:
    """Return every protective stop that was ever sent."""
    return [order for order in desk.submitted if order.purpose is Purpose.PROTECT]


def test_a_guard_that_the_broker_swallows_is_sent_again_after_longer_and_longer_pauses() -> None:
    """It was sent every 45 seconds for ever, and only that each of them had no answer was told."""
    desk = opened()
    for _ in range(60):
        desk.tick(10)
        for guard in guards(desk):
            if guard.status is OrderStatus.CANCELLING:
                desk.message(guard, 10147, "OrderId that needs to be cancelled is not found.")
    reported = [text for text in desk.alarms if "sent twice, and the broker has none" in text]
    assert len(reported) > 3
    assert reported[-1].partition(": ")[2].startswith("rulebot sends it again")


def test_guards_of_two_legs_that_are_refused_together_are_both_put_back() -> None:
    """The first was told to be put back, and with the second none was."""
    desk = opened(EACH, legs=CONDOR)
    for text in ("rulebot sends it again in 5 s", "rulebot sends it again in 15 s"):
        alive = guards(desk)
        assert len(alive) == 2
        for guard in alive:
            desk.refuse(guard)
        reported = [each for each in desk.alarms if "the protective stop of" in each][-2:]
        assert [each.partition(": ")[2].partition(" (")[0] for each in reported] == [text, text]
        desk.tick(61)
    assert len(guards(desk)) == 2


def test_a_stop_that_is_refused_while_an_exit_takes_it_back_is_no_loss_of_protection() -> None:
    """Its leg is closed by that exit: nothing is to be put back."""
    desk = opened(exits='\n  - vix: {above: 30}\n  - time: "15:45"\n')
    (guard,) = guards(desk)
    desk.level("VIX", 31.0)
    desk.tick(1)
    assert desk.order(guard.ref).status is OrderStatus.CANCELLING
    desk.refuse(guard)
    desk.tick(0)
    assert (desk.last.purpose, len(desk.last.legs)) == (Purpose.EXIT, 2)
    assert (desk.position.resting_orders_replaced, desk.alarms) == (0, [])
