"""The TCP side: accepts clients on this machine only, does the handshake, and hands their requests to the tables."""

import asyncio
import logging
import re
from itertools import groupby

from twsim.gateway.clock import Clock
from twsim.gateway.hub import ServerState
from twsim.gateway.market_data import quote_together
from twsim.gateway.orders import open_orders_unasked
from twsim.gateway.requests import answer
from twsim.gateway.wire import (
    MAX_VERSION,
    MIN_VERSION,
    Fields,
    MalformedError,
    Session,
    WireError,
    frame,
    take_frames,
)
from twsim.sessions import EXCHANGE_ZONE

log = logging.getLogger("twsim")

PREFIX = b"API\0"
MAX_HELLO = 4096
EPOCH_DIGITS = 12
FARMS = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2104, "Market data farm connection is OK:usopt"),
    (2106, "HMDS data farm connection is OK:ushmds"),
    (2158, "Sec-def data farm connection is OK:secdefnj"),
)
_HELLO = re.compile(rb"v(\d{1,6})(?:\.\.(\d{1,6}))?(?: (.*))?", re.DOTALL)
_CURRENT_TIME = b"49\x00"
_MARKET_DATA = b"1\x00"


def agreed_version(hello: bytes) -> tuple[int, str] | None:
    """Return the version to speak and the connect options of `v157..178 options`; None when there is none."""
    found = _HELLO.fullmatch(hello.rstrip(b"\0"))
    if found is None:
        return None
    lowest = int(found[1])
    highest = int(found[2] or found[1])
    chosen = min(highest, MAX_VERSION)
    if chosen < max(lowest, MIN_VERSION):
        return None
    return chosen, (found[3] or b"").decode("ascii", errors="replace")


