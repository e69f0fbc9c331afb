"""What the simulated world trades: the nouns that market, exchange and gateway of the simulator share.

The simulator shares no code with the adapter that it tests: these are not the engine's contracts.
"""

from datetime import date
from enum import Enum

from rulebot.model.money import TickRule
from rulebot.model.values import dataclass


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

    `last_trade_date` is what the wire calls lastTradeDateOrContractMonth: for AM-settled SPX the day before
    `settle_date`; for all others the two are the same day. ticks: the price steps of its class, where the source of a
    market tells them.
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
        """Return what tells contracts apart: all other fields follow from it, and whole chains are looked up."""
        return self.con_id

    @property
    def is_option(self) -> bool:
        """True for OPT."""
        return self.sec_type is SecType.OPTION
