"""`extends:`: from a document to the one it extends, and on, to one that extends nothing.

A parent is a bot's document in the same folder, named without a path: no path can be written, and no link leads out of
the folder. A chain is short, and all its texts together are no longer than one document may be.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path as File
from pathlib import PurePath
from typing import Any

from rulebot.spec.diagnostic import Diagnostic, Span, did_you_mean
from rulebot.spec.fast_schema import Slot, read_schema, root_slot
from rulebot.spec.nouns import Path
from rulebot.spec.source import MAX_BYTES, Kind, Plain, Source, kind_of_document, read_bytes
from rulebot.spec.yaml import MAX_NODES, read_source

EXTENDS = "extends"
MAX_PARENTS = 8

ReadSibling = Callable[[str], bytes]
"""The content of the file of that name next to a document. Raises: FileNotFoundError, OutsideError, other OSError."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class OutsideError(Exception):
    """A file next to a document that is a link out of its folder."""


def relative_to(file: File) -> ReadSibling:
    """Return a function that reads files from the folder of `file`, and only from there."""
    folder = file.parent

    def read(name: str) -> bytes:
        found = folder / name
        if not found.is_file():
            raise FileNotFoundError(name)
        homes = (folder.resolve(), file.resolve().parent)
        if not any(found.resolve().is_relative_to(home) for home in homes):
            raise OutsideError(name)
        return read_bytes(found)

    return read


def parents_of(source: Source, read: ReadSibling | None) -> tuple[tuple[Source, ...], tuple[Diagnostic, ...]]:
    """Return the documents that one extends, the nearest first; or the problem at its `extends`."""
    chain = [source]
    while isinstance(chain[-1].tree, dict) and EXTENDS in chain[-1].tree:
        problem = _refused(chain, read)
        if problem is not None:
            return (), (problem,)
        parent = _parent(chain[-1], read)
        if not isinstance(parent, Source):
            return (), (parent,)
        chain.append(parent)
        if unusable := tuple(_unusable(chain)):
            return (), unusable
    return tuple(chain[1:]), ()


def _refused(chain: list[Source], read: ReadSibling | None) -> Diagnostic | None:
    """Return why the `extends` of the last of a chain is not followed."""
    last = chain[-1]
    assert isinstance(last.tree, dict)
    name = last.tree[EXTENDS]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        is_what = f"names a bot, is '{last.written((EXTENDS,))}'" if name is not None else "has no value"
        help = "the name of the other bot alone, as in 'extends: put_lite'; its file must be in the same folder"
        return last.diagnostic("RB124", (EXTENDS,), f"'extends' {is_what}", help, at_key=name is None)
    names = [PurePath(each.file).stem for each in chain]
    if name in names:
        circle = " extends ".join([*names[names.index(name) :], name])
        return _problem(last, f"this leads in a circle: {circle}", "one of them must extend nothing")
    if len(chain) > MAX_PARENTS:
        return _problem(last, f"more than {MAX_PARENTS} documents extend one another", "write some of them out")
    if read is None:
        return _problem(last, "a text without a file cannot extend another", "put it in a file in the same folder")
    return None


def _parent(child: Source, read: ReadSibling | None) -> Source | Diagnostic:
    assert isinstance(child.tree, dict)
    assert read is not None
    name = f"{child.tree[EXTENDS]}"
    file = PurePath(child.file)
    suffix = file.suffix if file.suffix in (".yaml", ".yml") else ".yaml"
    try:
        content = read(name + suffix)
    except FileNotFoundError:
        message = f"there is no '{name}{suffix}' in the folder of this file"
        return _problem(child, message, _neighbour(child, name, suffix))
    except OutsideError:
        return _problem(child, f"'{name}{suffix}' is a link to outside its folder", "put the file itself there")
    return read_source(content, str(file.with_name(name + suffix)))


def _neighbour(child: Source, name: str, suffix: str) -> str:
    known = [file.stem for file in File(child.file).parent.glob(f"*{suffix}") if file.stem != File(child.file).stem]
    return did_you_mean(name, known) or "a bot extends one whose file is in the same folder"


def _unusable(chain: list[Source]) -> Iterator[Diagnostic]:
    """Yield what keeps the last of a chain from being laid under the others."""
    child, parent = chain[-2:]
    kind, problems = (None, ()) if parent.is_cut_short else kind_of_document(parent)
    if kind is None:
        yield from (*parent.problems, *problems)
    elif kind is not Kind.STRATEGY:
        yield _problem(child, f"'{PurePath(parent.file).stem}' is no bot: it has no 'rulebot: 1'")
    elif sum(len(each.text.encode()) for each in chain) > MAX_BYTES:
        yield _problem(child, f"with it these documents are larger than {MAX_BYTES // 1024} KiB", code="RB109")
    elif sum(len(each.values) for each in chain) > MAX_NODES:
        yield _problem(child, f"with it these documents have more than {MAX_NODES} values", code="RB109")


def _problem(source: Source, message: str, help: str | None = None, code: str = "RB124") -> Diagnostic:
    return source.diagnostic(code, (EXTENDS,), message, help)


