"""The connection comes and goes: start-up and reconnect are one path, which compares our books with the broker's.

What the broker still has is adopted by its ref; what it does not have and never confirmed is UNKNOWN until its grace is
over, then ABANDONED (faults.md section 2). Nothing is ever traded to make books agree.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.model.contract import Contract, Option
from engine.model.event import LinkDown, LinkUp
from engine.model.money import ZERO
from engine.model.order import OrderStatus
from engine.record.record import Kind
from engine.turn.ended import order_ended
from engine.turn.judging import wake
from engine.turn.work import Work

PREFIX = "rb:"


def link_down(work: Work, event: LinkDown) -> dict[str, Any]:
    """Nothing is known of live orders until the next LinkUp; quotes are forgotten."""
    work.record(Kind.LINK, up=False, reason=event.reason)
    for order in list(work.orders.values()):
        if order.status in (OrderStatus.SENDING, OrderStatus.CANCELLING):
            work.put_order(replace(order, status=OrderStatus.UNKNOWN, message="the link went down"))
    return {"is_linked": False, "is_ready": False}


def link_up(work: Work, event: LinkUp) -> dict[str, Any]:
    """Adopt what the broker has, end what it cannot have, and compare positions; then READY."""
    work.record(Kind.LINK, up=True, reason="", account=event.account, lockstep=event.lockstep)
    at_broker = frozenset(event.order_refs)
    for order in work.all_live_orders():
        if order.ref in at_broker:
            if order.status is not OrderStatus.WORKING and order.ended is None:
                work.put_order(replace(order, status=OrderStatus.WORKING))
        elif order.ended is None:
            _not_found(work, order.ref)
    _orphans(work, at_broker)
    _compare_positions(work, event)
    for name in work.bots:
        wake(work, name, 0.0)
    work.next_order_id = max(work.next_order_id, event.next_order_id)
    return {
        "is_linked": True,
        "is_ready": True,
        "account": event.account,
        "client_id": event.client_id,
        "lockstep": event.lockstep,
        "holdings": dict(event.positions),
        "streamed": (),
        "watch_at": None,
    }


def _not_found(work: Work, ref: str) -> None:
    """An order that the broker does not list: its final report may have been missed while we were away."""
    order = work.orders[ref]
    if order.status is OrderStatus.PREPARED:
        ended = OrderStatus.CANCELLED
    elif order.filled >= order.quantity:
        ended = OrderStatus.FILLED
    elif order.perm_id:
        ended = OrderStatus.CANCELLED
    else:
        ended = OrderStatus.ABANDONED
    text = f"{ref} is not at the broker any more: {ended.value}"
    work.alarm(order.bot, text, order.position)
    order = work.put_order(replace(order, status=ended, ended=ended, message=text))
    order_ended(work, order)


def _orphans(work: Work, at_broker: frozenset[str]) -> None:
    """Orders that carry our prefix and that no record knows are shown, never touched."""
    ours = f"{PREFIX}{work.program.install}:"
    for ref in sorted(at_broker):
        if ref.startswith(ours) and ref not in work.orders:
            work.record(Kind.ALARM, text=f"orphan order {ref} works at the broker and is in no record of this store")


def _compare_positions(work: Work, event: LinkUp) -> None:
    ours: dict[Contract, Decimal] = {}
    for position in work.positions.values():
        for leg in position.legs:
            if leg.held:
                ours[leg.option] = ours.get(leg.option, ZERO) + leg.signed_held
    theirs: dict[Contract, Decimal] = {
        contract: quantity for contract, quantity in event.positions if isinstance(contract, Option)
    }
    for contract, quantity in ours.items():
        held = theirs.get(contract, ZERO)
        if held != quantity:
            text = f"our books hold {quantity} {contract}, the account holds {held}"
            work.record(Kind.ALARM, text=text)
