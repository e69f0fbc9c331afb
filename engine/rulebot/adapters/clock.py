"""The wall clock; the only place that reads it. And the broker's clock, which an engine goes by."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What stamps events at the edge while no gateway owns the time."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""

    def elapsed(self) -> float:
        """Return seconds that only ever count up, whatever the clock is set to; a sleeping computer does not count."""


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return the seconds of the machine's own count."""
        return time.monotonic()


class BrokerClock:
    """The broker's clock: a time that he told, carried on by the computer's count of seconds.

    The computer's clock may be wrong, or be set meanwhile: that moves nothing. Before the broker has told his time it
    is the computer's.
    """

    def __init__(self, computer: Clock) -> None:
        self.computer = computer
        self._told: datetime | None = None
        self._told_at = 0.0
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the broker's present instant, UTC."""
        if self._told is None:
            return self.computer.now() - self._ahead
        return self._told + timedelta(seconds=self.computer.elapsed() - self._told_at)

    @property
    def is_of_computer(self) -> bool:
        """Whether it goes by the computer's clock, and not by a time that the broker told."""
        return self._told is None

    def elapsed(self) -> float:
        """Return the seconds of the computer's count."""
        return self.computer.elapsed()

    def set_to(self, told: datetime) -> None:
        """Take this as the broker's present instant."""
        self._told, self._told_at = told, self.computer.elapsed()

    def follow_computer(self, ahead: float) -> None:
        """Go by the computer's clock, which is so many seconds ahead, until the broker tells his time again."""
        self._told, self._ahead = None, timedelta(seconds=ahead)
