"""A model that was trained elsewhere, as plain numbers: features in, a probability out. Its file is JSON of our own.

Nothing of it is code, and nothing is needed to judge by it but arithmetic: a weighted sum, or a sum of small trees, on
a calibrated scale. `engine/rulebot/train/` trains and writes such files; docs/learning.md has every key.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from enum import Enum
from hashlib import sha256
from math import exp, isfinite
from typing import Any

from rulebot.model.values import dataclass

FORMAT = 1
MAX_BYTES = 128 * 1024
MAX_LINES = 3000
MAX_LINE = 1000
MOST_INPUTS = 60
_KEYS = ("rulebot_model", "kind", "features", "inputs", "start", "calibration", "trained")
LEAF = -1
"""In a tree: the child of a node that has none."""


class ModelError(Exception):
    """A text that is no model that this engine can judge by; the message says what is wrong."""


class Kind(Enum):
    """How a score is made of the features."""

    LOGISTIC = "logistic"
    TREES = "trees"


@dataclass(frozen=True, slots=True)
class Input:
    """One feature. missing: its replacement when unknown; None makes the whole score unknown.

    mean, scale: of the training samples; weight: of a logistic model, per unit of scale.
    """

    name: str
    missing: float | None
    mean: float = 0.0
    scale: float = 1.0
    weight: float = 0.0


@dataclass(frozen=True, slots=True)
class Tree:
    """A decision tree, node 0 its root: left where the feature is at most the threshold; a leaf has no children."""

    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedModel:
    """The content of a model file. start: the score without features. slope, offset: from the score to the log odds.

    features: version of the list that the names are from. trained: its origin, for people.
    """

    features: int
    kind: Kind
    inputs: tuple[Input, ...]
    start: float
    trees: tuple[Tree, ...]
    slope: float
    offset: float
    trained: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in their order."""
        return tuple(each.name for each in self.inputs)

    def filled(self, values: Sequence[float | None]) -> tuple[float, ...] | None:
        """Return the features with replacements for unknown ones, None where one has no replacement."""
        found = [one.missing if value is None else value for one, value in zip(self.inputs, values, strict=True)]
        known = tuple(value for value in found if value is not None)
        return known if len(known) == len(found) else None

    def probability(self, values: Sequence[float]) -> float:
        """Return the probability that features, all of them known, lead to."""
        return logistic(self.slope * self.score(values) + self.offset)

    def score(self, values: Sequence[float]) -> float:
        """Return the score before it is calibrated."""
        if self.kind is Kind.LOGISTIC:
            return self.start + sum(
                one.weight * ((value - one.mean) / one.scale) for one, value in zip(self.inputs, values, strict=True)
            )
        rounded = [single(value) for value in values]
        return self.start + sum(_leaf(tree, rounded) for tree in self.trees)


def logistic(log_odds: float) -> float:
    """Return the probability of log odds."""
    if log_odds >= 0.0:
        return 1.0 / (1.0 + exp(-min(log_odds, 700.0)))
    grown = exp(max(log_odds, -700.0))
    return grown / (1.0 + grown)


def single(value: float) -> float:
    """Return a number as it is in single precision, in which trees are grown; the largest where it is larger."""
    largest = 3.4028234663852886e38
    return float(struct.unpack("<f", struct.pack("<f", max(-largest, min(largest, value))))[0])


def _leaf(tree: Tree, values: Sequence[float]) -> float:
    at = 0
    while tree.left[at] != LEAF:
        at = tree.left[at] if values[tree.feature[at]] <= tree.threshold[at] else tree.right[at]
    return tree.value[at]


def digest_of(text: str) -> str:
    """Return the SHA-256 of a model file, by which a spec names it."""
    return sha256(text.encode()).hexdigest()


# ---------------------------------------------------------------- the file


