"""The minutes of a session, and what Lean's bars say at their ends."""

from collections.abc import Iterator

import numpy as np

from rulebot.adapters.history.day import Columns, Finding
from rulebot.adapters.history.finding import finding_text
from rulebot.adapters.history.hours import other_zone
from rulebot.adapters.history.instants import midnight
from rulebot.adapters.history.lean_files import Bars
from rulebot.model.session import Session

MINUTE, HOUR = 60.0, 3600.0
_SLACK = 300.0
_QUIET = 1800.0


class LeanClock:
    """The minutes of a session, at whose ends bars become known."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.times: Columns = session.open.timestamp() + MINUTE * np.arange(1.0, session.minutes + 1.0)
        self._midnight = midnight(session)
        self._open = session.open.timestamp() - self._midnight
        self._close = session.close.timestamp() - self._midnight

    def fill(self, bars: Bars) -> Columns:
        """Return what the last bar that has ended says at each minute; nan before the first of this session."""
        inside = self._inside(bars)
        begins, values = bars.begins[inside], bars.values[inside]
        places = np.searchsorted(begins + MINUTE, self.times - self._midnight + 1e-6, side="right") - 1
        found = np.full((len(self.times), values.shape[1]), np.nan)
        found[places >= 0] = values[places[places >= 0]]
        return found

    def sums(self, bars: Bars) -> Columns:
        """Return the volume traded up to each minute."""
        inside = self._inside(bars)
        ends, done = bars.begins[inside] + MINUTE, np.cumsum(np.nan_to_num(bars.values[inside, 1]))
        places = np.searchsorted(ends, self.times - self._midnight + 1e-6, side="right")
        return np.concatenate(([0.0], done))[places]

    def outside(self, bars: Bars) -> int:
        """Return how many bars are outside of regular hours."""
        return int((~self._inside(bars)).sum())

    def _inside(self, bars: Bars) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        found: np.ndarray[tuple[int], np.dtype[np.bool_]] = (bars.begins >= self._open) & (bars.begins < self._close)
        return found

    def is_central(self, bars: Bars) -> bool:
        """Say whether bars begin an hour before the open and there are none in the last half hour."""
        if not len(bars.begins):
            return False
        early = abs(bars.begins[0] + HOUR - self._open) <= _SLACK
        return bool(early and not (bars.begins >= self._close - _QUIET).any())

    def other_zone(self, first: float, last: float) -> str | None:
        """Return in words how many hours bars from first to last, seconds since midnight, are beside the session."""
        ends = last + MINUTE
        return other_zone(self._midnight + first, self._midnight + ends, _SLACK, self.session)

    def quiet(self, bars: Bars) -> Iterator[Finding]:
        """Yield where the underlying has no bar for long, at the edges or in between."""
        begins = bars.begins[self._inside(bars)]
        edges = np.concatenate(([self._open - MINUTE], begins, [self._close]))
        for place in np.flatnonzero(np.diff(edges) > 3 * _SLACK).tolist():
            since, until = edges[place] + MINUTE, edges[place + 1]
            text = f"there is no bar from {_clock(since)} to {_clock(until)}"
            yield finding_text(bars.entry, place, text)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 3600:02d}:{int(seconds) // 60 % 60:02d}"
