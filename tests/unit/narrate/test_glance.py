"""A run at a glance, from hand-made states."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from run_day import day_program, day_state
from store_day import CONDOR, DAY, SELLER, WATCHER, at

from rulebot.compare.spec_comparison import tried_day
from rulebot.core.session.position_marks import dollars_at
from rulebot.core.state.state import BotState, OperatorState, State, TradingMode
from rulebot.decide.entry_window import BotDay
from rulebot.model.cause import Halt, Shut
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.position import HoldReason
from rulebot.model.session import session_on
from rulebot.model.text import one_line
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.positions import exits_text
from rulebot.narrate.snapshot import BotActivity, Snapshot
from rulebot.narrate.snapshot_of_state import progress, summary_of
from rulebot.spec.exit_kinds import ExitKind

PROGRAM = day_program()


def seen(state: State, clock: str) -> Snapshot:
    return summary_of(PROGRAM, state, at(clock), at("09:29"), at("16:06"))


def test_an_open_condor_shows_each_exit_with_its_level_and_the_present_value() -> None:
    rows = {row.bot: row for row in seen(day_state("11:42"), "11:42").bots}
    row = rows[CONDOR]
    assert (row.doing, row.since, row.position) == (BotActivity.OPEN, at("09:52"), "5920/5930p 6065/6075c  0.85")
    assert row.waits.startswith("target 0.42 (now 0.54); stop 1.70; time 15:45; breach spot_within 15 pts")
    assert row.profit == 26.90


def test_a_position_on_hold_says_why_nothing_is_sent_for_it() -> None:
    """Its line went on with the levels of exits of which none acts, and at the end that they act while rulebot runs."""
    state = day_state("11:42")
    why = "a closing order was cancelled, and not by us, the 3rd time today: nothing is sent for it any more"
    positions = {
        name: replace(each, hold=HoldReason.EXIT_CANCELLED, on_hold=why) for name, each in state.positions.by_id.items()
    }
    state = state._replace(positions=replace(state.positions, by_id=positions))
    rows = {row.bot: row for row in seen(state, "11:42").bots}
    assert rows[CONDOR].waits == f"on hold: {why}"
    assert rows[SELLER].waits == f"on hold: {why}; resting: target 2.03, stop 15.21"
    reported = {bot.bot: bot.lines[0].parts for bot in day_outcome(state, at("11:42")).bots}
    assert f"on hold: {why}" in reported[CONDOR]
    assert f"on hold: {why}; target 2.03 and stop 15.21 rest at the broker" in reported[SELLER]


def test_one_order_rests_and_two_rest() -> None:
    state = day_state("11:42")
    stops = [ref for ref, each in state.orders.by_ref.items() if each.bot == SELLER and each.reason == "stop"]
    state = state._replace(
        orders=replace(
            state.orders, by_ref={ref: each for ref, each in state.orders.by_ref.items() if ref not in stops}
        )
    )
    reported = {bot.bot: bot.lines[0].parts for bot in day_outcome(state, at("11:42")).bots}
    assert "target 2.03 rests at the broker" in reported[SELLER]


def test_a_position_of_which_more_was_closed_than_was_held_says_what_is_left_that_nothing_is_sent_for() -> None:
    """It went on with the levels of exits of which none acts."""
    state = day_state("11:42")
    (each,) = [each for each in state.positions.by_id.values() if each.bot == SELLER]
    too_far = replace(each, legs=(replace(each.legs[0], closed=each.legs[0].opened + 1),), exit_reason="protect")
    state = state._replace(positions=replace(state.positions, by_id={too_far.id: too_far}))
    rows = {row.bot: row for row in seen(state, "11:42").bots}
    left = f"nothing is sent for the rest, +1 {each.legs[0].option}"
    assert rows[SELLER].waits.startswith(f"on hold: more was closed than was held; {left}")
    reported = {bot.bot: bot.lines[0].parts for bot in day_outcome(state, at("11:42")).bots}
    assert any(left in part for part in reported[SELLER])


def test_of_a_wing_that_is_left_to_expire_no_exit_is_reported() -> None:
    """The page told a stop at a credit of 0.14 and a breach at the distance of an hour ago, none of which acts."""
    state = day_state("11:42")
    (each,) = [each for each in state.positions.by_id.values() if each.bot == CONDOR and each.state == "open"]
    *others, wing = each.legs
    assert wing.sign > 0
    gone = tuple(replace(leg, closed=leg.opened) for leg in others)
    left = replace(each, state="exiting", exit_reason="target", legs=(*gone, wing))
    words = "target: the rest is long and has no bid"
    assert exits_text(PROGRAM, state, left, at("11:42").timestamp()) == words
    assert {
        row.bot: row.waits
        for row in seen(state._replace(positions=replace(state.positions, by_id={left.id: left})), "11:42").bots
    }[CONDOR] == words
    bot = PROGRAM.governing(left)
    assert dollars_at(bot, each, ExitKind.STOP) is not None
    assert dollars_at(bot, left, ExitKind.STOP) is None
    state = state._replace(positions=replace(state.positions, by_id={left.id: left}))
    assert [trade.stands for trade in tried_day(state, CONDOR, 0).trades] == [words], "of two texts it was still open"


def test_a_position_that_a_person_has_asked_to_be_closed_says_what_that_waits_for() -> None:
    """Asked in the evening nothing showed it: the next one to look saw an open position, and in the morning none."""
    state = day_state("11:42")
    (asked,) = (name for name, each in state.positions.by_id.items() if each.bot == CONDOR and each.state == "open")
    rows = {
        row.bot: row
        for row in seen(
            state._replace(requests=replace(state.requests, operator=OperatorState(closing=frozenset({asked})))),
            "11:42",
        ).bots
    }
    assert rows[CONDOR].waits == "to be closed, as asked, once the session is on and the broker is there"
    assert rows[SELLER].waits == "resting: target 2.03, stop 15.21"


def test_resting_exits_show_what_is_at_the_broker() -> None:
    rows = {row.bot: row for row in seen(day_state("11:42"), "11:42").bots}
    assert rows[SELLER].position == "547p 2027-02-19  5.07"
    assert rows[SELLER].waits == "resting: target 2.03, stop 15.21"


def test_a_watching_bot_says_what_is_missing() -> None:
    rows = {row.bot: row for row in seen(day_state("11:42"), "11:42").bots}
    assert rows[WATCHER].doing is BotActivity.WATCHING
    assert rows[WATCHER].waits == "day_range 29.8 pts, below 27.7 (the open's expected move): 2.1 too much"


def test_a_window_of_another_day_says_of_which() -> None:
    """On a Saturday it waited for `its window, from 10:30`, which was Monday's."""
    state = day_state("11:42")
    waiting = BotState(day=BotDay(bot=WATCHER, date=DAY), status_text="its window, from 10:30", shut=Shut.AHEAD)
    state = state._replace(bots=replace(state.bots, by_name={**state.bots.by_name, WATCHER: waiting}))
    monday = session_on(date(2026, 11, 30))
    assert monday is not None
    reported = [
        {row.bot: row for row in seen(each, "11:42").bots}[WATCHER].waits
        for each in (state, state._replace(schedule=replace(state.schedule, session=monday)))
    ]
    assert reported == ["its window, from 10:30", "its window, from 10:30 on Monday, 2026-11-30"]


