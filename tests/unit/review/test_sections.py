"""What one change of a spec changes in its explanation."""

import pytest

from rulebot.compile.build import build_plan
from rulebot.review.account import explain_account
from rulebot.review.explain import explain_bot
from rulebot.review.explanation import text_of
from rulebot.spec.load import load_text
from tests.unit.compile.document import CONDOR, changed
from tests.unit.review.test_change_marks import PUT, edited

UNBOUND = edited(CONDOR, ("max_loss_per_trade: $1000", "undefined_risk: allow"))
"""A condor whose short legs may be closed alone."""


def reported(text: str = CONDOR) -> str:
    """Return the explanation of a text with its wrapped lines joined again."""
    loaded = load_text(text)
    assert loaded.spec is not None, loaded.diagnostics
    plan, problems = build_plan(loaded.spec, loaded.source, with_warnings=False)
    assert plan is not None, problems
    return text_of(explain_bot(loaded.spec, plan), width=10_000)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            '{from: "10:00", to: "13:30"}',
            '{from: "10:00", to: "15:45"}',
            "10:00 to 15:30 (the time exit; its own end is 15:45), half days to 12:30",
        ),
        (
            'window: {from: "10:00", to: "13:30"}',
            'at: "13:15"',
            "13:15 to 13:20, half days no entry, once a day",
        ),
        (
            'window: {from: "10:00", to: "13:30"}',
            "at: close - 1h\n  for: 90s",
            "15:00 (1 hour before the close) to 15:01:30, half days 12:00 to 12:01:30",
        ),
        (
            "  per_day: 1\n",
            "  per_day: 3\n  max_open: 2\n  every: 1m\n",
            "3 times a day at most, 2 open at once at most, judged every minute",
        ),
        (
            "  per_day: 1\n",
            "  per_day: 1\n  try: once\n",
            "judged at every change, decided by the first clear answer (try: once)",
        ),
        (
            "  per_day: 1\n",
            '  per_day: 2\n  again: {after: [unfilled, stop, target], wait: 2m, until: "12:00", at_most: 1}\n',
            "after an entry that did not fill or a position closed by stop or target until 12:00, 1 time at most",
        ),
        (
            "  expiry: {dte: 0}\n",
            "  expiry: {dte: {between: [30, 45]}, class: SPX}\n",
            "SPX options of the earliest expiry 30 to 45 days from now:",
        ),
        (
            "  expiry: {dte: 0}\n",
            "  expiry: {dte: {at_least: 49}}\n",
            "SPXW options of the earliest expiry 49 days or more from now:",
        ),
        (
            "  expiry: {dte: 0}\n",
            "  expiry: {dte: {between: [20, 70]}, take: latest, cycle: monthly}\n",
            "monthly SPXW options of the latest expiry 20 to 70 days from now:",
        ),
        (
            "{delta: 0.10}",
            "{premium: {at_least: 1.20}, min_strike: strike(short_put)}",
            "whose price at mid is at least 1.20, the nearest such, moved up to be not below the strike of short_put",
        ),
        (
            "underlying: SPX\n",
            "underlying: SPX\nquantity: {credit: 0.01x net_liquidation, at_most: 4}\n",
            "as many of this structure as bring 1% of the account, after commissions, 4 at most; same-day SPXW",
        ),
        (
            "  max_loss_per_trade: $1000\n",
            "  max_loss_per_trade: $1000\n  r: $50\n  daily_loss: 3R\n",
            "at a loss of $150 (3R) since the session began",
        ),
        (
            "underlying: SPX\n",
            "underlying: SPX\nquantity: {max_loss: $500, at_most: 4}\n",
            "could lose $963: not one of it fits, and it would not be entered",
        ),
        (
            "{delta: 0.10}",
            "{otm: 1%, round: away, within: 0.1%}",
            "1% above spot, the next listed away from the money, no trade if the nearest is more than 0.1% of spot",
        ),
        ("  expiry: {dte: 0}\n", "  expiry: {dte: 3}\n", "SPXW options that expire in exactly 3 days:"),
        ("underlying: SPX\n", "underlying: SPX\nquantity: 2\n", "quantity 2; same-day SPXW options:"),
        (
            "{delta: 0.10}",
            "{expected_move: 1.2x, round_to: 25, within: 0.1x}",
            "of strikes that are multiples of 25, no trade if the nearest is more than 0.1 expected moves away",
        ),
        (
            "  require:\n",
            "  on_conflict: allow\n  require:\n",
            "it enters also while a bot, this one included, holds one of these contracts the other way round",
        ),
        (
            "  require:\n",
            "  on_conflict: shift\n  require:\n",
            "a leg that any bot holds the other way round moves out to the next strike that no bot holds",
        ),
        (
            "tries: 6",
            "tries: 6, pause: 30s",
            "6 tries and a pause of 30 s between two (0.25 from mid at the last), never past natural",
        ),
        ("start: mid, step: 0.05", "start: 0.80, step: 0.05", "a limit at 0.80, 0.05 worse every 10 s"),
        (
            "start: mid, step: 0.05, wait: 10s, tries: 6",
            "start: natural, tries: 1",
            "in: one combo of all legs, a limit at natural, for 10 s, 1 try, never under 0.50 (require)",
        ),
        (
            "start: mid, step: 0.05",
            "start: natural, step: 0.05",
            "a limit at natural, set to the quote again every 10 s, 6 tries, never under 0.50 (require)",
        ),
        ("max_loss_per_trade: $1000", "max_loss_per_trade: $804", "never under 2.10 (max_loss_per_trade)"),
        (
            '  - time: "15:30"\n',
            '  - time: "15:30"\n    order: {start: mid, step: 0.05, wait: 2s, tries: 2, then: market}\n',
            "; a limit at mid, 0.05 worse every 2 s, 2 tries (0.05 from mid at the last), never past natural, then at",
        ),
        (
            "  - breach: {spot_within: 5 pts}\n",
            "  - breach: {spot_within: 5 pts, of: short_put}\n",
            "of the strike of short_put, or past it; closes short_put alone",
        ),
        (
            "  - breach: {spot_within: 5 pts}\n",
            "  - breach: {spot_within: 5 pts}\n    unknown: exit\n    grace: 1m\n",
            "1 minute without data: breach raises the alarm and acts as if true",
        ),
        (
            "  - breach: {spot_within: 5 pts}\n",
            "  - breach: {spot_within: 5 pts}\n    unknown: exit\n    grace: 1m\n",
            "while a leg is not quoted time and breach send nothing: their orders are limits, which wait for quotes",
        ),
        (
            "  - breach: {spot_within: 5 pts}\n",
            "  - breach: {spot_within: 5 pts}\n    unknown: exit\n    order: {wait: 5s, tries: 3, then: market}\n",
            "while a leg is not quoted breach goes to market 15 s later",
        ),
        (
            "  - breach: {spot_within: 5 pts}\n",
            "  - breach: {spot_within: 5 pts}\n    enabled: false\n",
            "switched off: breach",
        ),
        ("target: {profit: 50%}", "target: {profit: 150%}", "no price reaches this"),
        (
            "risk:\n",
            "risk:\n  protect: {cost: 4x credit}\n  max_time_without_stop: 5s\n",
            "4 times the credit of the structure (short_put at 2.00, short_call at 2.00; sold at 0.55 and 0.57)",
        ),
        (
            "risk:\n",
            "risk:\n  protect: {cost: 1.1x credit}\n",
            "short_call at 0.55; sold at 0.55 and 0.57: it would act at once, so nothing is entered)",
        ),
        (
            "risk:\n",
            "risk:\n  protect: {cost: 4x credit, of: short_call}\n",
            "short_put has no stop at the broker; short_call has a stop order at the broker: it is bought back once it "
            "costs 4 times what that leg brought (short_call at ",
        ),
        (
            "risk:\n",
            "risk:\n  protect: {cost: 4x credit, of: short_call}\n",
            "while no engine runs the stop on short_call stays at the broker (good till cancelled)",
        ),
        (
            "risk:\n",
            "risk:\n  protect: {cost: 4x credit}\n",
            "while no engine runs the stops on the short legs stay at the broker (good till cancelled)",
        ),
        (
            "risk:\n",
            "risk:\n  protect: {cost: 4x credit}\n  max_time_without_stop: 5s\n",
            "a closing order for 5 s closes the position at market (max_time_without_stop)",
        ),
        ("  per_day: 1\n", "  per_day: 4\n  max_open: 1\n", "open at once: 1; a day's worst case $3,852: 4 entries"),
        (
            "risk:\n",
            "risk:\n  daily_loss: 2x max_loss_per_trade\n",
            "at a loss of $2,000 since the session began, open positions included",
        ),
        (
            "max_loss_per_trade: $1000",
            "max_loss_per_trade: $1000",
            "an entry that could lose more than $1,000 is refused (max_loss_per_trade)",
        ),
    ],
)
def test_a_change_is_reported(old: str, new: str, line: str) -> None:
    assert line in reported(changed(old, new))
    assert old == new or line not in reported()


