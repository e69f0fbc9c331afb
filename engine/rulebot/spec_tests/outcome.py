"""Run tests; say whether what was expected has come about, and what was seen instead."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from pathlib import Path
from typing import Any

from rulebot.calendars.calendars import shipped_dates
from rulebot.compile.spec_tests import PlannedTest, plan_tests
from rulebot.model.cause import Halt
from rulebot.model.economic_calendar import Published, earnings_of, event_calendar
from rulebot.model.errors import MisuseError, RulebotError, as_store_error
from rulebot.model.facts import EventCalendar, EventDay
from rulebot.model.order import Order, OrderStatus, Purpose
from rulebot.model.position import Position, PositionLeg, count_structures
from rulebot.model.session import EXCHANGE_ZONE, DayTime, Session, at_exchange_time, session_from
from rulebot.model.text import counted
from rulebot.model.values import dataclass
from rulebot.record.codec import decode
from rulebot.record.explain import ENTRY_PLACES
from rulebot.record.record import Kind, Record
from rulebot.spec.diagnostic import Diagnostic
from rulebot.spec.files import find_files, is_test
from rulebot.spec.load import Loaded, load_document, tested_spec
from rulebot.spec.spec_test_nouns import DAILY_LOSS, DAILY_PROFIT, ENDINGS, Expectation, Report, Span, SpecTest
from rulebot.spec_tests.day import ENDS, SimulatedTest, begins_at, run_day
from rulebot.wording.condition import describe

# --- What happened in a test, read from its records

_RESTING = (Purpose.TARGET.value, Purpose.STOP.value)
_NO_ENDS = ("unfilled", "rejected")


class OutcomeKind(Enum):
    """A sort of happening."""

    ENTERS = "entered"
    EXITS = "exit"
    HALTS = "halted"
    UNFILLED = "an entry was not filled"


@dataclass(frozen=True, slots=True)
class OutcomeEvent:
    """An event that a test can expect. `name` is that of an exit or a halt's cause; `words` describes it."""

    at: datetime
    what: OutcomeKind
    name: str
    position: str
    words: str


@dataclass(frozen=True, slots=True)
class OutcomeLine:
    """What a rule said from an instant on; `place` is when, require, exit or halts.

    position: that it was asked of, symbol: of `universe`; "" where it was asked of none.
    """

    at: datetime
    place: str
    rule: str
    truth: bool | None
    words: str
    position: str = ""
    symbol: str = ""


class Outcome:
    """One lived test as what can be asked of it."""

    def __init__(self, simulated: SimulatedTest) -> None:
        self.simulated = simulated
        self.happenings = tuple(_happenings(simulated))
        judged = tuple(_said(simulated.records))
        known = {said.rule for said in judged if said.place == "when"}
        self.said = (*judged, *(said for said in _observed(simulated) if said.rule not in known))

    def strikes(self, position: str) -> Mapping[str, Decimal]:
        """Return the strike of each leg of a position; shares have none."""
        legs = self.simulated.state.positions.by_id[position].legs
        return {leg.name: leg.option.strike for leg in legs if not leg.option.is_share}

    def symbols(self, happening: OutcomeEvent) -> frozenset[str]:
        """Return the symbols of the position's legs for an event; empty for an event of the bot."""
        found = self.positions(happening.at).get(happening.position)
        return frozenset() if found is None else frozenset(leg.option.symbol for leg in found.legs)

    def states(self, until: datetime) -> tuple[str, ...]:
        """Return the states of the positions that are not closed at an instant; none is flat."""
        return tuple(position.state for position in self.positions(until).values() if position.state != "closed")

    def states_during(self, start: datetime, until: datetime) -> Iterator[str]:
        """Yield every state that the bot was in, from an instant to another."""
        yield from self.states(start) or ("flat",)
        for record in self._entities(Kind.DECISION, until):
            if record.data["what"] == "state" and record.at >= start:
                yield from self.states(record.at) or ("flat",)

    def positions(self, until: datetime) -> Mapping[str, Position]:
        """Return every position as it was at an instant."""
        found = {} if self.simulated.began_open is None else {self.simulated.began_open.id: self.simulated.began_open}
        for record in self._entities(Kind.POSITION, until):
            position = decode(Position, dict(record.data))
            found[position.id] = position
        return found

    def resting(self, until: datetime) -> Mapping[str, Decimal | None]:
        """Return the prices of orders resting at the broker at an instant, by exit, unsigned."""
        orders: dict[str, Order] = {}
        for record in self._entities(Kind.ORDER, until):
            if record.data["purpose"] in _RESTING:
                order = decode(Order, dict(record.data))
                orders[order.ref] = order
        live = (order for order in orders.values() if order.status is OrderStatus.WORKING)
        prices = {order.reason: order.terms.price for order in live}
        return {name: None if price is None else abs(price) for name, price in prices.items()}

    def _entities(self, kind: Kind, until: datetime) -> Iterator[Record]:
        return (record for record in self.simulated.records if record.kind is kind and record.at <= until)


