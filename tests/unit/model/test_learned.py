"""A model's arithmetic, worked out by hand; and files that lead nowhere."""

import json
from math import exp
from typing import Any

import pytest

from rulebot.model.learned_model import ModelError, logistic, model_of, single

STUMP = {"feature": [0, -1, -1], "threshold": [20.0, 0.0, 0.0], "left": [1, -1, -1], "right": [2, -1, -1]}


def whole(**changes: object) -> dict[str, Any]:
    return {
        "rulebot_model": 1,
        "features": 1,
        "kind": "logistic",
        "inputs": [
            {"name": "vix", "missing": None, "mean": 18.0, "scale": 4.0, "weight": -1.0},
            {"name": "gap", "missing": 0.01, "mean": 0.0, "scale": 0.01, "weight": 0.5},
        ],
        "start": 0.2,
        "calibration": {"slope": 2.0, "offset": -0.1},
        "trained": {},
        **changes,
    }


def of_trees(tree: dict[str, Any], count: int = 1) -> dict[str, Any]:
    inputs = [{"name": each["name"], "missing": each["missing"]} for each in whole()["inputs"]]
    return whole(kind="trees", inputs=inputs, trees=[tree] * count)


def test_a_logistic_model_is_a_weighted_sum_on_a_calibrated_scale() -> None:
    found = model_of(json.dumps(whole()))
    score = 0.2 - (22.0 - 18.0) / 4.0 + 0.5 * (0.02 / 0.01)
    assert found.probability((22.0, 0.02)) == pytest.approx(1.0 / (1.0 + exp(-(2.0 * score - 0.1))))


def test_a_feature_that_is_unknown_is_filled_in_only_where_the_file_says_so() -> None:
    found = model_of(json.dumps(whole()))
    assert found.filled((22.0, None)) == (22.0, 0.01)
    assert found.filled((None, 0.02)) is None


def test_trees_add_up_and_a_feature_on_the_threshold_goes_left() -> None:
    found = model_of(json.dumps(of_trees({**STUMP, "value": [0.0, -1.0, 0.5]}, 2)))
    assert found.score((20.0, 0.0)) == pytest.approx(0.2 - 2.0)
    assert found.score((20.1, 0.0)) == pytest.approx(0.2 + 1.0)


def test_trees_compare_in_single_precision() -> None:
    assert single(0.1) != 0.1
    assert single(1e300) == pytest.approx(3.4028234663852886e38)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": 1.0}, "nothing is called 'weights' there: name, missing, mean, scale, weight"),
        ({"weight": None}, "a number is required, is None"),
        ({"scale": ...}, "'scale' is missing among name, missing, mean, weight"),
    ],
)
def test_a_feature_with_a_key_that_is_misspelt_or_missing_is_refused(change: dict[str, object], said: str) -> None:
    """Its weight was 0, so that the feature decided nothing."""
    vix, gap = whole()["inputs"]
    changed = {key: value for key, value in {**vix, **change}.items() if value is not ...}
    with pytest.raises(ModelError, match=said):
        model_of(json.dumps(whole(inputs=[changed, gap])))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offsets": 1}, "nothing is called 'offsets' there"),
        ({"trees": []}, "nothing is called 'trees' there"),
        ({"features": 1.7}, "a whole number is required, is 1.7"),
        ({"calibration": {"slope": 1.0}}, "'offset' is missing among slope"),
    ],
)
def test_a_model_with_a_key_that_nobody_reads_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        model_of(json.dumps(whole(**change)))


def test_a_key_that_stands_twice_is_refused() -> None:
    """The last one counted."""
    with pytest.raises(ModelError, match="a key occurs twice among start, "):
        model_of(json.dumps(whole()).replace("{", '{"start": 5.0, ', 1))


@pytest.mark.parametrize("log_odds", [-1e9, -30.0, 0.0, 30.0, 1e9])
def test_any_log_odds_are_a_probability(log_odds: float) -> None:
    assert 0.0 <= logistic(log_odds) <= 1.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"left": [0, -1, -1]}, "leads to itself"),
        ({"right": [3, -1, -1]}, "nowhere"),
        ({"feature": [2, -1, -1]}, "nowhere"),
        ({"left": [1, -1]}, "equal lengths"),
    ],
)
def test_a_tree_that_leads_nowhere_is_refused(change: dict[str, object], said: str) -> None:
    tree = {**STUMP, "value": [0.0, 1.0, 2.0], **change}
    with pytest.raises(ModelError, match=said):
        model_of(json.dumps(of_trees(tree)))
