"""What legs bring when they expire into shares, alone, beside each other and beside the position's own shares."""

from datetime import date
from decimal import Decimal

import pytest

from rulebot.fill.ledger import assigned, delivered, priced, settled, unsettled
from rulebot.model.contract import Option, Right, share
from rulebot.model.money import ZERO
from rulebot.model.position import Position, PositionLeg
from rulebot.model.values import replace
from rulebot.narrate.positions import exit_text

DAY = date(2026, 11, 18)
PUT, CALL = Right.PUT, Right.CALL


def held(*legs: tuple[int, Right | None, int]) -> Position:
    """Return a position of SPY options: (contracts, + long, right, strike); a lot of shares has no right."""
    return Position(
        id="P1",
        bot="b",
        digest="d",
        state="open",
        session=DAY,
        quantity=1,
        legs=tuple(
            PositionLeg(
                name=f"leg_{place}",
                option=share("SPY") if right is None else Option("SPY", "SPY", DAY, Decimal(strike), right),
                sign=1 if count > 0 else -1,
                ratio=abs(count) * (100 if right is None else 1),
                opened=abs(count) * (100 if right is None else 1),
            )
            for place, (count, right, strike) in enumerate(legs)
        ),
    )


def expired(position: Position, level: str) -> tuple[Position, int]:
    """Return the position after all its options are gone, and the shares that the account has by them."""
    stayed = 0
    for leg in position.legs:
        if leg.option.is_share:
            continue
        for found in settled(position, leg.name, Decimal(level)):
            position = found.position
            if found.how == "worthless" or found.price:
                continue
            count = leg.sign * found.quantity
            stayed += count * 100 * (1 if leg.option.right is CALL else -1)
            if (moved := delivered(position, leg.option, count)) is not None:
                stayed += moved.quantity * (1 if count * (1 if leg.option.right is CALL else -1) < 0 else -1)
                position = moved.position
    return position, stayed


@pytest.mark.parametrize(
    ("legs", "level", "cash", "shares"),
    [
        ([(-2, PUT, 595), (2, PUT, 594)], "593", -200, 0),
        ([(2, PUT, 595), (-2, PUT, 594)], "593", 200, 0),
        ([(-2, PUT, 595), (2, PUT, 594)], "594.50", 0, 200),
        ([(-1, CALL, 600), (1, CALL, 605)], "611.37", -500, 0),
        ([(1, PUT, 600), (-2, PUT, 595)], "590", 500, 100),
        ([(-2, PUT, 595), (1, PUT, 600)], "590", 500, 100),
        ([(-1, PUT, 600), (-1, CALL, 590)], "595", -1000, 0),
        ([(1, None, 0), (-1, CALL, 600)], "605", 60000, 0),
        ([(1, None, 0), (1, CALL, 600), (-2, CALL, 610)], "620", 61000 + 1000, 0),
        ([(1, CALL, 600), (1, CALL, 605)], "610", 0, 200),
        ([(-1, PUT, 600), (1, PUT, 595)], "600", 0, 0),
    ],
)
def test_shares_that_come_and_go_leave_the_difference_of_the_strikes(
    legs: list[tuple[int, Right | None, int]], level: str, cash: int, shares: int
) -> None:
    position, stayed = expired(held(*legs), level)
    assert (sum(leg.exit_cash for leg in position.legs), stayed) == (cash, shares)
    assert all(leg.held == 0 for leg in position.legs if not leg.option.is_share)


def test_what_was_exercised_has_not_expired_worthless() -> None:
    long_put = settled(held((1, PUT, 600)), "leg_0", Decimal(590))[0].position
    for reason, words in (("exercised", "exercised"), ("assigned", "assigned"), ("expired_worthless",) * 2):
        assert exit_text(replace(long_put, exit_reason=reason)) == words.replace("_", " ")
    assert long_put.legs[0].exit_cash == ZERO


@pytest.mark.parametrize(
    ("legs", "level", "profit"),
    [
        ([(-1, PUT, 595)], "593", "-200.00"),
        ([(-3, PUT, 595)], "590.25", "-1425.00"),
        ([(2, CALL, 600)], "605", "1000.00"),
        ([(-1, PUT, 595)], "595", "0"),
        ([(-2, PUT, 595), (2, PUT, 594)], "593", "0"),
        ([(1, PUT, 600), (-2, PUT, 595)], "590", "-500.00"),
        ([(1, None, 0), (-1, CALL, 600)], "605", "0"),
        ([(1, None, 0), (-3, CALL, 600)], "605", "-1000.00"),
    ],
)
def test_shares_of_the_account_count_once_at_the_settlement_price(
    legs: list[tuple[int, Right | None, int]], level: str, profit: str
) -> None:
    position, _ = expired(held(*legs), level)
    assert position.shares_profit == Decimal(profit)
    assert position.gross == sum(leg.exit_cash for leg in position.legs) + Decimal(profit)
    assert position.is_in_shares is bool(Decimal(profit))


def test_an_early_assignment_waits_for_the_price_of_its_shares() -> None:
    early = assigned(held((-2, PUT, 595)), "leg_0", 2, None)
    assert (early.shares_profit, early.position.unpriced, early.position.gross) == (None, 2, ZERO)
    known = priced(early.position, "leg_0", Decimal(590))
    assert (known.unpriced, known.gross, known.net) == (0, Decimal(-1000), Decimal(-1000))


def test_what_is_cancelled_takes_its_shares_along() -> None:
    gone = settled(held((-2, PUT, 595)), "leg_0", Decimal(590))[0].position
    half = unsettled(gone, "leg_0", 1, ZERO, "assigned")
    assert (half.shares_profit, half.position.gross) == (Decimal(500), Decimal(-500))
    assert unsettled(half.position, "leg_0", 1, ZERO, "assigned").position.gross == ZERO
