"""Caps and second entries that the window leaves no room for."""

from collections.abc import Iterator
from math import inf

from rulebot.compile.lint.look import LintContext
from rulebot.compile.lint.reach import spans_in_seconds
from rulebot.compile.lint.wording import duration, window_words
from rulebot.compile.plan import Reentry
from rulebot.compile.problem import Problem
from rulebot.compile.timing import outlives_its_day
from rulebot.model.caps import MOST_STRUCTURES, RAISED_BY
from rulebot.model.counted import counted


def out_of_reach(look: LintContext) -> Iterator[Problem]:
    """Yield RB322 for an `again` without time or room, RB323 for a cap that no day can reach."""
    again, entry = look.spec.entry.again, look.spec.entry
    if again is not None and _room(look, again) < again.wait:
        left = duration(_room(look, again))
        message = f"'again' waits {duration(again.wait)}, and the window leaves {left}: there is no second entry"
        yield Problem("RB322", (*again.path, "wait"), message, f"the window is {window_words(look.spec)}")
        return
    if again is not None and (cap := _cap_in_the_way(look, again)):
        yield Problem("RB322", (*again.path, "after"), f"{cap}: 'again' never acts", f"{_room_for(cap)} lets it")
        return
    most, why = _most_a_day(look)
    per_day = look.plan.entry.per_day
    if per_day > most:
        message = f"'per_day' is {per_day}, and never more than {counted(int(most), 'position')} a day can be opened"
        yield Problem("RB323", (*entry.path, "per_day"), message, why)
    most = min(per_day, most)
    yield from _of_a_week(look, most)
    if entry.max_open is not None and entry.max_open > most and not outlives_its_day(look.spec):
        message = f"'max_open' is {entry.max_open}, and no day opens more than {counted(int(most), 'position')}"
        yield Problem("RB323", (*entry.path, "max_open"), message, "a position is over on the day of its entry")


def past_built_in_cap(look: LintContext) -> Iterator[Problem]:
    """Yield RB377 for an order of more structures than the built-in cap allows; an account document lifts it."""
    plan = look.plan
    if plan.quantity <= MOST_STRUCTURES or plan.overwrite is not None:
        return
    key = "quantity" if plan.size is None and plan.growth is None else "at_most"
    most = f"without an account document an order is at most {MOST_STRUCTURES} structures"
    message = f"'{key}' is {plan.quantity:,}; {most}"
    help_text = f"write at most {MOST_STRUCTURES}; {RAISED_BY}"
    place = ("quantity",) if key == "quantity" else ("quantity", "at_most")  # where RB361 says the same of a usual size
    yield Problem("RB377", place, message, help_text)


def _cap_in_the_way(look: LintContext, again: Reentry) -> str:
    """Return which cap keeps every further entry out, "" when none does: each would open another position."""
    entry = look.plan.entry
    if {"unfilled", "any"} & set(again.after):
        return ""
    if entry.per_day == 1:
        said = "'per_day' is 1" if look.spec.entry.per_day is not None else "without 'per_day' it opens 1 a day"
        return f"{said}, and 'after' names only what follows a position"
    if set(again.after) == {"filled"} and entry.max_open == 1:
        return "'max_open' is 1, and after 'filled' the first is still open"
    return ""


def _room_for(cap: str) -> str:
    return "'max_open: 2'" if cap.startswith("'max_open'") else "'per_day: 2'"


def _of_a_week(look: LintContext, a_day: float) -> Iterator[Problem]:
    entry = look.spec.entry
    most = a_day * (len(entry.days) or 5)
    if entry.per_week is not None and entry.per_week > most:
        can = counted(int(most), "position")
        message = f"'per_week' is {entry.per_week}, and never more than {can} a week can be opened"
        yield Problem("RB323", (*entry.path, "per_week"), message)


def _room(look: LintContext, again: Reentry) -> float:
    """Return the seconds in which a second entry could still be made, in the longest window."""
    spans = spans_in_seconds(look.spec, look.terms.session)
    latest = inf
    if again.until is not None:
        latest = (again.until.on(look.terms.session) - look.terms.session.open).total_seconds()
    return max(min(end, latest) - start for start, end in spans)


def _most_a_day(look: LintContext) -> tuple[float, str]:
    """Return how many positions a day can open, and what allows no more."""
    universe = look.spec.universe
    windows = len(look.plan.entry.windows) * (1 if universe is None else len(universe.symbols))
    again = look.spec.entry.again
    if again is None:
        why = "one window sends one entry; 'again' would make it more, as in 'again: {after: [filled]}'"
        return windows, why
    if set(again.after) == {"unfilled"}:
        why = "'again' follows an entry that filled nothing; 'filled', 'any' or an exit would open another position"
        return windows, why
    by_time = windows * (1 + _room(look, again) // again.wait) if again.wait else inf
    by_count = inf if again.at_most is None else windows * (1 + again.at_most)
    if by_count <= by_time:
        return by_count, f"'again' says 'at_most: {again.at_most}'"
    return by_time, f"'again' waits {duration(again.wait)} each time, in a window of {window_words(look.spec)}"
