"""Exchange sessions: which days trade, from when to when, and what "15:45" or "close - 15m" means on each.

Exchange time is America/New_York for every product. Sessions are the regular ones (09:30 to 16:00, 13:00 on a
half day). Dates outside the table are an error, never silently "open".
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from itertools import takewhile
from zoneinfo import ZoneInfo

from rulebot.model.values import dataclass, replace

# --- NYSE holidays and early closes on weekdays, 1993 to 2028, as a table

FIRST_YEAR = 1993
LAST_YEAR = 2028

HOLIDAYS = """
    1993: 01-01 02-15 04-09 05-31 07-05 09-06 11-25 12-24
    1994: 02-21 04-01 04-27 05-30 07-04 09-05 11-24 12-26
    1995: 01-02 02-20 04-14 05-29 07-04 09-04 11-23 12-25
    1996: 01-01 02-19 04-05 05-27 07-04 09-02 11-28 12-25
    1997: 01-01 02-17 03-28 05-26 07-04 09-01 11-27 12-25
    1998: 01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25
    1999: 01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24
    2000: 01-17 02-21 04-21 05-29 07-04 09-04 11-23 12-25
    2001: 01-01 01-15 02-19 04-13 05-28 07-04 09-03 09-11 09-12 09-13 09-14 11-22 12-25
    2002: 01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25
    2003: 01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25
    2004: 01-01 01-19 02-16 04-09 05-31 06-11 07-05 09-06 11-25 12-24
    2005: 01-17 02-21 03-25 05-30 07-04 09-05 11-24 12-26
    2006: 01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25
    2007: 01-01 01-02 01-15 02-19 04-06 05-28 07-04 09-03 11-22 12-25
    2008: 01-01 01-21 02-18 03-21 05-26 07-04 09-01 11-27 12-25
    2009: 01-01 01-19 02-16 04-10 05-25 07-03 09-07 11-26 12-25
    2010: 01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24
    2011: 01-17 02-21 04-22 05-30 07-04 09-05 11-24 12-26
    2012: 01-02 01-16 02-20 04-06 05-28 07-04 09-03 10-29 10-30 11-22 12-25
    2013: 01-01 01-21 02-18 03-29 05-27 07-04 09-02 11-28 12-25
    2014: 01-01 01-20 02-17 04-18 05-26 07-04 09-01 11-27 12-25
    2015: 01-01 01-19 02-16 04-03 05-25 07-03 09-07 11-26 12-25
    2016: 01-01 01-18 02-15 03-25 05-30 07-04 09-05 11-24 12-26
    2017: 01-02 01-16 02-20 04-14 05-29 07-04 09-04 11-23 12-25
    2018: 01-01 01-15 02-19 03-30 05-28 07-04 09-03 11-22 12-05 12-25
    2019: 01-01 01-21 02-18 04-19 05-27 07-04 09-02 11-28 12-25
    2020: 01-01 01-20 02-17 04-10 05-25 07-03 09-07 11-26 12-25
    2021: 01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24
    2022: 01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26
    2023: 01-02 01-16 02-20 04-07 05-29 06-19 07-04 09-04 11-23 12-25
    2024: 01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25
    2025: 01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25
    2026: 01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25
    2027: 01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24
    2028: 01-17 02-21 04-14 05-29 06-19 07-04 09-04 11-23 12-25
"""

EARLY_CLOSES = """
    1993: 11-26
    1994: 11-25
    1995: 07-03 11-24
    1996: 07-05 11-29 12-24
    1997: 07-03 11-28 12-24 12-26
    1998: 11-27 12-24
    1999: 11-26 12-31
    2000: 07-03 11-24
    2001: 07-03 11-23 12-24
    2002: 07-05 11-29 12-24
    2003: 07-03 11-28 12-24 12-26
    2004: 11-26
    2005: 11-25
    2006: 07-03 11-24
    2007: 07-03 11-23 12-24
    2008: 07-03 11-28 12-24
    2009: 11-27 12-24
    2010: 11-26
    2011: 11-25
    2012: 07-03 11-23 12-24
    2013: 07-03 11-29 12-24
    2014: 07-03 11-28 12-24
    2015: 11-27 12-24
    2016: 11-25
    2017: 07-03 11-24
    2018: 07-03 11-23 12-24
    2019: 07-03 11-29 12-24
    2020: 11-27 12-24
    2021: 11-26
    2022: 11-25
    2023: 07-03 11-24
    2024: 07-03 11-29 12-24
    2025: 07-03 11-28 12-24
    2026: 11-27 12-24
    2027: 11-26
    2028: 07-03 11-24
