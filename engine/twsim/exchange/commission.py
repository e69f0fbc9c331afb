"""Commissions and fees, as the broker charges US customers.

Sources: Interactive Brokers "Commissions: Options, United States", tiered, up to 10,000 contracts a month, smart
routed, as listed in early 2024 (0.65 a contract from a premium of 0.10, 0.50 from 0.05, 0.25 below, at least 1.00 an
order; ORF 0.02685 and OCC clearing 0.02 a contract; SEC 0.000008 of sales; FINRA TAF 0.00279 a contract sold), and for
stocks its fixed plan (0.005 a share, at least 1.00, at most 1 % of the trade). Cboe fee schedule of that year for
customers' SPX: 0.36 a contract below a premium of 1.00 and 0.45 from there, plus the execution surcharge of 0.21 (SPX)
or 0.13 (SPXW), which Interactive Brokers lists as 0.49 and 0.58 for weeklies; VIX by its own table (simple orders).
RUT 0.18, as Cboe's schedule and Interactive Brokers list it; NDX 0.25 a contract, and 0.25 more of complex orders, as
Interactive Brokers lists Nasdaq ISE for public customers. XSP nothing: Cboe takes a fee of customers from ten
contracts an order on, which is left out. The minimum is per order and is taken for single orders only; exercise,
assignment and settlement are free.
"""

from decimal import Decimal

from rulebot.model.money import ZERO
from twsim.instrument import Instrument

BASIS = Decimal("0.0001")
ORDER_MINIMUM = Decimal("1.00")
ORF = Decimal("0.02685")
CLEARING = Decimal("0.02")
SEC_RATE = Decimal("0.000008")
TAF_OPTION = Decimal("0.00279")
TAF_SHARE = Decimal("0.000166")
SHARE = Decimal("0.005")
SHARE_CAP = Decimal("0.01")

Steps = tuple[tuple[Decimal, Decimal], ...]
_OPTION_RATE: Steps = (
    (ZERO, Decimal("0.25")),
    (Decimal("0.05"), Decimal("0.50")),
    (Decimal("0.10"), Decimal("0.65")),
)
_CLASS_FEE: dict[str, Steps] = {
    "SPX": ((ZERO, Decimal("0.57")), (Decimal(1), Decimal("0.66"))),
    "SPXW": ((ZERO, Decimal("0.49")), (Decimal(1), Decimal("0.58"))),
    "VIX": (
        (ZERO, Decimal("0.10")),
        (Decimal("0.11"), Decimal("0.25")),
        (Decimal(1), Decimal("0.45")),
        (Decimal(2), Decimal("0.50")),
    ),
}
_CLASS_FEE["VIXW"] = _CLASS_FEE["VIX"]
_CLASS_FEE["RUT"] = _CLASS_FEE["RUTW"] = ((ZERO, Decimal("0.18")),)
_CLASS_FEE["NDX"] = _CLASS_FEE["NDXP"] = ((ZERO, Decimal("0.25")),)
_COMPLEX_FEE = {"NDX": Decimal("0.25"), "NDXP": Decimal("0.25")}


def _step(steps: Steps, price: Decimal) -> Decimal:
    found = steps[0][1]
    for edge, rate in steps:
        if price >= edge:
            found = rate
    return found


def broker_fee(instrument: Instrument, quantity: Decimal, price: Decimal) -> Decimal:
    """Return the broker's own part in dollars, before the minimum of the order."""
    if instrument.is_option:
        return quantity * _step(_OPTION_RATE, price)
    return min(quantity * SHARE, max(ORDER_MINIMUM, quantity * price * SHARE_CAP))


def third_party_fee(
    instrument: Instrument, quantity: Decimal, price: Decimal, *, sold: bool, single: bool = True
) -> Decimal:
    """Return exchange, clearing and regulatory fees in dollars; single: it is no leg of a combo."""
    fee = ZERO
    if instrument.is_option:
        fee += quantity * (ORF + CLEARING)
        if (steps := _CLASS_FEE.get(instrument.trading_class)) is not None:
            fee += quantity * _step(steps, price)
        if not single:
            fee += quantity * _COMPLEX_FEE.get(instrument.trading_class, ZERO)
    if sold:
        fee += quantity * price * instrument.multiplier * SEC_RATE
        fee += quantity * (TAF_OPTION if instrument.is_option else TAF_SHARE)
    return fee


def charge(
    instrument: Instrument, quantity: Decimal, price: Decimal, *, sold: bool, paid: Decimal, single: bool
) -> tuple[Decimal, Decimal]:
    """Return the commission of one fill and the broker's part of the order so far, `paid` being that before it.

    The first fill of a single order bears the minimum; later fills pay only what exceeds it.
    Units: dollars, to a hundredth of a cent.
    """
    fee = third_party_fee(instrument, quantity, price, sold=sold, single=single)
    total = paid + broker_fee(instrument, quantity, price)
    floor = ORDER_MINIMUM if single else ZERO
    before = max(floor, paid) if paid else ZERO
    return (max(floor, total) - before + fee).quantize(BASIS), total
