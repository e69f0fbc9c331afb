"""A day that the broker knows to be shorter than the calendar has it (faults.md row 65)."""

from contextlib import closing
from datetime import date, datetime, timedelta
from functools import partial
from math import sqrt
from pathlib import Path

import pytest
from hand_desk import DAY, HALF_DAY, SELLER, Desk, clock, kept, text_of

from rulebot.model.contract import Option
from rulebot.model.event import HoursReport, Request
from rulebot.model.session import Hours, hours_of
from rulebot.narrate.positions import exits_text
from rulebot.record.record import Kind
from rulebot.recovery.resume import resume_from
from rulebot.store.journal import SqlJournal
from rulebot.store.registry import open_store

CLOSED = "by the broker's hours there is no trading today in SPX"
EARLY = "the broker closes at 13:00 today, earlier than the calendar has it: this is a half day"


def hours(opens: str, closes: str, day: date = DAY) -> Hours:
    return Hours(day, clock(opens, day), clock(closes, day))


def reported(desk: Desk, found: Hours, symbol: str = "SPX") -> None:
    desk.send(HoursReport(desk.now, symbol, found))


def entered(desk: Desk) -> list[datetime]:
    return [record.at for record in desk.said(Kind.DECISION, "enter")]


def test_what_does_not_trade_is_not_entered_and_says_why() -> None:
    desk = Desk()
    reported(desk, Hours(DAY))
    assert desk.alarms == [f"{CLOSED}: nothing on it is entered"]
    desk.until("10:30", step=60)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == CLOSED
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "skip")] == [CLOSED]


def shut(desk: Desk, *symbols: str) -> None:
    """Let nothing be dealt in these today, nor quoted."""
    for symbol in symbols:
        reported(desk, Hours(DAY), symbol)
    desk.without_data(*(each for each in desk.board.contracts if each is not None and each.symbol in symbols))


@pytest.mark.parametrize("halts", ["", ", halt_when: [{gap: {above: 1%}}]"])
def test_a_day_without_trading_is_why_nothing_was_entered_whatever_is_unknown_for_want_of_it(halts: str) -> None:
    desk = Desk((text_of(risk=f"{{max_loss_per_trade: $2000{halts}}}"),), at="09:29")
    shut(desk, "SPX")
    desk.until("11:05", step=60)
    day = desk.state.bots.by_name["spread"].day
    assert day.skipped == (CLOSED if halts else f"its window is over; {CLOSED}")


@pytest.mark.parametrize("risk", ["", ", halt_when: [{vix_spike: {above: 3 pts}}]"])
def test_a_universe_says_so_only_where_nothing_of_it_trades(risk: str) -> None:
    universe = text_of(
        underlyings="",
        universe="{symbols: [SPX, SPY]}",
        entry='{window: {from: "10:00", to: "11:00"}, max_open: 1, per_day: 1}',
        legs="""
  expiry: {dte: {nearest: 90}}
  short_put: {sell: put, strike: {delta: 0.15}}
""",
        exits="[{dte: {at_most: 30}}]",
        risk=f"{{undefined_risk: allow{risk}}}",
    )
    one, both = Desk((universe,), at="09:29"), Desk((universe,), at="09:29")
    shut(one, "SPX")
    shut(both, "SPX", "SPY")
    for desk in (one, both):
        desk.until("11:05", step=60)
    assert CLOSED not in one.state.bots.by_name["spread"].day.skipped
    assert both.state.bots.by_name["spread"].day.skipped == (
        f"{CLOSED}, SPY" if risk else f"its window is over; {CLOSED}, SPY"
    )


def test_an_exit_that_cannot_be_judged_for_want_of_trading_neither_acts_nor_alarms() -> None:
    """Quotes do not lack: there are none. It would have closed at the next open what the spec keeps."""
    exits = """
  - stop: {cost: 3x credit}
    unknown: exit
  - target: {profit: 50%}
  - dte: {at_most: 30}
"""
    seller = text_of(**{**SELLER, "exits": exits, "entry": '{window: {from: "10:00", to: "11:00"}, max_open: 1}'})
    desk = Desk((seller,))
    desk.opened()
    shut(desk, "SPY")
    desk.until("12:00", step=15)
    assert desk.position.state == "open"
    assert desk.alarms == ["by the broker's hours there is no trading today in SPY: nothing on it is entered"]


def test_another_underlying_is_entered_all_the_same() -> None:
    desk = Desk()
    reported(desk, Hours(DAY), "QQQ")
    desk.until("10:00")
    assert desk.submitted


