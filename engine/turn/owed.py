"""What the broker owes us: fills that it speaks of, and of which it has told no executions.

Its words of an order count structures; executions come leg by leg, and later. Of a leg of which the exchange has
corrected an execution they tell it all: what was taken back is still in the broker's words.
"""

from engine.model.order import Order
from engine.model.unseen import FIRST_REVISION, is_unseen
from engine.turn.work import Work


def owed(work: Work, order: Order, filled: int) -> dict[int, int]:
    """Return the contracts of each leg, by its number, that are yet to be told when so many structures have filled."""
    lacking = (filled * leg.ratio - count for leg, count in zip(order.legs, order.counts, strict=True))
    return {at: 0 if count <= 0 or _is_corrected(work, order, at) else count for at, count in enumerate(lacking)}


def owes_fills(work: Work, order: Order) -> bool:
    """Say whether the broker has said that more is filled than it has told executions of."""
    return order.reported > order.filled and any(owed(work, order, order.reported).values())


def _is_corrected(work: Work, order: Order, at: int) -> bool:
    """Say whether the exchange has corrected an execution of a leg: the last part of its id counts the corrections
    (TWS API, Execution.execId).
    """
    leg = order.legs[at]
    position = order.position_of(leg)
    of_leg = position, leg.name, order.opens(position)
    return any(
        (booked.position, booked.leg, booked.is_entry) == of_leg
        and not booked.exec_id.endswith(FIRST_REVISION)
        and not is_unseen(booked.exec_id)
        for booked in work.booked.values()
    )
