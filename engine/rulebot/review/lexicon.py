"""Every word of the language with the places where it may stand, read from the schemas."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from rulebot.compile.vocabulary import VOCABULARY
from rulebot.model.values import dataclass
from rulebot.spec.fits import read_schema

Schema = Mapping[str, Any]

DOCUMENTS = ("strategy", "account", "universe")
APPLIES = {
    "next": "reaches the next position",
    "pinned": "reaches positions opened after it; an open one keeps its text",
    "at_once": "reaches all positions at once",
}
"""What an edit of a field reaches (`x-applies`)."""
COMPARED = frozenset({"above", "at_least", "below", "at_most", "between", "outside", "beyond", "is"})
_MEASURE, _LET = "#/$defs/m_", "#/$defs/let_"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordPlace:
    """One place where a key may stand. `path` leads there with dots: `order.step`; LEG is a leg's own name.

    owed: what the place takes, in words. words: those it takes. applies: what an edit reaches, "" below a measure.
    """

    document: str
    path: str
    description: str
    owed: str
    words: tuple[str, ...]
    examples: tuple[Any, ...]
    applies: str


@lru_cache(maxsize=1)
def vocabulary_index() -> Mapping[str, tuple[WordPlace, ...]]:
    """Return every key of the language with its places, in the order of the schemas."""
    found: dict[str, list[WordPlace]] = {}
    for document in DOCUMENTS:
        schema = read_schema(document)
        walk = _Walk(document, schema["$defs"])
        for name, place in walk.keys(schema, "", ""):
            if place not in found.setdefault(name, []):
                found[name].append(place)
    return {name: tuple(places) for name, places in found.items()}


def measure_schema(name: str) -> Schema:
    """Return what the schema says of a measure; nothing for one that stands in `expr:` only."""
    found: Schema = read_schema("strategy")["$defs"].get(f"m_{name}", {})
    return found


def argument_words(name: str) -> Mapping[str, tuple[str, ...]] | None:
    """Return the keys that a measure takes in braces, each with the words it lists; None for one without braces."""
    properties: Schema | None = measure_schema(name).get("properties")
    if properties is None:
        return None
    return {
        key: tuple(word for choice in node.get("anyOf", ()) for word in choice.get("enum", ()))
        for key, node in properties.items()
    }


class _Walk:
    """One pass over a schema; `inside` holds the definitions it stands in, so that it ends."""

    def __init__(self, document: str, definitions: Schema) -> None:
        self.document, self.definitions = document, definitions
        self.inside: list[str] = []

    def keys(self, node: Schema, path: str, applies: str) -> Iterator[tuple[str, WordPlace]]:
        """Yield every key below a node with its place."""
        for name, child in node.get("properties", {}).items():
            if path.partition(".")[0] in VOCABULARY and name in COMPARED:
                continue
            ref = child.get("$ref", "")
            below = name if ref.startswith(_MEASURE) else f"{path}.{name}" if path else name
            whole = self._whole(child)
            reach = whole.get("x-applies", applies) if not ref.startswith(_MEASURE) else ""
            yield name, self._place(below, whole, reach)
            yield from self._below(child, below, reach)
        extra = node.get("additionalProperties")
        if isinstance(extra, dict):
            yield from self._below(extra, f"{path}.LEG", applies)
        if isinstance(node.get("items"), dict):
            yield from self._below(node["items"], path, applies)

    def _below(self, child: Schema, path: str, applies: str) -> Iterator[tuple[str, WordPlace]]:
        ref = child.get("$ref", "")
        if ref in self.inside or ref.startswith(_LET) or ref == "#/$defs/let":
            return
        self.inside.append(ref or path)
        yield from self.keys(self._whole(child), path, applies)
        self.inside.pop()

    def _whole(self, node: Schema) -> Schema:
        """Return a node with what it refers to; its own words go first."""
        ref = node.get("$ref")
        return node if ref is None else {**self.definitions[ref.rpartition("/")[2]], **node}

    def _place(self, path: str, node: Schema, applies: str) -> WordPlace:
        return WordPlace(
            document=self.document,
            path=path,
            description=node.get("description", ""),
            owed=node.get("x-owed", ""),
            words=tuple(dict.fromkeys(self._words(node))),
            examples=tuple(node.get("examples", ())),
            applies=applies,
        )

    def _words(self, node: Schema) -> Iterator[str]:
        """Yield the words that a place takes: those it lists, those of its choices and of its items."""
        yield from (word for word in (*node.get("enum", ()), *node.get("x-words", ())) if isinstance(word, str))
        for choice in (*node.get("anyOf", ()), *([node["items"]] if isinstance(node.get("items"), dict) else [])):
            yield from self._words(self._whole(choice))


@lru_cache(maxsize=1)
def given() -> Mapping[str, tuple[WordPlace, ...]]:
    """Return every word that a key takes, with the places of those keys."""
    found: dict[str, list[WordPlace]] = {}
    for places in vocabulary_index().values():
        for place in places:
            for word in place.words:
                found.setdefault(word, []).append(place)
    return {word: tuple(places) for word, places in found.items()}
