"""What no schema can say of a document by itself: names, and words that fit only beside others.

Every check takes the tree with its parameters in place, sound or not, and passes over what the schema refuses.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from engine.spec.conditions import GROUPS, kind_of, own_name
from engine.spec.diagnostic import Diagnostic
from engine.spec.scalar import amount
from engine.spec.sections import NOT_LEGS
from engine.spec.source import Plain, Source
from engine.spec.spec import Path, Unit
from engine.spec.words import RESERVED

Tree = dict[str, Plain]

_OUTCOMES = ("filled", "unfilled", "any")
_LISTS: tuple[Path, ...] = (("entry", "when"), ("legs", "require"), ("exits",), ("risk", "halt_when"))


def check(source: Source, tree: Tree, places: Mapping[Path, str]) -> list[Diagnostic]:
    """Return the problems of names and of words that fit only beside others."""
    found = [*_file_name(source, tree), *_own_words(source, tree), *_accepted(source, tree)]
    for path in _LISTS:
        found += _names(source, _at(tree, path), path)
    found += _lets(source, tree, places)
    found += _hiding_exits(source, tree)
    found += _tolerances(source, tree)
    found += _strikes(source, tree)
    found += _settling(source, tree)
    found += _arming(source, tree)
    return found


def _at(tree: Plain, path: Path) -> Plain:
    for step in path:
        tree = tree.get(str(step)) if isinstance(tree, dict) else None
    return tree


def _mapping(tree: Plain, *path: str) -> Tree:
    found = _at(tree, path)
    return found if isinstance(found, dict) else {}


def _file_name(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    file, name = PurePath(source.file), tree.get("name")
    if file.suffix in (".yaml", ".yml") and isinstance(name, str) and name != file.stem:
        message = f"the name is that of the file, '{file.stem}', is '{name}'"
        yield source.diagnostic("RB115", ("name",), message, "rename the one or the other")


def _own_words(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    for section, what in (("legs", "leg"), ("let", "let")):
        for name in _mapping(tree, section):
            if name in RESERVED and not (section == "legs" and name in NOT_LEGS):
                message = f"a {what} cannot be called '{name}': that is a word of the language"
                yield source.diagnostic("RB214", (section, name), message, f"as in 'my_{name}'", at_key=True)


def _accepted(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    for code in _mapping(tree, "accept"):
        if code.startswith("RB") and code[2:].isdigit() and not code.startswith("RB3"):
            message = f"only warnings can be accepted, '{code}' is an error"
            yield source.diagnostic("RB123", ("accept", code), message, "warnings are RB3..", at_key=True)


def _arming(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield the same of the conditions that arm exits."""
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        armed_by = item.get("armed_by") if isinstance(item, dict) else None
        path: Path = ("exits", at, "armed_by")
        yield from _names(source, armed_by, path)
        if isinstance(armed_by, dict):
            yield from _below(source, armed_by, path)
            if own_name(armed_by) is None:
                yield from _unnamed(source, armed_by, path)


def _names(source: Source, members: Plain, path: Path) -> Iterator[Diagnostic]:
    """Yield unnamed groups, and names that stand twice, in one list and in the groups below it."""
    first: dict[str, Path] = {}
    for at, member in enumerate(members if isinstance(members, list) else ()):
        if not isinstance(member, dict):
            continue
        here: Path = (*path, at)
        yield from _below(source, member, here)
        name = own_name(member)
        if name is None:
            yield from _unnamed(source, member, here)
        elif name in first:
            yield _repeated(source, member, here, name, first[name])
        else:
            first[name] = _name_path(member, here)


def _below(source: Source, member: Tree, path: Path) -> Iterator[Diagnostic]:
    kind = kind_of(member)
    if kind not in GROUPS:
        return
    inner = member[kind]
    if kind != "not":
        yield from _names(source, inner, (*path, kind))
    elif isinstance(inner, dict):
        yield from _below(source, inner, (*path, kind))


def _unnamed(source: Source, member: Tree, path: Path) -> Iterator[Diagnostic]:
    kind = kind_of(member)
    if kind in GROUPS or kind == "expr":
        help = f"add 'name: ...' beside '{kind}'"
        yield source.diagnostic("RB114", (*path, kind), f"this '{kind}' must be named", help, at_key=True)


def _name_path(member: Tree, path: Path) -> Path:
    return (*path, "name") if "name" in member else (*path, kind_of(member) or "")


def _repeated(source: Source, member: Tree, path: Path, name: str, first: Path) -> Diagnostic:
    place = source.span(first, key="name" not in first[-1:])
    help = f"the first stands at {place.line}:{place.col}; give one of them a 'name:'"
    at = _name_path(member, path)
    return source.diagnostic("RB270", at, f"two rules here are called '{name}'", help, at_key=at[-1] != "name")


def _lets(source: Source, tree: Tree, places: Mapping[Path, str]) -> Iterator[Diagnostic]:
    for name, body in _mapping(tree, "let").items():
        path: Path = ("let", name)
        if not isinstance(body, dict | list) and body is not None and path not in places:
            message = f"a let is a measure with its arguments, is '{body}'"
            yield source.diagnostic("RB152", path, message, "a value of its own is a parameter: put it there")


def _hiding_exits(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """An exit called like the outcome of an entry would be meant by `after`, too."""
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        if isinstance(item, dict) and item.get("name") in _OUTCOMES:
            message = f"an exit called '{item['name']}' is hard to tell from what 'after' calls '{item['name']}'"
            yield source.diagnostic("RB303", ("exits", at, "name"), message, "give it another name", "warning")


def _strikes(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Every option has a strike, and shares have none."""
    for name, leg in _mapping(tree, "legs").items():
        if name in NOT_LEGS or not isinstance(leg, dict):
            continue
        is_shares = "shares" in (leg.get("buy"), leg.get("sell"))
        if is_shares and "strike" in leg:
            message = "shares have no strike"
            yield source.diagnostic("RB122", ("legs", name, "strike"), message, "remove it", at_key=True)
        elif not is_shares and "strike" not in leg and ("buy" in leg or "sell" in leg):
            help = "strike: One way to choose the strike, and what bounds it."
            yield source.diagnostic("RB113", ("legs", name), f"'{name}' lacks 'strike'", help, at_key=True)


def _tolerances(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    for name, leg in _mapping(tree, "legs").items():
        strike = _mapping(leg, "strike")
        found = amount(strike.get("within"))
        if "by" in strike and not {"below", "above"} & strike.keys():
            message = "'by' belongs to 'below' or 'above'"
            yield source.diagnostic("RB122", ("legs", name, "strike", "by"), message, "remove it", at_key=True)
        if name in NOT_LEGS or found is None:
            continue
        if "delta" in strike:
            unit, owed = Unit.NUMBER, "a bare number, as in 0.02"
        elif "expected_move" in strike:
            unit, owed = Unit.MULTIPLE, "a multiple, as in 0.1x"
        else:
            unit, owed = Unit.POINTS, "points, as in 5 pts"
        if found.unit is not unit:
            message = f"'within' has the unit of what the strike is chosen by, is '{strike['within']}'"
            yield source.diagnostic("RB152", ("legs", name, "strike", "within"), message, f"here {owed}")


def _settling(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        if not isinstance(item, dict) or "at_expiry" not in item:
            continue
        for key in item:
            if key in ("confirm", "max_age", "resting", "order", "unknown", "grace", "close", "repeat", "armed_by"):
                message = f"'{key}' means nothing beside 'at_expiry'"
                yield source.diagnostic("RB122", ("exits", at, key), message, "remove it", at_key=True)
