"""Splits in the order of time: a model is always tried on trades that came after all that it was trained on.

Purged: a trade that was still open when the trial begins is not trained on, for its outcome lies in the trial. Embargo:
nor is one that ended only shortly before, since what moved then still moves.
"""

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

from rulebot.model.values import dataclass
from rulebot.train.samples import Sample


@dataclass(frozen=True, slots=True)
class Fold:
    """Places of the samples that are trained on, and of those that the model is tried on after them."""

    train: tuple[int, ...]
    trial: tuple[int, ...]


def walk_forward(rows: Sequence[Sample], count: int, embargo: timedelta) -> tuple[Fold, ...]:
    """Return so many folds over samples in the order of their entries; the first part is only ever trained on."""
    edges = [len(rows) * at // (count + 1) for at in range(count + 2)]
    folds = []
    for first, last in pairwise(edges[1:]):
        begins = rows[first].entered - embargo
        train = tuple(at for at in range(first) if rows[at].left <= begins)
        folds.append(Fold(train, tuple(range(first, last))))
    return tuple(folds)
