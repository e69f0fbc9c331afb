"""The measures a condition can name: unit, arguments, source, age, place, and the formula each stands for.

This is the whole vocabulary: what is not here is an error. The meaning in words is language/words.md; the code that
computes each stands in `rulebot.evaluate`. Nothing heavy is imported: `rulebot validate` reads this file.
"""

from collections.abc import Mapping

from rulebot.compile.measures.account import DESK, HOOKS, SHARES
from rulebot.compile.measures.bars import BAR_MEASURES
from rulebot.compile.measures.market import CALENDAR, CLOCK, FLOW, LEARNED, MARKET, RANKS, VOLATILITIES
from rulebot.compile.measures.trade import COUNTS, EXPOSURE, GREEKS, OF_POSITION, OF_STRUCTURE
from rulebot.measure.definition import Measure

VOCABULARY: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        *MARKET,
        *VOLATILITIES,
        *RANKS,
        *BAR_MEASURES,
        *CALENDAR,
        *SHARES,
        *OF_STRUCTURE,
        *COUNTS,
        *GREEKS,
        *FLOW,
        *LEARNED,
        *OF_POSITION,
        *DESK,
        *HOOKS,
        *EXPOSURE,
    )
}

MEASURES: Mapping[str, Measure] = {**VOCABULARY, **{measure.name: measure for measure in CLOCK}}
"""Those of the vocabulary, and what only models read."""

FUNCTIONS = ("abs", "min", "max", "round")
"""Functions of `expr:`."""

RESERVED = frozenset(
    {*VOCABULARY, *FUNCTIONS, "and", "or", "not", "all", "any", "expr", "short_legs", "long_legs", "each_side"}
    | {"each_short", "open", "close", "mid", "natural", "market", "put_side", "call_side", "true", "false"}
    | {"open_legs"}
    | {"expiry", "require", "choose", "legs", "roll", "filled", "unfilled", "is"}
)
"""Words of the language, which no leg or let may take as its name."""

PRICE_LEVELS = ("spot", "sma", "ema", "vwap", "cost_basis")
"""Measures that are a price of an underlying: what a strike may be held against (`not_below`, `not_above`)."""

INDICES = ("VIX", "VIX9D", "VIX1D", "VIX3M")
"""Levels that are read beside the underlyings."""
