"""Positions that are open while the gateway stays away: a person is told, in the session alone.

Outside of it no exit acts, and gateways restart every night and wait for a login over every weekend. Where that lasts
into a session it is told then; a service says half an hour before the open what is wrong, too (`before_open.py`).
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date, datetime

from rulebot.adapters.clock import Clock, WallClock
from rulebot.core.connection import UNWATCHED, unwatched_text
from rulebot.model.errors import StoreError
from rulebot.model.session import exchange_date, session_from
from rulebot.record.record import Kind, Record
from rulebot.store.journal import SqlJournal
from rulebot.store.open import is_there, open_store
from rulebot.store.place import Place
from rulebot.store.queries import StoreReader

log = logging.getLogger("rulebot.run")

LOOK_EVERY = 5.0
"""Seconds between two looks at the clock while a start waits."""


def unwatched_for(since: datetime, now: datetime) -> float:
    """Return for how many seconds of the session that is on nobody has watched what is open; 0.0 where none is on."""
    session = session_from(exchange_date(now))
    return (now - max(since, session.open)).total_seconds() if session.is_on(now) else 0.0


@asynccontextmanager
async def told_when_unwatched(
    store: Place, write: Callable[[Record], None] | None = None, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Have an alarm recorded, once in a session, when this takes long and positions are open.

    write: records; None opens the store for it, where nobody has it open.
    """
    telling = asyncio.create_task(_tell(store, write or (lambda record: _record(store, record)), clock or WallClock()))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(store: Place, write: Callable[[Record], None], clock: Clock) -> None:
    since, told = clock.now(), date.min
    while True:
        now = clock.now()
        seconds, today = unwatched_for(since, now), exchange_date(now)
        if seconds >= UNWATCHED.total_seconds() and told != today:
            told = today
            _tell_once(store, write, clock, seconds)
        await asyncio.sleep(LOOK_EVERY)


def count_open(store: Place) -> int:
    """Return how many positions are open in a store. Raises: StoreError."""
    with StoreReader(store) as reader:
        return len(reader.view("open_positions"))


def _tell_once(store: Place, write: Callable[[Record], None], clock: Clock, seconds: float) -> None:
    try:
        if count := count_open(store):
            text = unwatched_text(seconds, count)
            log.warning(text)
            write(Record(clock.now(), Kind.ALARM, data={"text": text}))
    except StoreError as error:
        if is_there(store):
            log.warning("whether positions are open cannot be read: %s", error.message)


def _record(store: Place, record: Record) -> None:
    journal = SqlJournal(open_store(store))
    try:
        journal.append([record], durable=True)
    finally:
        journal.close()
