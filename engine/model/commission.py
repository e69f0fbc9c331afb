"""What an order will cost in commissions, estimated before it is sent.

Source: IBKR Pro fixed pricing, US options (0.65 a contract from a premium of 0.10, 0.50 from 0.05, 0.25 below; 1.00 an
order at least), with the exchange's fee for options on SPX (0.57 below a premium of 1.00, 0.66 from there; of the class
SPXW 0.49 and 0.58, as IBKR lists weeklies) and 0.05 of clearing and regulatory fees a contract. The broker's own
commission reports replace the estimate as soon as they come; nothing is booked from it.
"""

from decimal import Decimal

from engine.model.contract import Option
from engine.model.money import ZERO

LEAST_PER_ORDER = Decimal("1.00")
REGULATORY = Decimal("0.05")
_CLASS_FEE = {"SPX": (Decimal("0.57"), Decimal("0.66")), "SPXW": (Decimal("0.49"), Decimal("0.58"))}
"""Dollars a contract below a premium of 1.00, and from there."""
EDGES = (0.05, 0.10, 1.0)
"""Premiums from which on a contract costs another commission; between two of them it is the same."""
PER_SHARE = Decimal("0.005")
"""Source: IBKR Pro fixed pricing, US stocks."""


def per_contract(option: Option, premium: float) -> Decimal:
    """Return the dollars of one contract at this premium per share, or of one share."""
    if option.is_share:
        return PER_SHARE
    if premium >= 0.10:
        base = Decimal("0.65")
    elif premium >= 0.05:
        base = Decimal("0.50")
    else:
        base = Decimal("0.25")
    cheap, dear = _CLASS_FEE.get(option.trading_class, (ZERO, ZERO))
    return base + (dear if premium >= 1.0 else cheap) + REGULATORY


def estimate(parts: list[tuple[Option, int, float]]) -> Decimal:
    """Return the dollars of one order over (option, contracts, premium per share) of its legs."""
    total = sum((per_contract(option, premium) * count for option, count, premium in parts), Decimal(0))
    return max(total, LEAST_PER_ORDER)
