"""What a client is subscribed to: market data lines and bars that are kept up to date."""

from dataclasses import dataclass, field
from datetime import datetime

from twsim.instrument import Instrument
from twsim.seams import Bar, TicketLeg


@dataclass(slots=True)
class MarketDataLine:
    """A subscription. A combo has `legs` and no instrument; `sent` is the last quote of a combo, as printed.

    `is_begun` is False until its first set was sent: it was opened while no quotes went out.
    `weights` is what a point of each leg moves the combo's price by, `min_tick` the price step of a combo.
    """

    req_id: int
    instrument: Instrument | None
    legs: tuple[TicketLeg, ...] = ()
    weights: tuple[float, ...] = ()
    min_tick: str = "0.01"
    generics: frozenset[int] = frozenset()
    sent: tuple[object, ...] = ()
    is_begun: bool = False
    rid: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.rid = b"%d" % self.req_id

    @property
    def con_ids(self) -> tuple[int, ...]:
        """The contracts whose quotes this line needs."""
        if self.instrument is not None:
            return (self.instrument.con_id,)
        return tuple(leg.con_id for leg in self.legs)


@dataclass(frozen=True, slots=True)
class BarRequest:
    """One request for bars. Units: seconds."""

    found: Instrument
    what: str
    bar_seconds: int
    first: datetime
    last: datetime
    regular_hours: bool
    epochs: bool


@dataclass(slots=True)
class KeptBars:
    """Bars that are kept up to date, and the one that was sent last."""

    request: BarRequest
    told: Bar | None
