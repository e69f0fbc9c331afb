"""Edits of `entry`: more chances, more at once, and what a day may then lose."""

from decimal import Decimal
from typing import Any

from rulebot.compile.timing import windows_of
from rulebot.decide.entry_window import ANY_END
from rulebot.model.money import short_dollars
from rulebot.model.session import DayTime, Session
from rulebot.model.text import counted, duration, plain
from rulebot.model.values import replace
from rulebot.review.change.field import Edit, Effect, Key, Keys, Sides, Within, judge_by_text
from rulebot.review.entry import DAYS, again_words, spans_on
from rulebot.review.example import Subject
from rulebot.review.max_loss import max_loss_of
from rulebot.review.risk import worst_day_amount
from rulebot.review.states import window_text
from rulebot.spec.spec import Entry, Reentry
from rulebot.wording.number import FULL_DAY, HALF_DAY


def day_words(sides: Sides) -> str:
    """Return what a day, and all that is open, may lose before and after."""
    found = (worst_day_words(sides), _change("all open at once", *map(open_worst, sides.both)))
    return ", ".join(filter(None, found))


def worst_day_words(sides: Sides) -> str:
    """Return what a day alone may lose before and after, "" where that is the same."""
    return _change("a day's worst case", *map(worst_day_amount, sides.both))


def _change(name: str, was: Decimal | None, now: Decimal | None) -> str:
    before, after = _dollars(was), _dollars(now)
    return f"{name} {before} -> {after}" if before != after else ""


def _dollars(amount: Any) -> str:
    return "without a bound" if amount is None else short_dollars(round(amount))


def trade_worst(subject: Subject) -> Decimal | None:
    """Return the dollars that one trade may lose, None without a bound."""
    worst = max_loss_of(subject)
    return None if worst is None else worst.amount


def open_worst(subject: Subject) -> Decimal | None:
    """Return the dollars that all positions open at once may lose, None without a bound."""
    worst = trade_worst(subject)
    return None if worst is None else worst * subject.plan.entry.max_open


def _duration(value: Any, subject: Subject) -> str:
    return duration(value)


def _number(value: Any, subject: Subject) -> str:
    return plain(value)


def _planned(noun: Entry, field: str, subject: Subject) -> Any:
    """Return a cap with its default filled in."""
    return getattr(subject.plan.entry, field)


def _days(noun: Entry, field: str, subject: Subject) -> tuple[int, ...]:
    """Return the week days in their order; none named is all of them."""
    return tuple(sorted(set(subject.plan.entry.days))) or tuple(range(len(DAYS)))


# ---------------------------------------------------------------- judges


def judge_windows(edit: Edit) -> Effect:
    """More chances a day are worse; a longer window is given in minutes, half days too where they differ."""
    was, now = (each.plan.entry for each in edit.sides.both)
    chances = len(now.windows) - len(was.windows)
    if chances > 0:
        words = f"{counted(chances, 'more chance')} a day to enter"
        return Effect(_with(words, day_words(edit.sides)), is_worse=True)
    full, half = (_minutes(edit.sides.now, day) - _minutes(edit.sides.was, day) for day in (FULL_DAY, HALF_DAY))
    reported = [(full, ""), (half, " on half days")] if full * half <= 0 else [(full, "")]
    lasts = "; ".join(
        f"{_more_or_less(minutes)} in which it may enter{where}" for minutes, where in reported if minutes
    )
    is_longer = max(full, half) > 0
    if chances < 0:
        fewer = _with(f"{counted(-chances, 'chance')} a day less", day_words(edit.sides))
        return Effect(f"{fewer}; {lasts}", is_worse=True) if is_longer else Effect(fewer)
    return Effect(lasts, is_worse=is_longer)


def _minutes(subject: Subject, day: Session) -> int:
    """Return in how many minutes of such a day it may enter, on any weekday."""
    found = spans_on(subject.bot, day)
    return round(sum(max(0.0, (end - start).total_seconds()) for start, end in found) / 60)


def _more_or_less(minutes: int) -> str:
    return f"{counted(abs(minutes), 'minute')} {'more' if minutes > 0 else 'less'}"


def _with(words: str, more: str) -> str:
    return f"{words}: {more}" if more else words


