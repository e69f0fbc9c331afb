"""The broker's limit on messages, counted in our own time.

In lockstep ib_async's queue is off (it would hold back every fence), so this count, in virtual time, is the limit; in
real time it lies below that queue's and keeps it empty. Market data leaves room for orders; when even that is used up,
orders wait for their second too, and those that take risk away go first (faults.md row 52).
"""

from collections import deque
from collections.abc import Callable
from enum import IntEnum

ORDER_ROOM = 3
"""Messages in a second that only orders may use, beyond the limit of all others; TWS closes the socket at 50."""


class Rank(IntEnum):
    """Who goes first when orders wait: cancels and what closes, then what opens."""

    REDUCING = 0
    OPENING = 1


class Pace:
    """Sends at most `limit` messages in any second, and ORDER_ROOM orders more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now = 0.0
        self._sent: deque[float] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self._orders: dict[Rank, deque[tuple[int, Callable[[], None]]]] = {rank: deque() for rank in Rank}

    @property
    def is_waiting(self) -> bool:
        """True while messages wait for the next second."""
        return bool(self._waiting or any(self._orders.values()))

    @property
    def waiting(self) -> int:
        """How many messages wait for the next second."""
        return len(self._waiting) + sum(len(orders) for orders in self._orders.values())

    def clear(self) -> None:
        """Forget what waits: its connection is gone."""
        self._waiting.clear()
        self._sent.clear()
        for waiting in self._orders.values():
            waiting.clear()

    def order(self, order_id: int, rank: Rank, send: Callable[[], None]) -> None:
        """Send an order message, now if this second has room; messages of one order never pass each other."""
        behind = next((each for each in Rank if any(key == order_id for key, _ in self._orders[each])), rank)
        self._orders[behind].append((order_id, send))
        self._drain()

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
        for waiting in self._orders.values():
            while waiting and len(self._sent) < self._limit + ORDER_ROOM:
                self._sent.append(self._now)
                waiting.popleft()[1]()
        while self._waiting and len(self._sent) < self._limit:
            self._sent.append(self._now)
            self._waiting.popleft()()
