"""Web hooks in the engine: what one that comes leads to, once, at once, and for as long as it counts."""

from dataclasses import replace
from datetime import date, datetime, timedelta

from hand_desk import Desk, clock, text_of

from rulebot.core.handle_event import start_run
from rulebot.model.event import MarketDataUpdated, WebhookReceived
from rulebot.model.facts import EventCalendar
from rulebot.record.record import Kind, Record
from rulebot.recovery.resume import resume

ASKS = """
  window: {from: "10:00", to: "15:00"}
  when:
    - webhook: {name: trend, says: up, within: 30m}
"""
LEAVES = """
  - webhook: {name: get_out, within: 5m}
  - time: "15:45"
"""


def desk_of(**sections: str) -> Desk:
    desk = Desk((text_of(**{"entry": ASKS, **sections}),))
    desk.state = desk.state._replace(
        market=replace(desk.state.market, facts=replace(desk.state.market.facts, hooks={}))
    )
    return desk


def sent(desk: Desk, name: str, says: str = "", number: int = 1, came: datetime | None = None) -> None:
    desk.send(WebhookReceived(at=desk.now, id=f"h{number}", name=name, says=says, came=came or desk.now))


def kept(desk: Desk) -> list[Record]:
    return [record for record in desk.records if record.kind is Kind.WEBHOOK]


def test_a_hook_lets_the_bot_enter_in_the_next_instant_though_no_quote_moves() -> None:
    desk = desk_of()
    desk.until("10:20", step=60)
    assert not desk.submitted
    sent(desk, "trend", "up")
    assert desk.state.schedule.wake_at <= desk.now
    desk.tick(0.25, quiet=True)
    assert len(desk.submitted) == 1
    (record,) = kept(desk)
    reported = {"id": "h1", "name": "trend", "says": "up", "came": "2026-11-18T15:20:00.000000Z"}
    assert record.data == {**reported, "asked_by": list(desk.program.bots)}


def test_another_name_or_word_lets_nobody_enter() -> None:
    desk = desk_of()
    desk.until("10:20", step=60)
    sent(desk, "tide", "up", 1)
    sent(desk, "trend", "down", 2)
    sent(desk, "trend", "", 3)
    desk.until("10:40", step=60)
    assert not desk.submitted
    assert [len(record.data["asked_by"]) for record in kept(desk)] == [0, 1, 1]


def test_the_same_message_counts_once() -> None:
    desk = desk_of()
    sent(desk, "trend", "down", 1)
    sent(desk, "trend", "up", 2)
    sent(desk, "trend", "down", 1)
    assert desk.state.market.facts.hooks is not None
    assert desk.state.market.facts.hooks["trend"].says == "up"
    assert len(kept(desk)) == 2


def test_one_that_was_under_way_for_longer_does_not_undo_a_later_one() -> None:
    desk = desk_of()
    sent(desk, "trend", "up", 1)
    sent(desk, "trend", "down", 2, desk.now - timedelta(seconds=5))
    assert desk.state.market.facts.hooks is not None
    assert desk.state.market.facts.hooks["trend"].says == "up"


def test_where_none_could_come_the_first_one_shows_that_they_do() -> None:
    desk = Desk((text_of(entry=ASKS),))
    desk.until("10:20", step=60)
    assert desk.state.bots.by_name["spread"].readings["when", "webhook.trend"].evaluation.truth is None
    sent(desk, "trend", "down")
    desk.tick(1)
    assert desk.state.bots.by_name["spread"].readings["when", "webhook.trend"].evaluation.truth is False


def test_what_waits_for_a_hook_to_be_forgotten_is_judged_in_that_second() -> None:
    waits = '\n  window: {from: "10:00", to: "15:00"}\n  when:\n    - not: {webhook: {name: news, within: 30m}}\n'
    desk = desk_of(entry=waits)
    sent(desk, "news")
    desk.until("10:28:59", step=1)
    assert not desk.submitted
    desk.until("10:29:00")
    assert len(desk.submitted) == 1


