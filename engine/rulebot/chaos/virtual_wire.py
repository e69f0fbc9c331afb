"""Connections in memory that behave like TCP on one machine: bytes in order, FIN, RST, half-closed ends, back-pressure.

What an end writes is read in the loop's next cycle, or after the network's delay; what has arrived together is read
together. Bytes beyond the window wait with their writer.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

WINDOW = 256 * 1024
"""Bytes in transit or unread in one direction at most; as many are read at once at most, as in asyncio."""
HIGH_WATER, LOW_WATER = 64 * 1024, 16 * 1024
"""Bytes waiting for the window: above the first the writer is paused, below the second it continues."""
FIRST_PORT = 49152

Protocols = Callable[[], asyncio.BaseProtocol]


class Mark(Enum):
    """The end of a direction: orderly, or reset."""

    FIN = "fin"
    RST = "rst"


class Network:
    """The listener, and the connections. Units: `delay` in virtual seconds, one way, for bytes and marks alike.

    before_write, after_write: called at each write of a connecting end; not of the listener's.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.delay = 0.0
        self.before_write: Callable[[], None] | None = None
        self.after_write: Callable[[], None] | None = None
        self._listeners: dict[int, Listener] = {}
        self._clients: list[ConnectionEnd] = []
        self._next_port = FIRST_PORT
        self._is_severed = False

    def listen(self, protocols: Protocols, port: int) -> "Listener":
        """Return a listener. Raises: OSError when the port is in use."""
        port = port or self._free_port()
        if port in self._listeners:
            raise OSError(98, f"port {port} is in use")
        found = self._listeners[port] = Listener(self, protocols, port)
        return found

    def forget(self, listener: "Listener") -> None:
        """Free a listener's port."""
        self._listeners.pop(listener.port, None)

    async def connect(self, protocols: Protocols, port: int) -> tuple["ConnectionEnd", asyncio.BaseProtocol]:
        """Connect to a port. Raises: ConnectionRefusedError."""
        await asyncio.sleep(2 * self.delay)
        if self._is_severed:
            raise ConnectionAbortedError(103, "who connects is gone")
        if (listener := self._listeners.get(port)) is None:
            raise ConnectionRefusedError(111, f"nothing listens on port {port}")
        near = ConnectionEnd(self, protocols(), self._free_port(), is_client=True)
        far = ConnectionEnd(self, listener.protocols(), port, is_client=False)
        near.peer, far.peer = far, near
        self._clients = [*(each for each in self._clients if not each.is_over), near]
        self.loop.call_soon(far.begin)
        near.begin()
        return near, near.get_protocol()

    def sever(self, *, arrives: bool) -> None:
        """Drop all connecting ends without a message; their bytes in transit arrive, or are lost.

        No one can connect until `mend`.
        """
        for end in self._clients:
            end.vanish(arrives=arrives)
        self._clients.clear()
        self._is_severed = True

    def mend(self) -> None:
        """Let connect again."""
        self._is_severed = False

    @property
    def outside(self) -> tuple[object, ...]:
        """What would be left of the connections if all who connected were gone now."""
        return tuple(each.outside for end in self._clients for each in (end, end.peer))

    def _free_port(self) -> int:
        self._next_port += 1
        return self._next_port


class Listener(asyncio.AbstractServer):
    """A port that is listened on."""

    def __init__(self, network: Network, protocols: Protocols, port: int) -> None:
        self.port = port
        self.protocols = protocols
        self._network = network
        self._is_open = True

    @property
    def sockets(self) -> Sequence["Address"]:
        """In place of the socket: its address."""
        return (Address(self.port),) if self._is_open else ()

    def close(self) -> None:
        """Take no connection any more; those there are stay."""
        self._is_open = False
        self._network.forget(self)

    def is_serving(self) -> bool:
        """Say whether it still listens."""
        return self._is_open

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._network.loop

    async def start_serving(self) -> None:
        """Do nothing: it listens from the start."""

    async def serve_forever(self) -> None:
        """Wait for ever."""
        await self._network.loop.create_future()

    async def wait_closed(self) -> None:
        """Return at once: a closed port has nothing to wait for."""


