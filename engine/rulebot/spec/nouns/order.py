"""How an order is worked: where it starts, how it steps, and what comes after its tries."""

from decimal import Decimal
from enum import Enum

from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Path


class PriceFrom(Enum):
    """Where a ladder starts, besides a price of its own."""

    MID = "mid"
    NATURAL = "natural"
    MARKET = "market"


class OnUnfilled(Enum):
    """What follows the last try."""

    CANCEL = "cancel"
    UNWIND = "unwind"
    MARKET = "market"
    AGAIN = "again"


class Priority(Enum):
    """Priority of the broker's adaptive algorithm."""

    PATIENT = "patient"
    NORMAL = "normal"
    URGENT = "urgent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A limit ladder, an adaptive order, or a market order. Units: step per share; wait and pause in seconds.

    `price` is set instead of `start` when the ladder begins at a given price. `adaptive` has one priority a try (the
    last one is kept for further tries).
    """

    start: PriceFrom = PriceFrom.MID
    price: Decimal | None = None
    step: Decimal | None = None
    wait: float = 10.0
    tries: int = 1
    pause: float = 0.0
    then: OnUnfilled = OnUnfilled.CANCEL
    adaptive: tuple[Priority, ...] = ()
    leg_by_leg: tuple[str, ...] = ()
    path: Path

    @property
    def seconds(self) -> float:
        """Return how long its tries take; 0 for a market order."""
        return 0.0 if self.start is PriceFrom.MARKET else self.tries * self.wait + (self.tries - 1) * self.pause

    @property
    def ends_at_market(self) -> bool:
        """Say whether it comes to a market order, which needs no quotes."""
        return self.start is PriceFrom.MARKET or self.then is OnUnfilled.MARKET
