"""`rulebot events list` and `rulebot events import`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.explain import events
from rulebot.cli.main import main


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RULEBOT_DATA", str(tmp_path / "data"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(events, arguments)


def test_list_shows_published_and_projected_days() -> None:
    found = run("list", "--from", "2026-12-04", "--to", "2027-01-08")
    assert found.exit_code == 0
    assert found.stdout.split("\n") == [
        "2026-12-04 Fri  all day  OPEC          projected",
        "2026-12-04 Fri  08:30    NFP",
        "2026-12-07 Mon  all day  OPEC          projected",
        "2026-12-08 Tue  all day  OPEC          projected",
        "2026-12-09 Wed  14:00    FOMC",
        "2026-12-10 Thu  08:30    CPI",
        "2027-01-01 Fri  08:30    NFP           projected",
        "2027-01-08 Fri  08:30    NFP           projected",
        "CPI is published until 2026-12-31; projected until 2028-12-31",
        "FOMC is published until 2027-12-31; projected until 2028-12-31",
        "NFP is published until 2026-12-31; projected until 2028-12-31",
        "OPEC is published until 2026-06-30; projected until 2028-12-31",
        "",
    ]


def test_list_for_machines() -> None:
    found = json.loads(run("list", "--from", "2020-03-16", "--to", "2020-03-16", "--format", "json").stdout)
    assert found["events"] == [{"name": "FOMC", "day": "2020-03-16", "at": None, "when": None, "projected": False}]
    assert found["known_until"]["CPI"] == "2028-12-31"


def test_list_without_days_starts_today() -> None:
    assert run("list").exit_code == 0


def test_days_the_wrong_way_round_are_misuse() -> None:
    found = run("list", "--from", "2026-12-02", "--to", "2026-12-01")
    assert (found.exit_code, "is before" in found.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("events", "list", "--from"),
        ("why", "put_lite", "--date"),
        ("chart", "put_lite", "--date"),
        ("validate", "put_lite", "--date"),
        ("gateway", "--date"),
        ("run", "--paper", "--sim", "put_lite", "--date"),
        ("backtest", "put_lite", "--data", "none", "--to"),
    ],
)
@pytest.mark.parametrize(
    ("day", "reported"),
    [
        ("2026-02-30", "there is no day '2026-02-30'"),
        ("oct", "a day is written 2026-10-21, is 'oct'"),
        ("20261021", "a day is written 2026-10-21, is '20261021'"),
    ],
)
def test_what_is_no_day_is_refused_in_words(arguments: tuple[str, ...], day: str, reported: str) -> None:
    found = CliRunner().invoke(main, (*arguments, day))
    assert (found.exit_code, reported in found.stderr) == (2, True), found.output


def test_import_says_what_changed_and_list_shows_it(tmp_path: Path) -> None:
    file = tmp_path / "launch.json"
    tree = {"rulebot_calendar": 1, "name": "launch", "verified": "2026-11-15", "published_until": "2027-06-30"}
    file.write_text(json.dumps({**tree, "dates": ["2027-06-06"]}), encoding="utf-8")
    done = run("import", str(file))
    assert done.exit_code == 0
    assert done.stdout.split("\n")[:2] == [
        "launch: 1 date new or changed: 2027-06-06",
        "launch: published until 2027-06-30",
    ]
    assert "2027-06-06 Sun  all day  launch\n" in run("list", "--from", "2027-06-06", "--to", "2027-06-07").stdout
    assert run("import", str(file)).stdout.startswith("nothing changed")


def test_a_broken_file_is_a_problem_found(tmp_path: Path) -> None:
    file = tmp_path / "cpi.json"
    file.write_text('{"name": "CPI"', encoding="utf-8")
    found = run("import", str(file))
    assert found.exit_code == 1
    assert f"{file}:1:15: error[RB601]" in found.stderr


def test_a_broken_file_in_the_data_folder_is_shown_by_list(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "calendars"
    folder.mkdir(parents=True)
    (folder / "cpi.json").write_text("[]", encoding="utf-8")
    assert run("list").exit_code == 1


def test_a_feed_is_kept_under_the_name_of_its_event_and_replaces_what_it_gave_before(tmp_path: Path) -> None:
    tree = {"rulebot_calendar": 1, "name": "earnings", "verified": "2026-11-15", "published_until": "2027-06-30"}
    for day in ("2027-01-28", "2027-01-29"):
        text = json.dumps({**tree, "by_symbol": {"AAPL": [day]}})
        done = CliRunner().invoke(events, ["import", "-"], input=text)
        assert done.exit_code == 0, done.output
        assert f"1 date without a time, bmo or amc: earnings.AAPL {day}. 'event' with" in done.stdout
        assert done.stdout.endswith(f"kept as {tmp_path / 'data' / 'calendars' / 'earnings.json'}\n")
    shown = json.loads(run("list", "--from", "2027-01-01", "--to", "2027-01-31", "--format", "json").stdout)
    assert [each["day"] for each in shown["events"] if each["name"] == "earnings.AAPL"] == ["2027-01-29"]
    broken = CliRunner().invoke(events, ["import", "-"], input="{")
    assert (broken.exit_code, "-:1:" in broken.stderr) == (1, True)


def test_what_is_no_problem_of_a_place_begins_with_error(tmp_path: Path) -> None:
    named = tmp_path / "a b.json"
    named.write_text("{}", encoding="utf-8")
    found = run("import", str(named))
    assert (found.exit_code, found.stderr.startswith("error: the file's name")) == (2, True), found.output


def test_the_last_day_of_all_is_a_day() -> None:
    assert run("list", "--from", "9999-12-31").exit_code == 0
