"""Exits that roll a part of a position: a side, legs by name, what `of` judges (language.md, "Leaving")."""

from datetime import date
from decimal import Decimal

import pytest
from hand_desk import CONDOR, Desk, call, put, text_of

from rulebot.core.program import AccountLimits
from rulebot.model.contract import Option
from rulebot.model.event import Request
from rulebot.model.order import Purpose, Side
from rulebot.model.position import Position
from rulebot.record.codec import decode, encode
from rulebot.record.record import Kind

LATER = date(2027, 2, 19)
UNBOUND = "{undefined_risk: allow}"
"""For a leg that closes without its cover."""
SHORT_PUT, LONG_PUT, SHORT_CALL, LONG_CALL = put(5945), put(5935), call(6055), call(6065)
UNTESTED = """
  - name: tested_call
    breach: {spot_within: 20 pts, of: short_call}
    close: put_side
    roll: {strikes: {short_put: {delta: 0.20}, long_put: {below: short_put, by: 10 pts}}}
"""
EACH = """
  - name: tested
    breach: {spot_within: 20 pts, of: each_side}
    roll: {expiry: {dte: {at_least: 1}}}
"""
WHOLE = """
  - name: fright
    vix: {above: 20}
    roll: {expiry: {dte: {at_least: 1}}}
"""
DOWN = """
  - name: down
    vix: {above: 20}
    close: put_side
    roll: {strikes: {short_put: {otm: 75 pts}, long_put: {below: short_put, by: 10 pts}}}
  - name: further_down
    vix: {above: 25}
    close: put_side
    roll: {strikes: {short_put: {otm: 90 pts}, long_put: {below: short_put, by: 10 pts}}}
"""
ENDING = """
  - name: stop
    stop: {cost: 4x credit, of: each_side}
  - name: home
    target: {profit: 80%}
  - time: "15:45"
    order: market
"""
BOTH_SIDES = DOWN.partition("  - name: further_down")[0] + EACH.replace(
    "each_side}", "short_call}\n    close: call_side"
)
"""Rolls of the puts and of the calls, each by an exit of its own."""


def held(rolls: str = UNTESTED, quantity: int = 2, ending: str = ENDING, **sections: str) -> Desk:
    """Return a desk that holds so many condors, 1.40 sold, with quotes of the same strikes in three months."""
    limits = sections.pop("limits", None)
    fixed = {"entry": '{window: {from: "10:00", to: "14:00"}}', "risk": "{max_loss_per_trade: $20000}", **sections}
    text = text_of(exits=rolls + ending, quantity=str(quantity), legs=CONDOR, **fixed)
    desk = Desk((text,), limits if isinstance(limits, AccountLimits) else AccountLimits())
    desk.opened()
    assert [leg.option for leg in desk.position.legs] == [SHORT_PUT, LONG_PUT, SHORT_CALL, LONG_CALL]
    for short, long in ((put(5945, expiry=LATER), put(5935, expiry=LATER)), (later(6055), later(6065))):
        desk.quote(short, 3.95, 4.05, -0.30 if short.right.value == "put" else 0.30)
        desk.quote(long, 1.95, 2.05, -0.20 if short.right.value == "put" else 0.20)
    desk.freshen()
    return desk


def puts_rolled() -> Desk:
    """Return a desk whose trade may lose $3500 at most, and whose puts have been rolled at a VIX of 21."""
    desk = held(BOTH_SIDES, risk="{max_loss_per_trade: $3500}", quantity=1)
    desk.level("VIX", 21.0)
    desk.tick(1)
    desk.fill(desk.last)
    return desk


def later(strike: int) -> Option:
    return call(strike, expiry=LATER)


def spot(desk: Desk, level: float, seconds: float = 1) -> None:
    desk.level("SPX", level)
    desk.tick(seconds)


def open_legs(position: Position) -> list[str]:
    return [leg.name for leg in position.legs if leg.held]


def positions(desk: Desk) -> list[Position]:
    return list(desk.state.positions.by_id.values())


