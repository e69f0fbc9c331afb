"""Which positions count as torn at the end of a day, and which an exit has left so."""

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import cast

import pytest

from rulebot.checks.against_ledger.books import CheckedDay
from rulebot.checks.against_ledger.findings import without_partner
from rulebot.model.contract import Option, Right
from rulebot.model.position import Position, PositionLeg
from rulebot.record.record import Json, Kind, Record

DAY = date(2026, 11, 18)
AT = datetime(2026, 11, 18, 15, 0, tzinfo=UTC)
LEGS = (
    ("short_put", 5945, Right.PUT, -1),
    ("long_put", 5935, Right.PUT, 1),
    ("short_call", 6055, Right.CALL, -1),
    ("long_call", 6065, Right.CALL, 1),
)


def found(opened: int = 1, *records: Record, is_rolled: bool = False, left: str = "", **closed: int) -> list[str]:
    """Return what is said of an open condor of which so many contracts of these legs were closed (-1: never opened).

    -2: the exchange took back all that had been opened of it, and one was closed. is_rolled: an order that rolls its
    puts has filled one for it, but for the leg that it has left. records: of its day.
    """
    legs = tuple(
        PositionLeg(
            name=name,
            option=Option("SPX", "SPXW", DAY, Decimal(strike), right),
            sign=sign,
            ratio=1,
            opened=opened if closed.get(name, 0) >= 0 else 0,
            closed=abs(closed.get(name, 0)) - (closed.get(name, 0) < 0),
        )
        for name, strike, right, sign in LEGS
    )
    position = Position(id="a-1", bot="a", digest="d", state="open", session=DAY, quantity=opened, legs=legs)
    puts = [(name, opens) for name in ("short_put", "long_put") for opens in (False, True) if opens or name != left]
    rolled = [SimpleNamespace(name=name, opens=opens) for name, opens in puts]
    roll = SimpleNamespace(position="a-1", opens_position="a-2", has_fills=True, filled=1, legs=rolled)
    orders = {"r": roll} if is_rolled else {}
    return without_partner(
        cast(CheckedDay, SimpleNamespace(positions={"a-1": position}, orders=orders, records=records))
    )


@pytest.mark.parametrize("closed", [{}, {"short_put": 1, "long_put": 1}, {"short_call": 1}])
def test_a_side_or_a_short_leg_that_was_closed_leaves_nothing_broken(closed: dict[str, int]) -> None:
    assert found(**closed) == []


@pytest.mark.parametrize(
    ("opened", "closed", "name"),
    [
        (1, {"long_put": 1}, "short_put"),
        (1, {"long_put": -1}, "short_put"),
        (2, {"short_put": 1, "long_put": 2}, "short_put"),
        (2, {"short_put": 2, "long_put": 1}, "short_call"),
        (1, {"short_call": -1}, "long_call"),
    ],
)
def test_a_leg_beyond_its_partners_is_broken(opened: int, closed: dict[str, int], name: str) -> None:
    assert f"a-1 holds {name} without its partner" in found(opened, **closed)


def test_a_side_of_which_a_part_was_rolled_leaves_nothing_broken() -> None:
    assert found(3, short_put=1, long_put=1) == [
        "a-1 holds short_call without its partner",
        "a-1 holds long_call without its partner",
    ]
    assert found(3, is_rolled=True, short_put=1, long_put=1) == []
    assert found(3, is_rolled=True, short_put=1, long_put=2) == ["a-1 holds short_put without its partner"]
    assert "a-1 holds long_call without its partner" in found(3, is_rolled=True, short_call=-1)


def test_a_wing_that_a_roll_of_a_part_has_left_is_not_broken() -> None:
    incomplete = ["a-1 holds long_put without its partner"]
    assert found(3, is_rolled=True, left="long_put", short_put=1) == []
    assert found(3, is_rolled=True, short_put=1) == incomplete
    assert found(3, is_rolled=True, left="long_put", short_put=2) == incomplete


