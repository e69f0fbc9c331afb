"""One connection to TWS or IB Gateway through unmodified ib_async, which is used as a codec.

ib_async connects, frames, paces, encodes every request and decodes what we do not decode ourselves. Its seam is the
public table `ib.client.decoder.handlers`; no name that begins with an underscore is touched.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ib_async import IB, StartupFetchNONE

from rulebot.adapters.ib import connection_errors
from rulebot.adapters.ib.quotes import Handler, Inbox, LockstepBarrier, QuoteColumns
from rulebot.adapters.ib.requests import RateLimiter, Requests
from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.time_zones import instant_by_greeting, zone_by_greeting
from rulebot.model.errors import BrokerError
from rulebot.model.market import Board
from rulebot.model.session import EXCHANGE_ZONE

# --- Suspensions of this process while its connection was open

EVERY = 1.0
"""Seconds between two turns of the event loop that are noted."""
LIMIT = 5.0
"""Seconds by which a turn may be late; so much older than they seem may quotes be."""


class StallDetector:
    """One for each connection. Units: seconds of the event loop's own count, which no clock sets."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._turned = self._loop.time()
        self._longest = 0.0
        self._timer = self._loop.call_later(EVERY, self._turn)

    def words(self) -> str:
        """Return how long the process was suspended since it connected, "" when never long."""
        self._note()  # who asks before the loop turns again has blocked it himself
        if self._longest <= LIMIT:
            return ""
        return f"this process was suspended for {self._longest:.0f} s: the broker's messages from that time are old"

    def stop(self) -> None:
        """Look no more: the connection is over."""
        self._timer.cancel()

    def _turn(self) -> None:
        self._note()
        self._timer = self._loop.call_later(EVERY, self._turn)

    def _note(self) -> None:
        now = self._loop.time()
        self._longest = max(self._longest, now - self._turned - EVERY)
        self._turned = now


# --- One connection to TWS or IB Gateway through unmodified ib_async, which is used as a codec

log = logging.getLogger("rulebot.ib")

REQUEST_IDS = 1_000_000_000
"""Request ids start here, far above order ids, so that error messages can be assigned."""
OLDEST_VERSION = 157
BEATS_MISSED = 3
MOST_MESSAGES = 49
"""What ib_async lets through in a second before it queues; `RateLimiter` stays below it."""
PIECE = 8192
"""Bytes that ib_async is given at once.

For each message it copies all bytes behind it: one burst of 256 KiB takes four times as long as these chunks.
"""
LOCKSTEP_OPTION = "+LOCKSTEP"
LOCKSTEP_ZONE = "LOCKSTEP"

for _name in ("ib_async", "eventkit"):
    logging.getLogger(_name).addHandler(logging.NullHandler())


