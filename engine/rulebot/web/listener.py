"""A socket that listens, and has never more than so many connections.

The engine in the same process needs descriptors for its broker, its store and its logs, and a system counts them
together: whoever opened a thousand connections, and asked for nothing, kept it from its broker.
"""

import socket
from contextlib import suppress
from typing import Any

MOST = 64
"""Connections at once: a browser has six, and the page takes up its own again when one ends."""


class Listener(socket.socket):
    """Ends the oldest connection for one too many; while those that were ended are still there, the new one."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._taken: list[socket.socket] = []
        self._ended: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection and whose it is. Raises: OSError, as when one has gone before it was taken."""
        connection, address = super().accept()
        self._taken = [each for each in self._taken if each.fileno() != -1]
        self._ended = [each for each in self._ended if each.fileno() != -1]
        if len(self._ended) >= MOST:
            connection.close()
            raise ConnectionAbortedError
        self._taken.append(connection)
        if len(self._taken) > MOST:
            oldest = self._taken.pop(0)
            self._ended.append(oldest)
            with suppress(OSError):  # it may be gone by itself
                oldest.shutdown(socket.SHUT_RDWR)
        return connection, address
