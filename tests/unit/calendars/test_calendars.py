"""Calendars on disk: what is shipped, what is imported, and what an import changes."""

import json
from datetime import date
from pathlib import Path

import pytest

from rulebot.calendars.calendars import (
    calendar_folder,
    import_calendar,
    imported_dates,
    load_calendar,
    shipped_dates,
)
from rulebot.model.economic_calendar import months_without
from rulebot.model.errors import MisuseError, SpecError, StoreError
from rulebot.store.place import data_folder


def calendar(path: Path, *days: str, name: str = "CPI", until: str = "2027-03-31", **more: object) -> Path:
    tree = {"rulebot_calendar": 1, "name": name, "verified": "2026-11-15", "published_until": until, "dates": days}
    path.write_text(json.dumps({**tree, **more}), encoding="utf-8")
    return path


def test_shipped_calendars_reach_to_the_end_of_the_exchange_table(tmp_path: Path) -> None:
    found = load_calendar(tmp_path)
    assert set(found.days) == {"CPI", "FOMC", "NFP", "OPEC"}
    assert set(found.known_until.values()) == {date(2028, 12, 31)}
    assert [str(dates.verified) for dates in shipped_dates()] == ["2026-08-11"] * 3 + ["2025-12-01"]


def test_only_the_month_that_was_never_published_is_missing_from_what_is_shipped() -> None:
    missing = {dates.name: months_without(dates) for dates in shipped_dates()}
    assert missing == {"CPI": ("2025-11",), "FOMC": (), "NFP": ("2025-10",), "OPEC": ()}


def test_imported_dates_replace_projected_ones(tmp_path: Path) -> None:
    file = calendar(tmp_path / "cpi_2027.json", "2027-01-13", "2027-02-10", "2027-03-10", time="08:30")
    done = import_calendar(file, tmp_path / "data")
    assert done.path.read_bytes() == file.read_bytes()
    assert done.changes == (
        "CPI: 3 dates new or changed: 2027-01-13, 2027-02-10, 2027-03-10",
        "CPI: 21 projected days are free now",
        "CPI: published until 2027-03-31, was 2026-12-31",
    )
    days = load_calendar(tmp_path / "data").days["CPI"]
    assert [day.day for day in days if (day.year, day.month) == (2027, 1)] == [13]
    assert [day.day for day in days if (day.year, day.month) == (2027, 4)] == [12, 13, 14, 15, 16, 19, 20]


def test_importing_the_same_dates_again_changes_nothing(tmp_path: Path) -> None:
    file = calendar(tmp_path / "opec.json", "2027-01-13", name="LAUNCH")
    import_calendar(file, tmp_path / "data")
    assert import_calendar(file, tmp_path / "data").changes == ()


def test_a_moved_date_is_shown_as_new_and_withdrawn(tmp_path: Path) -> None:
    file = calendar(tmp_path / "cpi_moved.json", "2026-12-11", until="2026-12-31", time="08:30")
    assert import_calendar(file, tmp_path / "data").changes == (
        "CPI: 1 date new or changed: 2026-12-11",
        "CPI: 1 date no longer: 2026-12-10",
    )


def test_a_gap_before_the_imported_dates_is_said(tmp_path: Path) -> None:
    file = calendar(tmp_path / "cpi_late.json", "2027-03-10")
    assert "nothing is published between 2026-12-31 and 2027-03-01" in import_calendar(file, tmp_path).changes[-1]


def test_a_month_that_was_forgotten_is_asked_for(tmp_path: Path) -> None:
    file = calendar(tmp_path / "cpi_2027.json", "2027-01-13", "2027-03-10")
    assert "CPI: no date in 2027-02: is the list complete to 2027-03-31?" in import_calendar(file, tmp_path).changes


def test_own_events_are_known_to_the_end_of_their_dates(tmp_path: Path) -> None:
    import_calendar(calendar(tmp_path / "opec.json", "2027-02-01", name="LAUNCH"), tmp_path)
    assert load_calendar(tmp_path).known_until["LAUNCH"] == date(2027, 3, 31)


def test_a_broken_file_is_not_kept(tmp_path: Path) -> None:
    file = calendar(tmp_path / "cpi.json", "2027-02-30")
    with pytest.raises(SpecError, match=r"cpi\.json:1:\d+: error\[RB605\]: there is no day"):
        import_calendar(file, tmp_path / "data")
    assert not calendar_folder(tmp_path / "data").exists()


def test_a_file_that_broke_in_the_folder_stops_the_start(tmp_path: Path) -> None:
    done = import_calendar(calendar(tmp_path / "cpi.json", "2027-01-13"), tmp_path)
    done.path.write_text("{", encoding="utf-8")
    with pytest.raises(SpecError, match="RB601"):
        load_calendar(tmp_path)


def test_an_import_replaces_a_file_that_broke(tmp_path: Path) -> None:
    file = calendar(tmp_path / "cpi.json", "2027-01-13")
    done = import_calendar(file, tmp_path / "data")
    done.path.write_text("{", encoding="utf-8")
    import_calendar(file, tmp_path / "data")
    assert [dates.name for dates in imported_dates(tmp_path / "data")] == ["CPI"]


def test_a_name_that_is_not_plain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="cannot be kept"):
        import_calendar(calendar(tmp_path / ".cpi.json", "2027-01-13"), tmp_path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    blocked = tmp_path / "data"
    blocked.write_text("a file where a folder is owed", encoding="utf-8")
    with pytest.raises(StoreError, match="cannot be written"):
        import_calendar(calendar(tmp_path / "cpi.json", "2027-01-13"), blocked)


def test_the_data_folder_can_be_named(tmp_path: Path) -> None:
    assert data_folder({"RULEBOT_DATA": str(tmp_path)}) == tmp_path
    assert data_folder({}).name == "rulebot"
