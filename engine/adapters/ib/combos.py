"""The legs of combos that work at the broker: openOrder has their contract ids and not which contracts they are.

A run that starts knows them by nothing else: what is held has its id, and what may be dealt in is listed only later,
beside the loop. Without them no combo that it finds at work could be changed.
"""

import asyncio
import logging
from collections.abc import Iterable

from ib_async import Contract

from engine.adapters.ib.contracts import ContractBook
from engine.adapters.ib.quotes import FAULTS
from engine.adapters.ib.wire import Wire
from engine.model.errors import BrokerError

log = logging.getLogger("rulebot.ib")

ANSWER_SECONDS = 10.0
"""Real seconds for the answers: what is open waits for them."""


async def learn_legs(wire: Wire, book: ContractBook, ids: Iterable[int]) -> None:
    """Ask what these contracts are, where nobody has told; what is not answered, or cannot be read, stays unknown."""
    unknown = sorted(number for number in set(ids) if not book.knows(number))
    await asyncio.gather(*(_learn(wire, book, number) for number in unknown))


async def _learn(wire: Wire, book: ContractBook, number: int) -> None:
    asked = Contract(conId=number)
    seconds = min(ANSWER_SECONDS, wire.settings.request_seconds)
    try:
        rows = await wire.requests.ask(
            f"the contract {number}", lambda req_id: wire.client.reqContractDetails(req_id, asked), seconds
        )
        book.learn_details(rows, wire.version)
    except BrokerError as error:
        log.warning("%s: it is a leg of an order at work", error.message)
    except FAULTS as problem:
        log.warning("the contract %d could not be read, a leg of an order at work: %r", number, problem)
