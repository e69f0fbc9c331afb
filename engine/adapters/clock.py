"""The wall clock; the only place that reads it."""

import time
from datetime import UTC, datetime
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
