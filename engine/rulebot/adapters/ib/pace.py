"""The broker's limit on messages, counted in our own time.

In lockstep ib_async's queue is off (it would hold back every fence), so this count, in virtual time, is the limit; in
real time it lies below that queue's and keeps it empty. Market data leaves room for orders; when even that is used up,
orders wait for their second too, and what takes risk away goes first (faults.md row 52). But new orders leave in the
order of their ids: the gateway refuses an id that is lower than one it has read (103), and an entry would be lost.
"""

from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

ORDER_ROOM = 3
"""Messages in a second that only orders may use, beyond the limit of all others; TWS closes the socket at 50."""


class MessagePriority(IntEnum):
    """Who goes first when orders wait: cancels and changes of what closes, then what opens.

    A new order that closes goes first, too, unless a new one that opens waits already.
    """

    REDUCING = 0
    OPENING = 1


class _Waiting(NamedTuple):
    """A message of an order that waits. is_new: it brings the order to the gateway."""

    order_id: int
    is_new: bool
    send: Callable[[], None]


class RateLimiter:
    """Sends at most `limit` messages in any second, and ORDER_ROOM orders more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._now = 0.0
        self._sent: deque[float] = deque()
        self._waiting: deque[Callable[[], None]] = deque()
        self._orders: dict[MessagePriority, deque[_Waiting]] = {rank: deque() for rank in MessagePriority}

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

    def order(self, order_id: int, rank: MessagePriority, send: Callable[[], None], *, is_new: bool = False) -> None:
        """Send an order message, now if this second has room.

        Messages of one order never pass each other, nor do new orders.
        """
        behind = [
            each
            for each, waiting in self._orders.items()
            if any(one.order_id == order_id or (is_new and one.is_new) for one in waiting)
        ]
        self._orders[max([rank, *behind])].append(_Waiting(order_id, is_new, send))
        self._drain()

    def in_turn(self, send: Callable[[], None]) -> None:
        """Send now if this second has room, else later, in order."""
        self._waiting.append(send)
        self._drain()

    def release(self, now: float) -> None:
        """Let time come to `now` (epoch seconds) and send what may leave."""
        self._now = now
        while self._sent and not 0 <= now - self._sent[0] < 1:  # the clock may have been set back
            self._sent.popleft()
        self._drain()

    def _drain(self) -> None:
        for waiting in self._orders.values():
            while waiting and len(self._sent) < self._limit + ORDER_ROOM:
                self._sent.append(self._now)
                waiting.popleft().send()
        while self._waiting and len(self._sent) < self._limit:
            self._sent.append(self._now)
            self._waiting.popleft()()
