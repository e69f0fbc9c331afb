"""All measures, by name: each file of this folder has some in `MEASURES`."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from rulebot import measures
from rulebot.measure.definition import Measure
from rulebot.measure.series import Series
from rulebot.measure.tree import Call


def _found() -> Iterator[Measure]:
    for module in sorted(each.name for each in iter_modules(measures.__path__)):
        if module != "registry":
            yield from import_module(f"{measures.__name__}.{module}").MEASURES


MEASURES: Mapping[str, Measure] = {measure.name: measure for measure in _found()}
"""Those of the vocabulary, and what only models read."""

VOCABULARY: Mapping[str, Measure] = {name: measure for name, measure in MEASURES.items() if measure.in_text}
"""Those that a text may name: what is not here is an error."""


def series_of(call: Call) -> Mapping[Series, int]:
    """Return how many bars of what a call reads; none for a measure of anything else."""
    bars = MEASURES[call.measure].bars
    return {} if bars is None else bars(call)
