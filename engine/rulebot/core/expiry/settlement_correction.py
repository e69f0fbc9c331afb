"""What had left before its expiry, and nobody told: a person says so of contracts that are booked as ended with it."""

from datetime import datetime

from rulebot.core.books.fills import record_fill
from rulebot.core.books.position_closed import count_closed
from rulebot.core.books.settlement_reversal import reverse_settlement
from rulebot.core.state.builder import StateBuilder
from rulebot.fill.ledger import BY_OTHERS, BookedExecution, add_fill, book, leg_of, when_dealt
from rulebot.model.event import EndingCorrected
from rulebot.model.order import Order
from rulebot.model.position import CLOSED_BY_HAND, Position
from rulebot.model.values import replace


def ending_corrected(work: StateBuilder, event: EndingCorrected) -> None:
    """Book a trade in the place of a settlement; what is closed stays closed, at what it has made now."""
    fill, count = event.fill, int(event.fill.quantity)
    position, order = work.positions.by_id[event.position], work.orders.by_ref.get(event.fill.ref)
    leg = leg_of(position, event.leg)
    back = reverse_settlement(work, position, leg.name, count, event.price, event.how)
    cash = leg.sign * fill.price * count * leg.option.multiplier
    booked = BookedExecution(
        exec_id=fill.exec_id,
        position=position.id,
        leg=leg.name,
        is_entry=False,
        quantity=count,
        cash=cash,
        is_paid=True,
        by_others=order is None,
        ref="" if order is None else order.ref,
        dealt_at=when_dealt(work.at, fill.executed_at, None if order is None else order.sent_at),
    )
    work.put_booked(fill.exec_id.rpartition(".")[0], booked)
    work.put_position(_left(book(back, booked, leg.option), order, event.left_at))
    if order is None:
        record_fill(work, fill, booked, leg.option, position.id, BY_OTHERS)
    else:
        at = next(at for at, each in enumerate(order.legs) if each.name == leg.name)
        work.put_order(add_fill(order, at, count))
        record_fill(work, fill, booked, leg.option, order.ref, order.purpose.value)
    count_closed(work, position.id)


def _left(position: Position, order: Order | None, at: datetime) -> Position:
    """Return a closed position as it ended now: by whom, and when, once nothing of it went with its option."""
    if position.state != "closed":
        return position
    position = replace(position, exit_reason=CLOSED_BY_HAND if order is None else order.reason)
    return position if any(leg.settled for leg in position.legs) else replace(position, closed_at=at)
