"""Two lists of parts to changes: matched by name, then by equal meaning, then by place."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from rulebot.compile.plan import ExitPlan
from rulebot.review.change.difference import Change, Kind
from rulebot.review.change.facet import NOTHING, BotSection, Edit, Sides, Verdict
from rulebot.review.change.leaving import removed_exit
from rulebot.review.change.legs import leg_gained, leg_lost
from rulebot.review.change.reach import reach_of
from rulebot.review.change.rules import ADDED, LISTS, REMOVED, symbols_in
from rulebot.review.change.universe import came_and_went
from rulebot.spec.nouns.legs import Leg

Pair = tuple[BotSection, BotSection]


def match_edits(sides: Sides, was: Sequence[BotSection], now: Sequence[BotSection]) -> tuple[Change, ...]:
    """Return every change between two bots' parts, in the order of the new text, what is gone at its section's end."""
    matched = _Matched(was, now)
    found = [change for pair in matched.pairs for change in _edits(pair, sides)]
    found += [_renamed(pair) for pair in matched.renamed]
    found += [_moved(pair) for pair in matched.moved]
    found += [_removed(part, sides) for part in matched.gone]
    found += [_added(part, sides) for part in matched.come]
    order = _order(was, now)
    return tuple(sorted(found, key=lambda change: _at(change, order)))


def _order(was: Sequence[BotSection], now: Sequence[BotSection]) -> dict[str, int]:
    """Return where each path stands: as in the new text, what is gone behind its section's last."""
    places = list(dict.fromkeys(part.place for part in (*now, *was)))
    ranked = sorted((*now, *was), key=lambda part: places.index(part.place))
    return {part.path: at for at, part in reversed(list(enumerate(ranked)))}


def _at(change: Change, order: Mapping[str, int]) -> int:
    """Return the rank of the longest path that a change's own stands below."""
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
            twin = next((each for each in known if is_same(part, each)), None)
            if twin is not None:
                into.append((part, twin))
                self.gone.remove(part)
                self.come.remove(twin)


def _head(part: BotSection) -> object:
    """Return what makes a rule act, whatever is said beside it; a leg or a let has nothing else."""
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
    verdict = new.judge(edit)
    symbols = symbols_in(old.value), symbols_in(new.value)
    listed = came_and_went(*symbols) if set(symbols[0]) != set(symbols[1]) else ""
    return Change(
        path=path,
        was_path="" if was_path == path else was_path,
        old=old.said,
        new=new.said,
        words="; ".join(part for part in (listed, verdict.words) if part),
        is_worse=verdict.is_worse,
        applies=reach_of(path),
    )


def _renamed(pair: Pair) -> Change:
    was, now = pair
    pinned = ", and an open position goes on by that name" if was.place == "exits" else ""
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


def _removed(part: BotSection, sides: Sides) -> Change:
    verdict = _lost(part, sides)
    return Change(
        kind=Kind.REMOVED,
        path=part.path,
        old=part.said,
        words=verdict.words,
        is_worse=verdict.is_worse,
        applies=reach_of(part.path),
    )


def _lost(part: BotSection, sides: Sides) -> Verdict:
    if part.place in REMOVED:
        return Verdict(REMOVED[part.place], is_worse=True)
    if isinstance(part.noun, ExitPlan):
        return removed_exit(part.noun, sides)
    return leg_lost(part.noun, sides) if isinstance(part.noun, Leg) else NOTHING


def _added(part: BotSection, sides: Sides) -> Change:
    verdict = _gained(part, sides)
    return Change(
        kind=Kind.ADDED,
        path=part.path,
        new=part.said,
        words=verdict.words,
        is_worse=verdict.is_worse,
        applies=reach_of(part.path),
    )


def _gained(part: BotSection, sides: Sides) -> Verdict:
    if part.place in ADDED:
        return Verdict(ADDED[part.place])
    if isinstance(part.noun, ExitPlan):
        names = [planned.name for planned in sides.now.exits]
        return Verdict(f"priority {names.index(part.name) + 1} of {len(names)}")
    return leg_gained(part.noun, sides) if isinstance(part.noun, Leg) else NOTHING
