"""The price of one try of a ladder."""

from datetime import date
from decimal import Decimal

import pytest

from engine.model.contract import Option, Right
from engine.order.ladder import rung
from engine.order.price import NetQuote, Part
from engine.spec.nouns.order import Order, Start

EXPIRY = date(2026, 10, 21)
CALL = Option("SPX", "SPXW", EXPIRY, Decimal(6100), Right.CALL)
LADDER = Order(start=Start.MID, step=Decimal("0.05"), tries=4, path=("order",))


@pytest.mark.parametrize(
    ("flow", "mid", "natural", "expected"),
    [
        (-1, -0.025, -0.05, "-0.05"),  # bought back: 0 asked, nobody bids; 0.00 would be refused
        (1, 0.0, 0.0, "0.05"),  # sold: never for nothing
        (-1, -0.10, -0.15, "-0.10"),
    ],
)
def test_one_option_never_costs_nothing(flow: int, mid: float, natural: float, expected: str) -> None:
    assert rung(LADDER, NetQuote(mid, natural), (Part(CALL, flow, 1),), 1) == Decimal(expected)


def test_a_combo_may_be_worth_nothing() -> None:
    parts = (Part(CALL, -1, 1), Part(Option("SPX", "SPXW", EXPIRY, Decimal(6110), Right.CALL), 1, 1))
    assert rung(LADDER, NetQuote(0.0, -0.05), parts, 1) == 0
