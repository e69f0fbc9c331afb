"""What the structure of the example is traded for, and what holding it can be worth until it ends.

Prices are per share of one structure. They follow the example market, so every use leaves room for other markets.
"""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from math import inf, sqrt

from rulebot.compile.lint.sample import Sample, SampleLeg, spots
from rulebot.compile.lint.worth import same_everywhere
from rulebot.compile.plan import LegPlan, Plan
from rulebot.model import black
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option, Right, product
from rulebot.model.example_market import level, volatility
from rulebot.model.values import dataclass
from rulebot.spec.spec import Spec

NEXT_TO_NOTHING = 0.1
"""The part of what the sold legs bring below which the net price of a structure is chance."""
_NOISE = 0.4
"""The part of a tick by which the mid of a leg moves when one of its quotes does, a little less than half."""
_USUAL_WIDTH = 0.01
"""The usual bid-ask spread of an option as a part of its mid; it is a tick at least."""
_SHORT_WHILE = 0.1
"""The expected move in a hundredth of the time until expiry, as a part of that until expiry: its square root."""
_YEAR, _SESSIONS_A_DAY = 252.0, 5 / 7
_REACH, _STEPS, _RICH = 4.0, 80, 1.5
"""Standard deviations of spot, and how many steps of it, at which legs that live on are priced, at so much more
volatility than the example's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplePayoff:
    """entry: + received, - paid. least, most: the worth of the position at its worst and best, inf without a bound.

    noise: what the mid changes by when quotes move by one tick, or within their spread where legs are not one combo.
    spread: the usual distance from mid to natural. swing: what the mid changes by as spot makes the expected move of a
    hundredth of the time until expiry. tick: the least step of its own price. commission: dollars of opening one
    structure.
    """

    entry: float
    least: float
    most: float
    noise: float
    spread: float
    swing: float
    tick: float
    commission: float

    @property
    def is_sold(self) -> bool:
        """Whether it brings money."""
        return self.entry > 0


def stake_of(spec: Spec, plan: Plan, sample: Sample) -> ExamplePayoff | None:
    """Return the structure of a bot as the example trades it; None where it cannot place or price all legs."""
    options = [leg for leg in plan.legs if not leg.is_shares]
    symbols = dict.fromkeys(leg.symbol for leg in plan.legs)
    is_known = all(spots(symbol)[0] == spots(symbol)[1] for symbol in symbols)
    if not options or len(sample.legs) < len(options) or not is_known or plan.overwrite is not None:
        return None
    if same_everywhere(spec) is not None:  # interest is its price, which the example has none of
        return None
    shares = sum(leg.sign * leg.ratio / LOT * level(leg.symbol) for leg in plan.legs if leg.is_shares)
    least, most = _worth(plan.legs, sample) if len(symbols) == 1 else (-inf, inf)
    return ExamplePayoff(
        entry=sample.net - shares,
        least=least,
        most=most,
        noise=_noise(sample) if len(symbols) == 1 else 3 * _spread(sample),
        spread=_spread(sample),
        swing=_swing(sample, options[0].symbol) if len(symbols) == 1 and not shares else 0.0,
        tick=_own_tick(options),
        commission=_commission(sample.legs.values()),
    )


# ---------------------------------------------------------------- worth


def _worth(legs: tuple[LegPlan, ...], sample: Sample) -> tuple[float, float]:
    """Return the least and the most that all legs are worth; those that close apart are each at their own price."""
    groups: dict[str, list[LegPlan]] = {}
    for leg in legs:
        groups.setdefault(leg.group, []).append(leg)
    ends = [_together(group, sample) for group in groups.values()]
    return sum(least for least, _ in ends), sum(most for _, most in ends)


def _together(legs: list[LegPlan], sample: Sample) -> tuple[float, float]:
    options = [sample.legs[leg.name] for leg in legs if not leg.is_shares]
    shares = sum(leg.sign * leg.ratio / LOT for leg in legs if leg.is_shares)
    at_expiry = [payoff(options, shares, at) for at in (0.0, *(leg.strike for leg in options))]
    slope = shares + sum(leg.plan.sign * leg.plan.ratio for leg in options if leg.plan.right is Right.CALL)
    least = -inf if slope < 0 else min(at_expiry)
    if len({leg.days for leg in options}) > 1:
        return least, _most_alive(options, shares) if slope <= 0 else inf
    return least, inf if slope > 0 else max(at_expiry)


def payoff(options: Iterable[SampleLeg], shares: float, at: float) -> float:
    """Return what one structure is worth per share when it ends at this level. shares: in lots of one contract."""
    return shares * at + sum(leg.plan.sign * leg.plan.ratio * _exercised(leg, at) for leg in options)


def _exercised(leg: SampleLeg, at: float) -> float:
    return max(at - leg.strike if leg.plan.right is Right.CALL else leg.strike - at, 0.0)


def _most_alive(options: list[SampleLeg], shares: float) -> float:
    """Return the most that the legs are worth when the first of them ends, the others priced by formula."""
    first, spot = min(leg.days for leg in options), options[0].spot
    reach = _REACH * volatility(first) * sqrt((first * _SESSIONS_A_DAY + 1) / _YEAR)
    places = [spot * (1 + reach * step / _STEPS) for step in range(-_STEPS, _STEPS + 1)]
    return max(shares * at + sum(_alive(leg, first, at) for leg in options) for at in places if at > 0)


def _alive(leg: SampleLeg, first: int, at: float) -> float:
    years = (leg.days - first) * _SESSIONS_A_DAY / _YEAR
    worth = black.price(at, leg.strike, years, volatility(leg.days) * _RICH, leg.plan.right is Right.CALL)
    return leg.plan.sign * leg.plan.ratio * worth


# ---------------------------------------------------------------- ticks and commissions


def _noise(sample: Sample) -> float:
    return _NOISE * sum(_tick(leg) * leg.plan.ratio for leg in sample.legs.values())


def _spread(sample: Sample) -> float:
    """Return half of the bid-ask spreads of all legs."""
    return sum(max(_tick(leg), _USUAL_WIDTH * leg.mid) * leg.plan.ratio for leg in sample.legs.values()) / 2


def _swing(sample: Sample, symbol: str) -> float:
    moves = [leg.move for leg in sample.legs.values() if leg.plan.symbol == symbol]
    return abs(sample.delta) * min(moves) * _SHORT_WHILE


def _tick(leg: SampleLeg) -> float:
    return float(product(leg.plan.symbol).option_ticks.tick(Decimal(f"{leg.mid:.4f}")))


def _own_tick(options: list[LegPlan]) -> float:
    made = product(options[0].symbol)
    rule = made.option_ticks if len(options) == 1 else made.combo_ticks
    return float(rule.steps[0][1])


def _commission(legs: Iterable[SampleLeg]) -> float:
    by_symbol: dict[str, list[tuple[Option, int, float]]] = {}
    for leg in legs:
        part = (_stand_in(leg.plan), leg.plan.sign * leg.plan.ratio, leg.mid)
        by_symbol.setdefault(leg.plan.symbol, []).append(part)
    return float(sum(map(estimate, by_symbol.values()), Decimal(0)))


def _stand_in(leg: LegPlan) -> Option:
    return Option(leg.symbol, leg.trading_class, date.min, Decimal(1), leg.right)
