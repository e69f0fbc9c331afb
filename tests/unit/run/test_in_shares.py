"""Trades of whose options shares came into the account, or left it."""

from datetime import UTC, datetime

from engine.record.record import Kind, Record
from engine.run.in_shares import ended_in_shares

AT = datetime(2026, 11, 18, 21, tzinfo=UTC)


def gone(position: str, how: str, price: str = "0", quantity: int = 1) -> Record:
    return Record(AT, Kind.SETTLEMENT, position[0], position, {"how": how, "price": price, "quantity": quantity})


def test_those_whose_shares_are_in_the_account_alone() -> None:
    records = (
        gone("a-1", "assigned"),
        gone("a-2", "worthless"),
        gone("a-3", "assigned"),  # a call on shares of its own
        gone("a-3", "delivered", "600", 100),
        gone("b-1", "assigned", "5.00"),  # its shares went on by another leg
        gone("b-2", "exercised", quantity=2),
        gone("b-3", "assigned"),
        gone("b-3", "assigned", quantity=-1),  # taken back: it had been closed before
        gone("b-4", "cash", "5.00"),
    )
    assert ended_in_shares(records) == ["a-1", "b-2"]
    assert ended_in_shares(records, "b") == ["b-2"]
