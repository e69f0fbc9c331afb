"""Whether this process stood still while its connection stood: suspended, starved or blocked for some seconds.

No clock shows it: they all went on. What the broker said meanwhile waits in the socket, and is read at once when the
process goes on: quotes of minutes ago would count as of now. So a process that stood still has lost its connection
(faults.md rows 15 and 63), and everything is read again.
"""

import asyncio

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
        """Return for how long the process stood still since it was connected, "" when it never did for long."""
        self._note()  # who asks before the loop turns again has blocked it himself
        if self._longest <= LIMIT:
            return ""
        return f"this process stood still for {self._longest:.0f} s: what the broker said meanwhile is old"

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
