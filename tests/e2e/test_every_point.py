"""Kill the engine at every point, in small: a few points of every scenario; the command strikes them all."""

from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from rulebot.chaos.scenario import ScenarioMoment
from rulebot.process.connection_state import WORDS
from rulebot.record.record import Kind, Record
from tests.e2e.equal_points import differences, pairs_of
from tests.e2e.every_point import (
    SCENARIOS,
    compared,
    crashes_of,
    ends,
    groups_of,
    one_of,
    points_of,
    strike,
    undisturbed,
)
from tests.e2e.found_points import CLOSED, DIED_TOO_OFTEN, TOO_LATE, UNANSWERED, Found, FoundFile, Point

EXPECTED = (
    ("open", ("stop", "target")),
    ("open", ("stop", "target")),
    ("open", ()),
    ("open", ()),
    ("open", ()),
    ("closed", ()),
    ("closed", ()),
    ("closed", ()),
    ("open", ("protect", "protect")),
    ("closed", ()),
    ("open", ("stop", "target")),
    ("open", ("stop", "target")),
    ("open", ("target",)),
    ("closed", ()),
    ("closed", ()),
)
CLOSES = {3: CLOSED["unwind"], 4: CLOSED["unwind"], 8: CLOSED["unprotected"]}
"""What is sent leg by leg is closed when it is not whole in time, and what stays unprotected, as the specs say."""


