"""A report that a feed moves on its eve keeps its old date beside the new one, so nobody enters it twice."""

import json
from datetime import date
from pathlib import Path

import pytest

from rulebot.calendars.calendars import import_calendar, import_feed, load_calendar

MONDAY, TUESDAY, WEDNESDAY = "2026-11-23", "2026-11-24", "2026-11-25"


def feed(*days: str, verified: str = MONDAY) -> bytes:
    dates = [{"day": day, "when": "bmo"} for day in days]
    said = {"rulebot_calendar": 1, "name": "earnings", "verified": verified, "published_until": "2027-06-30"}
    return json.dumps(said | {"by_symbol": {"NVDA": dates}}).encode()


def days_after(data: Path, *feeds: bytes) -> list[str]:
    for each in feeds:
        import_feed(each, data)
    return [str(day) for day in load_calendar(data).days["earnings.NVDA"]]


@pytest.mark.parametrize(
    ("moved", "verified", "kept"),
    [
        (WEDNESDAY, MONDAY, [TUESDAY, WEDNESDAY]),
        (WEDNESDAY, TUESDAY, [TUESDAY, WEDNESDAY]),
        (MONDAY, MONDAY, [MONDAY, TUESDAY]),
        (WEDNESDAY, "2026-11-16", [WEDNESDAY]),
        ("2027-02-24", MONDAY, ["2027-02-24"]),
        (TUESDAY, MONDAY, [TUESDAY]),
    ],
)
def test_a_date_that_is_moved_at_the_last_moment_stays(
    tmp_path: Path, moved: str, verified: str, kept: list[str]
) -> None:
    assert days_after(tmp_path, feed(TUESDAY), feed(moved, verified=verified)) == kept


def test_it_stays_through_the_next_feeds_and_goes_later(tmp_path: Path) -> None:
    moved = (feed(TUESDAY), feed(WEDNESDAY), feed(WEDNESDAY, verified=TUESDAY))
    assert days_after(tmp_path, *moved) == [TUESDAY, WEDNESDAY]
    assert days_after(tmp_path, feed(WEDNESDAY, verified="2026-12-20")) == [WEDNESDAY]


def test_a_person_removes_it_with_a_calendar_of_the_same_name(tmp_path: Path) -> None:
    days_after(tmp_path, feed(TUESDAY), feed(WEDNESDAY))
    file = tmp_path / "earnings.json"
    file.write_bytes(feed(WEDNESDAY))
    import_calendar(file, tmp_path)
    assert list(load_calendar(tmp_path).days["earnings.NVDA"]) == [date.fromisoformat(WEDNESDAY)]
