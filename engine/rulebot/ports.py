"""The only sockets to the world. At and below this file there is no I/O.

A world is a Link (time and what happened), a Feed (market data and slow facts), a Broker (orders) and a Journal; a Tape
keeps what came in.
`live/loop.py` is the only caller.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from rulebot.model.contract import Contract
from rulebot.model.event import Event
from rulebot.model.facts import Bars, Listing
from rulebot.model.market import Board, Extras
from rulebot.model.order import Order
from rulebot.model.session import Hours, Session
from rulebot.model.values import dataclass
from rulebot.record.record import Json, Record


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything that happened up to one instant, in order; `at` is now. Empty `events` is time alone."""

    at: datetime
    events: tuple[Event, ...]


class Link(Protocol):
    """The connection: the engine's only clock, and the order of events."""

    @property
    def account(self) -> str:
        """The account id that was checked at connection."""

    @property
    def is_lockstep(self) -> bool:
        """True when the gateway's virtual clock waits for us."""

    @property
    def is_up(self) -> bool:
        """True while the socket is open, also when the gateway has lost the broker behind it (1100)."""

    async def connect(self) -> Batch:
        """Connect and read every complete snapshot; the batch ends with Connected.

        Raises: BrokerError when nothing listens, the account is not the one asked for, or a snapshot is incomplete.
        """

    async def next(self, until: datetime | None) -> Batch:
        """Say that we are done with this instant and return the next one.

        It returns at the next update, or at `until` (the next due timer) if that comes first. In lockstep, None is the
        next instant of the gateway's clock.
        A lost connection is a batch that ends with Disconnected.
        """

    async def close(self) -> None:
        """Disconnect; orders at the broker stay as they are."""


class Feed(Protocol):
    """Market data into the board, and slow facts on request."""

    @property
    def board(self) -> Board:
        """The columns that the feed writes in place."""

    def watch(self, contracts: Sequence[Contract], extras: Extras = frozenset()) -> None:
        """Stream exactly these, most important first, within the line limit; drop all others.

        extras: data that lines bring beside quotes; a line without some is requested again.
        """

    async def listing(self, symbol: str, trading_class: str) -> Listing:
        """Return the expiries listed today (no strikes yet).

        Raises: UnavailableError when the broker has none, whenever it is asked, as of all facts here; BrokerError.
        """

    async def strikes(self, listing: Listing, expiry: date) -> Listing:
        """Return the listing with the strikes that exist for `expiry`, and learn their contract ids."""

    async def closes(self, symbol: str, sessions: int) -> tuple[float, ...]:
        """Return the daily closes of this many sessions before today, oldest first, after the last gap."""

    async def bars(self, symbol: str, seconds: int, count: int, session: Session) -> Bars:
        """Return at most this many finished bars of the regular sessions up to this one, oldest first.

        `seconds` is the size of one: 86400 for daily bars, of finished sessions only. Raises: BrokerError.
        """

    async def implied(self, symbol: str, sessions: int) -> tuple[float, ...]:
        """Return the 30-day implied volatility at the close of finished sessions, annual fractions, oldest first."""

    async def hours(self, symbol: str, session: Session) -> Hours | None:
        """Return when an underlying trades on the session's day, None where that is not reported."""

    async def opening_move(self, listing: Listing, expiry: date, session: Session) -> float | None:
        """Return the expected move of the session's first sound minute, in points, from minute bars; None if unsound.

        The mid of the straddle at the strike nearest to spot, times sqrt(pi/2).
        """


class Broker(Protocol):
    """Orders out. One call site: the loop. No call raises for one order: OrderUnsent reports what could not be sent."""

    def submit(self, order: Order) -> None:
        """Send a new order under its order id."""

    def replace(self, order: Order) -> None:
        """Send new price or quantity of a working order."""

    def cancel(self, order: Order) -> None:
        """Ask to cancel."""

    def ask_margin(self, order: Order) -> None:
        """Ask what margin this order would need, under its order id; MarginReport or OrderMessage answers."""

    def inquire(self) -> None:
        """Request positions, today's executions and all open orders; events report changes, OrdersListed last."""


class Journal(Protocol):
    """The append-only truth. Records that the store does not take for a while are kept, and `problem` says so."""

    @property
    def problem(self) -> str:
        """Why nothing may be opened: the store takes no records, or soon takes no more. "" while it takes them."""

    @property
    def help(self) -> str:
        """What a person can do about the problem."""

    @property
    def is_full(self) -> bool:
        """True while the problem is a disk that is full."""

    def append(self, records: Sequence[Record], *, durable: bool, opens: bool = False) -> None:
        """Write; on return with `durable` the records survive a power cut.

        opens: they belong to an order that opens something. Then UnkeptError, where the store does not accept them.
        Raises: StoreError; nothing may be sent then. UnwrittenError where working orders may still be cancelled.
        """

    def catch_up(self, at: datetime) -> None:
        """Let others see what was written a second before `at`, or earlier. Raises: StoreError, as `append`."""

    def flush(self) -> None:
        """Let others see all that was written. Raises: StoreError, as `append`."""

    def read(self) -> Sequence[Record]:
        """Return all records of this store, in order."""


class Tape(Protocol):
    """What entered the turns, with what it led to: enough to live through it again."""

    def begins(self, at: datetime, records: Sequence[Record]) -> None:
        """Take the first turn of a run."""

    def took(self, event: Event, records: Sequence[Record], *, changed: bool) -> None:
        """Take an event and what its turn recorded; the board is as the turn saw it. Not `changed` led to nothing."""

    def exchanged(self, at: datetime, data: Mapping[str, Json], records: Sequence[Record]) -> None:
        """Take that other texts have taken over: what they are, and what was recorded of it."""

    def stop(self) -> None:
        """Keep nothing more: the disk is full."""

    def end(self) -> None:
        """Write what remains; nothing follows. Work beyond that continues concurrently, until `is_kept`."""

    @property
    def is_kept(self) -> bool:
        """True once nothing more is done with what was kept."""

    def close(self, patience: float | None = None) -> None:
        """End, and give up unfinished work after this many seconds; None waits for it."""


class NoTape:
    """A Tape that keeps nothing."""

    def begins(self, at: datetime, records: Sequence[Record]) -> None:
        """Keep nothing."""

    def took(self, event: Event, records: Sequence[Record], *, changed: bool) -> None:
        """Keep nothing."""

    def exchanged(self, at: datetime, data: Mapping[str, Json], records: Sequence[Record]) -> None:
        """Keep nothing."""

    def stop(self) -> None:
        """Nothing is kept."""

    def end(self) -> None:
        """Do nothing."""

    @property
    def is_kept(self) -> bool:
        """Always True."""
        return True

    def close(self, patience: float | None = None) -> None:
        """Do nothing."""