def test_a_closed_day_that_is_cancelled_is_entered_again() -> None:
    desk = Desk()
    reported(desk, Hours(DAY))
    desk.until("10:05", step=60)
    reported(desk, hours("09:30", "16:00"))
    desk.until("10:06", step=15)
    assert desk.submitted


def test_no_market_order_goes_into_a_closed_day() -> None:
    desk = Desk()
    desk.opened()
    reported(desk, Hours(DAY))
    sent = len(desk.submitted)
    desk.until("15:47", step=10)
    assert desk.position.state == "exiting"
    assert len(desk.submitted) == sent
    assert f"{CLOSED}: no market order is sent, 'time' waits" in desk.alarms


def test_an_early_close_brings_time_exits_forward_and_ends_entries() -> None:
    """As on a half day of the calendar: 15:45 is 15 minutes before the close, wherever that is."""
    desk = Desk(at="09:25")
    reported(desk, hours("09:30", "13:00"))
    assert EARLY in desk.alarms
    assert (desk.state.schedule.session.close, desk.state.schedule.session.is_half) == (clock("13:00"), True)
    desk.until("09:59", step=60)
    desk.opened()
    desk.until("12:44")
    assert desk.position.state == "open"
    desk.until("12:45")
    assert desk.position.state == "exiting"
    assert desk.is_market(desk.last)


