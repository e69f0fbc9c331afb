"""Prices on the grid of a class as the broker tells it."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hand_desk import SELLER, Desk, put, text_of

from engine.model.event import ListingReport
from engine.model.money import TickRule
from engine.model.order import Order, Purpose
from engine.record.record import TICKS, Kind
from engine.run.resume import resume

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


def told(desk: Desk, ticks: TickRule | None = OUTSIDE) -> Desk:
    for listing in desk.listings():
        desk.send(ListingReport(desk.now, replace(listing, ticks=ticks if listing.symbol == "SPY" else None)))
    return desk


def seller(ticks: TickRule | None = OUTSIDE, **sections: str) -> Desk:
    return told(Desk((text_of("seller", **{**SELLER, "order": LADDER, **sections}),), at="10:00"), ticks)


def prices(orders: list[Order]) -> dict[Purpose, Decimal | None]:
    return {order.purpose: order.terms.price for order in orders}


@pytest.mark.parametrize(
    ("ticks", "target", "stop"),
    [(None, "0.82", "6.15"), (OUTSIDE, "0.80", "6.20"), (IN_PROGRAM, "0.82", "6.15"), (PENNIES, "0.82", "6.15")],
)
def test_what_rests_lies_on_the_grid_that_is_told(ticks: TickRule | None, target: str, stop: str) -> None:
    desk = seller(ticks)
    desk.fill(desk.enter("10:01"), price="2.05")
    assert prices(desk.submitted[-2:]) == {Purpose.TARGET: Decimal(target), Purpose.STOP: Decimal(stop)}


def test_each_try_of_an_entry_and_of_an_exit_lies_on_it() -> None:
    desk = told(Desk((text_of("seller", **GUARDED),), at="10:00"))
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


def test_what_is_told_is_on_record_once_where_the_table_has_another_and_a_start_goes_by_it() -> None:
    desk = seller(IN_PROGRAM)
    (found,) = desk.said(Kind.FACTS, TICKS)  # of SPY the table has a cent at every price
    told(desk, IN_PROGRAM)
    assert desk.said(Kind.FACTS, TICKS) == [found]
    state = resume(desk.records, desk.now, desk.board, desk.state.facts.events).state
    assert state.facts.ticks == desk.state.facts.ticks == {"SPY": IN_PROGRAM}
    assert not seller(PENNIES).said(Kind.FACTS, TICKS)
