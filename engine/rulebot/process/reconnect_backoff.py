"""How long to wait for a broker that cannot be reached, and for a client id that somebody still has."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import TypeVar
from zlib import crc32

from rulebot.model.errors import BrokerError, IdInUseError, UnansweredError
from rulebot.ports import Batch, Link

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
    """Ask until a gateway answers, however long that takes; `waiting` is told why it is asked again."""
    for wait in waits(name):
        try:
            return await ask()
        except BrokerError as error:
            log.warning("%s; tried again in %.0f s", error.message, wait)
            waiting(error.message)
            await asyncio.sleep(wait)
    raise AssertionError("waits never end")


async def first_batch(link: Link, name: str, waiting: Callable[[str], None] | None = None) -> Batch:
    """Connect for the first time, with the one client id: another one would be no fence against a second engine.

    waiting: is told what a service waits for, which never gives up; None for what a person has started.
    Raises: BrokerError; for an id in use after a minute, in lockstep at once, since no time passes there.
    """
    if waiting is not None:
        return await patiently(link.connect, name, waiting)
    return await _soon(link, name)


async def first_of_run(link: Link, name: str, *, is_held: bool, waiting: Callable[[str], None]) -> Batch:
    """Connect a run that a person has started; once a gateway has let it in, a lost connection is tried again for good.

    is_held: positions are open, so a gateway that answers nothing is waited for, too. waiting: is told why.
    Raises: BrokerError, as `first_batch`, while no gateway has let it in.
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
