"""A bound on the questions that the broker has not answered yet.

Source: TWS API, "Historical Data Limitations": at most 50 historical requests may be open at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RequestBound:
    """Lets at most `limit` questions be open; further ones wait and are sent in their order."""

    def __init__(self, limit: int) -> None:
        self.open = 0
        self.waiting = 0
        self._free = asyncio.Semaphore(limit)
        self._losses = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a free place and hold it. Raises: ConnectionError when the connection is lost meanwhile."""
        losses = self._losses
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.open += 1
        try:
            if self._losses != losses:
                raise ConnectionError("the connection is gone")
            yield
        finally:
            self.open -= 1
            self._free.release()

    def lose(self) -> None:
        """Send none of the questions that wait: their connection is gone, and the open ones end at once."""
        self._losses += 1