def test_the_untested_side_alone_is_rolled_by_an_order_of_four_legs() -> None:
    desk = held()
    spot(desk, 6040)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert [(leg.name, leg.side, leg.opens) for leg in order.legs] == [
        ("short_put", Side.BUY, False),
        ("long_put", Side.SELL, False),
        ("short_put", Side.SELL, True),
        ("long_put", Side.BUY, True),
    ]
    assert [leg.option for leg in order.legs] == [SHORT_PUT, LONG_PUT, put(5970), put(5960)]
    old, new = positions(desk)
    assert (old.state, new.state, new.rolled_from, [leg.name for leg in new.legs]) == (
        "exiting",
        "entering",
        old.id,
        ["short_put", "long_put"],
    )
    (said,) = desk.said(Kind.DECISION, "roll")
    assert str(said.data["reason"]).startswith(f"tested_call rolls short_put and long_put of {old.id} into ")


def test_the_old_position_continues_with_its_other_side_and_the_new_one_with_its_own() -> None:
    desk = held()
    spot(desk, 6040)
    desk.fill(desk.last)
    old, new = positions(desk)
    assert (old.state, open_legs(old), old.exit_reason) == ("open", ["short_call", "long_call"], "")
    assert (new.state, open_legs(new), new.structures) == ("open", ["short_put", "long_put"], 2)
    assert new.entry_price == desk.mid(put(5970)) - desk.mid(put(5960))
    assert old.entry_price == Decimal("1.40"), "a part that is closed does not change what it brought"
    for _ in range(20):
        desk.tick(5)
    assert (len(desk.sent_for(Purpose.ROLL)), desk.alarms) == (1, []), (
        "its legs are gone: the exit is done, and the new one has none"
    )


def test_a_stop_of_a_side_is_of_the_position_that_holds_it() -> None:
    desk = held()
    spot(desk, 6040)
    desk.fill(desk.last)
    old, new = positions(desk)
    spot(desk, 6000)
    desk.quote(SHORT_CALL, 8.95, 9.05, 0.50)
    desk.tick(1)
    assert (desk.last.position, desk.last.reason, [leg.name for leg in desk.last.legs]) == (
        old.id,
        "stop.call_side",
        ["short_call", "long_call"],
    )
    desk.fill(desk.last)
    assert [each.state for each in positions(desk)] == ["closed", "open"]
    desk.quote(put(5970), 13.45, 13.55, -0.60)
    desk.tick(1)
    assert (desk.last.position, desk.last.reason) == (new.id, "stop.put_side")
    desk.fill(desk.last)
    assert [each.state for each in positions(desk)] == ["closed", "closed"]
    assert desk.alarms == []


def test_each_side_is_rolled_by_itself_one_after_the_other() -> None:
    desk = held(EACH)
    spot(desk, 5950)
    (first,) = desk.sent_for(Purpose.ROLL)
    assert {leg.name for leg in first.legs} == {"short_put", "long_put"}
    desk.fill(first)
    spot(desk, 6050)
    (_, second) = desk.sent_for(Purpose.ROLL)
    old = positions(desk)[0]
    assert (second.position, {leg.name for leg in second.legs}) == (old.id, {"short_call", "long_call"})
    desk.fill(second)
    old, puts, calls = positions(desk)
    assert (old.state, old.exit_reason, puts.state, calls.state) == ("closed", "tested.call_side", "open", "open")
    assert (open_legs(puts), open_legs(calls)) == (["short_put", "long_put"], ["short_call", "long_call"])
    assert (puts.trade, calls.trade) == (old.id, old.id)


def test_what_a_side_was_rolled_into_is_rolled_again() -> None:
    desk = held(DOWN)
    desk.level("VIX", 21.0)
    desk.tick(1)
    desk.fill(desk.last)
    old, new = positions(desk)
    assert ([leg.option for leg in new.legs], open_legs(old)) == ([put(5925), put(5915)], ["short_call", "long_call"])
    desk.level("VIX", 26.0)
    desk.tick(1)
    (_, order) = desk.sent_for(Purpose.ROLL)
    assert (order.position, [leg.option for leg in order.legs]) == (
        new.id,
        [put(5925), put(5915), put(5910), put(5900)],
    )
    desk.fill(order)
    old, middle, last = positions(desk)
    assert [each.state for each in positions(desk)] == ["open", "closed", "open"]
    assert (middle.trade, last.trade, last.rolled_from) == (old.id, old.id, middle.id)


