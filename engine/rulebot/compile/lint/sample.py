"""The structure as the example market would fill it: where its strikes lie, what each leg costs, its delta.

The same levels and volatilities as the example of `explain`, by formula: without a chain a check of many specs stays
fast. Strikes are rounded to the product's grid.
"""

from collections.abc import Callable, Mapping
from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from rulebot.compile.plan import LegPlan, Plan
from rulebot.compile.timing import full_session
from rulebot.model import black
from rulebot.model.contract import LOT, Right, product
from rulebot.model.example_market import LEVELS, level, volatility
from rulebot.model.values import dataclass
from rulebot.spec.nouns.legs import DteRule, Expiry, Strike, StrikeBy

_NORMAL = NormalDist()
_SESSION_HOURS, _YEAR = 6.5, 252.0
_WEEK_DAYS, _DAYS = 5, 7
_LEAST_YEARS = 1e-6
_HALVINGS = 40
_STOCKS = (5.0, 5000.0)
"""Between which levels a stock that the example does not know may stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleLeg:
    """One option in the example. `move`: points of one expected move until it ends; `days`: calendar days to
    that; `years`: trading time to that.

    mid per share; delta signed, of one bought option.
    """

    plan: LegPlan
    strike: float
    spot: float
    mid: float
    delta: float
    move: float
    days: int
    years: float

    @property
    def outward(self) -> float:
        """Points by which the strike is out of the money; below 0 when it is in it."""
        return self.spot - self.strike if self.plan.right is Right.PUT else self.strike - self.spot


@dataclass(frozen=True, slots=True)
class Sample:
    """The legs in the example by name; those whose strike the example cannot place are missing.

    quantity: structures of the position, the most that there may be.
    """

    legs: Mapping[str, SampleLeg]
    quantity: int
    symbol: str

    @property
    def premium(self) -> float:
        """What the sold legs bring per share of one structure, or the bought ones cost if that is more."""
        sides = [sum(each.mid * each.plan.ratio for each in self.legs.values() if each.plan.sign == s) for s in (-1, 1)]
        return max(sides)

    @property
    def net(self) -> float:
        """What one structure brings at mid per share; below 0 what it costs."""
        return -sum(each.mid * each.plan.ratio * each.plan.sign for each in self.legs.values())

    @property
    def move(self) -> float:
        """Points of the expected move until the nearest expiry of the first underlying."""
        found = [each.move for each in self.legs.values() if each.plan.symbol == self.symbol]
        return min(found, default=expected(self.symbol, 0, 1.0))

    @property
    def levels(self) -> str:
        """Where the underlyings of the options stand, as `SPX 6000, SPY 600`."""
        return ", ".join(dict.fromkeys(f"{each.plan.symbol} {each.spot:g}" for each in self.legs.values()))

    @property
    def lot(self) -> int:
        """What a price per share is multiplied by to be dollars of the whole position."""
        return LOT * self.quantity

    @property
    def delta(self) -> float:
        """The delta of one structure per share of one contract: the sum of its legs'."""
        return sum(each.delta * each.plan.sign * each.plan.ratio for each in self.legs.values())


def spots(symbol: str) -> tuple[float, float]:
    """Return between which levels an underlying stands: of a known one that of the example, twice."""
    return (float(level(symbol)), float(level(symbol))) if symbol in LEVELS else _STOCKS


def expected(symbol: str, days: int, left_today: float) -> float:
    """Return the points of one expected move. left_today: the part of a session until its close."""
    return level(symbol) * volatility(days) * sqrt(_years(days, left_today))


def days_of(expiry: Expiry) -> int:
    """Return the calendar days to the expiry that a rule takes where every day has one."""
    if expiry.rule is DteRule.AT_MOST:
        return expiry.days[0] if expiry.is_latest else 0
    return expiry.days[-1] if expiry.is_latest else expiry.days[0]


class _Market(NamedTuple):
    """left_today: the part of a session until its close; times: volatility, in multiples of the example's."""

    left_today: float
    times: float


class _Priced(NamedTuple):
    """What prices one leg. annual: volatility; width: points to the leg that counts from it, 0 where none does."""

    spot: float
    years: float
    annual: float
    width: float


