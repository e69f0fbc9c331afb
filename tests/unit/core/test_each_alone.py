"""Exits that judge each side, or each short leg, and act on that one alone (language.md sections 3 and 7)."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from math import nan

import pytest
from hand_desk import CONDOR, Desk, call, put, text_of

from rulebot.core.session.position_marks import dollars_at
from rulebot.model.contract import Option
from rulebot.model.event import BrokerStatus, MarketDataUpdated
from rulebot.model.market import quote_problem
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.narrate.positions import exits_text
from rulebot.narrate.snapshot_of_state import snapshot_of
from rulebot.record.record import Kind
from rulebot.spec.exit_kinds import ExitKind

ENDING = '\n  - time: "15:45"\n    order: market\n'
RISK = "{max_loss_per_trade: $20000}"
EACH = "  - stop: {cost: 1x credit, of: each_side}\n"


def held(exits: str = EACH, quantity: int = 1, **sections: str) -> Desk:
    """Return a desk that holds so many condors, 1.40 sold: 0.70 each side."""
    sections = {"risk": RISK, **sections}
    desk = Desk((text_of(exits=ENDING + exits, quantity=str(quantity), legs=CONDOR, **sections),))
    desk.opened()
    assert desk.position.entry_price == Decimal("1.40")
    return desk


def sides(desk: Desk, put_side: float, call_side: float, seconds: float = 1) -> None:
    """Quote both sides so that closing each costs so much at mid."""
    for short, long, amount in ((put(5945), put(5935), put_side), (call(6055), call(6065), call_side)):
        desk.quote(short, 0.25 + amount, 0.35 + amount, 0.104)
        desk.quote(long, 0.25, 0.35, 0.07)
    desk.tick(seconds)


def open_legs(desk: Desk) -> list[str]:
    return [leg.name for leg in desk.position.legs if leg.held]


def test_a_side_that_costs_the_whole_credit_is_closed_alone() -> None:
    desk = held()
    sides(desk, 1.35, 1.35)
    assert desk.reasons("exit") == [], "together they cost 2.70, neither costs 1.40"
    sides(desk, 1.40, 0.40)
    assert desk.reasons("exit") == ["stop.put_side"]
    assert [record.data["values"] for record in desk.said(Kind.DECISION, "exit")] == [["short_put", "long_put"]]
    assert {leg.name for leg in desk.last.legs} == {"short_put", "long_put"}
    desk.fill(desk.last)
    assert desk.position.state == "open"
    assert open_legs(desk) == ["short_call", "long_call"]


def test_the_other_side_is_stopped_on_the_same_credit_later() -> None:
    desk = held()
    sides(desk, 1.40, 0.40)
    desk.fill(desk.last)
    sides(desk, 0.20, 1.35)
    assert desk.reasons("exit") == ["stop.put_side"]
    sides(desk, 0.20, 1.40)
    assert desk.reasons("exit") == ["stop.put_side", "stop.call_side"]
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    assert not any("worse than its limit" in text for text in desk.alarms), "each order closed its own side"
    assert desk.state.bots.by_name["spread"].day.last_end == "stop", "for `again` it is the exit that the spec names"


def test_a_side_that_is_closed_worse_than_its_limit_is_reported() -> None:
    desk = held()
    sides(desk, 1.40, 0.40)
    order = desk.last
    desk.ack(order)
    for report in desk.executions_of(order, 1):
        desk.send(replace(report, price=report.price + 1) if report.is_buy else report)
    desk.report(order, BrokerStatus.FILLED, 1)
    assert any("closed at a net price of -2.40, worse than its limit of -1.40" in text for text in desk.alarms)


def test_of_two_at_once_one_goes_after_the_other() -> None:
    desk = held()
    sides(desk, 1.60, 1.50)
    first = desk.last
    desk.ack(first)
    sides(desk, 1.60, 1.50)
    assert len(desk.sent_for(Purpose.EXIT)) == 1
    desk.fill(first)
    desk.tick(1)
    assert desk.reasons("exit") == ["stop.put_side", "stop.call_side"]
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_the_first_part_does_not_take_the_second_over() -> None:
    desk = held()
    sides(desk, 0.70, 1.50)
    at_work = desk.last
    desk.ack(at_work)
    sides(desk, 1.50, 1.50)
    assert desk.reasons("exit") == ["stop.call_side"]
    desk.fill(at_work)
    desk.tick(1)
    assert desk.reasons("exit") == ["stop.call_side", "stop.put_side"]


def test_what_is_above_them_closes_all() -> None:
    desk = held()
    sides(desk, 1.40, 0.40)
    desk.ack(desk.last)
    desk.until("15:45")
    desk.cancelled(desk.order(desk.sent_for(Purpose.EXIT)[0].ref))
    desk.tick(0)
    assert len(desk.sent_for(Purpose.EXIT)[-1].legs) == 4


def test_close_all_beside_it_closes_the_whole() -> None:
    desk = held(f"{EACH}    close: all\n")
    sides(desk, 1.40, 0.40)
    assert desk.reasons("exit") == ["stop.put_side"]
    assert len(desk.last.legs) == 4


def test_each_short_closes_that_leg_alone() -> None:
    desk = held("  - stop: {cost: 1x credit, of: each_short}\n", risk="{undefined_risk: allow}")
    sides(desk, 1.05, 0.40)  # the short put is at 1.35
    assert desk.reasons("exit") == []
    sides(desk, 1.10, 0.40)
    assert desk.reasons("exit") == ["stop.short_put"]
    desk.fill(desk.last)
    assert open_legs(desk) == ["long_put", "short_call", "long_call"]


@pytest.mark.parametrize(
    ("rule", "name", "legs"),
    [
        ("breach: {spot_within: 20 pts, of: each_side}", "breach.call_side", {"short_call", "long_call"}),
        ("breach: {spot_within: 20 pts, of: each_short}", "breach.short_call", {"short_call"}),
        ("leg_delta: {beyond: 0.25, of: each_side}", "leg_delta.call_side", {"short_call", "long_call"}),
    ],
)
def test_a_breach_and_a_delta_of_one_side(rule: str, name: str, legs: set[str]) -> None:
    desk = held(f"  - {rule}\n", risk="{undefined_risk: allow}")
    desk.level("SPX", 6040.0)
    desk.quote(call(6055), 2.0, 2.1, 0.30)
    desk.tick(1)
    assert desk.reasons("exit") == [name]
    assert {leg.name for leg in desk.last.legs} == legs


def test_parts_of_the_entry_price_are_of_what_is_measured_and_open() -> None:
    desk = held("  - name: won\n    target: {profit: 50%, of: each_side}\n")
    sides(desk, 0.36, 0.36)
    assert desk.reasons("exit") == []
    sides(desk, 0.90, 0.35)
    assert desk.reasons("exit") == ["won.call_side"], "half of the 0.70 that this side brought"


def test_dollars_of_a_side_are_of_that_side_with_its_commissions() -> None:
    desk = held("  - name: lost\n    stop: {loss: $40, of: each_side}\n", quantity=2)
    for execution in [event for event in desk.events if type(event).__name__ == "ExecutionReport"]:
        desk.commission(execution, "1.00")
    sides(desk, 0.88, 0.10)  # two legs paid 1.00 each: 0.18 x 200 + 2 = 38
    assert desk.reasons("exit") == []
    sides(desk, 0.89, 0.10)
    assert desk.reasons("exit") == ["lost.put_side"]


def test_after_a_side_has_left_profit_counts_every_leg_once() -> None:
    desk = held(f"{EACH}  - name: day\n    target: {{profit: $1}}\n  - name: rest\n    profit: {{at_least: 60%}}\n")
    sides(desk, 1.40, 0.70)
    desk.fill(desk.last)  # 70 lost
    sides(desk, 0.20, 0.30)
    assert desk.reasons("exit") == ["stop.put_side"], "$30 less than the put side lost"
    sides(desk, 0.20, 0.28)
    assert desk.reasons("exit") == ["stop.put_side"], "60% of the call side is -20% of the whole credit"


def test_open_legs_count_what_is_still_open_alone() -> None:
    desk = held(f"{EACH}  - name: rest\n    profit: {{at_least: 60%, of: open_legs}}\n")
    sides(desk, 1.40, 0.70)
    desk.fill(desk.last)
    sides(desk, 0.20, 0.30)
    assert desk.reasons("exit") == ["stop.put_side"], "57% of the call side"
    sides(desk, 0.20, 0.28)
    assert desk.reasons("exit") == ["stop.put_side", "rest"]


def test_half_of_what_is_open_after_a_side_has_left() -> None:
    desk = held(f"{EACH}  - name: half\n    profit: {{at_least: 60%, of: open_legs}}\n    close: 50%\n", quantity=3)
    sides(desk, 1.40, 0.70)
    desk.fill(desk.last)
    sides(desk, 0.20, 0.28)
    assert desk.reasons("exit") == ["stop.put_side", "half"]
    assert (desk.last.quantity, {leg.name for leg in desk.last.legs}) == (2, {"short_call", "long_call"})
    desk.fill(desk.last)
    assert (desk.position.state, desk.position.open_structures) == ("open", 1)


# ---------------------------------------------------------------- protection

GUARDED = "{max_loss_per_trade: $20000, protect: {cost: 3x credit}, max_time_without_stop: 5s}"


def guards(desk: Desk) -> dict[str, Order]:
    return {order.legs[0].name: order for order in desk.live if order.purpose is Purpose.PROTECT}


def guarded() -> Desk:
    desk = held(risk=GUARDED)
    desk.tick(1)
    for order in guards(desk).values():
        desk.ack(order)
    return desk


def test_the_protective_stop_of_the_other_side_stays_while_a_side_is_closed() -> None:
    desk = guarded()
    stays = guards(desk)["short_call"]
    sides(desk, 1.40, 0.40)
    assert [order.legs[0].name for order in desk.cancels] == ["short_put"]
    desk.cancelled(guards(desk)["short_put"])
    desk.ack(desk.last)
    for _ in range(8):
        sides(desk, 1.40, 0.40)
    assert desk.reasons("exit") == ["stop.put_side"], "both short legs are covered, so nothing goes out as unprotected"
    desk.fill(desk.last)
    desk.tick(1)
    assert desk.position.state == "open"
    assert list(guards(desk).values()) == [desk.order(stays.ref)]


def test_a_protective_stop_that_is_hit_while_the_other_side_is_closed_ends_it_all() -> None:
    desk = guarded()
    sides(desk, 1.40, 0.40)
    desk.cancelled(guards(desk)["short_put"])
    at_work = desk.last
    desk.ack(at_work)
    desk.fill(guards(desk)["short_call"])
    assert desk.reasons("exit") == ["stop.put_side", "protect"]
    desk.cancelled(desk.order(at_work.ref))
    desk.tick(1)
    while desk.live:
        desk.fill(desk.live[0])
        desk.tick(1)
    assert desk.position.state == "closed"


def test_what_people_are_shown_is_the_price_at_which_the_rest_is_closed() -> None:
    desk = held("  - target: {profit: 25%}\n  - vix: {above: 30}\n    close: put_side\n", quantity=2)
    bot = desk.program.governing(desk.position)
    assert exits_text(desk.program, desk.state, desk.position, desk.now.timestamp()).startswith(
        "target 1.05 (now 1.40)"
    )
    assert dollars_at(bot, desk.position, ExitKind.TARGET) == 70
    desk.level("VIX", 31.0)
    desk.tick(1)
    desk.fill(desk.last)
    assert open_legs(desk) == ["short_call", "long_call"]
    assert exits_text(desk.program, desk.state, desk.position, desk.now.timestamp()).startswith(
        "target 0.35 (now 0.70)"
    ), "the put side was bought back at 0.70: 0.35 more keeps a quarter of 1.40"
    assert dollars_at(bot, desk.position, ExitKind.TARGET) == 70
    sides(desk, 0.70, 0.36)
    assert desk.reasons("exit") == ["vix"]
    sides(desk, 0.70, 0.35)
    assert desk.reasons("exit") == ["vix", "target"]
    assert desk.last.limit_price == Decimal("0.35")


# ---------------------------------------------------------------- a wing that nobody bids for


def without_bid(desk: Desk, wing: Option) -> None:
    """Take the bid of a long leg away, as a quote of size 0 tells; then let a second pass."""
    desk.quote(wing, nan, 0.05)
    desk.board.bid_size[desk.board.rows[wing]] = 0.0
    desk.tick(1)


def stopped_without_bid() -> Desk:
    """Return a desk on which the put side was stopped, and nobody bids for its long put."""
    desk = held()
    desk.quote(put(5945), 1.55, 1.65, 0.2)
    without_bid(desk, put(5935))
    desk.fill(desk.last)
    assert desk.reasons("exit") == ["stop.put_side"]
    assert open_legs(desk) == ["long_put", "short_call", "long_call"]
    return desk


def test_the_other_side_is_stopped_while_nobody_bids_for_a_leg_of_the_first() -> None:
    desk = stopped_without_bid()
    desk.quote(call(6055), 3.05, 3.15, 0.3)
    without_bid(desk, put(5935))
    assert desk.reasons("exit") == ["stop.put_side", "stop.call_side"]
    assert {leg.name for leg in desk.last.legs} == {"short_call", "long_call"}
    desk.fill(desk.last)
    for _ in range(3):
        without_bid(desk, put(5935))
    assert (open_legs(desk), len(desk.sent_for(Purpose.EXIT))) == (["long_put"], 2)


def test_a_trade_whose_sides_were_stopped_has_not_expired_worthless() -> None:
    """A long put that nobody bid for was left to expire, and gave the losing trade its exit reason."""
    desk = stopped_without_bid()
    desk.quote(call(6055), 3.05, 3.15, 0.3)
    without_bid(desk, put(5935))
    desk.fill(desk.last)
    desk.until("16:00")
    desk.until("16:05")
    desk.holds(put(5935), 0)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "stop.call_side")


def test_the_time_closes_what_is_left_while_nobody_bids_for_a_leg_of_the_first() -> None:
    desk = stopped_without_bid()
    desk.until("15:44:59")
    without_bid(desk, put(5935))
    assert desk.reasons("exit") == ["stop.put_side", "time"]
    while desk.live:
        desk.fill(desk.last)
        without_bid(desk, put(5935))
    assert open_legs(desk) == ["long_put"]
    assert desk.reasons("exit") == ["stop.put_side", "time"], "what is left may expire"


@pytest.mark.parametrize("order", ["", "\n    order: market"])
def test_a_start_closes_no_wing_that_nobody_bids_for_before_it_is_quoted(order: str) -> None:
    """A wing that its stop had left to expire was sold at market by `time` in the first second after a start."""
    desk = Desk((text_of(exits=f'\n  - time: "10:20"{order}\n  - stop: {{cost: 2x credit}}\n', risk=RISK),))
    desk.opened()
    desk.quote(put(5945), 1.95, 2.05, 0.3)
    without_bid(desk, put(5935))
    desk.fill(desk.last)
    desk.until("10:30", step=2)
    assert (open_legs(desk), desk.reasons("exit")) == (["long_put"], ["stop"])
    del desk.board.rows[put(5935)]
    desk.start_again()
    desk.link()
    desk.tick(1)
    assert (desk.position.exit_reason, desk.reasons("exit")) == ("stop", ["stop"])
    desk.tick(31)
    assert desk.position.exit_reason == "time", "what is never quoted is left to no exit"


@pytest.mark.parametrize(("order", "expected"), [("", ["stop"]), ("\n    order: market", ["stop", "time"])])
def test_no_limit_takes_over_what_nobody_bid_for_when_it_was_quoted_last(order: str, expected: list[str]) -> None:
    """A trade that its stop had closed was told as one of `time`, with an alarm that this waits for a price."""
    desk = Desk((text_of(exits=f'\n  - time: "10:20"{order}\n  - stop: {{cost: 2x credit}}\n', risk=RISK),))
    desk.opened()
    desk.quote(put(5945), 1.95, 2.05, 0.3)
    without_bid(desk, put(5935))
    desk.fill(desk.last)
    assert open_legs(desk) == ["long_put"]
    desk.until("10:19:59")
    desk.now += timedelta(minutes=10)
    desk.tick(quiet=True)
    assert quote_problem(desk.board, desk.board.rows[put(5935)], desk.now.timestamp()).startswith("stale")
    assert desk.reasons("exit") == expected
    desk.quote(put(5935), 0.05, 0.10, -0.05)
    desk.tick(1)
    assert [leg.name for leg in desk.last.legs] == ["long_put"]


@pytest.mark.parametrize(("part", "filled"), [("    close: 50%\n", 0), ("    close: 50%\n", 1), ("", 0)])
def test_what_leaves_more_than_nobody_wants_gives_way_to_what_comes_true_while_nobody_bids(
    part: str, filled: int
) -> None:
    """The exit that closes all passed unseen, since the part was at work: with the next bid half of it was sold."""
    legs = "\n  expiry: {dte: 0}\n  long_put: {buy: put, strike: {delta: 0.10}}\n"
    exits = f"\n  - name: out\n    vix: {{above: 30}}\n  - name: first\n    vix: {{above: 25}}\n{part}"
    ending = '  - time: "15:45"\n    order: market\n'
    desk = Desk((text_of(legs=legs, exits=exits + ending, quantity="4", risk=RISK),))
    desk.opened()
    desk.level("VIX", 26.0)
    desk.tick(1)
    if filled:
        desk.fill(desk.last, filled)
    desk.cancelled(desk.last, filled)
    option = desk.position.legs[0].option
    without_bid(desk, option)
    reported_at = desk.now.timestamp()
    desk.level("VIX", 31.0)
    desk.now += timedelta(minutes=10)
    desk.freshen()
    desk.board.quote_at[desk.board.rows[option]] = reported_at
    desk.send(MarketDataUpdated(desk.now, tuple(range(len(desk.board.contracts)))))
    desk.level("VIX", 24.0)
    desk.quote(option, 0.50, 0.60)
    desk.tick(1)
    assert desk.reasons("exit") == ["first", "out"]
    assert desk.last.quantity == 4 - filled


def test_a_bid_that_comes_back_sells_the_leg_that_was_left() -> None:
    desk = stopped_without_bid()
    desk.quote(put(5935), 0.05, 0.10, -0.05)
    desk.tick(1)
    assert [leg.name for leg in desk.last.legs] == ["long_put"]
    desk.fill(desk.last)
    assert (desk.position.state, open_legs(desk)) == ("open", ["short_call", "long_call"])


def test_the_stop_acts_on_what_a_part_has_left_while_nobody_bids_for_a_leg_of_it() -> None:
    exits = "  - target: {profit: 80%}\n    close: 50%\n  - stop: {cost: 2x credit}\n"
    desk = Desk((text_of(exits=ENDING + exits, quantity="2", risk=RISK),))
    desk.opened()
    desk.quote(put(5945), 0.07, 0.17, -0.05)
    without_bid(desk, put(5935))
    desk.fill(desk.last, price="0.10")
    assert [(leg.name, leg.held) for leg in desk.position.legs] == [("short_put", 1), ("long_put", 2)]
    desk.quote(put(5945), 4.95, 5.05, -0.4)
    without_bid(desk, put(5935))
    assert desk.reasons("exit") == ["target", "stop"]
    assert [(leg.name, desk.last.quantity) for leg in desk.last.legs] == [("short_put", 1)]


def test_what_stays_open_after_a_side_is_shown_with_its_worst_case() -> None:
    desk = held()
    sides(desk, 1.40, 0.40)
    desk.fill(desk.last)
    (line,) = snapshot_of(desk.program, desk.state, desk.now, desk.now, None).positions
    assert desk.position.max_risk == 1860, "both sides, 10 wide, less the 1.40 that they brought"
    assert line.max_loss == 1003.26, "70 lost, 930 that the other side can lose, and 3.26 of commissions to close it"


def test_the_stop_of_a_side_that_is_closed_is_not_shown_any_more() -> None:
    desk = held()
    assert "stop.put_side" in exits_text(desk.program, desk.state, desk.position, desk.now.timestamp())
    sides(desk, 1.40, 0.40)
    desk.fill(desk.last)
    assert open_legs(desk) == ["short_call", "long_call"]
    said = exits_text(desk.program, desk.state, desk.position, desk.now.timestamp())
    assert "stop.call_side" in said
    assert "stop.put_side" not in said


def test_what_is_left_of_a_condor_can_still_lose_at_expiry() -> None:
    desk = held(quantity=2)
    at_entry = desk.position.max_risk
    assert at_entry is not None
    (whole,) = snapshot_of(desk.program, desk.state, desk.now, desk.now, None).positions
    assert whole.max_loss == 2 * float(at_entry) + 2 * 4 * 1.63
    sides(desk, 1.40, 0.40)
    desk.fill(desk.last)
    assert open_legs(desk) == ["short_call", "long_call"]
    (left,) = snapshot_of(desk.program, desk.state, desk.now, desk.now, None).positions
    assert left.max_loss == 2 * (70 + 1000 - 70) + 4 * 1.63, "70 lost, ten points wide, 0.70 sold, twice"


# ---------------------------------------------------------------- the same with protective stops at the broker

GUARDED = "{max_loss_per_trade: $20000, protect: {cost: 9x credit, of: each_short}}"


def at_broker(desk: Desk) -> dict[str, int]:
    """Acknowledge what rests as protection; return its pieces by leg."""
    for order in [order for order in desk.live if order.purpose is Purpose.PROTECT and not order.perm_id]:
        desk.ack(order)
    return {order.legs[0].name: order.remaining for order in desk.live if order.purpose is Purpose.PROTECT}


def let_go(desk: Desk) -> None:
    """Confirm the cancels that were asked for."""
    for order in desk.live:
        if order.status is OrderStatus.CANCELLING:
            desk.cancelled(order)
    desk.tick(0)


def protected_without_bid() -> Desk:
    """Return a desk of protected condors: the put side was stopped, and nobody bids for its long put."""
    desk = held(risk=GUARDED)
    desk.tick(0)
    assert at_broker(desk) == {"short_put": 1, "short_call": 1}
    desk.quote(put(5945), 1.55, 1.65, 0.2)
    without_bid(desk, put(5935))
    let_go(desk)
    without_bid(desk, put(5935))
    desk.fill(desk.last)
    without_bid(desk, put(5935))
    assert at_broker(desk) == {"short_call": 1}
    return desk


def test_the_other_side_is_stopped_though_its_protective_stop_rests() -> None:
    desk = protected_without_bid()
    desk.quote(call(6055), 3.05, 3.15, 0.3)
    without_bid(desk, put(5935))
    assert desk.reasons("exit") == ["stop.put_side", "stop.call_side"]
    let_go(desk)
    without_bid(desk, put(5935))
    assert {leg.name for leg in desk.last.legs} == {"short_call", "long_call"}


def test_a_protective_stop_that_is_lost_while_a_wing_waits_is_put_back() -> None:
    desk = protected_without_bid()
    (guard,) = (order for order in desk.live if order.purpose is Purpose.PROTECT)
    desk.cancelled(guard)
    for _ in range(62):
        without_bid(desk, put(5935))
    assert at_broker(desk) == {"short_call": 1}
    assert any("was cancelled, and not by us: rulebot sends it again" in text for text in desk.alarms)


def test_what_a_part_has_left_is_protected_again_while_a_wing_waits() -> None:
    exits = "  - target: {profit: 80%}\n    close: 50%\n"
    desk = Desk((text_of(exits=ENDING + exits, quantity="2", risk=GUARDED),))
    desk.opened()
    desk.tick(0)
    assert at_broker(desk) == {"short_put": 2}
    desk.quote(put(5945), 0.07, 0.17, -0.05)
    without_bid(desk, put(5935))
    let_go(desk)
    without_bid(desk, put(5935))
    desk.fill(desk.last, price="0.10")
    without_bid(desk, put(5935))
    assert [(leg.name, leg.held) for leg in desk.position.legs] == [("short_put", 1), ("long_put", 2)]
    assert at_broker(desk) == {"short_put": 1}
