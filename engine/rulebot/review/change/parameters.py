"""Parameters with another default: each by itself, with every place that it reaches."""

from rulebot.compile.build import build_plan
from rulebot.review.change.choices import changes_between
from rulebot.review.change.difference import Change, Kind
from rulebot.review.change.facet import Bot, Sides
from rulebot.review.change.reach import ORDER, reach_of
from rulebot.review.subject import Subject, subject_of
from rulebot.spec.load import load
from rulebot.spec.scalar import day_time, operand, seconds
from rulebot.spec.spec import Spec
from rulebot.spec.walk import plain_scalar


def split(was: Bot, now: Bot) -> tuple[Spec, tuple[Change, ...]]:
    """Return the new text with the old defaults, and what each new default changes in it.

    A default that the new text cannot take as it was is no change of its own: all that it reaches is told by itself.
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
    """Return a default of which only the values can be told: what it reaches stands below by itself."""
    return Change(path=f"parameters.{name}", old=old, new=new, applies=reach_of("parameters"))