def test_volatility_is_that_of_the_time_that_is_left_to_an_early_close() -> None:
    """Of the time to the calendar's close it was a third too low, by which a bot entered, or did not."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}, when: [{iv: {above: 500%}}]}'),))
    desk.until("10:00")
    iv = [reading for (_, name), reading in desk.state.bots.by_name["spread"].readings.items() if name == "iv"]
    reported(desk, hours("09:30", "13:00"))
    desk.tick(0)
    iv += [reading for (_, name), reading in desk.state.bots.by_name["spread"].readings.items() if name == "iv"]
    whole, short = (reading.evaluation.value for reading in iv)
    assert whole is not None
    assert short == pytest.approx(whole * sqrt(6 / 3), rel=1e-3)


def test_an_open_position_reports_when_its_time_exit_comes_on_a_shorter_day() -> None:
    """It showed the time of a whole day."""
    desk = Desk()
    desk.opened()
    told_exits = partial(exits_text, desk.program)
    assert told_exits(desk.state, desk.position, desk.now.timestamp()).endswith("time 15:45")
    reported(desk, hours("09:30", "13:00"))
    assert told_exits(desk.state, desk.position, desk.now.timestamp()).endswith("time 15:45 (12:45 today)")


def test_an_open_position_reports_that_its_time_exit_does_not_come_on_a_shorter_day() -> None:
    """The table showed it as if it came, on the one day on which nothing closes the position by the clock."""
    desk = Desk((text_of(exits="[{time: open + 5h}]"),))
    desk.opened()
    reported(desk, hours("09:30", "13:00"))
    assert exits_text(desk.program, desk.state, desk.position, desk.now.timestamp()) == "time open + 300m (not today)"


def test_windows_after_an_early_close_never_open() -> None:
    desk = Desk((text_of(entry='{window: {from: "13:30", to: "14:30"}}'),), at="13:40")
    desk.until("13:41", step=15)
    assert desk.submitted
    desk = Desk((text_of(entry='{window: {from: "13:30", to: "14:30"}}'),))
    reported(desk, hours("09:30", "13:00"))
    desk.until("14:00", step=60)
    assert not desk.submitted


def test_an_early_close_that_is_reported_within_the_session_leaves_what_is_open_governed() -> None:
    desk = Desk()
    desk.opened()
    before = desk.position
    day = desk.state.bots.by_name["spread"].day
    desk.until("11:30")
    reported(desk, hours("09:30", "13:00"))
    assert desk.position == before
    assert desk.state.bots.by_name["spread"].day == day
    desk.until("12:46", step=15)
    assert desk.position.state == "exiting"
    assert len([each for each in desk.submitted if each.purpose.value == "entry"]) == 1


def test_a_restart_continues_in_the_day_that_was_reported_and_alarms_no_more_than_once() -> None:
    desk = Desk()
    desk.opened()
    reported(desk, hours("09:30", "13:00"))
    reported(desk, hours("09:30", "13:00"))
    desk.start_again()
    assert desk.state.schedule.session.close == clock("13:00")  # before the broker has answered
    reported(desk, hours("09:30", "13:00"))
    assert desk.alarms.count(EARLY) == 1
    desk.link()
    desk.until("12:45", step=15)
    assert desk.position.state == "exiting"


def test_a_store_remembers_what_was_reported_of_today(tmp_path: Path) -> None:
    desk = Desk(at="09:25")
    reported(desk, hours("09:30", "13:00"))
    reported(desk, Hours(DAY), "QQQ")
    with closing(SqlJournal(open_store(kept(desk, tmp_path)))) as journal:
        today, tomorrow = (resume_from(journal.recall(at), at).state for at in (desk.now, desk.now + timedelta(days=1)))
    assert (today.schedule.session, today.market.facts.hours) == (
        desk.state.schedule.session,
        desk.state.market.facts.hours,
    )
    assert (tomorrow.schedule.session.is_half, tomorrow.market.facts.hours) == (False, {})


def test_an_early_close_that_is_cancelled_makes_a_whole_day_again() -> None:
    """As a restart would find it: of several underlyings the earliest close that is told still counts."""
    desk = Desk(at="09:25")
    reported(desk, hours("09:30", "13:00"))
    reported(desk, hours("09:30", "12:00"), "SPY")
    assert desk.state.schedule.session.close == clock("12:00")
    reported(desk, hours("09:30", "16:00"), "SPY")
    assert desk.state.schedule.session.close == clock("13:00")
    reported(desk, hours("09:30", "16:00"))
    assert (desk.state.schedule.session.close, desk.state.schedule.session.is_half) == (clock("16:00"), False)
    assert desk.alarms[-1] == "the broker closes at 16:00 today, later than it reported before"
    desk.until("09:59", step=60)
    desk.opened()
    desk.until("15:44", step=300)
    assert desk.position.state == "open"
    desk.until("15:45")
    assert desk.position.state == "exiting"


def test_a_window_that_an_early_close_had_shut_sends_no_second_entry_once_it_is_cancelled() -> None:
    """While it was empty it was forgotten that its one entry had been sent."""
    entry = '{window: {from: "13:30", to: "14:30"}, per_day: 2, max_open: 2}'
    desk = Desk((text_of(entry=entry, exits='\n  - time: "15:45"\n'),), at="13:29")
    desk.opened("13:30")
    for closes in ("13:00", "16:00"):
        reported(desk, hours("09:30", closes))
        desk.tick(60)
    desk.until("14:00", step=60)
    assert [order.purpose.value for order in desk.submitted] == ["entry"]


def test_a_watch_that_an_early_close_ends_says_what_came_nearest() -> None:
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "14:30"}, when: [{vix: {between: [17, 22]}}]}'),))
    desk.until("12:50", step=60)
    reported(desk, hours("09:30", "13:00"))
    desk.tick(1)
    day = desk.state.bots.by_name["spread"].day
    assert day.skipped.startswith("its window is over; nearest vix: 16.00")
    assert [each.data["what"] for each in desk.said(Kind.DECISION)] == ["watch", "stop watching"]


def test_an_entry_that_was_asked_for_by_hand_is_not_forgotten() -> None:
    desk = Desk(at="10:00")
    desk.without_data(*(each for each in desk.board.contracts if isinstance(each, Option)))
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    reported(desk, hours("09:30", "13:00"))
    desk.until("10:03", step=5)
    assert "asked by the operator" in str(desk.said(Kind.DECISION, "skip")[-1].data["reason"])


def test_hours_are_read_back_from_their_words() -> None:
    for each in (Hours(DAY), hours("09:30", "13:00"), hours("10:00", "16:15")):
        assert hours_of(each.words, DAY) == each


@pytest.mark.parametrize(
    ("opens", "closes"), [("09:30", "16:00"), ("09:30", "16:15"), ("09:00", "13:00"), ("10:30", "13:00")]
)
def test_hours_that_are_not_an_early_close_of_this_session_change_nothing(opens: str, closes: str) -> None:
    """Where the open differs they are those of something else, or of a time zone that is read wrongly."""
    desk = Desk()
    before = desk.state.schedule.session
    reported(desk, hours(opens, closes))
    assert desk.state.schedule.session == before
    assert not desk.alarms


def test_hours_of_another_day_are_passed_over() -> None:
    desk = Desk()
    reported(desk, Hours(HALF_DAY))
    assert not desk.alarms
    assert not desk.state.market.facts.hours


def test_a_half_day_of_the_calendar_needs_no_word() -> None:
    desk = Desk(day=HALF_DAY)
    session = desk.state.schedule.session
    assert not hours("09:30", "13:00", HALF_DAY).is_less(session)
    assert hours("09:30", "12:00", HALF_DAY).is_less(session)
    assert Hours(HALF_DAY).is_less(session)
    assert not Hours(DAY).is_less(session)
