"""What a trader would misread: each sentence here once said less than the engine does, or something else."""

import re
from pathlib import Path

import pytest

from rulebot.spec.files import shipped
from tests.unit.compile.document import CONDOR, changed
from tests.unit.review.test_choices import CHOICE
from tests.unit.review.test_sections import reported

EXAMPLES = Path(__file__).parents[3] / "examples"
PUT = """\
rulebot: 1
name: put
about: One put.
underlying: SPY
entry: {at: open + 1m, max_open: 3}
legs:
  expiry: {dte: {nearest: 60}}
  short_put: {sell: put, strike: {delta: 0.15}}
order: {start: mid, wait: 60s, tries: 1, then: cancel}
exits:
  - target: {profit: 60%}
    resting: true
  - stop: {loss: 200%}
    resting: true
  - at_expiry: settle
risk: {undefined_risk: allow, daily_loss: $2000}
"""
WATCHED = PUT.replace("    resting: true\n", "")
BUY_WRITE = """\
rulebot: 1
name: writer
about: Shares and a call.
underlying: SPY
entry: {window: {from: "10:30", to: "13:30"}}
legs:
  expiry: {dte: {at_most: 7}}
  stock: {buy: shares}
  short_call: {sell: call, strike: {delta: 0.40}}
order: {start: mid, step: 0.01, wait: 10s, tries: 8, then: cancel}
exits:
  - time: close - 30m
risk: {daily_loss: $500}
"""


def shipped_words(name: str) -> str:
    return reported((shipped("specs") / f"{name}.yaml").read_text(encoding="utf-8"))


# ---------------------------------------------------------------- what is not written


def test_the_quantity_is_said_also_when_it_is_one() -> None:
    assert "Legs      quantity 1; same-day SPXW options:" in reported()


def test_whose_clock_it_is_stands_beside_the_window() -> None:
    assert "all times are New York's" in reported()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  per_day: 1\n", "  per_day: 1\n", "once a day, judged at every change\n"),
        ("  per_day: 1\n", "  per_day: 1\n  every: 45s\n", "once a day, judged every 45 s\n"),
    ],
)
def test_how_often_conditions_are_judged_is_said_whether_written_or_not(old: str, new: str, words: str) -> None:
    assert words in reported(changed(old, new))


def test_another_entry_may_come_until_the_end_of_the_window_unless_written() -> None:
    text = changed("  per_day: 1\n", "  per_day: 2\n  again: {after: [filled, unfilled], wait: 5m}\n")
    assert "may enter again 5 minutes after an entry, filled or not, until the window's end\n" in reported(text)
    assert "filled or not until 12:00\n" in reported(text.replace("wait: 5m", 'wait: 5m, until: "12:00"'))


@pytest.mark.parametrize(
    ("risk", "words"),
    [
        ("{max_loss_per_trade: $1000}", "not limited: what a day may lose (daily_loss)\n"),
        ("{daily_loss: $500}", "not limited: what a trade may lose (max_loss_per_trade)\n"),
        ("{halt_when: [{vix: {above: 40}}]}", "(max_loss_per_trade) and what a day may lose (daily_loss)\n"),
    ],
)
def test_limits_that_are_not_set_are_named(risk: str, words: str) -> None:
    assert words in reported(changed("risk:\n  max_loss_per_trade: $1000\n", f"risk: {risk}\n"))


def test_nothing_is_unlimited_when_both_limits_are_set() -> None:
    assert "not limited" not in reported(changed("risk:\n", "risk:\n  daily_loss: $500\n"))


def test_a_budget_bounds_a_trade_without_another_limit() -> None:
    text = changed("risk:\n  max_loss_per_trade: $1000\n", "risk: {daily_loss: $500}\n")
    text = text.replace("underlying: SPX\n", "underlying: SPX\nquantity: {max_loss: $2000, at_most: 4}\n")
    assert "not limited" not in reported(text)


@pytest.mark.parametrize("name", ["overwrite", "as_many_as_fit"])
def test_a_limit_on_a_trade_is_reported_beside_what_bounds_it_already(name: str) -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    risk = re.search("^risk:.*$", text, re.MULTILINE)
    assert risk is not None
    text = text.replace(risk[0], "risk: {max_loss_per_trade: $9000}")
    assert "an entry that could lose more than $9,000 is refused (max_loss_per_trade)" in reported(text)


