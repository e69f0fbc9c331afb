"""A learned model: the probability that its features lead to; and the clock, which only models read."""

from collections.abc import Callable, Sequence

from rulebot.measure.reading import Context, Read, Reading, UnknownValue, number_of
from rulebot.measure.tree import Call
from rulebot.measure.verdict import of_part
from rulebot.measure.view import View
from rulebot.model.learned_model import LearnedModel


def features_read(reads: Sequence[Read], view: View) -> tuple[Reading, ...]:
    """Return what features are at one instant: of rules and of training alike."""
    return tuple(read(view) for read in reads)


def modelled(model: LearnedModel, reads: Sequence[Read]) -> Read:
    """Return the reader of the probability; unknown where a feature is that the model cannot do without."""

    def read(view: View) -> Reading:
        found = features_read(reads, view)
        values = model.filled([number_of(each) for each in found])
        if values is not None:
            return model.probability(values)
        for one, each in zip(model.inputs, found, strict=True):
            if one.missing is None and not isinstance(each, float):
                return UnknownValue(of_part(one.name, each.reason))
        raise AssertionError("a feature is missing, or none is")

    return read


def _minutes_since_open(call: Call, context: Context) -> Read:
    return lambda view: (view.now - view.session.open.timestamp()) / 60.0


def _minutes_to_close(call: Call, context: Context) -> Read:
    return lambda view: (view.session.close.timestamp() - view.now) / 60.0


CLOCK: dict[str, Callable[[Call, Context], Read]] = {
    "minutes_since_open": _minutes_since_open,
    "minutes_to_close": _minutes_to_close,
}