def _happenings(simulated: SimulatedTest) -> Iterator[OutcomeEvent]:
    seen: set[tuple[str, str]] = set()
    for record in simulated.records:
        found = _happening(record, simulated, seen)
        if found is not None:
            yield found


def _leg_words(leg: PositionLeg) -> str:
    return leg.name if leg.option.is_share else f"{leg.name} {leg.option.strike:f}"


def _happening(record: Record, simulated: SimulatedTest, seen: set[tuple[str, str]]) -> OutcomeEvent | None:
    data: Any = record.data
    if record.kind is Kind.FILL and data["purpose"] == Purpose.ENTRY.value:
        if ("enters", record.position) in seen:
            return None
        seen.add(("enters", record.position))
        legs = ", ".join(map(_leg_words, simulated.state.positions.by_id[record.position].legs))
        return OutcomeEvent(record.at, OutcomeKind.ENTERS, "", record.position, f"entered {legs}")
    if record.kind is not Kind.DECISION:
        return None
    what, reason = str(data["what"]), str(data["reason"])
    if what == "halt":
        days = {Halt.DAY_LOSS.value: DAILY_LOSS, Halt.DAY_PROFIT.value: DAILY_PROFIT}
        name = days.get(str(data["halt"])) or str(data["rule"] or data["halt"])
        return OutcomeEvent(record.at, OutcomeKind.HALTS, name, "", f"halted: {' '.join(reason.split())}")
    if what == "unfilled":
        return OutcomeEvent(record.at, OutcomeKind.UNFILLED, "", record.position, f"an entry was not filled: {reason}")
    if what == "exit" or (what == "closed" and reason not in _NO_ENDS and (reason, record.position) not in seen):
        seen.add((reason, record.position))
        return OutcomeEvent(record.at, OutcomeKind.EXITS, reason, record.position, f"exit {reason}")
    return None


def _said(records: tuple[Record, ...]) -> Iterator[OutcomeLine]:
    for record in records:
        if record.kind is Kind.VERDICT:
            data: Any = record.data
            words = " ".join(str(data["words"]).split())
            of = record.position, str(data.get("symbol", ""))
            yield OutcomeLine(record.at, str(data["place"]), str(data["rule"]), data["truth"], words, *of)


def _observed(simulated: SimulatedTest) -> Iterator[OutcomeLine]:
    for at, rule, evaluation in simulated.observed:
        yield OutcomeLine(at, "when", rule.name, evaluation.truth, " ".join(describe(rule, evaluation).split()))


# --- Whether what was expected has come about, and in words what was expected and what was seen instead

AT_EXPIRY = "at_expiry"
_UNWIND = "unwind"
_SECOND, _MINUTE = timedelta(seconds=1), timedelta(minutes=1)
_TRUTHS = {True: "true", False: "false", None: "unknown"}
_ENTRY = ("when", "require", "risk")
_EXITS = ("exit",)
_PLACES = {OutcomeKind.EXITS: _EXITS, OutcomeKind.HALTS: ("halts",)}


