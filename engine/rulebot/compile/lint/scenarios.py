"""Conditions on the structure, judged in the example market and in markets calmer and wilder than it."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import exp, inf, sqrt

from rulebot.compile.lint.clauses import can_hold
from rulebot.compile.lint.greeks import ends_together, of_legs
from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.ranges import compared, meet, stretch
from rulebot.compile.lint.sample import Sample, SampleLeg, sample_of
from rulebot.compile.lint.stakes import NEXT_TO_NOTHING, ExamplePayoff, payoff, stake_of
from rulebot.compile.lint.wording import said
from rulebot.compile.plan import AllOf, AnyOf, Arithmetic, Call, Compare, Constant, Not, Number, Quantity, Rule, Truth
from rulebot.compile.problem import Problem
from rulebot.model import black
from rulebot.model.contract import LOT
from rulebot.model.example_market import level
from rulebot.model.values import dataclass

TIMES = (0.4, 0.7, 1.0, 1.5, 2.5, 4.0, 6.0)
"""Volatilities, as multiples of the example's: from a very calm market to a crash."""
_SKEWS = ((0.6, 0.1), (1.0, 1.0), (1.7, 10.0))
"""Prices and greeks, as multiples of those of one volatility for all strikes: of greeks the sign is sure."""
_OF_DELTA = 2.0
"""The same of delta, at most: strikes are chosen by it, or beside such."""
_LIKELY = (0.7, 1.0, 1.5, 2.0)
"""Volatilities at which a limit on a trade lets an entry through, or hardly ever does."""
_OF_POSITION = frozenset(("position_delta", "position_gamma", "position_theta", "position_vega"))
_FINE, _COUNT = 0.02, 250
"""Standard deviations between the places at which a structure may end, and how many of them on either side."""
_GREEKS = ("net_delta", "net_gamma", "net_theta", "net_vega")


@dataclass(frozen=True, slots=True)
class Scenario:
    """The structure of a bot in one market. count: structures of the position; greeks: what they are multiplied by."""

    sample: Sample
    stake: ExamplePayoff
    count: int
    shares: int
    greeks: float

    @property
    def lost(self) -> float:
        """The most that one structure loses per share."""
        return max(-self.stake.least - self.stake.entry, 0.0)

    @property
    def won(self) -> float:
        """The most that one structure wins per share."""
        return self.stake.most + self.stake.entry


def unmet(look: LintContext) -> Iterator[Problem]:
    """Yield RB378 for a condition on the structure that holds in none of the markets."""
    rules = (*look.plan.require, *look.plan.risk.require)
    stake = look.stake
    if not rules or stake is None or abs(stake.entry) < NEXT_TO_NOTHING * look.sample.premium:
        return
    markets = list(_markets(look))
    for rule in rules:
        is_told = not can_hold([(rule.test, True)], look.places.entry, look.terms)
        if not is_told and all(_verdict(rule.test, market) is False for market in markets):
            yield _problem(look, rule, stake)


def holds_everywhere(look: LintContext, rule: Rule) -> bool:
    """Say whether an exit is true right after the fill in each of the markets, as far as prices and strikes tell."""
    markets = list(_markets(look)) if look.stake is not None else []
    return bool(markets) and all(_verdict(rule.test, market) is True for market in markets)


def lost_at_likely_prices(look: LintContext) -> float | None:
    """Return the least of what one structure can lose per share, at prices near the example's; None without a bound.

    Prices are those that `require` allows.
    """
    if len({leg.days for leg in look.sample.legs.values()}) > 1:  # what a calendar costs goes with the market
        return None
    found = [_lost(look, stake_of(look.spec, look.plan, sample_of(look.plan, times))) for times in _LIKELY]
    return min((each for each in found if each is not None and each < inf), default=None)


def _lost(look: LintContext, stake: ExamplePayoff | None) -> float | None:
    if stake is None or stake.least == -inf:
        return None
    if not stake.is_sold:
        return -stake.least - max(stake.entry, -look.bounds.most)
    return -stake.least - max(_within_width(stake, stake.entry * _SKEWS[-1][0]), look.bounds.least)


def _markets(look: LintContext) -> Iterator[Scenario]:
    plan = look.plan
    shares = sum(leg.sign * leg.ratio for leg in plan.legs if leg.is_shares)
    counts = {plan.quantity, 1} if plan.size is not None else {plan.quantity}
    for times in TIMES:
        sample = sample_of(plan, times)
        stake = stake_of(look.spec, plan, sample)
        if stake is not None:
            for skew, greeks in _SKEWS:
                skewed = replace(stake, entry=_within_width(stake, stake.entry * skew))
                yield from (Scenario(sample, skewed, count, shares, greeks) for count in sorted(counts))


def _within_width(stake: ExamplePayoff, entry: float) -> float:
    return min(entry, -stake.least) if stake.least < 0 else entry


def _problem(look: LintContext, rule: Rule, stake: ExamplePayoff) -> Problem:
    legs = ", ".join(f"{leg.plan.name} {leg.strike:g}" for leg in look.sample.legs.values())
    made = "brings" if stake.is_sold else "costs"
    message = f"{said(rule)} does not hold in the example, nor in calmer or wilder markets: no entry is made"
    help_text = f"with {look.sample.levels} and {legs} one structure {made} {abs(stake.entry):.2f}"
    return Problem("RB378", look.marked(rule), message, help_text)


