"""The worst case of a structure at expiry.

Source: the payoff of options with one expiry is piecewise linear in the underlying, so its minimum lies at a strike, at
zero, or beyond the highest strike (where the slope is the net number of calls).
"""

from collections.abc import Iterable
from decimal import Decimal

from engine.model.contract import Option, Right
from engine.model.money import ZERO

Part = tuple[Option, int]
"""An option with its signed count in one structure (+ long, - short)."""


def intrinsic(option: Option, spot: Decimal) -> Decimal:
    """Return the exercise value per share."""
    gap = spot - option.strike if option.right is Right.CALL else option.strike - spot
    return max(gap, ZERO)


def worst_case(parts: Iterable[Part], net_price: Decimal) -> Decimal | None:
    """Return the largest loss at expiry per share of one structure, never negative; None when it has no bound.

    Units: `net_price` is signed, + received. Underlyings are taken apart: an option of one never covers another's. A
    short put's loss is bounded by its strike; a short call that no long call covers has no bound.
    """
    by_symbol: dict[str, list[Part]] = {}
    for option, count in parts:
        by_symbol.setdefault(option.symbol, []).append((option, count))
    total = net_price
    for group in by_symbol.values():
        lowest = _lowest_payoff(group)
        if lowest is None:
            return None
        total += lowest
    return max(-total, ZERO)


def _lowest_payoff(parts: list[Part]) -> Decimal | None:
    if sum(count for option, count in parts if option.right is Right.CALL) < 0:
        return None
    spots = {ZERO} | {option.strike for option, _ in parts}
    return min(sum((intrinsic(option, spot) * count for option, count in parts), ZERO) for spot in spots)
