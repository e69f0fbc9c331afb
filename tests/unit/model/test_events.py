"""Event calendars: what is projected covers what was published, and published dates replace projections."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulebot.calendars.calendars import shipped_dates
from rulebot.model.economic_calendar import (
    KNOWN_UNTIL,
    PROJECTIONS,
    Published,
    covered_until,
    event_calendar,
    events_between,
    expiry_warnings,
    months_without,
    projected_days,
)
from rulebot.model.facts import EventDay
from rulebot.model.session import sessions

MISSED = {
    "CPI": [date(2025, 10, 24)],  # late by the shutdown of 2025
    "FOMC": [date(2020, 3, 3), date(2020, 3, 16)],  # unscheduled
    "NFP": [date(2025, 11, 20), date(2025, 12, 16), date(2026, 2, 11)],  # late by the shutdown of 2025
}
DATES = {dates.name: dates for dates in shipped_dates()}


def published(name: str, first: str, last: str, *days: str, verified: str = "2026-01-01") -> Published:
    return Published(
        name=name,
        first=date.fromisoformat(first),
        last=date.fromisoformat(last),
        days=tuple(EventDay(name, date.fromisoformat(day), None) for day in days),
        verified=date.fromisoformat(verified),
    )


@pytest.mark.parametrize(("name", "count"), [("CPI", 131), ("FOMC", 97), ("NFP", 131)])
def test_projection_covers_every_date_published_since_2016_but_those_moved_by_force(name: str, count: int) -> None:
    days = [event.day for event in DATES[name].days]
    assert len(days) == count
    assert [day for day in days if not PROJECTIONS[name].may_fall_on(day)] == MISSED[name]


def test_projection_blocks_few_enough_sessions_to_trade_on() -> None:
    days = {session.date for session in sessions(date(2027, 1, 1), date(2027, 12, 31))}
    blocked = {name: sum(rule.may_fall_on(day) for day in days) for name, rule in PROJECTIONS.items()}
    assert blocked == {"CPI": 90, "FOMC": 14, "NFP": 17, "OPEC": 19}


def test_the_projection_of_opec_covers_every_weekday_meeting_since_they_are_held_every_six_months() -> None:
    days = [event.day for event in DATES["OPEC"].days if event.day > date(2022, 10, 5)]
    assert len(days) == 8
    assert all(PROJECTIONS["OPEC"].turn(day) for day in days)
    assert [day for day in days if PROJECTIONS["OPEC"].may_fall_on(day)] == [
        date(2023, 11, 30), date(2024, 12, 5), date(2025, 5, 28)
    ]  # fmt: skip


def test_a_projected_meeting_of_opec_lasts_the_whole_day() -> None:
    assert {event.at for event in projected_days("OPEC", date(2027, 1, 1), date(2027, 12, 31))} == {None}


def test_projected_times_are_those_of_the_event_in_utc() -> None:
    (summer,) = projected_days("NFP", date(2027, 7, 1), date(2027, 7, 3))
    assert summer == EventDay("NFP", date(2027, 7, 2), datetime(2027, 7, 2, 12, 30, tzinfo=UTC), projected=True)
    winter = projected_days("FOMC", date(2027, 1, 26), date(2027, 1, 28))
    assert [event.at for event in winter] == [datetime(2027, 1, 27, 19, 0, tzinfo=UTC)]


def test_thursday_before_a_holiday_friday_is_projected_for_the_jobs_report() -> None:
    july = {event.day for event in projected_days("NFP", date(2026, 7, 1), date(2026, 7, 31))}
    assert july == {date(2026, 7, 2), date(2026, 7, 3), date(2026, 7, 10)}


def test_months_without_published_dates_are_projected_until_the_table_ends() -> None:
    calendar = event_calendar([published("CPI", "2026-01-01", "2026-12-31", "2026-12-10")])
    assert calendar.known_until == {"CPI": KNOWN_UNTIL}
    assert calendar.published_until == {"CPI": date(2026, 12, 31)}
    assert [day for day in calendar.days["CPI"] if date(2026, 1, 1) <= day <= date(2026, 12, 31)] == [
        date(2026, 12, 10)
    ]
    projected = [event for day, event in calendar.days["CPI"].items() if day > date(2026, 12, 31)]
    assert {event.day.month for event in projected} == set(range(1, 13))
    assert all(event.projected for event in projected)


def test_a_meeting_of_the_fed_that_a_list_leaves_out_is_missed_by_the_month_in_which_its_span_begins() -> None:
    one = published("FOMC", "2028-01-01", "2028-12-31", "2028-01-26")
    assert months_without(one) == ("2028-03", "2028-04", "2028-06", "2028-07", "2028-09", "2028-10", "2028-12")
    assert months_without(published("FOMC", "2028-04-01", "2028-06-30", "2028-05-03", "2028-06-14")) == ()
    assert months_without(published("LAUNCH", "2028-01-01", "2028-12-31", "2028-01-26")) == ()


def test_event_without_a_usual_rule_is_unknown_after_its_dates() -> None:
    calendar = event_calendar([published("LAUNCH", "2026-01-01", "2026-06-30", "2026-06-01")])
    assert calendar.known_until == calendar.published_until == {"LAUNCH": date(2026, 6, 30)}
    assert list(calendar.days["LAUNCH"]) == [date(2026, 6, 1)]


def test_dates_verified_later_replace_earlier_ones_within_their_span_only() -> None:
    old = published("LAUNCH", "2026-01-01", "2026-06-30", "2026-02-01", "2026-06-01")
    new = published("LAUNCH", "2026-05-01", "2026-12-31", "2026-06-03", verified="2026-04-01")
    calendar = event_calendar([new, old])
    assert list(calendar.days["LAUNCH"]) == [date(2026, 2, 1), date(2026, 6, 3)]
    assert calendar.known_until == {"LAUNCH": date(2026, 12, 31)}


def test_a_gap_in_published_dates_ends_what_is_known_of_an_event_without_a_rule() -> None:
    first = published("LAUNCH", "2026-01-01", "2026-03-31", "2026-02-01")
    later = published("LAUNCH", "2026-06-01", "2026-12-31", "2026-06-03")
    assert covered_until([later, first]) == date(2026, 3, 31)
    assert event_calendar([first, later]).known_until == {"LAUNCH": date(2026, 3, 31)}


def test_a_gap_in_published_dates_is_projected_for_an_event_with_a_rule() -> None:
    first = published("NFP", "2026-01-01", "2026-03-31", "2026-03-06")
    later = published("NFP", "2026-05-01", "2026-12-31", "2026-05-08")
    april = [event for day, event in event_calendar([first, later]).days["NFP"].items() if day.month == 4]
    assert date(2026, 4, 3) in {event.day for event in april}
    assert all(event.projected for event in april)


def test_shipped_calendars_hold_no_projection_where_dates_are_published() -> None:
    calendar = event_calendar(shipped_dates())
    for name, dates in DATES.items():
        inside = [event for day, event in calendar.days[name].items() if dates.covers(day)]
        assert inside == list(dates.days)


@pytest.mark.parametrize(
    ("today", "expected"),
    [
        (date(2026, 11, 30), ()),
        (date(2026, 12, 1), ("published dates end on 2026-12-31, in 30 days; after that, until 2028-12-31,",)),
        (date(2027, 1, 5), ("published dates ended on 2026-12-31; after that, until 2028-12-31,",)),
    ],
)
def test_warning_comes_thirty_days_before_published_dates_end(today: date, expected: tuple[str, ...]) -> None:
    calendar = event_calendar([published("CPI", "2026-01-01", "2026-12-31")])
    found = expiry_warnings(calendar, today)
    assert len(found) == len(expected)
    assert all(f"CPI: {part}" in line for part, line in zip(expected, found, strict=True))


def test_warning_can_be_asked_for_the_events_that_matter_only() -> None:
    calendar = event_calendar([published(name, "2026-01-01", "2026-12-31") for name in ("CPI", "LAUNCH")])
    (line,) = expiry_warnings(calendar, date(2026, 12, 20), ["LAUNCH"])
    assert line.startswith("LAUNCH: ")
    assert "unknown never enters" in line


def test_events_are_listed_by_day_and_time() -> None:
    calendar = event_calendar(shipped_dates())
    found = events_between(calendar, date(2020, 3, 2), date(2020, 3, 17))
    assert [(event.name, event.day.day) for event in found] == [
        ("FOMC", 3), ("OPEC", 5), ("OPEC", 6), ("NFP", 6), ("CPI", 11), ("FOMC", 16)
    ]  # fmt: skip


@given(
    start=st.dates(date(2015, 1, 1), date(2027, 6, 1)),
    length=st.integers(0, 200),
    offsets=st.sets(st.integers(0, 200), max_size=6),
)
def test_within_its_span_a_published_list_is_the_whole_truth(start: date, length: int, offsets: set[int]) -> None:
    last = start + timedelta(days=length)
    days = [start + timedelta(days=offset) for offset in sorted(offsets) if offset <= length]
    calendar = event_calendar([published("CPI", str(start), str(last), *map(str, days))])
    assert [day for day in calendar.days["CPI"] if start <= day <= last] == days
