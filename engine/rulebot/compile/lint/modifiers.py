"""Modifiers of strikes that leave no strike, or change nothing."""

from collections.abc import Iterator

from rulebot.compile.lint.number import Number, bare, in_points
from rulebot.compile.lint.sample import spots
from rulebot.compile.plan import Constant, LegPlan
from rulebot.model.contract import product
from rulebot.spec.nouns.legs import StrikeBy

_FAR = "no strike is listed there"
_LEAST_WITHIN, _MOST_WITHIN = 0.003, 0.5
"""How far from the delta that is asked for a strike may lie."""
_COARSEST = 0.05
"""The part of the level that strikes may lie apart which are a multiple of something."""
_NEAREST, _FURTHEST = 0.0002, 0.5
"""Parts of the level by which a strike is kept from spot."""
_MOST_OF_TARGET = 0.75
"""The part of a delta within which every strike out of the money is near enough."""
_MOVES = 6.0
"""Expected moves by which a strike is kept from spot at most: nobody bids for one further away."""
_LOW, _HIGH = 0.3, 3.0
"""Parts of the level between which strikes are held."""


def modifiers(leg: LegPlan, move: float) -> Iterator[Number]:
    """Yield the numbers that move the strike of one leg, each with its usual range. move: points to its end."""
    strike, path = leg.strike, leg.strike.path
    low, high = spots(leg.symbol)
    if strike.within is not None and strike.by is StrikeBy.DELTA:
        value, then = float(strike.within), "strikes lie further apart than that, or every one is near enough"
        ends = (_LEAST_WITHIN, min(_MOST_WITHIN, max(float(strike.target or 0) * _MOST_OF_TARGET, _LEAST_WITHIN)))
        yield Number(
            path=(*path, "within"), name="within", value=value, low=ends[0], high=ends[1], words=bare, then=then
        )
    for name, multiple in (("multiple_of", strike.multiple_of), ("prefer_multiple_of", strike.prefer_multiple_of)):
        if multiple is not None:
            least, then = min(product(leg.symbol).strike_step, 0.5), "such strikes lie too far apart to choose among"
            value, most = float(multiple), high * _COARSEST
            yield Number(path=(*path, name), name=name, value=value, low=least, high=most, words=bare, then=then)
    if strike.at_least_from_spot is not None:
        name, value, ends = (
            "at_least_from_spot",
            float(strike.at_least_from_spot),
            (low * _NEAREST, min(high * _FURTHEST, _MOVES * move)),
        )
        then = "it keeps no strike away, or leaves none"
        yield Number(path=(*path, name), name=name, value=value, low=ends[0], high=ends[1], words=in_points, then=then)
    for name, edge in (("not_below", leg.not_below), ("not_above", leg.not_above)):
        if isinstance(edge, Constant):
            ends = (low * _LOW, high * _HIGH)
            place = (*path, name)
            yield Number(path=place, name=name, value=edge.value, low=ends[0], high=ends[1], words=bare, then=_FAR)
