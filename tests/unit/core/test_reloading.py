"""Other texts take over: days count on, positions keep their text, and it is as if the engine had been started anew."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hand_desk import SELLER, Desk, bot_of, clock, put, text_of

from rulebot.checks.journal.books import journal_index
from rulebot.checks.journal.orders import unknown_is_never_true
from rulebot.core.handle_event import reload, start_run
from rulebot.core.program import AccountLimits, Program
from rulebot.core.session.reloading import changes_between, have_other_limits, not_quiet
from rulebot.model.contract import Underlying
from rulebot.model.event import ReloadPending, Request
from rulebot.model.order import OrderStatus, Purpose
from rulebot.model.session import session_after
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.snapshot_of_state import summary_of
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import resume

LATER = '{window: {from: "11:30", to: "13:00"}, per_day: 2, max_open: 3, again: {after: [filled, unfilled], wait: 10m}}'
TWO_A_DAY = (
    '{window: {from: "10:00", to: "13:00"}, per_day: 2, max_open: 2, again: {after: [filled, unfilled], wait: 30m}}'
)
CALM = '{window: {from: "10:00", to: "13:00"}, when: [{vix: {below: 12}}]}'
ROUGH = '{window: {from: "10:00", to: "13:00"}, when: [{vix: {above: 15}}]}'


def program_of(desk: Desk, *texts: str) -> Program:
    """Return what a reload of these texts makes of a desk's program."""
    bots = {bot.plan.name: bot for bot in map(bot_of, texts)}
    old = desk.program
    pinned = {**old.pinned, **{bot.plan.digest: bot for bot in old.bots.values()}}
    return replace(old, bots=bots, pinned=pinned)


def reloaded(desk: Desk, *texts: str) -> None:
    program = program_of(desk, *texts)
    was = {name: bot.plan.digest for name, bot in desk.program.bots.items()}
    changes = changes_between(was, {name: bot.plan.digest for name, bot in program.bots.items()})
    assert not not_quiet(desk.program, desk.state, [each.bot for each in changes])
    desk.take(reload(program, desk.state, desk.now, changes))
    desk.program = program


def restarted(desk: Desk, *texts: str) -> Desk:
    """Return a new engine on the journal of a desk, with these texts, in step with the same broker."""
    again = Desk(desk.texts, at="09:59")
    again.now, again.board = desk.now, desk.board
    again.program = program_of(desk, *texts)
    known = desk.state
    again.state = resume(desk.records, desk.now, desk.board, known.market.facts.events).state
    again.state = again.state._replace(market=replace(again.state.market, facts=known.market.facts))
    again.records, again.commands = [], []
    again.executions, again.perm = desk.executions, desk.perm
    again.take(start_run(again.program, again.state, again.now))
    again.link()
    return again


def acted(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """Return what was decided and sent, without what only a start or only a reload records."""
    found = [record for record in records if record.kind in (Kind.DECISION, Kind.ORDER, Kind.SELECTION, Kind.POSITION)]
    return [(record.at, record.kind, record.bot, record.position, dict(record.data)) for record in found]


def digest(text: str) -> str:
    return bot_of(text).plan.digest


# ---------------------------------------------------------------- before it is taken up


def waits(desk: Desk, *bots: str) -> None:
    desk.send(ReloadPending(desk.now, frozenset(bots)))


@pytest.mark.parametrize("whose", ["spread", ""])
def test_a_bot_enters_nothing_while_a_reload_that_touches_it_waits(whose: str) -> None:
    desk = Desk((text_of(),))
    waits(desk, whose)
    desk.until("10:10", step=60)
    desk.ask(Request.ENTER, "spread")
    desk.until("10:20", step=5)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].status_text == "a reload waits to be taken up"
    waits(desk)
    desk.tick(1)
    assert [order.purpose for order in desk.submitted] == [Purpose.ENTRY]


def test_others_enter_meanwhile_and_what_is_open_is_closed() -> None:
    desk = Desk((text_of("one"), text_of("two", entry=LATER)))
    desk.fill(desk.enter())
    waits(desk, "one")
    desk.until("11:30", step=60)
    assert desk.last.bot == "two"
    desk.cancelled(desk.last)
    desk.until("15:45", step=60)
    assert (desk.last.bot, desk.last.purpose) == ("one", Purpose.EXIT)


