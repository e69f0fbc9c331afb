"""Conditions of an account document in three values, and the words in which they refuse."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from rulebot.decide.account_rules import AccountFacts, AccountInputs, reads_margin, rules_problem
from rulebot.measure.view import Exposure, Greeks
from rulebot.model.session import session_on
from rulebot.spec.load import load_text
from rulebot.spec.nouns import Condition

TODAY = session_on(date(2026, 11, 18))
HALF_DAY = session_on(date(2026, 11, 27))
EXPOSURE = Exposure(
    {"SPX": Greeks(12.0, -3.2, 40.0, -150.0), "SPY": Greeks(-4.0, 0.5, 10.0, 20.0)}, "", Decimal(900), ""
)
HEAD = "rulebot_account: 1\nabout: For a test.\naccount: DU1234567\nrisk: {require: ["


def rules(text: str) -> tuple[Condition, ...]:
    found = load_text(f"{HEAD}{text}]}}\n", "account.yaml")
    assert found.account is not None, found.diagnostics
    return found.account.require


def facts(clock: str = "12:00", **changes: object) -> AccountFacts:
    assert TODAY is not None
    hour, minute = map(int, clock.split(":"))
    at = datetime(2026, 11, 18, hour + 5, minute, tzinfo=UTC)
    found = AccountFacts(at, TODAY, EXPOSURE, AccountInputs(Decimal(5000)), Decimal(20000))
    return found._replace(**changes)


LATE = "{name: no_late_short_gamma, any: [{net_gamma: {at_least: 0}}, {not: {time: '15:45'}}]}"
UNKNOWN = Exposure({}, "SPX 5950p has no greeks", None, "no sound quote for this entry")


def test_the_sketch_of_the_language() -> None:
    assert rules_problem(rules(LATE), facts("15:44")) == ""
    assert rules_problem(rules(LATE), facts("15:45")) == (
        "no_late_short_gamma of the account document does not hold: "
        "no_late_short_gamma.net_gamma FALSE (-3.20 shares a point in SPX, at least 0.00); "
        "no_late_short_gamma.not_time FALSE (not: from 15:45 on)"
    )
    long = EXPOSURE._replace(greeks={"SPX": Greeks(0.0, 0.1, 0.0, 0.0)})
    assert rules_problem(rules(LATE), facts("15:45", exposure=long)) == ""


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("{name: r, net_delta: {between: [-5, 12]}}", True),
        ("{name: r, net_delta: {between: [-3, 12]}}", False),  # of each underlying alone: SPY has -4
        ("{name: r, net_theta: {at_most: $50}}", True),  # of all: 40 and 10
        ("{name: r, net_theta: {at_most: $49}}", False),
        ("{name: r, net_vega: {at_least: -$130}}", True),
        ("{name: r, worst_case: {at_most: $900}}", True),
        ("{name: r, worst_case: {at_most: 0.04x net_liquidation}}", False),
        ("{name: r, margin: {at_most: 0.25x net_liquidation}}", True),
        ("{name: r, margin: {at_most: $4999}}", False),
        ("{not: {margin: {at_most: $4999}}}", True),
        ("{time: '12:00'}", True),
        ("{time: '12:01'}", False),
        ("{name: r, all: [{time: '12:00'}, {net_gamma: {at_least: 0}}]}", False),
        ("{name: r, any: [{time: '12:01'}, {net_gamma: {at_least: 0}}]}", False),
        ("{name: r, any: [{time: '12:01'}, {net_gamma: {at_least: -4}}]}", True),
        ("{name: r, not: {any: [{time: '12:01'}, {net_gamma: {at_least: 0}}]}}", True),
    ],
)
def test_true_and_false(text: str, truth: bool) -> None:
    said = rules_problem(rules(text), facts())
    assert (said == "") is truth
    assert "unknown" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{name: r, net_gamma: {at_least: -99}}", "r of the account document is unknown: SPX 5950p has no greeks"),
        ("{not: {net_gamma: {at_least: 0}}}", "not_net_gamma of the account document is unknown: not: SPX 5950p"),
        ("{name: r, all: [{net_gamma: {at_least: 0}}, {time: '12:01'}]}", "r of the account document does not hold: "),
        ("{name: r, any: [{net_gamma: {at_least: 0}}, {time: '12:01'}]}", "r of the account document is unknown: "),
        ("{name: r, any: [{net_gamma: {at_least: 0}}, {time: '12:00'}]}", ""),
        ("{name: r, all: [{net_gamma: {at_least: 0}}, {time: '12:00'}]}", "r of the account document is unknown: "),
        ("{name: r, worst_case: {at_most: $1}}", "r of the account document is unknown: no sound quote"),
    ],
)
def test_what_is_unknown_never_enters_unless_another_decides(text: str, said: str) -> None:
    found = rules_problem(rules(text), facts(exposure=UNKNOWN))
    assert found.startswith(said)
    assert (found == "") is (said == "")


def test_net_liquidation_that_is_not_known() -> None:
    (problem,) = {
        rules_problem(rules("{name: r, margin: {at_most: 0.5x net_liquidation}}"), facts(net_liquidation=None))
    }
    assert problem.endswith("net_liquidation of the account is unknown, and margin is held against it")


def test_what_the_answer_on_margin_decides_waits_for_it() -> None:
    asking = rules("{name: r, any: [{margin: {at_most: $4000}}, {time: '15:00'}]}")
    assert reads_margin(asking)
    assert not reads_margin(rules(LATE))
    assert rules_problem(asking, facts(margin=None)) == ""
    assert rules_problem(asking, facts(margin=AccountInputs(Decimal(4001)))).startswith(
        "r of the account document does not"
    )
    assert rules_problem(asking, facts(margin=AccountInputs(None, "silence"))).endswith("r.time FALSE (from 15:00 on)")
    both = rules("{name: r, all: [{margin: {at_most: $9000}}, {time: '15:00'}]}")
    assert rules_problem(both, facts(margin=None)).startswith("r of the account document does not hold")


def test_a_time_past_an_early_close_keeps_its_distance_from_it() -> None:
    assert HALF_DAY is not None
    late = rules("{not: {time: '15:45'}}")
    half = facts(session=HALF_DAY)
    assert rules_problem(late, half._replace(at=datetime(2026, 11, 27, 17, 44, tzinfo=UTC))) == ""
    assert rules_problem(late, half._replace(at=datetime(2026, 11, 27, 17, 45, tzinfo=UTC))) != ""
