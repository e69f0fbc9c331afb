"""Each key of each shipped spec and example is misspelt, one at a time: the JSON Schema alone refuses the document.

It cannot refuse what an author names as he likes: parameters, lets, legs, alternatives, and categories of a universe.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from rulebot.spec.files import shipped

ROOT = Path(__file__).parents[3]
FILES = sorted(file for folder in ("specs", "examples") for file in (ROOT / folder).glob("*.yaml"))
Place = tuple[str | int, ...]


def kind_of(tree: dict[str, Any]) -> str:
    """Return which kind of document it is, by what only that kind has."""
    return "universe" if "categories" in tree else "strategy" if "legs" in tree or "extends" in tree else "account"


def judge_of(tree: dict[str, Any]) -> Any:
    text = (shipped("schemas") / f"{kind_of(tree)}.schema.json").read_text(encoding="utf-8")
    return Draft202012Validator(json.loads(text))


def places(tree: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the place of every key."""
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, member in members:
        if isinstance(tree, dict):
            yield (*place, key)
        yield from places(member, (*place, key))


def slip_of(key: str) -> str:
    """Return the key with its last two letters exchanged, or the last one doubled."""
    return key + key[-1] if len(key) < 3 or key[-1] == key[-2] else key[:-2] + key[-1] + key[-2]


def misspelt(tree: dict[str, Any], place: Place) -> dict[str, Any]:
    """Return the document with one key misspelt, where it stood."""
    found = deepcopy(tree)
    at: Any = found
    for key in place[:-1]:
        at = at[key]
    members = list(at.items())
    at.clear()
    at.update((slip_of(str(key)) if key == place[-1] else key, member) for key, member in members)
    return found


def is_named_by_its_author(tree: dict[str, Any], place: Place) -> bool:
    """Say whether a key is a name and no word: of a parameter, a let, a leg or a category, or the code of a warning."""
    section = place[0]
    if len(place) == 2 and section in ("parameters", "let", "categories", "accept"):
        return True
    if place[-1] in tree.get("let", {}):
        return True
    in_legs = section == "legs" and len(place) > 1 and is_leg(tree, place)
    return in_legs or place[-2:-1] == ("strikes",)


def is_leg(tree: dict[str, Any], place: Place) -> bool:
    at: Any = tree
    for key in place:
        at = at[key]
    return isinstance(at, dict) and ("sell" in at or "buy" in at)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_no_misspelt_key_passes(file: Path) -> None:
    tree = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    judge = judge_of(tree)
    assert [error.message for error in judge.iter_errors(tree)] == []
    words = [place for place in places(tree) if not is_named_by_its_author(tree, place)]
    assert words
    assert [place for place in words if judge.is_valid(misspelt(tree, place))] == []
