"""Whether what was expected has come about, and in words what was expected and what was seen instead."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from rulebot.model.counted import counted
from rulebot.model.position import count_structures
from rulebot.model.session import EXCHANGE_ZONE, DayTime, Session
from rulebot.model.values import dataclass
from rulebot.record.explain import ENTRY_PLACES
from rulebot.spec.trial import ENDINGS, Expectation, Span
from rulebot.spec_tests.outcome import Outcome, OutcomeEvent, OutcomeKind, OutcomeLine

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
    lived = outcome.lived
    start, end = _bounds(expected, lived.session, lived.begins, lived.ends, lived.quotes)
    look = _Look(expected, outcome, start, end)
    wanted = [what for what, is_wanted in look.wanted() if is_wanted]
    happened = [look.found(what) for what in wanted]
    for what, found in zip(wanted, happened, strict=True):
        if found is None:
            yield look.did_not_happen(what)
    yield from look.stands()
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

    def did_not_happen(self, what: OutcomeKind) -> Miss:
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
        told = alike or list(self.outcome.happenings)
        if told:
            return "; ".join(f"{clock(each.at)} {each.words}" for each in told[:4])
        sent = len(self.outcome.lived.sent)
        return f"{counted(sent, 'order')}, none filled" if sent else "nothing happened: no order was sent"

    # ------------------------------------------------------------ how it stands

    def stands(self) -> Iterator[Miss]:
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
        during = [(at, order) for at, order in self.outcome.lived.sent if self.start <= at < self.end]
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
                told = ", ".join(f"{each} {at:f}" for each, at in found.items() if at is not None) or "nothing rests"
                yield self.miss(f"rests: {name} {price:f}", told, _EXITS)

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
        """Return what a rule said of the position that happened, or its symbol; of several with that name the one
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
        expected, session = self.expected, self.outcome.lived.session
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
