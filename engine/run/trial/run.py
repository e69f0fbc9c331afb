"""Run tests: each is lived through as far as its expectations reach, and they are held against what came of it."""

from collections.abc import Callable
from functools import cache

from engine.compile.trial_plans import PlannedTrial
from engine.model.errors import RulebotError
from engine.model.events import event_calendar
from engine.model.facts import EventCalendar
from engine.model.session import session_from
from engine.model.values import dataclass
from engine.run.calendars import shipped_dates
from engine.run.trial.day import ENDS, begins_at, live_through
from engine.run.trial.expect import Miss, horizon, misses
from engine.run.trial.outcome import Outcome

Stopwatch = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test. `error` says why it could not be run; then there is no outcome."""

    planned: PlannedTrial
    seconds: float
    misses: tuple[Miss, ...] = ()
    outcome: Outcome | None = None
    error: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether everything expected came about."""
        return not self.misses and not self.error


@cache
def calendar() -> EventCalendar:
    """Return the events that came with this version; what a person imported here is no part of a test."""
    return event_calendar(shipped_dates())


def run_trial(planned: PlannedTrial, stopwatch: Stopwatch) -> Result:
    """Run one test."""
    began = stopwatch()
    trial = planned.trial
    session = session_from(trial.date)
    begins, ends = begins_at(trial, session), session.close + ENDS
    try:
        until = max(horizon(each, session, begins, ends) for each in trial.expect)
        outcome = Outcome(live_through(planned, calendar(), until))
    except RulebotError as error:
        return Result(planned, stopwatch() - began, error=error.message)
    found = tuple(miss for each in trial.expect for miss in misses(each, outcome))
    return Result(planned, stopwatch() - began, found, outcome)
