"""The front door: two documents to their difference."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from rulebot.compile.build import build_plan
from rulebot.evaluate.phrases import listed
from rulebot.model.values import replace
from rulebot.review.change.choices import PLACE, changes_between, most_of
from rulebot.review.change.difference import Change, Difference, Kind, Loss, Status
from rulebot.review.change.entering import open_worst, trade_worst
from rulebot.review.change.facet import Bot, Sides
from rulebot.review.change.names import aligned, alternative_names, leg_names, structures, with_alternatives_called
from rulebot.review.change.parameters import split
from rulebot.review.change.reach import reach_of
from rulebot.review.risks import worst_day_amount
from rulebot.review.states import paths
from rulebot.review.subject import Subject, subject_of
from rulebot.spec.spec import Spec


def compare_bots(was: Bot, now: Bot) -> Difference:
    """Return what becomes of a bot."""
    alternatives = alternative_names(was.spec, now.spec)
    bare, by_parameter = split(was, now)
    new, bare = (with_alternatives_called(each, alternatives) for each in (now.spec, bare))
    names = leg_names(was.spec, new)
    symbol = shared_symbol(was.spec, now.spec)
    sides = Sides(subject(was.spec, symbol), subject(aligned(bare, was.spec, names), symbol))
    whole = Sides(sides.was, subject(aligned(new, was.spec, names), symbol))
    changes = (*_renamed_alternatives(alternatives), *_renamed_legs(names, new), *by_parameter, *_changes(sides))
    return Difference(
        name=now.spec.name,
        was_name=was.spec.name,
        about=now.spec.about,
        status=Status.CHANGED if changes else Status.SAME,
        changes=changes,
        losses=losses(whole),
        priorities=priorities(whole),
        states=_states(whole),
    )


def subject(spec: Spec, symbol: str = "") -> Subject:
    """Return a sound spec as a subject; a universe is read for its first symbol, or for the one that is named."""
    read, universe = spec, spec.universe
    if universe is not None and symbol:
        symbols = tuple(sorted(universe.symbols, key=lambda each: each != symbol))
        spec = replace(spec, underlyings=(symbol,))
        read = replace(spec, universe=replace(universe, symbols=symbols))
    plan, problems = build_plan(read, with_warnings=False)
    assert plan is not None, problems
    return subject_of(spec, plan)


def shared_symbol(was: Spec, now: Spec) -> str:
    """Return the symbol that two universes are compared by, the first that both have; "" when there is none."""
    if was.universe is None or now.universe is None:
        return ""
    return next((each for each in was.universe.symbols if each in now.universe.symbols), "")


def _changes(sides: Sides) -> tuple[Change, ...]:
    found = changes_between(sides)
    return (*found, *_priority(sides, found))


def _renamed_legs(names: Mapping[str, str], now: Spec) -> Iterator[Change]:
    standing = [(which, leg.name) for which, legs in structures(now).items() for leg in legs if leg.name in names]
    for which, new in standing:
        old, place = names[new], f"{PLACE}.{which}" if which else "legs"
        words = f"the same leg; in the sentences here it is called {old} as before"
        exits = _exits_called_after(new, now, old)
        yield Change(
            kind=Kind.RENAMED,
            path=f"{place}.{new}",
            was_path=f"{place}.{old}",
            old=old,
            new=new,
            words="; ".join(part for part in (words, exits) if part),
            is_worse=bool(exits),
            applies=reach_of("legs"),
        )


def _renamed_alternatives(names: Mapping[str, str]) -> Iterator[Change]:
    for new, old in names.items():
        words = f"the same structure; what is recorded stays under {old}, and here it is called so as before"
        path, was_path = (f"{PLACE}.{each}" for each in (new, old))
        yield Change(
            kind=Kind.RENAMED, path=path, was_path=was_path, old=old, new=new, words=words, applies=reach_of("legs")
        )


def _exits_called_after(leg: str, now: Spec, was: str) -> str:
    """Return which exits have another name with the leg, as it is told of one that is renamed by itself."""
    names = tuple(each.name for each in now.exits if each.name.endswith(f".{leg}"))
    before = listed(tuple(f"{name.removesuffix(leg)}{was}" for name in names), "and")
    return f"what is recorded stays under {before}, and an open position goes on by {before}" if names else ""


# ---------------------------------------------------------------- priority


def priorities(sides: Sides) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the exits in order of priority, before and after."""
    was, now = (tuple(planned.name for planned in side.exits) for side in sides.both)
    return was, now


def _priority(sides: Sides, found: Sequence[Change]) -> Iterator[Change]:
    """Say an order of exits that is another one, for those that both texts have."""
    renamed = {change.old: change.new for change in found if change.kind is Kind.RENAMED and _is_exit(change)}
    was, now = priorities(sides)
    old = [name for name in (renamed.get(each, each) for each in was) if name in now]
    new = [name for name in now if name in old]
    if old == new:
        return
    yield Change(
        path="exits",
        old=", ".join(old),
        new=", ".join(new),
        words=f"another priority: {_turned(old, new)}",
        is_worse=True,
        applies=reach_of("exits"),
    )


def _is_exit(change: Change) -> bool:
    return change.path.startswith("exits.")


def _turned(old: Sequence[str], new: Sequence[str]) -> str:
    """Return which exits now act where others did, when both hold."""
    overtaken = {
        name: [each for each in new[at + 1 :] if old.index(each) < old.index(name)] for at, name in enumerate(new)
    }
    said = [f"{name} acts where {listed(tuple(others), 'or')} did" for name, others in overtaken.items() if others]
    return f"when both hold at once, {', '.join(said)}"


# ---------------------------------------------------------------- what may be lost, states


def losses(sides: Sides) -> tuple[Loss, ...]:
    """Return the worst case of a trade, of all open at once, of a day; what nothing is known of has no bound."""
    return (
        _loss("a trade", sides, trade_worst),
        _loss("all open at once", sides, open_worst),
        _loss("a day", sides, worst_day_amount),
    )


def _loss(name: str, sides: Sides, amount: Callable[[Subject], Decimal | None]) -> Loss:
    return Loss(name, most_of(sides.was, amount), most_of(sides.now, amount))


def _states(sides: Sides) -> str:
    """Return which moves of a position came and went, "" when none did."""
    rows = [set(side.plan.lifecycle.rows) for side in sides.both]
    ways = [tuple(path.partition("   ")[0] for path in paths(side)) for side in sides.both]
    arcs = [{f"{row.state} ──{row.trigger}──▶ {row.next}" for row in found} for found in rows]
    lost = [*sorted(arcs[0] - arcs[1]), *(way for way in ways[0] if way not in ways[1])]
    came = [*sorted(arcs[1] - arcs[0]), *(way for way in ways[1] if way not in ways[0])]
    found = [f"{word}: {', '.join(each)}" for word, each in (("no longer", lost), ("new", came)) if each]
    return "; ".join(found)


def lone_bot(bot: Bot, status: Status) -> Difference:
    """Return a bot that only one side has."""
    side = subject(bot.spec)
    found = [(each.name, each.now) for each in losses(Sides(side, side))]
    nothing = Decimal(0)
    if status is Status.ADDED:
        told = tuple(Loss(name, nothing, amount) for name, amount in found)
    else:
        told = tuple(Loss(name, amount, nothing) for name, amount in found)
    return Difference(name=bot.spec.name, about=bot.spec.about, status=status, losses=told)
