"""A roll leaves a long wing that nobody bids for to expire, as any exit does: it closes the rest and opens all anew."""

from dataclasses import replace
from math import nan

import pytest
from hand_desk import Desk, put
from test_rolling import LONG, NEW_LONG, NEW_SHORT, SHORT, both, frighten, held, net_mid
from test_rolling_parts import LATER, LONG_PUT, SHORT_PUT, positions, spot
from test_rolling_parts import held as condor

from rulebot.core.program import AccountLimits
from rulebot.model.contract import Option
from rulebot.model.order import OrderStatus, Purpose
from rulebot.record.record import Kind

SIDE = """
  - name: tested_call
    breach: {spot_within: 20 pts, of: short_call}
    close: put_side
    roll: {expiry: {dte: {at_least: 1}}}
"""


def dies(desk: Desk, option: Option = LONG) -> None:
    """Let nobody bid for a long leg any more, and the short one beside it be worth little."""
    desk.quote(option, nan, 0.05)
    desk.quote(SHORT, 0.05, 0.15, -0.03)
    desk.board.bid_size[desk.board.rows[option]] = 0.0
    desk.freshen()


def left(desk: Desk) -> list[str]:
    return [leg.name for leg in both(desk)[0].legs if leg.held]


def rolled(quantity: int = 2) -> Desk:
    """Return a desk that has rolled all but the wing."""
    desk = held(quantity=quantity)
    dies(desk)
    frighten(desk)
    desk.fill(desk.last)
    desk.tick(1)
    return desk


def test_what_nobody_bids_for_is_left_and_the_rest_is_rolled() -> None:
    """It waited for a bid, which such a wing does not get any more, until what it was to get away from had come."""
    desk = held()
    dies(desk)
    frighten(desk)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert [(leg.name, leg.option) for leg in order.legs] == [
        ("short_put", SHORT),
        ("short_put", NEW_SHORT),
        ("long_put", NEW_LONG),
    ]
    assert order.limit_price == -(net_mid(desk) - desk.mid(LONG))
    assert str(desk.said(Kind.DECISION, "roll")[0].data["reason"]).endswith("; no bid for long_put, left to expire")
    desk.fill(order)
    old, new = both(desk)
    assert (old.state, old.waits_for_expiry, left(desk)) == ("exiting", True, ["long_put"])
    assert (new.state, new.structures) == ("open", 2)


def test_what_was_left_is_never_rolled_by_itself_also_after_a_start_and_is_sold_once_a_person_bids() -> None:
    desk = rolled()
    desk.unlink()
    desk.start_again()
    desk.link()
    for _ in range(20):
        desk.tick(5)
    assert (len(desk.sent_for(Purpose.ROLL)), left(desk), desk.live, desk.alarms) == (1, ["long_put"], [], [])
    desk.quote(LONG, 0.10, 0.20, -0.05)
    desk.tick(1)
    assert [(leg.name, desk.last.purpose, desk.last.position) for leg in desk.last.legs] == [
        ("long_put", Purpose.EXIT, both(desk)[0].id)
    ]
    desk.fill(desk.last)
    assert (both(desk)[0].state, both(desk)[0].exit_reason) == ("closed", "vix")


def test_a_part_that_filled_leaves_its_wings_and_the_rest_is_held_and_rolled_another_day() -> None:
    desk = held(order="{step: 0.05, wait: 10s, tries: 1}")
    dies(desk)
    frighten(desk)
    desk.fill(desk.last, 1)
    desk.tick(10)
    desk.cancelled(desk.last, 1)
    desk.tick(1)
    old = both(desk)[0]
    assert (old.state, [leg.held for leg in old.legs], desk.alarms) == ("open", [1, 2], [])
    assert "vix does not roll: its tries are used up: it holds until the next session" in desk.reasons("no_roll")
    desk.state = desk.state._replace(
        positions=replace(
            desk.state.positions, by_id={**desk.state.positions.by_id, old.id: replace(old, rolls_without_candidate=())}
        )
    )
    desk.tick(1)
    assert [(order.quantity, len(order.legs)) for order in desk.sent_for(Purpose.ROLL)] == [(2, 3), (1, 3)]


def test_a_wing_that_dies_while_the_roll_works_is_left_by_the_next_order() -> None:
    desk = held()
    frighten(desk)
    desk.ack(desk.last)
    dies(desk)
    desk.tick(10)
    first = desk.sent_for(Purpose.ROLL)[0]
    assert desk.order(first.ref).status is OrderStatus.CANCELLING
    desk.cancelled(first)
    desk.tick(1)
    assert ([len(order.legs) for order in desk.sent_for(Purpose.ROLL)], desk.reasons("no_roll")) == ([4, 3], [])


@pytest.mark.parametrize("is_dead", [True, False])
def test_a_wing_that_was_left_counts_for_nothing_in_what_the_next_roll_could_lose(is_dead: bool) -> None:
    """What the first roll had lost counted against the second one, but only where it had left a wing."""
    into = "{{strikes: {{short_put: {{otm: {} pts}}, long_put: {{below: short_put, by: 10 pts}}}}}}"
    second = f"\n  - name: second\n    vix: {{above: 25}}\n    roll: {into.format(40)}"
    risk = "{max_loss_per_trade: $2100}"
    desk = held(into.format(70), above=second, risk=risk, limits=AccountLimits(max_open=1))
    if is_dead:
        dies(desk)
    desk.quote(SHORT, 4.95, 5.05, -0.30)
    frighten(desk)
    desk.fill(desk.last)
    frighten(desk, 26)
    assert [order.reason for order in desk.sent_for(Purpose.ROLL)] == ["vix", "second"]


@pytest.mark.parametrize("is_restarted", [False, True])
def test_of_a_side_that_is_rolled_the_other_continues_beside_its_wing(is_restarted: bool) -> None:
    desk = condor(SIDE)
    dies(desk, LONG_PUT)
    spot(desk, 6040)
    (order,) = desk.sent_for(Purpose.ROLL)
    assert [(leg.name, leg.option) for leg in order.legs if not leg.opens] == [("short_put", SHORT_PUT)]
    desk.fill(order)
    if is_restarted:
        desk.unlink()
        desk.start_again()
        desk.link()
    spot(desk, 6000)
    old, new = positions(desk)
    assert {leg.name: leg.held for leg in old.legs} == {
        "short_put": 0,
        "long_put": 2,
        "short_call": 2,
        "long_call": 2,
    }
    assert (new.state, len(desk.sent_for(Purpose.ROLL))) == ("open", 1)
    assert new.legs[0].option == put(5945, expiry=LATER)
    desk.until("15:45")
    assert ("time", old.id) in [(each.reason, each.position) for each in desk.live]