def judge_cap(edit: Edit) -> Effect:
    """More positions lose more together."""
    grows = edit.new is None or (edit.old is not None and edit.new > edit.old)
    return Effect(day_words(edit.sides), is_worse=grows)


def judge_days(edit: Edit) -> Effect:
    """More week days are more entries."""
    gained, lost = (
        ", ".join(DAYS[day] for day in these if day not in those)
        for these, those in ((edit.new, edit.old), (edit.old, edit.new))
    )
    if not gained:
        return Effect("fewer days")
    return Effect(f"enters on {gained}, no longer on {lost}" if lost else f"enters on {gained} too", is_worse=True)


def _again(noun: Entry, field: str, subject: Subject) -> Reentry | None:
    """Return what lets it enter again: its outcomes in one order, since that of a text means nothing, and an `until`
    only where it comes before the end of the last window, which is what none says.
    """
    if noun.again is None:
        return None
    until, last = noun.again.until, windows_of(noun)[-1]
    binds = until is not None and any(until.on(day) < min(last.ends(day), day.close) for day in (FULL_DAY, HALF_DAY))
    return replace(noun.again, after=tuple(sorted(set(noun.again.after))), until=until if binds else None)


def judge_again(edit: Edit) -> Effect:
    """More entries for one opportunity are worse, in whatever way they come."""
    if edit.new is None:
        return Effect("one entry for each opportunity, filled or not")
    if edit.old is None:
        words = "more than one entry for an opportunity"
        return Effect(_with(words, day_words(edit.sides)), is_worse=True)
    return Effect("", is_worse=_allows_more(edit.old, edit.new))


def _allows_more(old: Reentry, new: Reentry) -> bool:
    unlimited = float("inf")
    comes_later = old.until is not None and (new.until is None or _comes_later(old.until, new.until))
    return (
        (ANY_END not in old.after and bool(set(new.after) - set(old.after)))
        or new.wait < old.wait
        or comes_later
        or (new.at_most or unlimited) > (old.at_most or unlimited)
    )


def _comes_later(old: DayTime, new: DayTime) -> bool:
    """Say whether a time comes later than another, on a full day or on a half day, before the close."""
    return any(old.on(day) < min(new.on(day), day.close) for day in (FULL_DAY, HALF_DAY))


def judge_once(edit: Edit) -> Effect:
    """Judging on to the window's end is more chances."""
    if edit.new:
        return Effect("the first clear answer decides")
    return Effect(
        "it keeps judging to the end of the window: a decision made at once may become a later entry", is_worse=True
    )


ENTRY: Keys = {
    "start": Key(
        key="window",
        said=lambda value, _: ", ".join(window_text(each) for each in value),
        judge=judge_windows,
        read=lambda noun, _, __: windows_of(noun) if noun.end is not None else (),
    ),
    "end": Within("window"),
    "others": Key(
        key="at",
        said=lambda value, _: ", ".join(str(each) for each in value),
        judge=judge_windows,
        read=lambda noun, _, __: tuple(each.start for each in windows_of(noun)) if noun.end is None else (),
    ),
    "lasts": Key(
        key="for",
        said=_duration,
        judge=judge_windows,
        read=lambda noun, _, __: noun.lasts if noun.end is None else None,
    ),
    "every": Key(key="every", said=_duration, judge=judge_by_text("how often the conditions are judged")),
    "once": Key(key="try", said=lambda value, _: "once" if value else "until_filled", judge=judge_once),
    "days": Key(
        key="days",
        said=lambda value, _: "" if len(value) == len(DAYS) else ", ".join(DAYS[day] for day in value),
        judge=judge_days,
        read=_days,
    ),
    "per_day": Key(
        key="per_day", said=_number, judge=judge_cap, read=_planned, is_written=lambda noun: noun.per_day is not None
    ),
    "per_week": Key(key="per_week", said=_number, judge=judge_cap),
    "max_open": Key(
        key="max_open", said=_number, judge=judge_cap, read=_planned, is_written=lambda noun: noun.max_open is not None
    ),
    "again": Key(key="again", said=lambda value, _: again_words(value), judge=judge_again, read=_again),
    "when": Within("entry.when"),
    "path": Within(""),
}
"""Every field of `entry`; a test asks for each."""
