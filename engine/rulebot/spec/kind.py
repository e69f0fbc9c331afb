"""Which kind of document a tree is: told by its version key, wherever that stands."""

from collections.abc import Iterator
from enum import Enum

from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.source import Plain, Source
from rulebot.spec.suggest import closest

VERSION = 1


class Kind(Enum):
    """A kind of document; the value is its version key."""

    STRATEGY = "rulebot"
    ACCOUNT = "rulebot_account"
    TEST = "rulebot_test"
    UNIVERSE = "rulebot_universe"


_TOLD_BY = {"account": Kind.ACCOUNT, "live": Kind.ACCOUNT, "tests": Kind.TEST, "categories": Kind.UNIVERSE}
"""Keys that documents of one kind alone have."""


def kind_of_document(source: Source) -> tuple[Kind | None, tuple[Diagnostic, ...]]:
    """Return the kind of a document, and why it is not one that can be read."""
    tree = source.tree
    if not isinstance(tree, dict):
        help = "it begins with 'rulebot: 1'"
        return None, (source.diagnostic("RB120", (), "a document is a mapping of keys", help),)
    kinds = [key for key in tree if key in {kind.value for kind in Kind}]
    problems = tuple(_problems(source, tree, kinds))
    return (None, problems) if problems else (Kind(kinds[0]), ())


def _problems(source: Source, tree: dict[str, Plain], kinds: list[str]) -> Iterator[Diagnostic]:
    if not kinds:
        near = next((key for key in tree if closest(key, [kind.value for kind in Kind], 0.75)), None)
        meant = next((_TOLD_BY[key] for key in tree if key in _TOLD_BY), Kind.STRATEGY).value
        help = f"add '{meant}: {VERSION}'" if near is None else f"did you mean '{meant}: {VERSION}'?"
        yield source.diagnostic(
            "RB119", (near,) if near else (), "the document does not say its version", help, at_key=True
        )
    elif len(kinds) > 1:
        message = f"the document is of two kinds: '{kinds[0]}' and '{kinds[1]}'"
        yield source.diagnostic("RB119", (kinds[1],), message, "keep one of the two", at_key=True)
    elif tree[kinds[0]] is True or tree[kinds[0]] != VERSION:
        message = f"this engine reads version {VERSION} of the language, is '{source.written((kinds[0],))}'"
        yield source.diagnostic("RB119", (kinds[0],), message, f"write '{kinds[0]}: {VERSION}'")