class Address:
    """As much of a socket as is asked for: its address, and SO_LINGER, which makes an abort an RST."""

    def __init__(self, port: int) -> None:
        self.resets = False
        self._port = port

    def getsockname(self) -> tuple[str, int]:
        """Return host and port."""
        return "127.0.0.1", self._port

    def setsockopt(self, level: int, option: int, value: object) -> None:
        """Take SO_LINGER, which is only ever set to no seconds; other options change nothing here."""
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER):
            self.resets = True


class ConnectionEnd(asyncio.Transport):
    """One end of a connection: its unsent bytes, and those in transit to it."""

    peer: "ConnectionEnd"

    def __init__(self, network: Network, protocol: asyncio.BaseProtocol, port: int, *, is_client: bool) -> None:
        super().__init__()
        self.is_over = False
        self._network = network
        self._protocol: Any = protocol
        self._address = Address(port)
        self.is_client = is_client
        self._unsent = bytearray()
        self._arriving: deque[tuple[float, bytes | Mark]] = deque()
        self._unread = 0
        self._reset_at: float | None = None
        self._is_reading, self._is_due = False, False
        self._is_closing, self._is_ending, self._has_ended = False, False, False
        self._is_paused = False

    def begin(self) -> None:
        """Notify the protocol that it is connected."""
        self._is_reading = True
        self._protocol.connection_made(self)
        self._expect()

    # ------------------------------------------------------------ writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes; what is written to a closed end is dropped. Raises: RuntimeError after `write_eof`."""
        if self._is_closing or not data:
            return
        if self._is_ending:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._reset_at is not None and self._reset_at <= self._network.loop.time():
            self._fail(BrokenPipeError(32, "Broken pipe"))
            return
        network = self._network
        if self.is_client and network.before_write is not None:
            network.before_write()
        if not self._is_closing:
            self._unsent += data
            self.send()
        if self.is_client and network.after_write is not None:
            network.after_write()
        if len(self._unsent) > HIGH_WATER and not self._is_paused and not self._is_closing:
            self._is_paused = True
            self._protocol.pause_writing()

    def send(self) -> None:
        """Send as much as the window takes; after the last byte, the end if that is due."""
        if self._unsent and (room := self.peer.room) > 0:
            self.peer.expect(bytes(self._unsent[:room]))
            del self._unsent[:room]
        if self._is_paused and len(self._unsent) <= LOW_WATER and not self.is_over:
            self._is_paused = False
            self._protocol.resume_writing()
        if self._unsent or not self._is_ending:
            return
        if self._is_closing:
            self._network.loop.call_soon(self._lose, None)
        elif not self._has_ended:
            self._has_ended = True
            self.peer.expect(Mark.FIN)

    def write_eof(self) -> None:
        """End our direction after what was written."""
        if not self._is_ending:
            self._is_ending = True
            self.send()

    def can_write_eof(self) -> bool:
        """Say yes."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait for the other end to read."""
        return len(self._unsent)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return the low and the high mark."""
        return LOW_WATER, HIGH_WATER

    # ------------------------------------------------------------ reading

    @property
    def room(self) -> int:
        """How many more bytes may be in transit to here; a closed end takes them, and answers with RST."""
        return WINDOW if self.is_over else WINDOW - self._unread

    def expect(self, item: bytes | Mark) -> None:
        """Put bytes or a mark in transit to here."""
        at = self._network.loop.time() + self._network.delay
        if self.is_over:
            if not isinstance(item, Mark):
                self.peer.expect(Mark.RST)
            return
        if item is Mark.RST:
            self._reset_at = at
        elif not isinstance(item, Mark):
            self._unread += len(item)
        self._arriving.append((at, item))
        self._expect()

    def _expect(self) -> None:
        """See to it that what arrives is read when it is there."""
        if self._is_due or not self._arriving or not self.is_reading():
            return
        self._is_due = True
        loop, at = self._network.loop, self._arriving[0][0]
        if at <= loop.time():
            loop.call_soon(self._read)
        else:
            loop.call_at(at, self._read)

    def _read(self) -> None:
        """Hand over the bytes that are there, or the mark that is next."""
        self._is_due = False
        if not self.is_reading() or not self._arriving:
            return
        if data := self._bytes_there():
            self._unread -= len(data)
            self._hand_over(data)
            self.peer.send()
        elif self._arriving[0][0] <= self._network.loop.time():
            _, mark = self._arriving.popleft()
            if mark is Mark.RST:
                self._fail(ConnectionResetError(104, "Connection reset by peer"))
            elif self._protocol.eof_received():
                self._is_reading = False  # as asyncio: that the other end is gone shows in the next write
            else:
                self.close()
        self._expect()

    def _bytes_there(self) -> bytes:
        now = self._network.loop.time()
        pieces = []
        while self._arriving and self._arriving[0][0] <= now and isinstance(piece := self._arriving[0][1], bytes):
            pieces.append(piece)
            self._arriving.popleft()
        return b"".join(pieces)

    def _hand_over(self, data: bytes) -> None:
        try:
            self._protocol.data_received(data)
        except Exception as problem:  # noqa: BLE001 - reported as in asyncio
            message = "Fatal error: protocol.data_received() call failed."
            self._network.loop.call_exception_handler({"message": message, "exception": problem, "transport": self})
            self._fail(problem)

    def is_reading(self) -> bool:
        """Say whether what arrives is read."""
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        """Leave unread what arrives."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """Read again."""
        self._is_reading = True
        self._expect()

    # ------------------------------------------------------------ the end

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        """Read no more; end when all written bytes are in transit."""
        if not self._is_closing:
            self._is_closing = self._is_ending = True
            self.send()

    def abort(self) -> None:
        """Drop what has not left and end."""
        self._fail(None)

    def vanish(self, *, arrives: bool) -> None:
        """End as with the death of its process: bytes in transit arrive or are lost, and nothing is added."""
        if self.is_over:
            return
        if not arrives:
            self.peer.drop_arriving()
            self._address.resets = True
        self._fail(None)

    def drop_arriving(self) -> None:
        """Lose what has not been read."""
        self._arriving.clear()
        self._unread = 0

    def _fail(self, problem: Exception | None) -> None:
        self._is_closing = self._is_ending = True
        self._unsent.clear()
        self._network.loop.call_soon(self._lose, problem)

    def _lose(self, problem: Exception | None) -> None:
        """Be gone. The other end sees RST when that was asked for or we have not read all, else FIN."""
        if self.is_over:
            return
        self.is_over = True
        if self._address.resets or self._unread:
            self.peer.expect(Mark.RST)
        elif not self._has_ended:
            self.peer.expect(Mark.FIN)
        self.drop_arriving()
        self._protocol.connection_lost(problem)

    @property
    def outside(self) -> tuple[object, ...]:
        """This end without its process, if it connected; else all of it.

        Bytes that the process had not read make its end an RST instead of a FIN; the listener drops it alike.
        """
        marks = self.is_over, self._is_closing, self._is_ending, self._has_ended, self._address.resets
        sent = bytes(self._unsent), self._reset_at
        if self.is_client:
            return (*marks, *sent)
        return (*marks, *sent, tuple(self._arriving), self._is_reading, self._is_due, self._is_paused)

    # ------------------------------------------------------------ what asyncio also asks for

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the substitute for the socket, or an address."""
        known: dict[str, Callable[[], Any]] = {
            "socket": lambda: self._address,
            "sockname": self._address.getsockname,
            "peername": lambda: self.peer.get_extra_info("sockname"),
        }
        return known[name]() if name in known else default

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return who reads."""
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Let another read."""
        self._protocol = protocol
