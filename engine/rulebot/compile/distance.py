"""Legs of one right by the points between their strikes: where each stands, and what they pay at expiry.

Source: the payoff of options with one expiry is piecewise linear, so its extremes lie at a strike or beyond the
outermost, where it is flat when as many are sold as bought.
"""

from collections.abc import Iterable
from decimal import Decimal

from rulebot.spec.nouns.legs import Leg, Side, Strike, StrikeBy

REFERRING = (StrikeBy.AT_LEG, StrikeBy.BELOW, StrikeBy.ABOVE)
"""Selectors that count from another leg."""

Ends = tuple[Decimal | None, Decimal | None]
"""The least and the most that some legs pay at expiry, per share; None without a bound."""

NOTHING = Decimal(0)


def place_of(leg: Leg, group: list[Leg]) -> tuple[Leg, Decimal]:
    """Return the leg whose strike this one counts from, and the points between them."""
    legs = {each.name: each for each in group}
    shift = Decimal(0)
    for _ in group:
        if leg.strike.by not in REFERRING or (leg.strike.reference or "") not in legs:
            break
        width = leg.strike.target or Decimal(0)
        shift += {StrikeBy.BELOW: -width, StrikeBy.ABOVE: width}.get(leg.strike.by, Decimal(0))
        leg = legs[leg.strike.reference or ""]
    return leg, shift


def keeps_its_width(strike: Strike) -> bool:
    """Say whether the text alone tells how far the strike stands from the one it counts from."""
    return strike.by not in REFERRING or not (strike.widths or strike.not_below or strike.not_above)


def ends_of(group: list[Leg]) -> Ends | None:
    """Return what legs of one right pay at least and at most; None when their strikes do not all hang on one."""
    places = [place_of(leg, group) for leg in group]
    if not all(keeps_its_width(leg.strike) for leg in group):
        return None
    if len({root.name for root, _ in places}) > 1:
        return None
    counts = [leg.ratio if leg.side is Side.BUY else -leg.ratio for leg in group]
    shifts = [shift for _, shift in places]
    pays = [payoff(group[0].right, zip(shifts, counts, strict=True), at) for at in shifts]
    least, most = min(*pays, NOTHING), max(*pays, NOTHING)
    return None if sum(counts) < 0 else least, None if sum(counts) > 0 else most


def payoff(right: str, parts: Iterable[tuple[Decimal, int]], spot: Decimal) -> Decimal:
    """Return what options of one right, (strike, count), pay at expiry, per share."""
    outward = 1 if right == "put" else -1
    return sum((count * max((strike - spot) * outward, NOTHING) for strike, count in parts), NOTHING)
