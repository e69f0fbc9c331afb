"""Several windows or times a day, week days, and a cap of the week (language.md, Entry)."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hand_desk import SELLER, Desk, clock, put, text_of

from rulebot.decide.entry_window import opportunity
from rulebot.model.cause import Halt
from rulebot.model.contract import Option
from rulebot.model.event import Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import session_on
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.snapshot_of_state import summary_of
from rulebot.record.record import Kind

THURSDAY, MONDAY = date(2026, 11, 19), date(2026, 11, 23)
HALF_DAY = date(2026, 11, 27)
EXITS = '\n  - time: "15:45"\n'
WHEN = "max_open: 5, when: [{vix: {between: [12, 22]}}]"
TWO = '{window: [{from: "10:00", to: "10:30"}, {from: "11:00", to: "11:30"}], ' + WHEN + "}"
TIMES = '{at: ["10:00", "11:00"], for: 10m, ' + WHEN + "}"


def desk_of(entry: str, day: date | None = None) -> Desk:
    text = text_of(entry=entry, exits=EXITS, risk="{max_loss_per_trade: $9000}", legs=LEGS)
    return Desk((text,)) if day is None else Desk((text,), day=day)


LEGS = """
  expiry: {dte: 0}
  on_conflict: allow
  short_put: {sell: put, strike: {delta: 0.10}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""


def entries(desk: Desk) -> int:
    return sum(1 for order in desk.submitted if order.purpose is Purpose.ENTRY)


@pytest.mark.parametrize("entry", [TWO, TIMES])
def test_each_window_sends_one_entry(entry: str) -> None:
    desk = desk_of(entry)
    desk.until("10:05")
    assert entries(desk) == 1
    desk.fill(desk.last)
    desk.until("10:59")
    assert entries(desk) == 1
    desk.until("11:05")
    assert entries(desk) == 2
    desk.fill(desk.last)
    desk.until("12:00")
    assert entries(desk) == 2
    day = desk.state.bots.by_name["spread"].day
    assert (day.entries, day.opened, day.window, day.tried) == (2, 2, 1, 1)


def test_a_window_that_ended_unfilled_takes_nothing_from_the_next() -> None:
    desk = desk_of(TWO)
    desk.until("10:05")
    desk.cancelled(desk.last)
    desk.until("11:05")
    assert entries(desk) == 2


FROM_THE_CLOSE = (
    '{window: [{from: "11:00", to: "11:30"}, {from: close - 3h, to: close - 150m}], max_open: 5, '
    "when: [{vix: {between: [12, 22]}}]}"
)


def test_windows_of_a_half_day_come_in_the_order_of_its_clock() -> None:
    """From 13:00 to 13:30 on other days, the lower one is from 10:00 to 10:30 on a half day: it was passed by."""
    desk = desk_of(FROM_THE_CLOSE, HALF_DAY)
    desk.until("10:05")
    assert entries(desk) == 1
    desk.fill(desk.last)
    desk.until("10:59")
    assert entries(desk) == 1
    desk.until("11:05")
    assert entries(desk) == 2


def test_again_of_a_half_day_asks_how_a_position_of_its_first_window_ended() -> None:
    """It is the lower one of the text: the exit was taken for one of a window that another had followed."""
    entry = FROM_THE_CLOSE.replace("max_open", "per_day: 5, again: {after: [stop], wait: 5m}, max_open")
    exits = '\n  - name: stop\n    time_in_trade: {at_least: 3m}\n  - time: "15:45"\n'
    desk = Desk((text_of(entry=entry, exits=exits, risk="{max_loss_per_trade: $9000}", legs=LEGS),), day=HALF_DAY)
    desk.until("10:00")
    desk.fill(desk.last)
    desk.until("10:03:30", step=30)
    desk.fill(desk.last)
    desk.until("10:12", step=30)
    assert entries(desk) == 2


OVERLAPPING = (
    '{window: [{from: "10:00", to: "10:30"}, {from: close - 165m, to: "13:30"}], max_open: 5, again: {after: [stop]}}'
)


def test_a_window_of_a_half_day_that_begins_within_another_comes_once_that_is_over() -> None:
    """From 13:15 on other days, from 10:15 here: it was taken for the first one, and nothing was entered in it."""
    exits = '\n  - name: stop\n    time_in_trade: {at_least: 40m}\n  - time: "15:45"\n'
    text = text_of(entry=OVERLAPPING, exits=exits, risk="{max_loss_per_trade: $9000}", legs=LEGS)
    desk = Desk((text,), day=HALF_DAY)
    desk.until("10:20")
    assert entries(desk) == 1
    desk.fill(desk.last)
    desk.until("10:29")
    assert entries(desk) == 1
    desk.until("10:35")
    assert entries(desk) == 2
    desk.fill(desk.last)
    desk.until("11:10")
    assert (desk.last.reason, entries(desk)) == ("stop", 2)


def test_no_window_of_a_half_day_begins_before_the_open() -> None:
    session = session_on(HALF_DAY)
    assert session is not None
    desk = desk_of("{window: {from: close - 4h, to: close - 1h}}", HALF_DAY)
    assert desk.program.bots["spread"].windows(session) == ((session.open, session.close - timedelta(hours=1)),)


def test_a_cap_of_the_day_is_of_all_windows() -> None:
    desk = desk_of(TWO.replace("max_open", "per_day: 1, max_open"))
    desk.until("10:05")
    desk.fill(desk.last)
    desk.until("11:05")
    assert entries(desk) == 1
    assert desk.state.bots.by_name["spread"].status_text == "1 of 1 a day"


def test_what_was_decided_once_is_open_again_in_the_next_window() -> None:
    desk = desk_of(TWO.replace("max_open", "try: once, max_open"))
    desk.level("VIX", 30.0)
    desk.until("10:05")
    assert desk.state.bots.by_name["spread"].day.decided
    desk.level("VIX", 16.0)
    desk.until("10:29")
    assert entries(desk) == 0
    desk.until("11:01")
    assert entries(desk) == 1


def test_between_two_windows_it_waits_for_the_next() -> None:
    desk = desk_of(TIMES)
    desk.until("10:05")
    desk.fill(desk.last)
    desk.until("10:15")
    assert desk.state.bots.by_name["spread"].status_text == "its window, from 11:00"


def test_it_enters_on_its_week_days_only() -> None:
    desk = desk_of(TIMES.replace("max_open", "days: [mon, tue], max_open"))
    desk.until("12:00")
    assert (entries(desk), desk.state.bots.by_name["spread"].status_text) == (0, "it does not enter on a Wednesday")
    assert not desk.said(Kind.DECISION, "watch")
    assert desk.state.bots.by_name["spread"].day.skipped == "it does not enter on a Wednesday"


HOLDS = {
    **SELLER,
    "entry": '{window: {from: "10:00", to: "11:00"}, max_open: 1, when: [{vix: {between: [12, 22]}}]}',
    "exits": "\n  - dte: {at_most: 30}\n",
}


def held_since_yesterday() -> Desk:
    desk = Desk((text_of("seller", **HOLDS),))
    desk.until("10:00")
    desk.fill(desk.last)
    desk.tick((clock("09:30", THURSDAY) - desk.now).total_seconds(), quiet=True)
    desk.day = THURSDAY
    return desk


def test_what_a_bot_that_holds_all_it_may_did_not_watch_for_is_on_record() -> None:
    desk = held_since_yesterday()
    desk.until("09:59")
    assert not desk.state.bots.by_name["seller"].day.skipped, "its window is still to come"
    desk.until("12:00", step=60)
    assert desk.state.bots.by_name["seller"].day.skipped == "1 of 1 open at once"
    (reported,) = [each for each in desk.records if each.kind is Kind.BOT_DAY and each.data["skipped"]]
    assert reported.at == clock("10:00", THURSDAY)


def test_a_watch_that_began_once_a_position_was_closed_says_why_it_brought_nothing() -> None:
    desk = held_since_yesterday()
    desk.until("10:10", step=60)
    desk.ask(Request.FLATTEN)
    desk.tick(5)
    desk.fill(desk.last)
    desk.ask(Request.RESUME)
    desk.level("VIX", 90.0)
    desk.until("11:05", step=60)
    assert desk.state.bots.by_name["seller"].day.skipped.startswith("its window is over; nearest ")


def test_a_watch_in_which_a_condition_was_unknown_to_the_end_says_so() -> None:
    """It said that its window was over: the digest and the report of a day without VIX had no word of VIX."""
    desk = desk_of(TWO)
    desk.level("VIX", float("nan"))
    desk.until("10:31", step=60)
    said = "its window is over; waited for vix VIX: no price"
    assert desk.state.bots.by_name["spread"].day.skipped == said
    desk.until("11:31", step=60)
    (row,) = summary_of(desk.program, desk.state, desk.now, clock("09:29"), clock("16:06")).bots
    assert row.waits == said
    (bot,) = day_outcome(desk.state, None).bots
    assert bot.lines[0].parts == (said,)


def test_a_cap_of_the_week_counts_what_earlier_days_opened() -> None:
    desk = desk_of(TIMES.replace("max_open", "per_week: 3, max_open"))
    for at in ("10:05", "11:05"):
        desk.until(at)
        desk.fill(desk.last)
    desk.tick((clock("09:30", THURSDAY) - desk.now).total_seconds(), quiet=True)
    assert desk.state.bots.by_name["spread"].day.week == 2
    assert at_ten(desk, 0) == ""
    assert at_ten(desk, 1) == "3 of 3 a week"
    desk.tick((clock("09:30", MONDAY) - desk.now).total_seconds(), quiet=True)
    assert desk.state.bots.by_name["spread"].day.week == 0


def at_ten(desk: Desk, opened: int) -> str:
    """Return why the bot may not enter at ten o'clock of the desk's present session, "" when it may."""
    state, bot = desk.state, desk.program.bots["spread"]
    start = bot.windows(state.schedule.session)[0]
    day = replace(state.bots.by_name["spread"].day, opened=opened)
    return opportunity(bot.plan.entry, state.schedule.session, start, day, 0, start[0]).reason


@pytest.mark.parametrize("after", ["stop", "unfilled"])
def test_again_does_not_ask_how_a_position_of_an_earlier_window_ended(after: str) -> None:
    entry = TWO.replace("max_open", f"per_day: 5, again: {{after: [{after}], wait: 5m}}, max_open")
    exits = '\n  - name: stop\n    time_in_trade: {at_least: 70m}\n  - time: "15:45"\n'
    desk = Desk((text_of(entry=entry, exits=exits, risk="{max_loss_per_trade: $9000}", legs=LEGS),))
    desk.until("10:00")
    desk.fill(desk.last)
    desk.until("11:08")
    assert entries(desk) == 2
    if after == "stop":
        desk.fill(desk.last)
    else:
        desk.cancelled(desk.last)
    desk.until("11:10")
    assert desk.last.reason == "stop"
    desk.fill(desk.last)
    desk.until("11:25", step=30)
    assert entries(desk) == (2 if after == "stop" else 3)


# ---------------------------------------------------------------- what positions hold against each other


def test_what_nets_off_in_the_account_is_settled_on_its_day() -> None:
    """Of an option that one position has sold and another has bought the account holds none: no report settles it."""
    upper = LEGS
    lower = LEGS.replace("{delta: 0.10}", "{otm: 65 pts}")
    ends = "\n  - at_expiry: settle\n  - target: {profit: 99%}\n"
    risk = "{max_loss_per_trade: $9000}"
    texts = [
        text_of(name, entry='{at: "10:00"}', exits=ends, risk=risk, legs=legs)
        for name, legs in (("upper", upper), ("lower", lower))
    ]
    desk = Desk(tuple(texts))
    desk.until("10:00")
    for order in desk.submitted:
        desk.fill(order)
    assert desk.books()[put(5935)] == 0, "the one has bought what the other has sold"
    desk.until("16:00")
    for contract, count in desk.books().items():
        if count:
            desk.holds(contract, 0)
    assert [each.state for each in desk.state.positions.by_id.values()] == ["open", "open"]
    desk.settle(seconds=302)
    assert [(each.state, each.exit_reason) for each in desk.state.positions.by_id.values()] == [
        ("closed", "expired_worthless")
    ] * 2


@pytest.mark.parametrize(("minute", "is_streamed"), [("10:54:54", False), ("10:55:05", True)])
def test_options_are_streamed_five_minutes_before_a_window(minute: str, is_streamed: bool) -> None:
    desk = desk_of('{window: {from: "11:00", to: "11:30"}}')
    desk.until(minute)
    assert any(isinstance(each, Option) for each in desk.state.subscriptions.streamed) is is_streamed


@pytest.mark.parametrize(
    ("caps", "words"),
    [
        ("per_day: 1, max_open: 5", "1 of 1 a day"),
        ("per_day: 5, max_open: 1", "1 of 1 open at once"),
    ],
)
def test_a_later_window_that_a_cap_has_shut_says_which(caps: str, words: str) -> None:
    """Nothing was on record of it: `why` said at its every minute that the bot had entered, hours before."""
    desk = desk_of(TWO.replace("max_open: 5", caps))
    desk.until("10:05")
    desk.fill(desk.last)
    desk.until("10:59")
    assert not desk.said(Kind.DECISION, "skip")
    desk.until("11:29", step=60)
    assert [(record.at, record.data["reason"]) for record in desk.said(Kind.DECISION, "skip")] == [
        (clock("11:00"), f"its window from 11:00 is shut: {words}")
    ]


def test_a_later_window_of_a_bot_that_has_halted_says_why() -> None:
    desk = desk_of(TWO)
    desk.until("10:05")
    desk.fill(desk.last)
    state = desk.state.bots.by_name["spread"]
    halted = replace(state, day=state.day.halted_for(Halt.DAY_LOSS, "the day's loss is $160, daily_loss is $150"))
    desk.state = desk.state._replace(
        bots=replace(desk.state.bots, by_name={**desk.state.bots.by_name, "spread": halted})
    )
    desk.until("11:10", step=60)
    assert [record.data["reason"] for record in desk.said(Kind.DECISION, "skip")] == [
        "its window from 11:00 is shut: halted: the day's loss is $160, daily_loss is $150"
    ]


def test_no_window_is_reported_as_shut_on_a_day_on_which_the_bot_enters_in_none() -> None:
    """The day says so itself; the last of them was told at the first look that anything made the bot take."""
    desk = desk_of(TWO.replace("max_open: 5", "max_open: 5, days: [mon]"))
    desk.until("16:00", step=60)
    assert "Wednesday" in desk.state.bots.by_name["spread"].day.skipped
    assert not desk.said(Kind.DECISION, "skip")


def test_a_window_that_is_over_is_not_reported_as_shut() -> None:
    desk = desk_of(TWO)
    desk.until("10:05")
    desk.fill(desk.last)
    desk.until("11:05")
    desk.fill(desk.last)
    desk.until("12:00", step=60)
    assert not desk.said(Kind.DECISION, "skip")


@pytest.mark.parametrize(("halted_at", "said"), [("10:15", ()), ("12:00", ("10:00 came nearest: vix 30.00, ",))])
def test_a_halt_after_its_window_is_not_why_a_bot_did_not_enter(halted_at: str, said: tuple[str, ...]) -> None:
    """The report of a day named a halt of the afternoon alone, and not what had kept the bot out by then."""
    entry = '{window: {from: "10:00", to: "10:30"}, ' + WHEN + "}"
    risk = "{max_loss_per_trade: $9000, halt_when: [{vix: {above: 50}}]}"
    desk = Desk((text_of(entry=entry, exits=EXITS, risk=risk, legs=LEGS),))
    desk.level("VIX", 30.0)
    desk.until(halted_at, step=60)
    desk.level("VIX", 60.0)
    desk.until("15:50", step=60)
    (bot,) = day_outcome(desk.state, None).bots
    *kept_out, halted = bot.lines[0].parts
    assert halted.startswith("halted: vix 60.00")
    assert len(kept_out) == len(said)
    assert all(part.startswith(begin) for part, begin in zip(kept_out, said, strict=True))


def test_an_entry_that_came_to_nothing_is_reported_with_what_became_of_it() -> None:
    """Of a box that the broker refused each day, the day said "its entry was not filled", as of one priced too well."""
    desk = desk_of(TWO)
    desk.until("10:05")
    desk.refuse(desk.last, 201, "Order rejected - reason:Riskless combination orders are not allowed")
    refused = "201 Order rejected - reason:Riskless combination orders are not allowed"
    assert reported_of(desk) == (f"its entry was not filled: {refused}",)
    desk.until("11:00")
    desk.ack(desk.last)
    for _ in range(3):
        desk.tick(10)
    desk.cancelled(desk.last)
    assert reported_of(desk) == ("2 entries were not filled, the last: its tries are used up",)


def reported_of(desk: Desk) -> tuple[str, ...]:
    """Return what the report of the day says of its one bot."""
    return day_outcome(desk.state, None).bots[0].lines[0].parts


def test_what_another_bot_has_sent_uses_up_no_window() -> None:
    sections = {"entry": TIMES, "exits": EXITS, "risk": "{max_loss_per_trade: $9000}", "legs": LEGS}
    desk = Desk(tuple(text_of(name, **sections) for name in ("one", "two")))
    for at in ("10:00", "11:00"):
        desk.until(at)
        for order in desk.live:
            desk.fill(order)
    assert [order.bot for order in desk.submitted if order.purpose is Purpose.ENTRY] == ["one", "two"] * 2


def test_what_kept_a_bot_out_of_its_window_is_reported_after_it_too() -> None:
    """The report of the day said "its window is over" of one that had its trade of the week, and why the cap."""
    desk = Desk(
        (text_of("seller", **{**HOLDS, "entry": HOLDS["entry"].replace("max_open: 1", "max_open: 1, per_week: 1")}),)
    )
    desk.until("10:00")
    desk.fill(desk.last)
    desk.ask(Request.FLATTEN)
    desk.tick(5)
    desk.fill(desk.last)
    desk.ask(Request.RESUME)
    desk.tick((clock("09:30", THURSDAY) - desk.now).total_seconds(), quiet=True)
    desk.day = THURSDAY
    desk.until("11:05", step=60)
    (bot,) = day_outcome(desk.state, None).bots
    assert [line.parts for line in bot.lines] == [("1 of 1 a week",)]


@pytest.mark.parametrize("ladder", ["wait: 10m, tries: 1", "wait: 20s, pause: 20s, tries: 9"])
def test_an_entry_at_work_is_cancelled_as_the_time_comes_at_which_all_is_closed(ladder: str) -> None:
    """It worked on, and what it opened at 15:50 was closed as it filled."""
    entry = '{window: {from: "15:44", to: "16:00"}}'
    desk = Desk((text_of(entry=entry, order=f"{{start: mid, step: 0.01, {ladder}, then: cancel}}"),), at="15:43")
    desk.enter("15:44")
    for _ in range(10):
        answer(desk)
        desk.tick(5)
    assert desk.position.state == "entering"
    desk.now = clock("15:45")
    desk.tick(0, quiet=True)
    answer(desk)
    desk.settle(600)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "unfilled")
    assert all(order.sent_at < clock("15:45") for order in desk.submitted if order.sent_at)
    assert desk.said(Kind.DECISION, "unfilled")[-1].data["reason"] == "the time has come at which its exits close all"


def test_an_entry_at_work_is_cancelled_at_the_close() -> None:
    """Options on SPX and SPY trade until 16:15: what filled there had no exit judged before the next open."""
    entry = '{window: {from: "15:58", to: "16:00"}}'
    ladder = "{start: mid, step: 0.01, wait: 60s, tries: 40, then: cancel}"
    desk = Desk((text_of(entry=entry, order=ladder, exits="\n  - at_expiry: settle\n"),), at="15:57")
    desk.enter("15:58")
    while desk.now < clock("16:00:08"):
        answer(desk)
        desk.tick(1)
    assert (desk.position.state, desk.position.exit_reason) == ("closed", "unfilled")
    assert desk.said(Kind.DECISION, "unfilled")[-1].data["reason"] == "its window is over"


def answer(desk: Desk) -> None:
    for order in desk.live:
        if order.status is OrderStatus.CANCELLING:
            desk.cancelled(order)
        elif order.status is OrderStatus.SENDING:
            desk.ack(order)