def test_an_exit_that_closes_what_covers_the_rest_counts_in_what_a_trade_can_lose() -> None:
    """A bought put that had doubled was sold alone, and of the naked one $806 were said to be lost at most."""
    alone = "  - target: {profit: 100%, of: long_put}\n"
    reported_of = reported(changed("exits:\n", f"exits:\n{alone}"))
    assert (
        "these can close at different prices (target.long_put): short_put + short_call + long_call; long_put;"
        in reported_of
    )
    assert "different prices" not in reported(changed("exits:\n", f"exits:\n{alone}    close: all\n"))


def test_an_exit_by_the_whole_price_is_reported_to_count_what_a_part_has_left() -> None:
    """Of a straddle whose call was sold at a profit the put followed within seconds: much of the value was gone."""
    part = "  - name: side\n    stop: {cost: 2x credit, of: each_side}\n    confirm: 2 quotes\n"
    whole = changed("target: {profit: 50%}", "target: {cost: 0.5x credit}")
    words = "target goes by the cost of what is left and the credit of the whole"
    assert words in reported(whole.replace("exits:\n", f"exits:\n{part}"))
    assert words not in reported(whole)
    assert words not in reported(changed("exits:\n", f"exits:\n{part}"))


# ---------------------------------------------------------------- entering


def test_a_time_to_enter_at_says_until_when_it_is_open() -> None:
    assert "Enters    09:31 (1 minute after the open) to 09:36, once a day, 3 open at once at most\n" in reported(PUT)


def test_a_time_near_the_close_ends_with_the_session() -> None:
    text = reported(PUT.replace("open + 1m", "close - 2m"))
    assert "15:58 (2 minutes before the close) to 16:00 (the close; its own end is 16:03)" in text


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ('["11:02", close - 2h]', "half days 11:00 to 11:05 and 11:05 to 11:07,"),
        ('["11:00", close - 2h]', "half days 11:00 to 11:05,"),
    ],
)
def test_of_windows_that_overlap_by_an_early_close_the_later_one_waits(at: str, words: str) -> None:
    assert words in reported(changed('  window: {from: "10:00", to: "13:30"}\n', f"  at: {at}\n"))


def test_of_a_universe_only_that_symbol_is_over() -> None:
    assert "unfilled it does not enter that symbol again that day" in reported(CHOICE)
    assert "unfilled it does not enter again that day" in reported()


def test_conditions_are_judged_again_as_long_as_nothing_has_filled() -> None:
    assert "before each try, until a part has filled, all conditions are judged again" in reported()


def test_a_bound_on_legs_that_go_one_by_one_binds_the_last() -> None:
    words = shipped_words("spx_spy_parity")
    assert "never under 4.09 (require) for all legs together, which binds short_spy alone\n" in words
    assert "for all legs together" not in reported()


def test_positions_of_its_own_do_not_stand_in_the_way_either() -> None:
    text = reported(changed("  require:\n", "  on_conflict: allow\n  require:\n"))
    assert "it enters also while a bot, this one included, holds one of these contracts the other way round" in text


def test_a_small_expected_move_keeps_its_first_decimal() -> None:
    assert "SPY 600 at 10:30, expected move 3.5 points" in reported(BUY_WRITE)
    assert "SPX 6000 at 10:00, expected move 36 points" in reported()


# ---------------------------------------------------------------- leaving


def test_a_target_gives_way_to_what_stands_below_it_and_takes_over_from_none() -> None:
    assert "one above it takes over; targets give way to all other exits and take over from none\n" in reported()


def test_without_targets_only_the_order_of_exits_counts() -> None:
    words = reported(changed("  - target: {profit: 50%}\n", ""))
    assert "one above it takes over\n" in words
    assert "targets" not in words


def test_what_closes_more_takes_over_too() -> None:
    words = reported(changed("breach: {spot_within: 5 pts}", "breach: {spot_within: 5 pts}\n    close: put_side"))
    assert "one above it that closes no less, or any that closes more, takes over;" in words


def test_nothing_takes_over_where_the_broker_holds_both() -> None:
    assert "Leaves    the first that holds acts\n" in reported(PUT)


