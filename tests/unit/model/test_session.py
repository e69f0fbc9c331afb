"""Sessions against two libraries and a fixed list; times of day on full and half sessions."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebot.model.session import (
    EXCHANGE_ZONE,
    FIRST_YEAR,
    LAST_YEAR,
    Anchor,
    CalendarError,
    DayTime,
    Session,
    at_exchange_time,
    exchange_date,
    is_session,
    session_after,
    session_before,
    session_from,
    session_on,
    sessions,
    trades_on,
    trading_day_after,
    trading_day_before,
)

FIRST, LAST = date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 31)
FULL_DAY, HALF_DAY = date(2026, 11, 25), date(2026, 11, 27)


def must(day: date) -> Session:
    found = session_on(day)
    assert found is not None
    return found


def clock(text: str) -> DayTime:
    at = time.fromisoformat(text)
    return DayTime(Anchor.CLOCK, timedelta(hours=at.hour, minutes=at.minute))


@pytest.mark.filterwarnings("ignore:Series.values")  # inside the library
def test_sessions_agree_with_exchange_calendars() -> None:
    library = pytest.importorskip("exchange_calendars")
    schedule = library.get_calendar("XNYS", start=str(FIRST), end=str(LAST)).schedule
    opens, closes = (list(schedule[column].dt.to_pydatetime()) for column in ("open", "close"))
    theirs = list(zip(opens, closes, strict=True))
    assert [(session.open, session.close) for session in sessions(FIRST, LAST)] == theirs


def test_holidays_agree_with_the_holidays_library() -> None:
    library = pytest.importorskip("holidays")
    theirs = {day for day in library.NYSE(years=range(FIRST_YEAR, LAST_YEAR + 1)) if day.weekday() < 5}
    days = (FIRST + timedelta(days=count) for count in range((LAST - FIRST).days + 1))
    ours = {day for day in days if day.weekday() < 5 and not is_session(day)}
    assert ours == {day for day in theirs if day >= FIRST}


def test_half_days_of_2026_to_2028_are_those_the_exchange_published() -> None:
    half = [session.date for session in sessions(date(2026, 1, 1), LAST) if session.is_half]
    assert half == [date(2026, 11, 27), date(2026, 12, 24), date(2027, 11, 26), date(2028, 7, 3), date(2028, 11, 24)]


def test_holidays_of_2026_are_those_the_exchange_published() -> None:
    days = (date(2026, 1, 1) + timedelta(days=count) for count in range(365))
    closed = [f"{day:%m-%d}" for day in days if day.weekday() < 5 and not is_session(day)]
    assert closed == ["01-01", "01-19", "02-16", "04-03", "05-25", "06-19", "07-03", "09-07", "11-26", "12-25"]


@pytest.mark.parametrize("day", [date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9)])
def test_unscheduled_closures_are_known(day: date) -> None:
    assert session_on(day) is None


@pytest.mark.parametrize("day", [FIRST - timedelta(days=1), LAST + timedelta(days=1)])
def test_a_day_outside_the_table_is_an_error_and_not_open(day: date) -> None:
    with pytest.raises(CalendarError, match=str(day)):
        session_on(day)


def test_what_is_listed_reaches_past_the_table_and_there_weekdays_count() -> None:
    assert trades_on(LAST + timedelta(days=1))  # New Year's Day, but nobody has told yet
    assert not trades_on(date(2029, 1, 6))
    assert not trades_on(date(2026, 12, 25))
    assert trading_day_before(date(2029, 1, 8)) == date(2029, 1, 5)
    assert trading_day_before(date(2026, 11, 27)) == date(2026, 11, 25)
    assert trading_day_after(date(2028, 12, 29)) == date(2029, 1, 1)
    assert trading_day_after(date(2026, 11, 25)) == date(2026, 11, 27)


def test_session_is_in_utc_summer_and_winter() -> None:
    assert must(date(2026, 7, 1)).open == datetime(2026, 7, 1, 13, 30, tzinfo=UTC)
    assert must(date(2026, 12, 1)).close == datetime(2026, 12, 1, 21, 0, tzinfo=UTC)
    assert (must(FULL_DAY).minutes, must(HALF_DAY).minutes) == (390, 210)


def test_a_session_is_on_from_its_open_and_at_its_close_no_more() -> None:
    half = session_on(date(2026, 11, 27))
    assert half is not None
    moment = timedelta(microseconds=1)
    instants = (half.open - moment, half.open, half.close - moment, half.close)
    assert [half.is_on(at) for at in instants] == [False, True, True, False]


def test_neighbours_step_over_weekends_and_holidays() -> None:
    thanksgiving = date(2026, 11, 26)
    assert session_before(thanksgiving).date == FULL_DAY
    assert session_after(thanksgiving).date == session_from(thanksgiving).date == HALF_DAY
    assert session_from(HALF_DAY).date == HALF_DAY
    assert session_after(HALF_DAY).date == date(2026, 11, 30)


def test_exchange_date_is_that_of_new_york() -> None:
    assert exchange_date(datetime(2026, 7, 2, 3, 0, tzinfo=UTC)) == date(2026, 7, 1)


@pytest.mark.parametrize(
    ("written", "on_full", "on_half"),
    [
        (clock("15:45"), "15:45", "12:45"),
        (clock("15:30"), "15:30", "12:30"),
        (clock("13:00"), "13:00", "10:00"),
        (clock("12:59"), "12:59", "12:59"),
        (clock("10:30"), "10:30", "10:30"),
        (DayTime(Anchor.CLOSE, -timedelta(minutes=15)), "15:45", "12:45"),
        (DayTime(Anchor.OPEN, timedelta(minutes=30)), "10:00", "10:00"),
    ],
)
def test_a_time_exit_past_an_early_close_keeps_its_distance_from_the_close(
    written: DayTime, on_full: str, on_half: str
) -> None:
    assert written.before_close(must(FULL_DAY)) == must(FULL_DAY).at(time.fromisoformat(on_full))
    assert written.before_close(must(HALF_DAY)) == must(HALF_DAY).at(time.fromisoformat(on_half))


@given(minutes=st.integers(9 * 60 + 31, 16 * 60 - 1))
def test_a_time_exit_inside_a_full_session_is_before_every_close(minutes: int) -> None:
    written = DayTime(Anchor.CLOCK, timedelta(minutes=minutes))
    for day in (FULL_DAY, HALF_DAY):
        assert written.before_close(must(day)) < must(day).close


@pytest.mark.parametrize(
    ("written", "text"),
    [
        (clock("09:45"), "09:45"),
        (DayTime(Anchor.CLOSE, -timedelta(minutes=15)), "close - 15m"),
        (DayTime(Anchor.OPEN, timedelta(minutes=30)), "open + 30m"),
        (DayTime(Anchor.OPEN, timedelta()), "open"),
        (DayTime(Anchor.OPEN, timedelta(seconds=90)), "open + 90s"),
        (DayTime(Anchor.CLOSE, -timedelta(seconds=5)), "close - 5s"),
        (DayTime(Anchor.CLOCK, timedelta(hours=9, minutes=45, seconds=5)), "09:45:05"),
    ],
)
def test_a_time_of_day_reads_as_it_is_written(written: DayTime, text: str) -> None:
    assert str(written) == text


def test_exchange_time_over_the_change_of_clocks() -> None:
    before, after = at_exchange_time(date(2026, 10, 30), time(9, 30)), at_exchange_time(date(2026, 11, 2), time(9, 30))
    assert (before.hour, after.hour) == (13, 14)


@pytest.mark.parametrize(
    ("day", "zone", "clock", "expected"),
    [
        (date(2026, 10, 21), "Europe/Berlin", "15:31", "09:31"),
        (date(2026, 10, 28), "Europe/Berlin", "15:31", "10:31"),  # Europe has changed its clocks, New York has not
        (date(2026, 11, 4), "Europe/Berlin", "15:31", "09:31"),
        (date(2026, 10, 21), "Asia/Tokyo", "00:30", "11:30"),  # the next day there
        (date(2026, 10, 21), "America/Chicago", "08:31", "09:31"),
        (date(2026, 10, 21), "UTC", "14:00", "10:00"),
    ],
)
def test_a_time_of_another_clock(day: date, zone: str, clock: str, expected: str) -> None:
    session = session_on(day)
    assert session is not None
    hours, minutes = map(int, clock.split(":"))
    found = DayTime(Anchor.CLOCK, timedelta(hours=hours, minutes=minutes), zone)
    assert found.on(session).astimezone(EXCHANGE_ZONE).strftime("%Y-%m-%d %H:%M") == f"{day} {expected}"
    assert str(found) == f"{clock} {zone}"
