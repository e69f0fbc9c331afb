"""The schemas are documentation too: every field is described, and its examples are true."""

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rulebot.spec.fast_schema import FOR_EDITORS
from rulebot.spec.files import shipped
from rulebot.spec.nouns import AccountDocument, GroupKind, Leg, LiveRules, Op, Shown, Strike
from rulebot.spec.parameters import reserved
from rulebot.spec.spec import Entry, Order, Reentry, Risk, Spec, Taken, Universe, UniverseDocument
from rulebot.spec.universe import FEWEST, MOST
from rulebot.spec.yaml import read_source

KINDS = ("strategy", "account", "test", "universe")
APPLIES = {"next", "pinned", "at_once"}


def schema_of(kind: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((shipped("schemas") / f"{kind}.schema.json").read_text())
    return schema


def properties(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        for item in schema:
            yield from properties(item, path)
    if isinstance(schema, dict):
        for name, field in schema.get("properties", {}).items():
            yield f"{path}/{name}", field
        for key, item in schema.items():
            if key not in ("examples", "enum", "required", *FOR_EDITORS):
                yield from properties(item, f"{path}/{key}")


def described(root: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """Return the field with what its reference says of it."""
    if "$ref" not in field:
        return field
    return described(root, root["$defs"][field["$ref"].rpartition("/")[2]]) | field


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_a_schema(kind: str) -> None:
    Draft202012Validator.check_schema(schema_of(kind))


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object of JSON. Raises: AssertionError where a key stands twice: the last would hide the first."""
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), {key for key in keys if keys.count(key) > 1}
    return dict(pairs)


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_hides_another(kind: str) -> None:
    text = (shipped("schemas") / f"{kind}.schema.json").read_text()
    assert json.loads(text, object_pairs_hook=once) == schema_of(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind: str) -> None:
    root = schema_of(kind)
    for place, field in properties(root):
        whole = described(root, field)
        assert {"title", "description", "examples"} <= whole.keys(), place
        assert whole["examples"], place
        assert whole["description"].endswith("."), place


@pytest.mark.parametrize("kind", KINDS)
def test_every_example_is_valid(kind: str) -> None:
    root = schema_of(kind)
    places = [*properties(root), *((f"$defs/{name}", schema) for name, schema in root["$defs"].items())]
    for place, field in places:
        whole = described(root, field)
        validator = Draft202012Validator({**whole, "$defs": root["$defs"]})
        for example in whole["examples"]:
            assert validator.is_valid(example), (place, example)


def test_every_field_of_the_document_says_what_an_edit_reaches() -> None:
    for kind in ("strategy", "account", "universe"):
        root = schema_of(kind)
        for name, field in root["properties"].items():
            assert field["x-applies"] in APPLIES, name
        for name, field in root["properties"].get("risk", {"properties": {}})["properties"].items():
            assert field["x-applies"] in APPLIES, name


@pytest.mark.parametrize("file", sorted(shipped("specs").glob("*.yaml")), ids=lambda file: file.stem)
def test_an_editor_accepts_the_shipped_specs(file: Any) -> None:
    tree = read_source(file.read_bytes(), file.name).tree
    kind = "account" if file.stem == "account" else "strategy"
    assert list(Draft202012Validator(schema_of(kind)).iter_errors(tree)) == []  # type: ignore[arg-type]


def keys(*path: str) -> set[str]:
    schema: Any = schema_of("strategy")
    for step in path:
        schema = schema[step]
    return set(schema["properties"])


def names(noun: type, *without: str) -> set[str]:
    return {field.name for field in fields(noun)} - {"path", *without}


def test_keys_of_the_schema_are_fields_of_the_nouns() -> None:
    document = names(Spec, "version", "digest", "underlyings", "lets", "size", "overwrite", "growth")
    assert keys() == document | {"rulebot", "extends", "underlying", "underlyings", "let"}
    assert keys("properties", "risk") == names(Risk)
    assert keys("properties", "entry") == names(Entry, "start", "end", "lasts", "once", "others") | {
        "window",
        "at",
        "for",
        "try",
    }
    assert keys("properties", "entry", "properties", "again") == names(Reentry)
    assert keys("$defs", "leg") == names(Leg, "name", "side", "right", "underlying") | {"buy", "sell", "of"}
    assert keys("$defs", "entry_order") == names(Order, "price")
    assert keys("$defs", "exit_order") == names(Order, "price", "leg_by_leg")
    assert keys("$defs", "strike") == names(Strike, "by", "target", "reference", "bound", "is_percent", "widths") | {
        "delta",
        "premium",
        "side_credit",
        "otm",
        "expected_move",
        "at",
        "below",
        "above",
        "by",
    }


REQUIRED = ("worst_case", "margin", "net_delta", "net_gamma", "net_theta", "net_vega")
"""Limits of the account that are conditions of `require`."""


def test_keys_of_an_account_document_are_fields_of_its_noun() -> None:
    root = schema_of("account")
    assert {*root["properties"], *root["properties"]["risk"]["properties"]} == {
        *names(AccountDocument, "version", *REQUIRED),
        "rulebot_account",
        "require",
        "risk",
    }
    groups = {kind.value for kind in GroupKind}
    assert set(root["$defs"]["requirement"]["properties"]) == {*REQUIRED, *groups, "time", "name"}
    assert set(root["properties"]["live"]["properties"]) == names(LiveRules)
    assert set(root["$defs"]["demand"]["properties"]) == {shown.value for shown in Shown}


def test_keys_of_a_universe_are_fields_of_its_nouns() -> None:
    assert set(schema_of("universe")["properties"]) == names(UniverseDocument, "version") | {"rulebot_universe"}
    written = {"except" if name == "without" else name for name in names(Taken)}
    assert keys("properties", "universe") == names(Universe, "taken") | written
    symbols = schema_of("strategy")["properties"]["universe"]["properties"]["symbols"]
    assert (symbols["minItems"], symbols["maxItems"]) == (FEWEST, MOST)


def test_words_of_conditions_are_reserved() -> None:
    assert keys("$defs", "exit") - {"unknown", "name"} <= reserved()
    assert {op.value for op in Op} <= reserved()
