"""What a sweep varies: `legs.short_put.delta=0.05..0.15/0.01`, a place in the spec and its values.

A place is a parameter, or keys on the way to a value; keys between them may be omitted where only one value fits, and
named items are found by name. A value takes the form of the present one: with `by: 10 pts`, 5 is `5 pts`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import combinations, product
from math import prod
from random import Random

from rulebot.model.errors import MisuseError
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Span, closest
from rulebot.spec.nouns import Path
from rulebot.spec.source import Plain, Source

MOST = 100_000
"""Variants of one sweep at most: more is a slip of the pen."""
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LONE_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?")
_LIST = re.compile(r"[\[\]{}]")
_RANGE = re.compile(
    r"(?P<low>-?)(?P<head>\$?)(?P<first>\d+(?:\.\d+)?)(?P<tail>|%| ?[A-Za-z]+)"
    r"\.\.(?P<high>-?)(?P=head)(?P<last>\d+(?:\.\d+)?)(?P=tail)"
    r"/(?:(?P=head)|)(?P<step>\d+(?:\.\d+)?)(?:(?P=tail)|)"
)
_CLOCK = r"([01]?\d|2[0-3]):([0-5]\d)"
_CLOCK_RANGE = re.compile(rf"{_CLOCK}\.\.{_CLOCK}/(\d+)([mh])")

Point = tuple[str, ...]
"""One variant: the value at each place, in the order of the places."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A place as it was written, and the values it takes, which rise where they are those of a range."""

    name: str
    values: tuple[str, ...]
    is_range: bool = False


def axis(text: str) -> Axis:
    """Return what `NAME=FROM..TO/STEP` or `NAME=A,B,C` varies; ends of a range may have a unit.

    Raises: MisuseError.
    """
    name, equals, said = (part.strip() for part in text.partition("="))
    if not equals or not name or not said:
        raise MisuseError(f"--vary is NAME=FROM..TO/STEP or NAME=A,B,C, is '{text}'")
    if _LIST.search(said):
        raise MisuseError(f"a value is a word or a number, and no list, is '{said}'", f"vary a place in it: {name}.0")
    if ".." in said:
        return Axis(name, _range(name, said), is_range=True)
    values = tuple(part.strip() for part in said.split(","))
    if "" in values:
        raise MisuseError(f"a value of {name} is empty, in '{said}'", "separate values by one comma each")
    if twice := next((value for place, value in enumerate(values) if value in values[:place]), ""):
        raise MisuseError(f"a value of {name} occurs twice: {twice}", "give it once")
    return Axis(name, values)


def _range(name: str, said: str) -> tuple[str, ...]:
    """Return the values of a range of times or numbers. Raises: MisuseError."""
    if (clock := _CLOCK_RANGE.fullmatch(said)) is not None:
        hour, minute, last_hour, last_minute, step = map(int, clock.groups()[:-1])
        step *= 60 if clock[6] == "h" else 1
        minutes = _steps(name, said, Decimal(60 * hour + minute), Decimal(60 * last_hour + last_minute), Decimal(step))
        return tuple(f"{int(each) // 60:02d}:{int(each) % 60:02d}" for each in minutes)
    found = _RANGE.fullmatch(said)
    if found is None:
        help_text = "ends have one unit or none, as in 25%..75%/25%; of times it is 10:00..12:00/30m"
        raise MisuseError(f"a range is FROM..TO/STEP, as 0.05..0.15/0.01, is '{said}'", help_text)
    low, high = Decimal(found["low"] + found["first"]), Decimal(found["high"] + found["last"])
    head, tail = found["head"], found["tail"]
    steps = _steps(name, said, low, high, Decimal(found["step"]))
    return tuple(f"{'-' * (each < 0)}{head}{abs(each):f}{tail}" for each in steps)


def _steps(name: str, said: str, low: Decimal, high: Decimal, step: Decimal) -> list[Decimal]:
    if step <= 0 or high < low:
        raise MisuseError(f"a range rises from its start by a step above 0, is '{said}'")
    count = int((high - low) / step) + 1
    if count > MOST:
        raise MisuseError(f"{name} would take {count:,} values, {MOST:,} at most")
    return [low + step * number for number in range(count)]


def grid(axes: Sequence[Axis]) -> Iterator[Point]:
    """Yield every combination, the last place changing first. Raises: MisuseError when there are too many."""
    count = prod(len(each.values) for each in axes)
    if count > MOST:
        raise MisuseError(f"that is {count:,} variants, {MOST:,} at most", "--random N draws some of them")
    yield from product(*(each.values for each in axes))


def drawn(axes: Sequence[Axis], count: int, seed: int) -> list[Point]:
    """Return this many different random combinations, equal for a seed; all of them when there are fewer.

    Raises: MisuseError when there are too many.
    """
    if prod(len(each.values) for each in axes) <= count:
        return list(grid(axes))
    if count > MOST:
        raise MisuseError(f"--random draws {MOST:,} variants at most, is {count:,}")
    chance, found = Random(seed), dict[Point, None]()
    while len(found) < count:
        found[tuple(chance.choice(each.values) for each in axes)] = None
    return list(found)


