"""A modelled session, as every source gives one; its options are quoted when somebody asks for them."""

from collections.abc import Mapping
from typing import Any

from rulebot.adapters.history.chained import ChainedDay
from rulebot.adapters.history.day import Columns, Places
from rulebot.adapters.history.modelled.chain import QUOTED, ModelledChain


class ModelledDay(ChainedDay):
    """A session with a modelled chain, whose columns too are made whole when they are read."""

    __slots__ = ()
    _chain: ModelledChain
    made = ("options", *QUOTED)

    def make(self, name: str) -> Mapping[str, Any]:
        """Return its options, or all columns of them."""
        return super().make(name) if name == "options" else self._chain.whole()

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns that hold the options at these places, and where; what is not there yet is made."""
        return self._chain.holding(places)
