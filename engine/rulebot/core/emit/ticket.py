"""The terms of an order that is about to be sent."""

from rulebot.core.state.builder import StateBuilder
from rulebot.model.order import Purpose
from rulebot.model.position import Position
from rulebot.order.price import Ticket


def ticket(work: StateBuilder, position: Position, purpose: Purpose, reason: str) -> Ticket:
    """Return the name of a new order."""
    number, order_id = work.take_numbers()
    return Ticket(
        work.ref(number), number, order_id, position.bot, position.id, purpose, reason, position.digest, work.at
    )
