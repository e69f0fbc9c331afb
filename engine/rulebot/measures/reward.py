"""Measures of what a structure may bring for its risk: return on risk, probabilities of profit and in the money.

The first two are of the structure at its price and before commissions: in `require` at the price the order would start
from, after a fill as filled. Once legs are closed the probability is that of those left, at what they were filled at.
"""

from collections.abc import Sequence
from decimal import Decimal

from rulebot.measure.definition import PART, SHORT_LEGS, STRUCTURE, WITHOUT_BEYOND, Combine, Measure
from rulebot.measure.ranges import stretch
from rulebot.measure.reading import Context, Read, Reading, UnknownValue
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import usual
from rulebot.measure.verdict import NOT_OPEN
from rulebot.measure.view import LegView, View
from rulebot.measure.words import fixed
from rulebot.measures.market import spot_of
from rulebot.measures.structure import entry_of, entry_price, legs_named, names_of, risk_of
from rulebot.measures.volatility import ExpectedMoveView, expiry_in, outlook
from rulebot.model.black import probability_below
from rulebot.model.contract import Right
from rulebot.model.market import OPTION_AGE
from rulebot.model.payoff import Part, best_case, ends_together, gaining_ranges

_NO_BEST = {True: "the best case has no bound", False: "the legs end at different times"}
"""Why there is no best case, by whether the legs end together."""


def _parts(view: View) -> tuple[Part, ...]:
    return tuple((leg.option, leg.sign * leg.price_multiplier) for leg in view.legs)


def return_on_risk(call: Call, context: Context) -> Read:
    """Bind `return_on_risk`: best case over worst case at expiry, a fraction."""
    price_of, limit = entry_price("start").read(context), context.limit(OPTION_AGE)

    def read(view: View) -> Reading:
        price: Reading = price_of(view)
        risk = risk_of(view, limit)
        if not isinstance(price, float):
            return price
        if not isinstance(risk, float):
            return risk
        best = best_case(_parts(view), Decimal(f"{price:.10f}"))
        if best is None:
            return UnknownValue(_NO_BEST[ends_together(_parts(view))])
        return float(best) / risk if risk > 0.0 else UnknownValue("nothing can be lost")

    return read


def probability_of_profit(call: Call, context: Context) -> Read:
    """Bind `probability_of_profit`, a fraction: the probability of every range of prices in which it gains.

    Source: as of `probability_below`, with the forward and the implied volatility at the money of the legs' expiry for
    all prices, so that the probabilities add up to 1; the skew is left out.
    """
    level, price_of = spot_of(context.symbols[0], context), entry_price("start").read(context)

    def read(view: View) -> Reading:
        if not view.legs:
            return UnknownValue("no structure")
        held = view.held
        price: Reading = price_of(view) if held is None else entry_of(held, [leg.name for leg in view.legs])
        spot = level(view)
        if not isinstance(price, float):
            return price
        if not isinstance(spot, float):
            return spot
        if not ends_together(_parts(view)):
            return UnknownValue(_NO_BEST[False])
        symbol = view.legs[0].option.symbol
        expiry = expiry_in(view, symbol, context)
        if isinstance(expiry, UnknownValue):
            return expiry
        found = outlook(view, symbol, expiry, spot, context)
        return found if isinstance(found, UnknownValue) else chance(_parts(view), price, found)

    return read


def chance(parts: tuple[Part, ...], net_price: float, expected: ExpectedMoveView) -> float:
    """Return the probability that these options on one underlying gain at expiry. Units: net per share, + received."""
    forward, years, volatility = expected

    def below(level: Decimal | None) -> float:
        return 1.0 if level is None else probability_below(forward, float(level), years, volatility)

    ranges = gaining_ranges(parts, Decimal(f"{net_price:.10f}"))
    return min(max(sum(below(high) - below(low) for low, high in ranges), 0.0), 1.0)


