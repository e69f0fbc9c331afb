"""Names of executions that nobody told."""

from rulebot.model.order import first_revision, is_estimate, is_synthetic, next_revision, unseen_base


def test_an_estimate_is_one_until_something_takes_its_place() -> None:
    base = unseen_base("rb:1", "short_put")
    first = first_revision(base)
    assert (base, first) == ("unseen:rb:1:short_put", "unseen:rb:1:short_put.01"), "stores of before have it so"
    assert (is_synthetic(first), is_estimate(first)) == (True, True)
    second = next_revision(first)
    assert second == "unseen:rb:1:short_put.02"
    assert (is_synthetic(second), is_estimate(second)) == (True, False)


def test_what_the_broker_tells_is_no_estimate_though_its_first_revision_ends_alike() -> None:
    told = "0000e0d5.67fe667b.01.01"
    assert not is_synthetic(told)
    assert not is_estimate(told)
    assert next_revision("0000e0d5.67fe667b.01.09") == "0000e0d5.67fe667b.01.10"
