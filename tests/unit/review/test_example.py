"""The example: the engine's own choice and arithmetic, checked by hand; the worst case and how sure it is."""

from decimal import Decimal

import pytest

from rulebot.compile.build import build_plan
from rulebot.review.example import Subject, example_view, subject_of
from rulebot.review.exit_levels import level_of, level_words
from rulebot.review.max_loss import Certainty, MaxLoss, max_loss_of
from rulebot.spec.load import load_text
from tests.unit.compile.document import CONDOR, changed
from tests.unit.review.test_sections import reported

LONG_CALL = CONDOR[: CONDOR.index("  short_put:")].replace("parameters: {floor: 30 pts}\n", "") + (
    "  long_call: {buy: call, strike: {delta: 0.40}}\n  require:\n    - debit: {at_most: 9.00}\n"
    "order: {start: mid, step: 0.05, wait: 10s, tries: 6, then: cancel}\n"
    "exits:\n  - time: '15:30'\n  - target: {profit: 40%}\n  - stop: {value: 0.5x debit}\n"
    "risk:\n  max_loss_per_trade: $1000\n"
)


def subject(text: str = CONDOR) -> Subject:
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return subject_of(loaded.spec, plan)


def levels(text: str) -> dict[str, str]:
    """Return what each exit comes to on the example."""
    found = subject(text)
    assert found.example is not None
    priced = {planned.name: level_of(planned, found.example) for planned in found.plan.exits}
    return {name: level_words(level, found.example) for name, level in priced.items() if level is not None}


def test_the_example_is_sold_at_the_least_credit() -> None:
    example = subject().example
    assert example is not None
    assert (example.net, example.basis, example.verb) == (Decimal("0.50"), "the least credit", "sold")
    assert example.position.entry_price == Decimal("0.50")
    assert example.worst == Decimal(1000) - 50 + example.fees


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("target: {profit: 50%}", "0.50 sold: bought back at 0.25"),
        ("target: {cost: 0.4x credit}", "0.50 sold: bought back at 0.20"),
        ("target: {cost: 0.05}", "0.50 sold: bought back at 0.05"),
        ("stop: {loss: 200%}", "0.50 sold: bought back at 1.50"),
        ("stop: {cost: 2x credit}", "0.50 sold: bought back at 1.00"),
        ("stop: {loss: $50}", "0.50 sold: bought back at 0.95"),
        ("stop: {loss: 0.5x max_risk}", "0.50 sold: bought back at 5.25"),
        ("{name: ending, loss: {above: 100%}}", "0.50 sold: bought back at 1.00"),
        ("{name: ending, cost: {above: 2x credit}}", "0.50 sold: bought back at 1.00"),
    ],
)
def test_both_ways_of_an_ending_are_said_as_prices(ending: str, words: str) -> None:
    name = "target" if ending.startswith("target") else "stop" if ending.startswith("stop") else "ending"
    text = changed("  - target: {profit: 50%}\n  - stop: {loss: $50}\n    confirm: 2 quotes\n", f"  - {ending}\n")
    assert levels(text)[name].startswith(f"{words}, ")


def test_dollars_are_after_all_commissions() -> None:
    assert levels(CONDOR)["target"] == "0.50 sold: bought back at 0.25, +$15"
    assert levels(CONDOR)["stop"] == "0.50 sold: bought back at 0.95, -$55"


def test_a_profit_that_no_price_brings_has_no_level() -> None:
    assert "target" not in levels(changed("target: {profit: 50%}", "target: {profit: 150%}"))


def test_what_is_bought_is_sold_again() -> None:
    assert levels(LONG_CALL) == {
        "target": "9.00 bought: sold at 12.60, +$357",
        "stop": "9.00 bought: sold at 4.50, -$453",
    }
    assert max_loss_of(subject(LONG_CALL)) == MaxLoss(Decimal("903.26"), Certainty.STRIKES, Decimal(0))


