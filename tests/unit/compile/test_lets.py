"""Lets on both sides of a comparison: what they mean, and what is refused at which column."""

import pytest
from document import changed, places, plan_of, problems

from rulebot.compile.plan import Arithmetic, Call, Compare, Constant, Op, Quantity, Text
from rulebot.spec.load import load_text

LETS = """let:
  day_move: {expected_move: {asof: open}}
  fast: {ema: {window: 9, bars: 5m}}
  slow: {ema: {window: 20, bars: 5m}}
  first_hour: {opening_range: {first: 60m}}
  strength: {rsi: {window: 7}}
  put_strike: {strike: {of: short_put}}
  put_cost: {cost: {of: [short_put, long_put]}}
  call_cost: {cost: {of: [short_call, long_call]}}
  call_delta: {leg_delta: {of: short_call}}
  call_gain: {profit: {of: short_call}}
"""
NAMED = changed("let: {day_move: {expected_move: {asof: open}}}\n", LETS)
AVERAGES = {name: Call("ema", (("bars", 300), ("of", "SPX"), ("window", bars)), Quantity.POINTS) for name, bars in
            (("fast", 9), ("slow", 20))}  # fmt: skip


def filtered(condition: str) -> str:
    return NAMED.replace("    - vix: {between: [12, 22]}", f"    - {condition}")


def leaving(condition: str) -> str:
    return NAMED.replace("  - breach: {spot_within: 5 pts}", f"  - {condition}")


def test_a_let_is_compared_like_the_measure_that_it_names() -> None:
    rule = plan_of(filtered("fast: {above: slow}")).entry.when[0]
    assert rule.test == Compare(Op.ABOVE, AVERAGES["fast"], (AVERAGES["slow"],))
    assert (rule.name, rule.text) == ("fast", "above slow")
    written_out = plan_of(filtered("{name: fast, ema: {window: 9, bars: 5m, above: slow}}")).entry.when[0]
    assert (rule.test, rule.reads, rule.quantity) == (written_out.test, written_out.reads, written_out.quantity)


def test_a_let_stands_in_groups_and_in_what_arms_an_exit() -> None:
    text = leaving("{name: turned, all: [{fast: {below: slow}}], activate_when: {fast: {above: slow}}}")
    found = plan_of(text).exits[1]
    assert found.rule is not None
    assert found.rule.reads == {"facts"}
    assert found.activate_when[0].test == Compare(Op.ABOVE, AVERAGES["fast"], (AVERAGES["slow"],))


def test_a_let_that_is_a_word_is_compared_with_its_words() -> None:
    found = plan_of(filtered("first_hour: {is: above}")).entry.when[0].test
    assert isinstance(found, Compare)
    assert (found.op, found.right) == (Op.IS, (Text("above"),))


def test_two_ends_may_be_two_lets() -> None:
    found = plan_of(filtered("spot: {between: [slow, vwap]}")).entry.when[0].test
    assert isinstance(found, Compare)
    assert found.right[0] == AVERAGES["slow"]


@pytest.mark.parametrize(
    "condition",
    [
        "put_cost: {above: 2x call_cost}",
        "cost: {of: [short_put, long_put], above: 2x call_cost}",
        "leg_delta: {of: short_put, above: call_delta}",
        "profit: {of: short_put, below: call_gain}",
        "spot: {below: put_strike}",
        "put_strike: {above: spot}",
    ],
)
def test_measures_of_the_position_compare_with_each_other(condition: str) -> None:
    text = leaving(condition).replace("$1000", "$2000")
    assert [each for each in problems(text) if each.code != "RB302"] == []


def test_an_exit_on_a_let_of_some_legs_closes_those() -> None:
    assert plan_of(leaving("put_cost: {above: 2x call_cost}")).exits[1].legs == ("short_put", "long_put")


def test_a_multiple_of_a_let_of_the_same_measure_is_a_product() -> None:
    found = plan_of(leaving("put_cost: {above: 2x call_cost}")).exits[1].rule
    assert found is not None
    assert isinstance(found.test, Compare)
    (bound,) = found.test.right
    assert isinstance(bound, Arithmetic)
    assert bound.operands[0] == Constant(2.0, Quantity.PLAIN)


@pytest.mark.parametrize(
    ("condition", "code", "marked"),
    [
        ("fast: {above: 50%}", "RB203", "50%"),
        ("fast: {above: strength}", "RB203", "strength"),
        ("fast: {above: 2x strength}", "RB203", "2x strength"),
        ("strength: {above: day_move}", "RB203", "day_move"),
        ("spot: {above: first_hour}", "RB203", "first_hour"),
        ("spot: {between: [slow, strength]}", "RB203", "strength"),
        ("first_hour: {is: over}", "RB207", "over"),
        ("first_hour: {above: 3}", "RB203", "above"),
        ("fast: {is: up}", "RB203", "is"),
        ("fast: {above: slowly}", "RB112", "slowly"),
        ("put_cost: {above: 0.20}", "RB206", "put_cost"),
        ("spot: {above: put_strike}", "RB206", "put_strike"),
    ],
)
def test_what_does_not_compare_is_reported_where_it_stands(condition: str, code: str, marked: str) -> None:
    assert (code, marked) in places(filtered(condition))


@pytest.mark.parametrize("condition", ["fastly: {above: slow}", "fast: {window: 3, above: slow}", "fast: [slow]"])
def test_the_reader_takes_lets_of_this_document_and_their_comparison_alone(condition: str) -> None:
    assert [found.code for found in load_text(filtered(condition)).diagnostics] != []


def test_a_name_that_is_no_let_is_an_unknown_measure_with_what_may_be_meant() -> None:
    (found,) = load_text(filtered("fastt: {above: slow}")).diagnostics
    assert (found.code, found.help) == ("RB112", "did you mean 'fast'?")


def test_a_number_has_no_comparison_of_its_own() -> None:
    text = NAMED.replace("let:\n", "let:\n  most: $floor\n").replace("    - vix:", "    - most: {above: 3}\n    - vix:")
    assert [found.code for found in load_text(text).diagnostics] == ["RB112"]


BEFORE = [("{skew: {of: SPX}}", "4%"), ("{crowding: {of: SPX}}", "60"), ("{put_call_volume: {of: SPX}}", "1.2")]


@pytest.mark.parametrize(("let", "bound"), BEFORE)
def test_a_let_may_name_what_is_read_before_an_entry_only(let: str, bound: str) -> None:
    text = NAMED.replace("let:\n", f"let:\n  heat: {let}\n")
    entering = text.replace("    - vix:", f"    - heat: {{above: {bound}}}\n    - vix:")
    assert [each for each in problems(entering) if each.code != "RB302"] == []
    leaving = text.replace("  - breach: {spot_within: 5 pts}", f"  - heat: {{above: {bound}}}")
    assert ("RB206" in [each.code for each in problems(leaving)]) is ("put_call" not in let)
