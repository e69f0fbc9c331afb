"""What blocked the entries of a watch: the last reason, and the one that lasted longest."""

from dataclasses import replace
from datetime import timedelta

from hand_desk import Desk, clock, put

from rulebot.core.state.entry_obstacles import Blocked, without_numbers
from rulebot.narrate.why import DayFacts, explanation_lines
from rulebot.record.explain import Blocked as Reported
from rulebot.record.explain import explain_day
from rulebot.record.record import Kind

NOON = clock("12:00")


def test_the_longest_reason_and_the_last_one() -> None:
    found = Blocked()
    for seconds, text in ((0, "a: not streamed"), (5, "b: no bid"), (65, "a: stale for 3 s"), (66, "a: stale for 4 s")):
        found = found.by(text, NOON + timedelta(seconds=seconds))
    assert found.by("", NOON) is found.by("a: stale for 4 s", NOON) is found
    assert found.reported(NOON + timedelta(seconds=70)) == {
        "blocked": {
            "last": {"text": "a: stale for 4 s", "since": (NOON + timedelta(seconds=65)).isoformat()},
            "longest": {"text": "b: no bid", "seconds": 60.0},
        }
    }
    assert Blocked().reported(NOON) == {}


def test_numbers_that_change_make_no_other_reason_and_names_of_options_do() -> None:
    assert without_numbers("vix 17.31, need below 17") == without_numbers("vix 18.02, need below 17")
    assert without_numbers("SPXW 2024-03-08 5030P: no bid") != without_numbers("SPXW 2024-03-08 5010P: no bid")


def test_why_reports_the_last_reason_and_not_the_first_one_alone() -> None:
    """The first missing quote was told, also when another leg had kept the bot out for the rest of the window."""
    desk = Desk()
    desk.without_data(put(5945))
    desk.until("10:02", step=15)
    desk.quote(put(5945), 2.25, 2.35)
    desk.without_data(put(5935))
    desk.until("11:01", step=60)
    *_, stopped = (each for each in desk.said(Kind.DECISION) if each.data["what"] == "stop watching")
    blocked = stopped.data["blocked"]
    assert isinstance(blocked, dict)
    assert str(put(5935)) in str(blocked["last"])
    assert str(put(5935)) in str(blocked["longest"])
    reported = explain_day(desk.records)
    lines = explanation_lines("spread", desk.now.date(), DayFacts(reported, (), []))
    assert any("blocked to the end, and longest" in line and str(put(5935)) in line for line in lines), lines


def test_two_reasons_are_distinguished() -> None:
    desk = Desk()
    desk.until("10:00")
    reported = replace(explain_day(desk.records), blocked=(Reported("b: no ask", clock("10:40"), "a: no bid", 2400.0),))
    lines = explanation_lines("spread", desk.now.date(), DayFacts(reported, (), []))
    assert lines[-2:] == [
        "  10:40:00   blocked to the end by: b: no ask",
        "             blocked longest (40m 00s) by: a: no bid",
    ]
