"""Greeks of the legs and of the structure that is chosen or held, from the broker's model.

Of a leg they are sizes, of several legs the largest. Of the structure they are sums with their signs, of one structure,
on the scales of `net_delta` to `net_vega`.
"""

from collections.abc import Callable
from functools import partial
from math import isnan

from rulebot.measure.definition import DELTA, DOLLARS, PLAIN
from rulebot.measure.reading import Context, Read, Reading, UnknownValue
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.verdict import NOT_OPEN
from rulebot.measure.view import LegView, View
from rulebot.measures.structure import legs_named, names_of, worst
from rulebot.model.contract import LOT
from rulebot.model.market import OPTION_AGE, age_problem

GREEK_OF_LEG = (
    ("leg_delta", DELTA, "delta", "Absolute delta of a leg"),
    ("leg_gamma", PLAIN, "gamma", "What the delta of a leg changes for one point of the underlying"),
    ("leg_theta", DOLLARS, "theta", "Multiplier x absolute theta of a leg: dollars of one contract a calendar day"),
    ("leg_vega", DOLLARS, "vega", "Multiplier x absolute vega of a leg: dollars of one contract a volatility point"),
)
"""Each with its unit, the greek that it reads, and what of a leg that is; of several legs it is the largest."""
GREEK_OF_STRUCTURE = (
    ("position_delta", PLAIN, "delta", "shares of the underlying, the scale of net_delta"),
    ("position_gamma", PLAIN, "gamma", "shares a point of the underlying, the scale of net_gamma"),
    ("position_theta", DOLLARS, "theta", "dollars a calendar day, the scale of net_theta"),
    ("position_vega", DOLLARS, "vega", "dollars a volatility point, the scale of net_vega"),
)
"""Each with its unit, the greek that it sums, and what the sum is."""


def _greek(view: View, leg: LegView, greek: str, limit: float) -> Reading:
    """Return a greek of one option, or of one share, per share."""
    board, row = view.board, leg.row
    if leg.option.is_share:
        return 1.0 if greek == "delta" else 0.0
    if row < 0:
        return UnknownValue(f"{leg.name}: not streamed")
    if problem := age_problem(board, row, board.model_at[row], view.now, limit):
        return UnknownValue(f"{leg.name}: {greek}: {problem}")
    found: float = getattr(board, greek)[row]
    return UnknownValue(f"{leg.name}: no {greek}") if isnan(found) else found


def _of_leg(greek: str, call: Call, context: Context) -> Read:
    """Bind a greek of the legs, as a size: dollars of one contract, or a number of one share."""
    names, limit = names_of(call), context.limit(OPTION_AGE)
    in_dollars = call.quantity is Quantity.DOLLARS

    def size(view: View, leg: LegView) -> Reading:
        found = _greek(view, leg, greek, limit)
        if not isinstance(found, float):
            return found
        return abs(found) * leg.option.multiplier if in_dollars else abs(found)

    return lambda view: worst([size(view, leg) for leg in legs_named(view, names)])


def _of_structure(greek: str, call: Call, context: Context) -> Read:
    """Bind the signed sum of a greek over one structure."""
    limit = context.limit(OPTION_AGE)

    def read(view: View) -> Reading:
        if not view.legs:
            return UnknownValue(NOT_OPEN)
        total = 0.0
        for leg in view.legs:
            found = _greek(view, leg, greek, limit)
            if not isinstance(found, float):
                return found
            total += leg.sign * leg.price_multiplier * found
        return total * LOT

    return read


GREEKS: dict[str, Callable[[Call, Context], Read]] = {
    **{name: partial(_of_leg, greek) for name, _, greek, _ in GREEK_OF_LEG},
    **{name: partial(_of_structure, greek) for name, _, greek, _ in GREEK_OF_STRUCTURE},
}
