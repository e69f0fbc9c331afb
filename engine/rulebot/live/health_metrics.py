"""How a running engine fares: the lag of its event loop, its connection, its lines, all looked at from outside.

A task of its own wakes a few times a second, compares and counts; nothing in the engine's own work knows of it. What is
counted may be read by any thread.
"""

import asyncio
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING

from rulebot.model.contract import Contract

if TYPE_CHECKING:
    from rulebot.live.start import Run

EVERY = 0.25
"""Real seconds between two looks."""
LAG_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Spread:
    """How values are spread over buckets. `counts` has one number more than `bounds`: what lies above the last."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value: in the bucket whose bound is the first that is not below it."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Vitals:
    """What was seen of a run since it began. Units: real seconds, whatever the clock of the world does.

    linked_seconds: with a connection to the broker, in all; linked_since: when the present one was first seen, by
    `elapsed`, None without one. throttled_seconds: while messages waited for the broker's limit. evicted: market data
    lines that were given up while others were kept or taken.
    """

    def __init__(self, run: "Run", elapsed: Callable[[], float] = time.monotonic) -> None:
        self.run, self._elapsed = run, elapsed
        self._looked_at = elapsed()
        self._streamed: tuple[Contract, ...] = ()
        self.lag = Spread(LAG_BOUNDS)
        self.linked_seconds = 0.0
        self.linked_since: float | None = None
        self.throttled_seconds = 0.0
        self.evicted = 0

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            due = self._elapsed() + EVERY
            await asyncio.sleep(EVERY)
            self.lag.add(max(0.0, self._elapsed() - due))
            self.look()

    def look(self) -> None:
        """Compare with the last look."""
        now = self._elapsed()
        passed, self._looked_at = now - self._looked_at, now
        state, link = self.run.loop.state, self.run.world.ib.link
        if not state.connection.is_linked:
            self.linked_since = None
        elif self.linked_since is None:
            self.linked_since = now
        else:
            self.linked_seconds += passed
        if link.is_up and link.wire.pace.is_waiting:
            self.throttled_seconds += passed
        if state.subscriptions.streamed is not self._streamed:
            if state.subscriptions.streamed:  # nothing is what a new connection begins with, and every night
                self.evicted += len(set(self._streamed) - set(state.subscriptions.streamed))
            self._streamed = state.subscriptions.streamed

    @property
    def linked_for(self) -> float:
        """Seconds since the present connection came, 0 without one."""
        return 0.0 if self.linked_since is None else max(0.0, self._elapsed() - self.linked_since)
