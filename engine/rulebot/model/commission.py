"""Estimated commissions of an order, before it is sent.

Source: IBKR Pro pricing, US options, up to 10,000 contracts a month: its own part is 0.65 a contract from a premium of
0.10, 0.50 from 0.05, 0.25 below, and at least 1.00 an order. Added per contract: the exchange's fee for options on SPX
(0.57 below a premium of 1.00, 0.66 from there; for class SPXW 0.49 and 0.58, as IBKR lists weeklies), on RUT (0.18:
Cboe's fee for customers, as IBKR lists it) and on NDX (0.50: 0.25 of Nasdaq ISE for customers, 90 FR 26380, and 0.25
more for complex orders, as IBKR lists it; for a single option that is 0.25 too much), and 0.05 of clearing and
regulatory fees. XSP has no exchange fee here: Cboe charges customers from ten contracts an order on (0.04 in its
schedule of September 2021, the newest that could be read). Shares: the same for US stocks (0.005 a share, at most 1 %
of their value), and fees on sales: section 31 (20.60 a million dollars from 4 April 2026: SEC release 34-104909) and
FINRA's trading activity fee (0.000195 a share in 2026: SR-FINRA-2024-019). The broker's commission reports replace the
estimate; nothing is booked from it.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from rulebot.model.contract import LOT, Option
from rulebot.model.money import ZERO

LEAST_PER_ORDER = Decimal("1.00")
REGULATORY = Decimal("0.05")
_RUT, _NDX = Decimal("0.18"), Decimal("0.50")
_CLASS_FEE = {
    "SPX": (Decimal("0.57"), Decimal("0.66")),
    "SPXW": (Decimal("0.49"), Decimal("0.58")),
    **dict.fromkeys(("RUT", "RUTW"), (_RUT, _RUT)),
    **dict.fromkeys(("NDX", "NDXP"), (_NDX, _NDX)),
}
"""Dollars a contract below a premium of 1.00, and from there."""
EDGES = (0.05, 0.10, 1.0)
"""Premiums from which on a contract costs another commission; between two of them it is the same."""
PER_SHARE, PART_OF_WORTH = Decimal("0.005"), Decimal("0.01")
"""Dollars of a share, and the most of its worth."""
SECTION_31, TRADING_ACTIVITY = Decimal("0.0000206"), Decimal("0.000195")
"""Of a share that is sold: a part of its price, and dollars."""


def per_contract(option: Option, premium: float) -> Decimal:
    """Return the broker's own dollars of one contract at this premium per share, or of one share."""
    if option.is_share:
        return min(PER_SHARE, PART_OF_WORTH * Decimal(f"{premium:.4f}"))
    if premium >= 0.10:
        return Decimal("0.65")
    return Decimal("0.50") if premium >= 0.05 else Decimal("0.25")


def fees_per_contract(option: Option, premium: float) -> Decimal:
    """Return the dollars of fees on one contract at this premium per share; 0 of shares."""
    if option.is_share:
        return ZERO
    cheap, expensive = _CLASS_FEE.get(option.trading_class, (ZERO, ZERO))
    return (expensive if premium >= 1.0 else cheap) + REGULATORY


def passed_on(option: Option, count: int, price: float) -> Decimal:
    """Return the dollars of fees on these contracts, or shares (- sold), besides the commission."""
    if not option.is_share:
        return fees_per_contract(option, price) * abs(count)
    return -count * (SECTION_31 * Decimal(f"{price:.4f}") + TRADING_ACTIVITY) if count < 0 else ZERO


def fill_commission(option: Option, count: int, price: float) -> Decimal:
    """Return the dollars of commission on these contracts, or shares (- sold), before an order's minimum."""
    return per_contract(option, price) * abs(count) + passed_on(option, count, price)


def broker_part(parts: Iterable[tuple[Option, int, float]]) -> Decimal:
    """Return the broker's own dollars of an order, before its least; fees that are passed on are none."""
    return sum((per_contract(option, price) * abs(count) for option, count, price in parts), ZERO)


def minimum_shortfall(parts: Iterable[tuple[Option, int, float]], before: Decimal = ZERO) -> Decimal:
    """Return the dollars that the commissions of an order lack of its least.

    before: the broker's own part of what the order has filled already; what that lacked was paid with it and is given
    back, so that less than nothing may be due.
    """
    paid = max(LEAST_PER_ORDER - before, ZERO) if before else ZERO
    return max(LEAST_PER_ORDER - before - broker_part(parts), ZERO) - paid


def max_commission(option: Option, count: int) -> Decimal:
    """Return the most dollars of commission on these contracts, or shares, however they are split into orders.

    Each contract counts as its own order at the highest rate. Shares count in orders of 100. The section 31 fee on sold
    shares is excluded: it is a fraction of the proceeds.
    """
    if option.is_share:
        each = max(LEAST_PER_ORDER, LOT * PER_SHARE) + LOT * TRADING_ACTIVITY
        return each * -(-abs(count) // LOT)
    dearest = EDGES[-1]
    return (max(LEAST_PER_ORDER, per_contract(option, dearest)) + fees_per_contract(option, dearest)) * abs(count)


def estimate(parts: Sequence[tuple[Option, int, float]], before: Decimal = ZERO) -> Decimal:
    """Return the dollars of one order over (option, contracts, premium per share) of its legs; - is sold.

    before: as in `minimum_shortfall`; then the estimate is for the rest of the order.
    """
    return sum((fill_commission(*part) for part in parts), minimum_shortfall(parts, before))
