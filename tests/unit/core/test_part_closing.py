"""Exits that close a part, a side or named legs (language.md, Exits)."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner
from hand_desk import CONDOR, Desk, call, kept, put, text_of

from rulebot.alerts.find import digest
from rulebot.cli.main import main
from rulebot.core.session.position_marks import dollars_at
from rulebot.model.event import BrokerStatus, Request
from rulebot.model.loss_bound import max_loss
from rulebot.model.order import OrderStatus, Purpose
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.happenings import event_line
from rulebot.narrate.positions import exits_text
from rulebot.record.record import Kind
from rulebot.spec.exit_kinds import ExitKind
from rulebot.store.queries import StoreReader

RISK = "{max_loss_per_trade: $20000}"
SETTLES = "\n  - stop: {cost: 2x credit}\n    close: 50%\n  - at_expiry: settle\n"
ENDING = '\n  - time: "15:45"\n    order: market\n'


def held(exits: str, quantity: int = 3, **sections: str) -> Desk:
    """Return a desk that holds so many spreads, each 0.70 sold, with these exits."""
    desk = Desk((text_of(exits=ENDING + exits, quantity=str(quantity), risk=RISK, **sections),))
    desk.opened()
    return desk


def cost(desk: Desk, amount: float) -> None:
    """Quote the spread so that closing costs so much at mid; then let a second pass."""
    desk.quote(put(5945), 0.25 + amount, 0.35 + amount, -0.104)
    desk.quote(put(5935), 0.25, 0.35, -0.07)
    desk.tick(1)


def settle_stops(desk: Desk) -> None:
    """Let the broker have protective stops, and take back those that are wanted back."""
    for order in desk.live:
        if order.purpose is Purpose.PROTECT:
            (desk.cancelled if order.status is OrderStatus.CANCELLING else desk.ack)(order)
    desk.tick(1)


def test_all_is_closed_at_once_though_an_exit_is_closing_a_part() -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n")
    cost(desk, 1.60)
    part = desk.last
    desk.ack(part)
    desk.ask(Request.CLOSE, position=desk.position.id)
    desk.tick(1)
    desk.cancelled(part)
    desk.tick(1)
    assert [(order.quantity, order.reason) for order in desk.sent_for(Purpose.EXIT)] == [(2, "stop"), (3, "flattened")]


def test_half_of_three_is_two_and_the_rest_stays_open() -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n")
    cost(desk, 1.60)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2]
    desk.fill(desk.last)
    assert (desk.position.state, desk.position.structures) == ("open", 1)
    for _ in range(5):
        cost(desk, 1.80)
    assert len(desk.sent_for(Purpose.EXIT)) == 1, "once per exit"


@pytest.mark.parametrize("protect", ["", ", protect: {cost: 4x credit}"])
def test_28_a_part_that_is_closed_once_more_by_an_order_that_was_over_ends_the_position_by_its_name(
    protect: str,
) -> None:
    """It was closed for no reason, or by the stop that was taken back beside it, and 'again' did not follow it."""
    again = '{window: {from: "10:00", to: "11:00"}, per_day: 2, again: {after: [half], wait: 1m}}'
    exits = "  - name: half\n    stop: {cost: 2x credit}\n    close: 50%\n"
    risk = RISK.replace("}", f"{protect}}}")
    desk = Desk((text_of(exits=ENDING + exits, quantity="2", risk=risk, entry=again),))
    desk.opened()
    cost(desk, 1.60)
    settle_stops(desk)
    first = desk.last
    desk.ack(first)
    desk.cancelled(first)
    for _ in range(15):
        cost(desk, 1.60)
    desk.fill(desk.last)
    cost(desk, 1.60)
    settle_stops(desk)
    assert (desk.position.state, desk.position.structures) == ("open", 1)
    assert bool(desk.live) is bool(protect)
    for report in desk.executions_of(first, 1):
        desk.send(report)
    settle_stops(desk)
    (closed,) = desk.said(Kind.DECISION, "closed")
    assert (desk.position.state, closed.data["reason"]) == ("closed", "half")
    cost(desk, 0.70)
    desk.tick(61)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == 2


def test_28_a_leg_of_a_part_that_is_closed_once_more_leaves_no_partner_alone() -> None:
    """Found by chaos (seed 90535): the last long leg was sold by an order that was over, and the short one stayed."""
    ladder = "{start: mid, wait: 10s, tries: 3, pause: 15s, then: cancel}"
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n  - at_expiry: settle\n", quantity=2, order=ladder)
    cost(desk, 1.60)
    desk.refuse_combos()
    desk.fill(desk.last)
    desk.tick(1)
    first = desk.last
    desk.ack(first)
    desk.tick(10)
    desk.cancelled(desk.order(first.ref))
    desk.tick(15)
    desk.fill(desk.last)
    desk.tick(1)
    assert (desk.position.state, desk.position.structures) == ("open", 1)
    for report in desk.executions_of(first, 1):
        desk.send(report)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.legs[0].name, desk.last.quantity) == (Purpose.UNWIND, "short_put", 1)


def test_half_of_one_is_all() -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n", quantity=1)
    cost(desk, 1.60)
    desk.fill(desk.last)
    assert desk.position.state == "closed"


def test_a_part_that_repeats_closes_again_when_its_condition_is_true_again() -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n    repeat: true\n", quantity=4)
    cost(desk, 1.60)
    desk.fill(desk.last)
    cost(desk, 1.80)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2]
    cost(desk, 0.90)
    cost(desk, 1.60)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2, 1]
    desk.fill(desk.last)
    assert (desk.position.state, desk.position.structures) == ("open", 1)


def test_a_part_that_repeats_is_not_closed_again_for_a_start() -> None:
    """Its confirmation begins anew, and while that lasted its condition was taken to be false."""
    exits = "  - stop: {cost: 2x credit}\n    confirm: 2 quotes\n    close: 50%\n    repeat: true\n"
    desk = held(exits, quantity=4)
    cost(desk, 1.60)
    cost(desk, 1.60)
    desk.fill(desk.last)
    cost(desk, 1.80)
    desk.start_again()
    desk.link()
    for _ in range(5):
        cost(desk, 1.80)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2]
    cost(desk, 0.90)
    cost(desk, 1.60)
    cost(desk, 1.60)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2, 1]


def test_what_closes_all_takes_a_part_over_and_closes_all() -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n")
    cost(desk, 1.60)
    part = desk.last
    desk.ack(part)
    desk.until("15:45")
    desk.cancelled(desk.order(part.ref))
    desk.tick(0)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2, 3]
    assert desk.reasons("exit") == ["stop", "time"]


def test_what_closes_all_takes_a_part_over_that_stands_higher() -> None:
    desk = held("  - name: half\n    vix: {above: 30}\n    close: 50%\n  - stop: {cost: 2x credit}\n")
    desk.level("VIX", 31.0)
    cost(desk, 0.70)
    desk.ack(part := desk.last)
    cost(desk, 1.60)
    assert desk.order(part.ref).status is OrderStatus.CANCELLING
    desk.cancelled(desk.order(part.ref))
    desk.tick(0)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2, 3]
    assert desk.reasons("exit") == ["half", "stop"]


def test_a_part_does_not_take_over_what_closes_all() -> None:
    desk = held("  - stop: {cost: 2x credit}\n  - name: half\n    cost: {at_least: 1.50}\n    close: 50%\n")
    cost(desk, 1.60)
    assert desk.reasons("exit") == ["stop"]
    cost(desk, 1.60)
    assert desk.reasons("exit") == ["stop"]
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [3]


def test_tiers_close_one_after_the_other() -> None:
    desk = held(
        "  - name: first\n    profit: {at_least: 30%}\n    close: 50%\n"
        "  - name: second\n    profit: {at_least: 60%}\n    close: 50%\n",
        quantity=4,
    )
    cost(desk, 0.45)
    desk.fill(desk.last)
    cost(desk, 0.20)
    assert desk.reasons("exit") == ["first"], "the half closed at 0.45 counts: 54% of the whole"
    cost(desk, 0.10)
    desk.fill(desk.last)
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [2, 1]
    assert desk.reasons("exit") == ["first", "second"]
    assert (desk.position.state, desk.position.structures) == ("open", 1)


def part_taken_over(filled: int) -> Desk:
    """Return a desk on which another part took a half over once so many of it were closed, and is closed itself."""
    desk = held(
        "  - vix: {above: 30}\n    close: 10%\n  - name: half\n    profit: {at_least: 30%}\n    close: 50%\n",
        quantity=10,
    )
    cost(desk, 0.45)
    half = desk.last
    desk.ack(half)
    if filled:
        desk.fill(half, filled)
    desk.level("VIX", 31.0)
    desk.tick(1)
    desk.cancelled(desk.order(half.ref), filled)
    desk.tick(1)
    desk.fill(desk.last)
    desk.level("VIX", 16.0)
    cost(desk, 0.45)
    return desk


def test_a_part_that_was_taken_over_before_it_closed_anything_is_closed_after_that() -> None:
    desk = part_taken_over(0)
    assert desk.reasons("exit") == ["half", "vix", "half"]
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [5, 1, 5]
    desk.fill(desk.last)
    cost(desk, 0.45)
    assert (desk.position.state, desk.position.structures, len(desk.sent_for(Purpose.EXIT))) == ("open", 4, 3)


def test_a_part_of_which_some_was_closed_when_it_was_taken_over_is_not_closed_again() -> None:
    desk = part_taken_over(3)
    assert desk.reasons("exit") == ["half", "vix"]
    assert [order.quantity for order in desk.sent_for(Purpose.EXIT)] == [5, 1]


def test_a_part_taken_by_a_restart_is_not_taken_again() -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n")
    cost(desk, 1.60)
    desk.fill(desk.last)
    position = desk.position
    kept = [record for record in desk.records if record.kind is Kind.POSITION][-1]
    assert kept.data["partial_exits_done"] == ["stop"]
    assert (position.leave_open, position.partial_exits_done) == (0, ("stop",))


@pytest.mark.parametrize(
    ("close", "closed"),
    [("put_side", ["short_put", "long_put"]), ("[short_call, long_call]", ["short_call", "long_call"])],
)
def test_a_side_or_named_legs_are_closed_and_the_rest_stays(close: str, closed: list[str]) -> None:
    desk = held(f"  - name: danger\n    leg_delta: {{beyond: 0.25}}\n    close: {close}\n", quantity=1, legs=CONDOR)
    desk.quote(put(5945), 2.0, 2.1, -0.30)
    desk.tick(1)
    desk.tick(1)
    names = {leg.name for order in desk.sent_for(Purpose.EXIT) for leg in order.legs}
    assert names == set(closed)
    desk.fill(desk.last)
    assert desk.position.state == "open"
    assert [leg.name for leg in desk.position.legs if leg.held] == [
        leg.name for leg in desk.position.legs if leg.name not in closed
    ]
    desk.quote(call(6055), 2.0, 2.1, 0.30)
    desk.tick(1)
    assert len(desk.sent_for(Purpose.EXIT)) == 1, "its legs are gone"


def test_a_target_that_has_closed_its_part_is_not_shown_as_the_next_one() -> None:
    first = "  - name: first\n    target: {profit: 20%}\n    close: 50%\n"
    desk = held(first + "  - name: second\n    target: {profit: 60%}\n", quantity=4)
    bot = desk.program.governing(desk.position)
    assert dollars_at(bot, desk.position, ExitKind.TARGET) == 56, "a fifth of 0.70 x 4"
    cost(desk, 0.50)
    desk.fill(desk.last)
    assert (desk.position.structures, desk.position.partial_exits_done) == (2, ("first",))
    assert dollars_at(bot, desk.position, ExitKind.TARGET) == 168, "three fifths of 0.70 x 4"
    said = exits_text(desk.program, desk.state, desk.position, desk.now.timestamp())
    assert said.startswith("second 0.06"), "two at 0.50 and two at 0.06 cost 0.28 on average"
    assert "first" not in said


def test_a_stop_is_shown_to_lose_no_more_than_can_be_lost() -> None:
    """Of a condor without its puts the stop stands at a price that the calls alone cannot have."""
    danger = "  - name: danger\n    leg_delta: {beyond: 0.25}\n    close: put_side\n"
    desk = held(danger + "  - stop: {cost: 20x credit}\n", quantity=1, legs=CONDOR)
    bot = desk.program.governing(desk.position)
    desk.quote(put(5945), 2.0, 2.1, -0.30)
    desk.tick(1)
    desk.fill(desk.last)
    worst = max_loss(desk.position)
    assert worst is not None
    assert dollars_at(bot, desk.position, ExitKind.STOP) == -worst


def test_the_report_and_the_digest_report_each_part_with_its_exit_and_price(tmp_path: Path) -> None:
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n")
    cost(desk, 1.60)
    closed_at(desk, "1.60")
    part = "2 of 3 bought back at 1.60"
    assert [each for each in reported_by(desk) if each.startswith(part)] == [f"{part} 10:00: stop"]
    desk.until("15:45", step=60)
    closed_at(desk, "1.80")
    reported = reported_by(desk)
    assert [each for each in reported if each.startswith(part)] == [f"{part} 10:00: stop"]
    assert [each.startswith("bought back in all at ") for each in reported if each.endswith(" 15:45: time")] == [True]
    (closed,) = (event_line(each, desk.state) for each in desk.said(Kind.DECISION, "closed"))
    assert closed is not None
    assert closed.text.startswith("closed: time, bought back in all at ")
    with StoreReader(kept(desk, tmp_path)) as reader:
        said = digest(reader, "2026-11-18", ["spread"])
    assert f"; {part} by stop; closed by time, " in said
    (line,) = (each for each in said.splitlines() if each.startswith("spread: "))
    assert line.endswith(" in all")


def test_an_exit_whose_name_is_a_word_of_how_it_ended_is_named_all_the_same() -> None:
    """The report of the day named every exit but one called `bought`, or `sold`."""
    desk = held("  - name: bought\n    cost: {at_least: 1.50}\n")
    cost(desk, 1.60)
    closed_at(desk, "1.60")
    assert [each for each in reported_by(desk) if "bought back" in each] == ["bought back at 1.60 10:00: bought"]


def test_what_expires_after_a_part_was_closed_ended_at_the_close() -> None:
    """The report of the day said `13:31: expired_worthless`: the time of the stop that had closed the part."""
    desk = Desk((text_of(exits=SETTLES, quantity="3", risk=RISK),))
    desk.opened()
    cost(desk, 1.60)
    closed_at(desk, "1.60")
    desk.until("16:01", step=60)
    for option in (put(5945), put(5935)):
        desk.holds(option, 0)
    assert desk.position.exit_reason == "expired_worthless"
    assert [each for each in reported_by(desk) if ": expired" in each] == [
        "bought back in all at 1.0667 (the rest expired) 16:01: expired_worthless"
    ]


def closed_at(desk: Desk, price: str) -> None:
    """Fill the closing order that was sent last, and tell its average price with its end."""
    order = desk.order(desk.last.ref)
    desk.ack(order)
    for report in desk.executions_of(order, order.quantity):
        desk.send(report)
    desk.report(order, BrokerStatus.FILLED, order.quantity, Decimal(price))
    desk.tick(1)


def reported_by(desk: Desk) -> list[str]:
    (bot,) = day_outcome(desk.state, None).bots
    return [part for reported in bot.lines for part in reported.parts]


def test_a_side_that_stands_higher_takes_nothing_over_from_what_closes_all() -> None:
    """The two took each other's orders back, turn by turn, and nothing was closed."""
    exits = "  - name: puts\n    vix: {above: 20}\n    close: put_side\n  - spot: {below: 5990}\n"
    desk = held(exits, legs=CONDOR)
    desk.level("VIX", 21.0)
    desk.tick(1)
    desk.level("SPX", 5980.0)
    for _ in range(10):
        desk.ack(desk.last)
        desk.tick(1)
        for order in desk.live:
            if order.status is OrderStatus.CANCELLING:
                desk.cancelled(order)
    assert desk.reasons("exit") == ["puts", "spot"]
    assert [len(order.legs) for order in desk.sent_for(Purpose.EXIT)] == [2, 4]