def test_what_is_left_is_rolled_by_an_exit_that_rolls_all() -> None:
    desk = held(UNTESTED + WHOLE)
    spot(desk, 6040)
    desk.fill(desk.last)
    spot(desk, 6000)
    for option in (put(5970, expiry=LATER), put(5960, expiry=LATER)):
        desk.quote(option, 5.95 if option.strike == 5970 else 3.95, 6.05 if option.strike == 5970 else 4.05, -0.3)
    desk.level("VIX", 21.0)
    desk.tick(1)
    first, second = desk.sent_for(Purpose.ROLL)[1:]
    old, new = positions(desk)[:2]
    assert (first.position, {leg.name for leg in first.legs}) == (old.id, {"short_call", "long_call"})
    assert (second.position, {leg.name for leg in second.legs}) == (new.id, {"short_put", "long_put"})
    desk.fill(first)
    desk.fill(second)
    assert [each.state for each in positions(desk)] == ["closed", "closed", "open", "open"]
    assert {each.trade for each in positions(desk)[1:]} == {old.id}


def test_a_part_of_the_part_that_filled_is_rolled_and_the_rest_held() -> None:
    desk = held(quantity=3, order="{start: mid, step: 0.05, wait: 10s, tries: 1, then: cancel}")
    spot(desk, 6040)
    desk.fill(desk.last, 1)
    desk.tick(10)
    desk.cancelled(desk.last, 1)
    old, new = positions(desk)
    assert (old.state, [leg.held for leg in old.legs]) == ("open", [2, 2, 3, 3])
    assert (new.state, new.structures, new.quantity) == ("open", 1, 3)
    assert old.rolls_without_candidate == ("tested_call",)
    desk.quote(SHORT_CALL, 8.95, 9.05, 0.50)
    desk.tick(1)
    assert (desk.last.reason, desk.last.quantity) == ("stop.call_side", 3)
    desk.fill(desk.last)
    assert (positions(desk)[0].state, open_legs(positions(desk)[0])) == ("open", ["short_put", "long_put"])


def test_else_close_closes_the_part_alone() -> None:
    desk = held(UNTESTED.replace("by: 10 pts}}}", "by: 10 pts}}, require: [{credit: {at_least: 9.00}}], else: close}"))
    spot(desk, 6040)
    assert (desk.last.purpose, [leg.name for leg in desk.last.legs]) == (Purpose.EXIT, ["short_put", "long_put"])
    desk.fill(desk.last)
    assert (desk.position.state, open_legs(desk.position)) == ("open", ["short_call", "long_call"])


def test_a_roll_that_is_refused_leaves_the_whole_as_it_is() -> None:
    desk = held()
    spot(desk, 6040)
    desk.refuse(desk.last)
    old, new = positions(desk)
    assert (old.state, old.structures, new.state, new.exit_reason) == ("open", 2, "closed", "rejected")
    assert [text for text in desk.alarms if "to roll" in text]


def test_an_exit_of_all_takes_the_roll_of_a_side_over() -> None:
    desk = held(ending='\n  - time: "10:05"\n    order: market\n')
    spot(desk, 6040)
    desk.ack(desk.last)
    desk.until("10:05")
    assert [order.ref for order in desk.cancels] == [desk.sent_for(Purpose.ROLL)[0].ref]
    desk.cancelled(desk.last)
    old, new = positions(desk)
    assert (old.state, old.exit_reason, new.state) == ("exiting", "time", "closed")
    assert len(desk.last.legs) == 4


def test_the_limit_of_a_trade_is_asked_of_the_new_side_beside_the_one_that_stays() -> None:
    desk = held(risk="{max_loss_per_trade: $3800}")
    spot(desk, 6040)
    assert len(desk.sent_for(Purpose.ROLL)) == 1, "two times ten points less what both sides bring are lost of two"
    wide = UNTESTED.replace("by: 10 pts", "by: 20 pts")
    tight = held(wide, risk="{max_loss_per_trade: $3800}")
    spot(tight, 6040)
    assert tight.sent_for(Purpose.ROLL) == []
    assert any("max_loss_per_trade" in str(each.data["reason"]) for each in tight.said(Kind.DECISION, "skip"))


def test_the_limit_of_a_trade_is_asked_of_all_that_its_parts_were_rolled_into() -> None:
    """Both sides can be lost of the condor itself. The first roll costs some of its credit, the second brings some."""
    for limit, count in ((1950, 2), (1900, 0)):
        desk = held(BOTH_SIDES, risk=f"{{max_loss_per_trade: ${limit}}}", quantity=1)
        desk.quote(later(6055), 0.50, 0.60, 0.30)
        desk.quote(later(6065), 0.10, 0.20, 0.20)
        desk.level("VIX", 21.0)
        desk.tick(1)
        desk.fill(desk.last)
        desk.level("VIX", 16.0)
        spot(desk, 6050)
        assert len(desk.sent_for(Purpose.ROLL)) == count, limit


