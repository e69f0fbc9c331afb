"""Two lists of parts to changes: matched by name, then by equal meaning, then by place."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from rulebot.compile.plan import ExitPlan
from rulebot.review.change.account import came_and_went
from rulebot.review.change.exits import removed_exit
from rulebot.review.change.field import NOTHING, BotSection, Change, Edit, Effect, Kind, Sides, reach_of
from rulebot.review.change.legs import leg_gained, leg_lost
from rulebot.review.change.rules import ADDED, LISTS, REMOVED, symbols_in
from rulebot.spec.nouns import Alternative, Condition, ExpressionTest, Group, Leg
from rulebot.spec.spec import Spec

Pair = tuple[BotSection, BotSection]


def match_edits(sides: Sides, was: Sequence[BotSection], now: Sequence[BotSection]) -> tuple[Change, ...]:
    """Return every change between two bots' parts, in the order of the new text, what is gone at its section's end."""
    matched = _Matched(was, now)
    found = [change for pair in matched.pairs for change in _edits(pair, sides)]
    found += [_renamed(pair) for pair in matched.renamed]
    found += [_moved(pair) for pair in matched.moved]
    found += [_alone(part, Kind.REMOVED, _lost(part, sides)) for part in matched.gone]
    found += [_alone(part, Kind.ADDED, _gained(part, sides)) for part in matched.come]
    order = _order(was, now)
    return tuple(sorted(found, key=lambda change: _at(change, order)))


def _order(was: Sequence[BotSection], now: Sequence[BotSection]) -> dict[str, int]:
    """Return the place of each path: as in the new spec, removed ones after their section's last."""
    places = list(dict.fromkeys(part.place for part in (*now, *was)))
    ranked = sorted((*now, *was), key=lambda part: places.index(part.place))
    return {part.path: at for at, part in reversed(list(enumerate(ranked)))}


def _at(change: Change, order: Mapping[str, int]) -> int:
    """Return the rank of the longest path above a change's own."""
    path = change.path
    while path and path not in order:
        path = path.rpartition(".")[0]
    return order.get(path, 0)


class _Matched:
    """Which part of the old text is which of the new."""

    def __init__(self, was: Sequence[BotSection], now: Sequence[BotSection]) -> None:
        old, new = ({part.path: part for part in parts} for parts in (was, now))
        self.pairs: list[Pair] = [(old[path], new[path]) for path in new if path in old]
        self.renamed: list[Pair] = []
        self.moved: list[Pair] = []
        self.gone = [part for path, part in old.items() if path not in new]
        self.come = [part for path, part in new.items() if path not in old]
        self._follow(self.renamed, lambda old, new: old.place == new.place and old.meaning == new.meaning)
        self._follow(self.renamed, lambda old, new: old.place == new.place and _head(old) == _head(new))
        self._follow(self.moved, lambda old, new: {old.place, new.place} <= LISTS.keys() and _test(old) == _test(new))
        self.pairs += self.renamed

    def _follow(self, into: list[Pair], is_same: Callable[[BotSection, BotSection], bool]) -> None:
        for part in tuple(self.gone):
            known = [each for each in self.come if None not in (part.meaning, each.meaning)]
            duplicate = next((each for each in known if is_same(part, each)), None)
            if duplicate is not None:
                into.append((part, duplicate))
                self.gone.remove(part)
                self.come.remove(duplicate)


def _head(part: BotSection) -> object:
    """Return what makes a rule act, without its other words; a leg or a let has nothing else."""
    return part.meaning[0] if part.place in LISTS else part.meaning


def _test(part: BotSection) -> object:
    return part.meaning[0] if part.place in LISTS and part.meaning else part


# ---------------------------------------------------------------- one part


def _edits(pair: Pair, sides: Sides) -> Iterator[Change]:
    was, now = pair
    if "enabled" in was.facets and was.facets["enabled"].value != now.facets["enabled"].value:
        yield _edited("enabled", pair, sides)
        return
    for key in dict.fromkeys((*now.facets, *was.facets)):
        if key in was.facets and key in now.facets and _differ(was, now, key):
            yield _edited(key, pair, sides)


def _differ(was: BotSection, now: BotSection, key: str) -> bool:
    old, new = was.facets[key], now.facets[key]
    renamed = was.name != now.name and not key and _head(was) == _head(now)
    return old.value != new.value and (old.is_written or new.is_written) and not renamed


