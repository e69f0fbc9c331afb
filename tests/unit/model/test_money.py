"""Prices lie on the tick, whatever they were computed from."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebot.model.money import Rounding, TickRule, dollars, on_tick, signed_dollars

TICKS = st.sampled_from([Decimal("0.01"), Decimal("0.05"), Decimal("0.10"), Decimal("0.25"), Decimal("1")])
PRICES = st.decimals(min_value=-5000, max_value=5000, places=4)
SPX = TickRule(((Decimal(0), Decimal("0.05")), (Decimal(3), Decimal("0.10"))))


@given(price=PRICES, tick=TICKS, rounding=st.sampled_from(Rounding))
def test_a_price_lies_on_its_tick_less_than_one_away(price: Decimal, tick: Decimal, rounding: Rounding) -> None:
    found = on_tick(price, tick, rounding)
    assert found % tick == 0
    assert abs(found - price) < tick
    assert on_tick(found, tick, rounding) == found


@given(price=PRICES, tick=TICKS)
def test_roundings_lie_around_the_price_in_their_direction(price: Decimal, tick: Decimal) -> None:
    down, near, up = (on_tick(price, tick, way) for way in (Rounding.DOWN, Rounding.NEAREST, Rounding.UP))
    assert down <= price <= up
    assert near in (down, up)
    assert abs(near - price) <= tick / 2


@given(steps=st.integers(-20000, 20000), tick=TICKS, rounding=st.sampled_from(Rounding))
def test_a_float_that_means_a_tick_is_that_tick(steps: int, tick: Decimal, rounding: Rounding) -> None:
    assert on_tick(steps * float(tick), tick, rounding) == steps * tick


def test_three_nickels_are_three_ticks() -> None:
    assert on_tick(0.15, Decimal("0.05"), Rounding.DOWN) == Decimal("0.15")


def test_down_is_toward_minus_infinity() -> None:
    assert on_tick(Decimal("-0.87"), Decimal("0.05"), Rounding.DOWN) == Decimal("-0.90")
    assert on_tick(Decimal("-0.87"), Decimal("0.05"), Rounding.UP) == Decimal("-0.85")


@pytest.mark.parametrize(
    ("price", "tick"),
    [("0", "0.05"), ("2.95", "0.05"), ("2.99", "0.05"), ("3", "0.10"), ("120", "0.10"), ("-3.20", "0.10")],
)
def test_the_tick_follows_the_level_of_the_price(price: str, tick: str) -> None:
    assert SPX.tick(Decimal(price)) == Decimal(tick)


def test_a_price_is_rounded_on_the_grid_of_its_own_level() -> None:
    assert SPX.round(Decimal("2.97"), Rounding.DOWN) == Decimal("2.95")
    assert SPX.round(Decimal("3.17"), Rounding.DOWN) == Decimal("3.10")


@given(price=st.floats(-500, 500, allow_nan=False), rounding=st.sampled_from(Rounding))
def test_a_rounded_price_is_legal_at_the_level_it_has_then(price: float, rounding: Rounding) -> None:
    found = SPX.round(price, rounding)
    assert found % SPX.tick(found) == 0


def test_money_reads_as_a_report_writes_it() -> None:
    assert [dollars(Decimal(text)) for text in ("1234.5", "-1234.5", "0")] == ["$1,234.50", "-$1,234.50", "$0.00"]
    assert [signed_dollars(Decimal(text)) for text in ("36.8", "-36.8")] == ["+$36.80", "-$36.80"]


@pytest.mark.parametrize(
    ("amount", "text"), [("-5.025", "-$5.03"), ("5.015", "+$5.02"), ("-0.004", "+$0.00"), ("1234.565", "+$1,234.57")]
)
def test_half_a_cent_is_the_same_as_a_decimal_and_as_the_float_of_a_store(amount: str, text: str) -> None:
    assert signed_dollars(Decimal(amount)) == signed_dollars(float(amount)) == text