def test_a_part_that_is_closed_has_realised_what_it_made(tmp_path: Path) -> None:
    """Two of three, sold at 0.70, are bought back at 1.60: that is lost, and no more a part of what is open."""
    desk = held("  - stop: {cost: 2x credit}\n    close: 50%\n")
    cost(desk, 1.60)
    assert desk.state.bots.by_name["spread"].day.realized == 0
    closed_at(desk, "1.60")
    day = day_outcome(desk.state, desk.now)
    made = -2 * 90 - desk.position.commissions * 4 / 5  # six contracts were dealt on the way in, four out
    assert (day.realized, desk.state.bots.by_name["spread"].day.realized) == (made, made)
    assert day.open_profit == -90 - desk.position.commissions / 5
    store = kept(desk, tmp_path)
    reported = CliRunner().invoke(main, ["status", "--store", str(store), "--format", "json"])
    assert json.loads(reported.stdout)["realized_today"] == float(made)


def test_an_entry_that_a_part_was_closed_of_before_it_was_over_has_filled_for_again() -> None:
    """It was said to be at work until the rest was closed, and nothing more was entered."""
    entry = '{window: {from: "10:00", to: "11:00"}, per_day: 3, max_open: 3, again: {after: [filled], wait: 5m}}'
    exits = '\n  - time: "15:45"\n  - target: {profit: 40%}\n    close: 50%\n'
    order = "{start: mid, wait: 300s, tries: 1, then: cancel}"
    risk = "{max_loss_per_trade: $8000}"
    desk = Desk((text_of(entry=entry, exits=exits, order=order, quantity="4", risk=risk),))
    first = desk.enter()
    desk.fill(first, 2)
    desk.quote(put(5945), 1.00, 1.10, -0.10)
    desk.quote(put(5935), 0.90, 1.00, -0.05)
    for _ in range(2):
        desk.tick(3)
    desk.cancelled(first, 2)
    desk.tick(1)
    assert (desk.last.purpose, desk.last.quantity) == (Purpose.EXIT, 1)
    desk.fill(desk.last)
    assert (desk.position.state, desk.state.bots.by_name["spread"].day.last_end) == ("open", "filled")
    desk.tick(300)
    assert desk.last.purpose is Purpose.ENTRY