# ---------------------------------------------------------------- places in a text


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a value in a text, and the text into which a number is put."""

    span: Span
    form: str


def place_of(source: Source, name: str) -> Place:
    """Return the place of a name in a document without others above it. Raises: MisuseError."""
    path = _path(source, name)
    form = source.written(path)
    if ("parameters", form.removeprefix("$")) in source.values:
        form = source.written(("parameters", form.removeprefix("$")))
    return Place(source.values[path], form)


def check_axes(source: Source, axes: Sequence[Axis]) -> None:
    """Refuse two axes for one place, and equal values: a variant would count more than once.

    Raises: MisuseError.
    """
    known: dict[Span, str] = {}
    for each in axes:
        place = place_of(source, each.name)
        if place.span in known:
            raise MisuseError(f"'{known[place.span]}' and '{each.name}' are the same place", "name it once")
        known[place.span] = each.name
        said: dict[str, str] = {}
        for value in each.values:
            meant = _LONE_NUMBER.sub(_plain, _formed(each.name, place.form, value).strip("\"'"))
            if meant in said:
                raise MisuseError(f"{said[meant]} and {value} are the same value of {each.name}", "give it once")
            said[meant] = value


def _plain(number: re.Match[str]) -> str:
    return f"{Decimal(number[0]).normalize():f}"


def _path(source: Source, name: str) -> Path:
    if ("parameters", name) in source.values:
        return ("parameters", name)
    wanted = name.split(".")
    leaves = {path: _named(source, path) for path in source.values if path and not _holds_others(source, path)}
    found = [path for path, called in leaves.items() if _fits(called, wanted)]
    if len(found) == 1:
        return found[0]
    if not found:
        meant = _meant(wanted, leaves.values())
        raise MisuseError(
            f"the spec has nothing at '{name}'",
            f"did you mean '{meant}'?"
            if meant
            else "name the keys on the way to it; what the spec leaves out is written there first",
        )
    reported = ", ".join(".".join(map(str, path)) for path in found[:5])
    raise MisuseError(f"'{name}' may be one of {len(found)} places", f"say which: {reported}")


def _meant(wanted: Sequence[str], leaves: Iterable[Sequence[tuple[str, ...]]]) -> str | None:
    """Return a name of the place nearest to the wanted keys, each of which exists or resembles an existing one."""
    names: dict[str, str] = {}
    for path in leaves:
        parts = [called[-1] for called in path]
        for keys in combinations(parts[:-1], len(wanted) - 1):
            way = (*keys, parts[-1])
            if all(key == said or closest(said, (key,)) for said, key in zip(wanted, way, strict=True)):
                begins = len(way) == 1 or way[0] == parts[0]
                names[".".join(way)] = ".".join(way if begins else (parts[0], *way))
    near = closest(".".join(wanted), names, 0.0)
    return None if near is None else names[near]


def _holds_others(source: Source, path: Path) -> bool:
    return any(len(other) > len(path) and other[: len(path)] == path for other in source.values)


def _named(source: Source, path: Path) -> list[tuple[str, ...]]:
    """Return the keys of a path, each with its other names: items of a list may have a name."""
    found: list[tuple[str, ...]] = []
    at: Plain = source.tree
    for key in path:
        at = at[str(key)] if isinstance(at, dict) else at[int(key)] if isinstance(at, list) else None
        name = at.get("name") if isinstance(key, int) and isinstance(at, dict) else None
        found.append((str(key), name) if isinstance(name, str) else (str(key),))
    return found


def _fits(path: Sequence[tuple[str, ...]], wanted: Sequence[str]) -> bool:
    """Say whether the wanted keys are on the path in their order, the first and last of them at its ends."""
    if wanted[-1] not in path[-1] or (len(wanted) > 1 and wanted[0] not in path[0]):
        return False
    keys = iter(path)
    return all(any(key in called for called in keys) for key in wanted)


def with_values(source: Source, values: Mapping[str, str]) -> str:
    """Return the text with these values at their places. Raises: MisuseError."""
    lines = list(source.lines)
    edits = [(place_of(source, name), name, value) for name, value in values.items()]
    for place, name, value in sorted(edits, key=lambda each: (each[0].span.line, each[0].span.col), reverse=True):
        at, span = place.span.line - 1, place.span
        lines[at] = lines[at][: span.col - 1] + _formed(name, place.form, value) + lines[at][span.end_col - 1 :]
    return "\n".join(lines)


def _formed(name: str, form: str, value: str) -> str:
    """Return a value in the form of the present one; a value that is no bare number is taken unchanged.

    Raises: MisuseError for a number where the text has several, as in `10:30`.
    """
    stands = _NUMBER.findall(form)
    if not _NUMBER.fullmatch(value) or not stands:
        return value
    if len(stands) > 1:
        raise MisuseError(f"{value} cannot take the place of {form}, the value of {name}", "write each value whole")
    return _NUMBER.sub(value, form)
