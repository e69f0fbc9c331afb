"""Where a text has values, so that what looks like a comment inside one is not taken for it."""

from collections import defaultdict
from collections.abc import Iterator

from rulebot.spec.layout.page import At


class Cover:
    """The places of all values of a text, keys too; each is added once. Units: lines and columns count from 0."""

    def __init__(self) -> None:
        self._within: set[int] = set()
        self._columns: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)

    def add(self, first: At, end: At) -> None:
        """Add a value by its first place and the one behind its last."""
        for line in range(first[0], end[0] + 1):
            start = first[1] if line == first[0] else 0
            self._columns[line].append((start, end[1] if line == end[0] else 1 << 30))
        self._within.update(range(first[0] + 1, end[0] + 1))

    def begins_within(self, line: int) -> bool:
        """Say whether a line begins inside a value of several lines."""
        return line in self._within

    def comment_column(self, line: int, text: str) -> int | None:
        """Return where the comment of a line with something before it begins, None without one."""
        for col in (at for at, letter in enumerate(text) if letter == "#" and at and text[at - 1] in " \t"):
            if not any(start <= col < end for start, end in self._columns[line]):
                return col
        return None

    def comments(self, lines: list[str]) -> Iterator[str]:
        """Yield every comment of a text, from its top to its end."""
        for number, line in enumerate(lines):
            if not self.begins_within(number) and line.lstrip()[:1] == "#":
                yield line.strip()
            elif (col := self.comment_column(number, line)) is not None:
                yield line[col:].rstrip()
