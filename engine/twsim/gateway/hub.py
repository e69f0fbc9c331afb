"""What all parts of the gateway share: the world behind it, the clients in front of it, and the commands that wait."""

import asyncio
import logging
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass as mutable_dataclass
from dataclasses import field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol, TypeVar

from twsim.gateway.tick_feed import TickFeed
from twsim.gateway.wire import MarketDataLine, Session, Traffic, from_epoch
from twsim.nouns import dataclass
from twsim.seams import Exchange, Market, OrderView, Report, Ticket
from twsim.sessions import Session as TradingSession
from twsim.sessions import session_after, session_from

Row = TypeVar("Row")

# --- The seam through which faults come in


class FaultPolicy(Protocol):
    """Decides what goes wrong. All times are those of the gateway's clock."""

    @property
    def quotes_stopped(self) -> bool:
        """True while no quotes go out."""

    @property
    def link_lost(self) -> bool:
        """True while the gateway has lost the broker: commands wait and reports are kept."""

    @property
    def fired(self) -> Mapping[int, int]:
        """How often each fault has done something, by its place in the plan."""

    @property
    def fired_open(self) -> Mapping[int, int]:
        """The same for what came while the account held options."""

    def calm(self) -> None:
        """Let nothing new go wrong."""

    def attach(self, fail: Callable[[BaseException], None]) -> None:
        """Learn how an error of our own ends the run."""

    def session(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> Session:
        """Return a client whose connection can misbehave."""

    @property
    def is_down(self) -> bool:
        """True while no client can connect."""

    def reported_time(self, now: int) -> int | None:
        """Return the time that a client without the clock gets, None for none."""

    @property
    def unresponsive_until(self) -> int:
        """The virtual time until which the machine of the clients sleeps: time passes without them."""

    def refuses(self, session: Session) -> bool:
        """Say whether this client gets that its id is in use."""

    def hangs_up(self, session: Session) -> bool:
        """Say whether this client is turned away without a word."""

    def accounts(self, session: Session, own: str) -> str:
        """Return the accounts that a client gets."""

    def account_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """Return the values of the account as clients get them."""

    def rows(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client gets; omitted ones come `again` later, if at all."""

    def ends(self, session: Session, what: str) -> bool:
        """Say whether the end of a list is sent."""

    def connected(self, session: Session) -> None:
        """Act on a client that has just had its greeting."""

    def holds(self, session: Session, payload: bytes) -> bool:
        """Say whether this request is kept, to be answered later."""

    def opens(self, session: Session, line: MarketDataLine, *, snapshot: bool) -> bool:
        """Say whether a market data line opens normally; otherwise this has handled it."""

    def place(self, ticket: Ticket) -> list[Report]:
        """Give an order to the broker, or do not."""

    def cancel(self, client_id: int, order_id: int) -> list[Report]:
        """Give a cancel to the broker."""

    def reports(self, reports: list[Report]) -> list[Report]:
        """Return what clients get of these reports now."""

    def shown(self, view: OrderView) -> OrderView:
        """Return an order as lists show it."""

    def shows_execution(self, exec_id: str) -> bool:
        """Say whether the answer to reqExecutions has this execution."""

    def shows_commission(self, exec_id: str) -> bool:
        """Say whether the answer to reqExecutions has the commission of this execution."""

    def before_move(self) -> None:
        """Act on a new instant, before the market moves."""

    def after_move(self) -> None:
        """Act on a new instant, after the broker has reported."""


# --- The settings of a simulated gateway

TWS_PORTS = frozenset({7496, 7497, 4001, 4002})
DEFAULT_PORT = 14002
MOST_CASH = 10**12
_ACCOUNT = re.compile(r"[A-Z]{1,3}[0-9]{4,10}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Settings of one run.

    Units: `speed` is simulated seconds in a real second, None is as fast as the clients go; `watchdog_seconds` are
    real, `data_seconds` and `fence_seconds` simulated. Port 0 takes any free one. `holders` is how many clock holders
    must have asked before time first moves (0: no wait). `account` "" is a paper account named by the seed;
    `more_accounts` are others behind the same login, each with the same cash and nothing else. `shares` are holdings at
    the start by symbol, in addition to the positions file.
    """

    first_day: date
    days: int = 1
    port: int = 0
    seed: int = 1
    speed: float | None = None
    data_seconds: int = 5
    fence_seconds: int = 1
    lockstep: bool = True
    holders: int = 0
    cash: Decimal = Decimal(1_000_000)
    account: str = ""
    more_accounts: tuple[str, ...] = ()
    market_file: Path | str | None = None
    positions_file: Path | None = None
    shares: tuple[tuple[str, int], ...] = ()
    store_file: Path | None = None
    faults_file: Path | None = None
    master_client_id: int = 0
    read_only: bool = False
    max_lines: int = 100
    max_clients: int = 32
    bag_details_code: int = 321
    queue_bytes: int = 64 * 1024 * 1024
    watchdog_seconds: float = 30.0

    def __post_init__(self) -> None:
        if self.fence_seconds < 1 or self.data_seconds < 1 or self.days < 1:
            raise ValueError("data seconds, fence seconds and days are at least 1")
        if self.data_seconds % self.fence_seconds:
            raise ValueError(f"data every {self.data_seconds} s does not fall on fences every {self.fence_seconds} s")
        if not (self.cash.is_finite() and 0 <= self.cash <= MOST_CASH):
            raise ValueError(f"cash is from 0 to {MOST_CASH:,} dollars, is {self.cash}")
        if self.speed is not None and self.speed <= 0:
            raise ValueError(f"a speed is above 0, is {self.speed}")
        named = [each for each in (self.account, *self.more_accounts) if each]
        for each in named:
            if not _ACCOUNT.fullmatch(each):
                raise ValueError(
                    f"an account is one to three capitals and four to ten digits, as in DU1234567, is '{each}'"
                )
        if len(set(named)) < len(named):
            raise ValueError(f"an account is named twice: {', '.join(named)}")
        if self.bag_details_code not in (200, 321):
            raise ValueError(f"contract details of a combo are refused with 200 or 321, is {self.bag_details_code}")


# --- Virtual time

BEFORE_OPEN = 60
AFTER_CLOSE = 360


def _sessions(first_day: date, days: int) -> list[TradingSession]:
    found = [session_from(first_day)]
    while len(found) < days:
        found.append(session_after(found[-1].date))
    return found


class Timeline:
    """The grid of instants, in epoch seconds."""

    def __init__(self, first_day: date, days: int, fence_seconds: int, data_seconds: int) -> None:
        self.sessions = _sessions(first_day, days)
        self._starts = [int(each.open.timestamp()) - BEFORE_OPEN for each in self.sessions]
        self._ends = [int(each.close.timestamp()) + AFTER_CLOSE for each in self.sessions]
        self._fence = fence_seconds
        self._data = data_seconds

    @property
    def first(self) -> int:
        """The first instant."""
        return self._starts[0]

    @property
    def last(self) -> int:
        """The last instant, where time stays."""
        day = len(self._starts) - 1
        return self._ends[day] - (self._ends[day] - self._starts[day]) % self._fence

    def _day(self, at: int) -> int:
        return max(bisect_right(self._starts, at) - 1, 0)

    def after(self, at: int) -> int:
        """Return the next instant; the last one repeats."""
        day = self._day(at)
        if at + self._fence <= self._ends[day]:
            return at + self._fence
        return self._starts[day + 1] if day + 1 < len(self._starts) else at

    def is_data(self, at: int) -> bool:
        """Say whether the market moves at this instant."""
        return (at - self._starts[self._day(at)]) % self._data == 0

    def starts_day(self, at: int) -> bool:
        """Say whether this instant is the first of a session."""
        return at == self._starts[self._day(at)]


# --- What all parts of the gateway share

log = logging.getLogger("twsim")

Command = Callable[[], list[Report]]


@mutable_dataclass(slots=True)
class ServerState:
    """The state of one gateway. `now` is virtual time in epoch seconds.

    exchange: the account of the ledger, on which faults and people act. others: further accounts behind the same login,
    by id. remembered: values of the first for clients while the gateway has lost the broker. highest_id: of its own
    orders, by client; passed_id: of those that a client got, of any client. short_days: days that end earlier than the
    calendar, and when, UTC; None where nothing trades.
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
    def reported_at(self) -> datetime:
        """The time of a greeting: the virtual one, with the offset of a clock fault."""
        reported = None if self.faults is None else self.faults.reported_time(self.now)
        return self.at if reported is None else from_epoch(reported)

    @property
    def brokers(self) -> tuple[Exchange, ...]:
        """Every account behind this login, in the clients' view and order."""
        return (self.remembered or self.exchange, *self.others.values())

    @property
    def accounts(self) -> str:
        """The ids of all accounts for clients, separated by commas."""
        return ",".join((self.exchange.account, *self.others))

    def broker_of(self, account: str) -> Exchange | None:
        """Return the account of this id in the clients' view, None when there is none behind this login."""
        return self.brokers[0] if account == self.exchange.account else self.others.get(account)

    @property
    def holders(self) -> list[Session]:
        """The clients that hold the clock."""
        if not self.settings.lockstep:
            return []
        return [each for each in self.sessions.values() if each.asks_lockstep]

    def listeners(self, client_id: int) -> Iterator[Session]:
        """Yield the recipients of an order's reports: its owner, and the master client."""
        for wanted in dict.fromkeys((client_id, self.settings.master_client_id)):
            if (found := self.sessions.get(wanted)) is not None:
                yield found

    def announce(self, code: int, words: str) -> None:
        """Send a system message to every client."""
        for session in self.sessions.values():
            session.error(-1, code, words)

    def note_passed(self, client_id: int, order_id: int) -> None:
        """Require a client's next orders to have ids above one that it got: others are refused (103).

        Its next valid id ignores this. Source: TWS API, Placing Orders.
        """
        self.passed_id[client_id] = max(self.passed_id.get(client_id, 0), order_id)

    def next_id(self, client_id: int) -> int:
        """Return an order id above every one this client id ever used."""
        return self.highest_id.get(client_id, 0) + 1

    def reported(self, session: Session, what: str, rows: list[Row], again: Callable[[list[Row]], None]) -> list[Row]:
        """Return the rows of a list that a client gets; omitted ones may come `again`."""
        return rows if self.faults is None else self.faults.rows(session, what, rows, again)

    def ends(self, session: Session, what: str) -> bool:
        """Say whether a client gets the end of a list."""
        return self.faults is None or self.faults.ends(session, what)

    def lines_used(self) -> int:
        """Count the market data lines of all clients."""
        return sum(len(each.wants.lines) + len(each.wants.dead) for each in self.sessions.values())
