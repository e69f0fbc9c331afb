"""A calendar file: what it says, and every problem at its place."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from rulebot.calendars import calendars as calendar_file
from rulebot.calendars.calendars import CODES, read_calendar
from rulebot.model.economic_calendar import has_no_time
from rulebot.model.facts import EventDay, Moment
from rulebot.process import settings

GOOD: dict[str, object] = {
    "rulebot_calendar": 1,
    "name": "OPEC",
    "time": "08:00",
    "verified": "2026-11-01",
    "published_until": "2027-06-30",
    "dates": ["2027-02-01", {"day": "2027-06-06", "time": None, "note": "a Sunday"}],
}


def problems(**changes: object) -> list[str]:
    tree = {key: value for key, value in {**GOOD, **changes}.items() if value != "absent"}
    found = read_calendar(json.dumps(tree, indent=1).encode(), "opec.json")
    assert (found.published == ()) == bool(found.problems)
    return [f"{problem.code} {problem.message}" for problem in found.problems]


def test_dates_have_the_time_of_the_file_or_their_own() -> None:
    (dates,) = read_calendar(json.dumps(GOOD).encode(), "opec.json").published
    assert (dates.name, dates.first, dates.last) == ("OPEC", date(2027, 2, 1), date(2027, 6, 30))
    assert dates.days == (
        EventDay("OPEC", date(2027, 2, 1), datetime(2027, 2, 1, 13, 0, tzinfo=UTC)),
        EventDay("OPEC", date(2027, 6, 6), None),
    )


def test_earnings_make_a_calendar_of_each_symbol() -> None:
    tree = {**GOOD, "name": "earnings", "by_symbol": {"AAPL": ["2027-01-28"], "BRK B": ["2027-02-20"]}}
    del tree["dates"]
    found = read_calendar(json.dumps(tree).encode(), "earnings.json")
    assert [dates.name for dates in found.published] == ["earnings.AAPL", "earnings.BRK.B"]


def test_earnings_say_whether_they_come_before_the_open_or_after_the_close() -> None:
    days = [{"day": "2027-01-28", "when": "amc"}, {"day": "2027-04-29", "when": "bmo"}, "2027-07-29"]
    tree = {**GOOD, "name": "earnings", "published_until": "2027-12-31", "by_symbol": {"AAPL": days}}
    del tree["dates"], tree["time"]
    (dates,) = read_calendar(json.dumps(tree).encode(), "earnings.json").published
    assert [each.moment for each in dates.days] == [Moment.AFTER_CLOSE, Moment.BEFORE_OPEN, None]
    assert [has_no_time(each) for each in dates.days] == [False, False, True]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"day": "2027-01-28", "when": "after"}, "RB605 'when' is bmo or amc, is \"after\""),
        ({"day": "2027-01-28", "when": None}, "RB605 'when' is bmo or amc, is null"),
        (
            {"day": "2027-01-28", "when": "amc", "time": "16:05"},
            "RB605 'when' and 'time' both say when: write one of them",
        ),
    ],
)
def test_what_is_no_moment_is_refused(entry: dict[str, object], expected: str) -> None:
    tree = {**GOOD, "name": "earnings", "by_symbol": {"AAPL": [entry]}}
    del tree["dates"]
    assert [f"{each.code} {each.message}" for each in read_calendar(json.dumps(tree).encode(), "e.json").problems] == [
        expected
    ]


def test_a_moment_is_of_earnings_alone() -> None:
    assert problems(dates=[{"day": "2027-02-01", "when": "bmo"}]) == [
        "RB605 'when' is for earnings; other events have a 'time'"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"checked": "2026-11-01"}, ["RB603 unknown key 'checked'"]),
        ({"verified": "absent"}, ["RB604 the key 'verified' is missing"]),
        ({"rulebot_calendar": 2}, ["RB605 this version of rulebot reads calendars of version 1"]),
        ({"zone": "Europe/London"}, ["RB605 times of a calendar are those of America/New_York"]),
        ({"name": "Opec"}, ["RB605 the name of this event is 'OPEC', is 'Opec'"]),
        ({"name": "my event"}, ["RB605 a name is a letter, then letters, digits and _"]),
        ({"time": "8:30"}, ['RB605 a time is expected, is "8:30"']),
        ({"dates": "absent"}, ["RB604 the key 'dates' is missing"]),
        ({"dates": "2027-02-01"}, ["RB605 is a list of dates"]),
        ({"dates": ["2027-02-30"]}, ["RB605 there is no day '2027-02-30'"]),
        ({"dates": ["20270201"]}, ['RB605 a day is expected, is "20270201"']),
        ({"dates": [{"time": "08:00"}]}, ["RB605 a day is expected, is nothing"]),
        ({"dates": ["2027-03-01", "2027-02-01"]}, ["RB606 2027-02-01 does not come after 2027-03-01"]),
        ({"dates": ["2027-02-01", "2027-02-01"]}, ["RB606 2027-02-01 does not come after 2027-02-01"]),
        ({"dates": ["2027-07-01"]}, ["RB607 the dates end on 2027-06-30, before they begin on 2027-07-01"]),
        (
            {"dates": ["2027-02-01", "2027-07-01"]},
            ["RB607 2027-07-01 is outside 2027-02-01 to 2027-06-30"],
        ),
        (
            {"dates": ["2027-07-01", "2027-02-01"]},
            [
                "RB607 2027-07-01 is outside 2027-02-01 to 2027-06-30",
                "RB606 2027-02-01 does not come after 2027-07-01",
            ],
        ),
        (
            {"checked": "", "published_from": "2027-02-01", "dates": ["2027-01-31", "2027-02-30", "2027-07-01"]},
            [
                "RB607 2027-01-31 is outside 2027-02-01 to 2027-06-30",
                "RB605 there is no day '2027-02-30'",
                "RB607 2027-07-01 is outside 2027-02-01 to 2027-06-30",
                "RB603 unknown key 'checked'",
            ],
        ),
        (
            {"published_from": "2027-07-01", "dates": ["2027-02-01", "2027-02-01"]},
            [
                "RB607 the dates end on 2027-06-30, before they begin on 2027-07-01",
                "RB606 2027-02-01 does not come after 2027-02-01",
            ],
        ),
        ({"by_symbol": {}}, ["RB605 'OPEC' is given under 'dates', not 'by_symbol'"]),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, object], expected: list[str]) -> None:
    assert problems(**changes) == expected


def test_a_span_that_is_wrong_is_said_once_for_all_symbols() -> None:
    symbols = {"AAPL": ["2027-01-28"], "MSFT": ["2027-01-29"]}
    of_all = {"name": "earnings", "dates": "absent", "by_symbol": symbols}
    assert problems(**of_all, published_from="2027-2-1") == ['RB605 a day is expected, is "2027-2-1"']
    backward = ["RB607 the dates end on 2027-06-30, before they begin on 2027-07-01"]
    assert problems(**of_all, published_from="2027-07-01") == backward


def test_a_problem_stands_at_its_line_and_column() -> None:
    text = json.dumps({**GOOD, "dates": ["2027-02-01", "2027-02-31"]}, indent=1)
    (found,) = read_calendar(text.encode(), "opec.json").problems
    assert text.split("\n")[found.line - 1][found.col - 1 : found.end_col - 1] == '"2027-02-31"'


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"{\n \"name\": 'CPI'\n}", (2, 10, "RB601")),
        (b"name: CPI", (1, 1, "RB601")),
        (b"", (1, 1, "RB601")),
        (b'["2027-01-01"]', (1, 1, "RB602")),
        (b'{"name": "\xff"}', (1, 11, "RB101")),
        (b'{"name": "CPI", "name": "CPI"}', (1, 17, "RB108")),
    ],
)
def test_what_is_not_json_is_refused_where_it_breaks(content: bytes, place: tuple[int, int, str]) -> None:
    found = read_calendar(content, "x.json")
    assert found.published == ()
    assert (found.problems[0].line, found.problems[0].col, found.problems[0].code) == place


def test_every_code_is_explained() -> None:
    texts = [Path(str(module.__file__)).read_text(encoding="utf-8") for module in (calendar_file, settings)]
    assert {code for text in texts for code in re.findall(r'"(RB\d{3})"', text)} == set(CODES)


def test_every_code_is_in_the_docs() -> None:
    docs = Path(__file__).parents[3] / "docs"
    text = (docs / "events.md").read_text(encoding="utf-8") + (docs / "settings.md").read_text(encoding="utf-8")
    assert [code for code in CODES if code not in text] == []
