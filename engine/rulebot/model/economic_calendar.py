"""Event calendars: published dates as they are, and every day an event may fall on where dates are not out yet.

A projected day blocks like a published one: the rules below are wide on purpose, so that an event never falls on a
day that was thought free. `docs/events.md` says how often each rule held; a test compares them with every date
published since 2016.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from rulebot.model.contract import Kind, product
from rulebot.model.facts import EventCalendar, EventDay, Moment
from rulebot.model.session import FULL_CLOSE, LAST_YEAR, OPEN_TIME, at_exchange_time, is_session, is_tabled, session_on
from rulebot.model.values import dataclass

KNOWN_FROM = date(2010, 1, 1)
KNOWN_UNTIL = date(LAST_YEAR, 12, 31)
DAY = timedelta(days=1)
WARNING_DAYS = 30
WEDNESDAY, THURSDAY, FRIDAY = 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Official dates of one event. From `first` to `last` they are complete: a day not in `days` has no event."""

    name: str
    first: date
    last: date
    days: tuple[EventDay, ...]
    verified: date
    source: str = ""

    def covers(self, day: date) -> bool:
        """Say whether these dates decide about `day`."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Projection:
    """On which days an event may fall by its usual rule, and when on such a day (exchange time; None: all day).

    turn: the month of a day's turn, of which each has one event; "" for a day in none. is_usual: days are usually
    projected, because dates are published only months ahead; no warning is given.
    """

    clock: time | None
    may_fall_on: Callable[[date], bool]
    turn: Callable[[date], str]
    is_usual: bool = False


def month_of(day: date) -> str:
    """Return `2027-03`."""
    return day.strftime("%Y-%m")


def may_be_cpi(day: date) -> bool:
    """Consumer prices: a weekday from the 10th to the 20th (10th to 15th since February 2017)."""
    return day.weekday() <= FRIDAY and 10 <= day.day <= 20


def may_be_nfp(day: date) -> bool:
    """The jobs report: the first Friday, or the next up to the 10th; the day before a Friday that is a holiday too."""
    if day.weekday() == THURSDAY:
        friday = day + DAY
        return friday.day <= 10 and not _trades(friday)
    return day.weekday() == FRIDAY and day.day <= 10


# The second day of the eight meetings of a year, from the earliest seen to the latest, and a day more at both ends.
_MEETINGS = (
    ((1, 25), (2, 2)),
    ((3, 14), (3, 23)),
    ((4, 26), (5, 8)),
    ((6, 8), (6, 20)),
    ((7, 25), (8, 2)),
    ((9, 14), (9, 27)),
    ((10, 26), (11, 9)),
    ((12, 7), (12, 20)),
)


def may_be_fomc(day: date) -> bool:
    """The Fed's decision: a Wednesday in one of eight spans of the year; early in November a Thursday too."""
    if day.weekday() == THURSDAY:
        return day.month == 11 and day.day <= 9
    at = (day.month, day.day)
    return day.weekday() == WEDNESDAY and any(first <= at <= last for first, last in _MEETINGS)


def meeting_of(day: date) -> str:
    """Return the month in which the span of a Fed meeting begins, "" for a day outside of all eight."""
    at = (day.month, day.day)
    return next((f"{day.year}-{first[0]:02}" for first, last in _MEETINGS if first <= at <= last), "")


# Ordinary meetings since October 2022, when OPEC and its partners agreed on one every six months.
_OIL_MEETINGS = (((5, 25), (6, 8)), ((11, 25), (12, 8)))
_HALF_YEARLY = date(2022, 10, 6)


def may_be_opec(day: date) -> bool:
    """A meeting on oil production: a weekday around the turn of May, and of November.

    Source: communique of the 33rd OPEC and non-OPEC Ministerial Meeting, 5 October 2022.
    """
    at = (day.month, day.day)
    return day.weekday() <= FRIDAY and any(first <= at <= last for first, last in _OIL_MEETINGS)


def opec_meeting_of(day: date) -> str:
    """Return the month in which the span of a meeting begins, "" for a day outside of both, or before the rule."""
    at = (day.month, day.day)
    found = (f"{day.year}-{first[0]:02}" for first, last in _OIL_MEETINGS if first <= at <= last)
    return next(found, "") if day >= _HALF_YEARLY else ""


PROJECTIONS: Mapping[str, Projection] = {
    "CPI": Projection(time(8, 30), may_be_cpi, month_of),
    "FOMC": Projection(time(14, 0), may_be_fomc, meeting_of),
    "NFP": Projection(time(8, 30), may_be_nfp, month_of),
    "OPEC": Projection(None, may_be_opec, opec_meeting_of, is_usual=True),
}


_EARNINGS = "earnings."
SAME_REPORT = 30
"""Days within which two dates of a company are those of one report: it reports once a quarter."""


def earnings_of(symbol: str) -> str:
    """Return the name of the calendar that holds one company's earnings."""
    return f"{_EARNINGS}{symbol}"


def is_earnings(event: EventDay) -> bool:
    """Say whether an event is a company's report."""
    return event.name.startswith(_EARNINGS)


def has_no_time(event: EventDay) -> bool:
    """Say whether these are earnings with a day but no time. Other events without a time last all day."""
    return is_earnings(event) and event.at is None and event.moment is None


def span_of(event: EventDay) -> tuple[datetime, datetime]:
    """Return the first and the last instant, UTC, at which an event may be: its day where no more is known."""
    if event.at is not None:
        return event.at, event.at
    first, last = at_exchange_time(event.day, time()), at_exchange_time(event.day + DAY, time())
    session = session_on(event.day) if is_tabled(event.day) else None
    if event.moment is Moment.BEFORE_OPEN:
        return first, at_exchange_time(event.day, OPEN_TIME)
    if event.moment is Moment.AFTER_CLOSE:
        return at_exchange_time(event.day, FULL_CLOSE) if session is None else session.close, last
    return first, last


