"""What a structure can be worth at most, from the distances between its strikes, before any market is there.

A structure whose strikes all hang on one of them pays off within known bounds: a put spread of 10 points costs at most
10.00 to close, whatever happens.
"""

from decimal import Decimal
from math import sqrt
from statistics import NormalDist

from rulebot.compile.distance import NOTHING, Ends, ends_of, keeps_its_width, payoff, place_of
from rulebot.compile.expiries import dte_range
from rulebot.compile.structure import group_direction, symbol_of
from rulebot.model.values import dataclass
from rulebot.spec.nouns.legs import Bound, Leg, Side, StrikeBy
from rulebot.spec.spec import Spec

MULTIPLIER = 100
NEAR = 0.75
"""A strike chosen by delta has at least so much of it, and at most so much more: no listed strike lies further off."""
AT_THE_MONEY = 0.5
"""The delta there."""
MOST_VOLATILITY, MOST_DEVIATION = 5.0, 1.0
"""A year's, and until expiry, of log returns: beyond all markets. By so much an option is more probably in the money
than its delta says."""
COMMISSION = Decimal("1.40")
"""Dollars a contract and side, more than any product's: what a stop in dollars may be missed by."""


@dataclass(frozen=True, slots=True)
class PayoffBounds:
    """The most that closing one structure can cost, and bring, per share; None without a bound.

    Both are never negative: what is sold brings 0 at most unless it has a side that is bought.
    """

    most_cost: float | None
    most_value: float | None


def worth_of(spec: Spec) -> PayoffBounds:
    """Return what one structure can be worth at most at expiry."""
    if any(leg.is_shares for leg in spec.legs.legs) or len(spec.legs.expiries) > 1:
        return PayoffBounds(None, None)
    groups: dict[str, dict[str, list[Leg]]] = {}
    for leg in spec.legs.legs:
        groups.setdefault(symbol_of(leg, spec), {}).setdefault(leg.right, []).append(leg)
    ends = [_together(sides) for sides in groups.values()]
    least, most = _added([each[0] for each in ends]), _added([each[1] for each in ends])
    return PayoffBounds(None if least is None else float(-least), None if most is None else float(most))


def same_everywhere(spec: Spec) -> Decimal | None:
    """Return what one structure of options pays at expiry, as a box does, None where that hangs on the market."""
    legs = list(spec.legs.legs)
    is_one = len(spec.underlyings) == 1 and len(spec.legs.expiries) == 1
    if not is_one or any(leg.is_shares or not keeps_its_width(leg.strike) for leg in legs):
        return None
    places = [place_of(leg, legs) for leg in legs]
    counts = [leg.ratio if leg.side is Side.BUY else -leg.ratio for leg in legs]
    is_flat = all(not sum(c for leg, c in zip(legs, counts, strict=True) if leg.right == r) for r in ("put", "call"))
    if not is_flat or len({root.name for root, _ in places}) > 1:
        return None
    parts = [(leg.right, shift, count) for leg, (_, shift), count in zip(legs, places, counts, strict=True)]
    pays = {sum((payoff(right, [(shift, c)], at) for right, shift, c in parts), NOTHING) for _, at, _ in parts}
    return pays.pop() if len(pays) == 1 else None


def most_brought(spec: Spec, worth: PayoffBounds) -> float | None:
    """Return the most that selling one structure can bring, per share; None where its worst case has no sure width.

    A spread is worth no more than its width times how probable its sold strike is. Source: Breeden and Litzenberger,
    "Prices of State-Contingent Claims Implicit in Option Prices".
    """
    sides: dict[str, list[Leg]] = {}
    for leg in spec.legs.legs:
        sides.setdefault(leg.right, []).append(leg)
    is_apart = _stand_apart(sides) if len(sides) > 1 else all(map(_is_outward, spec.legs.legs))
    if worth.most_cost is None or len(spec.underlyings) != 1 or not is_apart:
        return None
    last = max(dte_range(each)[1] for each in spec.legs.expiries)
    deviation = min(MOST_VOLATILITY * sqrt((last + 1) / 365), MOST_DEVIATION)
    costs = [(_ends(legs)[0], _probable(legs, deviation)) for legs in sides.values()]
    brought = sum(-float(least or NOTHING) * probable for least, probable in costs)
    return min(brought, worth.most_cost)


def _probable(legs: list[Leg], deviation: float) -> float:
    """Return how probable it is at most that what is sold on one side is in the money at its end."""
    root = place_of(legs[0], legs)[0]
    strike = root.strike
    if root.side is not Side.SELL or not _is_out_of_the_money(root) or strike.by is StrikeBy.AT_LEG:
        return 1.0
    target = AT_THE_MONEY
    if strike.by is StrikeBy.DELTA and strike.target is not None and strike.multiple_of is None:
        target = min(float(strike.target) / NEAR, AT_THE_MONEY)
    return NormalDist().cdf(NormalDist().inv_cdf(target) + deviation)


def _added(parts: list[Decimal | None]) -> Decimal | None:
    known = [part for part in parts if part is not None]
    return sum(known, NOTHING) if len(known) == len(parts) else None


def _together(sides: dict[str, list[Leg]]) -> Ends:
    """Puts and calls on one underlying. Where no put stands above a call only one of the two sides can be worth
    anything at the end; else both count."""
    ends = [_ends(legs) for legs in sides.values()]
    least, most = _added([each[0] for each in ends]), _added([each[1] for each in ends])
    if len(ends) > 1 and _stand_apart(sides):
        least = least and min(each[0] or NOTHING for each in ends)
        most = most and max(each[1] or NOTHING for each in ends)
    return least, most


def _ends(legs: list[Leg]) -> Ends:
    """Where strikes are chosen one by one, at no known distance, the sign may be known and the size is not."""
    unsized: dict[str | None, Ends] = {"credit": (None, NOTHING), "debit": (NOTHING, None)}
    return ends_of(legs) or unsized.get(group_direction(legs), (None, None))


def _stand_apart(sides: dict[str, list[Leg]]) -> bool:
    """Say whether the sold options are chosen at or out of the money, and the bought ones further out."""
    roots = [place_of(leg, legs)[0] for legs in sides.values() for leg in legs]
    outward = all(_is_outward(leg) for legs in sides.values() for leg in legs)
    return outward and all(_is_out_of_the_money(root) for root in roots)


def _is_outward(leg: Leg) -> bool:
    return leg.strike.by is not (StrikeBy.ABOVE if leg.right == "put" else StrikeBy.BELOW)


def _is_out_of_the_money(leg: Leg) -> bool:
    strike = leg.strike
    if strike.not_below is not None or strike.not_above is not None:
        return False
    if strike.by is StrikeBy.DELTA:
        return strike.target is not None and strike.target <= Decimal("0.5") and strike.bound is not Bound.AT_LEAST
    return strike.by in (StrikeBy.EXPECTED_MOVE, StrikeBy.OTM, StrikeBy.AT_SPOT, StrikeBy.AT_LEG)