def test_what_an_entry_has_confirmed_is_confirmed_again_after_it() -> None:
    """Nobody looked meanwhile."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "11:00"}, when: [{vix: {below: 22}, confirm: 2m}]}'),))
    desk.until("10:01", step=5)
    waits(desk, "spread")
    desk.until("10:10", step=5)
    waits(desk)
    desk.until("10:11", step=5)
    assert not desk.submitted
    desk.until("10:13", step=5)
    assert len(desk.submitted) == 1


@pytest.mark.parametrize(("whose", "sent"), [("spread", 1), ("other", 2)])
def test_no_further_try_of_an_entry_is_sent_while_a_reload_that_touches_it_waits(whose: str, sent: int) -> None:
    desk = Desk((text_of(order="{start: mid, step: 0.05, wait: 10s, tries: 3, pause: 5s, then: cancel}"),))
    desk.ack(desk.enter())
    waits(desk, whose)
    desk.tick(10)
    desk.cancelled(desk.last)
    desk.tick(5)
    assert len(desk.submitted) == sent
    assert (not_quiet(desk.program, desk.state, ["spread"]) == "") is (sent == 1)


@pytest.mark.parametrize("filled", [0, 1])
def test_nor_is_its_price_stepped_unless_something_of_it_has_filled(filled: int) -> None:
    """Its old text was worked to worse and worse prices."""
    desk = Desk((text_of(quantity="2", risk="{max_loss_per_trade: $4000}"),))
    entry = desk.enter()
    desk.fill(entry, filled) if filled else desk.ack(entry)
    waits(desk, "spread")
    desk.tick(10)
    assert [order.message for order in desk.cancels] == ([] if filled else ["a reload waits to be taken up"])
    assert len(desk.replaced) == filled


@pytest.mark.parametrize(("texts", "change"), [((text_of(entry=CALM),), "changed"), ((text_of("other"),), "removed")])
def test_an_entry_that_was_asked_for_and_waits_is_reported_to_come_to_nothing(
    texts: tuple[str, ...], change: str
) -> None:
    """It came to nothing, without a word."""
    desk = Desk((text_of(entry=LATER),))
    waits(desk, "spread")
    desk.ask(Request.ENTER, "spread")
    desk.tick(1)
    reloaded(desk, *texts)
    desk.until("10:05", step=5)
    reported = [record.data["reason"] for record in desk.said(Kind.DECISION, "skip")]
    assert reported == [f"asked by the operator: its spec was {change}"]
    assert not [order for order in desk.submitted if order.bot == "spread"]


# ---------------------------------------------------------------- what changes


def test_changes_are_reported_by_digests() -> None:
    found = changes_between(
        {"a": "1" * 64, "b": "2" * 64, "c": "3" * 64}, {"a": "1" * 64, "b": "4" * 64, "d": "5" * 64}
    )
    assert [each.words for each in found] == [
        "b changed, 22222222 to 44444444", "c removed, 33333333", "d added, 55555555"
    ]  # fmt: skip


def test_what_other_limits_refuse_is_reported_though_the_old_ones_did_in_the_same_words() -> None:
    """The last that was told of it named a limit of before, and a count of before."""
    desk = Desk(tuple(map(text_of, ("one", "two", "three", "four"))), limits=AccountLimits(max_open=2))
    desk.until("10:00")
    for order in desk.submitted:
        desk.fill(order)
    desk.tick(60)
    refused = "the account has 2 open positions, max_open is 2"
    assert skipped(desk) == [("three", refused), ("four", refused)]
    program = replace(desk.program, limits=AccountLimits(max_open=3))
    assert have_other_limits(desk.program, program)
    desk.take(reload(program, desk.state, desk.now, (), has_other_limits=True))
    desk.program = program
    desk.until("10:10", step=15)
    assert skipped(desk)[2:] == [("four", "the account has 3 open positions, max_open is 3")]


def skipped(desk: Desk) -> list[tuple[str, str]]:
    found = (record for record in desk.records if record.kind is Kind.DECISION and record.data["what"] == "skip")
    return [(record.bot, str(record.data["reason"])) for record in found]


def test_an_added_bot_trades_later_on_the_same_day() -> None:
    desk = Desk((text_of("one"),))
    desk.fill(desk.enter())
    desk.until("11:00")
    reloaded(desk, text_of("one"), text_of("two", entry=LATER))
    desk.until("11:30", step=60)
    assert desk.last.bot == "two"
    reported = [(record.bot, record.data["what"]) for record in desk.records if record.kind is Kind.RELOAD]
    assert reported == [("two", "added")]


def test_what_was_entered_today_counts_on() -> None:
    desk = Desk((text_of(),))
    desk.fill(desk.enter())
    reloaded(desk, text_of(entry='{window: {from: "10:00", to: "13:00"}, max_open: 3}'))
    desk.until("12:00", step=60)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == 1
    reloaded(desk, text_of(entry=LATER))
    desk.until("12:30", step=60)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == 2
    assert desk.state.bots.by_name["spread"].day.entries == 2


def test_a_strike_that_the_broker_refused_for_orders_of_others_stays_passed_over() -> None:
    desk = Desk((text_of("seller", **SELLER),), at="10:00")
    order = desk.enter("10:01")
    refusal = "Order rejected - reason:Cannot have open orders on both sides of the same US Option contract"
    desk.refuse(order, 201, refusal)
    desk.settle(1.0)
    desk.fill(desk.last)
    for each in desk.live:
        desk.ack(each)
    reloaded(desk, text_of("seller", **{**SELLER, "risk": "{undefined_risk: allow, daily_loss: $900}"}))
    assert desk.state.bots.by_name["seller"].blocked == {order.legs[0].option}


MORNING = '{window: [{from: "10:00", to: "11:00"}, {from: "12:00", to: "12:30"}], max_open: 5}'
EARLIER_TOO = MORNING.replace("[", '[{from: "09:35", to: "09:50"}, ')


@pytest.mark.parametrize("take_over", [reloaded, restarted])
@pytest.mark.parametrize(("was", "now"), [(MORNING, EARLIER_TOO), (EARLIER_TOO, MORNING)])
def test_a_window_that_was_used_stays_so_when_one_before_it_comes_or_goes(
    was: str, now: str, take_over: Callable[..., Desk | None]
) -> None:
    desk = Desk((text_of(entry=was),))
    desk.fill(desk.enter())
    desk.until("10:10")
    desk = take_over(desk, text_of(entry=now)) or desk
    sent = len(desk.submitted)
    desk.until("11:55", step=60)
    assert not [order for order in desk.submitted[sent:] if order.purpose is Purpose.ENTRY]
    desk.until("12:05", step=60)
    assert len([order for order in desk.submitted[sent:] if order.purpose is Purpose.ENTRY]) == 1


NEVER, ALWAYS = "[{vix: {above: 90}}]", "[{vix: {below: 90}}]"


def once(window: str, when: str) -> str:
    return text_of(entry=f"{{window: {window}, per_day: 3, max_open: 5, try: once, when: {when}}}")


BOTH = '[{from: "10:00", to: "10:10"}, {from: "10:20", to: "12:00"}]'
LATER_ONE = '{from: "10:20", to: "12:00"}'


@pytest.mark.parametrize("take_over", [reloaded, restarted])
@pytest.mark.parametrize(("was", "now"), [(BOTH, LATER_ONE), (LATER_ONE, BOTH), (BOTH, '{from: "10:05", to: "12:00"}')])
def test_a_window_that_was_decided_once_stays_so_when_others_come_or_go_or_it_is_moved(
    was: str, now: str, take_over: Callable[..., Desk | None]
) -> None:
    """An edit of another window had its bot enter where it had decided not to."""
    desk = Desk((once(was, NEVER),))
    desk.until("10:30", step=60)
    desk = take_over(desk, once(now, ALWAYS)) or desk
    desk.until("11:00", step=60)
    assert not desk.submitted
    assert desk.state.bots.by_name["spread"].day.decided.startswith("vix")


@pytest.mark.parametrize("take_over", [reloaded, restarted])
def test_a_window_that_is_moved_while_it_is_on_stays_used(take_over: Callable[..., Desk | None]) -> None:
    """What was sent before its new beginning was forgotten, and it entered once more."""
    desk = Desk((text_of(entry=f"{{window: {BOTH}, per_day: 5, max_open: 5}}"),))
    desk.fill(desk.enter("10:00"))
    desk.fill(desk.enter("10:20"))
    desk.until("10:30", step=60)
    moved = text_of(entry='{window: {from: "10:25", to: "12:00"}, per_day: 5, max_open: 5}')
    desk = take_over(desk, moved) or desk
    desk.until("11:00", step=60)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == (
        0 if take_over is restarted else 2
    )


@pytest.mark.parametrize("take_over", [reloaded, restarted])
def test_a_window_that_has_nothing_of_the_used_one_is_a_new_one(take_over: Callable[..., Desk | None]) -> None:
    """It counted as used, being the first of its text as the other had been, without a word."""
    desk = Desk((text_of(entry='{window: {from: "10:00", to: "10:10"}, per_day: 3, max_open: 5}'),))
    desk.fill(desk.enter("10:00"))
    desk.until("10:30", step=60)
    desk = take_over(desk, text_of(entry='{window: {from: "11:00", to: "12:00"}, per_day: 3, max_open: 5}')) or desk
    desk.until("10:55", step=60)
    sent = len([order for order in desk.submitted if order.purpose is Purpose.ENTRY])
    desk.until("11:05", step=30)
    assert len([order for order in desk.submitted if order.purpose is Purpose.ENTRY]) == sent + 1


def test_a_changed_exit_is_for_new_positions_only() -> None:
    """Row 82: an open position keeps the text it was opened under."""
    desk = Desk((text_of(entry=LATER, exits='[{time: "14:00", order: market}]'),))
    desk.fill(desk.enter("11:30"))
    old = desk.position
    new = text_of(entry=LATER, exits='[{time: "15:00", order: market}]')
    reloaded(desk, new)
    desk.until("12:30", step=60)
    entry = desk.last
    assert (entry.purpose, entry.digest) == (Purpose.ENTRY, digest(new))
    desk.fill(entry)
    desk.until("14:00")
    assert [(order.position, order.digest) for order in desk.submitted if order.purpose is Purpose.EXIT] == [
        (old.id, old.digest)
    ]
    desk.fill(desk.last)
    desk.until("15:00")
    assert desk.last.position == entry.position


def test_what_was_seen_of_a_position_counts_on() -> None:
    """Also for what arms an exit: the text of the position is the same."""
    exits = """
  - time: "15:45"
    order: market
  - name: breakeven
    stop: {loss: 0%}
    activate_when: {profit: {at_least: 30%}, confirm: 2 quotes}
