"""Greeks of the legs and of the structure that is chosen or held, from the broker's model.

Of a leg they are sizes, of several legs the largest. Of the structure they are sums with their signs, of one structure,
on the scales of `net_delta` to `net_vega`.
"""

from collections.abc import Callable, Iterable
from functools import partial
from math import inf, isnan

from rulebot.measure.definition import (
    DELTA,
    DOLLARS,
    PLAIN,
    SHORT_LEGS,
    STRUCTURE,
    SYMBOL,
    WITH_AN_ENTRY,
    Combine,
    Measure,
)
from rulebot.measure.evaluation import NOT_OPEN
from rulebot.measure.ranges import NOT_NEGATIVE, stretch
from rulebot.measure.reading import (
    Calculation,
    Context,
    Input,
    LegColumns,
    Reading,
    UnknownValue,
    Value,
    size_of,
)
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import Scale, Usual, scaled, usual
from rulebot.measure.view import Exposure, LegView, View
from rulebot.measure.words import fixed
from rulebot.measures.structure import each_leg, names_of, worst
from rulebot.model.contract import LOT, Option
from rulebot.model.market import OPTION_AGE, age_problem


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


def _of_leg(greek: str, call: Call) -> Calculation:
    """Return a greek of the legs, as a size: dollars of one contract, or a number of one share."""
    in_dollars = call.quantity is Quantity.DOLLARS

    def size(found: tuple[Value | UnknownValue, Option | None]) -> Value | UnknownValue:
        value, option = found
        if isinstance(value, UnknownValue):
            return value
        size = size_of(value)
        return size * option.multiplier if in_dollars and option is not None else size

    def column(leg: LegColumns) -> tuple[Value, Option | None] | None:
        value = leg.greek(greek)
        return None if value is None or (in_dollars and leg.option is None) else (value, leg.option)

    def read(view: View, leg: LegView, limit: float) -> tuple[Reading, Option]:
        return _greek(view, leg, greek, limit), leg.option

    return Calculation((each_leg(names_of(call), read, column),), lambda found: worst([size(each) for each in found]))


def _of_structure(greek: str, call: Call) -> Calculation:
    """Return the signed sum of a greek over one structure."""

    def reader(context: Context) -> Callable[[View], list[tuple[int, float]] | UnknownValue]:
        limit = context.limit(OPTION_AGE)

        def read(view: View) -> list[tuple[int, float]] | UnknownValue:
            found = []
            for leg in view.legs:
                value = _greek(view, leg, greek, limit)
                if not isinstance(value, float):
                    return value  # type: ignore[return-value]
                found.append((leg.sign * leg.price_multiplier, value))
            return found or UnknownValue(NOT_OPEN)

        return read

    return Calculation((Input(reader, lambda columns: columns.greeks(greek)),), in_shares)


def in_shares(greeks: Iterable[tuple[float, Value]]) -> Value:
    """Return the sum of a greek over the legs of one structure, with their weights."""
    total: Value = 0.0
    for weight, value in greeks:
        total = total + weight * value
    return total * LOT


# --- Measures of all open positions of a bot, the entry in question included

_NO_ENTRY = UnknownValue("no entry is judged")


def _of_symbol(field: str, call: Call) -> Calculation:
    """Return a greek of the positions on one underlying; without any there it is 0."""
    symbol = str(call.argument("of"))

    def of_symbol(found: Exposure) -> float:
        greeks = found.greeks.get(symbol)
        return 0.0 if greeks is None else float(getattr(greeks, field))

    return Calculation((_exposed(field, symbol, of_symbol),))


def _of_all(field: str, call: Call) -> Calculation:
    """Return a greek in dollars, which adds up over underlyings."""
    return Calculation(
        (_exposed(field, None, lambda found: float(sum(getattr(each, field) for each in found.greeks.values()))),)
    )


def _exposed(field: str, symbol: str | None, find: Callable[[Exposure], float]) -> Input:
    def read(view: View) -> Reading:
        found = _greeks(view)
        return found if isinstance(found, UnknownValue) else find(found)

    return Input(lambda context: read, lambda columns: columns.exposure(field, symbol))


def _greeks(view: View) -> Exposure | UnknownValue:
    found = view.exposure
    if found is None:
        return _NO_ENTRY
    return UnknownValue(found.missing) if found.missing else found


def _worst_case(view: View) -> Reading:
    found = view.exposure
    if found is None:
        return _NO_ENTRY
    return UnknownValue(found.worst_missing) if found.worst is None else float(found.worst)


