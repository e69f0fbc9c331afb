"""What the broker owes us: fills that it speaks of, and of which it has told no executions.

Its words of an order count structures, and what the exchange has taken back is in them still; executions come leg by
leg, and later.
"""

from rulebot.core.state.builder import StateBuilder
from rulebot.model.order import Order, is_synthetic


def unreported_contracts(work: StateBuilder, order: Order, filled: int) -> dict[int, int]:
    """Return the contracts of each leg, by its number, that are yet to be told when so many structures have filled."""
    counted = zip(order.legs, order.counts, strict=True)
    lacking = {at: max(filled * leg.ratio - count, 0) for at, (leg, count) in enumerate(counted)}
    return {at: count and max(count - _taken_back(work, order, at, count), 0) for at, count in lacking.items()}


def has_unreported_fills(work: StateBuilder, order: Order) -> bool:
    """Say whether the broker has said that more is filled than it has told executions of."""
    return order.reported > order.filled and any(unreported_contracts(work, order, order.reported).values())


def _taken_back(work: StateBuilder, order: Order, at: int, most: int) -> int:
    """Return how many contracts of a leg were told and taken back: of so many at most, all where it was told only that
    one was.
    """
    leg, total = order.legs[at], 0
    of_leg = order.ref, order.position_of(leg), leg.name
    for booked in work.positions.booked.values():
        if (booked.ref, booked.position, booked.leg) == of_leg and not is_synthetic(booked.exec_id):
            if not booked.quantity and not booked.taken_back:
                return most
            total += booked.taken_back
    return total
