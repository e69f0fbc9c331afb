"""The broker's time: asked for at connection and each minute. An engine goes by it, whatever the computer's clock says.

Until the first answer comes an engine goes by the time of the greeting. A computer's clock that disagrees is reported,
and moves nothing. One that was set, or stood still while the computer slept, is a lost connection: everything is read
again, the broker's time too (faults.md rows 62 and 63). A broker whose own time leaps is a lost connection as well.
"""

from datetime import datetime, timedelta

from rulebot.adapters.clock import BrokerClock

JUMP = 2.0
"""Seconds by which the computer's clock may differ from its count of seconds between two looks."""
APART = 2.0
"""Seconds by which the broker's clock may lie outside of the time between a question and its answer. Clocks that were
told to be apart agree again once an answer proves that they differ by no more."""
ASK_EVERY = 60.0
OTHERWISE = 60.0
"""Seconds by which the difference must have changed to be told anew: who sets a clock may set it wrong."""
LEAP = 60.0
"""Seconds by which the broker's time may leave the count of seconds while a connection stands."""
DAY_IN_DOUBT = 86460.0
"""Seconds of difference from which nobody is let in: one of the two clocks is wrong by more than a day."""
HALF_A_SECOND = 0.5
"""The broker tells whole seconds: on average he is so much further."""


class Timekeeper:
    """One for each connection; `look` is asked at every batch, `heard` is told the broker's time.

    apart: seconds that the computer's clock was told to be ahead last, which count until others are: also those that
    the connection before has told. is_known: the broker has told his time on this connection.
    """

    def __init__(self, clock: BrokerClock, apart: float = 0.0) -> None:
        self._clock = clock
        self._computer = clock.computer
        self._now, self._elapsed = self._computer.now(), clock.elapsed()
        self._asked: float | None = None
        self._asked_at = self._now
        self._asked_by_broker = clock.now()
        self._doubts = self._leaps = 0
        self.apart = apart
        self.is_known = False

    def look(self) -> str:
        """Return how the computer's clock has jumped since the last look, "" when it has not."""
        now, elapsed = self._computer.now(), self._clock.elapsed()
        jump = (now - self._now).total_seconds() - (elapsed - self._elapsed)
        self._now, self._elapsed = now, elapsed
        if jump > JUMP:
            self._clock.follow_computer(self.apart)  # a sleep counts no seconds
            return f"the computer slept, or its clock was set forward: {jump:.0f} s are missing"
        return f"the computer's clock was set back by {-jump:.0f} s" if jump < -JUMP else ""

    def is_due(self) -> bool:
        """Say whether the broker is to be asked for his time; then it counts as asked."""
        elapsed = self._clock.elapsed()
        is_doubted = 1 in (self._doubts, self._leaps)
        if self._asked is not None and elapsed - self._asked < (1.0 if is_doubted else ASK_EVERY):
            return False
        self.asks()
        return True

    def asks(self) -> None:
        """Note that the broker is asked for his time now."""
        self._asked, self._asked_at = self._clock.elapsed(), self._computer.now()
        self._asked_by_broker = self._clock.now()

    def heard(self, told: datetime, age: float = 0.0) -> float | None:
        """Take the broker's time; return by how many seconds the computer is ahead when that is new, 0.0 when equal.

        It tells whole seconds. One answer alone is not believed: it may be that to an earlier question. The first of a
        connection is. age: seconds since it came.
        """
        late = timedelta(seconds=age)
        computer = self._computer.now() - late
        found = _outside(self._asked_at, told, computer)
        if not self.is_known:
            self._begin(told, late, is_right=not found)
        else:
            leap = _outside(self._asked_by_broker, told, self._clock.now() - late)
            self._leaps = self._leaps + 1 if leap else 0
            if self._leaps > 1 and abs(leap) <= LEAP:
                self._set(told, late)
        self._doubts = self._doubts + 1 if found else 0
        if self.apart and not found and not _surely_agree(self._asked_at, told, computer):
            return None
        is_same = bool(found) is bool(self.apart) and abs(found - self.apart) < OTHERWISE
        if self._doubts == 1 or is_same:
            return None
        self.apart = found
        return found

    def greeted(self, told: datetime | None, age: float) -> float | None:
        """Go by the time of the greeting until the broker answers; return what `heard` returns.

        It tells whole seconds, and `is_known` stays False. Only a clock that goes by the computer's is set: the count
        of seconds since an earlier answer is better. told: None where the greeting has no time that can be read. age:
        seconds since the greeting came.
        """
        if told is None or self.is_known or not self._clock.is_of_computer:
            return None
        late = timedelta(seconds=age)
        if not _outside(self._clock.now() - late, told, self._clock.now() - late):
            return None
        heard = self._computer.now() - late
        self.apart = _outside(heard, told, heard)
        self._set(told, late)
        return self.apart

    @property
    def leap_words(self) -> str:
        """That the broker's time has left the count of seconds by more than a minute, twice on end; else ""."""
        return "the broker's time has leapt: everything is read again" if self._leaps > 1 else ""

    def _begin(self, told: datetime, late: timedelta, *, is_right: bool) -> None:
        """Go by the broker's clock. The computer's, where it agrees, tells it to less than a second."""
        self.is_known = True
        if is_right:
            self._clock.set_to(self._computer.now())
        else:
            self._set(told, late)

    def _set(self, told: datetime, late: timedelta) -> None:
        self._clock.set_to(told + timedelta(seconds=HALF_A_SECOND) + late)
        self._leaps = 0


def _outside(asked: datetime, told: datetime, heard: datetime) -> float:
    """Return by how many seconds a clock is ahead that stood so at a question and at its answer, 0.0 when it agrees."""
    ahead = (asked - told).total_seconds() - 1
    behind = (told - heard).total_seconds()
    return ahead if ahead > APART else -behind if behind > APART else 0.0


def _surely_agree(asked: datetime, told: datetime, heard: datetime) -> bool:
    """Say whether two clocks differ by two seconds at most, at whatever instant of its second the broker answered."""
    return (heard - told).total_seconds() <= APART and (told - asked).total_seconds() + 1 <= APART