def sample_of(plan: Plan, times: float = 1.0) -> Sample:
    """Return the structure of a plan in the example, at the start of its first window.

    times: as in a market of so many times the example's volatility.
    """
    session = full_session()
    start = plan.entry.windows[0].start.on(session)
    left = max((session.close - start).total_seconds() / 3600 / _SESSION_HOURS, 0.0)
    legs: dict[str, SampleLeg] = {}
    for leg in plan.legs:
        width = next((each.strike.target for each in plan.legs if each.strike.reference == leg.name), None)
        if (
            not leg.is_shares
            and (found := _placed(leg, legs, _Market(min(left, 1.0), times), float(width or 0))) is not None
        ):
            legs[leg.name] = found
    return Sample(legs, plan.quantity, plan.underlyings[0])


def _years(days: int, left_today: float) -> float:
    return max((left_today + round(days * _WEEK_DAYS / _DAYS)) / _YEAR, _LEAST_YEARS)


def _placed(leg: LegPlan, legs: Mapping[str, SampleLeg], market: _Market, width: float) -> SampleLeg | None:
    days = days_of(leg.expiry)
    spot, years, annual = float(level(leg.symbol)), _years(days, market.left_today), volatility(days) * market.times
    strike = _strike(leg, legs, _Priced(spot, years, annual, width))
    if strike is None or not 0 < strike < inf:
        return None
    terms = (spot, strike, years, annual, leg.right is Right.CALL)
    move = spot * annual * sqrt(years)
    return SampleLeg(
        plan=leg,
        strike=strike,
        spot=spot,
        mid=black.price(*terms),
        delta=black.delta(*terms),
        move=move,
        days=days,
        years=years,
    )


def _strike(leg: LegPlan, legs: Mapping[str, SampleLeg], at: _Priced) -> float | None:
    """Return the listed strike that the selector comes nearest to, None where the text does not tell."""
    wanted = _wanted(leg, legs, at)
    if wanted is None:
        return None
    strike, outward = leg.strike, -1 if leg.right is Right.PUT else 1
    if strike.at_least_from_spot is not None:
        least = at.spot + outward * float(strike.at_least_from_spot)
        wanted = max(wanted, least) if outward > 0 else min(wanted, least)
    step = float(strike.multiple_of or product(leg.symbol).strike_step)
    return round(wanted / step) * step


def _wanted(leg: LegPlan, legs: Mapping[str, SampleLeg], at: _Priced) -> float | None:
    strike, outward = leg.strike, -1 if leg.right is Right.PUT else 1
    target, (spot, years, annual, width) = float(strike.target or 0), at
    match strike.by:
        case StrikeBy.AT_SPOT:
            return spot
        case StrikeBy.DELTA:
            return _by_delta(target, spot, annual * sqrt(years), outward) if 0 < target < 1 else None
        case StrikeBy.EXPECTED_MOVE:
            return spot + outward * target * spot * annual * sqrt(years)
        case StrikeBy.OTM:
            return spot + outward * (target / 100 * spot if strike.is_percent else target)
        case StrikeBy.PREMIUM:
            return _by_price(lambda k: black.price(spot, k, years, annual, outward > 0), target, spot, outward)
        case StrikeBy.SIDE_CREDIT if target < width:
            return _by_price(lambda k: _spread(at, k, outward), target, spot, outward)
        case StrikeBy.AT_LEG | StrikeBy.BELOW | StrikeBy.ABOVE:
            return _by_leg(strike, legs)
        case _:
            return None


def _spread(at: _Priced, strike: float, outward: int) -> float:
    """Return what a strike brings less the one further out."""
    near, far = (
        black.price(at.spot, each, at.years, at.annual, outward > 0) for each in (strike, strike + outward * at.width)
    )
    return near - far


def _by_leg(strike: Strike, legs: Mapping[str, SampleLeg]) -> float | None:
    other = legs.get(strike.reference or "")
    side = {StrikeBy.BELOW: -1, StrikeBy.ABOVE: 1}.get(strike.by, 0)
    return None if other is None else other.strike + side * float(strike.target or 0)


def _by_delta(target: float, spot: float, deviation: float, outward: int) -> float:
    """Return the strike of this absolute delta. Source: the inverse of Black's delta."""
    d1 = outward * _NORMAL.inv_cdf(target)
    return exp(log(spot) - d1 * deviation + deviation * deviation / 2)


def _by_price(worth: Callable[[float], float], target: float, spot: float, outward: int) -> float:
    """Return the strike at which an option is worth so much; further out it is worth less."""
    near, far = spot * (1 - outward * 0.5), spot * (1 + outward * 0.5)
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        near, far = (middle, far) if worth(middle) > target else (near, middle)
    return (near + far) / 2
