"""Faults of an order on its way to the broker: lost, rejected, or changed."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from twsim.exchange.exchange import SimExchange
from twsim.faults.kinds import NEVER_ENDS
from twsim.faults.plan import CancelEvent, Fault, Key, OrderEvent
from twsim.faults.reports import Later
from twsim.gateway.parse import JOIN, LEG_FIELDS
from twsim.seams import Exchange, OrderChanged, OrderError, OrderView, Report, Status, Ticket, second_id

FIRST_REFUSED_PERM_ID = 500_000_000
PACING = 100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"


class IntakeFaults:
    """Faults of new orders. `fired` gets each fault that does something."""

    def __init__(self, exchange: Exchange, fired: Callable[[Fault], None]) -> None:
        self._exchange = exchange
        self._fired = fired
        self._swallowed: set[Key] = set()
        self._refused: set[Key] = set()

    def is_swallowed(self, key: Key) -> bool:
        """Say whether an order silently never reached the broker."""
        return key in self._swallowed

    def is_refused(self, key: Key) -> bool:
        """Say whether a fault refused an order, so that its id is used up."""
        return key in self._refused

    def forget(self, orders: set[Key]) -> None:
        """Let ids mean other orders from now on."""
        self._swallowed -= orders
        self._refused -= orders

    def swallow(self, fault: Fault, event: OrderEvent) -> list[Report]:
        """Lose an order silently."""
        self._swallowed.add(event.key)
        return []

    def pace(self, fault: Fault, event: OrderEvent) -> list[Report]:
        """Lose an order, and say that there were too many messages."""
        self._swallowed.add(event.key)
        return [OrderError(event.key[0], -1, *PACING)]

    def reject(self, fault: Fault, event: OrderEvent) -> list[Report]:
        """Refuse an order, with the status that the fault says."""
        key, ticket = event.key, event.ticket
        self._refused.add(key)
        refused = OrderError(*key, fault.whole("code"), fault.text("text"))
        if (status := fault.text("status")) == "none":
            return [refused]
        view = OrderView(
            ticket=ticket,
            perm_id=FIRST_REFUSED_PERM_ID + len(self._refused),
            status=Status(status),
            filled=Decimal(0),
            remaining=ticket.quantity,
            average_price=0.0,
            last_price=0.0,
        )
        return [OrderChanged(view), refused]

    def preset(self, fault: Fault, event: OrderEvent) -> None:
        """Let the broker take an order as a preset of its window makes it."""
        self._take(fault, event, _as_preset(fault, event.ticket))

    def rewrite_legs(self, fault: Fault, event: OrderEvent) -> None:
        """Let the broker write the legs of a combo in another order."""
        self._take(fault, event, _rewritten(event.ticket))

    def _take(self, fault: Fault, event: OrderEvent, made: Ticket) -> None:
        if made != event.ticket:
            self._fired(fault)
            event.ticket = made

    def slip(self, fault: Fault, event: OrderEvent) -> None:
        """Let an order fill at a worse price."""
        assert isinstance(self._exchange, SimExchange)
        by = Decimal(str(fault.seconds("price_by")))
        self._exchange.hinder(*event.key, slip=by, met=partial(self._fired, fault))

    def fill_one_leg(self, fault: Fault, event: OrderEvent) -> None:
        """Let one leg of a combo fill alone."""
        assert isinstance(self._exchange, SimExchange)
        self._exchange.hinder(*event.key, lone_leg=fault.whole("leg"), met=partial(self._fired, fault))


def _as_preset(fault: Fault, ticket: Ticket) -> Ticket:
    """Return an order with another price (worse for us), one more of it, or the other time in force."""
    what = fault.text("what")
    if what == "quantity":
        return replace(ticket, quantity=ticket.quantity + 1)
    if what == "tif":
        return replace(ticket, tif="DAY" if ticket.tif == "GTC" else "GTC")
    if ticket.limit_price is None or ticket.order_type != "LMT":
        return ticket
    by = Decimal(str(fault.seconds("price_by"))) * (1 if ticket.action == "BUY" else -1)
    changed = ticket.limit_price + by
    return ticket if changed <= 0 and ticket.sec_type != "BAG" else replace(ticket, limit_price=changed)


def _rewritten(ticket: Ticket) -> Ticket:
    """Return a combo with its legs in another order: the broker accepts changes only in its own form."""
    kept = ticket.echo.get("Legs", "").split(JOIN)
    rows = [kept[at : at + LEG_FIELDS] for at in range(0, len(kept), LEG_FIELDS)]
    echo = {**ticket.echo, "Legs": JOIN.join(field for row in reversed(rows) for field in row)}
    return replace(ticket, legs=ticket.legs[::-1], echo=echo) if ticket.legs else ticket


# --- Faults of a change of an order

NOT_SAME = 105, "Order being modified does not match original order"


class ChangeFaults:
    """Faults of changes. fired: gets each fault that does something. hide: only lists then report an order."""

    def __init__(self, exchange: Exchange, fired: Callable[[Fault], None], hide: Callable[[Fault, Key], None]) -> None:
        self._exchange = exchange
        self._fired = fired
        self._hide = hide
        self._answered: dict[Key, Fault] = {}
        self._fixed: dict[Key, Fault] = {}
        self._doubled: dict[Key, Fault] = {}
        self._seconds: set[Key] = set()

    def answer(self, fault: Fault, event: OrderEvent) -> None:
        """Answer the next change of an order with a warning, if the fault is of changes."""
        if fault.text("of") == "change":
            self._answered[event.key] = fault

    def fix(self, fault: Fault, event: OrderEvent) -> None:
        """Refuse changes of a combo, if the fault says so."""
        if event.ticket.legs and fault.text("changes") == "refused":
            self._fixed[event.key] = fault

    def double(self, fault: Fault, event: OrderEvent) -> None:
        """Take the next change of an order as a second order."""
        self._doubled[event.key] = fault

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
        if fault.text("reported") == "listed":
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


# --- Faults of a cancel


class CancelFaults:
    """Keeps cancels from the broker. `send` delivers the answers of those that are only late.

    A fault does nothing to the cancel of an order that does not work: it returns None, else the client's messages.
    """

    def __init__(
        self,
        exchange: Exchange,
        later: Later,
        send: Callable[[list[Report]], None],
        fired: Callable[[Fault], None],
    ) -> None:
        self._exchange = exchange
        self._fired = fired
        self._later = later
        self._send = send
        self._pending: set[Key] = set()

    def swallow(self, fault: Fault, event: CancelEvent) -> list[Report] | None:
        """Lose a cancel silently."""
        return None if self._met(fault, event) is None else []

    def refuse(self, fault: Fault, event: CancelEvent) -> list[Report] | None:
        if (view := self._met(fault, event)) is None:
            return None
        words = f"OrderId {event.key[1]} that needs to be cancelled cannot be cancelled, state: {view.status.value}."
        return [OrderError(*event.key, fault.whole("code"), fault.text("text") or words)]

    def put_off(self, fault: Fault, event: CancelEvent) -> list[Report] | None:
        """Say that a cancel is pending; it reaches the broker some seconds later, or never."""
        if (view := self._met(fault, event)) is None:
            return None
        if event.key not in self._pending:
            self._pending.add(event.key)
            if (seconds := fault.seconds()) != NEVER_ENDS:
                self._later(seconds, partial(self._end, event.key))
        return [_pending(view)]

    def _met(self, fault: Fault, event: CancelEvent) -> OrderView | None:
        """Return the order that works, and note the fault."""
        if (view := self._working(event.key)) is not None:
            self._fired(fault)
        return view

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
