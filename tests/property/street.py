"""A broker that answers as it likes, but is honest: it fills no more than was ordered and reports what happened.

What it has to say waits in `outbox` and can be delivered in any order, more than once, or be lost with the link (then
the lists of the next Connected say it).
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from hand_desk import Desk

from rulebot.adapters.ib.message_codes import broker_message
from rulebot.core.queries.orders import GRACE
from rulebot.model.contract import Contract
from rulebot.model.event import (
    BrokerStatus,
    Connected,
    Event,
    ExecutionReport,
    OrderMessage,
    OrderReport,
    OrdersListed,
)
from rulebot.model.order import Cancel, Order, Replace, RequestOpenOrders, Submit


@dataclass
class Known:
    """One order as the broker sees it: in transit, working, done, or lost before it arrived.

    asked: when the cancels left that are still to be answered on this connection. is_read: the gateway has it, so it
    counts its id; one that was lost with the connection it left on has never come there.
    """

    order: Order
    state: str = "transit"
    filled: int = 0
    final: BrokerStatus | None = None
    was_asked_to_cancel: bool = False
    asked: list[datetime] = field(default_factory=list)
    is_read: bool = False

    @property
    def is_to_be_answered(self) -> bool:
        """True when a cancel waits for an answer that can be given."""
        return self.was_asked_to_cancel if self.state == "working" else bool(self.asked)


@dataclass
class Street:
    desk: Desk
    orders: dict[str, Known] = field(default_factory=dict)
    outbox: list[Event | tuple[Event, ...]] = field(default_factory=list)
    delivered: list[Event] = field(default_factory=list)
    executions: list[ExecutionReport] = field(default_factory=list)
    positions: dict[Contract, int] = field(default_factory=dict)
    seen: int = 0

    # ------------------------------------------------------------ what the engine asks

    def listen(self) -> list[Order]:
        """Take the commands that came since last time; return the new orders."""
        new = []
        for command in self.desk.commands[self.seen :]:
            if isinstance(command, Submit):
                assert command.order.ref not in self.orders, "sent twice"
                assert self.desk.state.connection.is_linked, "sent while the link is down"
                self.orders[command.order.ref] = Known(command.order)
                new.append(command.order)
            elif isinstance(command, Replace) and (known := self.orders[command.order.ref]).state != "done":
                known.order = replace(command.order, quantity=max(command.order.quantity, known.filled))
            elif isinstance(command, Cancel):
                self.orders[command.order.ref].was_asked_to_cancel = True
                self.orders[command.order.ref].asked.append(self.desk.now)
            elif isinstance(command, RequestOpenOrders):
                self.outbox.append(self._lists())
        self.seen = len(self.desk.commands)
        return new

    def _lists(self) -> tuple[Event, ...]:
        """Return the answer to an inquiry as things are now: it is told in one piece."""
        working = self.in_state("working")
        refs = frozenset(known.order.ref for known in working)
        return (*self.executions, *map(self._status, working), OrdersListed(self.desk.now, refs))

    def in_state(self, *states: str) -> list[Known]:
        return [known for known in self.orders.values() if known.state in states]

    # ------------------------------------------------------------ what it does

    def arrive(self, known: Known) -> None:
        known.state, known.is_read = "working", True
        self.outbox.append(self._status(known))

    def refuse(self, known: Known) -> None:
        known.state, known.is_read = "lost", True
        self.outbox.append(
            OrderMessage(self.desk.now, known.order.order_id, broker_message(201, "Order rejected - reason: margin"))
        )

    def lose(self, known: Known) -> None:
        known.state, known.is_read = "lost", True

    def break_over(self, fate: str) -> None:
        """Say what becomes of orders in transit when the connection ends: "unread" ones never came to the gateway.

        It reads what comes in the order in which it was sent.
        """
        self._count()
        for known in self.in_state("transit"):
            known.state = fate if fate != "unread" else "transit" if known.is_read else "lost"
            known.is_read = known.is_read or fate != "unread"

    def _count(self) -> int:
        """Return the next order id by the gateway's count; what was sent before something that it has, it has too."""
        there = [known for known in self.orders.values() if known.is_read or known.state in ("working", "done")]
        last = max((known.order.order_id for known in there), default=0)
        for known in self.orders.values():
            known.is_read = known.is_read or known.order.order_id <= last
        return last + 1

    def fill(self, known: Known, count: int) -> None:
        """Fill so many structures of a working order, never more than are left."""
        count = min(count, known.order.quantity - known.filled)
        if count <= 0:
            return
        for leg in known.order.legs:
            report = self.desk.execution(known.order, leg, count * leg.ratio, self.desk.mid(leg.option))
            side = known.order.side if len(known.order.legs) == 1 else leg.side
            self.positions[leg.option] = self.positions.get(leg.option, 0) + side.sign * count * leg.ratio
            self.executions.append(report)
            self.outbox.append(report)
        known.filled += count
        if known.filled == known.order.quantity:
            self._finish(known, BrokerStatus.FILLED)
        else:
            self.outbox.append(self._status(known))
        if known.order.oca_group:
            for other in self.in_state("working", "transit"):
                if other is not known and other.order.oca_group == known.order.oca_group:
                    self._finish(other, BrokerStatus.CANCELLED)

    def cancel(self, known: Known) -> None:
        """End a working order; one that has not arrived is not known. It does so within its grace, or never."""
        if known.state == "working":
            self._finish(known, BrokerStatus.CANCELLED)
        elif known.state in ("lost", "transit") and known.asked:
            assert known.order.sent_at is not None
            if known.asked.pop(0) - known.order.sent_at >= GRACE:
                known.state = "lost"
            self.outbox.append(OrderMessage(self.desk.now, known.order.order_id, broker_message(10147, "not found")))

    def _finish(self, known: Known, status: BrokerStatus) -> None:
        known.state, known.final = "done", status
        self.outbox.append(self._status(known))

    def _status(self, known: Known) -> OrderReport:
        order = known.order
        return OrderReport(
            at=self.desk.now,
            ref=order.ref,
            order_id=order.order_id,
            perm_id=5000 + order.number,
            client_id=7,
            status=known.final or BrokerStatus.WORKING,
            filled=Decimal(known.filled),
        )

    # ------------------------------------------------------------ what it says

    def deliver(self, index: int = 0) -> None:
        """Say one thing, in any order but one: nothing overtakes the answer to an inquiry that was there before it.

        That is a picture of the orders as they were; behind what happened since it would tell that one lives again.
        """
        answers = (at for at, reported in enumerate(self.outbox) if isinstance(reported, tuple))
        reported = self.outbox.pop(min(index, next(answers, index)))
        for found in reported if isinstance(reported, tuple) else (reported,):
            event = replace(found, at=self.desk.now)
            self.delivered.append(event)
            self.desk.send(event)

    def repeat(self, index: int) -> None:
        self.desk.send(replace(self.delivered[index], at=self.desk.now))

    def deliver_all(self) -> None:
        self.listen()
        while self.outbox:
            self.deliver()
            self.listen()

    def drop(self) -> None:
        """The link goes down; what was not said is not said any more."""
        self.outbox.clear()
        self.desk.unlink()

    def connect(self) -> None:
        """Say everything that is so, then Connected. What the connection before was asked is not answered any more."""
        self.outbox.clear()
        for known in self.orders.values():
            known.asked.clear()
        for known in self.in_state("working", "done"):
            self.desk.send(self._status(known))
        for report in self.executions:
            self.desk.send(replace(report, at=self.desk.now))
        self.desk.send(
            Connected(
                at=self.desk.now,
                account="DU1",
                client_id=7,
                next_order_id=1,
                order_refs=tuple(known.order.ref for known in self.in_state("working")),
                positions=tuple((option, Decimal(count)) for option, count in self.positions.items() if count),
                next_valid_id=self._count(),
            )
        )