class Gateway:
    """The server of one run: its clients, its clock, and the first error that ended it."""

    def __init__(self, hub: ServerState) -> None:
        self.hub = hub
        self.clock = Clock(hub, self.fail)
        if hub.faults is not None:
            hub.faults.attach(self.fail)
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._server is None:
            return 0
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self) -> None:
        """Listen. Raises: OSError when the port is in use."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.hub.settings.port)
        self.clock.start()

    async def stop(self) -> None:
        """Close every connection and the port."""
        self.clock.stop()
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for connection in list(self.connections):
            connection.close()
        if server is not None:
            await server.wait_closed()
        if not self.failure.done():
            self.failure.cancel()

    def fail(self, problem: BaseException) -> None:
        """End the run on an error of our own: log it, drop every client, and show it to whoever waits."""
        log.critical("the simulated gateway failed at %s", self.hub.at.isoformat(), exc_info=problem)
        self.clock.stop()
        for connection in list(self.connections):
            connection.abort()
        if self._server is not None:
            self._server.close()
        if not self.failure.done():
            self.failure.set_exception(problem)

    def admit(self, session: Session, client_id: int) -> bool:
        """Give a client its id and its greeting, or refuse an id that is in use."""
        hub = self.hub
        session.client_id = client_id
        if client_id in hub.sessions or (hub.faults is not None and hub.faults.refuses(session)):
            words = "Unable to connect as the client id is already in use. Retry with a unique client id."
            session.error(-1, 326, words)
            session.close()
            return False
        if hub.faults is not None and hub.faults.hangs_up(session):
            session.close()
            return False
        session.started = True
        role = ", holds the clock" if hub.settings.lockstep and session.asks_lockstep else ""
        log.info("client %d connected (API version %d%s)", client_id, session.version, role)
        hub.sessions[client_id] = session
        own = hub.accounts
        session.send(15, 1, own if hub.faults is None else hub.faults.accounts(session, own))
        session.send(9, 1, hub.next_id(client_id))
        for code, words in FARMS:
            session.error(-1, code, words)
        if client_id == hub.settings.master_client_id:
            open_orders_unasked(hub, session)
        if hub.faults is not None:
            hub.faults.connected(session)
        return True

    def leave(self, session: Session) -> None:
        """Forget a client; its orders live on."""
        if self.hub.sessions.get(session.client_id) is session:
            del self.hub.sessions[session.client_id]
            log.info("client %d is gone", session.client_id)
            if session.wants.lines:
                self.hub.feed.lines_changed()
            self.clock.left(session)


class Connection(asyncio.Protocol):
    """One TCP connection: prefix, hello, startApi, then requests."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._buffer = bytearray()
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._prefixed = False
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._gateway.connections.add(self)
        faults = self._gateway.hub.faults
        if faults is not None and faults.is_down:
            self.abort()
        elif len(self._gateway.connections) > self._gateway.hub.settings.max_clients:
            self.close()

    def connection_lost(self, problem: Exception | None) -> None:
        """Forget the client."""
        self._over = True
        self._gateway.connections.discard(self)
        if self._session is not None:
            try:
                self._gateway.leave(self._session)
            except Exception as failure:  # noqa: BLE001 - any error of our own ends the run, loudly
                self._gateway.fail(failure)

    def close(self) -> None:
        """Write what is queued and end with FIN."""
        self._over = True
        if self._session is not None:
            self._session.close()
        elif self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Drop the connection."""
        self._over = True
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Serve what arrived; frames may be cut and joined anywhere."""
        if self._over:
            return
        self._buffer += data
        try:
            self._serve()
        except WireError as problem:
            log.warning("a connection was closed: %s", problem)
            self.close()
        except Exception as failure:  # noqa: BLE001 - any error of our own ends the run, loudly
            self._gateway.fail(failure)

    def _serve(self) -> None:
        if not self._prefixed and not self._take_prefix():
            return
        for opens_lines, payloads in groupby(take_frames(self._buffer), _opens_line):
            if opens_lines and self._session is not None and self._session.started:
                payloads = iter(together := tuple(payloads))
                quote_together(self._gateway.hub, together)
            for payload in payloads:
                self._take(payload)
                if self._over:
                    return
        if self._session is not None:
            self._session.flush()
            self._gateway.clock.flush()

    def _take(self, payload: bytes) -> None:
        faults = self._gateway.hub.faults
        if self._session is None:
            self._greet(payload)
        elif not self._session.started:
            self._start(self._session, payload)
        elif payload.startswith(_CURRENT_TIME):
            self._gateway.clock.ask(self._session, _rests_until(payload))
        elif faults is None or not faults.holds(self._session, payload):
            answer(self._gateway.hub, self._session, payload)

    def _take_prefix(self) -> bool:
        head = bytes(self._buffer[:4])
        if not PREFIX.startswith(head):
            raise WireError(f"it began with {head!r}, not with {PREFIX!r}")
        if len(head) < 4:
            return False
        del self._buffer[:4]
        self._prefixed = True
        return True

    def _greet(self, hello: bytes) -> None:
        agreed = agreed_version(hello) if len(hello) <= MAX_HELLO else None
        if agreed is None:
            raise WireError(f"no version in common with {hello[:40]!r}")
        assert self._transport is not None
        hub = self._gateway.hub
        make = Session if hub.faults is None else hub.faults.session
        session = make(self._transport, hub.traffic, hub.settings.queue_bytes)
        session.version, session.options = agreed
        self._session = session
        local = f"{hub.at.astimezone(EXCHANGE_ZONE):%Y%m%d %H:%M:%S}"
        reported = f"{local} LOCKSTEP" if hub.settings.lockstep else session.local_time(hub.reported_at)
        session.out.append(frame(session.version, reported))

    def _start(self, session: Session, payload: bytes) -> None:
        """Take startApi; before it nothing else is answered."""
        fields = Fields(payload)
        try:
            kind = fields.text()
            fields.skip()
            client_id = fields.integer() if kind == "71" else None
        except MalformedError:
            client_id = None
        if client_id is None:
            log.warning("message %s before startApi was passed over", fields.items[:1])
        elif not self._gateway.admit(session, client_id):
            self._over = True


def _opens_line(payload: bytes) -> bool:
    """Say whether this is reqMktData."""
    return payload.startswith(_MARKET_DATA)


def _rests_until(payload: bytes) -> int:
    """Return the epoch seconds that a holder may add to reqCurrentTime, 0 without them."""
    added = payload.split(b"\0")[2:3]
    return int(added[0]) if added and added[0].isdigit() and len(added[0]) <= EPOCH_DIGITS else 0
