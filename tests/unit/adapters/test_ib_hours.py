"""The hours that contract details tell, read for one day."""

from datetime import UTC, date, datetime

import pytest

from rulebot.adapters.ib.contracts import ReportedHours, hours_in
from rulebot.model.session import Hours

ON = date(2025, 1, 8)
MOURNING = date(2025, 1, 9)
HALF = date(2025, 7, 3)
HEAD = ["10", "9", "SPX", "IND", "", "0", "", "CBOE", "USD", "SPX", "SPX", "SPX", "416904", "0.01"]


def reported(liquid: str, zone: str = "US/Eastern") -> ReportedHours:
    return ReportedHours(ON, zone, liquid)


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "liquid"),
    [
        ("US/Eastern", "20250702:0930-20250702:1600;20250703:0930-20250703:1300;20250704:CLOSED"),
        ("US/Central", "20250702:0830-20250702:1500;20250703:0830-20250703:1200;20250704:CLOSED"),
        ("America/New_York", "20250703:0930-1300"),
        ("EST5EDT", "20250703:0930-20250703:1100;20250703:1130-20250703:1300"),
    ],
)
def test_a_day_is_read_in_its_time_zone(zone: str, liquid: str) -> None:
    assert reported(liquid, zone).hours(HALF) == Hours(HALF, utc(HALF, 13, 30), utc(HALF, 17))


@pytest.mark.parametrize(
    ("zone", "open_", "close"),
    [("Europe/Zurich", "1530", "2200"), ("Asia/Shanghai", "2230", "0500"), ("Australia/Sydney", "0130", "0800")],
)
def test_a_day_is_that_of_the_exchange_wherever_tws_has_logged_in(zone: str, open_: str, close: str) -> None:
    """In Sydney the session of Monday begins on Tuesday, and Monday was a closed day."""
    sunday, monday, tuesday = "20250112", "20250113", "20250114"
    begins, ends = (tuesday if each < "0900" else monday for each in (open_, close))
    weekend = f"{sunday}:CLOSED;" + (f"{monday}:CLOSED;" if begins == tuesday else "")
    found = reported(f"{weekend}{begins}:{open_}-{ends}:{close}", zone).hours(date(2025, 1, 13))
    assert found == Hours(date(2025, 1, 13), utc(date(2025, 1, 13), 14, 30), utc(date(2025, 1, 13), 21))


def test_a_closed_day_says_so_and_needs_no_time_zone() -> None:
    assert reported("20250108:0930-20250108:1600;20250109:CLOSED", "Mars").hours(MOURNING) == Hours(MOURNING)


@pytest.mark.parametrize("liquid", ["", "20250108:0930-20250108:1600", "20250110:CLOSED"])
def test_of_a_day_that_is_not_named_nothing_is_known(liquid: str) -> None:
    assert reported(liquid).hours(MOURNING) is None


@pytest.mark.parametrize(
    ("zone", "liquid"),
    [
        ("Mars", "20250109:0930-20250109:1600"),
        ("", "20250109:0930-20250109:1600"),
        ("US/Eastern", "20250109:0930"),
        ("US/Eastern", "20250109:1700-1515,1530-1615"),
        ("US/Eastern", "20250109:OPEN"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_never_a_guess(zone: str, liquid: str) -> None:
    with pytest.raises(ValueError):
        reported(liquid, zone).hours(MOURNING)


@pytest.mark.parametrize(("version", "head"), [(176, HEAD), (163, [*HEAD[:1], "8", *HEAD[1:], "100"])])
def test_they_stand_where_each_version_has_them(version: int, head: list[str]) -> None:
    rest = ["", "", "CBOE", "1", "0", "S&P 500", "", "", "Indices", "Broad", "*", "US/Central", "wide", "liquid", ""]
    assert hours_in([*head, *rest], version, ON) == ReportedHours(ON, "US/Central", "liquid")
    assert hours_in(head, version, ON) == ReportedHours(ON, "", "")
