"""What the broker has or does that nobody asked for: other terms, a second order, more contracts, a worse price."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hand_desk import SECTIONS, SELLER, Desk, bot_of, text_of

from rulebot.core.handle_event import reload
from rulebot.core.session.reloading import BotChange
from rulebot.model.event import BrokerStatus, OrderReport
from rulebot.model.order import Order, OrderStatus, Purpose, Side

WIDE = "{max_loss_per_trade: $9000}"


def echo(desk: Desk, order: Order, **changes: Any) -> OrderReport:
    """Return an openOrder that says what was sent, with changes."""
    report = OrderReport(
        at=desk.now,
        ref=order.ref,
        order_id=order.order_id,
        perm_id=5000 + order.number,
        client_id=7,
        status=BrokerStatus.WORKING,
        quantity=Decimal(order.quantity),
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        side=order.wire_side,
        kind=order.kind.value,
        time_in_force=order.time_in_force.value,
    )
    return replace(report, **changes)


def seller() -> Desk:
    """A put seller whose target and stop rest at the broker."""
    desk = Desk((text_of("seller", **SELLER),))
    desk.opened("10:01")
    return desk


# ---------------------------------------------------------------- terms


def test_an_echo_of_what_was_sent_says_nothing() -> None:
    desk = Desk()
    order = desk.enter()
    desk.send(echo(desk, order))
    assert desk.order(order.ref).status is OrderStatus.WORKING
    assert not desk.alarms


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"time_in_force": "gtc"}, "gtc instead of day"),
        ({"kind": "MIDPRICE"}, "MIDPRICE instead of limit"),
        ({"quantity": Decimal(5)}, "5 instead of 1"),
        ({"limit_price": Decimal("-9.00")}, "-9.00 instead of"),
        ({"side": Side.SELL}, "sell instead of buy"),
    ],
)
def test_51_an_entry_that_a_preset_changed_is_cancelled(changes: dict[str, Any], words: str) -> None:
    desk = Desk()
    order = desk.enter()
    desk.send(echo(desk, order, **changes))
    assert words in desk.alarms[-1]
    assert "look at the broker's presets" in desk.alarms[-1]
    assert [found.ref for found in desk.cancels] == [order.ref]
    desk.cancelled(order)
    desk.until("10:30", step=60)
    assert len(desk.submitted) == 1


def test_51_what_a_preset_changed_is_no_doing_of_a_person_when_it_is_reported_again() -> None:
    """The broker tells an order more than once: a second later it was somebody who had changed it."""
    desk = Desk()
    order = desk.enter()
    for _ in range(2):
        desk.send(echo(desk, order, limit_price=Decimal("-9.00")))
    (reported,) = desk.alarms
    assert "look at the broker's presets" in reported
    desk.send(echo(desk, order, limit_price=Decimal("-8.00")))
    assert "another client changed it" in desk.alarms[-1]


def test_51_an_echo_of_the_price_before_a_change_is_no_surprise() -> None:
    desk = Desk()
    order = desk.enter()
    desk.send(echo(desk, order))
    desk.tick(10)
    changed = desk.replaced[-1]
    assert changed.limit_price != order.limit_price
    desk.send(echo(desk, order))
    desk.send(echo(desk, changed))
    assert not desk.alarms


def test_51_an_exit_with_other_terms_stays_as_it_is() -> None:
    desk = seller()
    stop = next(order for order in desk.live if order.purpose is Purpose.STOP)
    desk.send(echo(desk, stop, time_in_force="day"))
    assert "day instead of gtc" in desk.alarms[-1]
    assert "it keeps working" in desk.alarms[-1]
    assert not desk.cancels


def test_51_what_was_reported_of_an_exit_before_a_reload_is_not_reported_again_as_the_doing_of_a_person() -> None:
    """Nor does a start tell it again."""
    desk = seller()
    stop = next(order for order in desk.live if order.purpose is Purpose.STOP)
    desk.send(echo(desk, stop, time_in_force="day"))
    (reported,) = desk.alarms
    later = bot_of(text_of("seller", **{**SELLER, "entry": "{at: open + 90m, max_open: 5}"}))
    change = BotChange("seller", desk.position.digest, later.plan.digest)
    old = desk.program
    desk.program = replace(old, bots={"seller": later}, pinned={desk.position.digest: old.bots["seller"]})
    desk.take(reload(desk.program, desk.state, desk.now, [change]))
    desk.send(echo(desk, stop, time_in_force="day"))
    assert desk.alarms == [reported]


def test_51_a_resting_exit_that_would_close_too_much_is_cancelled_and_watched() -> None:
    desk = seller()
    stop = next(order for order in desk.live if order.purpose is Purpose.STOP)
    desk.send(echo(desk, stop, quantity=Decimal(3)))
    assert "would close too much" in desk.alarms[-1]
    assert stop.ref in {order.ref for order in desk.cancels}
    sent = len(desk.submitted)
    for order in desk.live:
        desk.cancelled(order)
    desk.until("10:30", step=60)
    assert len(desk.submitted) == sent
    assert desk.position.resting_orders_withdrawn


def test_51_an_exit_of_which_the_broker_makes_more_again_is_not_sent_until_a_person_says_so() -> None:
    """Presets enlarge each of them alike: at last one fills before it is taken back, and closes what nobody holds."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    for number in (1, 2):
        order = desk.last
        for _ in range(2):  # as openOrder and orderStatus tell it
            desk.send(echo(desk, order, quantity=Decimal(2)))
        assert bool(desk.position.on_hold) is (number == 2)
        desk.cancelled(order)
        desk.tick(1)
        desk.settle(61)
    sent = len(desk.submitted)
    assert "made more of a closing order than was sent, for the second time" in desk.position.on_hold
    desk.until("15:58", step=30)
    assert len(desk.submitted) == sent == 3


