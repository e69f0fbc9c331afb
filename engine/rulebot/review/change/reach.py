"""Which positions an edit reaches, as the schema says it (`x-applies`)."""

from typing import Any

from rulebot.spec.fits import read_schema

ORDER = ("next", "pinned", "at_once")
REACHES = {
    "next": "the next position",
    "pinned": "positions opened from now on; an open one keeps the text it was opened with",
    "at_once": "at once, also while positions are open",
}
"""What an edit of a field reaches, in words; a test asks for each."""


def reach_of(path: str, document: str = "strategy") -> str:
    """Return `next`, `pinned` or `at_once` for a place of a document; its own field says it, else what it is below."""
    node: Any = read_schema(document)
    found = ""
    for key in path.split("."):
        node = node.get("properties", {}).get(key, {})
        found = node.get("x-applies", found)
    return found
