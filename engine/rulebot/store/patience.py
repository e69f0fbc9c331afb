"""How long an engine goes on with a store that takes no records."""

from datetime import timedelta

from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Patience:
    """The settings `store_wait` and `memory_wait`.

    store_seconds: until a write counts as hanging, and the engine goes on without it. memory: how long records may be
    in memory alone, where no emergency journal can be written either; then the run ends.
    """

    store_seconds: float = 2.0
    memory: timedelta = timedelta(minutes=10)


PATIENCE = Patience()
