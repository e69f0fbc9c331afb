"""The best bid and ask that an order meets, single or combo, with what is left of their sizes at this instant."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from math import isnan

from twsim.seams import Market


@dataclass(slots=True)
class Nbbo:
    """Best quotes of one contract or combo; sizes shrink as our own orders take them within an instant.

    Units: prices per share (or points), None when nobody quotes; sizes are contracts or shares.
    """

    bid: Decimal | None
    ask: Decimal | None
    bid_size: int
    ask_size: int
    last: Decimal | None = None
    spot: float = float("nan")

    def far(self, side: int) -> Decimal | None:
        """Return the price that fills at once: the ask for a buyer (+1), the bid for a seller (-1)."""
        return self.ask if side > 0 else self.bid

    def near(self, side: int) -> Decimal | None:
        """Return the quote of one's own side."""
        return self.bid if side > 0 else self.ask

    def far_size(self, side: int) -> int:
        """Return the size shown at the far side."""
        return self.ask_size if side > 0 else self.bid_size

    def near_size(self, side: int) -> int:
        """Return the size shown at one's own side."""
        return self.bid_size if side > 0 else self.ask_size

    def take(self, side: int, quantity: int) -> None:
        """Use up size at the far side."""
        if side > 0:
            self.ask_size = max(0, self.ask_size - quantity)
        else:
            self.bid_size = max(0, self.bid_size - quantity)

    @property
    def mid(self) -> Decimal | None:
        """The midpoint, None unless both sides are quoted."""
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


def exact(price: float) -> Decimal | None:
    """Return a market price as Decimal, None for nan."""
    return None if isnan(price) else _exact(price)


@lru_cache(maxsize=8192)
def _exact(price: float) -> Decimal:
    return Decimal(str(round(price, 4)))


def nbbo_of(market: Market, con_ids: Sequence[int]) -> dict[int, Nbbo]:
    """Return the present touch of each contract."""
    if not con_ids:
        return {}
    ticks = market.ticks(con_ids)
    shown = (ticks.bid, ticks.ask, ticks.bid_size, ticks.ask_size, ticks.last, ticks.spot)
    return {
        con_id: Nbbo(exact(bid), exact(ask), _size(bid_size), _size(ask_size), exact(last), spot)
        for con_id, bid, ask, bid_size, ask_size, last, spot in zip(
            con_ids, *(column.tolist() for column in shown), strict=True
        )
    }


def _size(size: float) -> int:
    return 0 if isnan(size) else int(size)
