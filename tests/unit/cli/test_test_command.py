"""`rulebot test`: what it prints, how it ends, and what it refuses."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from rulebot.cli.main import main
from rulebot.compile.plan import LIFECYCLE
from rulebot.spec.files import shipped
from rulebot.spec_tests.coverage import CHAOS, WALKS, TestCoverage

FINE = """
  - name: a broken quote alone does nothing
    from: {open: {credit: 0.40}}
    market: {quotes: [{cost: 0.89}, {cost: 0.80}]}
    expect: [{after_quote: 2, orders: none}]
"""
WRONG = """
  - name: half the credit is taken
    from: {open: {credit: 0.40}}
    market: {quotes: [{cost: 0.21}]}
    expect: [{after_quote: 1, exits: target, because: {target: true}}]
"""


def rulebot(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["test", *map(str, arguments)])


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "put_lite.yaml").write_text((shipped("specs") / "put_lite.yaml").read_text())
    return tmp_path / "tests" / "put_lite.test.yaml"


def write(tests: Path, *texts: str) -> Path:
    tests.write_text("rulebot_test: 1\nspec: ../put_lite.yaml\ntests:" + "".join(texts))
    return tests


def test_what_passes_is_a_line(tests: Path) -> None:
    result = rulebot(write(tests, FINE))
    assert result.exit_code == 0
    shown = re.sub(r"[0-9]+\.[0-9]+ s", "T", result.stdout)
    assert shown == f"{tests}\n  ok      a broken quote alone does nothing   T\n1 test: 1 passed, in T\n"


def test_what_fails_says_what_was_expected_and_seen_and_why(tests: Path) -> None:
    result = rulebot(write(tests, FINE, WRONG))
    assert result.exit_code == 1
    assert "  FAILED  half the credit is taken" in result.stdout
    assert (
        "expected  after quote 1 exits: target\n          seen      nothing happened: no order was sent"
        in result.stdout
    )
    assert "target  FALSE  since 12:00:00  47.5%" in result.stdout
    assert "2 tests: 1 passed, 1 failed" in result.stdout


@pytest.mark.parametrize(
    ("given", "expected", "why"),
    [
        ("market: {vix: unknown}", "at: '10:30', enters: any", "vix_spike  unknown  since 09:30:00    above 3"),
        ("market: {iv: 2.5%, rv: 1%}", "at: '10:30', enters: any", "short_put: delta 0.125 is not within 0.02"),
        ("market: {vix: unknown}", "exits: target", "vix_spike  unknown  since 09:30:00    above 3"),
        ("date: 2026-11-18", "by: '10:29', enters: any", "10:29:00   it had not watched"),
        ("date: 2026-11-18", "exits: time", ": target (50.3%) acted at 12:18:00, closed at 12:18:01\n"),
        ("date: 2026-11-18", "at: '10:30', orders: none", "10:30:00 an order of entry was sent\n"),
        ("date: 2026-11-27", "by: '13:06', exits: target", "by 13:06 (10:06:00 on this half day) exits: target"),
    ],
)
def test_what_fails_says_why_also_where_no_condition_does(tests: Path, given: str, expected: str, why: str) -> None:
    result = rulebot(write(tests, f"\n  - {{name: said, {given}, expect: [{{{expected}}}]}}"))
    assert (result.exit_code, why in result.stdout) == (1, True), result.stdout


def test_of_a_choice_that_is_unknown_that_is_said(tests: Path) -> None:
    spec = (shipped("specs").parent / "examples" / "choose.yaml").read_text()
    (tests.parent.parent / "put_lite.yaml").write_text(spec.replace("name: choose", "name: put_lite"))
    given = "market: {spx: 6000 +0.2x60, iv: unknown}, expect: [{at: '10:30', enters: any}]"
    result = rulebot(write(tests, f"\n  - {{name: said, {given}}}"), "--format", "json")
    [test] = json.loads(result.stdout)["tests"]
    [miss] = test["misses"]
    assert [(each["rule"], each["truth"]) for each in miss["conditions"]] == [("move", True), ("dear.iv_over_rv", None)]


@pytest.mark.parametrize(
    ("given", "expected", "rule"),
    [
        ("market: {vix: 15}", "at: '10:30', enters: any", "vix_change"),
        ("broker: [{fills: none}]", "by: '10:32', unfilled: true", "vix_change"),
        ("market: {vix: 15 +0x100 +10x10}", "halts: vix_spike", "vix_spike"),
        ("market: {vix: 15}", "exits: target", "target"),
    ],
)
def test_what_rules_say_is_asked_beside_whatever_happens(tests: Path, given: str, expected: str, rule: str) -> None:
    said = {truth: f"{expected}, because: {{{rule}: {truth}}}" for truth in ("true", "false")}
    right, wrong = (f"\n  - {{name: said, {given}, expect: [{{{each}}}]}}" for each in said.values())
    assert rulebot(write(tests, right)).exit_code == 0
    result = rulebot(write(tests, wrong))
    assert (result.exit_code, f"{rule}: false\n" in result.stdout) == (1, True), result.stdout


def test_what_rules_say_of_a_universe_is_said_of_the_symbol_that_is_entered(tests: Path) -> None:
    folder = shipped("specs").parent / "examples"
    spec = (folder / "universe_by_rank.yaml").read_text()
    (tests.parent.parent / "universe_by_rank.yaml").write_text(spec)
    text = """rulebot_test: 1