def _edited(key: str, pair: Pair, sides: Sides) -> Change:
    was, now = pair
    old, new = was.facets[key], now.facets[key]
    was_path, path = (".".join(each for each in (part.path, key) if each) for part in pair)
    edit = Edit(path=path, old=old.value, new=new.value, was=was, now=now, sides=sides)
    effect = new.judge(edit)
    symbols = symbols_in(old.value), symbols_in(new.value)
    listed = came_and_went(*symbols) if set(symbols[0]) != set(symbols[1]) else ""
    return Change(
        path=path,
        was_path="" if was_path == path else was_path,
        old=old.said,
        new=new.said,
        words="; ".join(part for part in (listed, effect.words) if part),
        is_worse=effect.is_worse,
        applies=reach_of(path),
    )


def _renamed(pair: Pair) -> Change:
    was, now = pair
    pinned = ", and an open position continues under that name" if was.place == "exits" else ""
    words = f"what is recorded stays under '{was.name}'{pinned}"
    return Change(
        kind=Kind.RENAMED,
        path=now.path,
        was_path=was.path,
        old=was.name,
        new=now.name,
        words=words if was.place in LISTS else "only its name",
        is_worse=was.place in LISTS,
        applies=reach_of(now.path),
    )


def _moved(pair: Pair) -> Change:
    was, now = pair
    words = f"it was a rule of {was.place} ({LISTS[was.place]}) and is one of {now.place} ({LISTS[now.place]})"
    return Change(
        kind=Kind.MOVED,
        path=now.path,
        was_path=was.path,
        old=was.path,
        new=now.path,
        words=f"{words}: {now.said}",
        is_worse=True,
        applies=reach_of(now.path),
    )


def _alone(part: BotSection, kind: Kind, effect: Effect) -> Change:
    return Change(
        kind=kind,
        path=part.path,
        old=part.said if kind is Kind.REMOVED else "",
        new=part.said if kind is Kind.ADDED else "",
        words=effect.words,
        is_worse=effect.is_worse,
        applies=reach_of(part.path),
    )


def _lost(part: BotSection, sides: Sides) -> Effect:
    if part.place in REMOVED:
        return Effect(REMOVED[part.place], is_worse=True)
    if isinstance(part.noun, ExitPlan):
        return removed_exit(part.noun, sides)
    return leg_lost(part.noun, sides) if isinstance(part.noun, Leg) else NOTHING


def _gained(part: BotSection, sides: Sides) -> Effect:
    if part.place in ADDED:
        return Effect(ADDED[part.place])
    if isinstance(part.noun, ExitPlan):
        names = [planned.name for planned in sides.now.exits]
        return Effect(f"priority {names.index(part.name) + 1} of {len(names)}")
    return leg_gained(part.noun, sides) if isinstance(part.noun, Leg) else NOTHING


# --- Legs that have another name and are the same otherwise


def leg_names(was: Spec, now: Spec) -> dict[str, str]:
    """Return the old name of every leg that was renamed, by its new one.

    Of a choice those that mean the same leg in every alternative: references outside of them name it for all.
    """
    old, new = structures(was), structures(now)
    duplicates = {name: _duplicates(old[before], new[name]) for before, name in paired(old, new)}
    found: dict[str, str] = {}
    for each in duplicates.values():
        found |= {name: before for name, before in each.items() if _means_one(name, before, duplicates, new)}
    return found


def structures(spec: Spec) -> dict[str, tuple[Leg, ...]]:
    """Return the legs of each alternative by its name; by "" those of a bot without a choice."""
    return {each.name: each.legs for each in spec.legs.choose} or {"": spec.legs.legs}


