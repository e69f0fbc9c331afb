"""What an exit closes that names legs in one part of its condition, in more of them, or in all."""

import pytest
from document import CONDOR, changed, problems
from hand_desk import bot_of

PUTS, WHOLE = ("short_put", "long_put"), ()
COST = "{cost: {of: [short_put, long_put], above: 3}}"
WIDTH = "{quote_width: {of: [long_put, short_put], below: 1}}"


def exit_of(test: str, close: str = "") -> str:
    """Return the condor with an exit named `e`, as the last one."""
    return changed("risk:\n", f"  - name: e\n    {test}\n{close}risk:\n")


def closed(test: str, close: str = "") -> tuple[str, ...]:
    return bot_of(exit_of(test, close)).plan.exits[-1].legs


def warned(test: str, close: str = "") -> list[str]:
    """Return what is said of such an exit, without what is said of the condor."""
    return [found.message for found in problems(exit_of(test, close)) if found.code == "RB339"]


@pytest.mark.parametrize(
    "test",
    [
        COST[1:-1],
        f"all: [{COST}]",
        f"not: {COST}",
        f"all: [{COST}, {{vix: {{above: 20}}}}, {{time_in_trade: {{at_least: 5m}}}}]",
        f"all: [{COST}, {WIDTH}]",
        f"any: [{COST}, {WIDTH}]",
        f"not: {{name: x, any: [{COST}, {{vix: {{above: 20}}}}]}}",
        f"all: [{{name: x, any: [{COST}, {WIDTH}]}}, {{name: y, not: {WIDTH}}}, {{credit: {{above: 1}}}}]",
    ],
)
def test_it_closes_the_legs_that_all_of_its_parts_judge(test: str) -> None:
    assert set(closed(test)) == set(PUTS)
    assert warned(test) == []


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (f"all: [{COST}, {{name: x, cost: {{above: 5}}}}]", "short_put and long_put and in another the whole position"),
        (
            f"all: [{COST}, {{breach: {{spot_within: 5 pts}}}}]",
            "short_put and long_put and in another the whole position",
        ),
        (
            f"any: [{COST}, {{leg_delta: {{of: short_call, above: 0.40}}}}]",
            "short_put and long_put and in another short_call",
        ),
        (f"any: [{COST}, {{vix: {{above: 40}}}}]", "short_put and long_put and in another the whole position"),
        (
            f"not: {{name: x, all: [{COST}, {{vix: {{above: 20}}}}]}}",
            "short_put and long_put and in another the whole position",
        ),
        (f"all: [{COST}, {{name: x, expr: cost > 5}}]", "short_put and long_put and in another the whole position"),
    ],
)
def test_parts_that_judge_different_legs_close_the_whole_and_are_warned_of(test: str, words: str) -> None:
    assert closed(test) == WHOLE
    assert warned(test) == [f"'e' judges in one part {words}, so it closes the whole position"]


@pytest.mark.parametrize("close", ["all", "put_side", "[short_put]", "50%"])
def test_what_says_what_it_closes_needs_no_warning(close: str) -> None:
    assert warned(f"any: [{COST}, {{vix: {{above: 40}}}}]", f"    close: {close}\n") == []


@pytest.mark.parametrize("test", ["all: [{cost: {above: 5}}, {vix: {above: 20}}]", "any: [{vix: {above: 40}}]"])
def test_what_names_no_legs_closes_the_whole(test: str) -> None:
    assert closed(test) == WHOLE
    assert warned(test) == []


def test_the_condor_alone_is_not_warned_of() -> None:
    assert [found.message for found in problems(CONDOR) if found.code == "RB339"] == []
