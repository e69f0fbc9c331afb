"""What training found, as figures: all of forecasts of trades that no model had seen."""

from datetime import datetime
from typing import Any

from rulebot.model.values import dataclass


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
        """Whether its area under the curve lies two standard errors above a half, and it misses by less than base."""
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

    every: the trades are hypothetical, one for every so many minutes; None: the bot made them. Then errors count those
    of one session as one. in_shares: trades that were assigned or exercised, with their shares as they stood then.
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