def paired(was: Iterable[str], now: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of alternatives to compare; where only one spec has a choice, its first is compared."""
    old, new = list(was), list(now)
    if ("" in old) is not ("" in new):
        yield old[0], new[0]
        return
    yield from ((name, name) for name in new if name in old)


def _duplicates(was: tuple[Leg, ...], now: tuple[Leg, ...]) -> dict[str, str]:
    old, new = ({leg.name: leg for leg in legs} for legs in (was, now))
    gone = [leg for name, leg in old.items() if name not in new]
    come = [leg for name, leg in new.items() if name not in old]
    found: dict[str, str] = {}
    for _ in come:  # a leg may refer to another that was renamed too
        for leg in come:
            duplicate = next(
                (each for each in gone if each.name not in found.values() and _is_same(each, leg, found)), None
            )
            if leg.name not in found and duplicate is not None:
                found[leg.name] = duplicate.name
    return found


def _is_same(was: Leg, now: Leg, names: Mapping[str, str]) -> bool:
    return bool(_placeless(_renamed_names(now, {**names, now.name: was.name})) == _placeless(was))


def _placeless(value: Any) -> Any:
    """Return a leg, an alternative, or a part of it, without its place."""
    if isinstance(value, tuple):
        return tuple(_placeless(each) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    kept = {f.name: _placeless(getattr(value, f.name)) for f in fields(value)}
    return replace(value, **{name: () if name == "path" else each for name, each in kept.items()})


def _means_one(
    name: str, was: str, duplicates: Mapping[str, Mapping[str, str]], legs: Mapping[str, tuple[Leg, ...]]
) -> bool:
    """Say whether a new name means the same old leg everywhere."""
    standing = [each for each, found in legs.items() if name in (leg.name for leg in found)]
    return all(duplicates[each].get(name) == was for each in standing if each in duplicates)


def alternative_names(was: Spec, now: Spec) -> dict[str, str]:
    """Return the old name of every alternative that has another name and is the same otherwise, by its new one."""
    old, new = ({each.name: each for each in spec.legs.choose} for spec in (was, now))
    gone = {name: _placeless(each) for name, each in old.items() if name not in new}
    found: dict[str, str] = {}
    for name, each in new.items():
        left = [other for other in gone if name not in old and other not in found.values()]
        duplicate = next((other for other in left if _placeless(_called(each, other)) == gone[other]), None)
        if duplicate is not None:
            found[name] = duplicate
    return found


def _called(alternative: Alternative, name: str) -> Alternative:
    """Return an alternative by another name, which its rules begin with."""
    found: Alternative = _prefixed(replace(alternative, name=name), f"{alternative.name}.", f"{name}.")
    return found


def _prefixed(value: Any, was: str, now: str) -> Any:
    if isinstance(value, tuple):
        return tuple(_prefixed(each, was, now) for each in value)
    if isinstance(value, Condition) and value.name.startswith(was):
        value = replace(value, name=f"{now}{value.name.removeprefix(was)}")
    if not isinstance(value, Alternative | Condition | Group):
        return value
    return replace(value, **{f.name: _prefixed(getattr(value, f.name), was, now) for f in fields(value)})


def with_alternatives_called(spec: Spec, names: Mapping[str, str]) -> Spec:
    """Return the spec with its alternatives called by their old names."""
    choose = tuple(_called(each, names.get(each.name, each.name)) for each in spec.legs.choose)
    return replace(spec, legs=replace(spec.legs, choose=choose)) if names else spec


def aligned(spec: Spec, was: Spec, names: Mapping[str, str]) -> Spec:
    """Return the spec with its legs called by their old names and in their old order: that of keys means nothing."""
    renamed: Spec = _renamed_names(spec, names) if names else spec
    old = {each.name: each.legs for each in was.legs.choose}
    choose = tuple(replace(each, legs=_in_order(each.legs, old.get(each.name, ()))) for each in renamed.legs.choose)
    legs = replace(renamed.legs, legs=_in_order(renamed.legs.legs, was.legs.legs), choose=choose)
    return replace(renamed, legs=legs)


def _in_order(legs: tuple[Leg, ...], was: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Return the legs in the order of others by their names, new ones last."""
    order = [leg.name for leg in was]
    return tuple(sorted(legs, key=lambda leg: order.index(leg.name) if leg.name in order else len(order)))


def _renamed_names(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str) and not isinstance(value, Enum):
        return _name(value, names)
    if isinstance(value, tuple):
        return tuple(_renamed_names(each, names) for each in value)
    if isinstance(value, Mapping):
        return {key: _renamed_names(each, names) for key, each in value.items()}
    if isinstance(value, ExpressionTest):
        words = re.compile(r"[a-z_][a-z0-9_]*")
        return replace(value, text=words.sub(lambda found: names.get(found[0], found[0]), value.text))
    if is_dataclass(value) and not isinstance(value, type):
        kept = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in ("path", "about", "accept")}
        return replace(value, **{name: _renamed_names(each, names) for name, each in kept.items()})
    return value


def _name(text: str, names: Mapping[str, str]) -> str:
    """Return a leg's old name, also at the end of a rule's that follows from it: `quote_width.long_spx`."""
    first, dot, leg = text.rpartition(".")
    return f"{first}{dot}{names[leg]}" if leg in names else text
