"""Wider and narrower bounds on greeks in an account document."""

import pytest

from engine.review.change.account import compare_accounts
from engine.spec.load import load_text
from engine.spec.spec import AccountDocument

HEAD = "rulebot_account: 1\nabout: For a test.\naccount: DU1234567\nrisk:\n  max_open: 3\n"


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


def test_ends_are_said() -> None:
    (change,) = compare_accounts(document(""), document("net_vega: {between: [-$400, $400]}")).changes
    assert change.old == "not limited"
    assert change.new.endswith("the entry included, -$400 to $400")
