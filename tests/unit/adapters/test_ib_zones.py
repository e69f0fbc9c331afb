"""Names of time zones that TWS sends, and the zones that they mean."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rulebot.adapters.ib.time_zones import (
    LONG_NAMES,
    SHORT_NAMES,
    candidate_zones,
    instant_by_greeting,
    unknown_words,
    zone_by_greeting,
    zone_named,
    zones_named,
)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("America/New_York", "America/New_York"),
        ("US/Eastern", "US/Eastern"),
        ("Eastern Standard Time", "America/New_York"),
        ("Eastern Daylight Time", "America/New_York"),
        ("EST", "America/New_York"),
        ("EST (Eastern Standard Time)", "America/New_York"),
        ("Eastern Standard Time (Mexico)", "America/Cancun"),
        ("British Summer Time", "Europe/London"),
        ("GMT Standard Time", "Europe/London"),
        ("GMT", "Etc/UTC"),
        ("Greenwich Mean Time", "Etc/UTC"),
        ("W. Europe Standard Time", "Europe/Berlin"),
        ("Central European Standard Time", "Europe/Warsaw"),
        ("Mitteleurop\u00e4ische Sommerzeit", "Europe/Berlin"),
        ("MEZ", "Europe/Berlin"),
        ("CET", "Europe/Berlin"),
        ("JST", "Asia/Tokyo"),
        ("Japan Standard Time", "Asia/Tokyo"),
        ("Tokyo Standard Time", "Asia/Tokyo"),
        ("China Standard Time", "Asia/Shanghai"),
        ("India Standard Time", "Asia/Calcutta"),
        ("Israel Standard Time", "Asia/Jerusalem"),
        ("AUS Eastern Standard Time", "Australia/Sydney"),
        ("Singapore Standard Time", "Asia/Singapore"),
    ],
)
def test_a_name_means_a_zone(name: str, place: str) -> None:
    assert zone_named(name) == ZoneInfo(place)


@pytest.mark.parametrize("name", ["CST", "IST", "AST", "Arabian Standard Time", "Samoa Standard Time"])
def test_a_name_of_several_zones_means_none_of_them(name: str) -> None:
    assert len(zones_named(name)) > 1
    assert zone_named(name) is None


@pytest.mark.parametrize("name", ["", "LOCKSTEP", "Nowhere", "localtime", "Factory", "GMT+99", "../etc/passwd"])
def test_other_names_mean_none(name: str) -> None:
    assert zones_named(name) == ()


@pytest.mark.parametrize("table", [SHORT_NAMES, LONG_NAMES])
def test_each_name_of_the_tables_is_of_a_zone_that_exists(table: str) -> None:
    for row in table.strip().splitlines():
        place, _, names = row.partition(": ")
        for name in names.split(", "):
            assert ZoneInfo(place) in zones_named(name), row


@pytest.mark.parametrize(
    ("name", "place"),
    [("CST", "America/Chicago"), ("CST", "Asia/Shanghai"), ("IST", "Asia/Calcutta"), ("IST", "Asia/Jerusalem")],
)
def test_a_greeting_settles_a_name_of_several_zones(name: str, place: str) -> None:
    at = datetime(2026, 11, 18, 15, 30, tzinfo=UTC)
    local = at.astimezone(ZoneInfo(place)).replace(tzinfo=None)
    assert zone_by_greeting(name, local, at + timedelta(seconds=40)) == place
    assert zone_by_greeting(name, local + timedelta(minutes=20), at) == name, "that is none of its zones"
    assert zone_by_greeting("Nowhere", local, at) == "Nowhere"
    assert candidate_zones(name, place) == (ZoneInfo(place),)
    assert len(candidate_zones(name, "Europe/Berlin")) > 1, "a login elsewhere settles nothing"


def test_a_zone_that_is_not_known_names_what_to_set() -> None:
    assert unknown_words("CST") == (
        "it means America/Chicago or Asia/Shanghai. Set the time zone of the computer that runs TWS or the gateway to "
        "a full name, such as America/Chicago"
    )
    assert "America/New_York" in unknown_words("Nowhere")


@pytest.mark.parametrize(
    ("name", "local", "instant"),
    [
        ("US/Eastern", datetime(2025, 11, 24, 9, 30), datetime(2025, 11, 24, 14, 30, tzinfo=UTC)),
        ("British Summer Time", datetime(2025, 7, 1, 14, 30), datetime(2025, 7, 1, 13, 30, tzinfo=UTC)),
        ("GMT+09:00", datetime(2025, 11, 25, 0, 0), datetime(2025, 11, 24, 15, 0, tzinfo=UTC)),
        ("CST", datetime(2025, 11, 24, 9, 30), None),
        ("", datetime(2025, 11, 24, 9, 30), None),
        ("Nowhere", datetime(2025, 11, 24, 9, 30), None),
        ("US/Eastern", datetime(2025, 11, 2, 1, 30), None),
        ("US/Eastern", datetime(2025, 3, 9, 2, 30), None),
    ],
)
def test_64_a_greeting_reports_an_instant_only_where_its_zone_allows_one(
    name: str, local: datetime, instant: datetime | None
) -> None:
    assert instant_by_greeting(name, local) == instant
