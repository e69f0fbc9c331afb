"""One-cancels-all groups.

Source: TWS API "One-Cancels-All" (ocaType 1 cancel all remaining orders with block, 2 reduce remaining orders
with block, 3 reduce without block). Orders are matched one after another and the group is brought up to date
between them, so no type can overfill here.
"""

from decimal import Decimal

from engine.sim.exchange.book import WorkingOrder
from engine.sim.exchange.desk import Desk
from engine.sim.exchange.lifecycle import end_cancelled
from engine.sim.seams import Report

CANCEL_WITH_BLOCK, REDUCE_WITH_BLOCK, REDUCE = 1, 2, 3
OCA_REASON = "OCA group member was filled"


def after_fill(desk: Desk, order: WorkingOrder, quantity: int) -> list[Report]:
    """Cancel or shrink the rest of the group of an order that has just filled `quantity`."""
    group = order.ticket.oca_group
    if not group:
        return []
    cancels = order.ticket.oca_type == CANCEL_WITH_BLOCK
    if cancels or not order.remaining:
        desk.filled_groups.add(group)
    left = order.remaining / (order.remaining + quantity)
    reports: list[Report] = []
    for other in desk.book.group(group):
        if other is not order and not other.is_final:
            reports += end_cancelled(desk, other, OCA_REASON) if cancels else _shrink(desk, other, left)
    return reports


def _shrink(desk: Desk, order: WorkingOrder, left: Decimal) -> list[Report]:
    """Keep the fraction `left` of what remains, in whole contracts rounded down; cancel at nothing."""
    kept = Decimal(int(order.remaining * left))
    if kept <= 0:
        return end_cancelled(desk, order, OCA_REASON)
    order.taken += order.remaining - kept
    order.resize(order.filled + kept)
    return desk.status(order)
