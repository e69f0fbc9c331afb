"""What a structure can be worth at most, from the distances between its strikes, before any market is there.

A structure whose strikes all hang on one of them pays off within known bounds: a put spread of 10 points costs at most
10.00 to close, whatever happens. Source: the payoff of options with one expiry is piecewise linear, so its extremes lie
at a strike or beyond the outermost, where it is flat when as many are sold as bought.
"""

from collections.abc import Iterable
from decimal import Decimal

from engine.compile.structure import place_of, symbol_of
from engine.model.values import dataclass
from engine.spec.spec import Leg, Side, Spec, StrikeBy

Ends = tuple[Decimal, Decimal]
"""The least and the most that some legs pay at expiry, per share."""

MULTIPLIER = 100
COMMISSION = Decimal("1.40")
"""Dollars a contract and side, more than any product's: what a stop in dollars may be missed by."""


@dataclass(frozen=True, slots=True)
class Worth:
    """The most that closing one structure can cost, and bring, per share; None without a bound."""

    most_cost: float | None
    most_value: float | None


def worth_of(spec: Spec) -> Worth:
    """Return what one structure can be worth at most at expiry."""
    groups: dict[str, dict[str, list[Leg]]] = {}
    for leg in spec.legs.legs:
        groups.setdefault(symbol_of(leg, spec), {}).setdefault(leg.right, []).append(leg)
    ends = [_together(sides) for sides in groups.values()]
    known = [each for each in ends if each is not None]
    if len(known) < len(ends):
        return Worth(None, None)
    least, most = (sum((each[side] for each in known), Decimal(0)) for side in (0, 1))
    return Worth(float(-least), float(most))


def _together(sides: dict[str, list[Leg]]) -> Ends | None:
    """Puts and calls on one underlying. Where no put stands above a call only one of the two sides can be worth
    anything at the end; else both count."""
    ends = {right: _ends(legs) for right, legs in sides.items()}
    found = [each for each in ends.values() if each is not None]
    if len(found) < len(ends):
        return None
    if len(found) == 1:
        return found[0]
    joined = max if _stand_apart(sides) else sum
    least, most = (joined(abs(each[side]) for each in found) for side in (0, 1))
    return Decimal(-least), Decimal(most)


def _ends(legs: list[Leg]) -> Ends | None:
    places = [place_of(leg, legs) for leg in legs]
    counts = [leg.ratio if leg.side is Side.BUY else -leg.ratio for leg in legs]
    if sum(counts) or len({root.name for root, _ in places}) > 1:
        return None
    shifts = [shift for _, shift in places]
    pays = [_payoff(legs[0].right, zip(shifts, counts, strict=True), at) for at in shifts]
    return min(*pays, Decimal(0)), max(*pays, Decimal(0))


def _payoff(right: str, parts: Iterable[tuple[Decimal, int]], spot: Decimal) -> Decimal:
    outward = 1 if right == "put" else -1
    return sum((count * max((strike - spot) * outward, Decimal(0)) for strike, count in parts), Decimal(0))


def _stand_apart(sides: dict[str, list[Leg]]) -> bool:
    """Say whether the sold options are chosen at or out of the money, and the bought ones further out."""
    roots = [place_of(leg, legs)[0] for legs in sides.values() for leg in legs]
    outward = all(_is_outward(leg) for legs in sides.values() for leg in legs)
    return outward and all(_is_out_of_the_money(root) for root in roots)


def _is_outward(leg: Leg) -> bool:
    return leg.strike.by is not (StrikeBy.ABOVE if leg.right == "put" else StrikeBy.BELOW)


def _is_out_of_the_money(leg: Leg) -> bool:
    strike = leg.strike
    if strike.by is StrikeBy.DELTA:
        return strike.target is not None and strike.target <= Decimal("0.5")
    return strike.by in (StrikeBy.EXPECTED_MOVE, StrikeBy.AT_SPOT, StrikeBy.AT_LEG)