# ---------------------------------------------------------------- the worst case


@pytest.mark.parametrize(
    ("old", "new", "amount", "sure"),
    [
        ("max_loss_per_trade: $1000", "max_loss_per_trade: $1000", "963.04", Certainty.STRIKES),
        ("max_loss_per_trade: $1000", "max_loss_per_trade: $900", "898.04", Certainty.STRIKES),
        ("  require:\n    - credit: {at_least: 0.50}\n", "", "1000", Certainty.LIMIT),
        ("{above: short_call, by: 10 pts}", "{delta: 0.05}", "1000", Certainty.LIMIT),
        ("{above: short_call, by: 10 pts}", "{above: short_call, by: 6 pts}", "963.04", Certainty.STRIKES),
        ("{above: short_call, by: 10 pts}", "{above: short_call, by: 12 pts}", "1000", Certainty.LIMIT),
    ],
)
def test_what_bounds_a_trade(old: str, new: str, amount: str, sure: Certainty) -> None:
    worst = max_loss_of(subject(changed(old, new)))
    assert worst is not None
    assert (str(worst.amount), worst.sure) == (amount, sure)


@pytest.mark.parametrize(
    ("debit", "at_most", "worst"),
    [
        (2000, 3, MaxLoss(Decimal(2000), Certainty.SIZE)),  # 3 x 9.00 are $2,700: so many are entered below 6.66 alone
        (900, 3, MaxLoss(Decimal(900), Certainty.SIZE)),
        (2000, 1, MaxLoss(Decimal("903.26"), Certainty.STRIKES, Decimal(0))),
    ],
)
def test_what_is_bought_for_a_budget_loses_no_more_than_it(debit: int, at_most: int, worst: MaxLoss) -> None:
    """A trade of at most $2,000 was said to lose up to $2,705: every one at the largest debit."""
    text = LONG_CALL.replace("underlying: SPX", f"underlying: SPX\nquantity: {{debit: ${debit}, at_most: {at_most}}}")
    assert max_loss_of(subject(text.replace("max_loss_per_trade: $1000", "daily_loss: $5000"))) == worst


def test_the_example_has_the_price_at_which_so_many_fit() -> None:
    """It was the least credit of `require`, at which not one fits: a bot that trades "would not be entered"."""
    text = changed("underlying: SPX", "underlying: SPX\nquantity: {max_loss: $935, at_most: 5}")
    text = text.replace("max_loss_per_trade: $1000", "daily_loss: $5000")
    example = subject(text).example
    assert example is not None
    assert (example.position.quantity, example.net, example.is_by_count) == (1, Decimal("0.80"), True)
    assert "never under 0.80 for 1 (quantity)" in reported(text)
    assert "it would not be entered" not in reported(text)
    assert "not one of it fits" in reported(text.replace("$935", "$500"))


@pytest.mark.parametrize(
    ("limit", "words"),
    [("$1870", "never under 0.80 for 2 (quantity)"), ("$1810", "never under 1.10 for 2 (max_loss_per_trade)")],
)
def test_what_bounds_the_price_of_so_many_is_said_to_be_of_so_many(limit: str, words: str) -> None:
    """A limit as high as the budget was said to bound each price, though fewer structures may go for less."""
    text = changed("underlying: SPX", "underlying: SPX\nquantity: {max_loss: $1870, at_most: 2}")
    assert words in reported(text.replace("max_loss_per_trade: $1000", f"max_loss_per_trade: {limit}"))


def test_widths_bound_a_trade_without_a_limit() -> None:
    text = changed("  max_loss_per_trade: $1000", "  daily_loss: $500").replace(
        "credit: {at_least: 0.50}", "max_risk: {below: $990}"
    )
    assert max_loss_of(subject(text)) == MaxLoss(Decimal("1013.04"), Certainty.STRIKES, Decimal(10))


