"""The structure as the example market would fill it: where its strikes lie, what each leg costs, its delta.

The same levels and volatilities as the example of `explain`, by formula: without a chain a check of many specs stays
fast. Strikes are rounded to the product's grid.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from math import exp, inf, log, sqrt
from statistics import NormalDist
from typing import NamedTuple

from rulebot.compile.lint.comparisons import Subject, legs_of
from rulebot.compile.lint.reach import same_everywhere
from rulebot.compile.plan import LegPlan, Plan
from rulebot.compile.timing import full_session
from rulebot.measure.ranges import Range, stretch
from rulebot.model import black
from rulebot.model.commission import estimate
from rulebot.model.contract import LOT, Option, Right, product
from rulebot.model.market import LEVELS, example_price, volatility
from rulebot.model.values import dataclass
from rulebot.spec.nouns import DteRule, Expiry, Strike, StrikeBy
from rulebot.spec.spec import Spec

_NORMAL = NormalDist()

_SESSION_HOURS, _YEAR = 6.5, 252.0
_WEEK_DAYS, _DAYS = 5, 7
_LEAST_YEARS = 1e-6
_HALVINGS = 40
_STOCKS = (5.0, 5000.0)
"""The range of levels for a stock that is not in the example."""


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
        """The levels of the options' underlyings, as `SPX 6000, SPY 600`."""
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
    """Return the range of an underlying's level: for a known one that of the example, twice."""
    return (float(example_price(symbol)), float(example_price(symbol))) if symbol in LEVELS else _STOCKS


def expected(symbol: str, days: int, left_today: float) -> float:
    """Return the points of one expected move. left_today: the part of a session until its close."""
    return example_price(symbol) * volatility(days) * sqrt(_years(days, left_today))


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

    times: the multiple of the example's volatility.
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
    spot, years, annual = (
        float(example_price(leg.symbol)),
        _years(days, market.left_today),
        volatility(days) * market.times,
    )
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
    """Return the listed strike nearest to the selector's, None where the text does not determine it."""
    wanted = _wanted(leg, legs, at)
    if wanted is None:
        return None
    strike, outward = leg.strike, -1 if leg.right is Right.PUT else 1
    if strike.min_otm_distance is not None:
        least = at.spot + outward * float(strike.min_otm_distance)
        wanted = max(wanted, least) if outward > 0 else min(wanted, least)
    step = float(strike.round_to or product(leg.symbol).strike_step)
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


# --- What the structure of the example is traded for, and what holding it can be worth until it ends

NEXT_TO_NOTHING = 0.1
"""The part of what the sold legs bring below which the net price of a structure is chance."""
_NOISE = 0.4
"""The fraction of a tick by which a leg's mid moves with one of its quotes, a little below half."""
_USUAL_WIDTH = 0.01
"""The usual bid-ask spread of an option as a part of its mid; it is a tick at least."""
_SHORT_WHILE = 0.1
"""The expected move in a hundredth of the time until expiry, as a fraction of that until expiry: its square root."""
_DAYS_A_YEAR, _SESSIONS_A_DAY = 252.0, 5 / 7
_REACH, _STEPS, _RICH = 4.0, 80, 1.5
"""Standard deviations of spot, and how many steps of it, at which legs that live on are priced, at so much more
volatility than the example's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExamplePayoff:
    """entry: + received, - paid. least, most: the worth of the position at its worst and best, inf without a bound.

    noise: what the mid changes by when quotes move by one tick, or within their spread where legs are not one combo.
    spread: the usual distance from mid to natural. swing: what the mid changes by as spot makes the expected move of a
    hundredth of the time until expiry. tick: the smallest step of its price. commission: dollars of opening one
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
    """Return the structure of a bot as the example trades it; None if a leg cannot be placed or priced."""
    options = [leg for leg in plan.legs if not leg.is_shares]
    symbols = dict.fromkeys(leg.symbol for leg in plan.legs)
    is_known = symbols.keys() <= LEVELS.keys()
    if not options or len(sample.legs) < len(options) or not is_known or plan.overwrite is not None:
        return None
    if same_everywhere(spec) is not None:  # its price is interest, which the example does not have
        return None
    shares = sum(leg.sign * leg.ratio / LOT * example_price(leg.symbol) for leg in plan.legs if leg.is_shares)
    least, most = _worth(plan.legs, sample) if len(symbols) == 1 else (-inf, inf)
    return ExamplePayoff(
        entry=sample.net - shares,
        least=least,
        most=most,
        noise=_noise(sample) if len(symbols) == 1 else 3 * _spread_of_stakes(sample),
        spread=_spread_of_stakes(sample),
        swing=_swing(sample, options[0].symbol) if len(symbols) == 1 and not shares else 0.0,
        tick=_own_tick(options),
        commission=_commission(sample.legs.values()),
    )