def test_an_open_position_is_left_when_a_hook_says_so() -> None:
    desk = desk_of(exits=LEAVES)
    desk.until("10:00")
    sent(desk, "trend", "up")
    desk.tick(0.25)
    desk.fill(desk.last)
    desk.until("10:30", step=60)
    assert desk.position.state == "open"
    sent(desk, "get_out", number=2)
    desk.tick(0.25, quiet=True)
    assert desk.position.state == "exiting"


def test_a_hook_halts_the_day() -> None:
    desk = desk_of(risk="{max_loss_per_trade: $2000, halt_when: [{webhook: {name: news, within: 1h}}]}")
    desk.until("10:01", step=30)
    sent(desk, "news")
    desk.tick(0.25, quiet=True)
    assert desk.state.bots.by_name["spread"].day.halted.startswith("webhook.news came 10:01:00")


def restarted(desk: Desk, *, takes_hooks: bool = True) -> None:
    """End the engine and start it again from its records."""
    desk.now += timedelta(seconds=2)
    facts = desk.state.market.facts
    found = resume(desk.records, desk.now, desk.board, EventCalendar(), takes_hooks=takes_hooks).state
    desk.state = found._replace(market=replace(found.market, facts=replace(facts, hooks=found.market.facts.hooks)))
    desk.take(start_run(desk.program, desk.state, desk.now))
    desk.link()


def test_an_engine_that_is_started_between_hook_and_entry_still_knows_it() -> None:
    desk = desk_of(entry=ASKS.replace("10:00", "10:30"))
    desk.until("10:10")
    sent(desk, "trend", "up", 1)
    before = desk.state.market.facts.hooks, desk.state.requests.hook_ids
    restarted(desk)
    assert (desk.state.market.facts.hooks, desk.state.requests.hook_ids) == before
    sent(desk, "trend", "up", 1)  # what the dead one had read and not yet removed
    assert len(kept(desk)) == 1
    desk.until("10:29:59", step=30)
    assert not desk.submitted
    desk.until("10:30:00")
    assert len(desk.submitted) == 1


def test_after_a_restart_it_still_ends_in_its_second() -> None:
    waits = '\n  window: {from: "10:00", to: "15:00"}\n  when:\n    - not: {webhook: {name: news, within: 30m}}\n'
    desk = desk_of(entry=waits)
    sent(desk, "news")
    restarted(desk)
    assert clock("10:29") in desk.state.bots.by_name["spread"].agenda


def test_without_a_secret_a_start_knows_nothing_of_hooks() -> None:
    desk = desk_of()
    restarted(desk, takes_hooks=False)
    assert desk.state.market.facts.hooks is None


def test_the_next_day_begins_without_those_of_this_one() -> None:
    desk = desk_of()
    sent(desk, "trend", "up", 1)
    thursday = date(2026, 11, 19)
    found = resume(desk.records, clock("09:00", thursday), desk.board, EventCalendar(), takes_hooks=True).state
    assert (found.market.facts.hooks, found.requests.hook_ids) == ({}, frozenset())
    desk.now = clock("09:00", thursday)
    desk.send(MarketDataUpdated(desk.now, ()))
    assert (desk.state.market.facts.hooks, desk.state.requests.hook_ids) == ({}, frozenset())
    desk.day = thursday
    desk.until("09:50")
    assert not desk.submitted


def test_a_time_longer_than_any_day_is_no_trouble() -> None:
    desk = desk_of(entry=ASKS.replace("30m", "999999h"))
    sent(desk, "trend", "up")
    desk.until("10:00")
    assert len(desk.submitted) == 1


def test_an_instant_between_two_seconds_ends_in_its_own() -> None:
    waits = '\n  window: {from: "10:00", to: "15:00"}\n  when:\n    - not: {webhook: {name: news, within: 30m}}\n'
    for microseconds in (1, 123457, 333333, 700001, 999999):
        desk = desk_of(entry=waits)
        desk.tick(microseconds / 1e6)
        sent(desk, "news")
        due = desk.now + timedelta(minutes=30)
        desk.tick(1795.0)
        desk.tick((due - desk.now).total_seconds() - 1e-6)
        assert not desk.submitted
        desk.tick((due - desk.now).total_seconds())
        assert desk.now == due
        assert len(desk.submitted) == 1
