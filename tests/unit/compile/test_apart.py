"""Which legs of a bot close together, as its exits have it."""

import pytest

from rulebot.compile.build import build_plan
from rulebot.compile.plan import Plan
from rulebot.spec.load import load_text
from tests.unit.compile.document import changed, places

SIDES = {"short_put": "short_put", "long_put": "short_put", "short_call": "short_call", "long_call": "short_call"}
WHOLE = dict.fromkeys(SIDES, "")
EACH = "  - stop: {loss: 100%, of: each_side}\n    confirm: 2 quotes\n"
STOP = "  - stop: {loss: $50}\n    confirm: 2 quotes\n"
CALENDAR = """\
rulebot: 1
name: calendar
about: Buys a calendar.
underlying: SPY
entry: {at: "10:00", max_open: 1}
legs:
  front: {sell: put, expiry: {dte: {nearest: 7}}, strike: {at: spot}}
  back: {buy: put, expiry: {dte: {nearest: 30}}, strike: {at: front}}
order: {start: mid, step: 0.01, wait: 10s, tries: 6, then: cancel}
exits:
  - EXIT
risk: {max_loss_per_trade: $100000}
"""


def plan_of(text: str) -> Plan:
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return plan


def groups(text: str) -> dict[str, str]:
    return {leg.name: leg.group for leg in plan_of(text).legs}


@pytest.mark.parametrize(
    ("exit_", "found"),
    [
        (STOP, WHOLE),
        (EACH, SIDES),
        (f"{EACH}    close: all\n", WHOLE),
        ("  - {name: calls, profit: {above: 40%}, close: call_side}\n", SIDES),
        ("  - {name: all_legs, profit: {above: 40%}, close: [put_side, call_side]}\n", WHOLE),
        ("  - {name: half, profit: {above: 40%}, close: 50%}\n", WHOLE),
        ("  - {name: later, profit: {above: 40%}, close: call_side, activate_when: {vix: {above: 30}}}\n", SIDES),
        (
            "  - {name: put_alone, profit: {above: 40%}, close: [short_put]}\n",
            {**dict.fromkeys(SIDES, "long_put"), "short_put": "short_put"},
        ),
    ],
)
def test_what_an_exit_closes_alone_is_a_group(exit_: str, found: dict[str, str]) -> None:
    assert groups(changed(STOP, exit_)) == found


def test_protective_stops_split_nothing_as_the_rest_is_closed_at_once() -> None:
    assert groups(changed("risk:\n", "risk:\n  protect: {cost: 4x credit, of: each_short}\n")) == WHOLE


def test_what_a_side_rolls_into_has_the_group_of_that_side() -> None:
    roll = "  - {name: up, vix: {above: 20}, close: put_side, roll: {expiry: {dte: {at_least: 1}}}}\n"
    plan = plan_of(changed(STOP, roll))
    (rolled,) = [each.roll for each in plan.exits if each.roll is not None]
    assert {leg.name: leg.group for leg in rolled.legs} == {"short_put": "short_put", "long_put": "short_put"}


@pytest.mark.parametrize(
    ("exit_", "is_separate"),
    [
        ("dte: {at_most: 1}", False),
        ("dte: {at_most: 1, of: front}", False),
        ("dte: {at_most: 1, of: back}", True),
        ('time: "15:45"', False),
        ("sessions_in_trade: {at_least: 2}", False),
        ("sessions_in_trade: {at_least: 6}", True),
        ('{name: morning, all: [{sessions_in_trade: {at_least: 1}}, {time: "10:00"}]}', False),
        ('{name: won, all: [{profit: {above: 10%}}, {time: "10:00"}]}\n  - at_expiry: settle', True),
        ("at_expiry: settle", True),
    ],
)
def test_legs_of_two_expiries_are_apart_unless_the_clock_closes_both_before_the_first(
    exit_: str, is_separate: bool
) -> None:
    found = groups(CALENDAR.replace("EXIT", exit_))
    assert found == ({"front": "front", "back": "back"} if is_separate else {"front": "", "back": ""})


@pytest.mark.parametrize(
    ("exit_", "words"),
    [
        ("{name: n, profit: {above: 40%}, close: [short_call]}", "'n' closes 'short_call' without 'long_call'"),
        ("{name: n, profit: {above: 40%}, close: [long_call]}", "'n' closes 'long_call' without 'short_call'"),
        ("stop: {cost: 2x credit, of: each_short}", "'stop' closes 'short_call' without 'long_call'"),
    ],
)
def test_a_call_that_closes_without_its_cover_is_refused_unless_that_is_allowed(exit_: str, words: str) -> None:
    text = changed(STOP, f"  - {exit_}\n")
    loaded = load_text(text)
    assert loaded.spec is not None
    _, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert [(found.code, found.message) for found in problems] == [
        ("RB209", f"{words}: what 'short_call' can lose has no bound")
    ]
    assert places(text.replace("max_loss_per_trade: $1000", "undefined_risk: allow"))[:1] != [("RB209", "")]


def test_calls_of_two_expiries_that_no_clock_closes_are_refused() -> None:
    text = CALENDAR.replace("put", "call").replace("EXIT", "at_expiry: settle")
    loaded = load_text(text)
    assert loaded.spec is not None
    _, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert [found.message for found in problems] == [
        "no 'time' or 'dte' exit closes 'back' with 'front': what 'front' can lose has no bound"
    ]


@pytest.mark.parametrize(
    ("exit_", "bare"),
    [
        ("{name: n, profit: {above: 40%}, close: [short_call]}", "short_call"),
        ("stop: {cost: 2x credit, of: each_short}", "short_call"),
        ("stop: {cost: 2x credit, of: each_side}", ""),
    ],
)
def test_a_limit_on_a_loss_without_bound_cannot_be_kept(exit_: str, bare: str) -> None:
    limit = "  max_loss_per_trade: $1000\n"
    text = changed(STOP, f"  - {exit_}\n").replace(limit, f"{limit}  undefined_risk: allow\n")
    loaded = load_text(text)
    assert loaded.spec is not None
    _, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    expected = [("RB250", f"'max_loss_per_trade' cannot be kept: what '{bare}' can lose has no bound")]
    assert [(found.code, found.message) for found in problems] == (expected if bare else [])


def test_quantity_by_max_loss_of_a_naked_call_is_one_problem() -> None:
    text = changed(STOP, "  - {name: n, profit: {above: 40%}, close: [short_call]}\n")
    text = text.replace("  max_loss_per_trade: $1000\n", "  undefined_risk: allow\n")
    text = text.replace("underlying: SPX\n", "underlying: SPX\nquantity: {max_loss: $5000, at_most: 3}\n")
    loaded = load_text(text)
    assert loaded.spec is not None
    _, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    message = "'max_loss' counts by the most a trade can lose, and that of 'short_call' has no bound"
    assert [(found.code, found.message) for found in problems] == [("RB250", message)]
