"""How an order ends: cancelled, expired or refused, and what that does to its children."""

from decimal import Decimal

from twsim.exchange.book import WorkingOrder
from twsim.exchange.desk import BrokerState
from twsim.seams import Report, Status

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
