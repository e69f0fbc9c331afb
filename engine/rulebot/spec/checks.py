"""Checks of a document that a schema cannot do: names, and words that need or exclude others.

Every check takes the tree with its parameters in place, sound or not, and passes over what the schema refuses.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from rulebot.model.position import TARGET_MISSED
from rulebot.spec.conditions import GROUPS, JUDGING, LEAVING, kind_of, own_name
from rulebot.spec.diagnostic import Diagnostic, did_you_mean, is_misspelt
from rulebot.spec.fast_schema import read_schema
from rulebot.spec.nouns import Path, Unit
from rulebot.spec.parameters import reserved
from rulebot.spec.scalar import amount, zone_of, zones
from rulebot.spec.sections import NOT_LEGS, NOT_LEGS_OF_ONE
from rulebot.spec.source import Plain, Source
from rulebot.spec.universe import MODELS, files_named

Tree = dict[str, Plain]

# --- Words without effect in their place

_OF_A_LADDER = ("step", "wait", "tries", "pause", "adaptive")
_ALWAYS_KNOWN = ("time", "dte", "sessions_in_trade", "time_in_trade")
"""Exits that need no market data."""
_MOVES_A_STRIKE = ("round_to", "prefer_round_to", "min_otm_distance", "min_strike", "max_strike")


def noop_keys(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield RB304 for each word of the orders, the exits and the strikes that has no effect with its neighbours."""
    yield from _of_entry(source, tree)
    exits = tree.get("exits")
    rules = [(at, item) for at, item in enumerate(exits if isinstance(exits, list) else ()) if isinstance(item, dict)]
    is_rolled = any("roll" in item and "order" not in item for _, item in rules)
    yield from _of_leaving(source, tree.get("exit_order"), ("exit_order",), is_rolled=is_rolled)
    for at, item in rules:
        yield from _of_leaving(source, item.get("order"), ("exits", at, "order"), is_rolled="roll" in item)
        yield from _of_roll(source, item, ("exits", at, "order"))
        if _is_always_known(item):
            why = f"'{kind_of(item)}' needs no market data, and is never unknown"
            yield from _unused(source, item, ("exits", at), ("unknown", "grace"), why)
    yield from _of_models(source, tree)
    legs = tree.get("legs")
    yield from _of_strikes(source, legs if isinstance(legs, dict) else {}, ("legs",))


def _is_always_known(item: Plain) -> bool:
    """Return whether a condition is one of the clock or of days, or a group of these."""
    if not isinstance(item, dict):
        return False
    kind = kind_of(item)
    if kind not in GROUPS:
        return kind in _ALWAYS_KNOWN
    members = item[kind]
    return all(map(_is_always_known, members if isinstance(members, list) else (members,)))


def _unused(source: Source, tree: Tree, path: Path, keys: tuple[str, ...], why: str) -> Iterator[Diagnostic]:
    for key in keys:
        if key in tree:
            yield source.diagnostic(
                "RB304", (*path, key), f"'{key}' does nothing here: {why}", "remove it", "warning", at_key=True
            )


