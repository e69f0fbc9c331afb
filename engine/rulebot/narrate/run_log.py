"""What a run has been so far, gathered for a person who watches it: lines as things happen, and each day's outcome."""

from collections.abc import Callable, Sequence
from datetime import datetime

from rulebot.core.state import State
from rulebot.model.errors import InvariantError
from rulebot.narrate.day_report import DayOutcome, day_outcome
from rulebot.narrate.event_text import EventLine, clock_happenings, event_line
from rulebot.record.record import Record


class RunLog:
    """Takes what the loop records and the state after each batch; both are values, so nothing here changes the run."""

    def __init__(self, started_at: datetime, tells: Callable[[Record, State], EventLine | None] = event_line) -> None:
        self._at, self._tells = started_at, tells
        self._written: list[Record] = []
        self._last: State | None = None
        self._done: list[DayOutcome] = []

    def write(self, records: Sequence[Record]) -> None:
        """Keep records until the state that they led to is known."""
        self._written += records

    def note(self, state: State, at: datetime) -> tuple[EventLine, ...]:
        """Take the state at the end of a batch; return what happened in it, in order."""
        if self._last is not None and self._last.session.date != state.session.date:
            self._done.append(day_outcome(self._last, None))
        found = [*clock_happenings(state, self._at, at), *(self._tells(record, state) for record in self._written)]
        self._written.clear()
        self._last, self._at = state, at
        told = [each for each in found if each is not None]
        return tuple(sorted(told, key=lambda each: each.at))

    def days(self) -> tuple[DayOutcome, ...]:
        """Return the outcome of every day so far, the present one by the prices of this moment."""
        if self._last is None:
            return ()
        return (*self._done, day_outcome(self._last, self._at))

    @property
    def state(self) -> State:
        """The newest state. Raises: InvariantError before the first."""
        if self._last is None:
            raise InvariantError("nothing has been noted yet")
        return self._last