@dataclass(frozen=True, slots=True)
class Miss:
    """Something expected that did not come about.

    The conditions of `places` at the instant `at` explain it; a wrong strike the choice of those `legs`.
    """

    expected: str
    seen: str
    at: datetime
    places: tuple[str, ...]
    legs: tuple[str, ...] = ()


def horizon(expected: Expectation, session: Session, begins: datetime, ends: datetime) -> datetime:
    """Return until when a test must be lived through to know whether this has come about."""
    if expected.span is Span.AFTER_QUOTE:
        return begins + _SECOND * (expected.quote + 1)
    return min(_bounds(expected, session, begins, ends, ())[1], ends)


def misses(expected: Expectation, outcome: Outcome) -> Iterator[Miss]:
    """Yield what of one expectation has not come about."""
    simulated = outcome.simulated
    start, end = _bounds(expected, simulated.session, simulated.begins, simulated.ends, simulated.quotes)
    look = _Look(expected, outcome, start, end)
    wanted = [what for what, is_wanted in look.wanted() if is_wanted]
    happened = [look.found(what) for what in wanted]
    for what, found in zip(wanted, happened, strict=True):
        if found is None:
            yield look.missing_event(what)
    yield from look.end_state_misses()
    if expected.because and None not in happened:
        yield from look.because(happened[-1] if happened else None)


def _bounds(
    expected: Expectation, session: Session, begins: datetime, ends: datetime, quotes: tuple[datetime, ...]
) -> tuple[datetime, datetime]:
    """Return from when (included) to when (not included) it is expected."""
    if expected.span is Span.AFTER_QUOTE:
        start = quotes[expected.quote - 1] if quotes else begins
        return start, quotes[expected.quote] if expected.quote < len(quotes) else start + _SECOND
    if expected.time is None:
        return begins, ends + _SECOND
    at = expected.time.before_close(session)
    if expected.span is Span.BY:
        return begins, at + _SECOND
    return at, at + (_SECOND if _has_seconds(expected.time) else _MINUTE)


def _has_seconds(time: DayTime) -> bool:
    return bool(time.offset % _MINUTE)


