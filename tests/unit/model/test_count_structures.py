"""How many structures are open, over the positions that a trade has come to."""

from datetime import date
from decimal import Decimal

import pytest

from rulebot.model.contract import Option, Right
from rulebot.model.position import Position, PositionLeg, count_structures

DAY = date(2026, 11, 18)
PUT = Option("SPX", "SPXW", DAY, Decimal(5900), Right.PUT)


def position(name: str, trade: str = "", **legs: tuple[int, int]) -> Position:
    """Return a position by the contracts of each leg that were opened, and closed."""
    found = tuple(
        PositionLeg(name=leg, option=PUT, sign=-1, ratio=2 if leg == "back" else 1, opened=opened, closed=closed)
        for leg, (opened, closed) in legs.items()
    )
    return Position(id=name, bot="a", digest="", state="open", session=DAY, quantity=4, legs=found, trade=trade)


@pytest.mark.parametrize(
    ("positions", "count"),
    [
        ([], 0),
        ([position("a", put=(4, 0), call=(4, 0))], 4),
        ([position("a", put=(4, 4), call=(4, 4))], 0),
        ([position("a", put=(4, 4), call=(4, 0))], 4),
        ([position("a", put=(4, 2), call=(4, 2))], 2),
        ([position("a", put=(4, 0), call=(0, 0))], 0),
        ([position("a", put=(4, 0), back=(7, 0))], 3),
        ([position("a", put=(4, 0)), position("b", put=(3, 0))], 7),
        ([position("a", put=(4, 4), call=(4, 0)), position("b", "a", put=(4, 0))], 4),
        ([position("a", put=(4, 2), call=(4, 2)), position("b", "a", put=(2, 0), call=(2, 0))], 4),
        ([position("a", put=(4, 4), call=(4, 0)), position("b", "a", put=(0, 0))], 4),
    ],
    ids=["none", "all", "flat", "a side closed", "a part closed", "legged into", "ratio", "two", "a side rolled",
         "a part rolled", "a side closed after a roll that nobody filled"],
)  # fmt: skip
def test_a_structure_is_open_while_a_part_of_it_is(positions: list[Position], count: int) -> None:
    assert count_structures(positions) == count
