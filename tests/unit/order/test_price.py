"""Net quotes, limits on the grid, and orders as the wire has them."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from math import nan

import pytest
from hand_desk import Desk, call, put

from rulebot.model.contract import product
from rulebot.model.order import OrderLeg, OrderType, Purpose, Side
from rulebot.model.position import PositionLeg
from rulebot.order.price import (
    Part,
    Ticket,
    closing_legs,
    draft,
    limit_net,
    net_price,
    net_quote,
    opening_legs,
    order_parts,
    ticks_of,
    wire_price,
)

AT = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
TICKET = Ticket("rb:x:000001", 1, 1, "bot", "bot-1", Purpose.ENTRY, "entry", "d", AT)


def legs(near: int, far: int, ratio: int = 1) -> tuple[PositionLeg, PositionLeg]:
    """Return the 5945 and 5935 puts with these signs."""
    return (
        PositionLeg(name="near", option=put(5945), sign=near, ratio=1),
        PositionLeg(name="far", option=put(5935), sign=far, ratio=ratio),
    )


SPREAD = legs(-1, 1)
RATIO = legs(1, -1, 2)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_credit_is_positive_and_natural_is_worse(desk: Desk) -> None:
    quote = net_quote(order_parts(opening_legs(SPREAD), Side.BUY), desk.board, desk.now.timestamp())
    assert quote.mid == pytest.approx(0.70)
    assert quote.natural == pytest.approx(0.60)


def test_a_debit_is_negative_and_natural_is_worse(desk: Desk) -> None:
    quote = net_quote(order_parts(closing_legs(SPREAD), Side.BUY), desk.board, desk.now.timestamp())
    assert quote.mid == pytest.approx(-0.70)
    assert quote.natural == pytest.approx(-0.80)


def test_a_ratio_counts_each_contract(desk: Desk) -> None:
    quote = net_quote(order_parts(opening_legs(RATIO), Side.BUY), desk.board, desk.now.timestamp())
    assert quote.mid == pytest.approx(2 * 1.60 - 2.30)
    assert quote.natural == pytest.approx(2 * 1.55 - 2.35)


@pytest.mark.parametrize(
    ("bid", "ask", "missing"),
    [(nan, 1.0, "no bid"), (1.0, nan, "no ask"), (1.1, 1.0, "crossed"), (1.0, 1.0, "locked")],
)
def test_a_leg_without_a_sound_quote_has_no_price(desk: Desk, bid: float, ask: float, missing: str) -> None:
    desk.quote(put(5935), bid, ask)
    quote = net_quote(order_parts(opening_legs(SPREAD), Side.BUY), desk.board, desk.now.timestamp())
    assert (quote.mid, quote.natural) == (None, None)
    assert missing in quote.missing


def test_what_is_bought_back_needs_an_ask_only(desk: Desk) -> None:
    desk.quote(put(5945), nan, 0.10)
    quote = net_quote((Part(put(5945), -1, 1),), desk.board, desk.now.timestamp(), closing=True)
    assert (quote.mid, quote.natural) == (-0.05, -0.10)
    assert net_quote((Part(put(5945), 1, 1),), desk.board, desk.now.timestamp(), closing=True).mid is None


def test_a_wing_that_nobody_bids_for_is_bought_at_its_ask(desk: Desk) -> None:
    """Quoted 0.00 / 0.05 it was never bought: an entry waited for a bid."""
    desk.quote(put(5935), nan, 0.05)
    parts = order_parts(opening_legs(SPREAD), Side.BUY)
    assert net_quote(parts, desk.board, desk.now.timestamp()).missing == f"{put(5935)}: no bid"  # it may be yet to come
    desk.board.bid_size[desk.board.rows[put(5935)]] = 0.0
    quote = net_quote(parts, desk.board, desk.now.timestamp())
    assert (quote.mid, quote.natural) == (pytest.approx(2.30 - 0.025), pytest.approx(2.25 - 0.05))
    alone = net_quote((Part(put(5935), -1, 1),), desk.board, desk.now.timestamp())
    assert (alone.mid, alone.natural) == (-0.025, -0.05)


def test_what_is_sold_needs_a_bid(desk: Desk) -> None:
    desk.quote(put(5945), nan, 0.05)
    desk.board.bid_size[desk.board.rows[put(5945)]] = 0.0
    quote = net_quote(order_parts(opening_legs(SPREAD), Side.BUY), desk.board, desk.now.timestamp())
    assert quote.missing == f"{put(5945)}: no bid"


@pytest.mark.parametrize(
    ("wanted", "natural", "floor", "expected"),
    [
        (0.68, 0.60, None, "0.70"),  # rounded in our favour
        (0.55, 0.60, None, "0.60"),  # never past natural
        (0.60, 0.50, "0.62", "0.65"),  # never under the floor
        (-0.72, -0.80, None, "-0.70"),  # a debit: less is paid
        (-0.90, -0.80, None, "-0.80"),
        (-0.70, -0.80, "-0.60", "-0.60"),
    ],
)
def test_a_limit_is_rounded_in_our_favour_never_past_natural_or_under_the_floor(
    wanted: float, natural: float, floor: str | None, expected: str
) -> None:
    ticks = product("SPX").combo_ticks
    found = limit_net(wanted, natural=natural, floor=None if floor is None else Decimal(floor), ticks=ticks)
    assert found == Decimal(expected)


def test_the_grid_is_that_of_what_is_dealt() -> None:
    one, two = (Part(put(5945), 1, 1),), (Part(put(5945), 1, 1), Part(put(5935), -1, 1))
    assert ticks_of(one).tick(Decimal("3.5")) == Decimal("0.10")
    assert ticks_of(two).tick(Decimal("3.5")) == Decimal("0.05")


def test_a_combo_is_bought_and_a_credit_is_a_negative_price() -> None:
    order = draft(TICKET, opening_legs(SPREAD), 2, OrderType.LIMIT, net=Decimal("0.70"))
    assert (order.side, order.quantity, order.limit_price) == (Side.BUY, 2, Decimal("-0.70"))


@pytest.mark.parametrize(("side", "wire"), [(Side.SELL, "0.70"), (Side.BUY, "-0.70")])
def test_one_leg_keeps_its_side_and_its_ratio_goes_into_the_quantity(side: Side, wire: str) -> None:
    order = draft(TICKET, (OrderLeg("leg", call(6000), side, 10),), 3, OrderType.LIMIT, net=Decimal("0.70"))
    assert (order.side, order.quantity, order.legs[0].ratio) == (side, 30, 1)
    assert order.limit_price == Decimal(wire)
    assert order.limit_price is not None
    assert net_price(order.limit_price, side) == Decimal("0.70")
    assert wire_price(Decimal("0.70"), side) == order.limit_price


@pytest.mark.parametrize(("leg_filled", "filled"), [((), 0), ((1, 1), 0), ((1, 2), 1), ((3, 4), 2), ((3, 6), 3)])
def test_filled_counts_whole_structures(leg_filled: tuple[int, ...], filled: int) -> None:
    order = draft(TICKET, opening_legs(RATIO), 3, OrderType.LIMIT, net=Decimal("0.70"))
    assert replace(order, leg_filled=leg_filled).filled == filled
    assert replace(order, leg_filled=leg_filled).remaining == 3 - filled
