"""Training: forward in time only, honest about noise, the same bytes each time, refused where there is too little."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from rulebot.model.errors import SpecError
from rulebot.model.learned_model import Kind, LearnedModel, digest_of, model_of
from rulebot.train.fit import Report, figures, fitted
from rulebot.train.minutes import Sample, Samples
from rulebot.train.train import TrainOptions, _area_error, _forecast, _weights, text_of_model, train, walk_forward

START = datetime(2025, 1, 2, 15, 30, tzinfo=UTC)
DAY = timedelta(days=1)


def samples(count: int = 300, *, pull: float = 1.5, seed: int = 4, gap: bool = False) -> Samples:
    """Return made-up trades; those with much of the first feature tend to be won, the second is noise."""
    chance = Random(seed)
    rows = []
    for at in range(count):
        first, second = chance.gauss(0.0, 1.0), chance.gauss(20.0, 4.0)
        won = chance.random() < 1.0 / (1.0 + pow(2.718281828, -pull * first))
        hidden = gap and at % 5 == 0
        entered = START + at * DAY
        values = (first, None if hidden else second, 7.0)
        rows.append(
            Sample(entered=entered, left=entered + timedelta(hours=4), values=values, net=80.0 if won else -90.0)
        )
    return Samples(names=("gap", "vix", "iv"), place="when", rows=tuple(rows), settings={})


@pytest.fixture(scope="module")
def learned() -> tuple[LearnedModel, Report]:
    """Return what the plain trades come to, and how that did. Nobody changes it."""
    return train(samples(), TrainOptions())


def test_a_trial_comes_after_all_that_was_trained_on() -> None:
    rows = samples(60).rows
    for fold in walk_forward(rows, 5, timedelta(0)):
        assert max(fold.train) < min(fold.trial)
    assert [len(fold.trial) for fold in walk_forward(rows, 5, timedelta(0))] == [10] * 5


def test_a_trade_that_ends_within_a_trial_or_the_embargo_is_not_trained_on() -> None:
    rows = [*samples(60).rows]
    rows[3] = replace(rows[3], left=rows[12].entered)
    (first, *_) = walk_forward(rows, 5, timedelta(0))
    assert first.train == (0, 1, 2, *range(4, 10))
    (first, *_) = walk_forward(rows, 5, 2 * DAY)
    assert first.train == (0, 1, 2, *range(4, 8))


def test_what_trades_still_open_come_to_calibrates_nothing() -> None:
    known = samples()
    first, second = walk_forward(known.rows, 2, DAY)
    late = second.trial[0] - 15
    held = [
        replace(row, left=known.rows[second.trial[4]].entered) if late <= at < second.trial[0] else row
        for at, row in enumerate(known.rows)
    ]
    turned = [replace(row, net=-row.net) if late <= at < second.trial[0] else row for at, row in enumerate(held)]
    foreseen = []
    for rows in (held, turned):
        some = replace(known, rows=tuple(rows))
        found = _forecast(Kind.LOGISTIC, some, walk_forward(some.rows, 2, DAY), TrainOptions(folds=2))
        foreseen.append(found.probabilities[len(first.trial) :])
    assert foreseen[0] == foreseen[1]


def test_trades_that_ended_in_shares_are_counted() -> None:
    known = samples()
    some = replace(known, rows=(*known.rows[:-2], *(replace(row, in_shares=True) for row in known.rows[-2:])))
    assert train(some, TrainOptions())[1].in_shares == 2


def test_what_is_there_is_learned_and_calibrated(learned: tuple[LearnedModel, Report]) -> None:
    model, report = learned
    assert report.taken.auc > 0.7
    assert report.taken.is_better_than_chance
    assert report.weights[0].name == "gap"
    assert report.weights[0].falls > 0.1 > max(each.falls for each in report.weights[1:])
    assert report.taken.brier < report.taken.base <= 0.25
    assert report.bands[-1].happened > report.bands[0].happened + 0.4
    assert model.probability((2.0, 20.0)) > 0.8 > 0.2 > model.probability((-2.0, 20.0))
    assert report.left_out == (("iv", "the same in all trades"),)


def test_features_are_weighed_in_the_probabilities_that_the_area_is_reported_of() -> None:
    known = samples()
    folds = walk_forward(known.rows, 5, DAY)
    found = _forecast(Kind.LOGISTIC, known, folds, TrainOptions())
    again = [
        model.probability([value or 0.0 for value in known.rows[place].values])
        for fold, model in zip(folds, found.models, strict=True)
        for place in fold.trial
    ]
    assert tuple(again) == found.probabilities
    scoreless = replace(found, scores=tuple(0.0 for _ in found.scores))
    assert _weights(scoreless, folds, known, 1) == _weights(found, folds, known, 1)


def test_the_error_of_an_area_is_that_of_hanley_and_mcneil() -> None:
    """58 normal and 51 abnormal images, an area of 0.893: 0.032 (Radiology 143, 1982)."""
    assert _area_error(0.893, [True] * 51 + [False] * 58) == pytest.approx(0.032, abs=1e-3)


def test_of_noise_nothing_is_claimed() -> None:
    claimed = [train(samples(pull=0.0, seed=seed), TrainOptions())[1].taken.is_better_than_chance for seed in range(4)]
    assert not any(claimed)


def test_the_weighted_sum_is_taken_unless_trees_are_clearly_better(learned: tuple[LearnedModel, Report]) -> None:
    assert learned[1].kind == "logistic"
    bent = samples(600)
    folded = tuple(replace(row, net=90.0 if abs(row.values[0] or 0.0) > 0.7 else -80.0) for row in bent.rows)
    assert train(replace(bent, rows=folded), TrainOptions())[1].kind == "trees"


def test_the_past_is_judged_alike_whatever_comes_later(learned: tuple[LearnedModel, Report]) -> None:
    known = samples()
    rows = (*known.rows[:250], *(replace(row, net=-row.net) for row in known.rows[250:]))
    was, now = learned[1], train(replace(known, rows=rows), TrainOptions())[1]
    assert was.folds[:4] == now.folds[:4]
    assert was.folds[4] != now.folds[4]


@pytest.mark.parametrize("kind", Kind)
def test_written_as_numbers_a_model_says_what_it_said(kind: Kind) -> None:
    known = samples()
    won = [row.net > 0 for row in known.rows]
    rows = [row.values[:2] for row in known.rows]
    model = fitted(kind, known.names[:2], [False, False], rows, won, 1)
    again = model_of(text_of_model(model, {"seed": 1}))
    for row in rows:
        values = model.filled(row)
        assert values is not None
        assert again.probability(values) == model.probability(values)


def test_boosted_trees_agree_with_the_library_that_grew_them() -> None:
    from sklearn.ensemble import GradientBoostingClassifier

    known = samples()
    won = [row.net > 0 for row in known.rows]
    rows = [[value or 0.0 for value in row.values[:2]] for row in known.rows]
    model = fitted(Kind.TREES, ("gap", "vix"), [False, False], [tuple(row) for row in rows], won, 3)
    grown = GradientBoostingClassifier(
        n_estimators=60, max_depth=2, learning_rate=0.05, min_samples_leaf=6, random_state=3
    ).fit(rows, won)
    for row, (_, probability) in zip(rows, grown.predict_proba(rows), strict=True):
        assert model.probability(row) == pytest.approx(probability, abs=1e-9)


def test_the_same_trades_and_seed_give_the_same_bytes(learned: tuple[LearnedModel, Report]) -> None:
    texts = {text_of_model(model, figures(report)) for model, report in (learned, train(samples(), TrainOptions()))}
    assert len({digest_of(text) for text in texts}) == 1


def test_what_was_sometimes_unknown_has_its_median_and_the_rest_must_be_there() -> None:
    model, _ = train(samples(gap=True), TrainOptions())
    by_name = {one.name: one.missing for one in model.inputs}
    assert by_name["gap"] is None
    assert by_name["vix"] == pytest.approx(20.0, abs=1.0)
    assert model.filled((0.5, None)) == (0.5, by_name["vix"])
    assert model.filled((None, 20.0)) is None


def test_a_target_of_the_best_trades_counts_those_alone() -> None:
    known = samples()
    rows = tuple(replace(row, net=float(at * 37 % 100)) for at, row in enumerate(known.rows))
    report = train(replace(known, rows=rows), TrainOptions(above=0.7))[1]
    assert report.line == 69.0
    assert report.good == 90


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (samples(99), "100 closed trades or more, and there are 99"),
        (replace(samples(), rows=tuple(replace(row, net=5.0) for row in samples().rows)), "300 are good and 0 are not"),
        (replace(samples(), rows=tuple(replace(row, values=(1.0, 2.0, None)) for row in samples().rows)), "no feature"),
        (
            replace(samples(), rows=tuple(replace(row, net=25.0 - at) for at, row in enumerate(samples().rows))),
            "ended alike",
        ),
    ],
)
def test_too_little_to_learn_from_is_refused(known: Samples, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        train(known, TrainOptions())


def test_an_embargo_that_leaves_nothing_to_train_on_is_reported_as_that() -> None:
    """All 0 trades were said to have ended alike, and fewer folds to help."""
    with pytest.raises(SpecError, match="no trade had ended before fold 1 begins") as refused:
        train(samples(), TrainOptions(embargo=timedelta(days=5000)))
    assert refused.value.help == "take a shorter --embargo, fewer --folds, or more sessions"


# ---------------------------------------------------------------- minutes


def of_minutes(count: int, each: int, *, pull: float) -> Samples:
    """Return hypothetical trades, so many of each session and all of them alike."""
    known = samples(count, pull=pull)
    rows = [replace(row, entered=row.entered + timedelta(minutes=30 * at)) for row in known.rows for at in range(each)]
    return replace(known, rows=tuple(rows), every=30)


def test_minutes_of_one_session_count_as_one(learned: tuple[LearnedModel, Report]) -> None:
    alone, crowded = learned[1], train(of_minutes(300, 6, pull=1.5), TrainOptions())[1]
    assert crowded.samples == 6 * alone.samples
    assert (crowded.every, crowded.sessions) == (30, 300)
    assert crowded.kinds[0].auc_error == pytest.approx(alone.kinds[0].auc_error, rel=0.15)


def test_of_noise_in_many_minutes_nothing_is_claimed() -> None:
    claimed = [
        train(replace(of_minutes(150, 8, pull=0.0), names=("gap", "vix", "iv")), TrainOptions(seed=seed))[1]
        for seed in range(2)
    ]
    assert not any(each.taken.is_better_than_chance for each in claimed)


def test_many_minutes_of_few_sessions_are_refused() -> None:
    with pytest.raises(SpecError, match="100 sessions or more, and there are 60"):
        train(of_minutes(60, 8, pull=1.5), TrainOptions())