WORST_CASE = Input(lambda context: _worst_case, lambda columns: columns.worst_case())

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="leg_delta",
        title="Leg delta",
        about="Absolute delta of a leg; of several legs the largest. By default of the short legs.",
        formula="Absolute delta of a leg; of several the largest.",
        source="the broker's model",
        units=DELTA,
        parameters=(SHORT_LEGS,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_leg, "delta"),
        usual=usual(Quantity.DELTA, 0.01, 0.97),
        reach=stretch(0.0, 1.0),
        phrase=lambda words: f"the absolute delta of {words.one_leg()}",
        subject="the delta",
        bound="delta_bound",
        examples=({"above": 0.15},),
        bounds=(0.15, 0.3),
        let_example={"of": "short_put"},
        combine=Combine.LARGEST,
    ),
    Measure(
        name="leg_gamma",
        title="Leg gamma",
        about=(
            "Gamma of a leg: what its delta changes for one point of the underlying; of several legs the largest. "
            "By default of the short legs."
        ),
        formula="What the delta of a leg changes for one point of the underlying; of several the largest.",
        source="the broker's model",
        units=PLAIN,
        parameters=(SHORT_LEGS,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_leg, "gamma"),
        usual=usual(Quantity.PLAIN, 5e-05, 1.0),
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the gamma of {words.one_leg()}",
        subject="the gamma",
        bound="gamma_bound",
        examples=({"above": 0.02},),
        bounds=(0.02, 0.05),
        let_example={"of": "short_put"},
        combine=Combine.LARGEST,
    ),
    Measure(
        name="leg_theta",
        title="Leg theta",
        about=(
            "Absolute theta of a leg in dollars of one contract a calendar day; of several legs the largest. By "
            "default of the short legs."
        ),
        formula="Multiplier x absolute theta of a leg: dollars of one contract a calendar day; of several the largest.",
        source="the broker's model",
        units=DOLLARS,
        parameters=(SHORT_LEGS,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_leg, "theta"),
        usual=usual(Quantity.DOLLARS, 0.2, 20000.0),
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the theta a day of one contract of {words.one_leg()}",
        subject="the theta",
        bound="greek_dollars",
        examples=({"above": "$20"},),
        bounds=("$20", "$60"),
        let_example={"of": "short_put"},
        combine=Combine.LARGEST,
    ),
    Measure(
        name="leg_vega",
        title="Leg vega",
        about=(
            "Absolute vega of a leg in dollars of one contract a volatility point; of several legs the largest. "
            "By default of the short legs."
        ),
        formula=(
            "Multiplier x absolute vega of a leg: dollars of one contract a volatility point; of several the largest."
        ),
        source="the broker's model",
        units=DOLLARS,
        parameters=(SHORT_LEGS,),
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_leg, "vega"),
        usual=usual(Quantity.DOLLARS, 0.2, 20000.0),
        reach=NOT_NEGATIVE,
        phrase=lambda words: f"the vega of one contract of {words.one_leg()}",
        subject="the vega",
        bound="greek_dollars",
        examples=({"above": "$20"},),
        bounds=("$20", "$60"),
        let_example={"of": "short_put"},
        combine=Combine.LARGEST,
    ),
    Measure(
        name="position_delta",
        title="Position delta",
        about="Delta of one structure in shares of the underlying, signed; the scale of `net_delta`.",
        formula=(
            "Sum over the legs of one structure of sign x ratio x multiplier x delta, signed: shares of the "
            "underlying, the scale of net_delta."
        ),
        source="the broker's model",
        units=PLAIN,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_structure, "delta"),
        usual={Quantity.PLAIN: Usual(0.99, inf, signed=True, zero=True)},
        phrase=fixed("the delta of one structure in shares"),
        subject="the delta",
        bound="signed_delta",
        examples=({"above": -20},),
        bounds=(-20, 20),
    ),
    Measure(
        name="position_gamma",
        title="Position gamma",
        about="Gamma of one structure in shares a point of the underlying, signed; the scale of `net_gamma`.",
        formula=(
            "Sum over the legs of one structure of sign x ratio x multiplier x gamma, signed: shares a point of "
            "the underlying, the scale of net_gamma."
        ),
        source="the broker's model",
        units=PLAIN,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_structure, "gamma"),
        usual=usual(Quantity.PLAIN, 0.005, 2000.0, signed=True, zero=True),
        phrase=fixed("the gamma of one structure in shares a point"),
        subject="the gamma",
        bound="signed_count",
        examples=({"above": -3},),
        bounds=(-3, 3),
    ),
    Measure(
        name="position_theta",
        title="Position theta",
        about=(
            "Theta of one structure in dollars a calendar day, signed: + is gained by time alone; the scale of "
            "`net_theta`."
        ),
        formula=(
            "Sum over the legs of one structure of sign x ratio x multiplier x theta, signed: dollars a calendar "
            "day, the scale of net_theta."
        ),
        source="the broker's model",
        units=DOLLARS,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_structure, "theta"),
        usual=usual(Quantity.DOLLARS, 0.5, 50000.0, signed=True, zero=True),
        phrase=fixed("the theta a day of one structure"),
        subject="the theta",
        bound="signed_dollars",
        examples=({"above": "$5"},),
        bounds=("$5", "$80"),
    ),
    Measure(
        name="position_vega",
        title="Position vega",
        about="Vega of one structure in dollars a volatility point, signed; the scale of `net_vega`.",
        formula=(
            "Sum over the legs of one structure of sign x ratio x multiplier x vega, signed: dollars a "
            "volatility point, the scale of net_vega."
        ),
        source="the broker's model",
        units=DOLLARS,
        places=STRUCTURE,
        max_age=OPTION_AGE,
        reads=("legs",),
        calculation=partial(_of_structure, "vega"),
        usual=usual(Quantity.DOLLARS, 0.5, 50000.0, signed=True, zero=True),
        phrase=fixed("the vega of one structure"),
        subject="the vega",
        bound="signed_dollars",
        examples=({"above": "-$80"},),
        bounds=("-$80", "$80"),
    ),
    Measure(
        name="net_delta",
        title="Net delta",
        about="Shares that all positions of the bot are worth now, the entry included.",
        formula="Sum over all contracts of count x multiplier x delta, with the entry filled: shares of one "
        "underlying.",
        source="the broker's model, of all positions of the bot and the entry in question",
        units=PLAIN,
        parameters=(SYMBOL,),
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=partial(_of_symbol, "delta"),
        usual=usual(Quantity.PLAIN, 0.5, 100000.0, signed=True, zero=True),
        phrase=lambda words: f"the bot's delta{words.of_symbol} in shares, the entry included,",
        subject="the net delta",
        bound="signed_count",
        examples=({"at_most": 50},),
        bounds=(-50, 50),
    ),
    Measure(
        name="net_gamma",
        title="Net gamma",
        about="How many shares the net delta changes for a point, the entry included.",
        formula=(
            "Sum over all contracts of count x multiplier x gamma, with the entry filled: shares a point of one "
            "underlying."
        ),
        source="the broker's model, of all positions of the bot and the entry in question",
        units=PLAIN,
        parameters=(SYMBOL,),
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=partial(_of_symbol, "gamma"),
        usual=usual(Quantity.PLAIN, 0.01, 10000.0, signed=True, zero=True),
        phrase=lambda words: f"the bot's gamma{words.of_symbol} in shares a point, the entry included,",
        subject="the net gamma",
        bound="signed_count",
        examples=({"at_most": 5},),
        bounds=(-5, 5),
    ),
    Measure(
        name="net_theta",
        title="Net theta",
        about="Dollars that all positions of the bot gain a day by time alone, the entry included.",
        formula="Sum over all contracts of count x multiplier x theta, with the entry filled: dollars a day.",
        source="the broker's model, of all positions of the bot and the entry in question",
        units=DOLLARS,
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=partial(_of_all, "theta"),
        usual=usual(Quantity.DOLLARS, 1.0, 1000000.0, signed=True, zero=True),
        phrase=fixed("the bot's theta a day, the entry included,"),
        subject="the net theta",
        bound="signed_dollars",
        examples=({"at_most": "$200"},),
        bounds=("-$50", "$200"),
    ),
    Measure(
        name="net_vega",
        title="Net vega",
        about="Dollars that all positions of the bot gain when volatility rises by a point, the entry included.",
        formula=(
            "Sum over all contracts of count x multiplier x vega, with the entry filled: dollars a point of volatility."
        ),
        source="the broker's model, of all positions of the bot and the entry in question",
        units=DOLLARS,
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=partial(_of_all, "vega"),
        usual=usual(Quantity.DOLLARS, 1.0, 1000000.0, signed=True, zero=True),
        phrase=fixed("the bot's vega a point of volatility, the entry included,"),
        subject="the net vega",
        bound="signed_dollars",
        examples=({"at_most": "$500"},),
        bounds=("-$500", "$500"),
    ),
    Measure(
        name="worst_case",
        title="Worst case",
        about="What all positions of the bot could lose, each at its worst, the entry included.",
        formula=(
            "What all positions of the bot could lose at expiry together, the entry filled at once included; a "
            "gain of one makes up for no loss of another."
        ),
        source="strikes and fills of all positions of the bot, and quotes of the entry in question",
        units=DOLLARS,
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        calculation=lambda call: Calculation((WORST_CASE,)),
        usual=scaled(Quantity.DOLLARS, 0.03, 1000.0, Scale.WIDTH_IN_DOLLARS),
        reach=NOT_NEGATIVE,
        phrase=fixed("what the bot could lose, the entry included,"),
        subject="the worst case",
        bound="risk_dollars",
        examples=({"at_most": "$5000"},),
        bounds=("$500", "$5000"),
    ),
)
