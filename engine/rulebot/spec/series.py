"""How a level moves over a session, as a test writes it: `6000 +0x60 +0.2x30`, `15 unknown x5`, `unknown`."""

import re
from math import nan

from rulebot.model.values import dataclass
from rulebot.spec.source import Plain

_STRETCH = re.compile(r"(?:(?P<drift>[+-][0-9.]+)|unknown )x(?P<minutes>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Series:
    """A level at each minute from the open on, nan where it is missing; after the last one it stays as it is.

    Units: those of what it is a level of; a volatility is in percent.
    """

    levels: tuple[float, ...]

    def at(self, minute: int) -> float:
        """Return the level so many minutes after the open, before it that of the open; nan in a hole."""
        return self.levels[min(max(minute, 0), len(self.levels) - 1)]

    def until(self, minute: int) -> tuple[float, ...]:
        """Return the levels from the open to a minute, holes left out."""
        return tuple(each for each in self.levels[: max(minute, 0) + 1] if each == each)

    def times(self, factor: float) -> "Series":
        """Return the series with every level so many times as high."""
        return Series(tuple(round(each * factor, 6) for each in self.levels))


def series(value: Plain) -> Series:
    """Return the series of a text or number that the schema has found to be one.

    A hole hides the level for so many minutes; after it the level goes on where it was.
    """
    text = str(value).replace("%", "")
    if text == "unknown":
        return Series((nan,))
    start, _, rest = text.partition(" ")
    level = float(start)
    found, is_hole = [level], False
    for stretch in _STRETCH.finditer(rest):
        is_hole = stretch["drift"] is None
        for _ in range(int(stretch["minutes"])):
            level += 0.0 if is_hole else float(stretch["drift"])
            found.append(nan if is_hole else round(level, 6))
    return Series((*found, level) if is_hole else tuple(found))
