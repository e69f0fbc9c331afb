"""The schema of a bot that extends another: the same keys, none of which it owes."""

from copy import deepcopy
from typing import Any

from rulebot.spec.fits import read_schema
from rulebot.spec.overlay import OWN

_OWED = ("required", "dependentRequired", "minProperties", "if", "then", "else")


def partial_schema() -> dict[str, Any]:
    """Return the schema that editors need for a document that says only what it changes.

    What stands in a list is still owed whole: a list takes the place of the parent's.
    """
    schema = deepcopy(read_schema("strategy"))
    _loosen(schema, schema["$defs"], set())
    owed = [key for key in schema["properties"] if key in OWN]
    return {**schema, "title": f"{schema['title']}, extending another", "required": owed}


def _loosen(schema: dict[str, Any], definitions: dict[str, Any], done: set[int]) -> None:
    """Take away what a mapping owes, here and in all mappings below."""
    if id(schema) in done:
        return
    done.add(id(schema))
    for keyword in _OWED:
        schema.pop(keyword, None)
    below = [*schema.get("properties", {}).values(), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    if "$ref" in schema:
        below.append(definitions[schema["$ref"].removeprefix("#/$defs/")])
    for each in below:
        if isinstance(each, dict):
            _loosen(each, definitions, done)