# --- One document laid over those it extends

OWN = frozenset({"rulebot", "name", "about", EXTENDS})
"""Keys that say which document it is: they are not inherited."""


def merged(source: Source, parents: tuple[Source, ...]) -> Source:
    """Return the document with the keys of its parents (the nearest first) wherever it does not say otherwise."""
    assert isinstance(source.tree, dict)
    join = _Join()
    own = {key: value for key, value in source.tree.items() if key != EXTENDS}
    join.claim((), own, 0)
    tree = own
    for above, parent in enumerate(parents, 1):
        assert isinstance(parent.tree, dict)
        inherited = {key: value for key, value in parent.tree.items() if key not in OWN}
        tree = join.under(tree, inherited, (), root_slot("strategy"), above)
    return join.joined(source, parents, _in_order(tree))


def _in_order(tree: dict[str, Plain]) -> dict[str, Plain]:
    return {**{key: tree[key] for key in ("rulebot", "name", "about") if key in tree}, **tree}


@dataclass(slots=True)
class _Join:
    """Which document every path of the joined tree comes from, counted up from the child."""

    homes: dict[Path, int] = field(default_factory=dict)

    def claim(self, path: Path, value: Plain, above: int) -> None:
        """Say that all of `value` comes from one document."""
        self.homes[path] = above
        for step, item in _items(value):
            self.claim((*path, step), item, above)

    def under(
        self, upper: dict[str, Plain], lower: dict[str, Plain], path: Path, slot: Slot, above: int
    ) -> dict[str, Plain]:
        """Return `upper` with what `lower` adds to it, in the order of `lower`."""
        new: dict[str, Plain] = {}
        covered = _covered(upper, lower, slot.schema)
        for key, value in lower.items():
            here, over = (*path, key), upper.get(key)
            if isinstance(over, dict) and isinstance(value, dict):
                new[key] = self.under(over, value, here, slot.below(key, value), above)
            elif key in upper:
                new[key] = over
            elif key not in covered:
                new[key] = value
                self.claim(here, value, above)
        return {**new, **{key: value for key, value in upper.items() if key not in new}}

    def joined(self, child: Source, parents: tuple[Source, ...], tree: dict[str, Plain]) -> Source:
        """Return the joined tree as a source whose places lie in the texts that they came from."""
        chain = tuple(enumerate((child, *parents)))
        return Source(
            file=child.file,
            text=child.text,
            tree=tree,
            keys={path: span for above, each in chain for path, span in self._of(each.keys, above)},
            values={path: span for above, each in chain for path, span in self._of(each.values, above)},
            problems=tuple(problem for _, each in chain for problem in each.problems),
            spoiled=frozenset(path for above, each in chain for path in each.spoiled if self.homes.get(path) == above),
            above=parents,
        )

    def _of(self, spans: Mapping[Path, Span], above: int) -> Iterator[tuple[Path, Span]]:
        for path, span in spans.items():
            if self.homes.get(path) == above:
                yield path, replace(span, above=above) if above else span


def _items(value: Plain) -> Iterable[tuple[str | int, Plain]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _covered(upper: Mapping[str, Plain], lower: Mapping[str, Plain], schema: Mapping[str, Any]) -> set[str]:
    """Return the keys below that a choice above takes the place of, with those that mean nothing without them."""
    choice = schema.get("x-exactly-one", lower.keys() | upper.keys() if schema.get("maxProperties") == 1 else ())
    gone = {key for key in choice if key in lower and key not in upper and not upper.keys().isdisjoint(choice)}
    required: Mapping[str, list[str]] = schema.get("dependentRequired", {})
    still = {other for key in upper for other in required.get(key, ())}
    gone |= {other for key in gone for other in required.get(key, ())} - still
    return gone | {key for key, others in required.items() if not gone.isdisjoint(others)}


# --- The schema of a bot that extends another

_REQUIRING = ("required", "dependentRequired", "minProperties", "if", "then", "else")


def partial_schema() -> dict[str, Any]:
    """Return the schema that editors need for a document that says only what it changes.

    A list replaces the parent's, so its items must be complete.
    """
    schema = deepcopy(read_schema("strategy"))
    _loosen(schema, schema["$defs"], set())
    required = [key for key in schema["properties"] if key in OWN]
    return {**schema, "title": f"{schema['title']}, extending another", "required": required}


def _loosen(schema: dict[str, Any], definitions: dict[str, Any], done: set[int]) -> None:
    """Remove the required keys of a mapping, and of all mappings below."""
    if id(schema) in done:
        return
    done.add(id(schema))
    for keyword in _REQUIRING:
        schema.pop(keyword, None)
    below = [*schema.get("properties", {}).values(), schema.get("additionalProperties"), *schema.get("anyOf", ())]
    if "$ref" in schema:
        below.append(definitions[schema["$ref"].removeprefix("#/$defs/")])
    for each in below:
        if isinstance(each, dict):
            _loosen(each, definitions, done)
