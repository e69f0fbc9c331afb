"""Words that do nothing where they stand: what is written promises something, and nothing comes of it.

They are warnings, for a document may have taken over the rest from another one and can take no key of it away.
"""

from collections.abc import Iterator

from rulebot.spec.conditions import GROUPS, kind_of
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.model_files import MODELS, files_named
from rulebot.spec.nouns.condition import Path
from rulebot.spec.source import Plain, Source

Tree = dict[str, Plain]

_OF_A_LADDER = ("step", "wait", "tries", "pause", "adaptive")
_ALWAYS_KNOWN = ("time", "dte", "sessions_in_trade", "time_in_trade")
"""Exits that need no market data."""
_MOVES_A_STRIKE = ("multiple_of", "prefer_multiple_of", "at_least_from_spot", "not_below", "not_above")


def noop_keys(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """Yield RB304 for each word of the orders, the exits and the strikes that changes nothing beside its neighbours."""
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
            yield from _told(source, item, ("exits", at), ("unknown", "grace"), why)
    yield from _of_models(source, tree)
    legs = tree.get("legs")
    yield from _of_strikes(source, legs if isinstance(legs, dict) else {}, ("legs",))


def _is_always_known(item: Plain) -> bool:
    """Say whether a condition is one of the clock or of days, or a group of these."""
    if not isinstance(item, dict):
        return False
    kind = kind_of(item)
    if kind not in GROUPS:
        return kind in _ALWAYS_KNOWN
    members = item[kind]
    return all(map(_is_always_known, members if isinstance(members, list) else (members,)))


def _told(source: Source, tree: Tree, path: Path, keys: tuple[str, ...], why: str) -> Iterator[Diagnostic]:
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
        yield from _told(source, models, (MODELS,), unnamed, "no condition names that file")


# ---------------------------------------------------------------- orders


def _of_entry(source: Source, tree: Tree) -> Iterator[Diagnostic]:
    """What exits take over from `order` is not idle: they step and try until they are done."""
    order = tree.get("order")
    if not isinstance(order, dict):
        return
    yield from _of_natural(source, order, ("order",))
    if order.get("start") == "market" and "adaptive" in order:
        why = "an order at market has no price to step"
        yield from _told(source, order, ("order",), ("step",), why) if "exit_order" in tree else ()
    elif "exit_order" in tree:
        yield from _of_few_tries(source, order, ("order",), ("step", "pause"))


def _of_leaving(source: Source, order: Plain, path: Path, *, is_rolled: bool) -> Iterator[Diagnostic]:
    """An order that closes goes on until it is done, however many tries are written, but for one that rolls."""
    if not isinstance(order, dict):
        return
    yield from _of_natural(source, order, path)
    if order.get("start") == "market":
        yield from _told(source, order, path, _OF_A_LADDER, "an exit at market is one order, without a next try")
    elif order.get("then") == "market":
        yield from _of_few_tries(source, order, path, ("step", "pause"))
    elif not is_rolled:
        why = "it goes on until it is done; 'then: market' ends it after so many tries"
        yield from _told(source, order, path, ("tries",), why)


def _of_natural(source: Source, order: Tree, path: Path) -> Iterator[Diagnostic]:
    """Each try of an order that starts at natural is at natural, also of one that exits take over."""
    if order.get("start") == "natural":
        yield from _told(source, order, path, ("step",), "each try is at natural, and none goes past it")


def _of_roll(source: Source, item: Tree, path: Path) -> Iterator[Diagnostic]:
    """An exit that holds where it finds nothing to roll into closes nothing."""
    roll, order = item.get("roll"), item.get("order")
    if isinstance(roll, dict) and isinstance(order, dict) and roll.get("else", "hold") == "hold":
        why = "a roll that is not filled after its tries holds until the next session"
        yield from _told(source, order, path, ("then",), why)


def _of_few_tries(source: Source, order: Tree, path: Path, keys: tuple[str, ...]) -> Iterator[Diagnostic]:
    """What belongs to a second try does nothing where there is but one, a third priority where there are two."""
    tries, priorities = order.get("tries", 1), order.get("adaptive")
    if tries == 1:
        told = tuple(key for key in keys if key != "step" or order.get("start") != "natural")
        yield from _told(source, order, path, told, "there is one try")
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
        yield from _told(source, strike, here, ("round",), f"it is the strike of {strike['at']}")
        if not any(key in strike for key in _MOVES_A_STRIKE):
            yield from _told(source, strike, here, ("within",), f"it is the strike of {strike['at']}, or no trade")
