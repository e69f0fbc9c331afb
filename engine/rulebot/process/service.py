"""Service state: what the engine of this process does, and when it last showed a sign of life.

The loop shows one at the end of every batch, so a stuck engine shows none, even when the rest of the process is well.
While a gateway is awaited there are no batches: then the event loop shows them, and the waiting has its own time
limits. systemd is notified of each, and the page's health check asks.
"""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from enum import Enum
from threading import Event, Thread

EVERY = 1.0

# --- A hanging engine trades nothing and watches nothing

REPORTED_AFTER, ENDED_AFTER = 5.0, 30.0
"""Seconds without a turn of the event loop after which it is reported, and after which the process is ended."""
STUCK_AFTER = 120.0
"""Seconds without a batch after which the process is ended, though its event loop turns."""
EXIT_CODE = 3


class Pulse:
    """When the event loop last turned; `beat` is its own, `is_dead` is asked by the thread. Units: seconds."""

    def __init__(self, now: float) -> None:
        self._turned = self._looked = now

    def beat(self, now: float) -> float:
        """Note a turn; return for how long the loop was blocked before it, 0.0 when it was not."""
        stood = now - self._turned - EVERY
        self._turned = now
        return stood if stood > REPORTED_AFTER else 0.0

    def is_dead(self, now: float) -> bool:
        """Say whether the loop was blocked too long; not when the whole process was, this thread included."""
        if now - self._looked > EVERY + REPORTED_AFTER:
            self._turned = now
        self._looked = now
        return now - self._turned > ENDED_AFTER


@asynccontextmanager
async def watched(
    notify: Callable[[str], None], *, is_on: bool, silence: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[None]:
    """Watch the event loop meanwhile; `notify` gets words for a person once it runs again.

    is_on: False where the account, and perhaps time, is simulated. silence: seconds since our loop has ended a batch.
    """
    if not is_on:
        yield
        return
    pulse, done = Pulse(time.monotonic()), Event()
    Thread(target=_look, args=(pulse, done, silence), name="watchdog", daemon=True).start()
    beating = asyncio.create_task(_beat(pulse, notify))
    try:
        yield
    finally:
        done.set()
        beating.cancel()


async def _beat(pulse: Pulse, notify: Callable[[str], None]) -> None:
    while True:
        await asyncio.sleep(EVERY)
        if stood := pulse.beat(time.monotonic()):
            notify(
                f"the engine was suspended for {stood:.0f} s: was the computer asleep or overloaded, or its disk slow?"
            )


def _look(pulse: Pulse, done: Event, silence: Callable[[], float]) -> None:
    looked = excused = time.monotonic()
    while not done.wait(EVERY):
        now = time.monotonic()
        if now - looked > EVERY + REPORTED_AFTER:  # the whole process was suspended, and its loop could end no batch
            excused = now
        looked = now
        if pulse.is_dead(now):
            _end(f"the engine has not responded for {ENDED_AFTER:.0f} s and is ended")
        if min(silence(), now - excused) > STUCK_AFTER:
            _end(f"the engine has done nothing for {STUCK_AFTER:.0f} s, though it should, and is ended")


def _end(words: str) -> None:
    """End the process, since nothing in it can be trusted to."""
    sys.stderr.write(f"error: {words}; start it again: it continues from its store\n")
    sys.stderr.flush()
    os._exit(EXIT_CODE)


# --- Notifications to systemd, when it started this process

NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
MICROSECONDS = 1_000_000


class Systemd:
    """The service manager of this process; without one it does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        named = environ.get(NOTIFY_SOCKET, "")
        self._address = f"\0{named[1:]}" if named.startswith("@") else named if named.startswith("/") else ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address else None
        if self._socket is not None:
            self._socket.setblocking(False)
        self.watchdog_seconds = _watchdog_seconds(environ) if self._address else None

    def notify(self, **lines: str) -> None:
        """Send one datagram: `notify(READY="1", STATUS="connected")`."""
        if self._socket is None:
            return
        text = "\n".join(f"{name}={' '.join(value.split())}" for name, value in lines.items())
        with suppress(OSError):
            self._socket.sendto(text.encode(), self._address)

    def extend(self, seconds: float) -> None:
        """Ask for so much more time before a start that is not ready yet counts as failed."""
        self.notify(EXTEND_TIMEOUT_USEC=str(int(seconds * MICROSECONDS)))


def _watchdog_seconds(environ: Mapping[str, str]) -> float | None:
    """Return within which time a sign of life is required, None when none is, or not by this process."""
    outstanding, whose = environ.get(WATCHDOG_USEC, ""), environ.get(WATCHDOG_PID, "")
    if not outstanding.isdigit() or int(outstanding) == 0 or whose not in ("", str(os.getpid())):
        return None
    return int(outstanding) / MICROSECONDS


# --- How the engine of this process is

HUNG_AFTER = 60.0
"""Seconds without a sign of life after which an engine counts as hung."""
START_PATIENCE = 120.0
"""Seconds that a start which shows signs of life asks systemd for again and again."""


class Stage(Enum):
    """What an engine does. CONNECTING: it waits for a gateway, for the first time or again."""

    STARTING = "starting"
    CONNECTING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


class Heartbeat:
    """The signs of life of one engine. The engine's thread writes, any thread reads.

    systemd: None where nothing supervises this process, as in tests. words: what it waits for, or why it ended, for a
    person. elapsed: monotonic seconds.
    """

    def __init__(self, systemd: Systemd | None = None, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._systemd = systemd
        self._elapsed = elapsed
        self._seen = self._reported = elapsed()
        self._is_ready = False
        self.stage = Stage.STARTING
        self.words = ""

    def waits(self, words: str) -> None:
        """Know that a gateway is waited for, and why."""
        self.stage, self.words = Stage.CONNECTING, words
        self._notify(STATUS=f"waits for the gateway: {words}" if words else "connects to the gateway")
        self.beat()

    def runs(self) -> None:
        """Know that the engine is connected and takes batches."""
        self.stage, self.words = Stage.RUNNING, ""
        self._notify(READY="1", STATUS="connected")
        self._is_ready = True
        self.beat()

    def ended(self, reason: str) -> None:
        """Know that the engine has ended."""
        self.stage, self.words = Stage.ENDED, reason
        self._notify(STOPPING="1", STATUS=f"ended: {reason}")

    def beat(self) -> None:
        """Show a sign of life."""
        now = self._seen = self._elapsed()
        if self._systemd is None or now - self._reported < self._report_interval():
            return
        self._reported = now
        if not self._is_ready:
            self._systemd.extend(START_PATIENCE)
        elif self._systemd.watchdog_seconds is not None:
            self._systemd.notify(WATCHDOG="1")

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
        if self._systemd is None:  # nothing supervises it
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

    def _notify(self, **lines: str) -> None:
        if self._systemd is not None:
            self._systemd.notify(**lines)

    def _report_interval(self) -> float:
        """Return how often systemd is notified: four times in its limit at most."""
        outstanding = None if self._systemd is None else self._systemd.watchdog_seconds
        return min(outstanding / 4, START_PATIENCE / 4) if outstanding else START_PATIENCE / 4
