"""A modelled session, as every source gives one; its options are quoted when somebody asks for them."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from engine.adapters.history.day import Columns, HistoryDay, Places
from engine.adapters.history.modelled.chain import QUOTED, ModelledChain
from engine.model.contract import Option

_MADE = ("options", *QUOTED)


class ModelledDay(HistoryDay):
    """A session with a modelled chain. `options` and the columns are made whole when they are read.

    Without a chain, which is what `replace` comes to, it is a session with columns of its own like any other.
    """

    __slots__ = ("_chain",)
    _chain: ModelledChain

    def __new__(cls, chain: ModelledChain | None = None, /, **given: Any) -> Any:
        """Return a session to be filled by `__init__`, or one that is complete."""
        return HistoryDay(**given) if chain is None else super().__new__(cls)

    def __init__(self, chain: ModelledChain, /, **given: Any) -> None:
        unread: dict[str, Any] = dict.fromkeys(_MADE)
        super().__init__(**given, **unread)
        self._chain = chain
        for name in unread:
            delattr(self, name)

    def __getattr__(self, name: str) -> Any:
        """Make what is read for the first time."""
        if name not in _MADE:
            raise AttributeError(f"a session has no {name}", name=name, obj=self)
        made: Mapping[str, Any] = {name: tuple(self._chain)} if name == "options" else self._chain.whole()
        for each, value in made.items():
            setattr(self, each, value)
        return made[name]

    def holding(self, places: Places) -> tuple[Mapping[str, Columns], Places]:
        """Return columns that hold the options at these places, and where; what is not there yet is made."""
        return self._chain.holding(places)

    def places(self) -> Mapping[Option, int]:
        """Return where each option stands."""
        return self._chain

    def symbols(self) -> frozenset[str]:
        """Return the underlyings on which it has options."""
        return self._chain.symbols()

    def expiries(self, symbol: str, trading_class: str) -> Sequence[date]:
        """Return the expiries of a class, earliest first."""
        return self._chain.expiries(symbol, trading_class)

    def strikes(self, symbol: str, trading_class: str, expiry: date) -> Sequence[Decimal]:
        """Return the strikes of an expiry of a class, lowest first."""
        return self._chain.strikes(symbol, trading_class, expiry)
