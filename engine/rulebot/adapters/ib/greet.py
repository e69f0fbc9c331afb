"""Hear what a gateway says before anything is asked of it."""

import secrets

from rulebot.adapters.ib.greeting import Greeting
from rulebot.adapters.ib.settings import MAX_CLIENT_ID, IbSettings
from rulebot.adapters.ib.wire import Wire
from rulebot.model.market import Board

FIRST_ID = 1_000_000
"""Client ids from here on are drawn for a greeting, so that the run's own id is free when the run comes."""


async def read_greeting(host: str, port: int, client_id: int | None = None) -> Greeting:
    """Connect, listen and disconnect; nothing is asked for. Raises: BrokerError, IdInUseError for an id in use.

    client_id: whose turn it is to be heard; one is drawn where none is given.
    """
    if client_id is None:
        client_id = FIRST_ID + secrets.randbelow(MAX_CLIENT_ID - FIRST_ID)
    wire = Wire(IbSettings(host=host, port=port, client_id=client_id), Board())
    accounts = await wire.greet()
    try:
        is_simulated = wire.offers_lockstep
        told_at = wire.greeted_at if is_simulated else None
    finally:
        await wire.close()
    return Greeting(accounts=accounts, is_simulated=is_simulated, told_at=told_at)
