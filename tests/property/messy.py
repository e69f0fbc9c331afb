"""Documents as people leave them: other key orders, braces, quotes, indentation, comments and blank lines anywhere."""

from random import Random
from typing import Any

from rulebot.spec.layout_write import written

OWN_ORDER = frozenset({"legs", "let", "parameters"})
"""Mappings whose order is the author's and may count."""


class Messy:
    """Writes a tree in one of many ways, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)
        self.count = 0

    def text(self, tree: dict[str, Any]) -> str:
        """Return the tree as a document."""
        if self.chance.random() < 0.05:
            return self._flow(tree, 0) + self._behind() + "\n" + self._own_lines(0)
        return self._own_lines(0) + "".join(f"{line}\n" for line in self._mapping(tree, 0, "")) + self._own_lines(0)

    def _maybe(self, part: float) -> bool:
        return self.chance.random() < part

    def _comment(self) -> str:
        self.count += 1
        return f"# {self.count} {self.chance.choice(['so', 'a: b', '- x', 'it is # so', '{', chr(39)])}"

    def _own_lines(self, indent: int) -> str:
        """Return comments and blank lines, each with its line end."""
        lines = []
        while self._maybe(0.15):
            col = max(0, indent + self.chance.choice([0, 0, 0, 2, -2, 4, 7]))
            lines.append(self.chance.choice(["", " " * col + self._comment()]))
        return "".join(f"{line}\n" for line in lines)

    def _behind(self) -> str:
        return " " * self.chance.choice([1, 2, 3, 9]) + self._comment() if self._maybe(0.12) else ""

    def _pairs(self, tree: dict[str, Any], key: str) -> list[tuple[str, Any]]:
        pairs = list(tree.items())
        if key not in OWN_ORDER and self._maybe(0.5):
            self.chance.shuffle(pairs)
        return pairs

    def _mapping(self, tree: dict[str, Any], indent: int, key: str) -> list[str]:
        lines: list[str] = []
        for name, value in self._pairs(tree, key):
            lines += (" " * indent + line if line else "" for line in self._entry(f"{self._key(name)}:", value, name))
            lines += self._own_lines(indent).split("\n")[:-1]
        return lines

    def _list(self, items: list[Any], indent: int) -> list[str]:
        lines: list[str] = []
        for item in items:
            lines += (" " * indent + line if line else "" for line in self._entry("-", item, ""))
            lines += self._own_lines(indent).split("\n")[:-1]
        return lines

    def _entry(self, start: str, value: Any, key: str) -> list[str]:
        if not isinstance(value, dict | list):
            return [f"{start}{' ' * self.chance.choice([1, 1, 3])}{self._scalar(value)}{self._behind()}"]
        if not value or self._maybe(0.5):
            return f"{start} {self._flow(value, 4)}{self._behind()}".split("\n")
        step = self.chance.choice([2, 2, 3, 4])
        below = self._mapping(value, step, key) if isinstance(value, dict) else self._list(value, step)
        if start == "-" and self._maybe(0.8) and below[0].strip() and not below[0].strip().startswith("#"):
            below = [line if line else "" for line in self._shifted(below, step)]
            return [f"- {below[0].strip()}", *below[1:]]
        return [start + self._behind(), *self._own_lines(step).split("\n")[:-1], *below]

    def _shifted(self, lines: list[str], step: int) -> list[str]:
        """Return lines that stand `step` in as the mapping behind a dash: two in."""
        return [" " * 2 + line[step:] if line[:step].strip() == "" and line else line for line in lines]

    def _flow(self, value: Any, indent: int) -> str:
        if not isinstance(value, dict | list):
            return self._scalar(value, in_braces=True)
        if isinstance(value, dict):
            parts = [f"{self._key(name)}: {self._flow(item, indent + 2)}" for name, item in value.items()]
        else:
            parts = [self._flow(item, indent + 2) for item in value]
        opened, closed = "{}" if isinstance(value, dict) else "[]"
        gap = self.chance.choice(["", "", " "])
        text = "".join(
            part + ("," + self._break(indent) if at + 1 < len(parts) else "") for at, part in enumerate(parts)
        )
        return f"{opened}{gap}{text}{gap}{closed}"

    def _break(self, indent: int) -> str:
        """Return what stands behind a comma in braces."""
        if not self._maybe(0.1):
            return self.chance.choice([" ", " ", "  "])
        return f"{self._behind()}\n{' ' * (indent + 4)}"

    def _key(self, name: str) -> str:
        return f'"{name}"' if self._maybe(0.05) else name

    def _scalar(self, value: Any, *, in_braces: bool = False) -> str:
        if not isinstance(value, str):
            return str(value).lower() if isinstance(value, bool) else str(value)
        text = written(value, in_braces=in_braces)
        if text.startswith('"') and self._maybe(0.3) and "'" not in value and "\\" not in text:
            return f"'{value}'"
        if not text.startswith(('"', "'")) and self._maybe(0.2):
            return f'"{value}"'
        return value if value[2:3] == ":" and len(value) == 5 and self._maybe(0.5) else text
