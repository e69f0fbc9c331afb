"""The broker's orders: one record each while it lives, and the ids that were ever used."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from rulebot.model.money import ZERO, TickRule
from twsim.exchange.combo import Leg
from twsim.seams import OrderView, Status, Ticket

Key = tuple[int, int]
FINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.INACTIVE})


@dataclass(slots=True, eq=False)
class WorkingOrder:
    """An order as the broker keeps it; `value` is the signed sum of price x quantity of its fills.

    taken: by how much the fills of its group have made it smaller.
    What goes wrong with it: `slip` is how much worse than it should it fills; of `lone_leg` (from 1) alone a combo
    trades, and then it ends. `met` is told when that happens.
    """

    ticket: Ticket
    perm_id: int
    legs: tuple[Leg, ...]
    ticks: TickRule
    since: datetime
    expires: datetime | None
    status: Status = Status.PRE_SUBMITTED
    transmitted: bool = True
    filled: Decimal = ZERO
    value: Decimal = ZERO
    last_price: Decimal = ZERO
    commission: Decimal | None = None
    broker_fee: Decimal = ZERO
    leg_values: dict[int, Decimal] = field(default_factory=dict)
    leg_filled: dict[int, Decimal] = field(default_factory=dict)
    tested_at: datetime | None = None
    live_since: datetime | None = None
    triggered: bool = False
    conditions_met: bool = False
    stop_hits: int = 0
    parent: "WorkingOrder | None" = None
    taken: Decimal = ZERO
    completed_at: datetime | None = None
    completed_status: str = ""
    slip: Decimal = ZERO
    lone_leg: int = 0
    met: Callable[[], None] | None = None

    @property
    def key(self) -> Key:
        """Client id and order id."""
        return self.ticket.client_id, self.ticket.order_id

    @property
    def side(self) -> int:
        """+1 to buy, -1 to sell."""
        return 1 if self.ticket.action == "BUY" else -1

    @property
    def is_combo(self) -> bool:
        """True for BAG orders."""
        return self.ticket.sec_type == "BAG"

    @property
    def legs_in(self) -> bool:
        """True for a combo whose legs may fill apart from each other."""
        return self.is_combo and self.ticket.non_guaranteed

    @property
    def is_stop(self) -> bool:
        """True for STP and STP LMT."""
        return self.ticket.order_type in ("STP", "STP LMT")

    def rests_at(self, at: datetime) -> bool:
        """True while its time has not come (good after)."""
        return self.ticket.good_after is not None and at < self.ticket.good_after

    @property
    def is_final(self) -> bool:
        """True when nothing can happen to it any more."""
        return self.status in FINAL

    @property
    def remaining(self) -> Decimal:
        """Quantity still to be filled."""
        return self.ticket.quantity - self.filled

    @property
    def workable(self) -> int:
        """Whole contracts that may fill now: a child no more than its parent's fills cover."""
        if self.parent is None:
            return int(self.remaining)
        return max(0, min(int(self.remaining), self.covered - int(self.filled)))

    @property
    def covered(self) -> int:
        """The quantity of a child that its parent's fills cover, without what others of its group have traded of it."""
        assert self.parent is not None
        whole = self.parent.ticket.quantity
        return int((self.ticket.quantity + self.taken) * self.parent.filled / whole - self.taken) if whole else 0

    @property
    def waits_for_parent(self) -> bool:
        """True for a child whose parent has no fill yet."""
        return self.parent is not None and not self.parent.filled

    @property
    def why_held(self) -> str:
        """What the order waits for: child, trigger, both or nothing."""
        if self.is_final:
            return ""
        reasons = ["child"] if self.waits_for_parent else []
        if self.is_stop and not self.triggered:
            reasons.append("trigger")
        return ",".join(reasons)

    def resize(self, quantity: Decimal) -> None:
        """Give the order another total quantity."""
        self.ticket = replace(self.ticket, quantity=quantity)

    def view(self) -> OrderView:
        """Return the order as the gateway sees it."""
        return OrderView(
            ticket=self.ticket,
            perm_id=self.perm_id,
            status=self.status,
            filled=self.filled,
            remaining=self.remaining,
            average_price=float(self.value / self.filled) if self.filled else 0.0,
            last_price=float(self.last_price),
            why_held=self.why_held,
            commission=self.commission,
            completed_at=self.completed_at,
            completed_status=self.completed_status,
        )


@dataclass(slots=True)
class OrderBook:
    """All orders by client and order id, those that live in order of perm id, and today's finished ones.

    highest: the last id of an order by client. asked: ids of questions of margin, which are used up; they are answered
    at once, while an order that was sent before them still waits for its turn.
    """

    first_perm: int
    orders: dict[Key, WorkingOrder] = field(default_factory=dict)
    live: dict[int, WorkingOrder] = field(default_factory=dict)
    finished: list[WorkingOrder] = field(default_factory=list)
    highest: dict[int, int] = field(default_factory=dict)
    asked: set[Key] = field(default_factory=set)
    issued: int = 0

    def next_perm(self) -> int:
        """Return a perm id never given before."""
        self.issued += 1
        return self.first_perm + self.issued

    def is_used(self, key: Key) -> bool:
        """Say whether an order id of a client can be that of no new order."""
        client_id, order_id = key
        return key in self.asked or order_id <= self.highest.get(client_id, 0)

    def use_id(self, key: Key) -> None:
        """Remember an order id of a client as used."""
        client_id, order_id = key
        self.highest[client_id] = max(order_id, self.highest.get(client_id, 0))

    def add(self, order: WorkingOrder) -> None:
        """Take in a new order."""
        self.orders[order.key] = order
        if not order.is_final:
            self.live[order.perm_id] = order
        else:
            self.finished.append(order)

    def finish(self, order: WorkingOrder, status: Status, text: str, at: datetime) -> None:
        """Move an order to its final status."""
        order.status, order.completed_at, order.completed_status = status, at, text
        if self.live.pop(order.perm_id, None) is not None:
            self.finished.append(order)

    def children(self, parent: WorkingOrder) -> list[WorkingOrder]:
        """Return the living children of an order, by perm id."""
        return [order for order in self.live.values() if order.parent is parent]

    def group(self, name: str) -> list[WorkingOrder]:
        """Return the living orders of an OCA group, by perm id."""
        return [order for order in self.live.values() if order.ticket.oca_group == name] if name else []
