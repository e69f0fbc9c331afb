"""Values that are the same to the last digit, kept once: bots that differ in little share the rest."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class ValuePool:
    """What bots that are compiled together share. Equal is not enough: 0.10 and 0.1 are shown as they were written."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def same(self, value: T) -> T:
        """Return the first value that was written like this one, which may be itself."""
        found: T = self._kept.setdefault((type(value), repr(value)), value)
        return found

    def made(self, what: str, make: Callable[[], T], *parts: object) -> T:
        """Return the `what` that was made of such parts before, else what `make` returns; the parts alone decide it."""
        key = (what, *map(repr, parts))
        if key not in self._kept:
            self._kept[key] = make()
        found: T = self._kept[key]
        return found