def test_what_rests_at_the_broker_needs_no_data_of_ours() -> None:
    assert "without data" not in reported(PUT)
    assert "30 s without data: target and stop wait and raise the alarm" in reported(WATCHED)


@pytest.mark.parametrize("clock", ["sessions_in_trade: {at_least: 1}", "time_in_trade: {at_least: 2h}"])
def test_an_exit_by_how_long_it_is_held_needs_no_data(clock: str) -> None:
    words = reported(changed("  - target: {profit: 50%}\n", f"  - target: {{profit: 50%}}\n  - {clock}\n"))
    assert "30 s without data: breach, target and stop wait and raise the alarm" in words
    assert f"a leg is not quoted time and {clock.split(':')[0]} send nothing: their orders are limits" in words


def test_a_target_is_said_to_close_at_its_price_or_at_any() -> None:
    assert "0.50 sold: bought back at 0.25 or better, +$15" in reported()
    any_price = reported(changed("target: {profit: 50%}", "target: {profit: 50%}\n    any_price: true"))
    assert "closes at any price once it was true" in any_price
    assert "0.50 sold: bought back at about 0.25, +$15" in any_price
    assert "at natural" in reported(changed("target: {profit: 50%}", "target: {profit: 50%, at: natural}"))


def test_only_a_limit_that_rests_fills_where_it_is_said_to() -> None:
    assert "0.50 sold: bought back at about 0.95, -$55" in reported()
    assert "0.50 sold: bought back at 0.25 or better, +$15" in reported()
    words = reported(PUT)
    assert "3.00 sold: bought back at 1.20 or better, +$178" in words
    assert "3.00 sold: bought back at about 9.00, -$602" in words


def test_no_order_works_in_the_pauses_of_an_exit() -> None:
    ladder = "exit_order: {start: mid, step: 0.05, wait: 15s, pause: 20s, then: again}\nrisk:\n"
    words = reported(changed("risk:\n", ladder))
    assert "0.05 worse every 15 s, after each a pause of 20 s without an order, never past natural, until done" in words


def test_a_loss_in_dollars_counts_the_commissions_paid_until_then() -> None:
    assert "at a loss of $50, commissions so far included, 2 readings in a row" in reported()


def test_dollars_of_several_structures_are_said_to_be_theirs() -> None:
    text = changed("underlying: SPX\n", "underlying: SPX\nquantity: 2\n").replace("$1000", "$3000")
    assert "dollars are those of 2 structures, each 0.50 sold, the least credit, after all commissions" in reported(
        text
    )


def test_dollars_of_calls_on_shares_are_those_of_one() -> None:
    assert "dollars are those of one call, 0.38 sold, mid in the example" in shipped_words("micro_buywrite")


def test_once_the_credit_is_said_without_a_number() -> None:
    assert "once closing costs the credit or more" in reported(changed("{loss: $50}", "{cost: 1x credit}"))
    assert "once closing costs 2 times the credit or more" in reported(changed("{loss: $50}", "{cost: 2x credit}"))


def test_what_expires_and_what_is_left_is_said() -> None:
    left = "a bought option without a bid is left to expire"
    assert f"{left}; what was sold is bought back\n" in reported()
    assert left not in reported(PUT)
    assert "perhaps before expiry; stock is closed once no option remains\n" in reported(BUY_WRITE)


def test_with_two_underlyings_a_breach_is_of_the_legs_own() -> None:
    words = shipped_words("spx_spy_parity")
    assert "its underlying is more than 10 points past the strike of short_spy" in words
    assert "spot is within 5 points" in reported()


# ---------------------------------------------------------------- risks


def test_a_short_call_loses_nothing_when_the_underlying_falls() -> None:
    assert "at 599.05, stock with the underlying at 0\n" in reported(BUY_WRITE)
    assert "short_put with the underlying at 0 (undefined_risk: allow)" in reported(PUT)


def test_the_bound_of_a_calendar_counts_what_closing_brings_below_the_exercise_value() -> None:
    calendar = (EXAMPLES / "double_calendar.yaml").read_text(encoding="utf-8")
    words = "for closing below the exercise value: by the bid-ask spread"
    assert f"the bound counts 13.02 points {words}, and by interest\n" in reported(calendar)
    assert f"{words}\n" in reported(calendar.replace("underlying: SPX", "underlying: SPY"))
    assert words not in reported()


