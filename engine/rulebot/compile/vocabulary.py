"""The words of the language beside its measures, and which measures are a price or an index.

This is the whole vocabulary: what is not here is an error. The meaning in words is language/words.md.
"""

from rulebot.measure.definition import Place
from rulebot.measure.usual import Likeness
from rulebot.measures.registry import MEASURES, VOCABULARY

__all__ = ["FUNCTIONS", "INDICES", "MEASURES", "PRICE_LEVELS", "RESERVED", "VOCABULARY"]

FUNCTIONS = ("abs", "min", "max", "round")
"""Functions of `expr:`."""

RESERVED = frozenset(
    {*VOCABULARY, *FUNCTIONS, "and", "or", "not", "all", "any", "expr", "short_legs", "long_legs", "each_side"}
    | {"each_short", "open", "close", "mid", "natural", "market", "put_side", "call_side", "true", "false"}
    | {"open_legs"}
    | {"expiry", "require", "choose", "legs", "roll", "filled", "unfilled", "is"}
)
"""Words of the language, which no leg or let may take as its name."""

PRICE_LEVELS = tuple(
    name
    for name, measure in VOCABULARY.items()
    if measure.likeness is Likeness.PRICE and Place.FILTER in measure.places
)
"""Measures that are a price of an underlying: what a strike may be held against (`not_below`, `not_above`)."""

INDICES = tuple(measure.index for measure in VOCABULARY.values() if measure.index)
"""Levels that are read beside the underlyings."""
