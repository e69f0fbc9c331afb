"""Names of executions, and of those that nobody told."""

import pytest

from rulebot.model.order import FIRST_REVISION, ExecutionId, execution_id, is_estimate, is_synthetic, unseen_base


def test_an_estimate_is_one_until_something_takes_its_place() -> None:
    first = ExecutionId(unseen_base("rb:1", "short_put"))
    assert str(first) == "unseen:rb:1:short_put.01"
    assert str(first).endswith(FIRST_REVISION)
    assert (is_synthetic(first.execution), is_estimate(first)) == (True, True)
    second = first.next
    assert str(second) == "unseen:rb:1:short_put.02"
    assert (is_synthetic(str(second)), is_estimate(second)) == (True, False)


def test_what_the_broker_reports_is_no_estimate_though_it_is_the_first_revision() -> None:
    reported = ExecutionId("0000e0d5.67fe667b.01")
    assert not is_synthetic(reported.execution)
    assert not is_estimate(reported)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("0000e0d5.67fe667b.01.09", ExecutionId("0000e0d5.67fe667b.01", 9)),
        ("F-17.12", ExecutionId("F-17", 12)),
        ("17", ExecutionId("17")),
        (".01", ExecutionId(".01")),
        ("e.x", ExecutionId("e.x")),
    ],
)
def test_a_record_names_execution_and_revision(text: str, known: ExecutionId) -> None:
    assert execution_id(text) == known


def test_the_tenth_revision_is_above_the_ninth() -> None:
    ninth = execution_id("0000e0d5.67fe667b.01.09")
    assert (str(ninth.next), ninth.next > ninth) == ("0000e0d5.67fe667b.01.10", True)
