"""Where a command that only looks connects to: a gateway by the settings, or a simulated one made for it."""

from contextlib import AbstractAsyncContextManager

from engine.run.settings import Settings
from engine.run.worlds import SimSettings, World, attached, simulated


def world_to_look_at(
    settings: Settings, client_id: int, *, sim: bool, live: bool, is_embedded: bool
) -> AbstractAsyncContextManager[World]:
    """Return the world in which a command looks, as a client of its own.

    sim: behind a simulated gateway; is_embedded: one of its own, made for this. Of several accounts behind a login it
    takes the one of the settings; where there is one alone it takes that, unless it looks at a paper account that has
    to be the one of the settings.
    """
    if is_embedded:
        return simulated(SimSettings(), client_id)
    return attached(
        settings.host,
        settings.live_port if live else settings.port,
        client_id,
        "" if sim or live else settings.account,
        lockstep=sim,
        among=settings.account,
        live=live,
        share=settings.share,
    )