"""


# --- Exchange sessions

EXCHANGE_ZONE = ZoneInfo("America/New_York")
OPEN_TIME = time(9, 30)
FULL_CLOSE = time(16, 0)
HALF_CLOSE = time(13, 0)
RESTARTS_BEGIN, RESTARTS_END = time(23, 0), time(3, 0)
CLOSED = "closed"
SESSIONS_A_YEAR = 252.0
"""By which volatility is made annual; no year has just as many."""


class CalendarError(ValueError):
    """A date outside the years the table covers."""


def _dates(table: str) -> frozenset[date]:
    found: set[date] = set()
    for line in table.split("\n"):
        year, _, days = line.strip().partition(":")
        found.update(date(int(year), int(day[:2]), int(day[3:])) for day in days.split())
    return frozenset(found)


@lru_cache(maxsize=1)
def _special_days() -> tuple[frozenset[date], frozenset[date]]:
    return _dates(HOLIDAYS), _dates(EARLY_CLOSES)


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of the exchange; `open` and `close` are UTC."""

    date: date
    open: datetime
    close: datetime
    is_half: bool

    @property
    def minutes(self) -> int:
        """Length of the session: 390, or 210 on a half day."""
        return int((self.close - self.open).total_seconds()) // 60

    def is_on(self, at: datetime) -> bool:
        """Say whether the exchange trades then: from the open on, and at the close no more."""
        return self.open <= at < self.close

    def at(self, clock: time) -> datetime:
        """Return this clock time of exchange time on the session's date, in UTC."""
        return at_exchange_time(self.date, clock)


@dataclass(frozen=True, slots=True)
class Hours:
    """When something trades on a day, as the broker reports it, in UTC; open and close are None where missing."""

    date: date
    open: datetime | None = None
    close: datetime | None = None

    @property
    def is_closed(self) -> bool:
        """Say whether it does not trade on that day."""
        return self.close is None

    def early_close(self, session: Session) -> datetime | None:
        """Return the close of a session that starts on time and ends early; None for any other hours."""
        return self.close if self.open == session.open and self.close and self.close < session.close else None

    def is_less(self, session: Session) -> bool:
        """Say whether it trades on the session's day less than the calendar says."""
        return self.date == session.date and (self.is_closed or self.early_close(session) is not None)

    @property
    def words(self) -> str:
        """Return them in exchange time, as in "09:30 to 13:00", or "closed"."""
        if self.open is None or self.close is None:
            return CLOSED
        return f"{self.open.astimezone(EXCHANGE_ZONE):%H:%M} to {self.close.astimezone(EXCHANGE_ZONE):%H:%M}"


def hours_of(words: str, day: date) -> Hours:
    """Return the hours of a day from their `words`. Raises: ValueError."""
    if words == CLOSED:
        return Hours(day)
    opens, closes = (at_exchange_time(day, time.fromisoformat(each)) for each in words.split(" to "))
    return Hours(day, opens, closes)


def as_reported(session: Session, reported: Iterable[Hours]) -> Session:
    """Return a session of the calendar as long as the broker says: the earliest early close makes it a half day."""
    closes = [
        close for each in reported if each.date == session.date and (close := each.early_close(session)) is not None
    ]
    return replace(session, close=min(closes), is_half=True) if closes else session


def at_exchange_time(day: date, clock: time) -> datetime:
    """Return `clock` in New York on `day` as UTC."""
    return datetime.combine(day, clock, EXCHANGE_ZONE).astimezone(UTC)


def exchange_date(at: datetime) -> date:
    """Return the New York calendar date of an aware instant."""
    return at.astimezone(EXCHANGE_ZONE).date()


def restarts_over(at: datetime) -> datetime | None:
    """Return when the broker's and TWS's nightly restarts are over, None outside of them.

    Source: IBKR system status, North America: daily 00:15 to 01:45, Fridays 23:00 to 03:00; TWS restarts itself at
    23:45 by default. One span holds all of them.
    """
    clock = at.astimezone(EXCHANGE_ZONE).time()
    if RESTARTS_END <= clock < RESTARTS_BEGIN:
        return None
    day = exchange_date(at) if clock < RESTARTS_END else exchange_date(at) + timedelta(days=1)
    return at_exchange_time(day, RESTARTS_END)


def check_day(day: date) -> None:
    """Reject a day outside of the calendar, whose trading hours are unknown. Raises: CalendarError."""
    if not is_tabled(day):
        raise CalendarError(f"the exchange calendar covers {FIRST_YEAR} to {LAST_YEAR}; {day} is outside")