class _Look:
    """One expectation against one outcome."""

    def __init__(self, expected: Expectation, outcome: Outcome, start: datetime, end: datetime) -> None:
        self.expected, self.outcome, self.start, self.end = expected, outcome, start, end
        self.last = end - datetime.resolution

    # ------------------------------------------------------------ what happens

    def wanted(self) -> tuple[tuple[OutcomeKind, bool], ...]:
        """Return every sort of happening, and whether one is expected."""
        expected = self.expected
        return (
            (OutcomeKind.ENTERS, expected.enters is not None),
            (OutcomeKind.UNFILLED, expected.unfilled),
            (OutcomeKind.HALTS, bool(expected.halts)),
            (OutcomeKind.EXITS, bool(expected.exits)),
        )

    def found(self, what: OutcomeKind) -> OutcomeEvent | None:
        """Return the first happening of a sort in that time that is as expected."""
        if not dict(self.wanted())[what]:
            return None
        return next((each for each in self._during() if each.what is what and self._fits(each)), None)

    def _during(self) -> list[OutcomeEvent]:
        return [each for each in self.outcome.happenings if self.start <= each.at < self.end]

    def _fits(self, found: OutcomeEvent) -> bool:
        expected = self.expected
        if found.what is OutcomeKind.EXITS:
            ends = ENDINGS if expected.exits == AT_EXPIRY else ()
            return found.name == expected.exits or (found.name in ends and found.name != _UNWIND)
        if found.what is OutcomeKind.HALTS:
            return found.name == expected.halts
        if found.what is OutcomeKind.ENTERS:
            strikes = self.outcome.strikes(found.position)
            return all(strikes.get(name) == strike for name, strike in (expected.enters or {}).items())
        return True

    def missing_event(self, what: OutcomeKind) -> Miss:
        """Return that a happening of this sort is missing; when it is for its strikes alone, which they are."""
        entered = next((each for each in self._during() if each.what is OutcomeKind.ENTERS), None)
        if what is OutcomeKind.ENTERS and entered is not None:
            strikes = self.outcome.strikes(entered.position)
            wrong = tuple(name for name, strike in (self.expected.enters or {}).items() if strikes.get(name) != strike)
            return replace(self.miss(self.fact(what), self.seen(what), (), entered.at), legs=wrong)
        is_never_in = what is OutcomeKind.EXITS and not self.outcome.positions(self.last)
        places = ENTRY_PLACES if is_never_in else _PLACES.get(what, ENTRY_PLACES)
        return self.miss(self.fact(what), self.seen(what), places)

    def fact(self, what: OutcomeKind) -> str:
        """Say what is expected."""
        expected = self.expected
        strikes = ", ".join(f"{name} {strike:f}" for name, strike in (expected.enters or {}).items())
        said = {
            OutcomeKind.ENTERS: f"enters {strikes}" if strikes else "enters",
            OutcomeKind.UNFILLED: "an entry is not filled",
            OutcomeKind.HALTS: f"halts: {expected.halts}",
            OutcomeKind.EXITS: f"exits: {expected.exits}",
        }
        return said[what]

    def seen(self, what: OutcomeKind) -> str:
        """Say what was seen instead: of that sort at any time, else all that happened."""
        alike = [each for each in self.outcome.happenings if each.what is what]
        found = alike or list(self.outcome.happenings)
        if found:
            return "; ".join(f"{clock(each.at)} {each.words}" for each in found[:4])
        sent = len(self.outcome.simulated.sent)
        return f"{counted(sent, 'order')}, none filled" if sent else "nothing happened: no order was sent"

    # ------------------------------------------------------------ positions, states and resting orders

    def end_state_misses(self) -> Iterator[Miss]:
        """Yield what was expected of orders, states and holdings, and is otherwise."""
        expected = self.expected
        if expected.no_orders:
            yield from self._orders()
        if expected.state:
            yield from self._state(expected.state)
        if expected.quantity is not None:
            held = count_structures(self.outcome.positions(self.last).values())
            if held != expected.quantity:
                yield self.miss(f"quantity {expected.quantity}", f"{held} open", _EXITS)
        if expected.rests:
            yield from self._rests()

    def _orders(self) -> Iterator[Miss]:
        during = [(at, order) for at, order in self.outcome.simulated.sent if self.start <= at < self.end]
        if during:
            at, order = during[0]
            more = f", and {len(during) - 1} more" if len(during) > 1 else ""
            of = "" if order.reason == order.purpose.value else f" ({order.reason})"
            seen = f"{clock(at)} an order of {order.purpose.value}{of} was sent{more}"
            yield self.miss("orders: none", seen, ENTRY_PLACES, at)

    def _state(self, wanted: str) -> Iterator[Miss]:
        if self.expected.span is Span.ALL_DAY:
            found = self._states_of_the_day()
            wrong = [state for state in found if state != wanted]
        else:
            found = self.outcome.states(self.last) or ("flat",)
            wrong = [] if wanted in found else [*found]
        if wrong:
            yield self.miss(f"state: {wanted}", ", ".join(wrong), ENTRY_PLACES if wanted == "flat" else _EXITS)

    def _states_of_the_day(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.outcome.states_during(self.start, self.last)))

    def _rests(self) -> Iterator[Miss]:
        found = self.outcome.resting(self.last)
        for name, price in self.expected.rests.items():
            if found.get(name) != price:
                text = ", ".join(f"{each} {at:f}" for each, at in found.items() if at is not None) or "nothing rests"
                yield self.miss(f"rests: {name} {price:f}", text, _EXITS)

    # ------------------------------------------------------------ what rules say

    def because(self, found: OutcomeEvent | None) -> Iterator[Miss]:
        """Yield the rules that said something else; of a universe without a position one symbol is enough."""
        at = self.last if found is None else found.at
        for name, truth in self.expected.because.items():
            said = self._said(name, found)
            if self.expected.span is Span.ALL_DAY:
                wrong = next((each for each in said if each.truth is not truth), None)
            else:
                said = [each for each in said if each.at <= at]
                last = {each.symbol: each for each in said}.values()
                wrong = None if any(each.truth is truth for each in last) else next(reversed(said), None)
            place = said[0].place if said else "when"
            if not said:
                yield self.miss(f"{name}: {_TRUTHS[truth]}", "it was never judged", ENTRY_PLACES, at)
            elif wrong is not None:
                seen = f"{clock(wrong.at)} {name} {_TRUTHS[wrong.truth]}   {wrong.words}"
                yield self.miss(f"{name}: {_TRUTHS[truth]}", seen, (place,), wrong.at)

    def _said(self, name: str, found: OutcomeEvent | None) -> list[OutcomeLine]:
        """Return what a rule said of the position or its symbol; of several with that name the one
        where the happening belongs, else the first.
        """
        said = [each for each in self.outcome.said if each.rule == name]
        if found is not None and found.position:
            symbols = {"", *self.outcome.symbols(found)}
            said = [each for each in said if each.position in ("", found.position) and each.symbol in symbols]
        asked = found.what if found is not None else next((what for what, wanted in self.wanted() if wanted), None)
        own = _PLACES.get(asked, _ENTRY) if asked is not None else _ENTRY
        return [each for each in said if each.place in own] or said

    def miss(self, fact: str, seen: str, places: tuple[str, ...], at: datetime | None = None) -> Miss:
        """Return what was expected and what was seen, with the time of both."""
        when = self._when()
        return Miss(f"{when} {fact}" if when else fact, seen, at or self.last, places)

    def _when(self) -> str:
        expected, session = self.expected, self.outcome.simulated.session
        if expected.span is Span.AFTER_QUOTE:
            return f"after quote {expected.quote}"
        span, time = str(expected.span.value).replace("_", " "), expected.time
        if time is None:
            return span
        meant = time.before_close(session)
        return f"{span} {time}" if meant == time.on(session) else f"{span} {time} ({clock(meant)} on this half day)"


