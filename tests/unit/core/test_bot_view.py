"""What other bots may know of a bot while it enters, holds, leaves, and on the day after."""

from datetime import date

from hand_desk import Desk, clock, put, text_of

from rulebot.core.state.builder import StateBuilder
from rulebot.core.state.lists import bot_view
from rulebot.measure.view import BotView
from rulebot.model.event import MarketDataUpdated

EXITS = '\n  - time: "15:45"\n  - name: half\n    target: {profit: 50%}\n'


def seen(desk: Desk, name: str = "spread") -> BotView | None:
    return bot_view(StateBuilder(desk.program, desk.state, desk.now), name)


def test_flat_at_work_open_and_left() -> None:
    desk = Desk((text_of(exits=EXITS), text_of("second", entry='{at: "14:00"}')))
    assert seen(desk) == BotView(False, False, "")
    order = desk.enter()
    assert seen(desk) == BotView(False, True, "")
    desk.fill(order)
    assert seen(desk) == BotView(True, False, "")
    desk.quote(put(5945), 0.40, 0.50, -0.104)
    desk.quote(put(5935), 0.15, 0.25, -0.07)
    desk.tick(1)
    assert seen(desk) == BotView(True, True, "")
    desk.fill(desk.last)
    assert seen(desk) == BotView(False, False, "half")
    assert seen(desk, "second") == BotView(False, False, "")
    assert seen(desk, "third") is None
    desk.now = clock("09:00", date(2026, 11, 19))
    desk.send(MarketDataUpdated(desk.now, ()))
    assert seen(desk) == BotView(False, False, "")


def test_an_exit_that_judges_each_part_is_seen_under_its_own_name() -> None:
    desk = Desk((text_of(exits='\n  - time: "15:45"\n  - stop: {cost: 3x credit, of: each_side}\n'),))
    desk.opened()
    desk.quote(put(5945), 19.9, 20.1, -0.5)
    desk.tick(1)
    desk.fill(desk.last)
    assert desk.position.exit_reason == "stop.put_side"
    assert seen(desk) == BotView(False, False, "stop")


def test_an_entry_without_a_fill_is_no_exit() -> None:
    desk = Desk((text_of(exits=EXITS),))
    order = desk.enter()
    desk.ack(order)
    for _ in range(12):
        desk.tick(30)
        for live in desk.live:
            desk.cancelled(live)
    found = seen(desk)
    assert found is not None
    assert (found.holds, found.last_exit) == (False, "")


def test_a_second_bot_waits_for_the_first() -> None:
    waits = """
  window: {from: "10:00", to: "15:00"}
  when:
    - bot: {called: spread, is: flat}
    - last_exit: {called: spread, is: half}
"""
    desk = Desk((text_of(exits=EXITS), text_of("second", entry=waits)))
    order = desk.enter()
    desk.fill(order)
    desk.until("10:10", step=30)
    assert [each.bot for each in desk.submitted] == ["spread"]
    desk.quote(put(5945), 0.40, 0.50, -0.104)
    desk.quote(put(5935), 0.15, 0.25, -0.07)
    desk.tick(1)
    desk.fill(desk.last)
    desk.market()
    desk.settle()
    assert "second" in [each.bot for each in desk.submitted]
