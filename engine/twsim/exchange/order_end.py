"""One-cancels-all groups.

Source: TWS API, "One Cancels All" and `Order.ocaType`: 1 cancels all remaining orders with block, 2 reduces them in
proportion with block, 3 reduces them without block. "Block" is overfill protection: only one order of the group is
routed to an exchange at a time. So with block one order of a group trades at an instant, and the others meet the next
one. Without block all of them are at an exchange: what fills at one instant is told to the others after it, and both
may fill whole.
"""

from decimal import Decimal

from twsim.exchange.broker_state import BrokerState, WorkingOrder
from twsim.seams import Report, Status

# --- How an order ends

REJECTED = 201
CANCEL_TEXT = "Order Canceled - reason:"


def end_cancelled(desk: BrokerState, order: WorkingOrder, reason: str = "") -> list[Report]:
    """Cancel a living order: status, 202, then its children."""
    desk.book.finish(order, Status.CANCELLED, reason or "Cancelled by Trader", desk.now)
    reports = desk.status(order, echo=False) if order.transmitted else []
    reports.append(desk.error(order.key, 202, f"{CANCEL_TEXT}{reason}"))
    for child in desk.book.children(order):
        reports += _without_parent(desk, child)
    return reports


def _without_parent(desk: BrokerState, child: WorkingOrder) -> list[Report]:
    """Cancel the child of a parent that will not fill any more, or cut it to what did fill."""
    covered = Decimal(child.covered)
    if covered <= child.filled:
        return end_cancelled(desk, child, "parent order was cancelled")
    child.parent = None
    child.resize(covered)
    return desk.status(child)


def end_refused(desk: BrokerState, order: WorkingOrder, code: int, text: str) -> list[Report]:
    """Refuse an order that has a perm id: with a 201 its status goes to Inactive first; then its children end."""
    desk.book.finish(order, Status.INACTIVE, text, desk.now)
    reports = desk.status(order) if code == REJECTED else []
    reports.append(desk.error(order.key, code, text))
    for child in desk.book.children(order):
        reports += end_cancelled(desk, child, "parent order was rejected")
    return reports


# --- One-cancels-all groups

CANCEL_WITH_BLOCK, REDUCE_WITH_BLOCK, REDUCE = 1, 2, 3
WITH_BLOCK = frozenset((CANCEL_WITH_BLOCK, REDUCE_WITH_BLOCK))
OCA_REASON = "OCA group member was filled"


class OcaRound:
    """What the orders of groups may do at one instant of the market."""

    def __init__(self, desk: BrokerState) -> None:
        self._desk = desk
        self._routed: set[str] = set()
        self._told_later: list[tuple[WorkingOrder, int]] = []

    def holds(self, order: WorkingOrder) -> bool:
        """Say whether another order of a group with block has traded at this instant."""
        return order.ticket.oca_type in WITH_BLOCK and order.ticket.oca_group in self._routed

    def filled(self, order: WorkingOrder, quantity: int) -> list[Report]:
        """Take a fill: with block the group hears of it at once, without block at the end of the instant."""
        if order.ticket.oca_type in WITH_BLOCK:
            self._routed |= {order.ticket.oca_group} - {""}
            return on_oca_fill(self._desk, order, quantity)
        self._told_later.append((order, quantity))
        return []

    def end(self) -> list[Report]:
        """Reduce the groups without block."""
        told, self._told_later = self._told_later, []
        return [report for order, quantity in told for report in on_oca_fill(self._desk, order, quantity)]


def on_oca_fill(desk: BrokerState, order: WorkingOrder, quantity: int) -> list[Report]:
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


def _shrink(desk: BrokerState, order: WorkingOrder, left: Decimal) -> list[Report]:
    """Keep the fraction `left` of what remains, in whole contracts rounded down; cancel at nothing."""
    kept = Decimal(int(order.remaining * left))
    if kept <= 0:
        return end_cancelled(desk, order, OCA_REASON)
    order.taken += order.remaining - kept
    order.resize(order.filled + kept)
    return desk.status(order)
