"""The noun of this room: one execution as it was booked."""

from decimal import Decimal

from engine.model.event import ExecutionReport
from engine.model.money import ZERO
from engine.model.unseen import is_unseen
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Booked:
    """One execution as it was booked: enough to replace it by its correction and to give it its commission.

    `position` is "" for an execution that is not ours: `foreign` is its report then. is_paid: its commission was told,
    or none will be. by_others: with it somebody else has closed what we held.
    """

    exec_id: str
    position: str
    leg: str
    is_entry: bool
    quantity: int
    cash: Decimal
    commission: Decimal = ZERO
    is_paid: bool = False
    foreign: ExecutionReport | None = None
    by_others: bool = False


def of_others(report: ExecutionReport) -> Booked:
    """Return an execution that is not ours, booked to nothing."""
    return Booked(report.exec_id, "", "", False, int(report.quantity), ZERO, foreign=report)


BY_OTHERS = "by_others"
"""The purpose of a fill that is of no order of ours: somebody else has closed what we held."""


def owes_none(exec_id: str, quantity: int) -> bool:
    """Say whether no commission will be told of an execution: it was taken back, or taken up from the account."""
    return not quantity or is_unseen(exec_id)
