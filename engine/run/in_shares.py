"""Trades that ended in shares of the account: what those make or lose is in the profit of no trade."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from engine.fill.apply import DELIVERING
from engine.record.record import Kind, Record


def ends_in_shares(record: Record) -> bool:
    """Say whether a record tells of options that became shares; those that set each other off have their price."""
    is_delivery = record.kind is Kind.SETTLEMENT and record.data["how"] in DELIVERING
    return is_delivery and not Decimal(str(record.data["price"]))


def ended_in_shares(records: Iterable[Record], bot: str = "") -> list[str]:
    """Return the positions, in order, of whose options shares came into the account or left it; bot "": of all.

    Not those that gave or took shares of their own: these went at the strike, and their profit has it.
    """
    contracts: Counter[str] = Counter()
    own: set[str] = set()
    for record in records:
        if record.kind is not Kind.SETTLEMENT or bot not in ("", record.bot):
            continue
        if ends_in_shares(record):
            contracts[record.position] += int(str(record.data["quantity"]))
        elif record.data["how"] == "delivered":
            own.add(record.position)
    return [position for position, count in contracts.items() if count and position not in own]
