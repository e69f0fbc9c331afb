"""Training: two kinds of model tried forward in time, the simpler one taken unless it is clearly worse, and calibrated.

Everything that is reported was foreseen by a model that had not seen the trade, or one after it. What is written in
the end is fitted on all samples, on the scale that those forecasts are calibrated by.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from math import sqrt
from random import Random
from statistics import mean, stdev
from typing import Any

from rulebot.model.errors import InvariantError, SpecError
from rulebot.model.learned_model import FORMAT, Kind, LearnedModel, ModelError, Tree, logistic, model_of
from rulebot.model.values import dataclass
from rulebot.train.fit import Band, FoldFigures, KindFigures, Report, Weight, area, calibrated, fitted
from rulebot.train.minutes import Sample, Samples, only

# --- A trained model as the text of its file


def text_of_model(model: LearnedModel, trained: Mapping[str, Any]) -> str:
    """Return the text of a model file; `trained` says where it comes from. Raises: InvariantError."""
    parts = [
        f'"rulebot_model": {FORMAT}',
        f'"kind": {_json(model.kind.value)}',
        f'"features": {model.features}',
        f'"inputs": {_list([_input(each, model.kind) for each in model.inputs])}',
        f'"start": {_json(model.start)}',
        f'"calibration": {_json({"slope": model.slope, "offset": model.offset})}',
        *([f'"trees": {_list([_tree(each) for each in model.trees])}'] if model.trees else []),
        f'"trained": {_mapping(trained)}',
    ]
    text = "{\n " + ",\n ".join(parts) + "\n}\n"
    try:
        again = model_of(text)
    except ModelError as error:
        raise InvariantError(f"the model that was trained cannot be read: {error}") from error
    if (again.inputs, again.trees, again.start) != (model.inputs, model.trees, model.start):
        raise InvariantError("the model that was trained reads otherwise")
    return text


def _input(each: Any, kind: Kind) -> dict[str, Any]:
    found = {"name": each.name, "missing": each.missing}
    scaled = {"mean": each.mean, "scale": each.scale, "weight": each.weight}
    return {**found, **scaled} if kind is Kind.LOGISTIC else found


def _tree(tree: Tree) -> dict[str, Any]:
    return {name: [*getattr(tree, name)] for name in ("feature", "threshold", "left", "right", "value")}


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _list(rows: list[Any]) -> str:
    return "[\n  " + ",\n  ".join(map(_json, rows)) + "\n ]"


def _mapping(found: Mapping[str, Any]) -> str:
    rows = []
    for key, value in found.items():
        is_long = isinstance(value, list) and value and isinstance(value[0], dict)
        rows.append(f"{_json(key)}: {_list(value) if is_long else _json(value)}")
    return "{\n  " + ",\n  ".join(rows) + "\n }"


# --- Splits in the order of time


@dataclass(frozen=True, slots=True)
class Fold:
    """Places of the samples that are trained on, and of those that the model is tried on after them."""

    train: tuple[int, ...]
    trial: tuple[int, ...]


def walk_forward(rows: Sequence[Sample], count: int, embargo: timedelta) -> tuple[Fold, ...]:
    """Return this many folds over samples in the order of their entries; the first part is only trained on."""
    edges = [len(rows) * at // (count + 1) for at in range(count + 2)]
    folds = []
    for first, last in pairwise(edges[1:]):
        begins = rows[first].entered - embargo
        train = tuple(at for at in range(first) if rows[at].left <= begins)
        folds.append(Fold(train, tuple(range(first, last))))
    return tuple(folds)


# --- Training

FEWEST, FEWEST_OF_A_CLASS = 100, 20
"""Trades, and trades won or lost, below which nothing is trained."""
CLEARLY = 2.0
"""Standard errors by which trees must be better than a weighted sum to be taken."""
MOST_MISSING = 0.5
BANDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """How to train. above: a trade is good when it made more than this part of all trades; None: more than nothing."""

    above: float | None = None
    folds: int = 5
    embargo: timedelta = timedelta(days=1)
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a kind of model foresaw of trades that it had not seen, in the order of the samples.

    models: that of each fold, calibrated as its probabilities are.
    """

    kind: Kind
    places: tuple[int, ...]
    won: tuple[bool, ...]
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    models: tuple[LearnedModel, ...]

    def misses(self) -> list[float]:
        """Return the squared error of each forecast."""
        return [(good - p) ** 2 for good, p in zip(self.won, self.probabilities, strict=True)]


