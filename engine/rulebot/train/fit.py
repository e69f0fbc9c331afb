"""scikit-learn's home: models are fitted by it, and leave here as plain numbers that judge without it.

What is returned was compared with scikit-learn's own answer on every sample, so that what is tried is what is written.
"""

from collections.abc import Sequence
from datetime import datetime
from math import log
from statistics import median
from typing import Any

from rulebot.compile.features import VERSION
from rulebot.model.errors import InvariantError, StoreError
from rulebot.model.learned_model import Input, Kind, LearnedModel, Tree
from rulebot.model.values import dataclass

STRENGTH = 0.1
"""Of a logistic model: the smaller, the nearer to 0 its weights are held (scikit-learn's C)."""
TREES, DEPTH, RATE = 60, 2, 0.05
_CLOSE = 1e-6

Rows = Sequence[tuple[float | None, ...]]


def library() -> str:
    """Return the version of scikit-learn. Raises: StoreError where it is not installed."""
    try:
        import sklearn
    except ImportError as error:
        raise StoreError("training needs a package that is not installed", "pip install 'rulebot[ml]'") from error
    return str(sklearn.__version__)


def fitted(
    kind: Kind, names: Sequence[str], gaps: Sequence[bool], rows: Rows, won: Sequence[bool], seed: int
) -> LearnedModel:
    """Return a model of the samples, not calibrated yet. gaps: features whose missing values the median replaces."""
    stands = [_middle(rows, at) if gap else None for at, gap in enumerate(gaps)]
    full = [[stands[at] if value is None else value for at, value in enumerate(row)] for row in rows]
    make = _logistic if kind is Kind.LOGISTIC else _trees
    model, scores = make(names, stands, full, won, seed)
    for row, score in zip(full, scores, strict=True):
        if abs(model.score([float(value) for value in row if value is not None]) - score) > _CLOSE:
            raise InvariantError("a model says something else when it is written as numbers")
    return model


def _middle(rows: Rows, at: int) -> float:
    known = [value for row in rows if (value := row[at]) is not None]
    return median(known) if known else 0.0


def _logistic(
    names: Sequence[str], stands: Sequence[float | None], full: list[Any], won: Sequence[bool], seed: int
) -> tuple[LearnedModel, list[float]]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(full)
    scaled = scaler.transform(full)
    found = LogisticRegression(C=STRENGTH, max_iter=2000, random_state=seed).fit(scaled, list(won))
    inputs = tuple(
        Input(name, stand, _short(mean), _short(scale), _short(weight))
        for name, stand, mean, scale, weight in zip(
            names, stands, scaler.mean_, scaler.scale_, found.coef_[0], strict=True
        )
    )
    model = _model(Kind.LOGISTIC, inputs, _short(found.intercept_[0]), ())
    return model, [float(each) for each in found.decision_function(scaled)]


def _trees(
    names: Sequence[str], stands: Sequence[float | None], full: list[Any], won: Sequence[bool], seed: int
) -> tuple[LearnedModel, list[float]]:
    from sklearn.ensemble import GradientBoostingClassifier

    least = max(5, len(full) // 50)
    booster = GradientBoostingClassifier(
        n_estimators=TREES, max_depth=DEPTH, learning_rate=RATE, min_samples_leaf=least, random_state=seed
    )
    found = booster.fit(full, list(won))
    trees = tuple(_tree(each.tree_) for each in found.estimators_[:, 0])
    scores = [float(each) for each in found.decision_function(full)]
    inputs = tuple(Input(name, stand) for name, stand in zip(names, stands, strict=True))
    bare = _model(Kind.TREES, inputs, 0.0, trees)
    start = scores[0] - bare.score([float(value) for value in full[0]])
    return _model(Kind.TREES, inputs, start, trees), scores


def _tree(tree: Any) -> Tree:
    return Tree(
        feature=tuple(max(int(each), -1) for each in tree.feature),
        threshold=tuple(float(each) for each in tree.threshold),
        left=tuple(int(each) for each in tree.children_left),
        right=tuple(int(each) for each in tree.children_right),
        value=tuple(float(each) * RATE for each in tree.value[:, 0, 0]),
    )


def _model(kind: Kind, inputs: tuple[Input, ...], start: float, trees: tuple[Tree, ...]) -> LearnedModel:
    return LearnedModel(
        features=VERSION, kind=kind, inputs=inputs, start=start, trees=trees, slope=1.0, offset=0.0, trained={}
    )


def _short(number: float) -> float:
    """Return a number to ten digits: the rest is noise, and differs from machine to machine."""
    return float(f"{number:.10g}")


def calibrated(scores: Sequence[float], won: Sequence[bool], seed: int) -> tuple[float, float]:
    """Return slope and offset from scores to log odds (Platt's); a score that points the wrong way says nothing."""
    from sklearn.linear_model import LogisticRegression

    rate = min(max(sum(won) / len(won), 1e-6), 1.0 - 1e-6)
    level = _short(log(rate / (1.0 - rate)))
    if len(set(won)) < 2:
        return 0.0, level
    found = LogisticRegression(C=1e3, max_iter=2000, random_state=seed).fit([[each] for each in scores], list(won))
    slope = _short(found.coef_[0][0])
    return (slope, _short(found.intercept_[0])) if slope > 0.0 else (0.0, level)


def area(won: Sequence[bool], probabilities: Sequence[float]) -> float:
    """Return the area under the ROC curve: how often a winning trade scores above a losing one."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(list(won), list(probabilities)))


# --- What training found, as figures


@dataclass(frozen=True, slots=True, kw_only=True)
class KindFigures:
    """How a kind of model did. base: the Brier score of who always says the share of good trades."""

    kind: str
    auc: float
    auc_error: float
    brier: float
    base: float

    @property
    def is_better_than_chance(self) -> bool:
        """Return whether the area under the curve is two standard errors above 0.5, and its error below the base's."""
        return self.auc - 2.0 * self.auc_error > 0.5 and self.brier < self.base


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFigures:
    """One fold: from which entry to which it was tried, on how many trades, and how it did."""

    first: datetime
    last: datetime
    trained: int
    tried: int
    rate: float
    auc: float
    brier: float
    base: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A tenth of the trades by what was foreseen: how often it happened, and what a structure made on average."""

    lowest: float
    highest: float
    trades: int
    foreseen: float
    happened: float
    net: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A feature, and by how much the area under the curve falls when it is shuffled."""

    name: str
    falls: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. line: dollars a structure above which a trade counts as good. left_out: features, and why.

    every: the trades are hypothetical, one every this many minutes; None: the bot made them. Then errors count those
    of one session as one. in_shares: trades that were assigned or exercised, with their shares valued then.
    """

    samples: int
    first: datetime
    last: datetime
    good: int
    line: float
    kind: str
    kinds: tuple[KindFigures, ...]
    folds: tuple[FoldFigures, ...]
    bands: tuple[Band, ...]
    weights: tuple[Weight, ...]
    left_out: tuple[tuple[str, str], ...]
    every: int | None = None
    sessions: int = 0
    in_shares: int = 0

    @property
    def rate(self) -> float:
        """The share of good trades."""
        return self.good / self.samples

    @property
    def taken(self) -> KindFigures:
        """How the kind did that was taken."""
        return next(each for each in self.kinds if each.kind == self.kind)


def figures(value: Any) -> Any:
    """Return a report, or a part of one, as JSON."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        return [figures(each) for each in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: figures(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
