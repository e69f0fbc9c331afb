"""What all parts of the gateway share: the world behind it, the clients in front of it, and the commands that wait."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar

from twsim.gateway.policy import FaultPolicy
from twsim.gateway.session import Session, Traffic
from twsim.gateway.settings import GatewaySettings
from twsim.gateway.tick_feed import TickFeed
from twsim.gateway.timeline import Timeline
from twsim.gateway.wire import from_epoch
from twsim.seams import Exchange, Market, Report

log = logging.getLogger("rulebot.gateway")

Row = TypeVar("Row")
Command = Callable[[], list[Report]]


@dataclass(slots=True)
class ServerState:
    """The state of one gateway. `now` is virtual time in epoch seconds.

    exchange: the account that the ledger is of, and that faults and people act on. others: further accounts behind the
    same login, by id. remembered: what clients are told of the first while the gateway has lost the broker.
    highest_id: of its own orders, by client; passed_id: of those that a client was told of, whosever they are.
    short_days: that end earlier than the calendar has it, and when, UTC; None where nothing trades.
    """

    settings: GatewaySettings
    market: Market
    exchange: Exchange
    timeline: Timeline
    feed: TickFeed
    now: int
    others: dict[str, Exchange] = field(default_factory=dict)
    owners: dict[tuple[int, int], str] = field(default_factory=dict)
    traffic: Traffic = field(default_factory=Traffic)
    sessions: dict[int, Session] = field(default_factory=dict)
    highest_id: dict[int, int] = field(default_factory=dict)
    passed_id: dict[int, int] = field(default_factory=dict)
    used_ids: set[tuple[int, int]] = field(default_factory=set)
    commands: list[tuple[int, int, Command]] = field(default_factory=list)
    sequence: int = 0
    halted: set[str] = field(default_factory=set)
    short_days: dict[date, datetime | None] = field(default_factory=dict)
    faults: FaultPolicy | None = None
    remembered: Exchange | None = None

    @property
    def at(self) -> datetime:
        """The virtual instant, UTC."""
        return from_epoch(self.now)

    @property
    def told_at(self) -> datetime:
        """The instant that a greeting tells: the virtual one, or as far from it as a fault puts the broker's clock."""
        told = None if self.faults is None else self.faults.told_time(self.now)
        return self.at if told is None else from_epoch(told)

    @property
    def brokers(self) -> tuple[Exchange, ...]:
        """Every account behind this login, as clients are told of it, in the order in which they are."""
        return (self.remembered or self.exchange, *self.others.values())

    @property
    def accounts(self) -> str:
        """The ids of all accounts as clients are told them, with commas between them."""
        return ",".join((self.exchange.account, *self.others))

    def broker_of(self, account: str) -> Exchange | None:
        """Return the account of this id as clients are told of it, None when there is no such one behind this login."""
        return self.brokers[0] if account == self.exchange.account else self.others.get(account)

    @property
    def holders(self) -> list[Session]:
        """The clients that hold the clock."""
        if not self.settings.lockstep:
            return []
        return [each for each in self.sessions.values() if each.asks_lockstep]

    def listeners(self, client_id: int) -> Iterator[Session]:
        """Yield who hears of an order: its owner, and the master client."""
        for wanted in dict.fromkeys((client_id, self.settings.master_client_id)):
            if (found := self.sessions.get(wanted)) is not None:
                yield found

    def tell(self, code: int, words: str) -> None:
        """Send a system message to every client."""
        for session in self.sessions.values():
            session.error(-1, code, words)

    def note_passed(self, client_id: int, order_id: int) -> None:
        """Let a client's next orders have ids above one that it is told of: others are refused (103).

        The number that it is told for its next order knows nothing of it. Source: TWS API, Placing Orders.
        """
        self.passed_id[client_id] = max(self.passed_id.get(client_id, 0), order_id)

    def next_id(self, client_id: int) -> int:
        """Return an order id above every one this client id ever used."""
        return self.highest_id.get(client_id, 0) + 1

    def told(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client is told; what a fault leaves out may come `again`."""
        return rows if self.faults is None else self.faults.rows(session, what, rows, again)

    def ends(self, session: Session, what: str) -> bool:
        """Say whether a client is told the end of a list."""
        return self.faults is None or self.faults.ends(session, what)

    def lines_used(self) -> int:
        """Count the market data lines of all clients."""
        return sum(len(each.wants.lines) + len(each.wants.dead) for each in self.sessions.values())
