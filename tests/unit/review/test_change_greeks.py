"""Wider and narrower bounds on greeks in an account document, and conditions beside them."""

import pytest

from rulebot.review.account import explain_account
from rulebot.review.change.account import compare_accounts
from rulebot.spec.load import load_text
from rulebot.spec.nouns import AccountDocument

HEAD = "rulebot_account: 1\nabout: For a test.\naccount: DU1234567\nrisk:\n  max_open: 3\n"
MORE = "it holds more often: entries that it kept out are made"
FEWER = "it holds less often: fewer entries"
AS_OFTEN = "it holds when it held before"
UNCLEAR = "which of the two holds more often depends on the market: read both"


def document(condition: str) -> AccountDocument:
    require = f"  require:\n    - {condition}\n" if condition else ""
    found = load_text(HEAD + require, "account.yaml")
    assert found.account is not None, found.diagnostics
    return found.account


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ("net_delta: {between: [-50, 50]}", "net_delta: {between: [-50, 60]}", True),
        ("net_delta: {between: [-50, 50]}", "net_delta: {between: [-60, 50]}", True),
        ("net_delta: {between: [-50, 50]}", "net_delta: {at_most: 50}", True),
        ("net_delta: {between: [-50, 50]}", "net_delta: {between: [-40, 50]}", False),
        ("net_vega: {at_least: -$500}", "net_vega: {at_least: -$600}", True),
        ("net_vega: {at_least: -$500}", "net_vega: {between: [-$400, $400]}", False),
        ("net_gamma: {at_least: -5}", "", True),
        ("", "net_theta: {at_most: $500}", False),
    ],
)
def test_what_lets_in_more_is_marked(old: str, new: str, is_worse: bool) -> None:
    (change,) = compare_accounts(document(old), document(new)).changes
    assert change.is_worse is is_worse
    assert change.path.startswith("net_")
    assert change.old != change.new


@pytest.mark.parametrize(("old", "new", "is_worse"), [("", "$900", False), ("$900", "", True), ("$900", "$950", True)])
def test_a_day_that_may_bring_more_continues_longer(old: str, new: str, is_worse: bool) -> None:
    """From none to one it said `was heeded`, as of a rule that holds unsaid."""
    texts = [HEAD + (f"  daily_profit: {each}\n" if each else "") for each in (old, new)]
    accounts = [found for text in texts if (found := load_text(text, "account.yaml").account) is not None]
    (change,) = compare_accounts(*accounts).changes
    assert (change.path, change.is_worse) == ("daily_profit", is_worse)
    assert (change.old == "not limited", change.new == "not limited") == (not old, not new)


def test_ends_are_said() -> None:
    (change,) = compare_accounts(document(""), document("net_vega: {between: [-$400, $400]}")).changes
    assert change.old == "not limited"
    assert change.new.endswith("the entry included, -$400 to $400")


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ("", "{name: late, any: [{net_gamma: {at_least: 0}}, {not: {time: '15:45'}}]}", False),
        ("{name: late, any: [{net_gamma: {at_least: 0}}]}", "", True),
        ("{name: late, any: [{net_gamma: {at_least: 0}}]}", "{name: late, all: [{net_gamma: {at_least: 0}}]}", False),
        ("{name: late, time: '10:00'}", "{name: late, time: '10:01'}", False),
    ],
)
def test_conditions_are_compared_by_their_names(old: str, new: str, is_worse: bool) -> None:
    (change,) = compare_accounts(document(old), document(new)).changes
    assert (change.path, change.is_worse) == ("require.late", is_worse)
    assert change.old != change.new


LATE = "{name: late, any: [{net_gamma: {at_least: 0}}, {not: {time: '15:45'}}]}"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (LATE, LATE.replace("at_least: 0", "at_least: -5"), MORE),
        (LATE, LATE.replace("15:45", "15:55"), MORE),
        (LATE, LATE.replace("at_least: 0", "at_least: 5"), FEWER),
        (LATE, LATE.replace("at_least: 0", "between: [0, 9]"), FEWER),
        (LATE, LATE.replace("any", "all"), FEWER),
        (LATE, LATE.replace("15:45", "15:55").replace("at_least: 0", "at_least: 5"), UNCLEAR),
        (LATE, LATE.replace("at_least: 0", "at_most: 0"), UNCLEAR),
        (LATE, LATE.replace("{net_gamma: {at_least: 0}}", "{not: {not: {net_gamma: {at_least: 0}}}}"), AS_OFTEN),
        ("{name: late, margin: {at_most: $500}}", "{name: late, margin: {at_most: $600}}", MORE),
        (
            "{name: late, worst_case: {at_most: 0.5x net_liquidation}}",
            "{name: late, worst_case: {at_most: 0.4x net_liquidation}}",
            FEWER,
        ),
        ("{name: late, margin: {at_most: $500}}", "{name: late, margin: {at_most: 0.5x net_liquidation}}", UNCLEAR),
    ],
)
def test_a_condition_that_holds_more_often_lets_in_more(old: str, new: str, words: str) -> None:
    (change,) = compare_accounts(document(old), document(new)).changes
    assert (change.words, change.is_worse) == (words, words in (MORE, UNCLEAR))