def test_a_point_is_struck_and_more_kills_follow_in_the_start() -> None:
    drawn = [crashes_of(Point(0, ScenarioMoment.AT_STEP, number)) for number in range(1, 60)]
    assert {len(each) for each in drawn} == {1, 2, 3, 4}
    assert all(each[0].moment is ScenarioMoment.AT_STEP for each in drawn)
    assert {crash.moment for each in drawn for crash in each[1:]} == {ScenarioMoment.START_STEP}
    assert drawn[4] == crashes_of(Point(0, ScenarioMoment.AT_STEP, 5))


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[each.name for each in SCENARIOS])
def test_ci_a_scenario_holds_at_a_few_of_its_points(number: int) -> None:
    left = undisturbed(number)
    assert [(state, resting) for _, state, resting in ends(left)] == [EXPECTED[number]]
    fills = [row for row in left.outside.rows if row["kind"] == "execution"]
    assert datetime.fromisoformat(str(fills[0]["at"])) < left.storm.calm_at, "nothing is filled while points are struck"
    found = list(points_of(number, 1))
    assert len(found) == left.points.steps + 2 * left.points.sends + 2 * left.points.writes
    for point in (found[5], found[-left.points.steps // 3]):
        struck = strike(point)
        assert not struck.is_wrong, struck
        assert struck.deaths >= 1
        assert struck.end not in CLOSED.values() or struck.end == CLOSES.get(number)


def test_a_point_that_is_not_reached_a_wrong_end_and_a_violation_are_wrong() -> None:
    fine = Found(Point(0, ScenarioMoment.AT_STEP, 5), 2, "same", {})
    assert not fine.is_wrong
    assert all(replace(fine, end=end).is_wrong for end in ("not struck", "not entered", "unwound", "other: [] for []"))
    assert replace(fine, violations={2: ("a ref is two orders",)}).is_wrong


@pytest.mark.long
def test_ci_an_end_that_is_otherwise_needs_a_reason() -> None:
    calm = undisturbed(0)
    at, silence = calm.day.records[0].at, "other: not entered, and nothing says why"
    day = {"halted": "", "skipped": "", "bot": "a"}
    reported = (
        (Kind.ALARM, {"text": WORDS}, DIED_TOO_OFTEN),
        (Kind.ALARM, {"text": "no data"}, silence),
        (Kind.BOT_DAY, {**day, "halted": "c7:1 was never acknowledged and may still arrive"}, UNANSWERED),
        (Kind.BOT_DAY, {**day, "skipped": "its window is over"}, TOO_LATE),
        (Kind.BOT_DAY, {**day, "skipped": "no strike"}, silence),
    )
    for kind, data, end in reported:
        records = *(each for each in calm.day.records if each.kind is not Kind.ALARM), Record(at, kind, data=data)
        empty = replace(calm.day, positions={}, orders={}, records=records)
        assert compared(replace(calm, day=empty), calm) == end
    late = replace(calm.day, positions={}, records=(Record(at, Kind.BOT_DAY, data=reported[3][1]),))
    assert compared(replace(calm, day=late), calm) == silence, "it had sent an order"
    for reason, end in (("unwind", "closed, since a leg was missing"), ("stop", "other")):
        closed = {name: replace(each, state="closed", exit_reason=reason) for name, each in calm.day.positions.items()}
        left = replace(calm, day=replace(calm.day, positions=closed), outside=replace(calm.outside, working=()))
        assert compared(left, calm).partition(":")[0] == end


@pytest.mark.long
def test_ci_groups_are_all_points_each_once_and_one_of_each_stands_for_it() -> None:
    groups = groups_of(0)
    assert Counter(point for group in groups for point in group) == Counter(points_of(0, 1))
    assert len(groups) < len(list(points_of(0, 1))) * 0.7
    chosen = [one_of(group) for group in groups]
    assert all(one in group for one, group in zip(chosen, groups, strict=True))
    assert [one_of(group, {group[-1]}) for group in groups] == [group[-1] for group in groups]
    assert any(one != group[0] for one, group in zip(chosen, groups, strict=True))
    for before, after in (
        (ScenarioMoment.BEFORE_WRITE, ScenarioMoment.AFTER_WRITE),
        (ScenarioMoment.BEFORE_SEND, ScenarioMoment.AFTER_SEND),
    ):
        assert not any({(before, 2), (after, 2)} <= {(each.moment, each.number) for each in group} for group in groups)


@pytest.mark.long
def test_ci_however_a_dead_engine_takes_its_end_the_next_one_starts_the_same() -> None:
    """At one of these points it takes the end for the end of what it waits for, and held the trial for 20 s."""
    entry = next(group for group in groups_of(1) if Point(1, ScenarioMoment.BEFORE_WRITE, 2) in group)
    assert ScenarioMoment.AT_STEP in {each.moment for each in entry}
    assert list(differences((Point(1, ScenarioMoment.BEFORE_WRITE, 2), entry[0]))) == []


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(SCENARIOS)))
def test_points_of_a_group_leave_the_same(number: int) -> None:
    pairs = pairs_of(number, 3)
    assert all(one != other for one, other in pairs)
    assert {pair: names for pair in pairs if (names := list(differences(pair)))} == {}


@pytest.mark.long
def test_points_of_neighbouring_groups_leave_something_else() -> None:
    written = Point(0, ScenarioMoment.BEFORE_WRITE, 2), Point(0, ScenarioMoment.AFTER_WRITE, 2)
    assert "store" in list(differences(written))


def test_what_was_found_is_kept_and_taken_up_by_the_next_run(tmp_path: Path) -> None:
    found = [
        Found(Point(3, ScenarioMoment.BEFORE_SEND, 7), 2, "same", {}),
        Found(Point(0, ScenarioMoment.AT_STEP, 1), 1, "x", {2: ("y",)}),
    ]
    path = tmp_path / "found.jsonl"
    kept = FoundFile(path, "one engine")
    for each in found:
        kept.add(each)
    with path.open("a") as file:
        file.write('{"point": [0, "at st')  # the run was cut here
    assert FoundFile(path, "one engine").found == found
    kept.add(found[0])
    assert len(FoundFile(path, "one engine").found) == 3


def test_what_was_found_of_another_engine_is_not_taken_up(tmp_path: Path) -> None:
    FoundFile(tmp_path / "found.jsonl", "one engine")
    with pytest.raises(SystemExit, match="kept of another engine"):
        FoundFile(tmp_path / "found.jsonl", "another engine")
