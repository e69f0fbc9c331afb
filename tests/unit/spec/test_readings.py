"""Help lines for numbers in the wrong unit: the usual reading comes first, none is a hundred times off."""

import pytest

from rulebot.spec.load import load_text

BOT = """\
rulebot: 1
name: spread
about: Sells a put spread.
underlying: SPX
entry:
  window: {from: "10:30", to: "13:30"}
  when:
    - vix: {between: [12, 22]}
legs:
  expiry: {dte: 0}
  short_put: {sell: put, strike: {delta: 0.15}}
  long_put: {buy: put, strike: {below: short_put, by: 10 pts}}
  require:
    - credit: {at_least: 0.50}
order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}
exits:
  - time: "15:30"
  - target: {profit: 50%}
risk: {max_loss_per_trade: $1000}
"""
FILTER, REQUIRE, TARGET, STRIKE = (
    "vix: {between: [12, 22]}",
    "credit: {at_least: 0.50}",
    "{profit: 50%}",
    "{delta: 0.15}",
)

CASES = [
    (FILTER, "iv: {above: 0.20}", "write '20%'; '0.2%' would be a hundred times less"),
    (FILTER, "iv: {above: 20}", "write '20%'"),
    (FILTER, "rv: {below: 0.15}", "write '15%'; '0.15%' would be a hundred times less"),
    (FILTER, "vix_change: {below: 0.03}", "write '3%'; '0.03%' would be a hundred times less"),
    (FILTER, "vix_change: {below: 3}", "write '3 pts' or '3%'"),
    (FILTER, "gap: {above: 0.005}", "write '0.5%'; '0.005%' would be a hundred times less"),
    (FILTER, "breadth: {of: [AAPL, MSFT], above: 0.5}", "write '50%'; '0.5%' would be a hundred times less"),
    (FILTER, "vix: {below: 20%}", "write 20"),
    (FILTER, "iv_rank: {above: 50%}", "write 50"),
    (FILTER, "iv_rank: {above: 0.5%}", "write 50"),
    (FILTER, "iv_over_rv: {above: 120%}", "write 1.2"),
    (REQUIRE, "probability_of_profit: {at_least: 0.7}", "write '70%'; '0.7%' would be a hundred times less"),
    (REQUIRE, "probability_of_profit: {at_least: 70}", "write '70%'"),
    (REQUIRE, "return_on_risk: {at_least: 0.15}", "write '15%'; '0.15%' would be a hundred times less"),
    (REQUIRE, "quote_width: {at_most: $30}", "write 0.3"),
    (REQUIRE, "max_risk: {at_most: 950}", "write '$950'"),
    (TARGET, "{profit: 0.5}", "write '50%'; '0.5%' would be a hundred times less"),
    (TARGET, "{profit: 50}", "write '50%' or '$50'"),
    (STRIKE, "{otm: 0.02}", "write '2%'; '0.02%' would be a hundred times less"),
    (STRIKE, "{otm: 30}", "write '30 pts' or '30%'"),
    (STRIKE, "{delta: 15}", "write 0.15"),
    (STRIKE, "{delta: 15%}", "write 0.15"),
    (STRIKE, "{expected_move: 1.2}", "write '1.2x'"),
    (STRIKE, "{expected_move: 120%}", "write '1.2x'"),
]


@pytest.mark.parametrize(("old", "new", "help_text"), CASES)
def test_the_usual_reading_comes_first(old: str, new: str, help_text: str) -> None:
    (found,) = load_text(BOT.replace(old, new, 1)).diagnostics
    assert found.help == help_text


def test_a_place_without_a_likely_reading_gives_an_example() -> None:
    (found,) = load_text(BOT.replace("step: 0.05", "step: 5%")).diagnostics
    assert found.help == "as in 0.05"