def test_a_greek_of_one_underlying_may_be_below_an_end_while_that_of_another_is_above_one() -> None:
    """Not at least 0 is below 0 in one underlying; at most 5 is asked of all."""
    old, new = "{name: late, not: {net_delta: {at_least: 0}}}", "{name: late, net_delta: {at_most: 5}}"
    for pair in ((old, new), (new, old)):
        (change,) = compare_accounts(*map(document, pair)).changes
        assert change.words == UNCLEAR


def test_a_condition_that_only_moves_is_the_same() -> None:
    both = ["{name: late, time: '10:00'}", "{not: {time: '15:45'}}"]
    assert compare_accounts(document("\n    - ".join(both)), document("\n    - ".join(reversed(both)))).changes == ()


def test_groups_are_explained_line_by_line() -> None:
    limits, _ = explain_account(
        document("{name: late, any: [{net_gamma: {at_least: 0}}, {not: {time: '15:45'}}]}")
    ).sections
    found = [(line.name, line.words, line.depth) for line in limits.lines if line.depth or line.name == "late"]
    assert found == [
        ("late", "any of these", 0),
        ("net_gamma", "the change of them for a point, of each underlying, the entry included, at least 0", 1),
        ("not_time", "not: it is 15:45 (half days 12:45) or later", 1),
    ]
    assert "net_gamma" not in next(line.words for line in limits.lines if line.words.startswith("not limited"))


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ("", "price_band: 20%", True),
        ("price_band: 20%", "", False),
        ("price_band: 5%", "", True),
        ("", "pattern_day_trading: {ignore: a cash account}", True),
        ("pattern_day_trading: {ignore: a cash account}", "pattern_day_trading: {ignore: it is one}", False),
    ],
)
def test_a_limit_that_holds_unsaid(old: str, new: str, is_worse: bool) -> None:
    (change,) = compare_accounts(*(_limited(each) for each in (old, new))).changes
    assert change.is_worse is is_worse


def test_the_usual_limit_written_out() -> None:
    assert compare_accounts(_limited(""), _limited("price_band: 10%")).changes == ()


def _limited(limit: str) -> AccountDocument:
    found = load_text(f"{HEAD}  {limit}\n", "account.yaml")
    assert found.account is not None, found.diagnostics
    return found.account


def test_the_order_of_the_members_of_a_group_means_nothing_and_a_name_is_only_that() -> None:
    either = "{name: late, any: [{net_gamma: {at_least: 0}}, {name: early, not: {time: '15:45'}}]}"
    turned = "{name: late, any: [{name: early, not: {time: '15:45'}}, {net_gamma: {at_least: 0}}]}"
    assert compare_accounts(document(either), document(turned)).changes == ()
    (change,) = compare_accounts(document(either), document(either.replace("early", "sooner"))).changes
    assert (change.words, change.is_worse) == (
        "only the names of its members, under which is recorded what they say",
        False,
    )


LIVE = (
    HEAD
    + """\
live:
  account: U1234567
  good_for: 5d
  require:
    - compliant_sessions: {at_least: 5}
    - expectancy: {above: $0}
    - alarms: {at_most: 1}
"""
)


@pytest.mark.parametrize(
    ("old", "new", "is_worse"),
    [
        ("expectancy: {above: $0}", "expectancy: {at_least: $0}", True),
        ("expectancy: {above: $0}", "expectancy: {above: $1}", False),
        ("alarms: {at_most: 1}", "alarms: {at_most: 2}", True),
        ("    - alarms: {at_most: 1}\n", "", True),
        ("good_for: 5d", "good_for: 6d", True),
    ],
)
def test_less_that_is_asked_before_real_money(old: str, new: str, is_worse: bool) -> None:
    texts = (LIVE, LIVE.replace(old, new))
    for (was, now), worse in ((texts, is_worse), (reversed(texts), not is_worse)):
        before, after = (load_text(each, "account.yaml").account for each in (was, now))
        assert before is not None
        assert after is not None
        (change,) = compare_accounts(before, after).changes
        assert (change.path.partition(".")[0], change.is_worse) == ("live", worse)
