"""One document laid over those it extends: one tree, in which every value keeps the place where it is written.

Mappings are joined key by key, anything else of the nearer document takes the place of what it covers. Of keys of which
the language takes one (`window` or `at`, the ways to choose a strike) the nearer document's choice stands alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from rulebot.spec.diagnostic import Span
from rulebot.spec.lineage import EXTENDS
from rulebot.spec.nouns.condition import Path
from rulebot.spec.slot import Slot, root_slot
from rulebot.spec.source import Plain, Source

OWN = frozenset({"rulebot", "name", "about", EXTENDS})
"""Keys that say which document it is: nobody inherits them."""


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
    owed: Mapping[str, list[str]] = schema.get("dependentRequired", {})
    still = {other for key in upper for other in owed.get(key, ())}
    gone |= {other for key in gone for other in owed.get(key, ())} - still
    return gone | {key for key, others in owed.items() if not gone.isdisjoint(others)}
