"""The broker and link of an observing engine: every order is answered with fills of a model at the board's quotes.

It holds no connection, so there is nothing by which an order could leave. How orders fill, what they cost and what they
need as margin is as in a backtest (`backtest/simulated_broker.py`), so that both say the same of the same quotes.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from rulebot.backtest.run import costs_on_record
from rulebot.backtest.scheduler import AM_SETTLES, SETTLES
from rulebot.backtest.simulated_broker import CLIENT, SimulatedBroker, WorkingOrder, expired, paid_so_far
from rulebot.core.state.state import State
from rulebot.fill.ledger import leg_of
from rulebot.model.commission import fill_commission
from rulebot.model.contract import Contract, Option, Underlying, strike_of, structure_text
from rulebot.model.event import (
    BrokerStatus,
    CommissionReport,
    Connected,
    Disconnected,
    Event,
    ExecutionReport,
    MarginReport,
    OrderMessage,
    OrderReport,
    OrdersListed,
    PositionReport,
)
from rulebot.model.loss_bound import DELIVERING, delivers, shares_delivered
from rulebot.model.money import ZERO
from rulebot.model.order import (
    AskMargin,
    Cancel,
    Command,
    ExecutionId,
    Order,
    OrderStatus,
    Purpose,
    Replace,
    RequestOpenOrders,
    Side,
    Submit,
    TimeInForce,
)
from rulebot.model.position import Position
from rulebot.model.session import Session, exchange_date, session_before, session_from
from rulebot.model.text import signed_price
from rulebot.model.values import dataclass
from rulebot.narrate.happenings import ENTRY_SENT, EventLine, event_line
from rulebot.narrate.positions import order_price
from rulebot.order.price import net_price, net_quote, order_parts
from rulebot.ports import Batch, Link
from rulebot.record.record import Json, Kind, Record
from rulebot.recovery.resume import resume_from
from rulebot.store.finance import positions_of
from rulebot.store.patient_journal import PatientJournal
from rulebot.store.queries import OBSERVE

# --- What an observing broker knows again after a start


@dataclass(frozen=True, slots=True)
class RestoredState:
    """The recovered state:

    shares by symbol moved by settlements besides those of positions, costs of contracts, and commissions without a
    report.
    """

    state: State
    delivered: Mapping[str, int]
    costs: Mapping[Contract, Decimal]
    unpaid: tuple[tuple[ExecutionId, Decimal], ...]


def read_memory(journal: PatientJournal, at: datetime) -> RestoredState:
    """Return what a store says of the account of an observing engine. Raises: StoreError."""
    state = resume_from(journal.recall(at), at).state
    settled = journal.read((Kind.SETTLEMENT,))
    moved = [record for record in settled if record.data["how"] in {*DELIVERING, "delivered"}]
    last = {record.position: record for record in journal.read((Kind.POSITION,))}
    positions = positions_of(last.values())
    costs = costs_on_record(journal, (leg.option for position in positions.values() for leg in position.legs))
    return RestoredState(state, delivered_shares(moved, positions), costs, _unpaid(state))


def delivered_shares(settled: Sequence[Record], positions: Mapping[str, Position]) -> dict[str, int]:
    """Return the shares that settlements moved, by symbol, besides those that positions hold."""
    found: dict[str, int] = {}
    for record in settled:
        leg = next(leg for leg in positions[record.position].legs if leg.name == record.data["leg"])
        count = leg.sign * int(str(record.data["quantity"]))
        if not leg.option.is_share:
            count = shares_delivered(leg.option, count)
        found[leg.option.symbol] = found.get(leg.option.symbol, 0) + count
    return {symbol: count for symbol, count in found.items() if count}


def _unpaid(state: State) -> tuple[tuple[ExecutionId, Decimal], ...]:
    """Return the commissions of executions whose report was missed."""
    found = []
    for booked in state.positions.executions.values():
        position = state.positions.by_id.get(booked.position)
        leg = next((leg for leg in position.legs if leg.name == booked.leg), None) if position is not None else None
        if leg is not None and not booked.is_paid and booked.quantity:
            price = abs(booked.cash) / (booked.quantity * leg.option.multiplier)
            count = booked.quantity if booked.cash < 0 else -booked.quantity
            found.append((booked.exec_id, fill_commission(leg.option, count, float(price))))
    return tuple(found)


# --- The broker of an observing engine

WOULD_ENTER = "would enter"
"""Decision name for an entry that was not sent."""


@mutable_dataclass
class ObservingBroker(SimulatedBroker):
    """The Broker port without a broker: its answers wait in `answers` for the link to pass on.

    reports: gets the decision for an entry that is not sent. outstanding: options that expired without an engine, and
    may still move shares.
    """

    answers: list[Event] = field(default_factory=list, kw_only=True)
    reports: Callable[[Record], None] = field(default=lambda _: None, kw_only=True)
    unpaid: tuple[tuple[ExecutionId, Decimal], ...] = field(default=(), kw_only=True)
    outstanding: set[Option] = field(default_factory=set, kw_only=True)
    now: datetime = field(kw_only=True)

    # ------------------------------------------------------------ the port

    def submit(self, order: Order) -> None:
        """Take a new order; an entry is reported as one that would have been sent."""
        if order.purpose is Purpose.ENTRY:
            self.reports(self._would_enter(order))
        self._answer(Submit(order))

    def replace(self, order: Order) -> None:
        """Take new terms of an order that works."""
        self._answer(Replace(order))

    def cancel(self, order: Order) -> None:
        """Take an order back."""
        self._answer(Cancel(order))

    def ask_margin(self, order: Order) -> None:
        """Answer what margin the order would need."""
        self._answer(AskMargin(order))

    def inquire(self) -> None:
        """Answer which orders work."""
        self._answer(RequestOpenOrders())

    def _answer(self, command: Command) -> None:
        self.answers += self.take(command, self.now)

    def _would_enter(self, order: Order) -> Record:
        """Return the decision for an entry: its limit, mid and natural at this moment, + received."""
        quote = net_quote(order_parts(order.legs, order.side), self.board, self.now.timestamp())
        limit = None if order.limit_price is None else str(net_price(order.limit_price, order.side))
        mid, natural = _seen(quote.mid, order), _seen(quote.natural, order)
        text = f"{_deal(order)} {order_price(order)} (mid {mid}, natural {natural})"
        data: dict[str, Json] = {"what": WOULD_ENTER, "reason": text, "values": [limit, quote.mid, quote.natural]}
        return Record(self.now, Kind.DECISION, order.bot, order.position, data=data)

    def execution_id(self, found: WorkingOrder, place: int) -> ExecutionId:
        """Return an execution id by order and number, equal after a restart."""
        return ExecutionId(f"observed.{found.order.number:06d}.{found.filled}.{place}")

    # ------------------------------------------------------------ the clock

    def step(self, session: Session, at: datetime) -> Iterator[Event]:
        """Yield what has happened up to an instant: fills, the end of the day's orders, what has expired."""
        self.session, self.now = session, at
        yield from self.fill(at)
        if at >= session.close:
            yield from self.end_of_day(at)
        for option in sorted(self._gone(session, at), key=str):
            if option.expiry < session.date and delivers(option):
                self.outstanding.add(option)
                yield from self.holds(option, 0, at)
            else:
                yield from self.expire((option,), at)

    def due_at(self, at: datetime) -> datetime | None:
        """Return the next time of an event in this session, None when there is none."""
        session = self.session
        clock = (session.open + AM_SETTLES, session.close, session.close + SETTLES)
        found = [self.next_at(at), *(each for each in clock if each > at)]
        return min((each for each in found if each is not None), default=None)

    def _gone(self, session: Session, at: datetime) -> list[Option]:
        """Return the options that an account no longer has: five minutes after the close, or after opening prints."""
        until = session.date if at >= session.close + SETTLES else session.date - timedelta(days=1)
        last = session_before(session.date).date
        waits = at < session.open + AM_SETTLES
        found = expired(self.holdings, until)
        return [
            each
            for each in found
            if not each.settles_at_open or each.expiry < last or (each.expiry == last and not waits)
        ]

    # ------------------------------------------------------------ memory

    def remember(self, memory: RestoredState, session: Session, at: datetime) -> None:
        """Recover from the store: holdings and working orders. The store is the account."""
        self.session, self.now = session, at
        state = memory.state
        self.holdings = {Underlying(symbol): count for symbol, count in memory.delivered.items()}
        for leg in (leg for position in state.positions.by_id.values() for leg in position.legs if leg.held):
            self._hold(leg.option, leg.signed_held)
        for ref in state.orders.live:
            if state.orders.by_ref[ref].status is not OrderStatus.PREPARED:
                self._work_on(state.orders.by_ref[ref], at)
        self.paid = paid_so_far(state)
        self.costs = dict(memory.costs)
        gone = self._gone(session, at)
        for option in gone:  # the engine itself settles what ended without it
            self.holdings.pop(option)
        self.outstanding.update(filter(delivers, gone))
        self.unpaid = memory.unpaid

    def receives(self, records: Iterable[Record], positions: Mapping[str, Position]) -> None:
        """Move the shares of expired options, as the engine settles them: it asks for the close.

        positions: as they were before.
        """
        for record in records if self.outstanding else ():
            if record.kind is Kind.SETTLEMENT and record.data["how"] in DELIVERING:
                leg = leg_of(positions[record.position], str(record.data["leg"]))
                if leg.option in self.outstanding:
                    count = leg.sign * int(str(record.data["quantity"]))
                    self.answers += self._delivered(leg.option, count, self.now)

    def _hold(self, option: Option, count: int) -> None:
        held: Contract = Underlying(option.symbol) if option.is_share else option
        self.holdings[held] = self.holdings.get(held, 0) + count

    def _work_on(self, order: Order, at: datetime) -> None:
        """Let an order work again; executions of a part of its legs are repeated with the rest."""
        for leg, count in zip(order.legs, order.counts, strict=True):
            if over := count - order.filled * leg.ratio:
                self._hold(leg.option, -over * order.side_of(leg).sign)
        self.working[order.ref] = WorkingOrder(order, at, order.filled, is_resting=True, average=order.average_price)

    def stands(self, at: datetime) -> Iterator[Event]:
        """Yield a broker's messages at a connection: order statuses, and missed commissions."""
        yield from (CommissionReport(at, exec_id, amount) for exec_id, amount in self.unpaid)
        self.unpaid = ()
        for found in list(self.working.values()):
            order = found.order
            if found.filled >= order.quantity:
                del self.working[order.ref]
                yield self.report(order, BrokerStatus.FILLED, found.filled, at)
            elif order.status is OrderStatus.CANCELLING or self._has_ended(order, at):
                yield from self.cancelled(order, at)
            else:
                yield self.report(order, BrokerStatus.WORKING, found.filled, at)

    def _has_ended(self, order: Order, at: datetime) -> bool:
        """Say whether an order was for a day that is over."""
        sent = exchange_date(order.sent_at or order.prepared_at)
        return order.time_in_force is TimeInForce.DAY and (sent < self.session.date or at >= self.session.close)


