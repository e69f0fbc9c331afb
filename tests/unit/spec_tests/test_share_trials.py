"""Tests of a spec in the small market and at the small broker of `rulebot test`, with shares held and dealt in."""

from pathlib import Path
from time import perf_counter

from rulebot.spec_tests.outcome import run_spec_test, spec_test_files

EXAMPLES = Path(__file__).parents[3] / "examples"
TESTS = """
rulebot_test: 1
spec: ../buy_write.yaml
tests:
  - name: buys and writes at 10:30 and takes thirty dollars
    market: {spy: "600 +0x60 +0.1x20"}
    expect:
      - {at: "10:30", enters: {short_call: 601}, quantity: 1}
      - {by: "12:00", exits: target, state: flat}
  - name: a fall is stopped
    market: {spy: "600 +0x60 -0.1x40"}
    expect: [{by: "12:00", exits: stop, state: flat}]
  - name: begins open
    from: {open: {debit: 599.00}}
    market: {quotes: [{value: 599.00}, {value: 599.20}, {value: 599.40}]}
    expect: [{after_quote: 2, orders: none, state: open}, {after_quote: 3, exits: target}]
  - name: begins open with its call given
    from: {open: {debit: 599.00, legs: {short_call: 601}}}
    market: {quotes: [{value: 599.00}, {value: 597.00}]}
    expect: [{after_quote: 2, exits: stop}]
  - name: a fall that is expected and does not come
    expect: [{by: "12:00", exits: stop}]
"""


def test_a_buy_write_is_lived_through(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "buy_write.yaml").write_text((EXAMPLES / "buy_write.yaml").read_text())
    (tmp_path / "tests" / "buy_write.test.yaml").write_text(TESTS)
    (document,) = spec_test_files([str(tmp_path / "tests" / "buy_write.test.yaml")])
    assert document.problems == ()
    passed = [run_spec_test(planned, perf_counter).is_passed for planned in document.planned]
    assert passed == [True, True, True, True, False]
