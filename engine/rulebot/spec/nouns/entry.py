"""When a bot may enter: its windows, days and caps, and what lets it enter again."""

from datetime import datetime, timedelta

from rulebot.model.session import DayTime, Session
from rulebot.model.values import dataclass
from rulebot.spec.nouns.condition import Condition, Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reentry:
    """`again:`: more than one entry per opportunity. `after` holds `filled`, `unfilled` and names of exits."""

    after: tuple[str, ...]
    wait: float = 60.0
    until: DayTime | None = None
    at_most: int | None = None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of the session in which to enter: to `end`, or open for `lasts` seconds."""

    start: DayTime
    end: DayTime | None = None
    lasts: float | None = None

    def starts(self, session: Session) -> datetime:
        """Return when it begins: with the session at the earliest, as where it is counted from an early close."""
        return max(self.start.on(session), session.open)

    def ends(self, session: Session) -> datetime:
        """Return when it ends by its own words, be it after the close."""
        if self.end is not None:
            return self.end.on(session)
        return self.start.on(session) + timedelta(seconds=self.lasts or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """When to enter. A window has `start` and `end`; a time (`at`) has `start` and `lasts` seconds.

    `others`: the windows or times after the first, in order. `days`: week days on which it enters, () is all of them.
    Units: `every` and `lasts` in seconds. `per_day` None means the default, one a window; `max_open` None means
    per_day.
    """

    start: DayTime
    end: DayTime | None = None
    lasts: float | None = None
    every: float | None = None
    once: bool = False
    others: tuple[Window, ...] = ()
    days: tuple[str, ...] = ()
    per_day: int | None = None
    per_week: int | None = None
    max_open: int | None = None
    again: Reentry | None = None
    when: tuple[Condition, ...] = ()
    path: Path
