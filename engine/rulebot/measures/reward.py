"""Measures of a structure's reward for its risk: return on risk, probabilities of profit and in the money.

The first two are of the structure at its price and before commissions: in `require` at the order's starting price,
after a fill at the fill price. Once legs are closed the probability is that of the remaining ones, at their fill
prices.
"""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from rulebot.measure.definition import PART, SHORT_LEGS, STRUCTURE, WITHOUT_BEYOND, Combine, Measure
from rulebot.measure.evaluation import NOT_OPEN
from rulebot.measure.ranges import stretch
from rulebot.measure.reading import Calculation, ColumnView, Context, Input, Read, Reading, UnknownValue, ratio
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import usual
from rulebot.measure.view import LegView, View
from rulebot.measure.words import fixed
from rulebot.measures.market import spot_of
from rulebot.measures.structure import RISK, entry_of, entry_price, legs_named, names_of
from rulebot.measures.volatility import ExpectedMoveView, expiry_in, outlook
from rulebot.model.black import probability_below
from rulebot.model.contract import Option, Right
from rulebot.model.market import OPTION_AGE
from rulebot.model.payoff import Part, best_case, ends_together, profit_ranges

_NO_BEST = {True: "the best case has no bound", False: "the legs end at different times"}
"""Why there is no best case, by whether the legs end together."""


def _parts(legs: Sequence[LegView]) -> tuple[Part, ...]:
    return tuple((leg.option, leg.sign * leg.price_multiplier) for leg in legs)


def _most_won(context: Context) -> Read:
    """Return the reader of the most that can be gained per share at expiry."""
    price_of = entry_price("start").read(context)

    def read(view: View) -> Reading:
        price: Reading = price_of(view)
        if not isinstance(price, float):
            return price
        parts = _parts(view.legs)
        best = best_case(parts, Decimal(f"{price:.10f}"))
        return UnknownValue(_NO_BEST[ends_together(parts)]) if best is None else float(best)

    return read


def _return_on_risk(call: Call) -> Calculation:
    """Best case over worst case at expiry, a fraction."""
    won = Input(_most_won, lambda columns: columns.most_won())
    return Calculation((entry_price("start"), RISK, won), lambda _, lost, won: ratio(won, lost, "nothing can be lost"))


def _probability_of_profit(call: Call) -> Calculation:
    """The probability of all price ranges with a gain.

    Source: as in `probability_below`, with the forward and the at-the-money implied volatility of the legs' expiry for
    all prices, so that the probabilities add up to 1; the skew is ignored.
    """
    inputs = (_PRICE_OF_LEFT, _SPOT, _PARTS, _OUTLOOK)
    return Calculation(inputs, lambda price, _, parts, expected: chance(parts, price, expected))


def _price_of_left(context: Context) -> Read:
    """Return the reader of the price of the legs that are open: of an order, or as filled."""
    price_of = entry_price("start").read(context)

    def read(view: View) -> Reading:
        if not view.legs:
            return UnknownValue("no structure")
        price: Reading = price_of(view)
        return price if view.held is None else entry_of(view.held, view.legs)

    return read


def _parts_of(view: View) -> tuple[Part, ...] | UnknownValue:
    parts = _parts(view.legs)
    return parts if ends_together(parts) else UnknownValue(_NO_BEST[False])


def _part_columns(columns: ColumnView) -> tuple[Part, ...] | None:
    parts = tuple((leg.option, leg.weight) for leg in columns.legs if leg.option is not None)
    return parts if len(parts) == len(columns.legs) > 0 and ends_together(parts) else None


def _outlook(context: Context) -> Callable[[View], ExpectedMoveView | UnknownValue]:
    """Return the reader of what the options at the money of the legs' expiry say."""
    level = spot_of(context.symbols[0], context)

    def read(view: View) -> ExpectedMoveView | UnknownValue:
        symbol, spot = view.legs[0].option.symbol, level(view)
        if not isinstance(spot, float):
            return UnknownValue(spot.reason)
        expiry = expiry_in(view, symbol, context)
        return expiry if isinstance(expiry, UnknownValue) else outlook(view, symbol, expiry, spot, context)

    return read


_PRICE_OF_LEFT = Input(_price_of_left, lambda columns: columns.entry_price("start"))
_SPOT = Input(lambda context: spot_of(context.symbols[0], context), lambda columns: True)
_PARTS = Input(lambda context: _parts_of, _part_columns)
_OUTLOOK = Input(
    _outlook, lambda columns: next((columns.outlook(leg.option) for leg in columns.legs if leg.option), None)
)


def chance(parts: tuple[Part, ...], net_price: float, expected: ExpectedMoveView) -> float:
    """Return the probability that these options on one underlying gain at expiry. Units: net per share, + received."""
    forward, years, volatility = expected

    def below(level: Decimal | None) -> float:
        return 1.0 if level is None else probability_below(forward, float(level), years, volatility)

    ranges = profit_ranges(parts, Decimal(f"{net_price:.10f}"))
    return min(max(sum(below(high) - below(low) for low, high in ranges), 0.0), 1.0)


def _probability_in_the_money(call: Call) -> Calculation:
    """The probability that any of the legs named is in the money at the nearest expiry.

    Source: as of `probability_of_profit`. A put is in the money below its strike, a call above it; no price is both
    below the one and above the other unless the strikes cross, and then the probability is at most 1.
    """
    names = names_of(call)

    def reader(context: Context) -> Callable[[View], tuple[list[Option], ExpectedMoveView] | UnknownValue]:
        level = spot_of(context.symbols[0], context)

        def read(view: View) -> tuple[list[Option], ExpectedMoveView] | UnknownValue:
            near = _ending_first(leg.option for leg in legs_named(view, names))
            spot = level(view)
            if not near:
                return UnknownValue(NOT_OPEN if view.legs else "no structure")
            if not isinstance(spot, float):
                return UnknownValue(spot.reason)
            found = outlook(view, near[0].symbol, near[0].expiry, spot, context)
            return found if isinstance(found, UnknownValue) else (near, found)

        return read

    def column(columns: ColumnView) -> tuple[list[Option], ExpectedMoveView] | None:
        near = _ending_first(leg.option for leg in columns.named(names) if leg.option is not None)
        found = columns.outlook(near[0]) if near else None
        return None if found is None else (near, found)

    return Calculation((Input(reader, column),), lambda found: _any_in_the_money(*found))


def _ending_first(options: Iterable[Option]) -> list[Option]:
    found = list(options)
    expiry = min((each.expiry for each in found), default=None)
    return [each for each in found if each.expiry == expiry]


def _any_in_the_money(options: Sequence[Option], expected: ExpectedMoveView) -> float:
    def below(strike: float) -> float:
        return probability_below(expected.forward, strike, expected.years, expected.volatility)

    puts, calls = ([float(each.strike) for each in options if each.right is right] for right in (Right.PUT, Right.CALL))
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
        calculation=_return_on_risk,
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
            "are closed, that of the remaining ones, at their fill prices."
        ),
        source="strikes and price of the structure; forward and volatility of the at-the-money options of its expiry",
        units=PART,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("spot", "strikes", "legs", "time"),
        calculation=_probability_of_profit,
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
        calculation=_probability_in_the_money,
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
