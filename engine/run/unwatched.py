"""A service whose gateway stays away while positions are open: a person is told, though no engine runs yet."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from engine.adapters.clock import Clock, WallClock
from engine.model.errors import StoreError
from engine.record.record import Kind, Record
from engine.store.journal import SqlJournal
from engine.store.open import is_there, open_store
from engine.store.place import Place
from engine.store.queries import StoreReader
from engine.turn.linking import UNWATCHED, unwatched_text

log = logging.getLogger("rulebot.run")


@asynccontextmanager
async def told_when_unwatched(
    store: Place, write: Callable[[Record], None] | None = None, clock: Clock | None = None
) -> AsyncIterator[None]:
    """Have an alarm recorded, once, when this takes long and positions are open.

    write: records; None opens the store for it, where nobody has it open.
    """
    telling = asyncio.create_task(_tell(store, write or (lambda record: _record(store, record)), clock or WallClock()))
    try:
        yield
    finally:
        telling.cancel()


async def _tell(store: Place, write: Callable[[Record], None], clock: Clock) -> None:
    await asyncio.sleep(UNWATCHED.total_seconds())
    try:
        with StoreReader(store) as reader:
            count = len(reader.view("open_positions"))
        if count:
            text = unwatched_text(UNWATCHED.total_seconds(), count)
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
