"""The broker's orders: one record each while it lives, and the ids that were ever used."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal

from twsim.exchange.ledger import Ledger
from twsim.exchange.nbbo import Leg, Nbbo, nbbo_of, seeded_fraction
from twsim.nouns import ZERO, Instrument, TickRule, dataclass
from twsim.seams import Commissioned, Execution, Market, OrderChanged, OrderError, OrderView, Report, Status, Ticket
from twsim.sessions import exchange_date

Key = tuple[int, int]
FINAL = frozenset({Status.FILLED, Status.CANCELLED, Status.INACTIVE})


@mutable_dataclass(slots=True, eq=False)
class WorkingOrder:
    """An order as the broker keeps it; `value` is the signed sum of price x quantity of its fills.

    taken: reduction by fills of its OCA group. Faults: `slip` is how much worse than due it fills; of a combo only
    `lone_leg` (from 1) trades, then the order ends. `met` is called when that happens.
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


@mutable_dataclass(slots=True)
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


# --- Cash and positions of the one account, in exact dollars

_GRAIN = Decimal("0.0001")


@mutable_dataclass(slots=True)
class Holding:
    """One net position: `cost` is dollars paid (negative: received), commissions included.

    `made_before` and `realized_before` are what it had made, and what of that was realised, when the day began.
    """

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    made_before: Decimal = ZERO
    realized_before: Decimal = ZERO

    @property
    def average_cost(self) -> Decimal:
        """Dollars per contract or share, multiplier and commission included; 0 when flat."""
        return (self.cost / self.quantity).quantize(Decimal("0.000001")) if self.quantity else ZERO

    def release(self, quantity: Decimal) -> Decimal:
        """Take `quantity` (unsigned) out of the position and return its part of the cost."""
        held = abs(self.quantity)
        part = self.cost if quantity == held else (self.cost * quantity / held).quantize(_GRAIN)
        self.cost -= part
        self.quantity -= quantity if self.quantity > 0 else -quantity
        return part


@mutable_dataclass(slots=True)
class Account:
    """The books of the broker for this account."""

    cash: Decimal
    holdings: dict[int, Holding] = field(default_factory=dict)
    realized_today: Decimal = ZERO

    def quantity(self, con_id: int) -> Decimal:
        """Return the net position, 0 when there is none."""
        held = self.holdings.get(con_id)
        return held.quantity if held else ZERO

    def trade(self, con_id: int, quantity: Decimal, value: Decimal, commission: Decimal) -> Decimal | None:
        """Book `quantity` (signed) for `value` dollars (what a buyer pays, signed like the quantity).

        Returns what was realised, net of commissions of both ends, or None when the trade only opened.
        """
        held = self.holdings.setdefault(con_id, Holding())
        self.cash -= value + commission
        closing = min(abs(held.quantity), abs(quantity)) if held.quantity * quantity < 0 else ZERO
        if not closing:
            held.quantity += quantity
            held.cost += value + commission
            return None
        return self._close(held, quantity, closing, value + commission)

    def _close(self, held: Holding, quantity: Decimal, closing: Decimal, paid: Decimal) -> Decimal:
        opening = abs(quantity) - closing
        closed_part = paid if not opening else (paid * closing / abs(quantity)).quantize(_GRAIN)
        realized = -(held.release(closing) + closed_part)
        if opening:
            held.quantity = opening if quantity > 0 else -opening
            held.cost = paid - closed_part
        self._realize(held, realized)
        return realized

    def extinguish(self, con_id: int, cash: Decimal) -> Decimal:
        """End a whole position against `cash` dollars, 0 when it is worthless; return what was realised."""
        held = self.holdings[con_id]
        realized = cash - held.release(abs(held.quantity))
        self.cash += cash
        self._realize(held, realized)
        return realized

    def deliver(self, con_id: int, stock_id: int, shares: Decimal, value: Decimal) -> Decimal | None:
        """End a whole position in an option by shares (signed) that are bought for `value` dollars, or sold.

        Returns what was realised by shares that were held before, None when they only opened.
        """
        held = self.holdings[con_id]
        premium = held.release(abs(held.quantity))
        self.cash += premium
        return self.trade(stock_id, shares, value + premium, ZERO)

    def _realize(self, held: Holding, amount: Decimal) -> None:
        held.realized += amount
        self.realized_today += amount


# --- How many day trades the account has made, as the broker counts them

ALLOWED, SESSIONS, EQUITY = 3, 5, Decimal(25000)


@mutable_dataclass(slots=True)
class DayTrades:
    """The count of this session and of the four before."""

    opened: dict[int, Decimal] = field(default_factory=dict)
    closers: set[int] = field(default_factory=set)
    before: list[int] = field(default_factory=list)

    def note(self, order: int, con_id: int, held: Decimal, quantity: Decimal) -> None:
        """Apply a trade of `quantity` (signed) in a contract with `held` (signed) before."""
        closing = min(abs(held), abs(quantity)) if held * quantity < 0 else ZERO
        of_today = self.opened.get(con_id, ZERO)
        if closing and of_today:
            self.closers.add(order)
        self.opened[con_id] = max(of_today - closing, ZERO) + abs(quantity) - closing

    def end_day(self) -> None:
        """Begin the next session."""
        self.before = [*self.before, len(self.closers)][1 - SESSIONS :]
        self.opened.clear()
        self.closers.clear()

    def remaining(self, net_liquidation: Decimal) -> int:
        """Return the values that the broker reports."""
        if net_liquidation >= EQUITY:
            return -1
        return max(ALLOWED - len(self.closers) - sum(self.before), 0)


