"""The link of an observing engine: the real one's time and market, and in place of the account its own broker's.

What the real account says of orders, executions and options is not heard: it is of others. Its values and its shares
are, for rules may ask for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from rulebot.backtest.simulated_broker import CLIENT
from rulebot.core.state.state import State
from rulebot.model.contract import Contract, Underlying
from rulebot.model.event import (
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
from rulebot.model.money import ZERO
from rulebot.model.session import exchange_date, session_from
from rulebot.narrate.happenings import ENTRY_SENT, EventLine, event_line
from rulebot.ports import Batch, Link
from rulebot.record.record import Json, Kind, Record
from rulebot.shadow.broker import ObservingBroker, RestoredState
from rulebot.store.queries import OBSERVE

# --- What an observing engine says of itself

_WOULD = (
    ("to rest at the broker:", "would rest at the broker:"),
    ("filled", "would be filled"),
    ("closed:", "would be closed:"),
)


def observed(record: Record, state: State) -> EventLine | None:
    """Return the line of a record of an observing engine; a decision tells of an entry before its order does."""
    told = event_line(record, state)
    if told is None or told.text.startswith(ENTRY_SENT):
        return None
    was, now = next(((was, now) for was, now in _WOULD if told.text.startswith(was)), ("", ""))
    return replace(told, text=now + told.text.removeprefix(was)) if was and record.kind is not Kind.ALARM else told


def title(settings: Mapping[str, Json]) -> str:
    """Return what nobody may overlook of an observing engine, "" of any other."""
    if settings.get("mode") != OBSERVE:
        return ""
    shadows = settings.get("shadow_of")
    what = f"SHADOW of {shadows}" if shadows else "OBSERVING"
    return f"{what}: nothing is sent, orders fill by a model ({settings.get('fills')})"


# --- A link around another one


@dataclass
class LinkProxy:
    """What a Link port that stands around another one has of it."""

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
        """True while the inner link's socket stands."""
        return self.inner.is_up

    async def close(self) -> None:
        """Disconnect."""
        await self.inner.close()


# --- The link of an observing engine

_OF_OTHERS = (OrderReport, OrderMessage, ExecutionReport, CommissionReport, OrdersListed, MarginReport)


@dataclass
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
        return self._heard(await self.inner.connect())

    async def next(self, until: datetime | None) -> Batch:
        """Return what the broker has answered, else the next instant with what has filled in it."""
        if self.broker.answers and self._at is not None and self._is_linked:
            return Batch(self._at, self._answers())
        due = None if self._at is None else self.broker.due_at(self._at)
        return self._heard(await self.inner.next(until if until is None or due is None else min(until, due)))

    def _answers(self) -> tuple[Event, ...]:
        answers, self.broker.answers = self.broker.answers, []
        return tuple(self._with_shares(event) for event in answers)

    def _heard(self, batch: Batch) -> Batch:
        """Return a batch with the broker's part in place of the account's; what fills is told before time moves on."""
        self._at = batch.at
        told: list[Event] = []
        for event in batch.events:
            told += self._translated(event)
        if self._is_linked:
            self.broker.answers += self.broker.step(session_from(exchange_date(batch.at)), batch.at)
        return Batch(batch.at, (*self._answers(), *told))

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
        """Return the connection as our broker tells it: its orders first, then what the account holds by its books."""
        self._is_linked = True
        session = session_from(exchange_date(event.at))
        if self.recalls is not None:
            self.broker.remember(self.recalls(event.at), session, event.at)
            self.recalls = None
        self.broker.session, self.broker.now = session, event.at
        stands = list(self.broker.stands(event.at))
        held = {contract: Decimal(count) for contract, count in self.broker.holdings.items() if count}
        told = {contract: cost for contract, cost in event.costs if isinstance(contract, Underlying)}
        costs = self.broker.costs | told
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
