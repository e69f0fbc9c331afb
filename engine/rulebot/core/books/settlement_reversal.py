"""Settlements that are taken back, since their contracts had been traded before.

One of a negative quantity is recorded, a reversing entry: whoever adds settlements up has the right sum without knowing
of it.
"""

from datetime import datetime
from decimal import Decimal

from rulebot.core.books.settlements import record_settlement, settlement_level
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.state.builder import StateBuilder
from rulebot.fill.ledger import how_settled, leg_of, unsettled
from rulebot.model.contract import Settlement, product
from rulebot.model.money import ZERO
from rulebot.model.order import Order
from rulebot.model.position import Position, PositionLeg
from rulebot.model.session import session_from
from rulebot.model.values import replace
from rulebot.record.record import TAKEN_BACK


def reverse_settlement(
    work: StateBuilder, position: Position, leg: str, count: int, price: Decimal, how: str
) -> Position:
    """Put contracts back into a leg that had left it by expiry, at this price."""
    back = unsettled(position, leg, count, price, how)
    record_settlement(work, back, leg, None, how, **{TAKEN_BACK: True})
    return work.put_position(back.position)


def make_room(work: StateBuilder, order: Order, name: str, leg: str, count: int, executed_at: datetime | None) -> bool:
    """Take back what has settled of a leg where a fill that is told only now had closed it before its expiry, if so.

    Not of a position whose options gave or took shares of its other legs: which of them is not known any more. What has
    left before its expiry was assigned: a fill closes more than was held then. executed_at: None where it is unknown.
    """
    position = work.positions.by_id[name]
    found = leg_of(position, leg)
    beyond = min(count - found.held, found.settled)
    if (
        beyond <= 0
        or not option_has_expired(work, found.option)
        or executed_at is None
        or executed_at >= session_from(found.option.expiry).close
    ):
        return False
    settled = _settled_at(work, position, found)
    if settled is None:
        return False
    if position.state == "closed":
        position = replace(position, exit_reason=order.reason)
    reverse_settlement(work, position, leg, beyond, *settled)
    text = f"{order.ref} had closed {beyond} {found.option} of {name} before the expiry, as the broker tells now"
    work.alarm(position.bot, f"{text}: that is booked instead of the expiry", name)
    return True


def _settled_at(work: StateBuilder, position: Position, leg: PositionLeg) -> tuple[Decimal, str] | None:
    """Return at what price a leg has settled, and how; None where that is not known or has moved shares of others."""
    closings = [
        booked
        for booked in work.positions.booked.values()
        if (booked.position, booked.leg, booked.is_entry) == (position.id, leg.name, False)
    ]
    if sum(booked.quantity for booked in closings) != leg.closed - leg.settled:
        return None
    cash = leg.exit_cash - sum((booked.cash for booked in closings), ZERO)
    price = cash / (leg.sign * leg.settled * leg.option.multiplier) if cash else ZERO
    if product(leg.option.symbol).settlement is not Settlement.SHARES:
        return price, "cash" if price else "worthless"
    level = settlement_level(work, leg.option)
    gave = any(each.option.is_share and each.settled for each in position.legs)
    return None if price or gave or level is None else (price, how_settled(leg, level))
