"""Orders that were given up as they may be, and of which nobody could know that they would come to life."""

from datetime import datetime, timedelta

from rulebot.model.order import Order, OrderStatus

GRACE = timedelta(seconds=40)
"""How long an order of which nothing was heard counts as on its way."""


class AbandonedOrders:
    """Orders that were given up when the broker had been asked for them `GRACE` after they were sent, and had none.

    One that was given up earlier is not among them: it may have been on its way.
    """

    def __init__(self) -> None:
        self._asked: set[str] = set()
        self._refs: set[str] = set()

    def __contains__(self, ref: str) -> bool:
        return ref in self._refs

    def note(self, order: Order, at: datetime) -> None:
        """Take an order as it was recorded; each cancel of it is."""
        if order.status is OrderStatus.CANCELLING:
            if order.sent_at is not None and at - order.sent_at >= GRACE:
                self._asked.add(order.ref)
        elif order.status is OrderStatus.ABANDONED and order.ref in self._asked:
            self._refs.add(order.ref)