def test_a_width_that_is_not_listed_counts_as_it_is_written() -> None:
    worst = max_loss_of(subject(changed("above: short_call, by: 10 pts", "above: short_call, by: 10.3 pts")))
    assert worst == MaxLoss(Decimal("993.04"), Certainty.STRIKES, Decimal("10.3"))


def test_of_several_widths_the_widest_counts() -> None:
    """A day's worst case was said of the first that is listed in the example, a fifth of what the last one can lose."""
    text = changed("above: short_call, by: 10 pts", "above: short_call, by: [10 pts, 50 pts]")
    text = text.replace("  max_loss_per_trade: $1000", "  daily_loss: $500")
    assert max_loss_of(subject(text)) == MaxLoss(Decimal("4963.04"), Certainty.STRIKES, Decimal(50))
    limited = text.replace("  daily_loss: $500", "  max_loss_per_trade: $3000")
    assert max_loss_of(subject(limited)) == MaxLoss(Decimal(3000), Certainty.LIMIT)


def test_without_a_limit_it_is_said_that_the_nearest_strike_may_be_further_away() -> None:
    words = "where no strike is listed so far apart the nearest is taken"
    text = changed("  max_loss_per_trade: $1000", "  daily_loss: $500")
    assert words in reported(text)
    assert words not in reported(CONDOR)
    assert words not in reported(text.replace("by: 10 pts", "by: 10 pts, within: 0 pts"))


def test_a_short_call_alone_has_no_bound() -> None:
    text = CONDOR.replace("  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}\n", "")
    worst = max_loss_of(subject(text.replace("max_loss_per_trade: $1000", "undefined_risk: allow")))
    assert worst == MaxLoss(None, Certainty.STRIKES)


def test_without_strikes_in_reach_there_is_no_example() -> None:
    found = subject(changed("{delta: 0.10}", "{delta: 0.10, min_otm_distance: 5000 pts}"))
    assert found.example is None
    assert max_loss_of(found) == MaxLoss(Decimal(1000), Certainty.LIMIT)


def test_the_example_market_is_quoted_once_for_all_who_take_the_same_of_it() -> None:
    other = changed("max_loss_per_trade: $1000", "max_loss_per_trade: $900")
    first, second = (example_view(subject(text).plan) for text in (CONDOR, other))
    assert first.board is second.board
    assert first.memo is not second.memo
    later = example_view(subject(changed('from: "10:00"', 'from: "11:00"')).plan)
    assert later.board is not first.board


def test_an_example_that_misses_what_the_bot_requires_says_so() -> None:
    text = reported(changed("    - credit: {at_least: 0.50}\n", "    - probability_of_profit: {at_least: 97%}\n"))
    assert "at the example's prices probability_of_profit is not met: no entry there" in text
    assert "is not met" not in reported(changed("    - credit: {at_least: 0.50}\n", "    - credit: {at_least: 0.20}\n"))


SIZED = """\
rulebot: 1
name: sized
about: Buys call spreads for a budget.
underlying: SPY
quantity: {debit: $900, at_most: 5}
entry:
  window: {from: "10:30", to: "13:30"}
  max_open: 3
legs:
  expiry: {dte: {nearest: 30}}
  long_call: {buy: call, strike: {otm: 1 pts}}
  short_call: {sell: call, strike: {delta: 0.30}}
order: {start: mid, step: 0.01, wait: 10s, tries: 6, then: cancel}
exits:
  - dte: {at_most: 10}
  - target: {profit: 50%}
risk:
  undefined_risk: allow
"""


def test_a_structure_sized_by_its_debit_is_bought() -> None:
    assert "a profit of 50% of the debit" in reported(SIZED)


def test_an_example_that_misses_two_requirements_names_both() -> None:
    required = "    - probability_of_profit: {at_least: 97%}\n    - credit: {at_least: 4.00}\n"
    text = reported(changed("    - credit: {at_least: 0.50}\n", required))
    assert "at the example's prices probability_of_profit and credit are not met: no entry there" in text
