"""May this bot enter now? Windows, caps and what was already sent, as one pure answer.

Each window of a session is one opportunity, and one opportunity sends one entry, filled or not; only `again:` makes
more of it (language.md section 6).
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from engine.compile.plan import EntryPlan
from engine.decide.bot_day import BotDay
from engine.model.session import Session

ANY_END = "any"
"""What `again: {after: [any]}` names: whatever the one before came to."""


class Opportunity(NamedTuple):
    """Whether entries are possible now, and if not, why in words and when to look again (None: not today)."""

    is_open: bool
    reason: str = ""
    look_again: datetime | None = None
    is_over: bool = False


def window(entry: EntryPlan, session: Session, latest: datetime) -> tuple[datetime, datetime]:
    """Return start and end of today's window in UTC; it ends at `latest` (the first time exit) or the close."""
    start = entry.start.on(session)
    if entry.end is not None:
        end = entry.end.on(session)
    else:
        end = start + timedelta(seconds=entry.lasts or 0.0)
    return start, min(end, latest, session.close)


def opportunity(
    entry: EntryPlan, session: Session, times: tuple[datetime, datetime], day: BotDay, open_now: int, now: datetime
) -> Opportunity:
    """Return whether a new entry may be judged. `open_now` counts positions open or working, `times` is the window."""
    start, end = times
    if start >= end:
        return Opportunity(False, "its window is empty today (early close)", None, True)
    if now < start:
        return Opportunity(False, "", start)
    if day.halted:
        return Opportunity(False, f"halted: {day.halted}", None, True)
    if now >= end:
        return Opportunity(False, "its window is over", None, True)
    if day.decided:
        return Opportunity(False, f"decided once: {day.decided}", None, True)
    if day.opened >= entry.per_day:
        return Opportunity(False, f"{day.opened} of {entry.per_day} a day", None, True)
    if open_now >= entry.max_open:
        return Opportunity(False, f"{open_now} of {entry.max_open} open at once", end)
    return _again(entry, session, day, now)


def _again(entry: EntryPlan, session: Session, day: BotDay, now: datetime) -> Opportunity:
    if not day.entries:
        return Opportunity(True)
    again = entry.again
    if again is None:
        return Opportunity(False, "its one entry was sent", None, True)
    if again.at_most is not None and day.agains >= again.at_most:
        return Opportunity(False, f"entered again {day.agains} times, at most {again.at_most}", None, True)
    if not day.last_end or day.last_end_at is None:
        return Opportunity(False, "its entry is at work")
    if day.last_end not in again.after and ANY_END not in again.after:
        return Opportunity(False, f"not again after {day.last_end}", None, True)
    if again.until is not None and now > again.until.on(session):
        return Opportunity(False, f"not again after {again.until}", None, True)
    due = day.last_end_at + timedelta(seconds=again.wait)
    if now < due:
        return Opportunity(False, f"again after {day.last_end}, after a wait", due)
    return Opportunity(True)