def train(samples: Samples, asked: TrainOptions) -> tuple[LearnedModel, Report]:
    """Return the model of the samples, and its results. Raises: SpecError when they are too few."""
    samples, left_out = _useful(samples)
    won = _won(samples.rows, _line(samples.rows, asked))
    _refuse_few(won, samples)
    folds = walk_forward(samples.rows, asked.folds, asked.embargo)
    _refuse_folds(folds, samples.rows, asked)
    found = [_forecast(kind, samples, folds, asked) for kind in Kind]
    crowd = 1.0 if samples.every is None else len(samples.rows) / samples.sessions
    simple, trees = found
    taken = _taken(simple, trees, crowd)
    gaps = _gaps(samples)
    final = fitted(taken.kind, samples.names, gaps, [row.values for row in samples.rows], won, asked.seed)
    slope, offset = calibrated(taken.scores, taken.won, asked.seed)
    report = Report(
        samples=len(samples.rows),
        first=samples.rows[0].entered,
        last=samples.rows[-1].entered,
        good=sum(won),
        line=_line(samples.rows, asked),
        kind=taken.kind.value,
        kinds=tuple(_of_kind(each, crowd) for each in found),
        folds=_of_folds(taken, folds, samples.rows),
        bands=_bands(taken, samples.rows),
        weights=_weights(taken, folds, samples, asked.seed),
        left_out=left_out,
        every=samples.every,
        sessions=samples.sessions,
        in_shares=sum(row.in_shares for row in samples.rows),
    )
    return replace(final, slope=slope, offset=offset), report


# ---------------------------------------------------------------- what is trained on


def _useful(samples: Samples) -> tuple[Samples, tuple[tuple[str, str], ...]]:
    """Return the samples without features that say nothing, and why each of those was left out."""
    left_out, kept = [], []
    for at, name in enumerate(samples.names):
        known = [row.values[at] for row in samples.rows if row.values[at] is not None]
        if len(known) < MOST_MISSING * len(samples.rows) or not known:
            left_out.append((name, f"unknown in {len(samples.rows) - len(known)} of {len(samples.rows)} trades"))
        elif len(set(known)) == 1:
            left_out.append((name, "the same in all trades"))
        else:
            kept.append(name)
    return only(samples, kept), tuple(left_out)


def _gaps(samples: Samples) -> list[bool]:
    """Return which features are missing anywhere: the others have to be there, live too."""
    return [any(row.values[at] is None for row in samples.rows) for at in range(len(samples.names))]


def _line(rows: Sequence[Sample], asked: TrainOptions) -> float:
    """Return the dollars a structure above which a trade is good."""
    if asked.above is None or not rows:
        return 0.0
    made = sorted(row.net for row in rows)
    return made[max(len(made) - round((1.0 - asked.above) * len(made)) - 1, 0)]


def _won(rows: Sequence[Sample], line: float) -> tuple[bool, ...]:
    return tuple(row.net > line for row in rows)


def _refuse_few(won: Sequence[bool], samples: Samples) -> None:
    good = sum(won)
    if samples.every is not None and samples.sessions < FEWEST:
        raise SpecError(
            f"a model of minutes is trained on {FEWEST} sessions or more, and there are {samples.sessions}",
            "minutes of one session end much alike: take more sessions",
        )
    if len(won) < FEWEST:
        raise SpecError(
            f"a model is trained on {FEWEST} closed trades or more, and there are {len(won)}", "backtest more sessions"
        )
    if min(good, len(won) - good) < FEWEST_OF_A_CLASS:
        raise SpecError(
            f"of {len(won)} trades {good} are good and {len(won) - good} are not: each needs {FEWEST_OF_A_CLASS}",
            "backtest more sessions, or take another --target",
        )
    if not samples.names:
        raise SpecError("no feature differs from trade to trade", "name others with --features")


def _refuse_folds(folds: Sequence[Fold], rows: Sequence[Sample], asked: TrainOptions) -> None:
    for number, fold in enumerate(folds, 1):
        if not fold.train:
            raise SpecError(
                f"no trade had ended before fold {number} begins, and the embargo before that",
                "take a shorter --embargo, fewer --folds, or more sessions",
            )
        line = _line([rows[at] for at in fold.train], asked)
        for part, places in (("trained on", fold.train), ("tried", fold.trial)):
            if len({rows[at].net > line for at in places}) < 2:
                raise SpecError(
                    f"in fold {number} all {len(places)} trades {part} ended alike",
                    "take fewer --folds, or more sessions",
                )


# ---------------------------------------------------------------- forward in time