def test_a_sum_of_structures_that_the_example_has_others_of_is_whole() -> None:
    text = changed("underlying: SPX\n", "underlying: SPX\nquantity: {credit: $500, at_most: 4}\n")
    text = re.sub("  require:\n.*\n", "", text).replace("$1000", "$9000")
    assert "for example 3 structures of" in reported(text)
    assert "10 points from strike to strike x 400, plus at most $" in reported(text)


def test_several_trades_lose_so_many_times_what_is_said_of_one() -> None:
    words = reported(changed("  per_day: 1\n", "  per_day: 3\n"))
    assert "at most $963 a trade" in words
    assert "open at once: 3, $2,889 together; a day's worst case $2,889: 3 entries" in words


def test_a_day_of_a_limit_says_what_comes_first() -> None:
    assert ": first just under daily_loss, then all 3 that may be open\n" in reported(PUT)


# ---------------------------------------------------------------- alternatives


def test_the_choice_is_made_again_before_each_try() -> None:
    assert "chosen again before each try, and another choice ends the order\n" in reported(CHOICE)


def test_what_both_alternatives_share_is_said_to_be_of_both() -> None:
    words = reported(CHOICE)
    leaves = words[words.index("Leaves") :]
    assert leaves.index("targets give way") < leaves.index("dear:\n") < leaves.index("both:\n")
    third = CHOICE[CHOICE.index("    - name: dear") : CHOICE.index("    - name: cheap")]
    more = CHOICE.replace(third, third + third.replace("dear", "third").replace("above: 20", "above: 15"))
    assert "all of them:\n" in reported(more)


def test_a_long_name_of_an_alternative_stands_on_a_line_of_its_own() -> None:
    words = reported(CHOICE.replace("name: dear", "name: wide_and_dear"))
    assert "\n  wide_and_dear\n            quantity 1; same-day SPY options:\n" in words


def test_each_part_is_judged_against_its_own_price_only_in_percent() -> None:
    stop = "  - stop: {loss: $50}\n    confirm: 2 quotes\n"
    assert stop in CONDOR
    words = reported(CONDOR.replace(stop, "  - stop: {loss: 100%, of: each_side}\n"))
    assert "each side separately: at a loss of 100% of the entry price of that part; that one alone is closed" in words


# ---------------------------------------------------------------- words of measures


def example_words(name: str) -> str:
    return reported((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))


def test_a_factor_is_a_number_also_where_what_it_is_compared_with_is_a_part() -> None:
    assert "is at least 0.25 times the part of 7 symbols" in example_words("breadth")


def test_one_session_is_no_sessions() -> None:
    assert "at least 1 session after the day of entry" in example_words("morning_after")


def test_greeks_of_the_bot_have_units() -> None:
    words = example_words("bot_limits")
    assert "the bot's delta in shares, the entry included, is -20 to 20" in words
    assert "the bot's gamma in shares a point, the entry included, is at least -2" in words
    assert "the bot's theta a day, the entry included, is at most $2,000" in words
    assert "the bot's vega a point of volatility, the entry included, is at least -$200" in words


def test_a_delta_has_sides_and_does_not_move() -> None:
    assert "the delta of one structure in shares is more than 25 on either side of zero" in example_words("out_when")


def test_shares_have_cost_an_average() -> None:
    assert "SPY is above 0.95 times the average cost of the SPY shares held" in example_words("overwrite")


# ---------------------------------------------------------------- prices that can be


def test_what_may_come_to_be_worth_more_than_nothing_is_closed_for_a_credit() -> None:
    """Two puts far below a put spread: the spread alone may be worth 50 points."""
    words = example_words("one_one_two")
    assert "0.50 sold: closed for a credit of 24.65 or better, +$2,505" in words
    assert "no price reaches this" not in words


@pytest.mark.parametrize(("times", "reaches"), [("9x", True), ("11x", False)])
def test_no_price_comes_to_more_than_the_width(times: str, reaches: bool) -> None:
    """Sold at 1.00, ten points wide: nine times the credit is a price that it may cost, eleven times is none."""
    text = changed("{at_least: 0.50}", "{at_least: 1.00}").replace("{loss: $50}", f"{{cost: {times} credit}}")
    assert ("no price reaches this" not in reported(text)) is reaches
