"""What closing a position would bring: legs without a bid, quotes that are not sound, legs that are closed already."""

from datetime import date
from decimal import Decimal
from math import nan

import pytest

from rulebot.fill.exit_level import open_value, profit
from rulebot.model.contract import Option, Right
from rulebot.model.market import Board
from rulebot.model.position import Position, PositionLeg

NOW = 1_000_000.0
DAY = date(2026, 11, 18)


def leg(name: str, sign: int, strike: int, opened: int, closed: int, cash: str) -> PositionLeg:
    option = Option("SPX", "SPXW", DAY, Decimal(strike), Right.PUT)
    paid = Decimal("1.30")
    return PositionLeg(
        name=name,
        option=option,
        sign=sign,
        ratio=1,
        opened=opened,
        closed=closed,
        entry_cash=Decimal(cash),
        commissions=paid,
    )


def spread(closed: int = 0) -> Position:
    legs = (leg("short", -1, 5900, 2, closed, "400"), leg("long", 1, 5890, 2, closed, "-200"))
    return Position(id="p", bot="b", digest="d", state="open", session=DAY, quantity=2, legs=legs)


def quoted(short: tuple[float, float], long: tuple[float, float], *, age: float = 0.0) -> Board:
    board = Board()
    for each, (bid, ask) in zip(spread().legs, (short, long), strict=True):
        row = board.add(each.option)
        board.bid[row], board.ask[row], board.quote_at[row] = bid, ask, NOW - age
    board.alive_at = NOW
    return board


@pytest.mark.parametrize(
    ("short", "long", "value"),
    [
        ((1.0, 1.2), (0.4, 0.6), -2 * 1.1 * 100 + 2 * 0.5 * 100),
        ((1.0, 1.2), (nan, 0.05), -2 * 1.1 * 100),  # nobody bids for the long leg: it brings nothing
        ((nan, 0.2), (nan, 0.05), -2 * 0.1 * 100),  # buying the short one back costs half its ask
        ((1.0, nan), (0.4, 0.6), None),
        ((1.2, 1.2), (0.4, 0.6), None),
        ((1.3, 1.2), (0.4, 0.6), None),
    ],
)
def test_each_leg_counts_at_its_mid(short: tuple[float, float], long: tuple[float, float], value: float | None) -> None:
    board = quoted(short, long)
    assert open_value(spread(), board, NOW) == value
    made = None if value is None else Decimal("197.40") + Decimal(f"{value:.2f}")
    assert profit(spread(), board, NOW) == made


def test_a_quote_counts_as_long_as_one_of_an_option_does() -> None:
    assert open_value(spread(), quoted((1.0, 1.2), (0.4, 0.6), age=300.0), NOW) is not None
    assert open_value(spread(), quoted((1.0, 1.2), (0.4, 0.6), age=300.1), NOW) is None


def test_what_is_not_streamed_is_not_valued() -> None:
    board = quoted((1.0, 1.2), (0.4, 0.6))
    board.drop(spread().legs[1].option)
    assert open_value(spread(), board, NOW) is None


def test_what_is_closed_has_made_its_cash() -> None:
    assert profit(spread(closed=2), Board(), NOW) == Decimal("197.40")
