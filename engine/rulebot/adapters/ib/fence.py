"""The fence of a gateway in lockstep: the answer to `reqCurrentTime`, the last message of the next instant.

It is heard in the decoder's table and not through ib_async's own future: two cycles of the event loop less for every
simulated second, and an answer that came while nobody waited is kept.
"""

import asyncio
from datetime import UTC, datetime
from math import ceil
from typing import Any

from rulebot.adapters.ib.quotes import Handler

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