def probability_in_the_money(call: Call, context: Context) -> Read:
    """Bind `probability_in_the_money`, a fraction: that any of the legs named is in the money at the nearest expiry.

    Source: as of `probability_of_profit`. A put is in the money below its strike, a call above it; no price is both
    below the one and above the other unless the strikes cross, and then the probability is at most 1.
    """
    names, level = names_of(call), spot_of(context.symbols[0], context)

    def read(view: View) -> Reading:
        near = _ending_first(legs_named(view, names))
        spot = level(view)
        if not near:
            return UnknownValue(NOT_OPEN if view.legs else "no structure")
        if not isinstance(spot, float):
            return spot
        found = outlook(view, near[0].option.symbol, near[0].option.expiry, spot, context)
        return found if isinstance(found, UnknownValue) else _any_in_the_money(near, found)

    return read


def _ending_first(legs: Sequence[LegView]) -> list[LegView]:
    expiry = min((leg.option.expiry for leg in legs), default=None)
    return [leg for leg in legs if leg.option.expiry == expiry]


def _any_in_the_money(legs: Sequence[LegView], expected: ExpectedMoveView) -> float:
    def below(strike: float) -> float:
        return probability_below(expected.forward, strike, expected.years, expected.volatility)

    puts, calls = (
        [float(leg.option.strike) for leg in legs if leg.option.right is right] for right in (Right.PUT, Right.CALL)
    )
    down = below(max(puts)) if puts else 0.0
    up = 1.0 - below(min(calls)) if calls else 0.0
    return min(down + up, 1.0)


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="return_on_risk",
        title="Return on risk",
        about=(
            "The most the structure can gain at expiry over the most it can lose, before commissions: before "
            "entry at the price the order would start from, after it as filled."
        ),
        formula="The most it can gain at expiry over the most it can lose, at its price, before commissions.",
        source="strikes of the legs and the price of the structure",
        units=PART,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        read=return_on_risk,
        usual=usual(Quantity.FRACTION, 0.01, 10.0, zero=True),
        phrase=fixed("the return on risk"),
        subject="the return on risk",
        bound="share",
        examples=({"at_least": "15%"},),
        bounds=("15%", "40%"),
        ops=WITHOUT_BEYOND,
        is_below_zero=True,
        is_by_price=True,
        needs_own_price=True,
        is_as_filled=True,
    ),
    Measure(
        name="probability_of_profit",
        title="Probability of profit",
        about=(
            "How likely the structure gains at expiry, at its price and before commissions, if the underlying "
            "moves as the at-the-money options say."
        ),
        formula=(
            "Probability that the structure gains at expiry at its price: of a lognormal price with the forward "
            "F and the volatility s at the money, P(S < K) = N((ln(K / F) + s^2 T / 2) / (s sqrt(T))); once legs "
            "are closed it is of those left, at what they were filled at."
        ),
        source="strikes and price of the structure; forward and volatility of the at-the-money options of its expiry",
        units=PART,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("spot", "strikes", "legs", "time"),
        read=probability_of_profit,
        usual=usual(Quantity.FRACTION, 0.02, 1.0),
        reach=stretch(0.0, 1.0),
        phrase=fixed("the probability of profit"),
        subject="the probability of profit",
        bound="share",
        examples=({"at_least": "60%"},),
        bounds=("60%", "90%"),
        ops=WITHOUT_BEYOND,
        is_by_price=True,
        needs_own_price=True,
        is_of_one_underlying=True,
    ),
    Measure(
        name="probability_in_the_money",
        title="Probability in the money",
        about=(
            "How likely any of the legs is in the money at the nearest expiry, if the underlying moves as the "
            "at-the-money options say. By default of the short legs."
        ),
        formula=(
            "Probability that any of the legs is in the money at the nearest of their expiries, of the lognormal "
            "price of probability_of_profit: a put below its strike, a call above it."
        ),
        source="strikes of the legs; forward and volatility of the at-the-money options of their nearest expiry",
        units=PART,
        parameters=(SHORT_LEGS,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("spot", "strikes", "legs", "time"),
        read=probability_in_the_money,
        usual=usual(Quantity.FRACTION, 0.005, 1.0),
        reach=stretch(0.0, 1.0),
        phrase=lambda words: f"the probability that {words.one_leg()} ends in the money",
        subject="the probability",
        bound="share",
        examples=({"above": "15%"},),
        bounds=("15%", "30%"),
        let_example={"of": "short_put"},
        combine=Combine.LARGEST,
        is_of_one_underlying=True,
    ),
)
