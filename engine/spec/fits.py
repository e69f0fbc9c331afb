"""Whether a document plainly fits its schema, in a thousandth of the time that it takes to say why one does not.

The jsonschema library is the judge, but to load it takes as long as all else that `rulebot validate` does, and most
documents are fine. So this goes through the keywords that our schemas have and says yes or "not sure"; only who is not
sure asks the library. A keyword that is not known here is "not sure". Draft 2020-12, for what YAML gives: no float.
"""

import json
import re
from collections.abc import Callable, Mapping, Sized
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from engine.spec.shipped import shipped
from engine.spec.source import Plain

Schema = Mapping[str, Any]


@lru_cache(maxsize=4)
def read_schema(kind: str) -> dict[str, Any]:
    """Return the schema of `strategy`, `account`, `test` or `universe`, read once."""
    found: dict[str, Any] = json.loads((shipped("schemas") / f"{kind}.schema.json").read_text(encoding="utf-8"))
    return found


def fits(tree: Plain, kind: str) -> bool:
    """Say whether a document is certainly what its schema asks for; False is not a no."""
    schema = read_schema(kind)
    return _fits(tree, schema, schema["$defs"])


def _fits(value: Plain, schema: Schema, definitions: Schema) -> bool:
    for keyword, owed in schema.items():
        if keyword not in _SAYS_NOTHING:
            check = _CHECKS.get(keyword)
            if check is None or not check(value, owed, schema, definitions):
                return False
    return True


def _ref(value: Plain, owed: str, _: Schema, definitions: Schema) -> bool:
    return _fits(value, definitions[owed.removeprefix("#/$defs/")], definitions)


def _any_of(value: Plain, owed: list[Schema], _: Schema, definitions: Schema) -> bool:
    return any(_fits(value, each, definitions) for each in owed)


def _properties(value: Plain, owed: Schema, _: Schema, definitions: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    return all(_fits(item, owed[key], definitions) for key, item in value.items() if key in owed)


def _additional(value: Plain, owed: bool | Schema, schema: Schema, definitions: Schema) -> bool:
    if not isinstance(value, dict) or owed is True:
        return True
    more = value.keys() - schema.get("properties", {}).keys()
    return not more if owed is False else all(_fits(value[key], owed, definitions) for key in more)


def _property_names(value: Plain, owed: Schema, _: Schema, definitions: Schema) -> bool:
    return not isinstance(value, dict) or all(_fits(key, owed, definitions) for key in value)


def _items(value: Plain, owed: Schema, _: Schema, definitions: Schema) -> bool:
    return not isinstance(value, list) or all(_fits(item, owed, definitions) for item in value)


def _dependent(value: Plain, owed: Mapping[str, list[str]], *_: Schema) -> bool:
    if not isinstance(value, dict):
        return True
    return all(other in value for key, others in owed.items() if key in value for other in others)


def _is_number(value: Plain) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


_TYPES: Mapping[str, Callable[[Plain], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": _is_number,
    "integer": lambda value: _is_number(value) and not isinstance(value, Decimal),
}


def _type(value: Plain, owed: str | list[str], *_: Schema) -> bool:
    return any(_TYPES[name](value) for name in ([owed] if isinstance(owed, str) else owed))


def _is(value: Plain, wanted: Plain) -> bool:
    """Say whether two scalars are the same; collections and what may be 1, 1.0 or true is left to the library."""
    return type(value) is type(wanted) and not isinstance(value, list | dict) and value == wanted


def _length(kind: type, is_enough: Callable[[int, int], bool]) -> Callable[..., bool]:
    def check(value: Plain, owed: int, *_: Schema) -> bool:
        return type(value) is not kind or is_enough(len(cast(Sized, value)), owed)

    return check


def _range(is_inside: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    def check(value: Plain, owed: float, *_: Schema) -> bool:
        return not _is_number(value) or is_inside(value, owed)

    return check


def _unique(value: Plain, owed: bool, *_: Schema) -> bool:
    if not owed or not isinstance(value, list):
        return True
    return all(isinstance(item, str) for item in value) and len({str(item) for item in value}) == len(value)


def _named(count: int, *, besides: bool) -> Callable[..., bool]:
    def check(value: Plain, owed: list[str], *_: Schema) -> bool:
        return not isinstance(value, dict) or sum((key in owed) is not besides for key in value) == count

    return check


def _if(value: Plain, owed: Schema, schema: Schema, definitions: Schema) -> bool:
    if owed.keys() != {"required"}:  # of anything else a False would not be a no
        return False
    follows = schema.get("then" if _fits(value, owed, definitions) else "else")
    return follows is None or _fits(value, follows, definitions)


_CHECKS: Mapping[str, Callable[..., bool]] = {
    "$ref": _ref,
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "required": lambda value, owed, *_: not isinstance(value, dict) or all(key in value for key in owed),
    "dependentRequired": _dependent,
    "items": _items,
    "anyOf": _any_of,
    "const": lambda value, owed, *_: _is(value, owed),
    "enum": lambda value, owed, *_: any(_is(value, each) for each in owed),
    "pattern": lambda value, owed, *_: not isinstance(value, str) or re.search(owed, value) is not None,
    "minLength": _length(str, lambda have, owed: have >= owed),
    "maxLength": _length(str, lambda have, owed: have <= owed),
    "minItems": _length(list, lambda have, owed: have >= owed),
    "maxItems": _length(list, lambda have, owed: have <= owed),
    "minProperties": _length(dict, lambda have, owed: have >= owed),
    "maxProperties": _length(dict, lambda have, owed: have <= owed),
    "uniqueItems": _unique,
    "minimum": _range(lambda have, owed: have >= owed),
    "maximum": _range(lambda have, owed: have <= owed),
    "exclusiveMinimum": _range(lambda have, owed: have > owed),
    "if": _if,
    "x-exactly-one": _named(1, besides=False),
    "x-one-besides": _named(1, besides=True),
}
_SAYS_NOTHING = frozenset(
    {"$schema", "$id", "$defs", "title", "description", "examples", "x-owed", "x-code", "x-units", "x-words"}
    | {"x-applies", "x-unknown", "then", "else"}
)