"""
    desk = Desk((text_of(exits=exits),))
    desk.opened()
    for armed, cost in (((), 0.45), (("breakeven",), 0.44)):
        desk.quote(put(5945), 0.25 + cost, 0.35 + cost, -0.104)
        desk.quote(put(5935), 0.25, 0.35, -0.07)
        desk.tick(1)
        assert desk.position.armed == armed
        reloaded(desk, text_of(exits=exits, entry=LATER))


def test_the_positions_of_a_removed_bot_are_closed_by_its_text() -> None:
    """Row 83."""
    desk = Desk((text_of("one"), text_of("two", entry=LATER)))
    desk.fill(desk.enter())
    reloaded(desk, text_of("two", entry=LATER))
    assert "its spec was removed" in desk.state.bots.by_name["one"].status_text
    desk.until("15:45", step=300)
    assert {order.bot for order in desk.submitted if order.purpose is Purpose.EXIT} >= {"one"}


@pytest.mark.parametrize("is_removed", [True, False])
def test_what_exits_of_an_open_position_read_is_streamed_when_its_bot_reads_it_no_more(is_removed: bool) -> None:
    before = text_of(exits='\n  - time: "15:45"\n  - vix9d: {above: 40}')
    desk = Desk((before,))
    desk.opened()
    desk.tick(6)
    assert Underlying("VIX9D") in desk.state.subscriptions.streamed
    reloaded(desk, *(() if is_removed else (text_of(),)))
    desk.tick(6)
    assert Underlying("VIX9D") in desk.state.subscriptions.streamed


def test_a_removed_bot_that_watched_says_what_came_of_it_and_is_gone_the_next_day() -> None:
    desk = Desk((text_of("one", entry=CALM), text_of("two", entry=LATER)))
    desk.until("10:30", step=60)
    reloaded(desk, text_of("two", entry=LATER))
    assert "its spec was removed; nearest vix" in desk.state.bots.by_name["one"].day.skipped
    desk.until("11:00", step=60)
    tomorrow = session_after(desk.day)
    desk.now = tomorrow.open
    desk.tick(1)
    assert set(desk.state.bots.by_name) == {"two"}


def test_a_removed_bot_whose_trades_are_closed_is_in_no_report_of_the_next_day_and_its_week_counts_on() -> None:
    """It stood there as a bot that had judged nothing."""
    desk = Desk((text_of("one"), text_of("two", entry=CALM)))
    desk.opened()
    desk.until("15:45")
    desk.fill(desk.last)
    assert desk.position.state == "closed"
    reloaded(desk, text_of("two", entry=CALM))
    names = [each.bot for each in day_outcome(desk.state, desk.now).bots]
    assert sorted(names) == ["one", "two"], "it has traded today"
    desk.day = session_after(desk.day).date
    desk.now = clock("09:00", desk.day)
    for again in (desk, restarted(desk, text_of("two", entry=CALM))):
        again.now = clock("09:31", desk.day)
        again.tick(1)
        assert [each.bot for each in day_outcome(again.state, again.now).bots] == ["two"]
        shown = summary_of(again.program, again.state, again.now, again.now, None)
        assert {row.bot for row in shown.bots} == {"two"}
    reloaded(desk, text_of("one"), text_of("two", entry=CALM))
    assert desk.state.bots.by_name["one"].day.week == 1
    assert sorted(desk.state.bots.present) == ["one", "two"]


def test_unchanged_bots_continue_as_if_nothing_had_been() -> None:
    desk = Desk((text_of("one", entry=CALM), text_of("two", entry=LATER)))
    desk.until("10:30", step=60)
    before = desk.state.bots.by_name["one"]
    reloaded(desk, text_of("one", entry=CALM))
    assert desk.state.bots.by_name["one"] is before


def test_conditions_are_judged_by_the_new_text_alone() -> None:
    desk = Desk((text_of(entry=CALM),))
    desk.until("10:30", step=60)
    assert not desk.submitted
    reloaded(desk, text_of(entry=ROUGH))
    desk.tick(1)
    assert len(desk.submitted) == 1
    assert list(unknown_is_never_true(journal_index(enumerate(desk.records, 1)))) == []


def test_a_halt_and_a_pause_hold_over_a_reload() -> None:
    desk = Desk((text_of(entry=ROUGH, risk="{max_loss_per_trade: $2000, halt_when: [{vix: {above: 10}}]}"),))
    desk.until("10:05")
    reloaded(desk, text_of(entry=ROUGH))
    desk.until("10:30", step=60)
    assert desk.state.bots.by_name["spread"].day.halted
    assert not desk.submitted
    desk.ask(Request.PAUSE, "spread")
    desk.ask(Request.RESUME)
    desk.ask(Request.PAUSE, "spread")
    reloaded(desk, text_of(entry=TWO_A_DAY))
    desk.until("10:40", step=60)
    assert not desk.submitted


# ---------------------------------------------------------------- when


def test_an_order_in_flight_is_waited_for() -> None:
    """Row 89."""
    desk = Desk((text_of("one"), text_of("two", entry=LATER)))
    entry = desk.enter()
    assert not_quiet(desk.program, desk.state, ["one"]) == f"{entry.position}, which is entering"
    assert not not_quiet(desk.program, desk.state, ["two"])
    desk.ack(entry)
    assert not_quiet(desk.program, desk.state, ["one"])
    desk.fill(entry)
    assert not not_quiet(desk.program, desk.state, ["one", "two"])
    desk.until("15:45")
    assert not_quiet(desk.program, desk.state, ["one"]) == f"{entry.position}, which is exiting"
    desk.fill(desk.last)
    assert not not_quiet(desk.program, desk.state, ["one"])


def test_a_cancel_that_is_not_answered_is_waited_for() -> None:
    desk = Desk()
    entry = desk.enter()
    desk.ack(entry)
    desk.ask(Request.KILL)
    assert desk.last.status is OrderStatus.CANCELLING
    assert not_quiet(desk.program, desk.state, ["spread"])
    desk.cancelled(entry)
    assert not not_quiet(desk.program, desk.state, ["spread"])


def test_without_a_connection_nothing_is_taken_up() -> None:
    desk = Desk()
    desk.unlink()
    assert not_quiet(desk.program, desk.state, ["spread"]) == "the connection"


# ---------------------------------------------------------------- the same as a stop and a start


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param((text_of(entry=TWO_A_DAY),), (text_of(entry=LATER),), id="entry"),
        pytest.param((text_of(entry=LATER),), (text_of(entry=TWO_A_DAY),), id="window"),
        pytest.param((text_of(),), (text_of(entry=TWO_A_DAY, exits='[{time: "12:40", order: market}]'),), id="exits"),
        pytest.param(
            (text_of("one"), text_of("two", entry=TWO_A_DAY)), (text_of("two", entry=TWO_A_DAY),), id="removed"
        ),
        pytest.param((text_of("one"),), (text_of("one"), text_of("two", entry=LATER)), id="added"),
        pytest.param((text_of("one", entry=CALM),), (text_of("one", entry=ROUGH),), id="conditions"),
    ],
)
@pytest.mark.parametrize("filled", [True, False])
def test_a_reload_decides_as_a_new_start_would(before: tuple[str, ...], after: tuple[str, ...], filled: bool) -> None:
    """From the same instant on, with the same answers of the broker, both do the same to the second."""
    desk = Desk(before)
    desk.until("10:00")
    for order in list(desk.submitted):
        if filled:
            desk.fill(order)
        else:
            desk.ask(Request.PAUSE)
            desk.ask(Request.RESUME)
            desk.cancelled(order)
    desk.until("10:20")
    again = restarted(desk, *after)
    reloaded(desk, *after)
    starts = len(desk.records), len(again.records)
    for minute in range(1, 330):
        for each in (desk, again):
            each.now = max(each.now, clock("10:20"))
            for order in [order for order in each.live if order.status is OrderStatus.SENDING]:
                each.fill(order) if minute % 3 == 0 else each.ack(order)
            for order in [order for order in each.live if order.status is OrderStatus.CANCELLING]:
                each.cancelled(order)
            each.tick(60)
    first, second = acted(desk.records[starts[0] :]), acted(again.records[starts[1] :])
    assert first == second
    assert first


@pytest.mark.parametrize("is_started_between", [False, True])
def test_what_a_bot_opened_this_week_counts_when_it_is_added_again_on_another_day(is_started_between: bool) -> None:
    weekly = text_of(entry='{window: {from: "10:00", to: "13:00"}, per_week: 1}')
    desk = Desk((weekly, text_of("other", entry=CALM)))
    desk.opened("10:00")
    desk.until("15:45")
    desk.fill(desk.last)
    desk.tick(1)
    other = desk.texts[1]
    reloaded(desk, other)
    desk.day = session_after(desk.day).date
    desk.now = clock("09:00", desk.day)
    desk.tick(0)
    if is_started_between:
        desk.state = resume(desk.records, desk.now, desk.board, desk.state.market.facts.events).state
        desk.take(start_run(desk.program, desk.state, desk.now))
        desk.link()
    recorded = [record for record in desk.records if record.kind is Kind.BOT_DAY and record.bot == "spread"]
    assert {record.data["date"] for record in recorded} == {"2026-11-18"}, "it does not run on that day"
    desk.until("09:59")
    again = restarted(desk, weekly, other)
    reloaded(desk, weekly, other)
    assert desk.state.bots.by_name["spread"].day == again.state.bots.by_name["spread"].day
    assert desk.state.bots.by_name["spread"].day.week == 1