spec: ../universe_by_rank.yaml
tests:
  - name: AAPL, whose options are busy
    market:
      {spy: 600, qqq: 510, aapl: 235, msft: 430, iv: 20%, volume: {spy: 9, qqq: 9, msft: 9},
       iv_days: {aapl: "15% +0.03x250", msft: "15% +0.02x250"}}
    expect:
      - {by: "10:05", enters: {short_put: 229, long_put: 224}, because: {universe.volume: WORD}}
      - {at: "10:05", because: {universe.volume: false}}
"""
    tests.write_text(text.replace("WORD", "true"))
    result = rulebot(tests)
    assert result.exit_code == 0, result.stdout
    tests.write_text(text.replace("WORD", "false"))
    assert rulebot(tests).exit_code == 1


@pytest.mark.parametrize(
    ("quote", "code", "said"),
    [("cost: 0.05", 0, "1 passed"), ("cost: 0", 1, "as in 'cost: 0.05'"), ("value: 1", 1, "it costs something")],
)
def test_a_position_of_one_side_has_quotes_of_one_sign(tests: Path, quote: str, code: int, said: str) -> None:
    (tests.parent.parent / "put_lite.yaml").write_text(
        (shipped("specs") / "spy_put_seller.yaml").read_text().replace("name: spy_put_seller", "name: put_lite")
    )
    market = f"from: {{open: {{credit: 3}}}}, market: {{quotes: [{{{quote}}}]}}"
    result = rulebot(write(tests, f"\n  - {{name: a, {market}, expect: [{{exits: target}}]}}"))
    assert (result.exit_code, said in result.output) == (code, True), result.output


def test_all_that_the_broker_does_at_one_time_counts(tests: Path) -> None:
    text = """
  - name: neither an exit nor an entry
    broker: [{rejects: exit}, {rejects: entry}]
    expect: [{unfilled: true, quantity: 0}]
