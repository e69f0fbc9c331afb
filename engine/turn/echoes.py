"""What the broker says it has taken, against what was sent: presets of its window may change price, number or time.

Source: faults.md row 51. Only the first acknowledgement is compared: later ones may be of a price before the last.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from engine.model.event import OrderReport
from engine.model.order import Order, OrderStatus, Purpose
from engine.turn.resting import RESTING, cancel, take_back
from engine.turn.work import Work

UNDER_WAY = timedelta(seconds=10)
"""How long the broker may still show an order as it was before we changed it."""
_FIRST_HEARD = (OrderStatus.SENDING, OrderStatus.UNKNOWN)


def is_first_echo(order: Order, event: OrderReport) -> bool:
    """Say whether this is the first word on an order, and tells what was taken."""
    return order.status in _FIRST_HEARD and event.quantity is not None


def was_changed(order: Order, event: OrderReport, at: datetime) -> bool:
    """Say whether a working order has become another one, long after we last changed it."""
    if order.status is not OrderStatus.WORKING or event.quantity is None or at - order.changed_at < UNDER_WAY:
        return False
    return bool(difference(order, event))


def tell_of_change(work: Work, order: Order, event: OrderReport) -> None:
    """Tell a person that somebody has changed an order of ours (row 71); it is not changed back."""
    text = f"{order.ref} was changed, and not by us: {difference(order, event)}"
    work.alarm(order.bot, text, order.position)


def difference(order: Order, event: OrderReport) -> str:
    """Return how the broker's order differs from ours in words, "" when it does not."""
    asked = order.quantity * (1 if order.is_combo else order.legs[0].ratio)
    pairs = (
        ("quantity", asked, event.quantity),
        ("limit", order.limit_price, event.limit_price),
        ("stop", order.stop_price, event.stop_price),
        ("time in force", order.time_in_force.value, event.time_in_force.lower() or order.time_in_force.value),
    )
    return ", ".join(f"{name} {theirs} instead of {ours}" for name, ours, theirs in pairs if ours != theirs)


def on_other_order(work: Work, order: Order, text: str) -> None:
    """Take back what is not what was asked for, and tell a person; its bot enters nothing more today.

    A closing order works on unless it is of another quantity: a position that is to be closed is not left alone.
    """
    work.alarm(order.bot, f"the broker has {order.ref} with {text}: look at the presets of its window", order.position)
    if order.purpose is Purpose.ENTRY:
        if order.bot in work.bots:
            work.put_day(replace(work.bots[order.bot].day, halted="the broker changes what we send"))
        cancel(work, order, f"the broker has it with {text}")
    elif order.purpose in RESTING:
        position = work.positions[order.position]
        take_back(work, position, f"the broker has one with {text}")
        work.put_position(replace(work.positions[position.id], suspended=True))
    elif text.startswith("quantity"):
        cancel(work, order, f"the broker has it with {text}")
