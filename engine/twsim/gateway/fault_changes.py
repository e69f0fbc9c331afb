"""Faults of a change of an order: refused, answered by other words, or taken as a second order under the same id."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from twsim.exchange.exchange import SimExchange
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_reports import Key
from twsim.seams import Exchange, OrderError, Report, Ticket, second_id

NOT_SAME = 105, "Order being modified does not match original order"


class ChangeFaults:
    """What becomes of changes. fired: hears of each fault that does something. hide: lets lists alone tell an order."""

    def __init__(self, exchange: Exchange, fired: Callable[[Fault], None], hide: Callable[[Fault, Key], None]) -> None:
        self._exchange = exchange
        self._fired = fired
        self._hide = hide
        self._answered: dict[Key, Fault] = {}
        self._fixed: dict[Key, Fault] = {}
        self._doubled: dict[Key, Fault] = {}
        self._seconds: set[Key] = set()

    def mark(self, faults: Iterable[Fault], ticket: Ticket) -> None:
        """Let the faults of a new order that are of its changes act on them."""
        key = ticket.client_id, ticket.order_id
        for fault in faults:
            if fault.kind == "warning" and fault.text("of") == "change":
                self._answered[key] = fault
            elif fault.kind == "legs_rewritten" and ticket.legs and fault.text("changes") == "refused":
                self._fixed[key] = fault
            elif fault.kind == "change_doubled":
                self._doubled[key] = fault

    def forget(self, orders: set[Key]) -> None:
        """Let ids mean other orders from now on."""
        for key in orders:
            self._answered.pop(key, None)
            self._fixed.pop(key, None)
            self._doubled.pop(key, None)
            self._seconds.discard(_second_of(key))

    def takes(self, ticket: Ticket) -> list[Report]:
        """Give a change to the broker, unless a fault answers it otherwise."""
        key = ticket.client_id, ticket.order_id
        if (refuses := self._fixed.get(key)) is not None:
            self._fired(refuses)
            return [OrderError(*key, *NOT_SAME)]
        if (fault := self._answered.pop(key, None)) is None:
            return self._double(key, ticket) if key in self._doubled else self._exchange.place(ticket)
        made = self._exchange.place(ticket) if fault.flag("made") else []
        self._fired(fault)
        return [*made, OrderError(*key, fault.whole("code"), fault.text("text"))]

    def cancelled_by(self, key: Key) -> Key:
        """Return which order a cancel of an id ends: of two that work under it the one that its fault says."""
        second = _second_of(key)
        if second not in self._seconds or not self._works(second):
            return key
        is_first = self._doubled[key].text("cancels") == "first" and self._works(key)
        return key if is_first else second

    def _double(self, key: Key, ticket: Ticket) -> list[Report]:
        """Take the first change of an order as a second order under its id, and later ones as changes of that one."""
        second, fault = _second_of(key), self._doubled[key]
        changed = replace(ticket, order_id=second[1])
        if second in self._seconds:
            return self._exchange.place(changed if self._works(second) else ticket)
        self._fired(fault)
        self._seconds.add(second)
        if fault.text("told") == "listed":
            self._hide(fault, second)
        assert isinstance(self._exchange, SimExchange)
        return self._exchange.arrive(changed)

    def _works(self, key: Key) -> bool:
        views = self._exchange.open_orders()
        return any((each.ticket.client_id, each.ticket.order_id) == key for each in views)


def _second_of(key: Key) -> Key:
    """Return the name of a second order under the id of one."""
    client_id, order_id = key
    return client_id, second_id(order_id)
