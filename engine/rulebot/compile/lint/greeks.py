"""Greeks of legs and structure in the example: right after the fill, and wherever spot goes until it ends."""

from collections.abc import Iterable, Mapping
from math import inf, sqrt
from statistics import NormalDist

from rulebot.compile.lint.clauses import legs_of
from rulebot.compile.lint.literals import Subject
from rulebot.compile.lint.ranges import Range, stretch
from rulebot.compile.lint.sample import Sample, SampleLeg
from rulebot.model import black
from rulebot.model.contract import LOT, Right

PLACES, LEFT = [step / 4 for step in range(-16, 17)], (1.0, 0.25, 0.03)
"""Expected moves of spot, and parts of the time until expiry, at which a structure is looked at."""
_NAMES = ("gamma", "theta", "vega")
_OF_NAMES = frozenset(f"leg_{name}" for name in _NAMES)
_OF_LEGS = frozenset(("probability_in_the_money", *(f"leg_{name}" for name in _NAMES)))
_AT_ENTRY, _UNTIL_END = 2.0, 3.0
"""How many times the example's greeks those of another market may be, right after the fill and at any time."""
_LEAST = 0.05
"""The part of its level below which spot does not fall."""
_SURE = 0.2
"""The part of all legs' greeks, without signs, below which the net of them may turn its sign."""
_LIKELY = 1.25
"""How many times the example's chance of ending in the money another market's may be, at a strike chosen by delta."""
_NORMAL = NormalDist()


def greek(name: str, leg: SampleLeg, moves: float = 0.0, left: float = 1.0) -> float:
    """Return delta, gamma, theta or vega of one bought option after so many expected moves, with so much time left."""
    spot = max(leg.spot + moves * leg.move, leg.spot * _LEAST)
    annual, years = leg.move / leg.spot / sqrt(leg.years), leg.years * left
    if name == "delta":
        return black.delta(spot, leg.strike, years, annual, leg.plan.right is Right.CALL)
    found = black.sensitivities(spot, leg.strike, years, annual)
    return {"gamma": found.gamma, "theta": found.theta, "vega": found.vega}[name]


def net(name: str, legs: Iterable[SampleLeg], moves: float = 0.0, left: float = 1.0) -> float:
    """Return a greek of one structure, in the units of `position_delta` and the like."""
    return sum(greek(name, leg, moves, left) * leg.plan.sign * leg.plan.ratio for leg in legs) * LOT


def right_after_the_fill(subject: Subject, sample: Sample) -> Range | None:
    """Return where gamma, theta, vega or a chance is when the entry has filled; None where the example cannot say."""
    whose, _, name = subject.measure.partition("_")
    legs = _legs(subject, sample.legs) if subject.measure in _OF_LEGS else []
    if whose == "leg" and name in _NAMES and legs:
        return _about(max(_of_contract(name, leg) for leg in legs))
    if subject.measure == "probability_in_the_money" and legs:
        likely = max(map(_in_the_money, legs))
        return stretch(likely / _LIKELY, min(likely * _LIKELY, 1.0))
    if whose == "position" and name in _NAMES and ends_together(sample):
        found, gross = net(name, sample.legs.values()), sum(_gross(name, leg) for leg in sample.legs.values())
        return _about(found) if abs(found) > _SURE * gross else None
    return None


def until_it_ends(subject: Subject, sample: Sample) -> Range | None:
    """Return where gamma, theta or vega can be while the position is open; None where the example cannot say."""
    whose, _, name = subject.measure.partition("_")
    if name not in _NAMES or whose not in ("leg", "position"):
        return None
    if whose == "leg":
        legs = _legs(subject, sample.legs)
        return stretch(0.0, max(_largest(name, leg) for leg in legs) * _UNTIL_END) if legs else None
    if not ends_together(sample):
        return None
    values = [net(name, sample.legs.values(), moves, left) for moves in PLACES for left in LEFT]
    size = max(map(abs, values)) * _UNTIL_END
    return stretch(-size if min(values) < 0 else 0.0, size if max(values) > 0 else 0.0)


def ends_together(sample: Sample) -> bool:
    """Say whether all legs end on one day: of others the greeks turn with the volatilities of the two days."""
    return len({leg.days for leg in sample.legs.values()}) == 1


def of_legs(measure: str, legs: Iterable[SampleLeg]) -> float | None:
    """Return `leg_gamma` and the like, or `probability_in_the_money`, right after the fill; None of no leg."""
    name = measure.removeprefix("leg_")
    found = (_in_the_money(leg) if measure not in _OF_NAMES else _of_contract(name, leg) for leg in legs)
    return max(found, default=None)


def _legs(subject: Subject, legs: Mapping[str, SampleLeg]) -> list[SampleLeg]:
    return [legs[name] for name in sorted(legs_of(subject)) if name in legs]


def _about(value: float) -> Range:
    ends = sorted((value / _AT_ENTRY, value * _AT_ENTRY))
    return stretch(ends[0], ends[1])


def _of_contract(name: str, leg: SampleLeg, moves: float = 0.0, left: float = 1.0) -> float:
    """Return the size of a greek as `leg_gamma`, `leg_theta` and `leg_vega` have it: dollars of one contract."""
    return abs(greek(name, leg, moves, left)) * (1 if name == "gamma" else LOT)


def _largest(name: str, leg: SampleLeg) -> float:
    return max(_of_contract(name, leg, moves, left) for moves in PLACES for left in LEFT)


def _gross(name: str, leg: SampleLeg) -> float:
    return abs(greek(name, leg)) * leg.plan.ratio * LOT


def _in_the_money(leg: SampleLeg) -> float:
    deviation = leg.move / leg.spot
    return _NORMAL.cdf(-leg.outward / leg.spot / deviation - deviation / 2) if deviation < inf else 0.0
