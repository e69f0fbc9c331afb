"""The quick look at a document and the jsonschema library, side by side, on good documents and on spoiled ones."""

import copy
import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tries import tries

from rulebot.spec.fast_schema import _ANNOTATIONS, _CHECKS, _OF_PARTS, fits_schema, lets_of, read_schema
from rulebot.spec.files import shipped
from rulebot.spec.schema import validator
from rulebot.spec.source import Plain
from rulebot.spec.yaml import read_source

FOLDERS = (shipped("specs"), shipped("examples"), Path(__file__).parent.parent / "snapshot" / "defects")
VALUES: tuple[Plain, ...] = (
    *(None, True, False, 0, 1, -1, 2, 10**12, Decimal("1.0"), Decimal("0.16"), Decimal("-3.5"), "", "a", "10:30", "$x"),
    *("0.16 delta", "SPX", "x" * 300, [], ["SPX", "SPX"], ["SPX"], [1, 1], {}, {"a": 1}, {"vix": {"below": 20}}),
)


@cache
def trees() -> list[dict[str, Plain]]:
    """Read all documents, once and not before a test wants them."""
    files = [file for folder in FOLDERS for file in sorted(folder.rglob("*.yaml"))]
    read = [read_source(file.read_bytes(), file.name).tree for file in files]
    return [tree for tree in read if isinstance(tree, dict)]


def kind_of(tree: dict[str, Plain]) -> str:
    return next((kind for kind in ("account", "test", "universe") if f"rulebot_{kind}" in tree), "strategy")


def is_clean(tree: Plain, kind: str) -> bool:
    return next(validator(kind, lets_of(tree)).iter_errors(tree), None) is None


def places(tree: Plain) -> list[tuple[Any, Any]]:
    """Every container with one of its keys."""
    pairs = list(tree.items()) if isinstance(tree, dict) else list(enumerate(tree)) if isinstance(tree, list) else []
    return [(tree, key) for key, _ in pairs] + [place for _, item in pairs for place in places(item)]


def spoil(tree: Any, chance: Random) -> None:
    """Change one thing of a document."""
    container, key = chance.choice(places(tree))
    act = chance.choice(("put", "put", "move", "drop", "add"))
    if act == "drop":
        del container[key]
    elif act == "add":
        other, name = chance.choice(places(tree))
        if isinstance(container, dict):
            container[chance.choice((str(name), "x", "risk", "all"))] = copy.deepcopy(other[name])
        else:
            container.append(copy.deepcopy(other[name]))
    else:
        other, name = chance.choice(places(tree))
        container[key] = copy.deepcopy(other[name]) if act == "move" else chance.choice(VALUES)


def test_no_keyword_of_the_schemas_is_unknown_to_the_quick_look() -> None:
    found: set[str] = set()

    def collect(schema: Any) -> None:
        found.update(schema)
        for key, item in schema.items():
            if key in ("properties", "$defs"):
                for each in item.values():
                    collect(each)
            elif key in ("items", "additionalProperties", "propertyNames") and isinstance(item, dict):
                collect(item)
            elif key == "anyOf":
                for each in item:
                    collect(each)

    for kind in ("strategy", "account", "test", "universe"):
        collect(json.loads(json.dumps(read_schema(kind))))
    assert found <= _CHECKS.keys() | _OF_PARTS.keys() | _ANNOTATIONS


@pytest.mark.parametrize("folder", FOLDERS[:2], ids=["specs", "examples"])
def test_a_document_that_is_fine_is_seen_to_be(folder: Path) -> None:
    for file in sorted(folder.rglob("*.yaml")):
        tree = read_source(file.read_bytes(), file.name).tree
        assert isinstance(tree, dict)
        if is_clean(tree, kind_of(tree)):
            assert fits_schema(tree, kind_of(tree)), file.name


@settings(max_examples=tries(200))
@given(st.deferred(lambda: st.integers(0, len(trees()) - 1)), st.integers(0, 2**32), st.integers(0, 3))
def test_what_is_said_to_fit_has_no_error(number: int, seed: int, changes: int) -> None:
    chance, tree = Random(seed), copy.deepcopy(trees()[number])
    for _ in range(changes):
        spoil(tree, chance)
        if not tree:
            break
    quick, clean = fits_schema(tree, kind_of(tree)), is_clean(tree, kind_of(tree))
    assert not quick or clean


def test_the_quick_look_refuses_most_of_what_the_library_refuses_and_no_more() -> None:
    chance, both, quick_alone, library_alone = Random(5), 0, 0, 0
    for _ in range(600):
        tree = copy.deepcopy(chance.choice(trees()))
        spoil(tree, chance)
        if tree:
            quick, clean = fits_schema(tree, kind_of(tree)), is_clean(tree, kind_of(tree))
            both += quick and clean
            quick_alone += quick and not clean
            library_alone += clean and not quick
    assert (quick_alone, library_alone) == (0, 0)
    assert both > 20
