"""Legs that have another name and are the same otherwise: what speaks of them is compared as if nothing was renamed."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any

from rulebot.spec.nouns.condition import Condition, ExpressionTest, Group
from rulebot.spec.nouns.legs import Alternative, Leg
from rulebot.spec.spec import Spec


def leg_names(was: Spec, now: Spec) -> dict[str, str]:
    """Return the old name of every leg that was renamed, by its new one.

    Of a choice those that mean the same leg in every alternative: what stands outside of them names it for all.
    """
    old, new = structures(was), structures(now)
    twins = {name: _twins(old[before], new[name]) for before, name in paired(old, new)}
    found: dict[str, str] = {}
    for each in twins.values():
        found |= {name: before for name, before in each.items() if _means_one(name, before, twins, new)}
    return found


def structures(spec: Spec) -> dict[str, tuple[Leg, ...]]:
    """Return the legs of each alternative by its name; by "" those of a bot without a choice."""
    return {each.name: each.legs for each in spec.legs.choose} or {"": spec.legs.legs}


def paired(was: Iterable[str], now: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield which alternative is held against which; where only one text has a choice, the first stands for all."""
    old, new = list(was), list(now)
    if ("" in old) is not ("" in new):
        yield old[0], new[0]
        return
    yield from ((name, name) for name in new if name in old)


def _twins(was: tuple[Leg, ...], now: tuple[Leg, ...]) -> dict[str, str]:
    old, new = ({leg.name: leg for leg in legs} for legs in (was, now))
    gone = [leg for name, leg in old.items() if name not in new]
    come = [leg for name, leg in new.items() if name not in old]
    found: dict[str, str] = {}
    for _ in come:  # a leg may refer to another that was renamed too
        for leg in come:
            twin = next((each for each in gone if each.name not in found.values() and _is_same(each, leg, found)), None)
            if leg.name not in found and twin is not None:
                found[leg.name] = twin.name
    return found


def _is_same(was: Leg, now: Leg, names: Mapping[str, str]) -> bool:
    return bool(_placeless(_renamed(now, {**names, now.name: was.name})) == _placeless(was))


def _placeless(value: Any) -> Any:
    """Return a leg, an alternative, or a part of it, without where it stands."""
    if isinstance(value, tuple):
        return tuple(_placeless(each) for each in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    kept = {f.name: _placeless(getattr(value, f.name)) for f in fields(value)}
    return replace(value, **{name: () if name == "path" else each for name, each in kept.items()})


def _means_one(
    name: str, was: str, twins: Mapping[str, Mapping[str, str]], legs: Mapping[str, tuple[Leg, ...]]
) -> bool:
    """Say whether a new name is that of the same old leg wherever it stands."""
    standing = [each for each, found in legs.items() if name in (leg.name for leg in found)]
    return all(twins[each].get(name) == was for each in standing if each in twins)


def alternative_names(was: Spec, now: Spec) -> dict[str, str]:
    """Return the old name of every alternative that has another name and is the same otherwise, by its new one."""
    old, new = ({each.name: each for each in spec.legs.choose} for spec in (was, now))
    gone = {name: _placeless(each) for name, each in old.items() if name not in new}
    found: dict[str, str] = {}
    for name, each in new.items():
        left = [other for other in gone if name not in old and other not in found.values()]
        twin = next((other for other in left if _placeless(_called(each, other)) == gone[other]), None)
        if twin is not None:
            found[name] = twin
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
    renamed: Spec = _renamed(spec, names) if names else spec
    old = {each.name: each.legs for each in was.legs.choose}
    choose = tuple(replace(each, legs=_in_order(each.legs, old.get(each.name, ()))) for each in renamed.legs.choose)
    legs = replace(renamed.legs, legs=_in_order(renamed.legs.legs, was.legs.legs), choose=choose)
    return replace(renamed, legs=legs)


def _in_order(legs: tuple[Leg, ...], was: tuple[Leg, ...]) -> tuple[Leg, ...]:
    """Return the legs in the order of others by their names, new ones last."""
    order = [leg.name for leg in was]
    return tuple(sorted(legs, key=lambda leg: order.index(leg.name) if leg.name in order else len(order)))


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, str) and not isinstance(value, Enum):
        return _name(value, names)
    if isinstance(value, tuple):
        return tuple(_renamed(each, names) for each in value)
    if isinstance(value, Mapping):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, ExpressionTest):
        words = re.compile(r"[a-z_][a-z0-9_]*")
        return replace(value, text=words.sub(lambda found: names.get(found[0], found[0]), value.text))
    if is_dataclass(value) and not isinstance(value, type):
        kept = {f.name: getattr(value, f.name) for f in fields(value) if f.name not in ("path", "about", "accept")}
        return replace(value, **{name: _renamed(each, names) for name, each in kept.items()})
    return value


def _name(text: str, names: Mapping[str, str]) -> str:
    """Return a leg's old name, also at the end of a rule's that follows from it: `quote_width.long_spx`."""
    first, dot, leg = text.rpartition(".")
    return f"{first}{dot}{names[leg]}" if leg in names else text
