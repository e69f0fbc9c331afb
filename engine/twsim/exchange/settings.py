"""The switches of the simulated broker."""

from datetime import timedelta
from decimal import Decimal

from rulebot.model.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSettings:
    """How the broker behaves where real ones differ, and how willing the market is to trade with us.

    Units: chances are probabilities from 0 to 1; `resting_rate` is hits a second of an order at its own side's quote;
    `price_band` is the fraction of the far quote by which a limit may be beyond it (None: any price is taken).
    """

    resting_rate: float = 0.0008
    resting_slope: float = 6.5
    duplicate_status: float = 0.1
    status_before_execution: float = 0.2
    pending_cancel: float = 0.3
    orders_per_side: int = 20
    refuse_other_side: bool = True
    compare_combo_legs: bool = False
    adaptive_combos: bool = False
    price_band: Decimal | None = Decimal(1)
    max_quantity: int = 10_000
    check_margin: bool = True
    cash_secured_puts: bool = False
    walk_levels: int = 20
    delivery_delay: timedelta = timedelta(minutes=5)
    """From the close until assignments and exercises are booked."""
