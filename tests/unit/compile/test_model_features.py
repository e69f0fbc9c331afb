"""The list of features: each can be read where it says, and docs/learning.md has them all."""

import re
from pathlib import Path

import pytest

from rulebot.compile.build import build_plan
from rulebot.compile.features import FEATURES, VERSION, inputs_at, usual_features
from rulebot.compile.plan import Plan
from rulebot.compile.problem import Fault
from rulebot.evaluate.measure import context_of, reader_of
from rulebot.measure.definition import Place
from rulebot.spec.load import load_document

ROOT = Path(__file__).parents[3]
OF_VERSION_1 = (
    "minutes_since_open minutes_to_close vix vix_change vix_change_today vix_spike vix1d_over_vix vix9d_over_vix "
    "vix_over_vix3m gap move_today move_since_close range_over_expected move_over_expected expected_over_spot iv rv "
    "iv_over_rv iv_percentile put_call_volume skew crowding credit_over_width quote_width probability_of_profit"
)
BEFORE_ENTRY = ("skew", "crowding")


def plan() -> Plan:
    loaded = load_document(ROOT / "specs" / "put_lite.yaml")
    assert loaded.spec is not None
    found = build_plan(loaded.spec, with_warnings=False)[0]
    assert found is not None
    return found


def test_a_version_of_the_list_never_loses_a_name() -> None:
    assert VERSION == 1
    assert set(OF_VERSION_1.split()) <= set(FEATURES)


@pytest.mark.parametrize("name", FEATURES)
@pytest.mark.parametrize("place", [Place.FILTER, Place.REQUIRE, Place.EXIT, Place.HALT])
def test_each_can_be_read_where_it_has_a_meaning(name: str, place: Place) -> None:
    of_legs = FEATURES[name].of_legs and place not in (Place.REQUIRE, Place.EXIT)
    too_late = name in BEFORE_ENTRY and place in (Place.EXIT, Place.HALT)
    if of_legs or too_late:
        with pytest.raises(Fault, match="has no meaning in"):
            inputs_at((name,), plan(), place)
        return
    (number,) = inputs_at((name,), plan(), place)
    assert callable(reader_of(number, context_of(plan())))


def test_the_usual_ones_of_a_place_can_be_read_there() -> None:
    assert len(inputs_at(usual_features(Place.FILTER), plan(), Place.FILTER)) >= 15
    assert set(usual_features(Place.REQUIRE)) - set(usual_features(Place.FILTER)) == {
        name for name, each in FEATURES.items() if each.of_legs
    }


def test_the_page_names_every_feature() -> None:
    page = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    assert set(FEATURES) <= set(re.findall(r"`(\w+)`", page))
    starred = set(re.findall(r"`(\w+)`\*", page))
    assert starred == {name for name, each in FEATURES.items() if not each.usual}
