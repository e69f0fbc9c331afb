"""A fill on record."""

from rulebot.core.state.builder import StateBuilder
from rulebot.fill.ledger import BookedExecution, beyond_report
from rulebot.model.contract import Option
from rulebot.model.event import ExecutionReport
from rulebot.model.order import Purpose
from rulebot.record.record import Kind


def record_fill(
    work: StateBuilder, event: ExecutionReport, booked: BookedExecution, option: Option, ref: str, purpose: str
) -> None:
    """Record a fill with the position it is of; what a roll opens is told as the entry of its new position."""
    work.record(
        Kind.FILL,
        work.positions.by_id[booked.position].bot,
        booked.position,
        exec_id=event.exec_id,
        ref=ref,
        leg=booked.leg,
        con_id=option.con_id,
        contract=str(option),
        is_buy=event.is_buy,
        quantity=int(event.quantity),
        price=str(event.price),
        executed_at=None if event.executed_at is None else event.executed_at.isoformat(),
        purpose=Purpose.ENTRY.value if booked.is_entry else purpose,
        **beyond_report(booked, option, work.at, event.executed_at),
    )