# ---------------------------------------------------------------- worth


def _worth(legs: tuple[LegPlan, ...], sample: Sample) -> tuple[float, float]:
    """Return the least and the most worth of all legs; those that close separately have their own price."""
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
    """Return the worth of one structure per share when it ends at this level. shares: in lots of one contract."""
    return shares * at + sum(leg.plan.sign * leg.plan.ratio * _exercised(leg, at) for leg in options)


def _exercised(leg: SampleLeg, at: float) -> float:
    return max(at - leg.strike if leg.plan.right is Right.CALL else leg.strike - at, 0.0)


def _most_alive(options: list[SampleLeg], shares: float) -> float:
    """Return the most that the legs are worth when the first of them ends, the others priced by formula."""
    first, spot = min(leg.days for leg in options), options[0].spot
    reach = _REACH * volatility(first) * sqrt((first * _SESSIONS_A_DAY + 1) / _DAYS_A_YEAR)
    places = [spot * (1 + reach * step / _STEPS) for step in range(-_STEPS, _STEPS + 1)]
    return max(shares * at + sum(_alive(leg, first, at) for leg in options) for at in places if at > 0)


def _alive(leg: SampleLeg, first: int, at: float) -> float:
    years = (leg.days - first) * _SESSIONS_A_DAY / _DAYS_A_YEAR
    worth = black.price(at, leg.strike, years, volatility(leg.days) * _RICH, leg.plan.right is Right.CALL)
    return leg.plan.sign * leg.plan.ratio * worth


# ---------------------------------------------------------------- ticks and commissions


def _noise(sample: Sample) -> float:
    return _NOISE * sum(_tick(leg) * leg.plan.ratio for leg in sample.legs.values())


def _spread_of_stakes(sample: Sample) -> float:
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
        part = (stand_in(leg.plan), leg.plan.sign * leg.plan.ratio, leg.mid)
        by_symbol.setdefault(leg.plan.symbol, []).append(part)
    return float(sum(map(estimate, by_symbol.values()), Decimal(0)))


def stand_in(leg: LegPlan) -> Option:
    """Return an option whose commissions are those of a leg."""
    return Option(leg.symbol, leg.trading_class, date.min, Decimal(1), leg.right)


# --- Greeks of legs and structure in the example

PLACES, LEFT = [step / 4 for step in range(-16, 17)], (1.0, 0.25, 0.03)
"""Expected moves of spot, and parts of the time until expiry, at which a structure is looked at."""
_NAMES = ("gamma", "theta", "vega")
_OF_NAMES = frozenset(f"leg_{name}" for name in _NAMES)
_OF_LEGS = frozenset(("probability_in_the_money", *(f"leg_{name}" for name in _NAMES)))
_AT_ENTRY, _UNTIL_END = 2.0, 3.0
"""The largest ratio of another market's greeks to the example's, right after the fill and at any time."""
_LEAST = 0.05
"""The part of its level below which spot does not fall."""
_SURE = 0.2
"""The part of all legs' greeks, without signs, below which the net of them may turn its sign."""
_LIKELY = 1.25
"""The largest ratio of another market's chance in the money to the example's, at a strike chosen by delta."""


def greek(name: str, leg: SampleLeg, moves: float = 0.0, left: float = 1.0) -> float:
    """Return a greek of one bought option after this many expected moves, with this much time remaining."""
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
    """Return the range of a greek or chance when the entry has filled; None where the example has none."""
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
    """Return whether all legs end on one day; else greeks depend on the volatilities of two days."""
    return len({leg.days for leg in sample.legs.values()}) == 1


def of_legs(measure: str, legs: Iterable[SampleLeg]) -> float | None:
    """Return `leg_gamma` and the like, or `probability_in_the_money`, right after the fill; None without a leg."""
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