def _of_models(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """The lines of a model count where a condition names its file, and nowhere else."""
    models = tree.get(MODELS)
    if isinstance(models, dict):
        named = files_named(tree)
        unnamed = tuple(file for file, lines in models.items() if isinstance(lines, list) and file not in named)
        yield from _unused(source, models, (MODELS,), unnamed, "no condition names that file")


# ---------------------------------------------------------------- orders


def _of_entry(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """What exits take over from `order` is not idle: they step and try until they are done."""
    order = tree.get("order")
    if not isinstance(order, dict):
        return
    yield from _of_natural(source, order, ("order",))
    if order.get("start") == "market" and "adaptive" in order:
        why = "an order at market has no price to step"
        yield from _unused(source, order, ("order",), ("step",), why) if "exit_order" in tree else ()
    elif "exit_order" in tree:
        yield from _of_few_tries(source, order, ("order",), ("step", "pause"))


def _of_leaving(source: Source, order: Plain, path: Path, *, is_rolled: bool) -> Iterator[Diagnostic]:
    """An order that closes continues until it is done, however many tries are written, but for one that rolls."""
    if not isinstance(order, dict):
        return
    yield from _of_natural(source, order, path)
    if order.get("start") == "market":
        yield from _unused(source, order, path, _OF_A_LADDER, "an exit at market is one order, without a next try")
    elif order.get("then") == "market":
        yield from _of_few_tries(source, order, path, ("step", "pause"))
    elif not is_rolled:
        why = "it continues until it is done; 'then: market' ends it after that many tries"
        yield from _unused(source, order, path, ("tries",), why)


def _of_natural(source: Source, order: Tree, path: Path) -> Iterator[Diagnostic]:
    """Each try of an order that starts at natural is at natural, also of one that exits take over."""
    if order.get("start") == "natural":
        yield from _unused(source, order, path, ("step",), "each try is at natural, and none goes past it")


def _of_roll(source: Source, item: Tree, path: Path) -> Iterator[Diagnostic]:
    """An exit that holds where it finds nothing to roll into closes nothing."""
    roll, order = item.get("roll"), item.get("order")
    if isinstance(roll, dict) and isinstance(order, dict) and roll.get("else", "hold") == "hold":
        why = "a roll that is not filled after its tries holds until the next session"
        yield from _unused(source, order, path, ("then",), why)


def _of_few_tries(source: Source, order: Tree, path: Path, keys: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Yield words for a second try where there is one try, and for a third priority where there are two."""
    tries, priorities = order.get("tries", 1), order.get("adaptive")
    if tries == 1:
        used = tuple(key for key in keys if key != "step" or order.get("start") != "natural")
        yield from _unused(source, order, path, used, "there is one try")
    if isinstance(tries, int) and isinstance(priorities, list) and 1 <= tries < len(priorities):
        of = f"{tries} {'try' if tries == 1 else 'tries'}"
        message = f"priority {tries + 1} does nothing: there is one a try, and {of}"
        help = f"write 'tries: {len(priorities)}'"
        yield source.diagnostic("RB304", (*path, "adaptive", tries), message, help, "warning")


# ---------------------------------------------------------------- strikes


def _of_strikes(source: Source, tree: Tree, path: Path) -> Iterator[Diagnostic]:
    for name, leg in tree.items():
        if name == "choose" and isinstance(leg, list):
            for at, each in enumerate(leg):
                yield from _of_strikes(source, each if isinstance(each, dict) else {}, (*path, "choose", at))
        strike = leg.get("strike") if isinstance(leg, dict) else None
        if not isinstance(strike, dict) or strike.get("at") in (None, "spot"):
            continue
        here = (*path, name, "strike")
        yield from _unused(source, strike, here, ("round",), f"it is the strike of {strike['at']}")
        if not any(key in strike for key in _MOVES_A_STRIKE):
            yield from _unused(source, strike, here, ("within",), f"it is the strike of {strike['at']}, or no trade")


# --- Checks of a document that a schema cannot do

_OUTCOMES = ("filled", "unfilled", "any")
_LISTS: tuple[Path, ...] = (
    ("universe", "require"),
    ("entry", "when"),
    ("legs", "require"),
    ("exits",),
    ("risk", "require"),
    ("risk", "halt_when"),
)


def check(source: Source, tree: Tree, places: Mapping[Path, str]) -> list[Diagnostic]:
    """Return the problems of names, and of words that need or exclude others."""
    found = [*_file_name(source, tree), *_own_words(source, tree), *_accepted(source, tree)]
    for path in _LISTS:
        found += list_problems(source, _at(tree, path), path)
    found += _choices(source, tree)
    found += _lets(source, tree, places)
    found += _hiding_exits(source, tree)
    found += _names_of_parts(source, tree)
    found += _rolling(source, tree)
    found += _tolerances(source, tree)
    found += _quantity(source, tree)
    found += _strikes(source, tree)
    found += _expiries(source, tree)
    found += _settling(source, tree)
    found += _arming(source, tree)
    found += noop_keys(source, tree)
    for key in tree.keys() - {"parameters"}:
        found += _zones(source, tree[key], (key,))
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
    named = [("let", ("let", name)) for name in _mapping(tree, "let")]
    for what, path in (*(("leg", path) for path, _ in _legs(tree)), *named):
        if path[-1] in reserved():
            message = f"a {what} cannot be called '{path[-1]}': that is a word of the language"
            yield source.diagnostic("RB214", path, message, f"as in 'my_{path[-1]}'", at_key=True)


def _alternatives(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield the alternatives of `choose` with their places."""
    found = _mapping(tree, "legs").get("choose")
    for at, each in enumerate(found if isinstance(found, list) else ()):
        if isinstance(each, dict):
            yield ("legs", "choose", at), each


def _legs(tree: Tree) -> Iterator[tuple[Path, Plain]]:
    """Yield every leg with its place, those of alternatives too."""
    for name, leg in _mapping(tree, "legs").items():
        if name not in NOT_LEGS:
            yield ("legs", name), leg
    for path, each in _alternatives(tree):
        yield from (((*path, name), leg) for name, leg in each.items() if name not in NOT_LEGS_OF_ONE)


def _keys_of(noun: str) -> Collection[str]:
    keys: Mapping[str, Any] = read_schema("strategy")["$defs"][noun]["properties"]
    return keys


def _choices(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield the same of the rules of alternatives, two of one name, and legs next to a choice."""
    alternatives = list(_alternatives(tree))
    for path, each in alternatives:
        for key in ("when", "require"):
            yield from list_problems(source, each.get(key), (*path, key))
    yield from _names_of_alternatives(source, alternatives)
    legs = _mapping(tree, "legs")
    is_named = any(isinstance(each.get("name"), str) for _, each in alternatives)
    if is_named and "require" in legs and all("require" in each for _, each in alternatives):
        message = "'require' is asked of no structure: each alternative has its own"
        yield source.diagnostic("RB122", ("legs", "require"), message, "remove it", at_key=True)
    leg_names = [name for name in legs if name not in NOT_LEGS]
    if "choose" in legs and leg_names:
        message = f"'{leg_names[0]}' cannot be set with 'choose': write the legs inside each alternative"
        yield source.diagnostic("RB118", ("legs", leg_names[0]), message, "move it there", at_key=True)


def _names_of_alternatives(source: Source, alternatives: Iterable[tuple[Path, Tree]]) -> Iterator[Diagnostic]:
    """Yield alternatives of one name, and those without a leg."""
    first: dict[str, Path] = {}
    for path, each in alternatives:
        name = each.get("name")
        if isinstance(name, str) and name in first:
            place = source.span(first[name])
            help = f"the first is at {place.line}:{place.col}"
            message = f"two alternatives are called '{name}'"
            yield source.diagnostic("RB270", (*path, "name"), message, help)
        elif isinstance(name, str):
            first[name] = (*path, "name")
        if all(key in NOT_LEGS_OF_ONE for key in each):
            message = f"the alternative '{name}' has no leg"
            yield source.diagnostic("RB121", (*path, "name"), message, "to trade nothing, use 'when' of the entry")


def _accepted(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    for code in _mapping(tree, "accept"):
        if code.startswith("RB") and code[2:].isdigit() and not code.startswith("RB3"):
            message = f"only warnings can be accepted, '{code}' is an error"
            yield source.diagnostic("RB123", ("accept", code), message, "warnings are RB3..", at_key=True)


def _arming(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield the same of the conditions that arm exits."""
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        activate_when = item.get("activate_when") if isinstance(item, dict) else None
        path: Path = ("exits", at, "activate_when")
        yield from list_problems(source, activate_when, path)
        if isinstance(activate_when, dict):
            yield from _below(source, activate_when, path)
            if own_name(activate_when) is None:
                yield from _unnamed(source, activate_when, path)


def list_problems(source: Source, members: Plain, path: Path) -> Iterator[Diagnostic]:
    """Yield unnamed groups, and names that are used twice, in one list and in the groups below it."""
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
    yield from _judged_alone(source, kind, inner, (*path, kind))
    if kind != "not":
        yield from list_problems(source, inner, (*path, kind))
    elif isinstance(inner, dict):
        yield from _below(source, inner, (*path, kind))


def _judged_alone(source: Source, kind: str, inner: Plain, path: Path) -> Iterator[Diagnostic]:
    """Yield what says how a member of a group is judged: only the group as a whole is."""
    members = [(inner, path)] if isinstance(inner, dict) else []
    if isinstance(inner, list):
        members = [(each, (*path, at)) for at, each in enumerate(inner) if isinstance(each, dict)]
    for member, here in members:
        for key in member:
            if key in ("confirm", "max_age"):
                message = f"'{key}' has no effect inside '{kind}': it applies to a whole condition"
                yield source.diagnostic("RB122", (*here, key), message, f"write it next to '{kind}'", at_key=True)


def _unnamed(source: Source, member: Tree, path: Path) -> Iterator[Diagnostic]:
    kind = kind_of(member)
    if kind in GROUPS or kind == "expr":
        help = f"add 'name: ...' next to '{kind}'"
        yield source.diagnostic("RB114", (*path, kind), f"this '{kind}' must be named", help, at_key=True)


def _name_path(member: Tree, path: Path) -> Path:
    return (*path, "name") if "name" in member else (*path, kind_of(member) or "")


def _repeated(source: Source, member: Tree, path: Path, name: str, first: Path) -> Diagnostic:
    place = source.span(first, key="name" not in first[-1:])
    help = f"the first is at {place.line}:{place.col}; give one of them a 'name:'"
    at = _name_path(member, path)
    return source.diagnostic("RB270", at, f"two rules here are called '{name}'", help, at_key=at[-1] != "name")


def _lets(source: Source, tree: Tree, places: Mapping[Path, str]) -> Iterator[Diagnostic]:
    for name, body in _mapping(tree, "let").items():
        path: Path = ("let", name)
        if not isinstance(body, dict | list) and body is not None and path not in places:
            message = f"a let is a measure with its arguments, is '{body}'"
            yield source.diagnostic("RB152", path, message, "for a separate value use a parameter")


def _hiding_exits(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """An exit called like the outcome of an entry would be meant by `after`, too."""
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        if isinstance(item, dict) and item.get("name") in (*_OUTCOMES, TARGET_MISSED):
            message = f"the exit '{item['name']}' has the name of an event that 'after' already uses"
            yield source.diagnostic("RB303", ("exits", at, "name"), message, "give it another name", "warning")


def _zones(source: Source, tree: Plain, path: Path) -> Iterator[Diagnostic]:
    """A time of another clock names a time zone that there is."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _zones(source, value, (*path, key))
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from _zones(source, value, (*path, place))
    elif isinstance(tree, str) and (zone := zone_of(tree)) and zone not in zones():
        message = f"unknown time zone '{zone}'"
        yield source.diagnostic("RB152", path, message, did_you_mean(zone, zones()) or "for example Europe/Berlin")


def _quantity(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """A budget has a maximum; for calls against shares held the band sets it."""
    if {"overwrite", "at_most"} <= _mapping(tree, "quantity").keys():
        message = "'at_most' cannot be set with 'overwrite': the band says how many there are"
        yield source.diagnostic("RB118", ("quantity", "at_most"), message, "remove it", at_key=True)


def _strikes(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Every option has a strike, and shares have none."""
    for path, leg in _legs(tree):
        if not isinstance(leg, dict):
            continue
        is_shares = "shares" in (leg.get("buy"), leg.get("sell"))
        if is_shares and "strike" in leg:
            message = "shares have no strike"
            yield source.diagnostic("RB122", (*path, "strike"), message, "remove it", at_key=True)
        elif not is_shares and "strike" not in leg and ("buy" in leg or "sell" in leg):
            if is_misspelt("strike", leg, _keys_of("leg")):
                continue
            help = "strike: One way to choose the strike, and what bounds it."
            yield source.diagnostic("RB113", path, f"'{path[-1]}' lacks 'strike'", help, at_key=True)


def _expiries(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Every option has an expiry, its own or that of all; shares have none."""
    legs = _mapping(tree, "legs")
    if not legs:
        return
    if legs.keys() <= NOT_LEGS - {"choose"}:
        help = "add one, as in 'short_put: {sell: put, strike: {delta: 0.10}}'"
        yield source.diagnostic("RB121", ("legs",), "'legs' has no leg", help, at_key=True)
        return
    unlike_legs = [name for name, leg in legs.items() if not _trades(leg)]
    if "expiry" not in legs and is_misspelt("expiry", unlike_legs, NOT_LEGS):
        return
    if "choose" in legs and "expiry" not in legs:
        help = "expiry: The expiry of legs that name none; conditions of entry are read of it."
        yield source.diagnostic("RB113", ("legs",), "'legs' lacks 'expiry'", help, at_key=True)
    places = list(_alternatives(tree)) if "choose" in legs else [(("legs",), legs)]
    for place, found in places:
        bodies = [(path, leg) for path, leg in _legs(tree) if path[:-1] == place and isinstance(leg, dict)]
        yield from _expiries_of_legs(source, place, found, bodies, is_choice="choose" in legs)


def _trades(leg: Plain) -> bool:
    return isinstance(leg, dict) and not {"buy", "sell"}.isdisjoint(leg)


def _expiries_of_legs(
    source: Source, place: Path, found: Tree, bodies: Sequence[tuple[Path, Tree]], *, is_choice: bool
) -> Iterator[Diagnostic]:
    """Yield what is wrong with the expiries of one list of legs."""
    options = [(path, leg) for path, leg in bodies if "shares" not in (leg.get("buy"), leg.get("sell"))]
    shares = [path for path, leg in bodies if (path, leg) not in options and "expiry" in leg]
    lacking = [path for path, leg in options if "expiry" not in leg]
    if "expiry" not in found and not is_choice:
        yield from _lacking_expiry(source, lacking if len(lacking) < len(options) else [("legs",)])
    elif options and not lacking and "expiry" in found:
        message = "this 'expiry' is that of no leg: each has its own"
        yield source.diagnostic("RB122", (*place, "expiry"), message, "remove it", at_key=True)
    for path in shares:
        yield source.diagnostic("RB122", (*path, "expiry"), "shares do not expire", "remove it", at_key=True)


def _lacking_expiry(source: Source, places: Iterable[Path]) -> Iterator[Diagnostic]:
    for path in places:
        help = "expiry: The expiry of legs that name none."
        if len(path) > 1:
            help = "write it in the leg, or under 'legs' for all legs without an expiry"
        yield source.diagnostic("RB113", path, f"'{path[-1]}' lacks 'expiry'", help, at_key=True)


def _names_of_parts(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """An exit `of: each_short` expands to one for each short leg, named like an exit of that leg."""
    exits = tree.get("exits")
    members = [(at, item) for at, item in enumerate(exits if isinstance(exits, list) else ()) if isinstance(item, dict)]
    sold = [name for name, leg in _mapping(tree, "legs").items() if isinstance(leg, dict) and "sell" in leg]
    for at, item in members:
        kind = kind_of(item)
        if kind is None or _mapping(item, kind).get("of") != "each_short":
            continue
        parts = {f"{own_name(item)}.{leg}" for leg in sold}
        for _, other in members:
            if (name := own_name(other)) in parts:
                message = f"'{name}' is also what 'of: each_short' makes of the exit for that leg"
                path = _name_path(item, ("exits", at))
                yield source.diagnostic("RB270", path, message, "give one of them a 'name:'", at_key=path[-1] != "name")


def _rolls(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield what exits roll into, with its place."""
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        if isinstance(item, dict) and "roll" in item:
            yield ("exits", at, "roll"), _mapping(item, "roll")


def _rolling(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield what is wrong with the names of the conditions of a roll, and one that would move nothing."""
    for path, roll in _rolls(tree):
        yield from list_problems(source, roll.get("require"), (*path, "require"))
        if roll and not {"expiry", "strikes"} & roll.keys():
            message = "this roll would open what it closes: add an expiry or strikes to it"
            help = "add one, as in 'expiry: {dte: {nearest: 35}}'"
            yield source.diagnostic("RB121", path, message, help, at_key=True)


def _every_strike(tree: Tree) -> Iterator[tuple[Path, Tree]]:
    """Yield every strike with its place: of the legs, and of those that exits roll into."""
    for path, leg in _legs(tree):
        yield (*path, "strike"), _mapping(leg, "strike")
    for path, roll in _rolls(tree):
        strikes = _mapping(roll, "strikes")
        yield from (((*path, "strikes", name), _mapping(strikes, name)) for name in strikes)


def _tolerances(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    for path, strike in _every_strike(tree):
        found = amount(strike.get("within"))
        if "by" in strike and not {"below", "above"} & strike.keys():
            if any(is_misspelt(key, strike, _keys_of("strike")) for key in ("below", "above")):
                continue
            message = "'by' belongs to 'below' or 'above'"
            yield source.diagnostic("RB122", (*path, "by"), message, "remove it", at_key=True)
        if found is None:
            continue
        if {"delta", "premium", "side_credit"} & strike.keys():
            unit, expected = Unit.NUMBER, "a bare number, as in 0.02"
        elif "otm" in strike and _is_percent(strike["otm"]):
            unit, expected = Unit.PERCENT, "a percentage of spot, as in 0.2%"
        elif "expected_move" in strike:
            unit, expected = Unit.MULTIPLE, "a multiple, as in 0.1x"
        else:
            unit, expected = Unit.POINTS, "points, as in 5 pts"
        if found.unit is not unit:
            message = f"'within' has the unit of what the strike is chosen by, is '{strike['within']}'"
            yield source.diagnostic("RB152", (*path, "within"), message, f"here {expected}")


def _is_percent(value: Plain) -> bool:
    wanted = next(iter(value.values()), None) if isinstance(value, dict) else value
    found = amount(wanted)
    return found is not None and found.unit is Unit.PERCENT


def _settling(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    exits = tree.get("exits")
    for at, item in enumerate(exits if isinstance(exits, list) else ()):
        if not isinstance(item, dict) or "at_expiry" not in item:
            continue
        for key in item:
            if key in (JUDGING | LEAVING) - {"name", "enabled"}:
                message = f"'{key}' has no effect with 'at_expiry'"
                yield source.diagnostic("RB122", ("exits", at, key), message, "remove it", at_key=True)