def model_of(text: str) -> LearnedModel:
    """Return what a model file says. Raises: ModelError."""
    if len(text.encode()) > MAX_BYTES or text.count("\n") > MAX_LINES:
        raise ModelError(f"it is larger than {MAX_BYTES // 1024} KiB or longer than {MAX_LINES} lines")
    if any(len(line) > MAX_LINE for line in text.split("\n")):
        raise ModelError(f"a line is longer than {MAX_LINE} characters")
    try:
        tree = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ModelError("it is not JSON") from error
    if not isinstance(tree, dict) or "rulebot_model" not in tree:
        raise ModelError('it is no model: such a file has the key "rulebot_model": 1')
    if tree["rulebot_model"] != FORMAT:
        raise ModelError(f"this engine reads models of format {FORMAT}, is {tree['rulebot_model']}")
    try:
        return _model(tree)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelError(f"a key is missing or is not what it has to be: {error}") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ModelError(f"a key occurs twice among {', '.join(key for key, _ in pairs)}")
    return found


def _check_keys(tree: Mapping[str, Any], outstanding: Sequence[str]) -> None:
    """Reject a key that is not read: it may be a misspelt required one. Raises: ModelError."""
    if unknown := [key for key in tree if key not in outstanding]:
        raise ModelError(f"nothing is called '{unknown[0]}' there: {', '.join(outstanding)}")
    if missing := [key for key in outstanding if key not in tree]:
        raise ModelError(f"'{missing[0]}' is missing among {', '.join(tree)}")


def _model(tree: Mapping[str, Any]) -> LearnedModel:
    kind = Kind(tree["kind"])
    _check_keys(tree, (*_KEYS, *(("trees",) if kind is Kind.TREES else ())))
    _check_keys(tree["calibration"], ("slope", "offset"))
    inputs = tuple(_input(each, kind) for each in tree["inputs"])
    names = [each.name for each in inputs]
    if not inputs or len(inputs) > MOST_INPUTS or len(set(names)) < len(names):
        raise ModelError(f"it has one to {MOST_INPUTS} features, each once")
    found = LearnedModel(
        features=_whole(tree["features"]),
        kind=kind,
        inputs=inputs,
        start=_number(tree["start"]),
        trees=tuple(_tree(each, len(inputs)) for each in tree.get("trees", ())),
        slope=_number(tree["calibration"]["slope"]),
        offset=_number(tree["calibration"]["offset"]),
        trained=dict(tree["trained"]),
    )
    if kind is Kind.TREES and not found.trees:
        raise ModelError("its kind is 'trees', and it has none")
    return found


def _input(tree: Mapping[str, Any], kind: Kind) -> Input:
    scaled = ("mean", "scale", "weight") if kind is Kind.LOGISTIC else ()
    _check_keys(tree, ("name", "missing", *scaled))
    numbers = {key: _number(tree[key]) for key in scaled}
    if numbers.get("scale", 1.0) <= 0.0:
        raise ModelError("a scale is above 0")
    missing = tree["missing"]
    return Input(name=str(tree["name"]), missing=None if missing is None else _number(missing), **numbers)


def _tree(tree: Mapping[str, Any], inputs: int) -> Tree:
    _check_keys(tree, ("feature", "threshold", "left", "right", "value"))
    found = Tree(
        feature=tuple(_whole(each) for each in tree["feature"]),
        threshold=tuple(_number(each) for each in tree["threshold"]),
        left=tuple(_whole(each) for each in tree["left"]),
        right=tuple(_whole(each) for each in tree["right"]),
        value=tuple(_number(each) for each in tree["value"]),
    )
    size = len(found.value)
    if not size or {len(found.feature), len(found.threshold), len(found.left), len(found.right)} != {size}:
        raise ModelError("the columns of a tree have equal lengths")
    for at in range(size):
        children = (found.left[at], found.right[at])
        if children == (LEAF, LEAF):
            continue
        if not all(at < child < size for child in children) or not 0 <= found.feature[at] < inputs:
            raise ModelError("a node of a tree leads to itself, backwards or nowhere")
    return found


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"a whole number is required, is {value!r}")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"a number is required, is {value!r}")
    return float(value)