def test_no_try_of_a_roll_continues_where_what_its_trade_could_lose_is_not_known() -> None:
    """Nobody quotes what another part of the trade is being rolled into: the next try was sent all the same."""
    desk = puts_rolled()
    desk.level("VIX", 16.0)
    spot(desk, 6050)
    desk.ack(desk.last)
    desk.level("VIX", 21.0)
    desk.tick(1)
    desk.ack(desk.last)
    _, of_calls, of_puts = desk.sent_for(Purpose.ROLL)
    desk.without_data(*(leg.option for leg in of_puts.legs if leg.opens))
    desk.tick(9)
    assert of_calls.ref not in [order.ref for order in desk.replaced]
    assert "no price for the next try: what it could lose is not known" in desk.alarms


def test_a_roll_whose_trade_could_lose_nobody_knows_what_says_so() -> None:
    """It said that its loss has no bound, and that the spec does not allow that."""
    desk = puts_rolled()
    spot(desk, 6030)
    desk.ack(desk.last)
    _, of_puts = desk.sent_for(Purpose.ROLL)
    desk.without_data(*(leg.option for leg in of_puts.legs if leg.opens))
    spot(desk, 6050)
    assert len(desk.sent_for(Purpose.ROLL)) == 2
    reasons = [str(each.data["reason"]) for each in desk.said(Kind.DECISION, "skip")]
    assert reasons[-1] == (
        f"tested does not roll: what the trade could lose is unknown: no sound quote for {of_puts.opens_position}"
    )


def test_no_cap_counts_the_two_positions_twice() -> None:
    again = '{window: {from: "10:00", to: "14:00"}, per_day: 3, max_open: 2, again: {after: [filled], wait: 1s}}'
    desk = held(entry=again, limits=AccountLimits(max_open=1))
    spot(desk, 6040)
    assert len(desk.sent_for(Purpose.ROLL)) == 1, "the account may hold one, and holds one"
    desk.fill(desk.last)
    desk.settle(30)
    entries = [order for order in desk.submitted if order.purpose is Purpose.ENTRY]
    assert len(entries) == 1
    assert any("1 open position" in str(each.data["reason"]) for each in desk.said(Kind.DECISION, "skip"))


def test_a_new_strike_that_another_leg_holds_is_no_roll() -> None:
    """One order cannot deal twice in one contract."""
    desk = held(DOWN.replace("otm: 75 pts", "otm: 65 pts"))
    desk.level("VIX", 21.0)
    desk.tick(1)
    assert desk.sent_for(Purpose.ROLL) == []
    assert desk.reasons("no_roll") == [
        f"down does not roll: short_put would be what long_put is, {LONG_PUT}: it holds until the next session"
    ]


def test_a_side_that_would_open_for_a_debit_is_no_roll() -> None:
    desk = held()
    desk.quote(put(5970), 0.30, 0.40, -0.20)
    desk.quote(put(5960), 0.60, 0.70, -0.10)
    spot(desk, 6040)
    assert desk.sent_for(Purpose.ROLL) == []
    assert desk.reasons("no_roll") == [
        "tested_call does not roll: the new legs alone would open for a debit, and its exits are for what opens for a "
        "credit: it holds until the next session"
    ]


def test_a_start_in_the_middle_of_it_continues_as_it_was() -> None:
    desk = held()
    spot(desk, 6040)
    order = desk.last
    desk.ack(order)
    desk.fill(order, 1)
    desk.start_again()
    desk.link()
    desk.fill(desk.order(order.ref))
    old, new = positions(desk)
    assert (old.state, open_legs(old), new.state, new.structures) == (
        "open",
        ["short_call", "long_call"],
        "open",
        2,
    )
    assert decode(Position, encode(old)) == old  # type: ignore[arg-type]
    desk.start_again()
    desk.link()
    spot(desk, 6000)
    assert (positions(desk)[0].separately_closed_legs, len(desk.sent_for(Purpose.ROLL))) == (
        ("short_put", "long_put"),
        1,
    )


