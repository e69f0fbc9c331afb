"""The lists without which nothing may be traded: orders, positions, account and executions, each seen to its end.

A broker that has only just logged in tells complete lists of an account that it has not loaded yet. So outside lockstep
every list is read again after some seconds, until two rounds on end say the same. In
lockstep no time passes between two rounds: one is enough.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ib_async import ExecutionFilter

from engine.adapters.ib import trouble
from engine.adapters.ib.inbox import ENDS
from engine.adapters.ib.settings import IbSettings
from engine.adapters.ib.wire import Wire
from engine.model.event import Event

MOST_ROUNDS = 6


async def settled(
    settings: IbSettings, read: Callable[[], Awaitable[list[Event]]], told: Callable[[], Any]
) -> list[Event]:
    """Read every list until two rounds agree, and return what all of them said; `told` is what must agree.

    Raises: BrokerError when a list is missing, or they never agree.
    """
    events = await read()
    if settings.lockstep:
        return events
    for _ in range(MOST_ROUNDS - 1):
        before = told()
        await asyncio.sleep(settings.rounds_apart)
        events += await read()
        if told() == before:
            return events
    raise trouble.unsettled(settings)


async def ask_all(wire: Wire, account: str) -> None:
    """Ask for every list and see each one's end; what they say is in the inbox. Raises: BrokerError."""
    ib = wire.ib
    ours = ExecutionFilter(acctCode=account)
    questions: tuple[Callable[[], Awaitable[Any]], ...] = (
        ib.reqAllOpenOrdersAsync,
        lambda: ib.reqCompletedOrdersAsync(False),
        ib.reqPositionsAsync,
        lambda: ib.reqAccountUpdatesAsync(account),
        lambda: ib.reqExecutionsAsync(ours),
    )
    refused: list[str] = []

    def noticed(words: str) -> None:
        if trouble.is_read_only(words):
            refused.append(words)
            wire.give_up("its API is read-only")  # no end of a list will come

    wire.inbox.ends.clear()
    wire.inbox.noticed = noticed
    for question in questions:
        try:
            await asyncio.wait_for(question(), wire.settings.request_seconds)
        except (TimeoutError, ConnectionError):
            break
    wire.inbox.noticed = None
    missing = [name for name in ENDS.values() if name not in wire.inbox.ends]
    if refused:
        raise trouble.read_only(wire.settings)
    if missing:
        raise trouble.incomplete(wire.settings, missing)
