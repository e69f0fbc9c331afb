"""Prices on the grid of a class as the broker tells it, and what follows where it refuses a price for being off it."""

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest
from hand_desk import SELLER, Desk, put, text_of

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import off_tick
from rulebot.model.event import ListingReport
from rulebot.model.money import TickRule
from rulebot.model.order import Order, Purpose
from rulebot.record.record import TICKS, Kind, Record
from rulebot.recovery.resume import resume

OUTSIDE = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))
"""That of a class outside of the penny interval program."""
IN_PROGRAM = TickRule(((Decimal(0), Decimal("0.01")), (Decimal(3), Decimal("0.05"))))
PENNIES = TickRule(((Decimal(0), Decimal("0.01")),))
LADDER = "{start: mid, step: 0.03, wait: 10s, tries: 3, then: cancel}"
GUARDED = {
    **SELLER,
    "order": LADDER,
    "exits": '\n  - time: "15:45"\n    order: {start: mid, step: 0.03, wait: 5s, tries: 3, then: market}\n',
    "risk": "{undefined_risk: allow, protect: {cost: 2.33x credit, of: each_short}}",
}
OFF_GRID = "The price does not conform to the minimum price variation for this contract."


def reported(desk: Desk, ticks: TickRule | None = OUTSIDE) -> Desk:
    for listing in desk.listings():
        desk.send(ListingReport(desk.now, replace(listing, ticks=ticks if listing.symbol == "SPY" else None)))
    return desk


def seller(ticks: TickRule | None = OUTSIDE, **sections: str) -> Desk:
    return reported(Desk((text_of("seller", **{**SELLER, "order": LADDER, **sections}),), at="10:00"), ticks)


def prices(orders: list[Order]) -> dict[Purpose, Decimal | None]:
    return {order.purpose: order.terms.price for order in orders}


@pytest.mark.parametrize(
    ("ticks", "target", "stop"),
    [(None, "0.82", "6.15"), (OUTSIDE, "0.80", "6.20"), (IN_PROGRAM, "0.82", "6.15"), (PENNIES, "0.82", "6.15")],
)
def test_what_rests_lies_on_the_grid_that_is_reported(ticks: TickRule | None, target: str, stop: str) -> None:
    desk = seller(ticks)
    desk.fill(desk.enter("10:01"), price="2.05")
    assert prices(desk.submitted[-2:]) == {Purpose.TARGET: Decimal(target), Purpose.STOP: Decimal(stop)}


def test_each_try_of_an_entry_and_of_an_exit_lies_on_it() -> None:
    desk = reported(Desk((text_of("seller", **GUARDED),), at="10:00"))
    entry = desk.enter("10:01")
    desk.ack(entry)
    row = desk.board.rows[entry.legs[0].option]
    desk.board.bid[row], desk.board.ask[row] = 1.70, 2.05
    desk.until("10:01:25", 1)
    assert [order.limit_price for order in desk.replaced] == [Decimal("1.90"), Decimal("1.85")]
    desk.fill(desk.last, price="1.85")
    desk.tick(0)
    assert prices([desk.last]) == {Purpose.PROTECT: Decimal("4.40")}  # 2.33 times 1.85 is 4.3105
    desk.ack(desk.last)
    desk.until("15:45")
    desk.cancelled(desk.last)
    desk.tick(1)
    assert prices([desk.last]) == {Purpose.EXIT: Decimal("1.85")}  # of a mid of 1.875


def test_combos_keep_their_own() -> None:
    legs = "\n  expiry: {dte: {nearest: 90}}\n  short_put: {sell: put, strike: {delta: 0.15}}\n"
    legs += "  long_put: {buy: put, strike: {below: short_put, by: 1 pts}}\n"
    desk = seller(legs=legs, exits=GUARDED["exits"])
    desk.quote(put(585, "SPY", desk.expiry_90), 1.76, 1.78)
    assert desk.enter("10:01").limit_price == Decimal("-0.23")


def test_what_is_reported_is_on_record_where_the_table_has_another_and_a_start_goes_by_it() -> None:
    desk = seller(IN_PROGRAM)
    (found,) = desk.said(Kind.FACTS, TICKS)  # of SPY the table has a cent at every price
    reported(desk, IN_PROGRAM)
    assert desk.said(Kind.FACTS, TICKS) == [found, found]
    state = resume(desk.records, desk.now, desk.board, desk.state.market.facts.events).state
    assert state.market.facts.ticks == desk.state.market.facts.ticks == {"SPY": IN_PROGRAM}
    assert not seller(PENNIES).said(Kind.FACTS, TICKS)


# ---------------------------------------------------------------- refused for its price


def off_grid(desk: Desk, order: Order) -> None:
    desk.refuse(order, 110, OFF_GRID)
    desk.tick(0)


