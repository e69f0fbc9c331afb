"""Orders as values: from what is to be dealt to the one order that says it on the wire."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from rulebot.model.order import Order, OrderLeg, OrderType, Purpose, Side, TimeInForce
from rulebot.model.position import PositionLeg
from rulebot.order.price import Part


class Ticket(NamedTuple):
    """Names an order before it has a price: who sends it, for which position, why."""

    ref: str
    number: int
    order_id: int
    bot: str
    position: str
    purpose: Purpose
    reason: str
    digest: str
    at: datetime


def order_parts(legs: Iterable[OrderLeg], side: Side) -> tuple[Part, ...]:
    """Return what is dealt when an order of these legs fills (`side` matters for a single leg only).

    A single leg is dealt by the piece, whatever its ratio: that goes into the quantity of its order.
    """
    legs = tuple(legs)
    if len(legs) == 1:
        return (Part(legs[0].option, -side.sign, 1),)
    return tuple(Part(leg.option, -leg.side.sign, leg.price_multiplier) for leg in legs)


def opening_legs(legs: Iterable[PositionLeg]) -> tuple[OrderLeg, ...]:
    """Return the order legs that open these position legs."""
    return tuple(OrderLeg(leg.name, leg.option, Side.BUY if leg.sign > 0 else Side.SELL, leg.ratio) for leg in legs)


def closing_legs(legs: Iterable[PositionLeg]) -> tuple[OrderLeg, ...]:
    """Return the order legs that close these position legs."""
    return tuple(OrderLeg(leg.name, leg.option, Side.SELL if leg.sign > 0 else Side.BUY, leg.ratio) for leg in legs)


def draft(
    ticket: Ticket,
    legs: tuple[OrderLeg, ...],
    quantity: int,
    kind: OrderType,
    *,
    net: Decimal | None = None,
    stop: Decimal | None = None,
    mid: Decimal | None = None,
    time_in_force: TimeInForce = TimeInForce.DAY,
    adaptive: str = "",
    oca_group: str = "",
    attempt: int = 1,
    attempt_until: datetime | None = None,
) -> Order:
    """Return the order; one leg keeps its side and ratio 1 (its ratio goes into the quantity), several make a combo.

    Units: `net`, `mid` signed per share of one structure, of a single leg of one piece of it, + received; `stop` the
    price of the single leg.
    """
    if len(legs) == 1:
        only = legs[0]
        quantity *= only.ratio
        legs = (OrderLeg(only.name, only.option, only.side, 1),)
    side = legs[0].side if len(legs) == 1 else Side.BUY
    return Order(
        ref=ticket.ref,
        number=ticket.number,
        bot=ticket.bot,
        position=ticket.position,
        purpose=ticket.purpose,
        reason=ticket.reason,
        legs=legs,
        side=side,
        quantity=quantity,
        kind=kind,
        limit_price=None if net is None else wire_price(net, side),
        stop_price=stop,
        time_in_force=time_in_force,
        adaptive=adaptive,
        oca_group=oca_group,
        order_id=ticket.order_id,
        attempt=attempt,
        attempt_until=attempt_until,
        mid=None if mid is None else wire_price(mid, side),
        prepared_at=ticket.at,
        changed_at=ticket.at,
        digest=ticket.digest,
    )


def wire_price(net: Decimal, side: Side) -> Decimal:
    """Return a net amount (+ received) as the price of a buy (negated) or a sell."""
    return -net if side is Side.BUY else net


def net_price(wire: Decimal, side: Side) -> Decimal:
    """Return a wire price as a net amount, + received."""
    return -wire if side is Side.BUY else wire
