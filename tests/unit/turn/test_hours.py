"""A day that the broker knows to be shorter than the calendar has it (faults.md row 65)."""

from datetime import date, datetime

import pytest
from hand_desk import DAY, HALF_DAY, Desk, clock, text_of

from engine.model.event import HoursReport
from engine.model.session import Hours
from engine.record.record import Kind

CLOSED = "by the broker's hours there is no trading today in SPX"
EARLY = "the broker closes at 13:00 today, earlier than the calendar has it: this is a half day"


def hours(opens: str, closes: str, day: date = DAY) -> Hours:
    return Hours(day, clock(opens, day), clock(closes, day))


def told(desk: Desk, found: Hours, symbol: str = "SPX") -> None:
    desk.send(HoursReport(desk.now, symbol, found))


def entered(desk: Desk) -> list[datetime]:
    return [record.at for record in desk.said(Kind.DECISION, "enter")]


def test_what_does_not_trade_is_not_entered_and_says_why() -> None:
    desk = Desk()
    told(desk, Hours(DAY))
    assert desk.alarms == [f"{CLOSED}: nothing on it is entered"]
    desk.until("10:30", step=60)
    assert not desk.submitted
    assert desk.state.bots["spread"].waits == CLOSED
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "skip")] == [CLOSED]


def test_another_underlying_is_entered_all_the_same() -> None:
    desk = Desk()
    told(desk, Hours(DAY), "QQQ")
    desk.until("10:00")
    assert desk.submitted


def test_a_closed_day_that_is_taken_back_is_entered_again() -> None:
    desk = Desk()
    told(desk, Hours(DAY))
    desk.until("10:05", step=60)
    told(desk, hours("09:30", "16:00"))
    desk.until("10:06", step=15)
    assert desk.submitted


def test_no_market_order_goes_into_a_closed_day() -> None:
    desk = Desk()
    desk.opened()
    told(desk, Hours(DAY))
    sent = len(desk.submitted)
    desk.until("15:47", step=10)
    assert desk.position.state == "exiting"
    assert len(desk.submitted) == sent
    assert f"{CLOSED}: no market order is sent, 'time' waits" in desk.alarms


def test_an_early_close_brings_time_exits_forward_and_ends_entries() -> None:
    """As on a half day of the calendar: 15:45 is 15 minutes before the close, wherever that is."""
    desk = Desk(at="09:25")
    told(desk, hours("09:30", "13:00"))
    assert EARLY in desk.alarms
    assert (desk.state.session.close, desk.state.session.is_half) == (clock("13:00"), True)
    desk.until("09:59", step=60)
    desk.opened()
    desk.until("12:44")
    assert desk.position.state == "open"
    desk.until("12:45")
    assert desk.position.state == "exiting"
    assert desk.is_market(desk.last)


def test_windows_after_an_early_close_never_open() -> None:
    desk = Desk((text_of(entry='{window: {from: "13:30", to: "14:30"}}'),), at="13:40")
    desk.until("13:41", step=15)
    assert desk.submitted
    desk = Desk((text_of(entry='{window: {from: "13:30", to: "14:30"}}'),))
    told(desk, hours("09:30", "13:00"))
    desk.until("14:00", step=60)
    assert not desk.submitted


def test_an_early_close_that_is_told_within_the_session_leaves_what_is_open_governed() -> None:
    desk = Desk()
    desk.opened()
    before = desk.position
    day = desk.state.bots["spread"].day
    desk.until("11:30")
    told(desk, hours("09:30", "13:00"))
    assert desk.position == before
    assert desk.state.bots["spread"].day == day
    desk.until("12:46", step=15)
    assert desk.position.state == "exiting"
    assert len([each for each in desk.submitted if each.purpose.value == "entry"]) == 1


def test_a_restart_is_told_anew_and_alarms_no_more_than_once_a_run() -> None:
    desk = Desk()
    desk.opened()
    told(desk, hours("09:30", "13:00"))
    told(desk, hours("09:30", "13:00"))
    assert desk.alarms.count(EARLY) == 1
    desk.start_again()
    assert desk.state.session.close == clock("16:00")  # by the calendar, until the broker has answered
    desk.state = desk.state._replace(facts=desk.state.facts.__class__(listings=desk.state.facts.listings))
    told(desk, hours("09:30", "13:00"))
    assert desk.state.session.close == clock("13:00")
    assert desk.position.state == "open"


@pytest.mark.parametrize(
    ("opens", "closes"), [("09:30", "16:00"), ("09:30", "16:15"), ("09:00", "13:00"), ("10:30", "13:00")]
)
def test_hours_that_are_not_an_early_close_of_this_session_change_nothing(opens: str, closes: str) -> None:
    """Where the open differs they are those of something else, or of a time zone that is read wrongly."""
    desk = Desk()
    before = desk.state.session
    told(desk, hours(opens, closes))
    assert desk.state.session == before
    assert not desk.alarms


def test_hours_of_another_day_are_passed_over() -> None:
    desk = Desk()
    told(desk, Hours(HALF_DAY))
    assert not desk.alarms
    assert not desk.state.facts.hours


def test_a_half_day_of_the_calendar_needs_no_word() -> None:
    desk = Desk(day=HALF_DAY)
    session = desk.state.session
    assert not hours("09:30", "13:00", HALF_DAY).is_less(session)
    assert hours("09:30", "12:00", HALF_DAY).is_less(session)
    assert Hours(HALF_DAY).is_less(session)
    assert not Hours(DAY).is_less(session)
