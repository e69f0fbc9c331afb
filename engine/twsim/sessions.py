"""Exchange sessions: which days trade, and from when to when.

Exchange time is America/New_York. Sessions are the regular ones: 09:30 to 16:00, 13:00 on a half day.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from twsim.nouns import dataclass

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

EXCHANGE_ZONE = ZoneInfo("America/New_York")
OPEN_TIME = time(9, 30)
FULL_CLOSE = time(16, 0)
HALF_CLOSE = time(13, 0)


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


def at_exchange_time(day: date, clock: time) -> datetime:
    """Return `clock` in New York on `day` as UTC."""
    return datetime.combine(day, clock, EXCHANGE_ZONE).astimezone(UTC)


def exchange_date(at: datetime) -> date:
    """Return the New York calendar date of an aware instant."""
    return at.astimezone(EXCHANGE_ZONE).date()


def is_tabled(day: date) -> bool:
    """Say whether the table covers this day."""
    return FIRST_YEAR <= day.year <= LAST_YEAR


@lru_cache(maxsize=8192)
def trades_on(day: date) -> bool:
    """Say whether the exchange trades on `day`; outside the table weekdays do, since options are listed years ahead."""
    return day.weekday() < 5 and day not in _special_days()[0]


@lru_cache(maxsize=8192)
def trading_day_before(day: date) -> date:
    """Return the last day before `day` on which the exchange trades, by `trades_on`."""
    return _next_trading_day(day, -1)


@lru_cache(maxsize=8192)
def trading_day_after(day: date) -> date:
    """Return the first day after `day` on which the exchange trades, by `trades_on`."""
    return _next_trading_day(day, 1)


def _next_trading_day(day: date, step: int) -> date:
    day += timedelta(days=step)
    while not trades_on(day):
        day += timedelta(days=step)
    return day


@lru_cache(maxsize=4096)
def session_on(day: date) -> Session | None:
    """Return the session of `day`, or None when the exchange is closed. Raises: CalendarError."""
    if not is_tabled(day):
        raise CalendarError(f"the exchange calendar covers {FIRST_YEAR} to {LAST_YEAR}; {day} is outside")
    if not trades_on(day):
        return None
    is_half = day in _special_days()[1]
    close = HALF_CLOSE if is_half else FULL_CLOSE
    return Session(day, at_exchange_time(day, OPEN_TIME), at_exchange_time(day, close), is_half)


def session_after(day: date) -> Session:
    """Return the first session strictly after `day`. Raises: CalendarError past the table."""
    return _next_session(day, 1)


def session_before(day: date) -> Session:
    """Return the last session strictly before `day`. Raises: CalendarError before the table."""
    return _next_session(day, -1)


def _next_session(day: date, step: int) -> Session:
    while True:
        day += timedelta(days=step)
        if (found := session_on(day)) is not None:
            return found


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


def half_days(first: date, last: date) -> tuple[Session, ...]:
    """Return the sessions with an early close from `first` to `last`, as far as the table reaches."""
    days = sorted(day for day in _special_days()[1] if first <= day <= last)
    return tuple(found for day in days if (found := session_on(day)) is not None)
