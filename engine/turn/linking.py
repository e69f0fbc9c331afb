"""The connection comes and goes: start-up and reconnect are one path, which compares our books with the broker's.

What the broker still has is adopted by its ref; what filled on an earlier day is taken up from the account; what the
broker does not have and never confirmed is UNKNOWN until its grace is over, then it is taken back and, when the broker
has none, ABANDONED. Nothing is ever traded to make books agree: what the account does not hold is put on hold.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.model.command import Cancel
from engine.model.contract import Option
from engine.model.event import LinkDown, LinkUp
from engine.model.money import ZERO
from engine.model.order import Order, OrderStatus, Purpose
from engine.record.record import Kind
from engine.turn.doubting import doubted, hold
from engine.turn.ended import order_ended, stop_for_today
from engine.turn.judging import wake
from engine.turn.reports import revive
from engine.turn.resting import cancel_entries, option_has_expired
from engine.turn.state import Trading
from engine.turn.unseen import book_unseen
from engine.turn.work import Work

PREFIX = "rb:"


def link_down(work: Work, event: LinkDown) -> dict[str, Any]:
    """Nothing is known of live orders until the next LinkUp; quotes are forgotten."""
    work.record(Kind.LINK, up=False, reason=event.reason)
    for order in work.all_live_orders():
        if order.status is OrderStatus.SENDING:
            work.put_order(replace(order, status=OrderStatus.UNKNOWN, message="the link went down"))
    return {"is_linked": False, "is_ready": False}


def link_up(work: Work, event: LinkUp) -> dict[str, Any]:
    """Adopt what the broker has, end what it cannot have, and compare positions; then READY."""
    work.record(Kind.LINK, up=True, reason="", account=event.account, lockstep=event.lockstep)
    work.state = work.state._replace(holdings=dict(event.positions))
    at_broker = frozenset(event.order_refs)
    book_unseen(work, at_broker, {held: cost for held, cost in event.costs if isinstance(held, Option)})
    doubts = _compare_positions(work, event)
    for order in list(work.orders.values()):
        if order.ref in at_broker:
            _found(work, order)
        elif order.status.is_live:
            _not_found(work, order)
    _orphans(work, at_broker)
    if work.state.trading is not Trading.ACTIVE:
        cancel_entries(work, "", "only what reduces may work")
    for name in work.bots:
        wake(work, name, 0.0)
    work.next_order_id = max(work.next_order_id, event.next_order_id)
    return {
        "is_linked": True,
        "is_ready": True,
        "account": event.account,
        "client_id": event.client_id,
        "lockstep": event.lockstep,
        "holdings": work.state.holdings,
        "doubts": doubts,
        "streamed": (),
        "aims": None,
        "watch_at": None,
    }


def _found(work: Work, order: Order) -> None:
    """An order that works at the broker: adopted; what was to be cancelled is asked for again."""
    if order.status is OrderStatus.ABANDONED:
        revive(work, order)
    elif order.status is OrderStatus.CANCELLING:
        work.commands.append(Cancel(order))
    elif order.status.is_live and order.status is not OrderStatus.WORKING and order.ended is None:
        work.put_order(replace(order, status=OrderStatus.WORKING))


def _not_found(work: Work, order: Order) -> None:
    """An order that the broker does not list: its final report may have been missed while we were away.

    One that was never acknowledged may still be on its way: it stays UNKNOWN for its grace, then the broker is asked.
    """
    asked = order.status is OrderStatus.CANCELLING
    if order.ended is not None:
        ended = order.ended
    elif order.status is OrderStatus.PREPARED:
        ended = OrderStatus.CANCELLED
    elif order.filled >= order.quantity:
        ended = OrderStatus.FILLED
    elif order.perm_id:
        ended = OrderStatus.CANCELLED
    else:
        if order.status is OrderStatus.SENDING:
            work.put_order(replace(order, status=OrderStatus.UNKNOWN, message="not at the broker"))
        return
    text = f"{order.ref} is not at the broker any more: {ended.value}"
    if ended is not OrderStatus.FILLED:
        work.alarm(order.bot, text, order.position)
    message = order.message if asked else text
    order = work.put_order(replace(order, status=ended, ended=ended, message=message, attempt_until=None))
    order_ended(work, order, asked=asked)
    if order.purpose is Purpose.ENTRY and ended is OrderStatus.CANCELLED:
        _doubt_the_end(work, order)


def _doubt_the_end(work: Work, order: Order) -> None:
    """The broker tells the executions of one day: what filled on an earlier one shows in the account alone."""
    ours = _our_books(work)
    for leg in order.legs:
        sign = leg.side.sign if order.is_combo else order.side.sign
        held, known = work.state.holdings.get(leg.option, ZERO), ours.get(leg.option, ZERO)
        if (held - known) * sign > 0:
            text = f"{order.ref} may have filled unseen: the account holds {held} {leg.option}, our books {known}"
            work.alarm(order.bot, f"{text}. Nobody watches it: a person must look", order.position)
            stop_for_today(work, work.positions[order.position], text)
            return


def _orphans(work: Work, at_broker: frozenset[str]) -> None:
    """Orders that carry our prefix and that no record knows are shown, never touched."""
    ours = f"{PREFIX}{work.program.install}:"
    for ref in sorted(at_broker):
        if ref.startswith(ours) and ref not in work.orders:
            work.record(Kind.ALARM, text=f"orphan order {ref} works at the broker and is in no record of this store")


def _compare_positions(work: Work, event: LinkUp) -> dict[Option, datetime]:
    """Say where the account differs from our books; what it does not have is put on hold."""
    for option, quantity in _our_books(work).items():
        held = work.state.holdings.get(option, ZERO)
        if held != quantity:
            work.record(Kind.ALARM, text=f"our books hold {quantity} {option}, the account holds {held}")
    doubts = doubted(work, {})
    hold(work, set(doubts), set(doubts))
    return doubts


def _our_books(work: Work) -> dict[Option, Decimal]:
    """Return what our positions hold of each option that has not expired, negative when short."""
    ours: dict[Option, Decimal] = {}
    for position in work.positions.values():
        for leg in position.legs:
            if leg.held and not option_has_expired(work, leg.option):
                ours[leg.option] = ours.get(leg.option, ZERO) + leg.signed_held
    return ours
