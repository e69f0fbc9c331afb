"""Where a command that only looks connects to: a gateway by the settings, or a simulated one made for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from rulebot.adapters.ib.greet import read_greeting
from rulebot.live.environments import LIVE_PORTS, PAPER_PORTS, SimSettings, World, attached, listening_port, simulated
from rulebot.process.settings import Settings


@asynccontextmanager
async def world_to_look_at(
    settings: Settings, client_id: int, *, sim: bool, live: bool, is_embedded: bool
) -> AsyncIterator[World]:
    """Yield the world in which a command looks, as a client of its own. Raises: BrokerError, MisuseError.

    sim: behind a simulated gateway; is_embedded: one of its own, made for this. A gateway that says that it is
    simulated is looked at by its own time in any case. Of several accounts behind a login it takes the one of the
    settings; where there is one alone it takes that, unless it looks at a paper account that has to be the one of the
    settings.
    """
    if is_embedded:
        async with simulated(SimSettings(), client_id) as world:
            yield world
        return
    port = settings.live_port if live else settings.port
    if port is None:
        port = await listening_port(settings.host, LIVE_PORTS if live else PAPER_PORTS)
    looked_at = attached(
        settings.host,
        port,
        client_id,
        "" if sim or live else settings.account,
        lockstep=sim or (await read_greeting(settings.host, port)).is_simulated,
        among=settings.account,
        live=live,
        share=settings.share,
    )
    async with looked_at as world:
        yield world
