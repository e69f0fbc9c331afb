"""Nothing that a spec or account document can say is without words."""

from dataclasses import fields

from rulebot.compile.plan import LIFECYCLE
from rulebot.compile.timing import _OUTCOMES, WEEK_DAYS
from rulebot.compile.units import FUNCTIONS as EXPRESSION_FUNCTIONS
from rulebot.measures.registry import VOCABULARY
from rulebot.model.contract import Settlement
from rulebot.review.account import BACKINGS, LIMITS, SHOWN
from rulebot.review.entry import DAYS, OUTCOMES
from rulebot.review.exits import OTHERWISE, SETTLES, UNKNOWN
from rulebot.review.states import TRIGGERS
from rulebot.review.structure import EXPIRIES, IF_HELD, MODIFIERS, ROUNDS, SIZES, STRIKES
from rulebot.review.word_pages import COMPARISONS, FUNCTIONS, VALUES, given, known_words, vocabulary_index, word_page
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.nouns import (
    AccountDocument,
    DteRule,
    IfHeld,
    Op,
    PromotionEvidence,
    Shown,
    Strike,
    StrikeBy,
    StrikeRounding,
)
from rulebot.spec.spec import Fits, IfUnknown, OnUnknown

HEAD = {"version", "about", "account", "live"}


def test_every_choice_of_a_spec_has_words() -> None:
    assert STRIKES.keys() == set(StrikeBy)
    selector = {"by", "target", "reference", "bound", "is_percent", "widths", "path"}
    assert MODIFIERS.keys() == {each.name for each in fields(Strike)} - selector
    assert ROUNDS.keys() == set(StrikeRounding)
    assert SIZES.keys() == set(Fits)
    assert EXPIRIES.keys() == set(DteRule)
    assert IF_HELD.keys() == set(IfHeld)
    assert UNKNOWN.keys() == set(IfUnknown)
    assert OTHERWISE.keys() == set(OnUnknown)
    assert OUTCOMES.keys() == set(_OUTCOMES)
    assert [day[:3].lower() for day in DAYS] == list(WEEK_DAYS)
    assert {how for how, _ in SETTLES} == set(Settlement)


def test_every_move_of_the_lifecycle_has_a_meaning() -> None:
    assert TRIGGERS.keys() == {row.trigger for row in LIFECYCLE.rows}


def test_every_limit_and_every_figure_of_the_account_has_words() -> None:
    assert LIMITS.keys() == {each.name for each in fields(AccountDocument)} - HEAD
    assert SHOWN.keys() == set(Shown)
    assert BACKINGS.keys() == set(PromotionEvidence)


def test_every_word_that_a_key_takes_has_a_meaning() -> None:
    assert given().keys() - VALUES.keys() == set()
    assert COMPARISONS.keys() == {op.value for op in Op}
    assert set(EXPRESSION_FUNCTIONS) <= FUNCTIONS.keys()


def keys_of(node: object) -> set[str]:
    """Return every key of a schema, wherever it stands."""
    if isinstance(node, list):
        return set().union(*map(keys_of, node))
    if not isinstance(node, dict):
        return set()
    own = set(node.get("properties", ())) if isinstance(node.get("properties"), dict) else set()
    return own.union(*(keys_of(child) for name, child in node.items() if name != "examples"))


def test_every_key_of_the_schemas_and_every_measure_has_a_page() -> None:
    keys = {key for kind in ("strategy", "account", "universe") for key in keys_of(read_schema(kind))}
    assert keys - set(known_words()) == set()
    assert VOCABULARY.keys() <= set(known_words())
    assert [word for word in known_words() if (word_page(word) or None) is None] == []


def test_every_place_says_what_it_is() -> None:
    assert [place.path for places in vocabulary_index().values() for place in places if not place.description] == []