def without_time(published: Iterable[Published], since: date) -> tuple[EventDay, ...]:
    """Return the earnings from a day on that have a day but no time."""
    return tuple(event for dates in published for event in dates.days if event.day >= since and has_no_time(event))


def calendars_of(names: Iterable[str], symbols: Iterable[str]) -> tuple[str, ...]:
    """Return the calendars to look in for these events; earnings are those of companies, indices and ETFs have none."""
    symbols = tuple(symbols)
    companies = tuple(earnings_of(symbol) for symbol in symbols if product(symbol).kind is Kind.STOCK)
    return tuple(found for name in names for found in (companies if name == "earnings" else (name,)))


@lru_cache(maxsize=16)
def projected_days(name: str, first: date, last: date) -> tuple[EventDay, ...]:
    """Return every day from `first` to `last` on which the event may fall; none for an event without a usual rule."""
    rule = PROJECTIONS.get(name)
    if rule is None:
        return ()
    days = (first + DAY * count for count in range((last - first).days + 1))
    clock = rule.clock
    return tuple(
        EventDay(name, day, None if clock is None else at_exchange_time(day, clock), projected=True)
        for day in days
        if rule.may_fall_on(day)
    )


def event_calendar(published: Iterable[Published], known_until: date = KNOWN_UNTIL) -> EventCalendar:
    """Return one calendar of all events: published days where they are known, projected ones elsewhere.

    Of two that speak about the same day the one verified later counts. An event without a usual rule is unknown after
    its published dates; one with a rule is known to `known_until`, and to its published dates if they reach further.
    """
    by_name = _by_name(published)
    ends = _ends(by_name, known_until)
    return EventCalendar(
        days={name: _laid_over(name, layers, ends.known_until[name]) for name, layers in by_name.items()},
        published_until=ends.published_until,
        known_until=ends.known_until,
    )


def calendar_ends(published: Iterable[Published], known_until: date = KNOWN_UNTIL) -> EventCalendar:
    """Return a calendar with event names and lengths but no days, which is quicker to make."""
    return _ends(_by_name(published), known_until)


def _by_name(published: Iterable[Published]) -> Mapping[str, list[Published]]:
    found: dict[str, list[Published]] = defaultdict(list)
    for dates in sorted(published, key=lambda dates: (dates.verified, dates.first)):
        found[dates.name].append(dates)
    return found


def _ends(by_name: Mapping[str, list[Published]], known_until: date) -> EventCalendar:
    until = {name: covered_until(layers) for name, layers in by_name.items()}
    ends = {name: max(known_until, until[name]) if name in PROJECTIONS else until[name] for name in by_name}
    return EventCalendar(published_until=until, known_until=ends)


def covered_until(layers: Collection[Published]) -> date:
    """Return the last day that published dates decide about without a gap since their first."""
    ordered = sorted(layers, key=lambda dates: dates.first)
    last = ordered[0].last
    for dates in ordered[1:]:
        if dates.first > last + DAY:
            break
        last = max(last, dates.last)
    return last


def months_without(dates: Published) -> tuple[str, ...]:
    """Return the months ("2027-03") within the dates in which an event with a usual rule has none though it was due."""
    if (rule := PROJECTIONS.get(dates.name)) is None:
        return ()
    due = {rule.turn(event.day) for event in projected_days(dates.name, dates.first, dates.last)}
    return tuple(sorted(due - {rule.turn(event.day) for event in dates.days}))


def _laid_over(name: str, layers: Iterable[Published], last: date) -> Mapping[date, EventDay]:
    found = {event.day: event for event in projected_days(name, KNOWN_FROM, last)}
    for dates in layers:
        found = {day: event for day, event in found.items() if not dates.covers(day)}
        found.update((event.day, event) for event in dates.days)
    return dict(sorted(found.items()))


def expiry_warnings(calendar: EventCalendar, today: date, names: Collection[str] | None = None) -> tuple[str, ...]:
    """Return a line for each event whose published dates end within 30 days, or have ended.

    names: only these events, those that the bots in question ask about.
    """
    return tuple(
        _warning(name, last, calendar.known_until[name], today)
        for name, last in sorted(calendar.published_until.items())
        if (names is None or name in names) and last - today <= WARNING_DAYS * DAY and not _is_usually_projected(name)
    )


def _is_usually_projected(name: str) -> bool:
    rule = PROJECTIONS.get(name)
    return rule is not None and rule.is_usual


def _warning(name: str, last: date, known_until: date, today: date) -> str:
    left = (last - today).days
    when = f"end on {last}, in {left} days" if left > 0 else f"ended on {last}"
    if known_until > last:
        then = f"after that, until {known_until}, every day it usually falls on counts as one"
    else:
        then = "after that it is unknown, and unknown never enters"
    return f"{name}: published dates {when}; {then}. Bring new ones: rulebot events import FILE (docs/events.md)"


def events_between(calendar: EventCalendar, first: date, last: date) -> tuple[EventDay, ...]:
    """Return all events from `first` to `last`, by day and time; those that last all day come first."""
    start = datetime.min.replace(tzinfo=at_exchange_time(first, time(0)).tzinfo)
    found = [event for days in calendar.days.values() for day, event in days.items() if first <= day <= last]
    return tuple(sorted(found, key=lambda event: (event.day, event.at or start, event.name)))


def _trades(day: date) -> bool:
    return not is_tabled(day) or is_session(day)
