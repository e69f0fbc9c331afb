"""A learned model: the probability that its features lead to; and the clock, which only models read."""

from collections.abc import Callable, Sequence
from datetime import datetime

from rulebot.measure.definition import EVERYWHERE, PLAIN, SYMBOL, WITHOUT_BEYOND, Measure, Parameter, Place, Takes
from rulebot.measure.evaluation import of_part
from rulebot.measure.ranges import NOT_NEGATIVE, stretch
from rulebot.measure.reading import NOW, Calculation, Input, Read, Reading, UnknownValue, number_of
from rulebot.measure.tree import Quantity
from rulebot.measure.usual import usual
from rulebot.measure.view import View
from rulebot.measure.words import MeasureText, fixed
from rulebot.model.learned_model import LearnedModel
from rulebot.model.session import Session


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


def _clock(at: Callable[[Session], datetime]) -> Input:
    """Return a time of the session as an input, epoch seconds."""
    return Input(
        lambda context: lambda view: at(view.session).timestamp(),
        lambda columns: None if columns.session is None else at(columns.session).timestamp(),
    )


_OPENS, _CLOSES = _clock(lambda session: session.open), _clock(lambda session: session.close)


def _model_words(words: MeasureText) -> str:
    digest = words.given("sha256")
    which = f" ({str(digest)[:8]})" if digest is not None else ""
    return f"what the model {words.given('file')}{which} gives{words.of_symbol}"


MEASURES: tuple[Measure, ...] = (
    Measure(
        name="model",
        title="Model",
        about=(
            "The probability that a learned model gives, 0 to 1. Its file is pinned by its hash, and read when "
            "the bot is loaded."
        ),
        formula="The probability, 0 to 1, that the model of that file gives what it was trained to foresee.",
        source="the features that the file names, each from its own source",
        units=PLAIN,
        parameters=(
            SYMBOL,
            Parameter(
                name="file",
                takes=Takes.FILE,
                required=True,
                about="The model: a file next to this one, or in a folder next to it, as 'rulebot train' writes it.",
                example="models/calm.json",
                ref="model_file",
            ),
            Parameter(
                name="sha256",
                takes=Takes.DIGEST,
                required=True,
                title="SHA-256",
                about="The hash of that file; any other file is refused.",
                example="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                ref="sha256",
            ),
        ),
        places=EVERYWHERE - {Place.RISK},
        max_age=None,
        reads=("facts",),
        usual=usual(Quantity.PLAIN, 0.01, 1.0),
        reach=stretch(0.0, 1.0),
        phrase=_model_words,
        node={"x-owed": "a file, its hash and a comparison in braces"},
        subject="the probability",
        bound="probability",
        examples=(
            {
                "file": "calm.json",
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "above": 0.6,
            },
        ),
        bounds=(0.4, 0.7),
        ops=WITHOUT_BEYOND,
    ),
    Measure(
        name="minutes_since_open",
        formula="Minutes since the open of the session.",
        source="the clock of the session",
        units=PLAIN,
        max_age=None,
        reads=("time",),
        calculation=lambda call: Calculation((NOW, _OPENS), lambda now, opens: (now - opens) / 60.0),
        reach=NOT_NEGATIVE,
        in_text=False,
        phrase=fixed("the minutes since open"),
    ),
    Measure(
        name="minutes_to_close",
        formula="Minutes to the close of the session, an early one too.",
        source="the clock of the session",
        units=PLAIN,
        max_age=None,
        reads=("time",),
        calculation=lambda call: Calculation((NOW, _CLOSES), lambda now, closes: (closes - now) / 60.0),
        reach=NOT_NEGATIVE,
        in_text=False,
        phrase=fixed("the minutes to close"),
    ),
)
