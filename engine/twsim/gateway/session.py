"""One connected client: its identity, what it subscribed to, and its bounded outgoing queue."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from rulebot.model.session import EXCHANGE_ZONE
from twsim.gateway.lines import BarRequest, KeptBars, MarketDataLine
from twsim.gateway.wire import Value, frame, prose
from twsim.instrument import Instrument, SecType

WRITE_BYTES = 32 * 1024


@dataclass(slots=True)
class Traffic:
    """What the gateway did, for its operator. Units: real seconds, on ticks and on moving the market."""

    messages: int = 0
    fences: int = 0
    encode_seconds: float = 0.0
    market_seconds: float = 0.0
    dropped_clients: int = 0


@dataclass(slots=True)
class Subscriptions:
    """What a client wants to hear of.

    dead: ids of lines that nothing comes on any more, though nobody was told; they count among the lines.
    account: the one whose updates are sent, "" for none. multi, position_multi: account ("" is each) and model.
    pnl: account. pnl_single: account and contract id.
    """

    lines: dict[int, MarketDataLine] = field(default_factory=dict)
    dead: set[int] = field(default_factory=set)
    account: str = ""
    positions: bool = False
    summaries: dict[int, str] = field(default_factory=dict)
    multi: dict[int, tuple[str, str]] = field(default_factory=dict)
    position_multi: dict[int, tuple[str, str]] = field(default_factory=dict)
    pnl: dict[int, str] = field(default_factory=dict)
    pnl_single: dict[int, tuple[str, int]] = field(default_factory=dict)
    data_type: int = 1


class Session:
    """A client after the handshake. Messages collect in `out` until `flush` writes them in one go."""

    def __init__(self, transport: asyncio.Transport, traffic: Traffic, queue_bytes: int) -> None:
        self.transport = transport
        self.version = 0
        self.options = ""
        self.client_id = -1
        self.started = False
        self.wants = Subscriptions()
        self.out: list[bytes] = []
        self.kept_bars: dict[int, KeptBars] = {}
        self.live_bars: dict[int, BarRequest] = {}
        self._traffic = traffic
        self._queue_bytes = queue_bytes
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        self._closing = False

    def local_time(self, at: datetime) -> str:
        """Return what a greeting says of an instant: the time and the zone of the login."""
        return f"{at.astimezone(EXCHANGE_ZONE):%Y%m%d %H:%M:%S} US/Eastern"

    @property
    def asks_lockstep(self) -> bool:
        """True when the connect options contain +LOCKSTEP."""
        return "+LOCKSTEP" in self.options.split()

    def wants_lots(self, found: Instrument | None) -> bool:
        """Say whether sizes of this contract are in lots of 100: stocks, for clients below 159."""
        return self.version < 159 and found is not None and found.sec_type is SecType.STOCK

    def con_ids(self) -> set[int]:
        """Return the contracts whose quotes this client's lines need."""
        return {con_id for line in self.wants.lines.values() for con_id in line.con_ids}

    def send(self, *values: Value) -> None:
        """Queue one message."""
        self.out.append(frame(*values))
        self._traffic.messages += 1

    def send_raw(self, burst: bytes, count: int) -> None:
        """Queue `count` messages that are already encoded."""
        self.out.append(burst)
        self._traffic.messages += count

    def error(self, req_id: int, code: int, words: str) -> None:
        """Queue an errMsg."""
        extra = ("",) if self.version >= 166 else ()
        self.send(4, 2, req_id, code, prose(words), *extra)

    def flush(self) -> None:
        """Write what was queued, in chunks well under 64 KiB; a client that does not read is dropped."""
        if not self.out:
            return
        burst = b"".join(self.out)
        self.out.clear()
        if self.transport.is_closing():
            return
        if len(burst) <= WRITE_BYTES and not self._pending:
            self.transport.write(burst)
        else:
            self._postpone(burst)
        if self._pending_bytes + self.transport.get_write_buffer_size() > self._queue_bytes:
            self._traffic.dropped_clients += 1
            self.transport.abort()

    def _postpone(self, burst: bytes) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._pump)
        self._pending.extend(burst[at : at + WRITE_BYTES] for at in range(0, len(burst), WRITE_BYTES))
        self._pending_bytes += len(burst)

    def _pump(self) -> None:
        """Write one chunk in each turn of the loop, so that a client in the same loop reads in small pieces."""
        if not self._pending or self.transport.is_closing():
            self._pending.clear()
            self._pending_bytes = 0
            return
        chunk = self._pending.popleft()
        self._pending_bytes -= len(chunk)
        self.transport.write(chunk)
        if self._pending:
            asyncio.get_running_loop().call_soon(self._pump)
        elif self._closing:
            self.transport.close()

    def close(self) -> None:
        """Write what is queued and end the connection with FIN."""
        self.flush()
        self._closing = True
        if not self._pending:
            self.transport.close()
