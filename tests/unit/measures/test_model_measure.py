"""A condition on a model: its probability, and unknown where a feature is that it cannot do without."""

import json
from math import exp

import pytest

from rulebot.compile.data_needs import calls_of, reads_of
from rulebot.compile.features import inputs_of
from rulebot.compile.plan import Call, Quantity, Score
from rulebot.compile.scope import Scope
from rulebot.evaluate.measure import reader_of
from rulebot.measure.definition import Place
from rulebot.measure.reading import Reading, UnknownValue
from rulebot.measure.view import View
from rulebot.model.contract import Underlying
from rulebot.model.learned_model import model_of
from tests.unit.measures.market_view import CONTEXT, NAN, NOW, view

SCOPE = Scope(Place.FILTER, ("SPX",), {}, {}, {})


def call(*, gap_missing: float | None = None) -> Call:
    """Return a call on a sum of VIX and the gap."""
    inputs = [
        {"name": "vix", "missing": None, "mean": 16.0, "scale": 4.0, "weight": -2.0},
        {"name": "gap", "missing": gap_missing, "mean": 0.0, "scale": 0.01, "weight": 1.0},
    ]
    head = {"rulebot_model": 1, "features": 1, "kind": "logistic", "start": 0.5, "inputs": inputs, "trained": {}}
    model = model_of(json.dumps({**head, "calibration": {"slope": 1.0, "offset": 0.0}}))
    score = Score(model, inputs_of(model.names, SCOPE, (), "SPX"))
    return Call("model", (("file", "m.json"), ("of", "SPX"), ("sha256", "0")), Quantity.PLAIN, score)


def market(vix: float, opened: float, close: float) -> View:
    at = view()
    board = at.board
    for symbol, last in (("VIX", vix), ("SPX", opened)):
        row = board.add(Underlying(symbol))
        board.last[row], board.last_at[row] = last, NOW - 1.0
    row = board.rows[Underlying("SPX")]
    board.open[row], board.previous_close[row] = opened, close
    return at


def given(found: Call, at: View) -> Reading:
    return reader_of(found, CONTEXT)(at)


def test_a_model_filter_reads_the_probability_of_the_features_of_this_instant() -> None:
    score = 0.5 - 2.0 * (18.0 - 16.0) / 4.0 + 1.0 * (6030.0 / 6000.0 - 1.0) / 0.01
    assert given(call(), market(18.0, 6030.0, 6000.0)) == pytest.approx(1.0 / (1.0 + exp(-score)))


def test_a_model_filter_is_unknown_where_a_feature_is_missing_and_says_which() -> None:
    found = given(call(), market(NAN, 6030.0, 6000.0))
    assert isinstance(found, UnknownValue)
    assert found.reason.startswith("vix: VIX")


def test_a_model_filter_takes_the_number_of_its_file_for_a_missing_feature() -> None:
    lacking = market(18.0, 6030.0, NAN)
    assert isinstance(given(call(), lacking), UnknownValue)
    assert given(call(gap_missing=0.0), lacking) == pytest.approx(1.0 / (1.0 + exp(0.5)))


def test_a_model_filter_reads_what_its_features_read() -> None:
    assert [each.measure for each in calls_of(call())] == ["model", "vix", "gap"]
    assert {"index:VIX", "spot:SPX"} <= reads_of(call(), {}, "SPX")