def _deal(order: Order) -> str:
    """Return `sell 2 x 5890/5900p 6035/6045c`; a combo is bought by the wire's rules, its price says what it is."""
    verb = "sell" if _is_sold(order) else "buy"
    count = f"{order.quantity} x " if order.quantity != 1 else ""
    strikes = (strike_of(leg.option, leg.ratio, order.side_of(leg).sign) for leg in order.legs)
    return f"{verb} {count}{structure_text(strikes)}"


def _is_sold(order: Order) -> bool:
    if not order.is_combo:
        return order.side is Side.SELL
    return order.limit_price is not None and order.limit_price < 0


def _seen(net: float | None, order: Order) -> str:
    """Return a net price (+ received) as the order has its own: what it is sold for, or what is paid."""
    return "unknown" if net is None else signed_price(net if _is_sold(order) else 0.0 - net)


# --- An observing engine's own messages

_WOULD = (
    ("to rest at the broker:", "would rest at the broker:"),
    ("filled", "would be filled"),
    ("closed:", "would be closed:"),
)


def observed(record: Record, state: State) -> EventLine | None:
    """Return the line of a record of an observing engine; a decision reports an entry before its order does."""
    reported = event_line(record, state)
    if reported is None or reported.text.startswith(ENTRY_SENT):
        return None
    was, now = next(((was, now) for was, now in _WOULD if reported.text.startswith(was)), ("", ""))
    return (
        replace(reported, text=now + reported.text.removeprefix(was))
        if was and record.kind is not Kind.ALARM
        else reported
    )