# ---------------------------------------------------------------- judged


def _verdict(test: Truth, market: Scenario) -> bool | None:
    """Return whether a test holds in a market, None where the example does not tell."""
    match test:
        case Not(member):
            found = _verdict(member, market)
            return None if found is None else not found
        case AllOf(members=members):
            return _joined([_verdict(each, market) for each in members], decisive=False)
        case AnyOf(members=members):
            return _joined([_verdict(each, market) for each in members], decisive=True)
        case Compare():
            return _compared(test, market)
        case _:
            return None


def _joined(verdicts: list[bool | None], *, decisive: bool) -> bool | None:
    if decisive in verdicts:
        return decisive
    return None if None in verdicts else not decisive


def _compared(test: Compare, market: Scenario) -> bool | None:
    left, right = _number(test.left, market), [_number(each, market) for each in test.right]
    bounds = [each for each in right if each is not None]
    if left is None or len(bounds) < len(right):
        return None
    return bool(meet(stretch(left, left), compared(test.op, bounds)))


def _number(number: Number, market: Scenario) -> float | None:
    match number:
        case Constant(value):
            return value
        case Call():
            return _measured(number, market)
        case Arithmetic(operator, operands):
            found = [_number(each, market) for each in operands]
            known = [each for each in found if each is not None]
            return _reckoned(operator, known) if len(known) == len(found) else None
        case _:
            return None


def _reckoned(operator: str, numbers: list[float]) -> float | None:
    match operator, numbers:
        case "+", [one, other]:
            return one + other
        case "-", [one, other]:
            return one - other
        case "*", [one, other]:
            return one * other
        case "/", [one, other] if other:
            return one / other
        case "neg", [one]:
            return -one
        case _:
            return None


# ---------------------------------------------------------------- measured


def _measured(call: Call, market: Scenario) -> float | None:
    arguments, sample = dict(call.arguments), market.sample
    dollars = LOT * market.count if call.quantity is Quantity.DOLLARS else 1
    match call.measure:
        case "credit":
            return market.stake.entry * dollars
        case "debit":
            return -market.stake.entry * dollars
        case "cost" if not arguments.get("of"):
            return market.stake.entry * dollars
        case "value" if not arguments.get("of"):
            return -market.stake.entry * dollars
        case "max_risk" if market.lost < inf:
            return market.lost * dollars
        case "worst_case" if market.lost < inf:
            return market.lost * LOT * market.count
        case "return_on_risk" if 0 < market.lost < inf and market.won < inf:
            return market.won / market.lost
        case "spot":
            return float(level(str(arguments["of"])))
        case "strike" if arguments["of"] in sample.legs:
            return sample.legs[str(arguments["of"])].strike
        case "expected_move":
            return sample.move
        case "leg_delta":
            found = [abs(sample.legs[name].delta) for name in _legs(arguments) if name in sample.legs]
            return max(found, default=None)
        case measure if measure in _GREEKS:
            return _greek(measure, market)
        case measure if measure in _OF_POSITION:
            return _greek(measure.replace("position", "net"), replace(market, count=1))
        case "leg_gamma" | "leg_theta" | "leg_vega" | "probability_in_the_money" as measure:
            found_of = of_legs(measure, (sample.legs[name] for name in _legs(arguments) if name in sample.legs))
            is_sure = measure == "probability_in_the_money"
            return None if found_of is None else found_of * (1.0 if is_sure else market.greeks)
        case "probability_of_profit":
            return _probability(market)
        case _:
            return None


def _probability(market: Scenario) -> float | None:
    """Return how likely the structure wins when it ends; None where its legs do not end together."""
    legs = list(market.sample.legs.values())
    if len({(leg.plan.symbol, leg.days) for leg in legs}) != 1 or market.shares:
        return None
    deviation, spot = legs[0].move / legs[0].spot, legs[0].spot
    places = [step * _FINE for step in range(-_COUNT, _COUNT + 1)]
    weights = [exp(-place * place / 2) for place in places]
    ends = (spot * exp(place * deviation - deviation * deviation / 2) for place in places)
    won = (w for w, at in zip(weights, ends, strict=True) if payoff(legs, 0.0, at) + market.stake.entry > 0)
    return sum(won) / sum(weights)


def _legs(arguments: Mapping[str, object]) -> tuple[str, ...]:
    of = arguments.get("of")
    return of if isinstance(of, tuple) else ()


def _greek(measure: str, market: Scenario) -> float | None:
    if measure != "net_delta" and not ends_together(market.sample):
        return None
    legs = market.sample.legs.values()
    one = sum(_of_one(measure, leg) * leg.plan.sign * leg.plan.ratio for leg in legs) * LOT
    if measure == "net_delta":
        times = min(max(market.greeks, 1 / _OF_DELTA), _OF_DELTA)
        return (one * times + market.shares) * market.count
    return one * market.greeks * market.count


def _of_one(measure: str, leg: SampleLeg) -> float:
    if measure == "net_delta":
        return leg.delta
    found = black.sensitivities(leg.spot, leg.strike, leg.years, leg.move / leg.spot / sqrt(leg.years))
    return {"net_gamma": found.gamma, "net_theta": found.theta, "net_vega": found.vega}[measure]