def test_51_an_exit_that_the_broker_has_the_other_way_round_is_cancelled() -> None:
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.send(echo(desk, order, side=Side.SELL))
    assert order.wire_side is Side.BUY
    assert [each.ref for each in desk.cancels] == [order.ref]


def test_71_an_order_changed_by_hand_is_not_changed_back() -> None:
    desk = seller()
    for order in desk.live:
        desk.ack(order)
    target = next(order for order in desk.live if order.purpose is Purpose.TARGET)
    desk.send(echo(desk, target, limit_price=Decimal("0.20")))
    assert "another client changed it" in desk.alarms[-1]
    desk.until("10:30", step=60)
    assert not desk.cancels
    assert not desk.replaced


def test_what_stays_open_is_protected_at_once_where_a_part_filled_before_it_was_cancelled() -> None:
    """Its stop waited as long as the next closing order would have: a minute here, and five after refusals."""
    risk = "{max_loss_per_trade: $9000, protect: {cost: 4x credit}}"
    exits = '\n  - {name: half, time: "15:00", close: 50%}\n  - time: "15:45"\n'
    desk = Desk((text_of(risk=risk, quantity="2", exits=exits),))
    desk.opened()
    desk.tick(0)
    (guard,) = desk.live
    desk.ack(guard)
    desk.until("15:00")
    desk.cancelled(guard)
    desk.tick(1)
    half = desk.last
    desk.send(echo(desk, half, quantity=Decimal(2)))
    assert desk.order(half.ref).status is OrderStatus.CANCELLING
    desk.fill(half)
    desk.tick(1)
    assert (desk.position.state, desk.position.structures) == ("open", 1)
    assert [(order.purpose, order.quantity) for order in desk.live] == [(Purpose.PROTECT, 1)]


# ---------------------------------------------------------------- whose report


def test_11_a_second_order_under_one_reference_is_cancelled() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    desk.send(echo(desk, order, perm_id=777, order_id=order.order_id + 50))
    assert "two orders work at the broker" in desk.alarms[-1]
    assert order.order_id + 50 in {found.order_id for found in desk.cancels}
    assert desk.order(order.ref).perm_id == 5000 + order.number


