"""What faults put off: things to do at a later virtual time, or after a real one."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush

from twsim.gateway.hub import ServerState


class FaultScheduler:
    """Things to do, by time and then in the order they were put in."""

    def __init__(self, hub: ServerState) -> None:
        self._hub = hub
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._fail: Callable[[BaseException], None] | None = None

    def attach(self, fail: Callable[[BaseException], None]) -> None:
        """Learn how an error of our own ends the run."""
        self._fail = fail

    def later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do something so many virtual seconds from now."""
        self._sequence += 1
        heappush(self._due, (self._hub.now + int(seconds), self._sequence, run))

    def really_later(self, seconds: float, run: Callable[[], None]) -> None:
        """Do something so many seconds of the computer's from now."""
        asyncio.get_running_loop().call_later(seconds, self._guarded, run)

    def run_due(self) -> None:
        """Do what is due at this instant."""
        while self._due and self._due[0][0] <= self._hub.now:
            heappop(self._due)[2]()

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except Exception as problem:  # noqa: BLE001 - any error of our own ends the run, loudly
            if self._fail is not None:
                self._fail(problem)
