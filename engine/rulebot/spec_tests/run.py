"""Run tests: each is lived through as far as its expectations reach, and they are held against what came of it."""

from collections.abc import Callable
from datetime import timedelta
from functools import cache

from rulebot.calendars.calendars import shipped_dates
from rulebot.compile.trial_plans import PlannedTest
from rulebot.model.errors import RulebotError
from rulebot.model.events import Published, earnings_of, event_calendar
from rulebot.model.facts import EventCalendar, EventDay
from rulebot.model.session import at_exchange_time, session_from
from rulebot.model.values import dataclass
from rulebot.spec.trial import Report, Trial
from rulebot.spec_tests.day import ENDS, begins_at, run_day
from rulebot.spec_tests.expect import Miss, horizon, misses
from rulebot.spec_tests.outcome import Outcome

Stopwatch = Callable[[], float]
YEAR = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test. `error` says why it could not be run; then there is no outcome."""

    planned: PlannedTest
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


def calendar_of(trial: Trial) -> EventCalendar:
    """Return the events of one test: those that came with this version, and the earnings that its market gives."""
    if not trial.market.earnings:
        return calendar()
    first, last = trial.date - YEAR, trial.date + YEAR
    given = (
        Published(name=name, first=first, last=last, days=(_reported(name, report),), verified=trial.date)
        for name, report in ((earnings_of(symbol), report) for symbol, report in trial.market.earnings.items())
    )
    return event_calendar((*shipped_dates(), *given))


def _reported(name: str, report: Report) -> EventDay:
    at = None if report.clock is None else at_exchange_time(report.day, report.clock)
    return EventDay(name, report.day, at, moment=report.moment)


def run_trial(planned: PlannedTest, stopwatch: Stopwatch) -> Result:
    """Run one test."""
    began = stopwatch()
    trial = planned.trial
    session = session_from(trial.date)
    begins, ends = begins_at(trial, session), session.close + ENDS
    try:
        until = max(horizon(each, session, begins, ends) for each in trial.expect)
        outcome = Outcome(run_day(planned, calendar_of(trial), until))
    except RulebotError as error:
        return Result(planned, stopwatch() - began, error=error.message)
    found = tuple(miss for each in trial.expect for miss in misses(each, outcome))
    return Result(planned, stopwatch() - began, found, outcome)
