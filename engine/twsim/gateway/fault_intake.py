"""Faults of an order on its way to the broker: lost, refused, or taken as something else than was asked."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import partial

from twsim.exchange.exchange import SimExchange
from twsim.gateway.fault_plan import Fault
from twsim.gateway.fault_reports import Key
from twsim.gateway.parse_orders import JOIN, LEG_FIELDS
from twsim.seams import OrderChanged, OrderError, OrderView, Report, Status, Ticket

FIRST_REFUSED_PERM_ID = 500_000_000
PACING = 100, "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"


class IntakeFaults:
    """What becomes of new orders. `fired` hears of each fault that does something."""

    def __init__(self, fired: Callable[[Fault], None]) -> None:
        self._fired = fired
        self._swallowed: set[Key] = set()
        self._refused: set[Key] = set()

    def is_swallowed(self, key: Key) -> bool:
        """Say whether an order never reached the broker, and nobody was told."""
        return key in self._swallowed

    def is_refused(self, key: Key) -> bool:
        """Say whether a fault refused an order, so that its id is used up."""
        return key in self._refused

    def forget(self, orders: set[Key]) -> None:
        """Let ids mean other orders from now on."""
        self._swallowed -= orders
        self._refused -= orders

    def keeps(self, fault: Fault, ticket: Ticket) -> list[Report] | None:
        """Return what the client hears of an order that the broker never sees; None when it goes on."""
        key = ticket.client_id, ticket.order_id
        if fault.kind == "swallow_order":
            self._fired(fault)
            self._swallowed.add(key)
            return []
        if fault.kind == "pacing":
            self._fired(fault)
            self._swallowed.add(key)
            return [OrderError(key[0], -1, *PACING)]
        if fault.kind == "reject":
            self._fired(fault)
            return self._refusal(fault, ticket)
        return None

    def _refusal(self, fault: Fault, ticket: Ticket) -> list[Report]:
        key = ticket.client_id, ticket.order_id
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

    def taken_as(self, faults: list[Fault], ticket: Ticket) -> Ticket:
        """Return the order as presets of the broker's window make it, and as the broker writes it."""
        for fault in faults:
            if (make := _MADE_BY.get(fault.kind)) is not None and (made := make(fault, ticket)) != ticket:
                self._fired(fault)
                ticket = made
        return ticket

    def hinder(self, faults: list[Fault], ticket: Ticket, exchange: SimExchange) -> None:
        """Let an order that is with the broker fill otherwise than it should."""
        for fault in faults:
            if fault.kind == "worse_fill":
                slip = Decimal(str(fault.seconds("price_by")))
                exchange.hinder(ticket.client_id, ticket.order_id, slip=slip, met=partial(self._fired, fault))
            elif fault.kind == "one_leg":
                leg = fault.whole("leg")
                exchange.hinder(ticket.client_id, ticket.order_id, lone_leg=leg, met=partial(self._fired, fault))


def as_preset(fault: Fault, ticket: Ticket) -> Ticket:
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


def _rewritten(_: Fault, ticket: Ticket) -> Ticket:
    """Return a combo with its legs in another order: the broker takes a change only under those words of its own."""
    kept = ticket.echo.get("Legs", "").split(JOIN)
    rows = [kept[at : at + LEG_FIELDS] for at in range(0, len(kept), LEG_FIELDS)]
    echo = {**ticket.echo, "Legs": JOIN.join(field for row in reversed(rows) for field in row)}
    return replace(ticket, legs=ticket.legs[::-1], echo=echo) if ticket.legs else ticket


_MADE_BY: Mapping[str, Callable[[Fault, Ticket], Ticket]] = {"preset": as_preset, "legs_rewritten": _rewritten}
