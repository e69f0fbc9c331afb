"""Nothing that a spec can say changes unseen: every field is compared, with words and a judge."""

from collections.abc import Mapping
from dataclasses import fields

import pytest

from rulebot.measures.registry import VOCABULARY
from rulebot.review.change.entry import ENTRY
from rulebot.review.change.exits import EXIT
from rulebot.review.change.field import ORDER, REACHES, Keys, Within
from rulebot.review.change.legs import LEG, LEGS, NEARER, STRIKE
from rulebot.review.change.orders import ENTRY_ORDER, EXIT_ORDER
from rulebot.review.change.parts import RISK, SPEC
from rulebot.review.change.rules import ADDED, JUDGING, LISTS, REMOVED
from rulebot.review.word_pages import APPLIES, vocabulary_index
from rulebot.spec.exit_kinds import EXIT_KEYS
from rulebot.spec.nouns import Condition, Leg, Legs, Strike, StrikeBy
from rulebot.spec.spec import Entry, Exit, Order, Risk, Spec

TABLES: Mapping[type, tuple[Keys, ...]] = {
    Spec: (SPEC,),
    Entry: (ENTRY,),
    Legs: (LEGS,),
    Leg: (LEG,),
    Strike: (STRIKE,),
    Order: (ENTRY_ORDER, EXIT_ORDER),
    Exit: (EXIT,),
    Condition: (JUDGING,),
    Risk: (RISK,),
}
ELSEWHERE = {
    "from": "window", "to": "window", "buy": "side", "sell": "side", "underlyings": "underlying", "dte": "expiry",
    "class": "expiry", "take": "expiry", "cycle": "expiry",
    "max_loss": "quantity", "sessions": "quantity.grow", "premium": "strike", "side_credit": "strike", "otm": "strike",
    "nearest": "expiry", "after": "again", "wait": "again", "until": "again",
    "extends": "what it takes over, key by key",
    "expr": "test", "all": "test", "any": "test", "not": "test",
    "delta": "strike", "expected_move": "strike", "below": "strike", "above": "strike", "by": "strike", "at": "strike",
    "cost": "protect",
    "parameters": "parameters", "let": "let", "accept": "accept", "when": "entry.when",
    "models": "a test, by its hash",
    "require": "legs.require", "halt_when": "risk.halt_when", "entry": "entry", "legs": "legs", "exits": "exits",
    "exit_order": "exit_order", "risk": "risk", "strike": "strike", "choose": "legs.choose",
    "universe": "underlying", "symbols": "underlying", "file": "underlying",
    "categories": "underlying", "except": "underlying", "highest": "rank", "lowest": "rank",
    "strikes": "roll", "else": "roll",
}  # fmt: skip
"""Keys of the schema that another entry of the tables speaks of: part of a window, of a test, of a selector."""


@pytest.mark.parametrize("noun", TABLES, ids=lambda noun: noun.__name__)
def test_every_field_of_a_spec_is_compared(noun: type) -> None:
    for keys in TABLES[noun]:
        assert keys.keys() == {field.name for field in fields(noun)}


def test_every_key_of_the_schema_is_compared() -> None:
    reported = {
        part for tables in TABLES.values() for keys in tables for key in keys.values() for part in key.key.split(".")
    }
    arguments = {each.name for measure in VOCABULARY.values() for each in measure.parameters}
    of_specs = {
        word for word, places in vocabulary_index().items() if any(place.document == "strategy" for place in places)
    }
    tests = {*VOCABULARY, *arguments, *EXIT_KEYS, "at_least", "at_most", "between", "outside", "beyond", "is", "name"}
    assert of_specs - reported - tests - ELSEWHERE.keys() == set()
    assert ELSEWHERE.keys() <= of_specs


def test_every_list_of_rules_says_what_one_more_or_less_comes_to() -> None:
    assert ADDED.keys() == REMOVED.keys() == LISTS.keys() - {"exits"}


def test_every_reach_has_words() -> None:
    assert REACHES.keys() == APPLIES.keys() == set(ORDER)


def test_every_selector_by_a_number_says_which_way_is_nearer() -> None:
    by_reference = {StrikeBy.SHARES, StrikeBy.AT_SPOT, StrikeBy.AT_LEG, StrikeBy.BELOW, StrikeBy.ABOVE, StrikeBy.HELD}
    assert NEARER.keys() == set(StrikeBy) - by_reference


def test_what_stands_within_another_names_it() -> None:
    for tables in TABLES.values():
        for keys in tables:
            for key in keys.values():
                assert isinstance(key, Within) or key.key