def test_an_entry_sends_the_same_try_again() -> None:
    desk = Desk((text_of("seller", **GUARDED),), at="10:00")
    desk.quote(put(586, "SPY", desk.expiry_90), 1.95, 2.03, -0.15)
    first = desk.enter("10:01")
    assert first.limit_price == Decimal("1.99")
    off_grid(desk, first)
    desk.tick(0)
    assert (desk.last.attempt, desk.last.limit_price) == (1, Decimal("2.00"))
    assert len(desk.submitted) == 2
    assert len(desk.alarms) == 1
    desk.refuse(desk.last, 110, OFF_GRID)  # another grid is not known
    desk.tick(60)
    assert len(desk.submitted) == 2


def test_a_protective_stop_that_is_refused_for_its_price_is_sent_at_once_on_the_coarse_grid() -> None:
    desk = Desk((text_of("seller", **GUARDED),), at="10:00")
    desk.fill(desk.enter("10:01"), price="2.03")
    desk.tick(0)
    first = desk.last
    assert prices([first]) == {Purpose.PROTECT: Decimal("4.73")}
    off_grid(desk, first)
    second = desk.last
    assert (second.ref != first.ref, prices([second])) == (True, {Purpose.PROTECT: Decimal("4.80")})
    assert desk.alarms == [
        "the broker takes no price of 4.73 for SPY 2027-02-19 586P: from now on those of options SPY are multiples of "
        "0.05 below 3.00, and of 0.10 from there"
    ]
    off_grid(desk, second)  # another grid is not known: a minute later once more, and a person is told
    assert desk.last.ref == second.ref
    assert any(
        "protective stop of SPY 2027-02-19 586P was refused: rulebot sends it again" in each for each in desk.alarms
    )
    desk.tick(61)
    assert desk.last.ref != second.ref


@pytest.mark.parametrize("both", [False, True])
def test_a_pair_that_rests_is_sent_again_on_it_when_one_or_both_are_refused(both: bool) -> None:
    desk = seller(None)
    desk.fill(desk.enter("10:01"), price="2.03")
    target, stop = desk.submitted[-2:]
    assert prices([target, stop]) == {Purpose.TARGET: Decimal("0.81"), Purpose.STOP: Decimal("6.09")}
    off_grid(desk, target)
    if both:
        off_grid(desk, stop)
    else:
        desk.cancelled(desk.order(stop.ref))
        desk.tick(0)
    again = desk.submitted[-2:]
    assert prices(again) == {Purpose.TARGET: Decimal("0.80"), Purpose.STOP: Decimal("6.10")}
    assert {order.ref for order in again}.isdisjoint({target.ref, stop.ref})
    assert not desk.position.resting_orders_withdrawn
    assert len(desk.alarms) == 1


def test_an_exit_sends_the_same_try_again_at_once() -> None:
    desk = Desk((text_of("seller", **{**GUARDED, "risk": "{undefined_risk: allow}"}),), at="10:00")
    entry = desk.enter("10:01")
    desk.fill(entry, price="2.03")
    row = desk.board.rows[entry.legs[0].option]
    desk.board.bid[row], desk.board.ask[row] = 1.70, 2.04
    desk.until("15:45")
    first = desk.last
    assert prices([first]) == {Purpose.EXIT: Decimal("1.87")}
    off_grid(desk, first)
    assert (desk.last.attempt, prices([desk.last])) == (1, {Purpose.EXIT: Decimal("1.85")})
    assert len(desk.alarms) == 1


def test_a_change_of_a_try_that_is_refused_for_its_price_is_followed_by_one_on_the_grid() -> None:
    desk = Desk((text_of("seller", **GUARDED),), at="10:00")
    entry = desk.enter("10:01")
    desk.ack(entry)
    desk.until("10:01:11", 1)
    changed = desk.replaced[-1]
    desk.refuse(changed, 110, OFF_GRID)
    assert desk.order(entry.ref).limit_price == entry.limit_price
    desk.until("10:01:25", 1)
    last = desk.replaced[-1].limit_price
    assert last is not None
    assert last % Decimal("0.05") == 0


def test_a_day_is_held_against_the_grid_that_was_reported() -> None:
    """Orders off that grid, and on that of the table, were none of its findings."""
    on_it, off_it = seller(), seller(None)
    for desk in (on_it, off_it):
        desk.fill(desk.enter("10:01"), price="2.05")
    fact = on_it.said(Kind.FACTS, TICKS)

    def found(*records: Record) -> list[str]:
        return [words.rpartition(" ")[2] for words in off_tick(cast(CheckedDay, SimpleNamespace(records=records)))]

    assert found(*on_it.records) == found(*off_it.records) == found(*off_it.records, *fact, *off_it.records) == []
    assert found(*fact, *off_it.records) == ["0.82", "6.15"]