def _forecast(kind: Kind, samples: Samples, folds: Sequence[Fold], asked: TrainOptions) -> Forecast:
    """Return the forecasts of a kind of model fold by fold, each calibrated by those of earlier folds.

    Of those, as in training, only the trades that had ended when the fold begins, the embargo before it.
    """
    gaps, rows = _gaps(samples), samples.rows
    places: list[int] = []
    all_won: list[bool] = []
    scores: list[float] = []
    probabilities: list[float] = []
    models = []
    for fold in folds:
        line = _line([rows[at] for at in fold.train], asked)
        good = _won([rows[at] for at in fold.train], line)
        model = fitted(kind, samples.names, gaps, [rows[at].values for at in fold.train], good, asked.seed)
        begins = rows[fold.trial[0]].entered - asked.embargo
        over = [at for at, place in enumerate(places) if rows[place].left <= begins]
        ended = [all_won[at] for at in over]
        is_enough = len(set(ended)) > 1
        slope, offset = calibrated([scores[at] for at in over], ended, asked.seed) if is_enough else (1.0, 0.0)
        new = [model.score(_filled(model, rows[at].values)) for at in fold.trial]
        probabilities += [logistic(slope * score + offset) for score in new]
        scores += new
        places += fold.trial
        all_won += _won([rows[at] for at in fold.trial], line)
        models.append(replace(model, slope=slope, offset=offset))
    return Forecast(
        kind=kind,
        places=tuple(places),
        won=tuple(all_won),
        scores=tuple(scores),
        probabilities=tuple(probabilities),
        models=tuple(models),
    )


def _filled(model: LearnedModel, values: Sequence[float | None]) -> tuple[float, ...]:
    found = model.filled(values)
    assert found is not None  # a missing value has its replacement
    return found


def _taken(simple: Forecast, trees: Forecast, crowd: float) -> Forecast:
    """Return the weighted sum, unless the trees have a smaller error, by more than chance.

    crowd: samples that count as one, as they share a session.
    """
    gains = [one - other for one, other in zip(simple.misses(), trees.misses(), strict=True)]
    error = stdev(gains) / sqrt(len(gains) / crowd)
    return trees if mean(gains) > CLEARLY * error else simple


# ---------------------------------------------------------------- how it did


def _of_kind(found: Forecast, crowd: float) -> KindFigures:
    return KindFigures(
        kind=found.kind.value,
        auc=area(found.won, found.probabilities),
        auc_error=_area_error(area(found.won, found.probabilities), found.won) * sqrt(crowd),
        brier=mean(found.misses()),
        base=_base_brier(found.won),
    )


def _base_brier(won: Sequence[bool]) -> float:
    rate = sum(won) / len(won)
    return rate * (1.0 - rate)


def _area_error(found: float, won: Sequence[bool]) -> float:
    """Return the standard error of an area under the curve. Source: Hanley and McNeil, 1982."""
    good = sum(won)
    bad = len(won) - good
    first, second = found / (2.0 - found), 2.0 * found * found / (1.0 + found)
    spread = found * (1.0 - found) + (good - 1) * (first - found * found) + (bad - 1) * (second - found * found)
    return sqrt(max(spread, 0.0) / (good * bad))


def _of_folds(found: Forecast, folds: Sequence[Fold], rows: Sequence[Sample]) -> tuple[FoldFigures, ...]:
    at, figures = 0, []
    for fold in folds:
        end = at + len(fold.trial)
        won, probabilities = found.won[at:end], found.probabilities[at:end]
        figures.append(
            FoldFigures(
                first=rows[fold.trial[0]].entered,
                last=rows[fold.trial[-1]].entered,
                trained=len(fold.train),
                tried=len(fold.trial),
                rate=sum(won) / len(won),
                auc=area(won, probabilities),
                brier=mean(found.misses()[at:end]),
                base=_base_brier(won),
            )
        )
        at = end
    return tuple(figures)


def _bands(found: Forecast, rows: Sequence[Sample]) -> tuple[Band, ...]:
    """Return the forecasts from the lowest to the highest, in ten bands of as many trades each."""
    order = sorted(range(len(found.places)), key=lambda at: (found.probabilities[at], at))
    edges = [len(order) * at // BANDS for at in range(BANDS + 1)]
    bands = []
    for first, last in pairwise(edges):
        part = order[first:last]
        bands.append(
            Band(
                lowest=found.probabilities[part[0]],
                highest=found.probabilities[part[-1]],
                trades=len(part),
                foreseen=mean(found.probabilities[at] for at in part),
                happened=sum(found.won[at] for at in part) / len(part),
                net=mean(rows[found.places[at]].net for at in part),
            )
        )
    return tuple(bands)


def _weights(found: Forecast, folds: Sequence[Fold], samples: Samples, seed: int) -> tuple[Weight, ...]:
    """Return by how much the area falls when one feature is shuffled among the trades of each fold."""
    plain = area(found.won, found.probabilities)
    weights = []
    for at, name in enumerate(samples.names):
        chance, foreseen = Random(seed), []
        for fold, model in zip(folds, found.models, strict=True):
            shuffled = [samples.rows[place].values[at] for place in fold.trial]
            chance.shuffle(shuffled)
            for place, value in zip(fold.trial, shuffled, strict=True):
                row = samples.rows[place].values
                foreseen.append(model.probability(_filled(model, (*row[:at], value, *row[at + 1 :]))))
        weights.append(Weight(name=name, falls=plain - area(found.won, foreseen)))
    return tuple(sorted(weights, key=lambda weight: -weight.falls))
