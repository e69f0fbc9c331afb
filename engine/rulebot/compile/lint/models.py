"""What lint says of learned models."""

from collections.abc import Iterator

from rulebot.compile.lint.look import LintContext
from rulebot.compile.problem import Problem
from rulebot.spec.nouns.condition import MeasureTest

UNDERLYING = "underlying"
"""The key in `trained` of a model file that says on what it was trained; older files do not have it."""


def trained_elsewhere(look: LintContext) -> Iterator[Problem]:
    """Yield RB347 for each model that was trained on another underlying than the one it reads.

    With a universe it reads several, and was trained on one of them at most: that is meant.
    """
    spec = look.spec
    for condition in look.conditions.values() if spec.universe is None else ():
        test = condition.test
        if not isinstance(test, MeasureTest) or test.measure != "model":
            continue
        file, of = str(test.arguments.get("file")), str(test.arguments.get("of", spec.underlyings[0]))
        model = spec.models.get(file)
        trained_on = of if model is None else model.trained.get(UNDERLYING, of)
        if trained_on != of:
            message = f"'{file}' was trained on {trained_on}, and here it reads {of}"
            help_text = f"train one on {of} ('rulebot train'), or accept it if that is meant"
            yield Problem("RB347", (*test.path, "file"), message, help_text)
