"""The wall clock; the only place that reads it."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What stamps events at the edge while no gateway owns the time."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present instant, UTC."""
        return datetime.now(UTC)
