"""Order and account messages, taken in arrival order, raw.

A handler enqueues; nothing is decided here. The link turns the queue into events when an instant is complete. ib_async
sees none of them: it would keep each order and each execution for as long as the connection lasts. It sees the ends of
lists and errors, which end its own requests.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from math import ceil
from typing import Any

from rulebot.adapters.ib import convert
from rulebot.adapters.ib.quotes import Handler

ORDERS = (3, 4, 5, 6, 11, 59, 61, 63, 101)
"""orderStatus, errMsg, openOrder, account value, execDetails, commission, position, account summary, completedOrder."""
ENDS = {53: "open orders", 54: "account values", 55: "executions", 62: "positions", 102: "completed orders"}
NEXT_VALID_ID = 9
MOST_NOTICES = 1000
"""What the broker says on no id within one batch, at most: with the news that it is back come those of every farm."""


class Inbox:
    """`queue` holds raw messages; `ends` the lists whose end was seen; `notices` what the broker said on no id.

    `noticed` is told of each of those while somebody waits for lists.
    `next_valid_id` is the last one told, `counted_id` the same, or 0 while it was not told since it was asked for anew.
    """

    def __init__(self, refuse: Callable[[list[str]], bool]) -> None:
        self.queue: deque[list[str]] = deque()
        self.ends: set[str] = set()
        self.notices: deque[tuple[int, str]] = deque(maxlen=MOST_NOTICES)
        self.next_valid_id = self.counted_id = 0
        self.noticed: Callable[[str], None] | None = None
        self._refuse = refuse

    def handlers(self, old: dict[int, Handler]) -> dict[int, Handler]:
        """Return the handlers by message id."""
        found: dict[int, Handler] = dict.fromkeys(ORDERS, self._take)
        found[4] = self._tee_errors(old[4])
        found |= {kind: self._tee_end(old[kind], name) for kind, name in ENDS.items()}
        found[NEXT_VALID_ID] = self._tee_id(old[NEXT_VALID_ID])
        return found

    def _take(self, fields: list[str]) -> None:
        self.queue.append(list(fields))

    def _tee_errors(self, old: Handler) -> Handler:
        def handler(fields: list[str]) -> None:
            if not self._refuse(fields):
                self.queue.append(list(fields))
                if fields[2] == "-1":
                    words = convert.plain_text(fields[4])
                    self.notices.append((convert.whole(fields[3]), words))
                    if self.noticed is not None:
                        self.noticed(words)
            old(fields)

        return handler

    def _tee_end(self, old: Handler, name: str) -> Handler:
        def handler(fields: list[str]) -> None:
            self.ends.add(name)
            if name == ENDS[53]:
                self.queue.append(list(fields))
            old(fields)

        return handler

    def _tee_id(self, old: Handler) -> Handler:
        def handler(fields: list[str]) -> None:
            self.next_valid_id = self.counted_id = convert.whole(fields[2])
            old(fields)

        return handler


# --- The fence of a gateway in lockstep

CURRENT_TIME = 49


class LockstepBarrier:
    """One question at a time; asking again while it is open waits for the same answer."""

    def __init__(self) -> None:
        self.told: datetime | None = None
        self._told_at = 0.0
        self._is_asked = False
        self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None

    def handlers(self) -> dict[int, Handler]:
        """Return the handler of the answer."""
        return {CURRENT_TIME: self._hear}

    async def next(self, client: Any, until: datetime | None = None) -> datetime:
        """Say that we are done with this instant and return the next one. Raises: ConnectionError.

        until: the instants before it may be left out while the gateway has nothing to say; it is a field of our own
        behind those of `reqCurrentTime`, which only a gateway in lockstep is sent.
        """
        if not self._is_asked:
            self._is_asked = True
            client.send(CURRENT_TIME, 1, *([] if until is None else [ceil(until.timestamp())]))
        while self.told is None:
            if self._is_lost:
                raise ConnectionError("the connection was lost while waiting for the gateway's clock")
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        told, self.told, self._is_asked = self.told, None, False
        return told

    def take(self) -> datetime | None:
        """Return the broker's time if it was told since the last look; where nobody waits for it."""
        told, self.told = self.told, None
        return told

    @property
    def age(self) -> float:
        """The seconds since the broker's time was told last."""
        return asyncio.get_running_loop().time() - self._told_at

    def lose(self) -> None:
        """Give up waiting: the connection is gone."""
        self._is_lost = True
        self._wake()

    def _hear(self, fields: list[str]) -> None:
        self.told = datetime.fromtimestamp(int(fields[2]), UTC)
        self._told_at = asyncio.get_running_loop().time()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