def test_am_settled_options_end_at_the_open() -> None:
    text = changed("  expiry: {dte: 0}\n", "  expiry: {dte: {at_least: 10}, class: SPX}\n").replace(
        "  per_day: 1", "  max_open: 1"
    )
    assert "settled in cash at the opening prints of the day after its last" in reported(text)


def test_an_account_without_limits_says_so() -> None:
    risk = "{max_open: 1, price_band: 0.25, pattern_day_trading: {ignore: cash}}"
    text = f"rulebot_account: 1\nabout: One.\naccount: DU1234567\nrisk: {risk}\n"
    account = load_text(text, "account.yaml").account
    assert account is not None
    words = text_of(explain_account(account), width=10_000)
    assert "max_open             at most 1 position open" in words
    assert "priced at most 0.25 per share from the mid, at every try" in words
    assert "passed over: cash" in words
    assert "not limited: daily_loss, orders_per_minute, entries_per_day, max_contracts_per_order" in words
    assert "nothing trades real money: the document has no 'live'" in words


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'window: {from: "10:00", to: "13:30"}\n  per_day: 1\n',
            'window: [{from: "10:00", to: "11:00"}, {from: "13:00", to: "14:00"}]\n  days: [mon, wed]\n  per_week: 3\n',
            "on Mondays and Wednesdays, 10:00 to 11:00 and 13:00 to 14:00, half days 10:00 to 11:00, twice a day "
            "at most, 3 times a week at most",
        ),
        (
            'window: {from: "10:00", to: "13:30"}\n  per_day: 1\n',
            'at: ["10:00", "11:00"]\n',
            "10:00 to 10:05 and 11:00 to 11:05, twice a day at most",
        ),
        ("{delta: 0.10}", "{delta: 0.10, prefer_round_to: 25}", "on the nearest multiple of 25 where one is listed"),
        ("target: {profit: 50%}", "target: {profit: 50%}\n    close: put_side", "closes short_put and long_put alone"),
        (
            "target: {profit: 50%}",
            "target: {profit: 50%}\n  - {name: e, all: [{cost: {of: [short_put, long_put], above: 3}}]}",
            "all of these; closes short_put and long_put alone",
        ),
        (
            "target: {profit: 50%}",
            "target: {profit: 50%}\n  - {name: e, any: [{cost: {of: short_put, above: 3}}, {vix: {above: 40}}]}",
            "any of these; closes the whole position",
        ),
        (
            "target: {profit: 50%}",
            "target: {profit: 50%}\n    close: 50%\n    repeat: true",
            "closes 50% of the structures open, rounded up, each time it becomes true again",
        ),
    ],
)
def test_windows_parts_and_preferences_are_reported(old: str, new: str, line: str) -> None:
    assert line in reported(changed(old, new))
    assert line not in reported()