def test_a_bot_that_holds_something_shows_what_it_has_realised_and_that_it_is_halted() -> None:
    """Its one line was that of its position: a loss of this morning stood in the sum alone, and a halt nowhere."""
    state = day_state("15:00")
    lost = next(each for each in state.positions.by_id.values() if each.state == "closed")
    made = state.bots.by_name[CONDOR].day.realized
    bots = {
        CONDOR: BotState(day=BotDay(bot=CONDOR, date=DAY)),
        SELLER: replace(state.bots.by_name[SELLER], day=replace(state.bots.by_name[SELLER].day, realized=made)),
    }
    positions = {**state.positions.by_id, lost.id: replace(lost, bot=SELLER)}
    shown = seen(
        state._replace(bots=replace(state.bots, by_name=bots), positions=replace(state.positions, by_id=positions)),
        "15:00",
    )
    rows = [row for row in shown.bots if row.bot == SELLER]
    assert [(row.doing, row.position) for row in rows][1] == (BotActivity.FLAT, "closed: target")
    assert sum(row.profit or 0 for row in shown.bots) == shown.today
    halted = replace(
        state.bots.by_name[SELLER], day=state.bots.by_name[SELLER].day.halted_for(Halt.DAY_LOSS, "its daily loss")
    )
    rows = [
        row
        for row in seen(state._replace(bots=replace(state.bots, by_name={SELLER: halted})), "15:00").bots
        if row.bot == SELLER
    ]
    assert [row.doing for row in rows] == [BotActivity.OPEN, BotActivity.HALTED]
    assert rows[1].waits == "its daily loss"


def test_what_a_bot_that_runs_no_more_has_realised_is_counted() -> None:
    """It left the day's open profit when it was closed, and was in no other figure."""
    state = day_state("15:00")
    made = seen(state, "15:00").realized
    assert made == float(day_outcome(state, None).realized) == float(state.bots.by_name[CONDOR].day.realized) != 0
    orphaned = state._replace(
        bots=replace(state.bots, by_name={name: bot for name, bot in state.bots.by_name.items() if name != CONDOR})
    )
    assert seen(orphaned, "15:00").realized == float(day_outcome(orphaned, None).realized) == made


