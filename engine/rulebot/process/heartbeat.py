"""How the engine of this process is: what it does, and when it last showed a sign of life.

The loop shows one at the end of every batch, so an engine whose loop is stuck shows none, also when the rest of the
process is well. While a gateway is waited for there are no batches: then the event loop shows them, and the waiting has
time limits of its own. systemd is told of each, and the page's health check asks.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum

from rulebot.process.systemd import Systemd

HUNG_AFTER = 60.0
"""Seconds without a sign of life after which an engine counts as hung."""
START_PATIENCE = 120.0
"""Seconds that a start which shows signs of life asks systemd for again and again."""
EVERY = 1.0


class Stage(Enum):
    """What an engine does. CONNECTING: it waits for a gateway, for the first time or again."""

    STARTING = "starting"
    CONNECTING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Heartbeat:
    """The signs of life of one engine. The engine's thread writes, any thread reads.

    systemd: None where nobody looks after this process, as in tests. words: what it waits for, or why it ended, for a
    person. elapsed: monotonic seconds.
    """

    def __init__(self, systemd: Systemd | None = None, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._systemd = systemd
        self._elapsed = elapsed
        self._seen = self._told = elapsed()
        self._is_ready = False
        self.stage = Stage.STARTING
        self.words = ""

    def waits(self, words: str) -> None:
        """Know that a gateway is waited for, and why."""
        self.stage, self.words = Stage.CONNECTING, words
        self._tell(STATUS=f"waits for the gateway: {words}" if words else "connects to the gateway")
        self.beat()

    def runs(self) -> None:
        """Know that the engine is connected and takes batches."""
        self.stage, self.words = Stage.RUNNING, ""
        self._tell(READY="1", STATUS="connected")
        self._is_ready = True
        self.beat()

    def ended(self, reason: str) -> None:
        """Know that the engine has ended."""
        self.stage, self.words = Stage.ENDED, reason
        self._tell(STOPPING="1", STATUS=f"ended: {reason}")

    def beat(self) -> None:
        """Show a sign of life."""
        now = self._seen = self._elapsed()
        if self._systemd is None or now - self._told < self._tell_every():
            return
        self._told = now
        if not self._is_ready:
            self._systemd.extend(START_PATIENCE)
        elif self._systemd.watchdog_seconds is not None:
            self._systemd.tell(WATCHDOG="1")

    def problem(self) -> str:
        """Return what is wrong with the engine, in a sentence; "" while it is well."""
        if self.stage is Stage.ENDED:
            return f"the engine has ended: {self.words}"
        silent = self._elapsed() - self._seen
        return f"the engine has shown no sign of life for {silent:.0f} s" if silent > HUNG_AFTER else ""

    def silence(self) -> float:
        """Return for how many seconds an engine that should take batches has ended none."""
        return self._elapsed() - self._seen if self.stage is Stage.RUNNING else 0.0

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[None]:
        """Show the event loop's own signs of life meanwhile, as long as no batches are due."""
        if self._systemd is None:  # nobody asks
            yield
            return
        beating = asyncio.create_task(self._beat_while_connecting())
        try:
            yield
        finally:
            beating.cancel()

    async def _beat_while_connecting(self) -> None:
        while True:
            if self.stage is not Stage.RUNNING:
                self.beat()
            await asyncio.sleep(EVERY)

    def _tell(self, **lines: str) -> None:
        if self._systemd is not None:
            self._systemd.tell(**lines)

    def _tell_every(self) -> float:
        """Return how often systemd is told: four times in what it waits for at most."""
        owed = None if self._systemd is None else self._systemd.watchdog_seconds
        return min(owed / 4, START_PATIENCE / 4) if owed else START_PATIENCE / 4
