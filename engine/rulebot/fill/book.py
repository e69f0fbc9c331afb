"""The noun of this room: one execution as it was booked."""

from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.model.contract import LOT, Option
from rulebot.model.event import ExecutionReport
from rulebot.model.money import ZERO
from rulebot.model.unseen import is_synthetic
from rulebot.model.values import dataclass
from rulebot.record.record import BUYS_BACK, DEALT_AT, MULTIPLIER, Json


@dataclass(frozen=True, slots=True)
class BookedExecution:
    """One execution as it was booked: enough to replace it by its correction and to give it its commission.

    `position` is "" for an execution that is not ours: `foreign` is its report then. is_paid: its commission was told,
    or none will be. by_others: with it somebody else has closed what we held. dealt_at: see `when_dealt`. ref: of the
    order of ours that it is of. taken_back: contracts that the exchange has taken back of it.
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
    dealt_at: datetime | None = None
    ref: str = ""
    taken_back: int = 0


def of_others(report: ExecutionReport) -> BookedExecution:
    """Return an execution that is not ours, booked to nothing."""
    count, at = int(report.quantity), report.executed_at or report.at
    return BookedExecution(report.exec_id, "", "", False, count, ZERO, foreign=report, dealt_at=at)


BY_OTHERS = "by_others"
"""The purpose of a fill that is of no order of ours: somebody else has closed what we held."""


TOLD_LATE = timedelta(seconds=10)
"""How much older than its report a fill is that was dealt while nobody listened."""


def when_dealt(told_at: datetime, executed_at: datetime | None, sent_at: datetime | None) -> datetime:
    """Return when a fill of ours was dealt: as it was told, or by the broker's clock where that was told late.

    That clock may be behind: nothing is dealt before its order was sent. An unknown time is the one of the report.
    """
    if executed_at is None or told_at - executed_at < TOLD_LATE:
        return told_at
    return executed_at if sent_at is None else max(executed_at, sent_at)


def dealt_by_record(told_at: datetime, executed_at: datetime | None, *, by_others: bool) -> datetime:
    """Return when a fill was dealt by its record alone, which names no time that its order was sent."""
    return (executed_at or told_at) if by_others else when_dealt(told_at, executed_at, None)


def beyond_report(
    booked: BookedExecution, option: Option, told_at: datetime, executed_at: datetime | None
) -> dict[str, Json]:
    """Return what a start must know of a fill that its record does not have otherwise, nothing of most fills.

    Its order, and the fill that it corrects, may be too old to be read then.
    """
    found: dict[str, Json] = {BUYS_BACK: True} if booked.quantity < 0 else {}
    by_record = dealt_by_record(told_at, executed_at, by_others=booked.by_others)
    if booked.dealt_at is not None and booked.dealt_at != by_record:
        found[DEALT_AT] = booked.dealt_at.isoformat()
    if not option.is_share and option.multiplier != LOT:
        found[MULTIPLIER] = option.multiplier
    return found


def taken_back(known: BookedExecution | None, quantity: int) -> int:
    """Return how many contracts the exchange has taken back of a fill of ours; known: as it was booked before."""
    if known is None or known.by_others or is_synthetic(known.exec_id):
        return 0
    return max(known.quantity + known.taken_back - quantity, 0)


def owes_none(exec_id: str, quantity: int) -> bool:
    """Say whether no commission will be told of an execution: it was taken back, or taken up from the account."""
    return not quantity or is_synthetic(exec_id)