# --- The switches of the simulated broker


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """How the broker behaves where real ones differ, and how willing the market is to trade with us.

    Units: chances are probabilities from 0 to 1; `resting_rate` is hits a second of an order at its own side's quote;
    `price_band` is the fraction of the far quote by which a limit may be beyond it (None: any price is taken).
    """

    resting_rate: float = 0.0008
    resting_slope: float = 6.5
    duplicate_status: float = 0.1
    status_before_execution: float = 0.2
    pending_cancel: float = 0.3
    orders_per_side: int = 20
    refuse_other_side: bool = True
    compare_combo_legs: bool = False
    adaptive_combos: bool = False
    price_band: Decimal | None = Decimal(1)
    max_quantity: int = 10_000
    check_margin: bool = True
    cash_secured_puts: bool = False
    walk_levels: int = 20
    delivery_delay: timedelta = timedelta(minutes=5)
    """From the close until assignments and exercises are booked."""


# --- The state of the simulated broker that its parts share, and what every report of it is made of


@mutable_dataclass(slots=True)
class BrokerState:
    """Everything the broker knows. `now` is the instant being handled.

    marks: last valuation of each held contract, by id; it counts on where no quote exists.
    """

    market: Market
    seed: int
    account_id: str
    settings: ExchangeSettings
    account: Account
    book: OrderBook
    ledger: Ledger
    now: datetime
    executions: list[Execution] = field(default_factory=list)
    commissions: dict[str, Commissioned] = field(default_factory=dict)
    execution_count: int = 0
    filled_groups: set[str] = field(default_factory=set)
    day_trades: DayTrades = field(default_factory=DayTrades)
    marks: dict[int, Decimal] = field(default_factory=dict)

    @property
    def today(self) -> date:
        """The exchange's calendar date."""
        return exchange_date(self.now)

    def instrument(self, con_id: int) -> Instrument:
        """Return a contract that is known to exist."""
        found = self.market.catalogue.by_id(con_id)
        if found is None:
            raise LookupError(f"contract {con_id} is not in the catalogue")
        return found

    def quotes(self, con_ids: Iterable[int]) -> dict[int, Nbbo]:
        """Return the present touch of each contract."""
        return nbbo_of(self.market, sorted(set(con_ids)))

    def status(self, order: WorkingOrder, *, echo: bool = True) -> list[Report]:
        """Record and report an order's status; sometimes it comes twice, as with the real broker."""
        view = order.view()
        self.ledger.write(
            "order",
            self.now,
            perm_id=order.perm_id,
            client_id=view.ticket.client_id,
            order_id=view.ticket.order_id,
            order_ref=view.ticket.order_ref,
            status=view.status.value,
            action=view.ticket.action,
            quantity=view.ticket.quantity,
            filled=view.filled,
            type=view.ticket.order_type,
            limit=view.ticket.limit_price,
            stop=view.ticket.aux_price,
            legs=[leg.instrument.con_id for leg in order.legs],
        )
        reports: list[Report] = [OrderChanged(view, echo)]
        draw = seeded_fraction(self.seed, order.perm_id, view.status.value, view.filled, "duplicate")
        if draw < self.settings.duplicate_status:
            reports.append(OrderChanged(view, echo_open=False))
        return reports

    def error(self, key: tuple[int, int], code: int, text: str) -> OrderError:
        """Record and return an error message on an order."""
        self.ledger.write("message", self.now, client_id=key[0], order_id=key[1], code=code, text=text)
        return OrderError(key[0], key[1], code, text)

    def cash(self, con_id: int, amount: Decimal, reason: str) -> None:
        """Record a cash movement that the account has booked."""
        self.ledger.write("cash", self.now, day=self.today, con_id=con_id, amount=amount, reason=reason)

    def position(self, con_id: int) -> None:
        """Record a position."""
        held = self.account.holdings[con_id]
        name = contract_name(self.instrument(con_id))
        self.ledger.write(
            "position",
            self.now,
            con_id=con_id,
            name=name,
            quantity=held.quantity,
            cost=held.cost,
            realized=held.realized,
        )


def contract_name(instrument: Instrument) -> str:
    """Return the name tables print: the OCC symbol, or the ticker."""
    return instrument.local_symbol or instrument.symbol


def con_ids(orders: Iterable[WorkingOrder]) -> Sequence[int]:
    """Return the contracts of all legs of the orders, each once, in id order."""
    return sorted({leg.instrument.con_id for order in orders for leg in order.legs})
