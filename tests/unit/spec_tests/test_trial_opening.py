"""The position that a test begins with: how many structures it has, also without a side, and what it counts for."""

from pathlib import Path
from time import perf_counter

import pytest

from rulebot.spec_tests.outcome import run_spec_test, spec_test_files

PUTS = """
underlying: SPX
legs:
  expiry: {dte: {nearest: 7}}
  short_put: {sell: put, strike: {otm: 100 pts}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
"""
CALLS = """
underlying: SPY
legs:
  expiry: {dte: {nearest: 7}}
  short_call: {sell: call, strike: {otm: 10 pts}}
"""
CONDOR = """
underlying: SPX
legs:
  expiry: {dte: 7}
  short_put: {sell: put, strike: {otm: 100 pts}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  short_call: {sell: call, strike: {otm: 100 pts}}
  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}
"""
SIDES = "[{stop: {cost: 1x credit, of: each_side}}, {dte: {at_most: 1}}]"
ORDERS = """
order: {start: mid, step: 0.01, wait: 10s, tries: 4, then: cancel}
risk: {daily_loss: $5000}
"""
ENTERS = '{at: "13:00", per_day: 1, max_open: 3}'
LEAVES = "[{dte: {at_most: 1}}]"
OVERWRITE = "{overwrite: {between: [25%, 50%]}}"


def failure(
    folder: Path, legs: str, test: str, *, quantity: str = "1", entry: str = ENTERS, exits: str = LEAVES
) -> str:
    """Return why a test of a bot with these legs fails, "" where it passes."""
    head = f"rulebot: 1\nname: a\nabout: x.\nquantity: {quantity}\nentry: {entry}\nexits: {exits}\n"
    (folder / "a.yaml").write_text(head + legs + ORDERS)
    (folder / "a.test.yaml").write_text(f"rulebot_test: 1\nspec: a.yaml\ntests: [{{name: a, {test}}}]\n")
    (document,) = spec_test_files([str(folder / "a.test.yaml")])
    assert document.problems == ()
    result = run_spec_test(document.planned[0], perf_counter)
    return result.error or "; ".join(f"{miss.expected}: {miss.seen}" for miss in result.misses)


@pytest.mark.parametrize("budget", ["$10000", "0.01x net_liquidation"])
def test_a_part_of_the_account_is_a_part_of_the_million_that_it_holds(tmp_path: Path, budget: str) -> None:
    begins = 'from: {open: {credit: 1.00}}, expect: [{at: "12:00", quantity: 11}]'
    assert failure(tmp_path, PUTS, begins, quantity=f"{{max_loss: {budget}, at_most: 30}}") == ""


@pytest.mark.parametrize(("shares", "count"), [(1000, 5), (350, 1)])
def test_as_many_calls_are_open_as_the_shares_held_cover(tmp_path: Path, shares: int, count: int) -> None:
    account = f"account: {{shares: {{spy: {shares}}}}}"
    begins = f'{account}, from: {{open: {{credit: 1.00}}}}, expect: [{{at: "12:00", quantity: {count}}}]'
    assert failure(tmp_path, CALLS, begins, quantity=OVERWRITE) == ""
    enters = f'{account}, expect: [{{by: "13:01", quantity: {count}}}]'
    assert failure(tmp_path, CALLS, enters, quantity=OVERWRITE) == ""


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ("account: {shares: {spy: 150}}, ", "50% of 150 SPY shares is 75: too few for 100"),
        ("", "the account holds no SPY shares"),
    ],
)
def test_without_shares_to_cover_it_no_call_can_be_open(tmp_path: Path, account: str, says: str) -> None:
    begins = f"{account}from: {{open: {{credit: 1.00}}}}, expect: [{{all_day: {{orders: none}}}}]"
    assert failure(tmp_path, CALLS, begins, quantity=OVERWRITE) == f"the spec opens nothing to begin with: {says}"


@pytest.mark.parametrize(
    ("opened", "does"),
    [("2026-11-17", "orders: none"), ("2026-11-16", "orders: none"), ("2026-11-13", "enters: any")],
)
def test_what_was_opened_earlier_in_the_week_counts_against_per_week(tmp_path: Path, opened: str, does: str) -> None:
    entry = '{at: "13:00", per_day: 1, per_week: 1, max_open: 3}'
    begins = f'from: {{open: {{credit: 1.00, opened: {opened}}}}}, expect: [{{at: "13:00", {does}}}]'
    assert failure(tmp_path, PUTS, begins, entry=entry) == ""


def test_a_side_that_is_closed_leaves_as_many_structures_open(tmp_path: Path) -> None:
    falls = 'from: {open: {credit: 5.00}}, market: {spx: "6000 +0x160 -12x12"}'
    closed = "{by: '12:40', exits: stop.put_side, state: open, quantity: 4}"
    again = "{at: '12:40', quantity: 0}"
    failed = failure(tmp_path, CONDOR, f"{falls}, expect: [{closed}, {again}]", quantity="4", exits=SIDES)
    assert failed == "at 12:40 quantity 0: 4 open"


@pytest.mark.parametrize(("days", "does"), [(1, "exits: breach"), (9, "orders: none")])
def test_strikes_by_the_expected_move_go_by_the_days_that_are_given(tmp_path: Path, days: int, does: str) -> None:
    puts = PUTS.replace("{otm: 100 pts}", "{expected_move: 1x}")
    leaves = "[{breach: {spot_within: 60 pts}}, {dte: {at_most: 0}}]"
    begins = f'from: {{open: {{credit: 1.00, dte: {days}}}}}, expect: [{{at: "12:00", {does}}}]'
    assert failure(tmp_path, puts, begins, exits=leaves) == ""


@pytest.mark.parametrize(("days", "does"), [(21, "exits: dte"), (22, "orders: none")])
def test_days_that_are_given_are_those_of_options_of_a_cycle_too(tmp_path: Path, days: int, does: str) -> None:
    """The third Friday nearest to them stood in their place, 30 days away, and nothing said so."""
    puts = PUTS.replace("{nearest: 7}}", "{nearest: 45}, cycle: monthly}")
    begins = f'from: {{open: {{credit: 1.00, dte: {days}}}}}, date: 2026-11-18, expect: [{{at: "12:00", {does}}}]'
    assert failure(tmp_path, puts, begins, exits="[{dte: {at_most: 21}}]") == ""