def test_a_close_by_hand_of_one_leaves_the_other() -> None:
    desk = held()
    spot(desk, 6040)
    desk.fill(desk.last)
    _old, new = positions(desk)
    desk.ask(Request.CLOSE, position=new.id)
    desk.tick(1)
    desk.fill(desk.last)
    assert [each.state for each in positions(desk)] == ["open", "closed"]


OF_CALLS = """
  - leg_delta: {of: short_call, at_least: 0.90}
  - dte: {of: short_call, at_least: 90}
  - quote_width: {of: [short_call, long_call], at_least: 3.00}
  - profit: {of: long_call, above: 900%}
  - value: {of: long_call, below: 0.01}
  - name: spread
    expr: "strike(short_call) > 9000"
  - name: trail
    stop: {give_back: 95%, of: [short_call, long_call]}
  - name: all_of
    all:
      - breach: {spot_beyond: 50 pts, of: short_call}
      - vix: {above: 90}
  - name: any_of
    any:
      - breach: {spot_beyond: 50 pts, of: short_call}
      - vix: {above: 90}
  - name: armed
    cost: {of: short_put, above: 90.00}
    activate_when: {leg_delta: {of: short_call, at_least: 0.90}}
  - name: calls_home
    vix: {above: 90}
    close: call_side
  - name: calls_onward
    breach: {spot_beyond: 50 pts, of: short_call}
    close: call_side
    roll: {expiry: {dte: {at_least: 1}}}
    unknown: exit
  - name: out
    leg_delta: {of: short_call, at_least: 0.90}
    unknown: exit
    close: all
"""


def test_exits_of_legs_that_the_new_position_does_not_have_are_never_judged_nor_alarmed_of() -> None:
    desk = held(ending=OF_CALLS + ENDING, risk=UNBOUND)
    spot(desk, 6040)
    desk.fill(desk.last)
    sent = len(desk.submitted)
    for _ in range(60):
        desk.tick(5)
    assert [each.state for each in positions(desk)] == ["open", "open"]
    assert (len(desk.submitted), desk.alarms) == (sent, [])


def test_exits_of_legs_that_were_rolled_away_are_never_judged_nor_alarmed_of() -> None:
    desk = held(UNTESTED, ending=OF_CALLS.replace("call", "put").replace("> 9000", "< 0") + ENDING, risk=UNBOUND)
    spot(desk, 6040)
    desk.fill(desk.last)
    sent = len(desk.submitted)
    for _ in range(60):
        desk.tick(5)
    assert (len(desk.submitted), desk.alarms) == (sent, [])


@pytest.mark.parametrize(
    ("closed", "why"),
    [
        ("short_put", "its legs count from one that it no longer holds"),
        ("long_put", "what is sold of its puts would have no cover"),
    ],
)
def test_what_is_left_of_a_side_is_not_rolled_without_what_it_counts_from_or_is_covered_by(
    closed: str, why: str
) -> None:
    first = f"\n  - name: first\n    vix: {{above: 18}}\n    close: {closed}\n"
    desk = held(first + DOWN, risk="{max_loss_per_trade: $2000000}")
    desk.level("VIX", 19.0)
    desk.tick(1)
    desk.fill(desk.last)
    assert closed not in open_legs(desk.position)
    desk.level("VIX", 21.0)
    desk.tick(1)
    assert not desk.sent_for(Purpose.ROLL)
    assert desk.reasons("no_roll") == [f"down does not roll: {why}: it holds until the next session"]


def test_what_rolls_all_rolls_the_side_that_is_left() -> None:
    first = "\n  - name: first\n    vix: {above: 18}\n    close: put_side\n"
    desk = held(first + WHOLE)
    desk.level("VIX", 19.0)
    desk.tick(1)
    desk.fill(desk.last)
    desk.level("VIX", 21.0)
    desk.tick(1)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert [leg.option for leg in order.legs] == [SHORT_CALL, LONG_CALL, later(6055), later(6065)]


@pytest.mark.parametrize(("is_left", "again"), [(False, "time"), (True, "filled")])
def test_a_trade_is_over_with_the_last_of_its_parts(is_left: bool, again: str) -> None:
    """What `again` waits for: not the end of a rest while what a part of it was rolled into goes on."""
    desk = held()
    spot(desk, 6040)
    desk.fill(desk.last)
    old, _ = positions(desk)
    desk.until("15:45")
    for order in desk.live:
        if order.position == old.id or not is_left:
            desk.fill(order)
    assert desk.state.bots.by_name["spread"].day.last_end == again