"""
    result = rulebot(write(tests, text))
    assert result.exit_code == 0, result.stdout


def test_a_spec_leads_to_the_tests_beside_it_and_a_folder_to_all_below(tests: Path) -> None:
    write(tests, FINE)
    for path in (tests.parent.parent, tests.parent.parent / "put_lite.yaml"):
        assert rulebot(path).exit_code == 0


def test_tests_are_chosen_by_name(tests: Path) -> None:
    write(tests, FINE, WRONG)
    assert rulebot(tests, "-k", "broken").exit_code == 0
    result = rulebot(tests, "-k", "nothing like it")
    assert (result.exit_code, "no test is called 'nothing like it'" in result.stderr) == (2, True)


def test_json_and_junit_say_the_same(tests: Path, tmp_path: Path) -> None:
    result = rulebot(write(tests, FINE, WRONG), "--format", "json", "--junit", tmp_path / "out.xml")
    rows = json.loads(result.stdout)["tests"]
    assert [row["passed"] for row in rows] == [True, False]
    assert rows[1]["misses"][0]["expected"] == "after quote 1 exits: target"
    suite = ElementTree.parse(tmp_path / "out.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")


def test_coverage_lists_what_no_test_tries_and_may_fail(tests: Path) -> None:
    result = rulebot(write(tests, FINE), "--coverage", "--floor", "90%")
    assert result.exit_code == 1
    assert "  exit target: never acts" in result.stdout
    assert rulebot(tests, "--floor", "90%").exit_code == 2
    assert rulebot(tests, "--coverage", "--floor", "90").exit_code == 2


def test_a_floor_is_met_by_as_much_and_by_nothing_less() -> None:
    """17 of 25 were below 68%, as 0.32 taken from 1 is, and 43 of 48 were told as the 90% that they are not."""
    assert TestCoverage("bot", 25, ("never",) * 8).percent == 68
    assert TestCoverage("bot", 48, ("never",) * 5).percent == 89
    assert [TestCoverage("bot", 3, ("never",) * lacking).percent for lacking in range(4)] == [100, 66, 33, 0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FINE.replace("cost: 0.80", "cots: 0.80"), "did you mean 'cost'?"),
        (FINE.replace("orders: none", "exits: tagret"), "did you mean 'target'?"),
        (FINE.replace("{quotes", "{qqq: 500, quotes"), "this bot does not read QQQ"),
        (FINE.replace("{quotes", "{earnings: {spx: 2027-01-28}, quotes"), "this bot does not read SPX"),
        (FINE.replace("    from", "    webhooks: unknown\n    from"), "this bot asks for no web hook"),
        (FINE.replace("    from", "    webhooks: [{at: '10:00', name: up}]\n    from"), "no web hook 'up'"),
        (FINE.replace("credit: 0.40", "debit: 0.40"), "this bot opens for a credit"),
        (FINE.replace("    from", "    set: {detla: 1}\n    from"), "the spec has problems with detla=1"),
        (FINE.replace("    from", "    set: {detla: 1}\n    from"), "--set names the parameter 'detla'"),
        (FINE.replace("    from", "    account: {shares: {qqq: 100}}\n    from"), "this bot does not read QQQ"),
        (
            FINE.replace("    from", "    account: {shares: {spx: 1}, cost_basis: {spy: 1}}\n    from"),
            "the account holds no shares of SPY",
        ),
    ],
)
def test_a_document_with_errors_is_not_run(tests: Path, text: str, said: str) -> None:
    result = rulebot(write(tests, text))
    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr
    shown = CliRunner().invoke(main, ["validate", str(tests)])
    assert (shown.exit_code, said in shown.stdout) == (1, True)


def test_misuse_and_a_world_that_fails(tests: Path, tmp_path: Path) -> None:
    assert rulebot(tmp_path / "nowhere.yaml").exit_code == 2
    assert rulebot(tmp_path / "put_lite.yaml").exit_code == 2
    assert rulebot(write(tests, FINE), "--junit", tmp_path / "no" / "out.xml").exit_code == 3


def test_a_test_whose_spec_is_gone_says_so(tests: Path, tmp_path: Path) -> None:
    write(tests, FINE)
    (tmp_path / "put_lite.yaml").unlink()
    assert "the spec cannot be read: No such file or directory" in rulebot(tests).stderr


def test_every_move_of_the_lifecycle_is_asked_of_tests_or_left_to_chaos() -> None:
    rows = {(row.state, row.trigger) for row in LIFECYCLE.rows}
    assert WALKS.keys() | CHAOS == rows
    assert not WALKS.keys() & CHAOS


def test_other_commands_say_that_a_test_is_no_bot(tests: Path) -> None:
    result = CliRunner().invoke(main, ["explain", str(write(tests, FINE))])
    assert (result.exit_code, "'rulebot test' runs them" in result.stderr) == (2, True)
