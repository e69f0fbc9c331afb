"""What the schema says of a slot of a document: which keys, in which order, which exclude each other."""

from collections.abc import Mapping
from typing import Any

from rulebot.model.values import dataclass
from rulebot.spec.fits import read_schema
from rulebot.spec.source import Plain

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where something may stand, by its schema; an empty one where nothing is known."""

    schema: Schema
    definitions: Schema

    def below(self, key: str, value: Plain) -> "Slot":
        """Return the slot under a key; of several shapes that may stand there, the one of `value`."""
        owed = self.schema.get("properties", {}).get(key)
        if owed is None:
            owed = self.schema.get("additionalProperties")
        return self._of(owed if isinstance(owed, Mapping) else {}, value)

    def item(self, value: Plain) -> "Slot":
        """Return the slot of an item of the list that stands here."""
        return self._of(self.schema.get("items", {}), value)

    def _of(self, schema: Schema, value: Plain) -> "Slot":
        while "$ref" in schema:
            named = self.definitions[schema["$ref"].removeprefix("#/$defs/")]
            schema = {**named, **{key: said for key, said in schema.items() if key != "$ref"}}
        shapes = [self._of(each, value) for each in schema.get("anyOf", ())]
        fitting = [each for each in shapes if each._takes(value)]
        return fitting[0] if fitting else Slot(schema, self.definitions)

    def _takes(self, value: Plain) -> bool:
        """Say whether a mapping or list with these keys is meant here; a scalar has no slot of its own."""
        if isinstance(value, list):
            return "items" in self.schema
        known = self.schema.get("properties")
        return isinstance(value, dict) and known is not None and (not value or not known.keys().isdisjoint(value))


def root_slot(kind: str) -> Slot:
    """Return the slot of a whole document of a kind, `strategy`, `account` or `universe`."""
    schema = read_schema(kind)
    return Slot(schema, schema["$defs"])
