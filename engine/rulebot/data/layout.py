"""How the columns of a file are called and what they are in: a layout, read from a YAML file of a few lines.

Layouts of vendors are shipped in `layouts/`; a person's own (`--columns FILE`) has the same form. docs/data.md has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rulebot.data.values import ClockUnit, DateOrder
from rulebot.model.errors import MisuseError
from rulebot.model.session import EXCHANGE_ZONE
from rulebot.spec.schema import schema_problems
from rulebot.spec.yaml import read_source

OF_OPTION = ("expiry", "right", "strike", "contract", "trading_class")
OF_QUOTE = ("bid", "ask", "bid_size", "ask_size", "volume", "open_interest", "iv", "delta", "gamma", "theta", "vega")
OF_ROW = ("date", "time", "symbol", "underlying")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A layout. Column names are as `column_name` has them.

    recognised_by: sets of names; a header of this layout has one of the sets. columns: theirs by ours; where there are
    several names, the first in the file counts. middle_of: pairs of their columns whose middle is ours. call, put: the
    columns of each side, where a row holds both. scale: what a number is multiplied with to be in our units.
    unknown: numbers that stand for none. records: the key of the list of rows in a JSON document. ends: the seconds
    from a row's time until it was known. remarks: what is reported whenever it is read.
    """

    name: str
    title: str = ""
    source: str = ""
    is_daily: bool = False
    recognised_by: tuple[frozenset[str], ...] = ()
    columns: Mapping[str, tuple[str, ...]]
    middle_of: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    call: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    put: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clock: ClockUnit = ClockUnit.CLOCK
    zone: ZoneInfo = EXCHANGE_ZONE
    dates: DateOrder | None = None
    scale: Mapping[str, float] = field(default_factory=dict)
    unknown: tuple[float, ...] = ()
    symbol: str = ""
    trading_class: str = ""
    ends: int = 0
    records: str = ""
    has_decimal_comma: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def is_wide(self) -> bool:
        """Say whether a row holds a call and a put."""
        return bool(self.call)

    def fits(self, header: Sequence[str]) -> bool:
        """Say whether a header is of this layout."""
        return any(names <= set(header) for names in self.recognised_by)


def column_name(text: str) -> str:
    """Return a column's name as layouts have it: `[QUOTE_DATE]` is `quote_date`, `Open Int` is `open_int`."""
    return text.strip().strip("[]\"'\ufeff").strip().lower().replace(" ", "_")


@cache
def layouts() -> tuple[Layout, ...]:
    """Return the shipped layouts by name."""
    folder = files("rulebot.data") / "layouts"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".yaml")), key=lambda each: each.name)
    return tuple(_layout(each.name.removesuffix(".yaml"), _parsed(each.read_bytes(), each.name)) for each in found)


def layout_named(name: str) -> Layout:
    """Return a shipped layout. Raises: MisuseError."""
    for each in layouts():
        if each.name == name:
            return each
    raise MisuseError(f"there is no layout {name!r}", f"there are {', '.join(each.name for each in layouts())}")


def layout_of(header: Sequence[str]) -> Layout | None:
    """Return the shipped layout of a header, of several the one that asks for most columns; None of no known one."""
    fitting = [each for each in layouts() if each.fits(header)]
    return max(fitting, key=lambda each: max(map(len, each.recognised_by)), default=None)


@cache
def known_names() -> frozenset[str]:
    """Return every column name that a shipped layout reads."""
    return frozenset(
        name
        for each in layouts()
        for of in (each.columns, each.call, each.put)
        for names in of.values()
        for name in names
    )


def read_layout(path: Path) -> Layout:
    """Return the layout of a person's file. Raises: MisuseError naming the file and the key."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MisuseError(f"{path} cannot be read: {error.strerror or error}") from error
    return _layout(path.stem, _parsed(content, path.name))


def _parsed(content: bytes, file: str) -> Mapping[str, Any]:
    source = read_source(content, file)
    tree = source.tree
    problems = [*source.problems, *(() if source.problems else schema_problems(source, tree, "columns", {}))]
    if problems:
        first = problems[0]
        raise MisuseError(f"{file}:{first.line}: {first.message}", first.help or "docs/data.md has the keys")
    return cast(Mapping[str, Any], tree)


def _layout(name: str, given: Mapping[str, Any]) -> Layout:
    of = given.get("columns", {})
    middle = _middles(of)
    try:
        zone = ZoneInfo(given["zone"]) if "zone" in given else EXCHANGE_ZONE
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise MisuseError(
            f"{name}: zone: there is no zone {given['zone']!r}", "write one like America/Chicago"
        ) from error
    return Layout(
        name=name,
        title=given.get("title", name),
        source=given.get("source", ""),
        is_daily=given.get("holds") == "daily bars",
        recognised_by=_alternatives(given.get("recognised_by", ())),
        columns=_names(of),
        middle_of=middle,
        call=_names(given.get("call", {})),
        put=_names(given.get("put", {})),
        clock=ClockUnit(given.get("clock", "clock")),
        zone=EXCHANGE_ZONE if zone.key == EXCHANGE_ZONE.key else zone,
        dates=DateOrder(given["dates"]) if "dates" in given else None,
        scale={ours: float(each) for ours, each in given.get("scale", {}).items()},
        unknown=tuple(map(float, given.get("unknown", ()))),
        symbol=given.get("symbol", ""),
        trading_class=given.get("trading_class", ""),
        ends=int(given.get("ends", 0)),
        records=given.get("records", ""),
        has_decimal_comma=given.get("decimal") == "comma",
        remarks=tuple(given.get("remarks", ())),
    )


def _alternatives(given: Sequence[Any]) -> tuple[frozenset[str], ...]:
    """Return the sets of names that recognise a header; a plain list is one set."""
    several = given if given and isinstance(given[0], list) else [given] if given else []
    return tuple(frozenset(map(column_name, each)) for each in several)


def _listed(each: Any) -> list[Any]:
    return each if isinstance(each, list) else [each]


def _names(of: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return what each of our columns may be called."""
    names = {ours: [name for name in _listed(each) if isinstance(name, str)] for ours, each in of.items()}
    return {ours: tuple(map(column_name, each)) for ours, each in names.items() if each}


def _middles(of: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return the two columns whose middle is ours, where no single column has it."""
    found = {}
    for ours, each in of.items():
        for name in _listed(each):
            if isinstance(name, dict):
                one, other = map(column_name, name["middle_of"])
                found[ours] = one, other
    return found
