"""A structure in a few letters."""

from datetime import date
from decimal import Decimal

from rulebot.model.contract import Option, Right, strike_of, structure_text

NEAR, FAR = date(2026, 11, 23), date(2026, 11, 30)


def _option(right: Right, strike: int, expiry: date) -> Option:
    return Option("SPX", "SPXW", expiry, Decimal(strike), right)


def test_a_calendar_says_which_of_its_legs_are_sold() -> None:
    """`5950p 6050c 2026-11-23 + 5950p 6050c 2026-11-30`, bought, read as if all of them were."""
    legs = [
        strike_of(_option(right, strike, expiry), 1, sign)
        for right, strike in ((Right.PUT, 5950), (Right.CALL, 6050))
        for expiry, sign in ((NEAR, -1), (FAR, 1))
    ]
    assert structure_text(legs) == "-5950p 6050c 2026-11-23 +5950p 6050c 2026-11-30"


def test_what_is_sold_and_what_is_bought_of_one_expiry_of_several_is_distinguished() -> None:
    legs = [
        strike_of(_option(Right.PUT, 5950, NEAR), 1, -1),
        strike_of(_option(Right.PUT, 5900, NEAR), 2, 1),
        strike_of(_option(Right.PUT, 5850, FAR), 1, 1),
    ]
    assert structure_text(legs) == "-5950p 2026-11-23 +2x5900p 2026-11-23 +5850p 2026-11-30"


def test_where_nobody_knows_the_side_it_is_not_reported() -> None:
    legs = [strike_of(_option(Right.PUT, 5950, expiry), 1) for expiry in (NEAR, FAR)]
    assert structure_text(legs) == "5950p 2026-11-23 + 5950p 2026-11-30"


def test_of_one_expiry_the_strikes_are_enough() -> None:
    legs = [strike_of(_option(Right.PUT, strike, NEAR), 1, sign) for strike, sign in ((5925, -1), (5915, 1))]
    assert structure_text(legs) == "5915/5925p"
