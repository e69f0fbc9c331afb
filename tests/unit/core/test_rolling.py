"""Exits that roll: one order closes a position and opens the same legs anew (language.md, "Leaving")."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from math import nan

import pytest
from hand_desk import DAY, NO_LIMITS, SELLER, Desk, clock, put, text_of

from rulebot.core.program import AccountLimits
from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Cause, cause_text
from rulebot.model.contract import Option
from rulebot.model.event import BrokerStatus, ClockSkew, HoursReport, Request
from rulebot.model.money import ZERO
from rulebot.model.order import Order, OrderStatus, Purpose, Side
from rulebot.model.position import Position
from rulebot.model.session import Hours
from rulebot.record.codec import decode, encode
from rulebot.record.record import Kind
from rulebot.spec.nouns import Amount, Unit

LATER = date(2027, 2, 19)
SHORT, LONG = put(5945), put(5935)
NEW_SHORT, NEW_LONG = put(5945, expiry=LATER), put(5935, expiry=LATER)
ENTRY = '{window: {from: "10:00", to: "11:00"}, max_open: 2}'
RISK = "{max_loss_per_trade: $20000}"
ROLL = "{expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 1.00}}]}"
OUT = "{expiry: {dte: {at_least: 1}}}"


def exits(roll: str = ROLL, above: str = "", order: str = "") -> str:
    """Return exits of which one rolls as soon as VIX is above 20; `above` stand before it."""
    own = f"\n    order: {order}" if order else ""
    below = "\n  - name: far\n    stop: {cost: 9x credit}\n  - sessions_in_trade: {at_least: 3}\n"
    return f"{above}\n  - vix: {{above: 20}}\n    roll: {roll}{own}{below}"


def held(
    roll: str = ROLL,
    above: str = "",
    quantity: int = 2,
    order: str = "",
    limits: AccountLimits = NO_LIMITS,
    **sections: str,
) -> Desk:
    """Return a desk that holds so many put spreads of today, with quotes of the same strikes in three months."""
    text = text_of(
        **{"entry": ENTRY, "risk": RISK, **sections}, exits=exits(roll, above, order), quantity=str(quantity)
    )
    desk = Desk((text,), limits)
    desk.opened()
    offer(desk, 4.00, 1.50)
    return desk


def offer(desk: Desk, short: float, long: float) -> None:
    """Quote what it may roll into, around these mids."""
    desk.quote(NEW_SHORT, short - 0.05, short + 0.05, -0.30)
    desk.quote(NEW_LONG, long - 0.05, long + 0.05, -0.20)
    desk.freshen()


@pytest.mark.parametrize(
    ("roll", "risk", "then"),
    [
        (ROLL, RISK, "it stays open"),
        (ROLL, "{max_loss_per_trade: $20000, protect: {cost: 40x credit}}", "protection is sent again"),
        (ROLL.replace("]}", "], else: close}"), RISK, "it is closed"),
    ],
)
def test_of_a_roll_that_may_not_have_arrived_it_is_shown_what_follows(roll: str, risk: str, then: str) -> None:
    """It was said of each that the position is closed then: with `else: hold` nothing closes it."""
    desk = held(roll, risk=risk)
    desk.level("VIX", 21.0)
    desk.tick(1)
    for stop in [order for order in desk.live if order.purpose is Purpose.PROTECT]:
        desk.cancelled(stop)
    assert desk.last.purpose is Purpose.ROLL
    desk.unlink()
    desk.tick(5)
    desk.link([])
    (reported,) = [text for text in desk.alarms if "without protection" in text]
    assert reported.endswith(f"; then {then}")


def frighten(desk: Desk, vix: float = 21.0) -> None:
    desk.level("VIX", vix)
    desk.tick(1)


def both(desk: Desk) -> tuple[Position, Position]:
    old, new = desk.state.positions.by_id.values()
    return old, new


def net_mid(desk: Desk) -> Decimal:
    """Return what both sides together bring at mid."""
    return desk.mid(NEW_SHORT) - desk.mid(NEW_LONG) - desk.mid(SHORT) + desk.mid(LONG)


def test_one_order_closes_what_is_held_and_opens_the_same_strikes_again() -> None:
    desk = held()
    frighten(desk)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert [(leg.option, leg.side, leg.opens) for leg in order.legs] == [
        (SHORT, Side.BUY, False),
        (LONG, Side.SELL, False),
        (NEW_SHORT, Side.SELL, True),
        (NEW_LONG, Side.BUY, True),
    ]
    assert (order.quantity, order.limit_price) == (2, -net_mid(desk)), "a combo is bought: a credit is negative"
    old, new = both(desk)
    assert (old.state, new.state, new.rolled_from) == ("exiting", "entering", old.id)


def test_its_fills_are_booked_each_to_its_own_position() -> None:
    desk = held()
    frighten(desk)
    desk.fill(desk.last)
    old, new = both(desk)
    assert (old.state, old.exit_reason, old.is_flat) == ("closed", "vix", True)
    assert (new.state, new.structures, new.entry_price) == ("open", 2, desk.mid(NEW_SHORT) - desk.mid(NEW_LONG))
    assert [leg.option.con_id for leg in new.legs] == [5945, 5935]
    fills = [(each.position, each.data["purpose"]) for each in desk.said(Kind.FILL)][-4:]
    assert fills == [(old.id, "roll"), (old.id, "roll"), (new.id, "entry"), (new.id, "entry")]


def test_no_cap_counts_what_was_rolled_into_and_again_does_not_follow_it() -> None:
    again = '{window: {from: "10:00", to: "11:00"}, per_day: 3, max_open: 2, again: {after: [vix], wait: 1s}}'
    desk = held(entry=again)
    frighten(desk)
    desk.fill(desk.last)
    desk.settle(60)
    day = desk.state.bots.by_name["spread"].day
    assert isinstance(day, BotDay)
    assert (day.entries, day.opened, day.last_end) == (1, 1, "filled")
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == 1


@pytest.mark.parametrize(
    "rule",
    [
        "{credit: {at_least: 1.60}}",
        "{name: enough, not: {credit: {below: 1.60}}}",
        "{name: enough, expr: credit >= 0.16 * (strike(short_put) - strike(long_put))}",
    ],
)
def test_no_try_goes_past_the_credit_of_both_together(rule: str) -> None:
    desk = held(
        f"{{expiry: {{dte: {{at_least: 1}}}}, require: [{rule}]}}",
        order="{step: 0.10, wait: 10s, tries: 4}",
    )
    offer(desk, 4.05, 1.55)
    frighten(desk)
    least = net_mid(desk) - Decimal("1.60")
    assert ZERO <= least < Decimal("0.30"), "or this test shows nothing"
    desk.ack(desk.last)
    for _ in range(3):
        desk.tick(10)
    prices = [-order.limit_price for order in desk.replaced if order.limit_price is not None]
    assert prices
    assert min(prices) == Decimal("1.60")


def test_no_try_is_sent_further_from_the_mid_than_price_band() -> None:
    limits = AccountLimits(price_band=Amount(Decimal("0.12"), Unit.NUMBER))
    desk = held(order="{step: 0.10, wait: 10s, tries: 4}", limits=limits)
    mid = net_mid(desk)
    frighten(desk)
    desk.ack(desk.last)
    desk.tick(10)
    assert [mid + (order.limit_price or 0) for order in desk.replaced] == [Decimal("0.10")]
    assert desk.cancels == []
    desk.tick(10)
    desk.cancelled(desk.last)
    assert (len(desk.replaced), both(desk)[0].state) == (1, "open")
    (said,) = desk.reasons("no_roll")
    assert said.startswith("vix does not roll: its next try would be too far from the mid (price_band)")


def test_the_first_try_is_held_against_price_band_with_both_sides_together() -> None:
    limits = AccountLimits(price_band=Amount(Decimal("0.12"), Unit.NUMBER))
    desk = held(order="{start: natural, wait: 10s, tries: 2}", limits=limits)
    frighten(desk)
    assert (desk.sent_for(Purpose.ROLL), desk.position.state, desk.reasons("no_roll")) == ([], "open", [])
    assert any("price_band is 0.12" in str(each.data["reason"]) for each in desk.said(Kind.DECISION, "skip"))


def test_when_its_tries_are_used_up_it_holds_until_the_next_session() -> None:
    desk = held(order="{step: 0.05, wait: 10s, tries: 2}")
    frighten(desk)
    desk.ack(desk.last)
    desk.tick(10)
    desk.tick(10)
    assert [order.ref for order in desk.cancels] == [desk.sent_for(Purpose.ROLL)[0].ref]
    desk.cancelled(desk.last)
    old, new = both(desk)
    assert (old.state, old.structures, new.state, new.exit_reason) == ("open", 2, "closed", "unfilled")
    assert desk.reasons("no_roll") == ["vix does not roll: its tries are used up: it holds until the next session"]
    for _ in range(20):
        desk.tick(5)
    assert len(desk.sent_for(Purpose.ROLL)) == 1


def test_what_it_requires_is_asked_before_anything_is_sent() -> None:
    desk = held("{expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 5.00}}]}")
    frighten(desk)
    (old,) = desk.state.positions.by_id.values()
    assert (old.state, old.rolls_without_candidate, desk.sent_for(Purpose.ROLL)) == ("open", ("vix",), [])
    (said,) = desk.reasons("no_roll")
    assert said.startswith("vix does not roll: roll.credit ")


def test_else_close_closes_where_there_is_nothing_to_roll_into() -> None:
    desk = held("{expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 5.00}}], else: close}")
    frighten(desk)
    assert (desk.last.purpose, desk.last.reason, desk.position.state) == (Purpose.EXIT, "vix", "exiting")
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_a_part_that_filled_is_rolled_and_the_rest_held() -> None:
    desk = held(order="{step: 0.05, wait: 10s, tries: 1}")
    frighten(desk)
    desk.fill(desk.last, 1)
    desk.tick(10)
    desk.cancelled(desk.last, 1)
    old, new = both(desk)
    assert (old.state, old.structures) == ("open", 1)
    assert (new.state, new.structures, new.quantity) == ("open", 1, 2)


def test_3_what_closes_instead_is_on_record_as_sent_before_an_exit_above_takes_it_back() -> None:
    """Both came in one turn, and the order was first recorded as one that is taken back."""
    roll = "{expiry: {dte: {at_least: 1}}, else: close}"
    desk = held(roll, above='\n  - time: "10:30"')
    frighten(desk)
    desk.ack(desk.last)
    desk.cancelled(desk.last)
    desk.until("10:30")
    closing = [order for order in desk.submitted if order.purpose is Purpose.EXIT]
    assert [order.reason for order in closing] == ["vix"]
    statuses = [str(each.data["status"]) for each in desk.said(Kind.ORDER) if each.data["ref"] == closing[0].ref]
    desk.tick()
    assert (statuses, [order.ref for order in desk.cancels]) == (["sending"], [closing[0].ref])
    desk.cancelled(closing[0])
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "time")


def test_an_exit_that_stands_above_takes_over() -> None:
    desk = held(above="\n  - stop: {cost: 3x credit}")
    frighten(desk)
    desk.ack(desk.last)
    desk.quote(SHORT, 3.95, 4.05, -0.40)
    desk.tick(1)
    assert [order.ref for order in desk.cancels] == [desk.sent_for(Purpose.ROLL)[0].ref]
    desk.cancelled(desk.last)
    old, new = both(desk)
    assert (old.state, old.exit_reason, new.state) == ("exiting", "stop", "closed")
    assert (desk.last.purpose, desk.last.quantity, desk.last.opens_position) == (Purpose.EXIT, 2, "")


@pytest.mark.parametrize("asked", [Request.KILL, Request.STOP])
def test_what_takes_entries_back_takes_a_roll_back(asked: Request) -> None:
    desk = held()
    frighten(desk)
    desk.ack(desk.last)
    desk.ask(asked)
    assert [order.ref for order in desk.cancels] == [desk.sent_for(Purpose.ROLL)[0].ref]
    desk.cancelled(desk.last)
    assert both(desk)[0].state == "open"


@pytest.mark.parametrize("roll", [ROLL, f"{ROLL[:-1]}, else: close}}"])
def test_what_a_stop_has_cancelled_the_next_engine_rolls(roll: str) -> None:
    """The position was closed, or was not rolled any more that day, since the engine was stopped meanwhile."""
    desk = held(roll)
    frighten(desk)
    desk.ack(desk.last)
    desk.ask(Request.STOP)
    desk.cancelled(desk.last)
    desk.tick(1)
    assert (len(desk.submitted), both(desk)[0].state, desk.reasons("no_roll")) == (2, "open", [])
    desk.unlink()
    desk.start_again()
    desk.link()
    desk.tick(1)
    assert len(desk.sent_for(Purpose.ROLL)) == 2


@pytest.mark.parametrize("roll", [ROLL, f"{ROLL[:-1]}, else: close}}"])
def test_what_is_at_work_up_to_the_close_nobody_has_cancelled_and_it_is_left_to_the_next_session(roll: str) -> None:
    desk = held(roll, order="{start: mid, wait: 1h, tries: 3}")
    desk.until("15:50")
    frighten(desk)
    desk.ack(desk.last)
    desk.until("16:00")
    desk.tick(1)
    desk.cancelled(desk.last)
    desk.tick(2)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert desk.alarms == [f"{order.ref} to roll {order.position}: it was working at the close"]
    assert (both(desk)[0].state, both(desk)[0].rolls_without_candidate, desk.reasons("no_roll")) == ("open", (), [])


@pytest.mark.parametrize("otherwise", ["hold", "close"])
def test_one_whose_end_at_the_close_is_reported_after_a_restart_is_left_to_the_session_that_is_on(
    otherwise: str,
) -> None:
    """It was not rolled in that one either, or closed at its open with `else: close`."""
    roll = f"{{strikes: {{short_put: {{otm: 20 pts}}}}, else: {otherwise}}}"
    own = f"\n  - vix: {{above: 20}}\n    roll: {roll}\n    order: {{start: mid, wait: 1h, tries: 3}}\n"
    desk = Desk((text_of("seller", **{**SELLER, "exits": f"{own}  - at_expiry: settle\n"}),))
    desk.opened("10:01")
    desk.until("15:59")
    frighten(desk)
    desk.ack(desk.last)
    desk.unlink()
    desk.now = clock("09:00", date(2026, 11, 19))
    desk.start_again()
    desk.link(refs=[])
    assert (both(desk)[0].state, both(desk)[0].rolls_without_candidate, desk.reasons("no_roll")) == ("open", (), [])
    assert desk.alarms[-1].endswith(": it was working at the close")
    desk.now = clock("09:30", date(2026, 11, 19))
    desk.tick(0)
    assert [order.purpose for order in desk.submitted[1:]] == [Purpose.ROLL, Purpose.ROLL]


def test_one_that_the_broker_refuses_or_a_person_cancels_is_reported_and_holds_until_the_next_session() -> None:
    reported = []
    for is_refused in (True, False):
        desk = held()
        frighten(desk)
        desk.ask(Request.PAUSE)  # which lets it be
        if is_refused:
            desk.refuse(desk.last)
        else:
            desk.ack(desk.last)
            desk.cancelled(desk.last)
        desk.tick(2)
        assert (both(desk)[0].state, both(desk)[0].rolls_without_candidate) == ("open", ("vix",))
        assert len(desk.submitted) == 2
        reported += [text.partition(": ")[2] for text in desk.alarms]
    assert reported == ["201 Order rejected - reason: no", "cancelled at the broker, and not by us"]


def test_one_that_was_never_acknowledged_has_the_bot_open_nothing_more_that_day() -> None:
    desk = held()
    frighten(desk)
    for _ in range(6):
        desk.tick(10)
        for order in desk.live:
            desk.message(order, 10147, "is not found.")
    (order,) = desk.sent_for(Purpose.ROLL)
    assert desk.order(order.ref).status is OrderStatus.LOST
    assert desk.state.bots.by_name["spread"].day.halted == f"{order.ref} was never acknowledged and may still arrive"


@pytest.mark.parametrize("roll", [ROLL, f"{ROLL[:-1]}, else: close}}"])
def test_what_was_cancelled_since_the_account_was_reported_without_it_rolls_once_it_has_it_again(roll: str) -> None:
    desk = held(roll)
    frighten(desk)
    desk.ack(desk.last)
    desk.holds(SHORT, 0)
    desk.tick(6)
    desk.cancelled(desk.last)
    desk.tick(1)
    assert desk.reasons("no_roll") == []
    desk.holds(SHORT, -2)
    desk.tick(1)
    assert [each.purpose for each in desk.submitted] == [Purpose.ENTRY, Purpose.ROLL, Purpose.ROLL]


def test_while_the_engine_stops_nothing_is_closed_for_want_of_a_roll() -> None:
    desk = held(f"{ROLL[:-1]}, else: close}}")
    desk.ask(Request.STOP)
    frighten(desk)
    assert (len(desk.submitted), desk.position.state) == (1, "open")


@pytest.mark.parametrize("is_kill", [True, False])
def test_what_was_cancelled_as_nothing_may_enter_rolls_once_all_may_again(is_kill: bool) -> None:
    """It was not rolled before the next session, as if nothing had been found, though it was out for a moment."""
    desk = held()
    frighten(desk)
    desk.ack(desk.last)
    if is_kill:
        desk.ask_kill()
    else:
        desk.send(ClockSkew(desk.now, 0.0, is_known=False))
    desk.cancelled(desk.last)
    desk.tick(1)
    assert (len(desk.sent_for(Purpose.ROLL)), both(desk)[0].state) == (1, "open")
    if is_kill:
        desk.ask(Request.RESUME)
    else:
        desk.send(ClockSkew(desk.now, 0.0))
    desk.tick(1)
    assert len(desk.sent_for(Purpose.ROLL)) == 2


def test_a_pause_keeps_it_out_as_long_as_it_lasts() -> None:
    desk = held()
    desk.ask(Request.PAUSE)
    frighten(desk)
    assert (desk.sent_for(Purpose.ROLL), desk.position.state, desk.position.rolls_without_candidate) == ([], "open", ())
    desk.ask(Request.RESUME)
    desk.tick(1)
    assert len(desk.sent_for(Purpose.ROLL)) == 1


def test_in_a_pause_else_close_closes() -> None:
    desk = held(f"{ROLL[:-1]}, else: close}}")
    desk.ask(Request.PAUSE)
    frighten(desk)
    assert (desk.last.purpose, desk.position.state) == (Purpose.EXIT, "exiting")
    (reason,) = desk.reasons("no_roll")
    assert reason.endswith(": it closes")
    desk.fill(desk.last)
    assert (desk.sent_for(Purpose.ROLL), desk.position.state) == ([], "closed")


def test_a_bot_that_opens_again_and_again_is_halted_before_it_rolls(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = held()
    monkeypatch.setattr("rulebot.core.gate.entry_limits.MOST", 1)
    frighten(desk)
    assert (desk.sent_for(Purpose.ROLL), desk.position.state) == ([], "open")
    assert desk.state.bots.by_name["spread"].day.halted == "1 opening orders within 10 minutes"


def test_what_halts_with_the_same_quotes_that_roll_comes_first() -> None:
    """The order went out and was cancelled within one turn (seed 8400174): it could have filled."""
    desk = held(risk="{max_loss_per_trade: $20000, halt_when: [{vix: {above: 20.5}}]}")
    frighten(desk)
    assert (desk.sent_for(Purpose.ROLL), desk.position.state) == ([], "open")
    assert desk.state.bots.by_name["spread"].day.halted.startswith("vix 21")
    assert desk.reasons("no_roll") or desk.said(Kind.DECISION, "skip")


def test_a_limit_of_the_trade_is_asked_of_the_new_legs_alone() -> None:
    desk = held(risk="{max_loss_per_trade: $1900}")
    frighten(desk)
    assert len(desk.sent_for(Purpose.ROLL)) == 1, "ten points less 2.50 are lost of two: $1,500"
    tight = held(risk="{max_loss_per_trade: $1900}")
    offer(tight, 2.60, 2.30)
    tight.quote(SHORT, 0.05, 0.15, -0.05)
    frighten(tight)
    assert tight.sent_for(Purpose.ROLL) == []
    assert any("max_loss_per_trade" in str(each.data["reason"]) for each in tight.said(Kind.DECISION, "skip"))


def test_a_limit_of_the_trade_is_asked_of_what_the_ladder_of_a_roll_may_come_to() -> None:
    """At mid the new legs bring 0.60 and may lose $1,880, at the last of its tries $1,900, and commissions."""
    desk = held(ROLL.replace("1.00", "0.05"), risk="{max_loss_per_trade: $1895}")
    offer(desk, 2.60, 2.00)
    desk.quote(SHORT, 0.15, 0.25, -0.05)
    desk.quote(LONG, 0.10, 0.20, -0.05)
    frighten(desk)
    assert desk.sent_for(Purpose.ROLL) == []
    assert any("max_loss_per_trade" in str(each.data["reason"]) for each in desk.said(Kind.DECISION, "skip"))


def test_no_try_of_a_roll_continues_to_what_the_new_legs_may_not_lose() -> None:
    """With commissions the new legs must bring 0.66, and the old ones may be closed for 0.60 at best."""
    desk = held(OUT, risk="{max_loss_per_trade: $1880}", order="{step: 0.10, wait: 10s, tries: 3}")
    frighten(desk)
    desk.ack(desk.last)
    offer(desk, 2.30, 1.60)
    assert net_mid(desk) == 0
    desk.tick(10)
    desk.tick(10)
    assert [-(order.limit_price or 0) for order in desk.replaced] == [Decimal("0.10")]
    desk.tick(10)
    desk.cancelled(desk.last)
    assert both(desk)[0].state == "open"
    (said,) = desk.reasons("no_roll")
    assert said.startswith(f"vix does not roll: {cause_text(Cause.TRIES_USED_UP)}")


def test_no_try_of_a_roll_goes_down_to_where_its_stop_would_act_at_once() -> None:
    """With 3.55 bid for the short leg the new ones must bring 0.89; the old ones cost 0.70 at mid."""
    stop = "{max_loss_per_trade: $20000, protect: {cost: 4x credit}}"
    desk = held(OUT, risk=stop, order="{step: 0.10, wait: 10s, tries: 4}")
    frighten(desk)
    desk.ack(desk.last)
    offer(desk, 3.60, 2.65)
    for _ in range(3):
        desk.tick(10)
    assert min(-(order.limit_price or 0) for order in desk.replaced) == Decimal("0.20")


def test_it_waits_for_quotes_and_lets_those_below_act_after_its_grace() -> None:
    desk = held()
    desk.without_data(NEW_SHORT, NEW_LONG)
    frighten(desk)
    desk.quote(SHORT, 7.95, 8.05, -0.60)
    for _ in range(29):
        desk.tick(1)
    assert (desk.sent_for(Purpose.ROLL), desk.position.state) == ([], "open")
    for _ in range(3):
        desk.tick(1)
    assert (desk.last.purpose, desk.last.reason) == (Purpose.EXIT, "far")
    assert [text for text in desk.alarms if "finds no quotes to roll by" in text]


def test_it_rolls_as_soon_as_there_are_quotes() -> None:
    desk = held()
    desk.without_data(NEW_SHORT, NEW_LONG)
    frighten(desk)
    desk.tick(5)
    assert desk.sent_for(Purpose.ROLL) == []
    offer(desk, 4.00, 1.50)
    desk.tick(1)
    assert len(desk.sent_for(Purpose.ROLL)) == 1


def test_what_it_would_roll_into_is_streamed_as_soon_as_it_looks() -> None:
    """It was up to five seconds later, by when the choice had been made last: a restart moved that."""
    desk = held()
    desk.without_data(NEW_SHORT, NEW_LONG)
    desk.tick(1)
    assert {NEW_SHORT, NEW_LONG}.isdisjoint(desk.state.subscriptions.streamed)
    frighten(desk)
    assert {NEW_SHORT, NEW_LONG} <= {*desk.state.subscriptions.streamed}


def test_the_broker_that_refuses_it_is_reported_of() -> None:
    desk = held()
    frighten(desk)
    desk.refuse(desk.last)
    old, new = both(desk)
    assert (old.state, new.state, new.exit_reason) == ("open", "closed", "rejected")
    assert [text for text in desk.alarms if "to roll" in text]


def test_the_same_contract_is_no_roll() -> None:
    strikes = "{short_put: {delta: 0.10}, long_put: {below: short_put, by: 10 pts}}"
    desk = held(f"{{strikes: {strikes}}}")
    frighten(desk)
    assert desk.sent_for(Purpose.ROLL) == []
    assert desk.reasons("no_roll") == [
        f"vix does not roll: short_put would stay what it is, {SHORT}: it holds until the next session"
    ]


def test_strikes_may_move_within_the_expiry_that_is_held() -> None:
    strikes = "{short_put: {delta: 0.05}, long_put: {below: short_put, by: 10 pts}}"
    desk = held(f"{{strikes: {strikes}, else: close}}")
    frighten(desk)
    (order,) = desk.sent_for(Purpose.ROLL)
    opened = [leg.option for leg in order.legs if leg.opens]
    assert {option.expiry for option in opened} == {SHORT.expiry}
    assert opened[0].strike - opened[1].strike == 10
    assert opened[0].strike < SHORT.strike


def test_a_target_that_rests_is_cancelled_first_and_put_back_when_nothing_is_rolled() -> None:
    roll = "{expiry: {dte: {nearest: 90}}, strikes: {short_put: {delta: 0.10}}, require: [{debit: {at_most: 5}}]}"
    sections = {
        **SELLER,
        "exits": f"{SELLER['exits']}  - vix: {{above: 20}}\n    roll: {roll}\n    order: {{start: mid, wait: 10s}}\n",
    }
    desk = Desk((text_of("seller", **sections),), at="10:00")
    desk.opened("10:01")
    target, stop = desk.submitted[-2:]
    desk.ack(target)
    desk.ack(stop)
    frighten(desk)
    assert {order.ref for order in desk.cancels} == {target.ref, stop.ref}
    assert desk.sent_for(Purpose.ROLL) == []
    desk.cancelled(target)
    desk.cancelled(stop)
    desk.tick(1)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert [(leg.side, leg.opens) for leg in order.legs] == [(Side.BUY, False), (Side.SELL, True)]
    desk.ack(order)
    desk.tick(11)
    desk.cancelled(order)
    desk.tick(1)
    assert [each.purpose for each in desk.live] == [Purpose.TARGET, Purpose.STOP]


def test_a_roll_survives_a_restart_as_it_was_recorded() -> None:
    desk = held()
    frighten(desk)
    order, (_, new) = desk.last, both(desk)
    assert decode(Order, encode(order)) == order  # type: ignore[arg-type]
    assert decode(Position, encode(new)) == new  # type: ignore[arg-type]
    assert order.status is OrderStatus.SENDING


@pytest.mark.parametrize("is_start", [False, True])
def test_29_what_is_corrected_of_yesterdays_roll_is_booked_to_what_it_opened(is_start: bool) -> None:
    """It was told, and our books stayed as they were: of what it closed they must, that was over."""
    desk = held()
    frighten(desk)
    reports = desk.executions_of(desk.last, 2)
    for report in reports:
        desk.send(report)
    desk.report(desk.last, BrokerStatus.FILLED, 2)
    desk.now = clock("09:00", date(2026, 11, 19))
    desk.tick()
    if is_start:
        desk.start_again()
        desk.link()
    bought, short = (next(each for each in reports if each.option == option) for option in (SHORT, NEW_SHORT))
    desk.send(replace(short, exec_id=short.exec_id.next, price=Decimal("4.10")))
    assert desk.position.legs[0].entry_cash == Decimal(820)
    assert (desk.position.state, desk.alarms) == ("open", [])
    (reported,) = desk.said(Kind.FILL)[-1:]
    assert (reported.position, reported.data["purpose"], reported.data["price"]) == (desk.position.id, "entry", "4.10")
    desk.start_again()
    desk.link()
    assert desk.position.legs[0].entry_cash == Decimal(820)
    desk.send(replace(bought, exec_id=bought.exec_id.next, price=Decimal("9.99")))
    assert "the exchange has corrected an older fill of spread-20261118-1, it bought 2" in desk.alarms[-1]
    desk.send(replace(short, exec_id=short.exec_id.next.next, quantity=Decimal(0)))
    assert (desk.position.state, desk.position.exit_reason) == ("exiting", "unwind")


def test_the_next_session_lets_it_try_again() -> None:
    desk = held("{expiry: {dte: {at_least: 1}}, require: [{credit: {at_least: 5.00}}]}")
    frighten(desk)
    assert desk.position.rolls_without_candidate == ("vix",)
    desk.now = clock("09:00", date(2026, 11, 19))
    desk.tick()
    assert desk.position.rolls_without_candidate == ()


@pytest.mark.parametrize("is_closed", [False, True])
@pytest.mark.parametrize("is_quoted", [False, True])
def test_a_roll_waits_for_trading_and_does_not_close_for_want_of_it(is_quoted: bool, is_closed: bool) -> None:
    """With `else: close` it closed, at once, or at the next open what it could not roll on a closed day."""
    desk = held(ROLL[:-1] + ", else: close}")
    if is_closed:
        desk.send(HoursReport(desk.now, "SPX", Hours(DAY)))
    desk.board.halted |= {desk.board.rows[SHORT]}
    quoted = {row: (desk.board.bid[row], desk.board.ask[row]) for row in map(desk.board.rows.get, (SHORT, LONG)) if row}
    if not is_quoted:
        desk.without_data(SHORT, LONG)
    frighten(desk)
    desk.until("11:30", step=15)
    assert (desk.position.state, len(desk.submitted)) == ("open", 1)
    assert any(text.endswith("'vix' rolls once there is trading again") for text in desk.alarms)
    desk.send(HoursReport(desk.now, "SPX", Hours(DAY, clock("09:30"), clock("16:00"))))
    desk.board.halted.clear()
    for row, (bid, ask) in quoted.items():
        desk.board.bid[row], desk.board.ask[row] = bid, ask
    desk.tick(15)
    assert desk.sent_for(Purpose.ROLL)


def test_a_roll_at_work_counts_no_tries_while_trading_is_halted() -> None:
    """They were used up, and `else: close` closed what could have been rolled after it."""
    desk = held(ROLL[:-1] + ", else: close}")
    frighten(desk)
    (order,) = desk.sent_for(Purpose.ROLL)
    desk.ack(order)
    desk.board.halted |= {desk.board.rows[SHORT]}
    for _ in range(30):
        desk.tick(5)
    assert (desk.order(order.ref).status, desk.replaced) == (OrderStatus.WORKING, [])
    desk.board.halted.clear()
    desk.tick(5)
    assert [each.ref for each in desk.replaced] == [order.ref]


@pytest.mark.parametrize(("most", "sent"), [("$2000", 1), ("$1900", 0)])
def test_the_risk_of_the_bot_is_judged_of_what_it_opens_as_if_the_old_one_were_gone(most: str, sent: int) -> None:
    """The old one may lose 1,880; the new one 1,920 at what its legs bring at once, and 5 of commissions."""
    risk = f"{{max_loss_per_trade: $20000, require: [{{worst_case: {{at_most: {most}}}}}]}}"
    desk = held("{expiry: {dte: {at_least: 1}}}", risk=risk)
    offer(desk, 2.00, 1.50)
    frighten(desk)
    assert len(desk.sent_for(Purpose.ROLL)) == sent
    offer(desk, 4.00, 1.50)
    desk.tick(1)
    assert len(desk.sent_for(Purpose.ROLL)) == 1, "what keeps it out at the moment is looked at again"


def over_with_one_leg_of_each_side() -> tuple[Desk, Order]:
    """Return a roll that the broker calls cancelled with nothing filled: of either side the short leg was told."""
    desk = held()
    frighten(desk)
    order = desk.last
    desk.ack(order)
    for leg in order.legs:
        if leg.option in (SHORT, NEW_SHORT):
            desk.send(desk.execution(order, leg, 2, desk.mid(leg.option)))
    desk.cancelled(order)
    desk.tick(1)
    return desk, order


def test_the_other_legs_of_a_roll_may_be_reported_after_its_end() -> None:
    desk, order = over_with_one_leg_of_each_side()
    for leg in order.legs:
        if leg.option in (LONG, NEW_LONG):
            desk.send(desk.execution(order, leg, 2, desk.mid(leg.option)))
    desk.settle(60)
    old, new = both(desk)
    assert (old.state, old.exit_reason, new.state) == ("closed", "vix", "open")
    assert [each for each in desk.submitted if each.purpose is Purpose.UNWIND] == []


def test_a_leg_that_is_reported_without_its_partners_is_closed_on_both_sides() -> None:
    """The order is over: of the old spread the short leg is gone, of the new one there is none but the short leg."""
    desk, _ = over_with_one_leg_of_each_side()
    assert [each.state for each in both(desk)] == ["exiting", "entering"]
    desk.settle(5)
    old, new = both(desk)
    assert (old.state, old.exit_reason) == ("exiting", "unwind")
    assert (new.state, new.exit_reason) == ("exiting", "unwind")
    closing = {each.position: each for each in desk.submitted if each.purpose is Purpose.UNWIND}
    assert {name: (each.legs[0].option, each.quantity) for name, each in closing.items()} == {
        old.id: (LONG, 2),
        new.id: (NEW_SHORT, 2),
    }


@pytest.mark.parametrize(("quote", "reported"), [((nan, nan), 0), ((0.05, 0.07), 1)])
def test_what_cannot_be_rolled_any_more_once_its_target_is_cancelled_stays_open(
    quote: tuple[float, float], reported: int
) -> None:
    """It waits for quotes; where there is nothing to roll into it holds. Either way its target rests again."""
    roll = "{expiry: {dte: {nearest: 90}}, strikes: {short_put: {delta: 0.10}}, require: [{debit: {at_most: 1}}]}"
    frightened = f"  - vix: {{above: 20}}\n    roll: {roll}\n    order: {{start: mid, wait: 10s}}\n"
    desk = Desk((text_of("seller", **{**SELLER, "exits": SELLER["exits"] + frightened}),), at="10:00")
    desk.opened("10:01")
    for order in desk.submitted[-2:]:
        desk.ack(order)
    frighten(desk)
    assert desk.position.state == "exiting"
    held_put = desk.position.legs[0].option
    for option in [each for each in desk.board.rows if isinstance(each, Option) and each.expiry > DAY]:
        if option != held_put:
            desk.quote(option, *quote)
    for order in desk.cancels:
        desk.cancelled(order)
    desk.tick(1)
    assert (desk.sent_for(Purpose.ROLL), len(desk.reasons("no_roll"))) == ([], reported)
    assert desk.position.state == "open"
    assert [each.purpose for each in desk.live] == [Purpose.TARGET, Purpose.STOP]


def test_a_roll_at_work_is_cancelled_when_a_leg_has_lost_its_partner() -> None:
    """What is left of it would roll a whole spread, and leave alone what the exchange has given back."""
    desk = held()
    frighten(desk)
    (roll,) = desk.sent_for(Purpose.ROLL)
    bought = next(report for report in desk.fill(roll, 1) if report.is_buy)
    desk.send(replace(bought, exec_id=bought.exec_id.next, quantity=Decimal(0)))
    assert [order.ref for order in desk.cancels] == [roll.ref]
    desk.cancelled(roll, 1)
    desk.tick(1)
    old, new = both(desk)
    assert (old.exit_reason, new.state) == ("unwind", "open")
    assert [leg.option for leg in desk.last.legs] == [SHORT]


@pytest.mark.parametrize("worse", ["0.00", "0.10"])
def test_a_roll_that_was_dealt_worse_than_its_limit_is_reported(worse: str) -> None:
    desk = held()
    frighten(desk)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert order.limit_price is not None
    desk.ack(order)
    for leg in order.legs:
        price = desk.mid(leg.option) + (Decimal(worse) if leg.option == SHORT else 0)
        desk.send(desk.execution(order, leg, 2, price))
    desk.report(order, BrokerStatus.FILLED, 2)
    limit = -order.limit_price
    reported = (
        f"{both(desk)[0].id} was rolled at a net price of {limit - Decimal(worse)}, worse than its limit of {limit}"
    )
    assert [reported in text for text in desk.alarms] == ([True] if worse != "0.00" else [])


def test_no_try_is_worse_while_what_its_price_is_held_against_is_unknown() -> None:
    rule = "{credit: {at_least: 0.0002x spot}}"
    desk = held(f"{{expiry: {{dte: {{at_least: 1}}}}, require: [{rule}]}}", order="{step: 0.05, wait: 10s, tries: 9}")
    frighten(desk)
    (order,) = desk.sent_for(Purpose.ROLL)
    desk.ack(order)
    desk.tick(10)
    first, second = order.limit_price, desk.last.limit_price
    assert first is not None
    assert second == first + Decimal("0.05")
    desk.level("SPX", nan)
    desk.tick(10)
    third = desk.last.limit_price
    assert third is not None
    assert third <= first
