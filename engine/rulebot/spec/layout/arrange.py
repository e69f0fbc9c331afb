"""The order of keys, and which mappings and lists stand on one line.

Keys follow the order in which the schema has them; names of the author's own (legs, parameters, lets) and all lists
stay as written. What an author wrote in braces stays in braces; below a section a small mapping goes into them.
"""

from collections.abc import Iterator, Mapping

from rulebot.spec.layout.page import Collection, Entry, Page, Scalar
from rulebot.spec.layout.scalars import is_plain_in_braces
from rulebot.spec.slot import Slot
from rulebot.spec.source import Plain

_BEHIND_NAMES = ("require", "if_held")
"""Keys that stand behind the legs, as what is said of all of them."""
_ON_ONE_LINE = ("order", "exit_order")
"""Keys of the document whose mapping goes into braces; every other section stays as its author has it."""
_SPREAD = ("legs", "exits")
"""Keys of the document that are never in braces."""


def arrange(page: Page, slot: Slot) -> None:
    """Put a page in order. slot: what its kind of document may hold, and in which order."""
    _arrange(page.root, slot)
    page.root.is_flow = False
    for entry in page.root.entries:
        if isinstance(entry.value, Collection):
            _style(entry.value, entry, depth=1)


def _arrange(collection: Collection, slot: Slot) -> None:
    for entry in collection.entries:
        if isinstance(entry.value, Collection):
            shape = _shape(entry.value)
            below = slot.item(shape) if entry.key is None else slot.below(entry.key, shape)
            entry.value.is_rule = "x-one-besides" in below.schema
            _arrange(entry.value, below)
    if collection.is_mapping:
        ranks = _ranks(collection, slot)
        collection.entries.sort(key=lambda entry: ranks[entry.key])


def _shape(collection: Collection) -> Plain:
    """Return enough of a collection for the schema to tell what it is."""
    if not collection.is_mapping:
        return []
    return {entry.key: None for entry in collection.entries if entry.key is not None}


def _ranks(collection: Collection, slot: Slot) -> Mapping[str | None, int]:
    """Return where each key of a mapping belongs; equal ranks stay as written."""
    known = list(slot.schema.get("properties", ()))
    besides = slot.schema.get("x-one-besides", ())
    has_names = isinstance(slot.schema.get("additionalProperties"), Mapping)
    behind = [key for key in known if (has_names and key in _BEHIND_NAMES) or (key in besides and key != "name")]
    front = ["name"] if besides else [key for key in known if key not in behind]
    order = {key: at for at, key in enumerate([*front, None, *behind])}
    return {entry.key: order.get(entry.key, len(front)) for entry in collection.entries}


# ---------------------------------------------------------------- in braces or not


def _style(collection: Collection, owner: Entry, depth: int) -> None:
    """Say of a collection and all below whether it goes into braces. depth: 1 for a section of the document."""
    if _has_comments(collection) or _holds_rules(collection) or (depth == 1 and owner.key in _SPREAD):
        if collection.is_flow:
            _draw_near([owner, *collection.entries])
        collection.is_flow = False
    elif not collection.is_flow and owner.key is not None:
        is_below = depth > 1 or owner.key in _ON_ONE_LINE
        collection.is_flow = _is_small(collection) and (is_below or not collection.is_mapping)
    for entry in collection.entries:
        if isinstance(entry.value, Collection):
            entry.value.is_flow &= collection.is_flow or entry.key is not None or not entry.value.is_rule
            _style(entry.value, entry, depth + 1)
            if entry.key is None and entry.value.is_mapping:
                _hoist(entry, entry.value)


def _draw_near(entries: list[Entry]) -> None:
    """Forget the columns of comments whose lines are no longer what they were."""
    for entry in entries:
        if entry.remark is not None:
            entry.remark.col = 0


def _holds_rules(collection: Collection) -> bool:
    """Say whether a list of several conditions stands in it: each begins on its own line."""
    inner = [entry.value for entry in collection.entries if isinstance(entry.value, Collection)]
    is_list = not collection.is_mapping and len(inner) > 1
    return (is_list and any(each.is_rule for each in inner)) or any(_holds_rules(each) for each in inner)


def _has_comments(collection: Collection) -> bool:
    return bool(collection.tail) or any(_is_commented(entry) for entry in collection.entries)


def _is_commented(entry: Entry) -> bool:
    if any(entry.above) or entry.below or entry.remark is not None:
        return True
    return isinstance(entry.value, Collection) and _has_comments(entry.value)


def _is_small(collection: Collection) -> bool:
    """Say whether all of a collection can stand in braces, and no list in it holds more than plain values."""
    values = [entry.value for entry in collection.entries]
    if not collection.is_mapping:
        return all(isinstance(value, Scalar) and _is_plain(value) for value in values)
    return all(_is_plain(value) if isinstance(value, Scalar) else _is_small(value) for value in values)


def _is_plain(value: Scalar) -> bool:
    return value.lines is None and is_plain_in_braces(value.written)


def _hoist(item: Entry, mapping: Collection) -> None:
    """Put what stands between a dash and the first key of its mapping above the dash."""
    if mapping.is_flow or not mapping.entries:
        return
    first = mapping.entries[0]
    item.above += [*(item.remark.lines if item.remark else ()), *_comments(first.above)]
    item.remark, first.above = None, []


def _comments(lines: list[str]) -> Iterator[str]:
    return (line for line in lines if line)
