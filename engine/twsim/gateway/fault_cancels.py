"""Faults of a cancel: nobody hears it, it is refused although the order works, or it stays pending."""

from collections.abc import Callable
from dataclasses import replace

from twsim.gateway.fault_kinds import NEVER_ENDS
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_reports import Key, Later
from twsim.seams import Exchange, OrderChanged, OrderError, OrderView, Report, Status

OF_CANCELS = frozenset({"swallow_cancel", "refuse_cancel", "pending_cancel"})


class CancelFaults:
    """Keeps cancels from the broker. `send` delivers what comes of those that are only late."""

    def __init__(self, exchange: Exchange, later: Later, send: Callable[[list[Report]], None]) -> None:
        self._exchange = exchange
        self._later = later
        self._send = send
        self._pending: set[Key] = set()

    def takes(self, fault: Fault, key: Key) -> list[Report] | None:
        """Return what the client hears instead of the broker's answer; None for an order that does not work."""
        view = self._working(key)
        if view is None:
            return None
        if fault.kind == "swallow_cancel":
            return []
        if fault.kind == "refuse_cancel":
            words = f"OrderId {key[1]} that needs to be cancelled cannot be cancelled, state: {view.status.value}."
            return [OrderError(*key, fault.whole("code"), fault.text("text") or words)]
        if key not in self._pending:
            self._pending.add(key)
            if (seconds := fault.seconds()) != NEVER_ENDS:
                self._later(seconds, lambda: self._end(key))
        return [_pending(view)]

    def waits(self, key: Key) -> list[Report] | None:
        """Return the answer to a further cancel of an order whose cancel is pending, None when it is not."""
        view = self._working(key) if key in self._pending else None
        return None if view is None else [_pending(view)]

    def calm(self) -> None:
        """Let every cancel that is pending go through."""
        for key in sorted(self._pending):
            self._end(key)

    def _end(self, key: Key) -> None:
        if key in self._pending:
            self._pending.discard(key)
            if self._working(key) is not None:
                self._send(self._exchange.cancel(*key))

    def _working(self, key: Key) -> OrderView | None:
        views = self._exchange.open_orders()
        return next((view for view in views if (view.ticket.client_id, view.ticket.order_id) == key), None)


def _pending(view: OrderView) -> Report:
    return OrderChanged(replace(view, status=Status.PENDING_CANCEL), echo_open=False)
