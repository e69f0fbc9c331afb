"""An engine that stands still trades nothing and watches nothing: it is told, and in the end ended.

A thread looks whether the event loop still turns, and whether our loop still ends batches. It cannot repair what blocks
them; but a process that has ended is seen and started again, while one that hangs looks well. Orders at the broker
stay, and the next start goes on from there (faults.md row 15).
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Event, Thread

EVERY = 1.0
TOLD_AFTER, ENDED_AFTER = 5.0, 30.0
"""Seconds without a turn of the event loop after which it is told, and after which the process is ended."""
STUCK_AFTER = 120.0
"""Seconds without a batch after which the process is ended, though its event loop turns."""
EXIT_CODE = 3


class Pulse:
    """When the event loop last turned; `beat` is its own, `is_dead` is asked by the thread. Units: seconds."""

    def __init__(self, now: float) -> None:
        self._turned = self._looked = now

    def beat(self, now: float) -> float:
        """Note a turn; return for how long the loop stood still before it, 0.0 when it did not."""
        stood = now - self._turned - EVERY
        self._turned = now
        return stood if stood > TOLD_AFTER else 0.0

    def is_dead(self, now: float) -> bool:
        """Say whether the loop has stood still for too long; not when the whole process did, this thread included."""
        if now - self._looked > EVERY + TOLD_AFTER:
            self._turned = now
        self._looked = now
        return now - self._turned > ENDED_AFTER


@asynccontextmanager
async def watched(
    tell: Callable[[str], None], *, is_on: bool, silence: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[None]:
    """Have the event loop watched meanwhile; `tell` is given words for a person once it turns again.

    is_on: False where the account is made up and time may be too. silence: seconds since our loop has ended a batch.
    """
    if not is_on:
        yield
        return
    pulse, done = Pulse(time.monotonic()), Event()
    Thread(target=_look, args=(pulse, done, silence), name="watchdog", daemon=True).start()
    beating = asyncio.create_task(_beat(pulse, tell))
    try:
        yield
    finally:
        done.set()
        beating.cancel()


async def _beat(pulse: Pulse, tell: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(EVERY)
        if stood := pulse.beat(time.monotonic()):
            tell(f"the engine stood still for {stood:.0f} s: was the computer asleep or overloaded, or its disk slow?")


def _look(pulse: Pulse, done: Event, silence: Callable[[], float]) -> None:
    looked = excused = time.monotonic()
    while not done.wait(EVERY):
        now = time.monotonic()
        if now - looked > EVERY + TOLD_AFTER:  # the whole process stood still, and its loop could end no batch
            excused = now
        looked = now
        if pulse.is_dead(now):
            _end(f"the engine has stood still for {ENDED_AFTER:.0f} s and is ended")
        if min(silence(), now - excused) > STUCK_AFTER:
            _end(f"the engine has done nothing for {STUCK_AFTER:.0f} s, though it should, and is ended")


def _end(words: str) -> None:
    """End the process, since nothing in it can be trusted to."""
    sys.stderr.write(f"error: {words}; start it again: it goes on from its store\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)
