"""Kill the engine at every point, in small: a few points of every scenario; the command strikes them all."""

import pytest

from engine.run.chaos.storm import Moment
from tests.e2e.every_point import SCENARIOS, Point, crashes_of, ends, points_of, strike, undisturbed

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
)
UNWINDS = (3, 4)
"""Leg by leg: what is not whole in time is closed, as the spec says."""


def test_a_point_is_struck_and_more_kills_follow_in_the_start() -> None:
    drawn = [crashes_of(Point(0, Moment.AT_STEP, number)) for number in range(1, 60)]
    assert {len(each) for each in drawn} == {1, 2, 3, 4}
    assert all(each[0].moment is Moment.AT_STEP for each in drawn)
    assert {crash.moment for each in drawn for crash in each[1:]} == {Moment.START_STEP}
    assert drawn[4] == crashes_of(Point(0, Moment.AT_STEP, 5))


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(SCENARIOS)), ids=[each.name for each in SCENARIOS])
def test_ci_a_scenario_holds_at_a_few_of_its_points(number: int) -> None:
    left = undisturbed(number)
    assert [(state, resting) for _, state, resting in ends(left)] == [EXPECTED[number]]
    found = list(points_of(number, 1))
    assert len(found) == left.points.steps + 2 * left.points.sends + 2 * left.points.writes
    for point in (found[5], found[-left.points.steps // 3]):
        struck = strike(point)
        assert struck.deaths >= 1
        assert struck.violations == {}
        assert struck.end in (("same", "not entered", "unwound") if number in UNWINDS else ("same", "not entered"))
