"""A text that differs from another in its numbers alone is read by what they share, and comes to the same document."""

import re
from pathlib import Path
from random import Random

import pytest
from plain_specs import alike_specs, random_spec

from rulebot.spec.fast_schema import ReloadCache
from rulebot.spec.source import Source
from rulebot.spec.yaml import read_source

SPECS = Path(__file__).parents[3] / "specs"
NUMBERS = ("0", "7", "12", "0.5", "10.25", "1000", "09", "1.", ".5", "1..2", "123456789012345678", "")


def whole(text: str) -> Source:
    return read_source(text.encode(), "a.yaml")


def same(one: Source, other: Source) -> bool:
    """Say whether two documents are the same, in the order of their keys too."""
    parts = ("file", "text", "tree", "keys", "values", "problems", "spoiled", "is_cut_short", "lines")
    in_order = repr(one.tree) == repr(other.tree) and list(one.values.items()) == list(other.values.items())
    return in_order and all(getattr(one, name) == getattr(other, name) for name in parts)


def varied(text: str, chance: Random) -> str:
    """Put other numbers, right and wrong ones, in place of some: in values, keys, texts and comments alike."""
    return re.sub(r"[0-9.]+", lambda found: chance.choice(NUMBERS) if chance.random() < 0.1 else found[0], text)


@pytest.mark.parametrize("file", sorted(SPECS.glob("*.yaml")), ids=lambda file: file.stem)
def test_any_number_in_a_shipped_spec_may_be_another(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    chance = Random(file.name)
    for texts in (text, text.replace("\n", " # 1 of 2\n"), text.replace('"', "'")):
        alike = ReloadCache("a.yaml")
        assert same(alike.read(texts), whole(texts))
        for _ in range(4):
            one = varied(texts, chance)
            assert same(alike.read(one), whole(one)), one


def test_random_specs_are_read_alike() -> None:
    for seed in range(8):
        alike = ReloadCache("a.yaml")
        for text in [*alike_specs(seed, 4), random_spec(seed + 1)]:
            assert same(alike.read(text), whole(text))


def test_most_variants_are_not_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else nothing is won: of texts that differ in plain numbers the first alone is read."""
    read: list[bytes] = []
    monkeypatch.setattr(
        "rulebot.spec.fast_schema.read_source", lambda content, file: read.append(content) or whole_of(content)
    )
    alike = ReloadCache("a.yaml")
    texts = alike_specs(3, 10)
    for text in texts:
        alike.read(text)
    assert read == [texts[0].encode()]


def whole_of(content: bytes) -> Source:
    return read_source(content, "a.yaml")


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("a: 1\n", "a: 1\nb: 2\n"),
        ("a1: 1\n", "a2: 1\n"),
        ("a: 1 # 5\n", "a: 1 # 6\n"),
        ('a: "\\u0041 1"\n', 'a: "\\u0042 1"\n'),
        ("a: |\n  1 dollar\nb: 2\n", "a: |\n  2 dollars\nb: 2\n"),
        ("a: |\n  1 dollar\nb: 2\n", "a: |\n  3 dollar\nb: 2\n"),
        ("a: one\n  2 three\nb: 1\n", "a: one\n  4 three\nb: 1\n"),
        ("a: 1\n", "a: 1e5\n"),
        ("a: {b: 1, c: [2, 3]}\n", "a: {b: 10, c: [2.5, 3]}\n"),
        ("a: 'it''s 1'\n", "a: 'it''s 2'\n"),
        ("a: 1\nb: 2\n", "a: 1\na: 2\n"),
        ("a: 0x10\n", "a: 0x11\n"),
        ("a: &b 1\n", "a: &b 2\n"),
        ("a: 5 pts\n", "a: 10 pts\n"),
        ("- 1\n- 2\n", "- 1\n- 33\n"),
        ("1\n", "2\n"),
        ("a: 1\r\nb: 2\n", "a: 3\r\nb: 2\n"),
    ],
)
def test_what_is_more_than_a_number_is_read_whole(first: str, other: str) -> None:
    alike = ReloadCache("a.yaml")
    assert same(alike.read(first), whole(first))
    assert same(alike.read(other), whole(other))
