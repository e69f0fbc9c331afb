"""A bound on the price of a try: as a number it means what it means as a condition, and no condition is passed."""

from datetime import date
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.model.contract import Option, Right
from rulebot.order.price import Bound, NetQuote, Part, ladder_price, ticks_of
from rulebot.spec.spec import Order, PriceFrom

EXPIRY = date(2026, 10, 21)
SPREAD = tuple(
    Part(Option("SPX", "SPXW", EXPIRY, Decimal(strike), Right.PUT), flow, 1) for strike, flow in ((5900, 1), (5890, -1))
)
PARTS = st.sampled_from([SPREAD, SPREAD[:1], SPREAD[1:]])
CENTS = st.integers(-900, 900).map(lambda cents: Decimal(cents) / 100)
WIDTHS = st.integers(1, 200).map(lambda cents: cents / 100)
LADDERS = st.builds(
    lambda step, start: Order(start=start, step=step, tries=9, path=("order",)),
    st.sampled_from([None, Decimal("0.05"), Decimal("0.10"), Decimal("0.35")]),
    st.sampled_from([PriceFrom.MID, PriceFrom.NATURAL]),
)


@settings(max_examples=tries(100))
@given(PARTS, LADDERS, CENTS, WIDTHS, st.integers(1, 9), CENTS)
def test_a_floor_is_the_condition_that_the_price_is_no_less(
    parts: tuple[Part, ...], ladder: Order, mid: Decimal, width: float, attempt: int, floor: Decimal
) -> None:
    quote = NetQuote(float(mid), float(mid) - width)
    start, best = ladder_price(ladder, quote, parts, 1), float(mid) + width
    by_number = ladder_price(ladder, quote, parts, attempt, Bound(floor))
    by_condition = ladder_price(ladder, quote, parts, attempt, Bound(holds=lambda net: net >= floor))
    assert start is not None
    assert by_number is not None
    if floor <= start or by_number <= best:
        assert by_condition == by_number


@settings(max_examples=tries(100))
@given(PARTS, LADDERS, CENTS, WIDTHS, st.integers(1, 9), st.frozensets(CENTS, max_size=30))
def test_no_try_is_where_a_condition_breaks_that_holds_at_its_start(
    parts: tuple[Part, ...], ladder: Order, mid: Decimal, width: float, attempt: int, broken: frozenset[Decimal]
) -> None:
    quote = NetQuote(float(mid), float(mid) - width)
    start = ladder_price(ladder, quote, parts, 1)
    unbound = ladder_price(ladder, quote, parts, attempt)
    found = ladder_price(ladder, quote, parts, attempt, Bound(holds=lambda net: net not in broken))
    assert start is not None
    assert unbound is not None
    assert found is not None
    if start not in broken:
        assert unbound <= found <= start
        assert not any(found <= each <= start for each in broken & _grid(parts, found, start))


def _grid(parts: tuple[Part, ...], low: Decimal, high: Decimal) -> frozenset[Decimal]:
    """Return the prices between two which an order of these parts can have."""
    cents = range(int(low * 100), int(high * 100) + 1)
    every = (Decimal(each) / 100 for each in cents)
    ticks = ticks_of(parts)
    return frozenset(price for price in every if price % ticks.tick(price) == 0 and (price or len(parts) > 1))