def is_session(day: date) -> bool:
    """Say whether the exchange trades on `day`. Raises: CalendarError outside the table."""
    check_day(day)
    return day.weekday() < 5 and day not in _special_days()[0]


def is_tabled(day: date) -> bool:
    """Say whether the table knows of this day."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


@lru_cache(maxsize=8192)
def trades_on(day: date) -> bool:
    """Say whether the exchange trades on a reported day; outside the table weekdays count.

    Options are listed further ahead than exchanges publish holidays. For decisions use `is_session`, which rejects
    unknown days.
    """
    return is_session(day) if is_tabled(day) else day.weekday() < 5


@lru_cache(maxsize=8192)
def trading_day_before(day: date) -> date:
    """Return the last day before `day` on which the exchange trades, by `trades_on`."""
    day -= timedelta(days=1)
    while not trades_on(day):
        day -= timedelta(days=1)
    return day


@lru_cache(maxsize=8192)
def trading_day_after(day: date) -> date:
    """Return the first day after `day` on which the exchange trades, by `trades_on`."""
    day += timedelta(days=1)
    while not trades_on(day):
        day += timedelta(days=1)
    return day


@lru_cache(maxsize=4096)
def session_on(day: date) -> Session | None:
    """Return the session of `day`, or None when the exchange is closed. Raises: CalendarError."""
    if not is_session(day):
        return None
    is_half = day in _special_days()[1]
    close = HALF_CLOSE if is_half else FULL_CLOSE
    return Session(day, at_exchange_time(day, OPEN_TIME), at_exchange_time(day, close), is_half)


def session_after(day: date) -> Session:
    """Return the first session strictly after `day`. Raises: CalendarError past the table."""
    while True:
        day += timedelta(days=1)
        if (found := session_on(day)) is not None:
            return found


def session_before(day: date) -> Session:
    """Return the last session strictly before `day`. Raises: CalendarError before the table."""
    while True:
        day -= timedelta(days=1)
        if (found := session_on(day)) is not None:
            return found


def sessions_before(day: date) -> Iterator[Session]:
    """Yield the sessions strictly before `day`, the newest first. Raises: CalendarError before the table."""
    while True:
        found = session_before(day)
        yield found
        day = found.date


def known_before(day: date) -> Iterator[Session]:
    """Yield the sessions strictly before `day`, as far as the table goes, the newest first."""
    with suppress(CalendarError):
        yield from sessions_before(day)


def count_in_a_row(days: Sequence[date], before: date) -> int:
    """Return how many of the last of these days, which rise, are the sessions next before one, with none left out."""
    beside = zip(reversed(days), known_before(before), strict=False)
    return sum(1 for _ in takewhile(lambda each: each[0] == each[1].date, beside))


def session_from(day: date) -> Session:
    """Return the session of `day`, or the first one after it."""
    return session_on(day) or session_after(day)


def sessions(first: date, last: date) -> Iterator[Session]:
    """Yield the sessions from `first` to `last`, both included."""
    day = first
    while day <= last:
        if (found := session_on(day)) is not None:
            yield found
        day += timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Sessions:
    """A length of time counted in sessions of the exchange, as a spec writes it: `1d`.

    Units: `count` in sessions, at least 1.
    """

    count: int

    def ahead(self, now: datetime) -> datetime:
        """Return this time of day, this many sessions later; a half day ends at its close. Raises: CalendarError."""
        return self._moved(now, session_after)

    def back(self, now: datetime) -> datetime:
        """Return this time of day, this many sessions earlier; a half day ends at its close. Raises: CalendarError."""
        return self._moved(now, session_before)

    def _moved(self, now: datetime, step: Callable[[date], Session]) -> datetime:
        local = now.astimezone(EXCHANGE_ZONE)
        found = step(local.date())
        for _ in range(self.count - 1):
            found = step(found.date)
        then = found.at(local.time())
        return min(then, found.close) if found.is_half else then

    def __str__(self) -> str:
        return f"{self.count}d"


@lru_cache(maxsize=256)
def sessions_after(first: date, last: date) -> int:
    """Return how many sessions there are after the day `first`, up to `last`, that one included."""
    return sum(1 for _ in sessions(first + timedelta(days=1), last))


def half_days(first: date, last: date) -> tuple[Session, ...]:
    """Return the sessions with an early close from `first` to `last`, as far as the table reaches."""
    days = sorted(day for day in _special_days()[1] if first <= day <= last)
    return tuple(found for day in days if (found := session_on(day)) is not None)


class Anchor(Enum):
    """What a time of day is counted from."""

    CLOCK = "clock"
    OPEN = "open"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class DayTime:
    """A time of day as a spec writes it: `"10:30"`, `"15:30 Europe/Berlin"`, `open + 15m`, `close - 30m`.

    Units: `offset` is a duration from midnight (CLOCK), from the open or from the close (signed). zone: the IANA name
    of the clock that CLOCK is read from, "" for the exchange's.
    """

    anchor: Anchor
    offset: timedelta
    zone: str = ""

    def on(self, session: Session) -> datetime:
        """Return the plain instant on this session, with no regard to an early close."""
        if self.zone:
            return _of_zone(self.offset, ZoneInfo(self.zone), session.date)
        if self.anchor is Anchor.OPEN:
            return session.open + self.offset
        if self.anchor is Anchor.CLOSE:
            return session.close + self.offset
        hours, rest = divmod(int(self.offset.total_seconds()), 3600)
        return session.at(time(hours, rest // 60, rest % 60))

    def before_close(self, session: Session) -> datetime:
        """Return the instant of a time exit: at or past an early close it keeps its distance from the close.

        "15:45" (15 minutes before a full session's close) is 12:45 on a half day.
        """
        plain = self.on(session)
        if self.anchor is Anchor.CLOCK and session.is_half and plain >= session.close:
            full_close = session.at(FULL_CLOSE)
            return session.close - (full_close - plain)
        return plain

    def __str__(self) -> str:
        seconds = int(self.offset.total_seconds())
        if self.anchor is Anchor.CLOCK:
            clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"
            clock = f"{clock}:{seconds % 60:02d}" if seconds % 60 else clock
            return f"{clock} {self.zone}" if self.zone else clock
        if not seconds:
            return str(self.anchor.value)
        length = f"{abs(seconds)}s" if seconds % 60 else f"{abs(seconds) // 60}m"
        return f"{self.anchor.value} {'+' if seconds > 0 else '-'} {length}"


def _of_zone(offset: timedelta, zone: ZoneInfo, day: date) -> datetime:
    """Return the instant at which a clock of another zone shows a time, on the exchange's date."""
    hours, rest = divmod(int(offset.total_seconds()), 3600)
    clock = time(hours, rest // 60, rest % 60)
    days = (day, day + timedelta(days=1), day - timedelta(days=1))
    found = (datetime.combine(each, clock, zone).astimezone(UTC) for each in days)
    return next(each for each in found if exchange_date(each) == day)


def trades_no_more(expiry: date, session: Session, at: datetime) -> bool:
    """Say whether what has its last day on `expiry` trades no more."""
    return expiry < session.date or (expiry == session.date and at >= session.close)


# --- When a trade settles

_MONDAY, _SUNDAY = 0, 6
_OCTOBER, _NOVEMBER = 10, 11
_VETERANS = 11
_SHARES_IN_ONE_DAY = date(2024, 5, 28)
_SHARES_IN_TWO_DAYS = date(2017, 9, 5)


def is_bank_holiday(day: date) -> bool:
    """Say whether banks are closed on a day on which the exchange trades."""
    if day.month == _OCTOBER:
        return day.weekday() == _MONDAY and (day.day - 1) // 7 == 1
    if day.month != _NOVEMBER:
        return False
    kept = _VETERANS + (day.replace(day=_VETERANS).weekday() == _SUNDAY)
    return day.day == kept


def settlement_date(traded: date, *, is_share: bool) -> date:
    """Return the day on which a trade of that day settles.

    Options: the next one (T+1), always. Shares: T+1, T+2 before 28 May 2024 and T+3 before 5 September 2017.
    Raises: CalendarError past the table of sessions.
    Source: OCC (premiums of options); SEC Rule 15c6-1 for shares, in force since 1995 with T+3, as amended by 82 FR
    15564 (T+2, trades from 5 September 2017) and 88 FR 13872 (T+1, trades from 28 May 2024).
    """
    day = traded
    for _ in range(_days_of_shares(traded) if is_share else 1):
        day = _settlement_day_after(day)
    return day


def _days_of_shares(traded: date) -> int:
    if traded >= _SHARES_IN_ONE_DAY:
        return 1
    return 2 if traded >= _SHARES_IN_TWO_DAYS else 3


def _settlement_day_after(day: date) -> date:
    day = session_after(day).date
    while is_bank_holiday(day):
        day = session_after(day).date
    return day
