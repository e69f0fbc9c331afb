"""Protection: whether short legs have a protective order, and which."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from math import nan

from rulebot.compile.plan import ProtectPlan
from rulebot.core.queries.lost_cover import LIQUIDATION, LOST_COVER
from rulebot.core.queries.orders import option_has_expired
from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import live_orders_of
from rulebot.evaluate.strikes import StructureSelection
from rulebot.model.contract import Option
from rulebot.model.facts import Grids
from rulebot.model.money import Rounding
from rulebot.model.order import Order, Purpose
from rulebot.model.position import Position, PositionLeg
from rulebot.order.price import option_ticks

PROTECT = "protect"
UNPROTECTED = "unprotected"
WATCHED_STOP = "watched_stop"
"""Reasons of an exit:

a protective stop filled; a short leg was without protection too long; the price of a cancelled stop was reached.
"""
AT_MARKET = (UNPROTECTED, WATCHED_STOP, LOST_COVER, LIQUIDATION)
"""Those that close at market, and that nothing takes over."""
GUARDING = (Purpose.EXIT, Purpose.UNWIND, Purpose.ROLL, Purpose.STOP, Purpose.PROTECT)
"""Orders that take a short leg's risk away while they work."""
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (0, 1, 2, 5, 15, 60, 300))
"""How long after a loss the order is sent again: after the first, the second and further losses."""
NEVER_AGAIN = 1000
"""After this many losses the broker evidently changes the order, so the engine watches its price instead."""


def _is_at_risk(work: StateBuilder, leg: PositionLeg) -> bool:
    """Say whether a leg is short in what trades: in what has expired the broker has no order, and takes none."""
    return leg.sign < 0 and leg.held > 0 and not option_has_expired(work, leg.option)


def _rests_at(option: Option, brought: Decimal, plan: ProtectPlan, reported: Grids) -> Decimal:
    return option_ticks(option, reported).round(brought * plan.times, Rounding.UP)


def hit_at_once(
    work: StateBuilder, plan: ProtectPlan | None, selection: StructureSelection, net: Decimal | None
) -> str:
    """Return which stop would be hit as soon as it rests, entered at this price (+ received), "" when none would.

    Only those that count by the credit of the structure may be.
    """
    if plan is None or not plan.of_whole or net is None or net <= 0:
        return ""
    board, reported = work.market.board, work.market.facts.ticks
    for leg in selection.legs:
        if leg.sign > 0 or leg.option.is_share:
            continue
        price, bid = _rests_at(leg.option, net / leg.ratio, plan, reported), board.bid[leg.row] if leg.row >= 0 else nan
        if bid >= float(price):
            return f"{bid:.2f} is bid for {leg.option}, whose protective stop would rest at {price:.2f} and act at once"
    return ""


def is_protected(work: StateBuilder, position: Position) -> bool:
    """Say whether each short leg has a stop that rests at the broker, or a closing order that works."""
    orders = live_orders_of(work, position.id)
    return all(guarded(orders, position, leg) >= leg.held for leg in position.common.legs if _is_at_risk(work, leg))


def guarded(orders: Iterable[Order], position: Position, leg: PositionLeg) -> int:
    """Return how many contracts of a position's leg those of these orders that work at the broker would close."""
    closing = (
        order.remaining * found.ratio
        for order in orders
        if order.purpose in GUARDING and order.is_working
        for found in order.legs_of(position.id)
        if found.name == leg.name and not found.opens
    )
    return sum(closing)


def pause(position: Position) -> timedelta:
    """Return how long after its last loss the resting orders of a position are sent again."""
    return PAUSES[min(max(position.resting_orders_replaced, 1), len(PAUSES)) - 1]


def is_paused(position: Position, at: datetime) -> bool:
    """Say whether nothing is put to rest for a position yet, since it lost resting orders."""
    if position.resting_orders_replaced >= NEVER_AGAIN:
        return True
    return position.is_lost and position.lost_at is not None and at < position.lost_at + pause(position)


def sent_again_text(position: Position) -> str:
    """Return in words when rulebot sends again what was lost."""
    seconds = pause(position).total_seconds()
    return "rulebot sends it again" if seconds <= 1 else f"rulebot sends it again in {seconds:.0f} s"
