"""The front door: two documents to their difference."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import PurePath

from rulebot.compile.build import build_plan
from rulebot.measure.words import listed
from rulebot.model.errors import MisuseError
from rulebot.model.values import replace
from rulebot.review.change.account import account_difference, compare_accounts, compare_universes, universe_difference
from rulebot.review.change.entry import open_worst, trade_worst
from rulebot.review.change.field import ORDER, Bot, Change, Difference, Key, Kind, Loss, Sides, Status, reach_of
from rulebot.review.change.match import (
    aligned,
    alternative_names,
    leg_names,
    match_edits,
    paired,
    structures,
    with_alternatives_called,
)
from rulebot.review.change.parts import parts_of
from rulebot.review.change.rules import JUDGING
from rulebot.review.example import Subject, subject_of
from rulebot.review.risk import worst_day_amount
from rulebot.review.states import paths
from rulebot.spec.extends import ReadSibling
from rulebot.spec.load import Loaded, load, with_digest
from rulebot.spec.nouns import AccountDocument
from rulebot.spec.scalar import day_time, operand, seconds
from rulebot.spec.spec import Spec, UniverseDocument
from rulebot.spec.yaml import plain_scalar, read_source

# --- Edits of a bot with a choice

PLACE = "legs.choose"
_OF_ALL = "legs.on_conflict"


def changes_between(sides: Sides) -> tuple[Change, ...]:
    """Return every change between two bots, in the order of the new text."""
    if not any(side.alternatives for side in sides.both):
        return match_edits(sides, parts_of(sides.was), parts_of(sides.now))
    was, now = (_alternatives(side) for side in sides.both)
    found = [(new, change) for old, new in paired(was, now) for change in _of_one(new, Sides(was[old], now[new]))]
    return (*_choice(list(was), list(now)), *_reported_once(found))


def _of_one(name: str, pair: Sides) -> Iterator[Change]:
    return (_placed(each, name, pair) for each in match_edits(pair, parts_of(pair.was), parts_of(pair.now)))


def _reported_once(found: Sequence[tuple[str, Change]]) -> Iterator[Change]:
    """Yield every edit once, and for alternatives with another effect that too."""
    edits: dict[Change, dict[str, Change]] = {}
    for name, change in found:
        edits.setdefault(replace(change, words="", is_worse=False), {})[name] = change
    for edit, reported in edits.items():
        by_words: dict[str, list[str]] = {}
        for name, change in reported.items():
            by_words.setdefault(change.words, []).append(name)
        each = (f"{listed(tuple(names), 'and')}: {words}" for words, names in by_words.items() if words)
        words = next(iter(by_words)) if len(by_words) == 1 else "; ".join(each)
        yield replace(edit, words=words, is_worse=any(change.is_worse for change in reported.values()))


def most_of(subject: Subject, amount: Callable[[Subject], Decimal | None]) -> Decimal | None:
    """Return the most of all alternatives, None as soon as one has no bound."""
    found = [amount(each) for each in _alternatives(subject).values()]
    known = [each for each in found if each is not None]
    return max(known) if len(known) == len(found) else None


def _alternatives(subject: Subject) -> dict[str, Subject]:
    return dict(subject.alternatives) or {"": subject}


def _choice(was: list[str], now: list[str]) -> Iterator[Change]:
    """Yield changes of the choice itself: alternatives that came, went, or have another order."""
    change = partial(Change, is_worse=True, applies=reach_of("legs"))
    if "" in was or "" in now:
        kind = Kind.ADDED if "" in was else Kind.REMOVED
        words = "the market decides which structure is entered" if "" in was else "always the same structure"
        yield change(kind=kind, path=PLACE, old=_said(was), new=_said(now), words=words)
        return
    for name in (each for each in now if each not in was):
        words = "another structure that may be entered"
        yield change(kind=Kind.ADDED, path=f"{PLACE}.{name}", new=name, words=words)
    for name in (each for each in was if each not in now):
        words = "a structure less; where it was taken, the next that holds is, or none"
        yield change(kind=Kind.REMOVED, path=f"{PLACE}.{name}", old=name, words=words)
    both = set(was) & set(now)
    old, new = sorted(both, key=was.index), sorted(both, key=now.index)
    if old != new:
        yield change(path=PLACE, old=_said(old), new=_said(new), words="where several hold another one is taken")


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
    """Say whether it is the expiry in `legs` for all, in both specs."""
    written = (side.spec.legs.expiry for side in sides.both)
    where = [each.path for each in written if each is not None]
    return path.startswith("legs.expiry") and all(each == ("legs", "expiry") for each in where)


# --- Parameters with another default


def split(was: Bot, now: Bot) -> tuple[Spec, tuple[Change, ...]]:
    """Return the new spec with the old defaults, and the effect of each new default.

    A default that is invalid in the new spec is no separate change: everything it reaches is reported.
    """
    old, new = _texts(was.spec), _texts(now.spec)
    changed = [name for name in new if name in old and _meaning(old[name]) != _meaning(new[name])]
    before = {name: old[name] for name in changed}
    bare = _with(now, before)
    found = [_new_default(name, now, bare, before, new[name]) for name in changed] if bare is not None else []
    found += [_plain(name, old[name], new[name]) for name in changed if bare is None]
    found += [
        Change(kind=Kind.ADDED, path=f"parameters.{name}", new=new[name], words=_SETTABLE)
        for name in new
        if name not in old
    ]
    found += [
        Change(kind=Kind.REMOVED, path=f"parameters.{name}", old=old[name], words=_FIXED)
        for name in old
        if name not in new
    ]
    return (now.spec if bare is None else bare.spec), tuple(found)


_SETTABLE = "--set may give it another value"
_FIXED = "--set may no longer give it another value"


def _texts(spec: Spec) -> dict[str, str]:
    return {parameter.name: parameter.text.strip().strip("\"'") for parameter in spec.parameters}


def _meaning(text: str) -> object:
    """Return what a default says, however it is written: `10 pts` and `10.0 pts` say the same."""
    plain = plain_scalar(text)
    said = ((read.__name__, read(plain)) for read in (seconds, day_time, operand))
    return next((each for each in said if each[1] is not None), plain)


def _with(bot: Bot, defaults: dict[str, str]) -> Subject | None:
    """Return a bot with these values for its parameters, None when its text does not take them."""
    loaded = load(bot.loaded.source, overrides=defaults)
    if loaded.spec is None:
        return None
    plan = build_plan(loaded.spec, with_warnings=False)[0]
    return None if plan is None else subject_of(loaded.spec, plan)


def _new_default(name: str, now: Bot, bare: Subject, before: dict[str, str], text: str) -> Change:
    """Return one default with what it alone changes, all others as they were."""
    alone = _with(now, {other: value for other, value in before.items() if other != name})
    if alone is None:
        return _plain(name, before[name], text)
    return _reaching(name, before[name], text, changes_between(Sides(bare, alone)))


def _reaching(name: str, old: str, new: str, reached: tuple[Change, ...]) -> Change:
    applies = [change.applies for change in reached]
    latest = max((ORDER.index(each) for each in applies if each in ORDER), default=0)
    said = dict.fromkeys(change.words for change in reached if change.words)
    places = ", ".join(change.path for change in reached)
    return Change(
        path=f"parameters.{name}",
        old=old,
        new=new,
        words="; ".join((*said, f"reaches {places}")) if reached else "nothing that it reaches changes",
        is_worse=any(change.is_worse for change in reached),
        applies=ORDER[latest],
        reaches=reached,
    )


def _plain(name: str, old: str, new: str) -> Change:
    """Return a default of which only the values can be shown: what it reaches is reported below."""
    return Change(path=f"parameters.{name}", old=old, new=new, applies=reach_of("parameters"))


# --- The front door


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
    """Return which exits are renamed with the leg, as reported for a leg that is renamed alone."""
    names = tuple(each.name for each in now.exits if each.name.endswith(f".{leg}"))
    before = listed(tuple(f"{name.removesuffix(leg)}{was}" for name in names), "and")
    return f"what is recorded stays under {before}, and an open position continues under {before}" if names else ""


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


def bot_difference(bot: Bot, status: Status) -> Difference:
    """Return a bot that only one side has."""
    side = subject(bot.spec)
    found = [(each.name, each.now) for each in losses(Sides(side, side))]
    nothing = Decimal(0)
    if status is Status.ADDED:
        reported = tuple(Loss(name, nothing, amount) for name, amount in found)
    else:
        reported = tuple(Loss(name, amount, nothing) for name, amount in found)
    return Difference(name=bot.spec.name, about=bot.spec.about, status=status, losses=reported)


# --- Two sets of documents to their differences

_OTHER_NAME = "RB115"
"""The problem of a document whose file is called otherwise: a copy to compare with may be called anything."""


def read_document(content: bytes, label: str, read: ReadSibling | None = None) -> Loaded:
    """Return one document, whatever its file is called. `read` gives what it extends."""
    loaded = load(read_source(content, label), read=read)
    if {found.code for found in loaded.diagnostics if found.is_error} == {_OTHER_NAME}:
        return load(read_source(content, f"{label} "), read=read)
    return loaded


def compare(was: Sequence[Loaded], now: Sequence[Loaded]) -> tuple[Difference, ...]:
    """Return the changes of every sound document of two sides, in the order of the new ones, removed ones last.

    Raises: MisuseError for a side with two of one name: an edit of one of them would be missed.
    """
    for side in (was, now):
        _refuse_same_names(side)
    return (
        *_bots(_sound(was), _sound(now)),
        *_accounts(_accounts_of(was), _accounts_of(now)),
        *_universes(_universes_of(was), _universes_of(now)),
    )


def _refuse_same_names(side: Sequence[Loaded]) -> None:
    seen: dict[str, Loaded] = {}
    for each in side:
        other = seen.setdefault(name := _called(each), each)
        if name and other is not each:
            files = " and ".join(found.source.file.rstrip() for found in (other, each))
            raise MisuseError(
                f"two documents are the {name}: {files}", "compare their folders one by one, or the files"
            )


def _called(each: Loaded) -> str:
    """Return what a document is matched by, in words; "" for one that is not compared."""
    if each.spec is not None:
        return f"bot '{each.spec.name}'"
    if each.account is not None:
        return f"account '{each.account.account}'" if each.account.account else "the account"
    return f"universe '{PurePath(each.source.file).stem}'" if each.universe is not None else ""


def _sound(side: Sequence[Loaded]) -> list[Bot]:
    return [Bot(loaded, loaded.spec) for loaded in side if loaded.spec is not None]


def _bots(was: list[Bot], now: list[Bot]) -> Iterator[Difference]:
    gone = {bot.spec.name: bot for bot in was}
    come = {bot.spec.name: bot for bot in now}
    duplicates = {name: name for name in come if name in gone}
    duplicates |= _renamed(
        [bot for name, bot in gone.items() if name not in come], [bot for name, bot in come.items() if name not in gone]
    )
    if not duplicates and len(gone) == len(come) == 1:
        duplicates = dict(zip(come, gone, strict=True))
    for name, bot in come.items():
        yield compare_bots(gone[duplicates[name]], bot) if name in duplicates else bot_difference(bot, Status.ADDED)
    for name, bot in gone.items():
        if name not in duplicates.values():
            yield bot_difference(bot, Status.REMOVED)


def _renamed(gone: list[Bot], come: list[Bot]) -> dict[str, str]:
    """Return the old name, by the new one, of bots that mean the same but for their name; a second copy is new."""
    left = {_nameless(bot): bot.spec.name for bot in reversed(gone)}
    return {bot.spec.name: left.pop(meaning) for bot in come if (meaning := _nameless(bot)) in left}


def _nameless(bot: Bot) -> str:
    return with_digest(replace(bot.spec, name="", about="")).digest


def _accounts_of(side: Sequence[Loaded]) -> list[AccountDocument]:
    return [loaded.account for loaded in side if loaded.account is not None]


def _accounts(was: list[AccountDocument], now: list[AccountDocument]) -> Iterator[Difference]:
    if len(was) == len(now) == 1:
        yield compare_accounts(was[0], now[0])
        return
    gone = {each.account: each for each in was}
    come = {each.account: each for each in now}
    for name, each in come.items():
        yield compare_accounts(gone[name], each) if name in gone else account_difference(each, Status.ADDED)
    yield from (account_difference(each, Status.REMOVED) for name, each in gone.items() if name not in come)


def _universes_of(side: Sequence[Loaded]) -> dict[str, UniverseDocument]:
    """Return the universes of a side by the names of their files, which are all the names they have."""
    return {PurePath(each.source.file).stem: each.universe for each in side if each.universe is not None}


def _universes(was: dict[str, UniverseDocument], now: dict[str, UniverseDocument]) -> Iterator[Difference]:
    if len(was) == len(now) == 1:
        ((old, gone),), ((new, come),) = was.items(), now.items()
        yield compare_universes(gone, come, new, old)
        return
    for name, each in now.items():
        yield (
            compare_universes(was[name], each, name, name)
            if name in was
            else universe_difference(each, name, Status.ADDED)
        )
    yield from (universe_difference(each, name, Status.REMOVED) for name, each in was.items() if name not in now)
