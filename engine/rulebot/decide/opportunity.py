"""May this bot enter now? Windows, caps and what was already sent, as one pure answer.

Each window of a session is one opportunity, and one opportunity sends one entry, filled or not; only `again:` makes
more of it (language.md, Entry).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from rulebot.compile.plan import EntryPlan
from rulebot.decide.bot_day import OVER, BotDay
from rulebot.model.counted import counted
from rulebot.model.halt import Shut
from rulebot.model.session import Session
from rulebot.model.texts import Text
from rulebot.model.values import replace

ANY_END = "any"
"""What `again: {after: [any]}` names: whatever the one before came to."""
ANOTHER_STRIKE = "another strike"
"""How an entry has ended of which the broker would not have the contracts: nothing was sent, another one is tried."""
AHEAD = "its window, from"
"""What a bot waits for whose window is still to come, and what the time of its begin follows."""


class Opportunity(NamedTuple):
    """Whether entries are possible now, and if not, why, in words too, and when to look again (None: not today).

    shut: None while it is open, and before its window begins.
    """

    is_open: bool
    reason: Text = ""
    look_again: datetime | None = None
    is_over: bool = False
    shut: Shut | None = None


def _over(shut: Shut, reason: Text) -> Opportunity:
    return Opportunity(False, reason, None, True, shut)


Span = tuple[datetime, datetime]


def is_day_of(entry: EntryPlan, session: Session) -> bool:
    """Say whether the bot enters on such a day of the week."""
    return not entry.days or session.date.weekday() in entry.days


def spans(entry: EntryPlan, session: Session, latest: datetime) -> tuple[Span, ...]:
    """Return start and end of today's windows in UTC; they end at `latest` (where time exits end all) or the close.

    None begins before the open, as one may that is counted from an early close. On a week day on which the bot does
    not enter each is empty.
    """
    if not is_day_of(entry, session):
        return tuple((session.close, session.close) for _ in entry.windows)
    return tuple((each.starts(session), min(each.ends(session), latest, session.close)) for each in entry.windows)


def shut(entry: EntryPlan, session: Session, found: Sequence[Span]) -> str:
    """Return why none of these windows of a session lets anything in, "" when one does."""
    if not is_day_of(entry, session):
        return f"it does not enter on a {session.date:%A}"
    return "" if any(start < end for start, end in found) else "its window is empty today (early close)"


def at_hand(found: Sequence[Span], now: datetime) -> int:
    """Return which window is on or comes next; the last one when none does.

    On a half day one that is counted from the close may come before one at a clock time that is written above it.
    """
    coming = ((start, at) for at, (start, end) in enumerate(found) if now < end and start < end)
    return min(coming, default=(now, len(found) - 1))[1]


def in_window(day: BotDay, number: int, span: Span, tried: int = 0) -> BotDay:
    """Return the day with a fresh opportunity when another window than before is at hand.

    tried: entries sent since that window began. Where there are some, or the one that was used overlaps it, it is the
    window of before, which an edit of the text has given another number or moved, and what was used up of it stays so.
    """
    if tried or day.overlaps(*span):
        return replace(day, window=number, before=max(day.entries - max(day.tried, tried), 0))
    return replace(
        day,
        window=number,
        before=day.entries,
        agains=0,
        decided="",
        last_end="",
        last_end_at=None,
        members=(),
        window_from=None,
        window_to=None,
    )


def is_spent(entry: EntryPlan, day: BotDay) -> bool:
    """Say whether nothing more can be entered in the window that the day is in, whatever comes."""
    if day.halt or day.decided or _cap_on_opened(entry, day):
        return True
    return day.tried > 0 and entry.again is None


def cap(entry: EntryPlan, day: BotDay, open_now: int) -> str:
    """Return which cap lets nothing more be opened while so many positions are open, "" when none."""
    return _cap_on_opened(entry, day) or _cap_on_open(entry, open_now)


def _cap_on_open(entry: EntryPlan, open_now: int) -> str:
    return f"{open_now} of {entry.max_open} open at once" if open_now >= entry.max_open else ""


def _cap_on_opened(entry: EntryPlan, day: BotDay) -> str:
    return f"{day.opened} of {entry.per_day} a day" if day.opened >= entry.per_day else _weeks_cap(entry, day)


def _weeks_cap(entry: EntryPlan, day: BotDay) -> str:
    opened = day.week + day.opened
    return f"{opened} of {entry.per_week} a week" if entry.per_week is not None and opened >= entry.per_week else ""


def opportunity(
    entry: EntryPlan, session: Session, times: Span, day: BotDay, open_now: int, now: datetime
) -> Opportunity:
    """Return whether a new entry may be judged.

    open_now: counts positions open or working. times: the window at hand, which `day` is in.
    """
    start, end = times
    if reason := shut(entry, session, (times,)):
        return _over(Shut.NO_WINDOW, reason)
    if now < start:
        return Opportunity(False, "", start)
    if day.halt:
        return _over(Shut.HALTED, f"halted: {day.halted}")
    if now >= end:
        return _over(Shut.WINDOW_OVER, OVER)
    if day.decided:
        return _over(Shut.DECIDED, f"decided once: {day.decided}")
    if reason := _cap_on_opened(entry, day):
        return _over(Shut.CAP, reason)
    if reason := _cap_on_open(entry, open_now):
        return Opportunity(False, reason, end, shut=Shut.CAP)
    return _again(entry, session, day, now)


def _again(entry: EntryPlan, session: Session, day: BotDay, now: datetime) -> Opportunity:
    if not day.tried:
        return Opportunity(True)
    again = entry.again
    if again is None:
        return _over(Shut.ENTRY_SENT, "its one entry was sent")
    if again.at_most is not None and day.agains >= again.at_most:
        return _over(Shut.NOT_AGAIN, f"entered again {counted(day.agains, 'time')}, at most {again.at_most}")
    if not day.last_end or day.last_end_at is None:
        return Opportunity(False, "its entry is at work", shut=Shut.ENTRY_WORKS)
    is_sent = day.last_end != ANOTHER_STRIKE
    if is_sent and day.last_end not in again.after and ANY_END not in again.after:
        return _over(Shut.NOT_AGAIN, f"not again after {day.last_end}")
    if again.until is not None and now >= again.until.on(session):
        return _over(Shut.NOT_AGAIN, f"not again from {again.until} on")
    due = day.last_end_at + timedelta(seconds=again.wait)
    if is_sent and now < due:
        return Opportunity(False, f"again after {day.last_end}, after a wait", due, shut=Shut.WAITS_AGAIN)
    return Opportunity(True)
