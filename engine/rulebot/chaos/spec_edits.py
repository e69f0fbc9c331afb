"""Files of specs that change while a trial lasts: another value, a file that cannot be run, one that is gone.

What is edited is how a bot leaves and when it may enter. What it may enter, and how much of it, stays: by that a trial
is judged.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random

from rulebot.model.session import EXCHANGE_ZONE
from rulebot.model.values import dataclass
from rulebot.spec.load import load_text
from rulebot.spec.nouns.condition import Path
from rulebot.spec.source import Plain, Source

EDITED, BROKEN, REMOVED = RELOADS = ("reload", "reload_broken", "reload_removed")
BREAKS: Mapping[str, Callable[[str], str]] = {
    "half": lambda text: f"{text[: len(text) // 2]}\n  - {{",
    "empty": lambda text: "",
    "unknown": lambda text: f"{text}\nexitss: 1\n",
}
"""What a file says that nobody can run: it is half written, has nothing in it, or a key that no spec has."""
TWIN = "twin"
"""A second file has the same bot."""
GONE = "gone"
"""The file is not there."""
AWAY = (10, 60, 200)
"""Seconds after which such a file is as it was before, and one that was taken away is back."""
MINUTES = (-5, 2, 10, 30)
"""Minutes from the edit to a time of day that is written into it."""
SHIFTS = (-30, -10, 10, 30)
"""Minutes by which one is moved."""
FACTORS = (Decimal("0.5"), Decimal("0.8"), Decimal("1.25"), Decimal(2))
"""By what a number is multiplied."""
WHOLE = 100
"""Percent that none comes to that was less: a profit of a whole credit can rest nowhere."""

_TIME = re.compile(r'"(\d\d):(\d\d)"')
_OFFSET = re.compile(r"(open|close) ([+-]) (\d+)m")
_NUMBER = re.compile(r"(\$?)(\d+(?:\.\d+)?)(%|x?(?: [a-z]+)?)")
_PARAMETER = re.compile(r"\$([A-Za-z_]\w*)")
_LEFT_ALONE = frozenset(("order", "confirm", "name", "legs", "expr", "close", "unknown", "roll"))
"""Keys of an exit that say no threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """One change of a file, of which an engine that runs is told: of a bot's, or of another that it reads.

    bot: "" of the account document. path, text: of a value, and what is written in its place. limits: what the account
    document says from then on, of those limits that are drawn. breaks: what else becomes of the file, for `away`
    seconds.
    """

    kind: str
    bot: str
    at: datetime
    path: Path = ()
    text: str = ""
    limits: tuple[tuple[str, Plain], ...] = ()
    breaks: str = ""
    away: int = 0

    def __str__(self) -> str:
        """Return the change in words."""
        edit = f"{'.'.join(map(str, self.path))}: {self.text}" if self.path else ""
        said = ", ".join(f"{name}: {value}" for name, value in self.limits)
        what = edit or said or f"{self.breaks} for {self.away} s"
        whose = f"{self.bot}, " if self.bot else ""
        return f"{self.kind}: at {self.at.astimezone(EXCHANGE_ZONE):%H:%M:%S}, {whose}{what}"


def drawn(chance: Random, kind: str, texts: Mapping[str, str], at: datetime) -> Reload | None:
    """Return a change at an instant; None of a spec that says nothing which could be said otherwise."""
    bot = chance.choice(sorted(texts))
    if kind == BROKEN:
        return Reload(kind=kind, bot=bot, at=at, breaks=chance.choice((*BREAKS, TWIN)), away=chance.choice(AWAY))
    if kind == REMOVED:
        return Reload(kind=kind, bot=bot, at=at, breaks=GONE, away=chance.choice(AWAY))
    if not (known := places(texts[bot])):
        return None
    path, written = chance.choice(known)
    return Reload(kind=kind, bot=bot, at=at, path=path, text=otherwise(chance, written, at))


@lru_cache(maxsize=256)
def places(text: str) -> Sequence[tuple[Path, str]]:
    """Return what a spec says of when it may enter and when it leaves, as it is written, with the place of each."""
    source = load_text(text).source
    found = [(path, source.written(path)) for path in source.values if _is_told_of(path)]
    named = {match[1] for _, written in found if (match := _PARAMETER.fullmatch(written))}
    found += [
        (path, source.written(path)) for path in source.values if path[:1] == ("parameters",) and path[-1] in named
    ]
    return tuple((path, written) for path, written in found if any(way.fullmatch(written) for way in _WAYS))


_WAYS = (_TIME, _OFFSET, _NUMBER)


def _is_told_of(path: Path) -> bool:
    is_of_entry = path[:1] == ("entry",) and len(path) > 1 and path[1] in ("window", "at")
    return is_of_entry or (path[:1] == ("exits",) and not _LEFT_ALONE.intersection(path))


def otherwise(chance: Random, written: str, at: datetime) -> str:
    """Return another time than is written, often one near that of the edit, or another number of the same unit."""
    if match := _TIME.fullmatch(written):
        now = at.astimezone(EXCHANGE_ZONE)
        said = now.replace(hour=int(match[1]), minute=int(match[2]))
        moved = f'"{said + timedelta(minutes=chance.choice(SHIFTS)):%H:%M}"'
        near = f'"{now + timedelta(minutes=chance.choice(MINUTES)):%H:%M}"'
        return moved if near == written or chance.random() < 0.5 else near
    if match := _OFFSET.fullmatch(written):
        return f"{match[1]} {match[2]} {int(match[3]) + chance.choice((1, 5, 20))}m"
    match = _NUMBER.fullmatch(written)
    assert match is not None
    number = Decimal(match[2])
    other = (number * chance.choice(FACTORS)).quantize(number)
    if other in (0, number) or (match[3] == "%" and number < WHOLE <= other):
        other = number - 1 if number > 1 else number + 1
    return f"{match[1]}{other}{match[3]}"


def edited(text: str, path: Path, instead: str) -> str:
    """Return a text with another value at a path; one that has none there as it is."""
    source: Source = load_text(text).source
    span = source.values.get(path)
    if span is None:
        return text
    lines = list(source.lines)
    line = lines[span.line - 1]
    lines[span.line - 1] = f"{line[: span.col - 1]}{instead}{line[span.end_col - 1 :]}"
    return "\n".join(lines)
