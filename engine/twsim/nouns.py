"""The nouns that market, exchange and gateway of the simulator share: values, price steps, contracts.

The simulator shares no code with the engine that it tests, so these are not the engine's.
"""

from collections.abc import Callable
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:
    from dataclasses import dataclass as _standard

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type], type]:
        """Return the decorator of a value. Only mypy checks that it never changes: that halves the time to make one."""

        def decorate(cls: type) -> type:
            return _standard(cls, slots=slots, kw_only=kw_only, unsafe_hash="__hash__" not in cls.__dict__)

        return decorate


def unread(error: OSError | UnicodeDecodeError) -> str:
    """Return why a file could not be read as text, without its name."""
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return error.strerror or str(error)


CENT = Decimal("0.01")
ZERO = Decimal(0)


class Rounding(Enum):
    """Which neighbour on the grid a price takes."""

    NEAREST = ROUND_HALF_EVEN
    DOWN = ROUND_FLOOR
    UP = ROUND_CEILING


def on_tick(price: float | Decimal, tick: Decimal, rounding: Rounding) -> Decimal:
    """Return `price` on the grid of `tick`; DOWN is toward minus infinity. A float counts to 10 decimals."""
    exact = price if isinstance(price, Decimal) else Decimal(f"{price:.10f}")
    return ((exact / tick).to_integral_value(rounding.value) * tick).quantize(tick)


@dataclass(frozen=True, slots=True)
class TickRule:
    """Price steps by price level, lowest edge first: ((low edge, step), ...)."""

    steps: tuple[tuple[Decimal, Decimal], ...]

    def tick(self, price: Decimal | float) -> Decimal:
        """Return the step that applies at |price|."""
        level = abs(Decimal(price))
        return next((step for edge, step in reversed(self.steps) if level >= edge), self.steps[0][1])

    def round(self, price: float | Decimal, rounding: Rounding) -> Decimal:
        """Return `price` on the grid of its own level."""
        return on_tick(price, self.tick(price), rounding)


class SecType(Enum):
    """Security types of the TWS API that the simulator lists."""

    STOCK = "STK"
    INDEX = "IND"
    OPTION = "OPT"


class Settle(Enum):
    """How an option ends."""

    NONE = ""
    AM = "AM"
    PM = "PM"
    SHARES = "SHARES"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One listed contract. Prices are dollars or index points; `strike` is 0 and `right` empty unless an option.

    `last_trade_date` is the wire's lastTradeDateOrContractMonth: for AM-settled SPX the day before `settle_date`; for
    all others the two are the same day. ticks: the price steps of its class, where the source of a market gives them.
    """

    con_id: int
    symbol: str
    sec_type: SecType
    trading_class: str
    local_symbol: str
    exchange: str
    primary_exchange: str
    long_name: str
    multiplier: int = 1
    last_trade_date: date | None = None
    settle_date: date | None = None
    strike: float = 0.0
    right: str = ""
    settle: Settle = Settle.NONE
    underlying_id: int = 0
    currency: str = "USD"
    ticks: TickRule | None = None

    def __hash__(self) -> int:
        """Return the key of a contract: all other fields follow from it, and whole chains are looked up."""
        return self.con_id

    @property
    def is_option(self) -> bool:
        """True for OPT."""
        return self.sec_type is SecType.OPTION
