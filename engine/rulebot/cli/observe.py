"""`rulebot run --observe`: a run's world and options, turned into those of an engine that sends nothing."""

import secrets
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rulebot.live.environments import World
    from rulebot.live.start import RunOptions
    from rulebot.store.place import Place

DEFAULT_FILLS = "natural"


def check_store(store: "Place", *, observes: bool) -> None:
    """Refuse a store of the other sort of runs. Raises: StoreError."""
    from rulebot.promotion.promotion import refuse_live_store, refuse_traded_store

    (refuse_traded_store if observes else refuse_live_store)(store)


def observed_world(
    world: "AbstractAsyncContextManager[World]", options: "RunOptions", fills: str | None
) -> "tuple[AbstractAsyncContextManager[World], RunOptions]":
    """Return a world in which nothing is sent, and the options that say so. Raises: MisuseError."""
    from rulebot.backtest.fills import fill_model
    from rulebot.live.shadow_environment import observing
    from rulebot.store.queries import OBSERVE

    model = fill_model(fills or DEFAULT_FILLS)
    told = {**options.settings, "mode": OBSERVE, "fills": model.name}
    install = f"obs-{options.install or secrets.token_hex(3)}"
    return observing(world, model), replace(options, settings=told, install=install, accounts=None)
