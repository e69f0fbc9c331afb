"""Whether this computer's clock can be trusted: held against its own count of seconds, and against the broker's.

Bots act by the clock, so one that was set, or stood still while the computer slept, is a lost connection: everything is
read again. One that disagrees with the broker's is told, and nothing is entered (faults.md rows 62 and 63).
"""

from datetime import datetime

from engine.adapters.clock import Clock

JUMP = 2.0
"""Seconds by which the clock may differ from the count of seconds between two looks."""
APART = 2.0
"""Seconds by which the broker's clock may lie outside of the time between a question and its answer."""
ASK_EVERY = 60.0
OTHERWISE = 60.0
"""Seconds by which the difference must have changed to be told anew: who sets a clock may set it wrong."""
DAY_IN_DOUBT = 7200.0
"""Seconds of difference from which nobody is let in: sessions, days of options and of orders would be of another day.
An hour is what a wrong zone makes of a clock that is right: watched levels still count then, and it is told."""


class Timekeeper:
    """One for each connection; `look` is asked at every batch, `heard` is told the broker's time.

    apart: seconds that were told last, which count until others are: also those that the connection before has told.
    """

    def __init__(self, clock: Clock, apart: float = 0.0) -> None:
        self._clock = clock
        self._now, self._elapsed = clock.now(), clock.elapsed()
        self._asked: float | None = None
        self._asked_at = self._now
        self._doubts = 0
        self.apart = apart

    def look(self) -> str:
        """Return how the clock has jumped since the last look, "" when it has not."""
        now, elapsed = self._clock.now(), self._clock.elapsed()
        jump = (now - self._now).total_seconds() - (elapsed - self._elapsed)
        self._now, self._elapsed = now, elapsed
        if jump > JUMP:
            return f"the computer slept, or its clock was set forward: {jump:.0f} s are missing"
        return f"the computer's clock was set back by {-jump:.0f} s" if jump < -JUMP else ""

    def is_due(self) -> bool:
        """Say whether the broker is to be asked for its time; then it counts as asked."""
        elapsed = self._clock.elapsed()
        if self._asked is not None and elapsed - self._asked < (1.0 if self._doubts == 1 else ASK_EVERY):
            return False
        self.asks()
        return True

    def asks(self) -> None:
        """Note that the broker is asked for his time now."""
        self._asked, self._asked_at = self._clock.elapsed(), self._clock.now()

    def heard(self, told: datetime) -> float | None:
        """Take the broker's time; return by how many seconds we are ahead when that is new, 0.0 when all is well again.

        It tells whole seconds. One answer alone is not believed: it may be that to an earlier question.
        """
        ahead = (self._asked_at - told).total_seconds() - 1
        behind = (told - self._clock.now()).total_seconds()
        found = ahead if ahead > APART else -behind if behind > APART else 0.0
        self._doubts = self._doubts + 1 if found else 0
        is_known = bool(found) is bool(self.apart) and abs(found - self.apart) < OTHERWISE
        if self._doubts == 1 or is_known:
            return None
        self.apart = found
        return found