def clock(at: datetime) -> str:
    """Return New York clock time."""
    return at.astimezone(EXCHANGE_ZONE).strftime("%H:%M:%S")


# --- Run tests

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


def calendar_of(trial: SpecTest) -> EventCalendar:
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


def run_spec_test(planned: PlannedTest, stopwatch: Stopwatch) -> Result:
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
"""The folder with the tests of a spec, next to it and under its name."""


@dataclass(frozen=True, slots=True)
class SpecTestFile:
    """One test document: its tests with their plans, or its problems."""

    file: str
    planned: tuple[PlannedTest, ...]
    problems: tuple[Diagnostic, ...]


def spec_test_files(paths: Iterable[str]) -> tuple[SpecTestFile, ...]:
    """Return the test documents under `paths`; for a spec those in its test folder.

    Raises: NoSuchFiles, MisuseError when a path leads to no test, StoreError when a file cannot be read.
    """
    files = dict.fromkeys(file for path in paths for file in _tests_of(path))
    return tuple(read_spec_tests(file) for file in files)


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
    test_file = file.parent / FOLDER / f"{file.stem}.test.yaml"
    if test_file.is_file():
        return test_file
    if _read(file).tests is not None:
        return file
    raise MisuseError(f"{file} has no tests", f"rulebot looks for them in {test_file}")


def _read(file: Path) -> Loaded:
    with as_store_error(f"cannot read '{file}'"):
        return load_document(file)


def read_spec_tests(file: Path) -> SpecTestFile:
    """Return the tests of one document. Raises: StoreError when it cannot be read."""
    loaded = _read(file)
    if loaded.tests is None:
        problems = loaded.diagnostics
        if not problems:
            raise MisuseError(f"{file} is no test document", "it begins with 'rulebot_test: 1'")
        return SpecTestFile(str(file), (), problems)
    planned, problems = plan_tests(loaded, partial(tested_spec, loaded, loaded.tests))
    return SpecTestFile(str(file), planned, problems)