class _Greeting:
    """Overhears the first frame of the server: its version, its time and the zone, which ib_async drops."""

    def __init__(self, settings: IbSettings, refuse: Callable[[BrokerError], None]) -> None:
        self._settings = settings
        self._received = bytearray()
        self._refuse = refuse
        self.version = 0
        self.time = ""
        self.zone = ""
        self.received_at = 0.0

    def __call__(self, data: bytes) -> None:
        if self.version:
            return
        self._received += data
        length = int.from_bytes(self._received[:4], "big")
        if len(self._received) >= 4 and not 4 <= length <= 256:
            self._refuse(connection_errors.other_protocol(self._settings, bytes(self._received)))
        elif len(self._received) >= 4 + length:
            self._read(bytes(self._received[4 : 4 + length]))

    def _read(self, payload: bytes) -> None:
        version, _, reported = payload.rstrip(b"\0").decode("ascii", "replace").partition("\0")
        if not version.isdigit():
            self._refuse(connection_errors.other_protocol(self._settings, payload))
            return
        self.version = int(version)
        if self.version < OLDEST_VERSION:
            self._refuse(connection_errors.too_old(self._settings, self.version))
        self.received_at = asyncio.get_running_loop().time()
        day, clock, self.zone = [*reported.split(" ", 2), "", ""][:3]
        self.time = f"{day} {clock}"

    @property
    def local(self) -> datetime | None:
        """The time of the greeting without its zone, None where it is missing."""
        with suppress(ValueError):
            return datetime.strptime(self.time, "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - its zone is looked for
        return None


class Wire:
    """A connection and what hangs on it. Use one object for one connection.

    tells_completed: False once it has left its list of completed orders without an end.
    """

    def __init__(self, settings: IbSettings, board: Board) -> None:
        self.settings = settings
        self.ib = IB()
        self.client: Any = self.ib.client
        self.requests = Requests(self.client.getReqId, settings.max_requests)
        self.inbox = Inbox(self.requests.refuse)
        self.quotes = QuoteColumns(board)
        self.fence = LockstepBarrier()
        self.pace = RateLimiter(settings.messages_per_second)
        self.arrived = asyncio.Event()
        self.lost: str | None = None
        self.sends_completed = True
        self._clock = asyncio.get_running_loop().time
        self.received_at = self.asked_at = self._clock()
        self._messages: int | None = None
        self._refused: asyncio.Future[BrokerError] = asyncio.get_running_loop().create_future()
        self._greeting = _Greeting(settings, self._refuse)
        self._standstill: StallDetector | None = None
        self._listen()
        install(self.client, self.quotes, self.inbox, self.requests, self.fence)

    def _listen(self) -> None:
        self.client.conn.data_received = in_pieces(self.client.conn.data_received)
        # eventkit holds bound methods weakly; this object lives as long as its connection
        self.client.conn.hasData += self._greeting
        if not self.settings.lockstep:
            self.client.conn.hasData += self._on_data
        self.client.conn.disconnected += self._on_disconnect
        self.ib.updateEvent += self._on_update

    def _on_data(self, _: bytes) -> None:
        """Note that the broker spoke: whole messages count, since after a broken length nothing is ever whole again."""
        count = self.client.connectionStats().numMsgRecv if self.client.isReady() else None
        if count is None or count != self._messages:
            self._messages, self.received_at = count, self._clock()

    def beat(self) -> float | None:
        """Request the time of a silent broker; return the seconds until the next look, None after giving up.

        A dead connection looks like a quiet one: only an answer tells them apart.
        """
        every = self.settings.heartbeat_seconds
        now = self._clock()
        silent = now - self.received_at
        if silent >= BEATS_MISSED * every:
            self.give_up(f"no answer for {silent:.0f} s")
            return None
        if silent >= every and now - self.asked_at >= every:
            self.asked_at = now
            self.client.reqCurrentTime()
        return every

    def stood_still(self) -> str:
        """Return in words that this process was suspended since it connected, "" where it was not."""
        return "" if self._standstill is None else self._standstill.words()

    def give_up(self, reason: str) -> None:
        """Drop the connection at once; `lost` says why."""
        self.lost = reason
        self.requests.lose()
        if self.client.conn.transport is not None:
            self.client.conn.transport.abort()

    def _refuse(self, problem: BrokerError) -> None:
        if not self._refused.done():
            self._refused.set_result(problem)

    def _on_update(self) -> None:
        if self.inbox.queue or self.quotes.is_waiting:
            self.arrived.set()

    def _on_disconnect(self, reason: str) -> None:
        self.lost = self.lost or connection_errors.why_lost(reason)
        self.pace.clear()
        self.requests.lose()
        self.fence.lose()
        self.arrived.set()
        self._refuse(self._turned_away(connection_errors.why_lost(reason) if reason else ""))

    def _turned_away(self, words: str) -> BrokerError:
        """Return that the peer closed the connection; it had accepted us if it had sent the next order id."""
        was_connected = self.inbox.next_valid_id > 0
        return connection_errors.connection_refused(
            self.settings, self.inbox.notices, words, was_connected=was_connected
        )

    @property
    def is_up(self) -> bool:
        """True while messages can be sent."""
        return self.lost is None and bool(self.client.isReady())

    @property
    def version(self) -> int:
        """The server's protocol version."""
        return self._greeting.version

    @property
    def offers_lockstep(self) -> bool:
        """True when the gateway said that its clock waits for clients that ask for it."""
        return self._greeting.zone == LOCKSTEP_ZONE

    @property
    def zone(self) -> str:
        """The name of the gateway's time zone, which times without a zone are in."""
        return EXCHANGE_ZONE.key if self.offers_lockstep else self._greeting.zone

    def settle_zone(self, now: datetime) -> bool:
        """Take the zone of the greeting by its local time, where its name means several; say whether that is new.

        now: the broker's present instant.
        """
        local, before = self._greeting.local, self._greeting.zone
        if local is not None:
            self._greeting.zone = zone_by_greeting(before, local, now - timedelta(seconds=self.greeting_age))
        return before != self._greeting.zone

    @property
    def greeting_age(self) -> float:
        """The seconds since the greeting came."""
        return self._clock() - self._greeting.received_at

    @property
    def broker_greeted_at(self) -> datetime | None:
        """The broker's time at the greeting, in whole seconds; None where its zone is missing, unknown or ambiguous."""
        local = self._greeting.local
        return None if local is None else instant_by_greeting(self._greeting.zone, local)

    @property
    def greeted_at(self) -> datetime:
        """The gateway's time at the handshake. Only a gateway in lockstep means it; others print a local time."""
        plain = datetime.strptime(f"{self._greeting.time} +0000", "%Y%m%d %H:%M:%S %z")
        return plain.replace(tzinfo=EXCHANGE_ZONE).astimezone(UTC)

    async def greet(self) -> tuple[str, ...]:
        """Connect and return the accounts that are offered. Raises: BrokerError, with everything closed again."""
        try:
            await self._connect()
        except BaseException:
            await self.close()
            raise
        return tuple(self.client.getAccounts())

    async def open(self) -> str:
        """Connect and return the account. Raises: BrokerError, with everything closed again."""
        self.client.updateReqId(REQUEST_IDS)
        self.client.MaxRequests = MOST_MESSAGES
        if self.settings.lockstep:
            self.client.MaxRequests = 0
            self.client.setConnectOptions(LOCKSTEP_OPTION)
        try:
            await self._connect()
            if not self.settings.lockstep:
                self._standstill = StallDetector()
            return self._check()
        except BaseException:
            await self.close()
            raise

    def _check(self) -> str:
        if self.settings.lockstep and not self.offers_lockstep:
            raise connection_errors.no_lockstep(self.settings)
        if self.inbox.next_valid_id >= REQUEST_IDS:
            raise connection_errors.ids_used_up(self.inbox.next_valid_id)
        return connection_errors.check_account(self.settings, self.client.getAccounts())

    async def _connect(self) -> None:
        """Let ib_async connect; give up as soon as the peer closes or turns out to be something else."""
        settings = self.settings
        attempt = asyncio.ensure_future(
            self.ib.connectAsync(
                settings.host,
                settings.port,
                settings.client_id,
                timeout=settings.connect_seconds,
                account=settings.account,
                raiseSyncErrors=True,
                fetchFields=StartupFetchNONE,
            )
        )
        try:
            await asyncio.wait((attempt, self._refused), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            attempt.cancel()
            attempt.add_done_callback(_pass_over)
            raise
        if self._refused.done() and not attempt.done():
            attempt.cancel()
            await asyncio.wait((attempt,))
            raise self._refused.result()
        if (problem := attempt.exception()) is not None:
            raise self._reported(problem) from problem

    def _reported(self, problem: BaseException) -> BaseException:
        if isinstance(problem, ConnectionRefusedError):
            return connection_errors.nothing_listens(self.settings.where, lockstep=self.settings.lockstep)
        if isinstance(problem, TimeoutError):
            return connection_errors.no_greeting(self.settings, self.inbox.notices, spoke=self._greeting.version > 0)
        if isinstance(problem, ConnectionError) and problem.args and isinstance(problem.args[0], list):
            names = [str(each).removesuffix(" request timed out") for each in problem.args[0]]
            return connection_errors.incomplete(self.settings, names)
        if self._refused.done():
            return self._refused.result()
        if isinstance(problem, ConnectionError):
            return self._turned_away(str(problem))
        if isinstance(problem, OSError):
            return connection_errors.cannot_reach(self.settings, problem)
        return problem

    async def close(self) -> None:
        """Disconnect and wait until the socket is closed."""
        connection = self.client.conn
        self.pace.clear()
        if self._standstill is not None:
            self._standstill.stop()
        if not connection.isConnected():
            return
        closed = asyncio.Event()

        def on_closed(_reason: str) -> None:
            closed.set()

        connection.disconnected += on_closed
        if self.client.isReady():
            self.ib.disconnect()
        else:
            self.client.disconnect()
        try:
            await asyncio.wait_for(closed.wait(), self.settings.connect_seconds)
        except TimeoutError:
            log.warning("%s did not close the connection", self.settings.where)


def _pass_over(attempt: "asyncio.Future[None]") -> None:
    """Consume the result of an abandoned attempt; otherwise asyncio would print it."""
    if not attempt.cancelled():
        attempt.exception()


def in_pieces(receive: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return what hands on what was received piece by piece."""

    def received(data: bytes) -> None:
        for at in range(0, len(data), PIECE):
            receive(data[at : at + PIECE])

    return received


def install(client: Any, quotes: QuoteColumns, inbox: Inbox, requests: Requests, fence: LockstepBarrier) -> None:
    """Put our handlers into ib_async's table: quotes and time replaced, orders teed, answers of our requests kept."""
    table: dict[int, Handler] = client.decoder.handlers
    old = dict(table)
    table.update(requests.handlers(old, client.serverVersion))
    table.update(inbox.handlers(old))
    table.update(quotes.handlers())
    table.update(fence.handlers())
