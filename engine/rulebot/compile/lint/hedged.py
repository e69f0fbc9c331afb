"""A structure on two underlyings as one position: as much on one side as on the other, opposite sides, the hedge first.

How many contracts of one stand against one of the other follows from the levels of the example market: 10 SPY against 1
SPX, 41 QQQ against 1 NDX, 10 IWM against 1 RUT.
"""

from collections.abc import Iterator, Mapping

from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.sample import SampleLeg
from rulebot.compile.plan import LegPlan
from rulebot.compile.problem import Problem
from rulebot.model.example_market import LEVELS, level
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Path

SAME_MARKET: tuple[frozenset[str], ...] = (
    frozenset(("SPX", "SPY", "XSP")),
    frozenset(("NDX", "QQQ")),
    frozenset(("RUT", "IWM")),
)
"""Underlyings that move as one: each is a multiple of the other."""
_APART, _APART_OF_OTHERS = 0.05, 2.0
"""By how much one side may be larger than the other: of one market, and of two."""
_OPEN_DELTA = 0.25
"""The part of the larger side's delta that may be left over."""


@dataclass(frozen=True, slots=True)
class PairSide:
    """The options on one underlying. notional, delta: in points of its level, per structure, delta signed."""

    symbol: str
    legs: tuple[SampleLeg, ...]

    @property
    def notional(self) -> float:
        """What the contracts are on: of a spread the larger of what is bought and what is sold."""
        return max(self._count(1), self._count(-1)) * level(self.symbol)

    @property
    def delta(self) -> float:
        """The delta of all legs, times the level."""
        return sum(leg.delta * leg.plan.sign * leg.plan.ratio for leg in self.legs) * level(self.symbol)

    @property
    def gross(self) -> float:
        """The same without signs: what it would be if all legs were on one side."""
        return sum(abs(leg.delta) * leg.plan.ratio for leg in self.legs) * level(self.symbol)

    @property
    def is_sold(self) -> bool:
        """Whether every leg is sold."""
        return all(leg.plan.sign < 0 for leg in self.legs)

    @property
    def is_bought(self) -> bool:
        """Whether every leg is bought."""
        return all(leg.plan.sign > 0 for leg in self.legs)

    def _count(self, sign: int) -> int:
        return sum(leg.plan.ratio for leg in self.legs if leg.plan.sign == sign)


def unbalanced_pairs(look: LintContext) -> Iterator[Problem]:
    """Yield RB370 to RB373 for a structure on two underlyings that is no hedged pair."""
    found = _sides(look)
    if found is None:
        return
    yield from _in_order(look)
    one, other = found
    if (one.is_sold and other.is_sold) or (one.is_bought and other.is_bought):
        yield _same_side(one, other)
    elif (problem := _out_of_proportion(one, other)) is not None:
        yield problem
    elif _is_one_market(one, other):
        yield from _left_over(one, other)


def _sides(look: LintContext) -> tuple[PairSide, PairSide] | None:
    """Return the options on each of two underlyings whose levels the example knows."""
    options = [leg for leg in look.plan.legs if not leg.is_shares]
    symbols = tuple(dict.fromkeys(leg.symbol for leg in options))
    if len(symbols) != 2 or not set(symbols) <= LEVELS.keys() or len(look.sample.legs) < len(options):
        return None
    by_symbol: Mapping[str, tuple[SampleLeg, ...]] = {
        symbol: tuple(leg for leg in look.sample.legs.values() if leg.plan.symbol == symbol) for symbol in symbols
    }
    one, other = (PairSide(symbol, by_symbol[symbol]) for symbol in symbols)
    return one, other


def _is_one_market(one: PairSide, other: PairSide) -> bool:
    return any({one.symbol, other.symbol} <= market for market in SAME_MARKET)


def _same_side(one: PairSide, other: PairSide) -> Problem:
    deals = "sells" if one.is_sold else "buys"
    message = f"this structure {deals} options on {one.symbol} and on {other.symbol}: neither side hedges the other"
    help_text = f"{'buy' if one.is_sold else 'sell'} one of them, or make two bots of it"
    return Problem("RB371", other.legs[0].plan.path, message, help_text, None, True)


def _out_of_proportion(one: PairSide, other: PairSide) -> Problem | None:
    large, small = (one, other) if level(one.symbol) >= level(other.symbol) else (other, one)
    apart = abs(large.notional - small.notional) / min(large.notional, small.notional)
    if apart <= (_APART if _is_one_market(one, other) else _APART_OF_OTHERS):
        return None
    contracts = sum(leg.plan.ratio for leg in large.legs if leg.plan.sign == large.legs[0].plan.sign)
    fits = level(large.symbol) / level(small.symbol) * contracts
    leg = _largest(small.legs)
    excess = f"{large.symbol if large.notional > small.notional else small.symbol} side is {apart:.0%} larger"
    message = (
        f"{contracts} {large.symbol} contract{' weighs' if contracts == 1 else 's weigh'} as much as {fits:.0f} on "
        f"{small.symbol}, and '{leg.name}' has {leg.ratio}: the {excess} and is not hedged"
    )
    return Problem("RB370", _ratio_path(leg), message, f"write 'ratio: {fits:.0f}'", None, leg.ratio == 1)


def _largest(legs: tuple[SampleLeg, ...]) -> LegPlan:
    return max((leg.plan for leg in legs), key=lambda plan: plan.ratio)


def _ratio_path(leg: LegPlan) -> Path:
    return leg.path if leg.ratio == 1 else (*leg.path, "ratio")


def _left_over(one: PairSide, other: PairSide) -> Iterator[Problem]:
    """Yield RB373 where the deltas of both sides do not make up for each other."""
    net, larger = one.delta + other.delta, max(one.gross, other.gross)
    if abs(net) <= _OPEN_DELTA * larger:
        return
    way = "up" if net > 0 else "down"
    message = (
        f"the deltas of {one.symbol} and {other.symbol} do not offset each other: {abs(net) / larger:.0%} of the "
        f"larger side is left, and the pair wins only when the market goes {way}"
    )
    help_text = "choose both strikes in the same way and of the same right, one bought and one sold"
    yield Problem("RB373", other.legs[0].plan.strike.path, message, help_text, None, True)


def _in_order(look: LintContext) -> Iterator[Problem]:
    """Yield RB372 where a leg is sold before anything is bought."""
    for order in (look.spec.order,):
        sides = {leg.name: leg.sign for leg in look.plan.legs}
        first = next((name for name in order.leg_by_leg), None)
        bought = next((name for name in order.leg_by_leg if sides.get(name, 0) > 0), None)
        if first is None or bought is None or sides.get(first, 0) > 0:
            continue
        message = f"'{first}' is sold before '{bought}' is bought: it stands naked until then, or for good"
        help_text = f"write '{bought}' first: what is bought risks only its price"
        yield Problem("RB372", (*order.path, "leg_by_leg"), message, help_text)