@pytest.mark.parametrize("status", [BrokerStatus.CANCELLED, BrokerStatus.FILLED, BrokerStatus.PENDING])
def test_11_the_end_of_a_second_order_is_not_that_of_ours(status: BrokerStatus) -> None:
    """A list of completed orders tells it by our reference: an exit was sent beside one that worked."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.ack(order)
    sent = len(desk.submitted)
    desk.send(echo(desk, order, perm_id=777, order_id=0, client_id=0, status=status, filled=Decimal(0)))
    desk.tick(1)
    desk.settle(30)
    assert desk.order(order.ref).status is OrderStatus.WORKING
    assert desk.order(order.ref).perm_id == 5000 + order.number
    assert len(desk.submitted) == sent


def test_11_an_exit_that_a_second_order_has_filled_is_cancelled() -> None:
    """It would open the other side."""
    desk = Desk()
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.ack(order)
    for report in desk.executions_of(order, 1):
        assert not desk.cancels
        desk.send(replace(report, perm_id=777))
    assert [found.ref for found in desk.cancels] == [order.ref]
    desk.cancelled(order)
    assert desk.position.state == "closed"


def test_11_an_exit_of_which_a_second_order_has_filled_a_part_is_cancelled() -> None:
    """It went on for all of it, and closed more than was held; the next one closes the rest."""
    desk = Desk((text_of(quantity="2", risk=WIDE),))
    desk.opened()
    desk.until("15:45")
    order = desk.last
    desk.ack(order)
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, perm_id=777))
    assert [found.ref for found in desk.cancels] == [order.ref]
    desk.cancelled(order)
    desk.settle(30)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.EXIT, 1)
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_a_status_of_another_client_with_the_same_order_id_is_not_ours() -> None:
    desk = Desk()
    order = desk.enter()
    theirs = OrderReport(
        at=desk.now,
        ref="",
        order_id=order.order_id,
        perm_id=88,
        client_id=31,
        status=BrokerStatus.FILLED,
        filled=Decimal(1),
    )
    desk.send(theirs)
    assert desk.order(order.ref).status is OrderStatus.SENDING
    desk.ack(order)
    desk.send(replace(theirs, client_id=7))
    assert desk.order(order.ref).status is OrderStatus.WORKING
    assert not desk.order(order.ref).reported_final_status


# ---------------------------------------------------------------- fills


def test_50_more_contracts_than_were_asked_for() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    for report in desk.executions_of(order, 2):
        desk.send(report)
    assert "has filled more than its 1" in desk.alarms[-1]
    assert desk.position.structures == 2
    desk.report(order, BrokerStatus.FILLED, 2)
    desk.until("15:45", step=600)
    assert desk.last.purpose is Purpose.EXIT
    assert desk.last.quantity == 2
    assert desk.day_of().halted  # type: ignore[attr-defined]


def test_50_a_fill_worse_than_the_limit() -> None:
    desk = Desk((text_of("seller", **SELLER),))
    order = desk.enter("10:01")
    assert order.limit_price is not None
    desk.fill(order, price=str(order.limit_price - Decimal("0.50")))
    assert any("worse than its limit" in text for text in desk.alarms)
    assert desk.day_of("seller").halted  # type: ignore[attr-defined]
    assert desk.position.state == "open"


@pytest.mark.parametrize(("each", "is_worse"), [("0.69", False), ("0.68", False), ("0.67", True)])
def test_50_a_net_price_that_no_whole_cents_of_the_legs_add_up_to(each: str, *, is_worse: bool) -> None:
    """Three lots sold at their limit of 2.05 were told as 3 x 0.68, 2.04, and the bot entered nothing more that day."""
    legs = SECTIONS["legs"].replace(": put,", ": put, ratio: 3,")
    desk = Desk((text_of(legs=legs, order="{start: 2.05, wait: 10s, tries: 1, then: cancel}", risk=WIDE),))
    order = desk.enter()
    desk.ack(order)
    long, short = sorted(desk.executions_of(order, 1), key=lambda report: report.is_buy, reverse=True)
    desk.send(long)
    desk.send(replace(short, price=long.price + Decimal(each)))
    desk.report(order, BrokerStatus.FILLED, 1)
    assert any("worse than its limit" in text for text in desk.alarms) is is_worse


def test_50_a_combo_is_judged_by_its_net_price() -> None:
    desk = Desk()
    order = desk.enter()
    desk.ack(order)
    short = next(leg for leg in order.legs if leg.name == "short_put")
    for report in desk.executions_of(order, 1):
        is_short = report.option is not None and report.option.strike == short.option.strike
        desk.send(replace(report, price=report.price - Decimal(1)) if is_short else report)
    desk.report(order, BrokerStatus.FILLED, 1)
    assert any("worse than its limit" in text for text in desk.alarms)


def test_50_a_fill_at_the_limit_before_the_last_change_is_fair() -> None:
    desk = Desk(
        (text_of("seller", **{**SELLER, "order": "{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}"}),)
    )
    order = desk.enter("10:01")
    desk.ack(order)
    desk.tick(10)
    changed = desk.replaced[-1]
    assert order.limit_price is not None
    assert changed.worst_limit == min(order.limit_price, changed.limit_price or Decimal(0))
    desk.fill(order, price=str(changed.worst_limit))
    assert not desk.alarms
