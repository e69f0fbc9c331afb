"""Whatever compiles can be explained: no sound spec is without words, a page or data."""

import json
import re
from pathlib import Path

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.compile.build import build_plan
from rulebot.review.explain import explain_bot, page_of
from rulebot.review.explanation import document_of, text_of
from rulebot.spec.files import shipped
from rulebot.spec.load import load_text

EXAMPLES = Path(__file__).parents[2] / "examples"
TEXTS = [file.read_text(encoding="utf-8") for folder in (shipped("specs"), EXAMPLES) for file in folder.glob("*.yaml")]
SCALAR = re.compile(r"(?<=[:\[] )[^\s{}\[\],#][^{}\[\],#\n]*")
VALUES = [
    "0",
    "1",
    "3",
    "0.5",
    "50%",
    "200%",
    "$50",
    "$0",
    "2x credit",
    "0.5x debit",
    "10 pts",
    "0 pts",
    "-3 pts",
    "5m",
]
VALUES += ["open", "close - 1m", "open + 30s", '"15:59"', "mid", "natural", "put", "call", "100", "5000", "0.99"]
VALUES += ["{at_most: 5}", "{at_least: 30}", "{nearest: 900}", "1.2x", "true", "false", "again", "unwind"]


@given(st.sampled_from(TEXTS), st.integers(0, 500), st.sampled_from(VALUES))
@settings(  # most values fit in few places
    max_examples=tries(30), suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow]
)
def test_a_sound_spec_with_another_value_is_explained(text: str, which: int, value: str) -> None:
    places = list(SCALAR.finditer(text))
    place = places[which % len(places)]
    loaded = load_text(text[: place.start()] + value + text[place.end() :])
    assume(loaded.spec is not None)
    assert loaded.spec is not None
    plan, _ = build_plan(loaded.spec, loaded.source)
    assume(plan is not None)
    assert plan is not None
    found = explain_bot(loaded.spec, plan)
    words = text_of(found)
    assert all(rule.name in words for rule in (*plan.entry.when, *plan.require, *plan.risk.halt_when))
    assert all(planned.written in words for planned in plan.exits)
    assert page_of([found]).endswith("</html>\n")
    json.dumps(document_of(found), allow_nan=False)
