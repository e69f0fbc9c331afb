"""Run tests: each is lived through as far as its expectations reach, and they are held against what came of it."""

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import cache, partial
from pathlib import Path

from rulebot.calendars.calendars import shipped_dates
from rulebot.compile.spec_tests import PlannedTest, planned_trials
from rulebot.model.economic_calendar import Published, earnings_of, event_calendar
from rulebot.model.errors import MisuseError, RulebotError, StoreError
from rulebot.model.facts import EventCalendar, EventDay
from rulebot.model.session import at_exchange_time, session_from
from rulebot.model.values import dataclass
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.files import find_files, is_test
from rulebot.spec.load import Loaded, load_document, tested_spec
from rulebot.spec.spec_test_nouns import Report, Trial
from rulebot.spec_tests.day import ENDS, begins_at, run_day
from rulebot.spec_tests.outcome import Miss, Outcome, horizon, misses

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


# --- The test documents that paths of a command line name, read and planned before any of them runs

FOLDER = "tests"
"""Where the tests of a spec stand: in this folder beside it, under its name."""


@dataclass(frozen=True, slots=True)
class TrialFile:
    """One test document: its tests with their plans, or its problems."""

    file: str
    planned: tuple[PlannedTest, ...]
    problems: tuple[Diagnostic, ...]


def trial_files(paths: Iterable[str]) -> tuple[TrialFile, ...]:
    """Return the test documents under `paths`; of a spec that is named those beside it.

    Raises: NoSuchFiles, MisuseError when a path leads to no test, StoreError when a file cannot be read.
    """
    files = dict.fromkeys(file for path in paths for file in _tests_of(path))
    return tuple(read_trials(file) for file in files)


def _tests_of(path: str) -> Iterator[Path]:
    found = find_files([path], tests=True)
    tests = [file for file in found if is_test(file)]
    if not tests and len(found) == 1:
        tests = [_beside(found[0])]
    if not tests:
        raise MisuseError(f"there is no test under '{path}'", "tests are documents '*.test.yaml'; see docs/tests.md")
    yield from tests


def _beside(file: Path) -> Path:
    """Return the tests of a spec, or the file itself when it is a test document under another name."""
    beside = file.parent / FOLDER / f"{file.stem}.test.yaml"
    if beside.is_file():
        return beside
    if _read(file).tests is not None:
        return file
    raise MisuseError(f"{file} has no tests", f"they would stand in {beside}")


def _read(file: Path) -> Loaded:
    try:
        return load_document(file)
    except OSError as error:
        raise StoreError(f"cannot read '{file}': {error.strerror or error}") from error


def read_trials(file: Path) -> TrialFile:
    """Return the tests of one document. Raises: StoreError when it cannot be read."""
    loaded = _read(file)
    if loaded.tests is None:
        problems = loaded.diagnostics
        if not problems:
            raise MisuseError(f"{file} is no test document", "it begins with 'rulebot_test: 1'")
        return TrialFile(str(file), (), problems)
    planned, problems = planned_trials(loaded, partial(tested_spec, loaded, loaded.tests))
    return TrialFile(str(file), planned, problems)
