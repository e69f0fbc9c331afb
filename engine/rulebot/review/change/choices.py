"""Edits of a bot with a choice: alternatives of one name are compared as bots that have no other structure.

What both texts say for all alternatives is found in each pair, and told once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from rulebot.evaluate.phrases import listed
from rulebot.review.change.difference import Change, Kind
from rulebot.review.change.edits import match_edits
from rulebot.review.change.facet import Sides
from rulebot.review.change.key import Key
from rulebot.review.change.names import paired
from rulebot.review.change.parts import parts_of
from rulebot.review.change.reach import reach_of
from rulebot.review.change.rules import JUDGING
from rulebot.review.subject import Subject

PLACE = "legs.choose"
_OF_ALL = "legs.if_held"


def changes_between(sides: Sides) -> tuple[Change, ...]:
    """Return every change between two bots, in the order of the new text."""
    if not any(side.alternatives for side in sides.both):
        return match_edits(sides, parts_of(sides.was), parts_of(sides.now))
    was, now = (_alternatives(side) for side in sides.both)
    found = [(new, change) for old, new in paired(was, now) for change in _of_one(new, Sides(was[old], now[new]))]
    return (*_choice(list(was), list(now)), *_told_once(found))


def _of_one(name: str, pair: Sides) -> Iterator[Change]:
    return (_placed(each, name, pair) for each in match_edits(pair, parts_of(pair.was), parts_of(pair.now)))


def _told_once(found: Sequence[tuple[str, Change]]) -> Iterator[Change]:
    """Yield every edit once: what it comes to is told of each alternative for which that is something else."""
    edits: dict[Change, dict[str, Change]] = {}
    for name, change in found:
        edits.setdefault(replace(change, words="", is_worse=False), {})[name] = change
    for edit, told in edits.items():
        by_words: dict[str, list[str]] = {}
        for name, change in told.items():
            by_words.setdefault(change.words, []).append(name)
        each = (f"{listed(tuple(names), 'and')}: {words}" for words, names in by_words.items() if words)
        words = next(iter(by_words)) if len(by_words) == 1 else "; ".join(each)
        yield replace(edit, words=words, is_worse=any(change.is_worse for change in told.values()))


def most_of(subject: Subject, amount: Callable[[Subject], Decimal | None]) -> Decimal | None:
    """Return the most of all alternatives, None as soon as one has no bound."""
    found = [amount(each) for each in _alternatives(subject).values()]
    known = [each for each in found if each is not None]
    return max(known) if len(known) == len(found) else None


def _alternatives(subject: Subject) -> dict[str, Subject]:
    return dict(subject.alternatives) or {"": subject}


def _choice(was: list[str], now: list[str]) -> Iterator[Change]:
    """Yield what becomes of the choice as such: alternatives that came, went, or stand in another order."""
    applies = reach_of("legs")
    if "" in was or "" in now:
        kind = Kind.ADDED if "" in was else Kind.REMOVED
        words = "the market decides which structure is entered" if "" in was else "always the same structure"
        yield Change(kind=kind, path=PLACE, old=_said(was), new=_said(now), words=words, is_worse=True, applies=applies)
        return
    for name in (each for each in now if each not in was):
        words = "another structure that may be entered"
        yield Change(kind=Kind.ADDED, path=f"{PLACE}.{name}", new=name, words=words, is_worse=True, applies=applies)
    for name in (each for each in was if each not in now):
        words = "a structure less; where it was taken, the next that holds is, or none"
        yield Change(kind=Kind.REMOVED, path=f"{PLACE}.{name}", old=name, words=words, is_worse=True, applies=applies)
    old, new = [each for each in was if each in now], [each for each in now if each in was]
    if old != new:
        words = "where several hold another one is taken"
        yield Change(path=PLACE, old=_said(old), new=_said(new), words=words, is_worse=True, applies=applies)


def _said(names: list[str]) -> str:
    return listed(tuple(names), "and") if names != [""] else ""


def _placed(change: Change, name: str, sides: Sides) -> Change:
    """Return a change at the place where the text of a bot with a choice says it."""
    if not name:
        return change
    path, was_path = (_path(each, name, sides) for each in (change.path, change.was_path))
    reaches = tuple(_placed(each, name, sides) for each in change.reaches)
    return replace(change, path=path, was_path=was_path, reaches=reaches)


def _path(path: str, name: str, sides: Sides) -> str:
    for of_plain, key in (("entry.when", "when"), ("legs.require", "require")):
        if path.startswith(f"{of_plain}.{name}.") and not _is_judging(path.removeprefix(f"{of_plain}.{name}.")):
            return f"{PLACE}.{name}.{key}.{path.removeprefix(f'{of_plain}.{name}.')}"
        if path.startswith(f"{of_plain}."):
            return path
    if not path.startswith("legs.") or path == _OF_ALL or _is_shared_expiry(path, sides):
        return path
    return f"{PLACE}.{name}.{path.removeprefix('legs.')}"


def _is_judging(rest: str) -> bool:
    """Say whether a rule of all is meant that is called as the alternative is: `entry.when.vix.confirm`."""
    return any(isinstance(key, Key) and key.key == rest for key in JUDGING.values())


def _is_shared_expiry(path: str, sides: Sides) -> bool:
    """Say whether it is the expiry that stands in `legs` for all, in both texts."""
    written = (side.spec.legs.expiry for side in sides.both)
    where = [each.path for each in written if each is not None]
    return path.startswith("legs.expiry") and all(each == ("legs", "expiry") for each in where)
