"""What is said of a position of which a part was rolled: in a run, at the end of a day, on a drawing."""

from pathlib import Path

from hand_desk import call, kept
from test_rolling_parts import UNTESTED, held, positions, spot

from rulebot.alerts.find import digest
from rulebot.chart.chart import chart_of_trade
from rulebot.model.order import Purpose
from rulebot.narrate.day_report import day_outcome
from rulebot.narrate.happenings import event_line
from rulebot.narrate.positions import exits_text
from rulebot.narrate.snapshot_of_state import snapshot_of
from rulebot.record.record import Kind
from rulebot.store.queries import StoreReader

PART = "short_put and long_put rolled"


def test_a_part_that_was_rolled_is_reported_of_the_position_that_continues(tmp_path: Path) -> None:
    desk = held()
    spot(desk, 6040)
    desk.fill(desk.last)
    spot(desk, 6000)
    desk.quote(call(6055), 8.95, 9.05, 0.50)
    desk.tick(1)
    desk.fill(desk.last)
    (bot,) = day_outcome(desk.state, None).bots
    old, new = (reported.parts for reported in bot.lines)
    assert old[1] == f"{PART} 10:00: tested_call"
    assert old[2].startswith("bought back in all at ")
    assert not [part for part in new if "rolled" in part]
    with StoreReader(kept(desk, tmp_path)) as reader:
        assert f"; {PART} by tested_call; closed by stop.call_side, " in digest(reader, "2026-11-18", ["spread"])
        chart = chart_of_trade(reader, 1)
        assert reader.rolls(positions(desk)[0].id).went_into == (positions(desk)[1].id,)
    assert chart is not None
    assert f"tested_call: {PART}" in [mark.words for mark in chart.marks]


def test_each_position_is_reported_with_the_exits_of_its_own_legs() -> None:
    desk = held()
    spot(desk, 6040)
    desk.fill(desk.last)
    spot(desk, 6000)
    now = desk.now.timestamp()
    old, new = (exits_text(desk.program, desk.state, each, now) for each in positions(desk))
    assert "tested_call" not in old + new, "its legs are gone from the one, and what it judges from the other"
    assert ("stop.call_side" in old, "stop.put_side" in old) == (True, False)
    assert ("stop.put_side" in new, "stop.call_side" in new) == (True, False)
    lines = snapshot_of(desk.program, desk.state, desk.now, desk.now, None).positions
    assert len(lines) == 2


def test_a_part_of_the_structures_is_reported_with_how_many_they_are() -> None:
    desk = held(quantity=3, order="{start: mid, step: 0.05, wait: 10s, tries: 1, then: cancel}")
    spot(desk, 6040)
    desk.fill(desk.last, 1)
    desk.tick(10)
    desk.cancelled(desk.last, 1)
    (bot,) = day_outcome(desk.state, None).bots
    assert f"1 of 3 {PART} 10:00: tested_call" in [part for reported in bot.lines for part in reported.parts]


def test_an_exit_of_all_is_reported_of_the_legs_that_are_left() -> None:
    desk = held(UNTESTED, ending='\n  - time: "10:30"\n    order: market\n')
    spot(desk, 6040)
    desk.fill(desk.last)
    desk.until("10:30")
    said = [event_line(each, desk.state) for each in desk.said(Kind.DECISION, "exit")]
    assert [each.text for each in said if each is not None][1:] == [
        "time: closing 2 x 6055/6065c",
        "time: closing 2 x 5960/5970p",
    ]
    assert len(desk.sent_for(Purpose.ROLL)) == 1
