"""A line to a server that is cut at the worst moment: while a commit is on its way."""

import select
import socket
import threading
from enum import Enum, auto
from typing import Self

COMMIT = b"COMMIT\x00"


class Cut(Enum):
    """Where the line is cut at a commit."""

    BEFORE = auto()
    """The server never hears of it, and sees the line go."""
    AFTER = auto()
    """The server has kept it; its answer is lost."""
    STUCK = auto()
    """The client sees the line go; the server neither hears of the commit nor sees that, until `deliver`."""


class CuttingProxy:
    """Passes on whatever goes to a server and back. `coming`: what the next commits meet, None lets one through."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.coming: list[Cut | None] = []
        self.cuts = 0
        self._stuck: list[tuple[socket.socket, bytes]] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close all lines."""
        for each in (self._listener, *self._open):
            _end(each)

    def deliver(self) -> bool:
        """Let the commits that are stuck reach the server; say whether one of them was kept."""
        kept = False
        for server, data in self._stuck:
            try:
                server.sendall(data)
                server.settimeout(10)
                kept |= b"COMMIT" in server.recv(65536)
            except OSError:
                pass
        return kept

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._open += [client, server]
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what comes from either side until one ends, or the line is cut."""
        while True:
            try:
                ready = select.select([client, server], [], [])[0]
            except (OSError, ValueError):
                break
            data = _received(ready[0])
            if ready[0] is client and COMMIT in data and self.coming and (cut := self.coming.pop(0)) is not None:
                self._cut_off(client, server, data, cut)
                return
            if not data:
                break
            try:
                (server if ready[0] is client else client).sendall(data)
            except OSError:  # the other side has just gone
                break
        _end(server)
        _end(client)

    def _cut_off(self, client: socket.socket, server: socket.socket, data: bytes, cut: Cut) -> None:
        self.cuts += 1
        if cut is Cut.AFTER:
            server.sendall(data)
            assert _received(server)
        if cut is Cut.STUCK:
            self._stuck.append((server, data))
        else:
            _end(server)
        _end(client)


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except OSError:
        return b""


def _end(line: socket.socket) -> None:
    try:
        line.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    line.close()