def test_entering_shows_the_try() -> None:
    state = day_state("11:42")
    orders = {
        ref: replace(order, status=OrderStatus.WORKING, attempt=2, limit_price=Decimal("-0.25"))
        for ref, order in state.orders.by_ref.items()
        if order.bot == CONDOR and order.purpose is Purpose.ENTRY
    }
    position = next(found for found in state.positions.by_id.values() if found.bot == CONDOR)
    bare = replace(position, state="entering", legs=tuple(replace(leg, opened=0) for leg in position.legs))
    state = state._replace(
        orders=replace(state.orders, by_ref=orders), positions=replace(state.positions, by_id={position.id: bare})
    )
    row = next(row for row in seen(state, "11:42").bots if row.bot == CONDOR)
    assert (row.doing, row.waits) == (BotActivity.ENTERING, "a fill")
    assert row.position == "5920/5930p 6065/6075c  try 2 of 4 at 0.25"


def test_an_entry_that_a_run_leaves_at_the_broker_is_reported() -> None:
    """As when the disk was full: nothing more could be sent, its cancel neither."""
    state = day_state("11:42")
    entry = next(
        order for order in state.orders.by_ref.values() if order.bot == CONDOR and order.purpose is Purpose.ENTRY
    )
    works = replace(entry, status=OrderStatus.WORKING, limit_price=Decimal("-0.25"))
    state = state._replace(
        orders=replace(state.orders, by_ref={works.ref: works}), positions=replace(state.positions, by_id={})
    )
    reported = next(each for each in day_outcome(state, at("11:42")).bots if each.bot == CONDOR)
    assert [line.parts for line in reported.lines] == [("an entry at 0.25 works at the broker",)]


def test_many_positions_share_a_row() -> None:
    state = day_state("11:42")
    one = next(found for found in state.positions.by_id.values() if found.bot == SELLER)
    many = {f"P{n}": replace(one, id=f"P{n}") for n in range(11)}
    rows = [
        row
        for row in seen(state._replace(positions=replace(state.positions, by_id=many)), "11:42").bots
        if row.bot == SELLER
    ]
    assert [row.position for row in rows][-1] == "+8 more"
    assert len(rows) == 4


@pytest.mark.parametrize(("paused", "command"), [(WATCHER, f"rulebot resume {WATCHER}"), ("", "rulebot resume")])
def test_a_paused_bot(paused: str, command: str) -> None:
    """Without its name a resume would let all others enter again that are paused or killed as well."""
    state = day_state("11:42")._replace(
        requests=replace(day_state("11:42").requests, operator=OperatorState(paused=frozenset({paused})))
    )
    row = next(row for row in seen(state, "11:42").bots if row.bot == WATCHER)
    assert (row.doing, row.waits) == (BotActivity.PAUSED, f"'{command}' lets it enter again")


def test_a_notice_names_a_stop_a_lost_connection_and_a_kill() -> None:
    state = day_state("11:42")
    assert seen(state, "11:42").notice == ""
    assert "stopping" in seen(state._replace(requests=replace(state.requests, is_stopping=True)), "11:42").notice
    assert "connection" in seen(state._replace(connection=replace(state.connection, is_linked=False)), "11:42").notice
    assert (
        "killed"
        in seen(
            state._replace(requests=replace(state.requests, operator=OperatorState(TradingMode.REDUCING))), "11:42"
        ).notice
    )
    died = OperatorState(TradingMode.REDUCING, reason="3 starts in 10 minutes")
    assert seen(state._replace(requests=replace(state.requests, operator=died)), "11:42").notice.startswith(
        "3 starts in 10 minutes: nothing is opened"
    )


def test_a_notice_that_bots_were_closed_says_whether_others_continue() -> None:
    state, one, every = day_state("11:42"), frozenset({WATCHER}), frozenset({""})
    reported = {
        standing: seen(state._replace(requests=replace(state.requests, operator=standing)), "11:42").notice
        for standing in (
            OperatorState(paused=one, flattening=one),
            OperatorState(TradingMode.REDUCING, paused=one, flattening=one),
            OperatorState(TradingMode.REDUCING, paused=one, flattening=one | every),
        )
    }
    assert [notice.split(";")[0] for notice in reported.values()] == [
        f"flattened: what {WATCHER} held is closed, other bots continue",
        "killed: nothing is opened, exits continue",
        "flattened: what all bots hold is closed, nothing is opened",
    ]


def test_today_is_realised_and_open() -> None:
    shown = seen(day_state("14:00"), "14:00")
    assert shown.realized == 36.80
    assert shown.today == 36.80 + shown.open_profit
    assert shown.levels == (("SPX", 6004.12), ("SPY", 599.93), ("VIX", 16.8))


def test_progress_counts_trading_time_over_all_sessions() -> None:
    session = session_on(at("12:00").date())
    assert session is not None
    assert progress(session, at("12:45"), at("09:29"), at("16:06")) == 0.5
    assert progress(session, at("09:00"), at("09:00"), None) == 0.0
    assert progress(session, at("12:45"), at("09:29"), at("16:06", at("12:00").date().replace(day=19))) == 0.25
    assert progress(session, at("18:00"), at("09:29"), None) == 1.0


def test_words_of_a_verdict_on_one_line() -> None:
    assert one_line("1.04   above 1.0   (iv 12.5%)") == "1.04, above 1.0 (iv 12.5%)"
