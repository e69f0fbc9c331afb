"""The front door: a document's text, or its tree, in the layout that all documents have."""

from rulebot.model.errors import InvariantError
from rulebot.spec.kind import Kind
from rulebot.spec.layout.arrange import arrange
from rulebot.spec.layout.page import Collection, Entry, Page, Scalar
from rulebot.spec.layout.read import comments_of, read_page
from rulebot.spec.layout.scalars import written
from rulebot.spec.layout.write import write
from rulebot.spec.sections import NOT_LEGS
from rulebot.spec.slot import Slot, root_slot
from rulebot.spec.source import Plain
from rulebot.spec.walk import read_source

_SCHEMAS = {Kind.STRATEGY: "strategy", Kind.ACCOUNT: "account", Kind.UNIVERSE: "universe"}
_SPREAD = frozenset({"entry", "legs", "risk", "live", "categories"})
"""Sections of the document that stand on lines of their own when a tree is written."""
_SET_APART = frozenset({"entry", "legs", "order", "exits", "risk"})


def formatted(text: str, file: str, kind: Kind) -> str:
    """Return the text of a document without errors in the usual layout, with all its comments.

    Raises: InvariantError when that would change what it says, or lose a comment.
    """
    page = read_page(text)
    arrange(page, _slot(kind))
    new = write(page)
    if new == text:
        return text
    before, after = read_source(text.encode(), file), read_source(new.encode(), file)
    if after.problems or _ordered(before.tree) != _ordered(after.tree):
        raise InvariantError(f"another layout of {file} would change what it says", "it is left as it is")
    if comments_of(text) != comments_of(new):
        raise InvariantError(f"another layout of {file} would lose a comment", "it is left as it is")
    return new


def _ordered(tree: Plain) -> tuple[Plain, list[list[str]]]:
    """Return a tree with the order of those keys whose order counts: the legs and the lets."""
    assert isinstance(tree, dict)
    named = [tree.get(section) for section in ("legs", "let")]
    own = [[key for key in found if key not in NOT_LEGS] for found in named if isinstance(found, dict)]
    return tree, own


def text_of(tree: dict[str, Plain]) -> str:
    """Return a tree as the text of a document. kind: told by its version key."""
    kind = next(kind for kind in Kind if kind.value in tree)
    root = _collection(tree)
    for entry in root.entries:
        entry.above = [""] if entry.key in _SET_APART else []
        if isinstance(entry.value, Collection):
            entry.value.is_flow = entry.key not in _SPREAD and entry.value.is_flow
        else:
            entry.value.written = written(tree[entry.key or ""], in_braces=False)
    page = Page(root)
    arrange(page, _slot(kind))
    return write(page)


def _slot(kind: Kind) -> Slot:
    """Return what is known of a kind of document; of one without a schema nothing, so its keys stay as written."""
    return root_slot(_SCHEMAS[kind]) if kind in _SCHEMAS else Slot({}, {})


def _collection(tree: dict[str, Plain] | list[Plain]) -> Collection:
    """Return a mapping or list for a page: in braces, but for lists of mappings and what holds them."""
    if isinstance(tree, dict):
        entries = [Entry(_value(value), key=key) for key, value in tree.items()]
    else:
        entries = [Entry(_value(value)) for value in tree]
    spread = not isinstance(tree, dict) and any(isinstance(value, dict) for value in tree)
    spread |= any(isinstance(entry.value, Collection) and not entry.value.is_flow for entry in entries)
    return Collection(is_mapping=isinstance(tree, dict), is_flow=not spread, entries=entries)


def _value(value: Plain) -> Scalar | Collection:
    return _collection(value) if isinstance(value, dict | list) else Scalar(written(value))
