"""`rulebot fmt` on documents as people leave them: once is enough, nothing changes its meaning, no comment is lost."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from messy import Messy
from tries import tries

from rulebot.spec.extends import relative_to
from rulebot.spec.files import shipped
from rulebot.spec.layout import formatted, text_of
from rulebot.spec.load import load_text
from rulebot.spec.source import UNSEEN, Kind, Plain, kind_of_document
from rulebot.spec.yaml import read_source

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = {file.name: file for file in [*shipped("specs").glob("*.yaml"), *EXAMPLES.glob("*.yaml")]}
TEXTS = {name: file.read_text(encoding="utf-8") for name, file in sorted(FILES.items())}


@cache
def tree_of(name: str) -> Plain:
    return read_source(TEXTS[name].encode(), name).tree


@cache
def kind_of(name: str) -> Kind:
    kind, _ = kind_of_document(read_source(TEXTS[name].encode(), name))
    assert kind is not None
    return kind


def meaning(text: str, name: str) -> object:
    loaded = load_text(text, name, read=relative_to(FILES[name]))
    assert loaded.is_fine, loaded.diagnostics
    return loaded.account or loaded.universe or (loaded.spec and loaded.spec.digest)


@pytest.mark.parametrize("name", list(TEXTS))
def test_what_is_shipped_is_laid_out_already(name: str) -> None:
    assert formatted(TEXTS[name], name, kind_of(name)) == TEXTS[name]


@given(st.sampled_from(list(TEXTS)), st.integers(0, 10**9))
@example("choose.yaml", 653)  # a comment below a leg, and no blank line above the next one
@settings(max_examples=tries(30))
def test_once_is_enough_and_nothing_changes(name: str, seed: int) -> None:
    tree = tree_of(name)
    assert isinstance(tree, dict)
    messy = Messy(seed).text(tree)
    once = formatted(messy, name, kind_of(name))
    assert formatted(once, name, kind_of(name)) == once
    assert meaning(once, name) == meaning(messy, name)


@pytest.mark.parametrize("name", list(TEXTS))
def test_a_tree_is_written_as_a_document_that_is_laid_out(name: str) -> None:
    tree = tree_of(name)
    assert isinstance(tree, dict)
    text = text_of(tree)
    assert read_source(text.encode(), name).tree == tree
    assert formatted(text, name, kind_of(name)) == text
    assert meaning(text, name) == meaning(TEXTS[name], name)


SEEN = st.characters(codec="utf-8", exclude_categories=["C"]).filter(lambda each: UNSEEN.search(each) is None)


@given(st.text(SEEN, min_size=1, max_size=60))
@settings(max_examples=tries(30))
def test_any_sentence_is_written_so_that_it_is_read_again(sentence: str) -> None:
    tree = {"rulebot": 1, "about": sentence, "accept": {"RB310": sentence}}
    source = read_source(text_of(tree).encode(), "x.yaml")
    assert source.problems == ()
    assert source.tree == tree


PIECES = [
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "  ",
    "'",
    '"',
    " # c\n",
    "\n# c\n",
    "\n      # c\n",
    "\n\n",
    "|\n",
    ">",
    "? ",
    ", ",
]


@given(
    st.sampled_from(sorted(TEXTS)),
    st.integers(0, 2000),
    st.integers(0, 4),
    st.lists(st.sampled_from(PIECES), max_size=3),
)
@settings(max_examples=tries(40))
def test_whatever_can_be_read_can_be_laid_out(name: str, at: int, cut: int, pieces: list[str]) -> None:
    text = TEXTS[name]
    at %= len(text)
    text = text[:at] + "".join(pieces) + text[at + cut :]
    source = read_source(text.encode(), name)
    if source.problems or not isinstance(source.tree, dict):
        return
    once = formatted(text, name, kind_of(name))
    assert formatted(once, name, kind_of(name)) == once