def test_what_was_closed_beyond_what_was_held_leaves_nothing_broken() -> None:
    """The broker filled the exit of one side twice: of the other side, which was closed, nothing is held."""
    assert found(short_put=1, long_put=1, short_call=2, long_call=2) == []
    assert found(short_call=2, long_call=2, long_put=1) == ["a-1 holds short_put without its partner"]


def test_the_other_side_of_what_was_closed_beyond_what_was_held_is_not_broken() -> None:
    """Nothing is sent for it, as the page of what to do says, and a person was told: it stands as it was."""
    assert found(short_put=2, long_put=2) == []
    assert found(3, short_put=4, long_put=4) == []
    assert found(short_put=2, long_put=2, long_call=1) == ["a-1 holds short_call without its partner"]
    assert found(2, short_put=3, long_put=3, short_call=1) == ["a-1 holds long_call without its partner"]
    assert found(long_call=2) == ["a-1 holds short_call without its partner"]
    assert found(short_put=-2, long_put=1, short_call=1, long_call=1) == [], "nothing is held beside it"
    assert "a-1 holds long_call without its partner" in found(short_put=-2, long_put=1, short_call=1)


def filled(leg: str, purpose: str) -> Record:
    return Record(AT, Kind.FILL, "a", "a-1", {"exec_id": "x.01", "purpose": purpose, "leg": leg, "quantity": 1})


def test_a_leg_of_a_closed_side_that_was_cancelled_whole_is_missing_from_nothing() -> None:
    """Seed 7300183: the exchange had taken back both the entry and the exit of the short put."""
    incomplete = ["a-1 holds short_call without its partner", "a-1 holds long_call without its partner"]
    closed = {"short_put": -1, "long_put": 1}
    assert found(1, filled("short_put", "entry"), filled("short_put", "exit"), **closed) == []
    for purpose in ("entry", "unwind", "by_others"):
        assert found(1, filled("short_put", purpose), **closed) == incomplete
    assert found(1, filled("long_put", "exit"), **closed) == [], "the exit has closed what was left of its side"
    alone = found(1, filled("short_put", "exit"), filled("long_put", "exit"), long_put=-1)
    assert alone == ["a-1 holds short_put without its partner"]


# ---------------------------------------------------------------- others in the account


def by_others(leg: str, quantity: int = 1, revision: int = 1) -> Record:
    data: dict[str, Json] = {"exec_id": f"{leg}.0{revision}", "purpose": "by_others", "leg": leg, "quantity": quantity}
    return Record(AT, Kind.FILL, "a", "a-1", data)


def resumed(bot: str = "") -> Record:
    return Record(AT, Kind.OPERATOR, bot, "", {"id": "r1", "request": "resume", "bot": bot})


@pytest.mark.parametrize("bot", ["", "a"])
def test_what_a_person_lets_continue_without_a_leg_that_others_have_closed_is_not_broken(bot: str) -> None:
    """The broker had liquidated the long leg: 'rulebot resume' means that the exits act on what is left."""
    after = (by_others("long_put"), resumed(bot))
    assert found(1, *after, long_put=1) == []
    assert found(2, by_others("long_put", 2), resumed(bot), long_put=2) == []
    assert found(2, *after, long_put=1) == []


def test_what_nobody_lets_continue_or_others_have_not_closed_is_broken_all_the_same() -> None:
    naked = ["a-1 holds short_put without its partner"]
    after = (by_others("long_put"), resumed())
    assert found(1, by_others("long_put"), long_put=1) == naked
    assert found(1, by_others("long_put"), resumed("b"), long_put=1) == naked
    assert found(1, resumed(), by_others("long_put"), long_put=1) == naked
    assert found(1, *after, by_others("long_put", 0, revision=2), long_put=1) == naked, "it was taken back"
    assert found(1, *after, long_put=1, long_call=1) == ["a-1 holds short_call without its partner"]
    assert found(2, *after, long_put=2) == naked, "one of them was sold by us"
