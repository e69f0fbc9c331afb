"""`rulebot test` on specs that choose strikes by value, count by a budget, and bound greeks."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from rulebot.cli.main import main

EXAMPLES = Path(__file__).parents[3] / "examples"

CASES = {
    "as_many_as_fit": """
  - name: two spreads of 1.50 fit, so $600 are lost at 4.60
    from: {open: {credit: 1.50}}
    market: {quotes: [{cost: 4.30}, {cost: 4.60}, {cost: 4.60}]}
    expect: [{after_quote: 1, orders: none}, {after_quote: 3, exits: stop}]
  - name: three spreads of 2.00 fit, and lose them at 4.10
    from: {open: {credit: 2.00}}
    market: {quotes: [{cost: 4.10}, {cost: 4.10}]}
    expect: [{after_quote: 2, exits: stop}]
""",
    "bot_limits": """
  - name: one spread keeps to every bound
    market: {spx: 6000, iv: 12%}
    expect: [{at: "10:00", enters: any}]
  - name: spreads that could lose too much together are not entered
    market: {spx: 6000, iv: 12%}
    expect: [{at: "11:00", orders: none, because: {worst_case: false}}]
""",
    "by_distance": """
  - name: the put stands 0.6% out, the next strike away
    market: {spx: 6001, iv: 12%}
    expect: [{at: "10:00", enters: {short_put: 5960, long_put: 5945}}]
  - name: the call is never sold below 6000
    market: {spx: 5940, iv: 12%}
    expect: [{at: "10:00", enters: {short_call: 6000, long_call: 6015}}]
""",
    "reward": """
  - name: a spread of the usual delta is worth its risk
    market: {spx: 6000, iv: 12%}
    expect: [{at: "10:00", enters: any, because: {return_on_risk: true, probability_of_profit: true}}]
""",
}


@pytest.mark.parametrize("name", CASES)
def test_the_examples_do_as_they_say(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.yaml").write_text((EXAMPLES / f"{name}.yaml").read_text())
    document = tmp_path / f"{name}.test.yaml"
    document.write_text(f"rulebot_test: 1\nspec: {name}.yaml\ntests:{CASES[name]}")
    result = CliRunner().invoke(main, ["test", str(document)])
    assert result.exit_code == 0, result.output