def test_a_part_is_priced_without_the_dollars_of_the_whole() -> None:
    text = reported(changed("target: {profit: 50%}", "target: {profit: 50%}\n    close: 50%"))
    assert "0.50 sold: bought back at 0.25 or better\n" in text


AT_MARKET = "{adaptive: [normal, urgent], start: market, wait: 300s, tries: 2, pause: 1m}"


@pytest.mark.parametrize(
    ("order", "line"),
    [
        (
            AT_MARKET,
            "in: a market order, which no price bounds, 2 tries of 5 minutes and a pause of 1 minute between two, "
            "given to the broker's adaptive algorithm (normal, then urgent)",
        ),
        (
            "{adaptive: normal, start: market, wait: 300s}",
            "in: a market order, which no price bounds, for 5 minutes, 1 try, given to the broker's adaptive algorithm "
            "(normal)",
        ),
    ],
)
def test_an_entry_at_market_is_no_limit_and_has_no_bound(order: str, line: str) -> None:
    """It was called a limit at market, never under the credit that `require` asks of the mid."""
    text = edited(PUT, ("{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}", order))
    assert f"{line}\n" in reported(text)
    assert "never under" in reported(PUT)
    assert "never under" not in reported(text)
    assert "sold, mid in the example, after all commissions" in reported(text)
    assert "a trade in the example" in reported(text)
    assert "out: a limit at mid" in reported(text)