def title(settings: Mapping[str, Json]) -> str:
    """Return the prominent mark of an observing engine, "" of any other."""
    if settings.get("mode") != OBSERVE:
        return ""
    shadows = settings.get("shadow_of")
    what = f"SHADOW of {shadows}" if shadows else "OBSERVING"
    return f"{what}: nothing is sent, orders fill by a model ({settings.get('fills')})"


# --- A link around another one


@mutable_dataclass
class LinkProxy:
    """The common part of a Link port that wraps another one."""

    inner: Link

    @property
    def account(self) -> str:
        """The account of the inner link."""
        return self.inner.account

    @property
    def is_lockstep(self) -> bool:
        """True when the gateway's virtual clock waits for us."""
        return self.inner.is_lockstep

    @property
    def is_up(self) -> bool:
        """True while the inner link's socket is open."""
        return self.inner.is_up

    async def close(self) -> None:
        """Disconnect."""
        await self.inner.close()


# --- The link of an observing engine

_OF_OTHERS = (OrderReport, OrderMessage, ExecutionReport, CommissionReport, OrdersListed, MarginReport)


@mutable_dataclass
class ObservingLink(LinkProxy):
    """The Link port around another one. recalls: returns what the store says, asked once, at the first connection.

    What its broker holds stays in the store when it is closed.
    """

    broker: ObservingBroker
    recalls: Callable[[datetime], RestoredState] | None = None
    _shares: dict[Contract, PositionReport] = field(default_factory=dict)
    _at: datetime | None = None
    _is_linked: bool = False

    async def connect(self) -> Batch:
        """Connect, and know again what the broker held. Raises: BrokerError."""
        self._shares.clear()
        return self._received(await self.inner.connect())

    async def next(self, until: datetime | None) -> Batch:
        """Return what the broker has answered, else the next instant with what has filled in it."""
        if self.broker.answers and self._at is not None and self._is_linked:
            return Batch(self._at, self._answers())
        due = None if self._at is None else self.broker.due_at(self._at)
        return self._received(await self.inner.next(until if until is None or due is None else min(until, due)))

    def _answers(self) -> tuple[Event, ...]:
        answers, self.broker.answers = self.broker.answers, []
        return tuple(self._with_shares(event) for event in answers)

    def _received(self, batch: Batch) -> Batch:
        """Return a batch with this broker's messages in place of the account's; fills come before time moves on."""
        self._at = batch.at
        reported: list[Event] = []
        for event in batch.events:
            reported += self._translated(event)
        if self._is_linked:
            self.broker.answers += self.broker.step(session_from(exchange_date(batch.at)), batch.at)
        return Batch(batch.at, (*self._answers(), *reported))

    def _translated(self, event: Event) -> list[Event]:
        if isinstance(event, _OF_OTHERS):
            return []
        if isinstance(event, PositionReport):
            if not isinstance(event.contract, Underlying):
                return []
            self._shares[event.contract] = event
            return [self._with_own(event)]
        if isinstance(event, Connected):
            return self._up(event)
        if isinstance(event, Disconnected):
            self._is_linked = False
        return [event]

    def _up(self, event: Connected) -> list[Event]:
        """Return the connection by this broker: its orders first, then the account's holdings by its books."""
        self._is_linked = True
        session = session_from(exchange_date(event.at))
        if self.recalls is not None:
            self.broker.remember(self.recalls(event.at), session, event.at)
            self.recalls = None
        self.broker.session, self.broker.now = session, event.at
        stands = list(self.broker.stands(event.at))
        held = {contract: Decimal(count) for contract, count in self.broker.holdings.items() if count}
        reported = {contract: cost for contract, cost in event.costs if isinstance(contract, Underlying)}
        costs = self.broker.costs | reported
        for contract, report in self._shares.items():
            both = self._with_own(report)
            held[contract], costs[contract] = both.quantity, both.average_cost
        up = replace(
            event,
            client_id=CLIENT,
            order_refs=tuple(sorted(self.broker.working)),
            positions=tuple((contract, count) for contract, count in held.items() if count),
            costs=tuple(costs.items()),
            next_valid_id=0,
        )
        return [*stands, up]

    def _with_shares(self, event: Event) -> Event:
        """Return a report of our broker's shares with those of the account; any other event as it is."""
        if not isinstance(event, PositionReport) or (theirs := self._shares.get(event.contract)) is None:
            return event
        return _together(event, theirs)

    def _with_own(self, theirs: PositionReport) -> PositionReport:
        """Return a report of the account's shares with those of our broker."""
        own = Decimal(self.broker.holdings.get(theirs.contract, 0))
        cost = self.broker.costs.get(theirs.contract, ZERO)
        return _together(theirs, replace(theirs, quantity=own, average_cost=cost))


def _together(one: PositionReport, other: PositionReport) -> PositionReport:
    """Return what both hold of the same shares, at the time of the first; of opposite ones the more make the cost."""
    both = one.quantity + other.quantity
    alike = [each for each in (one, other) if each.quantity * both > 0]
    cost = sum((each.quantity * each.average_cost for each in alike), ZERO)
    return replace(one, quantity=both, average_cost=cost / (sum(each.quantity for each in alike) or 1))
