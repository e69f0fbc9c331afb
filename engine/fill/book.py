"""The noun of this room: one execution as it was booked."""

from decimal import Decimal

from engine.model.money import ZERO
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Booked:
    """One execution as it was booked: enough to replace it by its correction and to give it its commission.

    `position` is "" for an execution that is not ours.
    """

    exec_id: str
    position: str
    leg: str
    is_entry: bool
    quantity: int
    cash: Decimal
    commission: Decimal = ZERO
