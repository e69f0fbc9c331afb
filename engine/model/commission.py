"""What an order will cost in commissions, estimated before it is sent.

Source: IBKR Pro fixed pricing, US options (0.65 a contract from a premium of 0.10, 0.50 from 0.05, 0.25 below; 1.00 an
order at least), with the exchange's proprietary product fee for SPX and SPXW (Cboe fee schedule: about 0.57 below a
premium of 1.00, 0.66 from there) and about 0.03 of clearing and regulatory fees a contract. The broker's own commission
reports replace the estimate as soon as they come; nothing is booked from it.
"""

from decimal import Decimal

from engine.model.contract import Option

LEAST_PER_ORDER = Decimal("1.00")
REGULATORY = Decimal("0.03")
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
    if option.symbol == "SPX":
        base += Decimal("0.66") if premium >= 1.0 else Decimal("0.57")
    return base + REGULATORY


def estimate(parts: list[tuple[Option, int, float]]) -> Decimal:
    """Return the dollars of one order over (option, contracts, premium per share) of its legs."""
    total = sum((per_contract(option, premium) * count for option, count, premium in parts), Decimal(0))
    return max(total, LEAST_PER_ORDER)
