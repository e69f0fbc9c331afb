"""The JSON Schema alone refuses misspelt conditions, at every place where conditions stand."""

import json
import re
from copy import deepcopy
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rulebot.measures.registry import VOCABULARY
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.files import shipped
from rulebot.spec.schema import one_slip_from

SCHEMA = json.loads((shipped("schemas") / "strategy.schema.json").read_text(encoding="utf-8"))
JUDGE = Draft202012Validator(SCHEMA)
BOT: dict[str, Any] = {
    "rulebot": 1,
    "name": "bot",
    "about": "Sells puts.",
    "universe": {"symbols": ["SPY", "QQQ"], "require": [{"iv_rank": {"above": 30}}]},
    "entry": {
        "at": "10:30",
        "per_day": 1,
        "when": [{"any": [{"vix": {"below": 20}}, {"not": {"vix": {"above": 30}}}]}],
    },
    "legs": {
        "expiry": {"dte": 0},
        "choose": [
            {"name": "low", "when": [{"vix": {"below": 15}}], "put": {"sell": "put", "strike": {"delta": 0.1}}},
            {"name": "high", "put": {"sell": "put", "strike": {"delta": 0.05}}},
        ],
        "require": [{"credit": {"at_least": 0.5}}],
    },
    "order": {"start": "mid", "step": 0.05, "wait": "10s", "tries": 6, "then": "cancel"},
    "exits": [
        {"time": "15:30"},
        {"name": "far", "all": [{"leg_delta": {"beyond": 0.3}}], "activate_when": {"profit": {"at_least": "30%"}}},
        {"name": "on", "breach": {"spot_within": "5 pts"}, "roll": {"require": [{"credit": {"at_least": 0.1}}]}},
    ],
    "risk": {"undefined_risk": "allow", "halt_when": [{"vix_spike": {"above": "3 pts"}}]},
}
PLACES: tuple[tuple[str | int, ...], ...] = (
    ("universe", "require", 0),
    ("entry", "when", 0, "any", 0),
    ("entry", "when", 0, "any", 1, "not"),
    ("legs", "choose", 0, "when", 0),
    ("legs", "require", 0),
    ("exits", 1, "all", 0),
    ("exits", 1, "activate_when"),
    ("exits", 2, "roll", "require", 0),
    ("risk", "halt_when", 0),
)


def at(tree: Any, place: tuple[str | int, ...]) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def spelt(place: tuple[str | int, ...], name: str, body: object) -> dict[str, Any]:
    """Return the bot with one condition more beside the one at a place, whose measure is exchanged."""
    bot = deepcopy(BOT)
    condition = at(bot, place)
    measure = next(iter(condition))
    del condition[measure]
    condition[name] = body
    return bot


def test_the_bot_itself_fits() -> None:
    assert [error.message for error in JUDGE.iter_errors(BOT)] == []


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("let", [{}, {"let": {"day_move": {"expected_move": {"asof": "open"}}}}])
def test_a_misspelt_measure_is_refused(place: tuple[str | int, ...], let: dict[str, Any]) -> None:
    for name in ("vixx", "iv_rnk", "crdeit", "leg_dleta"):
        assert not JUDGE.is_valid({**spelt(place, name, {"above": 20}), **let}), name


@pytest.mark.parametrize("place", PLACES)
def test_a_word_of_nobody_is_refused_without_lets(place: tuple[str | int, ...]) -> None:
    assert not JUDGE.is_valid(spelt(place, "fear_index", {"above": 20}))


@pytest.mark.parametrize("place", PLACES)
def test_a_misspelt_comparison_or_modifier_is_refused(place: tuple[str | int, ...]) -> None:
    assert not JUDGE.is_valid(spelt(place, "vix", {"under": 20}))
    bot = deepcopy(BOT)
    at(bot, place)["confirms"] = "2 quotes"
    assert not JUDGE.is_valid(bot)


def test_a_let_is_a_word_of_its_own() -> None:
    let = {"let": {"day_move": {"expected_move": {"asof": "open"}}}}
    assert JUDGE.is_valid({**spelt(("entry", "when", 0, "any", 0), "day_move", {"above": "30 pts"}), **let})


def test_the_pattern_in_the_schema_is_that_of_the_vocabulary() -> None:
    words = {word for noun in ("condition_parts", "exit", "halt") for word in SCHEMA["$defs"][noun]["properties"]}
    assert SCHEMA["$defs"]["no_slip"]["not"]["pattern"] == one_slip_from(words)
    assert not any(re.search(one_slip_from(words), word) for word in words)
    for noun, name in (("condition_parts", "known_condition"), ("exit", "known_exit"), ("halt", "known_halt")):
        assert SCHEMA["$defs"][name]["propertyNames"]["enum"] == list(SCHEMA["$defs"][noun]["properties"])


def test_the_engine_reads_the_schema_without_what_is_for_editors() -> None:
    read = read_schema("strategy")
    assert "allOf" not in read
    assert "no_slip" not in read["$defs"]
    assert "propertyNames" not in read["$defs"]["condition_parts"]


@pytest.mark.parametrize("let", [{}, {"let": {"day_move": {"expected_move": {"asof": "open"}}}}])
def test_a_misspelt_measure_to_rank_by_is_refused(let: dict[str, Any]) -> None:
    for by, is_fine in (("iv_rank", True), ("position_theta", True), ("$by", True), ("iv_rnk", False)):
        bot = {**deepcopy(BOT), **let}
        bot["universe"]["rank"] = {"by": by, "highest": 1}
        assert JUDGE.is_valid(bot) is is_fine, by


def test_a_let_may_be_ranked_by() -> None:
    bot = {**deepcopy(BOT), "let": {"day_move": {"expected_move": {"asof": "open"}}}}
    bot["universe"]["rank"] = {"by": "day_move", "highest": 1}
    assert JUDGE.is_valid(bot)
    del bot["let"]
    assert not JUDGE.is_valid(bot)


def test_what_may_be_ranked_by_is_the_vocabulary() -> None:
    assert SCHEMA["$defs"]["known_measure"]["anyOf"][1]["enum"] == list(VOCABULARY)
