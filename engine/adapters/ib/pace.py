"""The broker's limit on messages, counted in our own time.

In lockstep ib_async's queue is off (it would hold back every fence), so this count, in virtual time, is the limit; in
real time it lies below that queue's and keeps it empty. Orders are counted and never wait; market data waits.
"""

from collections import deque
from collections.abc import Callable


class Pace:
    """Sends at most `limit` messages in any second."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now = 0.0
        self._sent: deque[float] = deque()
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def is_waiting(self) -> bool:
        """True while messages wait for the next second."""
        return bool(self._waiting)

    def clear(self) -> None:
        """Forget what waits: its connection is gone."""
        self._waiting.clear()
        self._sent.clear()

    def at_once(self, send: Callable[[], None]) -> None:
        """Send an order message now and count it."""
        self._sent.append(self._now)
        send()

    def in_turn(self, send: Callable[[], None]) -> None:
        """Send now if this second has room, else later, in order."""
        self._waiting.append(send)
        self._drain()

    def release(self, now: float) -> None:
        """Let time come to `now` (epoch seconds) and send what may leave."""
        self._now = now
        while self._sent and now - self._sent[0] >= 1:
            self._sent.popleft()
        self._drain()

    def _drain(self) -> None:
        while self._waiting and len(self._sent) < self._limit:
            self._sent.append(self._now)
            self._waiting.popleft()()
