"""The lists without which nothing may be traded: orders, positions, account and executions, each seen to its end.

A broker that has only just logged in tells complete lists of an account that it has not loaded yet. So outside lockstep
every list is read again after some seconds, until two rounds on end say the same. In
lockstep no time passes between two rounds: one is enough.

The list of completed orders is wished for, and no more: gateways were seen that never end it, one since another
request for it was pending there (ib_insync 224 and 355). It tells how orders ended that are listed no more; executions,
what the account holds and the answers to cancels tell that, too.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from ib_async import ExecutionFilter

from rulebot.adapters.ib import trouble
from rulebot.adapters.ib.inbox import ENDS
from rulebot.adapters.ib.settings import IbSettings
from rulebot.adapters.ib.wire import Wire
from rulebot.model.event import Event

log = logging.getLogger("rulebot.ib")

MOST_ROUNDS = 6
OPEN, COMPLETED, POSITIONS, VALUES, EXECUTIONS = (ENDS[kind] for kind in (53, 102, 62, 54, 55))


async def positions_settled(
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
    raise trouble.positions_not_final(settings)


async def request_initial_lists(wire: Wire, account: str) -> None:
    """Ask for every list and see each one's end; what they say is in the inbox. Raises: BrokerError.

    One that never ends is waited for once: nothing is asked after it, but after that of completed orders.
    """
    ib = wire.ib
    ours = ExecutionFilter(acctCode=account)
    questions: dict[str, Callable[[], Awaitable[Any]]] = {
        OPEN: ib.reqAllOpenOrdersAsync,
        COMPLETED: lambda: ib.reqCompletedOrdersAsync(False),
        POSITIONS: ib.reqPositionsAsync,
        VALUES: lambda: ib.reqAccountUpdatesAsync(account),
        EXECUTIONS: lambda: ib.reqExecutionsAsync(ours),
    }
    if not wire.tells_completed:
        del questions[COMPLETED]
    refused: list[str] = []

    def noticed(words: str) -> None:
        if trouble.is_read_only(words):
            refused.append(words)
            wire.give_up("its API is read-only")  # no end of a list will come

    wire.inbox.ends.clear()
    wire.inbox.noticed = noticed
    missing = ""
    for name, question in questions.items():
        with suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(question(), wire.settings.request_seconds)
        if name in wire.inbox.ends:
            continue
        if name != COMPLETED or not wire.is_up:
            missing = name
            break
        wire.tells_completed = False
        log.warning("%s does not tell completed orders: it goes on without them", wire.settings.where)
    wire.inbox.noticed = None
    if refused:
        raise trouble.read_only(wire.settings)
    if missing:
        raise trouble.incomplete(wire.settings, [missing])
