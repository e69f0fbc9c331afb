"""Virtual time: which instants a run has.

Each session is lived from a minute before the open to six minutes after the close; nights are jumped. After the last
instant of the last session time stays where it is.
"""

from bisect import bisect_right
from datetime import date

from rulebot.model.session import Session, session_after, session_from

BEFORE_OPEN = 60
AFTER_CLOSE = 360


def _sessions(first_day: date, days: int) -> list[Session]:
    found = [session_from(first_day)]
    while len(found) < days:
        found.append(session_after(found[-1].date))
    return found


class Timeline:
    """The grid of instants, in epoch seconds."""

    def __init__(self, first_day: date, days: int, fence_seconds: int, data_seconds: int) -> None:
        self.sessions = _sessions(first_day, days)
        self._starts = [int(each.open.timestamp()) - BEFORE_OPEN for each in self.sessions]
        self._ends = [int(each.close.timestamp()) + AFTER_CLOSE for each in self.sessions]
        self._fence = fence_seconds
        self._data = data_seconds

    @property
    def first(self) -> int:
        """The first instant."""
        return self._starts[0]

    @property
    def last(self) -> int:
        """The last instant, where time stays."""
        day = len(self._starts) - 1
        return self._ends[day] - (self._ends[day] - self._starts[day]) % self._fence

    def _day(self, at: int) -> int:
        return max(bisect_right(self._starts, at) - 1, 0)

    def after(self, at: int) -> int:
        """Return the next instant; the last one is followed by itself."""
        day = self._day(at)
        if at + self._fence <= self._ends[day]:
            return at + self._fence
        return self._starts[day + 1] if day + 1 < len(self._starts) else at

    def is_data(self, at: int) -> bool:
        """Say whether the market moves at this instant."""
        return (at - self._starts[self._day(at)]) % self._data == 0

    def starts_day(self, at: int) -> bool:
        """Say whether this instant is the first of a session."""
        return at == self._starts[self._day(at)]
