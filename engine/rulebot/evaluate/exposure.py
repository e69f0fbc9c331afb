"""What some positions are exposed to, with an entry included: greeks by underlying, and their worst case at expiry."""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple


class Greeks(NamedTuple):
    """Sums over contracts. Units: shares, shares a point, dollars a day, dollars a volatility point."""

    delta: float
    gamma: float
    theta: float
    vega: float


class Exposure(NamedTuple):
    """Greeks by underlying, and dollars at expiry; with a reason in place of each that is not known."""

    greeks: Mapping[str, Greeks]
    missing: str
    worst: Decimal | None
    worst_missing: str
