"""Connection state: how long to wait for an unreachable broker, and for a client id in use."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple, TypeVar
from zlib import crc32

from rulebot.adapters.clock import WallClock
from rulebot.model.errors import BrokerError, IdInUseError, UnansweredError
from rulebot.model.event import Request
from rulebot.model.session import EXCHANGE_ZONE, exchange_date, session_from
from rulebot.ports import Batch, Link
from rulebot.record.record import Kind, Record
from rulebot.store.queries import Run, StoreReader, broker_now

T = TypeVar("T")

log = logging.getLogger("rulebot.run")

FIRST_WAIT, LONGEST_WAIT = 2.0, 15.0
"""Seconds between attempts to connect again: doubled from the first to the longest, each up to a quarter off."""
PATIENCE = 60.0
"""Seconds that a start waits for its client id: an older run that was killed may still be connected."""


def waits(name: str) -> Iterator[float]:
    """Yield how long to wait before each further attempt; engines of other names do not wait in step."""
    for number in count():
        off = crc32(f"{name}:{number}".encode()) / 2**32 - 0.5
        yield min(FIRST_WAIT * 2.0 ** min(number, 9), LONGEST_WAIT) * (1 + off / 2)


async def patiently(ask: Callable[[], Awaitable[T]], name: str, waiting: Callable[[str], None]) -> T:
    """Ask until a gateway answers, however long that takes; `waiting` gets the reasons."""
    for wait in waits(name):
        try:
            return await ask()
        except BrokerError as error:
            log.warning("%s; tried again in %.0f s", error.message, wait)
            waiting(error.message)
            await asyncio.sleep(wait)
    raise AssertionError("waits never end")


async def first_batch(link: Link, name: str, waiting: Callable[[str], None] | None = None) -> Batch:
    """Connect for the first time, with the one client id: another one would not exclude a second engine.

    waiting: gets what a service waits for, which never gives up; None for an interactive run. Raises: BrokerError; for
    an id in use after a minute, in lockstep at once, since no time passes there.
    """
    if waiting is not None:
        return await patiently(link.connect, name, waiting)
    return await _soon(link, name)


async def first_of_run(link: Link, name: str, *, is_held: bool, waiting: Callable[[str], None]) -> Batch:
    """Connect an interactive run; once a gateway has accepted it, a lost connection is retried for good.

    is_held: positions are open, so an unresponsive gateway is awaited too. waiting: gets the reason. Raises:
    BrokerError, as `first_batch`, until a gateway has accepted it.
    """
    try:
        return await _soon(link, name)
    except UnansweredError as error:
        if link.is_lockstep or not (error.was_connected or is_held):
            raise
        log.warning("%s; tried again until it answers", error.whole)
        waiting(error.message)
        return await patiently(link.connect, name, waiting)


async def _soon(link: Link, name: str) -> Batch:
    """Connect; wait a minute for a client id that is in use. Raises: BrokerError."""
    waited = 0.0
    for wait in waits(name):
        try:
            return await link.connect()
        except IdInUseError as error:
            if link.is_lockstep or waited >= PATIENCE:
                raise
            log.warning("%s; tried again in %.0f s", error.message, wait)
            await asyncio.sleep(wait)
            waited += wait
    raise AssertionError("waits never end")


# --- Whether the engine of a store has its broker, by its records

QUIET = timedelta(minutes=3)
"""How long no price may have been recorded in the session: an engine that sees any records them each minute."""
_UNWATCHED = "only orders at the broker work, no other exit acts"


class Connected(NamedTuple):
    """`is_linked`: None where no engine runs, or none has said so. words: what is not usual, "" when nothing is."""

    is_linked: bool | None
    words: str


def connected(reader: StoreReader, run: Run, now: datetime | None = None) -> Connected:
    """Return the connection state of a store's engine; `now`: by the broker's clock unless another is given."""
    if run.state() == "stopped":
        return Connected(None, "")
    if run.is_waiting:
        return Connected(False, f"the engine waits for its gateway, its log says why: {_UNWATCHED}")
    reported = reader.last_record(Kind.LINK)
    if reported is None:
        return Connected(None, "")
    link = reported[1]
    if link.data["up"]:
        return Connected(True, _quiet(reader, run, broker_now(reader, WallClock().now()) if now is None else now))
    since, why = link.at.astimezone(EXCHANGE_ZONE), link.data.get("reason") or "no reason is known"
    return Connected(False, f"not connected to the broker since {since:%Y-%m-%d %H:%M:%S}: {_UNWATCHED} ({why})")


def _quiet(reader: StoreReader, run: Run, now: datetime) -> str:
    """Return in words that an engine has recorded no price for long; "" where it has, or its time is simulated.

    A suspended or hanging process looks as alive as any other.
    """
    if run.started is None or run.started.data.get("lockstep"):
        return ""
    reported, session = reader.last_record(Kind.PRICES), session_from(exchange_date(now))
    if reported is None or not session.open <= reported[1].at <= now - QUIET or now >= session.close:
        return ""
    last, minutes = reported[1].at.astimezone(EXCHANGE_ZONE), (now - reported[1].at) // timedelta(minutes=1)
    return (
        f"no price was recorded for {minutes} min, since {last:%H:%M}: the engine is suspended, or hangs, or has no "
        f"market data. While it is so {_UNWATCHED}"
    )


# --- A run that dies again and again must not trade

WITHIN = timedelta(minutes=10)
STARTS = 3
"""This many starts, including this one, of which only this one may still run."""
REPORTING = (Kind.RUN_STARTED, Kind.RUN_ENDED, Kind.OPERATOR)
REASON = f"{STARTS} starts in {WITHIN.total_seconds() / 60:.0f} minutes, and none of them ended cleanly"
WORDS = f"{REASON}: entries are off, exits continue, until 'rulebot resume'"


def is_crash_loop(records: Iterable[Record], at: datetime) -> bool:
    """Say whether a run that starts at `at` is one too many. `records`: of engines' lives, in order, since `WITHIN`."""
    died: list[datetime] = []
    for record in records:
        if record.kind is Kind.RUN_STARTED:
            died.append(record.at)
        elif record.kind is Kind.RUN_ENDED and died and record.data.get("is_clean"):
            died.pop()
        elif record.kind is Kind.OPERATOR and record.data.get("request") == Request.RESUME.value:
            died.clear()
    return sum(at - started < WITHIN for started in died) >= STARTS - 1


# --- The engine's look at its own ground while nothing is written

EVERY = 1.0


class Guard:
    """Checks once a second of real time, whatever the clock of the world does; raises what `check` raises."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check
        self._looked = time.monotonic()

    def look(self) -> None:
        """Look, if a second has passed. Raises: StoreError; the engine must end then."""
        now = time.monotonic()
        if now - self._looked >= EVERY:
            self._looked = now
            self._check()
