"""Measures of all open positions of a bot, the entry in question included; they stand in `risk.require`."""

from functools import partial

from rulebot.measure.definition import DOLLARS, PLAIN, SYMBOL, WITH_AN_ENTRY, Measure
from rulebot.measure.ranges import NOT_NEGATIVE
from rulebot.measure.reading import Context, Read, Reading, UnknownValue
from rulebot.measure.tree import Call, Quantity
from rulebot.measure.usual import Scale, scaled, usual
from rulebot.measure.view import Exposure, View
from rulebot.measure.words import fixed
from rulebot.model.market import OPTION_AGE

_NO_ENTRY = UnknownValue("no entry is judged")


def _of_symbol(field: str, call: Call, context: Context) -> Read:
    """Bind a greek of the positions on one underlying; without any there it is 0."""
    symbol = str(call.argument("of"))

    def read(view: View) -> Reading:
        found = _greeks(view)
        if isinstance(found, UnknownValue):
            return found
        of_symbol = found.greeks.get(symbol)
        return 0.0 if of_symbol is None else float(getattr(of_symbol, field))

    return read


def _of_all(field: str, call: Call, context: Context) -> Read:
    """Bind a greek in dollars, which adds up over underlyings."""

    def read(view: View) -> Reading:
        found = _greeks(view)
        if isinstance(found, UnknownValue):
            return found
        return float(sum(getattr(each, field) for each in found.greeks.values()))

    return read


def _greeks(view: View) -> Exposure | UnknownValue:
    found = view.exposure
    if found is None:
        return _NO_ENTRY
    return UnknownValue(found.missing) if found.missing else found


def worst_case(call: Call, context: Context) -> Read:
    """Bind `worst_case`, dollars."""

    def read(view: View) -> Reading:
        found = view.exposure
        if found is None:
            return _NO_ENTRY
        return UnknownValue(found.worst_missing) if found.worst is None else float(found.worst)

    return read


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="net_delta",
        formula="Sum over all contracts of count x multiplier x delta, with the entry filled: shares of one "
        "underlying.",
        source="the broker's model, of all positions of the bot and the entry in question",
        units=PLAIN,
        parameters=(SYMBOL,),
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        read=partial(_of_symbol, "delta"),
        usual=usual(Quantity.PLAIN, 0.5, 100000.0, signed=True, zero=True),
        phrase=lambda words: f"the bot's delta{words.of_symbol} in shares, the entry included,",
    ),
    Measure(
        name="net_gamma",
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
        read=partial(_of_symbol, "gamma"),
        usual=usual(Quantity.PLAIN, 0.01, 10000.0, signed=True, zero=True),
        phrase=lambda words: f"the bot's gamma{words.of_symbol} in shares a point, the entry included,",
    ),
    Measure(
        name="net_theta",
        formula="Sum over all contracts of count x multiplier x theta, with the entry filled: dollars a day.",
        source="the broker's model, of all positions of the bot and the entry in question",
        units=DOLLARS,
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        read=partial(_of_all, "theta"),
        usual=usual(Quantity.DOLLARS, 1.0, 1000000.0, signed=True, zero=True),
        phrase=fixed("the bot's theta a day, the entry included,"),
    ),
    Measure(
        name="net_vega",
        formula=(
            "Sum over all contracts of count x multiplier x vega, with the entry filled: dollars a point of volatility."
        ),
        source="the broker's model, of all positions of the bot and the entry in question",
        units=DOLLARS,
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        read=partial(_of_all, "vega"),
        usual=usual(Quantity.DOLLARS, 1.0, 1000000.0, signed=True, zero=True),
        phrase=fixed("the bot's vega a point of volatility, the entry included,"),
    ),
    Measure(
        name="worst_case",
        formula=(
            "What all positions of the bot could lose at expiry together, the entry filled at once included; a "
            "gain of one makes up for no loss of another."
        ),
        source="strikes and fills of all positions of the bot, and quotes of the entry in question",
        units=DOLLARS,
        places=WITH_AN_ENTRY,
        max_age=OPTION_AGE,
        reads=("legs", "position"),
        read=worst_case,
        usual=scaled(Quantity.DOLLARS, 0.03, 1000.0, Scale.WIDTH_IN_DOLLARS),
        reach=NOT_NEGATIVE,
        phrase=fixed("what the bot could lose, the entry included,"),
    ),
)
