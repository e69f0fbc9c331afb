"""The wall clock (read nowhere else), and the broker's clock, which an engine uses."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What stamps events at the edge while no gateway owns the time."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""

    def elapsed(self) -> float:
        """Return seconds that never go back, whatever the computer's clock is set to; they pause while it sleeps."""


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return the seconds of the machine's own count."""
        return time.monotonic()


class BrokerClock:
    """The broker's clock: its reported time plus the computer's monotonic seconds since.

    Setting the computer's clock does not move it. Before the broker has reported its time, it equals the computer's
    clock.
    """

    def __init__(self, computer: Clock) -> None:
        self.computer = computer
        self._reported: datetime | None = None
        self._reported_at = 0.0
        self._ahead = timedelta(0)

    def now(self) -> datetime:
        """Return the broker's present instant, UTC."""
        if self._reported is None:
            return self.computer.now() - self._ahead
        return self._reported + timedelta(seconds=self.computer.elapsed() - self._reported_at)

    @property
    def is_of_computer(self) -> bool:
        """Whether it follows the computer's clock because the broker reported no time."""
        return self._reported is None

    def elapsed(self) -> float:
        """Return the seconds of the computer's count."""
        return self.computer.elapsed()

    def set_to(self, reported: datetime) -> None:
        """Take this as the broker's present instant."""
        self._reported, self._reported_at = reported, self.computer.elapsed()

    def follow_computer(self, ahead: float) -> None:
        """Follow the computer's clock, which is this many seconds ahead, until the broker reports its time again."""
        self._reported, self._ahead = None, timedelta(seconds=ahead)