def test_an_entry_at_market_is_held_to_no_condition_that_only_a_price_could_keep() -> None:
    """It was said never to go where the condition would not hold, right behind the words that no price bounds it."""
    priced = edited(PUT, ("- credit: {at_least: 1.00}", "- probability_of_profit: {above: 70%}"))
    at_market = edited(priced, ("{start: mid, step: 0.05, wait: 10s, tries: 3, then: cancel}", AT_MARKET))
    assert "never where probability_of_profit would not hold" in reported(priced)
    assert "never where" not in reported(at_market)


def test_an_exit_at_market_has_no_algorithm() -> None:
    text = edited(PUT, ('  - time: "15:30"\n', '  - time: "15:30"\n    order: {start: market, adaptive: urgent}\n'))
    assert "; at market\n" in reported(text)
    assert "algorithm" not in reported(text)


def test_what_rests_is_reported_at_the_tick_at_which_it_rests() -> None:
    text = reported(edited(PUT, ("at_least: 1.00", "at_least: 1.05"), ("cost: 2x credit", "cost: 2.1x credit")))
    assert "1.05 sold: bought back at 0.50 or better, +$52" in text
    assert "1.05 sold: bought back at about 2.20, -$118" in text


def test_only_what_was_sold_is_reported_to_be_covered_by_nothing() -> None:
    line = "  long_call: {buy: call, strike: {above: short_call, by: 10 pts}}\n"
    extra = "  more_calls: {sell: call, ratio: 2, strike: {above: short_call, by: 30 pts}}\n"
    text = reported(edited(CONDOR, (line, line + extra), ("max_loss_per_trade: $1000", "undefined_risk: allow")))
    assert "without a bound: no contract covers short_call and more_calls (undefined_risk: allow)" in text


@pytest.mark.parametrize(
    ("exit_", "is_met"),
    [
        ("breach: {spot_within: 80 pts}", True),
        ("breach: {spot_within: 80 pts, of: each_side}", True),
        ("breach: {spot_within: 5 pts}", False),
        ("leg_delta: {beyond: 0.08}", True),
        ("position_delta: {beyond: 30}", False),
        ("name: near\n    all: [{breach: {spot_within: 80 pts}}, {time: close - 1h}]", False),
        ("name: near\n    breach: {spot_within: 80 pts}\n    activate_when: {profit: {at_least: 10%}}", False),
        ("cost: {above: 0.5x credit, of: each_short}", False),  # the least credit is no price of the example's market
    ],
)
def test_an_exit_that_is_true_of_the_example_at_once_is_said_to_be(exit_: str, is_met: bool) -> None:
    """A trader's bot sold a put nine points away and left within 15 points: closed in the minute of each entry."""
    text = reported(edited(UNBOUND, ("  - breach: {spot_within: 5 pts}\n", f"  - {exit_}\n")))
    assert ("true as soon as the position is open" in text) is is_met


def test_a_short_leg_that_costs_more_than_the_whole_brings_is_said_to_be_closed_at_once() -> None:
    """Without a credit that is required the example has the price of its market, and so have its legs."""
    bare = edited(UNBOUND, ("  require:\n    - credit: {at_least: 0.50}\n", ""))
    text = reported(bare.replace("- breach: {spot_within: 5 pts}", "- cost: {above: 1x credit, of: each_short}"))
    assert ": true as soon as the position is open" in text
    text = reported(bare.replace("- breach: {spot_within: 5 pts}", "- cost: {above: 2x credit, of: each_short}"))
    assert "true as soon" not in text
