"""Measures that are true or false by themselves: breach, time, events; and the session's kind."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from typing import Any, NamedTuple

from rulebot.measure.definition import (
    OPEN_POSITION,
    SHORT_LEGS,
    TEXT,
    TRUTH,
    Combine,
    Measure,
    Parameter,
    Refusal,
    Takes,
    choice,
)
from rulebot.measure.evaluation import NOT_OPEN, Evaluation
from rulebot.measure.ranges import TRUE_OR_FALSE
from rulebot.measure.reading import (
    NOW,
    Calculation,
    ColumnView,
    Context,
    Input,
    Judge,
    Reading,
    UnknownValue,
    Value,
    by_rule,
    exactly,
    kept,
    smaller,
)
from rulebot.measure.tree import Argument, Call, Quantity
from rulebot.measure.usual import Scale, Usual
from rulebot.measure.view import LegView, View
from rulebot.measure.words import MeasureText, fixed, listed
from rulebot.measures.market import spot_of
from rulebot.measures.structure import legs_named, names_of
from rulebot.measures.volatility import expiry_in
from rulebot.model.contract import Option, Right
from rulebot.model.economic_calendar import SAME_REPORT, calendars_of, has_no_time, is_earnings, span_of
from rulebot.model.facts import EventCalendar, EventDay
from rulebot.model.market import LEVEL_AGE
from rulebot.model.session import CalendarError, DayTime, Sessions, exchange_date
from rulebot.model.text import minute


class _Breach(NamedTuple):
    """The subject of a `breach`. bound: points; is_within: whether spot may come this near, or go past by this much."""

    names: tuple[str, ...]
    bound: float
    is_within: bool

    def past(self, safety: Value) -> Value:
        """Return by how much it is breached; 0 is a breach where spot may not come so near. safety: of all legs."""
        return self.bound - safety if self.is_within else -safety - self.bound


def _breach_of(call: Call) -> _Breach:
    arguments = dict(call.arguments)
    is_within = "spot_within" in arguments
    return _Breach(names_of(call), float(str(arguments["spot_within" if is_within else "spot_beyond"])), is_within)


def breach(call: Call, context: Context) -> Judge:
    """Bind `breach`.

    `spot_within`: the value is the distance to the nearest strike on its safe side (negative: past it), the bound the
    distance allowed. `spot_beyond`: the value is how far spot is past the strike furthest in the money.
    """
    asked = _breach_of(call)
    levels = {symbol: spot_of(symbol, context) for symbol in context.symbols}

    def judge(view: View) -> Evaluation:
        legs = legs_named(view, asked.names)
        readings = [_safety(leg.option, levels[leg.option.symbol](view)) for leg in legs]
        known = [reading for reading in readings if isinstance(reading, float)]
        missing = next((reading.reason for reading in readings if isinstance(reading, UnknownValue)), "")
        if not known:
            return Evaluation(None, missing=missing or NOT_OPEN, low=asked.bound)
        nearest = min(known)
        past = asked.past(nearest)
        is_breached = bool(past >= 0.0 if asked.is_within else past > 0.0)
        value = nearest if asked.is_within else -nearest
        if missing and not is_breached:
            return Evaluation(None, value, asked.bound, missing=missing)
        return Evaluation(is_breached, value, asked.bound, detail=_nearest_leg(legs, readings, nearest))

    return judge


def _breach_past(call: Call) -> Calculation:
    """Return by how much it is breached."""
    asked = _breach_of(call)

    def column(columns: ColumnView) -> list[Value] | None:
        found = []
        for leg in columns.named(asked.names):
            level = None if leg.option is None else columns.level(leg.option.symbol)
            if leg.option is None or level is None:
                return None
            found.append(_safety(leg.option, level))
        return found or None

    return Calculation((Input(by_rule, column),), lambda safeties: asked.past(reduce(smaller, safeties)))


def _refuse_breach(given: Mapping[str, Argument]) -> Refusal | None:
    is_one = ("spot_within" in given) != ("spot_beyond" in given)
    return None if is_one else Refusal("a breach takes one of spot_within and spot_beyond")


def _safety(option: Option, spot: Any) -> Any:
    """Return the points from spot to the strike on its safe side; negative when spot is past it."""
    if isinstance(spot, UnknownValue):
        return spot
    strike = float(option.strike)
    return exactly(spot - strike if option.right is Right.PUT else strike - spot)


def _nearest_leg(legs: tuple[LegView, ...], readings: list[Reading], nearest: float) -> str:
    found = next(leg for leg, reading in zip(legs, readings, strict=True) if reading == nearest)
    return f"{found.name} {found.option.strike:f}"


def time(call: Call, context: Context) -> Judge:
    """Bind `time`: true from that time on; at or past an early close it keeps its distance from the close.

    The detail is the time that it becomes so.
    """
    at = call.argument("at")
    assert isinstance(at, DayTime)
    kept: dict[datetime, tuple[float, str]] = {}

    def judge(view: View) -> Evaluation:
        close = view.session.close
        if close not in kept:
            kept.clear()
            begins = at.before_close(view.session)
            moved = "" if begins == at.on(view.session) else minute(begins)
            kept[close] = begins.timestamp(), moved
        begin, detail = kept[close]
        return Evaluation(bool(_passed(view.now, begin) >= 0.0), view.now, begin, detail=detail)

    return judge


def _passed(now: Value, begin: float) -> Value:
    return now - begin


def _time_passed(call: Call) -> Calculation:
    """Return the seconds since that time of the session."""
    at = call.argument("at")
    assert isinstance(at, DayTime)

    def begin(view: View | ColumnView) -> float | None:
        return None if view.session is None else at.before_close(view.session).timestamp()

    return Calculation((NOW, Input(lambda context: begin, begin)), _passed)


# ---------------------------------------------------------------- events


def event(call: Call, context: Context) -> Judge:
    """Bind `event`: one of the named events is on."""
    return _event_judge(call, context, wanted=True)


def no_event(call: Call, context: Context) -> Judge:
    """Bind `no_event`: none of the named events is near."""
    return _event_judge(call, context, wanted=False)


def _event_judge(call: Call, context: Context, wanted: bool) -> Judge:
    arguments = dict(call.arguments)
    calendars = calendars_of(names_of(call), context.symbols)
    before, after = arguments.get("before"), arguments.get("after")
    is_until_expiry, is_spanned = arguments.get("until") == "expiry", bool(before or after)

    @kept
    def by_day(calendar: EventCalendar, today: date, last: date) -> Evaluation:
        return _judged_of(_events_on(calendar, calendars, today, last), calendar, calendars, today, last, wanted=wanted)

    def judge(view: View) -> Evaluation:
        calendar, today = view.facts.events, view.session.date
        last = today
        if is_until_expiry:
            expiry = expiry_in(view, context.symbols[0], context)
            if isinstance(expiry, UnknownValue):
                return Evaluation(None, missing=expiry.reason)
            last = expiry
        if not is_spanned:
            judged: Evaluation = by_day(calendar, today, last)
            return judged
        found = _events_on(calendar, calendars, today, last) if is_until_expiry else []
        if not found:
            try:
                span = _Span(_before(view.now, after), _after(view.now, before))
            except CalendarError as error:
                return Evaluation(None, missing=str(error))
            around = _events_on(calendar, calendars, exchange_date(span.begins), span.latest)
            found, last = [day for day in around if span.may_hold(day)], max(last, span.latest)
            if wanted and (missing := _unsure(calendar, found)):
                return Evaluation(None, missing=missing)
            if wanted and found and not any(map(span.holds, found)):
                return Evaluation(None, missing=_no_time(found[0]))
        return _judged_of(found, calendar, calendars, today, last, wanted=wanted)

    return judge


def _judged_of(
    found: list[EventDay], calendar: EventCalendar, names: tuple[str, ...], today: date, last: date, *, wanted: bool
) -> Evaluation:
    """Judge by the events that are on; where there is none, whether that is known until the last day."""
    if found:
        return Evaluation(wanted, detail=_named(found[0]))
    if missing := _unknown_after(calendar, names, last):
        return Evaluation(None, missing=missing)
    return Evaluation(not wanted, detail=_next(calendar, names, today))


def _events_on(calendar: EventCalendar, names: tuple[str, ...], first: date, last: date) -> list[EventDay]:
    found = []
    for name in names:
        days = calendar.days.get(name, {})
        if first == last:
            found += [days[first]] if first in days else []
        else:
            found += [event_day for day, event_day in days.items() if first <= day <= last]
    return sorted(found, key=lambda event_day: event_day.day)


def _after(now: float, span: Argument) -> datetime:
    """Return the end of a span that begins now. Raises: CalendarError."""
    at = datetime.fromtimestamp(now, UTC)
    return span.ahead(at) if isinstance(span, Sessions) else at + timedelta(seconds=float(str(span or 0)))


def _before(now: float, span: Argument) -> datetime:
    """Return the start of a span that ends now. Raises: CalendarError."""
    at = datetime.fromtimestamp(now, UTC)
    return span.back(at) if isinstance(span, Sessions) else at - timedelta(seconds=float(str(span or 0)))


class _Span(NamedTuple):
    """The time from one instant to another, both included."""

    begins: datetime
    ends: datetime

    @property
    def latest(self) -> date:
        """The day at the exchange on which it ends."""
        return exchange_date(self.ends)

    def may_hold(self, event_day: EventDay) -> bool:
        """Say whether an event may fall into it."""
        first, last = span_of(event_day)
        return first <= self.ends and last >= self.begins

    def holds(self, event_day: EventDay) -> bool:
        """Say whether an event that may falls into it: earnings without a time may be before the open or after it."""
        first, last = span_of(event_day)
        return not has_no_time(event_day) or (self.begins <= first and last <= self.ends)


def _unsure(calendar: EventCalendar, found: Iterable[EventDay]) -> str:
    """Return that a report near now has a second date, "" where none has: one of the two is wrong, or was moved."""
    for event_day in found:
        days = calendar.days.get(event_day.name, {}) if is_earnings(event_day) else {}
        others = [day for day in days if 0 < abs((day - event_day.day).days) <= SAME_REPORT]
        if others:
            first, second = sorted((event_day.day, others[0]))
            return f"{event_day.name} has two dates for one report, {first} and {second}: remove the wrong one"
    return ""


def _no_time(event_day: EventDay) -> str:
    """Return that of earnings only the day is known, and how to bring the time."""
    return (
        f'{event_day.name} on {event_day.day} has no time: write "when": "bmo" (before the open) or "amc" '
        "(after the close) on that day in the calendar, and import it"
    )


def _unknown_after(calendar: EventCalendar, names: tuple[str, ...], last: date) -> str:
    for name in names:
        until = calendar.known_until.get(name)
        if until is None:
            return f"no calendar of {name}"
        if last > until:
            return f"the calendar of {name} ends on {until}"
    return ""


def _named(event_day: EventDay) -> str:
    mark = " (projected)" if event_day.projected else ""
    return f"{event_day.name} on {event_day.day}{mark}"


def _next(calendar: EventCalendar, names: tuple[str, ...], today: date) -> str:
    """Return `next: NFP 2026-12-04`, looking 60 days ahead."""
    for ahead in range(1, 61):
        day = today + timedelta(days=ahead)
        for name in names:
            if (found := calendar.days.get(name, {}).get(day)) is not None:
                return f"next: {found.name} {found.day}{' (projected)' if found.projected else ''}"
    return ""


def session(call: Call, context: Context, word: str) -> Judge:
    """Bind `session`: `full` or `half`."""

    def judge(view: View) -> Evaluation:
        found = "half" if view.session.is_half else "full"
        return Evaluation(found == word, detail=found)

    return judge


def _event_words(words: MeasureText) -> str:
    of = words.given("of")
    return listed(of if isinstance(of, tuple) else (str(of),), "or")


_EVENTS = (
    Parameter(name="of", takes=Takes.NAMES, required=True, about="Which events.", example=["FOMC"], ref="event_names"),
    Parameter(
        name="before",
        takes=Takes.SPAN,
        about="From how long before an event; `d` counts sessions.",
        example="2h",
        ref="span",
    ),
    Parameter(
        name="after",
        takes=Takes.SPAN,
        about="Until how long after an event; `d` counts sessions.",
        example="30m",
        ref="span",
    ),
    choice("until", None, ("expiry",), "`expiry`: any such event up to the legs' expiry.", "expiry"),
)
_LIST_OF_EVENTS = {
    "type": ["array", "object"],
    "items": {"$ref": "#/$defs/event_name"},
    "minItems": 1,
    "maxItems": 20,
    "uniqueItems": True,
    "x-owed": "a list of events",
}

MEASURES: tuple[Measure, ...] = (
    Measure(
        name="no_event",
        title="No event",
        about="True while none of these events is near: today for a list alone, else within the times given.",
        formula=(
            "None of the named events is today, or now within before / after, or until the expiry; one without a "
            "time lasts its whole day."
        ),
        source="event calendars",
        units=TRUTH,
        parameters=_EVENTS,
        max_age=None,
        reads=("facts", "time"),
        judge=no_event,
        reach=TRUE_OR_FALSE,
        phrase=lambda words: f"no {_event_words(words)}",
        examples=(
            ["CPI", "FOMC"],
            {"of": ["FOMC"], "before": "2h", "after": "30m"},
            {"of": ["earnings"], "before": "1d"},
        ),
        node=_LIST_OF_EVENTS,
    ),
    Measure(
        name="event",
        title="Event",
        about="True while one of these events is near: today for a list alone, else within the times given.",
        formula=(
            "One of the named events is today, or now within before / after, or until the expiry; one without a "
            "time lasts its whole day."
        ),
        source="event calendars",
        units=TRUTH,
        parameters=_EVENTS,
        max_age=None,
        reads=("facts", "time"),
        judge=event,
        reach=TRUE_OR_FALSE,
        phrase=_event_words,
        examples=(
            ["CPI", "FOMC"],
            {"of": ["FOMC"], "before": "2h", "after": "30m"},
            {"of": ["earnings"], "before": "1d"},
        ),
        node=_LIST_OF_EVENTS,
        combine=Combine.LARGEST,
    ),
    Measure(
        name="time",
        title="Time",
        about="True from this time of the session on.",
        formula=(
            "True from that time of the session on; at or past an early close it keeps its distance from the "
            "close: 15:45 is 12:45."
        ),
        source="the clock of the session",
        units=TRUTH,
        parameters=(Parameter(name="at", takes=Takes.CLOCK, required=True, ref="day_time"),),
        max_age=None,
        reads=("time",),
        judge=time,
        calculation=_time_passed,
        phrase=lambda words: str(words.given("at")),
        examples=("15:30", "close - 30m"),
        node={"$ref": "#/$defs/day_time"},
        is_by_clock=True,
    ),
    Measure(
        name="session",
        title="Session",
        about="Whether this session is a full one or ends early.",
        formula="`full`, or `half` on a day with an early close.",
        source="the exchange calendar",
        units=TEXT,
        words={
            "full": "a session from 09:30 to 16:00",
            "half": "a session that closes at 13:00",
        },
        max_age=None,
        reads=("time",),
        judge_word=session,
        reach=TRUE_OR_FALSE,
        phrase=fixed("the session"),
        subject="The kind of session.",
        examples=({"is": "full"},),
    ),
    Measure(
        name="breach",
        title="Breach",
        about="Spot against the strike of a short leg (or of the legs named).",
        formula=(
            "Spot is at most spot_within points from a strike on its safe side or past it; or past it by more "
            "than spot_beyond."
        ),
        source="spot and the strikes of the legs",
        units=TRUTH,
        parameters=(
            SHORT_LEGS,
            Parameter(
                name="spot_within",
                takes=Takes.POINTS,
                about="True while spot is at most this far from the strike on its safe side, or past it.",
                example="5 pts",
                ref="points",
            ),
            Parameter(
                name="spot_beyond",
                takes=Takes.POINTS,
                about="True while spot is past the strike by more than this.",
                example="10 pts",
                ref="points",
            ),
        ),
        places=OPEN_POSITION,
        max_age=LEVEL_AGE,
        reads=("spot", "position"),
        judge=breach,
        calculation=_breach_past,
        refuse=_refuse_breach,
        usual={Quantity.POINTS: Usual(0.01, 10.0, Scale.MOVE, zero=True, shifts=False)},
        phrase=lambda words: f"the strike of {words.one_leg()}",
        examples=({"spot_within": "5 pts"},),
        node={
            "x-owed": "spot_within or spot_beyond in braces",
            "x-exactly-one": ["spot_within", "spot_beyond"],
        },
        combine=Combine.LEAST,
    ),
)
