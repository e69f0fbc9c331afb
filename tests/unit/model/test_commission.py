"""Commissions of one order beside the broker's published schedule."""

from datetime import date
from decimal import Decimal

import pytest

from rulebot.model.commission import estimate
from rulebot.model.contract import Option, Right


@pytest.mark.parametrize(
    ("trading_class", "premium", "count", "dollars"),
    [
        ("SPY", 2.00, 1, "1.05"),
        ("SPY", 5.00, 2, "1.40"),
        ("SPY", 0.075, 3, "1.65"),
        ("SPY", 0.03, 5, "1.50"),
        ("SPXW", 2.00, 1, "1.63"),
        ("SPXW", 0.03, -1, "1.54"),
        ("SPX", 2.00, 2, "2.72"),
        ("XSP", 2.00, 2, "1.40"),
        ("XSP", 0.50, 10, "7.00"),
        ("RUTW", 2.00, 2, "1.76"),
        ("RUT", 0.50, 2, "1.76"),
        ("NDXP", 20.00, 1, "1.55"),
        ("NDX", 20.00, 2, "2.40"),
    ],
)
def test_the_least_is_of_the_brokers_part_and_fees_come_on_top(
    trading_class: str, premium: float, count: int, dollars: str
) -> None:
    """IBKR's own examples are 1.00, 1.30, 1.50 and 1.25 for the first four, which have no fees in them."""
    option = Option(trading_class[:3], trading_class, date(2026, 10, 21), Decimal(500), Right.PUT)
    assert estimate([(option, count, premium)]) == Decimal(dollars)
